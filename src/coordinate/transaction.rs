//! The coordinator's half of the protocol: claims on several shards, all held before anything is
//! written.
//!
//! Claims go out to all shards at once under one id. A shard that has granted a later conflicting
//! claim, or queued one, refuses; then all are given up and asked for again under a larger id. When
//! all are granted the transaction has its instant: nobody else can touch what it claimed. It sends
//! the writes in one go, and each shard drops its claim when it ran them.
//!
//! Invariant: whoever stops waiting, by an error, a panic or because its connection is gone, gives
//! up its claims through [`Held`]'s drop. Nothing is written before all is held, and between the
//! first write that is sent and the last nothing suspends, so a transaction happens on all shards
//! or on none. No client's socket is waited for in between.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use super::hop::Hop;
use super::shards::Shards;
use crate::base::probe::{self, Mutation, mutated, took_effect};
use crate::shard::locks::{Claim, TransactionId};
use crate::shard::message::{Batch, CoreId, Request, Response, Schedule, Task};

/// Claims that are held, or on their way.
pub struct Held<'s> {
    shards: &'s Shards,
    id: TransactionId,
    /// The shards that have not been told yet when to drop their claim.
    cores: Vec<CoreId>,
}

/// Claims what `part` says on each of `cores` for the command of `whole`, and waits until all of it
/// is held. Returns what each shard answered to the task that came with the claim.
///
/// `part` is called again for each attempt, with indices into `cores`.
pub async fn hold<'s>(
    shards: &'s Shards,
    whole: &Batch,
    cores: &[CoreId],
    part: impl Fn(usize) -> (Claim, Task),
) -> (Held<'s>, Vec<Response>) {
    let (mut id, mut refusals) = (shards.next_id(), 0);
    loop {
        let mut held = Held { shards, id, cores: cores.to_vec() };
        let schedule = |(index, core): (usize, &CoreId)| {
            let (claim, task) = part(index);
            (*core, Request::Schedule(Box::new(Schedule { id, claim, task })))
        };
        let hops = shards.ask_each(cores.iter().enumerate().map(schedule).collect());
        match all_granted(hops).await {
            Ok(answers) => {
                took_effect(whole.args(0).from(0));
                return (held, answers);
            }
            Err(clock) => {
                shards.observe(clock);
                if mutated(Mutation::RetryForgetsShard) {
                    held.cores.pop();
                }
                if mutated(Mutation::RetryReusesId) {
                    probe::let_others_run().await;
                } else {
                    refusals += 1;
                    id = shards.next_id_after(refusals);
                }
            }
        }
    }
}

/// Waits until every shard has granted; the clock of the first that refuses ends the wait.
async fn all_granted(mut hops: Vec<Hop<'_>>) -> Result<Vec<Response>, u64> {
    let mut answers: Vec<Option<Response>> = hops.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (hop, answer) in hops.iter_mut().zip(&mut answers).filter(|(_, a)| a.is_none()) {
            match Pin::new(hop).poll(context) {
                Poll::Ready(Response::Refused(clock)) => return Poll::Ready(Err(clock)),
                Poll::Ready(response) => *answer = Some(response),
                Poll::Pending => {}
            }
        }
        let hurried = mutated(Mutation::WorkBeforeGrants)
            && answers.iter().flatten().any(|answer| matches!(answer, Response::Granted));
        if answers.iter().all(Option::is_some) || hurried {
            return Poll::Ready(Ok(answers.iter_mut().filter_map(Option::take).collect()));
        }
        Poll::Pending
    })
    .await
}

impl Held<'_> {
    /// Sends each shard its part of the work, at the end of which it drops the claim, and waits for
    /// all answers.
    pub async fn finish(mut self, work: Vec<(CoreId, Work)>) -> Vec<Response> {
        let id = self.id;
        let request = |work| match work {
            Work::Run(batch) => Request::Execute(id, batch),
            Work::Commit(phase) => Request::Commit(id, phase),
        };
        let requests = work.into_iter().map(|(core, work)| (core, request(work))).collect();
        let hops = self.shards.ask_each(requests);
        self.cores.clear();
        let mut answers = Vec::with_capacity(hops.len());
        for hop in hops {
            answers.push(hop.await);
        }
        answers
    }
}

/// What a shard does under a claim that every shard has granted.
pub enum Work {
    Run(Box<Batch>),
    Commit(Box<crate::shard::message::Phase>),
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        for core in &self.cores {
            self.shards.release_on(*core, self.id);
        }
    }
}

#[cfg(test)]
mod tests;
