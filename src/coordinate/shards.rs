//! A core's own shard with its locks, and the way to the others.
//!
//! Here the owner's half of the protocol is served, for other cores and for this one alike: claims
//! are entered, granted and dropped, and single commands wait behind a granted claim. The
//! coordinator's half is [`super::transaction`].
//!
//! Invariant: every request is answered once, by the core it was sent to. A batch that waits holds
//! no claim; it runs in order, so that commands of one connection on one key keep theirs.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use super::block::{Parking, Waits};
use super::hop::{Hop, Hops};
use super::sliced::{Job, Work};
use super::{atomic, route};
use crate::base::layout::Layout;
use crate::base::probe::{Mutation, mutated, took_effect};
use crate::base::seams::Clock;
use crate::command::spec::{Command, Run};
use crate::resp::args::Args;
use crate::shard::execute::{self, Ran};
use crate::shard::locks::{Claim, Locks, Mode, Scheduled, TransactionId};
use crate::shard::message::{
    Asker, Batch, CoreId, Handed, Joint, Request, Response, Schedule, Task, Ticket, WaiterId,
};
use crate::store::db::Db;

/// What a coordinator sees: its own shard, the way to the others, and who owns what.
pub struct Shards {
    pub db: RefCell<Db>,
    pub hops: Hops,
    pub layout: Layout,
    pub(super) locks: RefCell<Locks<Waiting>>,
    /// The commands that wait for keys of this shard.
    pub(super) parking: RefCell<Parking>,
    /// Commands that may have to wait, and as yet only wait for a claim.
    pub(super) queued_blocks: RefCell<BTreeSet<WaiterId>>,
    /// The commands of this core's clients that wait for keys of several shards.
    pub waits: Waits,
    /// Commands that are done in portions.
    pub(super) jobs: RefCell<VecDeque<Job>>,
    /// Joint transactions that wait until one before them is done in portions.
    deferred: RefCell<VecDeque<Deferred>>,
    pub(super) clock: Rc<dyn Clock>,
}

/// A refused transaction's id leaps ahead by less than two to the power of this.
const LEAP_BITS_MAX: u32 = 16;

/// What a joint transaction is to do next.
enum Deferred {
    Conclude(Asker, Box<Joint>),
    /// Its claim is granted.
    Last(Asker, Box<Joint>),
    Join(Ticket, Box<Joint>),
}

/// Refusals after which a joint transaction is handed back to its coordinator. It claims nothing on
/// its last core while it waits on the first, so others might come before it there for ever.
const JOINT_REFUSALS_MAX: u32 = 4;

/// What waits for a claim to be granted.
pub(super) enum Waiting {
    Task(Asker, Task),
    /// Single commands, the next of which meets a granted claim.
    Batch(Asker, Box<Batch>),
    /// A command that may have to wait longer.
    Block(Asker, WaiterId, Box<Batch>),
    /// The turn of the parked command at this place.
    Turn(u64),
}

impl Shards {
    /// The shard of core `hops.me()`.
    pub fn new(db: Db, hops: Hops, layout: Layout, clock: Rc<dyn Clock>) -> Shards {
        let locks = RefCell::new(Locks::new(hops.me()));
        let (parking, queued_blocks) = (RefCell::default(), RefCell::default());
        let (db, waits) = (RefCell::new(db), Waits::default());
        let (jobs, deferred) = (RefCell::default(), RefCell::default());
        Shards { db, hops, layout, locks, parking, queued_blocks, waits, jobs, deferred, clock }
    }

    /// This core.
    pub fn me(&self) -> CoreId {
        self.hops.me()
    }

    /// Every core, this one included.
    pub fn cores(&self) -> impl Iterator<Item = CoreId> + use<> {
        (0..self.layout.cores() as u16).map(CoreId)
    }

    /// True if nothing of this shard is claimed, so that any single command may run.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.locks.borrow().is_idle()
    }

    /// Claims on this shard, granted or waiting.
    pub fn claims(&self) -> usize {
        self.locks.borrow().len()
    }

    /// True if a granted claim keeps this single command of the shard from running.
    pub fn is_held(&self, command: &Command, args: &Args<'_>) -> bool {
        let locks = self.locks.borrow();
        if let Run::Every(..) = command.run {
            return locks.is_any_held(Mode::of(command.writes()));
        }
        let mut held = false;
        route::for_each_claimed(command, args, |hash, mode| held |= locks.is_held(hash, mode));
        held
    }

    /// A fresh id for a transaction of this core.
    pub(super) fn next_id(&self) -> TransactionId {
        self.locks.borrow_mut().next_id()
    }

    /// An id for a transaction that was refused so often. It leaps ahead by a random step whose
    /// range doubles each time: an id that only stepped past the clock of the refusal would be
    /// outrun by those that others are given while it travels.
    pub(super) fn next_id_after(&self, refusals: u32) -> TransactionId {
        let range = if mutated(Mutation::RetryStepsByOne) { 0 } else { refusals };
        let leap = self.db.borrow().random_below(1 << range.min(LEAP_BITS_MAX));
        let mut locks = self.locks.borrow_mut();
        locks.advance(leap);
        locks.next_id()
    }

    /// Takes note of another core's clock.
    pub(super) fn observe(&self, clock: u64) {
        self.locks.borrow_mut().observe(clock);
    }

    /// Asks a core, which may be this one, to do something with its keys.
    pub fn ask(&self, core: CoreId, request: Request) -> Hop<'_> {
        if core != self.me() {
            return self.hops.ask(core, request);
        }
        let (ticket, hop) = self.hops.ask_self();
        self.serve(Asker { core, ticket }, request);
        hop
    }

    /// Asks several cores, and this one last so that the others work meanwhile; the answers come in
    /// the order of the requests.
    pub(super) fn ask_each(&self, requests: Vec<(CoreId, Request)>) -> Vec<Hop<'_>> {
        let mut own = None;
        let mut hops = Vec::with_capacity(requests.len());
        for (index, (core, request)) in requests.into_iter().enumerate() {
            if core == self.me() {
                own = Some((index, request));
            } else {
                hops.push(self.ask(core, request));
            }
        }
        if let Some((index, request)) = own {
            hops.insert(index, self.ask(self.me(), request));
        }
        hops
    }

    /// Asks every other core the same and collects the answers in the order of cores.
    pub async fn ask_others(&self, mut request: impl FnMut() -> Request) -> Vec<Response> {
        let others = self.cores().filter(|core| *core != self.me());
        let hops: Vec<Hop<'_>> = others.map(|core| self.hops.ask(core, request())).collect();
        let mut answers = Vec::with_capacity(hops.len());
        for hop in hops {
            answers.push(hop.await);
        }
        answers
    }

    /// Serves a request on the keyspace; the answer may come later.
    pub fn serve(&self, asker: Asker, request: Request) {
        match request {
            Request::Run(batch) => self.run_or_wait(asker, batch),
            Request::Schedule(schedule) => self.schedule(asker, *schedule),
            Request::Execute(id, batch) => {
                self.proceed(id, Work::Execute(asker, batch));
            }
            Request::Join(joint) => self.lead(asker, joint),
            Request::Conclude(joint) => self.conclude(asker, joint),
            Request::Commit(id, phase) => self.commit(asker, id, phase),
            Request::Collect(phase) => self.collect(asker, None, phase),
            Request::Block(waiter, batch) => self.block(asker, waiter, batch),
            Request::Accept(waiter) => self.accept(asker, waiter),
            Request::Give(id, phase, taker) => self.give(asker, id, phase, taker),
            _ => unreachable!("not a request on the keyspace"),
        }
    }

    /// The second half of a handover.
    pub fn take(&self, handed: Handed) {
        let Handed { asker, id, mut phase, gift } = handed;
        let parcels = &phase.parcels;
        execute::take(&mut self.db.borrow_mut(), &mut phase.batch, parcels, gift);
        self.serve_ready(Some(id));
        let parcels = std::mem::take(&mut phase.parcels);
        self.answer(asker, Response::Committed(phase));
        self.release(id);
        self.bury(parcels);
    }

    /// Takes in the answer of another core.
    pub fn arrived(&self, ticket: Ticket, response: Response) {
        match response {
            Response::Concluded(joint) => self.join(ticket, joint),
            other => {
                self.hops.arrived(ticket, other);
            }
        }
    }

    /// Claims the first part of a joint transaction. Its id is the largest that this core has seen,
    /// so it may have to wait here and is not refused. It does not wait for others that have gone
    /// on to the same core: it follows them there and back.
    fn lead(&self, asker: Asker, mut joint: Box<Joint>) {
        joint.id = match joint.refusals {
            0 => self.next_id(),
            refusals => self.next_id_after(refusals),
        };
        let (id, claim) = (joint.id, atomic::claim(&joint.first).in_convoy(joint.last.0));
        let waiting = Waiting::Task(asker, Task::Lead(joint));
        let scheduled = self.locks.borrow_mut().schedule(id, claim, waiting);
        match scheduled {
            Scheduled::Granted(waiting) => self.begin(id, waiting),
            Scheduled::Waiting => {}
            Scheduled::Refused(..) => unreachable!("a fresh id is the largest"),
        }
    }

    /// Runs the last part of a joint transaction. All the rest is claimed, so this is its instant,
    /// and the claim need not outlive it.
    fn conclude(&self, asker: Asker, joint: Box<Joint>) {
        if self.defers() {
            return self.deferred.borrow_mut().push_back(Deferred::Conclude(asker, joint));
        }
        let id = joint.id;
        if self.is_idle() || mutated(Mutation::ConclusionUnclaimed) {
            self.observe(id.clock);
            return self.run_last(asker, joint);
        }
        let claim = atomic::claim(&joint.last.1);
        if self.locks.borrow_mut().is_unclaimed(id, &claim) {
            return self.run_last(asker, joint);
        }
        let waiting = Waiting::Task(asker, Task::Conclude(joint));
        let scheduled = self.locks.borrow_mut().schedule(id, claim, waiting);
        match scheduled {
            Scheduled::Granted(waiting) => self.begin(id, waiting),
            Scheduled::Waiting => {}
            Scheduled::Refused(clock, waiting) => {
                if let Waiting::Task(asker, Task::Conclude(mut joint)) = waiting {
                    joint.refused = Some(clock);
                    self.answer(asker, Response::Concluded(joint));
                }
            }
        }
    }

    /// True while a joint transaction has to wait for one that is done in portions: it may not come
    /// back before that.
    fn defers(&self) -> bool {
        self.has_jobs() && self.has_joint_job() && !mutated(Mutation::ConvoyOvertakes)
    }

    /// Goes on with the joint transactions that had to wait for one that is done in portions.
    pub(super) fn resume_joints(&self) {
        while !self.has_joint_job() {
            let next = self.deferred.borrow_mut().pop_front();
            match next {
                Some(Deferred::Conclude(asker, joint)) => self.conclude(asker, joint),
                Some(Deferred::Last(asker, joint)) => self.run_last(asker, joint),
                Some(Deferred::Join(ticket, joint)) => self.join(ticket, joint),
                None => return,
            }
        }
    }

    fn run_last(&self, asker: Asker, joint: Box<Joint>) {
        joint.witness.took_effect();
        self.proceed(joint.id, Work::Last(asker, joint));
    }

    /// The last part of a joint transaction has run, so the first does; or it was refused, so all
    /// is tried again, in the end another way.
    fn join(&self, ticket: Ticket, mut joint: Box<Joint>) {
        if self.defers() {
            return self.deferred.borrow_mut().push_back(Deferred::Join(ticket, joint));
        }
        let (id, asker) = (joint.id, Asker { core: joint.asker, ticket });
        if let Some(clock) = joint.refused.take()
            && !mutated(Mutation::RefusalIgnored)
        {
            self.observe(clock);
            self.release(id);
            joint.refusals += 1;
            if joint.refusals < JOINT_REFUSALS_MAX || mutated(Mutation::JointForEver) {
                return self.lead(asker, joint);
            }
            joint.refused = Some(clock);
            return self.answer(asker, Response::Joined(joint));
        }
        self.proceed(id, Work::First(asker, joint));
    }

    /// Drops a transaction's claim on this shard, if there is one, and lets those run whom that
    /// sets free.
    pub fn release(&self, id: TransactionId) {
        if self.has_jobs() {
            self.give_up_job(id);
        }
        let given_up = self.locks.borrow_mut().release(id);
        if let Some(Waiting::Task(asker, _)) = given_up {
            self.answer(asker, Response::Released);
        }
        self.begin_granted();
    }

    /// [`Shards::release`] on any core.
    pub(super) fn release_on(&self, core: CoreId, id: TransactionId) {
        if core == self.me() {
            self.release(id);
        } else {
            self.hops.release(core, id);
        }
    }

    pub(super) fn answer(&self, asker: Asker, response: Response) {
        self.hops.answer(asker.core, asker.ticket, response);
    }

    fn schedule(&self, asker: Asker, Schedule { id, claim, task }: Schedule) {
        if self.locks.borrow().is_granted(id) {
            // A parked command goes on under the claim that was taken for it.
            return self.begin(id, Waiting::Task(asker, task));
        }
        let waiting = Waiting::Task(asker, task);
        let scheduled = self.locks.borrow_mut().schedule(id, claim, waiting);
        match scheduled {
            Scheduled::Granted(waiting) => self.begin(id, waiting),
            Scheduled::Waiting => {}
            Scheduled::Refused(clock, _) => self.answer(asker, Response::Refused(clock)),
        }
    }

    /// Runs what was set free, and what that sets free in turn.
    fn begin_granted(&self) {
        loop {
            let granted = self.locks.borrow_mut().next_granted();
            let Some((id, waiting)) = granted else { return };
            self.begin(id, waiting);
        }
    }

    pub(super) fn begin(&self, id: TransactionId, waiting: Waiting) {
        match waiting {
            Waiting::Task(asker, task) => self.do_task(asker, id, task),
            Waiting::Batch(asker, mut batch) => {
                let next = batch.ran() + 1;
                if self.run_single(&mut batch, next) == Ran::Postponed {
                    return self.begin_job(Some(id), Work::Single(asker, batch));
                }
                self.locks.borrow_mut().release(id);
                self.run_or_wait(asker, batch);
            }
            Waiting::Block(asker, waiter, batch) => {
                if self.queued_blocks.borrow_mut().remove(&waiter) {
                    self.begin_block(asker, waiter, batch, Some(id));
                } else {
                    self.answer(asker, Response::Unserved);
                }
                self.release(id);
            }
            Waiting::Turn(place) => self.begin_turn(place, id),
        }
    }

    fn do_task(&self, asker: Asker, id: TransactionId, task: Task) {
        match task {
            Task::Hold if mutated(Mutation::GrantLost) => {}
            Task::Hold => self.answer(asker, Response::Granted),
            Task::Run(batch) => self.proceed(id, Work::Read(asker, batch)),
            Task::Collect(mut phase) => {
                self.stand_back(&mut phase);
                self.collect(asker, Some(id), phase);
            }
            Task::Lead(joint) => {
                self.hops.forward(joint.last.0, asker.ticket, Request::Conclude(joint));
                if mutated(Mutation::FirstClaimDropped) {
                    self.release(id);
                }
            }
            Task::Conclude(joint) if self.defers() => {
                self.deferred.borrow_mut().push_back(Deferred::Last(asker, joint));
            }
            Task::Conclude(joint) => self.run_last(asker, joint),
        }
    }

    /// Runs single commands as far as no granted claim stands in the way; the rest waits for it.
    pub(super) fn run_or_wait(&self, asker: Asker, mut batch: Box<Batch>) {
        let end = self.first_held(&batch);
        if self.run_single(&mut batch, end) == Ran::Postponed {
            return self.run_in_portions(asker, batch);
        }
        if end == batch.calls.len() {
            return self.answer(asker, Response::Ran(batch));
        }
        let claim = claim_of(&batch, end);
        self.locks.borrow_mut().park(claim, Waiting::Batch(asker, batch));
    }

    /// Runs the next single command, which is too long to be run at once, under a claim of its own.
    fn run_in_portions(&self, asker: Asker, batch: Box<Batch>) {
        let next = batch.ran();
        let is_on_every_key = matches!(batch.calls[next].command.run, Run::Every(..));
        if is_on_every_key || mutated(Mutation::JobUnclaimed) {
            return self.begin_job(None, Work::Single(asker, batch));
        }
        let (id, claim) = (self.next_id(), claim_of(&batch, next));
        let scheduled = self.locks.borrow_mut().schedule(id, claim, Waiting::Batch(asker, batch));
        match scheduled {
            Scheduled::Granted(Waiting::Batch(asker, batch)) => {
                self.begin_job(Some(id), Work::Single(asker, batch));
            }
            // Somebody before it waits for the key. It is begun like others that do.
            Scheduled::Waiting => {}
            _ => unreachable!("a fresh id is the largest"),
        }
    }

    /// The first call that has not run and meets a granted claim, or the number of calls.
    fn first_held(&self, batch: &Batch) -> usize {
        let end = batch.calls.len();
        if self.is_idle() {
            return end;
        }
        let held = |index: &usize| self.is_held(batch.calls[*index].command, &batch.args(*index));
        (batch.ran()..end).find(held).unwrap_or(end)
    }

    fn run_single(&self, batch: &mut Batch, end: usize) -> Ran {
        if cfg!(test) {
            for index in batch.ran()..end {
                let ran = execute::run_batch(&mut self.db.borrow_mut(), batch, index + 1);
                if ran == Ran::Postponed {
                    return ran;
                }
                took_effect(batch.args(index).from(0));
                self.serve_ready(None);
            }
        }
        self.run(batch, Some(end), None)
    }

    /// Runs the calls of a batch up to `end` (`None`: all), under the claims of `id` if it is part
    /// of a transaction, and takes the time. Those who wait for what changes are served after each
    /// command, and after the whole of a transaction. Stops in front of a call that is postponed.
    pub(super) fn run(
        &self,
        batch: &mut Batch,
        end: Option<usize>,
        id: Option<TransactionId>,
    ) -> Ran {
        let before = self.clock.monotonic_nanos();
        let end = end.unwrap_or(batch.calls.len());
        let mut ran = Ran::ToTheEnd;
        while batch.ran() < end && ran == Ran::ToTheEnd {
            ran = execute::run_batch(&mut self.db.borrow_mut(), batch, end);
            if id.is_none() {
                self.serve_ready(None);
            }
        }
        if ran == Ran::ToTheEnd {
            self.serve_ready(id);
        }
        batch.spent_ns += self.clock.monotonic_nanos().saturating_sub(before);
        ran
    }
}

/// What has to be claimed for the call at `index`.
pub(super) fn claim_of(batch: &Batch, index: usize) -> Claim {
    let mut claimed = Vec::new();
    let (command, args) = (batch.calls[index].command, batch.args(index));
    if let Run::Every(..) = command.run {
        return Claim::Shard(Mode::of(command.writes()));
    }
    route::for_each_claimed(command, &args, |hash, mode| claimed.push((hash, mode)));
    Claim::keys(claimed)
}
