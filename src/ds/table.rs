//! The segmented bucket table: one shard's dictionary, from 64-bit hashes to owned records.
//!
//! # Problem
//!
//! A dictionary of ten million keys must grow without a pause and without holding two copies of
//! itself, be enumerated by clients that keep nothing but a number between calls, list the keys of
//! one cluster slot cheaply, and cost one cache miss before the record itself is touched.
//!
//! # Shape
//!
//! ```text
//!             hash  | slot (14 bits) |      ...      | home (14) | fingerprint (8) |
//!                   '------ up to 42 bits: directory ------'
//!
//! directory                segments (4096 bytes)
//! +-----+             +----------+----------+-- .. --+-----------+----------+
//! | 000 |--------+--->| bucket 0 | bucket 1 |        | bucket 58 | header   |  depth 2
//! | 001 |--------'    +----------+----------+-- .. --+-----------+----------+
//! | 010 |------------>| bucket 0 | bucket 1 |        | bucket 58 | header   |  depth 3
//! | 011 | empty       +----------+----------+-- .. --+-----------+----------+
//! | ... |
//! | 1.. |--> nested directory, where one range holds much more than its neighbours
//! +-----+
//! ```
//!
//! Bucket, 64 bytes: nine fingerprints, one overflow counter, nine 6-byte pointers (`bucket.rs`).
//! Segment, 4096 bytes: 59 buckets, 59 versions, header (`segment.rs`). The leading bits of the
//! hash choose the segment (`directory.rs`); low bits, which no depth ever reaches, choose the home
//! bucket and the fingerprint. A full home bucket passes its record on to the next one and counts
//! that, so a search ends at the first bucket that nothing has passed over.
//!
//! # Growing and shrinking
//!
//! A segment with more than [`SPLIT_LIVE`] records is split on the first bit in which its hashes
//! differ: at most one segment's records move, and they are prefetched before they are hashed.
//! Two buddies, ranges that differ in the last bit of their prefix, are joined when they hold at
//! most [`MERGE_LIVE`] records together. Between the two limits lies enough room that no sequence
//! of operations makes a segment split and merge in turns. Records that agree in all 42 bits of the
//! directory cannot be split; their segment continues in a chain of further segments.
//!
//! # Scanning
//!
//! A cursor is (home bucket, prefix): 6 bits and 42. One step visits the records whose *home* is
//! that bucket in the segment that covers the prefix, wherever in the segment they live, and moves
//! the prefix behind the segment's range; after the last range the next home bucket begins.
//! Claim: a record present from the first step to the last is visited. While home bucket b is
//! walked, all such records with home b and a hash below the cursor's prefix have been visited:
//! true when the walk of b begins at prefix zero, and kept by each step, because the segment
//! covers a range that contains the prefix and the step visits all of the range with home b. The
//! claim names hashes only, and splits, merges and displacement change neither a record's hash nor
//! its home, so what happens between steps cannot break it. A merge may widen the range to the
//! left of the prefix: that repeats records, which the guarantee allows.
//!
//! # Departures from the literature
//!
//! - Fagin et al., "Extendible hashing" (1979): the directory nests instead of doubling for skewed
//!   ranges, empty ranges have no page, and directories shrink.
//! - Lu et al., "Dash" (VLDB 2020): leading bits, segments and fingerprints are theirs.
//!   Displacement is plain probing inside the segment in place of balanced insert, stash buckets
//!   and displacement chains, so that one rule serves find and scan.
//! - F14 (Facebook, 2019): the overflow counter is theirs; it saturates and then sticks until the
//!   segment is split.
//!
//! Why not linear hashing: it splits in a fixed order, not where the load is, so its worst chains
//! are long; and its trailing-bit order does not keep the keys of a slot together. Why not one flat
//! open-addressing table: it doubles in one pause and holds both copies meanwhile.
//!
//! Absent: keys, values, expiry rules, eviction policy and hashing. The table knows a record by the
//! [`Record`] trait only.

pub(in crate::ds) mod bucket;
mod directory;
pub(in crate::ds) mod prefetch;
mod reshape;
pub(in crate::ds) mod segment;
pub(in crate::ds) mod walk;

#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use self::bucket::{Bucket, WORD_BITS};
use self::directory::{Directory, Target};
use self::prefetch::prefetch;
use self::segment::{SLOTS, Segment, fingerprint_of, home_of, next_bucket};

pub use self::walk::{Remains, Sweep};

/// A segment that holds so many records is split before it takes another: 95 % of its slots. From
/// one to two million records the table took at most 17.5, 16.8, 16.2 and 15.9 bytes a record when
/// split at 88, 92, 95 and 97 %, and 12.4, 11.7, 11.4 and 11.2 on average: little is left to gain.
const SPLIT_LIVE: usize = SLOTS * 95 / 100;

/// Buddies that hold at most so many records together are merged: 40 % of one's slots.
const MERGE_LIVE: usize = SLOTS * 40 / 100;

const _: () = assert!(MERGE_LIVE * 2 < SPLIT_LIVE, "a merged segment must not be about to split");

/// An owning pointer that fits 48 bits, as the table stores it.
pub trait Record: Sized {
    /// A shared borrow of the record, usually a pointer with a lifetime.
    type Ref<'a>: Copy
    where
        Self: 'a;

    /// Gives up ownership for a word that is not zero and below 2^48.
    fn into_word(self) -> u64;

    /// Takes ownership back.
    ///
    /// # Safety
    /// `word` came from [`Record::into_word`], and nothing else uses it as an owner any more.
    unsafe fn from_word(word: u64) -> Self;

    /// Borrows the record behind a word.
    ///
    /// # Safety
    /// `word` came from [`Record::into_word`]; its record is neither dropped nor changed through
    /// an exclusive reference during `'a`.
    unsafe fn borrow<'a>(word: u64) -> Self::Ref<'a>
    where
        Self: 'a;

    /// The hash under which the record was inserted, recomputed when records move.
    fn hash(record: Self::Ref<'_>) -> u64;
}

/// A record that can be changed where it lies.
pub trait RecordMut: Record {
    /// An exclusive borrow of the record, which can change what does not move it.
    type Mut<'a>
    where
        Self: 'a;

    /// Borrows the record behind a word exclusively.
    ///
    /// # Safety
    /// `word` came from [`Record::into_word`]; nothing else uses its record during `'a`.
    unsafe fn borrow_mut<'a>(word: u64) -> Self::Mut<'a>
    where
        Self: 'a;
}

/// Where a record lies. Valid until the next `insert`, `remove`, `sweep_segment` or `take` of its
/// table; a later use panics, at the latest when the place is gone.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    segment: NonNull<Segment>,
    bucket: u8,
    slot: u8,
    stamp: u64,
}

/// A dictionary of records by 64-bit hash. See the module's essay.
pub struct Table<R: Record> {
    root: Directory,
    /// All segments, in no order; each knows its index.
    segments: Vec<NonNull<Segment>>,
    len: usize,
    /// Changes whenever a segment may have gone, so that stale positions are recognised.
    stamp: u64,
    merges_held: bool,
    birth_version: u32,
    records: PhantomData<R>,
}

// SAFETY: the table owns its segments, directories and records, and shares nothing; it may go to
// another thread wherever its records may.
unsafe impl<R: Record + Send> Send for Table<R> {}
// SAFETY: nothing in a shared table changes but what its records change themselves.
unsafe impl<R: Record + Sync> Sync for Table<R> {}

impl<R: Record> Default for Table<R> {
    fn default() -> Table<R> {
        Table::new()
    }
}

impl<R: Record> Table<R> {
    /// An empty table; it allocates one page with the first record.
    pub fn new() -> Table<R> {
        Table {
            root: Directory::new(0),
            segments: Vec::new(),
            len: 0,
            stamp: next_stamp(0),
            merges_held: false,
            birth_version: 0,
            records: PhantomData,
        }
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of records that the present segments have slots for.
    pub fn slots(&self) -> usize {
        self.segments.len() * SLOTS
    }

    /// Heap bytes of the table itself, without its records.
    pub fn memory(&self) -> usize {
        self.segments.len() * size_of::<Segment>()
            + self.segments.capacity() * size_of::<NonNull<Segment>>()
            + self.root.bytes()
    }

    /// The record with this hash that `is_match` accepts.
    #[inline]
    pub fn find<'t>(
        &'t self,
        hash: u64,
        mut is_match: impl FnMut(R::Ref<'t>) -> bool,
    ) -> Option<Position> {
        let Target::Segment(mut pointer) = self.root.lookup(hash) else {
            return None;
        };
        let (home, fingerprint) = (home_of(hash), fingerprint_of(hash));
        loop {
            // SAFETY: the directory and chains lead to live segments, and `self` is borrowed.
            let segment: &'t Segment = unsafe { pointer.as_ref() };
            let mut bucket = home;
            loop {
                let line = &segment.buckets[bucket];
                for slot in line.matching(fingerprint) {
                    // SAFETY: an occupied slot holds the word of a record that the table owns.
                    if is_match(unsafe { R::borrow(line.word(slot)) }) {
                        return Some(self.position(pointer, bucket, slot));
                    }
                }
                if !line.has_overflow() {
                    return None;
                }
                bucket = next_bucket(bucket);
                if bucket == home {
                    break;
                }
            }
            pointer = segment.next?;
        }
    }

    /// Starts to load the bucket where a search for `hash` begins: first stage of a batch.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        if let Target::Segment(segment) = self.root.lookup(hash) {
            // SAFETY: the directory leads to live segments.
            let segment = unsafe { segment.as_ref() };
            prefetch((&raw const segment.buckets[home_of(hash)]).cast());
        }
    }

    /// Starts to load the records in the home bucket that may be the one with `hash`: second stage
    /// of a batch, once the bucket has arrived.
    #[inline]
    pub fn prefetch_record(&self, hash: u64) {
        if let Target::Segment(segment) = self.root.lookup(hash) {
            // SAFETY: the directory leads to live segments.
            let line = unsafe { &segment.as_ref().buckets[home_of(hash)] };
            for slot in line.matching(fingerprint_of(hash)) {
                prefetch(line.word(slot) as *const u8);
            }
        }
    }

    /// The record at a position.
    #[inline]
    pub fn get(&self, position: Position) -> R::Ref<'_> {
        let word = self.word_at(position);
        // SAFETY: an occupied slot holds the word of a record that the table owns.
        unsafe { R::borrow(word) }
    }

    /// The record at a position, to be changed where it lies.
    #[inline]
    pub fn get_mut(&mut self, position: Position) -> R::Mut<'_>
    where
        R: RecordMut,
    {
        let word = self.word_at(position);
        // SAFETY: an occupied slot holds the word of a record that the table owns, and the table is
        // borrowed exclusively.
        unsafe { R::borrow_mut(word) }
    }

    /// Changes the record at a position, which may move in memory meanwhile but keeps its hash.
    #[inline]
    pub fn update<T>(&mut self, position: Position, change: impl FnOnce(&mut R) -> T) -> T {
        self.word_at(position);
        let line = &mut self.segment_at_mut(position).buckets[usize::from(position.bucket)];
        // SAFETY: `word_at` checks that the slot is occupied, and the table owns its record.
        unsafe { update_slot(line, usize::from(position.slot), change) }
    }

    /// Puts another record of the same hash in place of the one at a position, which it returns.
    pub fn replace(&mut self, position: Position, record: R) -> R {
        self.update(position, |old| std::mem::replace(old, record))
    }

    /// Adds a record under `hash`. The caller knows that no equal record is present.
    pub fn insert(&mut self, hash: u64, record: R) -> Position {
        let mut pointer = self.segment_with_room(hash);
        // SAFETY: the segment is live, and `self` is borrowed exclusively.
        let (bucket, slot) = unsafe { pointer.as_mut() }.place(hash, into_word(record));
        self.len += 1;
        self.changed();
        self.position(pointer, bucket, slot)
    }

    /// Takes out the record at a position; `hash` is the one under which it was inserted.
    pub fn remove(&mut self, position: Position, hash: u64) -> R {
        self.word_at(position);
        let word = self.take_word(
            position.segment,
            hash,
            usize::from(position.bucket),
            usize::from(position.slot),
        );
        self.shrink(position.segment, hash);
        self.changed();
        // SAFETY: the slot is vacant now, so the word's ownership passes to the caller.
        unsafe { R::from_word(word) }
    }

    /// Lowers the due time of the record's segment to at most `due`, a time in the caller's unit.
    /// To be called when the record at `position` begins to expire at `due`.
    pub fn lower_due(&mut self, position: Position, due: u64) {
        let segment = self.segment_at_mut(position);
        segment.due = segment.due.min(due);
    }

    /// The version of the group of `hash`: the records with its home bucket in its segment. A
    /// group's version survives splits; what displaces a record does not change its group.
    pub fn version(&self, hash: u64) -> u32 {
        match self.root.lookup(hash) {
            // SAFETY: the directory leads to live segments.
            Target::Segment(segment) => unsafe { segment.as_ref() }.versions[home_of(hash)],
            _ => self.birth_version,
        }
    }

    /// Sets the version of the group of `hash`. Nothing happens where no segment covers the hash:
    /// that group is empty, and will have the birth version.
    pub fn set_version(&mut self, hash: u64, version: u32) {
        if let Target::Segment(mut segment) = self.root.lookup(hash) {
            // SAFETY: the directory leads to live segments, and `self` is borrowed exclusively.
            unsafe { segment.as_mut() }.versions[home_of(hash)] = version;
        }
    }

    /// The version of groups in ranges that hold no segment yet.
    pub fn set_birth_version(&mut self, version: u32) {
        self.birth_version = version;
    }

    /// Forbids or allows that segments are merged or given up, which would mix groups of different
    /// versions. What was not merged meanwhile is when it is next removed from or swept.
    pub fn hold_merges(&mut self, held: bool) {
        self.merges_held = held;
    }

    fn position(&self, segment: NonNull<Segment>, bucket: usize, slot: usize) -> Position {
        Position { segment, bucket: bucket as u8, slot: slot as u8, stamp: self.stamp }
    }

    /// The word at a position, which must be valid.
    #[inline]
    pub(in crate::ds) fn word_at(&self, position: Position) -> u64 {
        assert!(position.stamp == self.stamp, "the table has changed since the position was found");
        let slot = usize::from(position.slot);
        // SAFETY: stamps are unique among all tables and renewed before a segment is freed, so the
        // position is of this table and its segment is live.
        let line = unsafe { &position.segment.as_ref().buckets[usize::from(position.bucket)] };
        assert!(line.is_occupied(slot), "the record at the position was removed");
        line.word(slot)
    }

    fn segment_at_mut(&mut self, mut position: Position) -> &mut Segment {
        self.word_at(position);
        // SAFETY: `word_at` checks that the segment is live; `self` is borrowed exclusively.
        unsafe { position.segment.as_mut() }
    }

    /// Makes all positions invalid.
    fn restamp(&mut self) {
        self.stamp = next_stamp(self.stamp);
    }

    /// Notes an insertion or removal. Builds with debug assertions then refuse all older positions,
    /// release builds only when segments have changed.
    fn changed(&mut self) {
        if cfg!(debug_assertions) {
            self.restamp();
        }
    }
}

impl<R: Record> Drop for Table<R> {
    fn drop(&mut self) {
        self.take().free_some(usize::MAX);
    }
}

/// Changes the record in a slot, which is put back also if `change` panics.
///
/// # Safety
/// The slot is occupied by the word of an `R` that belongs to whoever holds the bucket.
#[inline]
pub(in crate::ds) unsafe fn update_slot<R: Record, T>(
    line: &mut Bucket,
    slot: usize,
    change: impl FnOnce(&mut R) -> T,
) -> T {
    struct PutBack<'b, R: Record> {
        record: Option<R>,
        line: &'b mut Bucket,
        slot: usize,
    }
    impl<R: Record> Drop for PutBack<'_, R> {
        fn drop(&mut self) {
            if let Some(record) = self.record.take() {
                self.line.set_word(self.slot, into_word(record));
            }
        }
    }
    // SAFETY: by contract; it is owned here until it is put back, and nobody reads the slot
    // meanwhile, because the bucket is borrowed exclusively.
    let record = Some(unsafe { R::from_word(line.word(slot)) });
    let mut held = PutBack { record, line, slot };
    change(held.record.as_mut().expect("put back on drop only"))
}

/// The word of a record whose ownership passes to a slot.
pub(in crate::ds) fn into_word<R: Record>(record: R) -> u64 {
    let word = record.into_word();
    assert!(word != 0 && word >> WORD_BITS == 0, "a record's word is 48 bits and not zero");
    word
}

/// A stamp that no table had before. Tables draw blocks of them, so that the counter that all
/// threads share is touched once per million changes.
fn next_stamp(stamp: u64) -> u64 {
    const BLOCK: u64 = 1 << 20;
    static BLOCKS: AtomicU64 = AtomicU64::new(0);
    let next = stamp + 1;
    if stamp == 0 || next.is_multiple_of(BLOCK) {
        BLOCKS.fetch_add(1, Ordering::Relaxed) * BLOCK + 1
    } else {
        next
    }
}
