//! The typed fields that the rest of the server reads: one per parameter that has a meaning.
//!
//! Invariant: outside the table of parameters nothing writes these fields, so every value has
//! passed the checks of its row. A parameter whose feature is absent has no field: nothing can half
//! honour it.
//! Absent: names, defaults and bounds; those are in the table.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::kind::Value;

/// Every setting of the server. `Settings::default()` is blank (zeros), not the default
/// configuration: that is [`Config::default`](super::Config).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Addresses to listen on. `*` is every IPv4, `::*` every IPv6 address; a leading `-` allows
    /// it to be absent.
    pub bind: Vec<String>,
    /// TCP port; 0 for none.
    pub port: u16,
    /// Length of the kernel's queue of connections that wait for accept.
    pub tcp_backlog: u32,
    /// Path of the Unix socket, if one is wanted.
    pub unixsocket: Option<PathBuf>,
    /// Permission bits of the Unix socket; 0 leaves them to the umask.
    pub unixsocketperm: u32,
    /// Seconds after which an idle client is closed; 0 for never.
    pub timeout: u32,
    /// Seconds between TCP keepalive probes; 0 for none.
    pub tcp_keepalive: u32,
    /// Whether clients from other hosts are refused while there is no password.
    pub protected_mode: bool,
    /// The least severity that is logged.
    pub loglevel: LogLevel,
    /// Path of the log file; empty for standard output.
    pub logfile: PathBuf,
    /// Whether the log also goes to syslog.
    pub syslog_enabled: bool,
    /// The name under which syslog lists the server.
    pub syslog_ident: String,
    /// The facility of the lines sent to syslog.
    pub syslog_facility: SyslogFacility,
    /// How many numbered databases exist.
    pub databases: u32,
    /// Working directory, absolute: relative paths of other settings start here.
    pub dir: PathBuf,
    /// Always false: see the table.
    pub daemonize: bool,
    /// Path of the file that holds the process id, if one is wanted.
    pub pidfile: Option<PathBuf>,
    /// Whether the logo is logged at start even when the output is no terminal.
    pub always_show_logo: bool,
    /// Whether the process title is rewritten.
    pub set_proc_title: bool,
    /// The process title, with `{title}` and other variables.
    pub proc_title_template: String,
    /// Which supervisor is told when the server is ready.
    pub supervised: Supervised,
    /// The most clients connected at a time.
    pub maxclients: u32,
    /// The most memory for data, in bytes; 0 for no limit.
    pub maxmemory: u64,
    /// Which keys go when `maxmemory` is reached.
    pub maxmemory_policy: MaxmemoryPolicy,
    /// Keys sampled for each eviction.
    pub maxmemory_samples: u32,
    /// How hard eviction tries, from 0 to 100.
    pub maxmemory_eviction_tenacity: u32,
    /// The most memory for all clients' buffers together.
    pub maxmemory_clients: MemoryLimit,
    /// The longest string a request may carry, in bytes.
    pub proto_max_bulk_len: u64,
    /// The most unprocessed input of one client, in bytes.
    pub client_query_buffer_limit: u64,
    /// The most pending output per class of clients.
    pub client_output_buffer_limit: OutputBufferLimits,
    /// The default user's password; empty for none.
    pub requirepass: Secret,
    /// Background rounds per second, from 1 to 500.
    pub hz: u32,
    /// Whether `hz` grows with the number of clients.
    pub dynamic_hz: bool,
    /// Effort of active expiry, from 1 to 10.
    pub active_expire_effort: u32,
    /// Whether idle time goes into rehashing.
    pub activerehashing: bool,
    /// How slowly the LFU counter grows.
    pub lfu_log_factor: u32,
    /// Minutes after which an LFU counter halves.
    pub lfu_decay_time: u32,
    /// Whether evicted values are freed in the background.
    pub lazyfree_lazy_eviction: bool,
    /// Whether expired values are freed in the background.
    pub lazyfree_lazy_expire: bool,
    /// Whether overwritten values are freed in the background.
    pub lazyfree_lazy_server_del: bool,
    /// Whether DEL frees in the background, as UNLINK does.
    pub lazyfree_lazy_user_del: bool,
    /// Whether FLUSHDB and FLUSHALL without an option are asynchronous.
    pub lazyfree_lazy_user_flush: bool,
    /// Who may run DEBUG.
    pub enable_debug_command: Permission,
    /// Who may change protected parameters.
    pub enable_protected_configs: Permission,
    /// Who may run MODULE.
    pub enable_module_command: Permission,
    /// Microseconds from which a command is slow; negative logs none, 0 all.
    pub slowlog_log_slower_than: i64,
    /// The most entries of the slow log.
    pub slowlog_max_len: u64,
    /// Whether latencies are recorded per command.
    pub latency_tracking: bool,
    /// The percentiles that INFO latencystats shows, each from 0 to 100.
    pub latency_tracking_info_percentiles: Vec<f64>,
    /// Milliseconds from which an event is recorded by LATENCY; 0 records none.
    pub latency_monitor_threshold: u64,
    /// Which changes of keys are published.
    pub notify_keyspace_events: KeyspaceEvents,
    /// When a snapshot is taken by itself.
    pub save: Vec<SavePoint>,
    /// Whether changes are logged to the append-only file.
    pub appendonly: bool,
    /// The primary to replicate, as host and port.
    pub replicaof: Option<(String, u16)>,
    /// `oom_score_adj` of a primary, of a replica and of a background child.
    pub oom_score_adj_values: [i16; 3],
    /// The most fields of a hash kept in a listpack.
    pub hash_max_listpack_entries: u64,
    /// The longest field or value of a hash kept in a listpack, in bytes.
    pub hash_max_listpack_value: u64,
    /// Size of a list node: bytes class -1 to -5, or entries if positive.
    pub list_max_listpack_size: i32,
    /// Nodes at each end of a list that are never compressed; 0 compresses none.
    pub list_compress_depth: u32,
    /// The most integers of a set kept in an intset.
    pub set_max_intset_entries: u64,
    /// The most members of a set kept in a listpack.
    pub set_max_listpack_entries: u64,
    /// The longest member of a set kept in a listpack, in bytes.
    pub set_max_listpack_value: u64,
    /// The most members of a sorted set kept in a listpack.
    pub zset_max_listpack_entries: u64,
    /// The longest member of a sorted set kept in a listpack, in bytes.
    pub zset_max_listpack_value: u64,
    /// The longest sparse HyperLogLog, in bytes.
    pub hll_sparse_max_bytes: u64,
    /// The largest node of a stream, in bytes; 0 for no limit.
    pub stream_node_max_bytes: u64,
    /// The most entries in a node of a stream; 0 for no limit.
    pub stream_node_max_entries: u64,
    /// How many cores serve.
    pub cores: Cores,
    /// The CPUs to pin cores to, in order; empty for those the process may run on.
    pub cpus: Vec<u16>,
    /// Whether each core also listens on a port of its own.
    pub core_ports: bool,
    /// Whether a connection moves to the core that owns nearly all keys it uses.
    pub move_connections: bool,
    /// Microseconds that a request may wait for others while many connections are busy.
    pub gather_us: u32,
    /// Microseconds that an idle core polls before it sleeps.
    pub spin_us: u32,
}

/// How a field appears as the [`Value`] of its parameter's kind.
pub(super) trait Setting: Sized {
    /// The field's value.
    fn value(&self) -> Value;
    /// The field for a value that the row's kind accepted; `None` if the type cannot hold it.
    fn from_value(value: Value) -> Option<Self>;
}

impl Setting for bool {
    fn value(&self) -> Value {
        Value::Switch(*self)
    }
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Switch(on) = value { Some(on) } else { None }
    }
}

macro_rules! integer_settings {
    ($($integer:ty)*) => {
        $(impl Setting for $integer {
            fn value(&self) -> Value {
                Value::Number((*self).into())
            }
            fn from_value(value: Value) -> Option<Self> {
                if let Value::Number(number) = value { number.try_into().ok() } else { None }
            }
        })*
    };
}
integer_settings!(u16 u32 u64 i32 i64);

impl Setting for String {
    fn value(&self) -> Value {
        Value::Text(self.as_bytes().to_vec())
    }
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Text(text) = value { String::from_utf8(text).ok() } else { None }
    }
}

impl Setting for PathBuf {
    fn value(&self) -> Value {
        Value::Text(self.as_os_str().as_bytes().to_vec())
    }
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Text(text) = value { Some(OsString::from_vec(text).into()) } else { None }
    }
}

impl Setting for Option<PathBuf> {
    fn value(&self) -> Value {
        self.clone().unwrap_or_default().value()
    }
    fn from_value(value: Value) -> Option<Self> {
        PathBuf::from_value(value)
            .map(|path| Some(path).filter(|path| !path.as_os_str().is_empty()))
    }
}

/// A password. It can be read, but `{:?}` does not show it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The password itself; empty for none.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_empty() { "none" } else { "(hidden)" })
    }
}

impl Setting for Secret {
    fn value(&self) -> Value {
        Value::Text(self.0.clone())
    }
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Text(text) = value { Some(Self(text)) } else { None }
    }
}

/// A limit on memory, absolute or relative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryLimit {
    /// Bytes; 0 for no limit.
    Bytes(u64),
    /// A share of `maxmemory`, from 1 to 100 per cent.
    PercentOfMaxmemory(u8),
}

impl Default for MemoryLimit {
    fn default() -> Self {
        Self::Bytes(0)
    }
}

impl Setting for MemoryLimit {
    fn value(&self) -> Value {
        Value::Number(match *self {
            Self::Bytes(bytes) => bytes.into(),
            Self::PercentOfMaxmemory(percent) => -i128::from(percent),
        })
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Number(percent @ ..0) => {
                Some(Self::PercentOfMaxmemory((-percent).try_into().ok()?))
            }
            Value::Number(bytes) => Some(Self::Bytes(bytes.try_into().ok()?)),
            _ => None,
        }
    }
}

/// A type with a closed set of named values.
pub(super) trait Choice: Copy + PartialEq + 'static {
    /// The names, in the order in which Redis lists them in its error text.
    const NAMES: &'static [&'static str];
    /// The values, in the order of `NAMES`.
    const VALUES: &'static [Self];
}

impl<C: Choice> Setting for C {
    fn value(&self) -> Value {
        Value::Choice(C::VALUES.iter().position(|value| value == self).unwrap_or_default())
    }
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Choice(index) = value { C::VALUES.get(index).copied() } else { None }
    }
}

/// Severity of a line of the log, from the most talkative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// What is rarely useful.
    Verbose,
    /// What an operator wants to see.
    #[default]
    Notice,
    /// What needs attention.
    Warning,
    /// No line at all.
    Nothing,
}

impl Choice for LogLevel {
    const NAMES: &'static [&'static str] = &["debug", "verbose", "notice", "warning", "nothing"];
    const VALUES: &'static [Self] =
        &[Self::Debug, Self::Verbose, Self::Notice, Self::Warning, Self::Nothing];
}

/// Which keys are evicted when memory is short, and in which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaxmemoryPolicy {
    /// Keys with a TTL, the least recently used first.
    VolatileLru,
    /// Keys with a TTL, the least frequently used first.
    VolatileLfu,
    /// Keys with a TTL, at random.
    VolatileRandom,
    /// Keys with a TTL, the nearest expiry first.
    VolatileTtl,
    /// All keys, the least recently used first.
    AllkeysLru,
    /// All keys, the least frequently used first.
    AllkeysLfu,
    /// All keys, at random.
    AllkeysRandom,
    /// None: commands that need memory fail.
    #[default]
    Noeviction,
}

impl MaxmemoryPolicy {
    /// The name in the configuration and in INFO.
    pub fn name(self) -> &'static str {
        Self::VALUES.iter().position(|value| *value == self).map_or("", |index| Self::NAMES[index])
    }
}

impl Choice for MaxmemoryPolicy {
    const NAMES: &'static [&'static str] = &[
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "noeviction",
    ];
    const VALUES: &'static [Self] = &[
        Self::VolatileLru,
        Self::VolatileLfu,
        Self::VolatileRandom,
        Self::VolatileTtl,
        Self::AllkeysLru,
        Self::AllkeysLfu,
        Self::AllkeysRandom,
        Self::Noeviction,
    ];
}

/// Who may do something dangerous.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Permission {
    /// Nobody.
    #[default]
    No,
    /// Every client.
    Yes,
    /// Clients on the same host.
    Local,
}

impl Permission {
    /// Whether a client may; `is_local` tells that it is on this host (loopback or Unix socket).
    pub fn allows(self, is_local: bool) -> bool {
        self == Self::Yes || (self == Self::Local && is_local)
    }
}

impl Choice for Permission {
    const NAMES: &'static [&'static str] = &["no", "yes", "local"];
    const VALUES: &'static [Self] = &[Self::No, Self::Yes, Self::Local];
}

/// The supervisor that started the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Supervised {
    /// Upstart, by SIGSTOP.
    Upstart,
    /// systemd, through `$NOTIFY_SOCKET`.
    Systemd,
    /// Whichever of the two the environment shows.
    Auto,
    /// None.
    #[default]
    No,
}

impl Choice for Supervised {
    const NAMES: &'static [&'static str] = &["upstart", "systemd", "auto", "no"];
    const VALUES: &'static [Self] = &[Self::Upstart, Self::Systemd, Self::Auto, Self::No];
}

/// A facility of syslog (RFC 5424, section 6.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyslogFacility {
    /// `user`.
    #[default]
    User,
    /// `local0` to `local7`.
    Local(u8),
}

impl Choice for SyslogFacility {
    const NAMES: &'static [&'static str] =
        &["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"];
    const VALUES: &'static [Self] = &[
        Self::User,
        Self::Local(0),
        Self::Local(1),
        Self::Local(2),
        Self::Local(3),
        Self::Local(4),
        Self::Local(5),
        Self::Local(6),
        Self::Local(7),
    ];
}

/// How many cores serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cores {
    /// Every core that the process may run on.
    #[default]
    Auto,
    /// This many, at least one.
    Count(u16),
}

/// A snapshot is due `seconds` after the last one if at least `changes` writes happened since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// Seconds, at least 1.
    pub seconds: u64,
    /// Writes.
    pub changes: u32,
}

/// The most output that may wait for a client: at once, or for some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputBufferLimit {
    /// Bytes at which the client is closed at once; 0 for no limit.
    pub hard_bytes: u64,
    /// Bytes above which it is closed after `soft_seconds`; 0 for no limit.
    pub soft_bytes: u64,
    /// Seconds.
    pub soft_seconds: u32,
}

/// The limits of each class of clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputBufferLimits {
    /// Ordinary clients, MONITOR included.
    pub normal: OutputBufferLimit,
    /// Replicas.
    pub replica: OutputBufferLimit,
    /// Clients with at least one subscription.
    pub pubsub: OutputBufferLimit,
}

/// The classes of events that are published, as in `notify-keyspace-events`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyspaceEvents(pub(super) u16);

impl KeyspaceEvents {
    /// The letters of the classes, in the order in which Redis prints them.
    pub(super) const LETTERS: &'static [u8; 14] = b"g$lshzxetdnKEm";
    /// What the letter `A` stands for: the classes up to `d`. New keys (`n`) and misses (`m`) are
    /// apart.
    pub(super) const ALL: u16 = (1 << 10) - 1;

    /// Whether the class with this letter is published. `K` and `E` are the two kinds of channel.
    pub fn contains(self, letter: u8) -> bool {
        let position = Self::LETTERS.iter().position(|known| *known == letter);
        position.is_some_and(|index| self.0 >> index & 1 == 1)
    }

    /// Whether nothing is published.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}
