//! An entry's content on its way to another key, another database or another shard.
//!
//! Invariant: nothing in it refers to the table it came from, so the source may change or go while
//! it travels. Long strings are shared by reference count, never copied.

use bytes::Bytes;

use super::entry::{Entry, EntryRef, Value, ValueRef};
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

    /// For a copy, which nobody has accessed yet.
    pub fn copied(entry: EntryRef<'_>) -> Carried {
        let value = match entry.value() {
            ValueRef::Object(object) => Value::Object(object.copy()),
            text => string(text).expect("what is no collection is a string"),
        };
        let (expiry, is_modified) = (entry.expiry(), entry.is_modified());
        Carried { value, expiry, access: None, is_modified }
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
