//! A client: what CLIENT LIST shows of a connection, and what its commands run under.
//!
//! Invariant: a client belongs to one core; others see it only as a line of text.

use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::rc::Rc;

use super::core::Core;
use super::fieldsets::Fieldsets;
use super::link::Link;
use crate::base::time::Millis;
use crate::resp::out::Protocol;
use crate::shard::handover::Profile;
pub use crate::shard::handover::ReplyMode;
use crate::shard::message::{Asker, ClientFilter, ClientKind, ClientLine, Conditions, Unblock};

/// A connected client.
pub struct Client {
    pub id: u64,
    /// `ip:port`, `[ip6]:port`, or `path:0` for a Unix socket.
    pub address: String,
    pub local_address: String,
    pub fd: i32,
    pub unix: bool,
    /// It connected to this core's own port, so it is to be served as by a node of a cluster.
    pub through_core_port: bool,
    pub created: Millis,
    pub last_active: Cell<Millis>,
    pub link: Rc<Link>,
    pub name: RefCell<Vec<u8>>,
    pub lib_name: RefCell<Vec<u8>>,
    pub lib_version: RefCell<Vec<u8>>,
    pub database: Cell<u16>,
    pub protocol: Cell<Protocol>,
    pub authenticated: Cell<bool>,
    pub no_evict: Cell<bool>,
    pub no_touch: Cell<bool>,
    pub reply: Cell<ReplyMode>,
    pub fieldsets: RefCell<Fieldsets>,
    /// Full lower-case name of the last command.
    pub last_command: Cell<&'static str>,
    /// Bytes of the request that is running, while it runs.
    pub query_bytes: Cell<usize>,
    /// Total commands processed.
    pub commands: Cell<u64>,
    /// When its output first went over the soft limit (Unix milliseconds), 0 if it is below.
    pub soft_limit_since: Cell<Millis>,
    /// There while a command waits for a key.
    pub waiting: RefCell<Option<Waiting>>,
}

/// A client that waits for a key.
#[derive(Debug, Default)]
pub struct Waiting {
    /// Whether it ends by itself when its time is over.
    pub has_end: bool,
    /// How the wait is to end, and who wants to hear whether it did.
    pub unblock: Option<(Unblock, Asker)>,
}

fn is_core_port(core: &Core, peer: &Peer) -> bool {
    let config = core.config();
    config.core_ports && !peer.unix && peer.port != config.port
}

/// Who is at the other end.
#[derive(Debug, Clone)]
pub struct Peer {
    pub unix: bool,
    /// The port it connected to.
    pub port: u16,
    pub ip: Option<std::net::IpAddr>,
    pub address: String,
    pub local_address: String,
}

impl Client {
    /// A client that has just connected.
    pub fn new(core: &Core, link: Rc<Link>, peer: Peer, fd: i32) -> Client {
        let through_core_port = is_core_port(core, &peer);
        Client {
            id: core.next_client_id(),
            address: peer.address,
            local_address: peer.local_address,
            fd,
            unix: peer.unix,
            through_core_port,
            created: core.now(),
            last_active: Cell::new(core.now()),
            link,
            name: RefCell::default(),
            lib_name: RefCell::default(),
            lib_version: RefCell::default(),
            database: Cell::new(0),
            protocol: Cell::new(Protocol::Resp2),
            authenticated: Cell::new(core.config().requirepass.as_bytes().is_empty()),
            no_evict: Cell::new(false),
            no_touch: Cell::new(false),
            reply: Cell::new(ReplyMode::On),
            fieldsets: RefCell::default(),
            last_command: Cell::new("NULL"),
            query_bytes: Cell::new(0),
            commands: Cell::new(0),
            soft_limit_since: Cell::new(0),
            waiting: RefCell::default(),
        }
    }

    /// A client that was served by another core until now.
    pub fn resume(core: &Core, link: Rc<Link>, profile: Profile, fd: i32) -> Client {
        // A password that was taken away while the client was between the cores is not asked for.
        let open = core.config().requirepass.as_bytes().is_empty();
        Client {
            id: profile.id,
            address: profile.address,
            local_address: profile.local_address,
            fd,
            unix: profile.unix,
            through_core_port: false,
            created: profile.created,
            last_active: Cell::new(profile.last_active),
            link,
            name: RefCell::new(profile.name),
            lib_name: RefCell::new(profile.lib_name),
            lib_version: RefCell::new(profile.lib_version),
            database: Cell::new(profile.database),
            protocol: Cell::new(profile.protocol),
            authenticated: Cell::new(profile.authenticated || open),
            no_evict: Cell::new(profile.no_evict),
            no_touch: Cell::new(profile.no_touch),
            reply: Cell::new(profile.reply),
            fieldsets: RefCell::default(),
            last_command: Cell::new(profile.last_command),
            query_bytes: Cell::new(0),
            commands: Cell::new(profile.commands),
            soft_limit_since: Cell::new(0),
            waiting: RefCell::default(),
        }
    }

    /// What another core has to know to serve it.
    pub fn profile(&self) -> Profile {
        Profile {
            id: self.id,
            address: self.address.clone(),
            local_address: self.local_address.clone(),
            unix: self.unix,
            created: self.created,
            last_active: self.last_active.get(),
            name: self.name.borrow().clone(),
            lib_name: self.lib_name.borrow().clone(),
            lib_version: self.lib_version.borrow().clone(),
            database: self.database.get(),
            protocol: self.protocol.get(),
            authenticated: self.authenticated.get(),
            no_evict: self.no_evict.get(),
            no_touch: self.no_touch.get(),
            reply: self.reply.get(),
            last_command: self.last_command.get(),
            commands: self.commands.get(),
            bytes_in: self.link.bytes_in.get(),
            bytes_out: self.link.bytes_out.get(),
        }
    }

    /// Everything as at the start of a connection, except its identity.
    pub fn reset(&self, authenticated: bool) {
        self.name.borrow_mut().clear();
        self.database.set(0);
        self.protocol.set(Protocol::Resp2);
        self.authenticated.set(authenticated);
        self.no_evict.set(false);
        self.no_touch.set(false);
        self.reply.set(ReplyMode::On);
        self.fieldsets.borrow_mut().clear();
    }

    /// True if it is on this host: on a loopback address or a Unix socket.
    pub fn is_local(&self) -> bool {
        let address = self.address.parse::<std::net::SocketAddr>();
        self.unix || address.is_ok_and(|address| address.ip().to_canonical().is_loopback())
    }

    /// What its keyspace commands run under.
    #[inline]
    pub fn conditions(&self) -> Conditions {
        Conditions {
            protocol: self.protocol.get(),
            database: self.database.get(),
            touching: !self.no_touch.get(),
        }
    }

    /// True if every condition of `filter` holds.
    pub fn matches(&self, filter: &ClientFilter, now: Millis) -> bool {
        (filter.ids.is_empty() || filter.ids.contains(&self.id))
            && filter.kind.is_none_or(|kind| kind == ClientKind::Normal)
            && filter.user.as_ref().is_none_or(|user| user == "default")
            && filter.address.as_ref().is_none_or(|address| *address == self.address)
            && filter.local_address.as_ref().is_none_or(|local| *local == self.local_address)
            && filter.except != Some(self.id)
            && filter.age_min_seconds.is_none_or(|age| self.age_seconds(now) >= age)
    }

    fn age_seconds(&self, now: Millis) -> u64 {
        ((now - self.created) / 1000).max(0) as u64
    }

    /// The line of CLIENT LIST, without a line end.
    pub fn line(&self, now: Millis) -> ClientLine {
        let text = |field: &RefCell<Vec<u8>>| String::from_utf8_lossy(&field.borrow()).into_owned();
        let mut flags = String::new();
        for (set, letter) in [
            (self.waiting.borrow().is_some(), 'b'),
            (self.unix, 'U'),
            (self.no_evict.get(), 'e'),
            (self.no_touch.get(), 'T'),
        ] {
            if set {
                flags.push(letter);
            }
        }
        if flags.is_empty() {
            flags.push('N');
        }
        let input = self.link.input_bytes() + self.query_bytes.get();
        let output = self.link.output_bytes();
        let mut line = String::with_capacity(256);
        let _ = write!(
            line,
            "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={flags} db={} sub=0 psub=0 \
             ssub=0 multi=-1 watch=0 qbuf={input} qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 \
             rbp=0 obl={output} oll=0 omem={output} tot-mem={} events=r cmd={} user=default \
             redir=-1 resp={} lib-name={} lib-ver={} tot-net-in={} tot-net-out={} tot-cmds={}",
            self.id,
            self.address,
            self.local_address,
            self.fd,
            text(&self.name),
            self.age_seconds(now),
            ((now - self.last_active.get()) / 1000).max(0),
            self.database.get(),
            size_of::<Client>()
                + size_of::<Link>()
                + self.fieldsets.borrow().memory()
                + input
                + output,
            self.last_command.get(),
            if self.protocol.get() == Protocol::Resp3 { 3 } else { 2 },
            text(&self.lib_name),
            text(&self.lib_version),
            self.link.bytes_in.get(),
            self.link.bytes_out.get(),
            self.commands.get(),
        );
        ClientLine { id: self.id, line }
    }
}
