//! One connection: read, parse, dispatch, reply.
//!
//! A session takes what was received, parses a group of commands, brings their keys into the cache
//! and runs them. Commands for other cores are collected into a [`Wave`]: one batch per core, sent
//! when the input is used up; replies keep the order of the requests.
//!
//! Invariant: replies leave in request order, and commands of one connection run in request order
//! as far as anybody can tell: whatever needs several cores, or changes the state of the connection,
//! waits until the wave before it is answered.

use std::rc::Rc;

use bytes::Bytes;

use super::client::{Client, ReplyMode};
use super::core::{Core, Parsed, Scratch, add};
use super::gates;
use super::link::Link;
use super::table::{Entry, HostRun, LaterFuture, Row};
use super::wave::Wave;
use crate::base::seams::Chunk;
use crate::coordinate::gather;
use crate::coordinate::route::{self, Route};
use crate::limits;
use crate::resp::args::Args;
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::resp::parse::{BigBulk, Limits, Parsed as Outcome, Parser, Span};
use crate::shard::execute;
use crate::shard::message::{Batch, CoreId};

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
    /// CLIENT PAUSE holds the next command back.
    Paused,
    /// Other connections' turn.
    Yield,
    Close,
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
    wave: Option<Box<Wave>>,
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
            wave: None,
            closing: false,
        };
        session.retune();
        session
    }

    /// Applies settings and permissions to the parser.
    pub fn retune(&mut self) {
        let config = self.core.config();
        let max = config.proto_max_bulk_len as usize;
        self.parser.set_limits(if self.client.authenticated.get() {
            Limits::authenticated(max)
        } else {
            Limits::unauthenticated(max)
        });
    }

    /// Serves the connection until it ends.
    pub async fn serve(mut self) {
        while self.turn().await {}
        self.core.remove_client(&self.client);
        self.link.close();
    }

    /// Works until there is nothing to do, then waits for what is missing. False at the end.
    async fn turn(&mut self) -> bool {
        self.client.last_active.set(self.core.now());
        let step = self.work();
        if self.closing || matches!(step, Step::Close) {
            self.finish_wave().await;
            return false;
        }
        match step {
            Step::Wave => self.finish_wave().await,
            Step::Coordinate(id, whole) => self.coordinate(id, whole).await,
            Step::Later(run, id, whole) => self.later(run, id, whole).await,
            Step::Receive(bulk) => {
                if !self.receive(bulk).await {
                    return false;
                }
            }
            Step::Paused => self.wait_paused().await,
            Step::Yield => yield_now().await,
            Step::Read => {
                self.finish_wave().await;
                self.link.flush();
                if !self.link.readable().await {
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
            let Some(mut chunk) = self.link.take_chunk() else { return Step::Read };
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
            if self.carry.len() > self.core.config_limits().query_buffer {
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

    /// Continues a command that began in an earlier chunk.
    fn run_carried(&mut self, chunk: Chunk, budget: &mut usize) -> Step {
        let mut input = std::mem::take(&mut self.carry);
        input.extend_from_slice(chunk.bytes());
        drop(chunk);
        let (consumed, step) = self.run(&input, budget);
        if consumed == input.len() {
            input.clear();
        } else {
            input.drain(..consumed);
        }
        if matches!(step, Step::Read | Step::Receive(_)) {
            self.carry = if input.is_empty() { Vec::new() } else { input };
        } else {
            self.link.return_chunk(Chunk::owned(input));
        }
        step
    }

    /// Runs the commands in `input`; returns how much of it is used and why it stopped.
    fn run(&mut self, input: &[u8], budget: &mut usize) -> (usize, Step) {
        let core = Rc::clone(&self.core);
        let mut scratch = std::mem::take(&mut *core.scratch.borrow_mut());
        let result = self.run_groups(input, budget, &mut scratch);
        *core.scratch.borrow_mut() = scratch;
        result
    }

    fn run_groups(
        &mut self,
        input: &[u8],
        budget: &mut usize,
        scratch: &mut Scratch,
    ) -> (usize, Step) {
        let mut at = 0;
        loop {
            let (end, outcome) = self.parse_group(input, at, scratch);
            let ran = self.run_group(input, scratch);
            self.external.drain(..self.external.len().min(scratch.external_used));
            *budget = budget.saturating_sub(scratch.group.len());
            if let Some((next, step)) = ran {
                self.parser.reset();
                return (next.unwrap_or(end), step);
            }
            at = end;
            match outcome {
                Some(Outcome::Incomplete) => {
                    return match self.parser.big_bulk() {
                        Some(bulk) => (at, Step::Receive(bulk)),
                        None => (at, Step::Read),
                    };
                }
                Some(Outcome::Error(error)) => {
                    self.protocol_error(&error.into());
                    return (input.len(), Step::Close);
                }
                _ if *budget == 0 => return (at, Step::Yield),
                _ => {}
            }
        }
    }
}

/// Lets every other task that is ready run first.
async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
