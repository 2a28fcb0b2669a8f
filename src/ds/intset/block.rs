//! The bytes of an intset: reading, widening, and making and closing gaps. No order, no search.
//!
//! Invariant: the allocation is `block_size(HEADER_BYTES + width * len)` bytes with alignment 1,
//! or the constant if there is no integer.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ptr::{self, NonNull};

use super::Width;
use crate::base::alloc::block_size;

/// Bytes in front of the integers.
pub(super) const HEADER_BYTES: usize = 8;
const LEN_AT: usize = 4;

static EMPTY: [u8; HEADER_BYTES] = [Width::Two as u8, 0, 0, 0, 0, 0, 0, 0];

/// Header and integers; one pointer.
pub(super) struct Block(NonNull<u8>);

// SAFETY: a block owns its allocation; the constant that empty ones share is never written.
unsafe impl Send for Block {}
// SAFETY: a shared block is only read.
unsafe impl Sync for Block {}

impl Block {
    pub(super) const fn new() -> Block {
        Block(NonNull::new(EMPTY.as_ptr().cast_mut()).expect("statics have an address"))
    }

    /// A block of `len` integers of `width` bytes each.
    pub(super) fn copied(width: Width, len: usize, integers: &[u8]) -> Block {
        assert!(integers.len() == len * width as usize, "the integers are as wide as stated");
        let mut block = Block::new();
        if len > 0 {
            block.resize(width, len);
            // SAFETY: resized for exactly so many bytes; the source is not inside the block.
            unsafe { ptr::copy_nonoverlapping(integers.as_ptr(), block.integer(0), integers.len()) }
        }
        block
    }

    /// A block of these integers, which fit the width.
    pub(super) fn of(width: Width, values: &[i64]) -> Block {
        let mut block = Block::new();
        if !values.is_empty() {
            block.resize(width, values.len());
            values.iter().enumerate().for_each(|(index, &value)| block.write(index, value));
        }
        block
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: so many bytes are initialised, and owned or constant.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr(), self.total()) }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.header_word(LEN_AT) as usize
    }

    #[inline]
    pub(super) fn width(&self) -> Width {
        match self.header_word(0) {
            2 => Width::Two,
            4 => Width::Four,
            _ => Width::Eight,
        }
    }

    pub(super) fn memory(&self) -> usize {
        if self.len() == 0 { 0 } else { block_size(self.total()) }
    }

    /// The integer at `index`, which must be below the length.
    #[inline]
    pub(super) fn at(&self, index: usize) -> i64 {
        assert!(index < self.len(), "an index lies below the length");
        let place = self.integer(index);
        // SAFETY: `index` is below the length, so the integer lies inside the block.
        unsafe {
            match self.width() {
                Width::Two => i16::from_le(place.cast::<i16>().read_unaligned()).into(),
                Width::Four => i32::from_le(place.cast::<i32>().read_unaligned()).into(),
                Width::Eight => i64::from_le(place.cast::<i64>().read_unaligned()),
            }
        }
    }

    /// Puts an integer that fits the width in front of the one at `index`, or at the end.
    pub(super) fn insert_at(&mut self, index: usize, value: i64) {
        let (width, len) = (self.width(), self.len());
        assert!(index <= len && Width::of(value) <= width, "there is a place for the integer");
        self.resize(width, len + 1);
        let place = self.integer(index);
        // SAFETY: the block has room for one more integer, so those from `index` on may move by
        // one, and the place that they leave may be written.
        unsafe {
            let behind = (len - index) * width as usize;
            ptr::copy(place, place.add(width as usize), behind);
        }
        self.write(index, value);
    }

    /// Takes out the integer at `index`.
    pub(super) fn remove_at(&mut self, index: usize) {
        let (width, len) = (self.width(), self.len());
        assert!(index < len, "an index lies below the length");
        if len == 1 {
            *self = Block::new();
            return;
        }
        let place = self.integer(index);
        // SAFETY: those behind `index` lie inside the block and move by one to the front.
        unsafe {
            let behind = (len - index - 1) * width as usize;
            ptr::copy(place.add(width as usize), place, behind);
        }
        self.resize(width, len - 1);
    }

    /// Gives every integer more bytes.
    pub(super) fn widen(&mut self, width: Width) {
        if self.len() == 0 {
            // The constant cannot be written: a wider empty block is allocated.
            self.resize(width, 0);
            return;
        }
        let mut wider = Block::new();
        wider.resize(width, self.len());
        for index in 0..self.len() {
            wider.write(index, self.at(index));
        }
        *self = wider;
    }

    #[inline]
    fn header_word(&self, at: usize) -> u32 {
        // SAFETY: there is always a header.
        u32::from_le(unsafe { self.0.as_ptr().add(at).cast::<u32>().read_unaligned() })
    }

    #[inline]
    fn total(&self) -> usize {
        HEADER_BYTES + self.len() * self.width() as usize
    }

    #[inline]
    fn integer(&self, index: usize) -> *mut u8 {
        self.0.as_ptr().wrapping_add(HEADER_BYTES + index * self.width() as usize)
    }

    /// Writes one of the integers.
    fn write(&mut self, index: usize, value: i64) {
        assert!(index < self.len(), "an index lies below the length");
        let (place, width) = (self.integer(index), self.width() as usize);
        let bytes = value.to_le_bytes();
        // SAFETY: `index` is below the length, so the integer lies inside the block, which is not
        // the constant, because that has no integer.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), place, width) }
    }

    fn is_constant(&self) -> bool {
        ptr::eq(self.0.as_ptr(), EMPTY.as_ptr())
    }

    /// Sets width and length, and moves the block to where so many integers fit. Those of the old
    /// and new length stay what they were if the width does.
    fn resize(&mut self, width: Width, len: usize) {
        let new = layout(HEADER_BYTES + len * width as usize);
        let old = layout(self.total());
        if self.is_constant() || old != new {
            // SAFETY: both layouts have a size. Unless the block is the constant, it was allocated
            // with the layout of its total.
            let pointer = unsafe {
                if self.is_constant() {
                    alloc(new)
                } else {
                    realloc(self.0.as_ptr(), old, new.size())
                }
            };
            self.0 = NonNull::new(pointer).unwrap_or_else(|| handle_alloc_error(new));
        }
        // SAFETY: there is room for the header, and the block is not the constant any more.
        unsafe {
            self.0.as_ptr().cast::<u32>().write_unaligned((width as u32).to_le());
            self.0.as_ptr().add(LEN_AT).cast::<u32>().write_unaligned((len as u32).to_le());
        }
    }
}

fn layout(total: usize) -> Layout {
    Layout::from_size_align(block_size(total), 1).expect("an intset is at most 8 GiB")
}

impl Default for Block {
    fn default() -> Block {
        Block::new()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if !self.is_constant() {
            // SAFETY: not the constant, so allocated, with the layout of its total.
            unsafe { dealloc(self.0.as_ptr(), layout(self.total())) }
        }
    }
}
