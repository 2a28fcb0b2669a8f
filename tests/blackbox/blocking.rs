//! Clients that wait for keys, over real sockets, on two cores: `a`, `c` and `e` are keys of one of
//! them, `b` and `d` of the other.

use std::time::{Duration, Instant};

use crate::support::client::Client;
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::{eventually, start};

/// The number of clients that wait, as INFO says.
fn blocked(server: &Server) -> usize {
    let Reply::Bulk(text) = server.connect().run("INFO clients") else { panic!("a text") };
    let text = String::from_utf8(text).expect("INFO is text");
    let value = text.lines().find_map(|line| line.strip_prefix("blocked_clients:"));
    value.expect("the field is there").parse().expect("the field is a number")
}

/// A client whose command waits.
fn waiting(server: &Server, line: &str) -> Client {
    let before = blocked(server);
    let mut client = server.connect();
    client.send(&line.split(' ').collect::<Vec<_>>());
    eventually("the client waits", || blocked(server) == before + 1);
    client
}

fn texts(reply: Reply) -> Vec<String> {
    match reply {
        Reply::Array(items) => items.into_iter().flat_map(texts).collect(),
        Reply::Bulk(text) => vec![String::from_utf8(text).expect("text")],
        other => vec![format!("{other:?}")],
    }
}

#[test]
fn whoever_came_first_is_served_first_wherever_the_keys_are() {
    let server = start("");
    let mut pusher = server.connect();
    for keys in ["a", "b", "a b", "b a", "d a e b"] {
        let mut waiters: Vec<Client> =
            (0..6).map(|_| waiting(&server, &format!("BLPOP {keys} 0"))).collect();
        let key = keys.split(' ').next_back().expect("at least one");
        pusher.run(&format!("RPUSH {key} 0 1 2"));
        for number in 3..6 {
            pusher.run(&format!("RPUSH {key} {number}"));
        }
        for (number, waiter) in waiters.iter_mut().enumerate() {
            assert_eq!(texts(waiter.receive()), [key, &number.to_string()], "{keys}");
        }
        assert_eq!(pusher.run(&format!("EXISTS {key}")), Reply::Integer(0));
    }
    eventually("nobody waits", || blocked(&server) == 0);
}

#[test]
fn elements_move_on_through_waiting_clients() {
    let server = start("");
    let mut pusher = server.connect();
    for (source, target) in [("a", "c"), ("a", "b"), ("b", "a")] {
        let mut mover = waiting(&server, &format!("BLMOVE {source} {target} LEFT RIGHT 0"));
        let mut taker = waiting(&server, &format!("BRPOP {target} 0"));
        pusher.run(&format!("RPUSH {source} x"));
        assert_eq!(texts(mover.receive()), ["x"]);
        assert_eq!(texts(taker.receive()), [target, "x"]);
        assert_eq!(pusher.run(&format!("EXISTS {source} {target}")), Reply::Integer(0));
    }
}

#[test]
fn time_ends_and_nothing_is_taken_for_those_who_went() {
    let server = start("");
    let mut client = server.connect();
    for keys in ["a", "a b"] {
        let began = Instant::now();
        client.send(&format!("BLPOP {keys} 0.05").split(' ').collect::<Vec<_>>());
        client.receive();
        assert!(began.elapsed() >= Duration::from_millis(48), "{:?}", began.elapsed());
        drop(waiting(&server, &format!("BLPOP {keys} 0")));
        eventually("it is noticed", || blocked(&server) == 0);
        assert_eq!(client.run("RPUSH a kept"), Reply::Integer(1));
        assert_eq!(texts(client.run("LPOP a")), ["kept"]);
    }
}

#[test]
fn a_client_is_unblocked_from_outside_and_goes_on() {
    let server = start("");
    let mut other = server.connect();
    for keys in ["a", "b", "a b"] {
        for how in ["TIMEOUT", "ERROR"] {
            let mut client = server.connect();
            let Reply::Integer(id) = client.run("CLIENT ID") else { panic!("an id") };
            client.send(&format!("BLPOP {keys} 0").split(' ').collect::<Vec<_>>());
            client.send(&["PING"]);
            eventually("it waits", || blocked(&server) == 1);
            let line = format!("CLIENT UNBLOCK {id} {how}");
            assert_eq!(other.run(&line), Reply::Integer(1));
            let reply = format!("{:?}", client.receive());
            assert_eq!(reply.contains("UNBLOCKED"), how == "ERROR", "{reply}");
            assert_eq!(texts(client.receive()).len(), 1);
            assert_eq!(other.run(&line), Reply::Integer(0));
        }
    }
}

#[test]
fn an_element_is_handed_over_at_once_whichever_cores_are_concerned() {
    let server = start("");
    for keys in ["a", "b", "a b", "b a"] {
        for _ in 0..6 {
            let (mut pusher, mut waiter) = (server.connect(), server.connect());
            let began = Instant::now();
            for number in 0..20 {
                waiter.send(&format!("BLPOP {keys} 0").split(' ').collect::<Vec<_>>());
                let key = keys.split(' ').nth(number % 2).unwrap_or(&keys[..1]);
                pusher.run(&format!("RPUSH {key} {number}"));
                assert_eq!(texts(waiter.receive()), [key, &number.to_string()]);
            }
            // A core that slept would wake up after 100 ms at the latest.
            assert!(began.elapsed() < Duration::from_millis(700), "{:?}", began.elapsed());
        }
    }
}
