//! The family as clients see it, on one shard and on two.

use super::COMMANDS;
use crate::base::hash::{SLOTS, slot};
use crate::command::spec::{Blocking, Run};
use crate::resp::out::{Out, Protocol};
use crate::store::db::Db;
use crate::store::stream::idempotence::Retention;
use crate::store::tuning::Tuning;
use crate::testing::{Fixture, with_args};

fn fixture() -> Fixture {
    Fixture::new(&[COMMANDS])
}

/// Runs each line of words and expects the reply behind ` => `, written without its line ends. Bulk
/// strings show their text only.
fn check(fixture: &mut Fixture, script: &str) {
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (command, expected) = line.split_once(" => ").expect("a command and its reply");
        let words: Vec<&str> = command.split(' ').map(|w| if w == "''" { "" } else { w }).collect();
        let reply = fixture.run(&words);
        let shown: Vec<&str> =
            reply.split("\r\n").filter(|l| !l.starts_with('$') || *l == "$-1").collect();
        assert_eq!(shown.join(" ").trim_end(), expected.trim_end(), "{command}");
    }
}

#[test]
fn ids_come_from_the_clock_or_the_client() {
    let mut fixture = fixture();
    check(
        &mut fixture,
        "XADD s * a 1 => 1700000000000-0
         XADD s * a 2 => 1700000000000-1
         XADD s 1700000000000-* a 3 => 1700000000000-2
         XADD s 5-5 a 1 => -ERR The ID specified in XADD is equal or smaller than the target \
             stream top item
         XADD s 1800000000000-* a 4 => 1800000000000-0
         XADD s * a 5 => 1800000000000-1
         XADD s 0-0 a 5 => -ERR The ID specified in XADD must be greater than 0-0
         XADD new 0-0 a 5 => -ERR The ID specified in XADD must be greater than 0-0
         XADD new NOMKSTREAM * a 5 => $-1
         XLEN new => :0
         XADD new 0-* a 5 => 0-1
         XADD s * a 1 b => -ERR wrong number of arguments for 'xadd' command
         XADD s MAXLEN 5 * a => -ERR wrong number of arguments for 'xadd' command
         XADD top 18446744073709551615-18446744073709551615 a 1 => \
             18446744073709551615-18446744073709551615
         XADD top * a 1 => -ERR The stream has exhausted the last possible ID, unable to add more \
             items
         XLEN s => :5",
    );
    assert_eq!(
        fixture.changes("XADD s MAXLEN ~ 2 * a b"),
        ["xadd: XADD s MAXLEN = 6 1800000000000-2 a b"]
    );
    assert_eq!(
        fixture.changes("XADD s MAXLEN 2 * a b"),
        ["xadd: XADD s MAXLEN = 2 1800000000000-3 a b", "xtrim: carried"]
    );
    assert_eq!(
        fixture.changes("XTRIM s MINID 1900000000000"),
        ["xtrim: XTRIM s MINID = 1900000000000-0"]
    );
}

#[test]
fn a_failed_addition_leaves_no_key() {
    let mut fixture = fixture();
    assert!(fixture.run(&["XADD", "s", "MAXLEN", "x", "*", "a", "b"]).starts_with('-'));
    assert!(fixture.run(&["XADD", "s", "nonsense", "a", "b"]).starts_with('-'));
    assert!(fixture.run(&["XGROUP", "CREATE", "s", "g", "x", "MKSTREAM"]).starts_with('-'));
    assert!(fixture.db.is_empty());
    assert!(fixture.changes("XADD s NOMKSTREAM * a b").is_empty());
}

#[test]
fn messages_are_added_once() {
    let mut fixture = fixture();
    check(
        &mut fixture,
        "XADD s IDMP p m * a 1 => 1700000000000-0
         XADD s IDMP p m * a 1 => 1700000000000-0
         XADD s IDMP q m * a 1 => 1700000000000-1
         XADD s IDMPAUTO p * a 1 b 2 => 1700000000000-2
         XADD s IDMPAUTO p * b 2 a 1 => 1700000000000-2
         XADD s IDMPAUTO p * a 1 b 3 => 1700000000000-3
         XADD s IDMP p m 1-1 a 1 => -ERR syntax error, IDMP/IDMPAUTO can be used only with \
             auto-generated IDs
         XADD s IDMP p m IDMPAUTO p * a 1 => -ERR syntax error, IDMP/IDMPAUTO specified multiple \
             times
         XADD s IDMP '' m * a 1 => -ERR syntax error, IDMP requires a non-empty producer ID
         XIDMPRECORD s p n 1700000000000-0 => +OK
         XIDMPRECORD s p n 1700000000000-0 => +OK
         XIDMPRECORD s p n 1700000000000-1 => -ERR IID already exists for this producer with a \
             different stream ID
         XIDMPRECORD s p n 1-1 => -ERR No such message in stream
         XADD s IDMP p n * a 1 => 1700000000000-0
         XCFGSET s IDMP-DURATION 0 => -ERR IDMP-DURATION must be between 1 and 86400 seconds
         XCFGSET s => -ERR At least one parameter must be specified
         XCFGSET s IDMP-DURATION 100 => +OK
         XADD s IDMP p n * a 1 => 1700000000000-0
         XCFGSET s IDMP-MAXSIZE 5 => +OK
         XADD s IDMP p n * a 1 => 1700000000000-4",
    );
    fixture.advance(200_000);
    check(&mut fixture, "XADD s IDMP p n * a 1 => 1700000200000-0");
    assert_eq!(
        fixture.changes("XADD s IDMP p o * a 1"),
        ["xadd: XADD s 1700000200000-1 a 1", ": XIDMPRECORD s p o 1700000200000-1"]
    );
}

#[test]
fn what_is_remembered_follows_the_parameters_until_it_begins() {
    let mut fixture = fixture();
    fixture.db.tuning.retention = Retention { seconds: 10, messages: 1 };
    check(
        &mut fixture,
        "XADD s IDMP p m * a 1 => 1700000000000-0
         XADD s IDMP p n * a 1 => 1700000000000-1
         XADD s IDMP p m * a 1 => 1700000000000-2",
    );
    let told = "$13 idmp-duration :10 $12 idmp-maxsize :1 ";
    let info = |fixture: &mut Fixture, key: &str| {
        fixture.run(&["XINFO", "STREAM", key]).replace("\r\n", " ")
    };
    assert!(info(&mut fixture, "s").contains(told));
    fixture.db.tuning.retention = Retention::default();
    assert!(info(&mut fixture, "s").contains(told));
    fixture.run(&["XADD", "other", "*", "a", "1"]);
    let default = "$13 idmp-duration :100 $12 idmp-maxsize :100 ";
    assert!(info(&mut fixture, "other").contains(default));
}

#[test]
fn groups_deliver_claim_and_forget() {
    let mut fixture = fixture();
    check(
        &mut fixture,
        "XADD s 1-1 a 1 => 1-1
         XADD s 1-2 a 2 => 1-2
         XADD s 1-3 a 3 => 1-3
         XGROUP CREATE s g 0 => +OK
         XREADGROUP GROUP g c COUNT 2 STREAMS s > => *1 *2 s *2 *2 1-1 *2 a 1 *2 1-2 *2 a 2
         XREADGROUP GROUP g c STREAMS s 1-1 => *1 *2 s *1 *2 1-2 *2 a 2
         XDEL s 1-1 => :1
         XREADGROUP GROUP g c STREAMS s 0 => *1 *2 s *2 *2 1-1 *-1 *2 1-2 *2 a 2
         XPENDING s g - + 10 => *2 *4 1-1 c :0 :1 *4 1-2 c :0 :3
         XACK s g 1-1 1-1 9 => :1
         XCLAIM s g d 0 1-2 1-3 JUSTID => *1 1-2
         XCLAIM s g d 0 1-3 FORCE => *1 *2 1-3 *2 a 3
         XPENDING s g => *4 :2 1-2 1-3 *1 *2 d 2
         XNACK s g FAIL IDS 1 1-2 => :1
         XPENDING s g - + 10 => *2 *4 1-2  :-1 :3 *4 1-3 d :0 :2
         XREADGROUP GROUP g e CLAIM 0 COUNT 1 STREAMS s > => *1 *2 s *1 *4 1-2 *2 a 2 \
             :1700000000000 :3
         XNACK s g FATAL IDS 1 1-2 => :1
         XNACK s g BAD IDS 1 1-2 => -ERR ERR mode must be SILENT, FAIL, or FATAL
         XAUTOCLAIM s g c 1 0 => *3 0-0 *1 *2 1-2 *2 a 2 *0
         XDELEX s ACKED IDS 2 1-2 9 => *2 :2 :2
         XACKDEL s g DELREF IDS 2 1-2 9 => *2 :1 :-1
         XGROUP DELCONSUMER s g d => :1
         XREADGROUP GROUP g e STREAMS s $ => -ERR The $ ID is meaningless in the context of \
             XREADGROUP: you want to read the history of this consumer by specifying a proper ID, \
             or use the > ID to get new messages. The $ ID would just return an empty result set.
         XREADGROUP GROUP x e STREAMS s > => -NOGROUP No such key 's' or consumer group 'x' in \
             XREADGROUP with GROUP option
         XGROUP DESTROY s g => :1
         XGROUP DESTROY s g => :0",
    );
}

#[test]
fn reading_has_limits_on_each_stream_and_on_all() {
    let mut fixture = fixture();
    for key in ["r", "s", "t"] {
        for id in ["1-1", "1-2", "1-3"] {
            fixture.run(&["XADD", key, id, "a", "1"]);
        }
    }
    check(
        &mut fixture,
        "XREAD COUNT 1 STREAMS r s 1 1 => *2 *2 r *1 *2 1-1 *2 a 1 *2 s *1 *2 1-1 *2 a 1
         XREAD COUNT 2 MAXCOUNT 3 STREAMS r s t 1-1 1-1 1-1 => *2 *2 r *2 *2 1-2 *2 a 1 *2 1-3 *2 \
             a 1 *2 s *1 *2 1-2 *2 a 1
         XREAD MAXSIZE 1 STREAMS r s 1-2 0 => *1 *2 r *1 *2 1-3 *2 a 1
         XREAD COUNT 3 MAXCOUNT 2 STREAMS r 0 => -ERR MAXCOUNT must not be smaller than COUNT
         XREAD STREAMS r s $ + => *1 *2 s *1 *2 1-3 *2 a 1
         XREAD STREAMS r 1-3 => *-1
         XREAD BLOCK -1 STREAMS r 1-3 => -ERR timeout is negative
         XREAD NOACK STREAMS r 0 => -ERR The NOACK option is only supported by XREADGROUP. You \
             called XREAD instead.
         XREAD COUNT 1 STREAMS r s 0 => -ERR Unbalanced 'xread' list of streams: for each stream \
             key an ID, '+', or '$' must be specified.",
    );
    fixture.protocol = Protocol::Resp3;
    check(
        &mut fixture,
        "XREAD COUNT 1 STREAMS r x 1 1 => %1 r *1 *2 1-1 *2 a 1
         XREAD STREAMS r 1-3 => _",
    );
}

#[test]
fn deliveries_are_repeated_by_what_they_led_to() {
    let mut fixture = fixture();
    check(&mut fixture, "XADD s 1-1 a 1 => 1-1\nXGROUP CREATE s g $ => +OK\nXADD s 1-2 a 1 => 1-2");
    assert_eq!(
        fixture.changes("XREADGROUP GROUP g c STREAMS s >"),
        [
            "xgroup-createconsumer: XGROUP CREATECONSUMER s g c",
            ": XCLAIM s g c 0 1-2 TIME 1700000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 1-2",
            ": XGROUP SETID s g 1-2 ENTRIESREAD 2",
        ]
    );
    assert!(fixture.changes("XREADGROUP GROUP g c STREAMS s >").is_empty());
    fixture.run(&["XDEL", "s", "1-2"]);
    fixture.db.changes.take();
    assert_eq!(
        fixture.changes("XAUTOCLAIM s g d 0 0"),
        ["xgroup-createconsumer: XGROUP CREATECONSUMER s g d", ": XACK s g 1-2"]
    );
}

/// Runs a command in its two phases on shards that each own a part of the slots.
fn on_shards(shards: &mut [Db], words: &[&str]) -> String {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let name = String::from_utf8_lossy(words[0]);
    let row = COMMANDS.iter().find(|row| row.spec.name == name).expect("a row");
    let (collect, commit) = match row.run {
        Run::TwoPhase { collect, commit } => (collect, commit),
        Run::Blocking(Blocking { look, act, .. }) => (look, act),
        _ => panic!("not of two phases"),
    };
    with_args(&words, |args| {
        let parcels: Vec<_> =
            shards.iter().map(|db| collect(db, args).expect("no error")).collect();
        let mut replies = String::new();
        for db in shards {
            let mut out = Out::new(Protocol::Resp2);
            commit(db, args, &parcels, &mut out).expect("phase two has no errors");
            replies += &String::from_utf8_lossy(&out.to_vec());
        }
        replies.replace("\r\n", " ")
    })
}

#[test]
fn streams_of_several_shards_are_read_at_once() {
    let tuning = Tuning { string_len_max: 1 << 20, ..Tuning::default() };
    let middle = SLOTS / 2;
    let mut shards: Vec<Db> = [0..middle, middle..SLOTS]
        .into_iter()
        .enumerate()
        .map(|(number, owned)| Db::new(1, number as u16, 2, owned, 1, tuning))
        .collect();
    let on = |upper: bool| {
        let names = (0..100).map(|number| format!("k{number}"));
        names.into_iter().find(|name| (slot(name.as_bytes()) >= middle) == upper).expect("one")
    };
    let (low, high) = (on(false), on(true));
    for (db, key) in shards.iter_mut().zip([&low, &high]) {
        for words in [&["XADD", key, "1-1", "a", "1"][..], &["XADD", key, "1-2", "a", "2"]] {
            run(db, words);
        }
        run(db, &["XGROUP", "CREATE", key, "g", "0"]);
    }
    let read = |count| {
        ["XREADGROUP", "GROUP", "g", "c", "MAXCOUNT", count, "STREAMS", &high, &low, ">", ">"]
    };
    let reply = on_shards(&mut shards, &read("3"));
    assert!(reply.starts_with(&format!("*2 *2 $2 {high} *2 *2 $3 1-1 ")), "{reply}");
    assert!(reply.ends_with(&format!("*2 $2 {low} *1 *2 $3 1-1 *2 $1 a $1 1 ")), "{reply}");
    assert_eq!(run(&mut shards[0], &["XPENDING", &low, "g"]).lines().nth(1), Some(":1"));
    assert_eq!(run(&mut shards[1], &["XPENDING", &high, "g"]).lines().nth(1), Some(":2"));
    let reply = on_shards(&mut shards, &read("9"));
    assert_eq!(reply, format!("*1 *2 $2 {low} *1 *2 $3 1-2 *2 $1 a $1 2 "));
    let nothing = on_shards(&mut shards, &["XREAD", "STREAMS", &high, &low, "$", "$"]);
    assert!(nothing.starts_with("*-1 "));
}

/// Runs a command on one shard.
fn run(db: &mut Db, words: &[&str]) -> String {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let row = COMMANDS.iter().find(|row| row.spec.name.as_bytes() == words[0]).expect("a row");
    let sub = row.subcommands.iter().find(|row| row.spec.name.as_bytes() == words[1]);
    let mut out = Out::new(Protocol::Resp2);
    with_args(&words, |args| {
        crate::shard::execute::execute(db, sub.unwrap_or(row), args, &mut out)
    })
    .expect("no error");
    String::from_utf8_lossy(&out.to_vec()).into_owned()
}
