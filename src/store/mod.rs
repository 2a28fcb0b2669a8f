//! One shard's keyspace: typed values over the structures of `ds`.
//!
//! Invariant: nothing here knows commands, clients, sockets or files, and nothing here suspends.

pub mod carried;
pub mod change;
pub mod db;
pub mod entry;
pub mod evict;
pub mod expire;
