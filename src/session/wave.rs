//! Commands of one connection that are on their way to other cores, or wait for a claim on this
//! one, and the order of all replies since the first of them.
//!
//! Single commands travel as they are. As soon as one command of the wave has keys on several cores
//! the whole wave is one transaction: it claims all its keys at once and costs the messages of one
//! command.
//!
//! Invariant: nothing of a wave reaches the client before all of it is answered; then every reply
//! stands where its request stood. Commands on keys of one core run in the order of the requests.

use super::core::Core;
use crate::base::probe::Witness;
use crate::command::spec::{Command, Fold};
use crate::coordinate::fold::{self, Part};
use crate::coordinate::hop::Hop;
use crate::coordinate::route::{self, Placed};
use crate::coordinate::shards::Shards;
use crate::coordinate::{atomic, gather};
use crate::limits;
use crate::resp::args::Args;
use crate::resp::out::Out;
use crate::shard::message::{Batch, Conditions, CoreId, Request};

/// Where the next reply comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// From the local replies, up to this offset.
    Local { end: usize },
    /// From the next calls of this batch; a muted reply is dropped (CLIENT REPLY).
    Remote { batch: usize, calls: usize, muted: bool },
    /// From the next scattered command.
    Scattered { muted: bool },
}

/// A command whose shares lie in several batches.
struct Scattered {
    fold: Fold,
    statistics: u16,
    /// Where its batches end in [`Shares::batches`] and its keys in [`Shares::keys`].
    batches_end: u32,
    keys_end: u32,
}

/// The commands with shares, and what belongs to which.
#[derive(Default)]
struct Shares {
    commands: Vec<Scattered>,
    /// The batches that hold a share, command by command.
    batches: Vec<u16>,
    /// For each key, which of its command's batches has it.
    keys: Vec<u16>,
}

/// One batch per core, and the order of replies.
pub struct Wave {
    conditions: Conditions,
    /// Keys of scattered commands that the wave may hold; one command may have more.
    keys_max: usize,
    batches: Vec<(CoreId, Box<Batch>)>,
    order: Vec<Piece>,
    shares: Shares,
    witness: Witness,
    /// Replies of local commands behind the first remote one.
    pub local: Out,
}

impl Wave {
    /// An empty wave of a client with these conditions on one of `cores` cores. Where there are
    /// more than two, claims go out to all at once and may be refused, so that taking many keys
    /// together would not pay.
    pub fn new(conditions: Conditions, cores: usize) -> Wave {
        Wave {
            conditions,
            keys_max: if cores == 2 { limits::WAVE_KEYS } else { 1 },
            batches: Vec::new(),
            order: Vec::new(),
            shares: Shares::default(),
            witness: Witness::default(),
            local: Out::new(conditions.protocol),
        }
    }

    /// True if some command goes to `core`.
    pub fn concerns(&self, core: CoreId) -> bool {
        self.batches.iter().any(|(owner, _)| *owner == core)
    }

    /// True if a command with so many keys would make it a transaction that claims too much.
    pub fn is_full(&self, more: usize) -> bool {
        let keys = self.shares.keys.len();
        keys > 0 && keys + more > self.keys_max
    }

    /// Adds a command for `core`; `fresh` gives an empty batch.
    pub fn push(
        &mut self,
        core: CoreId,
        (command, id): (&'static Command, u16),
        args: &Args<'_>,
        (key_at, hash): (u8, u64),
        muted: bool,
        fresh: impl FnOnce(Conditions) -> Box<Batch>,
    ) {
        self.close_local();
        self.witness.note(args.from(0));
        let batch = self.batch(core, fresh);
        self.batches[batch].1.push(command, id, args, 0..args.len(), (key_at, hash));
        match self.order.last_mut() {
            Some(Piece::Remote { batch: last, calls, muted: was })
                if *last == batch && *was == muted =>
            {
                *calls += 1;
            }
            _ => self.order.push(Piece::Remote { batch, calls: 1, muted }),
        }
    }

    /// Adds a command whose keys lie on several cores.
    pub fn scatter(
        &mut self,
        (command, statistics): (&'static Command, u16),
        fold: Fold,
        args: &Args<'_>,
        keys: &[Placed],
        muted: bool,
        fresh: impl Fn(Conditions) -> Box<Batch>,
    ) {
        self.close_local();
        self.witness.note(args.from(0));
        let first = self.shares.batches.len();
        for &Placed { position, core, hash } in keys {
            let batch = self.batch(core, &fresh);
            let known = self.shares.batches[first..].iter().position(|b| usize::from(*b) == batch);
            let share = known.unwrap_or_else(|| {
                let step = route::key_step(command);
                self.batches[batch].1.begin_share(command, statistics, args, step);
                self.shares.batches.push(batch as u16);
                self.shares.batches.len() - 1 - first
            });
            self.batches[batch].1.add_key(args, position as usize, hash);
            self.shares.keys.push(share as u16);
        }
        let batches_end = self.shares.batches.len() as u32;
        let keys_end = self.shares.keys.len() as u32;
        self.shares.commands.push(Scattered { fold, statistics, batches_end, keys_end });
        self.order.push(Piece::Scattered { muted });
    }

    /// The number of the batch for `core`.
    fn batch(&mut self, core: CoreId, fresh: impl FnOnce(Conditions) -> Box<Batch>) -> usize {
        let known = self.batches.iter().position(|(owner, _)| *owner == core);
        known.unwrap_or_else(|| {
            self.batches.push((core, fresh(self.conditions)));
            self.batches.len() - 1
        })
    }

    /// Notes the local replies written since the last piece.
    fn close_local(&mut self) {
        let end = self.local.encoded().len();
        let start = self.order.iter().rev().find_map(|piece| match piece {
            Piece::Local { end } => Some(*end),
            Piece::Remote { .. } | Piece::Scattered { .. } => None,
        });
        if end > start.unwrap_or(0) {
            self.order.push(Piece::Local { end });
        }
    }

    /// Sends the batches and waits for all answers.
    pub async fn answer(mut self: Box<Self>, shards: &Shards) -> Answered {
        self.close_local();
        let Wave { batches, order, shares, witness, local, .. } = *self;
        let answered = if shares.commands.is_empty() {
            run_single(shards, batches).await
        } else {
            atomic::run(shards, batches, witness).await
        };
        Answered { batches: answered, order, shares, local }
    }
}

async fn run_single(shards: &Shards, batches: Vec<(CoreId, Box<Batch>)>) -> Vec<Box<Batch>> {
    let ask = |(core, batch)| shards.ask(core, Request::Run(batch));
    let hops: Vec<Hop<'_>> = batches.into_iter().map(ask).collect();
    let mut answered = Vec::with_capacity(hops.len());
    for hop in hops {
        answered.push(gather::answered(hop.await));
    }
    answered
}

/// A wave with all its replies.
#[expect(clippy::vec_box, reason = "each box is used again for another batch")]
pub struct Answered {
    pub batches: Vec<Box<Batch>>,
    order: Vec<Piece>,
    shares: Shares,
    local: Out,
}

impl Answered {
    /// Writes the replies in the order of the requests, and books the commands that had shares.
    pub fn write(&self, core: &Core, out: &mut Out) {
        let mut next = vec![0; self.batches.len()];
        let mut from = 0;
        let mut scattered = ScatteredReplies { answered: self, parts: Vec::new(), number: 0 };
        for piece in &self.order {
            match *piece {
                Piece::Local { end } => {
                    out.append_range(&self.local, from, end);
                    from = end;
                }
                Piece::Remote { batch, calls, muted } => {
                    let (first, last) = (next[batch], next[batch] + calls - 1);
                    next[batch] += calls;
                    let start = self.batches[batch].reply_range(first).0;
                    let end = self.batches[batch].reply_range(last).1;
                    if !muted {
                        out.append_range(&self.batches[batch].replies, start, end);
                    }
                }
                Piece::Scattered { muted } => scattered.write(core, &mut next, muted, out),
            }
        }
    }
}

/// Makes one reply of several, command by command.
struct ScatteredReplies<'a> {
    answered: &'a Answered,
    parts: Vec<Part<'a>>,
    number: usize,
}

impl ScatteredReplies<'_> {
    fn write(&mut self, core: &Core, next: &mut [usize], muted: bool, out: &mut Out) {
        let Answered { batches, shares, .. } = self.answered;
        let command = &shares.commands[self.number];
        let before = self.number.checked_sub(1).map(|before| &shares.commands[before]);
        let (first_batch, first_key) =
            before.map_or((0, 0), |before| (before.batches_end, before.keys_end));
        self.number += 1;
        self.parts.clear();
        let mut spent_ns = 0;
        for &batch in &shares.batches[first_batch as usize..command.batches_end as usize] {
            let (batch, call) = (&batches[usize::from(batch)], &mut next[usize::from(batch)]);
            let (start, end) = batch.reply_range(*call);
            *call += 1;
            spent_ns += batch.spent_ns_each();
            self.parts.push(Part { replies: &batch.replies, start, end });
        }
        let keys = &shares.keys[first_key as usize..command.keys_end as usize];
        let order = keys.iter().map(|share| usize::from(*share));
        let mark = out.mark();
        let result = fold::fold(command.fold, &self.parts, order, &core.shards, out);
        core.book(command.statistics, 1, spent_ns);
        if let Err(error) = result {
            out.rewind(mark);
            out.error(&error);
            core.count_failure(command.statistics, &error);
        }
        if muted {
            out.rewind(mark);
        }
    }
}
