//! Which segment holds a hash: extendible directories over the leading bits, nested where needed.
//!
//! A directory is a power-of-two array of links, indexed by `width` hash bits from bit `start` on.
//! A segment of smaller depth than the directory's end stands in several neighbouring entries. The
//! array doubles only while its segments justify it; past that, a range that needs more bits gets a
//! directory of its own in its place. So a million keys that share all fourteen slot bits cost one
//! nested directory, not a root of millions of equal entries:
//!
//! ```text
//! root, bits 0..2            nested, bits 2..4
//! 00 -> segment (depth 1)
//! 01 -> segment (depth 1)
//! 10 -> directory --------->  00 -> segment (depth 4)
//! 11 -> empty (depth 2)       01 -> segment (depth 4)
//!                             10 -> empty (depth 3)
//!                             11 -> empty (depth 3)
//! ```
//!
//! Invariant: neighbouring ranges of equal depth are never both empty, so an empty range is as wide
//! as it can be, and no directory but the root leads to a single thing. Absent: records, and the
//! contents of segments; the table keeps those in step.

use std::ptr::{self, NonNull};

use super::segment::{MAX_DEPTH, Segment};

/// Every directory has at least so many bits, and hence at least two entries.
const MIN_WIDTH: u32 = 1;

/// A directory stops doubling here, which bounds the longest copy to 512 KiB.
const MAX_WIDTH: u32 = 16;

/// Up to this many entries a directory may double however few segments it leads to.
const FREE_ENTRIES: usize = 64;

/// Beyond that it may have so many entries for each segment.
const ENTRIES_PER_TARGET: usize = 8;

const TAG_BITS: u32 = 2;
const TAG_MASK: usize = (1 << TAG_BITS) - 1;
const TAG_DIRECTORY: usize = 1;
const TAG_EMPTY: usize = 2;

/// One directory entry: a pointer whose two low bits say what it points to. An empty range holds
/// its depth instead of an address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Link(*mut u8);

/// A [`Link`] taken apart.
pub(super) enum Target {
    /// No record has these leading bits; the depth of the range.
    Empty(u32),
    Segment(NonNull<Segment>),
    Directory(NonNull<Directory>),
}

impl Link {
    pub(super) fn empty(depth: u32) -> Link {
        Link(ptr::without_provenance_mut(((depth as usize) << TAG_BITS) | TAG_EMPTY))
    }

    pub(super) fn segment(segment: NonNull<Segment>) -> Link {
        Link(segment.as_ptr().cast())
    }

    fn directory(directory: Box<Directory>) -> Link {
        Link(Box::into_raw(directory).cast::<u8>().map_addr(|address| address | TAG_DIRECTORY))
    }

    #[inline]
    pub(super) fn target(self) -> Target {
        match self.0.addr() & TAG_MASK {
            0 => {
                // SAFETY: links without a tag are built from non-null segment pointers only.
                Target::Segment(unsafe { NonNull::new_unchecked(self.0.cast()) })
            }
            TAG_DIRECTORY => {
                let untagged = self.0.map_addr(|address| address & !TAG_MASK);
                // SAFETY: this tag is set on pointers of boxes only, which are not null.
                Target::Directory(unsafe { NonNull::new_unchecked(untagged.cast()) })
            }
            _ => Target::Empty((self.0.addr() >> TAG_BITS) as u32),
        }
    }

    fn is_occupied(self) -> bool {
        self.0.addr() & TAG_MASK != TAG_EMPTY
    }
}

/// A power-of-two array of links over some bits of the hash.
pub(super) struct Directory {
    links: Box<[Link]>,
    /// How far the indexing bits stand from the low end of the hash: `64 - end`.
    shift: u32,
    /// The first hash bit, counted from the top, that indexes the array.
    start: u32,
    /// Segments and directories that the entries lead to.
    occupied: usize,
    /// Segments, directories and empty ranges that stand in one entry only.
    deepest: usize,
    /// Heap bytes of this directory and those below.
    bytes: usize,
}

impl Directory {
    /// A directory over the bits from `start` on, both halves empty.
    pub(super) fn new(start: u32) -> Directory {
        let links = vec![Link::empty(start); 1 << MIN_WIDTH].into_boxed_slice();
        let bytes = size_of_val(&*links);
        let shift = u64::BITS - start - MIN_WIDTH;
        Directory { links, shift, start, occupied: 0, deepest: 0, bytes }
    }

    /// Heap bytes of this directory and those below it.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The segment or empty range to which `hash` belongs.
    #[inline]
    pub(super) fn lookup(&self, hash: u64) -> Target {
        let mut target = self.link(hash).target();
        while let Target::Directory(directory) = target {
            // SAFETY: a directory's links own what they point to, and `self` is borrowed.
            target = unsafe { directory.as_ref() }.link(hash).target();
        }
        target
    }

    /// Splits the range of `depth` leading bits around `hash`, which a segment holds now, into its
    /// two halves, led to by `zero` and `one`.
    pub(super) fn divide(&mut self, hash: u64, depth: u32, zero: Link, one: Link) {
        debug_assert!(depth < MAX_DEPTH);
        if let Target::Directory(mut child) = self.link(hash).target() {
            // SAFETY: as in `lookup`; the exclusive borrow of the parent covers the child.
            let child = unsafe { child.as_mut() };
            let before = child.bytes;
            child.divide(hash, depth, zero, one);
            self.bytes = self.bytes + child.bytes - before;
            return;
        }
        if depth == self.end() && !self.double() {
            let mut child = Box::new(Directory::new(depth));
            child.occupied = 1;
            child.divide(hash, depth, zero, one);
            self.bytes += size_of::<Directory>() + child.bytes;
            self.put(hash, depth, Link::directory(child));
            return;
        }
        let half = 1 << (63 - depth);
        self.put(hash & !half, depth + 1, zero);
        self.put(hash | half, depth + 1, one);
        self.occupied += usize::from(zero.is_occupied()) + usize::from(one.is_occupied());
        self.occupied -= 1;
        if depth + 1 == self.end() {
            self.deepest += 2;
        }
    }

    /// Joins the two halves, of `depth` leading bits each, of the range around `hash` into one that
    /// `link` leads to. `released` counts how many of the halves' segments `link` replaces.
    pub(super) fn unify(&mut self, hash: u64, depth: u32, link: Link, released: usize) {
        if let Target::Directory(child) = self.link(hash).target() {
            self.unify_below(child, hash, depth, link, released);
            return;
        }
        self.put(hash, depth - 1, link);
        self.occupied -= released;
        if depth == self.end() {
            self.deepest -= 2;
            self.halve();
        }
    }

    fn unify_below(
        &mut self,
        mut child_pointer: NonNull<Directory>,
        hash: u64,
        depth: u32,
        link: Link,
        released: usize,
    ) {
        // SAFETY: as in `divide`.
        let child = unsafe { child_pointer.as_mut() };
        let before = child.bytes;
        child.unify(hash, depth, link, released);
        self.bytes = self.bytes + child.bytes - before;
        if !child.leads_to_one() {
            return;
        }
        let remaining = child.links[0];
        let start = child.start;
        self.bytes -= size_of::<Directory>() + child.bytes;
        child.links.fill(Link::empty(start));
        self.put(hash, start, remaining);
        // SAFETY: the link made from this box was just overwritten in all its entries.
        drop(unsafe { Box::from_raw(child_pointer.as_ptr()) });
        self.occupied -= usize::from(!remaining.is_occupied());
    }

    /// Changes what the range of `depth` leading bits around `hash` leads to, from a segment to
    /// nothing or back.
    pub(super) fn replace(&mut self, hash: u64, depth: u32, link: Link) {
        if let Target::Directory(mut child) = self.link(hash).target() {
            // SAFETY: as in `divide`.
            unsafe { child.as_mut() }.replace(hash, depth, link);
            return;
        }
        self.occupied -= usize::from(self.link(hash).is_occupied());
        self.occupied += usize::from(link.is_occupied());
        self.put(hash, depth, link);
    }

    fn width(&self) -> u32 {
        self.links.len().trailing_zeros()
    }

    /// The first hash bit that no longer indexes the array.
    fn end(&self) -> u32 {
        u64::BITS - self.shift
    }

    #[inline]
    fn index(&self, hash: u64) -> usize {
        (hash >> self.shift) as usize & (self.links.len() - 1)
    }

    #[inline]
    fn link(&self, hash: u64) -> Link {
        // SAFETY: the index is masked to the length, which is a power of two and not zero.
        unsafe { *self.links.get_unchecked(self.index(hash)) }
    }

    fn put(&mut self, hash: u64, depth: u32, link: Link) {
        let span = 1 << (self.end() - depth);
        let first = self.index(hash) & !(span - 1);
        self.links[first..first + span].fill(link);
    }

    fn leads_to_one(&self) -> bool {
        self.width() == MIN_WIDTH && self.links[0] == self.links[1]
    }

    /// Doubles the array if it may have one more bit.
    fn double(&mut self) -> bool {
        let entries = self.links.len() * 2;
        let justified = FREE_ENTRIES.max(ENTRIES_PER_TARGET * self.occupied);
        if self.width() == MAX_WIDTH || entries > justified {
            return false;
        }
        self.bytes += size_of_val(&*self.links);
        self.links = self.links.iter().flat_map(|&link| [link, link]).collect();
        self.shift -= 1;
        self.deepest = 0;
        true
    }

    /// Halves the array while nothing needs its last bit.
    fn halve(&mut self) {
        while self.deepest == 0 && self.width() > MIN_WIDTH {
            self.links = self.links.iter().copied().step_by(2).collect();
            self.shift += 1;
            self.bytes -= size_of_val(&*self.links);
            let pairs = self.links.chunks_exact(2);
            self.deepest = 2 * pairs.filter(|pair| pair[0] != pair[1]).count();
        }
    }
}

impl Drop for Directory {
    /// Frees the directories below; segments belong to the table.
    fn drop(&mut self) {
        let mut previous = None;
        for &link in &self.links {
            if let Target::Directory(directory) = link.target()
                && previous != Some(link)
            {
                // SAFETY: the link was made from a box, and equal links are neighbours, so this
                // is the only time that it is turned back.
                drop(unsafe { Box::from_raw(directory.as_ptr()) });
            }
            previous = Some(link);
        }
    }
}
