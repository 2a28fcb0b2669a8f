//! Consumer groups: which entries were delivered to whom and are not yet acknowledged.
//!
//! A group holds its pending entries by id, and each consumer the ids of its own. Reading with
//! CLAIM asks for the entries that wait longest, so there is a third index by age; groups that are
//! never read so do not pay for it, because it is built when it is first asked for.
//!
//! Ordered maps of the standard library hold all three: ids mostly arrive in order and leave in
//! any, ranges are read from any id, and nothing is ever rebuilt as a whole.
//!
//! # Invariant
//!
//! A pending entry names its owner, and the owner's set holds the id; no other set does. An entry
//! that was given back has no owner. The index by age, once built, holds each pending entry once.
//!
//! Absent: the entries themselves. A pending id may have been deleted from the stream.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::OnceLock;

use super::{above, id::Id};
use crate::base::time::Millis;

/// Deliveries of an entry that shall never be delivered again; counting stops there.
pub const DELIVERIES_MAX: u64 = i64::MAX as u64;

/// A consumer's place in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerId(u32);

/// The place of no consumer.
const NOBODY: u32 = u32::MAX;

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// When it was delivered; below zero for an entry that was given back, in the order of giving.
    age: Millis,
    /// How often it was delivered, at most [`DELIVERIES_MAX`].
    pub deliveries: u64,
    owner: u32,
}

impl Pending {
    /// When it was last delivered, in milliseconds since the Unix epoch; 0 if it was given back.
    pub fn delivered_at(&self) -> Millis {
        self.age.max(0)
    }

    /// Whom it was delivered to; none if it was given back.
    pub fn owner(&self) -> Option<ConsumerId> {
        (self.owner != NOBODY).then_some(ConsumerId(self.owner))
    }

    /// True if its owner has had it for less than `min_idle` milliseconds.
    pub fn is_too_young(&self, now: Millis, min_idle: Millis) -> bool {
        min_idle != 0 && self.owner != NOBODY && now - self.age < min_idle
    }

    fn count_delivery(&mut self) {
        self.deliveries = (self.deliveries + 1).min(DELIVERIES_MAX);
    }
}

/// What happens to the delivery count when an entry changes hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deliveries {
    Same,
    OneMore,
    Exactly(u64),
}

/// A member of a group.
#[derive(Debug)]
pub struct Consumer {
    pub name: Box<[u8]>,
    /// When it last asked for entries.
    pub seen_at: Millis,
    /// When it last was given one; none if never.
    pub active_at: Option<Millis>,
    pending: BTreeSet<Id>,
}

impl Consumer {
    fn without_pending(&self) -> Consumer {
        Consumer { name: self.name.clone(), pending: BTreeSet::new(), ..*self }
    }

    /// How many entries are pending for it.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }
}

/// A place in the order in which pending entries may be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place((Millis, Id));

impl Place {
    /// Before all others.
    pub const FIRST: Place = Place((Millis::MIN, Id::MIN));
}

/// The order in which pending entries may be claimed, as far as it is known; see
/// [`Group::learn_ages`].
#[derive(Debug, Default)]
pub struct Ages {
    known: BTreeSet<(Millis, Id)>,
    next: Id,
}

impl Ages {
    /// Drops up to `budget` entries. True when what is left can be dropped at once.
    pub fn free_some(&mut self, budget: usize) -> bool {
        (0..budget).all(|_| self.known.pop_first().is_some());
        self.known.is_empty()
    }
}

/// A consumer group.
#[derive(Debug)]
pub struct Group {
    /// Entries after this one are still to be delivered.
    pub last_id: Id,
    /// How many entries of the stream's whole life lie up to `last_id`, where that is known.
    pub entries_read: Option<u64>,
    pending: BTreeMap<Id, Pending>,
    by_age: OnceLock<BTreeSet<(Millis, Id)>>,
    /// Entries that were given back and not delivered since.
    given_back: usize,
    /// The age of the next entry that is given back.
    next_given_back: Millis,
    /// Consumers in their places; a removed one leaves a hole.
    places: Vec<Option<Consumer>>,
    /// Places in the order of names.
    order: Vec<u32>,
}

impl Group {
    /// A group without consumers.
    pub fn new(last_id: Id, entries_read: Option<u64>) -> Group {
        Group {
            last_id,
            entries_read,
            pending: BTreeMap::new(),
            by_age: OnceLock::new(),
            given_back: 0,
            next_given_back: Millis::MIN,
            places: Vec::new(),
            order: Vec::new(),
        }
    }

    /// How many entries are pending.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// How many pending entries were given back and not delivered since.
    pub fn given_back_len(&self) -> usize {
        self.given_back
    }

    /// The pending entry `id`.
    pub fn pending(&self, id: Id) -> Option<&Pending> {
        self.pending.get(&id)
    }

    /// Pending entries from `start` on, in order.
    pub fn pending_from(&self, start: Id) -> impl DoubleEndedIterator<Item = (Id, &Pending)> {
        self.pending.range(start..).map(|(id, pending)| (*id, pending))
    }

    /// Pending entries of one consumer from `start` on, in order.
    pub fn pending_of(
        &self,
        consumer: ConsumerId,
        start: Id,
    ) -> impl Iterator<Item = (Id, &Pending)> {
        let own = self.consumer(consumer).pending.range(start..);
        own.map(|id| (*id, &self.pending[id]))
    }

    /// Pending entries in the order in which they may be claimed: those given back, then the others
    /// by the time of their delivery.
    pub fn pending_by_age(&self) -> impl Iterator<Item = (Id, &Pending)> {
        self.pending_by_age_from(Place::FIRST).map(|(_, id, pending)| (id, pending))
    }

    /// True if [`Group::pending_by_age`] answers at once, or has at most `budget` entries to look
    /// at before that.
    pub fn knows_ages(&self, budget: usize) -> bool {
        self.by_age.get().is_some() || self.pending.len() <= budget
    }

    /// Prepares [`Group::pending_by_age`] by up to `budget` entries; true when that is done. In
    /// between the group must not change.
    pub fn learn_ages(&self, part: &mut Ages, budget: usize) -> bool {
        let mut pending = self.pending.range(part.next..);
        for (id, pending) in pending.by_ref().take(budget) {
            part.known.insert((pending.age, *id));
        }
        match pending.next() {
            Some((id, _)) => part.next = *id,
            None => drop(self.by_age.set(std::mem::take(&mut part.known))),
        }
        self.by_age.get().is_some()
    }

    /// Pending entries as [`Group::pending_by_age`] has them, from the place `start` on.
    pub fn pending_by_age_from(&self, start: Place) -> impl Iterator<Item = (Place, Id, &Pending)> {
        let by_age = self
            .by_age
            .get_or_init(|| self.pending.iter().map(|(id, pending)| (pending.age, *id)).collect());
        by_age.range(start.0..).map(|place| (Place(*place), place.1, &self.pending[&place.1]))
    }

    /// How many consumers there are.
    pub fn consumers_len(&self) -> usize {
        self.order.len()
    }

    /// All consumers in the order of their names.
    pub fn consumers(&self) -> impl Iterator<Item = (ConsumerId, &Consumer)> {
        self.order.iter().map(|place| (ConsumerId(*place), self.consumer(ConsumerId(*place))))
    }

    /// The consumer at a place of this group.
    pub fn consumer(&self, id: ConsumerId) -> &Consumer {
        self.places[id.0 as usize].as_ref().expect("a consumer's id is that of a consumer")
    }

    /// [`Group::consumer`], to be changed.
    pub fn consumer_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        self.places[id.0 as usize].as_mut().expect("a consumer's id is that of a consumer")
    }

    /// Where `name` stands in the order, or would.
    fn rank(&self, name: &[u8]) -> Result<usize, usize> {
        self.order.binary_search_by(|place| (*self.consumer(ConsumerId(*place)).name).cmp(name))
    }

    /// The consumer called `name`.
    pub fn find_consumer(&self, name: &[u8]) -> Option<ConsumerId> {
        self.rank(name).ok().map(|rank| ConsumerId(self.order[rank]))
    }

    /// Adds a consumer; none if there is one of that name.
    pub fn add_consumer(&mut self, name: &[u8], now: Millis) -> Option<ConsumerId> {
        let rank = self.rank(name).err()?;
        let consumer =
            Consumer { name: name.into(), seen_at: now, active_at: None, pending: BTreeSet::new() };
        let place = match self.places.iter().position(Option::is_none) {
            Some(hole) if self.order.len() < self.places.len() => hole,
            _ => {
                self.places.push(None);
                self.places.len() - 1
            }
        };
        self.places[place] = Some(consumer);
        self.order.insert(rank, place as u32);
        Some(ConsumerId(place as u32))
    }

    /// Removes a consumer with its pending entries; returns how many those were.
    pub fn remove_consumer(&mut self, id: ConsumerId) -> usize {
        let rank = self.rank(&self.consumer(id).name).expect("a consumer is in the order");
        self.order.remove(rank);
        let consumer = self.places[id.0 as usize].take().expect("it was found");
        for id in &consumer.pending {
            let pending = self.pending.remove(id).expect("an owner's entry is pending");
            self.forget_age(*id, pending.age);
        }
        consumer.pending.len()
    }

    /// Takes note that a new entry goes to `to`, now for the first time. An entry that is already
    /// pending, because the group was set back, changes hands and begins to count anew.
    pub fn deliver(&mut self, id: Id, to: ConsumerId, now: Millis) {
        self.hand_over(id, to, now, Deliveries::Exactly(1));
    }

    /// Gives entry `id` to `to`, as of `at`. An entry that is not pending becomes so, with one
    /// delivery counted before.
    pub fn hand_over(&mut self, id: Id, to: ConsumerId, at: Millis, deliveries: Deliveries) {
        let fresh = Pending { age: at, deliveries: 1, owner: NOBODY };
        let before = self.pending.get(&id).copied();
        let mut pending = Pending { age: at, owner: to.0, ..before.unwrap_or(fresh) };
        match deliveries {
            Deliveries::Same => {}
            Deliveries::OneMore => pending.count_delivery(),
            Deliveries::Exactly(count) => pending.deliveries = count,
        }
        self.replace(id, before, pending);
    }

    /// Counts one more delivery of a pending entry to its owner.
    pub fn deliver_again(&mut self, id: Id, now: Millis) {
        let Some(before) = self.pending.get(&id).copied() else { return };
        let mut pending = Pending { age: now, ..before };
        pending.count_delivery();
        self.replace(id, Some(before), pending);
    }

    /// Takes a pending entry from its owner, so that anybody may claim it at once; an entry that is
    /// not pending becomes so.
    pub fn give_back(&mut self, id: Id, deliveries: u64) {
        let pending = Pending { age: self.next_given_back, deliveries, owner: NOBODY };
        self.next_given_back += 1;
        self.replace(id, self.pending.get(&id).copied(), pending);
    }

    /// Forgets a pending entry; false if it was none.
    pub fn acknowledge(&mut self, id: Id) -> bool {
        let Some(pending) = self.pending.remove(&id) else { return false };
        if let Some(owner) = pending.owner() {
            self.consumer_mut(owner).pending.remove(&id);
        }
        self.forget_age(id, pending.age);
        true
    }

    fn replace(&mut self, id: Id, before: Option<Pending>, pending: Pending) {
        if let Some(before) = before {
            self.forget_age(id, before.age);
        }
        let owner = before.and_then(|before| before.owner());
        if owner != pending.owner() {
            if let Some(owner) = owner {
                self.consumer_mut(owner).pending.remove(&id);
            }
            if let Some(owner) = pending.owner() {
                self.consumer_mut(owner).pending.insert(id);
            }
        }
        self.given_back += usize::from(pending.age < 0);
        if let Some(by_age) = self.by_age.get_mut() {
            by_age.insert((pending.age, id));
        }
        self.pending.insert(id, pending);
    }

    fn forget_age(&mut self, id: Id, age: Millis) {
        self.given_back -= usize::from(age < 0);
        if let Some(by_age) = self.by_age.get_mut() {
            by_age.remove(&(age, id));
        }
    }

    /// A group at the same place without consumers and pending entries.
    pub(super) fn without_content(&self) -> Group {
        let Group { given_back, next_given_back, .. } = *self;
        Group { given_back, next_given_back, ..Group::new(self.last_id, self.entries_read) }
    }

    /// Goes on with the copy of consumers and pending entries to a group that began without, by up
    /// to about `left` of them, which are taken off; false if others remain.
    pub(super) fn copy_some(&self, into: &mut Group, left: &mut usize) -> bool {
        let copied = into.pending.last_key_value().map(|(id, _)| *id);
        for (id, pending) in self.pending.range((above(copied), Bound::Unbounded)).take(*left) {
            into.pending.insert(*id, *pending);
            *left -= 1;
        }
        if into.pending.len() < self.pending.len() {
            return false;
        }
        // The last consumer is perhaps not copied to the end.
        let mut place = into.places.len().saturating_sub(1);
        while place < self.places.len() && *left > 0 {
            if place == into.places.len() {
                into.places.push(self.places[place].as_ref().map(Consumer::without_pending));
                *left -= 1;
            }
            if let (Some(from), Some(into)) = (&self.places[place], &mut into.places[place]) {
                let copied = into.pending.last().copied();
                let rest = from.pending.range((above(copied), Bound::Unbounded)).take(*left);
                let before = into.pending.len();
                into.pending.extend(rest);
                *left -= into.pending.len() - before;
                if into.pending.len() < from.pending.len() {
                    return false;
                }
            }
            place += 1;
        }
        if place < self.places.len() {
            return false;
        }
        into.order = self.order.clone();
        true
    }

    /// Drops up to `budget` pending entries and says how many are dropped; what remains is only fit
    /// to be dropped.
    pub(super) fn free_some(&mut self, budget: usize) -> usize {
        self.by_age.take();
        let mut freed = 0;
        while freed < budget && self.pending.pop_first().is_some() {
            freed += 1;
        }
        while freed < budget {
            let Some(consumer) = self.places.last_mut() else { break };
            let Some(consumer) = consumer.as_mut() else {
                self.places.pop();
                continue;
            };
            if consumer.pending.pop_first().is_none() {
                self.places.pop();
            }
            freed += 1;
        }
        freed
    }

    /// Bytes on the heap, estimated from the number of elements.
    pub(super) fn memory(&self) -> usize {
        let pending = map_memory::<Id, Pending>(self.pending.len());
        let by_age = self.by_age.get().map_or(0, BTreeSet::len);
        let consumers = self.places.iter().flatten();
        let consumers = consumers.map(|c| c.name.len() + map_memory::<Id, ()>(c.pending.len()));
        pending
            + map_memory::<(Millis, Id), ()>(by_age)
            + consumers.sum::<usize>()
            + self.places.capacity() * size_of::<Option<Consumer>>()
            + self.order.capacity() * size_of::<u32>()
    }
}

/// Bytes that an ordered map of the standard library takes for `len` records: nodes have room for
/// eleven, are two thirds full on average, and each has about eighteen bytes of its own.
pub(super) fn map_memory<K, V>(len: usize) -> usize {
    const NODE_RECORDS: usize = 11;
    const NODE_HEADER: usize = 18;
    let nodes = if len == 0 { 0 } else { len.div_ceil(NODE_RECORDS * 2 / 3) };
    nodes * (NODE_RECORDS * (size_of::<K>() + size_of::<V>()) + NODE_HEADER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(pending: impl Iterator<Item = (Id, impl Sized)>) -> Vec<u64> {
        pending.map(|(id, _)| id.seq).collect()
    }

    #[test]
    fn an_entry_has_one_owner() {
        let mut group = Group::new(Id::MIN, None);
        let a = group.add_consumer(b"a", 1).unwrap();
        let b = group.add_consumer(b"b", 1).unwrap();
        assert_eq!(group.add_consumer(b"a", 1), None);
        (1..=4).for_each(|seq| group.deliver(Id::new(0, seq), a, 10));
        group.hand_over(Id::new(0, 2), b, 20, Deliveries::OneMore);
        group.hand_over(Id::new(0, 9), b, 5, Deliveries::Same);
        assert_eq!(ids(group.pending_of(a, Id::MIN)), [1, 3, 4]);
        assert_eq!(ids(group.pending_of(b, Id::MIN)), [2, 9]);
        assert_eq!(group.pending(Id::new(0, 2)).unwrap().deliveries, 2);
        assert_eq!(group.pending(Id::new(0, 9)).unwrap().deliveries, 1);
        assert_eq!(ids(group.pending_by_age()), [9, 1, 3, 4, 2]);
        assert!(group.acknowledge(Id::new(0, 3)) && !group.acknowledge(Id::new(0, 3)));
        assert_eq!(group.remove_consumer(a), 2);
        assert_eq!(ids(group.pending_from(Id::MIN)), [2, 9]);
        assert_eq!(ids(group.pending_by_age()), [9, 2]);
        assert_eq!(group.add_consumer(b"aa", 1), Some(a), "a hole is filled");
        let names: Vec<_> = group.consumers().map(|(_, c)| c.name.clone()).collect();
        assert_eq!(names, [Box::from(*b"aa"), Box::from(&b"b"[..])]);
    }

    #[test]
    fn what_was_given_back_comes_first_and_in_turn() {
        let mut group = Group::new(Id::MIN, None);
        let a = group.add_consumer(b"a", 1).unwrap();
        (1..=4).for_each(|seq| group.deliver(Id::new(0, seq), a, 10));
        group.give_back(Id::new(0, 3), 1);
        group.give_back(Id::new(0, 1), 0);
        assert_eq!(ids(group.pending_by_age()), [3, 1, 2, 4]);
        let pending = *group.pending(Id::new(0, 3)).unwrap();
        assert_eq!((pending.owner(), pending.delivered_at()), (None, 0));
        assert!(!pending.is_too_young(11, 1000));
        assert_eq!((group.given_back_len(), group.consumer(a).pending_len()), (2, 2));
        group.hand_over(Id::new(0, 3), a, 11, Deliveries::OneMore);
        assert_eq!(ids(group.pending_by_age()), [1, 2, 4, 3]);
        assert_eq!(group.given_back_len(), 1);
    }

    #[test]
    fn it_is_freed_in_slices() {
        let mut group = Group::new(Id::MIN, None);
        let a = group.add_consumer(b"a", 1).unwrap();
        (1..=10).for_each(|seq| group.deliver(Id::new(0, seq), a, 10));
        assert!(group.memory() > 10 * size_of::<(Id, Pending)>());
        let slices = std::iter::from_fn(|| Some(group.free_some(4)).filter(|freed| *freed > 0));
        assert_eq!(slices.sum::<usize>(), 21);
    }
}
