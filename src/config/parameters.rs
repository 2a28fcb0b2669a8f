//! The table of all configuration parameters: the only place where one is declared.
//!
//! CONFIG GET, SET and REWRITE, the reader of configuration files, the command line and its help
//! all read these rows; adding a parameter is one row here and, if it has a meaning, one field of
//! `Settings`. Names, bounds and defaults follow Redis 7.2. Rows are in alphabetical order.
//! Absent: what Redis has for its own tests (`key-load-delay` and the like) or for logs of its
//! replies.

use super::checks;
use super::kind::Kind;
use super::lists;
use super::parameter::{
    Apply, Parameter, Slot, choice, field, integer, list, memory, one_of, optional, secret, switch,
    text, word,
};
use super::settings::{LogLevel, MaxmemoryPolicy, Permission, Setting, Supervised, SyslogFacility};

const INT_MIN: i128 = i32::MIN as i128;
const INT_MAX: i128 = i32::MAX as i128;
const UINT_MAX: i128 = u32::MAX as i128;
const LONG_MAX: i128 = i64::MAX as i128;
const ULONG_MAX: i128 = u64::MAX as i128;
const PORT_MAX: i128 = u16::MAX as i128;
const MEBIBYTE: i128 = 1 << 20;

const NO_PERSISTENCE: &str = "persistence is not available yet";
const NO_REPLICATION: &str = "replication is not available yet";
const NO_OOM_SCORES: &str = "scores of the out-of-memory killer are not set yet";
const NO_USE: &str = "nothing here needs it";
const NO_MODULES: &str = "there are no modules";
const NO_MONITORING: &str = "the slow log and latency events are not recorded yet";
const NO_CLIENT_EVICTION: &str = "clients are not evicted yet";
const NO_TENACITY: &str = "a request evicts until there is room";
const NO_TITLE: &str = "the title of the process is never changed";
const NO_SYSLOG: &str = "there is no log to syslog";
const NO_LAZINESS: &str = "what is freed in the background does not depend on it yet";
const PERSISTENCE: Slot = Slot::Reserved(NO_PERSISTENCE);
const REPLICATION: Slot = Slot::Reserved(NO_REPLICATION);
const OOM_SCORES: Slot = Slot::Reserved(NO_OOM_SCORES);
const CLUSTER: Slot = Slot::Reserved("cluster mode is not available yet");
const TLS: Slot = Slot::Reserved("TLS is not available yet");
const ACL: Slot = Slot::Reserved("access control lists are not available yet");
const SCRIPTING: Slot = Slot::Reserved("scripting is not available yet");
const DEFRAGMENTATION: Slot = Slot::Reserved("active defragmentation is not available yet");
const TRACKING: Slot = Slot::Reserved("client-side caching is not available yet");
const CRASH_REPORTS: Slot = Slot::Reserved("crash reports are not available yet");
const SHUTDOWN: Slot = Slot::Reserved("shutdown options are not available yet");
const ALLOCATOR: Slot = Slot::Reserved("it concerns an allocator that is not in use");
const PINNING: Slot = Slot::Reserved("each core has one pinned thread: see 'cores' and 'cpus'");
const SOCKETS: Slot = Slot::Reserved("this socket option is not available yet");
const OTHER: Slot = Slot::Reserved("nothing acts on it yet");

/// The names of `shutdown-on-sigint` and `shutdown-on-sigterm`, as bits.
const SIGNAL_FLAGS: Kind = Kind::Flags {
    named: &[("default", 0), ("save", 1), ("nosave", 2), ("now", 4), ("force", 8)],
    many: true,
};

/// The names of `oom-score-adj`; `relative` is a synonym of `yes`.
const OOM_SCORE_NAMES: Kind =
    Kind::Flags { named: &[("no", 0), ("yes", 1), ("relative", 1), ("absolute", 2)], many: false };

/// Every parameter.
pub const PARAMETERS: &[Parameter] = &[
    one_of("acl-pubsub-default", &["allchannels", "resetchannels"], "resetchannels", ACL)
        .doc("Channels that a new user may use."),
    text("aclfile", "", ACL)
        .immutable()
        .doc("File with the users, instead of 'user' lines in this file."),
    integer("acllog-max-len", 0, LONG_MAX, "128", ACL)
        .doc("Most entries of the log of refused actions."),
    integer("active-defrag-cycle-max", 1, 99, "25", DEFRAGMENTATION)
        .doc("Most CPU that defragmentation may use, in per cent."),
    integer("active-defrag-cycle-min", 1, 99, "1", DEFRAGMENTATION)
        .doc("Least CPU that defragmentation uses, in per cent."),
    memory("active-defrag-ignore-bytes", 1, LONG_MAX, "100mb", DEFRAGMENTATION)
        .doc("Waste below which defragmentation does not start."),
    integer("active-defrag-max-scan-fields", 1, LONG_MAX, "1000", DEFRAGMENTATION)
        .doc("Most elements of a value treated in one pass."),
    integer("active-defrag-threshold-lower", 0, 1000, "10", DEFRAGMENTATION)
        .doc("Fragmentation at which defragmentation starts, in per cent."),
    integer("active-defrag-threshold-upper", 0, 1000, "100", DEFRAGMENTATION)
        .doc("Fragmentation at which defragmentation works hardest, in per cent."),
    integer("active-expire-effort", 1, 10, "1", field!(active_expire_effort))
        .doc("How hard the server looks for expired keys, 1 to 10."),
    switch("activedefrag", "no", DEFRAGMENTATION).doc("Defragment memory in the background."),
    switch("activerehashing", "yes", field!(activerehashing))
        .reserved(NO_USE)
        .doc("Spend idle time on growing tables."),
    switch("always-show-logo", "no", field!(always_show_logo))
        .immutable()
        .doc("Log the logo at start even if the log is not a terminal."),
    switch("aof-disable-auto-gc", "no", PERSISTENCE)
        .hidden()
        .doc("Keep append-only files that are no longer needed."),
    switch("aof-load-truncated", "yes", PERSISTENCE)
        .doc("Start although the append-only file ends in the middle of a record."),
    optional("aof-rewrite-cpulist", PINNING)
        .alias("aof_rewrite_cpulist")
        .immutable()
        .doc("CPUs for rewriting the append-only file."),
    switch("aof-rewrite-incremental-fsync", "yes", PERSISTENCE)
        .doc("Flush in small steps while the append-only file is rewritten."),
    switch("aof-timestamp-enabled", "no", PERSISTENCE)
        .doc("Write timestamps into the append-only file."),
    switch("aof-use-rdb-preamble", "yes", PERSISTENCE)
        .doc("Begin a rewritten append-only file with a snapshot."),
    text("appenddirname", "appendonlydir", PERSISTENCE)
        .immutable()
        .check(checks::append_directory_name)
        .doc("Directory of the append-only files, inside 'dir'."),
    text("appendfilename", "appendonly.aof", PERSISTENCE)
        .immutable()
        .check(checks::append_file_name)
        .doc("First part of the names of the append-only files."),
    one_of("appendfsync", &["everysec", "always", "no"], "everysec", PERSISTENCE)
        .doc("When the append-only file is flushed to disk."),
    switch("appendonly", "no", field!(appendonly))
        .denied_while_loading()
        .then(Apply::AppendOnly)
        .reserved(NO_PERSISTENCE)
        .doc("Log every change to the append-only file."),
    memory("auto-aof-rewrite-min-size", 0, LONG_MAX, "64mb", PERSISTENCE)
        .doc("Size below which the append-only file is not rewritten by itself."),
    integer("auto-aof-rewrite-percentage", 0, INT_MAX, "100", PERSISTENCE)
        .doc("Growth at which the append-only file is rewritten, in per cent; 0 for never."),
    optional("bgsave-cpulist", PINNING)
        .alias("bgsave_cpulist")
        .immutable()
        .doc("CPUs for saving in the background."),
    list("bind", "* -::*", lists::BIND)
        .then(Apply::Bind)
        .doc("Addresses to listen on; '*' is all, a leading '-' allows an address to be absent."),
    optional("bind-source-addr", SOCKETS).doc("Local address of outgoing connections."),
    optional("bio-cpulist", PINNING)
        .alias("bio_cpulist")
        .immutable()
        .doc("CPUs for background input and output."),
    integer("busy-reply-threshold", 0, LONG_MAX, "5000", SCRIPTING)
        .alias("lua-time-limit")
        .doc("Milliseconds after which a script makes the server answer BUSY."),
    list(
        "client-output-buffer-limit",
        "normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60",
        lists::OUTPUT_BUFFER_LIMITS,
    )
    .doc("Per class of clients: hard limit, soft limit and seconds above the soft limit."),
    memory(
        "client-query-buffer-limit",
        MEBIBYTE,
        LONG_MAX,
        "1gb",
        field!(client_query_buffer_limit),
    )
    .doc("Most unprocessed input of one client."),
    switch("cluster-allow-pubsubshard-when-down", "yes", CLUSTER)
        .doc("Serve sharded channels although the cluster is down."),
    switch("cluster-allow-reads-when-down", "no", CLUSTER)
        .doc("Serve reads although the cluster is down."),
    switch("cluster-allow-replica-migration", "yes", CLUSTER)
        .doc("Let replicas move to primaries that have none."),
    integer("cluster-announce-bus-port", 0, PORT_MAX, "0", CLUSTER)
        .doc("Port of the cluster bus told to other nodes; 0 for the real one."),
    optional("cluster-announce-hostname", CLUSTER)
        .check(checks::announced_host_name)
        .doc("Host name told to clients of the cluster."),
    optional("cluster-announce-human-nodename", CLUSTER)
        .check(checks::announced_node_name)
        .doc("Name of this node in logs."),
    optional("cluster-announce-ip", CLUSTER).doc("Address told to other nodes."),
    integer("cluster-announce-port", 0, PORT_MAX, "0", CLUSTER)
        .doc("Port told to other nodes; 0 for the real one."),
    integer("cluster-announce-tls-port", 0, PORT_MAX, "0", CLUSTER)
        .doc("TLS port told to other nodes; 0 for the real one."),
    text("cluster-config-file", "nodes.conf", CLUSTER)
        .immutable()
        .doc("File in which the node keeps its view of the cluster."),
    switch("cluster-enabled", "no", CLUSTER).immutable().doc("Be a node of a cluster."),
    memory("cluster-link-sendbuf-limit", 0, ULONG_MAX, "0", CLUSTER)
        .doc("Most pending output to another node; 0 for no limit."),
    integer("cluster-migration-barrier", 0, INT_MAX, "1", CLUSTER)
        .doc("Replicas a primary keeps when one of them could move."),
    integer("cluster-node-timeout", 0, LONG_MAX, "15000", CLUSTER)
        .doc("Milliseconds of silence after which a node counts as failing."),
    integer("cluster-port", 0, PORT_MAX, "0", CLUSTER)
        .immutable()
        .doc("Port of the cluster bus; 0 for 'port' plus 10000."),
    one_of(
        "cluster-preferred-endpoint-type",
        &["ip", "hostname", "unknown-endpoint"],
        "ip",
        CLUSTER,
    )
    .doc("What clients of the cluster are told to connect to."),
    switch("cluster-replica-no-failover", "no", CLUSTER)
        .alias("cluster-slave-no-failover")
        .doc("Never promote this replica by itself."),
    integer("cluster-replica-validity-factor", 0, INT_MAX, "10", CLUSTER)
        .alias("cluster-slave-validity-factor")
        .doc("How stale a replica may be and still be promoted."),
    switch("cluster-require-full-coverage", "yes", CLUSTER)
        .doc("Refuse queries unless every slot is served."),
    switch("core-ports", "no", field!(core_ports))
        .immutable()
        .standing_alone()
        .doc("Let each core listen on a port of its own, for cluster-aware clients."),
    word("cores", "auto", lists::CORES)
        .immutable()
        .doc("Cores that serve: a number, or 'auto' for all that the process may use."),
    word("cpus", "", lists::CPUS)
        .immutable()
        .doc("CPUs to pin the cores to, such as '0,2-5'; empty for any that the process may use."),
    switch("crash-log-enabled", "yes", CRASH_REPORTS).doc("Log a report when the server crashes."),
    switch("crash-memcheck-enabled", "yes", CRASH_REPORTS).doc("Test the memory after a crash."),
    switch("daemonize", "no", field!(daemonize))
        .immutable()
        .doc("Must end up 'no': a supervisor keeps the server in the background."),
    integer("databases", 1, INT_MAX, "16", field!(databases))
        .immutable()
        .doc("Number of databases for SELECT."),
    text("dbfilename", "dump.rdb", PERSISTENCE)
        .protected()
        .check(checks::dump_file_name)
        .doc("Name of the snapshot, inside 'dir'."),
    word("dir", ".", lists::DIRECTORY)
        .protected()
        .denied_while_loading()
        .then(Apply::Directory)
        .doc("Working directory."),
    switch("disable-thp", "yes", OTHER)
        .immutable()
        .doc("Keep transparent huge pages off for this process."),
    switch("dynamic-hz", "yes", field!(dynamic_hz))
        .reserved(NO_USE)
        .doc("Do more background rounds when there are many clients."),
    choice::<Permission>("enable-debug-command", "no", field!(enable_debug_command))
        .immutable()
        .doc("Who may run DEBUG."),
    choice::<Permission>("enable-module-command", "no", field!(enable_module_command))
        .immutable()
        .reserved(NO_MODULES)
        .doc("Who may run MODULE."),
    choice::<Permission>("enable-protected-configs", "no", field!(enable_protected_configs))
        .immutable()
        .doc("Who may change protected parameters with CONFIG SET."),
    integer("gather-us", 0, 10_000, "100", field!(gather_us))
        .doc("Microseconds that a request may wait for others while many clients are busy."),
    integer("hash-max-listpack-entries", 0, LONG_MAX, "512", field!(hash_max_listpack_entries))
        .alias("hash-max-ziplist-entries")
        .doc("Most fields of a hash in compact form."),
    memory("hash-max-listpack-value", 0, LONG_MAX, "64", field!(hash_max_listpack_value))
        .alias("hash-max-ziplist-value")
        .doc("Longest field or value of a hash in compact form."),
    switch("hide-user-data-from-log", "no", OTHER).doc("Keep users' data out of the log."),
    memory("hll-sparse-max-bytes", 0, LONG_MAX, "3000", field!(hll_sparse_max_bytes))
        .doc("Size at which a HyperLogLog becomes dense."),
    integer("hz", 0, INT_MAX, "10", field!(hz))
        .then(Apply::Hz)
        .doc("Background rounds per second; brought into the range 1 to 500."),
    text("ignore-warnings", "", OTHER).doc("Names of warnings that must not stop the server."),
    integer("io-threads", 1, 128, "1", PINNING)
        .immutable()
        .doc("Threads for input and output in Redis."),
    switch("io-threads-do-reads", "no", PINNING)
        .immutable()
        .doc("Whether those threads also read, in Redis."),
    switch("jemalloc-bg-thread", "yes", ALLOCATOR)
        .doc("Let the allocator return memory from a thread of its own."),
    integer("latency-monitor-threshold", 0, LONG_MAX, "0", field!(latency_monitor_threshold))
        .reserved(NO_MONITORING)
        .doc("Milliseconds from which LATENCY records an event; 0 for never."),
    switch("latency-tracking", "yes", field!(latency_tracking))
        .doc("Record the latency of every command."),
    list("latency-tracking-info-percentiles", "50 99 99.9", lists::PERCENTILES)
        .doc("Percentiles that INFO latencystats shows."),
    switch("lazyfree-lazy-eviction", "no", field!(lazyfree_lazy_eviction))
        .reserved(NO_LAZINESS)
        .doc("Free evicted values in the background."),
    switch("lazyfree-lazy-expire", "no", field!(lazyfree_lazy_expire))
        .reserved(NO_LAZINESS)
        .doc("Free expired values in the background."),
    switch("lazyfree-lazy-server-del", "no", field!(lazyfree_lazy_server_del))
        .reserved(NO_LAZINESS)
        .doc("Free overwritten values in the background."),
    switch("lazyfree-lazy-user-del", "no", field!(lazyfree_lazy_user_del))
        .reserved(NO_LAZINESS)
        .doc("Let DEL free in the background, as UNLINK does."),
    switch("lazyfree-lazy-user-flush", "no", field!(lazyfree_lazy_user_flush))
        .reserved(NO_LAZINESS)
        .doc("Let FLUSHALL and FLUSHDB free in the background."),
    integer("lfu-decay-time", 0, INT_MAX, "1", field!(lfu_decay_time))
        .doc("Minutes after which a counter of accesses halves."),
    integer("lfu-log-factor", 0, INT_MAX, "10", field!(lfu_log_factor))
        .doc("How slowly the counter of accesses grows."),
    integer("list-compress-depth", 0, INT_MAX, "0", field!(list_compress_depth))
        .doc("Nodes at each end of a list that are not compressed; 0 compresses none."),
    integer("list-max-listpack-size", INT_MIN, INT_MAX, "-2", field!(list_max_listpack_size))
        .alias("list-max-ziplist-size")
        .doc("Size of a list node: entries, or -1 to -5 for 4 to 64 KiB."),
    text("locale-collate", "", OTHER).doc("Locale in which strings are compared by SORT ALPHA."),
    text("logfile", "", field!(logfile)).immutable().doc("Log file; empty for standard output."),
    choice::<LogLevel>("loglevel", "notice", field!(loglevel))
        .then(Apply::LogLevel)
        .doc("Least severity that is logged."),
    secret("masterauth", REPLICATION).doc("Password for the primary."),
    optional("masteruser", REPLICATION).sensitive().doc("User name for the primary."),
    integer("max-new-connections-per-cycle", 1, 1000, "10", OTHER)
        .doc("Most connections accepted in one turn."),
    integer("max-new-tls-connections-per-cycle", 1, 1000, "1", TLS)
        .doc("Most TLS connections accepted in one turn."),
    integer("maxclients", 1, UINT_MAX, "10000", field!(maxclients))
        .then(Apply::MaxClients)
        .doc("Most clients connected at a time."),
    memory("maxmemory", 0, ULONG_MAX, "0", field!(maxmemory))
        .then(Apply::MaxMemory)
        .doc("Memory for data of all cores together; 0 for no limit."),
    Parameter::new("maxmemory-clients", Kind::MemoryOrPercent, "0", field!(maxmemory_clients))
        .then(Apply::MaxMemoryClients)
        .reserved(NO_CLIENT_EVICTION)
        .doc(
            "Memory for all clients' buffers, in bytes or per cent of 'maxmemory'; 0 for no limit.",
        ),
    integer("maxmemory-eviction-tenacity", 0, 100, "10", field!(maxmemory_eviction_tenacity))
        .reserved(NO_TENACITY)
        .doc("How long one request may evict, 0 to 100."),
    choice::<MaxmemoryPolicy>("maxmemory-policy", "noeviction", field!(maxmemory_policy))
        .doc("Which keys go when 'maxmemory' is reached."),
    integer("maxmemory-samples", 1, 64, "5", field!(maxmemory_samples))
        .doc("Keys sampled for each eviction."),
    integer("min-replicas-max-lag", 0, INT_MAX, "10", REPLICATION)
        .alias("min-slaves-max-lag")
        .doc("Seconds of silence after which a replica does not count."),
    integer("min-replicas-to-write", 0, INT_MAX, "0", REPLICATION)
        .alias("min-slaves-to-write")
        .doc("Replicas needed for a write to be accepted."),
    switch("move-connections", "yes", field!(move_connections))
        .doc("Move a connection to the core that owns nearly all keys it uses."),
    switch("no-appendfsync-on-rewrite", "no", PERSISTENCE)
        .doc("Do not flush the append-only file while saving."),
    word("notify-keyspace-events", "", lists::KEYSPACE_EVENTS)
        .doc("Which changes of keys are published."),
    Parameter::new("oom-score-adj", OOM_SCORE_NAMES, "no", OOM_SCORES)
        .doc("Whether to set the score for the out-of-memory killer."),
    list("oom-score-adj-values", "0 200 800", lists::OOM_SCORES)
        .reserved(NO_OOM_SCORES)
        .doc("The scores of primary, replica and background child."),
    optional("pidfile", field!(pidfile)).immutable().doc("File that holds the process id."),
    integer("port", 0, PORT_MAX, "6379", field!(port))
        .then(Apply::Port)
        .doc("TCP port; 0 for none."),
    text("proc-title-template", "{title} {listen-addr} {server-mode}", field!(proc_title_template))
        .check(checks::title_template)
        .then(Apply::ProcTitle)
        .reserved(NO_TITLE)
        .doc("Title of the process."),
    one_of(
        "propagation-error-behavior",
        &["ignore", "panic", "panic-on-replicas"],
        "ignore",
        REPLICATION,
    )
    .doc("What to do if a replicated command fails."),
    switch("protected-mode", "yes", field!(protected_mode))
        .doc("Refuse clients of other hosts while there is no password."),
    memory("proto-max-bulk-len", MEBIBYTE, LONG_MAX, "512mb", field!(proto_max_bulk_len))
        .doc("Longest string in a request."),
    switch("rdb-del-sync-files", "no", PERSISTENCE)
        .doc("Delete snapshots that only replication needed."),
    switch("rdb-save-incremental-fsync", "yes", PERSISTENCE)
        .doc("Flush in small steps while a snapshot is written."),
    switch("rdbchecksum", "yes", PERSISTENCE)
        .immutable()
        .doc("Write and verify the checksum of a snapshot."),
    switch("rdbcompression", "yes", PERSISTENCE).doc("Compress strings in a snapshot."),
    memory("repl-backlog-size", 1, LONG_MAX, "1mb", REPLICATION)
        .doc("Changes kept for replicas that reconnect."),
    integer("repl-backlog-ttl", 0, LONG_MAX, "3600", REPLICATION)
        .doc("Seconds without replicas after which those changes are dropped; 0 for never."),
    switch("repl-disable-tcp-nodelay", "no", REPLICATION)
        .doc("Send to replicas in larger packets, later."),
    one_of("repl-diskless-load", &["disabled", "on-empty-db", "swapdb"], "disabled", REPLICATION)
        .denied_while_loading()
        .doc("Load the primary's snapshot from the socket."),
    switch("repl-diskless-sync", "yes", REPLICATION)
        .doc("Send the snapshot to replicas without a file."),
    integer("repl-diskless-sync-delay", 0, INT_MAX, "5", REPLICATION)
        .doc("Seconds to wait for more replicas before sending a snapshot."),
    integer("repl-diskless-sync-max-replicas", 0, INT_MAX, "0", REPLICATION)
        .doc("Replicas that end this wait; 0 for the full delay."),
    integer("repl-ping-replica-period", 1, INT_MAX, "10", REPLICATION)
        .alias("repl-ping-slave-period")
        .doc("Seconds between pings to replicas."),
    integer("repl-timeout", 1, INT_MAX, "60", REPLICATION)
        .doc("Seconds of silence after which a replication link is closed."),
    optional("replica-announce-ip", REPLICATION)
        .alias("slave-announce-ip")
        .doc("Address told to the primary."),
    integer("replica-announce-port", 0, PORT_MAX, "0", REPLICATION)
        .alias("slave-announce-port")
        .doc("Port told to the primary; 0 for the real one."),
    switch("replica-announced", "yes", REPLICATION).doc("Let Sentinel know of this replica."),
    switch("replica-ignore-disk-write-errors", "no", REPLICATION)
        .doc("Go on as a replica although the disk cannot be written."),
    switch("replica-ignore-maxmemory", "yes", REPLICATION)
        .alias("slave-ignore-maxmemory")
        .doc("Leave eviction to the primary."),
    switch("replica-lazy-flush", "no", REPLICATION)
        .alias("slave-lazy-flush")
        .doc("Drop the old data in the background during a full synchronisation."),
    integer("replica-priority", 0, INT_MAX, "100", REPLICATION)
        .alias("slave-priority")
        .doc("Rank for promotion, low first; 0 for never."),
    switch("replica-read-only", "yes", REPLICATION)
        .alias("slave-read-only")
        .doc("Refuse writes of clients to a replica."),
    switch("replica-serve-stale-data", "yes", REPLICATION)
        .alias("slave-serve-stale-data")
        .doc("Answer although the primary is out of reach."),
    list("replicaof", "no one", lists::REPLICA_OF)
        .alias("slaveof")
        .immutable()
        .reserved(NO_REPLICATION)
        .doc("Host and port of the primary."),
    secret("requirepass", field!(requirepass))
        .then(Apply::RequirePass)
        .doc("Password of the default user."),
    one_of("sanitize-dump-payload", &["no", "yes", "clients"], "no", PERSISTENCE)
        .doc("How thoroughly RESTORE and loading check values."),
    list("save", "3600 1 300 100 60 10000", lists::SAVE)
        .accumulating()
        .reserved(NO_PERSISTENCE)
        .idle_at("")
        .doc("Snapshot after so many seconds if there were so many writes; pairs."),
    optional("server-cpulist", PINNING)
        .alias("server_cpulist")
        .immutable()
        .doc("CPUs for the main thread in Redis."),
    integer("set-max-intset-entries", 0, LONG_MAX, "512", field!(set_max_intset_entries))
        .doc("Most integers of a set in the most compact form."),
    integer("set-max-listpack-entries", 0, LONG_MAX, "128", field!(set_max_listpack_entries))
        .doc("Most members of a set in compact form."),
    integer("set-max-listpack-value", 0, LONG_MAX, "64", field!(set_max_listpack_value))
        .doc("Longest member of a set in compact form."),
    switch("set-proc-title", "yes", field!(set_proc_title))
        .immutable()
        .reserved(NO_TITLE)
        .doc("Set the title of the process."),
    Parameter::new("shutdown-on-sigint", SIGNAL_FLAGS, "default", SHUTDOWN)
        .check(checks::signal_flags)
        .doc("How SIGINT shuts down."),
    Parameter::new("shutdown-on-sigterm", SIGNAL_FLAGS, "default", SHUTDOWN)
        .check(checks::signal_flags)
        .doc("How SIGTERM shuts down."),
    integer("shutdown-timeout", 0, INT_MAX, "10", SHUTDOWN)
        .doc("Seconds that a shutdown waits for replicas."),
    integer("slowlog-log-slower-than", -1, LONG_MAX, "10000", field!(slowlog_log_slower_than))
        .reserved(NO_MONITORING)
        .doc("Microseconds from which a command is slow; -1 for none."),
    integer("slowlog-max-len", 0, LONG_MAX, "128", field!(slowlog_max_len))
        .reserved(NO_MONITORING)
        .doc("Most entries of the slow log."),
    integer("socket-mark-id", 0, UINT_MAX, "0", SOCKETS)
        .immutable()
        .doc("Mark on the packets of the server's sockets; 0 for none."),
    integer("spin-us", 0, 1_000_000, "0", field!(spin_us))
        .immutable()
        .doc("Microseconds that an idle core polls before it sleeps."),
    switch("stop-writes-on-bgsave-error", "yes", PERSISTENCE)
        .doc("Refuse writes after a snapshot failed."),
    memory("stream-node-max-bytes", 0, LONG_MAX, "4096", field!(stream_node_max_bytes))
        .doc("Largest node of a stream; 0 for no limit."),
    integer("stream-node-max-entries", 0, LONG_MAX, "100", field!(stream_node_max_entries))
        .doc("Most entries in a node of a stream; 0 for no limit."),
    choice::<Supervised>("supervised", "no", field!(supervised))
        .immutable()
        .doc("Supervisor to tell when the server is ready."),
    switch("syslog-enabled", "no", field!(syslog_enabled))
        .immutable()
        .reserved(NO_SYSLOG)
        .doc("Log to syslog too."),
    choice::<SyslogFacility>("syslog-facility", "local0", field!(syslog_facility))
        .immutable()
        .reserved(NO_SYSLOG)
        .doc("Facility of the lines sent to syslog."),
    text("syslog-ident", "redis", field!(syslog_ident))
        .immutable()
        .reserved(NO_SYSLOG)
        .doc("Name of the server in syslog."),
    integer("tcp-backlog", 0, INT_MAX, "511", field!(tcp_backlog))
        .immutable()
        .doc("Connections that may wait to be accepted."),
    integer("tcp-keepalive", 0, INT_MAX, "300", field!(tcp_keepalive))
        .doc("Seconds between probes of idle connections; 0 for none."),
    integer("timeout", 0, INT_MAX, "0", field!(timeout))
        .doc("Seconds after which an idle client is closed; 0 for never."),
    one_of("tls-auth-clients", &["no", "yes", "optional"], "yes", TLS)
        .doc("Whether clients must show a certificate."),
    optional("tls-ca-cert-dir", TLS).doc("Directory of trusted certificates."),
    optional("tls-ca-cert-file", TLS).doc("File of trusted certificates."),
    optional("tls-cert-file", TLS).doc("Certificate of the server."),
    optional("tls-ciphers", TLS).doc("Ciphers up to TLS 1.2."),
    optional("tls-ciphersuites", TLS).doc("Cipher suites of TLS 1.3."),
    optional("tls-client-cert-file", TLS).doc("Certificate for outgoing connections."),
    optional("tls-client-key-file", TLS).doc("Key for outgoing connections."),
    optional("tls-client-key-file-pass", TLS).sensitive().doc("Password of that key."),
    switch("tls-cluster", "no", TLS).doc("Use TLS on the cluster bus."),
    optional("tls-dh-params-file", TLS).doc("Diffie-Hellman parameters."),
    optional("tls-key-file", TLS).doc("Key of the server's certificate."),
    optional("tls-key-file-pass", TLS).sensitive().doc("Password of that key."),
    integer("tls-port", 0, PORT_MAX, "0", TLS).doc("Port for TLS; 0 for none."),
    switch("tls-prefer-server-ciphers", "no", TLS).doc("Let the server's order of ciphers decide."),
    optional("tls-protocols", TLS).doc("Versions of TLS to accept."),
    switch("tls-replication", "no", TLS).doc("Use TLS to the primary."),
    integer("tls-session-cache-size", 0, INT_MAX, "20480", TLS)
        .doc("Sessions that can be resumed."),
    integer("tls-session-cache-timeout", 0, INT_MAX, "300", TLS)
        .doc("Seconds for which a session can be resumed."),
    switch("tls-session-caching", "yes", TLS).doc("Let clients resume sessions."),
    integer("tracking-table-max-keys", 0, LONG_MAX, "1000000", TRACKING)
        .doc("Keys remembered for client-side caching."),
    optional("unixsocket", field!(unixsocket))
        .immutable()
        .doc("Path of a Unix socket to listen on."),
    Parameter::new("unixsocketperm", Kind::Octal { maximum: 0o777 }, "0", field!(unixsocketperm))
        .immutable()
        .doc("Permissions of the Unix socket, octal; 0 for the umask's."),
    switch("use-exit-on-panic", "no", CRASH_REPORTS)
        .hidden()
        .doc("Exit instead of aborting after a failed assertion."),
    integer("watchdog-period", 0, INT_MAX, "0", OTHER)
        .hidden()
        .doc("Milliseconds after which a stuck server reports where it is; 0 for never."),
    integer("zset-max-listpack-entries", 0, LONG_MAX, "128", field!(zset_max_listpack_entries))
        .alias("zset-max-ziplist-entries")
        .doc("Most members of a sorted set in compact form."),
    memory("zset-max-listpack-value", 0, LONG_MAX, "64", field!(zset_max_listpack_value))
        .alias("zset-max-ziplist-value")
        .doc("Longest member of a sorted set in compact form."),
];
