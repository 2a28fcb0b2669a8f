//! A sorted set of integers in one block of bytes.
//!
//! # Problem
//!
//! Sets of identifiers are common, and their members need no text, no pointer and no hash. They are
//! kept in order, all in the width of the widest, in exactly the bytes that Redis uses and that
//! DUMP and RDB files carry:
//!
//! ```text
//! byte 0         4         8
//!      | width   | count   | integer | integer | ... |      little-endian throughout
//!        u32       u32       i16, i32 or i64
//! ```
//!
//! # Invariants
//!
//! - Integers stand in rising order, none twice. The width never shrinks while there is a member,
//!   as in Redis.
//! - The owner is one pointer. The allocation is always [`block_size`] of the bytes above, so its
//!   capacity needs no field; an empty set allocates nothing and points to a constant.
//!
//! A search is binary; an insertion moves what is behind it. Both are meant for hundreds of
//! members. Absent: the limit on their number, which is the business of the type.

mod block;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;

use self::block::Block;

/// The most members of an intset, as in Redis.
pub const LEN_MAX: usize = 1 << 30;

/// Bytes that an integer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Width {
    Two = 2,
    Four = 4,
    Eight = 8,
}

impl Width {
    #[inline]
    fn of(value: i64) -> Width {
        if i16::try_from(value).is_ok() {
            Width::Two
        } else if i32::try_from(value).is_ok() {
            Width::Four
        } else {
            Width::Eight
        }
    }

    fn from_bytes(bytes: u32) -> Option<Width> {
        [Width::Two, Width::Four, Width::Eight].into_iter().find(|&width| width as u32 == bytes)
    }
}

/// What is wrong with bytes that were to be an intset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corrupt {
    /// Not a width, or not the length that width and count call for.
    Shape,
    /// Integers are not in rising order.
    Order,
}

/// A sorted set of integers; one pointer.
#[derive(Default)]
pub struct Intset(Block);

impl Intset {
    /// An empty set. Allocates nothing.
    pub const fn new() -> Intset {
        Intset(Block::new())
    }

    /// The set of these integers, in one allocation, and without moving one twice. They stay
    /// behind sorted, each of them once. There must be at most [`LEN_MAX`].
    pub fn of(values: &mut Vec<i64>) -> Intset {
        assert!(values.len() <= LEN_MAX, "the type keeps fewer members here");
        values.sort_unstable();
        values.dedup();
        let ends = [values.first(), values.last()].into_iter().flatten();
        let width = ends.map(|&value| Width::of(value)).max().unwrap_or(Width::Two);
        Intset(Block::of(width, values))
    }

    /// A copy of bytes in Redis's format, which are checked.
    pub fn from_bytes(bytes: &[u8]) -> Result<Intset, Corrupt> {
        let (header, integers) = bytes.split_first_chunk::<8>().ok_or(Corrupt::Shape)?;
        let word = |at: usize| header[at..at + 4].try_into().map(u32::from_le_bytes);
        let (width, count) = (word(0).ok(), word(4).ok());
        let width = width.and_then(Width::from_bytes).ok_or(Corrupt::Shape)?;
        let count = count.map_or(usize::MAX, |count| count as usize);
        if count > LEN_MAX || integers.len() != count * width as usize {
            return Err(Corrupt::Shape);
        }
        let set = Intset(Block::copied(width, count, integers));
        let is_sorted = set.iter().zip(set.iter().skip(1)).all(|(one, next)| one < next);
        if is_sorted { Ok(set) } else { Err(Corrupt::Order) }
    }

    /// The bytes, in Redis's format.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    /// Number of members.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no member.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        self.0.memory()
    }

    /// The member number `index` in rising order.
    #[inline]
    pub fn get(&self, index: usize) -> Option<i64> {
        (index < self.len()).then(|| self.0.at(index))
    }

    /// The smallest member.
    pub fn first(&self) -> Option<i64> {
        self.get(0)
    }

    /// The largest member.
    pub fn last(&self) -> Option<i64> {
        self.get(self.len().checked_sub(1)?)
    }

    /// Whether `value` is a member.
    #[inline]
    pub fn contains(&self, value: i64) -> bool {
        self.search(value).is_ok()
    }

    /// Adds a member; false if it is there already. There must be fewer than [`LEN_MAX`].
    pub fn insert(&mut self, value: i64) -> bool {
        let Err(index) = self.search(value) else { return false };
        assert!(self.len() < LEN_MAX, "the type keeps fewer members here");
        let width = Width::of(value).max(self.0.width());
        if width > self.0.width() {
            self.0.widen(width);
        }
        self.0.insert_at(index, value);
        true
    }

    /// Takes out a member; false if it is not there.
    pub fn remove(&mut self, value: i64) -> bool {
        let found = self.search(value);
        found.map(|index| self.0.remove_at(index)).is_ok()
    }

    /// All members in rising order.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = i64> + DoubleEndedIterator + '_ {
        (0..self.len()).map(|index| self.0.at(index))
    }

    /// Where `value` is, or where it belongs.
    #[inline]
    fn search(&self, value: i64) -> Result<usize, usize> {
        let length = self.len();
        // Members often arrive in rising order.
        if length == 0 || self.0.at(length - 1) < value {
            return Err(length);
        }
        let (mut low, mut high) = (0, length);
        while low < high {
            let middle = low.midpoint(high);
            match self.0.at(middle).cmp(&value) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }
}

impl Clone for Intset {
    fn clone(&self) -> Intset {
        Intset(Block::copied(self.0.width(), self.len(), &self.as_bytes()[block::HEADER_BYTES..]))
    }
}

impl fmt::Debug for Intset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl FromIterator<i64> for Intset {
    fn from_iter<T: IntoIterator<Item = i64>>(values: T) -> Intset {
        let mut set = Intset::new();
        values.into_iter().for_each(|value| {
            set.insert(value);
        });
        set
    }
}
