//! Commands that look at keys on several cores and then change some of them: MSETNX, RENAME, COPY.
//!
//! Phase one comes with the claims: each core that owns a key collects as soon as it has granted,
//! and changes nothing, so an error ends the command without a trace. Phase two gives every one of
//! these cores all that was collected; each does its share and drops its claim. The reply that
//! counts comes from the owner of the first key.
//!
//! Where a value changes its key (RENAME, COPY), phase two is a handover: the owner of the first
//! key takes the value out and sends it straight to the owner of the second, which answers.
//!
//! A command that waits if there is nothing for it is parked in phase two, under the same claims.
//!
//! Invariant: every core sees the same parcels, so all decide alike; what they saw still holds when
//! they decide, because it is claimed from before phase one to the end of phase two.

use std::sync::Arc;

use super::route;
use super::shards::Shards;
use super::transaction::{self, Held, Work};
use crate::base::probe::Witness;
use crate::command::spec::{Parcel, Run};
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::shard::locks::{Claim, Mode, TransactionId};
use crate::shard::message::{Batch, CoreId, Phase, Response, Task, Waiter, WaiterId};

/// Runs the one command of `whole` and writes its reply to `out`.
pub async fn run(shards: &Shards, whole: &Batch, out: &mut Out) -> Result<(), CmdError> {
    let owners = owners(shards, whole);
    let witness = witness_of(whole);
    let id = shards.next_id();
    let (held, phases, parcels) = collect(shards, whole, &owners, id, (&witness, None)).await?;
    if let (Run::Handover { .. }, [giver, taker]) = (&whole.calls[0].command.run, &owners[..]) {
        let mut phase = phases.into_iter().next().expect("there are two");
        phase.parcels = parcels;
        return reply(held.hand_over(giver.0, phase, taker.0).await, out);
    }
    reply(commit(held, &owners, phases, parcels).await, out)
}

/// Runs the one command of `whole`, which waits under the name `id` if there is nothing for it:
/// then the owners of its keys park it, unless they have done so already. `claim` is held by the
/// core that made an offer. True if a reply is written to `out`.
pub async fn attempt(
    shards: &Shards,
    whole: &Batch,
    id: WaiterId,
    claim: Option<TransactionId>,
    out: &mut Out,
) -> Result<bool, CmdError> {
    let owners = owners(shards, whole);
    let first = claim.unwrap_or_else(|| shards.next_id());
    let (unseen, waiter) = (Witness::default(), Some(Waiter::new(id)));
    let (held, mut phases, parcels) =
        collect(shards, whole, &owners, first, (&unseen, waiter)).await?;
    let blocking = whole.calls[0].command.blocking().expect("only what can wait is attempted");
    let stands_back = phases.iter().any(|phase| phase.waiter.is_some_and(|it| it.stands_back));
    let waits = stands_back || !(blocking.serves)(&parcels);
    if !waits {
        witness_of(whole).took_effect();
    }
    phases.iter_mut().for_each(|phase| phase.waiter = Some(Waiter { id, waits, stands_back }));
    let answer = commit(held, &owners, phases, parcels).await;
    if !waits {
        reply(answer, out)?;
    }
    Ok(!waits)
}

fn witness_of(whole: &Batch) -> Witness {
    let mut witness = Witness::default();
    witness.note(whole.args(0).from(0));
    witness
}

type Collected<'s> = (Held<'s>, Vec<Box<Phase>>, Arc<Vec<Parcel>>);

/// Phase one, on all owners.
async fn collect<'s>(
    shards: &'s Shards,
    whole: &Batch,
    owners: &[Owner],
    id: TransactionId,
    (witness, waiter): (&Witness, Option<Waiter>),
) -> Result<Collected<'s>, CmdError> {
    let cores: Vec<CoreId> = owners.iter().map(|(core, _)| *core).collect();
    let (held, collected) = transaction::hold_from(shards, id, witness, &cores, |index| {
        (Claim::keys(owners[index].1.clone()), Task::Collect(copy(whole, waiter)))
    })
    .await;
    let (mut phases, mut parcels, mut failed) = (Vec::new(), Vec::new(), None);
    for response in collected {
        let Response::Collected(phase, parcel) = response else {
            unreachable!("a collection is answered by one")
        };
        phases.push(phase);
        match parcel {
            Ok(parcel) => parcels.push(parcel),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    if let Some(error) = failed {
        shards.bury(Arc::new(parcels));
        return Err(error);
    }
    Ok((held, phases, Arc::new(parcels)))
}

/// Phase two, on all owners; returns the answer of the first.
#[expect(clippy::vec_box, reason = "each box goes on to its core as it came")]
async fn commit(
    held: Held<'_>,
    owners: &[Owner],
    phases: Vec<Box<Phase>>,
    parcels: Arc<Vec<Parcel>>,
) -> Response {
    let work = |((core, _), mut phase): (&Owner, Box<Phase>)| {
        phase.parcels = Arc::clone(&parcels);
        (*core, Work::Commit(phase))
    };
    let work = owners.iter().zip(phases).map(work).collect();
    // The last shard that is done with them buries them.
    drop(parcels);
    let answers = held.finish(work).await;
    answers.into_iter().next().expect("there is at least one owner")
}

fn reply(answer: Response, out: &mut Out) -> Result<(), CmdError> {
    let Response::Committed(phase) = answer else { unreachable!("a commit is answered by one") };
    out.append(&phase.batch.replies);
    Ok(())
}

/// A core that owns keys, with how each is claimed.
type Owner = (CoreId, Vec<(u64, Mode)>);

/// The cores that own a key, the first key's owner first.
fn owners(shards: &Shards, whole: &Batch) -> Vec<Owner> {
    let (command, args) = (whole.calls[0].command, whole.args(0));
    let mut owners: Vec<Owner> = Vec::new();
    route::for_each_key(&command.spec, &args, |position| {
        let key = args.key(position.index);
        let core = route::owner(shards.layout, key);
        let known = owners.iter().position(|(owner, _)| *owner == core);
        let index = known.unwrap_or_else(|| {
            owners.push((core, Vec::new()));
            owners.len() - 1
        });
        owners[index].1.push((key.hash, route::mode(command, position.access)));
    });
    owners
}

fn copy(whole: &Batch, waiter: Option<Waiter>) -> Box<Phase> {
    let (call, args) = (&whole.calls[0], whole.args(0));
    let mut batch = Batch::new(whole.conditions);
    batch.push(call.command, call.statistics, &args, 0..args.len(), (0, 0));
    Box::new(Phase { batch, parcels: Arc::default(), waiter })
}
