//! Random command lines from templates.
//!
//! Invariant: a seed gives one stream, and no command of it depends on how fast it runs: a relative
//! time to live is hours at least, so nothing expires during a run, and two of them are never
//! close.
//! Absent on purpose: DUMP, RESTORE and MIGRATE, whose bytes carry a version, and WAIT.
//!
//! In a template upper-case words stand for themselves, `<name>` for a random value of that kind,
//! `[a|b]` for one of its choices or nothing, `(a b)+` for one to six repetitions, and `{a b}` for
//! its parts in any order, sometimes one of them twice.

use crate::bitmaps;
use crate::sorted_sets;
use crate::streams;
use crate::support::random::Random;

/// A command with its arguments.
pub type Command = Vec<Vec<u8>>;

/// A template and how often it is chosen beside the others.
pub struct Row {
    pub template: &'static str,
    weight: usize,
}

/// A row of a table.
pub const fn row(template: &'static str, weight: usize) -> Row {
    Row { template, weight }
}

/// The commands on strings and on keys of any type, of Redis 7.0.
pub const ROWS: &[Row] = &[
    row("GET <key>", 6),
    row("SET <key> <value>", 10),
    row("SET <key> <value> {[NX|XX] [GET] [<expiry>|KEEPTTL]}", 10),
    row("SETNX <key> <value>", 2),
    row("SETEX <key> <seconds> <value>", 2),
    row("PSETEX <key> <millis> <value>", 2),
    row("GETSET <key> <value>", 2),
    row("GETDEL <key>", 2),
    row("GETEX <key> {[<expiry>|PERSIST]}", 4),
    row("MGET (<key>)+", 4),
    row("MSET (<key> <value>)+", 6),
    row("MSETNX (<key> <value>)+", 4),
    row("APPEND <key> <value>", 4),
    row("STRLEN <key>", 2),
    row("SETRANGE <key> <offset> <value>", 4),
    row("GETRANGE <key> <integer> <integer>", 4),
    row("SUBSTR <key> <integer> <integer>", 1),
    row("INCR <key>", 3),
    row("DECR <key>", 3),
    row("INCRBY <key> <integer>", 4),
    row("DECRBY <key> <integer>", 4),
    row("INCRBYFLOAT <key> <float>", 6),
    row("LCS <key> <key> {[LEN|IDX] [MINMATCHLEN <integer>] [WITHMATCHLEN]}", 3),
    row("DEL (<key>)+", 3),
    row("UNLINK (<key>)+", 2),
    row("EXISTS (<key>)+", 4),
    row("TOUCH (<key>)+", 2),
    row("TYPE <key>", 2),
    row("RENAME <key> <key>", 4),
    row("RENAMENX <key> <key>", 4),
    row("COPY <key> <key> {[DB <database>] [REPLACE]}", 6),
    row("MOVE <key> <database>", 4),
    row("EXPIRE <key> <seconds> {[NX|XX] [GT|LT]}", 4),
    row("PEXPIRE <key> <millis> {[NX|XX] [GT|LT]}", 4),
    row("EXPIREAT <key> <unix-seconds> {[NX|XX] [GT|LT]}", 4),
    row("PEXPIREAT <key> <unix-millis> {[NX|XX] [GT|LT]}", 4),
    row("TTL <key>", 2),
    row("PTTL <key>", 2),
    row("EXPIRETIME <key>", 2),
    row("PEXPIRETIME <key>", 2),
    row("PERSIST <key>", 3),
    row("KEYS <pattern>", 2),
    row("SCAN <cursor> COUNT 1000 {[MATCH <pattern>] [TYPE string]}", 2),
    row("RANDOMKEY", 1),
    row("DBSIZE", 2),
    row("SELECT <database>", 4),
    row("SWAPDB <database> <database>", 1),
    row("FLUSHDB [ASYNC|SYNC]", 1),
    row("OBJECT ENCODING <key>", 3),
    row("OBJECT REFCOUNT <key>", 1),
    row("OBJECT IDLETIME <key>", 1),
    row("OBJECT FREQ <key>", 1),
    row("PING [<value>]", 1),
    row("ECHO <value>", 1),
];

/// Commands on other types, for streams against a server that has them: they make the keys of a
/// wrong type that the others meet.
pub const OTHER_TYPES: &[Row] = &[
    row("RPUSH <key> (<value>)+", 6),
    row("LPUSH <key> (<value>)+", 6),
    row("LPUSHX <key> (<value>)+", 1),
    row("RPUSHX <key> (<value>)+", 1),
    row("LPOP <key> [<count>]", 2),
    row("RPOP <key> [<count>]", 2),
    row("LMPOP 1 <key> <side> [COUNT <count>]", 1),
    row("LMPOP 3 <key> <key> <key> <side> [COUNT <count>]", 2),
    row("LMPOP <count> (<key>)+ <side> [COUNT <count>]", 1),
    row("LLEN <key>", 1),
    row("LINDEX <key> <integer>", 2),
    row("LINSERT <key> [BEFORE|AFTER] <value> <value>", 1),
    row("LINSERT <key> BEFORE <value> <value>", 2),
    row("LSET <key> <count> <value>", 3),
    row("LTRIM <key> <count> <count>", 1),
    row("LREM <key> <count> <value>", 3),
    row("LPOS <key> <value> {[RANK <count>] [COUNT <count>] [MAXLEN <count>]}", 3),
    row("LMOVE <key> <key> <side> <side>", 4),
    row("RPOPLPUSH <key> <key>", 2),
    row("SADD <key> (<value>)+", 1),
    row("HSET <key> (<value> <value>)+", 1),
    row("ZADD <key> <float> <value>", 1),
    row("XADD <key> 1-1 a <value>", 1),
    row("LRANGE <key> 0 -1", 1),
    row("LRANGE <key> <integer> <integer>", 2),
    row("SORT <key> {[LIMIT <offset> <integer>] [ASC|DESC] [ALPHA] [GET <name>] [STORE <key>]}", 2),
    row("SORT <key> {[BY <name>] [GET <name>] [GET #] [LIMIT 1 3] [ASC|DESC] [STORE <key>]}", 2),
    row("SORT_RO <key> {[BY <name>] [GET <name>] [ASC|DESC] [LIMIT 0 4]}", 1),
];

/// The commands on sets. Random members are absent: two servers would not stay alike.
pub const SETS: &[Row] = &[
    row("SADD <key> (<element>)+", 14),
    row("SREM <key> (<element>)+", 6),
    row("SISMEMBER <key> <element>", 2),
    row("SMISMEMBER <key> (<element>)+", 2),
    row("SCARD <key>", 2),
    row("SMEMBERS <key>", 3),
    row("SMOVE <key> <key> <element>", 5),
    row("SINTER (<key>)+", 4),
    row("SUNION (<key>)+", 4),
    row("SDIFF (<key>)+", 4),
    row("SINTERSTORE <key> (<key>)+", 3),
    row("SUNIONSTORE <key> (<key>)+", 4),
    row("SDIFFSTORE <key> (<key>)+", 3),
    row("SINTERCARD 1 <key> {[LIMIT <integer>]}", 1),
    row("SINTERCARD 2 <key> <key> {[LIMIT <integer>]}", 3),
    row("SINTERCARD <integer> (<key>)+", 1),
    row("SSCAN <key> <cursor> {[MATCH <pattern>] [COUNT 100000] [TYPE set]}", 3),
];

/// Patterns that lead from elements to keys.
const NAMES: &[&str] = &["key:*", "*", "{tag}*", "*->1", "key:*->a", "->*", "#*"];

const KEYS: &[&str] = &[
    "a",
    "b",
    "c",
    "key:1",
    "key:2",
    "key:3",
    "{tag}1",
    "{tag}2",
    "{}x",
    "",
    "with blank",
    "é\n",
    "a-rather-long-key-that-does-not-fit-into-a-cache-line-together-with-its-value:0001",
];

const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3",
    "-3",
    "7",
    "10",
    "100",
    "-100",
    "1000",
    "4294967296",
    "-2147483648",
    "9223372036854775806",
    "9223372036854775807",
    "-9223372036854775808",
    "-9223372036854775807",
];

/// Numbers of elements, without the one that has no magnitude: there versions differ.
const COUNTS: &[&str] = &["0", "1", "-1", "2", "-2", "3", "-3", "10", "9223372036854775807"];

const BAD_INTEGERS: &[&str] = &[
    "",
    " 1",
    "1 ",
    "01",
    "+1",
    "-0",
    "-",
    "1.0",
    "1e2",
    "0x10",
    "abc",
    "9223372036854775808",
    "-9223372036854775809",
    "99999999999999999999",
    "1\0",
];

const FLOATS: &[&str] = &[
    "0",
    "1",
    "-1",
    "0.1",
    "0.2",
    "-0.3",
    "1.5",
    "3.0e3",
    "1e-7",
    "1e17",
    "-1e17",
    "123456789.125",
    "1e3",
    ".5",
    "5.",
    "0x1p3",
    "1e-300",
    "99999999999999999999",
    "0.000000000000001",
];

const BAD_FLOATS: &[&str] =
    &["", " 1", "1 ", "abc", "nan", "inf", "-inf", "infinity", "1e", "1e5000", "--1", "1,5", "1\0"];

const MEMBERS: &[&str] = &["a", "b", "c", "d", "e", "", "01", "-0", "a member of some length", "é"];

const PATTERNS: &[&str] = &[
    "*",
    "a*",
    "key:?",
    "key:[12]",
    "key:[^1]",
    "{tag}*",
    "*e*",
    "[a-c]",
    "\\*",
    "",
    "[",
    "*:*:*",
    "k*y:[0-9]",
    "**",
    "?",
];

/// Times to live that are over at once.
const OVER: [&str; 3] = ["0", "-1", "-9223372036854775808"];

/// Points in time that are over.
const PAST: [&str; 4] = ["0", "-1", "1", "1000000000"];

/// A random source of commands.
pub struct Grammar<'a> {
    random: Random,
    rows: Vec<&'a Row>,
    /// Whether times in the past occur, which make a key that is counted until it is met.
    past: bool,
}

impl<'a> Grammar<'a> {
    /// The grammar of a seed. Each seed leaves out some commands altogether ("swarm testing",
    /// Groce et al. 2012): what is rare in the whole is frequent in some stream.
    pub fn new(seed: u64, rows: &[&'a Row]) -> Grammar<'a> {
        let mut random = Random::new(seed);
        let kept = 30 + random.below(71);
        let mut chosen: Vec<&Row> = rows.iter().copied().filter(|_| random.percent(kept)).collect();
        chosen.extend(&rows[..3]);
        let past = random.percent(50);
        Grammar { random, rows: chosen, past }
    }

    /// Whether DBSIZE is certain, because no key can be expired and still there.
    pub fn counts_are_certain(&self) -> bool {
        !self.past
    }

    pub fn command(&mut self) -> Command {
        let total: usize = self.rows.iter().map(|row| row.weight).sum();
        let mut at = self.random.below(total);
        let mut template = "";
        for row in &self.rows {
            template = row.template;
            if at < row.weight {
                break;
            }
            at -= row.weight;
        }
        let mut command = Vec::new();
        self.expand(template, &mut command);
        if self.random.percent(4) {
            self.damage(&mut command);
        }
        if self.random.percent(20) {
            command[0].make_ascii_lowercase();
        }
        command
    }

    /// Drops, repeats or inserts an argument.
    fn damage(&mut self, command: &mut Command) {
        let at = 1 + self.random.below(command.len());
        match self.random.below(3) {
            0 if at < command.len() => drop(command.remove(at)),
            1 if at < command.len() => command.insert(at, command[at].clone()),
            _ => {
                let extra = self.value();
                command.insert(at, extra);
            }
        }
    }

    fn expand(&mut self, template: &str, command: &mut Command) {
        let mut rest = template.trim_start();
        while !rest.is_empty() {
            let (part, after) = next_part(rest);
            rest = after.trim_start();
            match part.as_bytes()[0] {
                b'[' => {
                    let choices: Vec<&str> = part[1..part.len() - 1].split('|').collect();
                    if self.random.percent(40) {
                        let choice = self.random.pick(&choices);
                        self.expand(choice, command);
                    }
                }
                b'(' => {
                    for _ in 0..=self.random.below(6) {
                        self.expand(&part[1..part.len() - 2], command);
                    }
                }
                b'{' => self.expand_in_any_order(&part[1..part.len() - 1], command),
                b'<' => self.expand_kind(&part[1..part.len() - 1], command),
                _ => command.push(part.as_bytes().to_vec()),
            }
        }
    }

    fn expand_in_any_order(&mut self, template: &str, command: &mut Command) {
        let mut parts = Vec::new();
        let mut rest = template;
        while !rest.is_empty() {
            let (part, after) = next_part(rest);
            parts.push(part);
            rest = after.trim_start();
        }
        if self.random.percent(8) {
            let twice = self.random.pick(&parts);
            parts.push(twice);
        }
        while !parts.is_empty() {
            let part = parts.remove(self.random.below(parts.len()));
            self.expand(part, command);
        }
    }

    fn expand_kind(&mut self, kind: &str, command: &mut Command) {
        if kind == "expiry" {
            let templates =
                ["EX <seconds>", "PX <millis>", "EXAT <unix-seconds>", "PXAT <unix-millis>"];
            let template = self.random.pick(&templates);
            return self.expand(template, command);
        }
        let bad = self.random.percent(5);
        if self.expand_sorted(kind, bad, command) {
            return;
        }
        if kind == "trim" {
            let length = "MAXLEN [=|~] <integer> [LIMIT <integer>]";
            let id = "MINID [=|~] <id> [LIMIT <integer>]";
            let template = self.random.pick(&[length, "MAXLEN [=] <few>", id, "MINID [=] <id>"]);
            return self.expand(template, command);
        }
        let text = match kind {
            "zkey" | "gkey" if bad => self.random.pick(KEYS).to_owned(),
            "zkey" => self.random.pick(sorted_sets::KEYS).to_owned(),
            "lkey" => self.random.pick(sorted_sets::LEX_KEYS).to_owned(),
            "gkey" => self.random.pick(sorted_sets::GEO_KEYS).to_owned(),
            "score" if bad => self.random.pick(sorted_sets::BAD_SCORES).to_owned(),
            "score" => self.random.pick(sorted_sets::SCORES).to_owned(),
            "bound" if bad => self.random.pick(sorted_sets::BAD_BOUNDS).to_owned(),
            "bound" => self.random.pick(sorted_sets::BOUNDS).to_owned(),
            "lex" if bad => self.random.pick(sorted_sets::BAD_LEX).to_owned(),
            "lex" => self.random.pick(sorted_sets::LEX).to_owned(),
            "rank" if bad => self.random.pick(sorted_sets::BAD_RANKS).to_owned(),
            "rank" => self.random.pick(sorted_sets::RANKS).to_owned(),
            "member" if self.random.percent(3) => return command.push(self.value()),
            "member" => self.random.pick(sorted_sets::MEMBERS).to_owned(),
            "how" => self.random.pick(&["SUM", "min", "MAX", "max", "AVERAGE"]).to_owned(),
            "place" | "length" => {
                let is_place = kind == "place";
                let choices = if is_place { sorted_sets::PLACES } else { sorted_sets::LENGTHS };
                let words = self.random.pick(choices).split(' ');
                return command.extend(words.map(|word| word.as_bytes().to_vec()));
            }
            "id" | "group-id" if bad => self.random.pick(streams::BAD_IDS).to_owned(),
            "group-id" if self.random.percent(60) => self.random.pick(&["$", "0"]).to_owned(),
            "id" | "group-id" => self.random.pick(streams::IDS).to_owned(),
            "id-bound" => self.random.pick(streams::ENDS).to_owned(),
            "group" => self.random.pick(&["g", "g", "h", ""]).to_owned(),
            "consumer" => self.random.pick(&["alice", "bob", "carol", ""]).to_owned(),
            "field" => self.random.pick(&["a", "b", "7"]).to_owned(),
            "few" => self.random.below(6).to_string(),
            "idle" if bad => self.random.pick(&["-1", "x", ""]).to_owned(),
            "idle" => self.random.pick(&["0", "0", "1000000000000000"]).to_owned(),
            "soon" => self.random.pick(&["1", "1", "1", "-1", "x"]).to_owned(),
            "sketch" => self.random.pick(bitmaps::SKETCHES).to_owned(),
            "bit" => self.random.pick(bitmaps::BITS).to_owned(),
            "bit-offset" => self.random.pick(bitmaps::BIT_OFFSETS).to_owned(),
            "bit-field" => self.random.pick(bitmaps::FIELDS).to_owned(),
            "bit-place" => self.random.pick(bitmaps::FIELD_OFFSETS).to_owned(),
            "overflow" => self.random.pick(bitmaps::OVERFLOWS).to_owned(),
            "key" => self.random.pick(KEYS).to_owned(),
            "name" => self.random.pick(NAMES).to_owned(),
            "value" => return command.push(self.value()),
            "element" => return command.push(self.member()),
            "integer" | "count" | "offset" | "seconds" | "millis" | "unix-seconds"
            | "unix-millis"
                if bad =>
            {
                self.random.pick(BAD_INTEGERS).to_owned()
            }
            "integer" => self.random.pick(INTEGERS).to_owned(),
            "count" => self.random.pick(COUNTS).to_owned(),
            "side" if bad => self.random.pick(&["", "UP", "LEFTS"]).to_owned(),
            "side" => self.random.pick(&["LEFT", "RIGHT", "left", "Right"]).to_owned(),
            "float" if bad => self.random.pick(BAD_FLOATS).to_owned(),
            "float" => self.random.pick(FLOATS).to_owned(),
            "offset" => self.offset(),
            "seconds" => self.time(10_000, 10_000_000_000, &OVER),
            "millis" => self.time(10_000_000, 10_000_000_000_000, &OVER),
            "unix-seconds" => self.time(20_000_000_000, 20_000_000_004, &PAST),
            "unix-millis" => self.time(20_000_000_000_000, 20_000_000_000_004, &PAST),
            "pattern" => self.random.pick(PATTERNS).to_owned(),
            "cursor" => self.random.pick(&["0", "0", "0", "x", "1.5", " 0"]).to_owned(),
            "database" if bad => self.random.pick(&["16", "-1", "x", "", "99999999999"]).to_owned(),
            "database" => self.random.below(4).to_string(),
            other => panic!("no such kind: {other}"),
        };
        command.push(text.into_bytes());
    }

    /// Appends a random value of a kind that the commands on sorted sets and places have; false if
    /// it is none of theirs.
    fn expand_sorted(&mut self, kind: &str, bad: bool, command: &mut Command) -> bool {
        use sorted_sets::{
            BAD_BOUNDS, BAD_LEX, BAD_RANKS, BAD_SCORES, BOUNDS, GEO_KEYS, LENGTHS, LEX, LEX_KEYS,
            MEMBERS, PLACES, RANKS, SCORES, SHOW,
        };
        let choices: &[&str] = match kind {
            "show" => {
                self.expand(SHOW, command);
                return true;
            }
            "member" if self.random.percent(3) => {
                command.push(self.value());
                return true;
            }
            "zkey" | "gkey" if bad => KEYS,
            "zkey" => sorted_sets::KEYS,
            "lkey" => LEX_KEYS,
            "gkey" => GEO_KEYS,
            "score" if bad => BAD_SCORES,
            "score" => SCORES,
            "limit" if bad => BAD_BOUNDS,
            "limit" => BOUNDS,
            "lex" if bad => BAD_LEX,
            "lex" => LEX,
            "rank" if bad => BAD_RANKS,
            "rank" => RANKS,
            "member" => MEMBERS,
            "how" => &["SUM", "min", "MAX", "max", "AVERAGE"],
            "place" | "length" => {
                let words = self.random.pick(if kind == "place" { PLACES } else { LENGTHS });
                command.extend(words.split(' ').map(|word| word.as_bytes().to_vec()));
                return true;
            }
            _ => return false,
        };
        command.push(self.random.pick(choices).as_bytes().to_vec());
        true
    }

    /// A time to live, or a point in time, within the bounds; sometimes one that is over already or
    /// beyond all bounds.
    fn time(&mut self, low: u64, high: u64, over: &[&str]) -> String {
        match self.random.below(20) {
            0 => self.random.pick(&["9223372036854775807", "9223372036854775808"]).to_owned(),
            1 | 2 if self.past => self.random.pick(over).to_owned(),
            _ => (low + self.random.next() % (high - low)).to_string(),
        }
    }

    fn offset(&mut self) -> String {
        let beyond = ["-1", "536870912", "9223372036854775807"];
        match self.random.below(10) {
            0 => self.random.pick(&beyond).to_owned(),
            1 => self.random.below(2000).to_string(),
            _ => self.random.below(20).to_string(),
        }
    }

    /// An element of a collection: mostly one of few, so that collections have some in common.
    fn member(&mut self) -> Vec<u8> {
        match self.random.below(10) {
            0 => self.value(),
            1..=4 => self.random.below(12).to_string().into_bytes(),
            5 => self.random.pick(INTEGERS).into(),
            _ => self.random.pick(MEMBERS).into(),
        }
    }

    fn value(&mut self) -> Vec<u8> {
        match self.random.below(10) {
            0..=2 => self.random.pick(INTEGERS).into(),
            3 => self.random.pick(FLOATS).into(),
            4 => self.random.pick(BAD_INTEGERS).into(),
            5 => self.random.below(20_000).to_string().into_bytes(),
            6 => {
                let length = self.random.below(3000);
                self.random.bytes(length)
            }
            _ => {
                let length = self.random.below(50);
                let letters = (0..length).map(|_| b"abcd"[self.random.below(4)]);
                letters.collect()
            }
        }
    }
}

/// The first part of a template, a word or a bracketed group, and the rest.
fn next_part(template: &str) -> (&str, &str) {
    let mut depth = 0;
    for (at, character) in template.char_indices() {
        match character {
            '[' | '(' | '{' => depth += 1,
            ']' | ')' | '}' => depth -= 1,
            ' ' if depth == 0 => return template.split_at(at),
            _ => {}
        }
    }
    (template, "")
}
