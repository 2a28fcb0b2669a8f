//! Commands that wait: BLPOP and its like.
//!
//! Where all keys are on one core, that core keeps the command until there is something for it
//! ([`owner`]). Otherwise the command is attempted as a transaction; if there is nothing, each core
//! that owns a key parks it under the same claims, so that no change is missed. Later each of them
//! may make an offer; the client's core, which is here, accepts one at a time, so the command is
//! served once.
//!
//! Invariant: whatever ends the wait, an answer, a time that is over or a client that is gone, no
//! core keeps the command parked. Who was first, the change or the end of the time, is decided by
//! the core that owns the keys, and where there are several, by the client's.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use super::route::{self, Route};
use super::shards::Shards;
use super::two_phase;
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::shard::locks::TransactionId;
use crate::shard::message::{Batch, CoreId, Request, Response, WaiterId};

mod owner;
mod parking;

pub use parking::Parking;

/// How a wait ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended<W> {
    /// The reply is written.
    Answered,
    /// For this reason, without a reply.
    GaveUp(W),
}

/// Something for a command, on a core that keeps it under a claim.
type Offer = (CoreId, TransactionId);

#[derive(Default)]
struct Wait {
    offers: VecDeque<Offer>,
    waker: Option<Waker>,
}

/// The commands of one core's clients that wait for keys of several cores.
#[derive(Default)]
pub struct Waits {
    last: Cell<u64>,
    open: RefCell<BTreeMap<u64, Wait>>,
}

impl Waits {
    fn next_number(&self) -> u64 {
        self.last.set(self.last.get() + 1);
        self.last.get()
    }

    fn poll_offer(&self, number: u64, context: &mut Context<'_>) -> Poll<Offer> {
        let mut open = self.open.borrow_mut();
        let wait = open.get_mut(&number).expect("it is open until its command is answered");
        match wait.offers.pop_front() {
            Some(offer) => Poll::Ready(offer),
            None => {
                wait.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Number of commands that wait.
    pub fn len(&self) -> usize {
        self.open.borrow().len()
    }

    /// True if none does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A command that is parked on these cores, or may be; dropping it takes it out there.
struct Registered<'s> {
    shards: &'s Shards,
    id: WaiterId,
    cores: Vec<CoreId>,
}

impl Registered<'_> {
    fn cancel(&mut self) {
        for core in self.cores.drain(..) {
            if core == self.id.core {
                self.shards.cancel(self.id);
            } else {
                self.shards.hops.cancel(core, self.id.number);
            }
        }
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.shards.waits.open.borrow_mut().remove(&self.id.number);
        self.cancel();
    }
}

impl Shards {
    /// A core has something for a command of one of this core's clients.
    pub fn offered(&self, number: u64, from: CoreId, claim: TransactionId) {
        let mut open = self.waits.open.borrow_mut();
        // Whoever is not there has cancelled, which ends the offer.
        if let Some(wait) = open.get_mut(&number) {
            wait.offers.push_back((from, claim));
            if let Some(waker) = wait.waker.take() {
                waker.wake();
            }
        }
    }
}

/// The core that owns all keys of the one command of `whole`; none if there are several.
pub fn only_owner(shards: &Shards, whole: &Batch) -> Option<CoreId> {
    match route::route(shards.layout, shards.me(), whole.calls[0].command, &whole.args(0)) {
        Route::Here => Some(shards.me()),
        Route::One(core) => Some(core),
        Route::Many | Route::Every => None,
    }
}

/// Runs the one command of `whole`, and waits until it is answered or `give_up` completes. `owner`
/// is what [`only_owner`] says. The reply goes to `out`.
pub async fn run<W>(
    shards: &Shards,
    whole: &Batch,
    owner: Option<CoreId>,
    out: &mut Out,
    give_up: impl Future<Output = W>,
) -> Result<Ended<W>, CmdError> {
    let give_up = pin!(give_up);
    let command = whole.calls[0].command;
    let (mut awaited, mut has_target) = (Vec::new(), false);
    let args = whole.args(0);
    route::for_each_key(&command.spec, &args, |position| {
        if parking::is_awaited(position.access) {
            awaited.push(route::owner(shards.layout, args.key(position.index)));
        } else {
            has_target = true;
        }
    });
    awaited.sort_unstable();
    awaited.dedup();
    let id = WaiterId { core: shards.me(), number: shards.waits.next_number() };
    let registered = Registered { shards, id, cores: awaited };
    match owner {
        Some(core) => run_on_one(shards, core, whole, out, registered, give_up).await,
        None => run_on_many(shards, whole, out, registered, has_target, give_up).await,
    }
}

async fn run_on_one<W>(
    shards: &Shards,
    core: CoreId,
    whole: &Batch,
    out: &mut Out,
    mut registered: Registered<'_>,
    mut give_up: Pin<&mut impl Future<Output = W>>,
) -> Result<Ended<W>, CmdError> {
    let mut hop = shards.ask(core, Request::Block(registered.id, whole.duplicate()));
    let first = first_of(|context| Pin::new(&mut hop).poll(context), &mut give_up).await;
    let (response, reason) = match first {
        First::Answer(response) => (response, None),
        First::GaveUp(reason) => {
            registered.cancel();
            (hop.await, Some(reason))
        }
    };
    registered.cores.clear();
    match (response, reason) {
        (Response::Ran(batch), _) => finish(&batch, out),
        (Response::Unserved, Some(reason)) => Ok(Ended::GaveUp(reason)),
        _ => unreachable!("a command waits until it is answered or cancelled"),
    }
}

async fn run_on_many<W>(
    shards: &Shards,
    whole: &Batch,
    out: &mut Out,
    mut registered: Registered<'_>,
    has_target: bool,
    mut give_up: Pin<&mut impl Future<Output = W>>,
) -> Result<Ended<W>, CmdError> {
    let id = registered.id;
    shards.waits.open.borrow_mut().insert(id.number, Wait::default());
    if two_phase::attempt(shards, whole, id, None, out).await? {
        registered.cores.clear();
        return Ok(Ended::Answered);
    }
    loop {
        let offer = |context: &mut Context<'_>| shards.waits.poll_offer(id.number, context);
        let (core, claim) = match first_of(offer, &mut give_up).await {
            First::Answer(offer) => offer,
            First::GaveUp(reason) => return Ok(Ended::GaveUp(reason)),
        };
        if has_target {
            if two_phase::attempt(shards, whole, id, Some(claim), out).await? {
                registered.cores.clear();
                return Ok(Ended::Answered);
            }
            continue;
        }
        if let Response::Ran(batch) = shards.ask(core, Request::Accept(id)).await {
            registered.cores.retain(|parked| *parked != core);
            return finish(&batch, out);
        }
    }
}

fn finish<W>(batch: &Batch, out: &mut Out) -> Result<Ended<W>, CmdError> {
    if let Some((_, error)) = batch.failed.first() {
        return Err(error.clone());
    }
    out.append(&batch.replies);
    Ok(Ended::Answered)
}

enum First<A, W> {
    Answer(A),
    GaveUp(W),
}

/// Waits for an answer or for a reason to give up; the answer counts where both are there.
async fn first_of<A, W>(
    mut answer: impl FnMut(&mut Context<'_>) -> Poll<A>,
    give_up: &mut Pin<&mut impl Future<Output = W>>,
) -> First<A, W> {
    poll_fn(|context| {
        if let Poll::Ready(answer) = answer(context) {
            return Poll::Ready(First::Answer(answer));
        }
        give_up.as_mut().poll(context).map(First::GaveUp)
    })
    .await
}
