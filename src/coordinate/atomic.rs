//! Batches of commands on several cores, all at one instant.
//!
//! The commands may be shares of one command (an MSET whose keys lie on two cores) or a whole
//! pipeline of one connection, run in its order: what is atomic together is so each for itself. One
//! round of messages then serves many commands ("squashing" in Dragonfly's words).
//!
//! There are three ways. Where all is on this core and one other, the claims are held here first
//! and the other core is the last: it runs its part when it could grant, without a hop for the
//! grant, and this core runs its own when the answer comes. Otherwise, what only reads runs as
//! each shard grants, in one hop; what writes takes a hop to claim and one to run.
//!
//! Invariant: as in [`super::transaction`]; whoever goes away, all parts are run or none.

use super::shards::Shards;
use super::transaction::{self, Attempts, Held, Work};
use super::{gather, route};
use crate::base::probe::{Mutation, Witness, mutated};
use crate::command::spec::Run;
use crate::shard::locks::{Claim, Mode};
use crate::shard::message::{Batch, Conclusion, CoreId, Request, Response, Schedule, Task};

/// Runs each batch on its core, all at one instant, and returns them answered in the same order.
/// `witness` knows the commands as the client sent them.
#[expect(clippy::vec_box, reason = "each box is used again for another batch")]
pub async fn run(
    shards: &Shards,
    mut parts: Vec<(CoreId, Box<Batch>)>,
    witness: Witness,
) -> Vec<Box<Batch>> {
    match parts.iter().position(|(core, _)| *core == shards.me()) {
        Some(own) if parts.len() == 2 => {
            parts[own].1.witness = witness;
            let (other, own_part) = (parts.swap_remove(1 - own), parts.remove(0).1);
            let (own_part, other) = run_pair(shards, own_part, other).await;
            if own == 0 { vec![own_part, other] } else { vec![other, own_part] }
        }
        _ => run_many(shards, parts, &witness).await,
    }
}

/// Runs what is on this core and one other.
async fn run_pair(
    shards: &Shards,
    own: Box<Batch>,
    (core, other): (CoreId, Box<Batch>),
) -> (Box<Batch>, Box<Batch>) {
    let mut attempts = Attempts::new(shards);
    let mut pair = Box::new(Conclusion { id: attempts.id, own, other, refused: None });
    loop {
        let id = attempts.id;
        let schedule = Schedule { id, claim: claim(&pair.own), task: Task::Hold };
        let held = Held::new(shards, id, vec![shards.me()]);
        let own = shards.ask(shards.me(), Request::Schedule(Box::new(schedule))).await;
        if let Response::Refused(clock) = own {
            drop(held);
            shards.observe(clock);
        } else {
            if mutated(Mutation::OwnClaimDropped) {
                drop(held);
            } else {
                held.hand_over();
            }
            (pair.id, pair.refused) = (id, None);
            let concluded = shards.ask(core, Request::Conclude(pair)).await;
            let Response::Concluded(answered) = concluded else {
                unreachable!("a conclusion is answered by one")
            };
            match answered.refused {
                None => return (answered.own, answered.other),
                Some(clock) => shards.observe(clock),
            }
            pair = answered;
        }
        attempts.refused(shards);
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
        if let Run::Every(..) = command.run {
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
