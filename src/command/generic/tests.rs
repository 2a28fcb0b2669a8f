use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::base::layout::{Layout, ScanCursor};
use crate::base::probe::set_small_portions;
use crate::command::portion::Portion;
use crate::command::spec::{Give, Parcel};
use crate::command::{generic, string};
use crate::resp::args::Key;
use crate::resp::out::Protocol;
use crate::resp::parse::Span;
use crate::shard::digest;
use crate::shard::execute::execute;
use crate::store::carried::Carried;
use crate::store::db::Expiry;
use crate::store::entry::Value;
use crate::store::entry::ValueRef;
use crate::store::object::EncodingLimits;
use crate::store::set::Set;
use crate::store::tuning::Tuning;
use crate::testing::Fixture;
use crate::testing::cases;

const FAMILIES: &[&[Command]] = &[generic::COMMANDS, string::COMMANDS];
const NULL: &str = "$-1\r\n";

fn fixture(pairs: &[(&str, &str)]) -> Fixture {
    let mut fixture = Fixture::new(FAMILIES);
    for (key, value) in pairs {
        assert_eq!(fixture.run(&["SET", key, value]), "+OK\r\n");
    }
    fixture
}

/// Runs each line of words and compares the reply, both written `command -> reply`.
#[track_caller]
fn check(fixture: &mut Fixture, lines: &[&str]) {
    for line in lines {
        let (command, reply) = line.split_once(" -> ").expect("a command and a reply");
        let words: Vec<&str> = command.split(' ').collect();
        assert_eq!(fixture.run(&words).trim_end(), reply, "{command}");
    }
}

fn events(fixture: &mut Fixture) -> Vec<(u16, String, &'static str)> {
    let changes = fixture.db.changes.take().into_iter();
    let text = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
    changes.map(|change| (change.database, text(&change.key), change.event.name)).collect()
}

#[test]
fn del_exists_touch_and_type() {
    let mut shard = fixture(&[("a", "1"), ("b", "2"), ("c", "3")]);
    check(
        &mut shard,
        &[
            "EXISTS a b missing a -> :3",
            "TOUCH a missing -> :1",
            "DEL a a missing -> :1",
            "UNLINK b c b -> :2",
            "DBSIZE -> :0",
            "TYPE a -> +none",
            "SET a x -> +OK",
            "TYPE a -> +string",
        ],
    );
}

#[test]
fn an_expired_key_is_not_deleted_but_expired() {
    let mut shard = fixture(&[("a", "1"), ("b", "2")]);
    shard.db.changes.listen(true);
    check(&mut shard, &["PEXPIRE a 10 -> :1", "PEXPIRE b 10 -> :1"]);
    shard.advance(10);
    check(&mut shard, &["DEL a -> :0", "EXISTS b -> :0", "DBSIZE -> :0"]);
    let names: Vec<_> = events(&mut shard).into_iter().map(|(_, _, name)| name).collect();
    assert_eq!(names, ["expire", "expire", "expired", "expired"]);
}

#[test]
fn a_scan_removes_what_it_wants_and_finds_expired() {
    let mut shard = fixture(&[("a", "1"), ("b", "2"), ("c", "3")]);
    check(&mut shard, &["PEXPIRE a 10 -> :1", "PEXPIRE b 10 -> :1"]);
    shard.advance(10);
    for (options, found, left) in
        [("TYPE list", "*0", 3), ("MATCH a", "*0", 2), ("MATCH *", "*1\r\n$1\r\nc", 1)]
    {
        let scanned = format!("SCAN 0 COUNT 1000 {options} -> *2\r\n$1\r\n0\r\n{found}");
        check(&mut shard, &[&scanned]);
        assert_eq!(shard.db.len(), left, "{options}");
    }
}

#[test]
fn only_accesses_count_as_such() {
    let mut shard = fixture(&[("a", "1")]);
    shard.advance(5000);
    for harmless in [["TTL", "a"], ["TYPE", "a"], ["EXISTS", "a"], ["PTTL", "a"]] {
        shard.run(&harmless);
    }
    check(&mut shard, &["OBJECT IDLETIME a -> :5", "TOUCH a -> :1", "OBJECT IDLETIME a -> :0"]);
    shard.advance(3000);
    check(&mut shard, &["OBJECT IDLETIME a -> :3", "PERSIST a -> :0", "OBJECT IDLETIME a -> :0"]);
    // TTL, TYPE, EXISTS, PTTL, TOUCH and four looks by OBJECT hit; writes do not count.
    assert_eq!(shard.db.counters.hits.get(), 9);
    check(&mut shard, &["TTL missing -> :-2", "DEL missing -> :0"]);
    assert_eq!(shard.db.counters.misses.get(), 1);
}

#[test]
fn expire_sets_asks_and_takes_away() {
    let mut shard = fixture(&[("a", "1")]);
    check(
        &mut shard,
        &[
            "TTL a -> :-1",
            "EXPIRE a 100 -> :1",
            "TTL a -> :100",
            "PTTL a -> :100000",
            "EXPIRETIME a -> :1700000100",
            "PEXPIREAT a 1700000000500 -> :1",
            "PEXPIRETIME a -> :1700000000500",
            "EXPIRETIME a -> :1700000001",
            "TTL a -> :1",
            "PEXPIREAT a 1700000000499 -> :1",
            "TTL a -> :0",
            "PERSIST a -> :1",
            "PERSIST a -> :0",
            "PTTL a -> :-1",
            "EXPIRE missing 1 -> :0",
            "PEXPIREAT a 9223372036854775807 -> :1",
            "EXPIRETIME a -> :9223372036854776",
        ],
    );
}

#[test]
fn a_time_in_the_past_deletes() {
    let mut shard = fixture(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]);
    shard.db.changes.listen(true);
    check(
        &mut shard,
        &[
            "EXPIRE a 0 -> :1",
            "PEXPIRE b -9223372036854775808 -> :1",
            "EXPIREAT c 1700000000 -> :1",
            "PEXPIREAT d -1 GT -> :0",
            "PEXPIREAT d -1 LT -> :1",
            "DBSIZE -> :0",
        ],
    );
    assert!(events(&mut shard).iter().all(|(_, _, name)| *name == "del"));
}

#[test]
fn expire_refuses_what_it_cannot_do() {
    let mut shard = fixture(&[("a", "1")]);
    check(
        &mut shard,
        &[
            "EXPIRE a 9223372036854775 -> -ERR invalid expire time in 'expire' command",
            "EXPIRE a -9223372036854776 -> -ERR invalid expire time in 'expire' command",
            "PEXPIRE a 9223372036854775807 -> -ERR invalid expire time in 'pexpire' command",
            "EXPIREAT a 9223372036854776 -> -ERR invalid expire time in 'expireat' command",
            "EXPIRE a x -> -ERR value is not an integer or out of range",
            "EXPIRE a x Foo -> -ERR Unsupported option Foo",
            "EXPIRE a 1 nx xx -> -ERR NX and XX, GT or LT options at the same time are not \
             compatible",
            "EXPIRE a 1 gt lt -> -ERR GT and LT options at the same time are not compatible",
            "TTL a -> :-1",
        ],
    );
}

#[test]
fn expire_keeps_its_conditions() {
    for (condition, none_before, earlier, same, later) in
        [("NX", 1, 0, 0, 0), ("XX", 0, 1, 1, 1), ("GT", 0, 0, 0, 1), ("LT", 1, 1, 0, 0)]
    {
        let mut shard = fixture(&[("a", "1")]);
        let reply = |taken: i32| format!(":{taken}\r\n");
        assert_eq!(shard.run(&["EXPIRE", "a", "100", condition]), reply(none_before));
        for (time, taken) in [("50", earlier), ("100", same), ("200", later)] {
            shard.run(&["EXPIRE", "a", "100"]);
            assert_eq!(shard.run(&["EXPIRE", "a", time, condition]), reply(taken));
        }
    }
}

#[test]
fn relative_times_are_journaled_as_absolute_ones() {
    let mut shard = fixture(&[("a", "1")]);
    shard.db.changes.listen(true);
    check(&mut shard, &["EXPIRE a 1 -> :1", "PERSIST a -> :1"]);
    let effects: Vec<_> = shard.db.changes.take().into_iter().map(|each| each.effect).collect();
    let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().into()).collect();
    use crate::store::change::Effect::Words;
    assert_eq!(
        effects,
        [Words(words(&["PEXPIREAT", "a", "1700000001000"])), Words(words(&["PERSIST", "a"]))]
    );
}

#[test]
fn keys_and_scan_filter() {
    let mut shard = fixture(&[("", "0")]);
    let every = "*2\r\n$1\r\n0\r\n*1\r\n$0\r\n\r\n";
    assert_eq!(shard.run(&["KEYS", "*"]), "*1\r\n$0\r\n\r\n");
    assert_eq!(shard.run(&["KEYS", "**"]), "*0\r\n");
    assert_eq!(shard.run(&["SCAN", "0", "COUNT", "1000", "MATCH", "*"]), every);
    let mut shard = fixture(&[("a", "1"), ("{t}b", "2"), ("{t}c", "3")]);
    check(
        &mut shard,
        &[
            "KEYS x* -> *0",
            "KEYS a -> *1\r\n$1\r\na",
            "KEYS {t}?b -> *0",
            "KEYS {t}b* -> *1\r\n$4\r\n{t}b",
            "SCAN 0 COUNT 1000 MATCH a -> *2\r\n$1\r\n0\r\n*1\r\n$1\r\na",
            "SCAN 0 count 1000 match {t}c* -> *2\r\n$1\r\n0\r\n*1\r\n$4\r\n{t}c",
            "SCAN 0 COUNT 1000 TYPE LIST -> *2\r\n$1\r\n0\r\n*0",
            "SCAN 0 TYPE strings -> -ERR unknown type name 'strings'",
            "SCAN 0 COUNT 1000 MATCH a TYPE String -> *2\r\n$1\r\n0\r\n*1\r\n$1\r\na",
            "SCAN 5 -> *2\r\n$1\r\n0\r\n*0",
            "SCAN -1 -> *2\r\n$1\r\n0\r\n*0",
            "SCAN x -> -ERR invalid cursor",
            "SCAN 0 COUNT -> -ERR syntax error",
            "SCAN 0 COUNT x -> -ERR value is not an integer or out of range",
            "SCAN 0 COUNT 0 -> -ERR syntax error",
            "SCAN 0 COUNT -1 -> -ERR syntax error",
            "SCAN 0 MATCH -> -ERR syntax error",
            "SCAN 0 LIMIT 1 -> -ERR syntax error",
            "SCAN 0 COUNT 9223372036854775807 MATCH x -> *2\r\n$1\r\n0\r\n*0",
        ],
    );
}

#[test]
fn random_key_draws_live_keys() {
    let mut shard = fixture(&[("a", "1"), ("b", "2")]);
    assert_eq!(shard.run(&["PEXPIRE", "a", "5"]), ":1\r\n");
    shard.advance(5);
    assert_eq!(shard.run(&["RANDOMKEY"]), "$1\r\nb\r\n");
    check(&mut shard, &["DEL b -> :1", "RANDOMKEY -> $-1"]);
    shard.protocol = Protocol::Resp3;
    assert_eq!(shard.run(&["RANDOMKEY"]), "_\r\n");
}

#[test]
fn rename_takes_everything_along() {
    let mut shard = fixture(&[("a", "text"), ("b", "old")]);
    shard.db.write(Key::new(b"a")).edit(Event::string("append"), |entry| entry.append(b"s"));
    check(&mut shard, &["EXPIRE a 100 -> :1", "EXPIRE b 7 -> :1"]);
    shard.db.changes.listen(true);
    check(
        &mut shard,
        &[
            "RENAME a b -> +OK",
            "GET b -> $5\r\ntexts",
            "TTL b -> :100",
            "OBJECT ENCODING b -> $3\r\nraw",
            "EXISTS a -> :0",
            "RENAME b b -> +OK",
            "RENAMENX b b -> :0",
            "RENAME a a -> -ERR no such key",
            "RENAME a c -> -ERR no such key",
            "RENAMENX a c -> -ERR no such key",
            "RENAMENX b c -> :1",
            "SET b 5 -> +OK",
            "RENAMENX b c -> :0",
            "RENAME b c -> +OK",
            "TTL c -> :-1",
            "OBJECT ENCODING c -> $3\r\nint",
        ],
    );
    let renamed = |from: &str, to: &str| {
        [(0, from.to_owned(), "rename_from"), (0, to.to_owned(), "rename_to")]
    };
    let seen: Vec<_> =
        events(&mut shard).into_iter().filter(|(_, _, name)| *name != "set").collect();
    assert_eq!(seen, [renamed("a", "b"), renamed("b", "c"), renamed("b", "c")].concat());
    assert_eq!(shard.db.volatile(), 0);
}

#[test]
fn copy_leaves_the_source() {
    let mut shard = fixture(&[("a", "1"), ("b", "2")]);
    check(&mut shard, &["EXPIRE a 100 -> :1"]);
    shard.db.changes.listen(true);
    check(
        &mut shard,
        &[
            "COPY a b -> :0",
            "COPY a b REPLACE -> :1",
            "GET b -> $1\r\n1",
            "TTL b -> :100",
            "COPY a a DB 3 -> :1",
            "COPY a a DB 3 -> :0",
            "COPY a x DB 1 DB 3 replace REPLACE -> :1",
            "COPY missing x -> :0",
            "COPY a a -> -ERR source and destination objects are the same",
            "COPY missing missing DB 0 -> -ERR source and destination objects are the same",
            "COPY a a foo -> -ERR syntax error",
            "COPY a a DB -> -ERR syntax error",
            "COPY a a DB x -> -ERR value is not an integer or out of range",
            "COPY a a DB 16 -> -ERR DB index is out of range",
            "COPY a a DB -1 -> -ERR DB index is out of range",
            "COPY a a DB 2147483648 -> -ERR value is out of range, value must between \
             -2147483648 and 2147483647",
        ],
    );
    let copied = |database: u16, key: &str| (database, key.to_owned(), "copy_to");
    assert_eq!(events(&mut shard), [copied(0, "b"), copied(3, "a"), copied(3, "x")]);
    assert_eq!(shard.db.selected(), 0);
}

#[test]
fn a_long_value_is_shared_by_its_copy_until_one_changes() {
    let long = "x".repeat(100_000);
    let mut shard = fixture(&[("a", &long)]);
    check(&mut shard, &["COPY a b -> :1", "OBJECT ENCODING b -> $3\r\nraw"]);
    shard.db.write(Key::new(b"b")).edit(Event::string("append"), |entry| entry.append(b"y"));
    assert_eq!(shard.run(&["GET", "a"]), format!("$100000\r\n{long}\r\n"));
    assert_eq!(shard.run(&["GET", "b"]), format!("$100001\r\n{long}y\r\n"));
}

#[test]
fn move_goes_to_a_free_place_only() {
    let mut shard = fixture(&[("a", "1"), ("b", "2")]);
    check(&mut shard, &["EXPIRE a 100 -> :1"]);
    shard.db.changes.listen(true);
    check(
        &mut shard,
        &[
            "MOVE a 0 -> -ERR source and destination objects are the same",
            "MOVE missing 16 -> -ERR DB index is out of range",
            "MOVE a x -> -ERR value is not an integer or out of range",
            "MOVE a 1 -> :1",
            "MOVE a 1 -> :0",
            "SET a 3 -> +OK",
            "MOVE a 1 -> :0",
            "GET a -> $1\r\n3",
        ],
    );
    let moved = |database: u16, name: &'static str| (database, "a".to_owned(), name);
    assert_eq!(events(&mut shard)[..2], [moved(0, "move_from"), moved(1, "move_to")]);
    shard.db.select(1);
    check(&mut shard, &["GET a -> $1\r\n1", "TTL a -> :100"]);
}

#[test]
fn databases_are_flushed_and_swapped() {
    let mut shard = fixture(&[("a", "1"), ("b", "2")]);
    check(&mut shard, &["EXPIRE a 100 -> :1", "SWAPDB 0 2 -> +OK", "DBSIZE -> :0"]);
    shard.db.select(2);
    check(
        &mut shard,
        &[
            "DBSIZE -> :2",
            "SWAPDB 0 0 -> +OK",
            "SWAPDB x 99 -> -ERR invalid first DB index",
            "SWAPDB 99 x -> -ERR invalid second DB index",
            "SWAPDB 4294967296 0 -> -ERR invalid first DB index",
            "SWAPDB 0 16 -> -ERR DB index is out of range",
            "SWAPDB -1 0 -> -ERR DB index is out of range",
            "FLUSHDB now -> -ERR syntax error",
            "FLUSHALL ASYNC SYNC -> -ERR syntax error",
            "FLUSHDB sync -> +OK",
            "DBSIZE -> :0",
            "SET c 3 -> +OK",
            "FLUSHALL -> +OK",
            "DBSIZE -> :0",
            "TTL a -> :-2",
        ],
    );
    assert_eq!((shard.db.volatile(), shard.db.lazy_free_pending()), (0, 3));
    while shard.db.free_some(1) {}
    assert_eq!(shard.db.lazy_free_pending(), 0);
}

#[test]
fn object_describes_strings() {
    let mut shard = fixture(&[("a", "12"), ("b", "10000"), ("c", &"x".repeat(44))]);
    assert_eq!(shard.run(&["SET", "d", &"x".repeat(45)]), "+OK\r\n");
    check(
        &mut shard,
        &[
            "OBJECT ENCODING a -> $3\r\nint",
            "OBJECT REFCOUNT a -> :2147483647",
            "OBJECT REFCOUNT b -> :1",
            "OBJECT ENCODING c -> $6\r\nembstr",
            "OBJECT ENCODING d -> $3\r\nraw",
        ],
    );
    for subcommand in ["ENCODING", "FREQ", "IDLETIME", "REFCOUNT"] {
        assert_eq!(shard.run(&["OBJECT", subcommand, "missing"]), NULL);
    }
    assert!(shard.run(&["OBJECT", "FREQ", "a"]).starts_with("-ERR An LFU maxmemory policy is not"));
    assert!(shard.run(&["OBJECT", "HELP"]).starts_with("*15\r\n+OBJECT <subcommand>"));
    shard.db.tuning.frequency = true;
    assert!(shard.run(&["OBJECT", "IDLETIME", "a"]).starts_with("-ERR An LFU maxmemory policy is"));
    check(&mut shard, &["SET e 1 -> +OK", "OBJECT FREQ e -> :5"]);
}

#[test]
fn memory_usage_counts_the_entry_and_its_place() {
    const MEMORY: Command = cmd("MEMORY", Arity::AtLeast(2), Group::Server).run(MEMORY_USAGE.run);
    let mut shard = Fixture::new(&[&[MEMORY], string::COMMANDS]);
    check(
        &mut shard,
        &[
            "SET a 1 -> +OK",
            "MEMORY USAGE missing -> $-1",
            "MEMORY USAGE a SAMPLES -> -ERR syntax error",
            "MEMORY USAGE a SAMPLES -1 -> -ERR syntax error",
            "MEMORY USAGE a SAMPLES x -> -ERR value is not an integer or out of range",
            "MEMORY USAGE a COUNT 1 -> -ERR syntax error",
        ],
    );
    let usage = |shard: &mut Fixture| -> usize {
        shard.run(&["MEMORY", "USAGE", "a", "SAMPLES", "0"])[1..].trim_end().parse().unwrap()
    };
    assert!((16..64).contains(&usage(&mut shard)));
    shard.run(&["SET", "a", &"x".repeat(100_000)]);
    assert!((100_000..140_000).contains(&usage(&mut shard)));
}

/// Several shards without a server, driven as the coordinator drives them.
struct Shards {
    layout: Layout,
    dbs: Vec<Db>,
    /// Portions after the first of handovers.
    portions: usize,
}

impl Shards {
    fn new(count: u16) -> Shards {
        let layout = Layout::even(count);
        let tuning = Tuning { string_len_max: 1 << 20, ..Tuning::default() };
        let shard = |index| Db::new(4, index, count, layout.slots_of(index), 1, tuning);
        Shards { layout, dbs: (0..count).map(shard).collect(), portions: 0 }
    }

    fn owner(&mut self, key: &[u8]) -> &mut Db {
        let owner = self.layout.core_of(Key::new(key).slot());
        &mut self.dbs[usize::from(owner)]
    }

    fn set(&mut self, key: &str, value: &str) {
        let guard = &mut self.owner(key.as_bytes()).write(Key::new(key.as_bytes()));
        guard.set(Value::Raw(value.as_bytes()), Expiry::Never, Event::string("set"));
    }

    fn get(&mut self, key: &str) -> Option<String> {
        let value = self.owner(key.as_bytes()).read(Key::new(key.as_bytes()))?;
        let ValueRef::Raw(bytes) = value else { panic!("set as text") };
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    /// The first half of a handover, at once or else in portions.
    fn give(
        &mut self,
        give: Give,
        giver: usize,
        args: &Args<'_>,
        parcels: &[Parcel],
    ) -> Option<Carried> {
        let mut portion = Portion::at_once();
        let mut gift = give(&mut self.dbs[giver], args, parcels, &mut portion);
        if portion.is_unfinished() {
            portion = Portion::first();
            gift = give(&mut self.dbs[giver], args, parcels, &mut portion);
        }
        while portion.is_unfinished() {
            assert!(gift.is_none(), "there is nothing to hand over yet");
            portion.advance();
            gift = give(&mut self.dbs[giver], args, parcels, &mut portion);
            self.portions += 1;
        }
        gift
    }

    /// The phases of a handover on the owners of the keys at positions 1 and 2.
    fn hand_over(&mut self, argv: &[&str]) -> String {
        with_args(argv, |args| {
            let row = COMMANDS.iter().find(|row| args.is(0, row.spec.name)).unwrap();
            let Run::Handover { look, give, take } = row.run else { panic!("not a handover") };
            let owner = |position| usize::from(self.layout.core_of(args.key(position).slot()));
            let (giver, taker) = (owner(1), owner(2));
            let mut owners = vec![giver, taker];
            owners.dedup();
            let parcels: Result<Vec<_>, _> =
                owners.iter().map(|owner| look(&self.dbs[*owner], args)).collect();
            let parcels = match parcels {
                Ok(parcels) => parcels,
                Err(error) => return error.text().into_owned(),
            };
            let gift = self.give(give, giver, args, &parcels);
            let mut out = Out::new(Protocol::Resp2);
            take(&mut self.dbs[taker], args, &parcels, gift, &mut out).unwrap();
            String::from_utf8(out.to_vec()).unwrap()
        })
    }

    /// One call of SCAN: the next cursor, and the keys.
    fn scan(&mut self, cursor: u64, options: &[&str]) -> (u64, Vec<String>) {
        let number = cursor.to_string();
        let argv = [&["SCAN", &number], options].concat();
        let shard = ScanCursor::parse(number.as_bytes()).unwrap().shard;
        let reply = with_args(&argv, |args| {
            let row = COMMANDS.iter().find(|row| row.spec.name == "SCAN").unwrap();
            let mut out = Out::new(Protocol::Resp2);
            execute(&mut self.dbs[usize::from(shard)], row, args, &mut out).unwrap();
            String::from_utf8(out.to_vec()).unwrap()
        });
        let mut bulks = reply.split("\r\n").filter(|line| !line.starts_with(['*', '$']));
        let next = bulks.next().unwrap().parse().unwrap();
        (next, bulks.filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }
}

fn with_args<T>(argv: &[&str], act: impl FnOnce(&Args<'_>) -> T) -> T {
    let (mut input, mut spans) = (Vec::new(), Vec::new());
    for arg in argv {
        spans.push(Span::input(input.len(), arg.len() as u32));
        input.extend_from_slice(arg.as_bytes());
    }
    act(&Args::new(&input, &spans, &[]))
}

#[test]
fn keys_are_renamed_and_copied_across_shards() {
    let mut shards = Shards::new(7);
    let names: Vec<String> = (0..20).map(|n| format!("key:{n}")).collect();
    for (n, pair) in names.windows(2).enumerate() {
        let [from, to] = pair else { unreachable!() };
        shards.set(from, "value");
        assert_eq!(shards.hand_over(&["RENAMENX", from, to]), ":1\r\n");
        assert_eq!((shards.get(from), shards.get(to)), (None, Some("value".into())));
        assert_eq!(shards.hand_over(&["RENAME", from, to]), "ERR no such key");
        assert_eq!(shards.hand_over(&["COPY", to, from]), ":1\r\n");
        shards.set(to, "other");
        assert_eq!(shards.hand_over(&["RENAMENX", from, to]), ":0\r\n");
        assert_eq!(shards.hand_over(&["COPY", from, to]), ":0\r\n");
        assert_eq!(shards.get(to), Some("other".into()));
        assert_eq!(shards.hand_over(&["COPY", from, to, "REPLACE"]), ":1\r\n");
        assert_eq!(shards.get(to), Some("value".into()));
        assert_eq!(shards.hand_over(&["COPY", from, to, "DB", "3"]), ":1\r\n");
        assert_eq!(shards.hand_over(&["COPY", from, to, "DB", "3"]), ":0\r\n");
        assert_eq!(shards.hand_over(&["RENAME", to, from]), "+OK\r\n");
        assert_eq!(shards.dbs.iter().map(Db::len).sum::<usize>(), n + 1);
    }
}

#[test]
fn large_collections_are_copied_across_shards_in_portions() {
    let (mut shards, limits) = (Shards::new(3), EncodingLimits::default());
    let source = Key::new(b"set");
    let mut set = shards.owner(b"set").edit_or_create::<Set>(source).expect("no such key");
    for number in 0..2000 {
        assert!(set.insert(number.to_string().as_bytes(), &limits));
    }
    set.changed(Event::set("sadd"));
    drop(set);
    let value = |db: &Db, key: &[u8]| digest::value(db.peek(Key::new(key)).expect("it is there"));
    for small in [true, false] {
        set_small_portions(small);
        for number in 0..6 {
            let target = format!("copy:{number}");
            let portions = shards.portions;
            assert_eq!(shards.hand_over(&["COPY", "set", &target, "REPLACE"]), ":1\r\n");
            assert_eq!(shards.portions > portions, small);
            let expected = value(shards.owner(b"set"), b"set");
            assert_eq!(value(shards.owner(target.as_bytes()), target.as_bytes()), expected);
            assert_eq!(shards.hand_over(&["COPY", "set", &target]), ":0\r\n");
        }
    }
}

#[test]
fn every_shard_has_its_share_in_the_draw() {
    let mut shards = Shards::new(2);
    shards.set("a", "1");
    let row = COMMANDS.iter().find(|row| row.spec.name == "RANDOMKEY").unwrap();
    let replies = shards.dbs.iter_mut().map(|db| {
        let mut out = Out::new(Protocol::Resp2);
        with_args(&["RANDOMKEY"], |args| execute(db, row, args, &mut out).unwrap());
        String::from_utf8(out.to_vec()).unwrap()
    });
    let replies: BTreeSet<String> = replies.collect();
    assert_eq!(replies, ["*2\r\n:0\r\n$-1\r\n", "*2\r\n:1\r\n$1\r\na\r\n"].map(Into::into).into());
}

#[test]
fn a_pattern_with_a_hashtag_skips_other_shards() {
    let mut shards = Shards::new(3);
    shards.set("{tag}x", "1");
    let owner = u64::from(shards.layout.core_of(Key::new(b"{tag}x").slot()));
    for shard in 0..3 {
        let (next, keys) = shards.scan(shard, &["MATCH", "{tag}*", "COUNT", "1000"]);
        assert_eq!(next, (shard + 1) % 3);
        assert_eq!(keys.len(), usize::from(shard == owner));
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn a_scan_over_shards_returns_every_key_that_stays(
        count in 1u16..8,
        stay in 0usize..600,
        per_call in 1u64..200,
        churn in prop::collection::vec((any::<bool>(), 0u32..400), 0..400),
    ) {
        let mut shards = Shards::new(count);
        for n in 0..stay {
            shards.set(&format!("stay:{n}"), "1");
        }
        let (mut cursor, mut seen, mut churn) = (0, BTreeSet::new(), churn.into_iter());
        for calls in 0.. {
            prop_assert!(calls < 20_000, "a scan must end");
            let (next, keys) = shards.scan(cursor, &["COUNT", &per_call.to_string()]);
            seen.extend(keys);
            if next == 0 {
                break;
            }
            cursor = next;
            for (adds, n) in churn.by_ref().take(20) {
                let key = format!("goes:{n}");
                if adds {
                    shards.set(&key, "1");
                } else {
                    let name = key.as_bytes();
                    shards.owner(name).write(Key::new(name)).remove(Event::DEL);
                }
            }
        }
        for n in 0..stay {
            let key = format!("stay:{n}");
            prop_assert!(seen.contains(&key), "{} was not returned", key);
        }
    }

    #[test]
    fn any_arguments_are_answered(
        row in 0..COMMANDS.len(),
        words in prop::collection::vec(
            prop_oneof![
                "[ -~]{0,6}", Just("a".to_owned()), Just("0".to_owned()), Just("-1".to_owned()),
                Just("COUNT".to_owned()), Just("DB".to_owned()), Just("REPLACE".to_owned()),
                Just("9223372036854775807".to_owned()), Just("-9223372036854775808".to_owned()),
            ],
            0..6,
        ),
    ) {
        let mut shard = fixture(&[("a", "1"), ("b", "2")]);
        let name = std::iter::once(COMMANDS[row].spec.name);
        let words: Vec<&str> = name.chain(words.iter().map(String::as_str)).collect();
        prop_assert!(shard.run(&words).ends_with("\r\n"));
    }
}
