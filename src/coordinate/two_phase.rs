//! Commands that look at keys on several cores and then change some of them: MSETNX, RENAME, COPY.
//!
//! Phase one comes with the claims: each core that owns a key collects as soon as it has granted,
//! and changes nothing, so an error ends the command without a trace. Phase two gives every one of
//! these cores all that was collected; each does its share and drops its claim. The reply that
//! counts comes from the owner of the first key.
//!
//! Where a value changes its key (RENAME, COPY), phase two is a handover: the owner of the first key
//! takes the value out and sends it straight to the owner of the second, which answers.
//!
//! Invariant: every core sees the same parcels, so all decide alike; what they saw still holds when
//! they decide, because it is claimed from before phase one to the end of phase two.

use std::sync::Arc;

use super::route;
use super::shards::Shards;
use super::transaction::{self, Work};
use crate::base::probe::Witness;
use crate::command::spec::{Parcel, Run};
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::shard::locks::{Claim, Mode};
use crate::shard::message::{Batch, CoreId, Phase, Response, Task};

/// Runs the one command of `whole` and writes its reply to `out`.
pub async fn run(shards: &Shards, whole: &Batch, out: &mut Out) -> Result<(), CmdError> {
    let owners = owners(shards, whole);
    let cores: Vec<CoreId> = owners.iter().map(|(core, _)| *core).collect();
    let mut witness = Witness::default();
    witness.note(whole.args(0).from(0));
    let (held, collected) = transaction::hold(shards, &witness, &cores, |index| {
        (Claim::keys(owners[index].1.clone()), Task::Collect(copy(whole)))
    })
    .await;
    let (mut phases, mut parcels) = (Vec::new(), Vec::new());
    for response in collected {
        let Response::Collected(phase, parcel) = response else {
            unreachable!("a collection is answered by one")
        };
        phases.push(phase);
        parcels.push(parcel?);
    }
    let parcels: Arc<Vec<Parcel>> = Arc::new(parcels);
    if let (Run::Handover { .. }, [giver, taker]) = (&whole.calls[0].command.run, &cores[..]) {
        let mut phase = phases.swap_remove(0);
        phase.parcels = parcels;
        return reply(held.hand_over(*giver, phase, *taker).await, out);
    }
    let commit = |(core, mut phase): (CoreId, Box<Phase>)| {
        phase.parcels = Arc::clone(&parcels);
        (core, Work::Commit(phase))
    };
    let answers = held.finish(cores.into_iter().zip(phases).map(commit).collect()).await;
    reply(answers.into_iter().next().expect("there are at least two owners"), out)
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

fn copy(whole: &Batch) -> Box<Phase> {
    let (call, args) = (&whole.calls[0], whole.args(0));
    let mut batch = Batch::new(whole.conditions);
    batch.push(call.command, call.statistics, &args, 0..args.len(), (0, 0));
    Box::new(Phase { batch, parcels: Arc::default() })
}
