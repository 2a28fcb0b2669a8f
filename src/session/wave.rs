//! Commands of one connection that are on their way to other cores, or wait for a claim on this
//! one, and the order of all replies since the first of them.
//!
//! Invariant: nothing of a wave reaches the client before all of it is answered; then every reply
//! stands where its request stood.

use crate::command::spec::Command;
use crate::coordinate::gather;
use crate::coordinate::hop::Hop;
use crate::coordinate::shards::Shards;
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
}

/// One batch per core, and the order of replies.
pub struct Wave {
    batches: Vec<(CoreId, Box<Batch>)>,
    order: Vec<Piece>,
    /// Replies of local commands behind the first remote one.
    pub local: Out,
}

impl Wave {
    /// An empty wave of a client with these conditions.
    pub fn new(conditions: Conditions) -> Wave {
        Wave { batches: Vec::new(), order: Vec::new(), local: Out::new(conditions.protocol) }
    }

    /// True if some command goes to `core`.
    pub fn concerns(&self, core: CoreId) -> bool {
        self.batches.iter().any(|(owner, _)| *owner == core)
    }

    /// Adds a command for `core`; `fresh` gives an empty batch.
    pub fn push(
        &mut self,
        core: CoreId,
        (command, id): (&'static Command, u16),
        args: &Args<'_>,
        (key_at, hash): (u8, u64),
        muted: bool,
        fresh: impl FnOnce() -> Box<Batch>,
    ) {
        self.close_local();
        let known = self.batches.iter().position(|(owner, _)| *owner == core);
        let batch = known.unwrap_or_else(|| {
            self.batches.push((core, fresh()));
            self.batches.len() - 1
        });
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

    /// Notes the local replies written since the last piece.
    fn close_local(&mut self) {
        let end = self.local.encoded().len();
        let start = self.order.iter().rev().find_map(|piece| match piece {
            Piece::Local { end } => Some(*end),
            Piece::Remote { .. } => None,
        });
        if end > start.unwrap_or(0) {
            self.order.push(Piece::Local { end });
        }
    }

    /// Sends the batches, waits for all answers and writes all replies to `out` through `deliver`.
    /// Returns the batches.
    pub async fn answer(mut self: Box<Self>, shards: &Shards) -> Answered {
        self.close_local();
        let batches = std::mem::take(&mut self.batches);
        let hops: Vec<Hop<'_>> = batches
            .into_iter()
            .map(|(core, batch)| shards.ask(core, Request::Run(batch)))
            .collect();
        let mut answered = Vec::with_capacity(hops.len());
        for hop in hops {
            answered.push(gather::answered(hop.await));
        }
        Answered { batches: answered, order: self.order, local: self.local }
    }
}

/// A wave with all its replies.
#[expect(clippy::vec_box, reason = "each box is used again for another batch")]
pub struct Answered {
    pub batches: Vec<Box<Batch>>,
    order: Vec<Piece>,
    local: Out,
}

impl Answered {
    /// Writes the replies in the order of the requests.
    pub fn write(&self, out: &mut Out) {
        let mut next = vec![0; self.batches.len()];
        let mut from = 0;
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
            }
        }
    }
}
