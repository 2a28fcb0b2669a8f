//! One connection: read, parse, dispatch, reply.
//!
//! A session takes what was received, parses a group of commands, brings their keys into the cache
//! and runs them. Commands for other cores are collected into a [`Wave`]: one batch per core, sent
//! when the input is used up; replies keep the order of the requests.
//!
//! Invariant: replies leave in request order, and commands of one connection run in request order
//! as far as anybody can tell: whatever needs several cores and cannot be part of a wave, or
//! changes the state of the connection, waits until the wave before it is answered.

use std::rc::Rc;

use bytes::Bytes;

use super::client::Client;
use super::core::{Core, add};
use super::link::Link;
use super::output;
use super::table::LaterFuture;
use super::traffic::Traffic;
use super::wave::Wave;
use crate::base::probe::{Mutation, mutated};
use crate::base::seams::Chunk;
use crate::command::spec::{Arity, Command, Group, Patience};
use crate::coordinate::gather;
use crate::limits;
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::resp::parse::{BigBulk, Limits, Parser, ProtocolError};
use crate::shard::message::{Batch, CoreId};

mod blocked;
mod dispatch;
mod group;
mod moving;

/// The table's place of a command that does not exist.
const UNKNOWN: u16 = u16::MAX;
/// The owner of a command that has not exactly one key.
const NOBODY: CoreId = CoreId(u16::MAX);

/// Why a session stops working on its input.
enum Step {
    /// All of it is used.
    Read,
    /// A large argument is to be received into a buffer of its own.
    Receive(BigBulk),
    /// The wave must be answered before anything else.
    Wave,
    /// A command over several cores.
    Coordinate(u16, Box<Batch>),
    /// A host command that waits.
    Later(for<'a> fn(&'a mut Session, &'a Batch, &'a mut Out) -> LaterFuture<'a>, u16, Box<Batch>),
    /// A command that waits until there is something for it.
    Block(u16, Box<Batch>, Patience),
    /// CLIENT PAUSE holds the next command back.
    Paused,
    /// Other connections' turn.
    Yield,
    Close,
}

/// What became of a command, and so who books it.
enum Dispatched {
    /// It ran here, as the row with this id.
    Ran(u16),
    /// It was refused, or it runs on another core and is booked when its batch is back.
    Elsewhere,
    /// The session has to stop for it; a long command is booked at its end.
    Stopped(Step),
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// The connection is closed, or will be when its output is sent.
    ToTheEnd,
    /// Another core serves it from now on.
    Elsewhere,
}

/// The working state of one connection.
pub struct Session {
    pub core: Rc<Core>,
    pub client: Rc<Client>,
    link: Rc<Link>,
    parser: Parser,
    /// The beginning of a command whose rest has not arrived.
    carry: Vec<u8>,
    /// Large arguments of that command, received into buffers of their own.
    external: Vec<Bytes>,
    /// True if `carry` may hold a whole command though nothing more has arrived: its large
    /// argument is complete.
    resumes: bool,
    wave: Option<Box<Wave>>,
    traffic: Traffic,
    /// A command has waited on another core since the traffic was judged.
    waited_away: bool,
    /// The connection is on its way to another core, and no longer this session's.
    moved: bool,
    /// Version of the settings that the parser works by.
    tuned: u64,
    /// Set by a handler that wants the connection closed after its reply.
    pub closing: bool,
}

impl Session {
    /// A session for a fresh connection.
    pub fn new(core: Rc<Core>, client: Rc<Client>) -> Session {
        let link = Rc::clone(&client.link);
        let mut session = Session {
            core,
            client,
            link,
            parser: Parser::new(Limits::default()),
            carry: Vec::new(),
            external: Vec::new(),
            resumes: false,
            wave: None,
            traffic: Traffic::new(0, 0, 0),
            waited_away: false,
            moved: false,
            tuned: 0,
            closing: false,
        };
        session.retune();
        session
    }

    /// Applies settings and permissions to the parser.
    pub fn retune(&mut self) {
        let config = self.core.config();
        self.tuned = self.core.config_version();
        self.parser.set_limits(Limits {
            bulk_len_max: config.proto_max_bulk_len as usize,
            authenticated: self.client.authenticated.get(),
            ..Limits::default()
        });
    }

    /// Serves the connection until it ends here.
    pub async fn serve(mut self) -> Served {
        while self.turn().await {}
        if self.moved {
            return Served::Elsewhere;
        }
        self.core.remove_client(&self.client);
        self.link.close();
        Served::ToTheEnd
    }

    /// Works until there is nothing to do, then waits for what is missing. False at the end.
    async fn turn(&mut self) -> bool {
        if self.link.was_killed() {
            // Whoever killed it was told that it is gone: what it had sent before runs no more.
            return false;
        }
        self.client.last_active.set(self.core.now());
        if self.tuned != self.core.config_version() {
            self.retune();
        }
        let step = self.work();
        if self.closing || matches!(step, Step::Close) {
            self.finish_wave().await;
            return false;
        }
        match step {
            Step::Wave => self.finish_wave().await,
            Step::Coordinate(id, whole) => self.coordinate(id, whole).await,
            Step::Later(run, id, whole) => self.later(run, id, whole).await,
            Step::Block(id, whole, patience) => self.block(id, whole, patience).await,
            Step::Receive(bulk) => {
                if !self.receive(bulk).await {
                    return false;
                }
            }
            Step::Paused => self.wait_paused().await,
            Step::Yield => {
                self.finish_wave().await;
                yield_now(&self.core).await;
            }
            Step::Read => {
                let went_away = self.wave.is_some() | std::mem::take(&mut self.waited_away);
                self.finish_wave().await;
                self.link.flush();
                if !self.check_output().await
                    || (went_away && self.follow_traffic().await)
                    || !self.link.readable().await
                {
                    return false;
                }
            }
            Step::Close => unreachable!("handled above"),
        }
        self.link.flush();
        self.check_output().await && !self.closing
    }

    /// Consumes input up to the first thing that has to be waited for.
    fn work(&mut self) -> Step {
        let mut budget = limits::TURN_COMMANDS;
        loop {
            let chunk = if std::mem::take(&mut self.resumes) {
                Some(Chunk::owned(Vec::new()))
            } else {
                self.link.take_chunk()
            };
            let Some(mut chunk) = chunk else { return Step::Read };
            let step = if self.carry.is_empty() {
                let (consumed, step) = self.run(chunk.bytes(), &mut budget);
                chunk.consume(consumed);
                if matches!(step, Step::Read | Step::Receive(_)) {
                    self.carry.extend_from_slice(chunk.bytes());
                } else {
                    self.link.return_chunk(chunk);
                }
                step
            } else {
                self.run_carried(chunk, &mut budget)
            };
            if self.carry.len() > self.core.query_buffer_max() {
                add(&self.core.sessions.query_buffer_closed, 1);
                tracing::warn!(client = self.client.id, "closed: client-query-buffer-limit");
                self.link.kill();
                return Step::Close;
            }
            if !matches!(step, Step::Read) {
                return step;
            }
        }
    }

    /// Continues a command that began in an earlier chunk. Only the beginning of this one is copied
    /// if the command ends there; what is behind it runs where it lies.
    fn run_carried(&mut self, mut chunk: Chunk, budget: &mut usize) -> Step {
        let mut input = std::mem::take(&mut self.carry);
        let carried = input.len();
        let mut joined = chunk.len().min(JOINED_FIRST);
        input.extend_from_slice(&chunk.bytes()[..joined]);
        let (mut consumed, mut step) = self.run(&input, budget);
        if consumed == 0 && matches!(step, Step::Read) && joined < chunk.len() {
            input.extend_from_slice(&chunk.bytes()[joined..]);
            joined = chunk.len();
            (consumed, step) = self.run(&input, budget);
        }
        let keeps = match step {
            Step::Read => joined == chunk.len(),
            Step::Receive(_) => true,
            _ => false,
        };
        if consumed < carried {
            input.drain(..consumed);
            input.extend_from_slice(&chunk.bytes()[joined..]);
            if keeps {
                self.carry = input;
            } else {
                self.link.return_chunk(Chunk::owned(input));
            }
            return step;
        }
        chunk.consume(consumed - carried);
        if keeps {
            self.carry.extend_from_slice(chunk.bytes());
        } else {
            self.link.return_chunk(chunk);
        }
        step
    }

    async fn finish_wave(&mut self) {
        let Some(wave) = self.wave.take() else { return };
        let answered = wave.answer(&self.core.shards).await;
        answered.write(&self.core, &mut self.link.output());
        if mutated(Mutation::ReplyDoubled) {
            answered.write(&self.core, &mut self.link.output());
        }
        for batch in answered.batches {
            self.core.attribute_batch(&batch);
            self.core.return_batch(batch);
        }
    }

    async fn coordinate(&mut self, id: u16, whole: Box<Batch>) {
        let mut out = Out::new(self.client.protocol.get());
        let core = Rc::clone(&self.core);
        self.link.set_stalled(true);
        let result = gather::run(&core.shards, &whole, &mut out).await;
        self.finish_long(id, whole, result, out);
    }

    async fn later(
        &mut self,
        run: for<'a> fn(&'a mut Session, &'a Batch, &'a mut Out) -> LaterFuture<'a>,
        id: u16,
        whole: Box<Batch>,
    ) {
        let mut out = Out::new(self.client.protocol.get());
        self.link.set_stalled(true);
        let result = run(self, &whole, &mut out).await;
        self.finish_long(id, whole, result, out);
    }

    fn finish_long(
        &mut self,
        id: u16,
        whole: Box<Batch>,
        result: Result<(), CmdError>,
        mut out: Out,
    ) {
        self.link.set_stalled(false);
        self.client.query_bytes.set(0);
        if let Err(error) = result {
            out.clear();
            out.error(&error);
            self.core.count_failure(id, &error);
        }
        self.core.attribute(id, 1);
        self.core.return_batch(whole);
        if !self.mute() {
            self.link.output().append(&out);
        }
    }

    /// Receives a large argument into its own buffer. False if the connection ended.
    async fn receive(&mut self, bulk: BigBulk) -> bool {
        let mut arrived = self.carry.split_off(bulk.start.min(self.carry.len()));
        let total = bulk.len + LINE_END.len();
        if arrived.len() > total {
            self.link.return_chunk(Chunk::owned(arrived.split_off(total)));
        }
        let limit = self.core.query_buffer_max();
        let held: usize = self.external.iter().map(Bytes::len).sum();
        if self.carry.len() + held + bulk.len > limit {
            add(&self.core.sessions.query_buffer_closed, 1);
            self.link.kill();
            return false;
        }
        self.finish_wave().await;
        self.link.flush();
        let Some(mut value) = self.link.receive_big(arrived, total).await else { return false };
        value.truncate(bulk.len);
        self.external.push(Bytes::from(value));
        self.parser.big_bulk_done();
        self.resumes = true;
        true
    }

    async fn wait_paused(&mut self) {
        let core = Rc::clone(&self.core);
        self.link.flush();
        self.link.set_stalled(true);
        add(&core.sessions.blocked, 1);
        while let Some(pause) = core.pause.get() {
            core.timers.sleep_until(pause.until.min(core.now() + PAUSE_CHECK_MS)).await;
            if self.link.has_ended() {
                break;
            }
        }
        self.link.set_stalled(false);
        core.sessions.blocked.set(core.sessions.blocked.get() - 1);
    }

    fn protocol_error(&mut self, error: ProtocolError) {
        let text = error.message();
        let error = &CmdError::owned([b"ERR ", &text[..]].concat());
        add(&self.core.sessions.protocol_errors, 1);
        self.core.count_error(error);
        tracing::debug!(client = self.client.id, error = %error.text(), "protocol error");
        self.reply(|out| out.error(error));
    }

    /// Holds the client to its output limits. False if it is to be closed.
    async fn check_output(&mut self) -> bool {
        let pending = self.link.output_bytes();
        if pending <= limits::KEPT_BUFFER_MAX {
            return true;
        }
        if output::over_limit(&self.core, &self.client) {
            add(&self.core.sessions.output_buffer_closed, 1);
            tracing::warn!(client = self.client.id, pending, "closed: client-output-buffer-limit");
            self.link.kill();
            return false;
        }
        if pending > limits::OUTPUT_PAUSE {
            self.link.set_stalled(true);
            let drained = self.link.drained().await;
            self.link.set_stalled(false);
            return drained;
        }
        true
    }
}

/// How much of a chunk is joined at first to a command that began in an earlier one.
const JOINED_FIRST: usize = 1024;

/// How often a paused client looks whether the pause was ended early.
const PAUSE_CHECK_MS: i64 = 10;
const LINE_END: &[u8] = b"\r\n";

/// Stands for the row of a host command inside a batch, which only carries its arguments.
static NO_COMMAND: Command = crate::command::spec::cmd("HOST", Arity::AtLeast(1), Group::Server)
    .run(crate::command::spec::Run::Shard(crate::command::spec::Body::Reads(|_, _, _| Ok(()))));

/// Lets every other task that is ready run first.
async fn yield_now(core: &Core) {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        core.yielded.set(true);
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
