//! One shard's keyspace: the only door to keys.
//!
//! Invariant: a key past its expiry is invisible through every door, though it may still occupy
//! memory. A write goes through a [`Write`] guard, which settles each consequence (counters, the
//! expiry hint, the change record) exactly once. Nothing here knows commands, clients or files; the
//! clock is set from outside once per turn.

#[cfg(test)]
pub(super) mod tests;

use std::cell::RefCell;
use std::ops::Range;

use super::bulky::Bulky;
use super::carried::Carried;
use super::change::{Change, Changes, Effect, Event};
use super::counters::{Counters, bump};
use super::entry::{Entry, EntryRef, Value, ValueRef};
use super::graveyard::Graveyard;
use super::object::{Object, ObjectMut};
use super::tuning::Tuning;
use super::waiters::Waiters;
use crate::base::hash::SLOTS;
use crate::base::prng::Prng;
use crate::base::probe::{Mutation, mutated};
use crate::base::time::Millis;
use crate::ds::table::{Position, Table};
use crate::resp::args::Key;

/// How many leading bits of a key's hash are its slot.
const SLOT_BITS: u32 = SLOTS.trailing_zeros();

/// A numbered database of this shard.
#[derive(Default)]
pub(super) struct Database {
    pub(super) table: Table<Entry>,
    /// Entries that have an expiry.
    pub(super) volatile: usize,
    /// Where the active expiry left off: an index into the table's segments.
    pub(super) sweep_at: usize,
    /// True if segments merged during this pass of active expiry, so that it may have missed some.
    pub(super) sweep_again: bool,
    /// Collections with something in them that expires.
    pub(super) timed: usize,
}

/// What happens to the expiry when a value is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// It stays as it is; a new key has none.
    Keep,
    /// The key lives until it is removed.
    Never,
    /// Milliseconds since the Unix epoch.
    At(Millis),
}

/// The keyspace of one shard, with a selected database.
pub struct Db {
    pub(super) databases: Box<[Database]>,
    selected: usize,
    /// This shard's number, and how many there are.
    shard: u16,
    shards: u16,
    /// Cluster slots whose keys live here.
    owned: Range<u16>,
    /// Hashes of keys that the command at hand is not to see.
    hidden: Vec<u64>,
    /// Hashes of the keys of commands that are in the middle of their work; nothing is removed
    /// there behind their backs.
    pub(super) pinned: Vec<u64>,
    now: Millis,
    pub(super) prng: RefCell<Prng>,
    /// Keys seen expired by a reader, to be removed by [`Db::settle`].
    stale: RefCell<Vec<(usize, Box<[u8]>)>>,
    /// Hashes in which a reader met overdue fields, to be cleared by [`Db::settle`].
    pub(super) overdue: RefCell<Vec<(usize, Box<[u8]>)>>,
    /// False while the client asked that its accesses leave no trace (CLIENT NO-TOUCH).
    touching: bool,
    pub counters: Counters,
    pub changes: Changes,
    /// Who waits for changes.
    pub waiters: Waiters,
    pub tuning: Tuning,
    /// What was taken out and is large, freed in slices.
    pub(super) graveyard: Graveyard,
}

impl Db {
    /// An empty keyspace of `databases` databases for shard `shard` of `shards`, which owns the
    /// slots `owned`.
    pub fn new(
        databases: usize,
        shard: u16,
        shards: u16,
        owned: Range<u16>,
        seed: u64,
        tuning: Tuning,
    ) -> Db {
        Db {
            databases: (0..databases).map(|_| Database::default()).collect(),
            selected: 0,
            shard,
            shards,
            owned,
            hidden: Vec::new(),
            pinned: Vec::new(),
            now: 0,
            prng: RefCell::new(Prng::new(seed)),
            stale: RefCell::default(),
            overdue: RefCell::default(),
            touching: true,
            counters: Counters::default(),
            changes: Changes::default(),
            waiters: Waiters::default(),
            tuning,
            graveyard: Graveyard::default(),
        }
    }

    /// Milliseconds since the Unix epoch, as of this turn.
    #[inline]
    pub fn now(&self) -> Millis {
        self.now
    }

    /// Sets the clock; called once per turn and by tests.
    pub fn set_now(&mut self, now: Millis) {
        self.now = now;
    }

    /// Chooses the database that the following calls mean. `index` must be below
    /// [`Db::database_count`].
    #[inline]
    pub fn select(&mut self, index: usize) {
        debug_assert!(index < self.databases.len());
        self.selected = index;
    }

    /// The selected database's number.
    pub fn selected(&self) -> usize {
        self.selected
    }

    /// `databases`.
    pub fn database_count(&self) -> usize {
        self.databases.len()
    }

    /// Says whether reads mark their keys as accessed.
    pub fn set_touching(&mut self, touching: bool) {
        self.touching = touching;
    }

    /// Hides the keys with these hashes from [`Db::owns`], and no others.
    pub fn hide(&mut self, hashes: Vec<u64>) {
        self.hidden = hashes;
    }

    /// True if `key` belongs to this shard, and is not hidden.
    pub fn owns(&self, key: Key<'_>) -> bool {
        self.owned.contains(&key.slot()) && !self.hidden.contains(&key.hash)
    }

    /// This shard's number.
    pub fn shard(&self) -> u16 {
        self.shard
    }

    /// Number of shards.
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// A number below `bound`, which must not be 0.
    pub fn random_below(&self, bound: u64) -> u64 {
        self.prng.borrow_mut().below(bound)
    }

    /// A generator of random numbers for one command.
    pub fn draw(&self) -> Prng {
        self.prng.borrow_mut().fork()
    }

    /// The slots this shard owns.
    pub fn owned(&self) -> Range<u16> {
        self.owned.clone()
    }

    /// Number of keys in the selected database, expired ones that are not yet removed included.
    pub fn len(&self) -> usize {
        self.databases[self.selected].table.len()
    }

    /// True if the selected database holds no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keys with an expiry in the selected database.
    pub fn volatile(&self) -> usize {
        self.databases[self.selected].volatile
    }

    /// Hashes of the selected database with fields that expire.
    pub fn timed(&self) -> usize {
        self.databases[self.selected].timed
    }

    /// Brings the bucket of a key into the cache; the first half of a batch's look-ahead.
    #[inline]
    pub fn prefetch_bucket(&self, database: usize, hash: u64) {
        self.databases[database].table.prefetch_bucket(hash);
    }

    /// Brings the entry of a key into the cache; the second half, a few commands later.
    #[inline]
    pub fn prefetch_entry(&self, database: usize, hash: u64) {
        self.databases[database].table.prefetch_record(hash);
    }

    /// The value at `key`: counts a hit or a miss and marks the key as accessed.
    #[inline]
    pub fn read(&self, key: Key<'_>) -> Option<ValueRef<'_>> {
        self.read_entry(key).map(EntryRef::value)
    }

    /// The entry at `key`: counts a hit or a miss and marks the key as accessed.
    #[inline]
    pub fn read_entry(&self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let entry = self.probe(key)?;
        if self.touching {
            self.touch(entry);
        }
        Some(entry)
    }

    /// The entry at `key`: counts a hit or a miss and marks the key as accessed, also for a client
    /// that asked for no traces. For TOUCH.
    pub fn read_and_touch(&self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let entry = self.probe(key)?;
        self.touch(entry);
        Some(entry)
    }

    /// The entry at `key`: counts a hit or a miss, but is no access. For EXISTS, TTL, TYPE, OBJECT.
    #[inline]
    pub fn probe(&self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let entry = self.live(self.selected, key);
        bump(if entry.is_some() { &self.counters.hits } else { &self.counters.misses });
        entry
    }

    /// The entry at `key` without any trace of the look: for writing commands and for DEBUG.
    #[inline]
    pub fn peek(&self, key: Key<'_>) -> Option<EntryRef<'_>> {
        self.live(self.selected, key)
    }

    /// [`Db::peek`] in another database, whose number must be below [`Db::database_count`].
    pub fn peek_in(&self, database: usize, key: Key<'_>) -> Option<EntryRef<'_>> {
        self.live(database, key)
    }

    /// Calls `act` with database `index` selected, which must be below [`Db::database_count`].
    pub fn in_database<T>(&mut self, index: usize, act: impl FnOnce(&mut Db) -> T) -> T {
        let selected = self.selected;
        self.select(index);
        let result = act(self);
        self.selected = selected;
        result
    }

    #[inline]
    fn find(&self, database: usize, key: Key<'_>) -> Option<Position> {
        self.databases[database].table.find(key.hash, |entry| entry.key() == key.bytes)
    }

    #[inline]
    fn live(&self, database: usize, key: Key<'_>) -> Option<EntryRef<'_>> {
        let entry = self.databases[database].table.get(self.find(database, key)?);
        let is_over = entry.expiry().is_some_and(|at| at <= self.now);
        if is_over && !mutated(Mutation::ExpiredServed) {
            self.stale.borrow_mut().push((database, key.bytes.into()));
            return None;
        }
        Some(entry)
    }

    #[inline]
    fn touch(&self, entry: EntryRef<'_>) {
        let access = if self.tuning.frequency {
            super::evict::touched_frequency(self, entry.access())
        } else {
            super::evict::lru_clock(self.now)
        };
        entry.set_access(access);
    }

    /// Removes what readers found expired. Called after each command.
    #[inline]
    pub fn settle(&mut self) {
        if !self.stale.get_mut().is_empty() {
            self.remove_stale();
        }
        if !self.overdue.get_mut().is_empty() {
            self.remove_overdue();
        }
    }

    #[cold]
    fn remove_stale(&mut self) {
        for (database, name) in std::mem::take(self.stale.get_mut()) {
            let key = Key::new(&name);
            if !self.is_pinned(key.hash) {
                self.in_database(database, |db| {
                    db.write(key);
                });
            }
        }
    }

    /// Opens `key` for writing, after removing it if it has expired.
    #[inline]
    pub fn write<'d, 'k>(&'d mut self, key: Key<'k>) -> Write<'d, 'k> {
        let at = self.find(self.selected, key);
        let mut guard = Write { db: self, key, at };
        if guard.expiry().is_some_and(|at| at <= guard.db.now) {
            bump(&guard.db.counters.expired);
            guard.remove(Event::EXPIRED);
        }
        guard
    }

    /// Calls `visit` with every live key of the selected database in one scan step that is
    /// `wanted`; returns the next cursor, 0 at the end. What is wanted and has expired is removed
    /// after the command. Guarantee: a key that exists during the whole scan is met at least once.
    pub fn scan(
        &self,
        cursor: u64,
        mut wanted: impl FnMut(EntryRef<'_>) -> bool,
        mut visit: impl FnMut(EntryRef<'_>),
    ) -> u64 {
        let now = self.now;
        self.databases[self.selected].table.scan(cursor, |entry| {
            if !wanted(entry) {
                return;
            }
            if entry.expiry().is_none_or(|at| at > now) {
                visit(entry);
            } else {
                self.stale.borrow_mut().push((self.selected, entry.key().into()));
            }
        })
    }

    /// Calls `visit` with every live key of the selected database.
    pub fn for_each(&self, mut visit: impl FnMut(EntryRef<'_>)) {
        let live = |entry: &EntryRef<'_>| entry.expiry().is_none_or(|at| at > self.now);
        self.databases[self.selected].table.iter().filter(live).for_each(&mut visit);
    }

    /// Calls `visit` with some of the live keys of the selected database whose hashes are between
    /// `first` and `last`, and returns the hash with which the rest begins; `None` when there is
    /// none. A key that is there from the first step to the last is visited once.
    pub fn walk(&self, first: u64, last: u64, mut visit: impl FnMut(EntryRef<'_>)) -> Option<u64> {
        let (now, is_whole) = (self.now, last == u64::MAX);
        let next = self.databases[self.selected].table.walk_from(first, |entry| {
            let is_meant = is_whole || Key::new(entry.key()).hash <= last;
            if is_meant && entry.expiry().is_none_or(|at| at > now) {
                visit(entry);
            }
        });
        next.filter(|next| *next <= last)
    }

    /// Calls `visit` with every live key of one cluster slot of the selected database.
    pub fn for_each_in_slot(&self, slot: u16, mut visit: impl FnMut(EntryRef<'_>)) {
        let now = self.now;
        let table = &self.databases[self.selected].table;
        table.for_prefix(slot.into(), SLOT_BITS, |entry| {
            if entry.expiry().is_none_or(|at| at > now) {
                visit(entry);
            }
        });
    }

    /// A live key drawn at random from the selected database, every key being equally likely.
    pub fn random(&self) -> Option<EntryRef<'_>> {
        let table = &self.databases[self.selected].table;
        let mut prng = self.prng.borrow_mut();
        // A database of expired keys only must not loop for ever: after many draws any key will do.
        for _ in 0..100 {
            let entry = table.get(table.random(&mut || prng.next())?);
            if entry.expiry().is_none_or(|at| at > self.now) {
                return Some(entry);
            }
        }
        table.iter().find(|entry| entry.expiry().is_none_or(|at| at > self.now))
    }

    /// Empties one database. Its memory is given back in slices by [`Db::free_some`].
    pub fn flush(&mut self, index: usize) {
        let database = &mut self.databases[index];
        let keys = database.table.len();
        if keys == 0 {
            return;
        }
        self.graveyard.bury_table(database.table.take(), keys);
        (database.volatile, database.timed) = (0, 0);
        (database.sweep_at, database.sweep_again) = (0, false);
        self.changed_whole(index, keys, "flush");
    }

    /// Frees in slices what was no part of the keyspace.
    pub fn bury(&mut self, bulk: Box<dyn Bulky>) {
        self.graveyard.bury_bulk(bulk);
    }

    /// Frees up to about `budget` entries of flushed databases, or elements of large collections;
    /// false when nothing is left to free.
    pub fn free_some(&mut self, budget: usize) -> bool {
        let freed = self.graveyard.free_some(budget);
        let counter = &self.counters.lazy_freed;
        counter.set(counter.get() + freed.unwrap_or(0) as u64);
        freed.is_some()
    }

    /// Keys that are gone and whose values still occupy memory.
    pub fn lazy_free_pending(&self) -> usize {
        self.graveyard.pending()
    }

    /// Exchanges two databases, which changes nothing if they are one.
    pub fn swap(&mut self, a: usize, b: usize) {
        if a != b {
            self.databases.swap(a, b);
            self.waiters.note_all(b as u16);
            self.changed_whole(a, 1, "swapdb");
        }
    }

    /// Reports a change of a whole database, which has no key.
    fn changed_whole(&mut self, database: usize, count: usize, name: &'static str) {
        self.waiters.note_all(database as u16);
        let (database, time) = (database as u16, self.now);
        let (event, effect) = (Event::generic(name), Effect::Request);
        let change = || Change { database, key: Box::default(), time, event, effect };
        self.changes.report(count, change);
    }

    /// Bytes and shape of the selected database's table: (slots, bytes of buckets and directory).
    pub fn table_shape(&self) -> (usize, usize) {
        let table = &self.databases[self.selected].table;
        (table.slots(), table.memory())
    }
}

/// Exclusive access to one key of the selected database, whether it exists or not.
pub struct Write<'d, 'k> {
    db: &'d mut Db,
    key: Key<'k>,
    at: Option<Position>,
}

impl<'k> Write<'_, 'k> {
    /// The key's name.
    pub(super) fn key(&self) -> &'k [u8] {
        self.key.bytes
    }

    /// True if the key exists.
    #[inline]
    pub fn exists(&self) -> bool {
        self.at.is_some()
    }

    /// The clock of this turn.
    pub fn now(&self) -> Millis {
        self.db.now
    }

    /// The limits in force.
    pub fn tuning(&self) -> Tuning {
        self.db.tuning
    }

    #[inline]
    fn entry(&self) -> Option<EntryRef<'_>> {
        self.at.map(|at| self.db.databases[self.db.selected].table.get(at))
    }

    /// The value, if the key exists.
    #[inline]
    pub fn value(&self) -> Option<ValueRef<'_>> {
        self.entry().map(EntryRef::value)
    }

    /// When the key expires, in milliseconds since the Unix epoch.
    #[inline]
    pub fn expiry(&self) -> Option<Millis> {
        self.entry().and_then(EntryRef::expiry)
    }

    /// Counts a hit or a miss and marks the key as accessed, as a reading command does.
    pub fn count_access(&self) {
        bump(if self.exists() { &self.db.counters.hits } else { &self.db.counters.misses });
        self.mark_accessed();
    }

    /// Marks the key as accessed, as a writing command does, and returns its value, if it exists.
    #[inline]
    pub fn mark_accessed(&self) -> Option<ValueRef<'_>> {
        let entry = self.entry()?;
        if self.db.touching {
            self.db.touch(entry);
        }
        Some(entry.value())
    }

    /// Keeps a string as one that was changed in place, though its content stays: what a command
    /// does that would have written and found nothing to change. No change is reported.
    pub fn make_modified(&mut self) {
        if let Some(at) = self.at {
            let database = &mut self.db.databases[self.db.selected];
            database.table.update(at, |entry| entry.write_at(0, &[]));
        }
    }

    /// Sets the value, whatever the key held, to a string that counts as changed in place: OBJECT
    /// ENCODING calls it `raw` whatever its length.
    pub fn set_modified(&mut self, value: Value<'_>, expiry: Expiry, event: Event) {
        let at = self.place(value, expiry);
        self.db.databases[self.db.selected].table.update(at, Entry::mark_modified);
        self.changed(event, || Effect::Request);
    }

    /// Sets the value, whatever the key held.
    #[inline]
    pub fn set(&mut self, value: Value<'_>, expiry: Expiry, event: Event) {
        self.place(value, expiry);
        self.changed(event, || Effect::Request);
    }

    /// Puts a collection in place of whatever the key holds; an empty one removes the key, and is
    /// no change where there is none.
    pub fn put_object(&mut self, object: Object, expiry: Expiry, event: Event) {
        if object.view().is_empty() {
            self.remove(Event::DEL);
        } else {
            self.set(Value::Object(object), expiry, event);
        }
    }

    /// Sets everything but the key from an entry that was elsewhere.
    pub fn put(&mut self, carried: Carried, event: Event) {
        let expiry = carried.expiry.map_or(Expiry::Never, Expiry::At);
        let at = self.place(carried.value, expiry);
        let table = &mut self.db.databases[self.db.selected].table;
        if let Some(access) = carried.access {
            table.get(at).set_access(access);
        }
        if carried.is_modified {
            table.update(at, Entry::mark_modified);
        }
        self.changed(event, || Effect::Request);
    }

    #[inline]
    fn place(&mut self, value: Value<'_>, expiry: Expiry) -> Position {
        let due = match &value {
            Value::Object(object) => object.view().next_due(),
            _ => None,
        };
        let at = match self.at {
            Some(at) => {
                self.overwrite(at, value, expiry);
                at
            }
            None => self.insert(value, expiry),
        };
        if let Some(due) = due {
            self.count_timed(false, true);
            self.lower_due(due);
        }
        at
    }

    /// Notes whether the key's collection had something in it that expires, and whether it has.
    pub(super) fn count_timed(&mut self, had: bool, has: bool) {
        let timed = &mut self.db.databases[self.db.selected].timed;
        *timed = *timed + usize::from(has) - usize::from(had);
    }

    /// Says that something inside the key's collection expires after `due`.
    pub(super) fn lower_due(&mut self, due: Millis) {
        let at = self.at.expect("only an existing key has something in it");
        let database = &mut self.db.databases[self.db.selected];
        database.table.lower_due(at, due.max(0) as u64);
    }

    fn overwrite(&mut self, at: Position, value: Value<'_>, expiry: Expiry) {
        self.bury_object(at);
        let database = &mut self.db.databases[self.db.selected];
        database.table.update(at, |entry| entry.set_value(value));
        match expiry {
            Expiry::Keep => {}
            Expiry::Never => self.put_expiry(at, None),
            Expiry::At(time) => self.put_expiry(at, Some(time)),
        }
        let entry = self.db.databases[self.db.selected].table.get(at);
        self.db.touch(entry);
    }

    /// Takes out a collection that is about to be overwritten: it may be too large to be dropped at
    /// once.
    #[inline]
    fn bury_object(&mut self, at: Position) {
        let database = &mut self.db.databases[self.db.selected];
        if let ValueRef::Object(_) = database.table.get(at).value()
            && let Some(object) = database.table.update(at, Entry::take_object)
        {
            database.timed -= usize::from(object.view().next_due().is_some());
            self.db.graveyard.bury(object);
        }
    }

    pub(super) fn insert(&mut self, value: Value<'_>, expiry: Expiry) -> Position {
        let expiry = match expiry {
            Expiry::At(time) => Some(time),
            Expiry::Keep | Expiry::Never => None,
        };
        let entry = Entry::new(self.key.bytes, value, expiry);
        entry.view().set_access(super::evict::initial_access(self.db));
        let database = &mut self.db.databases[self.db.selected];
        let at = database.table.insert(self.key.hash, entry);
        if let Some(time) = expiry {
            database.volatile += 1;
            database.table.lower_due(at, time.max(0) as u64);
        }
        self.at = Some(at);
        at
    }

    fn put_expiry(&mut self, at: Position, expiry: Option<Millis>) {
        let database = &mut self.db.databases[self.db.selected];
        match (database.table.get(at).expiry().is_some(), expiry.is_some()) {
            (false, false) => return,
            (false, true) => database.volatile += 1,
            (true, false) => database.volatile -= 1,
            (true, true) => {}
        }
        database.table.update(at, |entry| entry.set_expiry(expiry));
        if let Some(time) = expiry {
            database.table.lower_due(at, time.max(0) as u64);
        }
    }

    /// Changes when the key expires; it must exist.
    pub fn set_expiry(&mut self, expiry: Option<Millis>, event: Event) {
        let at = self.at.expect("only an existing key has an expiry");
        self.put_expiry(at, expiry);
        let key = self.key.bytes;
        self.changed(event, || Effect::expiry(key, expiry));
    }

    /// Changes a string in place; a missing key begins as an empty one. What exists must be a
    /// string.
    pub fn edit(&mut self, event: Event, change: impl FnOnce(&mut Entry)) {
        if self.at.is_none() {
            self.insert(Value::Raw(b""), Expiry::Never);
        }
        let at = self.at.expect("it exists or was inserted");
        self.db.databases[self.db.selected].table.update(at, change);
        self.changed(event, || Effect::Request);
    }

    /// Removes the key, if it exists; says whether it did.
    pub fn remove(&mut self, event: Event) -> bool {
        let is_removed = self.discard();
        if is_removed {
            self.changed(event, || Effect::Removed);
        }
        is_removed
    }

    /// Removes the key, if it exists, and reports nothing; says whether it did.
    pub(super) fn discard(&mut self) -> bool {
        let entry = self.take_entry();
        let is_removed = entry.is_some();
        if let Some(entry) = entry {
            self.db.graveyard.bury_entry(entry);
        }
        is_removed
    }

    /// Removes the key, if it exists, and returns all that it held.
    pub fn take(&mut self, event: Event) -> Option<Carried> {
        let entry = self.take_entry()?;
        // Where all of it arrives, that counts.
        self.changed_elements(event, 0, || Effect::Removed);
        Some(Carried::moved(entry))
    }

    fn take_entry(&mut self) -> Option<Entry> {
        let at = self.at.take()?;
        let database = &mut self.db.databases[self.db.selected];
        let entry = database.table.remove(at, self.key.hash);
        database.volatile -= usize::from(entry.view().expiry().is_some());
        database.timed -= usize::from(entry.view().part_due().is_some());
        Some(entry)
    }

    /// True if changes are collected.
    pub(super) fn listening(&self) -> bool {
        self.db.changes.listening()
    }

    /// Counts fields that expired.
    pub(super) fn count_expired_fields(&self, count: usize) {
        let counter = &self.db.counters.expired_fields;
        counter.set(counter.get() + count as u64);
    }

    /// The collection, if the key holds one.
    #[inline]
    pub(super) fn object_mut(&mut self) -> Option<ObjectMut<'_>> {
        self.db.databases[self.db.selected].table.get_mut(self.at?).object()
    }

    /// True if somebody listens to changes.
    pub(super) fn is_heard(&self) -> bool {
        self.db.changes.listening()
    }

    /// Frees in slices what was taken out of a collection.
    pub(super) fn bury(&mut self, part: Object) {
        self.db.graveyard.bury(part);
    }

    /// Says which words repeat the change just made, where the request itself would not. They are
    /// copied only if somebody listens.
    #[inline]
    pub fn repeat_as(&mut self, words: &[&[u8]]) {
        self.db.changes.repeat_as(words);
    }

    /// Reports a further event of the change just made: SET with an expiry is `set` and `expire`.
    #[inline]
    pub fn announce(&mut self, event: Event) {
        let (database, key, time) = (self.db.selected as u16, self.key.bytes, self.db.now);
        let effect = Effect::Carried;
        self.db.changes.announce(|| Change { database, key: key.into(), time, event, effect });
    }

    #[inline]
    pub(super) fn changed(&mut self, event: Event, effect: impl FnOnce() -> Effect) {
        self.changed_elements(event, 1, effect);
    }

    /// Reports a change that counts as `count`.
    #[inline]
    pub(super) fn changed_elements(
        &mut self,
        event: Event,
        count: usize,
        effect: impl FnOnce() -> Effect,
    ) {
        let (database, key, time) = (self.db.selected as u16, self.key.bytes, self.db.now);
        if !self.db.waiters.is_empty() {
            self.db.waiters.note(database, self.key);
        }
        let key = || key.into();
        let change = || Change { database, key: key(), time, event, effect: effect() };
        self.db.changes.report(count, change);
    }
}
