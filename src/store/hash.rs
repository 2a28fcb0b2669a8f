//! A hash: fields with values.

use super::object::{Kind, Typed};

/// A hash: fields with values.
#[derive(Default)]
pub struct Hash {
    items: Box<Vec<Box<[u8]>>>,
}

impl Hash {
    /// Adds an element.
    pub fn push(&mut self, element: &[u8]) {
        self.items.push(element.into());
    }
}

impl Typed for Hash {
    const KIND: Kind = Kind::Hash;

    fn new() -> Hash {
        Hash::default()
    }

    fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn encoding(&self) -> &'static str {
        "hashtable"
    }

    fn memory(&self, _: usize) -> usize {
        let headers = self.items.capacity() * size_of::<Box<[u8]>>();
        headers + self.items.iter().map(|item| item.len()).sum::<usize>()
    }

    fn copy(&self) -> Hash {
        Hash { items: self.items.clone() }
    }

    fn elements(&self) -> usize {
        self.items.len()
    }

    fn free_some(&mut self, budget: usize) -> bool {
        self.items.truncate(self.items.len().saturating_sub(budget));
        self.items.is_empty()
    }
}
