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
    /// Hashes with fields that expire.
    pub timed: u64,
    /// Sum of the sampled times to live, and how many were sampled, for the average.
    pub ttl_sum_ms: u64,
    pub ttl_samples: u64,
    /// Those among the samples that have expired but are still there.
    pub ttl_overdue: u64,
    /// Memory of the table itself, in bytes.
    pub table_bytes: u64,
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
    pub wakes_received: u64,
    /// Connections that came from other cores.
    pub moved: u64,
    /// The same since the start, and those that went; never set back.
    pub taken: u64,
    pub given: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Requests, bytes received and bytes sent per second, of late.
    pub rates: [u64; 3],
    /// Time spent on active expiry, in nanoseconds.
    pub expire_ns: u64,
    /// Slices of active expiry that ended because their time was over.
    pub expire_overruns: u64,
    /// How long memory has been above `maxmemory` until now, and all such times together.
    pub excess_now_ms: u64,
    pub excess_total_ms: u64,
    pub expired: u64,
    pub expired_fields: u64,
    pub evicted: u64,
    pub hits: u64,
    pub misses: u64,
    pub changes: u64,
    /// Clients whose command is held back, at this moment.
    pub blocked: u64,
    /// Those among them that wait for a key no longer than a given time.
    pub timed_waits: u64,
    /// Keys of this shard that commands wait for, and those whose absence some wait for.
    pub awaited_keys: u64,
    pub awaited_absences: u64,
    pub panics: u64,
    pub protocol_errors: u64,
    pub query_buffer_closed: u64,
    pub output_buffer_closed: u64,
    pub lazy_free_pending: u64,
    pub lazy_freed: u64,
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

impl CoreStats {
    /// Clients connected, those between two cores included: exact for all cores together, however
    /// far apart their answers were.
    pub fn clients(&self) -> u64 {
        (self.connections + self.given).saturating_sub(self.taken)
    }

    /// Adds another core's counters to these. What names a core (`core`, `cpu`) stays as it is.
    pub fn merge(&mut self, other: &CoreStats) {
        for (mine, theirs) in self.counters_mut().into_iter().zip(other.counters()) {
            *mine += theirs;
        }
        self.biggest_input = self.biggest_input.max(other.biggest_input);
        self.biggest_output = self.biggest_output.max(other.biggest_output);
        // Every core looks at the memory of all, at moments of its own.
        self.excess_now_ms = self.excess_now_ms.max(other.excess_now_ms);
        self.excess_total_ms = self.excess_total_ms.max(other.excess_total_ms);
        merge_each(&mut self.commands, &other.commands, |mine, theirs| {
            mine.calls += theirs.calls;
            mine.nanoseconds += theirs.nanoseconds;
            mine.rejected += theirs.rejected;
            mine.failed += theirs.failed;
        });
        merge_each(&mut self.keyspace, &other.keyspace, |mine, theirs| {
            mine.keys += theirs.keys;
            mine.volatile += theirs.volatile;
            mine.timed += theirs.timed;
            mine.ttl_sum_ms += theirs.ttl_sum_ms;
            mine.ttl_samples += theirs.ttl_samples;
            mine.ttl_overdue += theirs.ttl_overdue;
            mine.table_bytes += theirs.table_bytes;
        });
        for (code, count) in &other.errors {
            *self.errors.entry(code.clone()).or_default() += count;
        }
        for (id, theirs) in &other.latencies {
            match self.latencies.get_mut(id) {
                // Every core's histogram has the same bounds, so that adding cannot fail.
                Some(mine) => mine.add(theirs).unwrap_or_default(),
                None => drop(self.latencies.insert(*id, theirs.clone())),
            }
        }
    }

    fn counters(&self) -> [u64; 40] {
        [
            self.requests,
            self.connections_received,
            self.connections_rejected,
            self.connections,
            self.hops_out,
            self.hops_in,
            self.turns,
            self.sleeps,
            self.wakes_sent,
            self.wakes_received,
            self.moved,
            self.taken,
            self.given,
            self.bytes_in,
            self.bytes_out,
            self.expired,
            self.expired_fields,
            self.evicted,
            self.hits,
            self.misses,
            self.changes,
            self.rates[0],
            self.rates[1],
            self.rates[2],
            self.expire_ns,
            self.expire_overruns,
            self.blocked,
            self.timed_waits,
            self.awaited_keys,
            self.awaited_absences,
            self.panics,
            self.protocol_errors,
            self.query_buffer_closed,
            self.output_buffer_closed,
            self.lazy_free_pending,
            self.lazy_freed,
            self.table_bytes,
            self.client_input_bytes,
            self.client_output_bytes,
            self.busy_ns,
        ]
    }

    fn counters_mut(&mut self) -> [&mut u64; 40] {
        let [requests_rate, input_rate, output_rate] = &mut self.rates;
        [
            &mut self.requests,
            &mut self.connections_received,
            &mut self.connections_rejected,
            &mut self.connections,
            &mut self.hops_out,
            &mut self.hops_in,
            &mut self.turns,
            &mut self.sleeps,
            &mut self.wakes_sent,
            &mut self.wakes_received,
            &mut self.moved,
            &mut self.taken,
            &mut self.given,
            &mut self.bytes_in,
            &mut self.bytes_out,
            &mut self.expired,
            &mut self.expired_fields,
            &mut self.evicted,
            &mut self.hits,
            &mut self.misses,
            &mut self.changes,
            requests_rate,
            input_rate,
            output_rate,
            &mut self.expire_ns,
            &mut self.expire_overruns,
            &mut self.blocked,
            &mut self.timed_waits,
            &mut self.awaited_keys,
            &mut self.awaited_absences,
            &mut self.panics,
            &mut self.protocol_errors,
            &mut self.query_buffer_closed,
            &mut self.output_buffer_closed,
            &mut self.lazy_free_pending,
            &mut self.lazy_freed,
            &mut self.table_bytes,
            &mut self.client_input_bytes,
            &mut self.client_output_bytes,
            &mut self.busy_ns,
        ]
    }
}

/// Merges lists element by element; the shorter one grows.
fn merge_each<T: Default + Clone>(mine: &mut Vec<T>, theirs: &[T], merge: impl Fn(&mut T, &T)) {
    mine.resize(mine.len().max(theirs.len()), T::default());
    mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| merge(mine, theirs));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_adds_what_each_core_counted() {
        let core = |number: u64| {
            let mut latencies = BTreeMap::new();
            let mut histogram = Histogram::new_with_bounds(1, 1000, 2).expect("valid bounds");
            histogram.record(number).expect("within the bounds");
            latencies.insert(3, histogram);
            CoreStats {
                core: number as u16,
                requests: number,
                rates: [number, 2 * number, 3 * number],
                excess_now_ms: number,
                busy_ns: 10 * number,
                biggest_input: number,
                commands: vec![CommandStats { calls: number, ..CommandStats::default() }],
                keyspace: vec![KeyspaceStats { keys: number, ..KeyspaceStats::default() }],
                errors: BTreeMap::from([("ERR".to_owned(), number)]),
                latencies,
                ..CoreStats::default()
            }
        };
        let mut sum = core(1);
        sum.merge(&core(2));
        sum.merge(&CoreStats::default());
        assert_eq!((sum.core, sum.requests, sum.busy_ns, sum.biggest_input), (1, 3, 30, 2));
        assert_eq!((sum.rates, sum.excess_now_ms), ([3, 6, 9], 2));
        assert_eq!((sum.commands[0].calls, sum.keyspace[0].keys), (3, 3));
        assert_eq!((sum.errors["ERR"], sum.latencies[&3].len()), (3, 2));
    }
}
