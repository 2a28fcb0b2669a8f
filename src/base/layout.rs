//! Which core owns which cluster slot, and how a scan goes from core to core.
//!
//! Invariant: every slot has exactly one owner, and each core's slots are one contiguous range, so
//! that a core can be presented as a node of a Redis Cluster.

use std::ops::Range;

use super::hash::SLOTS;

/// The division of the slots among `cores` cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    cores: u16,
}

impl Layout {
    /// Divides the slots evenly. `cores` is between 1 and the number of slots.
    pub fn even(cores: u16) -> Layout {
        assert!((1..=SLOTS).contains(&cores), "every core needs a slot");
        Layout { cores }
    }

    /// Number of cores.
    #[inline]
    pub fn cores(self) -> usize {
        self.cores as usize
    }

    /// The owner of `slot`.
    #[inline]
    pub fn core_of(self, slot: u16) -> u16 {
        (u32::from(slot) * u32::from(self.cores) / u32::from(SLOTS)) as u16
    }

    /// The slots of `core`.
    pub fn slots_of(self, core: u16) -> Range<u16> {
        let first =
            |core: u16| (u32::from(core) * u32::from(SLOTS)).div_ceil(u32::from(self.cores)) as u16;
        first(core)..first(core + 1)
    }
}

/// Bits of a SCAN cursor that name the shard; those above are the place in the shard's table.
pub const CURSOR_SHARD_BITS: u32 = 10;

/// Where a SCAN stands. As a number, which is all that a client keeps, `place << 10 | shard`: zero
/// is both the beginning and, because no scan returns there, the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanCursor {
    /// The shard whose table is being walked.
    pub shard: u16,
    /// The table's own cursor, below 2^54.
    pub place: u64,
}

impl ScanCursor {
    /// The number for the client.
    pub fn number(self) -> u64 {
        self.place << CURSOR_SHARD_BITS | u64::from(self.shard)
    }

    /// Reads any number that C's `strtoul` reads, because Redis does: a sign is allowed, nothing at
    /// all is zero. Space and numbers of more than 64 bits are not.
    pub fn parse(text: &[u8]) -> Option<ScanCursor> {
        let (negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] => (false, digits),
            digits => (false, digits),
        };
        if digits.is_empty() && !text.is_empty() {
            return None;
        }
        let add = |value: u64, byte: &u8| {
            let digit = byte.wrapping_sub(b'0');
            let value = value.checked_mul(10)?.checked_add(digit.into())?;
            (digit <= 9).then_some(value)
        };
        let value = digits.iter().try_fold(0, add)?;
        let number = if negative { value.wrapping_neg() } else { value };
        let shard = number & ((1 << CURSOR_SHARD_BITS) - 1);
        Some(ScanCursor { shard: shard as u16, place: number >> CURSOR_SHARD_BITS })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_redis_reads_them() {
        let number = |text: &[u8]| ScanCursor::parse(text).map(ScanCursor::number);
        assert_eq!(number(b""), Some(0));
        assert_eq!(number(b"00"), Some(0));
        assert_eq!(number(b"+7"), Some(7));
        assert_eq!(number(b"-1"), Some(u64::MAX));
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        for wrong in ["18446744073709551616", " 0", "0 ", "x", "-", "+", "--1", "1.5", "0x0"] {
            assert_eq!(number(wrong.as_bytes()), None, "{wrong}");
        }
        let cursor = ScanCursor { shard: 1023, place: (1 << 48) - 1 };
        assert_eq!(ScanCursor::parse(cursor.number().to_string().as_bytes()), Some(cursor));
    }

    #[test]
    fn ranges_and_owners_agree() {
        for cores in [1, 2, 3, 7, 16, 48, 1000] {
            let layout = Layout::even(cores);
            let mut next = 0;
            for core in 0..cores {
                let slots = layout.slots_of(core);
                assert_eq!(slots.start, next);
                next = slots.end;
                assert!(slots.into_iter().all(|slot| layout.core_of(slot) == core));
            }
            assert_eq!(next, SLOTS);
        }
    }
}
