//! Who may use which keys of this shard, and in what order: claims in a queue ordered by id.
//!
//! A transaction claims keys (or the whole shard) under an id; a single command that meets a
//! granted claim queues behind it. An entry is granted when no earlier conflicting entry is left.
//! Two claims conflict if they meet and one of them is exclusive. The scheme is conservative
//! two-phase locking (Bernstein, Hadzilacos, Goodman, "Concurrency Control and Recovery in Database
//! Systems", 1987, chapter 3) with Lamport's clocks ("Time, Clocks, and the Ordering of Events in a
//! Distributed System", 1978) as order; `docs/transactions.md` has the argument.
//!
//! Invariant: a granted entry stays granted until it is released, because whoever could come before
//! it is refused. One waits only for smaller ids, so there is no deadlock. An empty queue means
//! that nothing is held, and that is all an ordinary command looks at.
//!
//! Deliberately absent: what waits. Entries carry a task that this module never looks into. Absent
//! too is a cap: a client has at most one entry on each shard, so `maxclients` bounds the queue.

use std::collections::hash_map::Entry as Place;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Bound::{Excluded, Unbounded};

use super::message::CoreId;
use crate::base::probe::{Mutation, mutated};

/// Names a transaction and gives it its place in every queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId {
    /// The Lamport clock of the core that gave out the id.
    pub clock: u64,
    pub core: CoreId,
}

/// Who else may hold the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Whoever holds it shared.
    Shared,
    /// The joint transactions that go on to the same core. They come back in the order of their
    /// instants, which is all the order they need among themselves.
    Convoy(CoreId),
    /// Nobody.
    Exclusive,
}

impl Mode {
    /// Exclusive for whatever writes.
    pub fn of(writes: bool) -> Mode {
        if writes { Mode::Exclusive } else { Mode::Shared }
    }

    fn conflicts(self, other: Mode) -> bool {
        let is_mixed = mutated(Mutation::ConvoysMixed);
        match (self, other) {
            (Mode::Convoy(_), Mode::Convoy(_)) if is_mixed => false,
            (Mode::Exclusive, _) => true,
            _ => self != other,
        }
    }
}

/// What is claimed of one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Hashes of keys, each once, in ascending order. A key is claimed in all databases at once.
    Keys(Vec<(u64, Mode)>),
    /// Every key there is or could be.
    Shard(Mode),
}

impl Claim {
    /// A claim on keys, given by their hashes; the stronger mode counts where one comes twice.
    pub fn keys(mut keys: Vec<(u64, Mode)>) -> Claim {
        keys.sort_unstable_by_key(|(key, mode)| (*key, std::cmp::Reverse(*mode)));
        keys.dedup_by_key(|(key, _)| *key);
        Claim::Keys(keys)
    }

    /// The same claim by a joint transaction that goes on to the core `to`.
    pub fn in_convoy(mut self, to: CoreId) -> Claim {
        if let Claim::Keys(keys) = &mut self {
            let exclusive = keys.iter_mut().filter(|(_, mode)| *mode == Mode::Exclusive);
            exclusive.for_each(|(_, mode)| *mode = Mode::Convoy(to));
        }
        self
    }

    /// The strongest mode in it.
    fn mode(&self) -> Mode {
        match self {
            Claim::Keys(keys) => Mode::of(keys.iter().any(|(_, mode)| *mode != Mode::Shared)),
            Claim::Shard(mode) => *mode,
        }
    }

    /// True if one of the two is the whole shard and they conflict.
    fn conflicts_as_shard(&self, other: &Claim) -> bool {
        let whole = match (self, other) {
            (Claim::Keys(_), Claim::Keys(_)) => false,
            (Claim::Shard(_), Claim::Shard(_)) => true,
            _ => !mutated(Mutation::WholeShardIgnored),
        };
        whole && self.mode().conflicts(other.mode())
    }
}

/// The outcome of [`Locks::schedule`].
#[derive(Debug, PartialEq, Eq)]
pub enum Scheduled<T> {
    /// The claim is held; here is the task back, to be begun.
    Granted(T),
    /// The task comes out of [`Locks::next_granted`] when the claim is held.
    Waiting,
    /// A conflicting entry with a larger id stands in the queue, whose clock is at most this one.
    Refused(u64, T),
}

struct Entry<T> {
    claim: Claim,
    /// What still stands before it: keys on which it is not yet at the front, and earlier
    /// conflicting entries where one of the two claims the whole shard.
    missing: usize,
    /// `None` once granted.
    task: Option<T>,
}

#[derive(Debug, Clone, Copy)]
struct Claimant {
    id: TransactionId,
    mode: Mode,
    /// True if no conflicting claimant of this key stands before it.
    free: bool,
}

/// Granted claims by mode.
#[derive(Debug, Default)]
struct Granted {
    shared: u32,
    exclusive: u32,
}

impl Granted {
    fn count(&mut self, mode: Mode) -> &mut u32 {
        match mode {
            Mode::Shared => &mut self.shared,
            Mode::Convoy(_) | Mode::Exclusive => &mut self.exclusive,
        }
    }

    fn conflicts(&self, mode: Mode) -> bool {
        self.exclusive > 0 || (mode == Mode::Exclusive && self.shared > 0)
    }
}

/// The claims on one key, in the order of ids. Most keys have one claimant, so the first stands in
/// line and costs no allocation.
struct Queue {
    first: Claimant,
    rest: Vec<Claimant>,
    granted: Granted,
}

impl Queue {
    /// With its first claimant, which is free.
    fn new(id: TransactionId, mode: Mode) -> Queue {
        let first = Claimant { id, mode, free: true };
        Queue { first, rest: Vec::new(), granted: Granted::default() }
    }

    fn at(&mut self, index: usize) -> &mut Claimant {
        if index == 0 { &mut self.first } else { &mut self.rest[index - 1] }
    }

    /// How many claimants come before `id`.
    fn place(&self, id: TransactionId) -> usize {
        if self.first.id >= id {
            return 0;
        }
        1 + self.rest.partition_point(|claimant| claimant.id < id)
    }

    fn is_free(&mut self, index: usize, mode: Mode) -> bool {
        match index.checked_sub(1).map(|before| *self.at(before)) {
            None => true,
            // Those that do not conflict are all of one mode.
            Some(before) => before.free && !before.mode.conflicts(mode),
        }
    }

    fn has_later(&self, id: TransactionId, mode: Mode) -> bool {
        let later = std::iter::once(&self.first).chain(&self.rest);
        later.into_iter().any(|claimant| claimant.id > id && claimant.mode.conflicts(mode))
    }

    /// Returns whether it is free.
    fn enter(&mut self, id: TransactionId, mode: Mode) -> bool {
        let index = self.place(id);
        let free = self.is_free(index, mode);
        let claimant = Claimant { id, mode, free };
        if index == 0 {
            let second = std::mem::replace(&mut self.first, claimant);
            self.rest.insert(0, second);
        } else {
            self.rest.insert(index - 1, claimant);
        }
        free
    }

    /// Calls `freed` for each claimant that is free now and was not. True if nobody is left.
    fn leave(&mut self, id: TransactionId, mut freed: impl FnMut(TransactionId)) -> bool {
        let mut index = self.place(id);
        if index > 0 {
            self.rest.remove(index - 1);
        } else if self.rest.is_empty() {
            return true;
        } else {
            self.first = self.rest.remove(0);
        }
        while index <= self.rest.len() {
            let claimant = *self.at(index);
            if claimant.free || !self.is_free(index, claimant.mode) {
                break;
            }
            self.at(index).free = true;
            freed(claimant.id);
            index += 1;
        }
        false
    }
}

/// Hashes what is a hash already, and seeded: only the bits that tables look at are spread.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0.rotate_left(8) ^ u64::from(*byte)));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The claims on one shard.
pub struct Locks<T> {
    core: CoreId,
    clock: u64,
    queue: BTreeMap<TransactionId, Entry<T>>,
    keys: HashMap<u64, Queue, BuildHasherDefault<Spread>>,
    /// The entries that claim the whole shard.
    whole: BTreeMap<TransactionId, Mode>,
    whole_granted: Granted,
    /// Entries that claim something exclusively.
    exclusive: usize,
    granted: VecDeque<(TransactionId, T)>,
}

impl<T> Locks<T> {
    /// Nothing is claimed. `core` goes into the ids.
    pub fn new(core: CoreId) -> Locks<T> {
        Locks {
            core,
            clock: 0,
            queue: BTreeMap::new(),
            keys: HashMap::default(),
            whole: BTreeMap::new(),
            whole_granted: Granted::default(),
            exclusive: 0,
            granted: VecDeque::new(),
        }
    }

    /// True if nothing is claimed: any command may run.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Entries in the queue, granted or waiting.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// True if the queue is empty.
    pub fn is_empty(&self) -> bool {
        self.is_idle()
    }

    /// A fresh id, larger than every id this core has seen.
    pub fn next_id(&mut self) -> TransactionId {
        self.clock += 1;
        TransactionId { clock: self.clock, core: self.core }
    }

    /// Moves the clock on by `steps`.
    pub fn advance(&mut self, steps: u64) {
        self.clock += steps;
    }

    /// Takes note of another core's clock.
    pub fn observe(&mut self, clock: u64) {
        self.clock = self.clock.max(clock);
    }

    /// Enters a claim into the queue. `id` must not be in it.
    pub fn schedule(&mut self, id: TransactionId, claim: Claim, task: T) -> Scheduled<T> {
        self.observe(id.clock);
        if self.is_late(id, &claim) && !mutated(Mutation::NoRefusal) {
            return Scheduled::Refused(self.clock, task);
        }
        let mut missing = self.enter(id, &claim);
        if mutated(Mutation::GrantOvertakes) && !self.is_claim_held(&claim) {
            missing = 0;
        }
        self.exclusive += usize::from(claim.mode() == Mode::Exclusive);
        if missing > 0 {
            self.queue.insert(id, Entry { claim, missing, task: Some(task) });
            return Scheduled::Waiting;
        }
        self.count_granted(&claim);
        self.queue.insert(id, Entry { claim, missing, task: None });
        Scheduled::Granted(task)
    }

    /// True if nobody claims any of these keys, in whatever mode, and nobody the whole shard: then
    /// a claim of `id` that is granted and dropped at once need not be entered.
    pub fn is_unclaimed(&mut self, id: TransactionId, claim: &Claim) -> bool {
        self.observe(id.clock);
        match claim {
            Claim::Keys(keys) => {
                self.whole.is_empty() && keys.iter().all(|(key, _)| !self.keys.contains_key(key))
            }
            Claim::Shard(_) => self.is_idle(),
        }
    }

    /// Queues a single command, which [`Locks::is_held`] keeps from running, under an id of this
    /// core.
    pub fn park(&mut self, claim: Claim, task: T) {
        let id = self.next_id();
        if let Scheduled::Granted(task) = self.schedule(id, claim, task) {
            self.granted.push_back((id, task));
        }
    }

    /// True if a granted claim keeps a single command from using this key.
    pub fn is_held(&self, key: u64, mode: Mode) -> bool {
        if mutated(Mutation::SingleIgnoresClaims) {
            return false;
        }
        self.whole_granted.conflicts(mode)
            || self.keys.get(&key).is_some_and(|queue| queue.granted.conflicts(mode))
    }

    /// True if a granted claim on whatever keys keeps a command that uses all of them from running.
    pub fn is_any_held(&self, mode: Mode) -> bool {
        let mut granted = self.queue.values().filter(|entry| entry.task.is_none());
        granted.any(|entry| entry.claim.mode().conflicts(mode))
    }

    /// True if this entry is in the queue and granted.
    pub fn is_granted(&self, id: TransactionId) -> bool {
        self.queue.get(&id).is_some_and(|entry| entry.task.is_none())
    }

    /// True if this entry is granted and nobody else's claim on the key is.
    pub fn is_held_by(&self, id: TransactionId, key: u64) -> bool {
        let Some(Entry { claim, task: None, .. }) = self.queue.get(&id) else { return false };
        match claim {
            Claim::Keys(keys) => {
                let place = keys.binary_search_by_key(&key, |(key, _)| *key);
                let granted = self.keys.get(&key).map(|queue| &queue.granted);
                place.is_ok_and(|place| keys[place].1 != Mode::Shared)
                    && granted.is_some_and(|granted| granted.exclusive == 1)
            }
            Claim::Shard(mode) => *mode == Mode::Exclusive,
        }
    }

    /// Takes an entry out of the queue; without effect if it is not there. Whom that sets free
    /// comes out of [`Locks::next_granted`], to be begun before anything else is scheduled or
    /// released. Returns the task if the entry was still waiting.
    pub fn release(&mut self, id: TransactionId) -> Option<T> {
        let mut entry = self.queue.remove(&id)?;
        self.exclusive -= usize::from(entry.claim.mode() == Mode::Exclusive);
        let mut freed = self.leave(id, &entry.claim, entry.task.is_none());
        freed.sort_unstable();
        for id in freed {
            self.step(id);
        }
        entry.task.take()
    }

    /// The next entry that was waiting and is granted now, with its task to be begun.
    pub fn next_granted(&mut self) -> Option<(TransactionId, T)> {
        self.granted.pop_front()
    }

    /// True if a conflicting entry with a larger id is in the queue.
    fn is_late(&self, id: TransactionId, claim: &Claim) -> bool {
        if self.queue.last_key_value().is_none_or(|(last, _)| *last < id) {
            return false;
        }
        let later = (Excluded(id), Unbounded);
        match claim {
            Claim::Keys(keys) => {
                let queue = |key| self.keys.get(key);
                keys.iter().any(|(key, mode)| queue(key).is_some_and(|q| q.has_later(id, *mode)))
                    || self
                        .whole
                        .range(later)
                        .any(|(_, m)| claim.conflicts_as_shard(&Claim::Shard(*m)))
            }
            Claim::Shard(_) => {
                self.queue.range(later).any(|(_, entry)| claim.conflicts_as_shard(&entry.claim))
            }
        }
    }

    /// Puts the claim where others will see it; returns how much stands before it.
    fn enter(&mut self, id: TransactionId, claim: &Claim) -> usize {
        match claim {
            Claim::Keys(keys) => {
                let whole = self.whole.range(..id);
                let before = whole.filter(|(_, m)| claim.conflicts_as_shard(&Claim::Shard(**m)));
                let before = before.count();
                let mut enter = |key, mode| match self.keys.entry(key) {
                    Place::Occupied(mut queue) => queue.get_mut().enter(id, mode),
                    Place::Vacant(place) => {
                        place.insert(Queue::new(id, mode));
                        true
                    }
                };
                before + keys.iter().filter(|(key, mode)| !enter(*key, *mode)).count()
            }
            Claim::Shard(mode) => {
                self.whole.insert(id, *mode);
                if *mode == Mode::Shared && self.exclusive == 0 {
                    return 0;
                }
                let before = self.queue.range(..id);
                before.filter(|(_, entry)| claim.conflicts_as_shard(&entry.claim)).count()
            }
        }
    }

    /// The reverse of [`Locks::enter`], and of being granted if the claim was; names those who have
    /// one thing less before them.
    fn leave(&mut self, id: TransactionId, claim: &Claim, was_granted: bool) -> Vec<TransactionId> {
        let later = (Excluded(id), Unbounded);
        let mut freed = Vec::new();
        match claim {
            Claim::Keys(keys) => {
                for (key, mode) in keys {
                    let Place::Occupied(mut place) = self.keys.entry(*key) else { continue };
                    *place.get_mut().granted.count(*mode) -= u32::from(was_granted);
                    if place.get_mut().leave(id, |id| freed.push(id)) {
                        place.remove();
                    }
                }
                let whole = self.whole.range(later);
                let whole = whole.filter(|(_, m)| claim.conflicts_as_shard(&Claim::Shard(**m)));
                freed.extend(whole.map(|(id, _)| *id));
            }
            Claim::Shard(mode) => {
                self.whole.remove(&id);
                *self.whole_granted.count(*mode) -= u32::from(was_granted);
                if *mode == Mode::Exclusive || self.exclusive > 0 {
                    let later = self.queue.range(later);
                    let met = later.filter(|(_, entry)| claim.conflicts_as_shard(&entry.claim));
                    freed.extend(met.map(|(id, _)| *id));
                }
            }
        }
        freed
    }

    /// One thing less stands before `id`.
    fn step(&mut self, id: TransactionId) {
        let Some(entry) = self.queue.get_mut(&id) else { return };
        entry.missing = entry.missing.saturating_sub(1);
        if entry.missing > 0 {
            return;
        }
        let Some(task) = entry.task.take() else { return };
        let claim = std::mem::replace(&mut entry.claim, Claim::Keys(Vec::new()));
        self.count_granted(&claim);
        if let Some(entry) = self.queue.get_mut(&id) {
            entry.claim = claim;
        }
        self.granted.push_back((id, task));
    }

    fn count_granted(&mut self, claim: &Claim) {
        match claim {
            Claim::Keys(keys) => {
                for (key, mode) in keys {
                    if let Some(queue) = self.keys.get_mut(key) {
                        *queue.granted.count(*mode) += 1;
                    }
                }
            }
            Claim::Shard(mode) => *self.whole_granted.count(*mode) += 1,
        }
    }

    fn is_claim_held(&self, claim: &Claim) -> bool {
        match claim {
            Claim::Keys(keys) => keys.iter().any(|(key, mode)| self.is_held(*key, *mode)),
            Claim::Shard(_) => {
                let mut granted = self.queue.values().filter(|entry| entry.task.is_none());
                granted.any(|entry| claim.conflicts_as_shard(&entry.claim))
            }
        }
    }
}

#[cfg(test)]
mod tests;
