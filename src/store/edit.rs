//! Exclusive access to one collection.
//!
//! Invariant: an [`Edit`] leaves no key with an empty collection behind, and no trace of a key that
//! it created if nothing was put into it. An error before [`Edit::changed`] must leave the value as
//! it was.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use super::change::{Effect, Event};
use super::db::{Db, Expiry, Write};
use super::entry::{Value, ValueRef};
use super::object::Typed;
use super::tuning::Tuning;
use crate::base::time::Millis;
use crate::resp::args::Key;
use crate::resp::error::CmdError;

/// One key's collection, to be changed in place.
pub struct Edit<'d, T: Typed> {
    pub(super) guard: Write<'d, 'd>,
    /// True until a change is reported, if the key did not exist before.
    pub(super) is_provisional: bool,
    is_changed: bool,
    /// True if a change may have emptied the collection, or put something into it that expires.
    is_unsettled: bool,
    /// Whether something in it expires, as far as the database has counted that.
    is_timed: bool,
    collection: PhantomData<T>,
}

impl Db {
    /// The collection at `key`: counts a hit or a miss and marks the key as accessed.
    /// [`CmdError::WrongType`] if the key holds something else.
    #[inline]
    pub fn read_as<T: Typed>(&self, key: Key<'_>) -> Result<Option<&T>, CmdError> {
        self.read(key).map(typed).transpose()
    }

    /// The collection at `key`, without any trace of the look.
    #[inline]
    pub fn peek_as<T: Typed>(&self, key: Key<'_>) -> Result<Option<&T>, CmdError> {
        self.peek(key).map(|entry| typed(entry.value())).transpose()
    }

    /// Opens the collection at `key` for changes; `None` if there is no such key.
    /// [`CmdError::WrongType`] if the key holds something else.
    #[inline]
    pub fn edit<'d, T: Typed>(&'d mut self, key: Key<'d>) -> Result<Option<Edit<'d, T>>, CmdError> {
        let guard = self.write(key);
        let Some(value) = guard.mark_accessed() else { return Ok(None) };
        typed::<T>(value)?;
        Ok(Some(Edit::new(guard, false)))
    }

    /// Opens the collection at `key` for changes, an empty one if there is no such key.
    /// [`CmdError::WrongType`] if the key holds something else.
    #[inline]
    pub fn edit_or_create<'d, T: Typed>(
        &'d mut self,
        key: Key<'d>,
    ) -> Result<Edit<'d, T>, CmdError> {
        let mut guard = self.write(key);
        let is_new = match guard.mark_accessed() {
            Some(value) => {
                typed::<T>(value)?;
                false
            }
            None => {
                guard.insert(Value::Object(T::new().into_object()), Expiry::Never);
                true
            }
        };
        Ok(Edit::new(guard, is_new))
    }
}

/// The type check.
#[inline]
fn typed<T: Typed>(value: ValueRef<'_>) -> Result<&T, CmdError> {
    match value {
        ValueRef::Object(object) => T::of(object).ok_or(CmdError::WrongType),
        _ => Err(CmdError::WrongType),
    }
}

impl<'d, T: Typed> Edit<'d, T> {
    fn new(guard: Write<'d, 'd>, is_provisional: bool) -> Edit<'d, T> {
        let mut edit = Self {
            guard,
            is_provisional,
            is_changed: false,
            is_unsettled: false,
            is_timed: false,
            collection: PhantomData,
        };
        edit.is_timed = edit.has_timed_parts();
        edit
    }

    #[inline]
    fn has_timed_parts(&self) -> bool {
        T::HAS_EXPIRING_PARTS && self.guard.exists() && self.next_due().is_some()
    }

    /// Makes the database count whether something in the collection expires now.
    #[inline]
    pub(super) fn count_timed(&mut self) {
        let is_timed = self.has_timed_parts();
        if is_timed != self.is_timed {
            self.guard.count_timed(self.is_timed, is_timed);
            self.is_timed = is_timed;
        }
    }

    /// Opens what is behind a guard, if it is a collection of this type.
    pub(super) fn open(guard: Write<'d, 'd>) -> Option<Edit<'d, T>> {
        typed::<T>(guard.value()?).ok()?;
        Some(Edit::new(guard, false))
    }

    /// Counts one change and reports it. The request repeats the change the first time; what is
    /// reported after that is a further event of it.
    #[inline]
    pub fn changed(&mut self, event: Event) {
        self.changed_elements(event, 1);
    }

    /// Reports one change, as [`Edit::changed`], and counts it as `count`: as many as elements came
    /// or went, or none where the other half of a move counts.
    pub fn changed_elements(&mut self, event: Event, count: usize) {
        self.is_unsettled = true;
        self.grown(event, count);
    }

    /// Like [`Edit::changed_elements`], for a change that only added something, and nothing that
    /// expires.
    #[inline]
    pub fn grown(&mut self, event: Event, count: usize) {
        let is_first = !std::mem::replace(&mut self.is_changed, true);
        self.is_provisional = false;
        let effect = || if is_first { Effect::Request } else { Effect::Carried };
        self.guard.changed_elements(event, count, effect);
    }

    /// Reports a further part of the change just counted, for words of its own.
    pub fn announce(&mut self, event: Event) {
        self.guard.announce(event);
    }

    /// Says which words repeat the change just reported, where the request itself would not. They
    /// are copied only if somebody listens.
    pub fn repeat_as(&mut self, words: &[&[u8]]) {
        self.guard.repeat_as(words);
    }

    /// True if somebody listens to changes, so that composing words for [`Edit::repeat_as`] is
    /// worth it.
    pub fn is_heard(&self) -> bool {
        self.guard.is_heard()
    }

    /// Takes in a part that was taken out of the collection, as a collection of its own, to be
    /// freed in slices.
    pub fn bury(&mut self, part: T) {
        self.guard.bury(part.into_object());
    }

    /// True if the key did not exist and no change has been reported yet.
    pub fn is_new(&self) -> bool {
        self.is_provisional
    }

    /// The clock of this turn.
    pub fn now(&self) -> Millis {
        self.guard.now()
    }

    /// The limits in force.
    pub fn tuning(&self) -> Tuning {
        self.guard.tuning()
    }

    /// When the key expires, in milliseconds since the Unix epoch.
    pub fn expiry(&self) -> Option<Millis> {
        self.guard.expiry()
    }
}

impl<T: Typed> Deref for Edit<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match self.guard.value() {
            Some(ValueRef::Object(object)) => T::of(object),
            _ => None,
        }
        .expect("the type was checked when the key was opened")
    }
}

impl<T: Typed> DerefMut for Edit<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        let object = self.guard.object_mut();
        object.and_then(T::of_mut).expect("the type was checked when the key was opened")
    }
}

impl<T: Typed> Drop for Edit<'_, T> {
    fn drop(&mut self) {
        self.count_timed();
        if self.is_provisional {
            self.guard.discard();
        } else if self.is_unsettled {
            let collection = &**self;
            if Typed::is_empty(collection) {
                self.guard.discard();
                self.guard.announce(Event::DEL);
            } else if let Some(due) = collection.next_due() {
                self.guard.lower_due(due);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::tests::empty;
    use crate::store::object::{EncodingLimits, Kind, Object};
    use crate::store::set::Set;
    use crate::store::stream::Stream;

    const ADD: Event = Event { class: b's', name: "sadd" };
    const REMOVE: Event = Event { class: b's', name: "srem" };

    fn add(db: &mut Db, key: &[u8], members: std::ops::Range<usize>) {
        let limits = EncodingLimits::default();
        let mut set = db.edit_or_create::<Set>(Key::new(key)).expect("a set or nothing");
        for number in members {
            set.insert(number.to_string().as_bytes(), &limits);
        }
        set.changed(ADD);
    }

    fn events(db: &mut Db) -> Vec<(&'static str, Effect)> {
        db.changes.take().into_iter().map(|change| (change.event.name, change.effect)).collect()
    }

    fn size(db: &Db, key: &[u8]) -> Option<usize> {
        db.peek_as::<Set>(Key::new(key)).expect("a set").map(Typed::elements)
    }

    #[test]
    fn a_created_key_stays_only_if_something_was_put_into_it() {
        let mut db = empty();
        db.changes.listen(true);
        drop(db.edit_or_create::<Set>(Key::new(b"s")).expect("no such key"));
        assert!(db.is_empty() && db.changes.count() == 0);
        assert!(db.edit::<Set>(Key::new(b"s")).expect("no such key").is_none());
        add(&mut db, b"s", 0..3);
        assert_eq!((size(&db, b"s"), db.len()), (Some(3), 1));
        assert_eq!(events(&mut db), [("sadd", Effect::Request)]);
    }

    #[test]
    fn an_emptied_collection_takes_its_key_with_it() {
        let mut db = empty();
        add(&mut db, b"s", 0..1);
        db.changes.listen(true);
        let mut set = db.edit::<Set>(Key::new(b"s")).expect("a set").expect("it exists");
        assert!(set.remove(b"0"));
        set.changed(REMOVE);
        drop(set);
        assert!(db.is_empty());
        assert_eq!(events(&mut db), [("srem", Effect::Request), ("del", Effect::Carried)]);
        let mut stream = db.edit_or_create::<Stream>(Key::new(b"x")).expect("no such key");
        stream.changed(ADD);
        drop(stream);
        assert_eq!(db.len(), 1, "streams may be empty");
    }

    #[test]
    fn other_types_are_refused_and_left_alone() {
        let mut db = empty();
        db.write(Key::new(b"text")).set(Value::Int(1), Expiry::Never, ADD);
        let text = db.edit::<Set>(Key::new(b"text")).map(|_| ());
        assert_eq!(text, Err(CmdError::WrongType));
        add(&mut db, b"s", 0..1);
        let key = Key::new(b"s");
        assert_eq!(db.edit::<Stream>(key).map(|_| ()), Err(CmdError::WrongType));
        assert_eq!(db.edit_or_create::<Stream>(key).map(|_| ()), Err(CmdError::WrongType));
        assert_eq!(db.read_as::<Stream>(key).map(|_| ()), Err(CmdError::WrongType));
        assert_eq!(size(&db, b"s"), Some(1));
        assert_eq!(db.peek(key).map(|entry| entry.value().kind()), Some(Kind::Set));
    }

    #[test]
    fn large_collections_are_freed_in_slices() {
        let mut db = empty();
        let key = Key::new(b"s");
        let ways: [fn(&mut Db, Key<'_>); 5] = [
            |db, key| assert!(db.write(key).remove(Event::DEL)),
            |db, key| db.write(key).set(Value::Int(1), Expiry::Never, ADD),
            |db, key| db.write(key).put_object(Object::Set(Set::new()), Expiry::Never, ADD),
            |db, _| db.flush(0),
            |db, key| {
                let now = db.now();
                db.write(key).set_expiry(Some(now + 1), Event::EXPIRE);
                db.set_now(now + 2);
                while !db.expire_step(0).finished {}
            },
        ];
        for (number, way) in ways.into_iter().enumerate() {
            add(&mut db, b"s", 0..1000);
            way(&mut db, key);
            assert_eq!(db.lazy_free_pending(), 1, "way {number}");
            let mut steps = 0;
            while db.free_some(100) {
                steps += 1;
            }
            assert!((2..=13).contains(&steps), "{steps} steps");
            assert_eq!(db.counters.lazy_freed.get(), number as u64 + 1);
            db.write(key).remove(Event::DEL);
            add(&mut db, b"s", 0..10);
            db.write(key).remove(Event::DEL);
            assert_eq!(db.lazy_free_pending(), 0, "small ones are dropped at once");
        }
    }

    #[test]
    fn an_expiry_moves_the_collection_within_its_entry() {
        let mut db = empty();
        for length in 1..40 {
            let name = vec![b'k'; length];
            add(&mut db, &name, 0..5);
            let key = Key::new(&name);
            for expiry in [Some(i64::MAX), None, Some(i64::MAX - 1)] {
                db.write(key).set_expiry(expiry, Event::EXPIRE);
                assert_eq!((size(&db, &name), db.write(key).expiry()), (Some(5), expiry));
            }
            add(&mut db, &name, 5..7);
            assert_eq!(size(&db, &name), Some(7));
        }
    }
}
