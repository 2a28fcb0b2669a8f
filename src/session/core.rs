//! Everything one core owns, passed as an argument to whoever works there.
//!
//! Invariant: a [`Core`] is used by one thread; other cores reach it only through
//! [`Core::receive`]. No borrow of its cells lives across an await.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, mpsc};

use super::client::Client;
use super::dial::Dialer;
use super::host;
use super::link::Doorbell;
use super::moves::Moves;
use super::table::{Entry, Table, table};
use crate::base::alloc;
use crate::base::layout::Layout;
use crate::base::seams::{BlockingWork, Clock, Offload};
use crate::base::time::Millis;
use crate::base::timers::Timers;
use crate::config::{Apply, Config};
use crate::coordinate::hop::Hops;
use crate::coordinate::route::Placed;
use crate::coordinate::shards::Shards;
use crate::limits;
use crate::resp::parse::Span;
use crate::shard::digest;
use crate::shard::message::{Asker, Batch, CoreId, Message, Request, Response, Settings, WaiterId};
use crate::store::db::Db;
use crate::store::evict::Policy;
use crate::store::object::EncodingLimits;
use crate::store::stream::idempotence::Retention;
use crate::store::tuning::Tuning;

mod clients;
mod statistics;

pub use statistics::{LoopStats, SessionStats, UpkeepStats, add};

/// Numbers that are fixed while the process lives.
#[derive(Debug)]
pub struct Identity {
    pub run_id: String,
    pub started: Millis,
    pub cores: usize,
    /// Facts about the ring, printed by INFO.
    pub ring_features: String,
    pub config_file: String,
    pub executable: String,
    /// Bytes allocated when the server was ready.
    pub startup_memory: AtomicU64,
}

#[cfg(test)]
impl Identity {
    /// A process of `cores` cores that has no file and no port.
    pub fn for_tests(cores: usize) -> Identity {
        Identity {
            run_id: "0".repeat(40),
            started: 0,
            cores,
            ring_features: String::new(),
            config_file: String::new(),
            executable: String::new(),
            startup_memory: AtomicU64::new(0),
        }
    }
}

/// CLIENT PAUSE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    pub until: Millis,
    pub writes_only: bool,
}

/// A parsed command that waits for its turn within a group.
pub(super) struct Parsed {
    /// Where its bytes start in the input, and where its arguments start and end among the spans.
    pub start: u32,
    pub spans: (u32, u32),
    /// Place in the table, or `u16::MAX` for an unknown command.
    pub id: u16,
    /// The core that owns its only key, if it has exactly one.
    pub owner: CoreId,
    pub hash: u64,
}

/// Buffers that every session of the core uses in turn.
#[derive(Default)]
pub(super) struct Scratch {
    pub one: Vec<Span>,
    pub spans: Vec<Span>,
    pub group: Vec<Parsed>,
}

/// Does what a changed setting asks for outside the cores (listen elsewhere, log more). The error
/// is the reason in words; then the change is not made.
pub type OnChange = Box<dyn Fn(Apply, &Config) -> Result<(), String>>;

/// One core.
pub struct Core {
    pub shards: Shards,
    pub table: &'static Table,
    pub identity: Arc<Identity>,
    config: RefCell<Arc<Config>>,
    config_version: Cell<u64>,
    /// Acts on changed settings that concern the process; set once, on core 0, by whoever composes
    /// the server.
    pub on_change: OnceCell<OnChange>,
    /// Where work goes that would block the core; without one it runs in place.
    pub offload: OnceCell<Box<dyn Offload>>,
    pub clients: RefCell<BTreeMap<u64, Rc<Client>>>,
    /// Connections given to other cores and taken from them.
    pub moves: Moves,
    pub doorbell: Rc<Doorbell>,
    pub clock: Rc<dyn Clock>,
    now: Cell<Millis>,
    /// Unix time less the monotonic clock, in nanoseconds.
    unix_offset_ns: Cell<i64>,
    /// The monotonic clock when time was last attributed to a command.
    pub(super) lap: Cell<u64>,
    pub sessions: SessionStats,
    pub turns: LoopStats,
    pub upkeep: UpkeepStats,
    pub pause: Cell<Option<Pause>>,
    pub active_expire: Cell<bool>,
    /// Set by SHUTDOWN and by signals; the runtime ends its loop.
    pub stopping: Cell<bool>,
    next_client: Cell<u64>,
    next_expire: Cell<usize>,
    pub(super) scratch: RefCell<Scratch>,
    /// The keys of the command being routed.
    pub(super) placed: Cell<Vec<Placed>>,
    #[expect(clippy::vec_box, reason = "each box is used again for another batch")]
    batches: RefCell<Vec<Box<Batch>>>,
    /// Deadlines of sessions.
    pub timers: Timers,
    /// Outgoing connections.
    pub dialer: Dialer,
    /// Set by a session that stopped only to let others run, and when one has woken another.
    pub yielded: Rc<Cell<bool>>,
    tuned: Cell<Tuned>,
}

/// Settings that request paths look at, out of the [`Config`] for speed.
#[derive(Debug, Clone, Copy)]
struct Tuned {
    /// `maxmemory`; 0 is none.
    memory_max: u64,
    policy: Policy,
    samples: usize,
    query_buffer_max: usize,
    spin_ns: u64,
    gather_us: u32,
    move_connections: bool,
    output: OutputLimit,
}

/// `client-output-buffer-limit` of one class; 0 is none.
#[derive(Debug, Clone, Copy)]
pub struct OutputLimit {
    pub hard: u64,
    pub soft: u64,
    pub soft_ms: Millis,
}

fn tuned(config: &Config) -> Tuned {
    let normal = &config.client_output_buffer_limit.normal;
    Tuned {
        memory_max: config.maxmemory,
        policy: policy(config),
        samples: config.maxmemory_samples as usize,
        spin_ns: u64::from(config.spin_us) * 1000,
        gather_us: config.gather_us,
        move_connections: config.move_connections,
        query_buffer_max: config.client_query_buffer_limit as usize,
        output: OutputLimit {
            hard: normal.hard_bytes,
            soft: normal.soft_bytes,
            soft_ms: Millis::from(normal.soft_seconds) * 1000,
        },
    }
}

fn tuning(config: &Config) -> Tuning {
    Tuning {
        string_len_max: config.proto_max_bulk_len as usize,
        frequency: policy(config).counts_frequency(),
        lfu_log_factor: config.lfu_log_factor,
        lfu_decay_minutes: config.lfu_decay_time,
        encoding: encoding(config),
        retention: Retention {
            seconds: config.stream_idmp_duration,
            messages: config.stream_idmp_maxsize as usize,
        },
    }
}

fn encoding(config: &Config) -> EncodingLimits {
    EncodingLimits {
        hash_entries: config.hash_max_listpack_entries as usize,
        hash_value: config.hash_max_listpack_value as usize,
        set_int_entries: config.set_max_intset_entries as usize,
        set_entries: config.set_max_listpack_entries as usize,
        set_value: config.set_max_listpack_value as usize,
        sorted_entries: config.zset_max_listpack_entries as usize,
        sorted_value: config.zset_max_listpack_value as usize,
        list_size: config.list_max_listpack_size.into(),
        list_compress_depth: config.list_compress_depth as usize,
        stream_bytes: config.stream_node_max_bytes as usize,
        stream_entries: config.stream_node_max_entries as usize,
        hll_sparse_bytes: config.hll_sparse_max_bytes as usize,
    }
}

fn policy(config: &Config) -> Policy {
    let name = config.maxmemory_policy.name();
    Policy::parse(name).expect("the parameter table lists the policies")
}

impl Core {
    /// Core `me` of `identity.cores`, with an empty shard.
    pub fn new(
        me: CoreId,
        identity: Arc<Identity>,
        config: Arc<Config>,
        clock: Box<dyn Clock>,
        seed: u64,
    ) -> Core {
        let layout = Layout::even(identity.cores as u16);
        let owned = layout.slots_of(me.0);
        let db = Db::new(
            config.databases as usize,
            me.0,
            identity.cores as u16,
            owned,
            seed,
            tuning(&config),
        );
        let table = table();
        let clock: Rc<dyn Clock> = clock.into();
        let cores = identity.cores;
        let hops = Hops::new(me, cores);
        let yielded = Rc::clone(&hops.woken);
        let core = Core {
            shards: Shards::new(db, hops, layout, Rc::clone(&clock)),
            table,
            identity,
            tuned: Cell::new(tuned(&config)),
            timers: Timers::default(),
            dialer: Dialer::default(),
            yielded,
            config: RefCell::new(config),
            config_version: Cell::new(0),
            on_change: OnceCell::new(),
            offload: OnceCell::new(),
            clients: RefCell::default(),
            moves: Moves::new(cores),
            doorbell: Rc::default(),
            clock,
            now: Cell::new(0),
            unix_offset_ns: Cell::new(0),
            lap: Cell::new(0),
            sessions: SessionStats::default(),
            turns: LoopStats::default(),
            upkeep: UpkeepStats::default(),
            pause: Cell::new(None),
            active_expire: Cell::new(true),
            stopping: Cell::new(false),
            next_client: Cell::new(0),
            next_expire: Cell::new(0),
            scratch: RefCell::default(),
            placed: Cell::default(),
            batches: RefCell::default(),
        };
        core.reset_stats();
        core.follow_calendar();
        core.begin_turn();
        core
    }

    /// This core's number.
    pub fn me(&self) -> CoreId {
        self.shards.me()
    }

    /// The settings in force.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.borrow())
    }

    /// The number of changes that led to the settings in force.
    pub fn config_version(&self) -> u64 {
        self.config_version.get()
    }

    /// Puts new settings in force on this core, unless later ones are.
    pub fn configure(&self, Settings { version, config }: Settings) {
        if version <= self.config_version.get() {
            return;
        }
        self.config_version.set(version);
        if config.requirepass.as_bytes().is_empty() {
            self.clients.borrow().values().for_each(|client| client.authenticated.set(true));
        }
        self.shards.db.borrow_mut().tuning = tuning(&config);
        if config.maxmemory == 0 {
            self.upkeep.note_excess(false, self.now());
        }
        self.tuned.set(tuned(&config));
        *self.config.borrow_mut() = config;
    }

    /// The time of this turn, in milliseconds since the Unix epoch.
    #[inline]
    pub fn now(&self) -> Millis {
        self.now.get()
    }

    /// True if some gate looks at commands of every client: memory is limited, or clients are
    /// paused.
    #[inline]
    pub(super) fn is_special(&self) -> bool {
        self.tuned.get().memory_max > 0 || self.pause.get().is_some()
    }

    /// True if `maxmemory` is set.
    pub(super) fn is_memory_limited(&self) -> bool {
        self.tuned.get().memory_max > 0
    }

    /// Brings memory below `maxmemory`: first by freeing what is gone already, then by evicting
    /// keys of this core; false if that cannot be had.
    pub(super) fn make_room(&self) -> bool {
        let has_room = self.free_below_limit();
        self.upkeep.note_excess(!has_room, self.now());
        has_room
    }

    fn free_below_limit(&self) -> bool {
        let tuned = self.tuned.get();
        let mut db = self.shards.db.borrow_mut();
        while alloc::used() as u64 > tuned.memory_max {
            let is_freeing = db.free_some(limits::FREE_STEP);
            if !is_freeing && !db.evict_one(tuned.policy, tuned.samples) {
                return false;
            }
        }
        drop(db);
        self.shards.serve_ready(None);
        true
    }

    /// How long to look for work before sleeping, in nanoseconds.
    pub fn spin_ns(&self) -> u64 {
        self.tuned.get().spin_ns
    }

    /// How long a request may wait for others under load, in microseconds.
    pub fn gather_us(&self) -> u32 {
        self.tuned.get().gather_us
    }

    /// `move-connections`.
    pub(super) fn moves_connections(&self) -> bool {
        self.tuned.get().move_connections
    }

    /// `client-query-buffer-limit`.
    pub(super) fn query_buffer_max(&self) -> usize {
        self.tuned.get().query_buffer_max
    }

    /// `client-output-buffer-limit` of ordinary clients.
    pub(super) fn output_limit(&self) -> OutputLimit {
        self.tuned.get().output
    }

    /// True if CLIENT PAUSE holds commands of this row back.
    pub(super) fn is_paused(&self, entry: &Entry) -> bool {
        self.pause.get().is_some_and(|pause| !pause.writes_only || entry.row.may_change())
    }

    /// Reads the clocks; called by the runtime when a turn begins. Returns the monotonic one.
    pub fn begin_turn(&self) -> u64 {
        let nanos = self.clock.monotonic_nanos();
        let now = (nanos as i64 + self.unix_offset_ns.get()) / 1_000_000;
        self.lap.set(nanos);
        self.now.set(now);
        self.shards.db.borrow_mut().set_now(now);
        if self.pause.get().is_some_and(|pause| pause.until <= now) {
            self.pause.set(None);
        }
        nanos
    }

    /// Sets the distance between the monotonic clock, which turns read, and the calendar, which
    /// may be set at any time; called by the runtime's cron.
    pub fn follow_calendar(&self) {
        let unix_ns = self.clock.unix_micros() * 1000;
        self.unix_offset_ns.set(unix_ns - self.clock.monotonic_nanos() as i64);
    }

    /// Runs `work` where it does not block the core, and returns what it returned; `None` if it
    /// panicked.
    pub async fn off_core<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, receiver) = mpsc::channel();
        let run: BlockingWork = Box::new(move || {
            let _ = sender.send(work());
        });
        match self.offload.get() {
            Some(offload) => offload.run(run).await,
            None => run(),
        }
        receiver.try_recv().ok()
    }

    /// An id for a new client: unique in the process, rising on each core.
    pub fn next_client_id(&self) -> u64 {
        let count = self.next_client.get();
        self.next_client.set(count + 1);
        count * self.identity.cores as u64 + u64::from(self.me().0) + 1
    }

    /// Clients connected to this core.
    pub fn client_count(&self) -> usize {
        self.clients.borrow().len()
    }

    /// A batch to fill, used before if there is one.
    pub(super) fn take_batch(&self, conditions: crate::shard::message::Conditions) -> Box<Batch> {
        match self.batches.borrow_mut().pop() {
            Some(mut batch) => {
                batch.recycle(conditions);
                batch
            }
            None => Box::new(Batch::new(conditions)),
        }
    }

    /// Keeps an answered batch for the next one, unless it grew large.
    pub(super) fn return_batch(&self, mut batch: Box<Batch>) {
        let mut batches = self.batches.borrow_mut();
        if batch.weight() <= limits::KEPT_BUFFER_MAX && batches.len() < limits::MESH_QUEUE {
            batch.recycle(batch.conditions);
            batches.push(batch);
        }
    }

    /// Handles what another core sent. Never suspends.
    pub fn receive(&self, from: CoreId, message: Message) {
        match message {
            Message::Response(ticket, response) => {
                self.shards.arrived(ticket, response);
            }
            Message::Release(id) => self.shards.release(id),
            Message::Hand(handed) => {
                add(&self.sessions.hops_in, 1);
                self.shards.take(*handed);
            }
            Message::Handover(connection) => self.moves.arrived(from, connection),
            Message::Offer(number, claim) => self.shards.offered(number, from, claim),
            Message::Cancel(number) => self.shards.cancel(WaiterId { core: from, number }),
            Message::Request(ticket, request) => self.serve(Asker { core: from, ticket }, request),
        }
    }

    fn serve(&self, asker: Asker, request: Request) {
        add(&self.sessions.hops_in, 1);
        match request {
            Request::Run(_)
            | Request::Schedule(_)
            | Request::Execute(..)
            | Request::Join(_)
            | Request::Conclude(_)
            | Request::Commit(..)
            | Request::Collect(_)
            | Request::Give(..)
            | Request::Block(..)
            | Request::Accept(_) => self.shards.serve(asker, request),
            Request::Unblock(id, how) => self.unblock(asker, id, how),
            other => {
                let response = self.serve_host(other);
                self.shards.hops.answer(asker.core, asker.ticket, response);
            }
        }
    }

    /// What concerns the server rather than the keyspace; also called for the core's own share.
    pub fn serve_host(&self, request: Request) -> Response {
        match request {
            Request::Clients(filter) => {
                Response::Clients(self.client_lines(&filter), self.moves.crossings())
            }
            Request::Kill(filter) => Response::Killed(self.kill(&filter), self.moves.crossings()),
            Request::Pause { until, writes_only } => {
                self.set_pause(until, writes_only);
                Response::Done
            }
            Request::Stats => Response::Stats(Box::new(self.stats())),
            Request::ResetStats => {
                self.reset_stats();
                Response::Done
            }
            Request::GiveBackMemory => {
                alloc::give_back();
                Response::Done
            }
            Request::SetConfig(change) => Response::Settings(host::config::change(self, &change)),
            Request::Configure(settings) => {
                self.configure(settings);
                Response::Done
            }
            Request::Digest => {
                Response::Digests(digest::keyspace(&mut self.shards.db.borrow_mut()))
            }
            Request::ActiveExpire(active) => {
                self.active_expire.set(active);
                Response::Done
            }
            Request::Stop => {
                self.stopping.set(true);
                Response::Done
            }
            Request::Run(_)
            | Request::Schedule(_)
            | Request::Execute(..)
            | Request::Join(_)
            | Request::Conclude(_)
            | Request::Commit(..)
            | Request::Collect(_)
            | Request::Give(..)
            | Request::Block(..)
            | Request::Accept(_)
            | Request::Unblock(..) => {
                unreachable!("what may be answered later is served above")
            }
        }
    }

    fn set_pause(&self, until: Millis, writes_only: bool) {
        // A pause that stands is never cut short by another, only by its end or CLIENT UNPAUSE.
        let standing = self.pause.get().map_or(0, |pause| pause.until);
        let until = if until == 0 { 0 } else { until.max(standing) };
        self.pause.set((until > self.now()).then_some(Pause { until, writes_only }));
    }

    /// Background work of the keyspace for at most `budget_ns`: active expiry, and freeing flushed
    /// databases. True if there is more to do at once.
    pub fn maintain(&self, budget_ns: u64) -> bool {
        let mut now = self.clock.monotonic_nanos();
        let end = now + budget_ns;
        let mut db = self.shards.db.borrow_mut();
        loop {
            let freeing = db.free_some(limits::FREE_STEP);
            let expiring = self.active_expire.get() && self.expire_step(&mut db);
            let began = std::mem::replace(&mut now, self.clock.monotonic_nanos());
            if !freeing {
                add(&self.upkeep.expire_ns, now - began);
            }
            let is_over = now >= end;
            if !freeing && !expiring || is_over {
                drop(db);
                self.shards.serve_ready(None);
                add(&self.upkeep.expire_overruns, u64::from(expiring));
                return freeing || expiring;
            }
        }
    }

    /// One step of active expiry; true if the pass over all databases is not finished.
    fn expire_step(&self, db: &mut Db) -> bool {
        let index = self.next_expire.get();
        if db.expire_step(index).finished {
            let next = (index + 1) % db.database_count();
            self.next_expire.set(next);
            return next != 0;
        }
        true
    }

    /// Registers a client.
    pub fn add_client(&self, client: Rc<Client>) {
        self.clients.borrow_mut().insert(client.id, client);
    }

    /// Forgets a client.
    pub fn remove_client(&self, client: &Client) {
        self.clients.borrow_mut().remove(&client.id);
    }
}
