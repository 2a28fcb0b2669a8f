//! The family as clients see it, on one shard.

use std::collections::BTreeSet;

use super::COMMANDS;
use crate::base::probe::set_small_portions;
use crate::command::spec::Command;
use crate::resp::out::Protocol;
use crate::testing::Fixture;
use crate::testing::parts::Parts;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

const FAMILIES: &[&[Command]] =
    &[COMMANDS, crate::command::string::COMMANDS, crate::command::generic::COMMANDS];

fn fixture() -> Fixture {
    Fixture::new(FAMILIES)
}

fn run(fixture: &mut Fixture, command: &str) -> String {
    let words: Vec<&str> = command.split(' ').collect();
    fixture.run(&words).replace("\r\n", " ").trim_end().to_owned()
}

/// Runs each line and expects the reply behind ` => `, written without its line ends. Members are
/// compared in sorted order where the reply is written with a `~`.
fn check(fixture: &mut Fixture, script: &str) {
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (command, expected) = line.split_once(" => ").expect("a command and its reply");
        let reply = run(fixture, command);
        match expected.strip_prefix('~') {
            Some(members) => assert_eq!(members_of(&reply).join(" "), members, "{command}"),
            None => assert_eq!(reply, expected, "{command}"),
        }
    }
}

/// The sorted elements of an array.
fn members_of(reply: &str) -> Vec<&str> {
    let mut members: Vec<&str> = reply.split(' ').skip(2).step_by(2).collect();
    members.sort_unstable();
    members
}

#[test]
fn members_come_and_go() {
    check(
        &mut fixture(),
        "SADD s 3 1 2 1 => :3
         SCARD s => :3
         SMEMBERS s => *3 $1 1 $1 2 $1 3
         SADD s x 3 => :1
         SMEMBERS s => ~1 2 3 x
         SISMEMBER s x => :1
         SISMEMBER s 03 => :0
         SMISMEMBER s 1 y x => *3 :1 :0 :1
         SREM s 1 y x => :2
         SREM s 2 3 => :2
         SCARD s => :0
         SMEMBERS s => *0
         SREM s 1 => :0
         SISMEMBER s 1 => :0
         SMISMEMBER s 1 2 => *2 :0 :0
         SET string v => +OK",
    );
    let mut fixture = fixture();
    run(&mut fixture, "SET string v");
    for command in COMMANDS.iter().map(|command| command.spec.name) {
        let words = match command {
            "SCARD" | "SMEMBERS" | "SPOP" | "SRANDMEMBER" | "SINTER" | "SUNION" | "SDIFF" => {
                format!("{command} string")
            }
            "SINTERCARD" | "SUNIONCARD" | "SDIFFCARD" => format!("{command} 1 string"),
            "SINTERSTORE" | "SUNIONSTORE" | "SDIFFSTORE" => format!("{command} d string"),
            "SMOVE" => "SMOVE string d x".into(),
            "SSCAN" => "SSCAN string 0".into(),
            _ => format!("{command} string x"),
        };
        assert_eq!(run(&mut fixture, &words), WRONG_TYPE, "{words}");
    }
}

#[test]
fn members_move() {
    check(
        &mut fixture(),
        "SADD a x y => :2
         SMOVE a b x => :1
         SMOVE a b x => :0
         SMEMBERS b => *1 $1 x
         SMOVE a a y => :1
         SMOVE a a z => :0
         SMOVE a b y => :1
         SCARD a => :0
         SCARD b => :2
         SET string v => +OK
         SMOVE a string x => :0
         SMOVE missing string x => :0",
    );
    let mut fixture = fixture();
    check(&mut fixture, "SADD a x y => :2\nSET string v => +OK");
    assert_eq!(run(&mut fixture, "SMOVE a string x"), WRONG_TYPE);
    assert_eq!(run(&mut fixture, "SMOVE a string z"), WRONG_TYPE);
    assert_eq!(fixture.changes("SMOVE a b x"), ["srem: SREM a x", "sadd: SADD b x"]);
    assert_eq!(
        fixture.changes("SMOVE a b y"),
        ["srem: SREM a y", "del: carried", "sadd: SADD b y"]
    );
    assert!(fixture.changes("SMOVE a b y").is_empty());
}

#[test]
fn algebra_answers_counts_and_stores() {
    check(
        &mut fixture(),
        "SADD a 1 2 3 x => :4
         SADD b 2 3 4 => :3
         SADD c 3 x => :2
         SINTER a b => ~2 3
         SINTER a b c => *1 $1 3
         SINTER a missing => *0
         SINTER a => ~1 2 3 x
         SUNION b c => ~2 3 4 x
         SUNION missing => *0
         SUNION a a a => ~1 2 3 x
         SDIFF a b c => *1 $1 1
         SDIFF a => ~1 2 3 x
         SDIFF a a => *0
         SDIFF missing a => *0
         SINTERCARD 2 a b => :2
         SINTERCARD 2 a b LIMIT 1 => :1
         SINTERCARD 2 a b LIMIT 0 LIMIT 5 => :2
         SUNIONCARD 2 b c => :4
         SUNIONCARD 2 b c LIMIT 3 APPROX => :3
         SUNIONCARD 2 b c APPROX => :4
         SDIFFCARD 2 a b => :2
         SDIFFCARD 2 a b LIMIT 1 => :1
         SINTERSTORE d a b => :2
         SMEMBERS d => *2 $1 2 $1 3
         SUNIONSTORE d d c => :3
         SMEMBERS d => ~2 3 x
         SDIFFSTORE d d b => :1
         SMEMBERS d => *1 $1 x
         SINTERSTORE d a missing => :0
         SCARD d => :0
         SET string v => +OK
         SUNIONSTORE string a => :4
         SCARD string => :4
         SINTERCARD 0 a => -ERR numkeys should be greater than 0
         SINTERCARD x a => -ERR numkeys should be greater than 0
         SINTERCARD 2 a => -ERR Number of keys can't be greater than number of args
         SINTERCARD 1 a LIMIT => -ERR syntax error
         SINTERCARD 1 a LIMIT -1 => -ERR LIMIT can't be negative
         SINTERCARD 1 a LIMIT x => -ERR LIMIT can't be negative
         SINTERCARD 1 a APPROX => -ERR syntax error
         SDIFFCARD 1 a b => -ERR syntax error",
    );
    let mut fixture = fixture();
    run(&mut fixture, "SADD a 1 2");
    assert_eq!(fixture.changes("SINTERSTORE d a a"), ["sinterstore: as sent"]);
    assert_eq!(fixture.changes("SDIFFSTORE d a a"), ["del: removed"]);
    assert!(fixture.changes("SDIFFSTORE d a a").is_empty());
    run(&mut fixture, "SET string v");
    assert_eq!(run(&mut fixture, "SUNIONSTORE a missing string"), WRONG_TYPE);
    assert_eq!(run(&mut fixture, "SCARD a"), ":2");
}

/// Both ways to compute a difference agree, and equal members meet whatever the forms.
#[test]
fn a_difference_from_many_sets() {
    let mut fixture = fixture();
    for member in 0..600 {
        run(&mut fixture, &format!("SADD table {member}"));
    }
    for member in (0..600).step_by(3) {
        run(&mut fixture, &format!("SADD s{} {member}", member % 5));
    }
    run(&mut fixture, "SADD s0 text");
    assert_eq!(run(&mut fixture, "SDIFFCARD 6 table s0 s1 s2 s3 s4"), ":400");
    assert_eq!(run(&mut fixture, "SDIFFCARD 3 table s0 s1"), ":520");
    assert_eq!(run(&mut fixture, "SUNIONCARD 6 table s0 s1 s2 s3 s4"), ":601");
    assert_eq!(run(&mut fixture, "SINTERCARD 2 s0 table"), ":40");
    assert_eq!(run(&mut fixture, "SUNIONSTORE d s0 s1 s2 s3 s4"), ":201");
    assert_eq!(run(&mut fixture, "SINTERCARD 2 d table"), ":200");
}

#[test]
fn members_are_popped() {
    let mut fixture = fixture();
    check(
        &mut fixture,
        "SPOP s => $-1
         SPOP s 3 => *0
         SPOP s -1 => -ERR value is out of range, must be positive
         SPOP s x => -ERR value is out of range, must be positive
         SPOP s 1 2 => -ERR syntax error
         SADD s a b c d => :4
         SPOP s 0 => *0",
    );
    let popped = run(&mut fixture, "SPOP s 2");
    let left = run(&mut fixture, "SMEMBERS s");
    let all: BTreeSet<&str> = members_of(&popped).into_iter().chain(members_of(&left)).collect();
    assert_eq!(all.into_iter().collect::<String>(), "abcd");
    assert_eq!(members_of(&run(&mut fixture, "SPOP s 9")).len(), 2);
    check(&mut fixture, "SCARD s => :0\nSADD s x => :1\nSPOP s => $1 x\nSPOP s => $-1");
    run(&mut fixture, "SADD s only");
    assert_eq!(fixture.changes("SPOP s"), ["spop: SREM s only", "del: carried"]);
    run(&mut fixture, "SADD s 1 2 3");
    let [change] = &fixture.changes("SPOP s 2")[..] else { panic!("one change") };
    assert!(change.starts_with("spop: SREM s ") && change.split(' ').count() == 5, "{change}");
    assert_eq!(fixture.changes("SPOP s 2"), ["spop: removed", "del: carried"]);
}

#[test]
fn members_are_drawn() {
    let mut fixture = fixture();
    check(
        &mut fixture,
        "SRANDMEMBER s => $-1
         SRANDMEMBER s 3 => *0
         SRANDMEMBER s x => -ERR value is not an integer or out of range
         SRANDMEMBER s 1 2 => -ERR syntax error
         SADD s a b c => :3
         SRANDMEMBER s 0 => *0
         SRANDMEMBER s 3 => ~a b c
         SRANDMEMBER s 9223372036854775807 => ~a b c
         SRANDMEMBER s -9000000000 => -ERR value is out of range
         SCARD s => :3",
    );
    let range = "-ERR value is out of range, value must between -9223372036854775807 and \
                 9223372036854775807";
    assert_eq!(run(&mut fixture, "SRANDMEMBER s -9223372036854775808"), range);
    assert_eq!(run(&mut fixture, "SRANDMEMBER s 2").split(' ').next(), Some("*2"));
    assert_eq!(run(&mut fixture, "SRANDMEMBER s -20").split(' ').count(), 41);
    let long = "x".repeat(200_000);
    run(&mut fixture, &format!("SADD long {long}"));
    assert_eq!(run(&mut fixture, "SRANDMEMBER long -2000"), "-ERR value is out of range");
}

#[test]
fn members_are_scanned() {
    let mut fixture = fixture();
    check(
        &mut fixture,
        "SSCAN s 0 => *2 $1 0 *0
         SSCAN s x => -ERR invalid cursor
         SSCAN s 0 COUNT => *2 $1 0 *0
         SADD s 1 2 3 => :3
         SSCAN s 7 => *2 $1 0 *3 $1 1 $1 2 $1 3
         SSCAN s 0 MATCH [13] COUNT 1 => *2 $1 0 *2 $1 1 $1 3
         SSCAN s 0 COUNT => -ERR syntax error
         SSCAN s 0 COUNT 0 => -ERR syntax error
         SSCAN s 0 COUNT x => -ERR value is not an integer or out of range
         SSCAN s 0 TYPE set => -ERR syntax error",
    );
    for member in 0..1000 {
        run(&mut fixture, &format!("SADD big {member}"));
    }
    let (mut cursor, mut seen, mut calls) = ("0".to_owned(), BTreeSet::new(), 0);
    loop {
        let reply = run(&mut fixture, &format!("SSCAN big {cursor} COUNT 20"));
        let words: Vec<&str> = reply.split(' ').collect();
        cursor = words[2].to_owned();
        let members = words[4..].iter().skip(1).step_by(2);
        seen.extend(members.map(|member| member.to_string()));
        calls += 1;
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 1000);
    assert!((25..=50).contains(&calls), "{calls}");
}

#[test]
fn sets_are_a_type_of_their_own_in_resp3() {
    let mut fixture = fixture();
    fixture.protocol = Protocol::Resp3;
    run(&mut fixture, "SADD s 1");
    for command in ["SMEMBERS s", "SUNION s", "SINTER s", "SDIFF s", "SPOP s 1"] {
        assert_eq!(run(&mut fixture, command), "~1 $1 1", "{command}");
    }
    for command in ["SMEMBERS s", "SUNION s", "SINTER s", "SDIFF s", "SPOP s 1"] {
        assert_eq!(run(&mut fixture, command), "~0", "{command}");
    }
    check(
        &mut fixture,
        "SPOP s => _
         SRANDMEMBER s => _
         SRANDMEMBER s 1 => *0
         SADD s 1 => :1
         SRANDMEMBER s 1 => *1 $1 1
         SMISMEMBER s 1 2 => *2 :1 :0",
    );
}

const KEYS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Every operation gives the same on one shard and when its keys lie on three, whether it is done
/// at once or in portions.
#[test]
fn results_do_not_depend_on_where_the_keys_are() {
    for seed in 0..4 {
        for (members, is_sliced) in [(40, false), (40, true), (900, true)] {
            let (mut whole, mut parts) = (fixture(), Parts::new(3, FAMILIES));
            for (name, key) in KEYS.into_iter().enumerate() {
                for member in members_of_key(seed, name as u64, members) {
                    let words = ["SADD", key, &member];
                    whole.run(&words);
                    parts.owner(key).run(&words);
                }
            }
            compare(&mut whole, &mut parts, is_sliced);
        }
    }
}

fn members_of_key(seed: u64, name: u64, count: u64) -> impl Iterator<Item = String> {
    let is_in = move |member: &u64| (member * 31 + name * 7 + seed * 13) % 11 < 6;
    let text = |member| if member % 2 == 0 { format!("{member}") } else { format!("m{member}") };
    (0..count).filter(is_in).map(text)
}

fn compare(whole: &mut Fixture, parts: &mut Parts, is_sliced: bool) {
    for command in [
        "SINTER a b c d",
        "SINTER a missing b",
        "SINTER a a",
        "SUNION a b c",
        "SDIFF a b",
        "SDIFF e d",
        "SDIFF a e missing",
        "SDIFF a b c d e",
        "SDIFF missing a b",
        "SINTERCARD 3 a b c",
        "SINTERCARD 3 a b c LIMIT 2",
        "SUNIONCARD 5 a b c d e",
        "SUNIONCARD 5 a b c d e LIMIT 30",
        "SDIFFCARD 2 c d",
        "SINTERSTORE a b c",
        "SUNIONSTORE b b d",
        "SDIFFSTORE e d a missing",
        "SMOVE a b m1",
        "SMOVE b a 2",
        "SMOVE c d m3",
        "SMOVE missing d m3",
        "SUNION a b",
    ] {
        let expected = run(whole, command);
        set_small_portions(is_sliced);
        let words: Vec<&str> = command.split(' ').collect();
        let reply = parts.run(&words);
        set_small_portions(false);
        let reply = reply.replace("\r\n", " ");
        assert_eq!(members_of(&reply), members_of(&expected), "{command}");
        assert_eq!(reply.split(' ').next(), expected.split(' ').next(), "{command}");
    }
    for key in KEYS {
        for command in [format!("SMEMBERS {key}"), format!("OBJECT ENCODING {key}")] {
            let (expected, reply) = (run(whole, &command), run(parts.owner(key), &command));
            assert_eq!(members_of(&reply), members_of(&expected), "{command}");
        }
    }
}
