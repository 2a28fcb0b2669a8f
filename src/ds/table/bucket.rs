//! One cache line of the table: nine records, found by comparing nine fingerprints at once.
//!
//! ```text
//! byte   0        9          10                                      64
//!        | fp x 9 | overflow | pointer 0 (6 bytes) | ... | pointer 8 |
//! ```
//!
//! Invariant: a slot holds a pointer exactly when its fingerprint is not zero. The bucket does not
//! know what its words mean: ownership is the segment's and the table's business.

/// Records in one bucket: what 64 bytes hold at one byte of fingerprint and six of pointer each.
pub(in crate::ds) const SLOTS_PER_BUCKET: usize = 9;

const OVERFLOW_AT: usize = SLOTS_PER_BUCKET;
const POINTERS_AT: usize = OVERFLOW_AT + 1;
const POINTER_BYTES: usize = 6;
/// Bits of a word that a slot can hold.
pub(in crate::ds) const WORD_BITS: u32 = 8 * POINTER_BYTES as u32;
const SLOT_MASK: u32 = (1 << SLOTS_PER_BUCKET) - 1;

const _: () = assert!(POINTERS_AT + SLOTS_PER_BUCKET * POINTER_BYTES == size_of::<Bucket>());

/// A cache line of nine fingerprints, an overflow counter and nine 48-bit words.
#[derive(Clone)]
#[repr(C, align(64))]
pub(in crate::ds) struct Bucket([u8; 64]);

impl Bucket {
    pub(in crate::ds) const EMPTY: Bucket = Bucket([0; 64]);

    /// The slots whose fingerprint is `fingerprint`; zero asks for the vacant ones.
    #[inline]
    pub(in crate::ds) fn matching(&self, fingerprint: u8) -> Slots {
        Slots(compare(&self.0, fingerprint) & SLOT_MASK)
    }

    /// The slots that hold a record.
    #[inline]
    pub(in crate::ds) fn occupied(&self) -> Slots {
        Slots(!compare(&self.0, 0) & SLOT_MASK)
    }

    #[inline]
    pub(in crate::ds) fn is_occupied(&self, slot: usize) -> bool {
        self.0[slot] != 0
    }

    /// The word in an occupied slot. It is read as the upper six bytes of the eight that end with
    /// it, so that even the last one stays inside the line.
    #[inline]
    pub(in crate::ds) fn word(&self, slot: usize) -> u64 {
        let end = POINTERS_AT + (slot + 1) * POINTER_BYTES;
        let bytes: [u8; 8] = self.0[end - 8..end].try_into().expect("eight bytes");
        u64::from_le_bytes(bytes) >> (64 - WORD_BITS)
    }

    #[inline]
    pub(in crate::ds) fn set_word(&mut self, slot: usize, word: u64) {
        let at = POINTERS_AT + slot * POINTER_BYTES;
        self.0[at..at + POINTER_BYTES].copy_from_slice(&word.to_le_bytes()[..POINTER_BYTES]);
    }

    #[inline]
    pub(in crate::ds) fn fill(&mut self, slot: usize, fingerprint: u8, word: u64) {
        self.0[slot] = fingerprint;
        self.set_word(slot, word);
    }

    #[inline]
    pub(in crate::ds) fn vacate(&mut self, slot: usize) {
        self.0[slot] = 0;
    }

    /// Whether records whose home is here or before may live in later buckets.
    #[inline]
    pub(in crate::ds) fn has_overflow(&self) -> bool {
        self.0[OVERFLOW_AT] != 0
    }

    /// Counts one more record that passed over this bucket. At 255 the count is no longer known
    /// and stays there until the segment is rebuilt.
    #[inline]
    pub(in crate::ds) fn raise_overflow(&mut self) {
        self.0[OVERFLOW_AT] = self.0[OVERFLOW_AT].saturating_add(1);
    }

    /// Takes back one `raise_overflow`.
    #[inline]
    pub(in crate::ds) fn lower_overflow(&mut self) {
        let count = &mut self.0[OVERFLOW_AT];
        debug_assert!(*count > 0, "no record passed over this bucket");
        if *count < u8::MAX {
            *count = count.saturating_sub(1);
        }
    }
}

/// A set of slots of one bucket, lowest first.
#[derive(Clone, Copy)]
pub(in crate::ds) struct Slots(u32);

impl Iterator for Slots {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let slot = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(slot)
    }
}

/// One bit per byte of the line's first sixteen that equals `byte`.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
fn compare(line: &[u8; 64], byte: u8) -> u32 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8,
    };
    // SAFETY: the load reads the first 16 of 64 readable bytes; SSE2 is part of x86_64.
    unsafe {
        let bytes = _mm_loadu_si128(line.as_ptr().cast::<__m128i>());
        let equal = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte as i8));
        _mm_movemask_epi8(equal) as u32
    }
}

/// One bit per fingerprint of the line that equals `byte`.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[inline]
fn compare(line: &[u8; 64], byte: u8) -> u32 {
    compare_scalar(line, byte)
}

#[cfg(any(test, miri, not(target_arch = "x86_64")))]
fn compare_scalar(line: &[u8; 64], byte: u8) -> u32 {
    let fingerprints = line[..SLOTS_PER_BUCKET].iter().enumerate();
    fingerprints.fold(0, |mask, (slot, &found)| mask | (u32::from(found == byte) << slot))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_do_not_disturb_their_neighbours() {
        let mut bucket = Bucket::EMPTY;
        let word = |slot: usize| 0xffff_ffff_fff0 + slot as u64;
        for slot in 0..SLOTS_PER_BUCKET {
            bucket.fill(slot, slot as u8 + 1, word(slot));
        }
        bucket.set_word(4, 1);
        for slot in 0..SLOTS_PER_BUCKET {
            assert_eq!(bucket.word(slot), if slot == 4 { 1 } else { word(slot) });
            assert_eq!(bucket.matching(slot as u8 + 1).collect::<Vec<_>>(), [slot]);
        }
        bucket.vacate(8);
        assert_eq!(bucket.matching(0).collect::<Vec<_>>(), [8]);
        assert!(!bucket.has_overflow());
    }

    #[test]
    fn vector_and_scalar_comparison_agree() {
        let mut bucket = Bucket::EMPTY;
        for (slot, fingerprint) in [7, 0, 7, 255, 1, 0, 128, 7, 7].into_iter().enumerate() {
            bucket.fill(slot, fingerprint, 0x0707_0707_0707);
        }
        for byte in 0..=255 {
            let expected = compare_scalar(&bucket.0, byte);
            assert_eq!(compare(&bucket.0, byte) & SLOT_MASK, expected);
        }
    }

    #[test]
    fn a_saturated_overflow_count_sticks() {
        let mut bucket = Bucket::EMPTY;
        for _ in 0..300 {
            bucket.raise_overflow();
        }
        for _ in 0..300 {
            bucket.lower_overflow();
        }
        assert!(bucket.has_overflow());
    }
}
