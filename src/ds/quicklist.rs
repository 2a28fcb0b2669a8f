//! A long sequence of strings: listpacks in a row.
//!
//! # Problem
//!
//! A listpack is compact, but a change moves what is behind it. So a long list is cut into nodes of
//! some kilobytes, each a listpack, which keeps the cost of a change constant and that of an item
//! at about its own bytes: with nodes of 8 KiB, a text of 32 bytes takes 34.2.
//!
//! # Rules
//!
//! Which node an item goes to, when nodes are split and when they are joined follows Redis's
//! quicklist:
//!
//! 1. At an end, an item goes to the last node if that accepts it, else to a new one.
//! 2. In the middle, it goes to the node of its neighbour if that accepts it; at the border of two
//!    nodes, to the other one if that does; else it gets a node of its own there. Anywhere else the
//!    full node is split, and the halves are joined with their neighbours where both fit one node.
//! 3. An item that is larger than a node is a node of its own, which is not a listpack.
//! 4. Nodes further than `compress_depth` from both ends are compressed with LZF.
//! 5. Items that come at the front are collected in a node of [`BUFFER_BYTES`] and then joined with
//!    the next, where nodes are limited by bytes and none is compressed: otherwise each would move
//!    all the bytes of its node. Redis has no such rule.
//!
//! Departures: an item that does not fit a half after a split, or outgrows its node when it is
//! replaced, goes to another node, so no node of several items is ever larger than its limit; and
//! nodes are found through the [directory](directory::Directory), not by walking along them.
//!
//! Absent: when a list should be a quicklist.

mod directory;
mod node;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use super::listpack::{Item, Listpack};
use directory::{Directory, Place};
pub use node::Limits;
use node::Node;

/// From this size on, the first node is left in peace, and items come to a small one in front of
/// it: see rule 5.
const BUFFER_BYTES: usize = 512;

/// An end of a list, which is also a direction: from that end to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The head: LEFT, in commands.
    Front,
    /// The tail: RIGHT, in commands.
    Back,
}

/// A list in nodes.
#[derive(Clone)]
pub struct Quicklist {
    directory: Directory,
    limits: Limits,
}

impl Quicklist {
    /// An empty list, whose nodes keep these limits for good.
    pub fn new(limits: Limits) -> Quicklist {
        Quicklist { directory: Directory::default(), limits }
    }

    /// A list whose first node is a listpack, whatever its size.
    pub fn from_listpack(listpack: Listpack, limits: Limits) -> Quicklist {
        let mut list = Quicklist::new(limits);
        if !listpack.is_empty() {
            list.directory.push(End::Front, Node::packed(listpack));
        }
        list
    }

    /// Number of items.
    #[inline]
    pub fn len(&self) -> usize {
        self.directory.items()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.directory.nodes()
    }

    /// The limits of its nodes.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Bytes of all nodes' listpacks, as if none were compressed.
    pub fn uncompressed_len(&self) -> usize {
        self.directory.uncompressed_len()
    }

    /// Bytes allocated, estimated from so many nodes unless `samples` is 0.
    pub fn memory(&self, samples: usize) -> usize {
        size_of::<Quicklist>() + self.directory.memory(samples)
    }

    /// Takes everything out as a listpack, if it has at most so many bytes and items and would at
    /// most have to be put together from two.
    pub fn take_small(&mut self, bytes_max: usize, items_max: usize) -> Option<Listpack> {
        if self.nodes() > 2 || self.len() > items_max {
            return None;
        }
        let head = self.directory.end(End::Front)?;
        let next = self.directory.next(head);
        let nodes = [Some(head), next].into_iter().flatten().map(|at| self.directory.node(at));
        let bytes: usize = nodes.clone().map(Node::bytes_len).sum();
        let is_packed = nodes.clone().all(|node| !node.is_plain());
        if bytes > bytes_max || !is_packed || next.is_some() && !self.join_with_next(head) {
            return None;
        }
        Some(self.directory.remove(head).into_listpack())
    }

    /// The item at an end.
    #[inline]
    pub fn peek(&self, end: End) -> Option<Item<'_>> {
        let node = self.directory.node(self.directory.end(end)?);
        let Some(listpack) = node.as_packed() else { return node.plain() };
        let position = if end == End::Front { listpack.first() } else { listpack.last() };
        position.map(|position| listpack.at(position))
    }

    /// Adds an item at an end.
    #[inline]
    pub fn push(&mut self, end: End, text: &[u8]) {
        let limits = self.limits;
        let offered = self.directory.change_end(end, |node| {
            if end == End::Front && is_grown(node, text.len(), limits) {
                return Offered::Grown;
            }
            if !node.accepts(text.len(), limits) {
                return Offered::Refused;
            }
            node.push(end, text);
            Offered::Taken
        });
        if !matches!(offered, Some(Offered::Taken)) {
            self.push_node(end, text, matches!(offered, Some(Offered::Grown)));
        }
    }

    /// Adds an item at an end, in a node of its own.
    #[cold]
    fn push_node(&mut self, end: End, text: &[u8], joins: bool) {
        if joins && let Some(place) = self.directory.end(end) {
            self.join_with_next(place);
        }
        self.directory.push(end, Node::of(text, self.limits));
        self.settle_ends();
    }

    /// Removes the item at an end.
    #[inline]
    pub fn pop(&mut self, end: End) {
        let popped = self.directory.change_end(end, |node| {
            let is_last = node.count() == 1;
            if !is_last {
                node.change(|listpack| match end {
                    End::Front => listpack.pop_front(),
                    End::Back => listpack.pop_back(),
                });
            }
            !is_last
        });
        if popped == Some(false) {
            self.pop_node(end);
        }
    }

    /// Removes the node at an end.
    #[cold]
    fn pop_node(&mut self, end: End) {
        if let Some(place) = self.directory.end(end) {
            self.directory.remove(place);
            self.settle_ends();
        }
    }

    /// Visits items from number `index` on, away from `from`, until `visit` breaks.
    #[inline]
    pub fn walk<B>(
        &self,
        from: End,
        index: usize,
        mut visit: impl FnMut(Item<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        if index >= self.len() {
            return ControlFlow::Continue(());
        }
        let (first, mut offset) = self.directory.locate(index);
        let mut place = Some(first);
        while let Some(here) = place {
            let node = self.directory.node(here);
            if let Some(item) = node.plain() {
                visit(item)?;
            } else {
                let listpack = node.listpack();
                let is_start = here == first;
                let seek = |offset: usize| listpack.seek(offset as i64).expect("located");
                match from {
                    End::Front if is_start => {
                        listpack.iter_from(seek(offset)).try_for_each(&mut visit)?;
                    }
                    End::Front => listpack.iter().try_for_each(&mut visit)?,
                    End::Back if is_start => {
                        let end = listpack.after(seek(offset));
                        listpack.iter_before(end).rev().try_for_each(&mut visit)?;
                    }
                    End::Back => listpack.iter().rev().try_for_each(&mut visit)?,
                }
            }
            offset = 0;
            place = match from {
                End::Front => self.directory.next(here),
                End::Back => self.directory.previous(here),
            };
        }
        ControlFlow::Continue(())
    }

    /// The number of the first item equal to `needle`.
    pub fn find(&self, needle: &[u8]) -> Option<usize> {
        let needle = Item::from(needle);
        let mut first = 0;
        let mut place = self.directory.end(End::Front);
        while let Some(here) = place {
            let node = self.directory.node(here);
            if let Some(item) = node.plain() {
                if item == needle {
                    return Some(first);
                }
            } else {
                let listpack = node.listpack();
                if let Some(position) = listpack.find(needle, 0) {
                    return Some(first + listpack.iter_before(position).count());
                }
            }
            first += node.count();
            place = self.directory.next(here);
        }
        None
    }

    /// Inserts an item in front of number `index`, or behind it. Panics if there is no such item.
    pub fn insert(&mut self, index: usize, is_behind: bool, text: &[u8]) {
        let (place, offset) = self.directory.locate(index);
        let limits = self.limits;
        let node = self.directory.node(place);
        let count = node.count();
        let is_border = if is_behind { offset + 1 == count } else { offset == 0 };
        if node.accepts(text.len(), limits) {
            let at = offset + usize::from(is_behind);
            self.directory.change(place, |node| insert_at(node, at, text));
            return self.settle(place);
        }
        if is_border {
            let neighbour =
                if is_behind { self.directory.next(place) } else { self.directory.previous(place) };
            if let Some(neighbour) = neighbour
                && self.directory.node(neighbour).accepts(text.len(), limits)
            {
                let end = if is_behind { End::Front } else { End::Back };
                self.directory.change(neighbour, |node| node.push(end, text));
                return self.settle(neighbour);
            }
            let own = self.directory.insert(place, is_behind, Node::of(text, limits));
            return self.settle(own);
        }
        self.split_with(place, offset + usize::from(is_behind), is_behind, text);
    }

    /// Splits a full node in front of item `at` and puts a new item there: to the half that begins
    /// behind it if it goes behind its neighbour, else to the other one, or between them.
    fn split_with(&mut self, place: Place, at: usize, is_behind: bool, text: &[u8]) {
        let limits = self.limits;
        let rest = self.directory.change(place, |node| node.change(|items| items.split_off(at)));
        let second = self.directory.insert(place, true, Node::packed(rest));
        let first = self.directory.previous(second).expect("the other half");
        let (half, end) = if is_behind { (second, End::Front) } else { (first, End::Back) };
        let center = if self.directory.node(half).accepts(text.len(), limits) {
            self.directory.change(half, |node| node.push(end, text));
            first
        } else {
            self.directory.insert(second, false, Node::of(text, limits))
        };
        let center = self.join_around(center);
        self.settle(center);
    }

    /// Joins nodes around `place` and the one behind it where they fit one; returns the place of
    /// what is left of `place`.
    fn join_around(&mut self, place: Place) -> Place {
        let mut center = place;
        // From the back, so that what is in front stays where it is.
        if let Some(next) = self.directory.next(center) {
            self.join_with_next(next);
        }
        self.join_with_next(center);
        if let Some(previous) = self.directory.previous(center)
            && self.join_with_next(previous)
        {
            center = previous;
        }
        center
    }

    /// Joins a node with the one behind it if both fit one; returns whether they did.
    fn join_with_next(&mut self, place: Place) -> bool {
        let Some(next) = self.directory.next(place) else { return false };
        if !self.directory.node(place).may_join(self.directory.node(next), self.limits) {
            return false;
        }
        let rest = self.directory.remove(next).into_listpack();
        self.directory.change(place, |node| node.change(|items| items.append(&rest)));
        true
    }

    /// Replaces item number `index`. Panics if there is no such item.
    pub fn replace(&mut self, index: usize, text: &[u8]) {
        let (place, offset) = self.directory.locate(index);
        let node = self.directory.node(place);
        let fits = !node.is_plain() && !self.limits.is_large(text.len()) && {
            let listpack = node.listpack();
            let old = listpack.get(offset as i64).expect("located").stored_len();
            let bytes = listpack.bytes_len() - old + Item::from(text).stored_len();
            node.count() == 1 || !self.limits.exceeds(bytes, node.count())
        };
        if fits {
            self.directory.change(place, |node| {
                node.change(|items| {
                    items.replace(items.seek(offset as i64).expect("located"), text)
                });
            });
            return self.settle(place);
        }
        self.insert(index, true, text);
        self.remove_range(index, 1);
    }

    /// Removes `count` items from number `index` on, or as many as there are.
    pub fn remove_range(&mut self, index: usize, count: usize) {
        let mut left = count.min(self.len().saturating_sub(index));
        let is_inside = index > 0 && index + left < self.len();
        let nodes_before = self.nodes();
        while left > 0 {
            let (place, offset) = self.directory.locate(index);
            let here = (self.directory.node(place).count() - offset).min(left);
            if here == self.directory.node(place).count() {
                self.directory.remove(place);
            } else {
                let remove = |items: &mut Listpack| items.remove_range(offset, here);
                self.directory.change(place, |node| node.change(remove));
                self.settle(place);
            }
            left -= here;
        }
        if is_inside && self.nodes() < nodes_before {
            self.directory.compact();
        }
        self.settle_ends();
    }

    /// Removes up to `count` items equal to `needle`, beginning at an end; returns how many.
    pub fn remove_equal(&mut self, from: End, needle: &[u8], count: usize) -> usize {
        let needle = Item::from(needle);
        let (mut removed, nodes_before) = (0, self.nodes());
        let mut place = self.directory.end(from);
        while let Some(here) = place
            && removed < count
        {
            let previous = self.directory.previous(here);
            let gone = self.remove_equal_at(here, from, needle, count - removed);
            removed += gone.0;
            place = match (from, gone.1) {
                (End::Back, _) => previous,
                (End::Front, true) => self.directory.at_or_behind(here),
                (End::Front, false) => self.directory.next(here),
            };
        }
        if self.nodes() < nodes_before {
            self.directory.compact();
        }
        self.settle_ends();
        removed
    }

    /// The same in one node; returns also whether the node is gone.
    fn remove_equal_at(
        &mut self,
        place: Place,
        from: End,
        needle: Item<'_>,
        count: usize,
    ) -> (usize, bool) {
        let node = self.directory.node(place);
        if let Some(item) = node.plain() {
            let is_equal = item == needle;
            if is_equal {
                self.directory.remove(place);
            }
            return (usize::from(is_equal), is_equal);
        }
        let mut listpack = match node.listpack().find(needle, 0) {
            None => return (0, false),
            Some(_) => self.directory.change(place, |node| node.change(std::mem::take)),
        };
        let removed = remove_equal(&mut listpack, from, needle, count);
        let is_gone = listpack.is_empty();
        self.directory.change(place, |node| node.change(|items| *items = listpack));
        if is_gone {
            self.directory.remove(place);
        } else {
            self.settle(place);
        }
        (removed, is_gone)
    }

    /// Copies whole nodes to the end of `copy`, which has those before them already, until about
    /// `budget` items and so many times 128 bytes are copied. False when all are.
    pub fn copy_some(&self, copy: &mut Quicklist, budget: usize) -> bool {
        const BYTES_PER_ITEM: usize = 128;
        let (mut next, mut spent) = (self.directory.numbered(copy.nodes()), 0);
        while let Some(place) = next
            && spent < budget
        {
            let node = self.directory.node(place);
            spent += node.count().max(node.bytes_len() / BYTES_PER_ITEM);
            copy.directory.push(End::Back, node.clone());
            next = self.directory.next(place);
        }
        next.is_some()
    }

    /// Drops nodes from the back until `budget` items are gone or none is left; returns whether
    /// none is.
    pub fn drop_some(&mut self, budget: usize) -> bool {
        let mut dropped = 0;
        while dropped < budget
            && let Some(last) = self.directory.end(End::Back)
        {
            dropped += self.directory.remove(last).count();
        }
        self.is_empty()
    }

    /// After nodes have come or gone: those at the ends are plain to read, and the first behind
    /// them is compressed.
    #[inline]
    fn settle_ends(&mut self) {
        if self.limits.compress_depth > 0 {
            self.settle_end(End::Front);
            self.settle_end(End::Back);
        }
    }

    fn settle_end(&mut self, end: End) {
        let mut place = self.directory.end(end);
        for distance in 0..=self.limits.compress_depth {
            let Some(here) = place else { return };
            if distance < self.limits.compress_depth {
                self.directory.change(here, Node::decompress);
            } else if self.is_inside(here) {
                self.directory.change(here, Node::compress);
            }
            place = match end {
                End::Front => self.directory.next(here),
                End::Back => self.directory.previous(here),
            };
        }
    }

    /// After a change around `place`: compresses what should be, there and next to it.
    #[inline]
    fn settle(&mut self, place: Place) {
        if self.limits.compress_depth == 0 {
            return;
        }
        let next = self.directory.next(place);
        let around = [
            self.directory.previous(place),
            Some(place),
            next,
            next.and_then(|next| self.directory.next(next)),
        ];
        for place in around.into_iter().flatten() {
            if self.is_inside(place) {
                self.directory.change(place, Node::compress);
            }
        }
        self.settle_ends();
    }

    /// Whether a node is further than the compression depth from both ends.
    fn is_inside(&self, place: Place) -> bool {
        let depth = self.limits.compress_depth;
        let ahead = |step: &dyn Fn(Place) -> Option<Place>| {
            (0..depth).try_fold(place, |place, _| step(place)).is_some()
        };
        ahead(&|place| self.directory.next(place)) && ahead(&|place| self.directory.previous(place))
    }
}

/// What became of an item that was offered to a node.
enum Offered {
    Taken,
    /// The node is better left alone: rule 5.
    Grown,
    Refused,
}

/// Whether the first node is better left alone when an item of so many bytes comes: rule 5.
#[inline]
fn is_grown(head: &Node, length: usize, limits: Limits) -> bool {
    let bytes = head.bytes_len();
    let is_counted = limits.fill >= 0 || limits.compress_depth > 0;
    !is_counted && bytes >= BUFFER_BYTES && bytes + length + 2 * BUFFER_BYTES <= limits.node().0
}

/// Inserts an item at number `at` of a node.
fn insert_at(node: &mut Node, at: usize, text: &[u8]) {
    node.change(|items| {
        let position = items.seek(at as i64).unwrap_or_else(|| items.end());
        items.insert(position, text);
    });
}

/// Removes up to `count` items equal to `needle`, beginning at an end; returns how many.
pub fn remove_equal(items: &mut Listpack, from: End, needle: Item<'_>, count: usize) -> usize {
    let mut removed = 0;
    let mut position = if from == End::Front { items.first() } else { items.last() };
    while let Some(here) = position
        && removed < count
    {
        position = match from {
            End::Front => items.find_from(here, needle, 0).inspect(|&found| {
                items.remove(found);
                removed += 1;
            }),
            End::Back => {
                let previous = items.previous(here);
                if items.at(here) == needle {
                    items.remove(here);
                    removed += 1;
                }
                previous
            }
        };
    }
    removed
}
