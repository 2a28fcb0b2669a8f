//! Asking other cores and waiting for their answers.
//!
//! A coordinator puts requests into its outbox, one per target core; the runtime (or the simulator)
//! carries each outbox away once per turn and brings responses back through [`Hops::arrived`].
//!
//! Invariant: a ticket is answered at most once, by the core it was sent to or, for a handover, the
//! one that passed on to. A coordinator that
//! goes away before its answer does leaves nothing behind: the answer is dropped when it comes.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::base::probe::{Mutation, mutated};
use crate::shard::handover::Handover;
use crate::shard::locks::TransactionId;
use crate::shard::message::{CoreId, Handed, Message, Request, Response, Ticket};

enum Waiting {
    /// The place is free; the next free one, if any.
    Free(Option<u32>),
    /// No answer yet.
    Asked(Option<Waker>),
    Answered(Response),
    /// Nobody waits any more.
    Abandoned,
}

struct Place {
    generation: u32,
    state: Waiting,
}

/// Requests on their way out and those still unanswered, of one core.
pub struct Hops {
    me: CoreId,
    outbox: Box<[RefCell<Vec<Message>>]>,
    places: RefCell<Vec<Place>>,
    free: Cell<Option<u32>>,
    staged: Cell<bool>,
    /// Set when work on this core has woken a session of this core, which may be behind the loop
    /// in the executor's queue: the loop must not sleep before it ran.
    pub woken: Rc<Cell<bool>>,
    /// Requests sent to other cores since the start.
    pub out: Cell<u64>,
}

impl Hops {
    /// For core `me` of `cores`.
    pub fn new(me: CoreId, cores: usize) -> Hops {
        Hops {
            me,
            outbox: (0..cores).map(|_| RefCell::default()).collect(),
            places: RefCell::default(),
            free: Cell::new(None),
            staged: Cell::new(false),
            woken: Rc::default(),
            out: Cell::new(0),
        }
    }

    /// This core.
    pub fn me(&self) -> CoreId {
        self.me
    }

    /// Number of cores.
    pub fn cores(&self) -> usize {
        self.outbox.len()
    }

    /// True if an outbox holds something.
    #[inline]
    pub fn staged(&self) -> bool {
        self.staged.get()
    }

    /// Empties the outboxes: `carry` is called for each core that has messages, and may leave some
    /// behind.
    pub fn carry(&self, mut carry: impl FnMut(CoreId, &mut Vec<Message>)) {
        let mut left = false;
        for (core, outbox) in self.outbox.iter().enumerate() {
            let mut outbox = outbox.borrow_mut();
            if !outbox.is_empty() {
                carry(CoreId(core as u16), &mut outbox);
                left |= !outbox.is_empty();
            }
        }
        self.staged.set(left);
    }

    /// Sends `request` to another core; the answer is awaited whenever it suits.
    pub fn ask(&self, to: CoreId, request: Request) -> Hop<'_> {
        debug_assert_ne!(to, self.me, "a core asks itself otherwise");
        let ticket = self.open();
        self.out.set(self.out.get() + 1);
        self.stage(to, Message::Request(ticket, request));
        Hop { hops: self, ticket }
    }

    /// A question of this core to itself: whoever answers gives the ticket to [`Hops::answer`].
    pub fn ask_self(&self) -> (Ticket, Hop<'_>) {
        let ticket = self.open();
        (ticket, Hop { hops: self, ticket })
    }

    /// Gives the answer to a request to the core that asked.
    pub fn answer(&self, to: CoreId, ticket: Ticket, response: Response) {
        if to == self.me {
            self.arrived(ticket, response);
            self.woken.set(true);
        } else {
            self.stage(to, Message::Response(ticket, response));
        }
    }

    /// Sends on a request whose answer, with the ticket of whoever asked first, comes to this core.
    pub fn forward(&self, to: CoreId, ticket: Ticket, request: Request) {
        self.stage(to, Message::Request(ticket, request));
    }

    /// Tells another core that a transaction needs its claim there no longer.
    pub fn release(&self, to: CoreId, id: TransactionId) {
        self.stage(to, Message::Release(id));
    }

    /// Passes a value on to another core, which answers in this one's place.
    pub fn hand(&self, to: CoreId, handed: Box<Handed>) {
        debug_assert_ne!(to, self.me, "a value on one shard is moved there");
        self.stage(to, Message::Hand(handed));
    }

    /// Tells the core of a client that there is something for its command.
    pub fn offer(&self, to: CoreId, number: u64, claim: TransactionId) {
        self.stage(to, Message::Offer(number, claim));
    }

    /// Tells another core that a command waits no longer.
    pub fn cancel(&self, to: CoreId, number: u64) {
        self.stage(to, Message::Cancel(number));
    }

    /// Gives a connection to another core.
    pub fn hand_over(&self, to: CoreId, connection: Box<Handover>) {
        assert_ne!(to, self.me, "a core keeps what it has");
        self.stage(to, Message::Handover(connection));
    }

    fn stage(&self, to: CoreId, message: Message) {
        self.outbox[to.index()].borrow_mut().push(message);
        self.staged.set(true);
    }

    fn open(&self) -> Ticket {
        let mut places = self.places.borrow_mut();
        let index = self.free.get().unwrap_or(places.len() as u32);
        if index as usize == places.len() {
            places.push(Place { generation: 0, state: Waiting::Free(None) });
        }
        let place = &mut places[index as usize];
        let Waiting::Free(next) = std::mem::replace(&mut place.state, Waiting::Asked(None)) else {
            unreachable!("the free list names free places only")
        };
        self.free.set(next);
        Ticket { index, generation: place.generation }
    }

    fn close(&self, place: &mut Place, index: u32) {
        place.generation = place.generation.wrapping_add(1);
        place.state = Waiting::Free(self.free.get());
        self.free.set(Some(index));
    }

    /// Takes in a response. Returns false if nobody waits for it (its coordinator is gone, or it is
    /// no answer to a question that stands).
    pub fn arrived(&self, ticket: Ticket, response: Response) -> bool {
        let waker = {
            let mut places = self.places.borrow_mut();
            let Some(place) = places.get_mut(ticket.index as usize) else { return false };
            if place.generation != ticket.generation && !mutated(Mutation::LateAnswer) {
                return false;
            }
            match std::mem::replace(&mut place.state, Waiting::Answered(response)) {
                Waiting::Asked(waker) => waker,
                Waiting::Abandoned => {
                    self.close(place, ticket.index);
                    return false;
                }
                other => {
                    place.state = other;
                    return false;
                }
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Requests that are not answered yet or whose answer nobody took.
    pub fn open_tickets(&self) -> usize {
        let places = self.places.borrow();
        places.iter().filter(|place| !matches!(place.state, Waiting::Free(_))).count()
    }
}

/// A request under way. Dropping it gives up the answer.
pub struct Hop<'h> {
    hops: &'h Hops,
    ticket: Ticket,
}

impl Future for Hop<'_> {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response> {
        let mut places = self.hops.places.borrow_mut();
        let place = &mut places[self.ticket.index as usize];
        if place.generation != self.ticket.generation {
            unreachable!("a hop is not polled again after its answer");
        }
        if let Waiting::Asked(waker) = &mut place.state {
            if !waker.as_ref().is_some_and(|old| old.will_wake(context.waker())) {
                *waker = Some(context.waker().clone());
            }
            return Poll::Pending;
        }
        let answered = std::mem::replace(&mut place.state, Waiting::Abandoned);
        self.hops.close(place, self.ticket.index);
        match answered {
            Waiting::Answered(response) => Poll::Ready(response),
            _ => unreachable!("a waiting hop is asked or answered"),
        }
    }
}

impl Drop for Hop<'_> {
    fn drop(&mut self) {
        let mut places = self.hops.places.borrow_mut();
        let place = &mut places[self.ticket.index as usize];
        if place.generation != self.ticket.generation {
            return;
        }
        let late = match std::mem::replace(&mut place.state, Waiting::Abandoned) {
            Waiting::Answered(response) => {
                self.hops.close(place, self.ticket.index);
                Some(response)
            }
            _ if mutated(Mutation::LateAnswer) => {
                self.hops.close(place, self.ticket.index);
                None
            }
            _ => None,
        };
        drop(places);
        drop(late);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(hop: &mut Hop<'_>) -> Poll<Response> {
        Pin::new(hop).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn ticket_of(message: &Message) -> Ticket {
        match message {
            Message::Request(ticket, _) | Message::Response(ticket, _) => *ticket,
            _ => unreachable!("nothing else is sent here"),
        }
    }

    #[test]
    fn an_answer_reaches_its_question_once() {
        let hops = Hops::new(CoreId(0), 2);
        let mut first = hops.ask(CoreId(1), Request::Stats);
        let mut second = hops.ask(CoreId(1), Request::Stats);
        let mut sent = Vec::new();
        hops.carry(|core, messages| {
            assert_eq!(core, CoreId(1));
            sent.extend(messages.drain(..).map(|message| ticket_of(&message)));
        });
        assert!(poll(&mut first).is_pending());
        assert!(hops.arrived(sent[1], Response::Refused(2)));
        assert!(!hops.arrived(sent[1], Response::Refused(3)), "doubled");
        assert!(matches!(poll(&mut second), Poll::Ready(Response::Refused(2))));
        assert!(!hops.arrived(sent[1], Response::Refused(4)), "late");
        assert!(hops.arrived(sent[0], Response::Done));
        assert!(matches!(poll(&mut first), Poll::Ready(Response::Done)));
        drop((first, second));
        assert_eq!(hops.open_tickets(), 0);
    }

    #[test]
    fn an_abandoned_question_leaves_nothing() {
        let hops = Hops::new(CoreId(0), 2);
        let mut tickets = Vec::new();
        drop(hops.ask(CoreId(1), Request::Stats));
        let answered = hops.ask(CoreId(1), Request::Stats);
        hops.carry(|_, messages| tickets.extend(messages.drain(..).map(|m| ticket_of(&m))));
        assert!(!hops.arrived(tickets[0], Response::Done));
        assert!(hops.arrived(tickets[1], Response::Done));
        drop(answered);
        assert_eq!(hops.open_tickets(), 0);
    }
}
