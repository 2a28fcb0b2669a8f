//! ZADD and ZINCRBY.
//!
//! Invariant: all scores are read before anything changes. Only INCR can still fail then, and it
//! has one member.

use super::{ZADD, ZINCR};
use crate::base::num;
use crate::resp::args::{Args, Key};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::Db;
use crate::store::sorted_set::SortedSet;

const NX_AND_XX: CmdError =
    CmdError::Text("ERR XX and NX options at the same time are not compatible");
const NX_GT_LT: CmdError =
    CmdError::Text("ERR GT, LT, and/or NX options at the same time are not compatible");
const ONE_INCREMENT: CmdError =
    CmdError::Text("ERR INCR option supports a single increment-element pair");
const NOT_A_NUMBER: CmdError = CmdError::Text("ERR resulting score is not a number (NaN)");

/// The options in front of ZADD's pairs.
#[derive(Default, Clone, Copy)]
struct Options {
    is_new_only: bool,
    is_existing_only: bool,
    is_greater_only: bool,
    is_less_only: bool,
    counts_changed: bool,
    increments: bool,
}

impl Options {
    /// Reads the options; returns them with the position of the first score.
    fn read(args: &Args<'_>) -> Result<(Options, usize), CmdError> {
        let mut options = Options::default();
        let mut words = args.reader(2);
        loop {
            if words.keyword("NX") {
                options.is_new_only = true;
            } else if words.keyword("XX") {
                options.is_existing_only = true;
            } else if words.keyword("GT") {
                options.is_greater_only = true;
            } else if words.keyword("LT") {
                options.is_less_only = true;
            } else if words.keyword("CH") {
                options.counts_changed = true;
            } else if words.keyword("INCR") {
                options.increments = true;
            } else {
                break;
            }
        }
        options.check(words.left())?;
        Ok((options, words.position()))
    }

    fn check(self, words_left: usize) -> Result<(), CmdError> {
        let conditions = [self.is_new_only, self.is_greater_only, self.is_less_only];
        if words_left == 0 || words_left % 2 == 1 {
            return Err(CmdError::Syntax);
        }
        if self.is_new_only && self.is_existing_only {
            return Err(NX_AND_XX);
        }
        if conditions.into_iter().filter(|is_set| *is_set).count() > 1 {
            return Err(NX_GT_LT);
        }
        if self.increments && words_left > 2 { Err(ONE_INCREMENT) } else { Ok(()) }
    }
}

/// What became of the pairs so far.
#[derive(Default)]
struct Tally {
    added: usize,
    updated: usize,
    /// The score that the last pair came to, unless its condition failed.
    score: Option<f64>,
}

impl Tally {
    /// Decides about one member, which has score `before` or is new.
    fn decide(
        &mut self,
        options: Options,
        score: f64,
        before: Option<f64>,
    ) -> Result<Option<f64>, CmdError> {
        self.score = None;
        let Some(before) = before else {
            if options.is_existing_only {
                return Ok(None);
            }
            self.added += 1;
            self.score = Some(score);
            return Ok(self.score);
        };
        if options.is_new_only {
            return Ok(None);
        }
        let score = if options.increments { before + score } else { score };
        if score.is_nan() {
            return Err(NOT_A_NUMBER);
        }
        if options.is_less_only && score >= before || options.is_greater_only && score <= before {
            return Ok(None);
        }
        self.score = Some(score);
        let is_changed = score != before;
        self.updated += usize::from(is_changed);
        Ok(is_changed.then_some(score))
    }
}

pub(super) fn zadd(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let (options, first) = Options::read(args)?;
    let tally = add(db, args, options, first)?;
    if options.increments {
        match tally.score {
            Some(score) => out.double(score),
            None => out.null(),
        }
    } else {
        let updated = if options.counts_changed { tally.updated } else { 0 };
        out.count(tally.added + updated);
    }
    Ok(())
}

pub(super) fn zincrby(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let options = Options { increments: true, ..Options::default() };
    let tally = add(db, args, options, 2)?;
    out.double(tally.score.expect("an unconditional increment has a result"));
    Ok(())
}

fn score_at(args: &Args<'_>, index: usize) -> Result<f64, CmdError> {
    num::parse_f64(args.at(index)).ok_or(CmdError::NotFloat)
}

/// Adds the pairs from position `first` on.
fn add(db: &mut Db, args: &Args<'_>, options: Options, first: usize) -> Result<Tally, CmdError> {
    let score = score_at(args, first)?;
    // The vector of a single pair allocates nothing.
    let more: Result<Vec<f64>, CmdError> =
        (first + 2..args.len()).step_by(2).map(|index| score_at(args, index)).collect();
    let scores = std::iter::once(score).chain(more?);
    let pairs = (first + 1..args.len()).step_by(2).map(|index| args.at(index)).zip(scores);
    let event = if options.increments { ZINCR } else { ZADD };
    put(db, args.key(1), options, event, pairs)
}

/// Adds members with their scores to the sorted set at `key`.
fn put<'a>(
    db: &mut Db,
    key: Key<'_>,
    options: Options,
    event: Event,
    pairs: impl Iterator<Item = (&'a [u8], f64)>,
) -> Result<Tally, CmdError> {
    let limits = db.tuning.encoding;
    let mut tally = Tally::default();
    let set = if options.is_existing_only {
        db.edit::<SortedSet>(key)?
    } else {
        Some(db.edit_or_create::<SortedSet>(key)?)
    };
    let Some(mut set) = set else { return Ok(tally) };
    for (member, score) in pairs {
        set.upsert(member, &limits, |before| tally.decide(options, score, before))?;
    }
    if tally.added + tally.updated > 0 {
        set.changed_elements(event, tally.added + tally.updated);
    }
    Ok(tally)
}

/// Which members GEOADD adds, and which it counts.
#[derive(Default, Clone, Copy)]
pub(in crate::command) struct Condition {
    pub is_new_only: bool,
    pub is_existing_only: bool,
    pub counts_changed: bool,
}

/// ZADD with scores that were computed: returns what it would answer.
pub(in crate::command) fn add_scored<'a>(
    db: &mut Db,
    args: &Args<'_>,
    condition: Condition,
    pairs: impl Iterator<Item = (&'a [u8], f64)>,
) -> Result<usize, CmdError> {
    let Condition { is_new_only, is_existing_only, counts_changed } = condition;
    let options = Options { is_new_only, is_existing_only, ..Options::default() };
    let tally = put(db, args.key(1), options, ZADD, pairs)?;
    Ok(tally.added + if counts_changed { tally.updated } else { 0 })
}
