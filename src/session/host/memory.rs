//! MEMORY: where the memory went.
//!
//! Invariant: figures come from the counting allocator, the kernel and the cores' counters; none is
//! estimated; what belongs to a feature that does not exist is truly 0. Absent: what a table that
//! grows in steps does not have (rehashing), and pages of jemalloc.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use super::super::connection::Session;
use super::super::core::Core;
use super::super::table::{HostCommand, HostRun, LaterFuture, host};
use super::{ask_all, container, help, statistics, summaries, total};
use crate::command::generic::MEMORY_USAGE;
use crate::command::spec::{Arity, Flags, Group, Spec, cmd};
use crate::observe::memory::Memory;
use crate::observe::process::Figures;
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::shard::message::{Batch, Request};
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
        HostRun::Later(purge),
    ),
    host(sub("STATS", "Returns figures about memory.").tips(REPORT), HostRun::Later(stats)),
];

/// Below this there is nothing to diagnose, in bytes.
const SMALL: u64 = 5 << 20;
/// A difference that matters, in bytes.
const LARGE: i64 = 10 << 20;

/// The memory's figures now.
pub(super) fn memory(core: &Core, total: &CoreStats, process: &Figures) -> Memory {
    Memory::read(core.identity.startup_memory.load(Ordering::Relaxed), total, process)
}

fn doctor<'a>(session: &'a mut Session, _: &'a Batch, out: &'a mut Out) -> LaterFuture<'a> {
    Box::pin(async move {
        let total = total(&statistics(&session.core).await);
        let report = diagnose(&memory(&session.core, &total, &Figures::read()));
        out.verbatim("txt", report.as_bytes());
        Ok(())
    })
}

fn diagnose(memory: &Memory) -> String {
    let used = memory.used;
    if used < SMALL {
        return "Too little memory is in use for a diagnosis.\n".into();
    }
    let (fragmentation, overhead) = (memory.allocator_fragmentation(), memory.resident_overhead());
    let findings = [
        (
            memory.peak > used / 2 * 3,
            "The peak was far above what is used now: the resident size may stay \
            high until the allocator gives pages back.",
        ),
        (
            fragmentation.ratio > 1.4 && fragmentation.bytes > LARGE,
            "The allocator keeps far more than is used: memory is fragmented, \
            or was freed a moment ago.",
        ),
        (
            overhead.ratio > 1.4 && overhead.bytes > LARGE,
            "The resident size is far above what the allocator keeps: pages of \
            files take memory.",
        ),
        (
            memory.buffers > used / 4,
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
        let memory = memory(&session.core, &total, &Figures::read());
        write_stats(out, &total, &memory);
        Ok::<(), CmdError>(())
    })
}

fn purge<'a>(session: &'a mut Session, _: &'a Batch, out: &'a mut Out) -> LaterFuture<'a> {
    Box::pin(async move {
        ask_all(&session.core, || Request::GiveBackMemory).await;
        out.ok();
        Ok::<(), CmdError>(())
    })
}

/// One figure of MEMORY STATS.
enum Figure {
    Bytes(u64),
    Ratio(f64),
    Difference(i64),
    /// The bytes that the table of a database takes.
    Table(u64),
}

fn write_stats(out: &mut Out, total: &CoreStats, memory: &Memory) {
    let figures = figures(total, memory);
    out.map(figures.len());
    for (name, figure) in figures {
        out.bulk(name.as_bytes());
        match figure {
            Figure::Bytes(value) => out.int(value as i64),
            Figure::Difference(value) => out.int(value),
            Figure::Ratio(value) => out.double(value),
            Figure::Table(bytes) => {
                // Expiries lie with their keys, and what finds the keys of a slot is the table.
                let parts = [("main", bytes), ("expires", 0), ("slot-to-keys", 0)];
                out.map(parts.len());
                for (part, bytes) in parts {
                    out.bulk(format!("overhead.hashtable.{part}").as_bytes());
                    out.int(bytes as i64);
                }
            }
        }
    }
}

/// All figures by their names, in Redis's order.
fn figures(total: &CoreStats, memory: &Memory) -> Vec<(Cow<'static, str>, Figure)> {
    use Figure::{Bytes, Difference, Ratio, Table};
    let keys: u64 = total.keyspace.iter().map(|database| database.keys).sum();
    let mut figures: Vec<(Cow<'static, str>, Figure)> = vec![
        ("peak.allocated".into(), Bytes(memory.peak)),
        ("total.allocated".into(), Bytes(memory.used)),
        ("startup.allocated".into(), Bytes(memory.startup)),
        ("replication.backlog".into(), Bytes(0)),
        ("clients.slaves".into(), Bytes(0)),
        ("clients.normal".into(), Bytes(memory.buffers)),
        ("cluster.links".into(), Bytes(0)),
        ("aof.buffer".into(), Bytes(0)),
        ("lua.caches".into(), Bytes(0)),
        ("functions.caches".into(), Bytes(0)),
    ];
    for (index, database) in total.keyspace.iter().enumerate() {
        if database.keys > 0 {
            figures.push((format!("db.{index}").into(), Table(database.table_bytes)));
        }
    }
    figures.extend([
        ("overhead.total".into(), Bytes(memory.overhead())),
        ("keys.count".into(), Bytes(keys)),
        ("keys.bytes-per-key".into(), Bytes(memory.dataset().checked_div(keys).unwrap_or(0))),
        ("dataset.bytes".into(), Bytes(memory.dataset())),
        ("dataset.percentage".into(), Ratio(memory.dataset_percent())),
        ("peak.percentage".into(), Ratio(memory.peak_percent())),
        ("allocator.allocated".into(), Bytes(memory.used)),
        ("allocator.active".into(), Bytes(memory.anonymous)),
        ("allocator.resident".into(), Bytes(memory.anonymous)),
    ]);
    for (name, bytes_name, excess) in [
        (
            "allocator-fragmentation.ratio",
            "allocator-fragmentation.bytes",
            memory.allocator_fragmentation(),
        ),
        ("allocator-rss.ratio", "allocator-rss.bytes", memory.allocator_resident()),
        ("rss-overhead.ratio", "rss-overhead.bytes", memory.resident_overhead()),
        ("fragmentation", "fragmentation.bytes", memory.fragmentation()),
    ] {
        figures.push((name.into(), Ratio(excess.ratio)));
        figures.push((bytes_name.into(), Difference(excess.bytes)));
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::out::Protocol;
    use crate::resp::skip::reply_len;
    use crate::shard::stats::KeyspaceStats;

    #[test]
    fn the_doctor_finds_what_there_is() {
        let used = 4 * SMALL;
        let calm = Memory { used, peak: used, anonymous: used, ..Memory::default() };
        assert!(diagnose(&Memory::default()).starts_with("Too little"));
        assert!(diagnose(&calm).starts_with("No memory problem"));
        let findings = |memory: Memory| diagnose(&memory).lines().count();
        assert_eq!(findings(Memory { peak: 2 * used, ..calm }), 1);
        assert_eq!(findings(Memory { anonymous: 2 * used, resident: 2 * used, ..calm }), 1);
        assert_eq!(findings(Memory { resident: 2 * used, buffers: used, ..calm }), 2);
    }

    #[test]
    fn figures_are_written_even_where_all_is_zero() {
        let mut out = Out::new(Protocol::Resp3);
        write_stats(&mut out, &CoreStats::default(), &Memory::default());
        let reply = out.to_vec();
        assert!(reply.starts_with(b"%27\r\n$14\r\npeak.allocated\r\n:0\r\n"));
        assert_eq!(reply_len(&reply), Some(reply.len()));
    }

    #[test]
    fn a_database_with_keys_has_an_entry() {
        let keyspace = vec![
            KeyspaceStats::default(),
            KeyspaceStats { keys: 2, table_bytes: 4096, ..KeyspaceStats::default() },
        ];
        let mut out = Out::new(Protocol::Resp2);
        let memory = Memory { used: 300, startup: 100, ..Memory::default() };
        write_stats(&mut out, &CoreStats { keyspace, ..CoreStats::default() }, &memory);
        let text = String::from_utf8(out.to_vec()).expect("figures are text");
        assert!(!text.contains("db.0") && text.contains("db.1\r\n*6\r\n"));
        assert!(text.contains("overhead.hashtable.main\r\n:4096\r\n"));
        assert!(text.contains("keys.bytes-per-key\r\n:100\r\n"));
    }
}
