//! What a write reports: the one stream that the journal, replication, keyspace events and
//! client-side caching read.
//!
//! Invariant: every modification of a key yields exactly one [`Change`], made by the guard that did
//! it; a command that changes nothing yields none.

use crate::base::time::Millis;

/// A keyspace event: its class letter in `notify-keyspace-events` and its name.
/// <https://redis.io/docs/latest/develop/use/keyspace-notifications/>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    pub class: u8,
    pub name: &'static str,
}

impl Event {
    pub const fn string(name: &'static str) -> Event {
        Event { class: b'$', name }
    }
    pub const fn generic(name: &'static str) -> Event {
        Event { class: b'g', name }
    }
    pub const fn hash(name: &'static str) -> Event {
        Event { class: b'h', name }
    }
    pub const fn set(name: &'static str) -> Event {
        Event { class: b's', name }
    }
    pub const fn list(name: &'static str) -> Event {
        Event { class: b'l', name }
    }
    pub const fn stream(name: &'static str) -> Event {
        Event { class: b't', name }
    }
    /// Of a change that no keyspace event announces. It has no class, so nobody is subscribed to
    /// it.
    pub const SILENT: Event = Event { class: 0, name: "" };
    pub const DEL: Event = Event::generic("del");
    pub const EXPIRE: Event = Event::generic("expire");
    pub const PERSIST: Event = Event::generic("persist");
    pub const EXPIRED: Event = Event { class: b'x', name: "expired" };
    pub const EVICTED: Event = Event { class: b'e', name: "evicted" };
}

/// How a change is repeated elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The request does it: it is journaled as the client sent it.
    Request,
    /// The key is gone, whatever removed it.
    Removed,
    /// These words do it: the request itself would not repeat (relative expiry, random choice,
    /// floats).
    Words(Vec<Box<[u8]>>),
    /// Nothing more: an earlier change of the same command already carries it.
    Carried,
}

impl Effect {
    /// Gives `key` an absolute expiry, or takes it away.
    pub(super) fn expiry(key: &[u8], expiry: Option<Millis>) -> Effect {
        let words: Vec<Box<[u8]>> = match expiry {
            Some(at) => {
                let mut digits = itoa::Buffer::new();
                let at = digits.format(at).as_bytes();
                vec![(*b"PEXPIREAT").into(), key.into(), at.into()]
            }
            None => vec![(*b"PERSIST").into(), key.into()],
        };
        Effect::Words(words)
    }
}

/// One modification of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub database: u16,
    pub key: Box<[u8]>,
    /// The shard's clock when it happened.
    pub time: Millis,
    pub event: Event,
    pub effect: Effect,
}

/// Where changes go. Building a [`Change`] costs allocations, so nobody does while nobody listens.
#[derive(Debug, Default)]
pub struct Changes {
    listening: bool,
    pending: Vec<Change>,
    /// Changes since the start, as Redis counts them in what it calls dirty: elements where a
    /// command adds or removes some, keys otherwise.
    count: u64,
}

impl Changes {
    /// Starts or stops collecting.
    pub fn listen(&mut self, listening: bool) {
        self.listening = listening;
    }

    /// True if changes are collected.
    #[inline]
    pub fn listening(&self) -> bool {
        self.listening
    }

    /// Number of changes since the start, collected or not.
    #[inline]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Takes what was collected, oldest first.
    pub fn take(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.pending)
    }

    /// Counts changes that nobody listens to one by one.
    pub(super) fn add(&mut self, count: u64) {
        self.count += count;
    }

    /// Counts a change, as `count` of them, and builds it only if somebody listens.
    #[inline]
    pub(super) fn report(&mut self, count: usize, change: impl FnOnce() -> Change) {
        self.count += count as u64;
        if self.listening {
            self.pending.push(change());
        }
    }

    /// Adds a record that is no change of its own: a further event of the last one.
    #[inline]
    pub(super) fn announce(&mut self, change: impl FnOnce() -> Change) {
        if self.listening {
            self.pending.push(change());
        }
    }

    /// Makes `words` the effect of the last change, if somebody listens.
    #[inline]
    pub(super) fn repeat_as(&mut self, words: &[&[u8]]) {
        if self.listening
            && let Some(last) = self.pending.last_mut()
        {
            last.effect = Effect::Words(words.iter().map(|word| Box::from(*word)).collect());
        }
    }
}
