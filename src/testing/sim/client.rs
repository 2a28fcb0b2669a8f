//! A client of the simulator: random pipelines of commands over few keys.
//!
//! Invariant: it reads replies in the order of its commands and takes any byte beyond them for an
//! error.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::rc::Rc;

use super::history::History;
use crate::base::prng::Prng;
use crate::base::seams::Chunk;
use crate::session::link::{Departure, Link};

/// Commands a client sends in all, at most.
const COMMANDS_MAX: u64 = 16;
/// Commands of one client without a reply, at most.
const PIPELINE_MAX: usize = 6;

/// Kinds of commands, the frequent ones several times.
pub const KINDS: u64 = 55;
/// The kinds that claim on all their cores at once: MSETNX, RENAME and COPY.
pub const TWO_PHASE: u64 = 0b11 << 26 | 0b1111 << 31;

/// Keys that lie far apart, so that few cores hold two of them.
const KEYS: &[&str] = &["a", "b", "c", "d", "e", "f"];
/// Keys of lists, which nothing else is stored at.
const LISTS: &[&str] = &["l", "m", "n", "o", "p", "q"];

/// One client with its connection.
pub struct Customer {
    pub number: usize,
    /// The client's id on the server.
    pub id: u64,
    pub station: usize,
    pub link: Rc<Link>,
    random: Prng,
    keys: u64,
    /// One bit for each kind of command that it may send; at least one is set.
    allowed: u64,
    database: usize,
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
        (keys, allowed): (u64, u64),
        mut random: Prng,
    ) -> Customer {
        Customer {
            number,
            id,
            station,
            link,
            keys: keys.min(KEYS.len() as u64),
            allowed,
            database: 0,
            left: 1 + random.below(COMMANDS_MAX),
            unsent: VecDeque::new(),
            open: VecDeque::new(),
            received: Vec::new(),
            gone: false,
            travels: false,
            random,
        }
    }

    /// True if it has something to send or to read.
    pub fn can_act(&self) -> bool {
        let thinks = self.left > 0 && self.open.len() < PIPELINE_MAX;
        !self.gone
            && !self.travels
            && (thinks || !self.unsent.is_empty() || !self.link.output().is_empty())
    }

    /// True if it will never be answered, when nothing more happens.
    pub fn is_waiting(&self) -> bool {
        !self.gone && !self.open.is_empty()
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
    pub fn depart(&mut self, now: u64, history: &mut History) {
        let (bytes, shared) = self.link.output().take();
        assert!(shared.is_empty(), "values are short");
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
    pub fn leave(&mut self, history: &mut History) {
        self.read(u64::MAX, history);
        self.gone = true;
    }

    /// Reads, or sends some bytes, or thinks of commands.
    pub fn act(&mut self, now: u64, history: &mut History) {
        self.read(now, history);
        if self.unsent.is_empty() {
            for _ in 0..1 + self.random.below(4) {
                if self.left > 0 && self.open.len() < PIPELINE_MAX {
                    self.think(now, history);
                }
            }
        }
        if !self.unsent.is_empty() {
            let all = self.unsent.len();
            let count = if self.random.chance(1, 4) {
                1 + self.random.below(all as u64) as usize
            } else {
                all
            };
            self.link.received(Chunk::owned(self.unsent.drain(..count).collect()));
        }
    }

    fn think(&mut self, now: u64, history: &mut History) {
        self.left -= 1;
        let mut words = self.command();
        self.sign(&mut words[0]);
        self.unsent.extend(format!("*{}\r\n", words.len()).bytes());
        for word in &words {
            self.unsent.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
        }
        let words = words.into_iter().map(String::into_bytes).collect();
        self.open.push_back(history.call(self.number, self.database, words, now));
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
        KEYS[self.random.below(self.keys) as usize].to_owned()
    }

    fn list(&mut self) -> String {
        LISTS[self.random.below(self.keys) as usize].to_owned()
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
        for _ in 0..1 + self.random.below(3) {
            words.push(self.key());
            if values {
                words.push(self.value());
            }
        }
        words
    }

    fn command(&mut self) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
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
            44 => words(&["LPOP", &self.list()]),
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
            51 => words(&["RENAME", &self.list(), &self.list()]),
            52 => words(&["LRANGE", &self.list(), "0", "-1"]),
            53 => words(&["LPOP", &self.list(), "3"]),
            54 => words(&["LRANGE", &self.list(), "1", "2"]),
            _ => {
                self.database = self.random.below(2) as usize;
                words(&["SELECT", &self.database.to_string()])
            }
        }
    }

    /// A kind of command that this run allows.
    fn kind(&mut self) -> u64 {
        loop {
            let kind = self.random.below(KINDS);
            if self.allowed >> kind & 1 == 1 {
                return kind;
            }
        }
    }

    fn other_database(&self) -> String {
        (1 - self.database).to_string()
    }

    fn read(&mut self, now: u64, history: &mut History) {
        let (bytes, shared) = self.link.output().take();
        self.link.heard();
        assert!(shared.is_empty(), "values are short");
        self.received.extend(bytes);
        self.understand(now, history);
    }

    /// Takes the whole replies out of what was received.
    fn understand(&mut self, now: u64, history: &mut History) {
        while let Some(end) = reply_end(&self.received, 0) {
            let reply: Vec<u8> = self.received.drain(..end).collect();
            let reply = String::from_utf8_lossy(&reply).into_owned();
            match self.open.pop_front() {
                Some(number) => history.answer(number, now, reply),
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
