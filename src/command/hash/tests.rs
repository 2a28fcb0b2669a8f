//! The family as clients see it, on one shard.

use super::COMMANDS;
use super::import::IMPORT;
use crate::resp::args::Key;
use crate::resp::out::Protocol;
use crate::store::hash::Hash;
use crate::testing::Fixture;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

fn fixture() -> Fixture {
    Fixture::new(&[COMMANDS, crate::command::string::COMMANDS, crate::command::generic::COMMANDS])
}

fn run(fixture: &mut Fixture, command: &str) -> String {
    let words: Vec<&str> = command.split(' ').collect();
    fixture.run(&words).replace("\r\n", " ").trim_end().to_owned()
}

/// Runs each line and expects the reply behind ` => `, written without its line ends. `+5` lets so
/// many milliseconds pass, and `…` stands for the rest of a reply.
fn check(fixture: &mut Fixture, script: &str) {
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(time) = line.strip_prefix('+') {
            fixture.advance(time.parse().expect("milliseconds"));
            continue;
        }
        let (command, expected) = line.split_once(" => ").expect("a command and its reply");
        let reply = run(fixture, command);
        match expected.strip_suffix('…') {
            Some(beginning) => assert!(reply.starts_with(beginning), "{command}: {reply}"),
            None => assert_eq!(reply, expected, "{command}"),
        }
    }
}

#[test]
fn fields_come_and_go() {
    check(
        &mut fixture(),
        "HSET h a 1 b x a 2 => :2
         HSET h a 3 c y => :1
         HLEN h => :3
         HGETALL h => *6 $1 a $1 3 $1 b $1 x $1 c $1 y
         HKEYS h => *3 $1 a $1 b $1 c
         HVALS h => *3 $1 3 $1 x $1 y
         HGET h b => $1 x
         HGET h d => $-1
         HMGET h a d b => *3 $1 3 $-1 $1 x
         HEXISTS h a => :1
         HEXISTS h d => :0
         HSTRLEN h b => :1
         HSTRLEN h d => :0
         HSETNX h a 9 => :0
         HSETNX h d 123456 => :1
         HSTRLEN h d => :6
         HMSET h d 7 => +OK
         HDEL h d e a => :2
         HDEL h b c => :2
         EXISTS h => :0
         HDEL h a => :0
         HGET h a => $-1
         HMGET h a b => *2 $-1 $-1
         HGETALL h => *0
         HKEYS h => *0
         HVALS h => *0
         HLEN h => :0
         HSET h a => -arity
         HSET h a 1 b => -ERR wrong number of arguments for 'hset' command
         HMSET h a 1 b => -ERR wrong number of arguments for 'hmset' command
         EXISTS h => :0",
    );
}

#[test]
fn other_types_are_refused() {
    let mut fixture = fixture();
    run(&mut fixture, "SET string v");
    for command in COMMANDS.iter().map(|command| command.spec.name) {
        let words = match command {
            "HGETALL" | "HKEYS" | "HVALS" | "HLEN" | "HRANDFIELD" => format!("{command} string"),
            "HSETNX" | "HSET" | "HMSET" => format!("{command} string f v"),
            "HINCRBY" | "HINCRBYFLOAT" => format!("{command} string f 1"),
            "HSCAN" => "HSCAN string 0".into(),
            "HSETEX" => "HSETEX string FIELDS 1 f v".into(),
            "HEXPIRE" | "HPEXPIRE" | "HEXPIREAT" | "HPEXPIREAT" => {
                format!("{command} string 100 FIELDS 1 f")
            }
            "HTTL" | "HPTTL" | "HEXPIRETIME" | "HPEXPIRETIME" | "HPERSIST" | "HGETDEL"
            | "HGETEX" => format!("{command} string FIELDS 1 f"),
            _ => format!("{command} string f"),
        };
        assert_eq!(run(&mut fixture, &words), WRONG_TYPE, "{words}");
    }
    let import: [&[u8]; 4] = [b"HIMPORT", b"string", b"f", b"v"];
    assert!(fixture.call(&IMPORT, &import).starts_with(WRONG_TYPE.as_bytes()));
}

#[test]
fn counters_count() {
    check(
        &mut fixture(),
        "HINCRBY h n 5 => :5
         HINCRBY h n -7 => :-2
         HINCRBY h n x => -ERR value is not an integer or out of range
         HSET h n 9223372036854775807 t x f 1.5 => :2
         HINCRBY h n 1 => -ERR increment or decrement would overflow
         HINCRBY h t 1 => -ERR hash value is not an integer
         HINCRBYFLOAT h f 0.25 => $4 1.75
         HINCRBYFLOAT h t 1 => -ERR hash value is not a float
         HINCRBYFLOAT h new 3.0e3 => $4 3000
         HINCRBYFLOAT h new x => -ERR value is not a valid float
         HINCRBYFLOAT h new inf => -ERR value is NaN or Infinity
         HINCRBY missing n x => -ERR value is not an integer or out of range
         EXISTS missing => :0",
    );
    let mut fixture = fixture();
    assert_eq!(
        fixture.changes("HINCRBYFLOAT h f 1.50"),
        ["hincrbyfloat: HSETEX h KEEPTTL FIELDS 1 f 1.5"]
    );
    assert_eq!(fixture.changes("HINCRBY h n 1"), ["hincrby: as sent"]);
}

#[test]
fn fields_expire() {
    check(
        &mut fixture(),
        "HSET h a 1 b 2 c 3 d 4 => :4
         HPEXPIRE h 10 FIELDS 3 a b x => *3 :1 :1 :-2
         HPTTL h FIELDS 4 a b c x => *4 :10 :10 :-1 :-2
         HTTL h FIELDS 1 a => *1 :1
         HPEXPIRETIME h FIELDS 2 a c => *2 :1700000000010 :-1
         HEXPIRETIME h FIELDS 1 a => *1 :1700000001
         OBJECT ENCODING h => $10 listpackex
         HPERSIST h FIELDS 3 b c x => *3 :1 :-1 :-2
         +10
         HGET h a => $1 1
         +1
         HLEN h => :4
         HGET h a => $-1
         HLEN h => :3
         HMGET h a b => *2 $-1 $1 2
         HEXISTS h a => :0
         HGETALL h => *6 $1 c $1 3 $1 d $1 4 $1 b $1 2
         HTTL h FIELDS 2 a b => *2 :-2 :-1
         HSET h a 5 => :1
         HTTL h FIELDS 1 a => *1 :-1
         HEXPIREAT h 1 FIELDS 1 a => *1 :2
         HGET h a => $-1
         HPEXPIREAT h 1700000000111 FIELDS 3 b c d => *3 :1 :1 :1
         +101
         EXISTS h => :1
         HGETALL h => *0
         EXISTS h => :0
         HEXPIRE h 5 FIELDS 2 a b => *2 :-2 :-2
         HTTL h FIELDS 1 a => *1 :-2
         HPERSIST h FIELDS 1 a => *1 :-2",
    );
}

/// Every way in which a hash with an expiry may come, change and go.
#[test]
fn hashes_with_expiries_are_counted() {
    let mut fixture = fixture();
    for (commands, timed) in [
        ("HSET h a 1 b 2|HSET i a 1|SET s 1", 0),
        ("HPEXPIRE h 100 FIELDS 2 a b|HPEXPIRE i 100 FIELDS 1 a", 2),
        ("HPERSIST h FIELDS 1 a", 2),
        ("HPERSIST h FIELDS 1 b", 1),
        ("COPY i j|RENAME i k", 2),
        ("HSET j a 2", 1),
        ("HPEXPIRE j 100 FIELDS 1 a|SET j 1", 1),
        ("COPY k j REPLACE|COPY k j REPLACE", 2),
        ("RENAME j k", 1),
        ("HSET k b 1|HDEL k a", 0),
        (
            "HPEXPIRE h 10 FIELDS 1 a|HPEXPIRE k 10 FIELDS 1 b|HSET l a 1|HPEXPIRE l 10 FIELDS 1 a",
            3,
        ),
        ("+11|HGET h a|DEL l|HSET k c 1", 0),
        ("HPEXPIRE k 0 FIELDS 1 c|HSETEX m PX 10 FIELDS 1 a 1|PEXPIRE m 5|+5|GET m", 0),
        ("HSETEX m PX 10 FIELDS 1 a 1|FLUSHDB", 0),
    ] {
        for command in commands.split('|') {
            match command.strip_prefix('+') {
                Some(time) => fixture.advance(time.parse().expect("milliseconds")),
                None => drop(run(&mut fixture, command)),
            }
            fixture.db.settle();
        }
        assert_eq!(fixture.db.timed(), timed, "{commands}");
    }
}

#[test]
fn conditions_compare_expiries() {
    check(
        &mut fixture(),
        "HSET h a 1 b 2 => :2
         HEXPIRE h 100 XX FIELDS 1 a => *1 :0
         HEXPIRE h 100 GT FIELDS 1 a => *1 :0
         HEXPIRE h 100 NX FIELDS 1 a => *1 :1
         HEXPIRE h 200 NX FIELDS 2 a b => *2 :0 :1
         HEXPIRE h 100 GT FIELDS 2 a b => *2 :0 :0
         HEXPIRE h 150 GT FIELDS 2 a b => *2 :1 :0
         HEXPIRE h 150 LT FIELDS 2 a b => *2 :0 :1
         HTTL h FIELDS 2 a b => *2 :150 :150
         HEXPIRE h 0 XX FIELDS 2 a x => *2 :2 :-2
         HGETALL h => *2 $1 b $1 2
         HEXPIRE h 10 FIELDS 1 b LT => *1 :1
         HEXPIRE h 10 NX XX FIELDS 1 b => -ERR Multiple condition flags specified
         HEXPIRE h 10 FIELDS 1 b FIELDS 1 b => -ERR FIELDS keyword specified multiple times
         HEXPIRE h 10 NX NX XX b => -ERR unknown argument: b
         HEXPIRE h 10 FIELDS 2 b => -ERR wrong number of arguments
         HEXPIRE h 10 FIELDS 0 b => -ERR Parameter `numFields` should be greater than 0
         HEXPIRE h -1 FIELDS 1 b => -ERR invalid expire time, must be >= 0
         HEXPIRE h x FIELDS 1 b => -ERR value is not an integer or out of range
         HEXPIRE h 70368744178 FIELDS 1 b => -ERR invalid expire time in 'hexpire' command
         HPEXPIREAT h 70368744177664 FIELDS 1 b => -ERR invalid expire time in 'hpexpireat' command
         HPEXPIREAT h 70368744177663 FIELDS 1 b => *1 :1
         HEXPIRE h 10 NX NX XX => -ERR missing FIELDS argument
         HTTL h FIELD 1 b => -ERR Mandatory argument FIELDS is missing or not at the right position
         HTTL h FIELDS 2 b => -ERR The `numfields` parameter must match the number of arguments
         HPERSIST h FIELDS 0 b => -ERR Number of fields must be a positive integer",
    );
}

#[test]
fn values_come_with_expiries() {
    check(
        &mut fixture(),
        "HSETEX h EX 10 FIELDS 2 a 1 b 2 => :1
         HTTL h FIELDS 2 a b => *2 :10 :10
         HSETEX h FNX FIELDS 2 b 3 c 4 => :0
         HSETEX h FXX FIELDS 2 b 3 c 4 => :0
         HSETEX h FXX KEEPTTL FIELDS 1 b 3 => :1
         HPTTL h FIELDS 2 a b => *2 :10000 :10000
         HSETEX h FIELDS 1 b 4 => :1
         HTTL h FIELDS 2 a b => *2 :10 :-1
         HSETEX h FNX PX 50 FIELDS 1 c 5 => :1
         HSETEX missing FXX FIELDS 1 c 5 => :0
         EXISTS missing => :0
         HGETEX h FIELDS 3 a b x => *3 $1 1 $1 4 $-1
         HGETEX h PERSIST FIELDS 2 a x => *2 $1 1 $-1
         HTTL h FIELDS 2 a c => *2 :-1 :1
         HGETEX h EXAT 1700000007 FIELDS 1 a => *1 $1 1
         HTTL h FIELDS 1 a => *1 :7
         HGETEX h PXAT 1 FIELDS 1 a => *1 $1 1
         HEXISTS h a => :0
         HGETDEL h FIELDS 3 b b x => *3 $1 4 $-1 $-1
         HGETALL h => *2 $1 c $1 5
         HGETDEL h FIELDS 1 c => *1 $1 5
         EXISTS h => :0
         HGETDEL h FIELDS 1 c => *1 $-1
         HGETEX h FIELDS 1 c => *1 $-1
         HSETEX h EXAT 1 FIELDS 1 a b => :1
         EXISTS h => :0
         HSETEX h EX 1 PX 1 FIELDS 1 a b => -ERR Only one of EX, PX, EXAT, …
         HGETEX h EX 1 PERSIST FIELDS 1 a => -ERR Only one of EX, PX, EXAT, …
         HSETEX h FNX FXX FIELDS 1 a b => -ERR Only one of FXX or FNX arguments can be specified
         HSETEX h FIELDS 2 a b c => -ERR wrong number of arguments
         HGETEX h FIELDS 0 a => -ERR invalid number of fields
         HGETEX h PERSIST x y => -ERR unknown argument: x
         HSETEX h FNX EX 1 EX => -ERR Only one of EX, PX, EXAT, …
         HSETEX h FNX EX 1 FIELDS => -ERR wrong number of arguments for 'hsetex' command
         HGETEX h PX FIELDS 1 => -ERR value is not an integer or out of range",
    );
}

#[test]
fn changes_repeat_in_absolute_terms() {
    let mut fixture = fixture();
    assert_eq!(fixture.changes("HSET h a 1 b 2 c 3 d 4"), ["hset: as sent"]);
    assert_eq!(
        fixture.changes("HPEXPIRE h 5 FIELDS 3 a x b"),
        ["hexpire: HPEXPIREAT h 1700000000005 FIELDS 2 a b"]
    );
    assert_eq!(fixture.changes("HPEXPIRE h 0 FIELDS 2 c x"), ["hdel: HDEL h c"]);
    assert_eq!(
        fixture.changes("HGETEX h PERSIST FIELDS 2 b d"),
        ["hpersist: HPERSIST h FIELDS 1 b"]
    );
    assert_eq!(
        fixture.changes("HSETEX h PX 7 FIELDS 1 d 5"),
        ["hset: HSETEX h PXAT 1700000000007 FIELDS 1 d 5", "hexpire: carried"]
    );
    fixture.advance(6);
    assert_eq!(fixture.changes("HGET h d"), ["hexpired: HDEL h a"]);
    fixture.advance(2);
    assert_eq!(fixture.changes("HSET h d 1"), ["hexpired: HDEL h d", "hset: as sent"]);
    assert_eq!(fixture.changes("HGETDEL h FIELDS 2 b x"), ["hdel: HDEL h b"]);
    assert_eq!(fixture.changes("HDEL h x"), [""; 0]);
    run(&mut fixture, "HPEXPIRE h 3 FIELDS 1 d");
    run(&mut fixture, "EXPIRE h 1000");
    fixture.advance(4);
    assert_eq!(
        fixture.changes("HSETNX h e 1"),
        ["hexpired: HDEL h d", "del: carried", "hset: as sent"]
    );
    assert_eq!(run(&mut fixture, "TTL h"), ":-1", "it is another key");
    run(&mut fixture, "HPEXPIRE h 3 FIELDS 1 e");
    fixture.advance(4);
    assert_eq!(fixture.changes("HDEL h e"), ["hexpired: HDEL h e", "del: carried"]);
    assert_eq!(
        fixture.changes("HSETEX h PX 0 FIELDS 1 d 5"),
        ["hset: HDEL h d", "hdel: carried", "del: carried"]
    );
    assert!(fixture.db.is_empty());
    assert_eq!(fixture.db.counters.expired_fields.get(), 4);
}

#[test]
fn the_sweep_removes_what_nobody_asks_for() {
    let mut fixture = fixture();
    let sweep = |fixture: &mut Fixture| while !fixture.db.expire_step(0).finished {};
    for key in 0..50 {
        for field in 0..20 {
            let (key, field) = (format!("k{key}"), format!("f{field}"));
            fixture.run(&["HSETEX", &key, "PX", "100", "FIELDS", "1", &field, "v"]);
        }
    }
    run(&mut fixture, "HSET k1 stays v");
    run(&mut fixture, "HSETEX k2 PX 1000 FIELDS 1 later v");
    sweep(&mut fixture);
    assert_eq!(fixture.db.len(), 50);
    fixture.advance(101);
    sweep(&mut fixture);
    assert_eq!(fixture.db.len(), 2);
    assert_eq!(run(&mut fixture, "HLEN k1"), ":1");
    assert_eq!(fixture.db.counters.expired_fields.get(), 1000);
    // Expiries go with their hash.
    check(
        &mut fixture,
        "COPY k2 copy => :1
         RENAME k2 other => +OK
         HPTTL other FIELDS 1 later => *1 :899
         HPTTL copy FIELDS 1 later => *1 :899
         +900",
    );
    sweep(&mut fixture);
    assert_eq!(fixture.db.len(), 1);
}

#[test]
fn random_fields_are_fields() {
    let mut fixture = fixture();
    for large in [false, true] {
        let value = if large { "x".repeat(100) } else { "x".into() };
        fixture.run(&["HSET", "h", "a", &value, "b", &value, "c", &value]);
        assert!(["$1 a", "$1 b", "$1 c"].contains(&&*run(&mut fixture, "HRANDFIELD h")));
        assert_eq!(run(&mut fixture, "HRANDFIELD h 5").len(), "*3 $1 a $1 b $1 c".len());
        assert!(run(&mut fixture, "HRANDFIELD h 2").starts_with("*2 "));
        assert!(run(&mut fixture, "HRANDFIELD h -7").starts_with("*7 "));
        assert!(run(&mut fixture, "HRANDFIELD h 2 WITHVALUES").starts_with("*4 "));
        run(&mut fixture, "HPEXPIRE h 1 FIELDS 2 a b");
        fixture.advance(2);
        fixture.db.changes.listen(false);
        for _ in 0..20 {
            assert_eq!(fixture.run(&["HRANDFIELD", "h"]), "$1\r\nc\r\n");
        }
        run(&mut fixture, "DEL h");
    }
    check(
        &mut fixture,
        "HRANDFIELD h => $-1
         HRANDFIELD h 2 => *0
         HRANDFIELD h x => -ERR value is not an integer or out of range
         HRANDFIELD h 2 x => -ERR syntax error
         HRANDFIELD h 4611686018427387904 WITHVALUES => -ERR value is out of range
         HSET h a 1 => :1
         HRANDFIELD h -99999999 => -ERR value is out of range
         HRANDFIELD h 0 => *0",
    );
    fixture.protocol = Protocol::Resp3;
    check(
        &mut fixture,
        "HRANDFIELD h 2 WITHVALUES => *1 *2 $1 a $1 1
         HGETALL h => %1 $1 a $1 1
         HGETALL missing => %0",
    );
}

#[test]
fn scans_return_every_field() {
    let mut fixture = fixture();
    check(
        &mut fixture,
        "HSET h a 1 b 2 => :2
         HSCAN h 0 => *2 $1 0 *4 $1 a $1 1 $1 b $1 2
         HSCAN h 0 NOVALUES MATCH b => *2 $1 0 *1 $1 b
         HSCAN h x => -ERR invalid cursor
         HSCAN missing 0 x => *2 $1 0 *0
         HSCAN h 0 COUNT 0 => -ERR syntax error",
    );
    for field in 0..1000 {
        fixture.run(&["HSET", "big", &field.to_string(), "v"]);
    }
    let (mut cursor, mut seen) = ("0".to_owned(), std::collections::HashSet::new());
    loop {
        let reply = fixture.run(&["HSCAN", "big", &cursor, "COUNT", "50", "NOVALUES"]);
        let mut lines = reply.split("\r\n").filter(|line| !line.starts_with(['*', '$']));
        cursor = lines.next().expect("a cursor").to_owned();
        seen.extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 1000);
}

#[test]
fn an_import_replaces_everything() {
    let mut fixture = fixture();
    run(&mut fixture, "HSET h old 1");
    run(&mut fixture, "EXPIRE h 100");
    let import: [&[u8]; 6] = [b"HIMPORT", b"h", b"a", b"1", b"b", b"2"];
    assert_eq!(fixture.call(&IMPORT, &import), b"+OK\r\n");
    check(&mut fixture, "HGETALL h => *4 $1 a $1 1 $1 b $1 2\n TTL h => :-1");
    let hash = fixture.db.peek_as::<Hash>(Key::new(b"h")).expect("a hash").expect("it exists");
    assert_eq!(hash.len(), 2);
}
