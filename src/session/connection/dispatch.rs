//! One command on the general path: admitted, routed, and run here, sent to its owner, or left to
//! the session because it has to be waited for.
//!
//! Invariant: what a command answers at once goes to where its reply belongs, behind the replies of
//! the wave if there is one.

use std::rc::Rc;

use super::{Dispatched, NO_COMMAND, NOBODY, Session, Step};
use crate::base::probe::took_effect;
use crate::command::spec::{Command, Fold, Patience, Run};
use crate::coordinate::route::{self, Placed, Route};
use crate::resp::args::Args;
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::session::client::ReplyMode;
use crate::session::core::{Core, Parsed};
use crate::session::table::{Entry, HostRun, Row};
use crate::session::wave::Wave;
use crate::session::{gates, redirect, refusal};
use crate::shard::execute::{self, Ran};
use crate::shard::message::{Batch, CoreId};

impl Session {
    /// Runs one command on the general path, or says why the session has to stop for it. After
    /// [`Step::Wave`] and [`Step::Paused`] the command has not run and must be presented again.
    pub(super) fn dispatch(&mut self, core: &Core, parsed: &Parsed, args: &Args<'_>) -> Dispatched {
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
        if let Some(dispatched) = self.dispatch_blocking(core, entry, command, parsed, args) {
            return dispatched;
        }
        let mut keys = core.placed.take();
        let route = self.route(core, command, parsed, args, &mut keys);
        let scattered = match command.run {
            Run::Scatter(_, fold) if route == Route::Many => self.scatter(entry, fold, args, &keys),
            _ => None,
        };
        core.placed.set(keys);
        if let Some(dispatched) = scattered {
            return dispatched;
        }
        if matches!(route, Route::Many | Route::Every) && self.wave.is_some() {
            return Dispatched::Stopped(Step::Wave);
        }
        if self.wave.as_ref().is_some_and(|wave| wave.is_full(1)) {
            return Dispatched::Stopped(Step::Wave);
        }
        self.client.last_command.set(entry.name);
        match route {
            Route::One(owner) if owner != core.me() || self.must_wait(command, args) => {
                self.send_away(owner, entry, args, parsed.hash);
                Dispatched::Elsewhere
            }
            Route::Here if self.must_wait(command, args) => {
                self.send_away(core.me(), entry, args, parsed.hash);
                Dispatched::Elsewhere
            }
            Route::Here | Route::One(_) => match self.run_here(core, entry, args) {
                Ran::ToTheEnd => Dispatched::Ran(entry.id),
                Ran::Postponed => {
                    self.send_away(core.me(), entry, args, parsed.hash);
                    // Its reply is long; it goes out before there is another.
                    Dispatched::Stopped(Step::Yield)
                }
            },
            Route::Many | Route::Every => {
                Dispatched::Stopped(Step::Coordinate(entry.id, self.own(entry, args)))
            }
        }
    }

    /// A command that waits if there is nothing for it; none if it is told not to.
    fn dispatch_blocking(
        &mut self,
        core: &Core,
        entry: &'static Entry,
        command: &'static Command,
        parsed: &Parsed,
        args: &Args<'_>,
    ) -> Option<Dispatched> {
        let patience = match (command.blocking()?.patience)(args, core.now()) {
            Ok(Patience::None) => return None,
            Ok(patience) => patience,
            Err(error) => {
                self.reply(|out| out.error(&error));
                core.count_failure(entry.id, &error);
                return Some(Dispatched::Ran(entry.id));
            }
        };
        if self.wave.is_some() {
            return Some(Dispatched::Stopped(Step::Wave));
        }
        self.client.last_command.set(entry.name);
        if self.answer_at_once(core, entry, command, parsed, args) {
            return Some(Dispatched::Ran(entry.id));
        }
        Some(Dispatched::Stopped(Step::Block(entry.id, self.own(entry, args), patience)))
    }

    /// Answers a command that need not wait after all, because its keys are here, nobody was there
    /// before it, and there is something for it. Nothing has happened if it returns false.
    fn answer_at_once(
        &mut self,
        core: &Core,
        entry: &'static Entry,
        command: &'static Command,
        parsed: &Parsed,
        args: &Args<'_>,
    ) -> bool {
        let route = self.route(core, command, parsed, args, &mut Vec::new());
        let is_here = route == Route::Here || route == Route::One(core.me());
        let mut db = core.shards.db.borrow_mut();
        if !is_here || !core.shards.is_idle() || !db.waiters.is_empty() {
            return false;
        }
        execute::enter(&mut db, self.client.conditions());
        let (link, mut is_answered) = (Rc::clone(&self.link), true);
        let mut out = link.output();
        let mark = out.mark();
        match execute::attempt_call(&mut db, command, args, &mut out) {
            Ok(served) => is_answered = served,
            Err(error) => core.count_failure(entry.id, &error),
        }
        if is_answered && self.mute() {
            out.rewind(mark);
        }
        is_answered
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

    /// Where a command goes; `keys` becomes the keys of one that may be scattered.
    fn route(
        &self,
        core: &Core,
        command: &Command,
        parsed: &Parsed,
        args: &Args<'_>,
        keys: &mut Vec<Placed>,
    ) -> Route {
        if parsed.owner != NOBODY {
            return Route::One(parsed.owner);
        }
        let layout = core.shards.layout;
        if !matches!(command.run, Run::Scatter(..)) || layout.cores() == 1 {
            return route::route(layout, core.me(), command, args);
        }
        keys.clear();
        route::for_each_placed(layout, command, args, |key| keys.push(key));
        match keys.split_first() {
            None => Route::Here,
            Some((first, rest)) if rest.iter().all(|key| key.core == first.core) => {
                Route::One(first.core)
            }
            Some(_) => Route::Many,
        }
    }

    /// Adds a command with keys on several cores to the wave, which becomes a transaction.
    fn scatter(
        &mut self,
        entry: &'static Entry,
        fold: Fold,
        args: &Args<'_>,
        keys: &[Placed],
    ) -> Option<Dispatched> {
        let Row::Data(command) = entry.row else { return None };
        if self.wave.as_ref().is_some_and(|wave| wave.is_full(keys.len())) {
            return Some(Dispatched::Stopped(Step::Wave));
        }
        self.client.last_command.set(entry.name);
        let muted = self.mute();
        let (core, conditions) = (&self.core, self.client.conditions());
        let wave =
            self.wave.get_or_insert_with(|| Box::new(Wave::new(conditions, core.identity.cores)));
        let fresh = |conditions| core.take_batch(conditions);
        wave.scatter((command, entry.id), fold, args, keys, muted, fresh);
        Some(Dispatched::Elsewhere)
    }

    /// An own copy of a command, for what outlives the input.
    pub(super) fn own(&self, entry: &'static Entry, args: &Args<'_>) -> Box<Batch> {
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

    fn run_here(&mut self, core: &Core, entry: &Entry, args: &Args<'_>) -> Ran {
        let Row::Data(command) = entry.row else { return Ran::ToTheEnd };
        let (conditions, reply_mode) = (self.client.conditions(), self.client.reply.get());
        let mut ran = Ran::ToTheEnd;
        self.reply(|out| {
            let mut db = core.shards.db.borrow_mut();
            execute::enter(&mut db, conditions);
            match execute::execute(&mut db, command, args, out) {
                Ok(outcome) => ran = outcome,
                Err(error) => core.count_failure(entry.id, &error),
            }
        });
        if ran == Ran::Postponed {
            self.client.reply.set(reply_mode);
            return ran;
        }
        took_effect(args.from(0));
        core.shards.serve_ready(None);
        ran
    }

    fn send_away(&mut self, owner: CoreId, entry: &Entry, args: &Args<'_>, hash: u64) {
        let Row::Data(command) = entry.row else { return };
        let muted = self.mute();
        let (core, conditions) = (&self.core, self.client.conditions());
        let wave =
            self.wave.get_or_insert_with(|| Box::new(Wave::new(conditions, core.identity.cores)));
        let key = if hash == 0 { (0, 0) } else { (command.single_key, hash) };
        let fresh = |conditions| core.take_batch(conditions);
        wave.push(owner, (command, entry.id), args, key, muted, fresh);
        // A command of this core's own may travel too, behind others that wait for a claim.
        if owner != core.me() {
            self.traffic.sent(owner);
        }
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
    pub(super) fn reply(&mut self, write: impl FnOnce(&mut Out)) {
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
    pub(super) fn mute(&self) -> bool {
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
}
