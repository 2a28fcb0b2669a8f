//! One key with its value, expiry and access field, in one allocation.
//!
//! # Problem
//!
//! Most keys and values are a few dozen bytes. A separate allocation for each, or a struct with a
//! pointer and a length per part, costs more than the data. So an entry is a pointer to bytes:
//!
//! ```text
//! byte 0      1        4            5 or 8         6 to 12        +8         +key
//!      | flags | access | key length | value length | expiry i64 | key bytes | value |
//!                        1 or 4       1 or 4; Raw    if it expires
//!                                     only
//! flags: kind (3 bits) | expires | long key | long value | modified
//!
//! kind      value
//! Int       i64, 8 bytes
//! Raw       the bytes, at most EMBED_MAX
//! Big       a `Bytes` and its capacity, aligned to 8
//! List ...  a collection's struct, at most 16 bytes, aligned to 8
//! ```
//!
//! All integers are in native byte order and unaligned. A 16-byte key with a 16-byte value takes 38
//! bytes, with expiry 46: blocks of 40 and 48 in the allocator.
//!
//! # Invariant
//!
//! The allocation is always [`block_size`]`(size)` bytes, where the size follows from the header,
//! so the capacity needs no field and what stays in its block is rewritten in place. A value is Big
//! exactly when it is longer than [`EMBED_MAX`]; it is then counted by reference, so replies share
//! it.
//!
//! Alignment is asked for as 1: asked for 8, mimalloc's aligned path would serve sizes that are not
//! powers of two from the next larger block. Sizes are multiples of 8, for which allocators give
//! that alignment anyway; where a value needs it, it is checked.
//!
//! Absent: what a value means, when an entry has expired, and any clock.

#[cfg(test)]
mod tests;

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

use bytes::{Bytes, BytesMut};

use super::hash::Hash;
use super::list::List;
use super::object::{Kind, Object, ObjectMut, ObjectRef, PAYLOAD_ALIGN};
use super::set::Set;
use super::sorted_set::SortedSet;
use super::stream::Stream;
use crate::base::alloc::block_size;
use crate::base::hash::key_hash;
use crate::ds::table::{Record, RecordMut};

/// Longest value, in bytes, that is stored inside the entry.
pub const EMBED_MAX: usize = 16 * 1024;

const KIND_MASK: u8 = 0b111;
const INT: u8 = 0;
const RAW: u8 = 1;
const BIG: u8 = 2;
const LIST: u8 = 3;
const HASH: u8 = 4;
const SET: u8 = 5;
const SORTED_SET: u8 = 6;
const STREAM: u8 = 7;
const EXPIRES: u8 = 1 << 3;
const LONG_KEY: u8 = 1 << 4;
const LONG_VALUE: u8 = 1 << 5;
const MODIFIED: u8 = 1 << 6;

const ACCESS_AT: usize = 1;
const ACCESS_BYTES: usize = 3;
const KEY_LENGTH_AT: usize = ACCESS_AT + ACCESS_BYTES;
const SHORT_MAX: usize = u8::MAX as usize;

/// Longest key in bytes: what its length field can say.
pub const KEY_MAX: usize = u32::MAX as usize;

/// A value to be stored.
#[derive(Debug)]
pub enum Value<'a> {
    /// An integer that is kept as one.
    Int(i64),
    /// Bytes to be copied.
    Raw(&'a [u8]),
    /// Bytes to be shared if they are long enough not to be embedded.
    Big(Bytes),
    /// A collection.
    Object(Object),
}

/// A stored value.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    /// An integer; its text is the decimal one.
    Int(i64),
    /// At most [`EMBED_MAX`] bytes inside the entry.
    Raw(&'a [u8]),
    /// More bytes, which can be shared.
    Big(&'a Bytes),
    /// A collection.
    Object(ObjectRef<'a>),
}

impl ValueRef<'_> {
    /// The type.
    pub fn kind(self) -> Kind {
        match self {
            ValueRef::Int(_) | ValueRef::Raw(_) | ValueRef::Big(_) => Kind::String,
            ValueRef::Object(object) => object.kind(),
        }
    }
}

/// The owner of one key's allocation.
pub struct Entry(NonNull<u8>);

/// A shared borrow of an [`Entry`].
#[derive(Clone, Copy)]
pub struct EntryRef<'a>(NonNull<u8>, PhantomData<&'a Entry>);

/// An exclusive borrow of an [`Entry`], which stays where it is.
pub struct EntryMut<'a>(NonNull<u8>, PhantomData<&'a mut Entry>);

// SAFETY: an entry owns its allocation; `Bytes` and collections may go to other threads.
unsafe impl Send for Entry {}

/// The payload of a Big value.
struct Big {
    bytes: Bytes,
    /// Bytes allocated for `bytes`, as far as known; at least its length.
    capacity: usize,
}

/// What the header says about where everything lies.
#[derive(Clone, Copy)]
struct Shape {
    flags: u8,
    key_len: usize,
    /// Bytes that the value takes inside the entry.
    value_len: usize,
}

impl Shape {
    fn new(kind: u8, key_len: usize, value_len: usize, expires: bool) -> Shape {
        let mut flags = kind;
        flags |= if expires { EXPIRES } else { 0 };
        flags |= if key_len > SHORT_MAX { LONG_KEY } else { 0 };
        flags |= if kind == RAW && value_len > SHORT_MAX { LONG_VALUE } else { 0 };
        Shape { flags, key_len, value_len }
    }

    fn kind(self) -> u8 {
        self.flags & KIND_MASK
    }

    fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn value_length_at(self) -> usize {
        KEY_LENGTH_AT + if self.has(LONG_KEY) { 4 } else { 1 }
    }

    fn expiry_at(self) -> usize {
        let value_length_bytes = match self.kind() {
            RAW if self.has(LONG_VALUE) => 4,
            RAW => 1,
            _ => 0,
        };
        self.value_length_at() + value_length_bytes
    }

    fn key_at(self) -> usize {
        self.expiry_at() + if self.has(EXPIRES) { size_of::<i64>() } else { 0 }
    }

    fn value_at(self) -> usize {
        let key_end = self.key_at() + self.key_len;
        if self.kind() >= BIG { key_end.next_multiple_of(STRUCT_ALIGN) } else { key_end }
    }

    fn layout(self) -> Layout {
        let size = block_size(self.value_at() + self.value_len);
        Layout::from_size_align(size, ASKED_ALIGN).expect("key and value lengths are 32-bit")
    }
}

/// How values that are structs are aligned.
const STRUCT_ALIGN: usize = PAYLOAD_ALIGN;
/// The alignment asked of the allocator. Miri's gives no more than that.
const ASKED_ALIGN: usize = if cfg!(miri) { STRUCT_ALIGN } else { 1 };
const _: () = assert!(align_of::<Big>() <= STRUCT_ALIGN);

/// Bytes inside the entry of a value of a kind other than Raw.
const fn payload_len(kind: u8) -> usize {
    match kind {
        INT => size_of::<i64>(),
        BIG => size_of::<Big>(),
        LIST => size_of::<List>(),
        HASH => size_of::<Hash>(),
        SET => size_of::<Set>(),
        SORTED_SET => size_of::<SortedSet>(),
        _ => size_of::<Stream>(),
    }
}

impl<'a> EntryRef<'a> {
    /// The key's bytes.
    #[inline]
    pub fn key(self) -> &'a [u8] {
        let shape = self.shape();
        // SAFETY: the shape describes this allocation; keys change only when it is dropped.
        unsafe { std::slice::from_raw_parts(self.at(shape.key_at()), shape.key_len) }
    }

    /// The value.
    #[inline]
    pub fn value(self) -> ValueRef<'a> {
        let shape = self.shape();
        let value = self.at(shape.value_at());
        // SAFETY: the shape describes this allocation, whose value is of the kind that it says;
        // structs are aligned. It does not change during `'a`.
        unsafe {
            match shape.kind() {
                INT => ValueRef::Int(value.cast::<i64>().read_unaligned()),
                RAW => ValueRef::Raw(std::slice::from_raw_parts(value, shape.value_len)),
                BIG => ValueRef::Big(&(*value.cast::<Big>()).bytes),
                LIST => ValueRef::Object(ObjectRef::List(&*value.cast())),
                HASH => ValueRef::Object(ObjectRef::Hash(&*value.cast())),
                SET => ValueRef::Object(ObjectRef::Set(&*value.cast())),
                SORTED_SET => ValueRef::Object(ObjectRef::SortedSet(&*value.cast())),
                _ => ValueRef::Object(ObjectRef::Stream(&*value.cast())),
            }
        }
    }

    /// When the entry expires, in Unix time in milliseconds.
    #[inline]
    pub fn expiry(self) -> Option<i64> {
        let shape = self.shape();
        // SAFETY: the flag says that the field is there.
        shape.has(EXPIRES).then(|| unsafe { self.read(shape.expiry_at()) })
    }

    /// The first time, in Unix time in milliseconds, after which something inside a collection
    /// expires while its key stays.
    #[inline]
    pub fn part_due(self) -> Option<i64> {
        match self.value() {
            ValueRef::Object(object) => object.next_due(),
            _ => None,
        }
    }

    /// The access field, 24 bits: a clock or a counter, as the eviction policy wants it.
    #[inline]
    pub fn access(self) -> u32 {
        // SAFETY: every entry has at least four header bytes.
        unsafe { self.read::<u32>(0).to_le() >> 8 }
    }

    /// Sets the access field to the low 24 bits of `access`. Readers may do that too: no reference
    /// ever covers the field.
    #[inline]
    pub fn set_access(self, access: u32) {
        let bytes = access.to_le_bytes();
        // SAFETY: the field is three bytes inside the header, and entries are not shared between
        // threads.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.at(ACCESS_AT), ACCESS_BYTES) }
    }

    /// Whether the value was changed in place since it was set, which OBJECT ENCODING calls `raw`
    /// whatever its length.
    #[inline]
    pub fn is_modified(self) -> bool {
        self.shape().has(MODIFIED)
    }

    /// Bytes allocated for the entry with all that its value refers to; a collection's are
    /// estimated from so many elements, or with 0 added up.
    pub fn memory(self, samples: usize) -> usize {
        let shape = self.shape();
        let referred = match self.value() {
            ValueRef::Int(_) | ValueRef::Raw(_) => 0,
            // SAFETY: the kind says that the value is a Big; it is aligned.
            ValueRef::Big(_) => unsafe { (*self.at(shape.value_at()).cast::<Big>()).capacity },
            ValueRef::Object(object) => object.memory(samples),
        };
        shape.layout().size() + referred
    }

    #[inline]
    fn shape(self) -> Shape {
        // SAFETY: the flags say which length fields there are.
        unsafe {
            let mut shape = Shape { flags: self.read(0), key_len: 0, value_len: 0 };
            shape.key_len = self.read_length(KEY_LENGTH_AT, shape.has(LONG_KEY));
            shape.value_len = match shape.kind() {
                RAW => self.read_length(shape.value_length_at(), shape.has(LONG_VALUE)),
                kind => payload_len(kind),
            };
            shape
        }
    }

    /// # Safety
    /// A length field of that width lies at `at`.
    #[inline]
    unsafe fn read_length(self, at: usize, is_long: bool) -> usize {
        // SAFETY: by contract.
        unsafe { if is_long { self.read::<u32>(at) as usize } else { self.read::<u8>(at).into() } }
    }

    /// # Safety
    /// A valid `T` lies at `at`.
    #[inline]
    unsafe fn read<T: Copy>(self, at: usize) -> T {
        // SAFETY: by contract.
        unsafe { self.at(at).cast::<T>().read_unaligned() }
    }

    #[inline]
    fn at(self, offset: usize) -> *mut u8 {
        self.0.as_ptr().wrapping_add(offset)
    }
}

impl<'a> EntryMut<'a> {
    /// The collection, if the value is one.
    #[inline]
    pub fn object(self) -> Option<ObjectMut<'a>> {
        let entry = EntryRef(self.0, PhantomData);
        let shape = entry.shape();
        let value = entry.at(shape.value_at());
        // SAFETY: the shape describes this allocation, whose value is of the kind that it says;
        // structs are aligned. The entry is borrowed exclusively during `'a`.
        unsafe {
            Some(match shape.kind() {
                LIST => ObjectMut::List(&mut *value.cast()),
                HASH => ObjectMut::Hash(&mut *value.cast()),
                SET => ObjectMut::Set(&mut *value.cast()),
                SORTED_SET => ObjectMut::SortedSet(&mut *value.cast()),
                STREAM => ObjectMut::Stream(&mut *value.cast()),
                _ => return None,
            })
        }
    }
}

impl Entry {
    /// A new entry, with access field zero, that expires at `expiry` (Unix time in milliseconds).
    /// Keys are at most [`KEY_MAX`] bytes.
    pub fn new(key: &[u8], value: Value<'_>, expiry: Option<i64>) -> Entry {
        assert!(key.len() <= KEY_MAX, "the parser bounds the length of keys");
        in_stored_form(value, |value| {
            let (kind, value_len) = place_of(&value);
            let shape = Shape::new(kind, key.len(), value_len, expiry.is_some());
            let mut entry = Entry(allocate(shape));
            entry.view().set_access(0);
            entry.write_header(shape, expiry);
            // SAFETY: the allocation was made for this shape, and nothing in it is borrowed.
            unsafe {
                let target = entry.view().at(shape.key_at());
                ptr::copy_nonoverlapping(key.as_ptr(), target, key.len());
                entry.write_value(shape, value);
            }
            entry
        })
    }

    /// Borrows the entry for reading.
    #[inline]
    pub fn view(&self) -> EntryRef<'_> {
        EntryRef(self.0, PhantomData)
    }

    /// Sets the value. Key, expiry and access field stay.
    pub fn set_value(&mut self, value: Value<'_>) {
        in_stored_form(value, |value| {
            self.drop_payload();
            let (kind, value_len) = place_of(&value);
            let shape = self.reshape(kind, value_len, self.view().expiry(), 0);
            // SAFETY: reshaped for this value; a former payload has been dropped.
            unsafe { self.write_value(shape, value) }
        });
    }

    /// Takes a collection out, if the value is one, and leaves the integer zero.
    pub fn take_object(&mut self) -> Option<Object> {
        // SAFETY: what was read is given up below: the entry becomes an integer.
        let object = unsafe { self.read_object()? };
        let shape = self.reshape(INT, payload_len(INT), self.view().expiry(), 0);
        // SAFETY: reshaped for an integer.
        unsafe { self.write_value(shape, Value::Int(0)) }
        Some(object)
    }

    /// The collection, if the value is one. The rest is dropped.
    pub fn into_object(self) -> Option<Object> {
        // SAFETY: the entry is given up below without dropping its value.
        let object = unsafe { self.read_object()? };
        ManuallyDrop::new(self).free();
        Some(object)
    }

    /// # Safety
    /// The value in the entry must not be used or dropped any more.
    unsafe fn read_object(&self) -> Option<Object> {
        let shape = self.view().shape();
        let value = self.view().at(shape.value_at());
        // SAFETY: a struct of this kind lies there, aligned; by contract it has one owner.
        unsafe {
            Some(match shape.kind() {
                LIST => Object::List(value.cast::<List>().read()),
                HASH => Object::Hash(value.cast::<Hash>().read()),
                SET => Object::Set(value.cast::<Set>().read()),
                SORTED_SET => Object::SortedSet(value.cast::<SortedSet>().read()),
                STREAM => Object::Stream(value.cast::<Stream>().read()),
                _ => return None,
            })
        }
    }

    /// Sets or removes the expiry, Unix time in milliseconds.
    pub fn set_expiry(&mut self, expiry: Option<i64>) {
        let old = self.view().shape();
        if old.has(EXPIRES) == expiry.is_some() {
            self.write_header(old, expiry);
            return;
        }
        self.reshape(old.kind(), old.value_len, expiry, old.value_len);
        if old.has(MODIFIED) {
            self.mark_modified();
        }
    }

    /// Adds bytes at the end of the value, which must be a string, in amortised constant time for
    /// each.
    pub fn append(&mut self, bytes: &[u8]) {
        self.make_text();
        let length = match self.view().value() {
            ValueRef::Raw(old) => old.len(),
            ValueRef::Big(old) => old.len(),
            ValueRef::Int(_) | ValueRef::Object(_) => unreachable!("the caller knows it is text"),
        };
        self.write_at(length, bytes);
    }

    /// Overwrites the value, which must be a string, from `offset` on. It is extended with zeros as
    /// far as needed, to
    /// `offset` itself when `bytes` is empty; the caller bounds the resulting length. An integer
    /// becomes its text first. Panics if the end is beyond `usize`.
    pub fn write_at(&mut self, offset: usize, bytes: &[u8]) {
        self.make_text();
        let end = offset.checked_add(bytes.len()).expect("the caller bounds the length");
        let length = match self.view().value() {
            ValueRef::Big(_) => {
                self.change_big(end, |buffer| overwrite(buffer, offset, bytes));
                self.mark_modified();
                return;
            }
            ValueRef::Raw(old) => old.len(),
            ValueRef::Int(_) | ValueRef::Object(_) => unreachable!("the caller knows it is text"),
        };
        if end > EMBED_MAX {
            self.outgrow(offset, bytes);
        } else {
            let shape = self.reshape(RAW, length.max(end), self.view().expiry(), length);
            // SAFETY: `value_len` bytes are allocated at `value_at`, of which the first `length`
            // are initialised; both writes stay inside.
            unsafe {
                let value = self.view().at(shape.value_at());
                ptr::write_bytes(value.add(length), 0, offset.saturating_sub(length));
                ptr::copy_nonoverlapping(bytes.as_ptr(), value.add(offset), bytes.len());
            }
        }
        self.mark_modified();
    }

    /// Moves an embedded value out and changes it there.
    fn outgrow(&mut self, offset: usize, bytes: &[u8]) {
        let ValueRef::Raw(old) = self.view().value() else {
            unreachable!("only embedded values outgrow the entry")
        };
        let mut buffer = BytesMut::with_capacity(offset + bytes.len());
        buffer.extend_from_slice(old);
        overwrite(&mut buffer, offset, bytes);
        let capacity = buffer.capacity();
        let shape = self.reshape(BIG, size_of::<Big>(), self.view().expiry(), 0);
        // SAFETY: reshaped for a Big, whose place holds nothing yet.
        unsafe { self.big_at(shape).write(Big { bytes: buffer.freeze(), capacity }) }
    }

    /// Changes the bytes of a Big value: in place unless somebody shares them.
    fn change_big(&mut self, length: usize, change: impl FnOnce(&mut BytesMut)) {
        let shape = self.view().shape();
        // SAFETY: the caller checked that the value is Big; `self` is borrowed exclusively.
        let big = unsafe { &mut *self.big_at(shape) };
        let bytes = std::mem::take(&mut big.bytes);
        let mut buffer = bytes.try_into_mut().unwrap_or_else(|shared| {
            let mut copy = BytesMut::with_capacity(length.max(shared.len()));
            copy.extend_from_slice(&shared);
            copy
        });
        change(&mut buffer);
        big.capacity = buffer.capacity();
        big.bytes = buffer.freeze();
    }

    /// Turns an integer into its decimal text.
    fn make_text(&mut self) {
        if let ValueRef::Int(number) = self.view().value() {
            let mut text = itoa::Buffer::new();
            self.set_value(Value::Raw(text.format(number).as_bytes()));
        }
    }

    /// Says that the value was changed in place since it was set.
    pub(super) fn mark_modified(&mut self) {
        let flags = self.view().shape().flags | MODIFIED;
        // SAFETY: the first byte of every entry is its flags.
        unsafe { self.0.write(flags) }
    }

    /// Gives the entry room for another value or expiry, in place if the block size stays. Key,
    /// access field and the first `kept` bytes inside the value stay; the other bytes of the value
    /// are undefined.
    fn reshape(&mut self, kind: u8, value_len: usize, expiry: Option<i64>, kept: usize) -> Shape {
        let old = self.view().shape();
        let new = Shape::new(kind, old.key_len, value_len, expiry.is_some());
        let (old_key, old_value) = (self.view().at(old.key_at()), self.view().at(old.value_at()));
        let in_place = old.layout() == new.layout();
        let target = if in_place { self.0 } else { allocate(new) };
        // SAFETY: both shapes fit their allocations. In one allocation, value and key move the same
        // way, the one in front first, so neither overwrites what has yet to be moved.
        unsafe {
            let (new_key, new_value) = (target.add(new.key_at()), target.add(new.value_at()));
            if in_place && new.key_at() < old.key_at() {
                ptr::copy(old_key, new_key.as_ptr(), old.key_len);
                ptr::copy(old_value, new_value.as_ptr(), kept);
            } else if !in_place || new.key_at() > old.key_at() {
                ptr::copy(old_value, new_value.as_ptr(), kept);
                ptr::copy(old_key, new_key.as_ptr(), old.key_len);
            }
        }
        if !in_place {
            let access = self.view().access();
            // SAFETY: allocated with this layout; everything kept has been copied.
            unsafe { dealloc(self.0.as_ptr(), old.layout()) }
            self.0 = target;
            self.view().set_access(access);
        }
        self.write_header(new, expiry);
        new
    }

    /// Writes all of the header except the access field.
    fn write_header(&mut self, shape: Shape, expiry: Option<i64>) {
        // SAFETY: the allocation was made for this shape.
        unsafe {
            self.0.write(shape.flags);
            self.write_length(KEY_LENGTH_AT, shape.has(LONG_KEY), shape.key_len);
            if shape.kind() == RAW {
                let at = shape.value_length_at();
                self.write_length(at, shape.has(LONG_VALUE), shape.value_len);
            }
            if let Some(time) = expiry {
                self.view().at(shape.expiry_at()).cast::<i64>().write_unaligned(time);
            }
        }
    }

    /// # Safety
    /// The header has a length field of that width at `at`.
    unsafe fn write_length(&mut self, at: usize, is_long: bool, length: usize) {
        let field = self.view().at(at);
        // SAFETY: by contract.
        unsafe {
            if is_long {
                field.cast::<u32>().write_unaligned(length as u32);
            } else {
                field.write(length as u8);
            }
        }
    }

    /// # Safety
    /// The entry has this shape, made for this value, and holds no struct that needs dropping.
    unsafe fn write_value(&mut self, shape: Shape, value: Value<'_>) {
        let target = self.view().at(shape.value_at());
        // SAFETY: by contract there is room for the value.
        unsafe {
            match value {
                Value::Int(number) => target.cast::<i64>().write_unaligned(number),
                Value::Raw(bytes) => {
                    ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len());
                }
                Value::Big(bytes) => {
                    let capacity = bytes.len();
                    self.big_at(shape).write(Big { bytes, capacity });
                }
                Value::Object(object) => match object {
                    Object::List(list) => target.cast::<List>().write(list),
                    Object::Hash(hash) => target.cast::<Hash>().write(hash),
                    Object::Set(set) => target.cast::<Set>().write(set),
                    Object::SortedSet(set) => target.cast::<SortedSet>().write(set),
                    Object::Stream(stream) => target.cast::<Stream>().write(stream),
                },
            }
        }
    }

    fn big_at(&mut self, shape: Shape) -> *mut Big {
        self.view().at(shape.value_at()).cast()
    }

    /// Drops a value that is a struct. Its place must then be rewritten or freed.
    #[inline]
    fn drop_payload(&mut self) {
        let shape = self.view().shape();
        match shape.kind() {
            INT | RAW => {}
            // SAFETY: the kind says that a Big lies there; the callers do not use it again.
            BIG => unsafe { self.big_at(shape).drop_in_place() },
            // SAFETY: the callers do not use the value again.
            _ => drop(unsafe { self.read_object() }),
        }
    }

    /// Gives the allocation back, without dropping the value.
    fn free(&mut self) {
        // SAFETY: allocated with the layout that follows from the header; every caller gives the
        // entry up.
        unsafe { dealloc(self.0.as_ptr(), self.view().shape().layout()) }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.drop_payload();
        self.free();
    }
}

impl Record for Entry {
    type Ref<'a> = EntryRef<'a>;

    fn into_word(self) -> u64 {
        let entry = std::mem::ManuallyDrop::new(self);
        entry.0.as_ptr().expose_provenance() as u64
    }

    unsafe fn from_word(word: u64) -> Entry {
        let address = ptr::with_exposed_provenance_mut(word as usize);
        // SAFETY: by contract the word is a pointer that was not null.
        Entry(unsafe { NonNull::new_unchecked(address) })
    }

    #[inline]
    unsafe fn borrow<'a>(word: u64) -> EntryRef<'a> {
        let address = ptr::with_exposed_provenance_mut(word as usize);
        // SAFETY: by contract the word is a pointer that was not null.
        EntryRef(unsafe { NonNull::new_unchecked(address) }, PhantomData)
    }

    #[inline]
    fn hash(record: EntryRef<'_>) -> u64 {
        key_hash(record.key())
    }
}

impl RecordMut for Entry {
    type Mut<'a> = EntryMut<'a>;

    #[inline]
    unsafe fn borrow_mut<'a>(word: u64) -> EntryMut<'a> {
        let address = ptr::with_exposed_provenance_mut(word as usize);
        // SAFETY: by contract the word is a pointer that was not null.
        EntryMut(unsafe { NonNull::new_unchecked(address) }, PhantomData)
    }
}

fn allocate(shape: Shape) -> NonNull<u8> {
    let layout = shape.layout();
    // SAFETY: an entry has at least a header, so its layout is not empty.
    let block = NonNull::new(unsafe { alloc(layout) });
    let block = block.unwrap_or_else(|| handle_alloc_error(layout));
    let is_aligned = block.as_ptr().addr().is_multiple_of(STRUCT_ALIGN);
    assert!(shape.kind() < BIG || is_aligned, "the allocator aligns multiples of 8 to 8");
    block
}

/// Passes a value on in the form in which its length wants it to be stored.
fn in_stored_form<T>(value: Value<'_>, store: impl FnOnce(Value<'_>) -> T) -> T {
    match value {
        Value::Raw(bytes) if bytes.len() > EMBED_MAX => {
            store(Value::Big(Bytes::copy_from_slice(bytes)))
        }
        Value::Big(bytes) if bytes.len() <= EMBED_MAX => store(Value::Raw(&bytes)),
        other => store(other),
    }
}

/// The kind of a value and the bytes that it takes inside an entry.
fn place_of(value: &Value<'_>) -> (u8, usize) {
    match value {
        Value::Int(_) => (INT, size_of::<i64>()),
        Value::Raw(bytes) => (RAW, bytes.len()),
        Value::Big(_) => (BIG, payload_len(BIG)),
        Value::Object(object) => {
            let kind = match object {
                Object::List(_) => LIST,
                Object::Hash(_) => HASH,
                Object::Set(_) => SET,
                Object::SortedSet(_) => SORTED_SET,
                Object::Stream(_) => STREAM,
            };
            (kind, payload_len(kind))
        }
    }
}

/// Writes bytes into a buffer, which grows as needed with zeros before them.
fn overwrite(buffer: &mut BytesMut, offset: usize, bytes: &[u8]) {
    if offset > buffer.len() {
        buffer.resize(offset, 0);
    }
    let inside = bytes.len().min(buffer.len() - offset);
    buffer[offset..offset + inside].copy_from_slice(&bytes[..inside]);
    buffer.extend_from_slice(&bytes[inside..]);
}
