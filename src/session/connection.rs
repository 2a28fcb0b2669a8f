//! One connection: read, parse, dispatch, reply.
//!
//! A session takes what was received, parses a group of commands, brings their keys into the cache
//! and runs them. Commands for other cores are collected into a [`Wave`]: one batch per core, sent
//! when the input is used up; replies keep the order of the requests.
//!
//! Invariant: replies leave in request order, and commands of one connection run in request order
//! as far as anybody can tell: whatever needs several cores, or changes the state of the
//! connection, waits until the wave before it is answered.

use std::rc::Rc;

use bytes::Bytes;

use super::client::{Client, ReplyMode};
use super::core::{Core, Parsed, Scratch, add};
use super::gates;
use super::link::Link;
use super::table::{Entry, HostRun, LaterFuture, Row};
use super::traffic::Traffic;
use super::wave::Wave;
use super::{output, redirect, refusal};
use crate::base::probe::{Mutation, mutated, took_effect};
use crate::base::seams::Chunk;
use crate::command::spec::{Arity, Command, Group};
use crate::coordinate::gather;
use crate::coordinate::route::{self, Route};
use crate::limits;
use crate::resp::args::Args;
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::resp::parse::{BigBulk, Limits, Parsed as Outcome, Parser, Place, ProtocolError, Span};
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
    pub(super) link: Rc<Link>,
    pub(super) parser: Parser,
    /// The beginning of a command whose rest has not arrived.
    pub(super) carry: Vec<u8>,
    /// Large arguments of that command, received into buffers of their own.
    pub(super) external: Vec<Bytes>,
    /// True if `carry` may hold a whole command though nothing more has arrived: its large
    /// argument is complete.
    resumes: bool,
    pub(super) wave: Option<Box<Wave>>,
    pub(super) traffic: Traffic,
    /// The connection is on its way to another core, and no longer this session's.
    pub(super) moved: bool,
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
            Step::Receive(bulk) => {
                if !self.receive(bulk).await {
                    return false;
                }
            }
            Step::Paused => self.wait_paused().await,
            Step::Yield => yield_now(&self.core).await,
            Step::Read => {
                let went_away = self.wave.is_some();
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
            let stopped = self.run_group(input, end, scratch);
            if !scratch.group.is_empty() {
                self.external.clear();
            }
            *budget = budget.saturating_sub(scratch.group.len());
            if let Some((next, step)) = stopped {
                self.parser.reset();
                return (next.unwrap_or(end), step);
            }
            at = end;
            match outcome {
                Outcome::Incomplete => {
                    return match self.parser.big_bulk() {
                        Some(bulk) => (at, Step::Receive(bulk)),
                        None => (at, Step::Read),
                    };
                }
                Outcome::Error(error) => {
                    self.protocol_error(error);
                    return (input.len(), Step::Close);
                }
                Outcome::Command { .. } if *budget == 0 => return (at, Step::Yield),
                Outcome::Command { .. } => {}
            }
        }
    }

    /// Parses up to [`limits::GROUP`] commands from `at` on and starts to fetch their buckets.
    /// Returns where they end and the last outcome.
    fn parse_group(&mut self, input: &[u8], at: usize, scratch: &mut Scratch) -> (usize, Outcome) {
        scratch.group.clear();
        scratch.spans.clear();
        let core = Rc::clone(&self.core);
        let db = core.shards.db.borrow();
        let (mut at, database) = (at, self.client.database.get() as usize);
        // AUTH changes what the parser accepts, so it must have run before the next command is
        // read.
        let group_max = if self.client.authenticated.get() { limits::GROUP } else { 1 };
        loop {
            let first = scratch.spans.len();
            let outcome = self.parser.next(&input[at..], &mut scratch.one);
            let Outcome::Command { consumed } = outcome else { return (at, outcome) };
            self.keep_spans(scratch);
            let spans = (first as u32, scratch.spans.len() as u32);
            if spans.0 < spans.1 {
                let args = self.args(input, at, &scratch.spans[first..]);
                let parsed = self.classify(&core, &args, at as u32, spans);
                if parsed.owner == core.me() {
                    db.prefetch_bucket(database, parsed.hash);
                }
                scratch.group.push(parsed);
            }
            at += consumed;
            if scratch.group.len() == group_max || at == input.len() {
                if scratch.group.len() > 1 {
                    for parsed in scratch.group.iter().filter(|parsed| parsed.owner == core.me()) {
                        db.prefetch_entry(database, parsed.hash);
                    }
                }
                return (at, outcome);
            }
        }
    }

    /// Moves the spans of one command to those of the group; what the parser unescaped moves to a
    /// buffer of its own.
    #[inline]
    fn keep_spans(&mut self, scratch: &mut Scratch) {
        for span in &scratch.one {
            let kept = match span.place() {
                Place::Unescaped(range) => {
                    let bytes = Bytes::copy_from_slice(&self.parser.unescaped()[range]);
                    self.external.push(bytes);
                    Span::external(self.external.len() - 1, span.len())
                }
                Place::Input(_) | Place::External(_) => *span,
            };
            scratch.spans.push(kept);
        }
    }

    #[inline]
    fn args<'a>(&'a self, input: &'a [u8], start: usize, spans: &'a [Span]) -> Args<'a> {
        Args::new(&input[start..], spans, &self.external)
    }

    /// Looks the command up and, if it has exactly one key, finds the owner.
    #[inline]
    fn classify(&self, core: &Core, args: &Args<'_>, start: u32, spans: (u32, u32)) -> Parsed {
        let mut parsed = Parsed { start, spans, id: UNKNOWN, owner: NOBODY, hash: 0 };
        let Some(entry) = core.table.find(args.at(0)) else { return parsed };
        parsed.id = entry.id;
        if let Row::Data(command) = entry.row {
            let key_at = command.single_key as usize;
            if key_at != 0 && command.spec.arity.fits(args.len()) {
                let key = args.key(key_at);
                parsed.hash = key.hash;
                parsed.owner = route::owner(core.shards.layout, key);
            }
        }
        parsed
    }

    /// Runs a parsed group. On a stop: why, and where the input goes on (`None`: behind the group).
    fn run_group(
        &mut self,
        input: &[u8],
        end: usize,
        scratch: &Scratch,
    ) -> Option<(Option<usize>, Step)> {
        let core = Rc::clone(&self.core);
        let (mut run, mut count) = (UNKNOWN, 0);
        let mut index = 0;
        while index < scratch.group.len() {
            let parsed = &scratch.group[index];
            if parsed.id != run && count > 0 {
                core.attribute(run, std::mem::take(&mut count));
            }
            run = parsed.id;
            let ran = self.run_plain(&core, input, scratch, index, run);
            if ran > 0 {
                (index, count) = (index + ran, count + ran as u64);
                continue;
            }
            let (spans, start) = (parsed.spans, parsed.start as usize);
            let next = scratch.group.get(index + 1).map_or(end, |next| next.start as usize);
            self.client.query_bytes.set(next - start);
            let external = std::mem::take(&mut self.external);
            let spans = &scratch.spans[spans.0 as usize..spans.1 as usize];
            let args = Args::new(&input[start..], spans, &external);
            let outcome = self.dispatch(&core, parsed, &args);
            self.external = external;
            match outcome {
                Dispatched::Ran(id) if id == run => count += 1,
                Dispatched::Ran(id) => {
                    if count > 0 {
                        core.attribute(run, std::mem::take(&mut count));
                    }
                    core.attribute(id, 1);
                }
                Dispatched::Elsewhere | Dispatched::Stopped(_) => {}
            }
            if !matches!(outcome, Dispatched::Stopped(Step::Wave | Step::Paused)) {
                index += 1;
            }
            if !matches!(outcome, Dispatched::Stopped(Step::Later(..))) {
                self.client.query_bytes.set(0);
            }
            let step = match outcome {
                Dispatched::Stopped(step) => step,
                _ if self.closing => Step::Close,
                _ => continue,
            };
            self.book(&core, run, count, index);
            return Some((scratch.group.get(index).map(|next| next.start as usize), step));
        }
        self.book(&core, run, count, index);
        None
    }

    /// Books what a group ran last: `count` calls of the row `run`, and `all` commands of the
    /// client.
    fn book(&self, core: &Core, run: u16, count: u64, all: usize) {
        if count > 0 {
            core.attribute(run, count);
        }
        self.client.commands.set(self.client.commands.get() + all as u64);
    }

    /// The fast path: runs the commands from `index` on that call row `id`, have one key of this
    /// core, and need none of the gates. Returns how many it ran.
    #[inline]
    fn run_plain(
        &mut self,
        core: &Core,
        input: &[u8],
        scratch: &Scratch,
        index: usize,
        id: u16,
    ) -> usize {
        let me = core.me();
        if scratch.group[index].owner != me || !self.is_ordinary() {
            return 0;
        }
        let entry = &core.table.entries[id as usize];
        let Row::Data(command) = entry.row else { return 0 };
        let (mut db, mut out) = (core.shards.db.borrow_mut(), self.link.output());
        execute::enter(&mut db, self.client.conditions());
        let mut ran = 0;
        for parsed in &scratch.group[index..] {
            if parsed.id != id || parsed.owner != me {
                break;
            }
            let spans = &scratch.spans[parsed.spans.0 as usize..parsed.spans.1 as usize];
            let args = Args::new(&input[parsed.start as usize..], spans, &self.external)
                .with_hash(command.single_key as usize, parsed.hash);
            took_effect(args.from(0));
            if let Err(error) = execute::execute(&mut db, command, &args, &mut out) {
                core.count_failure(id, &error);
            }
            ran += 1;
        }
        self.client.last_command.set(entry.name);
        ran
    }

    /// True if no gate, pause, claim, reply mode or wave stands between this client and its
    /// commands.
    #[inline]
    fn is_ordinary(&self) -> bool {
        self.wave.is_none()
            && self.core.shards.is_idle()
            && self.client.authenticated.get()
            && self.client.reply.get() == ReplyMode::On
            && !self.core.is_special()
    }

    /// Runs one command on the general path, or says why the session has to stop for it. After
    /// [`Step::Wave`] and [`Step::Paused`] the command has not run and must be presented again.
    fn dispatch(&mut self, core: &Core, parsed: &Parsed, args: &Args<'_>) -> Dispatched {
        let entry = match self.admit(core, args) {
            Ok(entry) => entry,
            Err(_) if refusal::is_http(args) => {
                tracing::warn!(
                    client = self.client.id,
                    "closed: it speaks HTTP, perhaps for others"
                );
                return Dispatched::Stopped(Step::Close);
            }
            Err(error) => {
                self.reply(|out| out.error(&error));
                core.count_error(&error);
                return Dispatched::Elsewhere;
            }
        };
        if core.is_paused(entry) {
            let step = if self.wave.is_some() { Step::Wave } else { Step::Paused };
            return Dispatched::Stopped(step);
        }
        match entry.row {
            Row::Host(_) if self.wave.is_some() => Dispatched::Stopped(Step::Wave),
            Row::Data(command) => {
                if let Err(error) = redirect::pass(self, command, args) {
                    self.reply(|out| out.error(&error));
                    core.count_failure(entry.id, &error);
                    return Dispatched::Elsewhere;
                }
                let args = &args.with_hash(command.single_key as usize, parsed.hash);
                self.dispatch_data(core, entry, command, parsed, args)
            }
            Row::Host(command) => {
                self.client.last_command.set(entry.name);
                match command.run {
                    HostRun::Now(run) => {
                        self.run_host(entry, run, args);
                        Dispatched::Ran(entry.id)
                    }
                    HostRun::Later(run) => {
                        let whole = self.own(entry, args);
                        Dispatched::Stopped(Step::Later(run, entry.id, whole))
                    }
                }
            }
        }
    }

    fn dispatch_data(
        &mut self,
        core: &Core,
        entry: &'static Entry,
        command: &'static Command,
        parsed: &Parsed,
        args: &Args<'_>,
    ) -> Dispatched {
        let route = self.route(core, command, parsed, args);
        if matches!(route, Route::Many | Route::Every) && self.wave.is_some() {
            return Dispatched::Stopped(Step::Wave);
        }
        self.client.last_command.set(entry.name);
        match route {
            Route::One(owner) if owner != core.me() || self.must_wait(command, args) => {
                self.send_away(owner, entry, args, parsed.hash);
                Dispatched::Elsewhere
            }
            Route::Here | Route::One(_) => {
                self.run_here(core, entry, args);
                Dispatched::Ran(entry.id)
            }
            Route::Many | Route::Every => {
                Dispatched::Stopped(Step::Coordinate(entry.id, self.own(entry, args)))
            }
        }
    }

    /// Existence, arity and gates.
    fn admit(&self, core: &Core, args: &Args<'_>) -> Result<&'static Entry, CmdError> {
        let Some(entry) = core.table.resolve(args) else {
            return Err(refusal::unknown_command(args));
        };
        if !entry.subcommands.is_empty() && args.len() > 1 {
            return Err(refusal::unknown_subcommand(entry, args));
        }
        if !entry.row.spec().arity.fits(args.len()) {
            core.sessions.commands.borrow_mut()[entry.id as usize].rejected += 1;
            return Err(CmdError::WrongArity(entry.name.into()));
        }
        gates::pass(self, entry).inspect_err(|_| {
            core.sessions.commands.borrow_mut()[entry.id as usize].rejected += 1;
        })?;
        Ok(entry)
    }

    fn route(&self, core: &Core, command: &Command, parsed: &Parsed, args: &Args<'_>) -> Route {
        if parsed.owner != NOBODY {
            return Route::One(parsed.owner);
        }
        route::route(core.shards.layout, core.me(), command, args)
    }

    /// An own copy of a command, for what outlives the input.
    fn own(&self, entry: &'static Entry, args: &Args<'_>) -> Box<Batch> {
        let mut batch = self.core.take_batch(self.client.conditions());
        match entry.row {
            Row::Data(command) => batch.push(command, entry.id, args, 0..args.len(), (0, 0)),
            Row::Host(_) => batch.push(&NO_COMMAND, entry.id, args, 0..args.len(), (0, 0)),
        }
        batch
    }

    /// True if a command on this core's keys has to wait: for a granted claim, or for an earlier
    /// command of this connection that does.
    fn must_wait(&self, command: &Command, args: &Args<'_>) -> bool {
        let shards = &self.core.shards;
        self.wave.as_ref().is_some_and(|wave| wave.concerns(shards.me()))
            || (!shards.is_idle() && shards.is_held(command, args))
    }

    fn run_here(&mut self, core: &Core, entry: &Entry, args: &Args<'_>) {
        let Row::Data(command) = entry.row else { return };
        let conditions = self.client.conditions();
        took_effect(args.from(0));
        self.reply(|out| {
            let mut db = core.shards.db.borrow_mut();
            execute::enter(&mut db, conditions);
            if let Err(error) = execute::execute(&mut db, command, args, out) {
                core.count_failure(entry.id, &error);
            }
        });
    }

    fn send_away(&mut self, owner: CoreId, entry: &Entry, args: &Args<'_>, hash: u64) {
        let Row::Data(command) = entry.row else { return };
        let muted = self.mute();
        let (core, conditions) = (&self.core, self.client.conditions());
        let wave = self.wave.get_or_insert_with(|| Box::new(Wave::new(conditions)));
        let key = if hash == 0 { (0, 0) } else { (command.single_key, hash) };
        let fresh = || core.take_batch(conditions);
        wave.push(owner, (command, entry.id), args, key, muted, fresh);
        self.traffic.sent(owner);
    }

    fn run_host(
        &mut self,
        entry: &Entry,
        run: fn(&mut Session, &Args<'_>, &mut Out) -> Result<(), CmdError>,
        args: &Args<'_>,
    ) {
        let link = Rc::clone(&self.link);
        let mut out = link.output();
        let mark = out.mark();
        if let Err(error) = run(self, args, &mut out) {
            out.rewind(mark);
            out.error(&error);
            self.core.count_failure(entry.id, &error);
        }
        if self.mute() {
            out.rewind(mark);
        }
    }

    /// Writes a reply to where the next one belongs, unless the client wants none.
    fn reply(&mut self, write: impl FnOnce(&mut Out)) {
        let muted = self.mute();
        let link = Rc::clone(&self.link);
        let mut direct;
        let out = match &mut self.wave {
            Some(wave) => &mut wave.local,
            None => {
                direct = link.output();
                &mut *direct
            }
        };
        let mark = out.mark();
        write(out);
        if muted {
            out.rewind(mark);
        }
    }

    /// True if the reply to the running command is to be dropped; moves CLIENT REPLY SKIP on.
    fn mute(&self) -> bool {
        match self.client.reply.get() {
            ReplyMode::On => false,
            ReplyMode::Off => true,
            ReplyMode::SkipNext => {
                self.client.reply.set(ReplyMode::Skip);
                true
            }
            ReplyMode::Skip => {
                self.client.reply.set(ReplyMode::On);
                true
            }
        }
    }

    async fn finish_wave(&mut self) {
        let Some(wave) = self.wave.take() else { return };
        let answered = wave.answer(&self.core.shards).await;
        answered.write(&mut self.link.output());
        if mutated(Mutation::ReplyDoubled) {
            answered.write(&mut self.link.output());
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
        let arrived = self.carry.split_off(bulk.start.min(self.carry.len()));
        let total = bulk.len + LINE_END.len();
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
