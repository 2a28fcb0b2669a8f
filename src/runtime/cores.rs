//! The loop of one core: everything it does, in the order in which it does it.
//!
//! A turn: send what the sessions wrote, carry messages to other cores, sleep in the ring if there
//! is nothing to do, take in completions and messages, fire timers, and let the session tasks run.
//! The sessions are tasks of the core's glommio executor; this driver is one too, and yields to
//! them once per turn.
//!
//! Invariant: the core sleeps only in [`Ring::submit_and_sleep`], and only after it announced that
//! to the mesh and found no mail. While file work is in flight it does not sleep there, but gives
//! glommio's reactor its turn.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use io_uring::{cqueue, opcode, squeue, types};
use socket2::Socket;

use super::accept::{Acceptor, Admission};
use super::connect::Connector;
use super::disk::FileWork;
use super::listen::listen_again;
use super::mesh::MeshEnd;
use super::net::{Net, Op};
use super::preflight::Refusal;
use super::ring::Ring;
use crate::config::Config;
use crate::limits;
use crate::session::client::Client;
use crate::session::connection::{Served, Session};
use crate::session::core::{Core, add};
use crate::session::guard::survive;
use crate::shard::handover::Handover;
use crate::shard::message::CoreId;

/// How often a core looks after its clients and expiring keys.
const CRON_MS: i64 = 100;
/// A slice of background work.
const SLICE_NS: u64 = 500_000;
/// How long connections may take to finish when the server stops.
const STOP_GRACE_MS: i64 = 2_000;

/// What all cores of the process share.
#[derive(Default)]
pub struct Process {
    /// Set once by a signal or SHUTDOWN.
    pub stopping: AtomicBool,
    /// Connected clients on all cores.
    pub clients: AtomicUsize,
    /// Cores that still serve connections.
    pub serving: AtomicUsize,
    /// Cores that are ready to accept.
    pub ready: AtomicUsize,
    /// A core could not start or ended by an error.
    pub failed: AtomicBool,
}

/// The timeout operation in the ring that ends a sleep.
struct Timer {
    /// When it completes, in Unix milliseconds; `i64::MAX` if there is none.
    deadline: i64,
    /// Tells the latest from those that an earlier deadline has overtaken.
    number: u32,
    /// The kernel reads it when the operation is submitted.
    period: Box<types::Timespec>,
}

impl Default for Timer {
    fn default() -> Timer {
        Timer { deadline: i64::MAX, number: 0, period: Box::new(types::Timespec::new()) }
    }
}

/// One core's loop.
pub struct Driver {
    core: Rc<Core>,
    process: Arc<Process>,
    ring: Ring,
    net: Net,
    mesh: MeshEnd,
    acceptor: Acceptor,
    connector: Connector,
    pub files: FileWork,
    event: OwnedFd,
    event_value: Box<u64>,
    timer: Timer,
    completions: Vec<cqueue::Entry>,
    next_cron: i64,
    /// Set while background work is left over from the last slice.
    behind: bool,
    /// How long one slice of background work may take, in nanoseconds.
    slice_ns: u64,
    yielded: Rc<Cell<bool>>,
    stop_at: Option<i64>,
    /// True once this core told the others that it has no connection left.
    left: bool,
    /// The settings that say where this core listens, and the number of those it has looked at.
    heard_on: Arc<Config>,
    configured: u64,
}

fn event_fd() -> io::Result<OwnedFd> {
    // SAFETY: a plain system call; the result is checked.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is fresh and owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

impl Driver {
    /// A driver for `core`, on the thread that will run it.
    pub fn new(
        core: Rc<Core>,
        process: Arc<Process>,
        mesh: MeshEnd,
        listeners: Vec<Socket>,
    ) -> io::Result<Driver> {
        let ring = Ring::new()?;
        let net = Net::new(ring.provide_buffers()?, Rc::clone(&core.doorbell));
        let event = event_fd()?;
        mesh.open(ring.fd(), event.as_raw_fd());
        let next_cron = core.now() + CRON_MS;
        let yielded = Rc::clone(&core.yielded);
        let files = FileWork::default();
        let _ = core.offload.set(Box::new(files.clone()));
        Ok(Driver {
            acceptor: Acceptor::new(listeners, Rc::clone(&core), Arc::clone(&process)),
            heard_on: core.config(),
            configured: core.config_version(),
            core,
            process,
            ring,
            net,
            mesh,
            connector: Connector::default(),
            files,
            event,
            event_value: Box::new(0),
            timer: Timer::default(),
            completions: Vec::new(),
            next_cron,
            behind: false,
            slice_ns: SLICE_NS,
            yielded,
            stop_at: None,
            left: false,
        })
    }

    /// Serves until the process stops.
    pub async fn run(mut self) -> io::Result<()> {
        self.arm_event();
        self.acceptor.arm_all(&mut self.ring);
        self.process.ready.fetch_add(1, Ordering::Release);
        while !self.finished() {
            if self.core.dialer.is_asked() {
                self.connector.begin(&mut self.ring, &self.core.dialer);
            }
            self.net.flush(&mut self.ring);
            self.carry();
            self.enter()?;
            let busy_since = self.core.begin_turn();
            let worked = self.take_in() | self.timers() | self.core.shards.go_on();
            if worked || self.yielded.replace(false) {
                glommio::executor().yield_task_queue_now().await;
                // Those whom these tasks woke (a client that waited for what another has pushed)
                // are behind this loop; their replies go out in the same system call.
                if self.yielded.replace(false) {
                    glommio::executor().yield_task_queue_now().await;
                }
            }
            if self.files.busy() {
                self.files.poll_reactor().await;
            }
            if self.configured != self.core.config_version() {
                self.follow_config();
            }
            add(&self.core.turns.turns, 1);
            self.core.end_turn(busy_since);
        }
        Ok(())
    }

    /// Listens where new settings say, before the change of them is answered.
    fn follow_config(&mut self) {
        self.configured = self.core.config_version();
        let config = self.core.config();
        if config.port == self.heard_on.port && config.bind == self.heard_on.bind {
            return;
        }
        match listen_again(&config) {
            Ok(sockets) => {
                self.acceptor.replace_tcp(&mut self.ring, sockets);
                self.heard_on = config;
            }
            Err(Refusal(reason)) => tracing::error!("this core listens where it did: {reason}"),
        }
    }

    /// Publishes the outboxes and queues a wake for each peer that sleeps.
    fn carry(&mut self) {
        if !self.core.shards.hops.staged() {
            return;
        }
        let (mesh, ring, core) = (&mut self.mesh, &mut self.ring, &self.core);
        core.shards.hops.carry(|to, messages| {
            mesh.publish(to, messages);
            if let Some(peer) = mesh.claim_wake(to) {
                add(&core.turns.wakes_sent, 1);
                let wake =
                    opcode::MsgRingData::new(types::Fd(peer), 0, Op::Wake.tag(0), None).build();
                // A completion of its own would end this core's sleep for nothing.
                let wake = wake.flags(squeue::Flags::SKIP_SUCCESS);
                ring.push(wake.user_data(Op::Cancel.tag(0)));
            }
        });
    }

    /// Submits; sleeps if there is nothing to do.
    fn enter(&mut self) -> io::Result<()> {
        let outbox_full = self.core.shards.hops.staged();
        let busy = outbox_full
            || self.behind
            || self.yielded.get()
            || self.core.shards.has_jobs()
            || self.files.busy()
            || self.net.doorbell.is_rung();
        if busy || self.spin()? || !self.mesh.announce_sleep() {
            self.ring.submit()?;
        } else {
            add(&self.core.turns.sleeps, 1);
            self.arm_timer();
            let window_us = self.core.gather_us();
            let mut want = self.net.gather.want(self.core.now(), window_us);
            if !self.core.shards.is_idle() {
                // A claim makes others wait, until what gives it up arrives here.
                want = 1;
            }
            self.ring.submit_and_sleep(want, window_us)?;
            self.mesh.awake();
        }
        if self.ring.is_all_submitted() {
            self.net.sends_submitted();
        }
        self.ring.completions(&mut self.completions);
        Ok(())
    }

    /// Looks for work without sleeping for as long as `spin-us` says; true if there is some.
    fn spin(&mut self) -> io::Result<bool> {
        let spin_ns = self.core.spin_ns();
        if spin_ns == 0 {
            return Ok(false);
        }
        let end = self.core.clock.monotonic_nanos() + spin_ns;
        loop {
            self.ring.submit()?;
            if self.ring.has_completions() || self.mesh.has_mail() {
                return Ok(true);
            }
            if self.core.clock.monotonic_nanos() >= end {
                return Ok(false);
            }
            std::hint::spin_loop();
        }
    }

    /// Makes sure that the core wakes for its next deadline.
    fn arm_timer(&mut self) {
        let next = self.core.timers.next_deadline().unwrap_or(i64::MAX).min(self.next_cron);
        if self.timer.deadline <= next {
            return;
        }
        let wait = (next - self.core.now()).clamp(0, CRON_MS) as u64;
        self.timer.deadline = next;
        self.timer.number = self.timer.number.wrapping_add(1);
        *self.timer.period = types::Timespec::from(Duration::from_millis(wait));
        let timeout = opcode::Timeout::new(&*self.timer.period).build();
        self.ring.push(timeout.user_data(Op::Timer.tag(self.timer.number)));
    }

    /// Handles completions and messages; true if there were any.
    fn take_in(&mut self) -> bool {
        let mut completions = std::mem::take(&mut self.completions);
        let any = !completions.is_empty();
        for completion in completions.drain(..) {
            self.complete(&completion);
        }
        self.completions = completions;
        self.net.settle_sends(&mut self.ring);
        let core = &self.core;
        let mail = self.mesh.drain(limits::MESH_TURN, |from, message| core.receive(from, message));
        if mail > 0 {
            self.take_over();
        }
        any || mail > 0
    }

    fn complete(&mut self, completion: &cqueue::Entry) {
        match Op::of(completion.user_data()) {
            (Some(op @ (Op::Receive | Op::ReceiveBig | Op::Send)), number) => {
                self.net.complete(&mut self.ring, op, number, completion);
            }
            (Some(Op::Accept), listener) => {
                let admitted = self.acceptor.complete(&mut self.ring, listener, completion);
                if let Some(admission) = admitted {
                    self.admit(admission);
                }
            }
            (Some(Op::Connect), number) => {
                let result = completion.result();
                self.connector.complete(&mut self.ring, &mut self.net, number, result);
            }
            (Some(Op::Timer), number) if number == self.timer.number => {
                self.timer.deadline = i64::MAX;
            }
            (Some(Op::Event), _) => self.arm_event(),
            (Some(Op::Wake), _) => add(&self.core.turns.wakes_received, 1),
            _ => {}
        }
    }

    /// Starts a session for an accepted connection.
    fn admit(&mut self, admission: Admission) {
        let fd = admission.socket.as_raw_fd();
        let link = self.net.adopt(&mut self.ring, admission.socket);
        let client = Rc::new(Client::new(&self.core, link, admission.peer, fd));
        self.core.add_client(Rc::clone(&client));
        add(&self.core.turns.connections_received, 1);
        self.process.clients.fetch_add(1, Ordering::Relaxed);
        self.begin(Session::new(Rc::clone(&self.core), client));
    }

    /// Starts sessions for the connections that other cores have given to this one.
    fn take_over(&mut self) {
        while let Some((from, handover)) = self.core.moves.next_arrival() {
            let Handover { socket, connection } = *handover;
            let fd = socket.as_raw_fd();
            let link = self.net.adopt(&mut self.ring, socket);
            let session = Session::resume(&self.core, link, fd, from, connection);
            if self.stop_at.is_some() {
                session.client.link.end();
            }
            self.begin(session);
        }
    }

    /// Lets a session run as a task of its own.
    fn begin(&self, session: Session) {
        let client = Rc::clone(&session.client);
        let (core, process) = (Rc::clone(&self.core), Arc::clone(&self.process));
        glommio::spawn_local(async move {
            let served = survive(session.serve()).await;
            if served.is_err() {
                add(&core.sessions.panics, 1);
                client.link.kill();
                core.remove_client(&client);
            }
            if served != Ok(Served::Elsewhere) {
                process.clients.fetch_sub(1, Ordering::Relaxed);
            }
        })
        .detach();
    }

    fn arm_event(&mut self) {
        let value = (&raw mut *self.event_value).cast::<u8>();
        let fd: RawFd = self.event.as_raw_fd();
        let read = opcode::Read::new(types::Fd(fd), value, 8).build();
        self.ring.push(read.user_data(Op::Event.tag(0)));
    }

    /// Fires timers and does the cron's work; true if a task was woken.
    fn timers(&mut self) -> bool {
        let now = self.core.now();
        let fired = self.core.timers.fire(now);
        if now >= self.next_cron {
            let config = self.core.config();
            self.next_cron = now + (1000 / i64::from(config.hz)).min(CRON_MS);
            self.slice_ns = SLICE_NS * u64::from(config.active_expire_effort);
            self.core.follow_calendar();
            self.core.check_clients();
            self.acceptor.retry(&mut self.ring);
            self.behind = true;
            let turns = &self.core.turns;
            turns.bytes_in.set(turns.bytes_in.get() + std::mem::take(&mut self.net.bytes_in));
            turns.bytes_out.set(turns.bytes_out.get() + std::mem::take(&mut self.net.bytes_out));
            self.core.sample_rates();
        }
        if self.behind {
            self.behind = self.core.maintain(self.slice_ns);
        }
        fired
    }

    /// True when this core may end: nobody needs it any more, or time is up.
    fn finished(&mut self) -> bool {
        if self.core.stopping.get() {
            self.process.stopping.store(true, Ordering::Release);
        }
        if !self.process.stopping.load(Ordering::Relaxed) {
            return false;
        }
        let now = self.core.now();
        let Some(stop_at) = self.stop_at else {
            self.stop_at = Some(now + STOP_GRACE_MS);
            self.acceptor.close();
            self.net.end_all();
            self.mesh.wake_others();
            return false;
        };
        if self.net.live() == 0 && !std::mem::replace(&mut self.left, true) {
            self.process.serving.fetch_sub(1, Ordering::AcqRel);
            self.mesh.wake_others();
        }
        self.process.serving.load(Ordering::Acquire) == 0 || now >= stop_at
    }
}

/// The core that `driver` runs, for its threads' names.
pub fn thread_name(core: CoreId) -> String {
    format!("shoal-{}", core.0)
}
