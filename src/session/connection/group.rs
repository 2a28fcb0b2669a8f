//! Parsing ahead: the commands of a chunk in groups whose keys are fetched before the first of them
//! runs.
//!
//! Invariant: a group runs in its order. Where it stops, the rest of it is parsed again, so nothing
//! of a group outlives the chunk that it was parsed from.

use std::rc::Rc;

use bytes::Bytes;

use super::{Dispatched, NOBODY, Session, Step, UNKNOWN};
use crate::base::probe::took_effect;
use crate::coordinate::route;
use crate::limits;
use crate::resp::args::Args;
use crate::resp::parse::{Parsed as Outcome, Place, Span};
use crate::session::client::ReplyMode;
use crate::session::core::{Core, Parsed, Scratch};
use crate::session::table::Row;
use crate::session::wave::Wave;
use crate::shard::execute::{self, Ran};

impl Session {
    /// Runs the commands in `input`; returns how much of it is used and why it stopped.
    pub(super) fn run(&mut self, input: &[u8], budget: &mut usize) -> (usize, Step) {
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
            let (taken, here) = self.run_with_wave(&core, input, scratch, index, run);
            if taken > 0 {
                (index, count) = (index + taken, count + here);
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
            match execute::execute(&mut db, command, &args, &mut out) {
                Ok(Ran::ToTheEnd) => {}
                Ok(Ran::Postponed) => break,
                Err(error) => core.count_failure(id, &error),
            }
            took_effect(args.from(0));
            ran += 1;
            if db.waiters.has_ready() {
                break;
            }
        }
        drop((db, out));
        core.shards.serve_ready(None);
        self.client.last_command.set(entry.name);
        ran
    }

    /// The fast path of commands that travel, and of those behind them: those from `index` on that
    /// call row `id` and have one key join the wave, or run if the key is of this core. Returns how
    /// many it took, and how many of them ran.
    fn run_with_wave(
        &mut self,
        core: &Core,
        input: &[u8],
        scratch: &Scratch,
        index: usize,
        id: u16,
    ) -> (usize, u64) {
        let (me, conditions) = (core.me(), self.client.conditions());
        let owner = scratch.group[index].owner;
        if owner == NOBODY || (owner == me && self.wave.is_none()) || !self.is_unhindered() {
            return (0, 0);
        }
        let entry = &core.table.entries[id as usize];
        let Row::Data(command) = entry.row else { return (0, 0) };
        let wave =
            self.wave.get_or_insert_with(|| Box::new(Wave::new(conditions, core.identity.cores)));
        let runs_here = core.shards.is_idle() && !wave.concerns(me);
        let (mut taken, mut here) = (0, 0);
        for parsed in &scratch.group[index..] {
            let is_ours = parsed.owner == me;
            if parsed.id != id || parsed.owner == NOBODY || (is_ours && !runs_here) {
                break;
            }
            let spans = &scratch.spans[parsed.spans.0 as usize..parsed.spans.1 as usize];
            let args = Args::new(&input[parsed.start as usize..], spans, &self.external)
                .with_hash(command.single_key as usize, parsed.hash);
            if is_ours {
                let mut db = core.shards.db.borrow_mut();
                execute::enter(&mut db, conditions);
                match execute::execute(&mut db, command, &args, &mut wave.local) {
                    Ok(Ran::ToTheEnd) => {}
                    Ok(Ran::Postponed) => break,
                    Err(error) => core.count_failure(id, &error),
                }
                took_effect(args.from(0));
                drop(db);
                core.shards.serve_ready(None);
                here += 1;
            } else {
                let (key, fresh) = ((command.single_key, parsed.hash), |c| core.take_batch(c));
                wave.push(parsed.owner, (command, id), &args, key, false, fresh);
                self.traffic.sent(parsed.owner);
            }
            taken += 1;
        }
        self.client.last_command.set(entry.name);
        (taken, here)
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

    /// True if no gate, pause, redirection or reply mode stands between this client and its
    /// commands, and the wave takes more.
    fn is_unhindered(&self) -> bool {
        !self.wave.as_ref().is_some_and(|wave| wave.is_full(1))
            && self.client.authenticated.get()
            && self.client.reply.get() == ReplyMode::On
            && !self.client.through_core_port
            && !self.core.is_special()
    }
}
