//! What a core counts, books and reports.
//!
//! Invariant: counting is adding to a cell of this core; what takes longer is done by whoever asks
//! ([`Core::stats`]) or by the cron.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::Core;
use crate::base::time::Millis;
use crate::observe::process;
use crate::observe::rates::{Rates, Reading};
use crate::resp::error::CmdError;
use crate::shard::message::{Batch, Call};
use crate::shard::stats::{CommandStats, CoreStats, KeyspaceStats};

/// What the runtime counts, read by INFO.
#[derive(Default)]
pub struct LoopStats {
    pub turns: Cell<u64>,
    pub sleeps: Cell<u64>,
    pub wakes_sent: Cell<u64>,
    pub wakes_received: Cell<u64>,
    pub busy_ns: Cell<u64>,
    pub connections_received: Cell<u64>,
    pub connections_rejected: Cell<u64>,
    pub bytes_in: Cell<u64>,
    pub bytes_out: Cell<u64>,
    pub rates: RefCell<Rates>,
}

/// What background work and `maxmemory` cost.
#[derive(Default)]
pub struct UpkeepStats {
    /// Time spent on active expiry. A step that also frees memory is not counted.
    pub expire_ns: Cell<u64>,
    /// Slices of active expiry that ended because their time was over.
    pub expire_overruns: Cell<u64>,
    /// Since when memory is above `maxmemory` and nothing can be done about it, if it is.
    pub excess_since: Cell<Option<Millis>>,
    /// How long it was so before that.
    pub excess_ms: Cell<u64>,
}

impl UpkeepStats {
    /// Notes at `now` whether memory is above its limit.
    #[inline]
    pub fn note_excess(&self, is_above: bool, now: Millis) {
        if is_above != self.excess_since.get().is_some() {
            let ended = self.excess_since.replace(is_above.then_some(now));
            add(&self.excess_ms, lasted(ended, now));
        }
    }
}

/// Milliseconds from `since`, if anything has begun, to `now`.
fn lasted(since: Option<Millis>, now: Millis) -> u64 {
    since.map_or(0, |since| now.saturating_sub(since).max(0) as u64)
}

/// What sessions count.
#[derive(Default)]
pub struct SessionStats {
    pub requests: Cell<u64>,
    pub hops_in: Cell<u64>,
    /// Connections that came from other cores.
    pub moved: Cell<u64>,
    /// Clients whose command waits for a key or the end of a pause, at this moment.
    pub blocked: Cell<u64>,
    pub panics: Cell<u64>,
    pub protocol_errors: Cell<u64>,
    pub query_buffer_closed: Cell<u64>,
    pub output_buffer_closed: Cell<u64>,
    pub commands: RefCell<Vec<CommandStats>>,
    pub latencies: RefCell<Vec<Option<Histogram<u64>>>>,
    pub errors: RefCell<BTreeMap<String, u64>>,
}

/// Adds `more` to a counter.
#[inline]
pub fn add(counter: &Cell<u64>, more: u64) {
    counter.set(counter.get() + more);
}

/// From 1 ns to 1 s with two significant digits, as LATENCY HISTOGRAM reports.
fn latency_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 1_000_000_000, 2).expect("the bounds are valid")
}

fn recorded(latencies: &[Option<Histogram<u64>>]) -> BTreeMap<u16, Histogram<u64>> {
    let numbered = latencies.iter().enumerate();
    numbered.filter_map(|(id, each)| Some((id as u16, each.clone()?))).collect()
}

impl Core {
    /// Books the time since the last booking for `calls` calls of the row `id`.
    pub(in crate::session) fn attribute(&self, id: u16, calls: u64) {
        let now = self.clock.monotonic_nanos();
        let spent = now.saturating_sub(self.lap.replace(now));
        self.book(id, calls, spent);
    }

    /// Books the calls of a batch that another core ran, and their errors.
    pub(in crate::session) fn attribute_batch(&self, batch: &Batch) {
        let each = batch.spent_ns_each();
        let mut calls = batch.calls.as_slice();
        while let Some(first) = calls.first() {
            let key = |call: &Call| (call.statistics, call.is_share());
            let same = calls.iter().take_while(|call| key(call) == key(first)).count();
            // A share is booked with its command, where the shares come together.
            if !first.is_share() {
                self.book(first.statistics, same as u64, each * same as u64);
            }
            calls = &calls[same..];
        }
        for (id, error) in &batch.failed {
            self.count_failure(*id, error);
        }
    }

    /// Books `calls` calls of the row `id` that took so many nanoseconds together.
    pub(in crate::session) fn book(&self, id: u16, calls: u64, spent: u64) {
        add(&self.sessions.requests, calls);
        let stats = &mut self.sessions.commands.borrow_mut()[id as usize];
        stats.calls += calls;
        stats.nanoseconds += spent;
        let mut latencies = self.sessions.latencies.borrow_mut();
        let histogram = latencies[id as usize].get_or_insert_with(latency_histogram);
        histogram.saturating_record_n((spent / calls).max(1), calls);
    }

    /// Counts an error answered by the command with this id.
    #[cold]
    pub(in crate::session) fn count_failure(&self, id: u16, error: &CmdError) {
        self.sessions.commands.borrow_mut()[id as usize].failed += 1;
        self.count_error(error);
    }

    /// Counts an error in INFO's errorstats.
    #[cold]
    pub(in crate::session) fn count_error(&self, error: &CmdError) {
        let mut errors = self.sessions.errors.borrow_mut();
        let code = error.code();
        if let Some(count) = errors.get_mut(&*code) {
            *count += 1;
        } else if errors.len() < 128 {
            errors.insert(code.into_owned(), 1);
        }
    }

    /// Reads the counters whose rates per second INFO reports; called by the runtime's cron.
    pub fn sample_rates(&self) {
        let (requests, turns) = (self.sessions.requests.get(), &self.turns);
        turns.rates.borrow_mut().sample(Reading {
            at_ns: self.clock.monotonic_nanos(),
            counters: [requests, turns.bytes_in.get(), turns.bytes_out.get()],
        });
    }

    /// Sets the counters of CONFIG RESETSTAT back.
    pub(super) fn reset_stats(&self) {
        let sessions = &self.sessions;
        *sessions.commands.borrow_mut() = vec![CommandStats::default(); self.table.entries.len()];
        *sessions.latencies.borrow_mut() = vec![None; self.table.entries.len()];
        sessions.errors.borrow_mut().clear();
        for counter in [
            &sessions.requests,
            &sessions.hops_in,
            &sessions.moved,
            &sessions.protocol_errors,
            &sessions.query_buffer_closed,
            &sessions.output_buffer_closed,
            &self.turns.connections_received,
            &self.turns.connections_rejected,
            &self.turns.bytes_in,
            &self.turns.bytes_out,
            &self.shards.hops.out,
            &self.upkeep.expire_ns,
            &self.upkeep.expire_overruns,
            &self.upkeep.excess_ms,
        ] {
            counter.set(0);
        }
        self.turns.rates.borrow_mut().restart();
        self.upkeep.excess_since.take();
        let db = self.shards.db.borrow();
        for counter in [
            &db.counters.hits,
            &db.counters.misses,
            &db.counters.expired,
            &db.counters.expired_fields,
            &db.counters.evicted,
            &db.counters.lazy_freed,
        ] {
            counter.set(0);
        }
    }

    /// This core's counters.
    pub fn stats(&self) -> CoreStats {
        let (sessions, turns, upkeep) = (&self.sessions, &self.turns, &self.upkeep);
        let excess_now = lasted(upkeep.excess_since.get(), self.now());
        let (taken, given) = self.moves.taken_and_given();
        let mut stats = CoreStats {
            core: self.me().0,
            cpu: process::current_cpu(),
            requests: sessions.requests.get(),
            connections_received: turns.connections_received.get(),
            connections_rejected: turns.connections_rejected.get(),
            connections: self.client_count() as u64,
            hops_out: self.shards.hops.out.get(),
            hops_in: sessions.hops_in.get(),
            turns: turns.turns.get(),
            sleeps: turns.sleeps.get(),
            wakes_sent: turns.wakes_sent.get(),
            wakes_received: turns.wakes_received.get(),
            moved: sessions.moved.get(),
            taken,
            given,
            bytes_in: turns.bytes_in.get(),
            bytes_out: turns.bytes_out.get(),
            rates: turns.rates.borrow().per_second(),
            expire_ns: upkeep.expire_ns.get(),
            expire_overruns: upkeep.expire_overruns.get(),
            excess_now_ms: excess_now,
            excess_total_ms: upkeep.excess_ms.get() + excess_now,
            blocked: sessions.blocked.get(),
            panics: sessions.panics.get(),
            protocol_errors: sessions.protocol_errors.get(),
            query_buffer_closed: sessions.query_buffer_closed.get(),
            output_buffer_closed: sessions.output_buffer_closed.get(),
            busy_ns: turns.busy_ns.get(),
            commands: sessions.commands.borrow().clone(),
            errors: sessions.errors.borrow().clone(),
            latencies: recorded(&sessions.latencies.borrow()),
            ..CoreStats::default()
        };
        self.add_keyspace(&mut stats);
        for client in self.clients.borrow().values() {
            let (input, output) = (client.link.input_bytes(), client.link.output_bytes());
            stats.client_input_bytes += input as u64;
            stats.client_output_bytes += output as u64;
            stats.biggest_input = stats.biggest_input.max(input as u64);
            stats.biggest_output = stats.biggest_output.max(output as u64);
            let waiting = client.waiting.borrow();
            stats.timed_waits += u64::from(waiting.as_ref().is_some_and(|wait| wait.has_end));
        }
        stats
    }

    fn add_keyspace(&self, stats: &mut CoreStats) {
        let mut db = self.shards.db.borrow_mut();
        stats.hits = db.counters.hits.get();
        stats.misses = db.counters.misses.get();
        stats.expired = db.counters.expired.get();
        stats.expired_fields = db.counters.expired_fields.get();
        stats.evicted = db.counters.evicted.get();
        stats.changes = db.changes.count();
        let (keys, absences) = db.waiters.keys();
        (stats.awaited_keys, stats.awaited_absences) = (keys as u64, absences as u64);
        stats.lazy_freed = db.counters.lazy_freed.get();
        stats.lazy_free_pending = db.lazy_free_pending() as u64;
        let selected = db.selected();
        for index in 0..db.database_count() {
            db.select(index);
            let ttl = db.sample_ttl();
            let table_bytes = db.table_shape().1 as u64;
            stats.table_bytes += table_bytes;
            stats.keyspace.push(KeyspaceStats {
                keys: db.len() as u64,
                volatile: db.volatile() as u64,
                timed: db.timed() as u64,
                table_bytes,
                ttl_sum_ms: ttl.sum_ms,
                ttl_samples: ttl.count,
                ttl_overdue: ttl.overdue,
            });
        }
        db.select(selected);
    }

    /// Books how long the core was busy; called by the runtime when a turn ends. The turn counts
    /// up to the last command, which saves a look at the clock.
    pub fn end_turn(&self, busy_since: u64) {
        add(&self.turns.busy_ns, self.lap.get().saturating_sub(busy_since));
    }
}
