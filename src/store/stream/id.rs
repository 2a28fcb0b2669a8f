//! The identifier of a stream entry: a time and a number within it.
//!
//! Invariant: ids compare as 128-bit numbers, the time first, which is the order of entries.
//! Absent: reading ids from text, whose rules differ from command to command.

/// `<ms>-<seq>`: milliseconds since the Unix epoch as a rule, and a number that tells entries of
/// one millisecond apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    pub ms: u64,
    pub seq: u64,
}

/// Longest text of an id in bytes: two numbers of twenty digits and the hyphen.
const TEXT_MAX: usize = 41;

impl Id {
    /// The smallest id, which no entry has.
    pub const MIN: Id = Id::new(0, 0);
    /// The largest id.
    pub const MAX: Id = Id::new(u64::MAX, u64::MAX);

    /// The id `<ms>-<seq>`.
    pub const fn new(ms: u64, seq: u64) -> Id {
        Id { ms, seq }
    }

    /// The id as the number by which ids compare.
    pub const fn number(self) -> u128 {
        (self.ms as u128) << 64 | self.seq as u128
    }

    /// The id with this number.
    pub const fn from_number(number: u128) -> Id {
        Id::new((number >> 64) as u64, number as u64)
    }

    /// The id after this one; none after the largest.
    pub fn next(self) -> Option<Id> {
        match (self.ms, self.seq) {
            (u64::MAX, u64::MAX) => None,
            (ms, u64::MAX) => Some(Id::new(ms + 1, 0)),
            (ms, seq) => Some(Id::new(ms, seq + 1)),
        }
    }

    /// The id before this one; none before the smallest.
    pub fn previous(self) -> Option<Id> {
        match (self.ms, self.seq) {
            (0, 0) => None,
            (ms, 0) => Some(Id::new(ms - 1, u64::MAX)),
            (ms, seq) => Some(Id::new(ms, seq - 1)),
        }
    }

    /// The text `<ms>-<seq>`.
    pub fn text(self) -> IdText {
        let mut text = IdText { bytes: [0; TEXT_MAX], len: 0 };
        let mut digits = itoa::Buffer::new();
        text.push(digits.format(self.ms).as_bytes());
        text.push(b"-");
        text.push(digits.format(self.seq).as_bytes());
        text
    }
}

/// The text of an id, without an allocation.
#[derive(Clone, Copy)]
pub struct IdText {
    bytes: [u8; TEXT_MAX],
    len: usize,
}

impl IdText {
    fn push(&mut self, part: &[u8]) {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
    }
}

impl std::ops::Deref for IdText {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_carry() {
        assert_eq!(Id::new(1, u64::MAX).next(), Some(Id::new(2, 0)));
        assert_eq!(Id::new(2, 0).previous(), Some(Id::new(1, u64::MAX)));
        assert_eq!((Id::MAX.next(), Id::MIN.previous()), (None, None));
    }

    #[test]
    fn the_longest_text_fits() {
        assert_eq!(&*Id::MAX.text(), b"18446744073709551615-18446744073709551615");
        assert_eq!(&*Id::new(5, 0).text(), b"5-0");
    }
}
