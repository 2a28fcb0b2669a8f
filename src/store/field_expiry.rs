//! Doors to hashes, some of whose fields may be overdue.
//!
//! Fields expire as keys do: they are invisible at once, and removed when a write opens their hash,
//! after a read met them, and by the sweep of `expire.rs`, for which the table's bounds on expiries
//! hold for fields too.
//!
//! Invariant: what is removed is reported as one change of the hash, which repeats as HDEL. A hash
//! whose last field goes takes its key, and the key's expiry, with it.

use super::change::{Effect, Event};
use super::db::{Db, Expiry};
use super::edit::Edit;
use super::entry::Value;
use super::hash::Hash;
use super::object::{Object, Typed};
use crate::resp::args::Key;
use crate::resp::error::CmdError;

const EXPIRED: Event = Event::hash("hexpired");

/// Overdue fields that are removed at most when a hash is opened. The others stay invisible.
const FIELDS_PER_COMMAND: usize = 1000;

impl Db {
    /// The hash at `key`, as by [`Db::read_as`]. Overdue fields are removed after the command.
    #[inline]
    pub fn read_hash(&self, key: Key<'_>) -> Result<Option<&Hash>, CmdError> {
        let hash = self.read_as::<Hash>(key)?;
        if let Some(hash) = hash
            && hash.has_overdue(self.now())
        {
            self.overdue.borrow_mut().push((self.selected(), key.bytes.into()));
        }
        Ok(hash)
    }

    /// Opens the hash at `key` for changes, as by [`Db::edit`], without its overdue fields.
    #[inline]
    pub fn edit_hash<'d>(&'d mut self, key: Key<'d>) -> Result<Option<Edit<'d, Hash>>, CmdError> {
        let Some(mut edit) = self.edit::<Hash>(key)? else { return Ok(None) };
        if edit.has_overdue(edit.now()) {
            edit.expire_fields(FIELDS_PER_COMMAND);
            if !edit.guard.exists() {
                return Ok(None);
            }
        }
        Ok(Some(edit))
    }

    /// Opens the hash at `key` for changes, as by [`Db::edit_or_create`], without its overdue
    /// fields.
    #[inline]
    pub fn edit_or_create_hash<'d>(&'d mut self, key: Key<'d>) -> Result<Edit<'d, Hash>, CmdError> {
        let mut edit = self.edit_or_create::<Hash>(key)?;
        if edit.has_overdue(edit.now()) {
            edit.expire_fields(FIELDS_PER_COMMAND);
            if !edit.guard.exists() {
                edit.guard.insert(Value::Object(Object::Hash(Hash::new())), Expiry::Never);
                edit.is_provisional = true;
            }
        }
        Ok(edit)
    }

    /// Removes up to `budget` overdue fields of the hash at `key`, if it is one; returns how many.
    pub(super) fn expire_fields(&mut self, key: &[u8], budget: usize) -> usize {
        // Opened like this, the hash is not marked as accessed.
        let guard = self.write(Key::new(key));
        match Edit::<Hash>::open(guard) {
            Some(mut edit) => edit.expire_fields(budget),
            None => 0,
        }
    }

    /// Clears the hashes that readers found to need it.
    #[cold]
    pub(super) fn remove_overdue(&mut self) {
        for (database, key) in std::mem::take(self.overdue.get_mut()) {
            if !self.is_pinned(Key::new(&key).hash) {
                self.in_database(database, |db| db.expire_fields(&key, FIELDS_PER_COMMAND));
            }
        }
    }
}

impl Edit<'_, Hash> {
    /// Removes up to `budget` overdue fields, and the key if none is left; returns how many.
    fn expire_fields(&mut self, budget: usize) -> usize {
        let (now, listening) = (self.now(), self.guard.listening());
        let (mut count, mut names) = (0, Vec::new());
        self.remove_overdue(now, budget, |name| {
            count += 1;
            if listening {
                names.push(Box::from(name));
            }
        });
        if count == 0 {
            return 0;
        }
        let key = self.guard.key();
        self.guard.count_expired_fields(count);
        self.guard.changed(EXPIRED, || {
            let command = [Box::from(*b"HDEL"), Box::from(key)];
            Effect::Words(command.into_iter().chain(names).collect())
        });
        if Typed::is_empty(&**self) {
            self.guard.discard();
            self.guard.announce(Event::DEL);
            self.is_provisional = true;
        }
        count
    }
}
