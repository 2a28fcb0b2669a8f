//! A B+ tree of elements ordered by (score, member), which knows ranks.
//!
//! # Problem
//!
//! A sorted set answers three kinds of questions about millions of members: which are between two
//! scores or two names, which stand at ranks 1000 to 1009, and what is the rank of this one. It
//! changes with almost every command, and its memory is mostly overhead, because a member is often
//! shorter than the pointers that order it.
//!
//! # Shape
//!
//! ```text
//!                          Inner, 1 KiB: up to 31 children
//!              +--------------------------------------------------+
//!    scores    |  1.5        |  7.0        |  7.0        |  ...   |   of each child's first one
//!    firsts    |  &(1.5,"k") |  &(7.0,"a") |  &(7.0,"q") |  ...   |
//!    sizes     |  44         |  61         |  37         |  ...   |   elements below
//!    children  |   |         |   |         |   |         |  ...   |
//!              +---|-------------|-------------|------------------+
//!                  v             v             v
//!              +--------+    +--------+    +--------+
//!         <--> | Leaf   |<-->| Leaf   |<-->| Leaf   |<-->    512 bytes: up to 61 pointers
//!              +--------+    +--------+    +--------+
//!                 |  |          |  |          |  |
//!                 v  v          v  v          v  v           [score][len][member], one allocation
//! ```
//!
//! The elements are not the tree's: an index by member owns them, and both point to one allocation,
//! so a member is stored once. A search compares scores that lie side by side in the inner nodes,
//! and looks at elements only on the last level or where scores are equal. Every question is asked
//! in ranks: a bound is turned into a rank in one descent ([`Tree::rank_where`]), so that counting
//! a range is a subtraction and skipping the first thousand of one costs nothing.
//!
//! # Changing
//!
//! Both directions work on the way down, so no step has to be undone or come back: before an
//! insertion enters a full child, or a removal one that is a quarter full, the child shares with a
//! neighbour, is split, or is merged. A full node first gives to a neighbour, which raises the
//! average fill from 69 % (Yao, "On random 2-3 trees", 1978) to some 80 %; a node that is full at
//! the end towards which elements are appended is left full, so that a log in order of time fills
//! its leaves completely. Nodes merge only below a quarter, and to at most three quarters, so no
//! sequence of operations makes them split and merge in turns.
//!
//! # Why not a skiplist
//!
//! A skiplist (Pugh 1990), as Redis has it, spends per element two pointers back and forth, a third
//! more on the average for higher levels, and a span beside each: 40 to 50 bytes, where this tree
//! spends 8 to 11. A search follows about twice log2(n) pointers to as many cache lines; here it
//! reads a few lines of one node per 20-fold reduction.
//!
//! Why no scores in the leaves: they would spare a search some five looks at elements, and cost
//! eleven bytes a member.
//!
//! Departures from Comer, "The Ubiquitous B-Tree" (1979): first elements in place of separators,
//! which makes a node's own first element its identity above; counts; work on the way down.
//!
//! Absent: finding by member alone, ownership of elements, and any meaning of scores.

mod element;
mod node;

#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::ptr::NonNull;

use self::node::{Child, INNER_LEN, Inner, Item, LEAF_LEN, Leaf};

pub use self::element::{Element, ElementRef};

/// Elements in order, with ranks. See the module's essay.
pub struct Tree {
    root: Child,
    /// Level of the root; leaves are level 0.
    height: usize,
    len: usize,
    /// Bytes of all nodes.
    memory: usize,
}

// SAFETY: the tree owns its nodes and shares nothing; its elements go where their owner goes, which
// holds the tree as well.
unsafe impl Send for Tree {}
// SAFETY: nothing in a shared tree changes.
unsafe impl Sync for Tree {}

impl Default for Tree {
    fn default() -> Tree {
        Tree::new()
    }
}

/// The most that a node of a level can hold.
const fn capacity(level: usize) -> usize {
    if level == 0 { LEAF_LEN } else { INNER_LEN }
}

/// Bytes of a node of a level.
const fn node_size(level: usize) -> usize {
    if level == 0 { size_of::<Leaf>() } else { size_of::<Inner>() }
}

impl Tree {
    /// An empty tree, of one leaf.
    pub fn new() -> Tree {
        let root = Child::of_leaf(Leaf::alloc());
        Tree { root, height: 0, len: 0, memory: node_size(0) }
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there is no element.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of the nodes; the elements are not the tree's.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Adds an element, which must not be equal to one that is there.
    ///
    /// # Safety
    /// The element stays alive until it is removed or the tree is dropped, and its score changes
    /// through [`Tree::rescore`] only.
    pub unsafe fn insert(&mut self, element: ElementRef<'_>) {
        // SAFETY: the caller's promise.
        let item: Item = unsafe { element.extend() };
        let (score, member) = (item.score(), item.member());
        self.grow_if_full();
        // While true, nothing in the tree lies to the right of the node.
        let mut is_last = true;
        let mut node = self.root;
        for level in (1..=self.height).rev() {
            // SAFETY: nodes above level 0 are inner nodes, and the tree is borrowed exclusively.
            let inner = unsafe { node.inner_mut() };
            let mut at = inner.child_of(score, member);
            if inner.children[at].len(level - 1) == capacity(level - 1) {
                self.make_room(inner, at, level - 1, item, is_last);
                at = inner.child_of(score, member);
            }
            is_last &= at + 1 == inner.len;
            inner.sizes[at] += 1;
            if at == 0 && inner.firsts[0].compare(score, member).is_gt() {
                inner.set_first(0, item);
            }
            node = inner.children[at];
        }
        // SAFETY: nodes of level 0 are leaves, and the tree is borrowed exclusively.
        let leaf = unsafe { node.leaf_mut() };
        leaf.insert(leaf.lower_bound(score, member), item);
        self.len += 1;
    }

    /// Puts a new root above a full one.
    fn grow_if_full(&mut self) {
        if self.root.len(self.height) < capacity(self.height) {
            return;
        }
        let mut root = Inner::alloc();
        // SAFETY: the node was just made.
        unsafe { root.as_mut() }.insert(0, self.root, self.height);
        self.root = Child::of_inner(root);
        self.height += 1;
        self.memory += node_size(self.height);
    }

    /// Makes room in the full child at `at`, of level `level`, for an element that belongs there.
    /// The parent is not full; `is_last` says that no node of its level lies behind it.
    fn make_room(
        &mut self,
        parent: &mut Inner,
        at: usize,
        level: usize,
        item: Item,
        is_last: bool,
    ) {
        let full = capacity(level);
        let has_room = |sibling: usize| parent.children[sibling].len(level) < full - full / 8;
        let left = if at + 1 < parent.len && has_room(at + 1) {
            Some(at)
        } else if at > 0 && has_room(at - 1) {
            Some(at - 1)
        } else {
            None
        };
        if let Some(left) = left {
            let total = parent.children[left].len(level) + parent.children[left + 1].len(level);
            return self.share(parent, left, level, total / 2);
        }
        let (score, member) = (item.score(), item.member());
        let is_first = at == 0 && parent.firsts[0].compare(score, member).is_gt();
        let kept = if is_first {
            1
        } else if is_last && at + 1 == parent.len && is_behind(parent.children[at], level, item) {
            full - 1
        } else {
            full / 2
        };
        self.split(parent, at, level, kept);
    }

    /// Splits the child at `at`, which keeps the first `kept` of what it holds.
    fn split(&mut self, parent: &mut Inner, at: usize, level: usize, kept: usize) {
        let right = Child::sibling(level);
        self.memory += node_size(level);
        if level == 0 {
            link_behind(parent.children[at].leaf(), right.leaf());
        }
        parent.insert(at + 1, right, level);
        self.share(parent, at, level, kept);
    }

    /// Moves over the border between the children at `left` and `left + 1` until the left one
    /// holds `target`; a child that becomes empty goes.
    fn share(&mut self, parent: &mut Inner, left: usize, level: usize, target: usize) {
        let right = parent.children[left + 1];
        // SAFETY: both are live children of this level, borrowed exclusively with the tree; callers
        // divide what both hold so that it fits.
        unsafe { parent.children[left].share(right, level, target) };
        parent.refresh(left, level);
        parent.refresh(left + 1, level);
        if right.len(level) == 0 {
            parent.remove(left + 1);
            if level == 0 {
                unlink(right.leaf());
            }
            self.memory -= node_size(level);
            // SAFETY: neither the parent nor a neighbour refers to the node any more.
            unsafe { right.free(level) };
        }
    }

    /// Takes out the element of this rank, which must exist.
    pub fn remove_at(&mut self, rank: usize) -> ElementRef<'static> {
        assert!(rank < self.len, "only an element that is there can be removed");
        let item = self.remove_below(self.root, self.height, rank);
        self.len -= 1;
        self.drop_idle_roots();
        item
    }

    /// Makes the only child of a root the root.
    fn drop_idle_roots(&mut self) {
        while self.height > 0 && self.root.len(self.height) == 1 {
            // SAFETY: a root above level 0 is an inner node.
            let child = unsafe { self.root.inner() }.children[0];
            // SAFETY: nothing refers to the old root any more.
            unsafe { self.root.free(self.height) };
            self.memory -= node_size(self.height);
            (self.root, self.height) = (child, self.height - 1);
        }
    }

    fn remove_below(&mut self, node: Child, level: usize, rank: usize) -> Item {
        if level == 0 {
            // SAFETY: nodes of level 0 are leaves, and the tree is borrowed exclusively.
            return unsafe { node.leaf_mut() }.remove(rank);
        }
        // SAFETY: nodes above level 0 are inner nodes, and the tree is borrowed exclusively; the
        // recursion looks at the nodes below only.
        let inner = unsafe { node.inner_mut() };
        let (mut at, mut rank_below) = inner.child_at(rank);
        if inner.children[at].len(level - 1) <= capacity(level - 1) / 4 && inner.len > 1 {
            self.fill_up(inner, at, level - 1);
            (at, rank_below) = inner.child_at(rank);
        }
        let item = self.remove_below(inner.children[at], level - 1, rank_below);
        inner.sizes[at] -= 1;
        if rank_below == 0 && inner.sizes[at] > 0 {
            inner.set_first(at, inner.children[at].first(level - 1));
        }
        item
    }

    /// Merges the sparse child at `at` with a neighbour, or takes from it.
    fn fill_up(&mut self, parent: &mut Inner, at: usize, level: usize) {
        let left = at.saturating_sub(1);
        let total = parent.children[left].len(level) + parent.children[left + 1].len(level);
        let fits_one = total <= capacity(level) * 3 / 4;
        self.share(parent, left, level, if fits_one { total } else { total / 2 });
    }

    /// Changes the score of an element that is here. It keeps its place in its leaf where the new
    /// score allows.
    ///
    /// # Safety
    /// Nothing else looks at the element meanwhile: its owner is borrowed exclusively.
    pub unsafe fn rescore(&mut self, element: ElementRef<'_>, score: f64) {
        let (before, member) = (element.score(), element.member());
        let leaf = self.leaf_of(before, member);
        // SAFETY: the leaf is live, and the tree is borrowed.
        let leaf = unsafe { leaf.as_ref() };
        let (at, items) = (leaf.lower_bound(before, member), leaf.items());
        debug_assert!(items[at].is(element));
        // The first element of a leaf is known above, and the last one's follower is not here.
        let fits = at > 0
            && at + 1 < items.len()
            && items[at - 1].compare(score, member).is_lt()
            && items[at + 1].compare(score, member).is_gt();
        if !fits {
            self.remove_at(self.rank_of(before, member));
        }
        // SAFETY: exclusive access is the caller's promise; the element is in no tree, or keeps
        // its place and is no node's first.
        unsafe { element.set_score(score) };
        if !fits {
            // SAFETY: the element was in the tree, so the promise for it was given.
            unsafe { self.insert(element) };
        }
    }

    /// The leaf in which (`score`, `member`) lies or belongs.
    fn leaf_of(&self, score: f64, member: &[u8]) -> NonNull<Leaf> {
        let mut node = self.root;
        for _ in 0..self.height {
            // SAFETY: nodes above level 0 are inner nodes, and the tree is borrowed.
            let inner = unsafe { node.inner() };
            node = inner.children[inner.child_of(score, member)];
        }
        node.leaf()
    }

    /// The leaf of the element of this rank, and the place in it. A rank behind all elements is a
    /// place behind those of the last leaf.
    fn locate(&self, mut rank: usize) -> (NonNull<Leaf>, usize) {
        let mut node = self.root;
        for _ in 0..self.height {
            // SAFETY: nodes above level 0 are inner nodes, and the tree is borrowed.
            let inner = unsafe { node.inner() };
            let (at, below) = inner.child_at(rank);
            (node, rank) = (inner.children[at], below);
        }
        (node.leaf(), rank)
    }

    /// The element of this rank.
    pub fn get(&self, rank: usize) -> Option<ElementRef<'_>> {
        let (leaf, at) = self.locate(rank);
        // SAFETY: the leaf is live, and the tree is borrowed.
        unsafe { leaf.as_ref() }.items().get(at).copied()
    }

    /// How many elements are before (`score`, `member`): its rank, if it is there.
    pub fn rank_of(&self, score: f64, member: &[u8]) -> usize {
        let (mut node, mut rank) = (self.root, 0);
        for _ in 0..self.height {
            // SAFETY: nodes above level 0 are inner nodes, and the tree is borrowed.
            let inner = unsafe { node.inner() };
            let at = inner.child_of(score, member);
            rank += inner.size_before(at);
            node = inner.children[at];
        }
        // SAFETY: nodes of level 0 are leaves, and the tree is borrowed.
        rank + unsafe { node.leaf().as_ref() }.lower_bound(score, member)
    }

    /// Rank of the first element that `is_reached` accepts; the number of all if it accepts none.
    /// It must accept every element behind one that it accepts. It is given the score beside the
    /// element, and is quicker if that is all it looks at.
    pub fn rank_where(&self, is_reached: impl Fn(f64, ElementRef<'_>) -> bool) -> usize {
        let (mut node, mut rank) = (self.root, 0);
        for _ in 0..self.height {
            // SAFETY: nodes above level 0 are inner nodes, and the tree is borrowed.
            let inner = unsafe { node.inner() };
            let reached = inner.first_where(|at| is_reached(inner.scores[at], inner.firsts[at]));
            let at = reached.saturating_sub(1);
            rank += inner.size_before(at);
            node = inner.children[at];
        }
        // SAFETY: nodes of level 0 are leaves, and the tree is borrowed.
        let items = unsafe { node.leaf().as_ref() }.items();
        rank + items.partition_point(|item| !is_reached(item.score(), *item))
    }

    /// Up to `count` elements from rank `start` on, forwards or backwards. Nothing if there is no
    /// such rank.
    pub fn walk(&self, start: usize, count: usize, backwards: bool) -> Walk<'_> {
        let left = match self.len.checked_sub(start) {
            Some(behind) => count.min(if backwards { start + 1 } else { behind }),
            None => 0,
        };
        let left = if start < self.len { left } else { 0 };
        let (leaf, at) = self.locate(start);
        Walk { leaf, at, left, backwards, tree: PhantomData }
    }

    /// Forgets up to `count` elements, the last ones first, by whole leaves, so that a tree whose
    /// elements go can be freed in slices. True when no element is left.
    pub fn forget_some(&mut self, count: usize) -> bool {
        let mut forgotten = 0;
        while self.height > 0 && forgotten < count {
            forgotten += self.forget_last_leaf();
        }
        if self.height == 0 && forgotten < count {
            // SAFETY: a root of level 0 is a leaf, and the tree is borrowed exclusively.
            unsafe { self.root.leaf_mut() }.len = 0;
            self.len = 0;
        }
        self.len == 0
    }

    /// Drops the last leaf and the nodes that become empty with it; returns how many elements it
    /// held. The root is an inner node.
    fn forget_last_leaf(&mut self) -> usize {
        let (leaf, _) = self.locate(self.len);
        // SAFETY: the leaf is live.
        let count = unsafe { leaf.as_ref() }.len;
        let mut above: Vec<(Child, usize)> = Vec::with_capacity(self.height);
        let mut node = self.root;
        for level in (1..=self.height).rev() {
            above.push((node, level));
            // SAFETY: nodes above level 0 are inner nodes, and the tree is borrowed exclusively.
            let inner = unsafe { node.inner_mut() };
            let last = inner.len - 1;
            inner.sizes[last] -= count;
            node = inner.children[last];
        }
        unlink(leaf);
        self.free_node(node, 0);
        while let Some((node, level)) = above.pop() {
            // SAFETY: as above.
            let inner = unsafe { node.inner_mut() };
            inner.len -= 1;
            if inner.len > 0 {
                break;
            }
            self.free_node(node, level);
            if level == self.height {
                (self.root, self.height) = (Child::of_leaf(Leaf::alloc()), 0);
                self.memory += node_size(0);
            }
        }
        self.len -= count;
        self.drop_idle_roots();
        count
    }

    fn free_node(&mut self, node: Child, level: usize) {
        self.memory -= node_size(level);
        // SAFETY: callers have taken the node out of its parent.
        unsafe { node.free(level) };
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.forget_some(usize::MAX);
        // SAFETY: only an empty leaf is left, and nothing refers to it.
        unsafe { self.root.free(0) };
    }
}

/// True if `item` belongs behind all elements below `node`, which is of this level. Looks at no
/// node above it, since those are being changed.
fn is_behind(mut node: Child, level: usize, item: Item) -> bool {
    for _ in 0..level {
        // SAFETY: nodes above level 0 are live inner nodes, and the caller has borrowed the tree.
        let inner = unsafe { node.inner() };
        node = inner.children[inner.len - 1];
    }
    // SAFETY: as above, and nodes of level 0 are leaves.
    let last = unsafe { node.leaf().as_ref() }.items().last();
    last.is_none_or(|last| last.compare(item.score(), item.member()).is_lt())
}

/// Puts a new leaf behind `leaf` in the chain.
fn link_behind(mut leaf: NonNull<Leaf>, mut new: NonNull<Leaf>) {
    // SAFETY: all are live leaves of a tree that is borrowed exclusively; `new` is none of the
    // others.
    unsafe {
        new.as_mut().previous = Some(leaf);
        new.as_mut().next = leaf.as_ref().next;
        if let Some(mut next) = leaf.as_ref().next {
            next.as_mut().previous = Some(new);
        }
        leaf.as_mut().next = Some(new);
    }
}

/// Takes a leaf out of the chain.
fn unlink(leaf: NonNull<Leaf>) {
    // SAFETY: all are live leaves of a tree that is borrowed exclusively.
    unsafe {
        let (previous, next) = (leaf.as_ref().previous, leaf.as_ref().next);
        if let Some(mut previous) = previous {
            previous.as_mut().next = next;
        }
        if let Some(mut next) = next {
            next.as_mut().previous = previous;
        }
    }
}

/// Elements one after the other; see [`Tree::walk`].
pub struct Walk<'a> {
    leaf: NonNull<Leaf>,
    at: usize,
    left: usize,
    backwards: bool,
    tree: PhantomData<&'a Tree>,
}

impl<'a> Iterator for Walk<'a> {
    type Item = ElementRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<ElementRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        // SAFETY: the tree is borrowed, so its leaves are live and do not change.
        let leaf = unsafe { self.leaf.as_ref() };
        let element = leaf.items()[self.at];
        if self.left == 0 {
            return Some(element);
        }
        let neighbour = if self.backwards { leaf.previous } else { leaf.next };
        if self.backwards && self.at > 0 {
            self.at -= 1;
        } else if !self.backwards && self.at + 1 < leaf.len {
            self.at += 1;
        } else if let Some(neighbour) = neighbour {
            self.leaf = neighbour;
            // SAFETY: as above.
            let len = unsafe { neighbour.as_ref() }.len;
            self.at = if self.backwards { len - 1 } else { 0 };
        }
        Some(element)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Walk<'_> {}
