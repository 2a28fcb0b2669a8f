//! INFO: sections of `name:value` lines, in Redis's words and order.
//!
//! Each section is one row of [`SECTIONS`] and one function. Names and formats are Redis 7.2's
//! (<https://redis.io/docs/latest/commands/info/>), so that monitoring tools find what they know;
//! `Cores` is Shoal's own.
//! Invariant: a field is printed only if its figure is true; what belongs to a feature that does
//! not exist is truly 0. Absent: figures of forks and of snapshots.

use std::fmt::Write;

use super::memory::Memory;
use super::process::Figures;
use crate::base::time::Millis;
use crate::config::Config;
use crate::shard::stats::CoreStats;

/// The Redis version whose behaviour clients may expect.
pub const REDIS_VERSION: &str = "7.2.0";
/// This server's own version.
pub const SHOAL_VERSION: &str = env!("CARGO_PKG_VERSION");

/// What INFO prints, gathered from everywhere.
pub struct Facts<'a> {
    pub config: &'a Config,
    /// Microseconds since the Unix epoch, now and at the start.
    pub now_us: i64,
    pub started: Millis,
    pub run_id: &'a str,
    pub port: u16,
    pub executable: &'a str,
    pub config_file: &'a str,
    pub ring_features: &'a str,
    /// Who was told that the server is ready: `systemd` or `no`.
    pub supervisor: &'a str,
    /// Whether the cores are presented as the nodes of a cluster.
    pub is_cluster: bool,
    /// All cores together, and each.
    pub total: &'a CoreStats,
    pub cores: &'a [CoreStats],
    /// Full name of the command with this id, lower case.
    pub command_name: &'a dyn Fn(usize) -> &'static str,
    pub memory: Memory,
    pub process: Figures,
}

struct Section {
    /// As it is asked for.
    name: &'static str,
    heading: &'static str,
    /// Shown when no section is named.
    default: bool,
    write: fn(&Facts<'_>, &mut String),
}

const fn section(
    name: &'static str,
    heading: &'static str,
    default: bool,
    write: fn(&Facts<'_>, &mut String),
) -> Section {
    Section { name, heading, default, write }
}

/// Every section, in the order in which they are printed.
const SECTIONS: &[Section] = &[
    section("server", "Server", true, server),
    section("clients", "Clients", true, clients),
    section("memory", "Memory", true, memory),
    section("persistence", "Persistence", true, persistence),
    section("stats", "Stats", true, stats),
    section("replication", "Replication", true, replication),
    section("cpu", "CPU", true, cpu),
    section("modules", "Modules", true, |_, _| {}),
    section("commandstats", "Commandstats", false, command_stats),
    section("errorstats", "Errorstats", true, error_stats),
    section("latencystats", "Latencystats", false, latency_stats),
    section("cluster", "Cluster", true, cluster),
    section("keyspace", "Keyspace", true, keyspace),
    section("cores", "Cores", false, cores),
];

/// The sections called by `names` (in any case; `default`, `all` and `everything` are several; none
/// at all is `default`), each once. Names that are none are skipped.
pub fn render(facts: &Facts<'_>, names: &[&[u8]]) -> String {
    let called = |name: &str| names.iter().any(|word| word.eq_ignore_ascii_case(name.as_bytes()));
    let all = called("all") || called("everything");
    let default = names.is_empty() || called("default");
    let mut text = String::with_capacity(4096);
    for section in SECTIONS {
        if all || (default && section.default) || called(section.name) {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            line(&mut text, format_args!("# {}", section.heading));
            (section.write)(facts, &mut text);
        }
    }
    text
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // A string takes everything that is written to it.
    let _ = text.write_fmt(content);
    text.push_str("\r\n");
}

macro_rules! lines {
    ($text:ident, $($name:literal: $value:expr),* $(,)?) => {
        $(line($text, format_args!(concat!($name, ":{}"), $value));)*
    };
}

fn server(facts: &Facts<'_>, text: &mut String) {
    let uptime = (facts.now_us / 1000 - facts.started).max(0) / 1000;
    lines!(text,
        "redis_version": REDIS_VERSION,
        "shoal_version": SHOAL_VERSION,
        "redis_mode": mode(facts.is_cluster),
        "os": facts.process.system,
        "arch_bits": usize::BITS,
        "multiplexing_api": "io_uring",
        "ring_features": facts.ring_features,
        "monotonic_clock": "POSIX clock_gettime",
        "process_id": std::process::id(),
        "process_supervised": facts.supervisor,
        "run_id": facts.run_id,
        "tcp_port": facts.port,
        "server_time_usec": facts.now_us,
        "uptime_in_seconds": uptime,
        "uptime_in_days": uptime / 86_400,
        // A core looks after its keys and clients ten times a second at least.
        "hz": facts.config.hz.max(10),
        "configured_hz": facts.config.hz,
        "lru_clock": (facts.now_us / 1_000_000) & 0xff_ffff,
        "executable": facts.executable,
        "config_file": facts.config_file,
        "io_threads_active": 0,
        "cores": facts.cores.len(),
    );
    listeners(facts, text);
}

/// Where clients are listened to, in the words of Redis 7.2.
fn listeners(facts: &Facts<'_>, text: &mut String) {
    if facts.port > 0 {
        let addresses: String =
            facts.config.bind.iter().map(|address| format!(",bind={address}")).collect();
        line(text, format_args!("listener0:name=tcp{addresses},port={}", facts.port));
    }
    if let Some(path) = &facts.config.unixsocket {
        let number = u8::from(facts.port > 0);
        line(text, format_args!("listener{number}:name=unix,bind={}", path.display()));
    }
}

/// The mode that INFO and HELLO name.
pub fn mode(is_cluster: bool) -> &'static str {
    if is_cluster { "cluster" } else { "standalone" }
}

fn clients(facts: &Facts<'_>, text: &mut String) {
    lines!(text,
        "connected_clients": facts.total.clients(),
        "cluster_connections": 0,
        "maxclients": facts.config.maxclients,
        "client_recent_max_input_buffer": facts.total.biggest_input,
        "client_recent_max_output_buffer": facts.total.biggest_output,
        "blocked_clients": facts.total.blocked,
        "tracking_clients": 0,
        "pubsub_clients": 0,
        "watching_clients": 0,
        "clients_in_timeout_table": facts.total.timed_waits,
        "total_watched_keys": 0,
        "total_blocking_keys": facts.total.awaited_keys,
        "total_blocking_keys_on_nokey": facts.total.awaited_absences,
    );
}

fn memory(facts: &Facts<'_>, text: &mut String) {
    let memory = &facts.memory;
    lines!(text,
        "used_memory": memory.used,
        "used_memory_human": human(memory.used),
        "used_memory_rss": memory.resident,
        "used_memory_rss_human": human(memory.resident),
        "used_memory_peak": memory.peak,
        "used_memory_peak_human": human(memory.peak),
        "used_memory_peak_perc": format_args!("{:.2}%", memory.peak_percent()),
        "used_memory_overhead": memory.overhead(),
        "used_memory_startup": memory.startup,
        "used_memory_dataset": memory.dataset(),
        "used_memory_dataset_perc": format_args!("{:.2}%", memory.dataset_percent()),
        "allocator_allocated": memory.used,
        "allocator_active": memory.anonymous,
        "allocator_resident": memory.anonymous,
        "total_system_memory": facts.process.machine_bytes,
        "total_system_memory_human": human(facts.process.machine_bytes),
    );
    scripts(text);
    lines!(text,
        "maxmemory": facts.config.maxmemory,
        "maxmemory_human": human(facts.config.maxmemory),
        "maxmemory_policy": facts.config.maxmemory_policy.name(),
    );
    for (name, excess) in [
        ("allocator_frag", memory.allocator_fragmentation()),
        ("allocator_rss", memory.allocator_resident()),
        ("rss_overhead", memory.resident_overhead()),
        ("mem_fragmentation", memory.fragmentation()),
    ] {
        line(text, format_args!("{name}_ratio:{:.2}", excess.ratio));
        line(text, format_args!("{name}_bytes:{}", excess.bytes));
    }
    lines!(text,
        "mem_not_counted_for_evict": 0,
        "mem_replication_backlog": 0,
        "mem_total_replication_buffers": 0,
        "mem_clients_slaves": 0,
        "mem_clients_normal": memory.buffers,
        "mem_cluster_links": 0,
        "mem_aof_buffer": 0,
        "mem_allocator": "mimalloc",
        "active_defrag_running": 0,
        "lazyfree_pending_objects": facts.total.lazy_free_pending,
        "lazyfreed_objects": facts.total.lazy_freed,
    );
}

/// What scripts take, of which there are none.
fn scripts(text: &mut String) {
    lines!(text,
        "used_memory_lua": 0,
        "used_memory_vm_eval": 0,
        "used_memory_lua_human": human(0),
        "used_memory_scripts_eval": 0,
        "number_of_cached_scripts": 0,
        "number_of_functions": 0,
        "number_of_libraries": 0,
        "used_memory_vm_functions": 0,
        "used_memory_vm_total": 0,
        "used_memory_vm_total_human": human(0),
        "used_memory_functions": 0,
        "used_memory_scripts": 0,
        "used_memory_scripts_human": human(0),
    );
}

/// Bytes as people read them: `1.50M`.
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "K", "M", "G", "T", "P"];
    let mut unit = 0;
    while unit + 1 < UNITS.len() && bytes >> (10 * (unit + 1)) != 0 {
        unit += 1;
    }
    match unit {
        0 => format!("{bytes}B"),
        _ => format!("{:.2}{}", bytes as f64 / (1u64 << (10 * unit)) as f64, UNITS[unit]),
    }
}

fn persistence(facts: &Facts<'_>, text: &mut String) {
    lines!(text,
        "loading": 0,
        "async_loading": 0,
        "rdb_changes_since_last_save": facts.total.changes,
        "rdb_bgsave_in_progress": 0,
        "aof_enabled": 0,
        "aof_rewrite_in_progress": 0,
        "aof_rewrite_scheduled": 0,
    );
}

fn stats(facts: &Facts<'_>, text: &mut String) {
    let total = facts.total;
    let [requests, input, output] = total.rates;
    lines!(text,
        "total_connections_received": total.connections_received,
        "total_commands_processed": total.requests,
        "instantaneous_ops_per_sec": requests,
        "total_net_input_bytes": total.bytes_in,
        "total_net_output_bytes": total.bytes_out,
        "total_net_repl_input_bytes": 0,
        "total_net_repl_output_bytes": 0,
        "instantaneous_input_kbps": format_args!("{:.2}", input as f64 / 1024.0),
        "instantaneous_output_kbps": format_args!("{:.2}", output as f64 / 1024.0),
        "instantaneous_input_repl_kbps": "0.00",
        "instantaneous_output_repl_kbps": "0.00",
        "rejected_connections": total.connections_rejected,
        "sync_full": 0,
        "sync_partial_ok": 0,
        "sync_partial_err": 0,
        "expired_keys": total.expired,
        "expired_subkeys": total.expired_fields,
        "expired_stale_perc": format_args!("{:.2}", stale_percent(total)),
        "expired_time_cap_reached_count": total.expire_overruns,
        "expire_cycle_cpu_milliseconds": total.expire_ns / 1_000_000,
        "evicted_keys": total.evicted,
        "evicted_clients": 0,
        "total_eviction_exceeded_time": total.excess_total_ms,
        "current_eviction_exceeded_time": total.excess_now_ms,
        "keyspace_hits": total.hits,
        "keyspace_misses": total.misses,
        "pubsub_channels": 0,
        "pubsub_patterns": 0,
        "pubsubshard_channels": 0,
        "latest_fork_usec": 0,
        "total_forks": 0,
        "migrate_cached_sockets": 0,
        "slave_expires_tracked_keys": 0,
        "active_defrag_hits": 0,
        "active_defrag_misses": 0,
        "active_defrag_key_hits": 0,
        "active_defrag_key_misses": 0,
        "total_active_defrag_time": 0,
        "current_active_defrag_time": 0,
        "tracking_total_keys": 0,
        "tracking_total_items": 0,
        "tracking_total_prefixes": 0,
        "unexpected_error_replies": 0,
        "total_error_replies": total.errors.values().sum::<u64>(),
        "dump_payload_sanitizations": 0,
        "io_threaded_reads_processed": 0,
        "io_threaded_writes_processed": 0,
        "reply_buffer_shrinks": 0,
        "reply_buffer_expands": 0,
        "acl_access_denied_auth": 0,
        "acl_access_denied_cmd": 0,
        "acl_access_denied_key": 0,
        "acl_access_denied_channel": 0,
        "protocol_errors": total.protocol_errors,
        "connection_panics": total.panics,
        "client_query_buffer_limit_disconnections": total.query_buffer_closed,
        "client_output_buffer_limit_disconnections": total.output_buffer_closed,
        "total_core_hops": total.hops_out,
        "connections_moved": total.moved,
    );
}

/// How many of the keys with an expiry have expired but are still there, in percent, judged by
/// samples. Databases with more such keys weigh more.
fn stale_percent(total: &CoreStats) -> f64 {
    let (mut overdue, mut volatile) = (0.0, 0.0);
    for database in &total.keyspace {
        let part = database.ttl_overdue as f64 / database.ttl_samples.max(1) as f64;
        overdue += part * database.volatile as f64;
        volatile += database.volatile as f64;
    }
    100.0 * overdue / f64::max(volatile, 1.0)
}

fn replication(_: &Facts<'_>, text: &mut String) {
    lines!(text,
        "role": "master",
        "connected_slaves": 0,
        "master_failover_state": "no-failover",
        "master_repl_offset": 0,
        "repl_backlog_active": 0,
    );
}

fn cpu(facts: &Facts<'_>, text: &mut String) {
    lines!(text,
        "used_cpu_sys": format_args!("{:.6}", facts.process.system_seconds),
        "used_cpu_user": format_args!("{:.6}", facts.process.user_seconds),
        "used_cpu_sys_children": "0.000000",
        "used_cpu_user_children": "0.000000",
    );
}

fn command_stats(facts: &Facts<'_>, text: &mut String) {
    for (id, stats) in facts.total.commands.iter().enumerate() {
        if stats.calls + stats.rejected + stats.failed == 0 {
            continue;
        }
        let microseconds = stats.nanoseconds as f64 / 1000.0;
        line(
            text,
            format_args!(
                "cmdstat_{}:calls={},usec={:.0},usec_per_call={:.2},rejected_calls={},\
                 failed_calls={}",
                (facts.command_name)(id),
                stats.calls,
                microseconds.floor(),
                if stats.calls == 0 { 0.0 } else { microseconds / stats.calls as f64 },
                stats.rejected,
                stats.failed,
            ),
        );
    }
}

fn error_stats(facts: &Facts<'_>, text: &mut String) {
    for (code, count) in &facts.total.errors {
        line(text, format_args!("errorstat_{code}:count={count}"));
    }
}

fn latency_stats(facts: &Facts<'_>, text: &mut String) {
    if !facts.config.latency_tracking {
        return;
    }
    for (id, histogram) in &facts.total.latencies {
        let percentiles: Vec<String> = facts
            .config
            .latency_tracking_info_percentiles
            .iter()
            .map(|&percentile| {
                let nanoseconds = histogram.value_at_quantile(percentile / 100.0);
                format!("p{percentile}={:.3}", nanoseconds as f64 / 1000.0)
            })
            .collect();
        let name = (facts.command_name)(usize::from(*id));
        line(text, format_args!("latency_percentiles_usec_{name}:{}", percentiles.join(",")));
    }
}

fn cluster(facts: &Facts<'_>, text: &mut String) {
    lines!(text, "cluster_enabled": u8::from(facts.is_cluster));
}

fn keyspace(facts: &Facts<'_>, text: &mut String) {
    for (index, database) in facts.total.keyspace.iter().enumerate() {
        if database.keys > 0 {
            line(
                text,
                format_args!(
                    "db{index}:keys={},expires={},avg_ttl={},subexpiry={}",
                    database.keys,
                    database.volatile,
                    database.ttl_sum_ms / database.ttl_samples.max(1),
                    database.timed,
                ),
            );
        }
    }
}

fn cores(facts: &Facts<'_>, text: &mut String) {
    for core in facts.cores {
        let keys: u64 = core.keyspace.iter().map(|database| database.keys).sum();
        line(
            text,
            format_args!(
                "core{}:cpu={},keys={keys},connections={},requests={},hops_out={},hops_in={},\
                 turns={},sleeps={},wakes_sent={},wakes_received={},connections_moved={},\
                 busy_usec={}",
                core.core,
                core.cpu,
                core.connections,
                core.requests,
                core.hops_out,
                core.hops_in,
                core.turns,
                core.sleeps,
                core.wakes_sent,
                core.wakes_received,
                core.moved,
                core.busy_ns / 1000,
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::stats::{CommandStats, KeyspaceStats};
    use std::collections::BTreeMap;

    fn rendered(names: &[&str]) -> String {
        let core = CoreStats {
            requests: 7,
            rates: [12, 1536, 0],
            expire_ns: 7_900_000,
            commands: vec![
                CommandStats { calls: 2, nanoseconds: 5500, rejected: 1, failed: 0 },
                CommandStats::default(),
            ],
            errors: BTreeMap::from([("WRONGTYPE".into(), 3)]),
            keyspace: vec![
                KeyspaceStats {
                    keys: 3,
                    volatile: 2,
                    timed: 1,
                    ttl_sum_ms: 300,
                    ttl_samples: 4,
                    ttl_overdue: 1,
                    table_bytes: 0,
                },
                KeyspaceStats::default(),
            ],
            ..CoreStats::default()
        };
        let facts = Facts {
            config: &Config::default(),
            now_us: 90_000_000_000,
            started: 0,
            run_id: "0123",
            port: 6379,
            executable: "/usr/bin/shoal",
            config_file: "",
            ring_features: "",
            supervisor: "no",
            is_cluster: false,
            total: &core,
            cores: std::slice::from_ref(&core),
            command_name: &|id| ["config|get", "get"][id],
            memory: Memory {
                used: 1 << 20,
                startup: 1 << 19,
                peak: 2 << 20,
                anonymous: 3 << 19,
                resident: 2 << 20,
                tables: 1 << 18,
                buffers: 1 << 16,
            },
            process: Figures::default(),
        };
        let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        render(&facts, &names)
    }

    fn headings(names: &[&str]) -> Vec<String> {
        let text = rendered(names);
        let lines = text.split("\r\n").filter_map(|line| line.strip_prefix("# "));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn sections_are_chosen_by_name() {
        assert_eq!(rendered(&["nonsense"]), "");
        assert_eq!(rendered(&["CLUSTER", "cluster"]), "# Cluster\r\ncluster_enabled:0\r\n");
        let keyspace = "# Keyspace\r\ndb0:keys=3,expires=2,avg_ttl=75,subexpiry=1\r\n";
        assert_eq!(rendered(&["keyspace"]), keyspace);
        assert_eq!(headings(&["keyspace", "cpu", "x"]), ["CPU", "Keyspace"]);
        assert_eq!(headings(&[]), headings(&["Default"]));
        assert_eq!(headings(&["all"]).len(), SECTIONS.len());
        assert_eq!(headings(&["everything", "cpu"]).len(), SECTIONS.len());
        assert!(!headings(&[]).contains(&"Commandstats".to_owned()));
    }

    #[test]
    fn statistics_look_like_redis() {
        let commands = "# Commandstats\r\ncmdstat_config|get:calls=2,usec=5,usec_per_call=2.75,\
            rejected_calls=1,failed_calls=0\r\n";
        assert_eq!(rendered(&["commandstats"]), commands);
        assert_eq!(rendered(&["errorstats"]), "# Errorstats\r\nerrorstat_WRONGTYPE:count=3\r\n");
        let memory = rendered(&["memory"]);
        assert!(memory.contains("used_memory_human:1.00M\r\nused_memory_rss:2097152\r\n"));
        assert!(memory.contains("allocator_frag_ratio:1.50\r\nallocator_frag_bytes:524288\r\n"));
        assert!(memory.contains("used_memory_peak_perc:50.00%\r\n"));
        let stats = rendered(&["stats"]);
        assert!(stats.contains("instantaneous_ops_per_sec:12\r\n"));
        assert!(stats.contains("instantaneous_input_kbps:1.50\r\n"));
        assert!(stats.contains("expired_stale_perc:25.00\r\n"));
        assert!(stats.contains("expire_cycle_cpu_milliseconds:7\r\n"));
        let server = rendered(&["server"]);
        assert!(server.contains("uptime_in_seconds:90000\r\nuptime_in_days:1\r\n"));
    }

    #[test]
    fn every_line_is_a_field() {
        for line in rendered(&["everything"]).split("\r\n") {
            assert!(line.is_empty() || line.starts_with("# ") || line.contains(':'), "{line}");
        }
    }

    #[test]
    fn bytes_for_people() {
        let shown = [0, 1023, 1024, 1536 * 1024, 5 << 30, u64::MAX].map(human);
        assert_eq!(shown, ["0B", "1023B", "1.00K", "1.50M", "5.00G", "16384.00P"]);
    }
}
