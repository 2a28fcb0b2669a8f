//! The family as clients see it, on one shard.

use super::COMMANDS;
use crate::base::probe::set_small_portions;
use crate::command::spec::Command;
use crate::resp::out::Protocol;
use crate::testing::Fixture;
use crate::testing::parts::Parts;

const FAMILIES: &[&[Command]] = &[
    COMMANDS,
    crate::command::set::COMMANDS,
    crate::command::string::COMMANDS,
    crate::command::generic::COMMANDS,
];

fn fixture() -> Fixture {
    Fixture::new(FAMILIES)
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
fn members_are_added_under_conditions() {
    check(
        &mut fixture(),
        "ZADD z 1 a 2 b => :2
         ZADD z 1 a 3 b 4 c => :1
         ZADD z CH 1 a 5 b 6 d => :2
         ZADD z NX 9 a 9 e => :1
         ZADD z XX 9 a 9 f => :0
         ZSCORE z f => $-1
         ZADD z GT CH 8 a 10 b => :1
         ZADD z LT CH 8 a 11 b => :1
         ZADD z INCR 2 a => $2 10
         ZADD z NX INCR 2 a => $-1
         ZADD missing XX 1 a => :0
         ZADD missing XX INCR 1 a => $-1
         ZADD z INCR GT -1 a => $-1
         ZINCRBY z 0.5 a => $4 10.5
         ZINCRBY new -3 x => $2 -3
         ZADD z nan a => -ERR value is not a valid float
         ZADD z 1 a x b => -ERR value is not a valid float
         ZMSCORE z a b nobody => *3 $4 10.5 $2 10 $-1
         ZCARD z => :5",
    );
}

#[test]
fn a_sum_that_is_no_number_changes_nothing() {
    check(
        &mut fixture(),
        "ZADD z inf a => :1
         ZINCRBY z -inf a => -ERR resulting score is not a number (NaN)
         ZSCORE z a => $3 inf
         ZADD z INCR -inf a => -ERR resulting score is not a number (NaN)
         ZADD z INCR NX 1 b 2 c => -ERR INCR option supports a single increment-element pair
         ZADD new INCR CH x a => -ERR value is not a valid float
         EXISTS new => :0",
    );
}

#[test]
fn ranges_are_read_by_rank_score_and_member() {
    let mut fixture = fixture();
    check(
        &mut fixture,
        "ZADD z 1 a 2 b 3 c 4 d => :4
         ZRANGE z 0 -1 => *4 $1 a $1 b $1 c $1 d
         ZRANGE z 1 2 WITHSCORES => *4 $1 b $1 2 $1 c $1 3
         ZRANGE z 0 1 REV => *2 $1 d $1 c
         ZREVRANGE z 1 1 WITHSCORES => *2 $1 c $1 3
         ZRANGE z (1 3 BYSCORE => *2 $1 b $1 c
         ZRANGE z 3 1 BYSCORE REV LIMIT 1 1 => *1 $1 b
         ZRANGEBYSCORE z -inf +inf LIMIT 1 2 => *2 $1 b $1 c
         ZRANGEBYSCORE z -inf +inf LIMIT -1 2 => *0
         ZRANGEBYSCORE z -inf +inf LIMIT 2 -5 => *2 $1 c $1 d
         ZREVRANGEBYSCORE z (4 2 WITHSCORES => *4 $1 c $1 3 $1 b $1 2
         ZCOUNT z (1 4 => :3
         ZRANK z c => :2
         ZREVRANK z c => :1
         ZRANK z nobody => $-1
         ZRANK z nobody WITHSCORE => *-1
         ZRANK z c WITHSCORE => *2 :2 $1 3
         ZRANGE z 5 1 => *0
         ZREMRANGEBYRANK z 0 0 => :1
         ZREMRANGEBYSCORE z (2 3 => :1
         ZRANGE z 0 -1 => *2 $1 b $1 d
         ZREM z b d x => :2
         EXISTS z => :0
         ZADD l 0 a 0 b 0 c 0 d => :4
         ZRANGEBYLEX l [b (d => *2 $1 b $1 c
         ZREVRANGEBYLEX l + (b LIMIT 0 1 => *1 $1 d
         ZLEXCOUNT l - + => :4
         ZREMRANGEBYLEX l - [b => :2
         ZRANGESTORE to l 0 -1 => :2
         ZRANGE to 0 -1 WITHSCORES => *4 $1 c $1 0 $1 d $1 0
         ZRANGESTORE to missing 0 -1 => :0
         EXISTS to => :0",
    );
    fixture.protocol = Protocol::Resp3;
    check(&mut fixture, "ZRANGE l 0 0 WITHSCORES => *1 *2 $1 c ,0");
}

#[test]
fn members_are_taken_from_both_ends() {
    let mut fixture = fixture();
    check(
        &mut fixture,
        "ZADD z 1 a 2 b 3 c 4 d 5 e => :5
         ZPOPMIN z => *2 $1 a $1 1
         ZPOPMAX z 2 => *4 $1 e $1 5 $1 d $1 4
         ZPOPMIN z 0 => *0
         ZPOPMIN z -1 => -ERR value is out of range, must be positive
         ZMPOP 2 none z MAX COUNT 9 => *2 $1 z *2 *2 $1 c $1 3 *2 $1 b $1 2
         ZMPOP 2 none z MAX => *-1
         ZPOPMAX z => *0
         ZADD z 1 a 2 b => :2",
    );
    assert_eq!(fixture.changes("ZPOPMAX z"), ["zpopmax: ZPOPMAX z 1"]);
    assert_eq!(fixture.changes("ZMPOP 1 z MIN COUNT 7"), ["zpopmin: ZPOPMIN z 1", "del: carried"]);
}

#[test]
fn sets_are_joined_and_compared() {
    check(
        &mut fixture(),
        "ZADD x 1 a 2 b 3 c => :3
         ZADD y 10 b 20 c 30 d => :3
         ZUNION 2 x y WITHSCORES => *8 $1 a $1 1 $1 b $2 12 $1 c $2 23 $1 d $2 30
         ZINTER 2 x y WITHSCORES AGGREGATE MIN => *4 $1 b $1 2 $1 c $1 3
         ZINTER 2 x y WEIGHTS 2 3 WITHSCORES => *4 $1 b $2 34 $1 c $2 66
         ZUNION 2 x y AGGREGATE COUNT WITHSCORES => *8 $1 a $1 1 $1 d $1 1 $1 b $1 2 $1 c $1 2
         ZDIFF 2 x y WITHSCORES => *2 $1 a $1 1
         ZDIFF 2 x none => *3 $1 a $1 b $1 c
         ZINTERCARD 2 x y => :2
         ZINTERCARD 2 x y LIMIT 1 => :1
         ZUNIONSTORE to 2 x y => :4
         ZINTERSTORE to 2 x none => :0
         EXISTS to => :0
         ZDIFFSTORE x 2 x y => :1
         ZRANGE x 0 -1 => *1 $1 a
         SET text 1 => +OK
         ZUNION 1 text NONSENSE \
          => -WRONGTYPE Operation against a key holding the wrong kind of value
         ZUNION 0 x => -ERR at least 1 input key is needed for 'zunion' command
         ZUNION 9 x => -ERR syntax error
         ZDIFF 1 x WEIGHTS 1 => -ERR syntax error
         ZUNION 1 x WEIGHTS a => -ERR weight value is not a float
         ZINTERCARD 1 x LIMIT -1 => -ERR LIMIT can't be negative",
    );
}

#[test]
fn random_members_are_members() {
    let mut fixture = fixture();
    for number in 0..300 {
        fixture.run(&["ZADD", "z", "1", &number.to_string()]);
    }
    for (count, expected) in [("10", 10), ("299", 299), ("5000", 300), ("-500", 500)] {
        let reply = fixture.run(&["ZRANDMEMBER", "z", count]);
        let members: Vec<&str> = reply.split("\r\n").skip(2).step_by(2).collect();
        assert_eq!(members.len(), expected);
        let distinct: std::collections::BTreeSet<&str> = members.iter().copied().collect();
        assert!(count.starts_with('-') || distinct.len() == expected);
    }
    check(
        &mut fixture,
        "ZRANDMEMBER none => $-1
         ZRANDMEMBER none 3 => *0
         ZRANDMEMBER z 0 => *0
         ZRANDMEMBER z -9000000000000000000 => -ERR value is out of range",
    );
}

#[test]
fn events_name_what_was_done() {
    let mut fixture = fixture();
    assert_eq!(fixture.changes("ZADD z 1 a 2 b"), ["zadd: as sent"]);
    assert!(fixture.changes("ZADD z 1 a").is_empty());
    assert_eq!(fixture.changes("ZINCRBY z 1 a"), ["zincr: as sent"]);
    assert_eq!(fixture.changes("ZREM z a b"), ["zrem: as sent", "del: carried"]);
    assert_eq!(fixture.changes("ZADD z XX 1 a").len(), 0);
}

const KEYS: [&str; 6] = ["a", "b", "c", "d", "set", "ints"];

/// Every computation gives the same on one shard and when its keys lie on three, whether it is done
/// at once or in portions.
#[test]
fn results_do_not_depend_on_where_the_keys_are() {
    for (members, is_sliced) in [(40, false), (400, false), (40, true), (900, true)] {
        let (mut whole, mut parts) = (fixture(), Parts::new(3, FAMILIES));
        for member in 0..members {
            for (number, key) in KEYS.into_iter().enumerate() {
                if (member * 31 + number * 7) % 11 >= 6 {
                    continue;
                }
                let score = format!("{}.{number}", member * 7 % 60);
                let name =
                    if key == "ints" { member.to_string() } else { format!("member {member}") };
                let words = match key {
                    "set" | "ints" => vec!["SADD", key, &name],
                    _ => vec!["ZADD", key, &score, &name],
                };
                whole.run(&words);
                parts.owner(key).run(&words);
            }
        }
        compare(&mut whole, &mut parts, is_sliced);
    }
}

fn compare(whole: &mut Fixture, parts: &mut Parts, is_sliced: bool) {
    for command in [
        "ZUNION 4 a b set ints WITHSCORES",
        "ZUNION 3 a missing c WEIGHTS 0.1 2 -0.3 AGGREGATE MIN WITHSCORES",
        "ZUNION 3 c a b WEIGHTS 0.1 0.2 0.3 WITHSCORES",
        "ZINTER 3 a b c WITHSCORES",
        "ZINTER 2 set d WITHSCORES",
        "ZINTER 2 a missing",
        "ZDIFF 3 a b set WITHSCORES",
        "ZDIFF 2 missing a",
        "ZINTERCARD 3 a b c",
        "ZINTERCARD 3 a b c LIMIT 2",
        "ZUNIONSTORE a 3 a b ints",
        "ZINTERSTORE d 2 d set",
        "ZDIFFSTORE b 2 b c",
        "ZDIFFSTORE new 2 c c",
        "ZRANGESTORE b a 1 -3",
        "ZRANGESTORE c a 10 (30 BYSCORE",
        "ZRANGESTORE c a 5 0 BYSCORE REV LIMIT 1 2",
        "ZRANGESTORE d missing 0 -1",
        "ZUNION 4 a b c d WITHSCORES",
        "ZMPOP 2 missing a MIN COUNT 3",
        "ZMPOP 3 missing none b MAX COUNT 100000",
        "ZMPOP 3 missing none b MAX COUNT 2",
        "ZMPOP 2 c a MIN COUNT 20",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        let expected = whole.run(&words);
        set_small_portions(is_sliced);
        let reply = parts.run(&words);
        set_small_portions(false);
        assert_eq!(reply, expected, "{command}");
    }
    for key in ["a", "b", "c", "d", "new"] {
        for words in [&["ZRANGE", key, "0", "-1", "WITHSCORES"][..], &["OBJECT", "ENCODING", key]] {
            assert_eq!(parts.owner(key).run(words), whole.run(words), "{words:?}");
        }
    }
}
