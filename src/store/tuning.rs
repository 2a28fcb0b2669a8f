//! What CONFIG SET may change about a keyspace.
//!
//! Invariant: what is here is plain data, which every core has for itself. Absent: the parameters
//! behind it, which only the layers above know.

use super::object::EncodingLimits;
use super::stream::idempotence::Retention;

/// Limits and habits that CONFIG SET may change.
#[derive(Debug, Clone, Copy)]
pub struct Tuning {
    /// `proto-max-bulk-len`: the longest string a command may build.
    pub string_len_max: usize,
    /// True if accesses are recorded for a least-frequently-used policy.
    pub frequency: bool,
    pub lfu_log_factor: u32,
    pub lfu_decay_minutes: u32,
    /// Up to which size collections keep their compact forms.
    pub encoding: EncodingLimits,
    /// What streams remember of producers unless they are told otherwise.
    pub retention: Retention,
}

impl Default for Tuning {
    /// The defaults of the parameters.
    fn default() -> Tuning {
        Tuning {
            string_len_max: 512 << 20,
            frequency: false,
            lfu_log_factor: 10,
            lfu_decay_minutes: 1,
            encoding: EncodingLimits::default(),
            retention: Retention::default(),
        }
    }
}
