//! Batches of commands on several cores, all at one instant.
//!
//! The commands may be shares of one command (an MSET whose keys lie on two cores) or a whole
//! pipeline of one connection, run in its order: what is atomic together is so each for itself. One
//! round of messages then serves many commands ("squashing" in Dragonfly's words).
//!
//! There are three ways. A transaction of this core and one other is *joint*: it goes from core to
//! core in the order of their numbers, claims on the first and runs on the last, which needs no
//! claim that outlives the work, and comes back to run on the first. Those that go the same way are
//! a convoy: they follow one another without waiting. Otherwise, or where others come before it
//! again and again, what only reads runs as each shard grants, in one hop; what writes takes a hop
//! to claim and one to run.
//!
//! Invariant: as in [`super::transaction`]; whoever goes away, all parts are run or none.

use super::shards::Shards;
use super::transaction::{self, Work};
use super::{gather, route};
use crate::base::probe::{Mutation, Witness, mutated};
use crate::command::spec::{Body, Run};
use crate::shard::locks::{Claim, Mode, TransactionId};
use crate::shard::message::{Batch, CoreId, Joint, Request, Response, Task};

/// Runs each batch on its core, all at one instant, and returns them answered in the same order.
/// `witness` knows the commands as the client sent them.
pub async fn run(
    shards: &Shards,
    mut parts: Vec<(CoreId, Box<Batch>)>,
    witness: Witness,
) -> Vec<Box<Batch>> {
    let is_joint = parts.len() == 2 && parts.iter().any(|(core, _)| *core == shards.me());
    if !is_joint || is_walk(&parts[0].1) || mutated(Mutation::RetryStepsByOne) {
        return run_many(shards, parts, &witness).await;
    }
    let swapped = parts[0].0 > parts[1].0;
    if swapped {
        parts.swap(0, 1);
    }
    let mut parts = parts.into_iter();
    let (Some(first), Some(last)) = (parts.next(), parts.next()) else {
        unreachable!("there are two")
    };
    let joint = join(shards, first, last, witness).await;
    let mut batches = if joint.refused.is_some() {
        run_many(shards, vec![(joint.id.core, joint.first), joint.last], &joint.witness).await
    } else {
        vec![joint.first, joint.last.1]
    };
    if swapped {
        batches.swap(0, 1);
    }
    batches
}

/// True for a command that goes through all keys and may drop its claims meanwhile (KEYS): no shard
/// is to hold one while another works.
fn is_walk(batch: &Batch) -> bool {
    matches!(batch.calls[0].command.run, Run::Every(Body::ReadsPortions(_), _))
}

/// Runs a joint transaction, or comes back with it refused too often; the first part's core has the
/// smaller number.
async fn join(
    shards: &Shards,
    (core, first): (CoreId, Box<Batch>),
    last: (CoreId, Box<Batch>),
    witness: Witness,
) -> Box<Joint> {
    let (id, asker) = (TransactionId { clock: 0, core }, shards.me());
    let joint = Joint { id, asker, first, last, witness, refused: None, refusals: 0 };
    match shards.ask(core, Request::Join(Box::new(joint))).await {
        Response::Joined(joint) => joint,
        _ => unreachable!("a joint transaction is answered by itself"),
    }
}

async fn run_many(
    shards: &Shards,
    parts: Vec<(CoreId, Box<Batch>)>,
    witness: &Witness,
) -> Vec<Box<Batch>> {
    let cores: Vec<CoreId> = parts.iter().map(|(core, _)| *core).collect();
    let writes = parts.iter().any(|(_, batch)| batch.writes());
    let (held, mut answers) = transaction::hold(shards, witness, &cores, |index| {
        let batch = &parts[index].1;
        let task = if writes { Task::Hold } else { Task::Run(batch.duplicate()) };
        (claim(batch), task)
    })
    .await;
    if writes {
        let work = parts.into_iter().map(|(core, batch)| (core, Work::Run(batch)));
        answers = held.finish(work.collect()).await;
    }
    answers.into_iter().map(gather::answered).collect()
}

/// What must be claimed for a batch on its shard.
pub(super) fn claim(batch: &Batch) -> Claim {
    let mut keys = Vec::with_capacity(batch.calls.len());
    for (index, call) in batch.calls.iter().enumerate() {
        let command = call.command;
        if route::is_on_every_key(command, &batch.args(index)) {
            return Claim::Shard(Mode::of(batch.writes()));
        }
        if call.is_share() {
            let access = command.spec.keys.first().map(|keys| keys.access());
            let mode = access.map_or(Mode::Exclusive, |access| route::mode(command, access));
            keys.extend(batch.share_hashes(call).iter().map(|hash| (*hash, mode)));
        } else {
            let args = batch.args(index);
            route::for_each_claimed(command, &args, |hash, mode| keys.push((hash, mode)));
        }
    }
    Claim::keys(keys)
}
