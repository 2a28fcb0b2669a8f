//! The one place where a command meets a keyspace.
//!
//! Invariant: a command runs to its end before the next begins; its reply is whole, or taken back
//! and replaced by one error. Nothing in this layer suspends.

use super::message::{Batch, Conditions, Outcome};
use crate::base::probe::took_effect;
use crate::command::portion::Portion;
use crate::command::spec::{Blocking, Body, Command, Parcel, Run};
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::carried::Carried;
use crate::store::db::Db;

/// How many commands ahead of the one that runs the buckets are fetched; entries half as many.
const LOOK_AHEAD: usize = 8;

/// Whether a command has run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    ToTheEnd,
    /// It has not: there is too much to do at once. It is as if it had not begun.
    Postponed,
}

/// Runs `command` on the shard that holds its keys and writes its reply to `out`. On an error, what
/// was written is taken back, the error written, and also returned so that it can be counted.
#[inline]
pub fn execute(
    db: &mut Db,
    command: &Command,
    args: &Args<'_>,
    out: &mut Out,
) -> Result<Ran, CmdError> {
    let mark = out.mark();
    let mut ran = Ran::ToTheEnd;
    let result = match &command.run {
        Run::Shard(body)
        | Run::Scatter(body, _)
        | Run::Every(body, _)
        | Run::Cursor(_, body)
        | Run::Sort { body, .. } => match body {
            Body::Reads(read) => read(db, args, out),
            Body::Writes(write) => write(db, args, out),
            Body::ReadsPortions(_) | Body::WritesPortions(_) => {
                let mut portion = Portion::at_once();
                let result = run_portion(db, body, args, &mut portion, out);
                if portion.is_unfinished() && result.is_ok() {
                    out.rewind(mark);
                    ran = Ran::Postponed;
                }
                result
            }
        },
        Run::TwoPhase { collect, commit }
        | Run::Blocking(Blocking { look: collect, act: commit, .. }) => {
            collect(db, args).and_then(|parcel| commit(db, args, &[parcel], out))
        }
        Run::Handover { look, give, take } => look(db, args).and_then(|parcel| {
            let parcels = [parcel];
            let gift = give(db, args, &parcels);
            take(db, args, &parcels, gift, out)
        }),
    };
    if let Err(error) = &result {
        out.rewind(mark);
        out.error(error);
    }
    db.settle();
    result.map(|()| ran)
}

#[inline]
fn run_portion(
    db: &mut Db,
    body: &Body,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    portion.begin(out);
    match body {
        Body::ReadsPortions(read) => read(db, args, portion, out),
        Body::WritesPortions(write) => write(db, args, portion, out),
        Body::Reads(_) | Body::Writes(_) => unreachable!("such a command runs at once"),
    }
}

/// Runs one portion of the call of `batch` that is to run next, and writes its part of the reply to
/// `out`. True if it was the last.
pub fn run_next_portion(
    db: &mut Db,
    batch: &mut Batch,
    portion: &mut Portion,
    out: &mut Out,
) -> bool {
    enter(db, batch.conditions);
    let first = batch.ran();
    let (mut calls, outcome) = batch.parts((first, first + 1));
    let Some((call, args)) = calls.next() else { return true };
    let (Run::Shard(body) | Run::Every(body, _)) = &call.command.run else {
        unreachable!("no other command is postponed")
    };
    // The command has found its key once, however often it looks.
    let lookups = (db.counters.hits.get(), db.counters.misses.get());
    if !portion.is_first() {
        db.set_touching(false);
    }
    let result = run_portion(db, body, &args, portion, out);
    if !portion.is_first() {
        db.counters.hits.set(lookups.0);
        db.counters.misses.set(lookups.1);
    }
    db.settle();
    if let Err(error) = result {
        assert!(portion.is_first(), "a command fails before its second portion or not at all");
        out.clear();
        out.error(&error);
        outcome.failed.push((call.statistics, error));
        return true;
    }
    let is_last = !portion.is_unfinished();
    portion.advance();
    is_last
}

/// Makes the keyspace see a client as its commands will.
#[inline]
pub fn enter(db: &mut Db, conditions: Conditions) {
    db.select(conditions.database as usize);
    db.set_touching(conditions.touching);
}

/// Runs the calls of a batch that have not run yet, up to the call `end`; replies into the batch.
/// Stops before that where somebody waits for what a call has changed: he comes first; and in front
/// of a call that is postponed, which the answer says.
pub fn run_batch(db: &mut Db, batch: &mut Batch, end: usize) -> Ran {
    enter(db, batch.conditions);
    let database = batch.conditions.database as usize;
    let first = batch.ran();
    if end - first > 2 {
        let ahead = (end - first).min(LOOK_AHEAD * 4);
        batch.hashes(first).take(ahead).for_each(|hash| db.prefetch_bucket(database, hash));
        batch.hashes(first).take(ahead).for_each(|hash| db.prefetch_entry(database, hash));
    }
    let (calls, outcome) = batch.parts((first, end));
    for (call, args) in calls {
        let result = execute(db, call.command, &args, outcome.replies);
        match result {
            Ok(Ran::ToTheEnd) => {}
            Ok(Ran::Postponed) => return Ran::Postponed,
            // An error of a share is the whole command's, and counted where the shares meet.
            Err(error) if !call.is_share() => outcome.failed.push((call.statistics, error)),
            Err(_) => {}
        }
        outcome.ends.push(outcome.replies.encoded().len() as u32);
        if db.waiters.has_ready() {
            break;
        }
    }
    Ran::ToTheEnd
}

/// Phase one of a two-phase command or a handover.
pub fn collect(db: &mut Db, batch: &Batch) -> Result<Parcel, CmdError> {
    enter(db, batch.conditions);
    let (Run::TwoPhase { collect, .. }
    | Run::Handover { look: collect, .. }
    | Run::Blocking(Blocking { look: collect, .. })) = batch.calls[0].command.run
    else {
        unreachable!("only commands of several phases are sent to be collected")
    };
    let parcel = collect(db, &batch.args(0));
    db.settle();
    parcel
}

/// Phase two of a two-phase command; the reply goes into the batch.
pub fn commit(db: &mut Db, batch: &mut Batch, parcels: &[Parcel]) {
    enter(db, batch.conditions);
    let end = batch.calls.len();
    let (mut calls, Outcome { replies, .. }) = batch.parts((0, end));
    let Some((call, args)) = calls.next() else { return };
    let (Run::TwoPhase { commit, .. } | Run::Blocking(Blocking { act: commit, .. })) =
        call.command.run
    else {
        unreachable!("only two-phase commands are sent to be committed")
    };
    let result = commit(db, &args, parcels, replies);
    conclude(db, result, replies);
}

/// The first half of a handover.
pub fn give(db: &mut Db, batch: &Batch, parcels: &[Parcel]) -> Option<Carried> {
    enter(db, batch.conditions);
    let Run::Handover { give, .. } = batch.calls[0].command.run else {
        unreachable!("only a handover is sent to give")
    };
    let gift = give(db, &batch.args(0), parcels);
    db.settle();
    gift
}

/// The second half of a handover; the reply goes into the batch.
pub fn take(db: &mut Db, batch: &mut Batch, parcels: &[Parcel], gift: Option<Carried>) {
    enter(db, batch.conditions);
    let end = batch.calls.len();
    let (mut calls, Outcome { replies, .. }) = batch.parts((0, end));
    let Some((call, args)) = calls.next() else { return };
    let Run::Handover { take, .. } = call.command.run else {
        unreachable!("only a handover is sent to take")
    };
    let result = take(db, &args, parcels, gift, replies);
    conclude(db, result, replies);
}

/// Tries the one command of `batch`, which waits if there is nothing for it, with those of its keys
/// that this shard owns. True if it is answered, with what it waited for or with an error.
pub fn attempt(db: &mut Db, batch: &mut Batch) -> bool {
    enter(db, batch.conditions);
    let end = batch.calls.len();
    let (mut calls, Outcome { replies, ends, failed }) = batch.parts((0, end));
    let Some((call, args)) = calls.next() else { return false };
    let is_answered = match attempt_call(db, call.command, &args, replies) {
        Ok(served) => served,
        Err(error) => {
            failed.push((call.statistics, error));
            true
        }
    };
    if is_answered {
        ends.push(replies.encoded().len() as u32);
    }
    is_answered
}

/// Tries a command that waits if there is nothing for it. Its reply, also if it is the error that
/// is returned, goes to `out`; none does if it has to wait, which is false.
pub fn attempt_call(
    db: &mut Db,
    command: &Command,
    args: &Args<'_>,
    out: &mut Out,
) -> Result<bool, CmdError> {
    let Run::Blocking(Blocking { look, serves, act, .. }) = command.run else {
        unreachable!("only commands that can wait are attempted")
    };
    let (mark, start) = (out.mark(), out.encoded().len());
    let result = look(db, args).and_then(|parcel| {
        let parcels = [parcel];
        if !serves(&parcels) {
            return Ok(false);
        }
        act(db, args, &parcels, out).map(|()| true)
    });
    db.settle();
    if let Err(error) = &result {
        out.rewind(mark);
        out.error(error);
    }
    if cfg!(test) && !matches!(result, Ok(false)) {
        let reply = [b"=", &out.encoded()[start..]].concat();
        took_effect(args.from(0).chain(std::iter::once(&reply[..])));
    }
    result
}

/// Ends a command that ran alone in its batch.
fn conclude(db: &mut Db, result: CmdResult, replies: &mut Out) {
    if let Err(error) = result {
        replies.clear();
        replies.error(&error);
    }
    db.settle();
}
