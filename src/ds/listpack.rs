//! A sequence of short strings and integers in one block of bytes.
//!
//! # Problem
//!
//! A small collection should be one allocation, read from front to back without a pointer to
//! follow. So its items lie one behind the other, in exactly the bytes that Redis uses (the
//! [listpack specification](https://github.com/antirez/listpack)), which are also what DUMP and RDB
//! files carry:
//!
//! ```text
//! byte 0        4        6
//!      | total  | count  | entry | entry | ... | 0xFF |
//!        u32      u16      \
//!                           | encoding | data | back length |
//!
//! encoding              item
//! 0xxxxxxx              0 to 127
//! 10xxxxxx              text of up to 63 bytes
//! 110xxxxx + 1 byte     integer of 13 bits
//! 1110xxxx + 1 byte     text of up to 4095 bytes
//! 0xF0 + 4 bytes        longer text
//! 0xF1, F2, F3, F4      integer of 16, 24, 32, 64 bits
//! ```
//!
//! Integers are little-endian, except that the multi-byte encodings that begin inside the first
//! byte are big-endian. The back length is the length of encoding and data in groups of seven bits,
//! most significant first, every byte but the first marked; it is read from its end, which is how
//! one walks backwards. A count of 65535 means: walk and count.
//!
//! # Invariants
//!
//! - The owner is one pointer. The allocation is always [`block_size`]`(total)` bytes, so its
//!   capacity needs no field; an empty listpack allocates nothing and points to a constant.
//! - A text that is the canonical decimal of an integer is stored as that integer, and every item
//!   in its shortest encoding. Hence equal items have equal bytes, and a search compares encoded
//!   bytes without decoding anything. Bytes from outside are checked, and put into this form.
//!
//! # Cost
//!
//! A change moves what is behind it, once: every one of them is a [`Listpack::splice`], or a short
//! cut of it for one item. Growing reallocates at four sizes per power of two; what it copies is
//! constant for each byte added. Positions are byte offsets: they stay valid up to the first change
//! in front of them.
//!
//! Reading is bounds-checked throughout: a position that went stale gives a wrong item or a panic,
//! never memory that is not the listpack's.
//!
//! Absent: limits on what should be a listpack. That is the business of the types.

mod check;
mod item;
mod iter;
#[cfg(test)]
mod tests;

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::fmt;
use std::ops::Range;
use std::ptr::{self, NonNull};

use crate::base::alloc::block_size;

pub use check::Corrupt;
pub use item::Item;
use item::{Encoded, Needle, decode, encoded_len, read_back_length, span};
pub use iter::Iter;

/// The largest listpack in bytes, as in Redis. [`Listpack::fits`] tells before it panics.
pub const BYTES_MAX: usize = 1 << 30;

const COUNT_AT: usize = 4;
const HEADER_BYTES: usize = 6;
const END: u8 = 0xFF;
const EMPTY_BYTES: usize = HEADER_BYTES + 1;
/// The count of a listpack with this many items or more.
const COUNT_UNKNOWN: u16 = u16::MAX;

static EMPTY: [u8; EMPTY_BYTES] = [EMPTY_BYTES as u8, 0, 0, 0, 0, 0, END];

/// The owner of a listpack.
pub struct Listpack(NonNull<u8>);

/// Where an entry begins, or the end: valid until something in front of it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(u32);

// SAFETY: a listpack owns its allocation; the constant that empty ones share is never written.
unsafe impl Send for Listpack {}
// SAFETY: a shared listpack is only read.
unsafe impl Sync for Listpack {}

impl Listpack {
    /// An empty listpack. Allocates nothing.
    pub const fn new() -> Listpack {
        Listpack(NonNull::new(EMPTY.as_ptr().cast_mut()).expect("statics have an address"))
    }

    /// The bytes, in Redis's format.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: `total` bytes from the pointer on are initialised, and owned or constant.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr(), self.bytes_len()) }
    }

    /// Number of bytes in the format.
    #[inline]
    pub fn bytes_len(&self) -> usize {
        // SAFETY: there is always a header.
        let total = unsafe { self.0.as_ptr().cast::<u32>().read_unaligned() };
        u32::from_le(total) as usize
    }

    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        if self.is_empty() { 0 } else { block_size(self.bytes_len()) }
    }

    /// Number of items. Constant time up to 65534; beyond, it walks.
    #[inline]
    pub fn len(&self) -> usize {
        match self.count() {
            COUNT_UNKNOWN => self.iter().count(),
            count => usize::from(count),
        }
    }

    /// Whether there is no item.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes_len() == EMPTY_BYTES
    }

    /// Whether it may still grow by `items` items whose texts have `bytes` bytes together.
    pub fn fits(&self, bytes: usize, items: usize) -> bool {
        /// Encoding and back length of a text take at most this.
        const OVERHEAD_MAX: usize = 10;
        let added = items.saturating_mul(OVERHEAD_MAX).saturating_add(bytes);
        self.bytes_len().saturating_add(added) <= BYTES_MAX
    }

    /// The position of the first item.
    #[inline]
    pub fn first(&self) -> Option<Position> {
        (!self.is_empty()).then_some(Position(HEADER_BYTES as u32))
    }

    /// The position of the last item.
    #[inline]
    pub fn last(&self) -> Option<Position> {
        self.previous(self.end())
    }

    /// The position behind the last item, for insertion.
    #[inline]
    pub fn end(&self) -> Position {
        Position((self.bytes_len() - 1) as u32)
    }

    /// The position behind the item at `position`: an item's, or the end.
    #[inline]
    pub fn after(&self, position: Position) -> Position {
        let length = encoded_len(&self.as_bytes()[position.at()..]).expect("an entry is here");
        Position((position.at() + span(length)) as u32)
    }

    /// The position of the item behind the one at `position`.
    #[inline]
    pub fn next(&self, position: Position) -> Option<Position> {
        let next = self.after(position);
        (next < self.end()).then_some(next)
    }

    /// The position of the item in front of `position`, which may be the end.
    #[inline]
    pub fn previous(&self, position: Position) -> Option<Position> {
        let entries = &self.as_bytes()[..position.at()];
        if entries.len() == HEADER_BYTES {
            return None;
        }
        let length = read_back_length(entries).expect("entries end with their length");
        Some(Position((entries.len() - span(length)) as u32))
    }

    /// The position of the item number `index`, counted from the end if negative (-1 is the last).
    /// Walks from the nearer end.
    pub fn seek(&self, index: i64) -> Option<Position> {
        let length = self.len();
        let distance = usize::try_from(index.unsigned_abs()).ok()?;
        let forward = if index >= 0 { distance } else { length.checked_sub(distance)? };
        (forward < length).then(|| self.walk_to(forward, length))
    }

    /// The position of the item number `index` of `length`, or the end if there are only so many.
    fn walk_to(&self, index: usize, length: usize) -> Position {
        if index <= length / 2 {
            return (0..index).fold(Position(HEADER_BYTES as u32), |at, _| self.after(at));
        }
        let back = |at, _| self.previous(at).expect("there are more items in front");
        (index..length).fold(self.end(), back)
    }

    /// The item at `position`.
    #[inline]
    pub fn at(&self, position: Position) -> Item<'_> {
        decode(&self.as_bytes()[position.at()..]).expect("an entry is here").0
    }

    /// The item number `index`, counted from the end if negative.
    pub fn get(&self, index: i64) -> Option<Item<'_>> {
        self.seek(index).map(|position| self.at(position))
    }

    /// All items; also from the back (`.iter().rev()`).
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(self.entries_from(HEADER_BYTES))
    }

    /// The items from the one at `position` on. With the end, there are none.
    #[inline]
    pub fn iter_from(&self, position: Position) -> Iter<'_> {
        Iter::new(self.entries_from(position.at()))
    }

    /// The items in front of `position`, which may be the end.
    #[inline]
    pub fn iter_before(&self, position: Position) -> Iter<'_> {
        Iter::new(&self.as_bytes()[HEADER_BYTES..position.at()])
    }

    #[inline]
    fn entries_from(&self, start: usize) -> &[u8] {
        &self.as_bytes()[start..self.end().at()]
    }

    /// The first item equal to `needle`; after each comparison, `skip` items are passed over
    /// (1 looks at the fields of field-value pairs only).
    pub fn find<'n>(&self, needle: impl Into<Item<'n>>, skip: usize) -> Option<Position> {
        self.find_from(Position(HEADER_BYTES as u32), needle, skip)
    }

    /// Like [`find`](Self::find), with the item at `position` as the first to be compared.
    pub fn find_from<'n>(
        &self,
        position: Position,
        needle: impl Into<Item<'n>>,
        skip: usize,
    ) -> Option<Position> {
        let needle = Needle::new(needle.into());
        let bytes = self.as_bytes();
        let mut at = position.at();
        while bytes[at] != END {
            if needle.matches(&bytes[at..]) {
                return Some(Position(at as u32));
            }
            for _ in 0..=skip {
                at += span(encoded_len(&bytes[at..]).expect("entries follow one another"));
                if bytes[at] == END {
                    return None;
                }
            }
        }
        None
    }

    /// Adds an item at the end.
    #[inline]
    pub fn push_back<'i>(&mut self, item: impl Into<Item<'i>>) {
        let encoded = Encoded::new(item.into());
        let end = self.end().at();
        let total = self.make_room(encoded.span());
        // SAFETY: `total` bytes are allocated, and what is written is the span that was added.
        unsafe {
            encoded.write(self.0.as_ptr().add(end)).write(END);
            self.write_header(total, count_with(self.count(), 1));
        }
    }

    /// Adds an item at the front.
    #[inline]
    pub fn push_front<'i>(&mut self, item: impl Into<Item<'i>>) {
        self.insert(Position(HEADER_BYTES as u32), item);
    }

    /// Removes the last item, if there is one.
    #[inline]
    pub fn pop_back(&mut self) {
        let Some(last) = self.last() else { return };
        let (old_total, total) = (self.bytes_len(), last.at() + 1);
        if total == EMPTY_BYTES {
            *self = Listpack::new();
            return;
        }
        // SAFETY: there was an item, so this is not the constant; the last one began at `last`.
        unsafe {
            self.0.as_ptr().add(last.at()).write(END);
            self.write_header(total, count_with(self.count(), -1));
        }
        self.shrink(old_total, total);
    }

    /// Removes the first item, if there is one.
    #[inline]
    pub fn pop_front(&mut self) {
        if let Some(first) = self.first() {
            self.splice(first.at()..self.after(first).at(), 1, &[]);
        }
    }

    /// Inserts an item in front of the one at `position`, or at the end. `position` is then its
    /// own.
    #[inline]
    pub fn insert<'i>(&mut self, position: Position, item: impl Into<Item<'i>>) {
        let (encoded, at, old_total) = (Encoded::new(item.into()), position.at(), self.bytes_len());
        assert!(HEADER_BYTES <= at && at < old_total, "an entry or the end is here");
        let added = encoded.span();
        let total = self.make_room(added);
        // SAFETY: `total` bytes are allocated. What is behind the position moves by the span, which
        // is then what is written in front of it.
        unsafe {
            let target = self.0.as_ptr().add(at);
            ptr::copy(target, target.add(added), old_total - at);
            encoded.write(target);
            self.write_header(total, count_with(self.count(), 1));
        }
    }

    /// Inserts items in front of the one at `position`, or at the end. `position` is then that of
    /// the first of them.
    #[inline]
    pub fn insert_all(&mut self, position: Position, items: &[Item<'_>]) {
        self.splice(position.at()..position.at(), 0, items);
    }

    /// Replaces the item at `position`, which stays its position.
    #[inline]
    pub fn replace<'i>(&mut self, position: Position, item: impl Into<Item<'i>>) {
        let end = self.after(position).at();
        self.splice(position.at()..end, 1, &[item.into()]);
    }

    /// Removes the item at `position`, which is then that of the one behind it, or the end.
    #[inline]
    pub fn remove(&mut self, position: Position) {
        self.remove_all(position, 1);
    }

    /// Removes `count` items from the one at `position` on, or as many as there are. `position` is
    /// then that of the one behind them, or the end.
    pub fn remove_all(&mut self, position: Position, count: usize) {
        let (end, mut to, mut removed) = (self.end(), position, 0);
        while removed < count && to < end {
            to = self.after(to);
            removed += 1;
        }
        self.splice(position.at()..to.at(), removed, &[]);
    }

    /// Removes `count` items from number `index` on, or as many as there are. Walks from the nearer
    /// end.
    pub fn remove_range(&mut self, index: usize, count: usize) {
        let length = self.len();
        let from = index.min(length);
        let to = from.saturating_add(count).min(length);
        let (start, end) = (self.walk_to(from, length), self.walk_to(to, length));
        self.splice(start.at()..end.at(), to - from, &[]);
    }

    /// Removes the items from number `index` on and returns them. Panics if there are fewer.
    pub fn split_off(&mut self, index: usize) -> Listpack {
        let length = self.len();
        let start = self.walk_to(index, length).at();
        let mut rest = Listpack::new();
        rest.adopt(self.entries_from(start), length - index);
        self.splice(start..self.end().at(), length - index, &[]);
        rest
    }

    /// Adds the items of `other` at the end.
    pub fn append(&mut self, other: &Listpack) {
        self.adopt(other.entries_from(HEADER_BYTES), other.len());
    }

    /// Adds whole entries at the end.
    fn adopt(&mut self, entries: &[u8], count: usize) {
        if entries.is_empty() {
            return;
        }
        let (end, length) = (self.end().at(), self.len());
        let total = end + entries.len() + 1;
        self.grow(total);
        // SAFETY: `total` bytes are allocated; the entries are not inside this allocation, which is
        // borrowed exclusively.
        unsafe {
            let target = self.0.as_ptr().add(end);
            ptr::copy_nonoverlapping(entries.as_ptr(), target, entries.len());
            target.add(entries.len()).write(END);
            self.write_header(total, length + count);
        }
    }

    /// Replaces the bytes of `range`, which are `removed` whole entries, with `items`.
    fn splice(&mut self, range: Range<usize>, removed: usize, items: &[Item<'_>]) {
        let old_total = self.bytes_len();
        assert!(HEADER_BYTES <= range.start && range.start <= range.end && range.end < old_total);
        let added: usize = items.iter().map(|&item| Encoded::new(item).span()).sum();
        let total = old_total - range.len() + added;
        if total == EMPTY_BYTES {
            *self = Listpack::new();
            return;
        }
        self.grow(total);
        // SAFETY: at least the larger of both totals is allocated. The tail, from the end of the
        // range to the old total, moves to where the items end, which leaves room for them; what is
        // written is the spans that were added up.
        unsafe {
            let base = self.0.as_ptr();
            let mut target = base.add(range.start);
            let tail = old_total - range.end;
            ptr::copy(base.add(range.end), target.add(added), tail);
            for &item in items {
                target = Encoded::new(item).write(target);
            }
            self.write_header(total, count_with(self.count(), items.len() as i64 - removed as i64));
        }
        self.shrink(old_total, total);
    }

    /// Allocates what `added` more bytes need; returns the new total, which the header does not say
    /// yet.
    #[inline]
    fn make_room(&mut self, added: usize) -> usize {
        let total = self.bytes_len() + added;
        self.grow(total);
        total
    }

    #[inline]
    fn count(&self) -> u16 {
        // SAFETY: there is always a header.
        u16::from_le(unsafe { self.0.as_ptr().add(COUNT_AT).cast::<u16>().read_unaligned() })
    }

    /// # Safety
    /// The listpack is not the constant, and has `total` bytes.
    #[inline]
    unsafe fn write_header(&mut self, total: usize, count: usize) {
        let count = count.min(COUNT_UNKNOWN.into()) as u16;
        // SAFETY: by contract, the header may be written.
        unsafe {
            self.0.as_ptr().cast::<u32>().write_unaligned((total as u32).to_le());
            self.0.as_ptr().add(COUNT_AT).cast::<u16>().write_unaligned(count.to_le());
        }
    }

    /// Makes room for `total` bytes. The header still says the old total.
    #[inline]
    fn grow(&mut self, total: usize) {
        assert!(total <= BYTES_MAX, "the types ask before they add");
        let old_total = self.bytes_len();
        if old_total == EMPTY_BYTES || block_size(old_total) < total {
            self.reallocate(old_total, total.max(old_total));
        }
    }

    /// Gives back what `total` bytes do not need. The header says the new total already.
    #[inline]
    fn shrink(&mut self, old_total: usize, total: usize) {
        if total < old_total && block_size(total) < block_size(old_total) {
            self.reallocate(old_total, total);
        }
    }

    /// Moves from the block for `old_total` bytes to the one for `total`.
    #[inline(never)]
    fn reallocate(&mut self, old_total: usize, total: usize) {
        let new = layout(total);
        // SAFETY: the layout has a size. Unless it is the constant, the allocation has the layout
        // of its old total. A new one gets the bytes of the constant, which are fewer than any
        // block has.
        let pointer = unsafe {
            if old_total == EMPTY_BYTES {
                let pointer = alloc(new);
                if !pointer.is_null() {
                    ptr::copy_nonoverlapping(EMPTY.as_ptr(), pointer, EMPTY_BYTES);
                }
                pointer
            } else {
                realloc(self.0.as_ptr(), layout(old_total), new.size())
            }
        };
        self.0 = NonNull::new(pointer).unwrap_or_else(|| handle_alloc_error(new));
    }
}

impl Position {
    #[inline]
    fn at(self) -> usize {
        self.0 as usize
    }
}

/// The count that the header says after so many items came, or went.
#[inline]
fn count_with(count: u16, more: i64) -> usize {
    match count {
        COUNT_UNKNOWN => COUNT_UNKNOWN.into(),
        count => (i64::from(count) + more) as usize,
    }
}

fn layout(total: usize) -> Layout {
    Layout::from_size_align(block_size(total), 1).expect("a listpack is at most BYTES_MAX")
}

impl Drop for Listpack {
    fn drop(&mut self) {
        if !self.is_empty() {
            // SAFETY: not the constant, so allocated, with the layout of its total.
            unsafe { dealloc(self.0.as_ptr(), layout(self.bytes_len())) }
        }
    }
}

impl Clone for Listpack {
    fn clone(&self) -> Listpack {
        let mut copy = Listpack::new();
        copy.append(self);
        copy
    }
}

impl Default for Listpack {
    fn default() -> Listpack {
        Listpack::new()
    }
}

impl PartialEq for Listpack {
    fn eq(&self, other: &Listpack) -> bool {
        self.entries_from(HEADER_BYTES) == other.entries_from(HEADER_BYTES)
    }
}

impl Eq for Listpack {}

impl fmt::Debug for Listpack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<'a> IntoIterator for &'a Listpack {
    type Item = Item<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<'i, I: Into<Item<'i>>> FromIterator<I> for Listpack {
    fn from_iter<T: IntoIterator<Item = I>>(items: T) -> Listpack {
        let mut listpack = Listpack::new();
        items.into_iter().for_each(|item| listpack.push_back(item));
        listpack
    }
}
