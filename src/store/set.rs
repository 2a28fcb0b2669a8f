//! A set of strings.

use super::object::{EncodingLimits, Kind, Typed};

/// A set of strings.
#[derive(Default)]
pub struct Set {
    items: Box<Vec<Box<[u8]>>>,
}

impl Set {
    /// Adds a member; false if it is there already.
    pub fn insert(&mut self, member: &[u8], _: &EncodingLimits) -> bool {
        let is_new = self.items.iter().all(|item| **item != *member);
        if is_new {
            self.items.push(member.into());
        }
        is_new
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// True if `member` is there.
    pub fn contains(&self, member: &[u8]) -> bool {
        self.items.iter().any(|item| **item == *member)
    }

    /// All members.
    pub fn iter(&self) -> impl Iterator<Item = crate::ds::listpack::Item<'_>> {
        self.items.iter().map(|item| crate::ds::listpack::Item::Text(item))
    }

    /// Takes a member out; false if it is not there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let found = self.items.iter().position(|item| **item == *member);
        found.map(|index| self.items.swap_remove(index)).is_some()
    }
}

impl Typed for Set {
    const KIND: Kind = Kind::Set;

    fn new() -> Set {
        Set::default()
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

    fn copy(&self) -> Set {
        Set { items: self.items.clone() }
    }

    fn elements(&self) -> usize {
        self.items.len()
    }

    fn free_some(&mut self, budget: usize) -> bool {
        self.items.truncate(self.items.len().saturating_sub(budget));
        self.items.is_empty()
    }
}
