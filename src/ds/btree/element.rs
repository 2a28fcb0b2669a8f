//! One member with its score, in one allocation that an index owns and a tree points to.
//!
//! ```text
//! offset  0        8       9 (or 13)
//!         | score  | len   | bytes ...
//!           f64      one byte below 255, else 255 and four bytes
//! ```
//!
//! Invariant: the member never changes; the score changes only while the element is in no tree, or
//! where the change keeps its place there.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cmp::Ordering;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use crate::base::hash;
use crate::ds::table::Record;

/// Where the length stands.
const LEN_AT: usize = size_of::<f64>();

/// The length byte that says that four bytes of length follow.
const LEN_IS_WIDE: u8 = u8::MAX;

/// An owned element.
pub struct Element(NonNull<u8>);

/// A borrowed element; copying it is free.
#[derive(Clone, Copy)]
pub struct ElementRef<'a> {
    pointer: NonNull<u8>,
    owner: PhantomData<&'a Element>,
}

// SAFETY: an element owns its allocation and shares nothing.
unsafe impl Send for Element {}
// SAFETY: a shared element does not change.
unsafe impl Sync for Element {}

/// Offset of the bytes of a member of this length.
fn bytes_at(len: usize) -> usize {
    if len < usize::from(LEN_IS_WIDE) { LEN_AT + 1 } else { LEN_AT + 1 + size_of::<u32>() }
}

fn layout(len: usize) -> Layout {
    Layout::from_size_align(bytes_at(len) + len, align_of::<f64>()).expect("a member fits memory")
}

impl Element {
    /// Allocates an element. `member` is shorter than 4 GiB, `score` is a number.
    pub fn new(member: &[u8], score: f64) -> Element {
        let len = u32::try_from(member.len()).expect("a member is shorter than 4 GiB");
        let layout = layout(member.len());
        // SAFETY: the layout has at least the size of a score.
        let pointer = unsafe { alloc(layout) };
        let Some(pointer) = NonNull::new(pointer) else { handle_alloc_error(layout) };
        // SAFETY: every write lies within the allocation, whose size `layout` computed from the
        // same length.
        unsafe {
            pointer.cast::<f64>().write(score);
            if len < u32::from(LEN_IS_WIDE) {
                pointer.add(LEN_AT).write(len as u8);
            } else {
                pointer.add(LEN_AT).write(LEN_IS_WIDE);
                pointer.add(LEN_AT + 1).cast::<u32>().write_unaligned(len);
            }
            let bytes = pointer.add(bytes_at(member.len())).as_ptr();
            bytes.copy_from_nonoverlapping(member.as_ptr(), member.len());
        }
        Element(pointer)
    }

    /// Borrows the element.
    #[inline]
    pub fn view(&self) -> ElementRef<'_> {
        ElementRef { pointer: self.0, owner: PhantomData }
    }
}

impl Drop for Element {
    fn drop(&mut self) {
        let layout = layout(self.view().member().len());
        // SAFETY: the element owns the allocation, which was made with this layout.
        unsafe { dealloc(self.0.as_ptr(), layout) };
    }
}

impl<'a> ElementRef<'a> {
    /// The score.
    #[inline]
    pub fn score(self) -> f64 {
        // SAFETY: an element begins with its score.
        unsafe { self.pointer.cast::<f64>().read() }
    }

    /// The member.
    #[inline]
    pub fn member(self) -> &'a [u8] {
        // SAFETY: the length was written when the element was made, and so many bytes follow it;
        // they do not change while the element lives.
        unsafe {
            let short = self.pointer.add(LEN_AT).read();
            let len = if short == LEN_IS_WIDE {
                self.pointer.add(LEN_AT + 1).cast::<u32>().read_unaligned() as usize
            } else {
                usize::from(short)
            };
            std::slice::from_raw_parts(self.pointer.add(bytes_at(len)).as_ptr(), len)
        }
    }

    /// How the element compares with (`score`, `member`): by score, then by the member's bytes.
    #[inline]
    pub fn compare(self, score: f64, member: &[u8]) -> Ordering {
        match self.score().partial_cmp(&score) {
            Some(Ordering::Equal) | None => self.member().cmp(member),
            Some(different) => different,
        }
    }

    /// Bytes of the element's allocation.
    pub fn memory(self) -> usize {
        layout(self.member().len()).size()
    }

    /// Whether both are the same allocation.
    #[inline]
    pub(in crate::ds) fn is(self, other: ElementRef<'_>) -> bool {
        self.pointer == other.pointer
    }

    /// Changes the score.
    ///
    /// # Safety
    /// Nothing else reads the score meanwhile, and the caller may write to the element: it has
    /// exclusive access to the structure that owns it.
    #[inline]
    pub(in crate::ds) unsafe fn set_score(self, score: f64) {
        // SAFETY: an element begins with its score; exclusive access is the caller's promise.
        unsafe { self.pointer.cast::<f64>().write(score) };
    }

    /// The same element for as long as the caller knows it to live.
    ///
    /// # Safety
    /// The element is not dropped during `'b`.
    #[inline]
    pub(in crate::ds) unsafe fn extend<'b>(self) -> ElementRef<'b> {
        ElementRef { pointer: self.pointer, owner: PhantomData }
    }

    /// An element that must not be looked at: it fills places that hold none.
    pub(super) const NONE: ElementRef<'static> =
        ElementRef { pointer: NonNull::dangling(), owner: PhantomData };
}

impl Record for Element {
    type Ref<'a> = ElementRef<'a>;

    #[inline]
    fn into_word(self) -> u64 {
        ManuallyDrop::new(self).0.as_ptr() as u64
    }

    #[inline]
    unsafe fn from_word(word: u64) -> Element {
        // SAFETY: the word is the address of a live element, which is never null.
        Element(unsafe { NonNull::new_unchecked(word as *mut u8) })
    }

    #[inline]
    unsafe fn borrow<'a>(word: u64) -> ElementRef<'a> {
        // SAFETY: the word is the address of a live element, which is never null.
        let pointer = unsafe { NonNull::new_unchecked(word as *mut u8) };
        ElementRef { pointer, owner: PhantomData }
    }

    #[inline]
    fn hash(record: ElementRef<'_>) -> u64 {
        hash::member_hash(record.member())
    }
}
