//! An entry's content on its way to another key, another database or another shard.
//!
//! Invariant: nothing in it refers to the table it came from, so the source may change or go while
//! it travels. Long strings are shared by reference count, never copied.

use bytes::Bytes;

use super::bulky::Bulky;
use super::entry::{Entry, EntryRef, Value, ValueRef};
use super::object::{Object, ObjectRef};
use crate::base::time::Millis;

/// Everything of an entry but its key.
#[derive(Debug)]
pub struct Carried {
    pub(super) value: Value<'static>,
    pub(super) expiry: Option<Millis>,
    /// The access field, or none if it begins anew where this arrives.
    pub(super) access: Option<u32>,
    pub(super) is_modified: bool,
}

impl Carried {
    /// What an entry held that goes elsewhere and keeps its history of accesses.
    pub(super) fn moved(entry: Entry) -> Carried {
        let view = entry.view();
        let (expiry, access, is_modified) = (view.expiry(), view.access(), view.is_modified());
        let string = string(view.value());
        let value = string.or_else(|| entry.into_object().map(Value::Object));
        let value = value.expect("a value is a string or a collection");
        Carried { value, expiry, access: Some(access), is_modified }
    }

    /// A copy, which nobody has accessed yet; of a collection up to about `budget` elements in one
    /// call, given what the call before has copied. Says what it has copied if there are more.
    pub fn copied(
        entry: EntryRef<'_>,
        begun: Option<Box<Copying>>,
        budget: usize,
    ) -> Result<Carried, Box<Copying>> {
        let value = match entry.value() {
            ValueRef::Object(object) => Value::Object(Copying::go_on(begun, object, budget)?),
            text => string(text).expect("what is no collection is a string"),
        };
        let (expiry, is_modified) = (entry.expiry(), entry.is_modified());
        Ok(Carried { value, expiry, access: None, is_modified })
    }
}

/// A collection that is being copied.
pub struct Copying {
    /// What there is of the copy.
    object: Object,
    next: u64,
}

impl Copying {
    /// The whole copy, or what there is of it.
    fn go_on(
        begun: Option<Box<Copying>>,
        source: ObjectRef<'_>,
        budget: usize,
    ) -> Result<Object, Box<Copying>> {
        let (mut copy, from) = match begun {
            Some(begun) => (begun.object, begun.next),
            None => (source.empty(), 0),
        };
        match source.copy_some(&mut copy, from, budget) {
            None => Ok(copy),
            Some(next) => Err(Box::new(Copying { object: copy, next })),
        }
    }
}

impl Bulky for Copying {
    fn free_some(&mut self, budget: usize) -> bool {
        self.object.free_some(budget)
    }
}

/// A string in a form that refers to no entry.
fn string(value: ValueRef<'_>) -> Option<Value<'static>> {
    Some(match value {
        ValueRef::Int(number) => Value::Int(number),
        ValueRef::Raw(bytes) => Value::Big(Bytes::copy_from_slice(bytes)),
        ValueRef::Big(bytes) => Value::Big(bytes.clone()),
        ValueRef::Object(_) => return None,
    })
}
