//! The fieldsets of a connection: names of fields that HIMPORT SET gives values to.
//!
//! Invariant: a fieldset has no field twice. All of a connection's together take no more than
//! [`FIELDSETS_MAX`] bytes.

use std::collections::HashMap;

use crate::limits::FIELDSETS_MAX;

type Name = Box<[u8]>;

/// Bytes that a name takes besides its own, roughly.
const NAME_OVERHEAD: usize = 32;

/// What HIMPORT PREPARE declared on a connection.
#[derive(Default)]
pub struct Fieldsets {
    sets: HashMap<Name, Box<[Name]>, ahash::RandomState>,
    bytes: usize,
}

impl Fieldsets {
    /// Declares a fieldset in place of one with the same name; false if that would take too much
    /// memory, in which case nothing changes.
    pub fn prepare<'a>(&mut self, name: &[u8], fields: impl Iterator<Item = &'a [u8]>) -> bool {
        let fields: Box<[Name]> = fields.map(Name::from).collect();
        let old = self.sets.get(name).map_or(0, |old| size(name, old));
        let bytes = self.bytes - old + size(name, &fields);
        let fits = bytes <= FIELDSETS_MAX;
        if fits {
            self.bytes = bytes;
            self.sets.insert(name.into(), fields);
        }
        fits
    }

    /// The fields of a fieldset, in the order of their declaration.
    pub fn get(&self, name: &[u8]) -> Option<&[Name]> {
        self.sets.get(name).map(|fields| &**fields)
    }

    /// Forgets a fieldset; false if there is none of that name.
    pub fn discard(&mut self, name: &[u8]) -> bool {
        let removed = self.sets.remove(name);
        self.bytes -= removed.as_ref().map_or(0, |fields| size(name, fields));
        removed.is_some()
    }

    /// Forgets all fieldsets; returns how many there were.
    pub fn clear(&mut self) -> usize {
        std::mem::take(self).sets.len()
    }

    /// Bytes they take, roughly.
    pub fn memory(&self) -> usize {
        self.bytes
    }
}

fn size(name: &[u8], fields: &[Name]) -> usize {
    let names = fields.iter().map(|field| field.len() + NAME_OVERHEAD);
    name.len() + NAME_OVERHEAD + names.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepare(sets: &mut Fieldsets, name: &[u8], fields: &[&[u8]]) -> bool {
        sets.prepare(name, fields.iter().copied())
    }

    #[test]
    fn fieldsets_come_and_go() {
        let mut sets = Fieldsets::default();
        assert!(prepare(&mut sets, b"a", &[b"x", b"y"]));
        assert!(prepare(&mut sets, b"b", &[b"z"]));
        assert_eq!(sets.get(b"a").map(<[Name]>::len), Some(2));
        assert!(prepare(&mut sets, b"a", &[b"x"]));
        assert_eq!(sets.get(b"a").map(<[Name]>::len), Some(1));
        assert!(sets.discard(b"a") && !sets.discard(b"a"));
        assert!(sets.get(b"a").is_none());
        assert_eq!(sets.clear(), 1);
        assert_eq!(sets.memory(), 0);
    }

    #[test]
    fn they_are_bounded() {
        let mut sets = Fieldsets::default();
        let large = vec![b'x'; FIELDSETS_MAX / 2];
        assert!(prepare(&mut sets, b"a", &[&large]));
        assert!(!prepare(&mut sets, b"b", &[&large]));
        assert!(prepare(&mut sets, b"a", &[&large, b"y"]), "it replaces the other");
        assert!(sets.get(b"b").is_none());
        assert!(sets.discard(b"a"));
        assert_eq!(sets.memory(), 0);
    }
}
