//! A hash: fields with values.

use super::object::{EncodingLimits, Kind, Typed};

/// A hash: fields with values.
#[derive(Default)]
pub struct Hash {
    items: Box<Vec<Box<[u8]>>>,
}

impl Hash {
    /// Sets a field; true if it is new.
    pub fn insert(&mut self, field: &[u8], value: &[u8], _: &EncodingLimits) -> bool {
        let found = self.items.chunks_exact_mut(2).find(|pair| *pair[0] == *field);
        let is_new = found.is_none();
        match found {
            Some(pair) => pair[1] = value.into(),
            None => self.items.extend([field.into(), value.into()]),
        }
        is_new
    }

    /// The value of a field.
    pub fn get(&self, field: &[u8]) -> Option<&[u8]> {
        self.items.chunks_exact(2).find(|pair| *pair[0] == *field).map(|pair| &*pair[1])
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
        self.items.len() / 2
    }

    fn free_some(&mut self, budget: usize) -> bool {
        self.items.truncate(self.items.len().saturating_sub(budget));
        self.items.is_empty()
    }
}
