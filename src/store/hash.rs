//! A hash: fields with values.

use super::object::{EncodingLimits, Kind, Typed};

/// A hash: fields with values.
#[derive(Default)]
pub struct Hash(Box<Pairs>);

#[derive(Default, Clone)]
struct Pairs {
    pairs: Vec<(Box<[u8]>, Box<[u8]>)>,
}

impl Hash {
    /// Sets a field; true if it is new.
    pub fn insert(&mut self, field: &[u8], value: &[u8], _: &EncodingLimits) -> bool {
        let found = self.0.pairs.iter_mut().find(|(name, _)| **name == *field);
        let is_new = found.is_none();
        match found {
            Some((_, old)) => *old = value.into(),
            None => self.0.pairs.push((field.into(), value.into())),
        }
        is_new
    }

    /// The value of a field.
    pub fn get(&self, field: &[u8]) -> Option<&[u8]> {
        let found = self.0.pairs.iter().find(|(name, _)| **name == *field);
        found.map(|(_, value)| &**value)
    }

    /// All fields with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.pairs.iter().map(|(field, value)| (&**field, &**value))
    }
}

impl Typed for Hash {
    const KIND: Kind = Kind::Hash;

    fn new() -> Hash {
        Hash::default()
    }

    fn is_empty(&self) -> bool {
        self.0.pairs.is_empty()
    }

    fn encoding(&self) -> &'static str {
        "hashtable"
    }

    fn memory(&self, _: usize) -> usize {
        let headers = self.0.pairs.capacity() * size_of::<(Box<[u8]>, Box<[u8]>)>();
        let pairs = self.0.pairs.iter();
        size_of::<Pairs>() + headers + pairs.map(|(a, b)| a.len() + b.len()).sum::<usize>()
    }

    fn copy(&self) -> Hash {
        Hash(self.0.clone())
    }

    fn elements(&self) -> usize {
        self.0.pairs.len()
    }

    fn free_some(&mut self, budget: usize) -> bool {
        self.0.pairs.truncate(self.0.pairs.len().saturating_sub(budget));
        self.0.pairs.is_empty()
    }
}
