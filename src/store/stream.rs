//! A stream of entries.

use super::object::{Kind, Typed};

/// A stream of entries.
#[derive(Default)]
pub struct Stream {
    items: Box<Vec<Box<[u8]>>>,
}

impl Stream {
    /// Adds an element.
    pub fn push(&mut self, element: &[u8]) {
        self.items.push(element.into());
    }
}

impl Typed for Stream {
    const KIND: Kind = Kind::Stream;

    fn new() -> Stream {
        Stream::default()
    }

    fn is_empty(&self) -> bool {
        false
    }

    fn encoding(&self) -> &'static str {
        "stream"
    }

    fn memory(&self, _: usize) -> usize {
        let headers = self.items.capacity() * size_of::<Box<[u8]>>();
        headers + self.items.iter().map(|item| item.len()).sum::<usize>()
    }

    fn copy(&self) -> Stream {
        Stream { items: self.items.clone() }
    }

    fn elements(&self) -> usize {
        self.items.len()
    }

    fn free_some(&mut self, budget: usize) -> bool {
        self.items.truncate(self.items.len().saturating_sub(budget));
        self.items.is_empty()
    }
}
