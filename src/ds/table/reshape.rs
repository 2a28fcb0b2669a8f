//! How the table grows and shrinks: segments are born, split, chained, merged and given up.
//!
//! Invariant: between calls each segment is led to by exactly the directory entries of its range,
//! or by the segment before it in its chain, and `Table::segments` lists it at its index.

use std::ptr::NonNull;

use super::directory::{Link, Target};
use super::prefetch::prefetch;
use super::segment::{MAX_DEPTH, SLOTS, Segment, prefix_of};
use super::{MERGE_LIVE, Record, SPLIT_LIVE, Table};

/// A segment looks for a buddy to merge with only when its count is a multiple of this, so that
/// most removals do not touch the buddy's header.
const MERGE_CHECK_STRIDE: usize = 16;

impl<R: Record> Table<R> {
    /// The segment that takes a new record with `hash`; it has a vacant slot.
    pub(super) fn segment_with_room(&mut self, hash: u64) -> NonNull<Segment> {
        loop {
            let segment = match self.root.lookup(hash) {
                Target::Segment(segment) => segment,
                Target::Empty(depth) => return self.give_birth(hash, depth),
                Target::Directory(_) => unreachable!("a lookup ends at a segment or at nothing"),
            };
            // SAFETY: the directory leads to live segments.
            let header = unsafe { segment.as_ref() };
            if header.live() < SPLIT_LIVE {
                return segment;
            }
            if header.depth() == MAX_DEPTH {
                return self.chain_with_room(segment);
            }
            self.split(segment);
        }
    }

    fn give_birth(&mut self, hash: u64, depth: u32) -> NonNull<Segment> {
        let mut segment = self.allocate(depth, prefix_of(hash, depth));
        // SAFETY: just allocated, and known to this function only.
        unsafe { segment.as_mut() }.versions.fill(self.birth_version);
        self.root.replace(hash, depth, Link::segment(segment));
        segment
    }

    fn allocate(&mut self, depth: u32, prefix: u64) -> NonNull<Segment> {
        let segment = Segment::allocate(depth, prefix, self.segments.len());
        self.segments.push(segment);
        segment
    }

    /// Frees a segment that nothing leads to any more; what it holds has moved elsewhere.
    fn release(&mut self, segment: NonNull<Segment>) {
        // SAFETY: the caller unlinked the segment, which is still allocated.
        let index = unsafe { segment.as_ref() }.index as usize;
        self.segments.swap_remove(index);
        if let Some(moved) = self.segments.get_mut(index) {
            // SAFETY: listed segments are live; this one is another than `segment`.
            unsafe { moved.as_mut() }.index = index as u32;
        }
        self.restamp();
        // SAFETY: allocated by `Segment::allocate`, unlinked and unlisted.
        unsafe { Segment::free(segment) }
    }

    /// Splits a segment on the first bit in which its records' hashes differ. When they agree in
    /// all bits that the directory can tell apart, it only becomes as deep as it can be.
    fn split(&mut self, mut pointer: NonNull<Segment>) {
        let mut words = [0; SLOTS];
        let mut hashes = [0; SLOTS];
        // SAFETY: the caller found the segment in the directory; `self` is borrowed exclusively.
        let segment = unsafe { pointer.as_mut() };
        let count = gather::<R>(segment, &mut words, &mut hashes);
        let (words, hashes) = (&words[..count], &hashes[..count]);
        let differing = hashes.iter().fold(0, |bits, hash| bits | (hash ^ hashes[0]));
        let depth = differing.leading_zeros().min(MAX_DEPTH);
        self.deepen(pointer, hashes[0], depth);
        if depth == MAX_DEPTH {
            return;
        }
        let half = 1 << (63 - depth);
        let mut sibling_pointer = self.allocate(depth + 1, prefix_of(hashes[0], depth) | half);
        // SAFETY: the sibling is new, `pointer` is another live segment, and neither is borrowed.
        let (segment, sibling) = unsafe { (pointer.as_mut(), sibling_pointer.as_mut()) };
        sibling.versions = segment.versions;
        sibling.due = segment.due;
        segment.depth += 1;
        segment.prefix = prefix_of(hashes[0], depth);
        segment.clear();
        for (&word, &hash) in words.iter().zip(hashes) {
            if hash & half == 0 { &mut *segment } else { &mut *sibling }.place(hash, word);
        }
        let (zero, one) = (Link::segment(pointer), Link::segment(sibling_pointer));
        self.root.divide(hashes[0], depth, zero, one);
        self.restamp();
    }

    /// Narrows a segment's range to the first `depth` bits of `hash`, which all its records have.
    fn deepen(&mut self, mut pointer: NonNull<Segment>, hash: u64, depth: u32) {
        // SAFETY: the caller holds a live segment; `self` is borrowed exclusively.
        let segment = unsafe { pointer.as_mut() };
        for shallow in segment.depth()..depth {
            let (full, empty) = (Link::segment(pointer), Link::empty(shallow + 1));
            if hash & (1 << (63 - shallow)) == 0 {
                self.root.divide(hash, shallow, full, empty);
            } else {
                self.root.divide(hash, shallow, empty, full);
            }
        }
        segment.depth = depth as u8;
        segment.prefix = prefix_of(hash, depth);
    }

    /// The first segment with a vacant slot of the chain that starts at `head`, extended if needed.
    /// The full ones count the record that is about to pass over them.
    fn chain_with_room(&mut self, head: NonNull<Segment>) -> NonNull<Segment> {
        let mut pointer = head;
        loop {
            // SAFETY: chains lead to live segments; `self` is borrowed exclusively.
            let segment = unsafe { pointer.as_mut() };
            if segment.live() < SLOTS {
                return pointer;
            }
            segment.pass_over();
            pointer = match segment.next {
                Some(next) => next,
                None => {
                    let next = self.allocate(MAX_DEPTH, segment.prefix);
                    segment.next = Some(next);
                    next
                }
            };
        }
    }

    /// Vacates a slot and settles all overflow counters on the way to it.
    pub(super) fn take_word(
        &mut self,
        mut pointer: NonNull<Segment>,
        hash: u64,
        bucket: usize,
        slot: usize,
    ) -> u64 {
        // SAFETY: the caller's segment is live, and `self` is borrowed exclusively.
        let segment = unsafe { pointer.as_mut() };
        self.len -= 1;
        let word = segment.take(hash, bucket, slot);
        if segment.depth() == MAX_DEPTH {
            self.for_chain_before(pointer, segment.prefix, Segment::pass_back);
        }
        word
    }

    /// Calls `visit` for the segments before `end` in its chain, whose prefix is `prefix`.
    fn for_chain_before(
        &mut self,
        end: NonNull<Segment>,
        prefix: u64,
        mut visit: impl FnMut(&mut Segment),
    ) {
        let Target::Segment(mut pointer) = self.root.lookup(prefix) else {
            return;
        };
        while pointer != end {
            // SAFETY: chains lead to live segments; `self` is borrowed exclusively.
            let segment = unsafe { pointer.as_mut() };
            visit(segment);
            let Some(next) = segment.next else { return };
            pointer = next;
        }
    }

    /// After a removal with `hash` from a segment: gives back what it no longer needs.
    pub(super) fn shrink(&mut self, pointer: NonNull<Segment>, hash: u64) {
        // SAFETY: the caller's segment is live.
        let live = unsafe { pointer.as_ref() }.live();
        if live <= MERGE_LIVE && live.is_multiple_of(MERGE_CHECK_STRIDE) {
            self.compact(pointer, hash);
        }
    }

    /// Merges a segment with its buddies as far as their counts allow, or gives it up when it is
    /// empty and has none.
    pub(super) fn compact(&mut self, mut pointer: NonNull<Segment>, hash: u64) {
        // SAFETY: the caller's segment is live.
        let segment = unsafe { pointer.as_ref() };
        if self.merges_held || segment.live() > MERGE_LIVE {
            return;
        }
        if segment.depth() == MAX_DEPTH && self.is_chained(pointer) {
            if segment.live() == 0
                && self.unchain(pointer)
                && let Target::Segment(head) = self.root.lookup(hash)
            {
                self.compact(head, hash);
            }
            return;
        }
        while let Some(merged) = self.merge(pointer) {
            pointer = merged;
        }
        // SAFETY: `merge` returns the segment that remains.
        let segment = unsafe { pointer.as_ref() };
        if segment.live() == 0 && segment.depth() > 0 {
            self.root.replace(hash, segment.depth(), Link::empty(segment.depth()));
            self.release(pointer);
        }
    }

    /// Whether a segment at the greatest depth is part of a chain of several.
    fn is_chained(&self, pointer: NonNull<Segment>) -> bool {
        // SAFETY: the caller's segment is live.
        let segment = unsafe { pointer.as_ref() };
        let is_head = matches!(self.root.lookup(segment.prefix),
            Target::Segment(head) if head == pointer);
        segment.next.is_some() || !is_head
    }

    /// Takes an empty segment out of its chain, unless it is the head. Says whether it did.
    fn unchain(&mut self, pointer: NonNull<Segment>) -> bool {
        // SAFETY: the caller's segment is live.
        let (prefix, next) = unsafe { (pointer.as_ref().prefix, pointer.as_ref().next) };
        let mut unlinked = false;
        self.for_chain_before(pointer, prefix, |before| {
            if before.next == Some(pointer) {
                before.next = next;
                unlinked = true;
            }
        });
        if unlinked {
            self.release(pointer);
        }
        unlinked
    }

    /// Merges a segment with its buddy if there is one of the same depth with room for both, and
    /// returns the segment that remains.
    fn merge(&mut self, mut pointer: NonNull<Segment>) -> Option<NonNull<Segment>> {
        // SAFETY: the caller's segment is live; `self` is borrowed exclusively.
        let segment = unsafe { pointer.as_mut() };
        let (depth, prefix) = (segment.depth(), segment.prefix);
        if depth == 0 || segment.next.is_some() {
            return None;
        }
        match self.root.lookup(prefix ^ (1 << (64 - depth))) {
            Target::Empty(buddy_depth) if buddy_depth == depth => {
                self.root.unify(prefix, depth, Link::segment(pointer), 0);
            }
            Target::Segment(mut buddy_pointer) => {
                // SAFETY: the directory leads to live segments; a buddy is another segment.
                let buddy = unsafe { buddy_pointer.as_mut() };
                let is_equal = buddy.depth() == depth && buddy.next.is_none();
                if !is_equal || segment.live() + buddy.live() > MERGE_LIVE {
                    return None;
                }
                if segment.live() < buddy.live() {
                    std::mem::swap(&mut pointer, &mut buddy_pointer);
                    absorb::<R>(buddy, segment);
                } else {
                    absorb::<R>(segment, buddy);
                }
                self.root.unify(prefix, depth, Link::segment(pointer), 1);
                self.release(buddy_pointer);
            }
            _ => return None,
        }
        // SAFETY: this is the one that was not released.
        let remaining = unsafe { pointer.as_mut() };
        remaining.depth -= 1;
        remaining.prefix = prefix_of(prefix, depth - 1);
        Some(pointer)
    }
}

/// Moves all records of `source` into `target`, which has room for them.
fn absorb<R: Record>(target: &mut Segment, source: &mut Segment) {
    let mut words = [0; SLOTS];
    let mut hashes = [0; SLOTS];
    let count = gather::<R>(source, &mut words, &mut hashes);
    for (&word, &hash) in words[..count].iter().zip(&hashes) {
        target.place(hash, word);
    }
    target.due = target.due.min(source.due);
    for (version, &other) in target.versions.iter_mut().zip(&source.versions) {
        *version = (*version).max(other);
    }
    source.clear();
}

/// Copies out the words of a segment and their hashes, and returns how many there are. All records
/// are on their way to the cache before the first is hashed.
fn gather<R: Record>(
    segment: &Segment,
    words: &mut [u64; SLOTS],
    hashes: &mut [u64; SLOTS],
) -> usize {
    let mut count = 0;
    for (_, _, word) in segment.records() {
        prefetch(word as *const u8);
        words[count] = word;
        count += 1;
    }
    for (hash, &word) in hashes.iter_mut().zip(&words[..count]) {
        // SAFETY: occupied slots hold the words of records that the table owns.
        *hash = R::hash(unsafe { R::borrow(word) });
    }
    count
}
