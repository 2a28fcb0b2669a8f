//! One shard's keyspace: typed values over the structures of `ds`.
//!
//! Invariant: nothing here knows commands, clients, sockets or files, and nothing here suspends.

pub mod bulky;
pub mod carried;
pub mod change;
pub mod counters;
pub mod db;
pub mod edit;
pub mod entry;
pub mod evict;
pub mod expire;
pub mod field_expiry;
mod graveyard;
pub mod hash;
pub mod list;
pub mod object;
mod pins;
pub mod set;
pub mod sorted_set;
pub mod stream;
pub mod tuning;
pub mod waiters;
