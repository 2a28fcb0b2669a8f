//! The nodes of the tree: leaves of element pointers, and inner nodes that know of each child its
//! first element, that element's score, and how many elements are below it.
//!
//! Invariant: places from `len` on hold nothing that is ever looked at.

use std::cmp::Ordering;
use std::ptr::NonNull;

use super::element::ElementRef;

/// Elements of a leaf: it fills 512 bytes. Miri gets by with few elements where nodes are small.
pub(super) const LEAF_LEN: usize = if cfg!(miri) { 9 } else { 61 };

/// Children of an inner node: it fills a kilobyte.
pub(super) const INNER_LEN: usize = if cfg!(miri) { 8 } else { 31 };

const _: () = assert!(cfg!(miri) || size_of::<Leaf>() == 512 && size_of::<Inner>() <= 1024);
const _: () = assert!(LEAF_LEN / 8 >= 1 && INNER_LEN / 8 >= 1, "`make_room` must leave some room");

/// An element as a node holds it. Whoever put it into the tree promised that it outlives its stay.
pub(super) type Item = ElementRef<'static>;

#[repr(C)]
pub(super) struct Leaf {
    pub items: [Item; LEAF_LEN],
    pub len: usize,
    pub previous: Option<NonNull<Leaf>>,
    pub next: Option<NonNull<Leaf>>,
}

#[repr(C)]
pub(super) struct Inner {
    /// Score of each child's first element: most searches look at nothing else.
    pub scores: [f64; INNER_LEN],
    /// First element of each child.
    pub firsts: [Item; INNER_LEN],
    /// Number of elements below each child.
    pub sizes: [usize; INNER_LEN],
    pub children: [Child; INNER_LEN],
    pub len: usize,
}

/// Owning pointer to a [`Leaf`] or an [`Inner`]; the level, which the tree knows, says to which.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Child(NonNull<u8>);

impl Leaf {
    /// An empty leaf.
    pub fn alloc() -> NonNull<Leaf> {
        let items = [Item::NONE; LEAF_LEN];
        let leaf = Box::new(Leaf { items, len: 0, previous: None, next: None });
        NonNull::from(Box::leak(leaf))
    }

    /// The elements.
    #[inline]
    pub fn items(&self) -> &[Item] {
        &self.items[..self.len]
    }

    /// Place of the first element that is not before (`score`, `member`).
    #[inline]
    pub fn lower_bound(&self, score: f64, member: &[u8]) -> usize {
        self.items().partition_point(|item| item.compare(score, member) == Ordering::Less)
    }

    /// Puts an element at `at`; the leaf is not full.
    #[inline]
    pub fn insert(&mut self, at: usize, item: Item) {
        insert_at(&mut self.items, self.len, at, item);
        self.len += 1;
    }

    /// Takes out the element at `at`.
    #[inline]
    pub fn remove(&mut self, at: usize) -> Item {
        let item = self.items[at];
        remove_at(&mut self.items, self.len, at);
        self.len -= 1;
        item
    }
}

impl Inner {
    /// An inner node without children.
    pub fn alloc() -> NonNull<Inner> {
        let inner = Box::new(Inner {
            scores: [0.0; INNER_LEN],
            firsts: [Item::NONE; INNER_LEN],
            sizes: [0; INNER_LEN],
            children: [Child(NonNull::dangling()); INNER_LEN],
            len: 0,
        });
        NonNull::from(Box::leak(inner))
    }

    /// The child in which (`score`, `member`) lies or belongs: the last whose first element is not
    /// behind it, or the first.
    #[inline]
    pub fn child_of(&self, score: f64, member: &[u8]) -> usize {
        let is_behind = |at: usize| match self.scores[at].partial_cmp(&score) {
            Some(Ordering::Equal) | None => self.firsts[at].member() > member,
            Some(order) => order == Ordering::Greater,
        };
        self.first_where(is_behind).saturating_sub(1)
    }

    /// Place of the first child for which `holds`, which holds from there on; `len` if for none.
    #[inline]
    pub fn first_where(&self, mut holds: impl FnMut(usize) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = (low + high) / 2;
            if holds(middle) { high = middle } else { low = middle + 1 }
        }
        low
    }

    /// The child that holds the element of this rank, and the rank in the child. A rank behind all
    /// elements is one in the last child.
    #[inline]
    pub fn child_at(&self, mut rank: usize) -> (usize, usize) {
        let last = self.len - 1;
        for (at, size) in self.sizes[..last].iter().enumerate() {
            if rank < *size {
                return (at, rank);
            }
            rank -= size;
        }
        (last, rank)
    }

    /// Number of elements below the children before `at`.
    #[inline]
    pub fn size_before(&self, at: usize) -> usize {
        self.sizes[..at].iter().sum()
    }

    /// Adds a child, whose level is `level`, at `at`; the node is not full.
    pub fn insert(&mut self, at: usize, child: Child, level: usize) {
        insert_at(&mut self.children, self.len, at, child);
        insert_at(&mut self.scores, self.len, at, 0.0);
        insert_at(&mut self.firsts, self.len, at, Item::NONE);
        insert_at(&mut self.sizes, self.len, at, 0);
        self.len += 1;
        self.refresh(at, level);
    }

    /// Forgets the child at `at`.
    pub fn remove(&mut self, at: usize) {
        remove_at(&mut self.children, self.len, at);
        remove_at(&mut self.scores, self.len, at);
        remove_at(&mut self.firsts, self.len, at);
        remove_at(&mut self.sizes, self.len, at);
        self.len -= 1;
    }

    /// Notes what the child at `at`, whose level is `level`, holds now.
    pub fn refresh(&mut self, at: usize, level: usize) {
        let child = self.children[at];
        self.sizes[at] = child.size(level);
        if self.sizes[at] > 0 {
            self.set_first(at, child.first(level));
        }
    }

    /// Notes the first element of the child at `at`.
    #[inline]
    pub fn set_first(&mut self, at: usize, item: Item) {
        (self.firsts[at], self.scores[at]) = (item, item.score());
    }
}

impl Child {
    #[inline]
    pub fn of_leaf(leaf: NonNull<Leaf>) -> Child {
        Child(leaf.cast())
    }

    #[inline]
    pub fn of_inner(inner: NonNull<Inner>) -> Child {
        Child(inner.cast())
    }

    #[inline]
    pub fn leaf(self) -> NonNull<Leaf> {
        self.0.cast()
    }

    /// The leaf.
    ///
    /// # Safety
    /// It is a live leaf, and nothing else looks at it during `'a`.
    #[inline]
    pub unsafe fn leaf_mut<'a>(self) -> &'a mut Leaf {
        // SAFETY: the caller's promise.
        unsafe { self.0.cast().as_mut() }
    }

    /// The inner node.
    ///
    /// # Safety
    /// It is a live inner node, and nothing changes it during `'a`.
    #[inline]
    pub unsafe fn inner<'a>(self) -> &'a Inner {
        // SAFETY: the caller's promise.
        unsafe { self.0.cast().as_ref() }
    }

    /// The inner node.
    ///
    /// # Safety
    /// It is a live inner node, and nothing else looks at it during `'a`.
    #[inline]
    pub unsafe fn inner_mut<'a>(self) -> &'a mut Inner {
        // SAFETY: the caller's promise.
        unsafe { self.0.cast().as_mut() }
    }

    /// How many elements or children the node holds, which is of this level.
    #[inline]
    pub fn len(self, level: usize) -> usize {
        // SAFETY: the tree's children are live, and the level says what they are.
        unsafe { if level == 0 { self.leaf().as_ref().len } else { self.inner().len } }
    }

    /// How many elements are in it or below it.
    fn size(self, level: usize) -> usize {
        // SAFETY: the tree's children are live, and the level says what they are.
        unsafe {
            if level == 0 {
                self.leaf().as_ref().len
            } else {
                let inner = self.inner();
                inner.size_before(inner.len)
            }
        }
    }

    /// The first element; there must be one.
    #[inline]
    pub fn first(self, level: usize) -> Item {
        // SAFETY: the tree's children are live, and the level says what they are.
        unsafe { if level == 0 { self.leaf().as_ref().items[0] } else { self.inner().firsts[0] } }
    }

    /// An empty node of the same level.
    pub fn sibling(level: usize) -> Child {
        if level == 0 { Child::of_leaf(Leaf::alloc()) } else { Child::of_inner(Inner::alloc()) }
    }

    /// Moves elements or children between this node and the one to its right, so that this one
    /// holds `target` of them.
    ///
    /// # Safety
    /// Both are live nodes of this level and different, nothing else looks at them, and `target`
    /// leaves none with more than it can hold.
    pub unsafe fn share(self, right: Child, level: usize, target: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            if level == 0 {
                let (left, right) = (self.leaf_mut(), right.leaf_mut());
                let lens = (left.len, right.len);
                share(&mut left.items, &mut right.items, lens, target);
                (left.len, right.len) = (target, lens.0 + lens.1 - target);
            } else {
                let (left, right) = (self.inner_mut(), right.inner_mut());
                let lens = (left.len, right.len);
                share(&mut left.children, &mut right.children, lens, target);
                share(&mut left.scores, &mut right.scores, lens, target);
                share(&mut left.firsts, &mut right.firsts, lens, target);
                share(&mut left.sizes, &mut right.sizes, lens, target);
                (left.len, right.len) = (target, lens.0 + lens.1 - target);
            }
        }
    }

    /// Gives the node's memory back; of an inner node only its own.
    ///
    /// # Safety
    /// It is a live node of this level that nothing refers to any more.
    pub unsafe fn free(self, level: usize) {
        // SAFETY: nodes are made from boxes; the rest is the caller's promise.
        unsafe {
            if level == 0 {
                drop(Box::from_raw(self.leaf().as_ptr()));
            } else {
                drop(Box::from_raw(self.0.cast::<Inner>().as_ptr()));
            }
        }
    }
}

#[inline]
fn insert_at<T: Copy, const N: usize>(places: &mut [T; N], len: usize, at: usize, value: T) {
    places.copy_within(at..len, at + 1);
    places[at] = value;
}

#[inline]
fn remove_at<T: Copy, const N: usize>(places: &mut [T; N], len: usize, at: usize) {
    places.copy_within(at + 1..len, at);
}

/// Moves values over the border between two neighbours until the left one holds `target`.
fn share<T: Copy, const N: usize>(
    left: &mut [T; N],
    right: &mut [T; N],
    (left_len, right_len): (usize, usize),
    target: usize,
) {
    if target > left_len {
        let moved = target - left_len;
        left[left_len..target].copy_from_slice(&right[..moved]);
        right.copy_within(moved..right_len, 0);
    } else {
        let moved = left_len - target;
        right.copy_within(..right_len, moved);
        right[..moved].copy_from_slice(&left[target..left_len]);
    }
}
