//! The event loop of one thread: some of the run's connections, one epoll instance.
//!
//! Invariant: whatever the server does, a stage ends: every connection that owes replies is heard
//! from within the timeout, or the run fails. A request costs no allocation and no system call of
//! its own; the clock is read once per batch of replies.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::thread::{CpuSet, sched_setaffinity, set_current_timer_slack};
use rustix::time::{ClockId, clock_gettime};

use crate::cluster::Layout;
use crate::connection::{BUFFER_LEN, Connection, Request};
use crate::failure::Failure;
use crate::measure::{Clock, Interval, Recorder};
use crate::mix::Mix;
use crate::options::Plan;
use crate::pace::{Arrivals, Pace};
use crate::reply::Reply;
use crate::workload::{Order, Workload};

/// How often connections are looked at that are silent, and other threads' failures noticed.
const SWEEP_NS: u64 = 50_000_000;

/// Events taken from the kernel at a time.
const EVENTS_MAX: usize = 512;

/// One pass over the connections: removing keys, loading keys, or the run itself.
#[derive(Clone, Debug)]
pub struct Stage<'a> {
    pub mix: &'a Mix,
    pub order: Order,
    /// How many requests this thread sends once it counts; `u64::MAX` if only time ends the stage.
    pub requests: u64,
    /// When counting begins, by the run's clock.
    pub begin_ns: u64,
    /// When sending ends; `u64::MAX` if only the number of requests does.
    pub end_ns: u64,
    /// Requests a second and their spread, in an open loop.
    pub rate: Option<(f64, Arrivals)>,
    /// The processor to run on, if it matters.
    pub cpu: Option<usize>,
    /// Length of an interval, and who gets them; nobody gets those of a preparation.
    pub intervals: Option<(u64, Sender<Interval>)>,
}

/// How a stage went, beside what its intervals say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ending {
    /// When the last reply came.
    pub last_reply_ns: u64,
    /// Processor time of the thread while it counted.
    pub cpu_ns: u64,
    /// Requests of an open loop that were due and never sent.
    pub unsent: u64,
}

/// A thread's connections, kept from stage to stage.
#[derive(Debug)]
pub struct Worker<'a> {
    plan: &'a Plan,
    clock: Clock,
    stop: &'a AtomicBool,
    seed: u64,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    layout: Layout,
}

impl<'a> Worker<'a> {
    /// Registers the connections. When `stop` becomes true, stages end early.
    pub fn new(
        plan: &'a Plan,
        clock: Clock,
        stop: &'a AtomicBool,
        seed: u64,
        connections: Vec<Connection>,
        layout: Layout,
    ) -> Result<Self, Failure> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(Failure::system("use epoll"))?;
        for (id, connection) in connections.iter().enumerate() {
            let data = EventData::new_u64(id as u64);
            epoll::add(&epoll, connection, data, EventFlags::IN)
                .map_err(Failure::system("watch a connection"))?;
        }
        Ok(Worker { plan, clock, stop, seed, epoll, connections, layout })
    }

    /// Sends what the stage says and waits for all replies.
    ///
    /// # Errors
    ///
    /// The first failure; the other threads learn of it through `stop`.
    pub fn run(&mut self, stage: Stage) -> Result<Ending, Failure> {
        for connection in &mut self.connections {
            connection.lane.rewind();
        }
        let stop = self.stop;
        let result = settle_thread(stage.cpu, stage.rate.is_some())
            .and_then(|()| EventLoop::new(self, stage).run());
        if result.is_err() {
            stop.store(true, Ordering::Relaxed);
        }
        result
    }
}

/// Pins the thread, and makes its timers exact where requests have due times.
fn settle_thread(cpu: Option<usize>, is_paced: bool) -> Result<(), Failure> {
    if let Some(cpu) = cpu {
        let mut set = CpuSet::new();
        if cpu >= CpuSet::MAX_CPU {
            return Err(Failure::Usage(format!("there is no processor {cpu}")));
        }
        set.set(cpu);
        sched_setaffinity(None, &set)
            .map_err(Failure::system(format!("run on processor {cpu}")))?;
    }
    if is_paced {
        set_current_timer_slack(NonZeroU64::new(1)).map_err(Failure::system("set timer slack"))?;
    }
    Ok(())
}

/// The state of one stage.
struct EventLoop<'a, 'w> {
    worker: &'w mut Worker<'a>,
    workload: Workload<'w>,
    recorder: Recorder,
    pace: Option<Pace>,
    /// Open loop: connections whose pipeline has room, and for each whether it is among them.
    ready: VecDeque<usize>,
    is_ready: Vec<bool>,
    /// Open loop: connections with requests to write in this turn.
    unwritten: Vec<usize>,
    requests_left: u64,
    end_ns: u64,
    /// Open loop: whether what was due before the end has had its last chance.
    has_ended: bool,
    in_flight: u64,
    buffer: Vec<u8>,
    range_last: u64,
    cpu_begin_ns: u64,
    last_reply_ns: u64,
    sweep_ns: u64,
}

impl<'a, 'w> EventLoop<'a, 'w> {
    fn new(worker: &'w mut Worker<'a>, stage: Stage<'w>) -> Self {
        let plan = worker.plan;
        let commands = stage.mix.commands().len();
        let now_ns = worker.clock.now_ns();
        let recorder = match stage.intervals {
            Some((length_ns, sender)) => Recorder::new(commands, stage.begin_ns, length_ns, sender),
            None => Recorder::idle(commands),
        };
        let pace =
            stage.rate.map(|(rate, arrivals)| Pace::new(rate, arrivals, now_ns, worker.seed));
        let count = worker.connections.len();
        EventLoop {
            workload: Workload::new(plan, stage.mix, stage.order, worker.seed),
            recorder,
            ready: if pace.is_some() { (0..count).collect() } else { VecDeque::new() },
            is_ready: vec![pace.is_some(); count],
            pace,
            unwritten: Vec::with_capacity(count),
            requests_left: stage.requests,
            end_ns: stage.end_ns,
            has_ended: false,
            in_flight: 0,
            buffer: vec![0; BUFFER_LEN],
            range_last: plan.shape.range_last,
            cpu_begin_ns: thread_cpu_ns(),
            last_reply_ns: now_ns,
            sweep_ns: now_ns + SWEEP_NS,
            worker,
        }
    }

    fn run(mut self) -> Result<Ending, Failure> {
        let mut now_ns = self.worker.clock.now_ns();
        self.recorder.turn(now_ns);
        if self.pace.is_none() {
            for id in 0..self.worker.connections.len() {
                self.refill(id, now_ns)?;
            }
        }
        let mut events =
            vec![Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; EVENTS_MAX];
        loop {
            let boundary_ns = self.turn(now_ns)?;
            self.send_due(now_ns)?;
            if self.is_over() || self.worker.stop.load(Ordering::Relaxed) {
                break;
            }
            let ready = self.wait(&mut events, now_ns, boundary_ns)?;
            now_ns = self.worker.clock.now_ns();
            for event in &events[..ready] {
                let (id, flags) = (event.data.u64() as usize, event.flags);
                if flags.contains(EventFlags::OUT) {
                    self.write(id)?;
                }
                if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                    now_ns = self.receive(id)?.unwrap_or(now_ns);
                }
            }
        }
        self.recorder.finish();
        let unsent = self.pace.as_ref().map_or(0, |pace| match self.requests_left {
            0 => 0,
            left => pace.backlog(self.end_ns).min(left),
        });
        let cpu_ns = thread_cpu_ns().saturating_sub(self.cpu_begin_ns);
        Ok(Ending { last_reply_ns: self.last_reply_ns, cpu_ns, unsent })
    }

    /// Does what is due once in a while, and returns when the recorder wants to be called again.
    #[inline]
    fn turn(&mut self, now_ns: u64) -> Result<u64, Failure> {
        let was_counting = self.recorder.is_counting();
        let boundary_ns = self.recorder.turn(now_ns);
        if !was_counting && self.recorder.is_counting() {
            self.cpu_begin_ns = thread_cpu_ns();
        }
        if now_ns >= self.sweep_ns {
            self.sweep_ns = now_ns + SWEEP_NS;
            self.sweep(now_ns)?;
        }
        Ok(boundary_ns)
    }

    /// Fails if a connection was silent for too long, or cannot finish after the end.
    fn sweep(&self, now_ns: u64) -> Result<(), Failure> {
        let timeout_ns = self.worker.plan.timeout.as_nanos() as u64;
        let is_late = now_ns > self.end_ns.saturating_add(timeout_ns);
        let debtors = self.worker.connections.iter().filter(|c| !c.in_flight.is_empty());
        for connection in debtors {
            let silent_ns = now_ns.saturating_sub(connection.heard_ns);
            if silent_ns > timeout_ns || is_late {
                return Err(Failure::Silent {
                    target: connection.target.clone(),
                    seconds: self.worker.plan.timeout.as_secs_f64(),
                    in_flight: connection.in_flight.len(),
                });
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        let sends_no_more = self.pace.is_none() || self.has_ended || self.requests_left == 0;
        self.in_flight == 0 && sends_no_more
    }

    fn wait(&self, events: &mut [Event], now_ns: u64, boundary_ns: u64) -> Result<usize, Failure> {
        let mut until_ns = boundary_ns.min(self.sweep_ns);
        if now_ns < self.end_ns {
            until_ns = until_ns.min(self.end_ns);
        }
        let has_room = !self.ready.is_empty() && !self.has_ended;
        if let (Some(pace), true) = (&self.pace, has_room) {
            until_ns = until_ns.min(pace.next_ns());
        }
        let wait = Duration::from_nanos(until_ns.saturating_sub(now_ns));
        let timeout =
            Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() };
        match epoll::wait(&self.worker.epoll, events, Some(&timeout)) {
            Ok(ready) => Ok(ready),
            Err(rustix::io::Errno::INTR) => Ok(0),
            Err(errno) => Err(Failure::System { action: "use epoll".into(), error: errno.into() }),
        }
    }

    /// Closed loop: sends the connection's next batch, if there is one.
    #[inline]
    fn refill(&mut self, id: usize, now_ns: u64) -> Result<(), Failure> {
        if now_ns >= self.end_ns {
            return Ok(());
        }
        let batch = self.requests_left.min(self.worker.plan.pipeline as u64);
        for _ in 0..batch {
            if !self.encode(id, now_ns, now_ns)? {
                break;
            }
        }
        self.write(id)
    }

    /// Open loop: sends what is due by now, as far as pipelines have room.
    #[inline]
    fn send_due(&mut self, now_ns: u64) -> Result<(), Failure> {
        while let (Some(pace), false) = (&self.pace, self.has_ended) {
            let due_ns = pace.next_ns();
            if due_ns > now_ns || due_ns >= self.end_ns || self.requests_left == 0 {
                break;
            }
            let Some(id) = self.ready.pop_front() else { break };
            let was_written = self.worker.connections[id].outgoing.is_empty();
            self.encode(id, due_ns, now_ns)?;
            if let Some(pace) = &mut self.pace {
                pace.advance();
            }
            if was_written {
                self.unwritten.push(id);
            }
            self.is_ready[id] = false;
            self.make_ready(id);
        }
        self.has_ended = now_ns >= self.end_ns;
        while let Some(id) = self.unwritten.pop() {
            self.write(id)?;
        }
        Ok(())
    }

    /// Puts a connection in line for requests, if its pipeline has room.
    fn make_ready(&mut self, id: usize) {
        let has_room = self.worker.connections[id].in_flight.len() < self.worker.plan.pipeline;
        if self.pace.is_some() && has_room && !std::mem::replace(&mut self.is_ready[id], true) {
            self.ready.push_back(id);
        }
    }

    /// Encodes one request; `since_ns` is where its latency begins. Returns false at the end of a
    /// walk over the keys.
    #[inline]
    fn encode(&mut self, id: usize, since_ns: u64, now_ns: u64) -> Result<bool, Failure> {
        let connection = &mut self.worker.connections[id];
        let len_before = connection.outgoing.len();
        let encoded = self.workload.encode_next(
            &mut connection.outgoing,
            &mut connection.lane,
            &self.worker.layout,
        )?;
        let Some(command) = encoded else { return Ok(false) };
        if connection.in_flight.is_empty() {
            connection.heard_ns = now_ns;
        }
        connection.in_flight.push_back(Request { command, since_ns });
        if let Some(model) = &mut connection.model {
            let operation = self.workload.commands()[command].operation;
            model.expect(operation, self.workload.drawn(), self.range_last);
        }
        self.recorder.counts.bytes_sent += (connection.outgoing.len() - len_before) as u64;
        self.in_flight += 1;
        if self.recorder.is_counting() && self.requests_left != u64::MAX {
            self.requests_left -= 1;
        }
        Ok(true)
    }

    #[inline]
    fn write(&mut self, id: usize) -> Result<(), Failure> {
        let connection = &mut self.worker.connections[id];
        let is_written = connection.write()?;
        if connection.awaits_room == is_written {
            connection.awaits_room = !is_written;
            let flags = if is_written { EventFlags::IN } else { EventFlags::IN | EventFlags::OUT };
            epoll::modify(&self.worker.epoll, &*connection, EventData::new_u64(id as u64), flags)
                .map_err(Failure::system("watch a connection"))?;
        }
        Ok(())
    }

    /// Takes what came, and sends the next batch if that was all that was owed. Returns the time if
    /// anything came.
    #[inline]
    fn receive(&mut self, id: usize) -> Result<Option<u64>, Failure> {
        let connection = &mut self.worker.connections[id];
        let Some(len) = connection.read(&mut self.buffer)? else { return Ok(None) };
        let now_ns = self.worker.clock.now_ns();
        connection.heard_ns = now_ns;
        // Taken out for the call, so that the bytes and the loop can be borrowed together.
        let buffer = std::mem::take(&mut self.buffer);
        let result = self.take_replies(id, &buffer[..len], now_ns);
        self.buffer = buffer;
        result?;
        self.recorder.settle(now_ns);
        if self.pace.is_some() {
            self.make_ready(id);
        } else if self.worker.connections[id].in_flight.is_empty() {
            self.refill(id, now_ns)?;
        }
        Ok(Some(now_ns))
    }

    #[inline]
    fn take_replies(&mut self, id: usize, bytes: &[u8], now_ns: u64) -> Result<(), Failure> {
        let connection = &mut self.worker.connections[id];
        self.recorder.counts.bytes_received += bytes.len() as u64;
        let mut rest = bytes;
        loop {
            let step = connection.reader.advance(rest);
            let (consumed, reply) = step.map_err(|problem| connection.nonsense(problem))?;
            let (seen, unseen) = rest.split_at(consumed);
            rest = unseen;
            let Some(reply) = reply else {
                if connection.model.is_some() {
                    connection.collected.extend_from_slice(seen);
                }
                connection.keep(rest);
                return Ok(());
            };
            let Some(request) = connection.in_flight.pop_front() else {
                return Err(connection.nonsense("a reply to no request".to_string()));
            };
            self.in_flight -= 1;
            self.last_reply_ns = now_ns;
            let mut is_answer = true;
            if reply != Reply::Value {
                let judge = Judge {
                    plan: self.worker.plan,
                    workload: &self.workload,
                    layout: &mut self.worker.layout,
                    recorder: &mut self.recorder,
                };
                is_answer = judge.judge(connection, request, reply)?;
            }
            if is_answer {
                self.recorder.reply(request.command, request.since_ns, now_ns);
            }
            if is_answer && connection.model.is_some() {
                verify(connection, seen, self.worker.plan)?;
            }
            connection.collected.clear();
        }
    }
}

/// Compares a reply with the model; `end` is the part of it that came last.
fn verify(connection: &mut Connection, end: &[u8], plan: &Plan) -> Result<(), Failure> {
    let Some(model) = &mut connection.model else { return Ok(()) };
    if connection.collected.is_empty() {
        return model.verify(end, &plan.pool);
    }
    connection.collected.extend_from_slice(end);
    model.verify(&connection.collected, &plan.pool)
}

/// What is needed to decide about nulls and errors.
struct Judge<'j, 'w> {
    plan: &'j Plan,
    workload: &'j Workload<'w>,
    layout: &'j mut Layout,
    recorder: &'j mut Recorder,
}

impl Judge<'_, '_> {
    /// Counts a null or an error. Returns whether it answers the request; a redirection does not.
    fn judge(
        self,
        connection: &mut Connection,
        request: Request,
        reply: Reply,
    ) -> Result<bool, Failure> {
        let command = &self.workload.commands()[request.command];
        let Reply::Error(text) = reply else {
            self.recorder.counts.misses += u64::from(Plan::is_lookup(command.operation));
            return Ok(true);
        };
        if self.plan.cluster && self.layout.learn(text, connection.lane.node)? {
            self.recorder.counts.redirections += 1;
            if let Some(model) = &mut connection.model {
                model.redirected();
            }
            return Ok(false);
        }
        if !self.plan.tolerate_errors && connection.model.is_none() {
            return Err(Failure::ErrorReply {
                target: connection.target.clone(),
                request: command.name.to_ascii_uppercase(),
                text: String::from_utf8_lossy(text).into_owned(),
            });
        }
        self.recorder.counts.errors += 1;
        Ok(true)
    }
}

/// Returns the processor time that this thread has used.
fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
