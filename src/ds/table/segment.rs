//! One page of the table: 59 buckets and a header, allocated and moved about as a whole.
//!
//! ```text
//! byte   0               3776              4012    4016                             4096
//!        | bucket x 59   | version u32 x 59 | index | due, prefix, next, live, depth | spare |
//! ```
//!
//! Invariant: for every record, each bucket between its home and the one that holds it counts the
//! record in its overflow counter, so a search may stop at the first bucket that counts none.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use super::bucket::{Bucket, SLOTS_PER_BUCKET};

/// Buckets in one segment. With versions and header they fill a 4096-byte page exactly, a size that
/// allocators serve without rounding; 64 buckets would be rounded up to 5120 bytes. Half as many
/// would double the directory and the header's share, twice as many the longest pause (a split).
pub(in crate::ds) const BUCKETS: usize = 59;

/// Records that one segment can hold.
pub(super) const SLOTS: usize = BUCKETS * SLOTS_PER_BUCKET;

/// Bits of a hash, from the top, that choose the segment.
pub(super) const MAX_DEPTH: u32 = 42;

const FINGERPRINT_BITS: u32 = 8;
const HOME_BITS: u32 = 14;

const _: () = assert!(size_of::<Segment>() == 4096);
const _: () = assert!(
    MAX_DEPTH + FINGERPRINT_BITS + HOME_BITS <= 64,
    "home and fingerprint must not repeat what the directory already knows"
);

/// The bucket in which a record with this hash is looked for first. Independent of the depth.
#[inline]
pub(in crate::ds) fn home_of(hash: u64) -> usize {
    home_among(hash, BUCKETS)
}

/// The home of a record with this hash where there are `buckets` of them. Homes among different
/// numbers of buckets stand in the same order.
#[inline]
pub(in crate::ds) fn home_among(hash: u64, buckets: usize) -> usize {
    let bits = (hash >> FINGERPRINT_BITS) & ((1 << HOME_BITS) - 1);
    (bits as usize * buckets) >> HOME_BITS
}

/// The byte that stands for a hash inside a bucket; never zero.
#[inline]
pub(in crate::ds) fn fingerprint_of(hash: u64) -> u8 {
    (hash as u8).max(1)
}

#[inline]
pub(super) fn next_bucket(bucket: usize) -> usize {
    if bucket + 1 == BUCKETS { 0 } else { bucket + 1 }
}

/// The records whose hashes share `depth` leading bits. See the module's drawing.
#[repr(C)]
pub(super) struct Segment {
    pub(super) buckets: [Bucket; BUCKETS],
    /// One version per home bucket; of a chain only the head's count.
    pub(super) versions: [u32; BUCKETS],
    /// Where the table's list of segments has this one.
    pub(super) index: u32,
    /// Lower bound of the expiry times inside; `u64::MAX` when nothing expires.
    pub(super) due: u64,
    /// The leading bits all hashes share, the other bits zero.
    pub(super) prefix: u64,
    /// Continuation for records that no further bit can separate; only at `MAX_DEPTH`.
    pub(super) next: Option<NonNull<Segment>>,
    /// Records inside.
    pub(super) live: u16,
    /// How many leading bits all hashes share.
    pub(super) depth: u8,
}

impl Segment {
    /// A new empty segment, to be given back with [`Segment::free`].
    pub(super) fn allocate(depth: u32, prefix: u64, index: usize) -> NonNull<Segment> {
        let layout = Layout::new::<Segment>();
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(mut segment) = NonNull::new(memory.cast::<Segment>()) else {
            handle_alloc_error(layout)
        };
        // SAFETY: zeroed memory is a valid Segment (null is `None`), and nobody else has it yet.
        let header = unsafe { segment.as_mut() };
        header.index = u32::try_from(index).expect("fewer than 2^32 segments");
        header.due = u64::MAX;
        header.prefix = prefix;
        header.depth = depth as u8;
        segment
    }

    /// Frees the page. The words inside are forgotten.
    ///
    /// # Safety
    /// `segment` came from [`Segment::allocate`] and is not used again.
    pub(super) unsafe fn free(segment: NonNull<Segment>) {
        // SAFETY: allocated with this layout, by contract.
        unsafe { dealloc(segment.as_ptr().cast(), Layout::new::<Segment>()) }
    }

    pub(super) fn depth(&self) -> u32 {
        u32::from(self.depth)
    }

    pub(super) fn live(&self) -> usize {
        usize::from(self.live)
    }

    /// The last hash that belongs here.
    pub(super) fn last_hash(&self) -> u64 {
        last_hash(self.prefix, self.depth())
    }

    /// Stores a word in the first vacant slot from its home on. The segment must not be full.
    pub(super) fn place(&mut self, hash: u64, word: u64) -> (usize, usize) {
        assert!(self.live() < SLOTS, "a full segment was asked to hold one more record");
        self.live += 1;
        let mut bucket = home_of(hash);
        loop {
            let line = &mut self.buckets[bucket];
            if let Some(slot) = line.matching(0).next() {
                line.fill(slot, fingerprint_of(hash), word);
                return (bucket, slot);
            }
            line.raise_overflow();
            bucket = next_bucket(bucket);
        }
    }

    /// Vacates a slot and returns its word; `hash` is the one given to `place`.
    pub(super) fn take(&mut self, hash: u64, bucket: usize, slot: usize) -> u64 {
        let mut passed = home_of(hash);
        while passed != bucket {
            self.buckets[passed].lower_overflow();
            passed = next_bucket(passed);
        }
        self.live -= 1;
        self.buckets[bucket].vacate(slot);
        self.buckets[bucket].word(slot)
    }

    /// Counts one more record that found this segment full and went on to the next of its chain.
    pub(super) fn pass_over(&mut self) {
        self.buckets.iter_mut().for_each(Bucket::raise_overflow);
    }

    /// Takes back one `pass_over`.
    pub(super) fn pass_back(&mut self) {
        self.buckets.iter_mut().for_each(Bucket::lower_overflow);
    }

    /// Forgets all words.
    pub(super) fn clear(&mut self) {
        self.buckets.fill(Bucket::EMPTY);
        self.live = 0;
    }

    /// Bucket, slot and word of every record.
    pub(super) fn records(&self) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
        self.buckets.iter().enumerate().flat_map(|(bucket, line)| {
            line.occupied().map(move |slot| (bucket, slot, line.word(slot)))
        })
    }
}

/// The last hash that begins with the `depth` leading bits of `prefix`.
pub(super) fn last_hash(prefix: u64, depth: u32) -> u64 {
    prefix | u64::MAX.checked_shr(depth).unwrap_or(0)
}

/// The `depth` leading bits of `hash`, the other bits zero.
pub(super) fn prefix_of(hash: u64, depth: u32) -> u64 {
    hash & !u64::MAX.checked_shr(depth).unwrap_or(0)
}
