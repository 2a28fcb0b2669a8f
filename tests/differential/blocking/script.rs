//! Random scripts for several connections: some wait for keys, others bring what they wait for.
//!
//! Invariant: a seed gives one script, and what it does depends on no clock: a wait has no end, or
//! ends before the next step.
//! Absent on purpose: a change of several keys at once that serve one client (SWAPDB of filled
//! databases with clients that wait for several keys), since Redis then follows the order of a hash
//! table.
//!
//! In a template `<name>` stands for a random word of that kind and `A|B` for one of its choices;
//! other words stand for themselves.

use crate::grammar::Command;
use crate::support::random::Random;

/// What a connection does in a step.
#[derive(Clone, Debug)]
pub enum Action {
    /// Sends these commands at once.
    Send(Vec<Command>),
    /// Ends another connection's wait.
    Unblock { target: usize, with_error: bool },
    /// Closes and connects again.
    Leave,
}

/// One step of a script.
#[derive(Clone, Debug)]
pub struct Step {
    pub client: usize,
    pub action: Action,
}

/// Connections of a script.
pub const CLIENTS: usize = 6;
const LENGTH: usize = 60;

/// A timeout that ends the wait before the next step, in seconds and in milliseconds.
const SOON: [&str; 2] = ["0.015", "15"];

const LISTS: &[&str] = &["a", "b", "list"];
const SORTED_SETS: &[&str] = &["c", "d", "zset"];
const STREAMS: &[&str] = &["e", "f", "stream"];

struct Row {
    template: &'static str,
    weight: usize,
}

const fn row(template: &'static str, weight: usize) -> Row {
    Row { template, weight }
}

const LIST_ROWS: &[Row] = &[
    row("BLPOP <list> <wait>", 8),
    row("BLPOP <list> <list> <list> <wait>", 6),
    row("BRPOP <list> <wait>", 3),
    row("BRPOP <list> <list> <wait>", 3),
    row("BLMOVE <list> <list> LEFT|RIGHT LEFT|RIGHT <wait>", 6),
    row("BRPOPLPUSH <list> <list> <wait>", 2),
    row("BLMPOP <wait> 1 <list> LEFT|RIGHT", 2),
    row("BLMPOP <wait> 2 <list> <list> LEFT|RIGHT COUNT 1|2|3", 4),
    row("RPUSH <list> <value>", 8),
    row("LPUSH <list> <value> <value> <value>", 5),
    row("LPUSHX <list> <value>", 1),
    row("LPOP <list>", 3),
    row("LMOVE <list> <list> LEFT|RIGHT LEFT|RIGHT", 3),
    row("RPOPLPUSH <list> <list>", 1),
    row("LINSERT <list> BEFORE <value> <value>", 1),
    row("SORT <list> ALPHA STORE <list>", 2),
    row("DEL <list>", 3),
];

const SORTED_SET_ROWS: &[Row] = &[
    row("BZPOPMIN <zset> <wait>", 6),
    row("BZPOPMAX <zset> <zset> <wait>", 4),
    row("BZMPOP <wait> 2 <zset> <zset> MIN|MAX COUNT 1|2|3", 5),
    row("ZADD <zset> 1|2|3 <value>", 8),
    row("ZADD <zset> 1 <value> 2 <value> 3 <value>", 4),
    row("ZINCRBY <zset> 1 <value>", 1),
    row("ZPOPMIN <zset>", 3),
    row("ZREM <zset> <value>", 1),
    row("ZUNIONSTORE <zset> 2 <zset> <zset>", 2),
    row("ZRANGESTORE <zset> <zset> 0 -1", 1),
    row("DEL <zset>", 2),
];

const STREAM_ROWS: &[Row] = &[
    row("XREAD BLOCK <millis> STREAMS <stream> $", 6),
    row("XREAD COUNT 2 BLOCK <millis> STREAMS <stream> <next-stream> $ <id>", 4),
    row("XREADGROUP GROUP g|h anna|bert BLOCK <millis> STREAMS <stream> >", 8),
    row("XREADGROUP GROUP g anna COUNT 1 BLOCK <millis> STREAMS <stream> <next-stream> > >", 4),
    row("XREADGROUP GROUP g anna NOACK BLOCK <millis> STREAMS <stream> >", 1),
    row("XADD <stream> <id> field <value>", 12),
    row("XADD <stream> MAXLEN 1 <id> field <value>", 2),
    row("XGROUP CREATE <stream> g|h 0|$ MKSTREAM", 8),
    row("XGROUP SETID <stream> g 0", 1),
    row("XGROUP DESTROY <stream> g|h", 2),
    row("XDEL <stream> <id>", 1),
    row("XTRIM <stream> MAXLEN 0", 1),
    row("DEL <stream>", 2),
];

const ANY_ROWS: &[Row] = &[
    row("DEL <key> <key>", 2),
    row("RENAME <key> <key>", 4),
    row("RENAMENX <key> <key>", 1),
    row("COPY <key> <key>", 2),
    row("COPY <key> <key> REPLACE", 1),
    row("MOVE <key> 1", 1),
    row("MOVE <key> 0", 1),
    row("SET <key> <value>", 3),
    row("SADD <key> <value>", 1),
    row("SELECT 0|0|1", 3),
    row("FLUSHDB", 1),
    row("FLUSHALL", 1),
    row("EXISTS <key>", 1),
    row("TYPE <key>", 1),
];

/// True if this command waits until the time in it is over.
pub fn ends_soon(command: &Command) -> bool {
    command.iter().any(|word| SOON.iter().any(|soon| word == soon.as_bytes()))
}

/// The steps of a seed.
pub fn generate(seed: u64) -> Vec<Step> {
    let mut random = Random::new(seed);
    let families = [LIST_ROWS, SORTED_SET_ROWS, STREAM_ROWS];
    // Half of the scripts are about one type, so that clients meet.
    let chosen = random.below(6);
    let families = families.iter().enumerate().filter(|(index, _)| chosen >= 3 || *index == chosen);
    let mut rows: Vec<&Row> = families.flat_map(|(_, rows)| rows.iter()).collect();
    rows.extend(ANY_ROWS);
    let mut writer = Writer { random, entries: 0, stream: 0 };
    (0..LENGTH).map(|_| writer.step(&rows)).collect()
}

struct Writer {
    random: Random,
    /// Ids given out; each entry has a larger one.
    entries: u64,
    /// The stream named last.
    stream: usize,
}

impl Writer {
    fn step(&mut self, rows: &[&Row]) -> Step {
        let client = self.random.below(CLIENTS);
        let action = match self.random.below(100) {
            0..2 => Action::Leave,
            2..8 => Action::Unblock {
                target: self.random.below(CLIENTS),
                with_error: self.random.percent(50),
            },
            _ => self.send(client, rows),
        };
        Step { client, action }
    }

    /// A command, and sometimes another one behind it that concerns nobody else.
    fn send(&mut self, client: usize, rows: &[&Row]) -> Action {
        let mut commands = vec![self.command(rows)];
        if self.random.percent(15) {
            commands.push(vec![b"INCR".to_vec(), format!("own:{client}").into_bytes()]);
        }
        Action::Send(commands)
    }

    fn command(&mut self, rows: &[&Row]) -> Command {
        let mut at = self.random.below(rows.iter().map(|row| row.weight).sum());
        let fits = |row: &&&Row| match at.checked_sub(row.weight) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        };
        let row = rows.iter().find(fits).expect("the place is below the sum of all weights");
        row.template.split(' ').map(|word| self.word(word).into_bytes()).collect()
    }

    fn word(&mut self, word: &str) -> String {
        let keys = |keys: &[&str], random: &mut Random| {
            // One in eight has another type in mind.
            let other = [LISTS, SORTED_SETS, STREAMS][random.below(3)];
            let keys = if random.percent(12) { other } else { keys };
            random.pick(keys).to_owned()
        };
        match word {
            "<list>" => keys(LISTS, &mut self.random),
            "<zset>" => keys(SORTED_SETS, &mut self.random),
            "<stream>" => {
                self.stream = self.random.below(STREAMS.len());
                STREAMS[self.stream].to_owned()
            }
            // Since 7.2, who waits for one stream twice is answered twice.
            "<next-stream>" => STREAMS[(self.stream + 1) % STREAMS.len()].to_owned(),
            "<key>" => {
                let own = [LISTS, SORTED_SETS, STREAMS][self.random.below(3)];
                self.random.pick(own).to_owned()
            }
            "<value>" => format!("v{}", self.random.below(8)),
            "<wait>" => self.random.pick(&["0", "0", "0", "1000", SOON[0]]).to_owned(),
            "<millis>" => self.random.pick(&["0", "0", "0", "1000000", SOON[1]]).to_owned(),
            "<id>" => {
                self.entries += 1;
                format!("{}-0", self.entries)
            }
            word => {
                let choices: Vec<&str> = word.split('|').collect();
                self.random.pick(&choices).to_owned()
            }
        }
    }
}
