//! Who waits for which key of this shard, and in which order.
//!
//! A waiter is a number whose meaning the shard knows; smaller numbers came earlier. The write
//! guard notes each change of a key that somebody waits for; the shard takes these *ready* keys out
//! again, in the order in which they became ready, when the command that changed them has ended.
//!
//! Invariant: a key is here while somebody waits for it, and at most once in the queue of ready
//! keys. While nobody waits for anything, a write pays one comparison.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};

use crate::base::probe::{Mutation, mutated};
use crate::resp::args::Key;

/// A key that somebody waits for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    pub database: u16,
    pub key: Box<[u8]>,
}

impl Name {
    /// The key `key` of database `database`.
    pub fn new(database: u16, key: Key<'_>) -> Name {
        Name { database, key: key.bytes.into() }
    }

    /// The key with its hash.
    pub fn key(&self) -> Key<'_> {
        Key::new(&self.key)
    }
}

/// Those who wait for one key.
struct Line {
    name: Name,
    /// In the order in which they came, each with whether it wants to hear that the key is gone.
    waiters: BTreeMap<u64, bool>,
    /// How many want that.
    minding: usize,
    is_ready: bool,
}

/// The waiters of one shard.
#[derive(Default)]
pub struct Waiters {
    /// By the key's hash; keys of one hash are as rare as collisions of 64 bits.
    lines: BTreeMap<u64, Vec<Line>>,
    ready: VecDeque<Name>,
}

impl Waiters {
    /// True if nobody waits for anything.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// True if a key changed for which somebody waits.
    #[inline]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Number of keys that somebody waits for, and of those whose absence somebody minds.
    pub fn keys(&self) -> (usize, usize) {
        let lines = self.lines.values().flatten();
        lines.fold((0, 0), |(all, minded), line| (all + 1, minded + usize::from(line.minding > 0)))
    }

    /// Puts `number` at the end of the line for a key. `minds_absence`: it wants its turn also when
    /// the key was removed.
    pub fn enter(&mut self, database: u16, key: Key<'_>, number: u64, minds_absence: bool) {
        if self.line(database, key).is_none() {
            let name = Name::new(database, key);
            let line = Line { name, waiters: BTreeMap::new(), minding: 0, is_ready: false };
            self.lines.entry(key.hash).or_default().push(line);
        }
        let line = self.line(database, key).expect("it was there or was added");
        if line.waiters.insert(number, minds_absence).is_none() {
            line.minding += usize::from(minds_absence);
        }
    }

    /// Takes `number` out of the line for a key.
    pub fn leave(&mut self, database: u16, key: Key<'_>, number: u64) {
        let Some(line) = self.line(database, key) else { return };
        if let Some(minds_absence) = line.waiters.remove(&number) {
            line.minding -= usize::from(minds_absence);
        }
        if line.waiters.is_empty() {
            let was_ready = line.is_ready;
            let lines = self.lines.get_mut(&key.hash).expect("the line was found there");
            lines.retain(|line| !line.waiters.is_empty());
            if lines.is_empty() {
                self.lines.remove(&key.hash);
            }
            if was_ready {
                self.ready.retain(|name| (name.database, &*name.key) != (database, key.bytes));
            }
        }
    }

    /// A key has changed.
    #[cold]
    pub fn note(&mut self, database: u16, key: Key<'_>) {
        let Some(line) = self.line(database, key) else { return };
        if !std::mem::replace(&mut line.is_ready, true) {
            let name = line.name.clone();
            self.ready.push_back(name);
        }
    }

    /// Every key of a database has changed.
    pub fn note_all(&mut self, database: u16) {
        let lines = self.lines.values_mut().flatten();
        let mut names = Vec::new();
        for line in lines.filter(|line| line.name.database == database && !line.is_ready) {
            line.is_ready = true;
            names.push(line.name.clone());
        }
        names.sort_unstable();
        self.ready.extend(names);
    }

    /// Takes out the key that became ready first.
    pub fn next_ready(&mut self) -> Option<Name> {
        let name = self.ready.pop_front()?;
        if let Some(line) = self.line(name.database, name.key()) {
            line.is_ready = false;
        }
        Some(name)
    }

    /// The first in line for a key behind the waiter `number`.
    pub fn after(&self, name: &Name, number: u64) -> Option<u64> {
        let line = self.find(name)?;
        let mut behind = line.waiters.range((Excluded(number), Unbounded));
        let next = if mutated(Mutation::LineReversed) { behind.next_back() } else { behind.next() };
        next.map(|(number, _)| *number)
    }

    /// True if somebody in line for a key wants to hear that it is gone.
    pub fn minds_absence(&self, name: &Name) -> bool {
        self.find(name).is_some_and(|line| line.minding > 0)
    }

    fn find(&self, name: &Name) -> Option<&Line> {
        self.lines.get(&name.key().hash)?.iter().find(|line| line.name == *name)
    }

    fn line(&mut self, database: u16, key: Key<'_>) -> Option<&mut Line> {
        let mut lines = self.lines.get_mut(&key.hash)?.iter_mut();
        lines.find(|line| line.name.database == database && *line.name.key == *key.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &[u8] = b"a";
    const B: &[u8] = b"b";

    fn name(key: &[u8]) -> Name {
        Name::new(0, Key::new(key))
    }

    #[test]
    fn waiters_stand_in_the_order_of_their_numbers() {
        let mut waiters = Waiters::default();
        for number in [3, 1, 2] {
            waiters.enter(0, Key::new(A), number, number == 2);
        }
        let mut line = vec![];
        let mut at = 0;
        while let Some(next) = waiters.after(&name(A), at) {
            line.push(next);
            at = next;
        }
        assert_eq!(line, [1, 2, 3]);
        assert!(waiters.minds_absence(&name(A)));
        waiters.leave(0, Key::new(A), 2);
        assert!(!waiters.minds_absence(&name(A)));
        assert_eq!(waiters.after(&name(A), 1), Some(3));
        waiters.leave(0, Key::new(A), 1);
        waiters.leave(0, Key::new(A), 3);
        assert!(waiters.is_empty());
    }

    #[test]
    fn keys_are_ready_once_and_in_order() {
        let mut waiters = Waiters::default();
        waiters.note(0, Key::new(A));
        assert!(!waiters.has_ready(), "nobody waits");
        waiters.enter(0, Key::new(A), 1, false);
        waiters.enter(0, Key::new(B), 1, false);
        waiters.enter(1, Key::new(A), 2, false);
        for key in [B, A, B] {
            waiters.note(0, Key::new(key));
        }
        assert_eq!(waiters.next_ready(), Some(name(B)));
        waiters.note(0, Key::new(B));
        assert_eq!(waiters.next_ready(), Some(name(A)));
        assert_eq!(waiters.next_ready(), Some(name(B)));
        assert_eq!(waiters.next_ready(), None);
        waiters.note_all(0);
        waiters.leave(0, Key::new(A), 1);
        assert_eq!(waiters.next_ready(), Some(name(B)));
        assert!(!waiters.has_ready(), "whom nobody waits for any more is not ready");
    }
}
