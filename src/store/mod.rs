//! One shard's keyspace: typed values over the structures of `ds`. Absent: commands, clients, clocks.

pub mod entry;
