//! A list of strings.

use std::ops::Range;

use super::object::{Kind, Typed};
use crate::ds::listpack::Item;

/// A list of strings.
#[derive(Default)]
pub struct List {
    items: Box<Vec<Box<[u8]>>>,
}

impl List {
    /// The elements of a range, from its end if `backwards`.
    pub fn walk(&self, range: Range<usize>, backwards: bool) -> impl Iterator<Item = Item<'_>> {
        let len = self.items.len();
        range.map(move |index| {
            let index = if backwards { len - 1 - index } else { index };
            Item::Text(&self.items[index])
        })
    }

    /// Adds an element.
    pub fn push(&mut self, element: &[u8]) {
        self.items.push(element.into());
    }
}

impl Typed for List {
    const KIND: Kind = Kind::List;

    fn new() -> List {
        List::default()
    }

    fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn encoding(&self) -> &'static str {
        "quicklist"
    }

    fn memory(&self, _: usize) -> usize {
        let headers = self.items.capacity() * size_of::<Box<[u8]>>();
        headers + self.items.iter().map(|item| item.len()).sum::<usize>()
    }

    fn copy(&self) -> List {
        List { items: self.items.clone() }
    }

    fn elements(&self) -> usize {
        self.items.len()
    }

    fn free_some(&mut self, budget: usize) -> bool {
        self.items.truncate(self.items.len().saturating_sub(budget));
        self.items.is_empty()
    }
}
