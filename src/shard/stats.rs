//! What one core counts, merged for INFO.
//!
//! Invariant: each core writes its own counters only; nothing here is shared or atomic. Adding two
//! [`CoreStats`] adds every counter, so the order of cores does not matter.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

/// Calls of one command.
#[derive(Debug, Clone, Copy, Default)]
pub struct CommandStats {
    pub calls: u64,
    /// Execution time on the owning cores.
    pub nanoseconds: u64,
    /// Refused before it ran: arity, permission, memory.
    pub rejected: u64,
    /// Ran and answered an error.
    pub failed: u64,
}

/// Keys of one database on one core.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyspaceStats {
    pub keys: u64,
    pub volatile: u64,
    /// Sum of the sampled times to live, and how many were sampled, for the average.
    pub ttl_sum_ms: u64,
    pub ttl_samples: u64,
}

/// All counters of one core.
#[derive(Default, Clone)]
pub struct CoreStats {
    pub core: u16,
    pub cpu: u16,
    pub requests: u64,
    pub connections_received: u64,
    pub connections_rejected: u64,
    pub connections: u64,
    pub hops_out: u64,
    pub hops_in: u64,
    pub turns: u64,
    pub sleeps: u64,
    pub wakes_sent: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub expired: u64,
    pub evicted: u64,
    pub hits: u64,
    pub misses: u64,
    pub changes: u64,
    pub panics: u64,
    pub protocol_errors: u64,
    pub query_buffer_closed: u64,
    pub output_buffer_closed: u64,
    pub lazy_free_pending: u64,
    pub table_bytes: u64,
    pub client_input_bytes: u64,
    pub client_output_bytes: u64,
    pub biggest_input: u64,
    pub biggest_output: u64,
    /// Time spent outside the ring's wait, in nanoseconds: how busy the core is.
    pub busy_ns: u64,
    pub commands: Vec<CommandStats>,
    pub errors: BTreeMap<String, u64>,
    pub keyspace: Vec<KeyspaceStats>,
    /// Latency per command in nanoseconds, for those that ran.
    pub latencies: BTreeMap<u16, Histogram<u64>>,
}
