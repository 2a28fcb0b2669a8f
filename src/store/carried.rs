//! An entry's content on its way to another key, another database or another shard.
//!
//! Invariant: nothing in it refers to the table it came from, so the source may change or go while
//! it travels. Long strings are shared by reference count, never copied.

use bytes::Bytes;

use super::entry::{EntryRef, Value, ValueRef};
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
    /// For an entry that goes elsewhere and keeps its history of accesses.
    pub fn moved(entry: EntryRef<'_>) -> Carried {
        Carried { access: Some(entry.access()), ..Carried::copied(entry) }
    }

    /// For a copy, which nobody has accessed yet.
    pub fn copied(entry: EntryRef<'_>) -> Carried {
        let value = match entry.value() {
            ValueRef::Int(number) => Value::Int(number),
            ValueRef::Raw(bytes) => Value::Big(Bytes::copy_from_slice(bytes)),
            ValueRef::Big(bytes) => Value::Big(bytes.clone()),
            ValueRef::Object(object) => Value::Object(object.copy()),
        };
        let (expiry, is_modified) = (entry.expiry(), entry.is_modified());
        Carried { value, expiry, access: None, is_modified }
    }

    /// The same once more.
    pub fn duplicate(&self) -> Carried {
        let value = match &self.value {
            Value::Int(number) => Value::Int(*number),
            Value::Raw(bytes) => Value::Raw(bytes),
            Value::Big(bytes) => Value::Big(bytes.clone()),
            Value::Object(object) => Value::Object(object.view().copy()),
        };
        Carried { value, ..*self }
    }
}
