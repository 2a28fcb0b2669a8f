//! A list of strings: one listpack while it is small, then a quicklist.
//!
//! Invariant: a listpack grows up to the limits of one node (`list-max-listpack-size`); a quicklist
//! goes back to a listpack when it has shrunk to half of them, so that a list around its limit does
//! not change its form with every command. Both as Redis 7.2 and later do it.

use std::ops::ControlFlow;

use super::object::{EncodingLimits, Kind, Typed};
use crate::ds::listpack::{Item, Listpack};
use crate::ds::quicklist::{End, Limits, Quicklist, remove_equal};

/// A list of strings.
pub enum List {
    Packed(Listpack),
    Quick(Box<Quicklist>),
}

fn node_limits(limits: &EncodingLimits) -> Limits {
    Limits { fill: limits.list_size, compress_depth: limits.list_compress_depth }
}

impl List {
    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            List::Packed(items) => items.len(),
            List::Quick(items) => items.len(),
        }
    }

    /// Whether there is no element.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at an end.
    #[inline]
    pub fn peek(&self, end: End) -> Option<Item<'_>> {
        match self {
            List::Packed(items) => {
                let position = if end == End::Front { items.first() } else { items.last() };
                position.map(|position| items.at(position))
            }
            List::Quick(items) => items.peek(end),
        }
    }

    /// Adds elements at an end, one after the other.
    #[inline]
    pub fn push_all<'e>(
        &mut self,
        end: End,
        elements: impl ExactSizeIterator<Item = &'e [u8]> + Clone,
        limits: &EncodingLimits,
    ) {
        if let List::Packed(_) = self {
            let bytes = elements.clone().map(<[u8]>::len).sum();
            self.grow(bytes, elements.len(), limits);
        }
        match (self, end) {
            (List::Packed(items), End::Front) => elements.for_each(|text| items.push_front(text)),
            (List::Packed(items), End::Back) => elements.for_each(|text| items.push_back(text)),
            (List::Quick(items), _) => elements.for_each(|text| items.push(end, text)),
        }
    }

    /// Adds an element at an end.
    pub fn push(&mut self, end: End, element: &[u8], limits: &EncodingLimits) {
        self.push_all(end, std::iter::once(element), limits);
    }

    /// Removes the element at an end.
    #[inline]
    pub fn pop(&mut self, end: End, limits: &EncodingLimits) {
        match self {
            List::Packed(items) => match end {
                End::Front => items.pop_front(),
                End::Back => items.pop_back(),
            },
            List::Quick(items) => {
                items.pop(end);
                self.shrink(limits);
            }
        }
    }

    /// Visits elements from number `index` on, away from `from`, until `visit` breaks.
    #[inline]
    pub fn walk<B>(
        &self,
        from: End,
        index: usize,
        mut visit: impl FnMut(Item<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let items = match self {
            List::Quick(items) => return items.walk(from, index, visit),
            List::Packed(items) => items,
        };
        let Some(position) = items.seek(index as i64) else { return ControlFlow::Continue(()) };
        match from {
            End::Front => items.iter_from(position).try_for_each(&mut visit),
            End::Back => items.iter_before(items.after(position)).rev().try_for_each(&mut visit),
        }
    }

    /// Visits the `count` elements from number `index` on, away from `from`.
    #[inline]
    pub fn visit(&self, from: End, index: usize, count: usize, mut visit: impl FnMut(Item<'_>)) {
        let mut left = count;
        let _ = self.walk(from, index, |item| {
            if left == 0 {
                return ControlFlow::Break(());
            }
            left -= 1;
            visit(item);
            ControlFlow::Continue(())
        });
    }

    /// The number of the first element equal to `pivot`.
    pub fn find(&self, pivot: &[u8]) -> Option<usize> {
        match self {
            List::Packed(items) => {
                items.find(pivot, 0).map(|position| items.iter_before(position).count())
            }
            List::Quick(items) => items.find(pivot),
        }
    }

    /// Inserts an element in front of number `index`, which must exist, or behind it.
    pub fn insert(
        &mut self,
        index: usize,
        is_behind: bool,
        element: &[u8],
        limits: &EncodingLimits,
    ) {
        self.grow(element.len(), 1, limits);
        match self {
            List::Packed(items) => {
                let at = index + usize::from(is_behind);
                let position = items.seek(at as i64).unwrap_or_else(|| items.end());
                items.insert(position, element);
            }
            List::Quick(items) => items.insert(index, is_behind, element),
        }
    }

    /// Replaces element number `index`, which must exist.
    pub fn replace(&mut self, index: usize, element: &[u8], limits: &EncodingLimits) {
        self.grow(element.len(), 1, limits);
        match self {
            List::Packed(items) => {
                let position = items.seek(index as i64).expect("the caller checks the index");
                items.replace(position, element);
            }
            List::Quick(items) => items.replace(index, element),
        }
        self.shrink(limits);
    }

    /// Removes `count` elements from number `index` on, or as many as there are.
    pub fn remove_range(&mut self, index: usize, count: usize, limits: &EncodingLimits) {
        match self {
            List::Packed(items) => items.remove_range(index, count),
            List::Quick(items) => items.remove_range(index, count),
        }
        self.shrink(limits);
    }

    /// Removes up to `count` elements equal to `element`, beginning at an end; returns how many.
    pub fn remove_equal(
        &mut self,
        from: End,
        element: &[u8],
        count: usize,
        limits: &EncodingLimits,
    ) -> usize {
        let removed = match self {
            List::Packed(items) => remove_equal(items, from, Item::from(element), count),
            List::Quick(items) => items.remove_equal(from, element, count),
        };
        self.shrink(limits);
        removed
    }

    /// Becomes a quicklist if so many more bytes and elements are too much for a listpack.
    #[inline]
    fn grow(&mut self, bytes: usize, elements: usize, limits: &EncodingLimits) {
        let List::Packed(items) = self else { return };
        let limits = node_limits(limits);
        if limits.exceeds(items.bytes_len() + bytes, items.len() + elements) {
            let quick = Quicklist::from_listpack(std::mem::take(items), limits);
            *self = List::Quick(Box::new(quick));
        }
    }

    /// Becomes a listpack if half of one would do.
    #[inline]
    fn shrink(&mut self, limits: &EncodingLimits) {
        let List::Quick(items) = self else { return };
        let (bytes_max, items_max) = node_limits(limits).node();
        if let Some(small) = items.take_small(bytes_max / 2, items_max / 2) {
            *self = List::Packed(small);
        }
    }
}

impl Typed for List {
    const KIND: Kind = Kind::List;

    fn new() -> List {
        List::Packed(Listpack::new())
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn encoding(&self) -> &'static str {
        match self {
            List::Packed(_) => "listpack",
            List::Quick(_) => "quicklist",
        }
    }

    fn memory(&self, samples: usize) -> usize {
        match self {
            List::Packed(items) => items.memory(),
            List::Quick(items) => items.memory(samples),
        }
    }

    fn copy_some(&self, into: &mut List, from: u64, budget: usize) -> Option<u64> {
        let items = match self {
            List::Packed(items) => {
                *into = List::Packed(items.clone());
                return None;
            }
            List::Quick(items) => items,
        };
        if from == 0 {
            *into = List::Quick(Box::new(Quicklist::new(items.limits())));
        }
        let List::Quick(copy) = into else { unreachable!("a copy has the same form") };
        items.copy_some(copy, budget).then_some(1)
    }

    fn elements(&self) -> usize {
        self.len()
    }

    fn free_some(&mut self, budget: usize) -> bool {
        match self {
            List::Packed(_) => true,
            List::Quick(items) => items.drop_some(budget),
        }
    }
}
