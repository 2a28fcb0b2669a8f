//! Which ACL categories a command belongs to.
//!
//! Invariant: a category follows from the row's group, flags and shape wherever Redis is regular; a
//! row names only those that do not.

use super::info;
use crate::command::spec::{Flags, Group};
use crate::session::table::Row;

/// All categories, in the order in which Redis prints them.
pub const CATEGORIES: &[&str] = &[
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// True if the command belongs to `category`, one of [`CATEGORIES`].
pub fn is_in_category(row: Row, category: &str) -> bool {
    let spec = row.spec();
    let derived = match category {
        "read" => info::is_readonly(row) && spec.group != Group::Scripting,
        "write" => row.writes(),
        "admin" | "dangerous" => spec.flags.has(Flags::ADMIN),
        "pubsub" => spec.flags.has(Flags::PUBSUB),
        "fast" => spec.flags.has(Flags::FAST),
        "slow" => !spec.flags.has(Flags::FAST),
        "blocking" => spec.flags.has(Flags::BLOCKING),
        _ => row.is_runnable() && category_of(spec.group) == Some(category),
    };
    derived || spec.acl.contains(&category)
}

/// The category that all commands of a group share.
fn category_of(group: Group) -> Option<&'static str> {
    match group {
        Group::Bitmap => Some("bitmap"),
        Group::Connection => Some("connection"),
        Group::Geo => Some("geo"),
        Group::Hash => Some("hash"),
        Group::HyperLogLog => Some("hyperloglog"),
        Group::List => Some("list"),
        Group::Scripting => Some("scripting"),
        Group::Set => Some("set"),
        Group::SortedSet => Some("sortedset"),
        Group::Stream => Some("stream"),
        Group::String => Some("string"),
        Group::Transactions => Some("transaction"),
        Group::Cluster | Group::Generic | Group::PubSub | Group::Server => None,
    }
}
