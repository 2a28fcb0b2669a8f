//! What has left the keyspace and is too large to be freed in one go.
//!
//! Invariant: what is in here is visible to nobody. Small values are dropped at once and never come
//! here.

use super::bulky::Bulky;
use super::entry::Entry;
use super::object::Object;
use crate::ds::table::Remains;

/// Elements of a collection that are dropped without a delay, as in Redis.
const AT_ONCE_MAX: usize = 64;

/// Flushed tables and large collections, freed in slices.
#[derive(Default)]
pub(super) struct Graveyard {
    tables: Vec<Remains<Entry>>,
    /// Entries in them.
    entries: usize,
    objects: Vec<Object>,
    bulks: Vec<Box<dyn Bulky>>,
}

impl Graveyard {
    /// Takes in a flushed table of `entries` entries.
    pub fn bury_table(&mut self, table: Remains<Entry>, entries: usize) {
        self.tables.push(table);
        self.entries += entries;
    }

    /// Takes in a collection, or drops it if that is a matter of moments.
    pub fn bury(&mut self, object: Object) {
        if object.view().elements() > AT_ONCE_MAX {
            self.objects.push(object);
        }
    }

    /// Takes in an entry's collection, or drops the entry.
    #[inline]
    pub fn bury_entry(&mut self, entry: Entry) {
        if let Some(object) = entry.into_object() {
            self.bury(object);
        }
    }

    /// Takes in what was no part of the keyspace.
    pub fn bury_bulk(&mut self, mut bulk: Box<dyn Bulky>) {
        if !bulk.free_some(AT_ONCE_MAX) {
            self.bulks.push(bulk);
        }
    }

    /// Drops up to about `budget` entries or elements and returns how many keys' memory is free
    /// now;
    /// `None` if nothing was left.
    pub fn free_some(&mut self, budget: usize) -> Option<usize> {
        let before = self.pending();
        if let Some(object) = self.objects.last_mut() {
            if object.free_some(budget) {
                self.objects.pop();
            }
        } else if let Some(bulk) = self.bulks.last_mut() {
            if bulk.free_some(budget) {
                self.bulks.pop();
            }
        } else {
            let table = self.tables.last_mut()?;
            let (objects, entries) = (&mut self.objects, &mut self.entries);
            let is_gone = table.free_some_with(budget, |entry: Entry| {
                *entries -= 1;
                if let Some(object) = entry.into_object()
                    && object.view().elements() > AT_ONCE_MAX
                {
                    objects.push(object);
                }
            });
            if is_gone {
                self.tables.pop();
            }
        }
        Some(before - self.pending())
    }

    /// Keys whose memory is still occupied.
    pub fn pending(&self) -> usize {
        self.entries + self.objects.len()
    }
}
