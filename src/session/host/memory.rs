//! MEMORY: where the memory went.
//!
//! Invariant: figures come from the counting allocator, the kernel and the cores' counters; none is
//! estimated. Absent: figures of an allocator that we do not use, and of features that do not
//! exist.

use super::super::connection::Session;
use super::super::table::{HostCommand, HostRun, LaterFuture, host};
use super::{container, help, statistics, summaries, total};
use crate::base::alloc;
use crate::command::generic::MEMORY_USAGE;
use crate::command::spec::{Arity, Flags, Group, Spec, cmd};
use crate::observe::info::overhead;
use crate::observe::process::Figures;
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::shard::message::Batch;
use crate::shard::stats::CoreStats;

const fn sub(name: &'static str, summary: &'static str) -> Spec {
    cmd(name, Arity::Exact(2), Group::Server).doc(summary, "4.0.0", "O(1)")
}

pub const COMMANDS: &[HostCommand] = &[container(
    cmd("MEMORY", Arity::AtLeast(2), Group::Server).doc(
        "A container for memory diagnostics commands.",
        "4.0.0",
        "Depends on subcommand.",
    ),
    SUBCOMMANDS,
)
.data(&[&MEMORY_USAGE])];

const REPORT: &[&str] =
    &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];

const SUBCOMMANDS: &[HostCommand] = &[
    host(sub("DOCTOR", "Looks for memory problems.").tips(REPORT), HostRun::Later(doctor)),
    host(
        sub("HELP", "Lists the subcommands.").flags(Flags::LOADING.and(Flags::STALE)),
        HostRun::Now(|_, _, out| {
            let usage = (MEMORY_USAGE.spec.name, MEMORY_USAGE.spec.summary);
            help(out, "MEMORY", summaries(SUBCOMMANDS).chain([usage]));
            Ok(())
        }),
    ),
    host(
        sub("MALLOC-STATS", "Returns the allocator's own report.").tips(REPORT),
        HostRun::Now(|_, _, out| {
            out.bulk(b"Stats not supported for the current allocator");
            Ok(())
        }),
    ),
    host(
        sub("PURGE", "Asks the allocator to give memory back.")
            .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
        // The allocator gives pages back by itself after a short time.
        HostRun::Now(|_, _, out| {
            out.ok();
            Ok(())
        }),
    ),
    host(sub("STATS", "Returns figures about memory.").tips(REPORT), HostRun::Later(stats)),
];

/// Below this there is nothing to diagnose, in bytes.
const SMALL: usize = 5 << 20;

fn doctor<'a>(session: &'a mut Session, _: &'a Batch, out: &'a mut Out) -> LaterFuture<'a> {
    Box::pin(async move {
        let total = total(&statistics(&session.core).await);
        let (used, peak) = (alloc::used(), alloc::sample_peak());
        let report = diagnose(used, peak, Figures::read().resident_bytes as usize, &total);
        out.verbatim("txt", report.as_bytes());
        Ok(())
    })
}

fn diagnose(used: usize, peak: usize, resident: usize, total: &CoreStats) -> String {
    if used < SMALL {
        return "Too little memory is in use for a diagnosis.\n".into();
    }
    let buffers = (total.client_input_bytes + total.client_output_bytes) as usize;
    let findings = [
        (
            peak > used / 2 * 3,
            "The peak was far above what is used now: the resident size may stay \
            high until the allocator gives pages back.",
        ),
        (
            resident > used / 5 * 7,
            "The resident size is far above what is used: memory is fragmented, \
            or was freed a moment ago.",
        ),
        (
            buffers > used / 4,
            "Clients' buffers take much of the memory: see CLIENT LIST for omem and \
            qbuf.",
        ),
    ];
    let mut report: String = findings
        .iter()
        .filter(|(found, _)| *found)
        .map(|(_, text)| format!("* {text}\n"))
        .collect();
    if report.is_empty() {
        report.push_str("No memory problem was found.\n");
    }
    report
}

fn stats<'a>(session: &'a mut Session, _: &'a Batch, out: &'a mut Out) -> LaterFuture<'a> {
    Box::pin(async move {
        let total = total(&statistics(&session.core).await);
        let (used, peak) = (alloc::used() as u64, alloc::sample_peak() as u64);
        let resident = Figures::read().resident_bytes;
        write_stats(out, &total, used, peak, resident);
        Ok::<(), CmdError>(())
    })
}

fn write_stats(out: &mut Out, total: &CoreStats, used: u64, peak: u64, resident: u64) {
    let overhead = overhead(total).min(used);
    let keys: u64 = total.keyspace.iter().map(|database| database.keys).sum();
    let buffers = total.client_input_bytes + total.client_output_bytes;
    let integers: &[(&str, i64)] = &[
        ("peak.allocated", peak as i64),
        ("total.allocated", used as i64),
        ("clients.normal", buffers as i64),
        ("overhead.hashtable.main", total.table_bytes as i64),
        ("overhead.total", overhead as i64),
        ("keys.count", keys as i64),
        ("keys.bytes-per-key", (used - overhead).checked_div(keys).unwrap_or(0) as i64),
        ("dataset.bytes", (used - overhead) as i64),
        ("fragmentation.bytes", resident as i64 - used as i64),
    ];
    let ratio = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
    let doubles: &[(&str, f64)] = &[
        ("dataset.percentage", 100.0 * ratio(used - overhead, used)),
        ("peak.percentage", 100.0 * ratio(used, peak)),
        ("fragmentation", ratio(resident, used)),
    ];
    out.map(integers.len() + doubles.len());
    for (name, value) in integers {
        out.bulk(name.as_bytes());
        out.int(*value);
    }
    for (name, value) in doubles {
        out.bulk(name.as_bytes());
        out.double(*value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::out::Protocol;

    #[test]
    fn the_doctor_finds_what_there_is() {
        let calm = CoreStats::default();
        assert!(diagnose(0, 0, 0, &calm).starts_with("Too little"));
        assert!(diagnose(SMALL, SMALL, SMALL, &calm).starts_with("No memory problem"));
        assert_eq!(diagnose(SMALL, 2 * SMALL, SMALL, &calm).lines().count(), 1);
        let busy = CoreStats { client_output_bytes: SMALL as u64, ..CoreStats::default() };
        assert_eq!(diagnose(SMALL, 2 * SMALL, 2 * SMALL, &busy).lines().count(), 3);
    }

    #[test]
    fn figures_are_written_even_where_all_is_zero() {
        let mut out = Out::new(Protocol::Resp3);
        write_stats(&mut out, &CoreStats::default(), 0, 0, 0);
        assert!(out.to_vec().starts_with(b"%12\r\n$14\r\npeak.allocated\r\n:0\r\n"));
    }
}
