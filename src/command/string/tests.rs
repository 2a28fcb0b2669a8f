//! The family as clients see it, on one shard.

use super::COMMANDS;
use crate::base::hash::{SLOTS, slot};
use crate::command::spec::Run;
use crate::resp::args::Args;
use crate::resp::out::{Out, Protocol};
use crate::resp::parse::Span;
use crate::store::db::Db;
use crate::store::tuning::Tuning;
use crate::testing::Fixture;

const OK: &str = "+OK\r\n";
const NULL: &str = "$-1\r\n";
const SYNTAX: &str = "-ERR syntax error\r\n";

fn fixture() -> Fixture {
    Fixture::new(&[COMMANDS])
}

/// Runs each line of words and expects the reply behind ` => `, written without its line ends.
fn check(fixture: &mut Fixture, script: &str) {
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (command, expected) = line.split_once(" => ").expect("a command and its reply");
        let words: Vec<&str> = command.split(' ').map(|w| if w == "''" { "" } else { w }).collect();
        let reply = fixture.run(&words).replace("\r\n", " ");
        assert_eq!(reply.trim_end(), expected.trim_end(), "{command}");
    }
}

#[test]
fn set_and_get() {
    check(
        &mut fixture(),
        "GET k => $-1
         SET k v => +OK
         GET k => $1 v
         SET k 12 => +OK
         GET k => $2 12
         SET k 012 => +OK
         GET k => $3 012
         SET k '' => +OK
         GET k => $0
         STRLEN k => :0
         SET k v NX => $-1
         SET k w XX => +OK
         SET n w XX => $-1
         SET k x GET => $1 w
         SET n y GET NX => $-1
         SET n z NX GET => $1 y
         GETSET n 5 => $1 y
         GETDEL n => $1 5
         GETDEL n => $-1
         SETNX n 1 => :1
         SETNX n 2 => :0",
    );
}

#[test]
fn options_that_contradict_are_syntax_errors() {
    let mut fixture = fixture();
    for options in [
        "NX XX",
        "XX NX",
        "NX IFEQ a",
        "IFEQ a XX",
        "IFEQ a IFNE a",
        "EX",
        "EX 1 PX 1",
        "EX 1 KEEPTTL",
        "KEEPTTL PXAT 9",
        "PERSIST",
        "IFEQ",
        "nonsense",
        "GETX",
        "EX 0 nonsense",
    ] {
        let words: Vec<&str> = "SET k v".split(' ').chain(options.split(' ')).collect();
        assert_eq!(fixture.run(&words), SYNTAX, "{options}");
    }
    for options in ["KEEPTTL", "NX", "EX", "EX 1 PX 1", "PERSIST EX 1", "EX 1 PERSIST"] {
        let words: Vec<&str> = "GETEX k".split(' ').chain(options.split(' ')).collect();
        assert_eq!(fixture.run(&words), SYNTAX, "{options}");
    }
    for options in ["NX NX", "XX XX", "EX 1 EX 100", "KEEPTTL KEEPTTL", "GET GET", "ex 1"] {
        let words: Vec<&str> = "SET k v".split(' ').chain(options.split(' ')).collect();
        assert_ne!(fixture.run(&words), SYNTAX, "{options}");
    }
}

#[test]
fn values_expire() {
    let mut fixture = fixture();
    assert_eq!(fixture.run(&["SET", "k", "v", "PX", "100"]), OK);
    assert_eq!(fixture.run(&["SETEX", "s", "1", "v"]), OK);
    assert_eq!(fixture.run(&["PSETEX", "p", "100", "v"]), OK);
    fixture.advance(99);
    assert_eq!(fixture.run(&["GET", "k"]), "$1\r\nv\r\n");
    assert_eq!(fixture.run(&["SET", "k", "w", "KEEPTTL"]), OK);
    fixture.advance(1);
    assert_eq!(fixture.run(&["MGET", "k", "p", "s"]), "*3\r\n$-1\r\n$-1\r\n$1\r\nv\r\n");
    assert_eq!(fixture.run(&["SET", "k", "v", "PXAT", "1"]), OK);
    assert_eq!(fixture.run(&["GET", "k"]), NULL);
    assert_eq!(fixture.run(&["GETEX", "s", "EXAT", "1"]), "$1\r\nv\r\n");
    assert_eq!(fixture.run(&["GET", "s"]), NULL);
}

#[test]
fn expire_errors_name_the_command() {
    check(
        &mut fixture(),
        "SET k v EX 0 => -ERR invalid expire time in 'set' command
         SETEX k -1 v => -ERR invalid expire time in 'setex' command
         PSETEX k 9223372036854775807 v => -ERR invalid expire time in 'psetex' command
         SETEX k x v => -ERR value is not an integer or out of range
         GETEX k EX 0 => $-1
         MSETEX 1 k v EX 0 => -ERR invalid expire time in 'msetex' command
         INCREX k EX 0 => -ERR invalid expire time in 'increx' command
         SET k v => +OK
         GETEX k EX 0 => -ERR invalid expire time in 'getex' command
         GETEX k PX 9223372036854775807 => -ERR invalid expire time in 'getex' command",
    );
}

#[test]
fn counters() {
    check(
        &mut fixture(),
        "INCR n => :1
         INCRBY n 41 => :42
         DECR n => :41
         DECRBY n -9 => :50
         INCRBY n x => -ERR value is not an integer or out of range
         DECRBY n -9223372036854775808 => -ERR decrement would overflow
         SET n 9223372036854775807 => +OK
         INCR n => -ERR increment or decrement would overflow
         GET n => $19 9223372036854775807
         SET n 1.5 => +OK
         INCR n => -ERR value is not an integer or out of range
         INCRBYFLOAT n 0.1 => $3 1.6
         INCRBYFLOAT n 1e2 => $5 101.6
         INCRBYFLOAT n inf => -ERR increment would produce NaN or Infinity
         INCRBYFLOAT n x => -ERR value is not a valid float
         INCRBYFLOAT f 3 => $1 3
         INCR f => :4",
    );
}

#[test]
fn counters_keep_their_expiry() {
    let mut fixture = fixture();
    for command in ["INCR n", "INCRBYFLOAT n 1", "APPEND n 0", "SETRANGE n 0 7", "INCREX n"] {
        fixture.run(&["SET", "n", "1", "PX", "100"]);
        fixture.run(&command.split(' ').collect::<Vec<_>>());
        fixture.advance(100);
        assert_eq!(fixture.run(&["GET", "n"]), NULL, "{command}");
    }
}

#[test]
fn parts_of_strings() {
    check(
        &mut fixture(),
        "APPEND k ab => :2
         APPEND k '' => :2
         APPEND k cd => :4
         GET k => $4 abcd
         STRLEN k => :4
         GETRANGE k 1 2 => $2 bc
         SUBSTR k -2 -1 => $2 cd
         GETRANGE k 0 -100 => $0
         GETRANGE k -1 -2 => $0
         GETRANGE missing 0 -1 => $0
         GETRANGE k x 1 => -ERR value is not an integer or out of range
         SETRANGE k 1 XY => :4
         GET k => $4 aXYd
         SETRANGE k 3 zzz => :6
         SETRANGE k 1 '' => :6
         SETRANGE missing 5 '' => :0
         GET missing => $-1
         SETRANGE k -1 x => -ERR offset is out of range
         SETRANGE k 536870912 x => -ERR string exceeds maximum allowed size (proto-max-bulk-len)
         SET n 1234 => +OK
         GETRANGE n -3 -2 => $2 23
         APPEND n 5 => :5
         INCR n => :12346
         SETRANGE n 0 2 => :5
         GET n => $5 22346",
    );
    let mut fixture = fixture();
    assert_eq!(fixture.run(&["SETRANGE", "k", "2", "x"]), ":3\r\n");
    assert_eq!(fixture.run(&["GET", "k"]), "$3\r\n\0\0x\r\n");
}

#[test]
fn strings_stay_below_the_limit() {
    let mut fixture = fixture();
    fixture.db.tuning.string_len_max = 5;
    let error = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
    assert_eq!(fixture.run(&["APPEND", "k", "abc"]), ":3\r\n");
    assert_eq!(fixture.run(&["APPEND", "k", "def"]), error);
    assert_eq!(fixture.run(&["APPEND", "k", "de"]), ":5\r\n");
    assert_eq!(fixture.run(&["SETRANGE", "k", "5", "x"]), error);
    assert_eq!(fixture.run(&["SETRANGE", "k", "4", "x"]), ":5\r\n");
}

#[test]
fn conditions_on_values() {
    check(
        &mut fixture(),
        "SET k hello => +OK
         DIGEST k => $16 9555e8555c62dcfd
         DIGEST missing => $-1
         SET k a IFEQ other => $-1
         SET k a IFEQ other GET => $5 hello
         SET k a IFNE hello => $-1
         SET k a IFDEQ 9555E8555C62DCFD => +OK
         SET k b IFDNE 0000000000000000 => +OK
         SET k b IFDEQ 123 => -ERR must be exactly 16 hexadecimal characters
         SET k b IFDNE 000000000000000g => -ERR must be exactly 16 hexadecimal characters
         SET missing a IFDEQ 123 => $-1
         SET missing a IFEQ 123 => $-1
         SET missing a IFDNE 123 => +OK
         DELEX missing IFEQ b => :0
         DELEX missing IFNE a => :0
         DELEX missing IFNE b => :1
         DELEX missing IFDEQ 123 => :0
         DELEX k what b => -ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE
         DELEX k IFEQ => -ERR wrong number of arguments for 'delex' command
         DELEX k IFEQ b c => -ERR wrong number of arguments for 'delex' command
         DELEX k IFEQ c => :0
         DELEX k ifeq b => :1
         DELEX k => :0
         SET n 12 => +OK
         SET n 13 IFEQ 12 => +OK
         DELEX n => :1",
    );
    // A digest with leading zeros.
    let value = "v8lf0c11xh8ymlqztfd3eeq16kfn4sspw7fqmnuuq3k3t75em5wdizgcdw7uc26nnf961u2jkfzkjyt\
                 ls2kwlj7626sd";
    let mut fixture = fixture();
    assert_eq!(fixture.run(&["SET", "k", value]), OK);
    assert_eq!(fixture.run(&["DIGEST", "k"]), "$16\r\n00006c38adf31777\r\n");
}

#[test]
fn increments_within_bounds() {
    check(
        &mut fixture(),
        "INCREX n => *2 :1 :1
         INCREX n BYINT 4 UBOUND 5 => *2 :5 :4
         INCREX n UBOUND 5 => *2 :5 :0
         INCREX n BYINT 10 UBOUND 9 SATURATE => *2 :9 :4
         INCREX n BYINT -50 LBOUND -1 SATURATE => *2 :-1 :-10
         INCREX n BYINT 9223372036854775807 => *2 :9223372036854775806 :9223372036854775807
         INCREX n BYINT 9 => *2 :9223372036854775806 :0
         INCREX n BYINT 9 SATURATE => *2 :9223372036854775807 :1
         INCREX new BYINT 9 UBOUND 5 => *2 :0 :0
         GET new => $-1
         INCREX f BYFLOAT 1.5 => *2 $3 1.5 $3 1.5
         INCREX f BYFLOAT 10 UBOUND 2.25 => *2 $3 1.5 $1 0
         INCREX f BYFLOAT 10 UBOUND 2.25 SATURATE => *2 $4 2.25 $4 0.75
         INCREX f BYFLOAT -10 LBOUND 1 UBOUND 3 SATURATE => *2 $1 1 $5 -1.25
         INCREX f BYFLOAT inf => *2 $1 1 $1 0
         INCREX n BYINT x => -ERR Increment is not an integer or out of range
         INCREX n BYFLOAT x => -ERR Increment is not a valid float
         INCREX n LBOUND 1.5 => -ERR LBOUND is not an integer or out of range
         INCREX n BYFLOAT 1 UBOUND x => -ERR UBOUND is not a valid float
         INCREX n LBOUND 2 UBOUND 1 => -ERR LBOUND can't be greater than UBOUND
         INCREX n BYFLOAT 1 LBOUND 2 UBOUND 1 => -ERR LBOUND can't be greater than UBOUND
         INCREX n ENX => -ERR ENX flag requires an expiration
         SET n x => +OK
         INCREX n => -ERR value is not an integer or out of range
         INCREX n BYFLOAT 1 => -ERR value is not a valid float",
    );
    let mut fixture = fixture();
    for options in [
        "BYINT 1 BYINT 1",
        "BYINT 1 BYFLOAT 1",
        "LBOUND 1 LBOUND 1",
        "SATURATE SATURATE",
        "PERSIST ENX",
        "ENX PERSIST",
        "EX 1 EX 1",
        "EX 1 PX 1",
        "PERSIST PERSIST",
        "ENX ENX EX 1",
        "BYINT",
        "SAT",
    ] {
        let words: Vec<&str> = "INCREX n".split(' ').chain(options.split(' ')).collect();
        assert_eq!(fixture.run(&words), SYNTAX, "{options}");
    }
    fixture.protocol = Protocol::Resp3;
    let reply = fixture.run(&["INCREX", "f", "BYFLOAT", "0.5"]);
    assert_eq!(reply, "*2\r\n,0.5\r\n,0.5\r\n");
}

#[test]
fn several_keys() {
    check(
        &mut fixture(),
        "MSET a 1 b two a 3 => +OK
         MGET a b c a => *4 $1 3 $3 two $-1 $1 3
         MSET a 1 b => -ERR wrong number of arguments for 'mset' command
         MSETNX c 1 a 2 => :0
         GET c => $-1
         MSETNX c 1 c 2 => :1
         GET c => $1 2
         MSETNX a => -arity
         MSETNX a 1 b => -ERR wrong number of arguments for 'msetnx' command
         MSETEX 2 a 7 d 8 NX => :0
         MSETEX 2 a 7 d 8 XX => :0
         MSETEX 2 a 7 b 8 XX => :1
         MSETEX 1 e 9 NX EX 10 => :1
         MGET a b d e => *4 $1 7 $1 8 $-1 $1 9
         MSETEX 0 a 1 => -ERR invalid numkeys value
         MSETEX x a 1 => -ERR invalid numkeys value
         MSETEX 2147483648 a 1 => -ERR invalid numkeys value
         MSETEX 2147483647 a 1 => -ERR wrong number of key-value pairs
         MSETEX 2 a 1 b => -ERR wrong number of key-value pairs
         MSETEX 1 a 1 GET => -ERR syntax error
         MSETEX 1 a 1 IFEQ 7 => -ERR syntax error
         MSETEX 1 a 1 NX XX => -ERR syntax error
         MSETEX 1 a 1 KEEPTTL EX 1 => -ERR syntax error",
    );
    let mut fixture = fixture();
    let keys: Vec<String> = (0..100).map(|n| format!("key{n}")).collect();
    let mset: Vec<&str> =
        std::iter::once("MSET").chain(keys.iter().flat_map(|k| [&k[..], k])).collect();
    let mget: Vec<&str> = std::iter::once("MGET").chain(keys.iter().map(|k| &k[..])).collect();
    assert_eq!(fixture.run(&mset), OK);
    let values: String = keys.iter().map(|k| format!("${}\r\n{k}\r\n", k.len())).collect();
    assert_eq!(fixture.run(&mget), format!("*100\r\n{values}"));
}

#[test]
fn common_subsequences() {
    check(
        &mut fixture(),
        "MSET a ohmytext b mynewtext n 12345 => +OK
         LCS a b => $6 mytext
         LCS a b LEN => :6
         LCS a missing => $0
         LCS a b IDX => *4 $7 matches *2 *2 *2 :4 :7 *2 :5 :8 *2 *2 :2 :3 *2 :0 :1 $3 len :6
         LCS a b IDX WITHMATCHLEN MINMATCHLEN 5 => *4 $7 matches *0 $3 len :6
         LCS n b IDX => *4 $7 matches *0 $3 len :0
         LCS a b LEN IDX => -ERR If you want both the length and indexes, please just use IDX.
         LCS a b MINMATCHLEN => -ERR syntax error
         LCS a b MINMATCHLEN x => -ERR value is not an integer or out of range
         LCS n n => $5 12345
         LCS n n IDX WITHMATCHLEN => *4 $7 matches *1 *3 *2 :0 :4 *2 :0 :4 :5 $3 len :5",
    );
    let mut fixture = fixture();
    fixture.run(&["MSET", "a", "ab", "b", "ab"]);
    fixture.protocol = Protocol::Resp3;
    let reply = fixture.run(&["LCS", "a", "b", "IDX"]);
    let matches = "*1\r\n*2\r\n*2\r\n:0\r\n:1\r\n*2\r\n:0\r\n:1\r\n";
    assert_eq!(reply, format!("%2\r\n$7\r\nmatches\r\n{matches}$3\r\nlen\r\n:2\r\n"));
}

#[test]
fn changes_carry_what_repeats_them() {
    let mut fixture = fixture();
    let mut check = |command: &str, expected: &[&str]| {
        assert_eq!(fixture.changes(command), expected, "{command}");
    };
    check("SET k v", &["set: as sent"]);
    check("SET k v PX 5", &["set: SET k v PXAT 1700000000005", "expire: carried"]);
    check("SETEX k 5 v", &["set: SET k v PXAT 1700000005000", "expire: carried"]);
    check("GETEX k PERSIST", &["persist: PERSIST k"]);
    check("GETEX k PERSIST", &[]);
    check("GETEX k PX 7", &["expire: PEXPIREAT k 1700000000007"]);
    check("GETEX k EXAT 1", &["del: removed"]);
    check("SET n 1 XX", &[]);
    check("INCR n", &["incrby: as sent"]);
    check("INCRBYFLOAT n 0.5", &["incrbyfloat: SET n 1.5 KEEPTTL"]);
    check("APPEND n 5", &["append: as sent"]);
    check("SETRANGE n 0 2", &["setrange: as sent"]);
    check("SETRANGE new 1 2", &["setrange: as sent"]);
    check("GETDEL new", &["del: removed"]);
    check("MSETEX 1 a 1 PX 5", &["set: SET a 1 PXAT 1700000000005", "expire: carried"]);
    check("MSETNX b 1 c 2", &["set: SET b 1", "set: SET c 2"]);
    check("INCREX b", &["incrby: SET b 2 KEEPTTL"]);
    check("INCREX b UBOUND 2 EX 1", &[]);
    check("INCREX b PX 5", &["incrby: SET b 3 PXAT 1700000000005", "expire: carried"]);
    check("INCREX b PX 9 ENX", &["incrby: SET b 4 KEEPTTL"]);
    check("INCREX b PERSIST", &["incrby: SET b 5", "persist: carried"]);
    check("INCREX b BYFLOAT 0.5", &["incrbyfloat: SET b 5.5 KEEPTTL"]);
    check("INCREX b BYFLOAT 0.5 EXAT 1", &["del: removed"]);
    check("INCREX missing PXAT 1", &[]);
    check("DELEX c IFEQ 2", &["del: removed"]);
}

/// Two shards that own half of the slots each.
fn halves() -> [Db; 2] {
    let tuning = Tuning { string_len_max: 1 << 20, ..Tuning::default() };
    let mut shards =
        [0..SLOTS / 2, SLOTS / 2..SLOTS].map(|owned| Db::new(1, 0, 2, owned, 1, tuning));
    // Clocks of two cores are never quite the same.
    shards[0].set_now(1_700_000_000_000);
    shards[1].set_now(1_700_000_000_003);
    shards
}

/// Runs a two-phase command on both shards; the reply of the first key's owner.
fn run_on(shards: &mut [Db; 2], words: &[&str], first_key: usize) -> String {
    let (input, mut spans) = (words.concat(), Vec::new());
    for word in words {
        let start = spans.last().map_or(0, |(start, len)| start + len);
        spans.push((start, word.len()));
    }
    let spans: Vec<Span> =
        spans.iter().map(|(start, len)| Span::input(*start, *len as u32)).collect();
    let args = Args::new(input.as_bytes(), &spans, &[]);
    let command = COMMANDS.iter().find(|command| args.is(0, command.spec.name)).expect("a row");
    let Run::TwoPhase { collect, commit } = command.run else { panic!("not of two phases") };
    let parcels: Vec<_> = shards.iter().map(|db| collect(db, &args).expect("no error")).collect();
    let owner = usize::from(slot(words[first_key].as_bytes()) >= SLOTS / 2);
    let mut replies = Vec::new();
    for db in shards.iter_mut() {
        let mut out = Out::new(Protocol::Resp2);
        commit(db, &args, &parcels, &mut out).expect("no error");
        replies.push(String::from_utf8(out.to_vec()).expect("text"));
    }
    replies.swap_remove(owner)
}

#[test]
fn two_shards_decide_alike() {
    let low =
        (0..).map(|n| format!("low{n}")).find(|k| slot(k.as_bytes()) < SLOTS / 2).expect("one");
    let high =
        (0..).map(|n| format!("high{n}")).find(|k| slot(k.as_bytes()) >= SLOTS / 2).expect("one");
    let (low, high) = (&low[..], &high[..]);
    for (first, second) in [(low, high), (high, low)] {
        let mut shards = halves();
        let lens = |shards: &[Db; 2]| [shards[0].len(), shards[1].len()];
        assert_eq!(
            run_on(&mut shards, &["MSETEX", "2", first, "a", second, "b", "XX"], 2),
            ":0\r\n"
        );
        assert_eq!(lens(&shards), [0, 0]);
        assert_eq!(run_on(&mut shards, &["MSETNX", first, "mytext"], 1), ":1\r\n");
        assert_eq!(run_on(&mut shards, &["MSETNX", first, "x", second, "y"], 1), ":0\r\n");
        assert_eq!(shards[0].len() + shards[1].len(), 1);
        assert_eq!(run_on(&mut shards, &["MSETNX", second, "text"], 1), ":1\r\n");
        assert_eq!(run_on(&mut shards, &["LCS", first, second], 1), "$4\r\ntext\r\n");
        let msetex = ["MSETEX", "2", first, "a", second, "b", "XX", "PX", "50"];
        assert_eq!(run_on(&mut shards, &msetex, 2), ":1\r\n");
        let expiries = [low, high].map(|key| {
            let key = crate::resp::args::Key::new(key.as_bytes());
            shards.iter().find_map(|db| db.peek(key)).and_then(|entry| entry.expiry())
        });
        assert_eq!(expiries, [Some(1_700_000_000_050); 2]);
    }
}

#[test]
fn only_writers_are_writers() {
    let readers: Vec<&str> =
        COMMANDS.iter().filter(|row| !row.writes()).map(|row| row.spec.name).collect();
    assert_eq!(readers, ["DIGEST", "GET", "GETRANGE", "LCS", "MGET", "STRLEN", "SUBSTR"]);
}
