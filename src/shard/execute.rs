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
        Run::Shard(Body::Reads(read))
        | Run::Scatter(Body::Reads(read), _)
        | Run::Every(Body::Reads(read), _)
        | Run::Cursor(_, Body::Reads(read)) => read(db, args, out),
        Run::Shard(Body::Writes(write))
        | Run::Scatter(Body::Writes(write), _)
        | Run::Every(Body::Writes(write), _)
        | Run::Cursor(_, Body::Writes(write)) => write(db, args, out),
        Run::TwoPhase { collect, commit } => {
            collect(db, args).and_then(|parcel| commit(db, args, &[parcel], out))
        }
        run => {
            let mut portion = Portion::at_once();
            let result = run_portion(db, run, args, &mut portion, out);
            if portion.is_unfinished() && result.is_ok() {
                out.rewind(mark);
                ran = Ran::Postponed;
            }
            result
        }
    };
    if let Err(error) = &result {
        out.rewind(mark);
        out.error(error);
    }
    db.settle();
    result.map(|()| ran)
}

/// Runs a portion of a command on the shard that holds all its keys.
#[inline]
fn run_portion(
    db: &mut Db,
    run: &Run,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    portion.begin(out);
    match run {
        Run::Shard(body)
        | Run::Scatter(body, _)
        | Run::Every(body, _)
        | Run::Cursor(_, body)
        | Run::Sort { body, .. }
        | Run::Blocking(Blocking { unwaiting: Some(body), .. }) => match body {
            Body::Reads(read) => read(db, args, out),
            Body::Writes(write) => write(db, args, out),
            Body::ReadsPortions(read) => read(db, args, portion, out),
            Body::WritesPortions(write) => write(db, args, portion, out),
        },
        Run::TwoPhase { collect, commit }
        | Run::Blocking(Blocking { look: collect, act: commit, .. }) => {
            collect(db, args).and_then(|parcel| commit(db, args, &[parcel], out))
        }
        Run::LongPhases { collect, commit } => {
            let parcel = collect(db, args, portion)?;
            debug_assert!(!portion.is_unfinished(), "there is nothing to collect for others");
            commit(db, args, &[parcel], portion, out)
        }
        Run::Handover { look, give, take } => {
            let parcels = [look(db, args)?];
            let gift = give(db, args, &parcels, portion);
            if portion.is_unfinished() {
                return Ok(());
            }
            take(db, args, &parcels, gift, out)
        }
    }
}

/// Runs one portion of the call of `batch` that is to run next, and writes its part of the reply to
/// `out`. False if that is an error, which must be the whole reply.
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
    let is_first = portion.is_first();
    let result =
        looking_once(db, is_first, |db| run_portion(db, &call.command.run, &args, portion, out));
    let is_well = result.is_ok();
    if let Err(error) = result {
        out.clear();
        out.error(&error);
        outcome.failed.push((call.statistics, error));
    }
    is_well
}

/// Does one portion of a command, which has found its keys once, however often it looks.
fn looking_once<T>(db: &mut Db, is_first: bool, act: impl FnOnce(&mut Db) -> T) -> T {
    let lookups = (db.counters.hits.get(), db.counters.misses.get());
    if !is_first {
        db.set_touching(false);
    }
    let result = act(db);
    if !is_first {
        db.counters.hits.set(lookups.0);
        db.counters.misses.set(lookups.1);
    }
    db.settle();
    result
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

/// Does a portion of phase one of a command of several phases.
pub fn collect(db: &mut Db, batch: &Batch, portion: &mut Portion) -> Result<Parcel, CmdError> {
    enter(db, batch.conditions);
    let args = batch.args(0);
    let parcel = looking_once(db, portion.is_first(), |db| match batch.calls[0].command.run {
        Run::TwoPhase { collect, .. }
        | Run::Handover { look: collect, .. }
        | Run::Blocking(Blocking { look: collect, .. }) => collect(db, &args),
        Run::LongPhases { collect, .. } => collect(db, &args, portion),
        _ => unreachable!("only commands of several phases are sent to be collected"),
    });
    assert!(parcel.is_ok() || portion.is_first(), "a command fails in its first portion or not");
    parcel
}

/// Does a portion of phase two of a two-phase command, and writes its part of the reply to `out`.
pub fn commit(
    db: &mut Db,
    batch: &mut Batch,
    parcels: &[Parcel],
    portion: &mut Portion,
    out: &mut Out,
) {
    enter(db, batch.conditions);
    portion.begin(out);
    let args = batch.args(0);
    let is_first = portion.is_first();
    let result = looking_once(db, is_first, |db| match batch.calls[0].command.run {
        Run::TwoPhase { commit, .. } | Run::Blocking(Blocking { act: commit, .. }) => {
            commit(db, &args, parcels, out)
        }
        Run::LongPhases { commit, .. } => commit(db, &args, parcels, portion, out),
        _ => unreachable!("only two-phase commands are sent to be committed"),
    });
    if let Err(error) = result {
        assert!(is_first, "a command fails in its first portion or not at all");
        out.clear();
        out.error(&error);
    }
}

/// Does a portion of the first half of a handover.
pub fn give(
    db: &mut Db,
    batch: &Batch,
    parcels: &[Parcel],
    portion: &mut Portion,
) -> Option<Carried> {
    enter(db, batch.conditions);
    let Run::Handover { give, .. } = batch.calls[0].command.run else {
        unreachable!("only a handover is sent to give")
    };
    let args = batch.args(0);
    looking_once(db, portion.is_first(), |db| give(db, &args, parcels, portion))
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
    if let Err(error) = take(db, &args, parcels, gift, replies) {
        replies.clear();
        replies.error(&error);
    }
    db.settle();
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
