//! Commands that look at keys on several cores and then change some of them: RENAME, COPY, MSETNX.
//!
//! Phase one collects from every core that owns a key and changes nothing, so an error ends the
//! command without a trace. Phase two gives every one of these cores all that was collected; each
//! does its share. The reply that counts comes from the owner of the first key.
//!
//! Invariant: every core sees the same parcels, so all decide alike.

use std::sync::Arc;

use super::gather::Shards;
use super::hop::Hop;
use super::route;
use crate::command::spec::Parcel;
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::shard::execute;
use crate::shard::message::{Batch, CoreId, Phase, Request, Response};

/// Runs the one command of `whole` and writes its reply to `out`.
pub async fn run(shards: &Shards, whole: &Batch, out: &mut Out) -> Result<(), CmdError> {
    let owners = owners(shards, whole);
    let (phases, parcels) = collect(shards, whole, &owners).await?;
    let parcels = Arc::new(parcels);
    let committed = commit(shards, &owners, phases, &parcels).await;
    out.append(&committed[0].batch.replies);
    Ok(())
}

/// The cores that own a key, the first key's owner first.
fn owners(shards: &Shards, whole: &Batch) -> Vec<CoreId> {
    let (command, args) = (whole.calls[0].command, whole.args(0));
    let mut owners = Vec::new();
    route::for_each_key(&command.spec, &args, |position| {
        let core = route::owner(shards.layout, args.key(position.index));
        if !owners.contains(&core) {
            owners.push(core);
        }
    });
    owners
}

fn copy(whole: &Batch) -> Box<Phase> {
    let (call, args) = (&whole.calls[0], whole.args(0));
    let mut batch = Batch::new(whole.conditions);
    batch.push(call.command, call.statistics, &args, 0..args.len(), (0, 0));
    Box::new(Phase { batch, parcels: Arc::default() })
}

async fn collect(
    shards: &Shards,
    whole: &Batch,
    owners: &[CoreId],
) -> Result<(Vec<Box<Phase>>, Vec<Parcel>), CmdError> {
    let ask = |core: &CoreId| {
        (*core != shards.me()).then(|| shards.hops.ask(*core, Request::Collect(copy(whole))))
    };
    let hops: Vec<Option<Hop<'_>>> = owners.iter().map(ask).collect();
    let (mut phases, mut parcels) = (Vec::new(), Vec::new());
    for hop in hops {
        let (phase, parcel) = match hop {
            None => {
                let phase = copy(whole);
                let parcel = execute::collect(&mut shards.db.borrow_mut(), &phase.batch);
                (phase, parcel)
            }
            Some(hop) => match hop.await {
                Response::Collected(phase, parcel) => (phase, parcel),
                _ => unreachable!("a collection is answered by one"),
            },
        };
        phases.push(phase);
        parcels.push(parcel);
    }
    let parcels = parcels.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok((phases, parcels))
}

#[expect(clippy::vec_box, reason = "a phase travels in its box")]
async fn commit(
    shards: &Shards,
    owners: &[CoreId],
    phases: Vec<Box<Phase>>,
    parcels: &Arc<Vec<Parcel>>,
) -> Vec<Box<Phase>> {
    let mut under_way = Vec::new();
    for (core, mut phase) in owners.iter().zip(phases) {
        phase.parcels = Arc::clone(parcels);
        if *core == shards.me() {
            execute::commit(&mut shards.db.borrow_mut(), &mut phase.batch, parcels);
            under_way.push(Ok(phase));
        } else {
            under_way.push(Err(shards.hops.ask(*core, Request::Commit(phase))));
        }
    }
    let mut done = Vec::new();
    for each in under_way {
        done.push(match each {
            Ok(phase) => phase,
            Err(hop) => match hop.await {
                Response::Committed(phase) => phase,
                _ => unreachable!("a commit is answered by one"),
            },
        });
    }
    done
}
