//! Commands on large collections, a portion at a time.
//!
//! A call that is postponed ([`Ran::Postponed`]) becomes a job of this shard: its keys are claimed
//! as for a transaction, and each turn of the core one portion of one job is done, until its reply
//! is whole. Commands on the same keys wait behind the claim, as behind any other; all others run
//! in between. The keys are pinned meanwhile, and for the job the clock stands still. The phases of
//! a command on several shards become jobs in the same way, under the claims that they have.
//!
//! KEYS alone claims nothing once it is a job: it would keep all writes waiting. Its portions are
//! ranges of hashes, so a key that is there from its beginning to its end is reported once.
//!
//! Invariant: whoever asked is answered when the last call of the batch has run, and the claim is
//! dropped, whether or not anybody waits for the answer any more. A job waits for nothing, and
//! without its claim it does not go on.
//!
//! Absent: what a portion is; see `command/portion.rs`.

use std::sync::Arc;

use super::shards::{Shards, Waiting};
use super::{atomic, route};
use crate::base::probe::{Mutation, mutated, took_effect};
use crate::base::time::Millis;
use crate::command::portion::Portion;
use crate::command::spec::{Parcel, Run};
use crate::limits;
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::shard::execute::{self, Ran};
use crate::shard::locks::{Scheduled, TransactionId};
use crate::shard::message::{Asker, Batch, CoreId, Handed, Joint, Phase, Response, Task};
use crate::store::carried::Carried;

/// What is to be done under a claim, and may take long; and what follows it.
pub(super) enum Work {
    /// Single commands of one connection.
    Single(Asker, Box<Batch>),
    /// A transaction's part that may write.
    Execute(Asker, Box<Batch>),
    /// A transaction's part that only reads. The claim stays.
    Read(Asker, Box<Batch>),
    /// The first part of a joint transaction.
    First(Asker, Box<Joint>),
    /// The last one.
    Last(Asker, Box<Joint>),
    /// Phase one of a command on several shards. The claim stays.
    Collect(Asker, Box<Phase>),
    /// Phase two.
    Commit(Asker, Box<Phase>),
    /// The first half of a handover, and who does the second.
    Give(Asker, Box<Phase>, CoreId),
}

impl Work {
    fn batch(&self) -> &Batch {
        match self {
            Work::Single(_, batch) | Work::Execute(_, batch) | Work::Read(_, batch) => batch,
            Work::First(_, joint) => &joint.first,
            Work::Last(_, joint) => &joint.last.1,
            Work::Collect(_, phase) | Work::Commit(_, phase) | Work::Give(_, phase, _) => {
                &phase.batch
            }
        }
    }

    fn batch_mut(&mut self) -> &mut Batch {
        match self {
            Work::Single(_, batch) | Work::Execute(_, batch) | Work::Read(_, batch) => batch,
            Work::First(_, joint) => &mut joint.first,
            Work::Last(_, joint) => &mut joint.last.1,
            Work::Collect(_, phase) | Work::Commit(_, phase) | Work::Give(_, phase, _) => {
                &mut phase.batch
            }
        }
    }
}

/// A call that is being done in portions, the next of its batch.
pub(super) struct Job {
    work: Work,
    /// Under which the keys are claimed.
    claim: Option<TransactionId>,
    /// The hashes of the keys, and the time when the command began. Nothing is pinned by a command
    /// on every key.
    pinned: Vec<u64>,
    began: Option<Millis>,
    portion: Portion,
    /// What there is of the reply.
    reply: Out,
    /// Bytes of the longest page of it so far, which the next will need too.
    page_bytes: usize,
}

/// What the last portion of a job left.
enum Done {
    /// Nothing but the reply.
    Replied,
    Collected(Result<Parcel, CmdError>),
    Given(Option<Carried>),
}

impl Shards {
    /// True if a command is in the middle of its work, so that the core must not sleep.
    #[inline]
    pub fn has_jobs(&self) -> bool {
        !self.jobs.borrow().is_empty()
    }

    /// True if a part of a joint transaction is done in portions.
    pub(super) fn has_joint_job(&self) -> bool {
        let jobs = self.jobs.borrow();
        jobs.iter().any(|job| matches!(job.work, Work::First(..) | Work::Last(..)))
    }

    /// Runs a transaction's batch under its claim, then answers and does what is to follow.
    pub(super) fn proceed(&self, id: TransactionId, mut work: Work) {
        if self.run(work.batch_mut(), None, Some(id)) == Ran::Postponed {
            return self.begin_job(Some(id), work);
        }
        let keeps_claim = matches!(work, Work::Read(..)) && !mutated(Mutation::ReadDropsClaim);
        self.answer_work(work);
        if !keeps_claim {
            self.release(id);
        }
    }

    /// Tells whoever asked that the whole batch has run.
    fn answer_work(&self, work: Work) {
        match work {
            Work::Single(asker, batch) | Work::Execute(asker, batch) | Work::Read(asker, batch) => {
                self.answer(asker, Response::Ran(batch));
            }
            Work::First(asker, joint) => self.answer(asker, Response::Joined(joint)),
            Work::Last(asker, joint) => self.answer(asker, Response::Concluded(joint)),
            // It was given up.
            Work::Collect(asker, _) => self.answer(asker, Response::Released),
            Work::Commit(..) | Work::Give(..) => unreachable!("what is under way is not given up"),
        }
    }

    /// Does the next call of this work in portions, from one of the next turns on. `claim` is held,
    /// but for the last part of a joint transaction, which may not have needed one so far.
    pub(super) fn begin_job(&self, mut claim: Option<TransactionId>, mut work: Work) {
        let now = self.db.borrow().now();
        let is_on_every_key = {
            let batch = work.batch();
            matches!(batch.calls[batch.ran()].command.run, Run::Every(..))
        };
        let (mut pinned, mut began) = (Vec::new(), None);
        if is_on_every_key {
            if let Some(id) = claim.take() {
                self.release(id);
            }
        } else {
            work = self.claimed(claim, work);
            pinned = self.pin_keys(work.batch());
            began = Some(now);
        }
        let reply = Out::new(work.batch().conditions.protocol);
        let (portion, page_bytes) = (Portion::first(), limits::KEPT_BUFFER_MAX);
        let job = Job { work, claim, pinned, began, portion, reply, page_bytes };
        self.jobs.borrow_mut().push_back(job);
    }

    /// Pins what the next call of `batch` works on here, and returns the hashes.
    fn pin_keys(&self, batch: &Batch) -> Vec<u64> {
        let (mut db, next) = (self.db.borrow_mut(), batch.ran());
        let (command, args) = (batch.calls[next].command, batch.args(next));
        let mut pinned = Vec::new();
        route::for_each_key(&command.spec, &args, |position| {
            let key = args.key(position.index);
            if db.owns(key) {
                db.pin(key.hash);
                pinned.push(key.hash);
            }
        });
        pinned
    }

    fn unpin_keys(&self, pinned: &[u64]) {
        let mut db = self.db.borrow_mut();
        pinned.iter().for_each(|hash| db.unpin(*hash));
    }

    /// Makes sure that what a job works on is claimed. Where the last part of a joint transaction
    /// ran without a claim, nobody else has one either, and nothing has run since it began.
    fn claimed(&self, claim: Option<TransactionId>, work: Work) -> Work {
        let Some(id) = claim.filter(|id| !self.locks.borrow().is_granted(*id)) else { return work };
        let Work::Last(asker, joint) = work else { unreachable!("all others hold their claims") };
        let mut locks = self.locks.borrow_mut();
        let keys = atomic::claim(&joint.last.1);
        let waiting = Waiting::Task(asker, Task::Conclude(joint));
        match locks.schedule(id, keys, waiting) {
            Scheduled::Granted(Waiting::Task(asker, Task::Conclude(joint))) => {
                Work::Last(asker, joint)
            }
            _ => unreachable!("nobody claims what the part has just used"),
        }
    }

    /// Phase one of a command on several shards, which has the claim `id` if it may take long.
    pub(super) fn collect(&self, asker: Asker, id: Option<TransactionId>, phase: Box<Phase>) {
        let mut portion = if id.is_some() { Portion::at_once() } else { Portion::whole() };
        let parcel = execute::collect(&mut self.db.borrow_mut(), &phase.batch, &mut portion);
        if portion.is_unfinished() {
            return self.begin_job(id, Work::Collect(asker, phase));
        }
        self.answer(asker, Response::Collected(phase, parcel));
    }

    /// Phase two. Whoever waited is served at once: nothing may come between.
    pub(super) fn commit(&self, asker: Asker, id: TransactionId, mut phase: Box<Phase>) {
        if !phase.waiter.is_some_and(|waiter| waiter.waits) {
            let waited = phase.waiter.is_some();
            let mut portion = if waited { Portion::whole() } else { Portion::at_once() };
            let Phase { batch, parcels, .. } = &mut *phase;
            let mut replies = Out::new(batch.conditions.protocol);
            let mut db = self.db.borrow_mut();
            execute::commit(&mut db, batch, parcels, &mut portion, &mut replies);
            drop(db);
            if portion.is_unfinished() {
                return self.begin_job(Some(id), Work::Commit(asker, phase));
            }
            phase.batch.replies = replies;
        }
        self.end_commit(asker, id, phase);
    }

    fn end_commit(&self, asker: Asker, id: TransactionId, mut phase: Box<Phase>) {
        let parcels = std::mem::take(&mut phase.parcels);
        if phase.waiter.is_some_and(|waiter| waiter.waits) {
            debug_assert!(phase.batch.replies.encoded().is_empty(), "who waits has no reply");
        } else {
            self.serve_ready(Some(id));
        }
        match phase.waiter {
            Some(waiter) => self.commit_waiter(waiter, id, &phase.batch),
            None => self.release(id),
        }
        self.answer(asker, Response::Committed(phase));
        self.bury(parcels);
    }

    /// Drops what shards have collected, in slices, if nobody else still has it.
    pub(super) fn bury(&self, parcels: Arc<Vec<Parcel>>) {
        let parcels = Arc::into_inner(parcels).unwrap_or_default();
        let mut db = self.db.borrow_mut();
        parcels.into_iter().flatten().for_each(|parcel| db.bury(parcel));
    }

    /// The first half of a handover. The value goes straight on to the core that takes it, so no
    /// coordinator that goes away can lose it.
    pub(super) fn give(&self, asker: Asker, id: TransactionId, phase: Box<Phase>, taker: CoreId) {
        let mut portion = Portion::at_once();
        let mut db = self.db.borrow_mut();
        let gift = execute::give(&mut db, &phase.batch, &phase.parcels, &mut portion);
        drop(db);
        if portion.is_unfinished() {
            return self.begin_job(Some(id), Work::Give(asker, phase, taker));
        }
        self.end_give((asker, id), phase, taker, gift);
    }

    fn end_give(
        &self,
        (asker, id): (Asker, TransactionId),
        phase: Box<Phase>,
        taker: CoreId,
        gift: Option<Carried>,
    ) {
        self.serve_ready(Some(id));
        self.hops.hand(taker, Box::new(Handed { asker, id, phase, gift }));
        self.release(id);
    }

    /// Does one portion of one job. True if there was one.
    pub fn go_on(&self) -> bool {
        let job = self.jobs.borrow_mut().pop_front();
        let Some(mut job) = job else { return false };
        let before = self.clock.monotonic_nanos();
        let done = self.run_portion(&mut job);
        let spent = self.clock.monotonic_nanos().saturating_sub(before);
        job.work.batch_mut().spent_ns += spent;
        match done {
            Some(done) => self.end_job(job, done),
            None => self.jobs.borrow_mut().push_back(job),
        }
        true
    }

    /// Ends the job under a claim that its transaction gives up, because another shard has refused
    /// or nobody waits any more: what the job answers is looked at by nobody.
    pub(super) fn give_up_job(&self, id: TransactionId) {
        let mut jobs = self.jobs.borrow_mut();
        let place = jobs.iter().position(|job| job.claim == Some(id));
        let Some(job) = place.and_then(|place| jobs.remove(place)) else { return };
        drop(jobs);
        self.unpin_keys(&job.pinned);
        if let Some(state) = job.portion.into_state() {
            self.db.borrow_mut().bury(state);
        }
        self.answer_work(job.work);
    }

    /// Does the next portion; none if another follows.
    fn run_portion(&self, job: &mut Job) -> Option<Done> {
        let mut db = self.db.borrow_mut();
        let turn = db.now();
        if let Some(began) = job.began {
            db.set_now(began);
        }
        let portion = &mut job.portion;
        let room = Vec::with_capacity(job.page_bytes + job.page_bytes / 8);
        let mut page = Out::with_buffer(room, job.work.batch().conditions.protocol);
        let done = match &mut job.work {
            Work::Collect(_, phase) => {
                Done::Collected(execute::collect(&mut db, &phase.batch, portion))
            }
            Work::Commit(_, phase) => {
                let Phase { batch, parcels, .. } = &mut **phase;
                execute::commit(&mut db, batch, parcels, portion, &mut page);
                Done::Replied
            }
            Work::Give(_, phase, _) => {
                Done::Given(execute::give(&mut db, &phase.batch, &phase.parcels, portion))
            }
            work => {
                let batch = work.batch_mut();
                let is_well = execute::run_next_portion(&mut db, batch, portion, &mut page);
                assert!(is_well || job.reply.is_empty(), "a command fails before it replies");
                Done::Replied
            }
        };
        db.set_now(turn);
        job.page_bytes = job.page_bytes.max(page.encoded().len());
        job.reply.adopt(page);
        let is_last = !portion.is_unfinished();
        portion.advance();
        is_last.then_some(done)
    }

    /// Puts the reply where it belongs and goes on with what follows.
    fn end_job(&self, job: Job, done: Done) {
        let Job { mut work, claim, pinned, mut portion, reply, .. } = job;
        self.unpin_keys(&pinned);
        // After phase one the call has not run yet: phase two may become a job of this shard too.
        if !matches!(work, Work::Collect(..)) {
            let batch = work.batch_mut();
            if let Some(head) = portion.take_head() {
                batch.replies.append(&head);
            }
            batch.replies.append(&reply);
            batch.ends.push(batch.replies.encoded().len() as u32);
        }
        if let Some(state) = portion.into_state() {
            self.db.borrow_mut().bury(state);
        }
        match (work, claim, done) {
            (Work::Single(asker, batch), claim, _) => {
                took_effect(batch.args(batch.ran() - 1).from(0));
                self.serve_ready(None);
                if let Some(id) = claim {
                    self.release(id);
                }
                self.run_or_wait(asker, batch);
            }
            (Work::Collect(asker, phase), _, Done::Collected(parcel)) => {
                self.answer(asker, Response::Collected(phase, parcel));
            }
            (Work::Commit(asker, phase), Some(id), _) => self.end_commit(asker, id, phase),
            (Work::Give(asker, phase, taker), Some(id), Done::Given(gift)) => {
                self.end_give((asker, id), phase, taker, gift);
            }
            (work @ (Work::First(..) | Work::Last(..)), Some(id), _) => {
                self.proceed(id, work);
                self.resume_joints();
            }
            (work, Some(id), _) => self.proceed(id, work),
            // A command on every key is a transaction of its own, so nothing comes after it.
            (work, None, _) => self.answer_work(work),
        }
    }
}

#[cfg(test)]
mod tests;
