//! Where the memory is, in the figures that INFO, MEMORY STATS and MEMORY DOCTOR share.
//!
//! ```text
//! resident, as the kernel says:  anonymous memory             | pages of files
//! of the allocator:              allocated | free or in between |
//! allocated (`used`):            at start | tables | buffers | dataset
//! ```
//!
//! mimalloc does not tell pages that it uses from those that it keeps for later, other than by
//! figures in which memory counts that was never touched. So, as in a Redis without jemalloc,
//! `allocator_resident` and `allocator_active` are both what is resident and belongs to no file;
//! stacks and rings take little of it.
//! Invariant: every figure is counted or read, none is estimated; what nothing is compared with
//! counts as one byte.
//! Source: <https://redis.io/docs/latest/commands/memory-stats/>.

use super::process::Figures;
use crate::base::alloc;
use crate::shard::stats::CoreStats;

/// Figures at one moment, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Allocated now, when the server was ready, and the most there ever was.
    pub used: u64,
    pub startup: u64,
    pub peak: u64,
    /// Resident without the pages of files, and with them.
    pub anonymous: u64,
    pub resident: u64,
    /// Taken by the tables of keys, and by clients' buffers.
    pub tables: u64,
    pub buffers: u64,
}

/// How much larger one figure is than another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Excess {
    pub ratio: f64,
    pub bytes: i64,
}

fn excess(whole: u64, part: u64) -> Excess {
    Excess { ratio: whole.max(1) as f64 / part.max(1) as f64, bytes: whole as i64 - part as i64 }
}

fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

impl Memory {
    /// Reads the figures; `startup` is what was allocated when the server was ready.
    pub fn read(startup: u64, total: &CoreStats, process: &Figures) -> Memory {
        Memory {
            used: alloc::used() as u64,
            startup,
            peak: alloc::sample_peak() as u64,
            anonymous: process.anonymous_bytes,
            resident: process.resident_bytes,
            tables: total.table_bytes,
            buffers: total.client_input_bytes + total.client_output_bytes,
        }
    }

    /// What is no keys and values: what the server needs empty, tables, clients' buffers.
    pub fn overhead(&self) -> u64 {
        (self.startup + self.tables + self.buffers).min(self.used)
    }

    /// Keys and values.
    pub fn dataset(&self) -> u64 {
        self.used - self.overhead()
    }

    /// The dataset's part of what was allocated since the start, in percent.
    pub fn dataset_percent(&self) -> f64 {
        100.0 * ratio(self.dataset(), self.used.saturating_sub(self.startup))
    }

    /// What is allocated in percent of the most there was.
    pub fn peak_percent(&self) -> f64 {
        100.0 * ratio(self.used, self.peak)
    }

    /// What the allocator keeps resident beyond what is allocated.
    pub fn allocator_fragmentation(&self) -> Excess {
        excess(self.anonymous, self.used)
    }

    /// What the allocator keeps resident beyond what it uses, which it does not tell.
    pub fn allocator_resident(&self) -> Excess {
        excess(self.anonymous, self.anonymous)
    }

    /// What is resident of files: the program and its libraries.
    pub fn resident_overhead(&self) -> Excess {
        excess(self.resident, self.anonymous)
    }

    /// All that is resident beyond what is allocated.
    pub fn fragmentation(&self) -> Excess {
        excess(self.resident, self.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_make_up_the_whole() {
        let memory = Memory {
            used: 1000,
            startup: 200,
            peak: 2000,
            anonymous: 1250,
            resident: 2500,
            tables: 300,
            buffers: 100,
        };
        assert_eq!((memory.overhead(), memory.dataset()), (600, 400));
        assert_eq!((memory.dataset_percent(), memory.peak_percent()), (50.0, 50.0));
        assert_eq!(memory.allocator_fragmentation(), Excess { ratio: 1.25, bytes: 250 });
        assert_eq!(memory.allocator_resident(), Excess { ratio: 1.0, bytes: 0 });
        assert_eq!(memory.resident_overhead(), Excess { ratio: 2.0, bytes: 1250 });
        assert_eq!(memory.fragmentation(), Excess { ratio: 2.5, bytes: 1500 });
    }

    #[test]
    fn less_than_at_the_start_is_no_dataset() {
        let memory = Memory { used: 10, startup: 20, ..Memory::default() };
        assert_eq!((memory.overhead(), memory.dataset(), memory.dataset_percent()), (10, 0, 0.0));
        assert_eq!(Memory::default().fragmentation(), Excess { ratio: 1.0, bytes: 0 });
    }
}
