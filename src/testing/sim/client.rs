//! A client of the simulator: random pipelines of commands over few keys.
//!
//! Invariant: it reads replies in the order of its commands and takes any byte beyond them for an
//! error.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::rc::Rc;

use super::history::{History, Moment};
use super::scans::Iteration;
use crate::base::prng::Prng;
use crate::base::seams::Chunk;
use crate::session::link::{Departure, Link};

/// Commands a client sends in all, at most.
const COMMANDS_MAX: u64 = 16;
/// Commands of a victim of a storm.
const VICTIM_COMMANDS: u64 = 4;
/// Commands of one client without a reply, at most.
const PIPELINE_MAX: usize = 6;

/// Kinds of commands, the frequent ones several times.
pub const KINDS: u64 = 52;
/// The kinds that claim on all their cores at once: MSETNX, RENAME and COPY.
pub const TWO_PHASE: u64 = 0b11 << 26 | 0b1111 << 31;
/// The kinds that a connection's core divides: MSET and MGET.
pub const SCATTERED: u64 = 0b1111_1111 << 18;
/// MGET alone.
pub const READS: u64 = 0b1111 << 22;
/// Commands on whole shards: DBSIZE, SWAPDB, FLUSHALL and FLUSHDB.
pub const WHOLE: u64 = 0b1111 << 35;
/// Commands on one key: SET, GET and INCR.
pub const SINGLES: u64 = (1 << 18) - 1;
/// Pushes, pops and ranges of lists, which may be long.
pub const LONG: u64 = 0b1_1111 << 40;
/// Deadlines of keys, several kinds.
pub const DEADLINES: u64 = 0b1_1111 << 52;
/// Iterations with SCAN.
pub const SCANS: u64 = 0b11 << 57;
/// CLIENT KILL.
pub const KILLS: u64 = 1 << 59;
/// Values that travel on their own, several kinds.
pub const LARGE: u64 = 0b111 << 60;
/// Sets that are made of others.
pub const SETS: u64 = 1 << 63;
/// Bits of all kinds but the last, which few runs have.
const BITS: u64 = 63;

/// Keys that lie far apart: of the first as many as there are cores, three or four, each has one.
pub const KEYS: &[&str] = &["a", "b", "c", "d", "e", "f"];
/// Keys of lists, which nothing else is stored at.
const LISTS: &[&str] = &["l", "m", "n", "o", "p", "q"];
/// Keys of sets of integers.
const SET_KEYS: &[&str] = &["r", "s", "t", "u", "v", "w"];
/// Keys of large values.
const LARGE_KEYS: &[&str] = &["x", "y", "z"];
/// Lengths of large values: shared in replies, received on their own, longer than the input that a
/// connection may leave unread.
const LARGE_LENGTHS: &[usize] = &[17_000, 33_000, 70_000];
/// Calls of one iteration, at most.
const SCAN_CALLS_MAX: usize = 64;

/// How a client behaves.
#[derive(Clone, Copy)]
pub struct Habits {
    /// Number of keys of each type.
    pub keys: u64,
    /// One bit for each kind of command that it may send; at least one is set.
    pub allowed: u64,
    /// Out of how many chances to act it pauses once; 0 is never.
    pub pauses: u64,
    pub role: Role,
}

/// What a client does in a storm (see [`super::storm`]), or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Guest,
    /// Its commands name all keys, or one, and it goes on until it is told to stop.
    Stormer,
    /// It sends a few commands, each on all keys or the last two, one at a time.
    Victim,
}

/// Where a client is in an iteration.
enum Scan {
    None,
    /// The next call is to be made with this cursor.
    Goes(String),
    /// A call is not answered.
    Waits(usize),
}

/// One client with its connection.
pub struct Customer {
    pub number: usize,
    /// The client's id on the server.
    pub id: u64,
    pub station: usize,
    pub link: Rc<Link>,
    /// The clients' ids on the server, by number.
    pub peers: Rc<Vec<u64>>,
    /// It does nothing before this time of the run, in microseconds.
    pub pauses_until: u64,
    random: Prng,
    habits: Habits,
    database: usize,
    scan: Scan,
    iteration: Iteration,
    scan_calls: usize,
    /// Commands still to be thought of.
    left: u64,
    /// Bytes of commands that are not sent yet.
    unsent: VecDeque<u8>,
    /// Numbers of the commands without a reply.
    open: VecDeque<usize>,
    received: Vec<u8>,
    gone: bool,
    /// Its connection is between two cores.
    travels: bool,
}

impl Customer {
    /// A client at the other end of `link`, which the core `station` serves.
    pub fn new(
        (number, id): (usize, u64),
        station: usize,
        link: Rc<Link>,
        habits: Habits,
        mut random: Prng,
    ) -> Customer {
        Customer {
            number,
            id,
            station,
            link,
            peers: Rc::default(),
            pauses_until: 0,
            habits,
            database: 0,
            scan: Scan::None,
            iteration: Iteration::default(),
            scan_calls: 0,
            left: match habits.role {
                Role::Guest => 1 + random.below(COMMANDS_MAX),
                Role::Stormer => u64::MAX,
                Role::Victim => VICTIM_COMMANDS,
            },
            unsent: VecDeque::new(),
            open: VecDeque::new(),
            received: Vec::new(),
            gone: false,
            travels: false,
            random,
        }
    }

    /// True if it has something to send or to read, or hears that it is to go.
    pub fn can_act(&self, micros: u64) -> bool {
        if self.was_killed() {
            return true;
        }
        let thinks = self.unsent.is_empty() && self.thinks();
        let sends = !self.unsent.is_empty() && !self.link.is_full();
        !self.gone
            && !self.travels
            && self.pauses_until <= micros
            && (thinks || sends || !self.link.output().is_empty())
    }

    /// True if it has one more command to send.
    fn thinks(&self) -> bool {
        let most = if self.habits.role == Role::Victim { 1 } else { PIPELINE_MAX };
        self.left > 0 && self.open.len() < most
    }

    /// True if others are to make it wait.
    pub fn is_victim(&self) -> bool {
        self.habits.role == Role::Victim
    }

    /// True if all that it wants is answered.
    pub fn is_content(&self) -> bool {
        self.left == 0 && self.unsent.is_empty() && self.open.is_empty()
    }

    /// Has it send nothing more.
    pub fn stop(&mut self) {
        self.left = 0;
    }

    /// True if it will never be answered, when nothing more happens.
    pub fn is_waiting(&self) -> bool {
        !self.gone && !self.open.is_empty()
    }

    /// True if the server has closed the connection and the client does not know yet. One that is
    /// closed while it is about to travel does not arrive.
    pub fn was_killed(&self) -> bool {
        !self.gone && self.link.was_killed()
    }

    /// True if it may have something to do when its pause is over.
    pub fn pauses(&self) -> bool {
        !self.gone && !self.travels
    }

    /// The command that it waits for.
    pub fn oldest(&self) -> Option<usize> {
        self.open.front().copied().filter(|_| !self.gone)
    }

    /// True if its core wants to be rid of the connection.
    pub fn can_depart(&self) -> bool {
        !self.gone && !self.travels && self.link.is_leaving()
    }

    /// Lets go of the socket as a driver would whose kernel has taken a part of the output.
    pub fn depart(&mut self, now: Moment, history: &mut History) {
        let bytes = self.take_output();
        let taken = self.random.below(bytes.len() as u64 + 1) as usize;
        self.received.extend(&bytes[..taken]);
        self.understand(now, history);
        // Any descriptor will do: nobody uses it.
        let socket = std::io::stderr().as_fd().try_clone_to_owned().expect("descriptors are left");
        self.link.depart(Departure { socket, unsent: bytes[taken..].to_vec() });
        self.travels = true;
    }

    /// The connection is served by another core.
    pub fn arrive(&mut self, station: usize, link: Rc<Link>) {
        (self.station, self.link, self.travels) = (station, link, false);
    }

    /// The connection is gone; replies under way are lost.
    pub fn leave(&mut self, now: Moment, history: &mut History) {
        self.read(now, history);
        self.gone = true;
        history.depart(self.number, now.step);
    }

    /// Reads, or sends some bytes, or thinks of commands.
    pub fn act(&mut self, now: Moment, micros: u64, history: &mut History) {
        self.read(now, history);
        if self.unsent.is_empty() {
            for _ in 0..1 + self.random.below(4) {
                if self.thinks() {
                    self.think(now, history);
                }
            }
        }
        if self.habits.pauses > 0 && self.random.chance(1, self.habits.pauses) {
            self.pauses_until = micros + 1000 * (1 + self.random.below(20));
        }
        self.send();
    }

    /// Sends all that there is to send, or a part.
    fn send(&mut self) {
        if !self.unsent.is_empty() && !self.link.is_full() {
            let all = self.unsent.len();
            let count = if self.random.chance(1, 4) {
                1 + self.random.below(all as u64) as usize
            } else {
                all
            };
            let bytes: Vec<u8> = self.unsent.drain(..count).collect();
            let rest = self.send_large(bytes);
            if !rest.is_empty() {
                self.link.received(Chunk::owned(rest));
            }
        }
    }

    /// Puts what belongs to a large argument where it is to be; returns what does not.
    fn send_large(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        // What came before it in the ordinary way has to be in place first.
        if self.link.input_bytes() > 0 || self.random.chance(1, 4) {
            return bytes;
        }
        let mut big = self.link.big();
        let Some(receiving) = big.as_mut() else { return bytes };
        let count = bytes.len().min(receiving.total - receiving.buffer.len());
        receiving.buffer.extend(bytes.drain(..count));
        drop(big);
        self.link.received_big(count);
        bytes
    }

    fn think(&mut self, now: Moment, history: &mut History) {
        self.left -= 1;
        let mut words = self.command(now);
        self.sign(&mut words[0]);
        self.unsent.extend(format!("*{}\r\n", words.len()).bytes());
        for word in &words {
            self.unsent.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
        }
        let is_scan = words[0].eq_ignore_ascii_case("SCAN");
        let words = words.into_iter().map(String::into_bytes).collect();
        let number = history.call(self.number, self.database, words, now);
        self.open.push_back(number);
        if is_scan {
            if matches!(self.scan, Scan::None) {
                let (client, database, begun) = (self.number, self.database, now.step);
                self.iteration = Iteration { client, database, begun, ..Iteration::default() };
                self.scan_calls = 0;
            }
            self.scan = Scan::Waits(number);
        }
    }

    /// Takes in a reply to SCAN.
    fn scanned(&mut self, reply: &str, now: Moment, history: &mut History) {
        let mut words = reply.split("\r\n").filter(|line| !line.starts_with(['*', '$']));
        let cursor = words.next().unwrap_or_default().to_owned();
        let keys = words.filter(|key| !key.is_empty()).map(|key| key.as_bytes().to_vec());
        self.iteration.returned.extend(keys);
        self.scan_calls += 1;
        self.scan = Scan::None;
        if cursor == "0" {
            self.iteration.ended = Some((now.step, now.time));
            history.iterated(std::mem::take(&mut self.iteration));
        } else if self.scan_calls < SCAN_CALLS_MAX {
            self.scan = Scan::Goes(cursor);
            self.left += 1;
        }
    }

    fn take_output(&mut self) -> Vec<u8> {
        let mut out = self.link.outgoing();
        let bytes = out.to_vec();
        out.clear();
        bytes
    }

    /// Writes the client's number into the case of the name's letters.
    fn sign(&self, name: &mut String) {
        let letter = |(index, letter): (usize, char)| {
            let lower = index < 3 && self.number >> index & 1 == 1;
            if lower { letter.to_ascii_lowercase() } else { letter }
        };
        *name = name.chars().enumerate().map(letter).collect();
    }

    fn key(&mut self) -> String {
        KEYS[self.random.below(self.habits.keys) as usize].to_owned()
    }

    fn list(&mut self) -> String {
        LISTS[self.random.below(self.habits.keys) as usize].to_owned()
    }

    fn set_key(&mut self) -> String {
        SET_KEYS[self.random.below(self.habits.keys) as usize].to_owned()
    }

    fn large_key(&mut self) -> String {
        LARGE_KEYS[self.random.below(LARGE_KEYS.len() as u64) as usize].to_owned()
    }

    fn large_value(&mut self) -> String {
        let length = LARGE_LENGTHS[self.random.below(LARGE_LENGTHS.len() as u64) as usize];
        self.random.below(10).to_string().repeat(length)
    }

    /// A key of any type, which may get a deadline.
    fn any_key(&mut self) -> String {
        if self.random.chance(1, 3) { self.list() } else { self.key() }
    }

    /// A time soon, or just over.
    fn deadline(&mut self, now: Moment) -> String {
        (now.time - 2 + self.random.below(24) as i64).to_string()
    }

    /// For ever, or some milliseconds; never twice the same words, for that is how commands are
    /// told apart.
    fn timeout(&mut self) -> String {
        if self.random.chance(1, 4) {
            return format!("0e{}", self.left);
        }
        format!("0.00{}{:02}", self.random.below(10), self.left + 1)
    }

    fn value(&mut self) -> String {
        self.random.below(1000).to_string()
    }

    fn keys(&mut self, name: &str, values: bool) -> Vec<String> {
        let mut words = vec![name.to_owned()];
        let named = match self.habits.role {
            Role::Guest => (0..1 + self.random.below(3)).map(|_| self.key()).collect(),
            Role::Stormer => self.keys_from(0),
            // Two make a joint transaction where the client's core owns the last.
            Role::Victim => {
                let is_shorter = self.random.chance(1, 4);
                let first = if is_shorter { self.habits.keys - 2 } else { 0 };
                self.keys_from(first)
            }
        };
        for key in named {
            words.push(key);
            if values {
                words.push(self.value());
            }
        }
        words
    }

    fn keys_from(&self, first: u64) -> Vec<String> {
        KEYS[first as usize..self.habits.keys as usize]
            .iter()
            .map(|key| (*key).to_owned())
            .collect()
    }

    fn command(&mut self, now: Moment) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        if let Scan::Goes(cursor) = &self.scan {
            return words(&["SCAN", cursor, "COUNT", "2"]);
        }
        if self.habits.role == Role::Victim {
            return self.victims_command();
        }
        match self.kind() {
            0..7 => words(&["SET", &self.key(), &self.value()]),
            7..14 => words(&["GET", &self.key()]),
            14..18 => words(&["INCR", &self.key()]),
            18..22 => self.keys("MSET", true),
            22..26 => self.keys("MGET", false),
            26..28 => self.keys("MSETNX", true),
            28..30 => self.keys("DEL", false),
            30 => self.keys("EXISTS", false),
            31..34 => words(&["RENAME", &self.key(), &self.key()]),
            34 => words(&["COPY", &self.key(), &self.key(), "DB", &self.other_database()]),
            35 => words(&["DBSIZE"]),
            36 => words(&["SWAPDB", "0", "1"]),
            37 => words(&["FLUSHALL"]),
            38 => words(&["FLUSHDB"]),
            40..43 => words(&["RPUSH", &self.list(), &self.value()]),
            43 => words(&["RPUSH", &self.list(), &self.value(), &self.value()]),
            44 => match self.random.below(4) {
                0 => words(&["LPOP", &self.list(), "3"]),
                1 => words(&["LRANGE", &self.list(), "0", "-1"]),
                2 => words(&["LRANGE", &self.list(), "1", "2"]),
                _ => words(&["LPOP", &self.list()]),
            },
            45 => words(&["LMOVE", &self.list(), &self.list(), "LEFT", "RIGHT"]),
            46..50 => {
                let mut words = words(&["BLPOP"]);
                for _ in 0..1 + self.random.below(3) {
                    words.push(self.list());
                }
                words.push(self.timeout());
                words
            }
            50 => {
                let (source, target) = (self.list(), self.list());
                words(&["BLMOVE", &source, &target, "LEFT", "RIGHT", &self.timeout()])
            }
            51 => {
                let (source, target) = (self.list(), self.list());
                match self.random.below(3) {
                    0 => words(&["SORT", &source, "ALPHA", "STORE", &target]),
                    1 => words(&["COPY", &source, &target, "DB", &self.other_database()]),
                    _ => words(&["RENAME", &source, &target]),
                }
            }
            kind @ 52.. => self.rare_command(kind, now),
            _ => {
                self.database = self.random.below(2) as usize;
                self.iteration.is_cut = true;
                words(&["SELECT", &self.database.to_string()])
            }
        }
    }

    /// A command on several keys.
    fn victims_command(&mut self) -> Vec<String> {
        let name = ["MSET", "MSETNX", "MGET", "DEL", "EXISTS"][self.random.below(5) as usize];
        self.keys(name, name.starts_with("MSET"))
    }

    /// A command of a kind that only some runs have.
    fn rare_command(&mut self, kind: u64, now: Moment) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        match kind {
            52 => words(&["SET", &self.key(), &self.value(), "PXAT", &self.deadline(now)]),
            53 | 54 => words(&["PEXPIREAT", &self.any_key(), &self.deadline(now)]),
            55 => words(&["PERSIST", &self.any_key()]),
            56 => words(&["PEXPIRETIME", &self.any_key()]),
            // One iteration at a time, so that its replies are told from others.
            57 | 58 if matches!(self.scan, Scan::None) => words(&["SCAN", "0", "COUNT", "1"]),
            59 if self.peers.len() > 1 => {
                let step = 1 + self.random.below(self.peers.len() as u64 - 1) as usize;
                let target = self.peers[(self.number + step) % self.peers.len()];
                words(&["CLIENT", "KILL", "ID", &target.to_string()])
            }
            60 => words(&["SET", &self.large_key(), &self.large_value()]),
            61 => {
                let (large, value) = (self.large_key(), self.large_value());
                words(&["MSET", &self.key(), &self.value(), &large, &value])
            }
            62 if self.random.chance(1, 3) => {
                words(&["RENAME", &self.large_key(), &self.large_key()])
            }
            62 => words(&["MGET", &self.large_key(), &self.key(), &self.large_key()]),
            63 => self.set_command(),
            _ => words(&["GET", &self.key()]),
        }
    }

    /// A command on sets of integers, which are listed in their order while they are few.
    fn set_command(&mut self) -> Vec<String> {
        let (one, other, third) = (self.set_key(), self.set_key(), self.set_key());
        let mut number = || self.random.below(20).to_string();
        let numbers = [number(), number(), number()];
        let words: &[&str] = match self.random.below(7) {
            0 | 1 => &["SADD", &one, &numbers[0], &numbers[1], &numbers[2]],
            2 => &["SUNIONSTORE", &one, &other, &third],
            3 => &["SDIFFSTORE", &one, &other, &third],
            4 => &["SINTER", &one, &other],
            5 => &["SUNIONCARD", "3", &one, &other, &third],
            _ => &["SMEMBERS", &one],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// A kind of command that this run allows.
    fn kind(&mut self) -> u64 {
        loop {
            let kind = self.random.below(BITS + (self.habits.allowed >> BITS));
            if self.habits.allowed >> kind & 1 == 1 {
                return kind;
            }
        }
    }

    fn other_database(&self) -> String {
        (1 - self.database).to_string()
    }

    fn read(&mut self, now: Moment, history: &mut History) {
        let bytes = self.take_output();
        self.link.heard();
        self.received.extend(bytes);
        self.understand(now, history);
    }

    /// Takes the whole replies out of what was received.
    fn understand(&mut self, now: Moment, history: &mut History) {
        while let Some(end) = reply_end(&self.received, 0) {
            let reply: Vec<u8> = self.received.drain(..end).collect();
            let reply = String::from_utf8_lossy(&reply).into_owned();
            match self.open.pop_front() {
                Some(number) => {
                    if matches!(self.scan, Scan::Waits(waited) if waited == number) {
                        self.scanned(&reply, now, history);
                    }
                    history.answer(number, now, reply);
                }
                None => history.fail(format!("client {} got {reply:?} for nothing", self.number)),
            }
        }
    }
}

/// Where the reply that begins at `at` ends, if all of it is there.
fn reply_end(bytes: &[u8], at: usize) -> Option<usize> {
    let line_end = at + bytes.get(at..)?.windows(2).position(|two| two == b"\r\n")? + 2;
    let line = &bytes[at..line_end];
    let number = || String::from_utf8_lossy(&line[1..line.len() - 2]).parse::<i64>().ok();
    match line[0] {
        b'$' if number()? >= 0 => {
            let end = line_end + number()? as usize + 2;
            (end <= bytes.len()).then_some(end)
        }
        b'*' => (0..number()?).try_fold(line_end, |end, _| reply_end(bytes, end)),
        _ => Some(line_end),
    }
}
