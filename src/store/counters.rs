//! What a shard counts of its keyspace's life, for INFO.

use std::cell::Cell;

/// Counters of one shard since the start or the last CONFIG RESETSTAT.
#[derive(Debug, Default, Clone)]
pub struct Counters {
    pub hits: Cell<u64>,
    pub misses: Cell<u64>,
    pub expired: Cell<u64>,
    /// Fields of hashes that expired.
    pub expired_fields: Cell<u64>,
    pub evicted: Cell<u64>,
    /// Entries of flushed databases and large collections that are freed by now.
    pub lazy_freed: Cell<u64>,
}

/// Counts one.
#[inline]
pub(super) fn bump(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}
