//! Clients that are killed, or go away, in the middle of a pipeline with commands on many cores.
//!
//! Invariant: a command has happened whole or not at all, what came before it in the pipeline has
//! happened too, and nothing keeps the next client from the same keys.

use std::io::Write;
use std::net::Shutdown;

use crate::eventually;
use crate::support::client::{Client, encode};
use crate::support::random::Random;
use crate::support::reply::Reply;
use crate::support::server::{Options, Server};

/// Rounds of a pipeline; more than most clients live to see.
const ROUNDS: usize = 2000;
/// Commands of a round.
const COMMANDS: usize = 5;
/// Replies that a client reads before its end, at most.
const READ_MAX: usize = 2000;
/// Clients that come to an end, for each way and number of shards.
const CLIENTS: usize = 8;

/// Rounds that may be under way at once.
const WAVE: usize = 32;

/// Keys of many cores that one MSET sets to the same value.
const EQUAL: [&str; 5] = ["a", "b", "c", "d", "key"];
/// Keys of many cores that come with one MSETNX and go with one DEL.
const TOGETHER: [&str; 4] = ["e", "f", "l", "m"];
/// Keys one of which is there.
const ONE: [&str; 2] = ["n", "o"];

/// How a client ends.
#[derive(Clone, Copy)]
enum End {
    /// Somebody else closes the connection.
    Killed,
    /// It closes the connection itself, with replies that it has not read.
    Gone,
    /// It closes the connection for sending, and reads no more.
    HalfClosed,
}

fn with_values(name: &str, keys: &[&str], value: &str) -> Vec<u8> {
    let pairs = keys.iter().flat_map(|key| [*key, value]);
    encode(&std::iter::once(name).chain(pairs).collect::<Vec<_>>())
}

fn of_keys(name: &str, keys: &[&str]) -> Vec<u8> {
    encode(&[&[name], keys].concat())
}

/// The commands of a round; after all of it the counter shows its number.
fn round(number: usize) -> Vec<u8> {
    let value = number.to_string();
    let (from, to) = (ONE[(number + 1) % 2], ONE[number % 2]);
    let commands: [Vec<u8>; COMMANDS] = [
        with_values("MSET", &EQUAL, &value),
        encode(&["INCR", "counter"]),
        with_values("MSETNX", &TOGETHER, &value),
        encode(&["RENAME", from, to]),
        of_keys("DEL", &TOGETHER),
    ];
    commands.concat()
}

fn call(client: &mut Client, command: &[u8]) -> Reply {
    client.send_bytes(command).expect("the server reads");
    client.receive()
}

/// The one value that all keys of [`EQUAL`] have.
#[track_caller]
fn value(client: &mut Client) -> usize {
    let reply = call(client, &of_keys("MGET", &EQUAL));
    let values: Vec<String> = reply.items().iter().map(Reply::text).collect();
    assert!(values.iter().all(|value| *value == values[0]), "half an MSET: {values:?}");
    values[0].parse().expect("a number")
}

/// What is there before a client begins.
fn set_up(client: &mut Client) {
    assert_eq!(call(client, &with_values("MSET", &EQUAL, "0")), Reply::Status("OK".into()));
    client.run("MSET counter 0 o renamed");
    client.run("DEL n e f l m");
    client.run("CONFIG RESETSTAT");
}

/// Sends the pipeline, reads some replies, and ends the client. Returns the rounds that had begun
/// when it was told to end.
fn live_and_end(server: &Server, observer: &mut Client, replies: usize, end: End) -> usize {
    let mut client = server.connect();
    let Reply::Integer(id) = client.run("CLIENT ID") else { panic!("an id") };
    let mut sender = client.tcp_handle();
    let socket = client.tcp_handle();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let pipeline: Vec<u8> = (1..=ROUNDS).flat_map(round).collect();
            // It fails when the connection ends first.
            drop(sender.write_all(&pipeline));
        });
        for _ in 0..replies {
            client.receive();
        }
        value(observer);
        match end {
            End::Killed => {
                assert_eq!(observer.run(&format!("CLIENT KILL ID {id}")), Reply::Integer(1));
            }
            End::Gone => socket.shutdown(Shutdown::Both).expect("it is open"),
            End::HalfClosed => {
                socket.shutdown(Shutdown::Write).expect("it is open");
                drop(client);
            }
        }
        value(observer)
    })
}

/// The number of calls of a command since the statistics were set back.
fn calls(client: &mut Client, name: &str) -> usize {
    let text = client.run("INFO commandstats").text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
    let number = line.and_then(|line| line.split(',').next());
    number.map_or(0, |number| number.parse().expect("a number"))
}

/// Looks at what a client has left; returns the rounds that have begun.
fn check_remains(observer: &mut Client) -> usize {
    let begun = value(observer);
    let Reply::Bulk(counter) = observer.run("GET counter") else { panic!("it is set") };
    let counter: usize = String::from_utf8_lossy(&counter).parse().expect("a number");
    assert!([begun, begun.saturating_sub(1)].contains(&counter), "{counter} follows {begun}");
    let together = call(observer, &of_keys("EXISTS", &TOGETHER));
    assert!([Reply::Integer(0), Reply::Integer(4)].contains(&together), "{together:?}");
    assert_eq!(call(observer, &of_keys("EXISTS", &ONE)), Reply::Integer(1));
    assert_eq!(calls(observer, "mset"), begun, "each is counted once");
    begun
}

fn torn_clients_leave_nothing_half_done(shards: usize) {
    let server = Options::under_test(shards).start();
    let mut observer = server.connect();
    let mut random = Random::new(shards as u64);
    for end in [End::Killed, End::Gone, End::HalfClosed] {
        let mut in_the_middle = 0;
        for _ in 0..CLIENTS {
            set_up(&mut observer);
            let seen = live_and_end(&server, &mut observer, random.below(READ_MAX), end);
            server.wait_for_clients(2);
            let begun = check_remains(&mut observer);
            in_the_middle += usize::from(begun < ROUNDS);
            if matches!(end, End::Killed) {
                assert!(begun <= seen + WAVE, "{begun} of {seen}: it went on after its end");
            }
        }
        assert!(in_the_middle > 0, "no client ended before its pipeline did");
    }
    // Claims on all shards meet whatever is left of any other.
    assert_eq!(observer.run("FLUSHALL"), Reply::Status("OK".into()));
    assert_eq!(observer.run("DBSIZE"), Reply::Integer(0));
    eventually("nobody is counted as waiting", || {
        observer.run("INFO clients").text().contains("blocked_clients:0\r")
    });
}

#[test]
fn a_torn_pipeline_leaves_nothing_half_done_on_one_shard() {
    torn_clients_leave_nothing_half_done(1);
}

#[test]
fn a_torn_pipeline_leaves_nothing_half_done_on_two_shards() {
    torn_clients_leave_nothing_half_done(2);
}

#[test]
fn a_torn_pipeline_leaves_nothing_half_done_on_seven_shards() {
    torn_clients_leave_nothing_half_done(7);
}
