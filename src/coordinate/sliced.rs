//! Commands on large collections, a portion at a time.
//!
//! A call that is postponed ([`Ran::Postponed`]) becomes a job of this shard: its key is claimed as
//! for a transaction, and each turn of the core one portion of one job is done, until its reply is
//! whole. Commands on the same key wait behind the claim, as behind any other; all others run in
//! between. The key is pinned meanwhile, and for the job the clock stands still.
//!
//! KEYS alone claims nothing once it is a job: it would keep all writes waiting. Its portions are
//! ranges of hashes, so a key that is there from its beginning to its end is reported once.
//!
//! Invariant: whoever asked is answered when the last call of the batch has run, and the claim is
//! dropped, whether or not anybody waits for the answer any more. A job waits for nothing, and
//! without its claim it does not go on.
//!
//! Absent: what a portion is; see `command/portion.rs`.

use super::atomic;
use super::shards::{Shards, Waiting};
use crate::base::probe::{Mutation, mutated, took_effect};
use crate::base::time::Millis;
use crate::command::portion::Portion;
use crate::command::spec::Run;
use crate::limits;
use crate::resp::out::Out;
use crate::shard::execute::{self, Ran};
use crate::shard::locks::{Scheduled, TransactionId};
use crate::shard::message::{Asker, Batch, Joint, Response, Task};

/// A batch in whose middle somebody may have to wait, and what follows it.
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
}

impl Work {
    fn batch(&self) -> &Batch {
        match self {
            Work::Single(_, batch) | Work::Execute(_, batch) | Work::Read(_, batch) => batch,
            Work::First(_, joint) => &joint.first,
            Work::Last(_, joint) => &joint.last.1,
        }
    }

    fn batch_mut(&mut self) -> &mut Batch {
        match self {
            Work::Single(_, batch) | Work::Execute(_, batch) | Work::Read(_, batch) => batch,
            Work::First(_, joint) => &mut joint.first,
            Work::Last(_, joint) => &mut joint.last.1,
        }
    }
}

/// A call that is being done in portions, the next of its batch.
pub(super) struct Job {
    work: Work,
    /// Under which the key is claimed.
    claim: Option<TransactionId>,
    /// The key's hash, and the time when the command began.
    pinned: Option<(u64, Millis)>,
    portion: Portion,
    /// What there is of the reply.
    reply: Out,
    /// Bytes of the longest page of it so far, which the next will need too.
    page_bytes: usize,
}

impl Shards {
    /// True if a command is in the middle of its work, so that the core must not sleep.
    #[inline]
    pub fn has_jobs(&self) -> bool {
        !self.jobs.borrow().is_empty()
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
        }
    }

    /// Does the next call of this work in portions, from one of the next turns on. `claim` is held,
    /// but for the last part of a joint transaction, which may not have needed one so far.
    pub(super) fn begin_job(&self, mut claim: Option<TransactionId>, mut work: Work) {
        let batch = work.batch();
        let (next, now) = (batch.ran(), self.db.borrow().now());
        let command = batch.calls[next].command;
        let mut pinned = None;
        if let Run::Every(..) = command.run {
            if let Some(id) = claim.take() {
                self.release(id);
            }
        } else {
            let hash = batch.args(next).key(command.single_key.into()).hash;
            work = self.claimed(claim, work);
            self.db.borrow_mut().pin(hash);
            pinned = Some((hash, now));
        }
        let reply = Out::new(work.batch().conditions.protocol);
        let (portion, page_bytes) = (Portion::first(), limits::KEPT_BUFFER_MAX);
        let job = Job { work, claim, pinned, portion, reply, page_bytes };
        self.jobs.borrow_mut().push_back(job);
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

    /// Does one portion of one job. True if there was one.
    pub fn go_on(&self) -> bool {
        let job = self.jobs.borrow_mut().pop_front();
        let Some(mut job) = job else { return false };
        let before = self.clock.monotonic_nanos();
        let is_last = self.run_portion(&mut job);
        let spent = self.clock.monotonic_nanos().saturating_sub(before);
        job.work.batch_mut().spent_ns += spent;
        if is_last {
            self.end_job(job);
        } else {
            self.jobs.borrow_mut().push_back(job);
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
        if let Some((hash, _)) = job.pinned {
            self.db.borrow_mut().unpin(hash);
        }
        self.answer_work(job.work);
    }

    fn run_portion(&self, job: &mut Job) -> bool {
        let mut db = self.db.borrow_mut();
        let batch = job.work.batch_mut();
        let room = Vec::with_capacity(job.page_bytes + job.page_bytes / 8);
        let mut page = Out::with_buffer(room, batch.conditions.protocol);
        let turn = db.now();
        if let Some((_, began)) = job.pinned {
            db.set_now(began);
        }
        let is_last = execute::run_next_portion(&mut db, batch, &mut job.portion, &mut page);
        db.set_now(turn);
        job.page_bytes = job.page_bytes.max(page.encoded().len());
        job.reply.adopt(page);
        is_last
    }

    /// Puts the reply where it belongs and goes on with the batch.
    fn end_job(&self, job: Job) {
        let Job { mut work, claim, pinned, mut portion, reply, .. } = job;
        if let Some((hash, _)) = pinned {
            self.db.borrow_mut().unpin(hash);
        }
        let batch = work.batch_mut();
        if let Some(head) = portion.take_head() {
            batch.replies.append(&head);
        }
        batch.replies.append(&reply);
        batch.ends.push(batch.replies.encoded().len() as u32);
        match (work, claim) {
            (Work::Single(asker, batch), claim) => {
                took_effect(batch.args(batch.ran() - 1).from(0));
                self.serve_ready(None);
                if let Some(id) = claim {
                    self.release(id);
                }
                self.run_or_wait(asker, batch);
            }
            (work, Some(id)) => self.proceed(id, work),
            // A command on every key is a transaction of its own, so nothing comes after it.
            (work, None) => self.answer_work(work),
        }
    }
}

#[cfg(test)]
mod tests;
