//! The family as clients see it, on one shard.

use super::COMMANDS;
use crate::base::probe::set_small_portions;
use crate::command::string;
use crate::testing::Fixture;
use crate::testing::parts::Parts;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

/// A shard with a list `l` of `a b c b a` and a string `s`.
fn fixture() -> Fixture {
    let mut fixture = Fixture::new(&[COMMANDS, string::COMMANDS]);
    fixture.run(&["RPUSH", "l", "a", "b", "c", "b", "a"]);
    fixture.run(&["SET", "s", "text"]);
    fixture
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
fn pushes() {
    check(
        &mut fixture(),
        "LPUSH n 1 2 3 => :3
         RPUSH n 4 5 => :5
         LRANGE n 0 -1 => *5 $1 3 $1 2 $1 1 $1 4 $1 5
         LPUSHX none 1 => :0
         RPUSHX none 1 => :0
         LLEN none => :0
         LPUSHX n x => :6
         RPUSHX n y z => :8
         LINDEX n 0 => $1 x
         LINDEX n -1 => $1 z
         LINSERT n BEFORE 1 007 => :9
         LINSERT n after z '' => :10
         LINSERT n after none '' => :-1
         LINSERT none after none '' => :0
         LINSERT n beside 1 2 => -ERR syntax error
         LRANGE n 2 3 => *2 $1 2 $3 007
         LRANGE n -2 -1 => *2 $1 z $0",
    );
}

#[test]
fn pops() {
    check(
        &mut fixture(),
        "LPOP l => $1 a
         RPOP l => $1 a
         LPOP none => $-1
         LPOP none 1 => *-1
         LPOP l 0 => *0
         RPOP l 2 => *2 $1 b $1 c
         LPOP l -1 => -ERR value is out of range, must be positive
         LPOP l x => -ERR value is out of range, must be positive
         RPOP l 1 2 => -ERR wrong number of arguments for 'rpop' command
         LPOP l 100 => *1 $1 b",
    );
}

#[test]
fn pops_of_the_first_list() {
    check(
        &mut fixture(),
        "LMPOP 2 none l LEFT => *2 $1 l *1 $1 a
         LMPOP 3 none l s RIGHT COUNT 2 => *2 $1 l *2 $1 a $1 b
         LMPOP 1 none LEFT => *-1
         LMPOP 0 l LEFT => -ERR numkeys should be greater than 0
         LMPOP x l LEFT => -ERR numkeys should be greater than 0
         LMPOP 9223372036854775807 l LEFT => -ERR syntax error
         LMPOP 2 l LEFT => -ERR syntax error
         LMPOP 1 l UP => -ERR syntax error
         LMPOP 1 l LEFT COUNT => -ERR syntax error
         LMPOP 1 l LEFT COUNT 0 => -ERR count should be greater than 0
         LMPOP 1 l LEFT COUNT 1 COUNT 1 => -ERR syntax error
         LMPOP 1 l LEFT COUNT 99 => *2 $1 l *2 $1 b $1 c
         LLEN l => :0",
    );
    let mut fixture = fixture();
    assert_eq!(fixture.run(&["LMPOP", "2", "s", "l", "LEFT"]).trim_end(), WRONG_TYPE);
}

#[test]
fn ranges() {
    check(
        &mut fixture(),
        "LRANGE l 1 2 => *2 $1 b $1 c
         LRANGE l 3 1 => *0
         LRANGE l -100 100 => *5 $1 a $1 b $1 c $1 b $1 a
         LRANGE none 0 -1 => *0
         LRANGE s 0 x => -ERR value is not an integer or out of range
         LINDEX l 5 => $-1
         LINDEX l -6 => $-1
         LINDEX none x => $-1
         LINDEX l x => -ERR value is not an integer or out of range
         LSET l -1 z => +OK
         LSET l 0 12 => +OK
         LSET l 5 z => -ERR index out of range
         LSET none x z => -ERR no such key
         LSET l x z => -ERR value is not an integer or out of range
         LTRIM l 0 -2 => +OK
         LRANGE l 0 -1 => *4 $2 12 $1 b $1 c $1 b
         LTRIM none 0 0 => +OK
         LTRIM l 5 9 => +OK
         LLEN l => :0",
    );
}

#[test]
fn positions() {
    check(
        &mut fixture(),
        "LPOS l a => :0
         LPOS l a RANK -1 => :4
         LPOS l a RANK 2 => :4
         LPOS l a RANK 3 => $-1
         LPOS l b COUNT 0 => *2 :1 :3
         LPOS l b COUNT 0 RANK -1 => *2 :3 :1
         LPOS l b COUNT 1 RANK 2 => *1 :3
         LPOS l b MAXLEN 1 => $-1
         LPOS l b MAXLEN 2 => :1
         LPOS l b COUNT 5 MAXLEN 2 RANK -1 => *1 :3
         LPOS l x COUNT 1 => *0
         LPOS none x => $-1
         LPOS none x COUNT 1 => *0
         LPOS l a COUNT -1 => -ERR COUNT can't be negative
         LPOS l a MAXLEN x => -ERR MAXLEN can't be negative
         LPOS l a RANK => -ERR syntax error
         LPOS l a RANK x => -ERR value is not an integer or out of range
         LPOS l a WHAT 1 => -ERR syntax error
         LREM l -1 a => :1
         LREM l 1 b => :1
         LRANGE l 0 -1 => *3 $1 a $1 c $1 b
         LREM l 0 x => :0
         LREM none 0 x => :0
         LREM l x x => -ERR value is not an integer or out of range
         RPUSH l a a => :5
         LREM l 0 a => :3
         LRANGE l 0 -1 => *2 $1 c $1 b",
    );
}

#[test]
fn moves() {
    check(
        &mut fixture(),
        "LMOVE l m LEFT RIGHT => $1 a
         LMOVE l m RIGHT LEFT => $1 a
         RPOPLPUSH l m => $1 b
         LRANGE m 0 -1 => *3 $1 b $1 a $1 a
         LRANGE l 0 -1 => *2 $1 b $1 c
         RPOPLPUSH l l => $1 c
         LMOVE l l LEFT RIGHT => $1 c
         LRANGE l 0 -1 => *2 $1 b $1 c
         LMOVE none s LEFT LEFT => $-1
         LMOVE l m UP LEFT => -ERR syntax error
         RPUSH one 1 => :1
         RPOPLPUSH one one => $1 1
         LLEN one => :1
         LMOVE one two LEFT LEFT => $1 1
         LLEN one => :0",
    );
    let mut fixture = fixture();
    assert_eq!(fixture.run(&["LMOVE", "l", "s", "LEFT", "LEFT"]).trim_end(), WRONG_TYPE);
    assert_eq!(fixture.run(&["LMOVE", "s", "l", "LEFT", "LEFT"]).trim_end(), WRONG_TYPE);
    assert_eq!(fixture.run(&["LLEN", "l"]), ":5\r\n");
}

#[test]
fn moves_of_several() {
    check(
        &mut fixture(),
        "RPUSH n 1 2 3 4 5 6 => :6
         LMOVEM n m LEFT LEFT COUNT 2 OBO => *2 $1 2 $1 1
         LMOVEM n m RIGHT LEFT COUNT 2 OBO => *2 $1 5 $1 6
         LRANGE m 0 -1 => *4 $1 5 $1 6 $1 2 $1 1
         LMOVEM m n LEFT LEFT EXACTLY 2 BULK => *2 $1 5 $1 6
         LRANGE n 0 -1 => *4 $1 5 $1 6 $1 3 $1 4
         LMOVEM m n RIGHT RIGHT EXACTLY 2 OBO => *2 $1 1 $1 2
         LMOVEM n m RIGHT RIGHT EXACTLY 7 BULK => *-1
         LMOVEM none m RIGHT RIGHT => *-1
         LMOVEM n n RIGHT LEFT COUNT 2 BULK => *2 $1 1 $1 2
         LRANGE n 0 -1 => *6 $1 1 $1 2 $1 5 $1 6 $1 3 $1 4
         LMOVEM n m LEFT RIGHT => *1 $1 1
         LMOVEM n m LEFT RIGHT COUNT 1 => -ERR syntax error
         LMOVEM n m LEFT RIGHT COUNT 0 OBO => -ERR count should be greater than 0
         LMOVEM n m LEFT RIGHT COUNT 1 OBO BULK => -ERR syntax error
         LMOVEM n m LEFT RIGHT COUNT 100 BULK => *5 $1 2 $1 5 $1 6 $1 3 $1 4
         LLEN n => :0",
    );
}

#[test]
fn other_types_are_refused() {
    let mut fixture = fixture();
    let commands = "LPUSH s x|RPUSHX s x|LPOP s|RPOP s 1|LLEN s|LINDEX s x|LRANGE s 0 1|LSET s 0 x\
        |LTRIM s 0 1|LPOS s x|LREM s 0 x|LINSERT s AFTER x x|RPOPLPUSH s l|LMOVEM l s LEFT LEFT";
    for command in commands.split('|') {
        let reply = fixture.run(&command.split(' ').collect::<Vec<_>>());
        assert_eq!(reply.trim_end(), WRONG_TYPE, "{command}");
    }
    assert_eq!(fixture.run(&["GET", "s"]), "$4\r\ntext\r\n");
}

#[test]
fn events() {
    let mut fixture = fixture();
    let mut events = |command| fixture.changes(command).join(", ");
    assert_eq!(events("LPUSH l x y"), "lpush: as sent");
    assert_eq!(events("LINSERT l AFTER none x"), "");
    assert_eq!(events("LREM l 0 none"), "");
    assert_eq!(events("LREM l 0 x"), "lrem: as sent");
    assert_eq!(events("LPOP l 0"), "");
    assert_eq!(events("LMPOP 1 l LEFT"), "lpop: LPOP l 1");
    assert_eq!(events("LMOVE l l LEFT RIGHT"), "rpush: as sent, lpop: carried");
    assert_eq!(events("LTRIM l 0 0"), "ltrim: as sent");
    assert_eq!(events("RPOPLPUSH l m"), "lpush: as sent, rpop: as sent, del: carried");
    assert_eq!(events("RPOP m"), "rpop: as sent, del: carried");
}

#[test]
fn the_form_follows_the_size() {
    let mut fixture = Fixture::new(&[COMMANDS, crate::command::generic::COMMANDS]);
    let mut encoding = |command: &[&str]| {
        fixture.run(command);
        fixture.run(&["OBJECT", "ENCODING", "l"]).lines().nth(1).unwrap_or_default().to_owned()
    };
    let half = "x".repeat(4000);
    assert_eq!(encoding(&["RPUSH", "l", &half, &half]), "listpack");
    assert_eq!(encoding(&["RPUSH", "l", &half]), "quicklist");
    assert_eq!(encoding(&["RPOP", "l"]), "quicklist");
    assert_eq!(encoding(&["LPOP", "l"]), "listpack");
    assert_eq!(encoding(&["LSET", "l", "0", &"x".repeat(9000)]), "quicklist");
    assert_eq!(encoding(&["LSET", "l", "0", "small"]), "listpack");
}

/// LMPOP gives the same on one shard and when its keys lie on three, at once or in portions.
#[test]
fn elements_are_popped_wherever_the_keys_are() {
    for is_sliced in [false, true] {
        let (mut whole, mut parts) = (Fixture::new(&[COMMANDS]), Parts::new(3, &[COMMANDS]));
        for (number, key) in (0..600).zip(["a", "b", "c"].into_iter().cycle()) {
            let words = ["RPUSH", key, &format!("{number}:{}", "x".repeat(number % 200))];
            assert_eq!(parts.owner(key).run(&words), whole.run(&words));
        }
        for command in [
            "LMPOP 2 none a LEFT COUNT 3",
            "LMPOP 2 none a LEFT COUNT 180",
            "LMPOP 3 none other b RIGHT COUNT 150",
            "LMPOP 3 none other b RIGHT COUNT 1000",
            "LMPOP 3 a b c RIGHT",
            "LMPOP 3 none b c LEFT COUNT 1000",
            "LMPOP 2 b c LEFT COUNT 1000",
        ] {
            let words: Vec<&str> = command.split(' ').collect();
            let expected = whole.run(&words);
            set_small_portions(is_sliced);
            let reply = parts.run(&words);
            set_small_portions(false);
            assert_eq!(reply, expected, "{command}");
        }
        for key in ["a", "b", "c"] {
            let words = ["LRANGE", key, "0", "-1"];
            assert_eq!(parts.owner(key).run(&words), whole.run(&words), "{key}");
        }
    }
}
