//! The small form of a dictionary: a row of 1 to 32 buckets of the table, and nothing else.
//!
//! ```text
//! width 2:  | bucket 0 | bucket 1 |      64 bytes each, nine records, see `table/bucket.rs`
//! ```
//!
//! Invariant: as in a segment of the table, each bucket between a record's home and the one that
//! holds it counts the record in its overflow counter. A row does not know what its words own: its
//! dictionary drops the records before the row frees its memory.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use crate::ds::table::bucket::{Bucket, SLOTS_PER_BUCKET};
use crate::ds::table::segment::{BUCKETS, fingerprint_of, home_among};

/// How many buckets a row has. An enumeration, so that what it cannot be tells apart the other
/// forms of whatever contains a row, which then needs no further tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
#[repr(u8)]
pub(super) enum Width {
    Zero = 0,
    One = 1,
    Two = 2,
    Four = 4,
    Eight = 8,
    Sixteen = 16,
    ThirtyTwo = 32,
}

const _: () = assert!(Width::ThirtyTwo as usize <= BUCKETS, "a home is no wider than a bucket");

impl Width {
    /// Records at which a row of this width is full: all its slots if there is one bucket, where
    /// no search can be long, else 95 % as in the table.
    pub(super) fn limit(self) -> usize {
        let slots = self as usize * SLOTS_PER_BUCKET;
        if self <= Width::One { slots } else { slots * 95 / 100 }
    }

    /// Records to which a row of twice this width must have shrunk before it takes this one.
    pub(super) fn low_mark(self) -> usize {
        self as usize * SLOTS_PER_BUCKET * 40 / 100
    }

    pub(super) fn wider(self) -> Option<Width> {
        match self {
            Width::Zero => Some(Width::One),
            Width::One => Some(Width::Two),
            Width::Two => Some(Width::Four),
            Width::Four => Some(Width::Eight),
            Width::Eight => Some(Width::Sixteen),
            Width::Sixteen => Some(Width::ThirtyTwo),
            Width::ThirtyTwo => None,
        }
    }

    pub(super) fn narrower(self) -> Width {
        match self {
            Width::Zero | Width::One => Width::Zero,
            Width::Two => Width::One,
            Width::Four => Width::Two,
            Width::Eight => Width::Four,
            Width::Sixteen => Width::Eight,
            Width::ThirtyTwo => Width::Sixteen,
        }
    }
}

/// A few buckets that own their memory, but not what their words stand for.
pub(super) struct Row {
    first: NonNull<Bucket>,
    len: u16,
    width: Width,
}

impl Row {
    /// A row without records; it allocates its buckets at once.
    pub(super) fn new(width: Width) -> Row {
        if width == Width::Zero {
            return Row { first: NonNull::dangling(), len: 0, width };
        }
        let layout = layout(width);
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc_zeroed(layout) };
        match NonNull::new(memory.cast::<Bucket>()) {
            // Zeroed memory is a valid bucket without records.
            Some(first) => Row { first, len: 0, width },
            None => handle_alloc_error(layout),
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    pub(super) fn width(&self) -> Width {
        self.width
    }

    pub(super) fn memory(&self) -> usize {
        self.width as usize * size_of::<Bucket>()
    }

    #[inline]
    pub(super) fn buckets(&self) -> &[Bucket] {
        // SAFETY: the row owns so many initialised buckets; a dangling pointer serves for none.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.width as usize) }
    }

    pub(super) fn buckets_mut(&mut self) -> &mut [Bucket] {
        // SAFETY: as above, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.first.as_ptr(), self.width as usize) }
    }

    /// Where the word that `is_match` accepts lies: bucket and slot.
    #[inline]
    pub(super) fn find(
        &self,
        hash: u64,
        mut is_match: impl FnMut(u64) -> bool,
    ) -> Option<(usize, usize)> {
        let buckets = self.buckets();
        let fingerprint = fingerprint_of(hash);
        let mut bucket = home_among(hash, buckets.len());
        for _ in 0..buckets.len() {
            let line = &buckets[bucket];
            for slot in line.matching(fingerprint) {
                if is_match(line.word(slot)) {
                    return Some((bucket, slot));
                }
            }
            if !line.has_overflow() {
                return None;
            }
            bucket = self.next(bucket);
        }
        None
    }

    /// Stores a word in the first vacant slot from its home on. The row must not be full.
    pub(super) fn place(&mut self, hash: u64, word: u64) -> (usize, usize) {
        assert!(self.len() < self.width.limit(), "a full row was asked to hold one more record");
        self.len += 1;
        let mut bucket = home_among(hash, self.width as usize);
        loop {
            let line = &mut self.buckets_mut()[bucket];
            if let Some(slot) = line.matching(0).next() {
                line.fill(slot, fingerprint_of(hash), word);
                return (bucket, slot);
            }
            line.raise_overflow();
            bucket = self.next(bucket);
        }
    }

    /// Vacates an occupied slot and returns its word; `hash` is the one given to `place`.
    pub(super) fn take(&mut self, hash: u64, bucket: usize, slot: usize) -> u64 {
        let mut passed = home_among(hash, self.width as usize);
        while passed != bucket {
            self.buckets_mut()[passed].lower_overflow();
            passed = self.next(passed);
        }
        self.len -= 1;
        let line = &mut self.buckets_mut()[bucket];
        line.vacate(slot);
        line.word(slot)
    }

    /// The words of all records.
    pub(super) fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.buckets().iter().flat_map(|line| line.occupied().map(|slot| line.word(slot)))
    }

    /// The place of a record by its rank in the order of buckets.
    pub(super) fn nth(&self, rank: usize) -> Option<(usize, usize)> {
        let mut left = rank;
        for (bucket, line) in self.buckets().iter().enumerate() {
            let live = line.occupied().count();
            if left < live {
                return line.occupied().nth(left).map(|slot| (bucket, slot));
            }
            left -= live;
        }
        None
    }

    /// One step of a scan that has come to a home bucket of the large form: visits the words with
    /// that home, and with those that follow as far as one bucket of the row reaches. Returns the
    /// first home that was not covered. `home` computes a word's home in the large form.
    pub(super) fn scan(
        &self,
        from: usize,
        home: impl Fn(u64) -> usize,
        mut visit: impl FnMut(u64),
    ) -> usize {
        let width = self.width as usize;
        if width == 0 {
            return BUCKETS;
        }
        let first = from * width / BUCKETS;
        let until = ((first + 1) * BUCKETS / width).max(from + 1);
        let last = (until * width - 1) / BUCKETS;
        for bucket in first..first + width {
            let line = &self.buckets()[bucket % width];
            for slot in line.occupied() {
                let word = line.word(slot);
                if (from..until).contains(&home(word)) {
                    visit(word);
                }
            }
            if bucket >= last && !line.has_overflow() {
                break;
            }
        }
        until
    }

    #[inline]
    fn next(&self, bucket: usize) -> usize {
        (bucket + 1) & (self.width as usize - 1)
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        if self.width != Width::Zero {
            // SAFETY: allocated with this layout, and not used again.
            unsafe { dealloc(self.first.as_ptr().cast(), layout(self.width)) }
        }
    }
}

fn layout(width: Width) -> Layout {
    Layout::array::<Bucket>(width as usize).expect("at most 2 KiB")
}
