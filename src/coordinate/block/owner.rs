//! What a shard does for commands that wait for its keys.
//!
//! A command whose keys are all here is served as soon as a key changes, before any other command
//! runs. One that has keys elsewhere may be served by another shard at the same time: the shard
//! claims the key, so that nothing happens to it meanwhile, and makes an offer; the core of the
//! client accepts one offer at a time.
//!
//! Invariant: in the line for a key, nobody has his turn while somebody before him is called. A
//! claim that is taken for somebody is dropped when his turn is over, however it ends.

use super::parking::{Parked, Parking, Stage, awaits_any, for_each_touched, hide_others};
use crate::base::probe::{Mutation, mutated, unseen};
use crate::coordinate::shards::{Shards, Waiting, claim_of};
use crate::shard::execute;
use crate::shard::locks::{Claim, Scheduled, TransactionId};
use crate::shard::message::{Asker, Batch, Phase, Response, Waiter, WaiterId};
use crate::store::db::Db;
use crate::store::waiters::Name;

/// What came of a turn.
enum Turn {
    /// It is over, and the next one may have his.
    Over,
    /// It is not over.
    Lasts,
    /// Nobody behind can have one either.
    Last,
}

impl Shards {
    /// Number of commands that wait on this shard.
    pub fn parked(&self) -> usize {
        self.parking.borrow().len()
    }

    /// Lets those who wait for what changed have it. `under` is the transaction whose work made the
    /// changes, if it still holds its claims.
    #[inline]
    pub fn serve_ready(&self, under: Option<TransactionId>) {
        if self.db.borrow().waiters.has_ready() {
            self.serve_all_ready(under);
        }
    }

    #[cold]
    fn serve_all_ready(&self, under: Option<TransactionId>) {
        loop {
            let ready = self.db.borrow_mut().waiters.next_ready();
            let Some(name) = ready else { return };
            if !mutated(Mutation::ReadyKeyForgotten) {
                self.serve_line(&name, 0, under);
            }
        }
    }

    /// A command that waits if there is nothing for it.
    pub(in crate::coordinate) fn block(&self, asker: Asker, id: WaiterId, batch: Box<Batch>) {
        let call = &batch.calls[0];
        if !self.is_idle() && self.is_held(call.command, &batch.args(0)) {
            self.queued_blocks.borrow_mut().insert(id);
            let claim = claim_of(&batch, 0);
            return self.locks.borrow_mut().park(claim, Waiting::Block(asker, id, batch));
        }
        self.begin_block(asker, id, batch, None);
    }

    pub(in crate::coordinate) fn begin_block(
        &self,
        asker: Asker,
        id: WaiterId,
        mut batch: Box<Batch>,
        under: Option<TransactionId>,
    ) {
        let (mut db, mut parking) = (self.db.borrow_mut(), self.parking.borrow_mut());
        let stands_back = parking.would_overtake(&mut db, &batch);
        if !stands_back && execute::attempt(&mut db, &mut batch) {
            drop((db, parking));
            self.answer(asker, Response::Ran(batch));
        } else {
            let place = parking.enter(&mut db, id, Some(asker), batch);
            if stands_back {
                // It was not attempted, and there may be something for it.
                parking.note_awaited(&mut db, place);
            }
            drop((db, parking));
        }
        self.serve_ready(under);
    }

    /// Gives their turns, one after the other, to those in line for a key behind `place`.
    fn serve_line(&self, name: &Name, place: u64, under: Option<TransactionId>) {
        let mut at = place;
        loop {
            let next = self.db.borrow().waiters.after(name, at);
            let Some(place) = next else { return };
            match self.give_turn(name, place, under) {
                Turn::Over => at = place,
                Turn::Lasts | Turn::Last => return,
            }
        }
    }

    /// Serves a command from a key that has changed, or takes a claim for it.
    fn give_turn(&self, name: &Name, place: u64, under: Option<TransactionId>) -> Turn {
        let (mut db, mut parking) = (self.db.borrow_mut(), self.parking.borrow_mut());
        let parked = parking.get(place).expect("whoever is in line is parked");
        if parked.stage != Stage::Waiting {
            if !parked.stalled.contains(name) {
                parked.stalled.push(name.clone());
            }
            return Turn::Lasts;
        }
        if !suits(&mut db, parked, name) {
            let is_gone = db.peek(name.key()).is_none();
            let minded = db.waiters.minds_absence(name);
            return if is_gone && !minded { Turn::Last } else { Turn::Over };
        }
        let mut locks = self.locks.borrow_mut();
        let (mut claimed, mut is_free) = (Vec::new(), true);
        for_each_touched(&db, &parked.batch, name.key(), |hash, mode| {
            let held = !locks.is_idle() && locks.is_held(hash, mode);
            is_free &= !held || under.is_some_and(|id| locks.is_held_by(id, hash));
            claimed.push((hash, mode));
        });
        if let (Some(asker), true) = (parked.asker, is_free) {
            if !attempt(&mut db, parked, name) {
                return Turn::Over;
            }
            let parked = parking.leave(&mut db, place).expect("it was just served");
            if mutated(Mutation::ServedTwice) {
                self.serve_again(&mut db, &mut parking, (name, place), &parked.batch);
            }
            drop((db, parking, locks));
            self.answer(asker, Response::Ran(parked.batch));
            return Turn::Over;
        }
        let id = locks.next_id();
        parking.call(&mut db, place, id, name.clone());
        let scheduled = locks.schedule(id, Claim::keys(claimed), Waiting::Turn(place));
        drop((db, parking, locks));
        match scheduled {
            Scheduled::Granted(waiting) => self.begin(id, waiting),
            Scheduled::Waiting => {}
            Scheduled::Refused(..) => unreachable!("a fresh id is the largest"),
        }
        Turn::Lasts
    }

    /// Gives the next in line what another has taken: a fault that tests must notice.
    #[cold]
    fn serve_again(
        &self,
        db: &mut Db,
        parking: &mut Parking,
        (name, place): (&Name, u64),
        served: &Batch,
    ) {
        let next = db.waiters.after(name, place);
        let suits = |parked: &mut Parked| parked.stage == Stage::Waiting && parked.asker.is_some();
        let next = next.filter(|next| parking.get(*next).is_some_and(suits));
        let other = next.and_then(|next| parking.leave(db, next));
        if let Some(Parked { asker: Some(asker), mut batch, .. }) = other {
            batch.replies.append(&served.replies);
            self.answer(asker, Response::Ran(batch));
        }
    }

    /// The claim that was taken for a parked command is granted.
    pub(in crate::coordinate) fn begin_turn(&self, place: u64, id: TransactionId) {
        let (mut db, mut parking) = (self.db.borrow_mut(), self.parking.borrow_mut());
        let parked = parking.get(place).expect("a claim is dropped when its command leaves");
        let Stage::Called(_, woken) = &parked.stage else {
            unreachable!("a claim is taken for those that are called")
        };
        let woken = woken.clone();
        if !suits(&mut db, parked, &woken) {
            drop((db, parking));
            return self.end_turn(place, false, id);
        }
        let waiter = parked.id;
        if parked.asker.is_some() {
            let served = attempt(&mut db, parked, &woken);
            drop((db, parking));
            return self.end_turn(place, served, id);
        }
        drop((db, parking));
        if mutated(Mutation::HoldForgotten) {
            self.release(id);
        }
        if waiter.core == self.me() {
            self.offered(waiter.number, self.me(), id);
            self.hops.woken.set(true);
        } else {
            self.hops.offer(waiter.core, waiter.number, id);
        }
    }

    /// The client's core has accepted the offer.
    pub(in crate::coordinate) fn accept(&self, asker: Asker, id: WaiterId) {
        let (mut db, mut parking) = (self.db.borrow_mut(), self.parking.borrow_mut());
        let place = parking.place(id).expect("who accepts has not given up");
        let parked = parking.get(place).expect("it has its place");
        let Stage::Called(claim, woken) = &parked.stage else {
            unreachable!("offers are made to those that are called")
        };
        let (claim, woken) = (*claim, woken.clone());
        assert!(self.locks.borrow().is_granted(claim), "the claim lasts as long as the offer");
        let is_served = attempt(&mut db, parked, &woken);
        if is_served {
            parked.asker = Some(asker);
        } else {
            self.answer(asker, Response::Unserved);
        }
        drop((db, parking));
        self.end_turn(place, is_served, claim);
    }

    /// Ends somebody's turn: answers if he was served, lets those behind have theirs, and drops the
    /// claim. `under` is the claim that is held.
    fn end_turn(&self, place: u64, is_served: bool, under: TransactionId) {
        let (mut db, mut parking) = (self.db.borrow_mut(), self.parking.borrow_mut());
        let (claim, woken) = parking.recall(&mut db, place).expect("he was called");
        let parked = parking.get(place).expect("he has not left yet");
        let stalled = std::mem::take(&mut parked.stalled);
        let left = if is_served { parking.leave(&mut db, place) } else { None };
        drop((db, parking));
        if let Some(Parked { asker: Some(asker), batch, .. }) = left {
            self.answer(asker, Response::Ran(batch));
        }
        self.serve_line(&woken, place, Some(under));
        for name in stalled.iter().filter(|name| **name != woken) {
            // Whoever was not served by one key may be by another that has changed meanwhile.
            self.serve_line(name, if is_served { place } else { place - 1 }, Some(under));
        }
        self.serve_ready(Some(under));
        self.release(claim);
    }

    /// Notes whether a command that may have to wait comes to phase one while somebody in line for
    /// a key of its is called, whose claim stands behind the command's. Then it waits, whatever
    /// there is.
    pub(in crate::coordinate) fn stand_back(&self, phase: &mut Phase) {
        let Some(waiter) = &mut phase.waiter else { return };
        let parking = self.parking.borrow();
        // Whoever stands in line already is tried in his turn.
        waiter.stands_back = parking.place(waiter.id).is_none()
            && parking.would_overtake(&mut self.db.borrow_mut(), &phase.batch)
            && !mutated(Mutation::LatecomerServed);
    }

    /// Phase two of a transaction of somebody who waits, or begins to. He was served, or he is
    /// parked here unless he is already. Drops the transaction's claim.
    pub(in crate::coordinate) fn commit_waiter(
        &self,
        waiter: Waiter,
        id: TransactionId,
        batch: &Batch,
    ) {
        let place = self.parking.borrow().place(waiter.id);
        if let Some(place) = place {
            self.end_turn(place, !waiter.waits, id);
        } else if waiter.waits {
            let (mut db, mut parking) = (self.db.borrow_mut(), self.parking.borrow_mut());
            if awaits_any(&mut db, batch) {
                let place = parking.enter(&mut db, waiter.id, None, batch.duplicate());
                if waiter.stands_back {
                    parking.note_awaited(&mut db, place);
                }
            }
            drop((db, parking));
            self.serve_ready(Some(id));
        }
        self.release(id);
    }

    /// Somebody waits no longer: he is taken out, and answered if a request of his stands.
    pub fn cancel(&self, id: WaiterId) {
        if self.queued_blocks.borrow_mut().remove(&id) || mutated(Mutation::CancelLost) {
            return;
        }
        let place = self.parking.borrow().place(id);
        let Some(place) = place else { return };
        let (mut db, mut parking) = (self.db.borrow_mut(), self.parking.borrow_mut());
        let parked = parking.get(place).expect("it has its place");
        if let Some(asker) = parked.asker.take() {
            self.answer(asker, Response::Unserved);
        }
        if parked.stage == Stage::Waiting {
            parking.leave(&mut db, place);
            return;
        }
        let Stage::Called(claim, woken) = &parked.stage else { unreachable!("it is not waiting") };
        let (claim, woken) = (*claim, woken.clone());
        if mutated(Mutation::OfferTaken) && self.locks.borrow().is_granted(claim) {
            unseen(|| attempt(&mut db, parked, &woken));
        }
        drop((db, parking));
        self.end_turn(place, true, claim);
    }
}

/// True if a command may have its turn now that a key has changed: the key holds what it waits
/// for, or it minds that the key does not.
fn suits(db: &mut Db, parked: &Parked, name: &Name) -> bool {
    let blocking = parked.blocking();
    db.select(name.database.into());
    let kind = db.peek(name.key()).map(|entry| entry.value().kind());
    kind == Some(blocking.kind) || blocking.minds_absence
}

fn attempt(db: &mut Db, parked: &mut Parked, woken: &Name) -> bool {
    hide_others(db, &parked.batch, woken.key());
    let is_served = execute::attempt(db, &mut parked.batch);
    db.hide(Vec::new());
    is_served
}
