//! A string that belongs to a dictionary: one pointer to its length and bytes.
//!
//! ```text
//! byte 0           1 to 5
//!      | length    | bytes |      length: seven bits a byte, least significant first, all but the
//!                                 last byte marked
//! ```
//!
//! Invariant: the allocation is [`block_size`] of the bytes above, so a member of up to 7, 15, 23
//! bytes takes 8, 16, 24. Members never change. Absent: values and scores beside the string.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::{self, NonNull};

use super::table::Record;
use crate::base::alloc::block_size;
use crate::base::hash::member_hash;

/// Longest member in bytes: what its length field can say.
pub const MEMBER_MAX: usize = u32::MAX as usize;

/// The owner of a string.
pub struct Member(NonNull<u8>);

// SAFETY: a member owns its allocation.
unsafe impl Send for Member {}
// SAFETY: a member is only read.
unsafe impl Sync for Member {}

impl Member {
    /// A copy of `bytes`, at most [`MEMBER_MAX`] of them.
    pub fn new(bytes: &[u8]) -> Member {
        assert!(bytes.len() <= MEMBER_MAX, "the parser bounds the length of arguments");
        let prefix = prefix_len(bytes.len());
        let layout = layout(prefix + bytes.len());
        // SAFETY: the layout has a size; so many bytes, prefix included, are written into it.
        unsafe {
            let start = alloc(layout);
            let Some(pointer) = NonNull::new(start) else { handle_alloc_error(layout) };
            let mut left = bytes.len();
            for at in 0..prefix {
                let marked = if at + 1 < prefix { 0x80 } else { 0 };
                start.add(at).write(left as u8 & 0x7f | marked);
                left >>= 7;
            }
            ptr::copy_nonoverlapping(bytes.as_ptr(), start.add(prefix), bytes.len());
            Member(pointer)
        }
    }

    /// The string.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the pointer is a member's, and what it leads to is borrowed with it.
        unsafe { bytes_at(self.0.as_ptr()) }
    }

    /// Bytes that a member of `len` bytes allocates.
    pub fn memory_of(len: usize) -> usize {
        block_size(prefix_len(len) + len)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let len = self.bytes().len();
        // SAFETY: allocated with this layout, and not used again.
        unsafe { dealloc(self.0.as_ptr(), layout(prefix_len(len) + len)) }
    }
}

impl Record for Member {
    type Ref<'a> = &'a [u8];

    #[inline]
    fn into_word(self) -> u64 {
        let pointer = self.0.as_ptr();
        std::mem::forget(self);
        pointer.expose_provenance() as u64
    }

    #[inline]
    unsafe fn from_word(word: u64) -> Member {
        let pointer = ptr::with_exposed_provenance_mut(word as usize);
        // SAFETY: by contract the word came from `into_word`, so it is not null.
        Member(unsafe { NonNull::new_unchecked(pointer) })
    }

    #[inline]
    unsafe fn borrow<'a>(word: u64) -> &'a [u8] {
        // SAFETY: by contract the word came from `into_word`, and the member lives during `'a`.
        unsafe { bytes_at(ptr::with_exposed_provenance(word as usize)) }
    }

    #[inline]
    fn hash(record: &[u8]) -> u64 {
        member_hash(record)
    }
}

/// The string behind a member's pointer.
///
/// # Safety
/// The pointer is that of a member which lives during `'a`.
#[inline]
unsafe fn bytes_at<'a>(start: *const u8) -> &'a [u8] {
    // SAFETY: by contract a length stands here, and so many bytes behind it.
    unsafe {
        let first = start.read();
        if first < 0x80 {
            return std::slice::from_raw_parts(start.add(1), first.into());
        }
        let (mut len, mut at) = (usize::from(first & 0x7f), 1);
        loop {
            let byte = start.add(at).read();
            len |= usize::from(byte & 0x7f) << (7 * at);
            at += 1;
            if byte < 0x80 {
                return std::slice::from_raw_parts(start.add(at), len);
            }
        }
    }
}

/// Bytes of the length field for `len`.
#[inline]
fn prefix_len(len: usize) -> usize {
    let bits = usize::BITS - (len | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(block_size(size), 1).expect("lengths are 32-bit")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ds::dict::Dict;

    #[test]
    fn strings_of_every_length_are_kept() {
        let longest = if cfg!(miri) { 17_000 } else { 3_000_000 };
        let edges = [0, 1, 7, 8, 127, 128, 16_383, 16_384, longest];
        for len in edges {
            let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let word = Member::new(&bytes).into_word();
            // SAFETY: the word is used as an owner once, after the borrow has ended.
            unsafe {
                assert_eq!(Member::borrow(word), bytes);
                assert_eq!(Member::from_word(word).bytes(), bytes);
            }
        }
        assert_eq!([7, 8, 15, 16, 23].map(Member::memory_of), [8, 16, 16, 24, 24]);
    }

    #[test]
    fn a_dictionary_of_members_finds_them() {
        let mut dict = Dict::new();
        let name = |index: usize| format!("member:{index}").into_bytes();
        let count = if cfg!(miri) { 40 } else { 2000 };
        for index in 0..count {
            dict.insert(member_hash(&name(index)), Member::new(&name(index)));
        }
        for index in 0..count {
            let position = dict.find(member_hash(&name(index)), |found| found == name(index));
            assert_eq!(dict.get(position.expect("present")), name(index));
        }
        assert!(dict.find(member_hash(b"member:x"), |found| found == b"member:x").is_none());
    }
}
