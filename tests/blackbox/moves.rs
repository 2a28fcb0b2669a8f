//! Connections that move to the core that owns the keys they use.
//!
//! Every test knows the two cores of the server by the halves of the slots: `KEYS` of a core are
//! keys in its half.

use std::io::Write;

use crate::support::client::{Client, encode};
use crate::support::random::Random;
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::{eventually, start};

/// Commands after which a connection has moved if it ever will.
const ENOUGH: usize = 300;

/// `a` is of slot 15495, so of core 1; `b` of slot 3300, so of core 0.
const KEYS: [&str; 2] = ["b", "a"];

/// A number of INFO, all cores together.
fn counter(server: &Server, name: &str) -> u64 {
    seen_by(&mut server.connect(), name)
}

/// The field `name` as this client sees it.
fn seen_by(client: &mut Client, name: &str) -> u64 {
    let Reply::Bulk(text) = client.run("INFO everything") else { panic!("INFO is a text") };
    let text = String::from_utf8(text).expect("INFO is text");
    let value = text.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    value.expect("the field is there").parse().expect("the field is a number")
}

fn moves(server: &Server) -> u64 {
    counter(server, "connections_moved")
}

/// A connection whose commands on `key` hop, and which has not moved: one of those that the kernel
/// gave to the other core.
fn far_from(server: &Server, key: &str) -> Client {
    loop {
        let mut client = server.connect();
        let before = counter(server, "total_core_hops");
        for _ in 0..8 {
            client.run(&format!("GET {key}"));
        }
        // INFO itself asks the other core once.
        if counter(server, "total_core_hops") >= before + 8 {
            return client;
        }
    }
}

#[test]
fn a_client_of_one_key_moves_once_and_hops_no_more() {
    let server = start("");
    for key in KEYS {
        let before = moves(&server);
        let mut client = far_from(&server, key);
        let id = client.run("CLIENT ID");
        client.run("CLIENT SETNAME traveller");
        client.run("HELLO 3");
        client.run("SELECT 3");
        for expected in 1..=ENOUGH as i64 {
            assert_eq!(client.run(&format!("INCR {key}")), Reply::Integer(expected));
        }
        assert_eq!(moves(&server), before + 1);
        let hops = counter(&server, "total_core_hops");
        for expected in 1..=2 * ENOUGH as i64 {
            assert_eq!(
                client.run(&format!("INCR {key}")),
                Reply::Integer(ENOUGH as i64 + expected)
            );
        }
        assert!(counter(&server, "total_core_hops") < hops + 10, "it is at home");
        assert_eq!((moves(&server), client.run("CLIENT ID")), (before + 1, id));
        assert_eq!(client.run("CLIENT GETNAME"), Reply::Bulk(b"traveller".to_vec()));
        let Reply::Verbatim { text, .. } = client.run("CLIENT INFO") else { panic!("of RESP3") };
        assert!(String::from_utf8_lossy(&text).contains(" db=3 "));
    }
}

#[test]
fn a_worker_moves_to_its_queue() {
    let server = start("");
    let (mut worker, mut producer) = (far_from(&server, KEYS[0]), server.connect());
    for number in 0..100 {
        worker.send(&["BLPOP", KEYS[0], "0"]);
        eventually("it waits", || seen_by(&mut producer, "blocked_clients") == 1);
        producer.run(&format!("RPUSH {} {number}", KEYS[0]));
        let element = number.to_string().into_bytes();
        let expected = vec![Reply::Bulk(KEYS[0].into()), Reply::Bulk(element)];
        assert_eq!(worker.receive(), Reply::Array(expected));
    }
    assert_eq!(moves(&server), 1);
}

#[test]
fn a_client_that_turns_around_stays() {
    let server = start("");
    let mut client = far_from(&server, KEYS[0]);
    for key in KEYS.into_iter().cycle().take(6) {
        for _ in 0..ENOUGH {
            client.run(&format!("GET {key}"));
        }
    }
    assert_eq!(moves(&server), 1);
}

#[test]
fn random_keys_and_a_switch_keep_connections_where_they_are() {
    for (arguments, fixed) in [("", false), ("--move-connections no", true)] {
        let server = start(arguments);
        let mut random = Random::new(3);
        let mut clients: Vec<Client> = (0..4).map(|_| server.connect()).collect();
        for client in &mut clients {
            let mut key =
                || if fixed { KEYS[0].to_owned() } else { random.below(1000).to_string() };
            let bytes: Vec<u8> = (0..4 * ENOUGH).flat_map(|_| encode(&["GET", &key()])).collect();
            client.send_bytes(&bytes).expect("the server reads");
            (0..4 * ENOUGH).for_each(|_| assert_eq!(client.receive(), Reply::Nil));
        }
        assert_eq!(moves(&server), 0);
    }
}

/// Pipelines cut anywhere, while the connection moves: every reply comes once and in order.
///
/// A connection leaves only when its input is used up, so the client is a few hundred commands
/// ahead and no more: how fast the machine is does not decide whether there is a move.
#[test]
fn pipelines_during_the_move_are_answered_in_order() {
    const BLOCKS: usize = 60;
    const AHEAD: usize = 3;
    for seed in 0..6 {
        let server = start("");
        let mut random = Random::new(seed);
        let mut client = far_from(&server, KEYS[0]);
        let large = "x".repeat(if seed % 2 == 0 { 10 } else { 40_000 });
        let mut block = encode(&["APPEND", KEYS[0], "y"]).repeat(99);
        block.extend(encode(&["SETRANGE", KEYS[0], "30", &large]));
        let mut writer = client.tcp_handle();
        std::thread::scope(|scope| {
            let (answered, answers) = std::sync::mpsc::channel();
            scope.spawn(move || {
                for number in 0..BLOCKS {
                    if number >= AHEAD {
                        answers.recv().expect("the reader has not given up");
                    }
                    let mut rest = &block[..];
                    while !rest.is_empty() {
                        let count = (1 + random.below(3000)).min(rest.len());
                        writer.write_all(&rest[..count]).expect("the server reads");
                        rest = &rest[count..];
                    }
                }
            });
            let mut length = 0;
            for number in 0..BLOCKS {
                for place in 0..99 {
                    length += 1;
                    assert_eq!(client.receive(), Reply::Integer(length), "{number}, {place}");
                }
                length = length.max(30 + large.len() as i64);
                assert_eq!(client.receive(), Reply::Integer(length), "SETRANGE {number}");
                // Nobody may listen any more: the writer has sent everything.
                let _ = answered.send(());
            }
        });
        eventually("it has moved", || moves(&server) == 1);
    }
}

/// What the peer does not read must travel too.
#[test]
fn replies_that_nobody_reads_yet_are_not_lost_by_the_move() {
    const COMMANDS: usize = 4000;
    let server = start("");
    let mut client = far_from(&server, KEYS[0]);
    let value = vec![b'v'; 3000];
    client.call(&[b"SET", KEYS[0].as_bytes(), &value]);
    for _ in 0..COMMANDS / 10 {
        let bytes = encode(&["GET", KEYS[0]]).repeat(10);
        client.send_bytes(&bytes).expect("the server reads");
        // Lets the server answer some while nothing is read.
        server.connect().run("PING");
    }
    for number in 0..COMMANDS {
        assert!(client.receive() == Reply::Bulk(value.clone()), "reply {number}");
    }
    assert_eq!(client.run("PING"), Reply::Status("PONG".to_owned()));
}

/// A thousand connections move at once, while somebody lists them and kills some.
#[test]
fn a_thousand_connections_move_and_none_is_missed() {
    const CONNECTIONS: usize = 1000;
    let server = start("--maxclients 1010");
    let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.run("CLIENT SETNAME traveller");
    }
    let bytes = encode(&["INCR", KEYS[0]]).repeat(100);
    let mut watcher = server.connect();
    for round in 0..8 {
        for client in &mut clients {
            client.send_bytes(&bytes).expect("the server reads");
        }
        let Reply::Bulk(lines) = watcher.run("CLIENT LIST") else { panic!("a text") };
        let lines = String::from_utf8(lines).expect("a text");
        assert_eq!(lines.matches(" name=traveller ").count(), CONNECTIONS, "round {round}");
        for client in &mut clients {
            (0..100).for_each(|_| assert!(matches!(client.receive(), Reply::Integer(_))));
        }
    }
    let moved = moves(&server);
    assert!(moved > 100 && moved < CONNECTIONS as u64, "{moved} moved");
    let connected = |watcher: &mut Client| seen_by(watcher, "connected_clients");
    eventually("only these are left", || connected(&mut watcher) == CONNECTIONS as u64 + 1);
    // The places are still counted: the limit holds, and is free again when they are gone.
    let more: Vec<Client> = (0..20).filter_map(|_| server.try_connect().ok()).collect();
    assert!(seen_by(&mut watcher, "rejected_connections") >= 8);
    drop((more, clients));
    server.wait_for_clients(2);
}

/// A kill that races with a move closes the connection wherever it is.
#[test]
fn a_connection_is_killed_while_it_moves() {
    let server = start("");
    let mut killer = server.connect();
    let bytes = encode(&["INCR", KEYS[0]]).repeat(20);
    for round in 0..40 {
        eventually("nobody else is left", || seen_by(&mut killer, "connected_clients") == 1);
        let mut clients: Vec<Client> = (0..4).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.run(&format!("CLIENT SETNAME victim{round}"));
        }
        // From the twenty-fifth batch on a move may begin at any moment.
        for batch in 0..26 + round % 4 {
            for client in &mut clients {
                client.send_bytes(&bytes).expect("the server reads");
                if batch < 24 {
                    (0..20).for_each(|_| drop(client.receive()));
                }
            }
        }
        let killed = killer.run("CLIENT KILL TYPE normal SKIPME yes");
        assert_eq!(killed, Reply::Integer(4), "round {round}");
        for mut client in clients {
            assert!(client.is_closed_by_server(), "round {round}");
        }
    }
    eventually("all are gone", || seen_by(&mut killer, "connected_clients") == 1);
}

/// A pause holds a connection back on whichever core it is.
#[test]
fn a_pause_holds_across_a_move() {
    let server = start("");
    let mut client = far_from(&server, KEYS[0]);
    let mut other = server.connect();
    for _ in 0..ENOUGH {
        client.run(&format!("INCR {}", KEYS[0]));
    }
    assert_eq!(moves(&server), 1);
    other.run("CLIENT PAUSE 100000 WRITE");
    client.send(&["INCR", KEYS[0]]);
    eventually("it waits", || counter(&server, "blocked_clients") == 1);
    other.run("CLIENT UNPAUSE");
    assert_eq!(client.receive(), Reply::Integer(ENOUGH as i64 + 1));
}
