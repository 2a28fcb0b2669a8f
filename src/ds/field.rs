//! A field of a large hash with its value, and when it expires: one pointer to one allocation.
//!
//! ```text
//! byte 0             1 to 5      1 to 5   0 or 8
//!      | name length | value length | expiry | name | value |
//! ```
//!
//! Lengths take seven bits a byte, least significant first, all but the last byte marked. The
//! lowest bit of the first one says whether there is an expiry, and is no part of the length.
//!
//! Invariant: the allocation is [`block_size`] of the bytes above, so a field pays for an expiry
//! only while it has one. Name and value are at most [`LENGTH_MAX`] bytes each.
//!
//! Absent: what the expiry means; and hashes that are small enough for a listpack.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::{self, NonNull};

use super::table::Record;
use crate::base::alloc::block_size;
use crate::base::hash::member_hash;

/// Longest name or value in bytes: what a length says.
pub const LENGTH_MAX: usize = u32::MAX as usize;

const EXPIRES: u64 = 1;
const EXPIRY_BYTES: usize = size_of::<i64>();

/// The owner of a field.
pub struct Field(NonNull<u8>);

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldRef<'a> {
    pub name: &'a [u8],
    pub value: &'a [u8],
    /// A point in time, if the field has one to expire at.
    pub expiry: Option<i64>,
}

impl FieldRef<'_> {
    /// Bytes that the field allocates.
    pub fn memory(self) -> usize {
        Shape::of(self).block()
    }
}

// SAFETY: a field owns its allocation.
unsafe impl Send for Field {}
// SAFETY: a shared field is only read.
unsafe impl Sync for Field {}

impl Field {
    /// A copy of what `content` refers to.
    pub fn new(content: FieldRef<'_>) -> Field {
        let shape = Shape::of(content);
        let layout = shape.layout();
        // SAFETY: the layout has a size, as there are always two lengths.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        let mut field = Field(start);
        // SAFETY: the allocation has this shape, and nothing of the content is inside it.
        unsafe { field.write(shape, content) };
        field
    }

    /// What it holds.
    #[inline]
    pub fn view(&self) -> FieldRef<'_> {
        // SAFETY: the pointer is a field's, and what it leads to is borrowed with it.
        unsafe { content_at(self.0.as_ptr()) }
    }

    /// Replaces value and expiry; the name stays. Neither may lie in this field.
    pub fn set(&mut self, value: &[u8], expiry: Option<i64>) {
        let old = self.view();
        let new = FieldRef { name: old.name, value, expiry };
        let (from, to) = (Shape::of(old), Shape::of(new));
        if from.prefix == to.prefix && from.block() == to.block() {
            // SAFETY: the name stays where it is, as the prefix has the same length, and the block
            // has room for the rest, which is not borrowed from it.
            unsafe { self.write_around_name(to, value, expiry) }
        } else {
            *self = Field::new(new);
        }
    }

    /// Sets or removes the expiry.
    pub fn set_expiry(&mut self, expiry: Option<i64>) {
        let old = self.view();
        if old.expiry != expiry {
            *self = Field::new(FieldRef { expiry, ..old });
        }
    }

    /// # Safety
    /// The allocation has this shape, which is that of the content, and holds none of it.
    unsafe fn write(&mut self, shape: Shape, content: FieldRef<'_>) {
        // SAFETY: by contract; the name lies between the prefix and the value.
        unsafe {
            let name = self.0.as_ptr().add(shape.prefix);
            ptr::copy_nonoverlapping(content.name.as_ptr(), name, content.name.len());
            self.write_around_name(shape, content.value, content.expiry);
        }
    }

    /// # Safety
    /// As for [`Field::write`], with the name in its place already.
    unsafe fn write_around_name(&mut self, shape: Shape, value: &[u8], expiry: Option<i64>) {
        let start = self.0.as_ptr();
        let marked = (shape.name_len as u64) << 1 | u64::from(expiry.is_some());
        // SAFETY: by contract; the prefix is made up of what is written here.
        unsafe {
            let next = write_length(start, marked);
            let next = write_length(next, shape.value_len as u64);
            if let Some(expiry) = expiry {
                next.cast::<i64>().write_unaligned(expiry);
            }
            let target = start.add(shape.prefix + shape.name_len);
            ptr::copy_nonoverlapping(value.as_ptr(), target, value.len());
        }
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        let layout = Shape::of(self.view()).layout();
        // SAFETY: allocated with this layout, and not used again.
        unsafe { dealloc(self.0.as_ptr(), layout) }
    }
}

impl Record for Field {
    type Ref<'a> = FieldRef<'a>;

    #[inline]
    fn into_word(self) -> u64 {
        let pointer = self.0.as_ptr();
        std::mem::forget(self);
        pointer.expose_provenance() as u64
    }

    #[inline]
    unsafe fn from_word(word: u64) -> Field {
        let pointer = ptr::with_exposed_provenance_mut(word as usize);
        // SAFETY: by contract the word came from `into_word`, so it is not null.
        Field(unsafe { NonNull::new_unchecked(pointer) })
    }

    #[inline]
    unsafe fn borrow<'a>(word: u64) -> FieldRef<'a> {
        // SAFETY: by contract the word came from `into_word`, and the field lives during `'a`.
        unsafe { content_at(ptr::with_exposed_provenance(word as usize)) }
    }

    #[inline]
    fn hash(record: FieldRef<'_>) -> u64 {
        member_hash(record.name)
    }
}

/// Where the parts of a field lie.
#[derive(Clone, Copy)]
struct Shape {
    /// Bytes in front of the name.
    prefix: usize,
    name_len: usize,
    value_len: usize,
}

impl Shape {
    fn of(content: FieldRef<'_>) -> Shape {
        let (name_len, value_len) = (content.name.len(), content.value.len());
        assert!(name_len.max(value_len) <= LENGTH_MAX, "the parser bounds arguments");
        let expiry = if content.expiry.is_some() { EXPIRY_BYTES } else { 0 };
        let prefix = length_len((name_len as u64) << 1) + length_len(value_len as u64) + expiry;
        Shape { prefix, name_len, value_len }
    }

    fn block(self) -> usize {
        block_size(self.prefix + self.name_len + self.value_len)
    }

    fn layout(self) -> Layout {
        Layout::from_size_align(self.block(), 1).expect("lengths are 32-bit")
    }
}

/// What the field at a pointer holds.
///
/// # Safety
/// The pointer is that of a field which lives during `'a`.
#[inline]
unsafe fn content_at<'a>(start: *const u8) -> FieldRef<'a> {
    // SAFETY: by contract two lengths stand here, and behind them what they announce.
    unsafe {
        let (marked, next) = read_length(start);
        let (value_len, next) = read_length(next);
        let expires = marked & EXPIRES != 0;
        let expiry = expires.then(|| next.cast::<i64>().read_unaligned());
        let name = next.add(if expires { EXPIRY_BYTES } else { 0 });
        let name_len = (marked >> 1) as usize;
        FieldRef {
            name: std::slice::from_raw_parts(name, name_len),
            value: std::slice::from_raw_parts(name.add(name_len), value_len as usize),
            expiry,
        }
    }
}

/// Bytes that a length takes.
#[inline]
fn length_len(length: u64) -> usize {
    (length | 1).ilog2() as usize / 7 + 1
}

/// Writes a length and returns where it ends.
///
/// # Safety
/// [`length_len`] bytes may be written.
unsafe fn write_length(start: *mut u8, length: u64) -> *mut u8 {
    let bytes = length_len(length);
    for at in 0..bytes {
        let more = if at + 1 < bytes { 0x80 } else { 0 };
        // SAFETY: by contract.
        unsafe { start.add(at).write((length >> (7 * at)) as u8 & 0x7F | more) }
    }
    // SAFETY: by contract.
    unsafe { start.add(bytes) }
}

/// Reads a length; also returns where it ends.
///
/// # Safety
/// A length stands at `start`.
#[inline]
unsafe fn read_length(start: *const u8) -> (u64, *const u8) {
    // SAFETY: by contract; the last byte is not marked.
    unsafe {
        let (mut length, mut at) = (0, 0);
        loop {
            let byte = start.add(at).read();
            length |= u64::from(byte & 0x7F) << (7 * at);
            at += 1;
            if byte < 0x80 {
                return (length, start.add(at));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ds::dict::Dict;

    fn bytes(len: usize, salt: u8) -> Vec<u8> {
        (0..len).map(|at| at as u8 ^ salt).collect()
    }

    #[test]
    fn fields_keep_what_they_are_given() {
        let longest = if cfg!(miri) { 17_000 } else { 2_100_000 };
        let lengths = [0, 1, 6, 7, 63, 64, 127, 128, 8191, 8192, 16_383, 16_384, longest];
        let expiries = [None, Some(0), Some(i64::MIN), Some(i64::MAX)];
        let values = lengths.map(|len| bytes(len, 7));
        for (salt, len) in lengths.into_iter().enumerate() {
            let name = bytes(len, salt as u8);
            let mut field = Field::new(FieldRef { name: &name, value: b"", expiry: None });
            for value in &values {
                for expiry in expiries {
                    field.set(value, expiry);
                    let expected = FieldRef { name: &name, value, expiry };
                    assert_eq!(field.view(), expected);
                    field.set_expiry(Some(17));
                    assert_eq!(field.view(), FieldRef { expiry: Some(17), ..expected });
                }
            }
        }
    }

    #[test]
    fn an_expiry_costs_eight_bytes_and_only_while_it_is_there() {
        let content = FieldRef { name: b"field0", value: b"0123456789abcdef", expiry: None };
        assert_eq!(content.memory(), 24);
        assert_eq!(FieldRef { expiry: Some(1), ..content }.memory(), 32);
    }

    #[test]
    fn a_dictionary_of_fields_finds_them() {
        let mut dict: Dict<Field> = Dict::new();
        let name = |index: usize| format!("field{index}").into_bytes();
        let count = if cfg!(miri) { 40 } else { 2000 };
        for index in 0..count {
            let (name, expiry) = (name(index), (index % 3 == 0).then_some(index as i64));
            let field = Field::new(FieldRef { name: &name, value: &name, expiry });
            dict.insert(member_hash(&name), field);
        }
        for index in 0..count {
            let name = name(index);
            let position = dict.find(member_hash(&name), |field| field.name == name);
            let position = position.expect("it was inserted");
            dict.update(position, |field| field.set(&[b'x'; 70], field.view().expiry));
            assert_eq!(dict.get(position).value, [b'x'; 70]);
            assert_eq!(dict.get(position).expiry, (index % 3 == 0).then_some(index as i64));
        }
    }
}
