//! A sorted set: members with scores.

use std::ops::Range;

use super::object::{Kind, Typed};
use crate::ds::listpack::Item;

/// A sorted set: members with scores.
#[derive(Default)]
pub struct SortedSet {
    items: Box<Vec<Box<[u8]>>>,
}

impl SortedSet {
    /// The elements of a range, from its end if `backwards`.
    pub fn walk(
        &self,
        range: Range<usize>,
        backwards: bool,
    ) -> impl Iterator<Item = (Item<'_>, f64)> {
        let len = self.items.len();
        range.map(move |index| {
            let index = if backwards { len - 1 - index } else { index };
            (Item::Text(&self.items[index]), index as f64)
        })
    }

    /// Adds an element.
    pub fn push(&mut self, element: &[u8]) {
        self.items.push(element.into());
    }
}

impl Typed for SortedSet {
    const KIND: Kind = Kind::SortedSet;

    fn new() -> SortedSet {
        SortedSet::default()
    }

    fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn encoding(&self) -> &'static str {
        "skiplist"
    }

    fn memory(&self, _: usize) -> usize {
        let headers = self.items.capacity() * size_of::<Box<[u8]>>();
        headers + self.items.iter().map(|item| item.len()).sum::<usize>()
    }

    fn copy(&self) -> SortedSet {
        SortedSet { items: self.items.clone() }
    }

    fn elements(&self) -> usize {
        self.items.len()
    }

    fn free_some(&mut self, budget: usize) -> bool {
        self.items.truncate(self.items.len().saturating_sub(budget));
        self.items.is_empty()
    }
}
