//! Collections of hundreds of thousands of elements. Whoever asks for all of one keeps nobody else
//! waiting, and sees it as it was at one moment.

use std::collections::BTreeSet;

use crate::support::client::Client;
use crate::support::reply::Reply;
use crate::support::server::{Options, Server};
use crate::{MEGABYTE, eventually};

/// So many that a reply takes a hundred turns of a core.
const ELEMENTS: usize = 400_000;
/// So many that each command takes several turns.
const SOME: usize = 12_000;

/// Bytes of an element in a reply: `$16\r\nelement:00000000\r\n`.
const ELEMENT_BYTES: usize = 5 + 16 + 2;

fn element(number: usize) -> String {
    format!("element:{number:08}")
}

/// Sends `head` with a thousand of `count` elements at a time, each as `words` makes it.
fn fill(client: &mut Client, head: &[&str], count: usize, words: fn(usize) -> Vec<String>) {
    for first in (0..count).step_by(1000) {
        let mut command: Vec<String> = head.iter().map(|word| (*word).to_owned()).collect();
        command.extend((first..count.min(first + 1000)).flat_map(words));
        let reply = client.call(&command);
        assert!(!reply.is_error(""), "{reply:?}");
    }
}

fn pong() -> Reply {
    Reply::Status("PONG".to_owned())
}

/// True if some of a reply has arrived.
fn is_answered(client: &Client) -> bool {
    let stream = client.tcp_handle();
    stream.set_nonblocking(true).expect("a live socket");
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false).expect("a live socket");
    peeked.is_ok_and(|bytes| bytes > 0)
}

/// Reads exactly so many bytes.
fn receive_bytes(client: &Client, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    std::io::Read::read_exact(&mut client.tcp_handle(), &mut bytes).expect("a whole reply");
    bytes
}

#[test]
fn others_are_served_while_a_large_reply_is_built_and_writes_come_after_it() {
    for cores in [1, 2] {
        let server = Options::under_test(cores).start();
        let mut bystander = server.connect();
        fill(&mut bystander, &["SADD", "set"], ELEMENTS, |number| vec![element(number)]);
        let header = format!("*{ELEMENTS}\r\n");
        // Whoever tests on a busy machine may be too late to see anything; not every time.
        let was_served = (0..10).any(|round| {
            let (mut reader, mut writer) = (server.connect(), server.connect());
            assert_eq!((reader.run("PING"), writer.run("PING")), (pong(), pong()));
            reader.send(&["SMEMBERS", "set"]);
            let pings = (0..20).take_while(|_| {
                assert_eq!(bystander.run("PING"), pong());
                assert_eq!(bystander.run("EXISTS set other"), Reply::Integer(1));
                !is_answered(&reader)
            });
            let pings = pings.count();
            writer.send(&["SADD", "set", "later"]);
            let reply = receive_bytes(&reader, header.len() + ELEMENTS * ELEMENT_BYTES);
            assert!(reply.starts_with(header.as_bytes()));
            let is_seen = reply.windows(7).any(|part| part == b"\r\nlater");
            assert!(!is_seen, "a member that came later, in round {round}");
            assert_eq!(writer.receive(), Reply::Integer(1));
            assert_eq!(writer.run("SREM set later"), Reply::Integer(1));
            pings >= 5
        });
        assert!(was_served, "nobody was served in between, on {cores} cores");
    }
}

#[test]
fn a_reader_that_goes_away_leaves_neither_claim_nor_memory() {
    let mut server = Options::under_test(2).start();
    let mut client = server.connect();
    fill(&mut client, &["SADD", "set"], ELEMENTS, |number| vec![element(number)]);
    let before = server.resident();
    for round in 0..6 {
        let mut reader = server.connect();
        let Reply::Integer(id) = reader.run("CLIENT ID") else { panic!("a number") };
        reader.send(&["SMEMBERS", "set"]);
        if round % 2 == 0 {
            reader.close();
        } else {
            client.run(&format!("CLIENT KILL ID {id}"));
        }
        assert_eq!(client.run("SADD set later"), Reply::Integer(1));
        assert_eq!(client.run("SREM set later"), Reply::Integer(1));
    }
    eventually("the memory comes back", || server.resident() < before + 60 * MEGABYTE);
    assert!(server.is_running());
}

/// The numbers of the elements in a reply, in order.
fn numbers(reply: &Reply) -> Vec<usize> {
    let texts = reply.items().iter().map(Reply::text);
    texts
        .map(|text| text.strip_prefix("element:").expect("an element").parse().expect("a number"))
        .collect()
}

/// Stores [`SOME`] elements in every kind of collection.
fn fill_all(server: &Server) -> Client {
    let mut client = server.connect();
    fill(&mut client, &["RPUSH", "list"], SOME, |number| vec![element(number)]);
    fill(&mut client, &["SADD", "set"], SOME, |number| vec![element(number)]);
    fill(&mut client, &["HSET", "hash"], SOME, |number| vec![element(number), number.to_string()]);
    fill(&mut client, &["ZADD", "sorted"], SOME, |number| {
        vec![number.to_string(), element(number)]
    });
    fill(&mut client, &["MSET"], SOME, |number| vec![element(number), String::new()]);
    for number in 1..=SOME {
        client.send(&["XADD", "stream", &format!("{number}-0"), "field", &element(number)]);
    }
    for _ in 1..=SOME {
        client.receive();
    }
    client
}

#[test]
fn large_collections_are_read_and_emptied_on_any_number_of_cores() {
    for cores in [1, 2, 7] {
        let server = Options::under_test(cores).start();
        let mut client = fill_all(&server);
        let all: Vec<usize> = (0..SOME).collect();
        let set: BTreeSet<usize> = all.iter().copied().collect();
        let sorted = |reply: Reply| numbers(&reply).into_iter().collect::<BTreeSet<_>>();
        assert_eq!(numbers(&client.run("LRANGE list 0 -1")), all);
        assert_eq!(numbers(&client.run("LRANGE list 1000 -1001")), all[1000..SOME - 1000]);
        assert_eq!(sorted(client.run("SMEMBERS set")), set);
        assert_eq!(sorted(client.run("HKEYS hash")), set);
        assert_eq!(client.run("HGETALL hash").items().len(), 2 * SOME);
        assert_eq!(sorted(client.run("KEYS element:*")), set);
        assert_eq!(client.run("KEYS *").items().len(), SOME + 5);
        assert_eq!(numbers(&client.run("ZRANGE sorted 0 -1")), all);
        let backwards = numbers(&client.run("ZREVRANGEBYSCORE sorted +inf 10"));
        assert!(backwards.iter().copied().eq((10..SOME).rev()));
        assert_eq!(client.run("XRANGE stream - +").items().len(), SOME);
        let entries = client.run("XREVRANGE stream + - COUNT 9000");
        assert_eq!(entries.items()[8999].items()[0].text(), format!("{}-0", SOME - 8999));
        // A pipeline that is one transaction on two cores, with a long reply in its middle.
        client.send(&["MSET", "a", "1", "b", "2", "c", "3", "d", "4"]);
        client.send(&["LRANGE", "list", "0", "-1"]);
        client.send(&["MGET", "a", "b", "c", "d"]);
        assert_eq!(client.receive(), Reply::Status("OK".to_owned()));
        assert_eq!(numbers(&client.receive()), all);
        assert_eq!(client.receive().items().len(), 4);
        assert_eq!(numbers(&client.run("LPOP list 10000")), all[..10_000]);
        assert_eq!(numbers(&client.run("RPOP list 9999")).len(), SOME - 10_000);
        let popped = sorted(client.run("SPOP set 7000"));
        let left = sorted(client.run("SPOP set 7000"));
        assert_eq!((popped.len(), &popped | &left), (7000, set));
        assert_eq!(client.run("ZREMRANGEBYRANK sorted 5 -6"), Reply::Integer(SOME as i64 - 10));
        assert_eq!(client.run("ZPOPMIN sorted 100000").items().len(), 20);
        assert_eq!(client.run("EXISTS list set sorted"), Reply::Integer(0));
        assert_eq!(client.run("FLUSHALL"), Reply::Status("OK".to_owned()));
    }
}
