//! The coordinator's half of the protocol: claims on several shards, all held before anything is
//! written.
//!
//! Claims go out to all shards at once under one id. A shard that has granted a later conflicting
//! claim, or queued one, refuses; then all are given up and asked for again, sooner or later under
//! a larger id. When all are granted the transaction has its instant: nobody else can touch what it
//! claimed. It sends the writes in one go, and each shard drops its claim when it ran them.
//!
//! Invariant: whoever stops waiting, by an error, a panic or because its connection is gone, gives
//! up its claims through [`Held`]'s drop. Nothing is written before all is held, and between the
//! first write that is sent and the last nothing suspends, so a transaction happens on all shards
//! or on none. No client's socket is waited for in between.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::hop::Hop;
use super::shards::Shards;
use crate::base::probe::{Mutation, Witness, mutated, refused};
use crate::shard::locks::{Claim, TransactionId};
use crate::shard::message::{Batch, CoreId, Phase, Request, Response, Schedule, Task};

/// Claims that are held, or on their way.
pub struct Held<'s> {
    shards: &'s Shards,
    id: TransactionId,
    /// The shards that have not been told yet when to drop their claim.
    cores: Vec<CoreId>,
}

/// Claims what `part` says on each of `cores`, and waits until all of it is held; then the commands
/// that `witness` knows take effect. Returns what each shard answered to the task that came with
/// the claim.
///
/// `part` is called again for each attempt, with indices into `cores`.
pub async fn hold<'s>(
    shards: &'s Shards,
    witness: &Witness,
    cores: &[CoreId],
    part: impl Fn(usize) -> (Claim, Task),
) -> (Held<'s>, Vec<Response>) {
    hold_from(shards, shards.next_id(), witness, cores, part).await
}

/// [`hold`] with the first attempt under `id`, under which a core may hold its part already.
pub async fn hold_from<'s>(
    shards: &'s Shards,
    mut id: TransactionId,
    witness: &Witness,
    cores: &[CoreId],
    part: impl Fn(usize) -> (Claim, Task),
) -> (Held<'s>, Vec<Response>) {
    let mut refusals = 0;
    shards.observe(id.clock);
    loop {
        let mut held = Held { shards, id, cores: cores.to_vec() };
        let schedule = |(index, core): (usize, &CoreId)| {
            let (claim, task) = part(index);
            (*core, Request::Schedule(Box::new(Schedule { id, claim, task })))
        };
        let requests = cores.iter().enumerate().map(schedule).collect();
        let mut asked = Asked::new(shards.ask_each(requests));
        if asked.all_granted().await {
            witness.took_effect();
            return (held, asked.answers.into_iter().flatten().collect());
        }
        if mutated(Mutation::RetryForgetsShard) {
            held.cores.pop();
        }
        drop(held);
        asked.rest(shards).await;
        refusals += 1;
        refused(refusals);
        if renews_id(refusals) {
            id = shards.next_id_after(refusals);
        }
    }
}

/// True if the attempt after so many refusals gets a new id. New ids come ever more rarely: while
/// all contenders keep theirs, the largest of them is refused by nobody and comes through, however
/// slowly messages travel.
fn renews_id(refusals: u32) -> bool {
    let is_due = refusals.is_power_of_two() || refusals.is_multiple_of(RENEWAL_REFUSALS_MAX);
    (is_due && !mutated(Mutation::RetryReusesId)) || mutated(Mutation::RetryStepsByOne)
}

/// Attempts under one id, at most, so that a transaction is not passed by for ever.
const RENEWAL_REFUSALS_MAX: u32 = 64;

/// One attempt: what was asked, and what is answered so far.
struct Asked<'s> {
    hops: Vec<Hop<'s>>,
    answers: Vec<Option<Response>>,
}

impl<'s> Asked<'s> {
    fn new(hops: Vec<Hop<'s>>) -> Asked<'s> {
        Asked { answers: hops.iter().map(|_| None).collect(), hops }
    }

    /// Waits until every shard has granted (true) or one has refused (false).
    async fn all_granted(&mut self) -> bool {
        poll_fn(|context| {
            self.poll(context);
            let mut answers = self.answers.iter().flatten();
            if answers.any(|answer| matches!(answer, Response::Refused(_))) {
                return Poll::Ready(false);
            }
            let hurried = mutated(Mutation::WorkBeforeGrants)
                && self.answers.iter().flatten().any(|answer| matches!(answer, Response::Granted));
            if hurried || self.answers.iter().all(Option::is_some) {
                return Poll::Ready(true);
            }
            Poll::Pending
        })
        .await
    }

    /// Waits for the shards that have not answered, now that the attempt is given up. Without that
    /// a coordinator could make many attempts while the messages of one travel, and keep all others
    /// from succeeding.
    async fn rest(&mut self, shards: &Shards) {
        poll_fn(|context| {
            self.poll(context);
            if self.answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        for answer in self.answers.iter().flatten() {
            if let Response::Refused(clock) = answer {
                shards.observe(*clock);
            }
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) {
        let each = self.hops.iter_mut().zip(&mut self.answers);
        for (hop, answer) in each.filter(|(_, answer)| answer.is_none()) {
            if let Poll::Ready(response) = Pin::new(hop).poll(context) {
                *answer = Some(response);
            }
        }
    }
}

impl Held<'_> {
    /// Sends shards their parts of the work, at the end of which they drop their claims, and waits
    /// for all answers. Claims on other shards are given up then.
    pub async fn finish(mut self, work: Vec<(CoreId, Work)>) -> Vec<Response> {
        let id = self.id;
        let request = |work| match work {
            Work::Run(batch) => Request::Execute(id, batch),
            Work::Commit(phase) => Request::Commit(id, phase),
        };
        self.cores.retain(|core| work.iter().all(|(worker, _)| worker != core));
        let requests = work.into_iter().map(|(core, work)| (core, request(work))).collect();
        let hops = self.shards.ask_each(requests);
        let mut answers = Vec::with_capacity(hops.len());
        for hop in hops {
            answers.push(hop.await);
        }
        answers
    }
}

impl<'s> Held<'s> {
    /// The way to the shards.
    pub fn shards(&self) -> &'s Shards {
        self.shards
    }

    /// Has shards look at more of what is claimed there, and keeps the claims.
    pub async fn ask(&self, phases: Vec<(CoreId, Box<Phase>)>) -> Vec<Response> {
        let collect = |(core, phase)| (core, Request::Collect(phase));
        let mut answers = Vec::with_capacity(phases.len());
        for hop in self.shards.ask_each(phases.into_iter().map(collect).collect()) {
            answers.push(hop.await);
        }
        answers
    }

    /// Makes `giver` hand the first key's value to `taker`; both drop their claims. Returns the
    /// answer of `taker`.
    pub async fn hand_over(mut self, giver: CoreId, phase: Box<Phase>, taker: CoreId) -> Response {
        let hop = self.shards.ask(giver, Request::Give(self.id, phase, taker));
        self.cores.clear();
        hop.await
    }
}

/// What a shard does under a claim that every shard has granted.
pub enum Work {
    Run(Box<Batch>),
    Commit(Box<Phase>),
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
