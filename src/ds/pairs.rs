//! Names with values in one block of bytes: the small form of a hash.
//!
//! # Problem
//!
//! Most hashes are small and have names and values of a few bytes, so what stands between these
//! bytes counts. A listpack takes two bytes for each item, one of them to be walked from the end,
//! which no hash is:
//!
//! ```text
//! byte 0        4        6
//!      | total  | count  | pair | pair | ...
//!        u32      u16      \
//!                           | name length | value length | name | value |
//! ```
//!
//! Lengths take seven bits a byte, least significant first, all but the last byte marked. Ten pairs
//! of 6 and 16 bytes take 246 bytes here and 267 in a listpack, whose block is one size larger.
//! Looking for a name passes over a pair at once and not over two items.
//!
//! # Invariants
//!
//! - The owner is one pointer. The allocation is always [`block_size`]`(total)` bytes; without
//!   pairs there is none, and the pointer leads to a constant.
//! - Names are different. Pairs keep the order in which they came.
//!
//! Reading is bounds-checked throughout: a [`Place`] that went stale gives a wrong pair or a panic.
//!
//! Absent: numbers, which are text here; and limits, which are the business of the type.

#[cfg(test)]
mod tests;

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ptr::{self, NonNull};

use crate::base::alloc::block_size;

/// The largest block in bytes. [`Pairs::fits`] tells before it panics.
pub const BYTES_MAX: usize = 1 << 30;

/// The most pairs: what the count says.
pub const LEN_MAX: usize = u16::MAX as usize;

const COUNT_AT: usize = 4;
const HEADER_BYTES: usize = 6;

/// Bytes that the two lengths take at most.
const LENGTHS_MAX: usize = 10;

static EMPTY: [u8; HEADER_BYTES] = [HEADER_BYTES as u8, 0, 0, 0, 0, 0];

/// The owner of a block of pairs.
pub struct Pairs(NonNull<u8>);

/// Where a pair lies: valid until something changes.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    start: usize,
    name: usize,
    value: usize,
    end: usize,
}

// SAFETY: pairs own their allocation; the constant that empty ones share is never written.
unsafe impl Send for Pairs {}
// SAFETY: shared pairs are only read.
unsafe impl Sync for Pairs {}

impl Pairs {
    /// No pairs. Allocates nothing.
    pub const fn new() -> Pairs {
        Pairs(NonNull::new(EMPTY.as_ptr().cast_mut()).expect("statics have an address"))
    }

    /// Number of pairs.
    #[inline]
    pub fn len(&self) -> usize {
        let count = self.bytes()[COUNT_AT..].first_chunk().expect("there is a header");
        u16::from_le_bytes(*count).into()
    }

    /// Whether there is no pair.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.total() == HEADER_BYTES
    }

    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        if self.is_empty() { 0 } else { block_size(self.total()) }
    }

    /// Whether there is room for one more pair whose name and value have `bytes` bytes together.
    #[inline]
    pub fn fits(&self, bytes: usize) -> bool {
        self.len() < LEN_MAX && self.total() + LENGTHS_MAX + bytes <= BYTES_MAX
    }

    /// Where the pair with this name lies.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<Place> {
        let bytes = self.bytes();
        let last = name.last();
        let mut at = HEADER_BYTES;
        while at < bytes.len() {
            let place = place_at(bytes, at);
            let found = &bytes[place.name..place.value];
            // Names of one hash often begin alike and seldom end alike.
            if found.len() == name.len() && found.last() == last && found == name {
                return Some(place);
            }
            at = place.end;
        }
        None
    }

    /// The name at a place.
    #[inline]
    pub fn name(&self, place: Place) -> &[u8] {
        &self.bytes()[place.name..place.value]
    }

    /// The value at a place.
    #[inline]
    pub fn value(&self, place: Place) -> &[u8] {
        &self.bytes()[place.value..place.end]
    }

    /// Where the pair number `index` lies.
    pub fn nth(&self, index: usize) -> Option<Place> {
        self.places().nth(index)
    }

    /// All names with their values.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.places().map(|place| (self.name(place), self.value(place)))
    }

    fn places(&self) -> impl Iterator<Item = Place> {
        let (bytes, mut at) = (self.bytes(), HEADER_BYTES);
        std::iter::from_fn(move || {
            let place = (at < bytes.len()).then(|| place_at(bytes, at))?;
            at = place.end;
            Some(place)
        })
    }

    /// Adds a pair whose name is not there.
    #[inline]
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let end = self.total();
        self.write_pair(end..end, name, value);
        self.set_count(self.len() + 1);
    }

    /// Replaces the value at a place.
    #[inline]
    pub fn replace(&mut self, place: Place, value: &[u8]) {
        if place.end - place.value == value.len() {
            self.bytes_mut()[place.value..place.end].copy_from_slice(value);
            return;
        }
        let name = self.name(place).to_vec();
        self.write_pair(place.start..place.end, &name, value);
    }

    /// Removes the pair at a place.
    pub fn remove(&mut self, place: Place) {
        if self.len() == 1 {
            *self = Pairs::new();
            return;
        }
        self.resize(place.start..place.end, 0);
        self.set_count(self.len() - 1);
    }

    /// Puts a pair in place of the bytes of a range.
    fn write_pair(&mut self, range: std::ops::Range<usize>, name: &[u8], value: &[u8]) {
        let (start, lengths) = (range.start, length_len(name.len()) + length_len(value.len()));
        self.resize(range, lengths + name.len() + value.len());
        let target = &mut self.bytes_mut()[start..];
        let at = write_length(target, 0, name.len());
        let at = write_length(target, at, value.len());
        target[at..at + name.len()].copy_from_slice(name);
        let at = at + name.len();
        target[at..at + value.len()].copy_from_slice(value);
    }

    #[inline]
    fn total(&self) -> usize {
        // SAFETY: there is always a header.
        u32::from_le(unsafe { self.0.as_ptr().cast::<u32>().read_unaligned() }) as usize
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        // SAFETY: `total` bytes from the pointer on are initialised, and owned or constant.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr(), self.total()) }
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        assert!(!self.is_empty(), "the constant is never written");
        // SAFETY: as above, and borrowed exclusively; without pairs nobody comes here.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_ptr(), self.total()) }
    }

    fn set_count(&mut self, count: usize) {
        let count = (count as u16).to_le_bytes();
        self.bytes_mut()[COUNT_AT..HEADER_BYTES].copy_from_slice(&count);
    }

    /// Puts `added` zero bytes in place of those of a range; what is behind moves.
    fn resize(&mut self, range: std::ops::Range<usize>, added: usize) {
        let old_total = self.total();
        assert!(HEADER_BYTES <= range.start && range.start <= range.end && range.end <= old_total);
        let total = old_total - range.len() + added;
        assert!(HEADER_BYTES < total && total <= BYTES_MAX, "the type asks before it adds");
        if old_total == HEADER_BYTES || block_size(total) > block_size(old_total) {
            self.reallocate(old_total, total);
        }
        // SAFETY: the larger of both totals is allocated, so the tail fits both where it is and
        // where it goes, and so does what is between it and the start of the range.
        unsafe {
            let start = self.0.as_ptr().add(range.start);
            ptr::copy(start.add(range.len()), start.add(added), old_total - range.end);
            ptr::write_bytes(start, 0, added);
            self.0.as_ptr().cast::<u32>().write_unaligned((total as u32).to_le());
        }
        if block_size(total) < block_size(old_total) {
            self.reallocate(old_total, total);
        }
    }

    /// Moves from the block for `old_total` bytes to the one for `total`.
    fn reallocate(&mut self, old_total: usize, total: usize) {
        let new = layout(total);
        // SAFETY: the layout has a size. Unless it is the constant, the allocation has the layout
        // of its old total. A new one gets the bytes of the constant, which every block has room
        // for.
        let pointer = unsafe {
            if old_total == HEADER_BYTES {
                let pointer = alloc(new);
                if !pointer.is_null() {
                    ptr::copy_nonoverlapping(EMPTY.as_ptr(), pointer, HEADER_BYTES);
                }
                pointer
            } else {
                realloc(self.0.as_ptr(), layout(old_total), new.size())
            }
        };
        self.0 = NonNull::new(pointer).unwrap_or_else(|| handle_alloc_error(new));
    }
}

fn layout(total: usize) -> Layout {
    Layout::from_size_align(block_size(total), 1).expect("a block is at most BYTES_MAX")
}

impl Drop for Pairs {
    fn drop(&mut self) {
        if !self.is_empty() {
            // SAFETY: not the constant, so allocated, with the layout of its total.
            unsafe { dealloc(self.0.as_ptr(), layout(self.total())) }
        }
    }
}

impl Clone for Pairs {
    fn clone(&self) -> Pairs {
        let mut copy = Pairs::new();
        if !self.is_empty() {
            let pairs = &self.bytes()[HEADER_BYTES..];
            copy.resize(HEADER_BYTES..HEADER_BYTES, pairs.len());
            copy.bytes_mut()[HEADER_BYTES..].copy_from_slice(pairs);
            copy.set_count(self.len());
        }
        copy
    }
}

impl Default for Pairs {
    fn default() -> Pairs {
        Pairs::new()
    }
}

/// The pair that begins at `start`.
#[inline]
fn place_at(bytes: &[u8], start: usize) -> Place {
    let (name_len, at) = read_length(bytes, start);
    let (value_len, name) = read_length(bytes, at);
    let value = name + name_len;
    Place { start, name, value, end: value + value_len }
}

#[inline]
fn read_length(bytes: &[u8], at: usize) -> (usize, usize) {
    let first = bytes[at];
    if first < 0x80 {
        return (first.into(), at + 1);
    }
    read_long_length(bytes, at)
}

#[cold]
fn read_long_length(bytes: &[u8], start: usize) -> (usize, usize) {
    let (mut length, mut at) = (0, start);
    loop {
        let byte = bytes[at];
        length |= usize::from(byte & 0x7F) << (7 * (at - start));
        at += 1;
        if byte < 0x80 {
            return (length, at);
        }
    }
}

/// Bytes that a length takes.
#[inline]
fn length_len(length: usize) -> usize {
    (length | 1).ilog2() as usize / 7 + 1
}

/// Writes a length at `start` and returns where it ends.
#[inline]
fn write_length(target: &mut [u8], start: usize, length: usize) -> usize {
    let bytes = length_len(length);
    for (index, byte) in target[start..start + bytes].iter_mut().enumerate() {
        let more = if index + 1 < bytes { 0x80 } else { 0 };
        *byte = (length >> (7 * index)) as u8 & 0x7F | more;
    }
    start + bytes
}
