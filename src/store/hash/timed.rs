//! A large hash some of whose fields expire: the dictionary, and its times in order.
//!
//! Invariant: each time at which fields of one hash expire has an entry that counts them. An entry
//! names fields by their hashes, which stay when a record moves; two fields of one hash that expire
//! at one time, which chance hardly ever brings about, are told apart by their number.

use std::collections::BTreeMap;

use crate::base::hash::member_hash;
use crate::base::time::Millis;
use crate::ds::dict::{Dict, Position};
use crate::ds::field::{Field, FieldRef};

/// A dictionary of fields that knows which are due.
#[derive(Default)]
pub(super) struct Timed {
    fields: Dict<Field>,
    due: BTreeMap<(Millis, u64), u32>,
}

impl Timed {
    /// The fields of a dictionary, none of which expires.
    pub fn from_dict(fields: Dict<Field>) -> Timed {
        Timed { fields, due: BTreeMap::new() }
    }

    /// The fields, to be read.
    #[inline]
    pub fn fields(&self) -> &Dict<Field> {
        &self.fields
    }

    /// Heap bytes besides the dictionary and its records: what the standard library's tree takes,
    /// whose nodes hold 11 entries and are two thirds full on average.
    pub fn memory(&self) -> usize {
        const ENTRY_BYTES: usize = size_of::<((Millis, u64), u32)>() * 3 / 2 + 2;
        size_of::<Timed>() + self.due.len() * ENTRY_BYTES
    }

    /// Adds a field that is not there.
    pub fn insert(&mut self, field: FieldRef<'_>) {
        let hash = member_hash(field.name);
        self.fields.insert(hash, Field::new(field));
        if let Some(time) = field.expiry {
            self.note(time, hash);
        }
    }

    /// Changes value and expiry of the field at a position.
    pub fn set(&mut self, position: Position, value: &[u8], expiry: Option<Millis>) {
        let old = self.fields.get(position);
        let (hash, was) = (member_hash(old.name), old.expiry);
        self.fields.update(position, |field| field.set(value, expiry));
        self.renote(hash, was, expiry);
    }

    /// Changes the expiry of the field at a position.
    pub fn set_expiry(&mut self, position: Position, expiry: Option<Millis>) {
        let old = self.fields.get(position);
        let (hash, was) = (member_hash(old.name), old.expiry);
        self.fields.update(position, |field| field.set_expiry(expiry));
        self.renote(hash, was, expiry);
    }

    /// Removes the field at a position, whose hash is `hash`.
    pub fn remove(&mut self, position: Position, hash: u64) {
        let field = self.fields.remove(position, hash);
        self.renote(hash, field.view().expiry, None);
    }

    /// When the first field expires.
    pub fn next_due(&self) -> Option<Millis> {
        self.due.first_key_value().map(|((time, _), _)| *time)
    }

    /// How many fields expire before `time`. Takes time in proportion to their number.
    pub fn due_before(&self, time: Millis) -> usize {
        self.due.range(..(time, 0)).map(|(_, count)| *count as usize).sum()
    }

    /// Removes a field that expires before `time`, after showing its name; false if there is none.
    pub fn remove_due(&mut self, time: Millis, gone: impl FnOnce(&[u8])) -> bool {
        let Some(((due, hash), _)) = self.due.first_key_value() else { return false };
        let (due, hash) = (*due, *hash);
        if due >= time {
            return false;
        }
        let found = self
            .fields
            .find(hash, |field| field.expiry == Some(due) && member_hash(field.name) == hash);
        let position = found.expect("an entry stands for a field");
        gone(self.fields.get(position).name);
        self.remove(position, hash);
        true
    }

    /// Drops up to about `budget` fields; true when nothing is left.
    pub fn free_some(&mut self, budget: usize) -> bool {
        for _ in 0..budget {
            if self.due.pop_first().is_none() {
                return self.fields.free_some(budget);
            }
        }
        false
    }

    fn renote(&mut self, hash: u64, old: Option<Millis>, new: Option<Millis>) {
        if old == new {
            return;
        }
        if let Some(time) = old {
            let count = self.due.get_mut(&(time, hash)).expect("a field that expires has an entry");
            *count -= 1;
            if *count == 0 {
                self.due.remove(&(time, hash));
            }
        }
        if let Some(time) = new {
            self.note(time, hash);
        }
    }

    fn note(&mut self, time: Millis, hash: u64) {
        *self.due.entry((time, hash)).or_default() += 1;
    }
}
