//! Idempotent production: which messages of which producer were added already, so that one sent
//! twice is added once (<https://redis.io/docs/latest/develop/data-types/streams/idempotency/>).
//!
//! Each producer's last messages are remembered, a limited number for a limited time. What is past
//! its time is forgotten when its producer comes again; one other producer is looked at each time,
//! so that those who never come again are forgotten too.
//!
//! Invariant: `order` and `ids` of a producer hold the same messages.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use super::id::Id;
use crate::base::time::Millis;

/// How long and how much a stream remembers: `stream-idmp-duration` and `stream-idmp-maxsize` until
/// XCFGSET says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Seconds that a message is remembered after its time.
    pub seconds: u64,
    /// Messages of one producer.
    pub messages: usize,
}

impl Default for Retention {
    /// The defaults of the parameters.
    fn default() -> Retention {
        Retention { seconds: 100, messages: 100 }
    }
}

/// One producer's messages.
#[derive(Clone, Debug, Default)]
struct Producer {
    /// Message names, the oldest first.
    order: VecDeque<Arc<[u8]>>,
    ids: HashMap<Arc<[u8]>, Id, ahash::RandomState>,
}

impl Producer {
    fn forget_oldest(&mut self) {
        if let Some(name) = self.order.pop_front() {
            self.ids.remove(&name);
        }
    }

    fn forget_until(&mut self, horizon: u64) {
        while self.order.front().is_some_and(|name| self.ids[name].ms <= horizon) {
            self.forget_oldest();
        }
    }

    fn live(&self, horizon: u64) -> usize {
        self.ids.values().filter(|id| id.ms > horizon).count()
    }
}

/// What a stream remembers of its producers.
#[derive(Clone, Debug, Default)]
pub struct Idempotence {
    retention: Retention,
    producers: BTreeMap<Box<[u8]>, Producer>,
    /// The producer after which the next look at another one begins.
    swept: Box<[u8]>,
    /// Messages ever remembered.
    pub added: u64,
    /// Messages that were known already.
    pub duplicates: u64,
}

impl Idempotence {
    /// Nothing yet.
    pub fn new(retention: Retention) -> Idempotence {
        Idempotence { retention, ..Idempotence::default() }
    }

    /// How long and how much is remembered.
    pub fn retention(&self) -> Retention {
        self.retention
    }

    /// Changes how long and how much is remembered; a change forgets everything. Says whether there
    /// was one.
    pub fn set_retention(&mut self, retention: Retention) -> bool {
        let changes = retention != self.retention;
        if changes {
            self.producers.clear();
            self.retention = retention;
        }
        changes
    }

    /// The entry that a producer's message became.
    pub fn find(&self, producer: &[u8], message: &[u8], now: Millis) -> Option<Id> {
        let id = *self.producers.get(producer)?.ids.get(message)?;
        (id.ms > self.horizon(now)).then_some(id)
    }

    /// Remembers that a producer's message became entry `id`.
    pub fn remember(&mut self, producer: &[u8], message: &[u8], id: Id, now: Millis) {
        let (horizon, most) = (self.horizon(now), self.retention.messages);
        self.sweep_another(horizon);
        if !self.producers.contains_key(producer) {
            self.producers.insert(producer.into(), Producer::default());
        }
        let known = self.producers.get_mut(producer).expect("it was just inserted");
        known.forget_until(horizon);
        let name: Arc<[u8]> = message.into();
        if known.ids.insert(Arc::clone(&name), id).is_none() {
            known.order.push_back(name);
        }
        while known.order.len() > most {
            known.forget_oldest();
        }
        self.added += 1;
    }

    /// How many producers are remembered, and how many messages of all of them.
    pub fn tracked(&self, now: Millis) -> (usize, usize) {
        let horizon = self.horizon(now);
        let live = self.producers.values().map(|producer| producer.live(horizon));
        live.filter(|live| *live > 0).fold((0, 0), |sum, live| (sum.0 + 1, sum.1 + live))
    }

    /// Messages of this time or older are forgotten.
    fn horizon(&self, now: Millis) -> u64 {
        (now as u64).saturating_sub(self.retention.seconds * 1000)
    }

    fn sweep_another(&mut self, horizon: u64) {
        let after = (Bound::Excluded(&*self.swept), Bound::Unbounded);
        let next = self.producers.range_mut::<[u8], _>(after).next();
        let Some((name, producer)) = next else {
            self.swept = Box::default();
            return;
        };
        producer.forget_until(horizon);
        let (name, is_empty) = (name.clone(), producer.order.is_empty());
        if is_empty {
            self.producers.remove(&name);
        }
        self.swept = name;
    }

    /// Bytes on the heap, estimated.
    pub(super) fn memory(&self) -> usize {
        let message = 2 * size_of::<Arc<[u8]>>() + size_of::<Id>() + 32;
        let messages: usize = self.producers.values().map(|producer| producer.order.len()).sum();
        messages * message + self.producers.len() * size_of::<Producer>()
    }

    /// Drops one producer; false when there is none.
    pub(super) fn free_some(&mut self) -> bool {
        self.producers.pop_first().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_forgotten_by_number_and_time() {
        let mut known = Idempotence::default();
        assert!(known.set_retention(Retention { seconds: 10, messages: 2 }));
        assert!(!known.set_retention(Retention { seconds: 10, messages: 2 }));
        for message in 1..=3u64 {
            known.remember(b"p", &[message as u8], Id::new(1000 * message, 0), 3000);
        }
        assert_eq!(known.find(b"p", &[1], 3000), None, "too many");
        assert_eq!(known.find(b"p", &[3], 3000), Some(Id::new(3000, 0)));
        assert_eq!((known.find(b"q", &[3], 3000), known.tracked(3000)), (None, (1, 2)));
        assert_eq!(known.find(b"p", &[2], 12_000), None, "too old");
        assert_eq!(known.tracked(12_000), (1, 1));
        known.remember(b"q", b"x", Id::new(20_000, 0), 20_000);
        known.remember(b"q", b"y", Id::new(20_000, 1), 20_000);
        assert_eq!(known.producers.len(), 1, "those who stay away are forgotten");
    }
}
