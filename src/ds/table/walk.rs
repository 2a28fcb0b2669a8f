//! Ways to visit many records: scans, prefixes, samples, sweeps, iteration, and slow destruction.
//!
//! Invariant: whatever is visited is visited through a directory range or the list of segments, and
//! the work of one call is bounded by a segment unless its documentation says otherwise.

use std::marker::PhantomData;
use std::ptr::NonNull;

use super::directory::{Directory, Target};
use super::prefetch::prefetch;
use super::segment::{
    BUCKETS, MAX_DEPTH, SLOTS, Segment, home_of, last_hash, next_bucket, prefix_of,
};
use super::{Position, Record, Table};

/// Random places tried before a sample is drawn by counting.
const SAMPLE_ATTEMPTS: usize = 64;

const CURSOR_PREFIX_MASK: u64 = (1 << MAX_DEPTH) - 1;
const CURSOR_HOME_BITS: u32 = 6;

const _: () = assert!(BUCKETS <= 1 << CURSOR_HOME_BITS);
const _: () = assert!(MAX_DEPTH + CURSOR_HOME_BITS <= 48, "cursors are promised to fit 48 bits");

/// What [`Table::sweep_segment`] does with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// It stays, and expires at this time; `u64::MAX` if never.
    Keep(u64),
    /// It is taken out.
    Remove,
}

impl<R: Record> Table<R> {
    /// One step of a scan: visits a few records and returns the cursor of the next step, zero after
    /// the last one. A scan starts with zero. Records that are present during the whole scan are
    /// visited at least once, whatever happens between steps; see the essay of [`super::table`].
    /// Cursors are below 2^48; one that was never handed out may end the scan.
    pub fn scan<'t>(&'t self, cursor: u64, mut visit: impl FnMut(R::Ref<'t>)) -> u64 {
        let home = cursor_home(cursor);
        if self.is_empty() || home >= BUCKETS {
            return 0;
        }
        let hash = (cursor & CURSOR_PREFIX_MASK) << (64 - MAX_DEPTH);
        let (head, last) = self.range(hash);
        if let Some(head) = head {
            visit_group::<R>(head, home, &mut visit);
        }
        match last.checked_add(1) {
            Some(next) => ((home as u64) << MAX_DEPTH) | (next >> (64 - MAX_DEPTH)),
            None => cursor_of(home + 1),
        }
    }

    /// Visits the records whose hash is at least `first`, as far as one range of the directory
    /// goes, and returns the hash with which the rest begins; `None` at the end. A record that is
    /// there from the first step to the last is visited exactly once, whatever happens between
    /// steps, because its hash belongs to exactly one of them.
    pub fn walk_from<'t>(&'t self, first: u64, mut visit: impl FnMut(R::Ref<'t>)) -> Option<u64> {
        let (head, last) = self.range(first);
        let mut segment = head;
        while let Some(found) = segment {
            prefetch_records(found);
            let is_whole = found.prefix >= first;
            for (_, _, word) in found.records() {
                // SAFETY: occupied slots hold the words of records that the table owns.
                let record = unsafe { R::borrow(word) };
                if is_whole || R::hash(record) >= first {
                    visit(record);
                }
            }
            segment = next_in_chain(found);
        }
        last.checked_add(1)
    }

    /// Visits all records whose hash begins with the low `bits` bits of `prefix`. The cost is that
    /// of the segments touched.
    pub fn for_prefix<'t>(&'t self, prefix: u64, bits: u32, mut visit: impl FnMut(R::Ref<'t>)) {
        self.for_range(prefix, bits, |segment, is_whole| {
            if !is_whole {
                prefetch_records(segment);
            }
            for (_, _, word) in segment.records() {
                // SAFETY: occupied slots hold the words of records that the table owns.
                let record = unsafe { R::borrow(word) };
                if is_whole || has_prefix(R::hash(record), prefix, bits) {
                    visit(record);
                }
            }
        });
    }

    /// Counts the records whose hash begins with the low `bits` bits of `prefix`.
    pub fn count_prefix(&self, prefix: u64, bits: u32) -> usize {
        let mut count = 0;
        self.for_range(prefix, bits, |segment, is_whole| {
            if is_whole {
                count += segment.live();
                return;
            }
            prefetch_records(segment);
            for (_, _, word) in segment.records() {
                // SAFETY: occupied slots hold the words of records that the table owns.
                let hash = R::hash(unsafe { R::borrow(word) });
                count += usize::from(has_prefix(hash, prefix, bits));
            }
        });
        count
    }

    /// A record chosen uniformly, by rejection: a random slot of a random segment is drawn until it
    /// holds a record. A table too sparse for that is counted through instead, in time proportional
    /// to its segments. `random` must yield uniform words.
    pub fn random(&self, random: &mut impl FnMut() -> u64) -> Option<Position> {
        if self.is_empty() {
            return None;
        }
        for _ in 0..SAMPLE_ATTEMPTS {
            let segment = self.segments[below(random(), self.segments.len())];
            let place = below(random(), SLOTS);
            let (bucket, slot) = (place % BUCKETS, place / BUCKETS);
            // SAFETY: listed segments are live.
            if unsafe { segment.as_ref() }.buckets[bucket].is_occupied(slot) {
                return Some(self.position(segment, bucket, slot));
            }
        }
        let mut rank = below(random(), self.len());
        for &pointer in &self.segments {
            // SAFETY: listed segments are live.
            let segment = unsafe { pointer.as_ref() };
            if rank < segment.live() {
                let (bucket, slot, _) = segment.records().nth(rank)?;
                return Some(self.position(pointer, bucket, slot));
            }
            rank -= segment.live();
        }
        None
    }

    /// Number of segments, which are numbered from zero. Numbers change when segments go.
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// Lower bound of the expiry times in a segment; `u64::MAX` when nothing in it expires.
    pub fn segment_due(&self, index: usize) -> u64 {
        // SAFETY: listed segments are live.
        unsafe { self.segments[index].as_ref() }.due
    }

    /// Asks `judge` about every record of a segment, hands those to remove to `removed`, and
    /// sets the segment's due time from what stays. The segment may be merged afterwards.
    pub fn sweep_segment(
        &mut self,
        index: usize,
        mut judge: impl FnMut(R::Ref<'_>) -> Sweep,
        mut removed: impl FnMut(R),
    ) {
        let mut pointer = self.segments[index];
        // SAFETY: listed segments are live.
        prefetch_records(unsafe { pointer.as_ref() });
        let mut due = u64::MAX;
        for bucket in 0..BUCKETS {
            // SAFETY: removals neither move nor free segments; this borrow ends with the line.
            for slot in unsafe { pointer.as_ref() }.buckets[bucket].occupied() {
                // SAFETY: as above; the slot is occupied, because only visited slots are vacated.
                let word = unsafe { pointer.as_ref() }.buckets[bucket].word(slot);
                // SAFETY: occupied slots hold the words of records that the table owns.
                let record = unsafe { R::borrow(word) };
                match judge(record) {
                    Sweep::Keep(time) => due = due.min(time),
                    Sweep::Remove => {
                        self.take_word(pointer, R::hash(record), bucket, slot);
                        self.changed();
                        // SAFETY: the slot is vacant now, so ownership passes on.
                        removed(unsafe { R::from_word(word) });
                    }
                }
            }
        }
        // SAFETY: as above, and `self` is borrowed exclusively.
        let segment = unsafe { pointer.as_mut() };
        segment.due = due;
        let prefix = segment.prefix;
        self.compact(pointer, prefix);
    }

    /// All records, in no order.
    pub fn iter<'t>(&'t self) -> impl Iterator<Item = R::Ref<'t>> + 't
    where
        R: 't,
    {
        self.segments.iter().flat_map(|pointer| {
            // SAFETY: listed segments are live, and `self` is borrowed for `'t`.
            let segment: &'t Segment = unsafe { pointer.as_ref() };
            prefetch_records(segment);
            // SAFETY: occupied slots hold the words of records that the table owns.
            segment.records().map(|(_, _, word)| unsafe { R::borrow(word) })
        })
    }

    /// Empties the table at once and returns its former contents, which can be freed in slices.
    pub fn take(&mut self) -> Remains<R> {
        self.root = Directory::new(0);
        self.len = 0;
        self.restamp();
        Remains { segments: std::mem::take(&mut self.segments), records: PhantomData }
    }

    /// The head of the segments that cover `hash`, if any, and the last hash of their range.
    fn range(&self, hash: u64) -> (Option<&Segment>, u64) {
        match self.root.lookup(hash) {
            Target::Segment(segment) => {
                // SAFETY: the directory leads to live segments.
                let segment = unsafe { segment.as_ref() };
                (Some(segment), segment.last_hash())
            }
            Target::Empty(depth) => (None, last_hash(prefix_of(hash, depth), depth)),
            Target::Directory(_) => unreachable!("a lookup ends at a segment or at nothing"),
        }
    }

    /// Visits the segments that hold hashes with the given prefix, and says of each whether it
    /// holds no others.
    fn for_range(&self, prefix: u64, bits: u32, mut visit: impl FnMut(&Segment, bool)) {
        assert!(bits <= u64::BITS);
        let first = prefix.checked_shl(u64::BITS - bits).unwrap_or(0);
        let range_end = last_hash(first, bits);
        let mut hash = first;
        loop {
            let (head, last) = self.range(hash);
            let mut segment = head;
            while let Some(found) = segment {
                visit(found, found.depth() >= bits);
                segment = next_in_chain(found);
            }
            if last >= range_end {
                return;
            }
            hash = last + 1;
        }
    }
}

/// The home bucket that a cursor walks; not below [`BUCKETS`] if it was never handed out.
pub(in crate::ds) fn cursor_home(cursor: u64) -> usize {
    (cursor >> MAX_DEPTH) as usize
}

/// The cursor with which the walk of a home bucket begins; zero behind the last one.
pub(in crate::ds) fn cursor_of(home: usize) -> u64 {
    if home >= BUCKETS { 0 } else { (home as u64) << MAX_DEPTH }
}

/// What a table held, to be freed bit by bit. Dropping it frees all that is left.
pub struct Remains<R: Record> {
    segments: Vec<NonNull<Segment>>,
    records: PhantomData<R>,
}

// SAFETY: as for the table.
unsafe impl<R: Record + Send> Send for Remains<R> {}

impl<R: Record> Remains<R> {
    /// Drops up to `max_records` records, or pages in their place, and says whether all is gone.
    pub fn free_some(&mut self, max_records: usize) -> bool {
        self.free_some_with(max_records, drop)
    }

    /// [`Remains::free_some`] with another end for the records than to be dropped.
    pub fn free_some_with(&mut self, max_records: usize, mut end: impl FnMut(R)) -> bool {
        let mut left = max_records;
        while left > 0
            && let Some(mut pointer) = self.segments.last().copied()
        {
            // SAFETY: the list owns its segments.
            let segment = unsafe { pointer.as_mut() };
            prefetch_records(segment);
            left -= drain(segment, left, &mut end);
            if segment.live == 0 {
                self.segments.pop();
                left = left.saturating_sub(1);
                // SAFETY: the list owned it, and does no longer.
                unsafe { Segment::free(pointer) }
            }
        }
        self.segments.is_empty()
    }
}

impl<R: Record> Drop for Remains<R> {
    fn drop(&mut self) {
        while !self.free_some(usize::MAX) {}
    }
}

/// Takes up to `max_records` records out of a segment, and returns how many.
fn drain<R: Record>(segment: &mut Segment, max_records: usize, end: &mut impl FnMut(R)) -> usize {
    let mut dropped = 0;
    for line in &mut segment.buckets {
        for slot in line.occupied().take(max_records - dropped) {
            line.vacate(slot);
            segment.live -= 1;
            dropped += 1;
            // SAFETY: the slot is vacant now, so the word's ownership passes to here.
            end(unsafe { R::from_word(line.word(slot)) });
        }
    }
    dropped
}

/// Visits the records with the given home bucket in a segment and its chain.
fn visit_group<'t, R: Record + 't>(
    head: &'t Segment,
    home: usize,
    visit: &mut impl FnMut(R::Ref<'t>),
) {
    let mut segment = Some(head);
    while let Some(found) = segment {
        let before = if home == 0 { BUCKETS - 1 } else { home - 1 };
        // Only what passed over the bucket before can be a stranger in the home bucket itself.
        let mut has_strangers = found.buckets[before].has_overflow();
        let mut bucket = home;
        loop {
            let line = &found.buckets[bucket];
            for slot in line.occupied() {
                // SAFETY: occupied slots hold the words of records that the table owns.
                let record = unsafe { R::borrow(line.word(slot)) };
                if !has_strangers || home_of(R::hash(record)) == home {
                    visit(record);
                }
            }
            if !line.has_overflow() {
                return;
            }
            has_strangers = true;
            bucket = next_bucket(bucket);
            if bucket == home {
                break;
            }
        }
        segment = next_in_chain(found);
    }
}

fn next_in_chain(segment: &Segment) -> Option<&Segment> {
    // SAFETY: chains lead to live segments, which the table frees only under an exclusive borrow.
    segment.next.map(|next| unsafe { next.as_ref() })
}

fn prefetch_records(segment: &Segment) {
    segment.records().for_each(|(_, _, word)| prefetch(word as *const u8));
}

fn has_prefix(hash: u64, prefix: u64, bits: u32) -> bool {
    let shift = u64::BITS - bits;
    hash.checked_shr(shift) == prefix.checked_shl(shift).and_then(|high| high.checked_shr(shift))
}

/// Maps a uniform word to a uniform number below `bound`, up to a bias of `bound` in 2^64.
pub(in crate::ds) fn below(word: u64, bound: usize) -> usize {
    ((u128::from(word) * bound as u128) >> 64) as usize
}
