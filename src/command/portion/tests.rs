use proptest::prelude::*;

use super::*;
use crate::base::probe::set_small_portions;
use crate::command::spec::Command;
use crate::command::{generic, hash, list, set, sorted_set, stream, string};
use crate::resp::out::Protocol;
use crate::shard::digest;
use crate::testing::Fixture;

const FAMILIES: &[&[Command]] = &[
    generic::COMMANDS,
    hash::COMMANDS,
    list::COMMANDS,
    set::COMMANDS,
    sorted_set::COMMANDS,
    stream::COMMANDS,
    string::COMMANDS,
];

/// A keyspace with `size` elements in each kind of collection, and as many further keys.
fn filled(size: usize) -> Fixture {
    let mut fixture = Fixture::new(FAMILIES);
    for number in 0..size {
        let (name, long) = (format!("e{number}"), "x".repeat(number % 90));
        let element = format!("{number}:{long}");
        fixture.run(&["RPUSH", "list", &element]);
        fixture.run(&["SADD", "set", &element]);
        fixture.run(&["SADD", "ints", &number.to_string()]);
        fixture.run(&["HSET", "hash", &name, &element]);
        fixture.run(&["HSET", "timed", &name, &element]);
        fixture.run(&["ZADD", "sorted", &(number / 3).to_string(), &element]);
        fixture.run(&["XADD", "stream", &format!("{}-{number}", 1 + number / 2), "f", &name]);
        fixture.run(&["SADD", &format!("{{tag}}{number}"), "x"]);
        fixture.run(&["SADD", "twin", &format!("{}:{long}", number / 2)]);
        fixture.run(&["ZADD", "twins", &format!("{}.7", number % 7), &element]);
        if number % 40 == 1 {
            fixture.run(&["ZADD", "scores", &format!("{number}.1"), &element]);
            fixture.run(&["SADD", "few", &element, &name]);
            fixture.run(&["SADD", "few ints", &number.to_string()]);
        }
        if number % 3 == 0 {
            fixture.run(&["SET", &format!("weight{number}"), &(number * 7 % 11).to_string()]);
            fixture.run(&["HSET", &format!("hash{number}"), "f", &(number * 3 % 7).to_string()]);
        }
    }
    fill_streams(&mut fixture, size);
    fixture.run(&["HPEXPIRE", "timed", "1", "FIELDS", "2", "e1", "e2"]);
    fixture.advance(5);
    fixture
}

/// Gives `stream` a group of which some entries are pending for two consumers, some of them gone;
/// and adds another stream.
fn fill_streams(fixture: &mut Fixture, size: usize) {
    let some = (size / 2).max(1).to_string();
    fixture.run(&["XGROUP", "CREATE", "stream", "g", "0", "ENTRIESREAD", "0"]);
    fixture.run(&["XGROUP", "CREATE", "stream", "idle", "3"]);
    fixture.run(&["XREADGROUP", "GROUP", "g", "one", "COUNT", &some, "STREAMS", "stream", ">"]);
    fixture.advance(7);
    fixture.run(&["XREADGROUP", "GROUP", "g", "two", "COUNT", "2", "STREAMS", "stream", ">"]);
    fixture.run(&["XNACK", "stream", "g", "SILENT", "IDS", "1", "1-1"]);
    fixture.run(&[
        "XDEL",
        "stream",
        "1-1",
        "2-2",
        &format!("{}-{}", 1 + size / 2, size.saturating_sub(1)),
    ]);
    for number in 0..size.min(50) {
        fixture.run(&["XADD", "more", &format!("{number}-1"), "f", "v", "g", "w"]);
    }
    fixture.run(&["XGROUP", "CREATE", "more", "g", "0"]);
}

/// Runs a command at once and in small portions, on equal keyspaces, and compares the replies and
/// what is left.
fn check(words: &[&str], size: usize) {
    let (mut naive, mut sliced) = (filled(size), filled(size));
    let expected = naive.run(words);
    set_small_portions(true);
    let actual = sliced.run(words);
    set_small_portions(false);
    assert_eq!(actual, expected, "{words:?} with {size} elements");
    for rest in [
        &["LRANGE", "list", "0", "-1"][..],
        &["ZRANGE", "sorted", "0", "-1", "WITHSCORES"],
        &["HGETALL", "timed"],
        &["SMEMBERS", "set"],
        &["OBJECT", "ENCODING", "sorted"],
        &["KEYS", "*"],
        &["XINFO", "STREAM", "to", "FULL", "COUNT", "0"],
        &["XINFO", "STREAM", "stream", "FULL", "COUNT", "0"],
        &["XINFO", "STREAM", "more", "FULL", "COUNT", "0"],
    ] {
        assert_eq!(sliced.run(rest), naive.run(rest), "{rest:?} after {words:?}");
    }
    let left = [&mut naive, &mut sliced].map(|fixture| digest::keyspace(&mut fixture.db));
    assert_eq!(left[0], left[1], "after {words:?}");
}

const COMMANDS: &[&[&str]] = &[
    &["LRANGE", "list", "0", "-1"],
    &["LRANGE", "list", "2", "-3"],
    &["LRANGE", "none", "0", "-1"],
    &["LRANGE", "set", "0", "-1"],
    &["LPOP", "list", "5"],
    &["RPOP", "list", "7"],
    &["RPOP", "list", "70"],
    &["LPOP", "list", "0"],
    &["SMEMBERS", "set"],
    &["SMEMBERS", "ints"],
    &["SPOP", "set", "1000"],
    &["SPOP", "none", "2"],
    &["HGETALL", "hash"],
    &["HGETALL", "timed"],
    &["HKEYS", "timed"],
    &["HVALS", "hash"],
    &["ZRANGE", "sorted", "0", "-1", "WITHSCORES"],
    &["ZRANGE", "sorted", "1", "-2", "REV"],
    &["ZRANGE", "sorted", "1", "(7", "BYSCORE", "LIMIT", "2", "5"],
    &["ZREVRANGEBYSCORE", "sorted", "+inf", "2", "WITHSCORES", "LIMIT", "1", "100"],
    &["ZREMRANGEBYRANK", "sorted", "1", "-2"],
    &["ZREMRANGEBYRANK", "sorted", "0", "-1"],
    &["ZREMRANGEBYSCORE", "sorted", "1", "4"],
    &["ZPOPMIN", "sorted", "6"],
    &["ZPOPMAX", "sorted", "1000"],
    &["ZPOPMAX", "none", "3"],
    &["ZMPOP", "2", "none", "sorted", "MIN", "COUNT", "7"],
    &["ZMPOP", "1", "sorted", "MAX", "COUNT", "1000"],
    &["ZMPOP", "2", "none", "list", "MAX", "COUNT", "10"],
    &["LMPOP", "2", "none", "list", "LEFT", "COUNT", "7"],
    &["LMPOP", "1", "list", "RIGHT", "COUNT", "1000"],
    &["LMPOP", "2", "none", "set", "LEFT"],
    &["ZUNION", "3", "sorted", "set", "twins", "WITHSCORES"],
    &["ZUNION", "2", "twins", "none"],
    &["ZUNION", "2", "twins", "sorted", "WEIGHTS", "0.1", "-3", "AGGREGATE", "MAX", "WITHSCORES"],
    &["ZUNION", "3", "sorted", "scores", "ints", "WITHSCORES", "WEIGHTS", "0.1", "0.7", "1e16"],
    &["ZUNION", "2", "twins", "sorted", "WEIGHTS", "inf", "-inf", "WITHSCORES"],
    &["ZUNION", "2", "sorted", "list"],
    &["ZINTER", "2", "sorted", "set", "WITHSCORES"],
    &["ZINTER", "3", "sorted", "scores", "twins", "AGGREGATE", "MIN", "WITHSCORES"],
    &["ZINTER", "2", "sorted", "none"],
    &["ZINTER", "1", "sorted", "WITHSCORES"],
    &["ZINTERCARD", "2", "sorted", "twin"],
    &["ZINTERCARD", "2", "sorted", "twin", "LIMIT", "3"],
    &["ZINTERCARD", "2", "sorted", "none", "LIMIT", "0"],
    &["ZDIFF", "2", "sorted", "twin", "WITHSCORES"],
    &["ZDIFF", "3", "sorted", "none", "few"],
    &["ZDIFF", "2", "none", "sorted"],
    &["ZUNIONSTORE", "sorted", "3", "sorted", "set", "twins"],
    &["ZUNIONSTORE", "sorted", "2", "ints", "few ints", "AGGREGATE", "MAX"],
    &["ZINTERSTORE", "sorted", "2", "sorted", "twins", "WEIGHTS", "2", "3"],
    &["ZINTERSTORE", "sorted", "2", "sorted", "none"],
    &["ZDIFFSTORE", "sorted", "2", "sorted", "twin"],
    &["ZDIFFSTORE", "list", "1", "sorted"],
    &["ZRANGESTORE", "sorted", "sorted", "1", "-2"],
    &["ZRANGESTORE", "sorted", "sorted", "(3", "+inf", "BYSCORE", "LIMIT", "1", "300"],
    &["ZRANGESTORE", "sorted", "twins", "5", "0", "REV"],
    &["ZRANGESTORE", "sorted", "none", "0", "-1"],
    &["ZRANGESTORE", "list", "sorted", "0", "300", "REV"],
    &["XRANGE", "stream", "-", "+"],
    &["XRANGE", "stream", "2", "5", "COUNT", "4"],
    &["XREVRANGE", "stream", "+", "-", "COUNT", "3"],
    &["XREVRANGE", "stream", "(7-12", "2"],
    &["SORT", "ints"],
    &["SORT", "ints", "DESC", "LIMIT", "3", "20"],
    &["SORT", "set", "ALPHA"],
    &["SORT", "set", "ALPHA", "STORE", "to"],
    &["SORT", "set"],
    &["SORT", "set", "BY", "nosort", "LIMIT", "2", "6"],
    &["SORT", "set", "BY", "nosort", "STORE", "set"],
    &["SORT", "list", "ALPHA", "DESC", "STORE", "list"],
    &["SORT", "list", "BY", "nosort", "DESC", "LIMIT", "1", "9"],
    &["SORT", "list", "BY", "nosort", "GET", "#", "GET", "nothing"],
    &["SORT", "list", "BY", "text*", "ALPHA", "LIMIT", "0", "5"],
    &["SORT_RO", "sorted", "BY", "nosort", "DESC", "LIMIT", "3", "8"],
    &["SORT_RO", "sorted", "BY", "nosort", "LIMIT", "3", "-1"],
    &["SORT_RO", "ints", "BY", "weight*", "GET", "#", "GET", "weight*", "GET", "hash*->f"],
    &["SORT", "ints", "BY", "hash*->f", "GET", "hash*->f", "GET", "#", "STORE", "to"],
    &["SORT", "none", "STORE", "list"],
    &["SORT", "hash"],
    &["COPY", "set", "to"],
    &["COPY", "ints", "to", "DB", "1"],
    &["COPY", "set", "stream", "REPLACE"],
    &["COPY", "set", "list"],
    &["COPY", "none", "to"],
    &["COPY", "list", "to"],
    &["COPY", "hash", "to"],
    &["COPY", "timed", "to"],
    &["COPY", "sorted", "to"],
    &["COPY", "stream", "to"],
    &["XINFO", "STREAM", "stream", "FULL", "COUNT", "0"],
    &["XINFO", "STREAM", "stream", "FULL", "COUNT", "2"],
    &["XINFO", "STREAM", "more", "FULL"],
    &["XINFO", "STREAM", "stream"],
    &["XPENDING", "stream", "g"],
    &["XPENDING", "stream", "g", "-", "+", "10000"],
    &["XPENDING", "stream", "g", "IDLE", "3", "2", "9", "5"],
    &["XPENDING", "stream", "g", "-", "+", "10", "two"],
    &["XPENDING", "stream", "g", "-", "+", "10", "none"],
    &["XAUTOCLAIM", "stream", "g", "two", "0", "-"],
    &["XAUTOCLAIM", "stream", "g", "two", "3", "-", "COUNT", "1000", "JUSTID"],
    &["XAUTOCLAIM", "stream", "g", "new", "3", "2-1", "COUNT", "4"],
    &["XAUTOCLAIM", "stream", "none", "new", "3", "2-1"],
    &["XREAD", "STREAMS", "stream", "0"],
    &["XREAD", "COUNT", "3", "STREAMS", "stream", "more", "2", "1"],
    &["XREAD", "STREAMS", "none", "more", "none", "stream", "0", "0", "0", "2-3"],
    &["XREAD", "STREAMS", "stream", "stream", "+", "$"],
    &["XREAD", "STREAMS", "none", "more", "0", "99"],
    &["XREAD", "STREAMS", "stream", "set", "0", "0"],
    &["XREAD", "STREAMS", "stream", "more", "0", ">"],
    &["XREAD", "MAXCOUNT", "5", "STREAMS", "more", "stream", "0", "0"],
    &["XREAD", "MAXSIZE", "200", "STREAMS", "more", "stream", "more", "4", "0", "0"],
    &["XREADGROUP", "GROUP", "g", "one", "STREAMS", "stream", ">"],
    &["XREADGROUP", "GROUP", "g", "new", "NOACK", "STREAMS", "stream", ">"],
    &["XREADGROUP", "GROUP", "g", "new", "STREAMS", "more", "stream", ">", ">"],
    &["XREADGROUP", "GROUP", "g", "one", "STREAMS", "stream", "stream", ">", "0"],
    &["XREADGROUP", "GROUP", "g", "one", "STREAMS", "stream", "0"],
    &["XREADGROUP", "GROUP", "g", "new", "STREAMS", "stream", "0"],
    &["XREADGROUP", "GROUP", "g", "two", "COUNT", "3", "STREAMS", "more", "stream", ">", "1-1"],
    &["XREADGROUP", "GROUP", "g", "two", "CLAIM", "0", "STREAMS", "stream", "more", ">", ">"],
    &["XREADGROUP", "GROUP", "g", "two", "CLAIM", "3", "COUNT", "7", "STREAMS", "stream", ">"],
    &["XREADGROUP", "GROUP", "g", "a", "CLAIM", "3", "STREAMS", "stream", "stream", ">", ">"],
    &["XREADGROUP", "GROUP", "g", "a", "MAXSIZE", "300", "STREAMS", "more", "stream", ">", ">"],
    &["XREADGROUP", "GROUP", "idle", "a", "STREAMS", "stream", ">"],
    &["XREADGROUP", "GROUP", "idle", "a", "STREAMS", "stream", "more", ">", ">"],
    &["XREADGROUP", "GROUP", "g", "a", "STREAMS", "stream", "more", ">", "$"],
    &["KEYS", "*"],
    &["KEYS", "{tag}*3"],
    &["KEYS", "nothing"],
];

#[test]
fn portions_come_to_the_same_as_everything_at_once() {
    for words in COMMANDS {
        for size in [1, 2, 3, 40, 300] {
            check(words, size);
        }
    }
}

/// Commands on several sets, whose members come in any order.
const SET_ALGEBRA: &[&[&str]] = &[
    &["SUNION", "set", "twin", "few", "ints"],
    &["SUNION", "set"],
    &["SUNION", "none", "few ints"],
    &["SINTER", "set", "twin"],
    &["SINTER", "ints", "few ints", "ints"],
    &["SINTER", "set", "none"],
    &["SINTER", "set", "list"],
    &["SDIFF", "set", "twin"],
    &["SDIFF", "set", "twin", "few", "ints", "none"],
    &["SDIFF", "set", "few", "few ints", "few"],
    &["SDIFF", "none", "set"],
    &["SUNIONCARD", "3", "set", "twin", "ints"],
    &["SUNIONCARD", "3", "set", "twin", "ints", "LIMIT", "5"],
    &["SINTERCARD", "2", "set", "twin", "LIMIT", "3"],
    &["SINTERCARD", "2", "set", "twin"],
    &["SDIFFCARD", "2", "set", "twin"],
    &["SDIFFCARD", "2", "set", "twin", "LIMIT", "1"],
    &["SUNIONSTORE", "set", "set", "twin", "ints"],
    &["SUNIONSTORE", "new", "ints", "few ints"],
    &["SINTERSTORE", "new", "set", "twin"],
    &["SINTERSTORE", "set", "set", "none"],
    &["SDIFFSTORE", "list", "set", "twin"],
    &["SDIFFSTORE", "set", "set", "twin", "few", "ints", "none"],
];

#[test]
fn set_algebra_in_portions_comes_to_the_same() {
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        for words in SET_ALGEBRA {
            for size in [1, 2, 3, 40, 700] {
                let (mut naive, mut sliced) = (filled(size), filled(size));
                (naive.protocol, sliced.protocol) = (protocol, protocol);
                let expected = naive.run(words);
                set_small_portions(true);
                let actual = sliced.run(words);
                set_small_portions(false);
                assert_eq!(head(&actual), head(&expected), "{words:?} with {size} elements");
                assert_eq!(sorted(&actual), sorted(&expected), "{words:?} with {size} elements");
                for rest in [
                    &["SMEMBERS", words[1]][..],
                    &["OBJECT", "ENCODING", words[1]],
                    &["SMEMBERS", "twin"],
                ] {
                    assert_eq!(sorted(&sliced.run(rest)), sorted(&naive.run(rest)), "{words:?}");
                }
            }
        }
    }
}

fn head(reply: &str) -> &str {
    reply.lines().next().expect("a line")
}

fn sorted(reply: &str) -> Vec<String> {
    let mut members = members(reply);
    members.sort();
    members
}

/// The texts in a reply.
fn members(reply: &str) -> Vec<String> {
    reply.lines().skip(1).filter(|line| !line.starts_with('$')).map(str::to_owned).collect()
}

#[test]
fn samples_in_portions_are_of_different_elements() {
    let mut fixture = filled(500);
    for (command, key) in [
        ("SRANDMEMBER", "set"),
        ("HRANDFIELD", "timed"),
        ("HRANDFIELD", "hash"),
        ("ZRANDMEMBER", "sorted"),
    ] {
        let existing = if key == "timed" { 498 } else { 500 };
        for count in [2, 17, 300, 499, 5000] {
            let before = fixture.portions;
            set_small_portions(true);
            let mut drawn = members(&fixture.run(&[command, key, &count.to_string()]));
            set_small_portions(false);
            assert!(fixture.portions > before);
            drawn.sort();
            drawn.dedup();
            assert_eq!(drawn.len(), count.min(existing), "{command} {key} {count}");
        }
    }
}

#[test]
fn every_element_is_drawn_as_often() {
    let mut fixture = filled(20);
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    set_small_portions(true);
    for _ in 0..2000 {
        for member in members(&fixture.run(&["ZRANDMEMBER", "sorted", "5"])) {
            *seen.entry(member).or_default() += 1;
        }
    }
    set_small_portions(false);
    assert_eq!(seen.len(), 20);
    assert!(seen.values().all(|times| (400..600).contains(times)), "{seen:?}");
}

#[test]
fn a_pop_in_portions_takes_different_members() {
    let mut fixture = filled(700);
    set_small_portions(true);
    let popped = fixture.run(&["SPOP", "set", "300"]);
    set_small_portions(false);
    assert!(fixture.portions > 100, "only {} portions", fixture.portions);
    let mut all = [members(&popped), members(&fixture.run(&["SMEMBERS", "set"]))].concat();
    all.sort();
    all.dedup();
    assert_eq!((members(&popped).len(), all.len()), (300, 700));
}

#[test]
fn a_key_that_is_pinned_neither_expires_nor_loses_fields() {
    let mut fixture = filled(3);
    let key = crate::resp::args::Key::new(b"timed");
    fixture.run(&["PEXPIRE", "timed", "10"]);
    fixture.db.pin(key.hash);
    fixture.advance(100);
    assert_eq!(fixture.run(&["EXISTS", "timed"]), ":0\r\n");
    while !fixture.db.expire_step(0).finished {}
    assert_eq!(fixture.db.counters.expired.get(), 0);
    fixture.db.set_now(fixture.db.now() - 99);
    assert_eq!(fixture.run(&["HLEN", "timed"]), ":3\r\n");
    assert_eq!(fixture.run(&["HKEYS", "timed"]), "*1\r\n$2\r\ne0\r\n");
    assert_eq!(
        fixture.run(&["HLEN", "timed"]),
        ":3\r\n",
        "nobody clears it behind a reader's back"
    );
    fixture.db.unpin(key.hash);
    fixture.run(&["HKEYS", "timed"]);
    assert_eq!(fixture.run(&["HLEN", "timed"]), ":1\r\n");
}

#[test]
fn pages_join_into_one_reply_without_a_copy() {
    let mut all = Out::default();
    let (mut expected, long) = (Vec::new(), vec![b'y'; 100_000]);
    for size in [10, 50_000, 3, 100_000, 40_000] {
        let mut page = Out::default();
        page.bulk(&long[..size]);
        expected.extend(page.to_vec());
        all.adopt(page);
    }
    assert_eq!(all.to_vec(), expected);
    assert!(all.encoded().len() < 100 && all.shared().len() == 3);
    let mut copy = Out::default();
    copy.ok();
    copy.append(&all);
    assert_eq!(copy.to_vec(), [b"+OK\r\n", &expected[..]].concat());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn ranges_of_any_size_come_in_order(
        start in -60i64..60,
        stop in -60i64..60,
        size in 0usize..50,
    ) {
        let (start, stop) = (start.to_string(), stop.to_string());
        check(&["LRANGE", "list", &start, &stop], size);
        check(&["ZREVRANGE", "sorted", &start, &stop], size);
        check(&["ZREMRANGEBYRANK", "sorted", &start, &stop], size);
    }
}

/// Replies that stand before the command's are not its own.
#[test]
fn a_walk_that_writes_nothing_is_not_full() {
    let mut out = Out::new(Protocol::Resp2);
    out.raw(&[b'x'; 100]);
    let (mut portion, mut visited) = (Portion::at_once(), 0);
    portion.begin(&out);
    portion.walk_all(3, &mut Out::default(), |_, _, _| {
        visited += 1;
        (None, 1)
    });
    assert_eq!((visited, portion.is_unfinished()), (3, false));
}
