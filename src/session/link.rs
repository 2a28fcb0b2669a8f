//! The two ends of a connection: the network driver fills one side and empties the other, the
//! session does the reverse.
//!
//! A connection may leave for another core: the session asks for it, the driver stops receiving,
//! takes back what it was sending and hands the socket over ([`Link::leave`]).
//!
//! Invariant: a link is plain data on one core; neither side calls the other. The driver learns
//! that there is something to send through the [`Doorbell`], the session that there is something to
//! read through its waker. Input that nobody consumes and output that nobody reads are bounded by
//! both sides: the driver stops receiving above [`limits::INPUT_PAUSE`], the session stops working
//! above its output limit.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::base::seams::Chunk;
use crate::limits;
use crate::resp::out::{Out, Protocol};

/// Links that the driver should look at.
#[derive(Default)]
pub struct Doorbell {
    rung: RefCell<Vec<u32>>,
}

impl Doorbell {
    /// True if some link wants the driver.
    #[inline]
    pub fn is_rung(&self) -> bool {
        !self.rung.borrow().is_empty()
    }

    /// Moves the numbers of the links that rang into `into`, which must be empty.
    pub fn answer(&self, into: &mut Vec<u32>) {
        debug_assert!(into.is_empty());
        std::mem::swap(&mut *self.rung.borrow_mut(), into);
    }
}

/// A large argument being received straight into its final buffer.
pub struct BigReceive {
    /// Holds what has arrived; its capacity grows with it.
    pub buffer: Vec<u8>,
    /// Bytes in all, the line end included.
    pub total: usize,
}

/// What the driver leaves of a connection that goes to another core.
pub struct Departure {
    pub socket: OwnedFd,
    /// Output that the kernel did not take; what is still in the link comes after it.
    pub unsent: Vec<u8>,
}

/// One connection between the driver and its session.
pub struct Link {
    /// The driver's number for it.
    pub number: u32,
    doorbell: Rc<Doorbell>,
    rang: Cell<bool>,
    input: RefCell<VecDeque<Chunk>>,
    input_bytes: Cell<usize>,
    big: RefCell<Option<BigReceive>>,
    /// True while the session waits for something other than input, perhaps for long.
    stalled: Cell<bool>,
    ended: Cell<bool>,
    reader: RefCell<Option<Waker>>,
    out: RefCell<Out>,
    unsent: Cell<usize>,
    closing: Cell<bool>,
    killed: Cell<bool>,
    /// Set while the session wants to take the connection to another core.
    leaving: Cell<bool>,
    departure: RefCell<Option<Departure>>,
    pub bytes_in: Cell<u64>,
    pub bytes_out: Cell<u64>,
}

impl Link {
    /// A fresh link with the driver's number for it.
    pub fn new(number: u32, doorbell: Rc<Doorbell>) -> Link {
        Link {
            number,
            doorbell,
            rang: Cell::new(false),
            input: RefCell::default(),
            input_bytes: Cell::new(0),
            big: RefCell::default(),
            stalled: Cell::new(false),
            ended: Cell::new(false),
            reader: RefCell::default(),
            out: RefCell::new(Out::new(Protocol::Resp2)),
            unsent: Cell::new(0),
            closing: Cell::new(false),
            killed: Cell::new(false),
            leaving: Cell::new(false),
            departure: RefCell::default(),
            bytes_in: Cell::new(0),
            bytes_out: Cell::new(0),
        }
    }

    fn ring(&self) {
        if !self.rang.replace(true) {
            self.doorbell.rung.borrow_mut().push(self.number);
        }
    }

    fn wake(&self) -> bool {
        match self.reader.borrow_mut().take() {
            Some(waker) => {
                waker.wake();
                true
            }
            None => false,
        }
    }

    // The driver's side.

    /// Bytes have arrived. True if that woke the session.
    pub fn received(&self, chunk: Chunk) -> bool {
        self.bytes_in.set(self.bytes_in.get() + chunk.len() as u64);
        self.input_bytes.set(self.input_bytes.get() + chunk.len());
        let mut input = self.input.borrow_mut();
        let joined = input.back_mut().is_some_and(|last| last.extend(chunk.bytes()));
        if !joined && (self.stalled.get() || input.len() >= limits::LENT_MAX) {
            input.push_back(chunk.into_owned());
        } else if !joined {
            input.push_back(chunk);
        }
        drop(input);
        self.wake()
    }

    /// No more will arrive: the peer closed, the connection failed or the client was killed.
    pub fn end(&self) -> bool {
        self.ended.set(true);
        self.wake()
    }

    /// True once nothing more will arrive.
    pub fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// The driver has heard the doorbell.
    pub fn heard(&self) {
        self.rang.set(false);
    }

    /// True while more than enough input waits, so that receiving should pause.
    pub fn is_full(&self) -> bool {
        self.input_bytes.get() > limits::INPUT_PAUSE
    }

    /// What is to be sent; the driver swaps in an empty sink with a buffer of its own.
    pub fn output(&self) -> std::cell::RefMut<'_, Out> {
        self.out.borrow_mut()
    }

    /// What may be sent: of a client that was killed nothing any more, because what it had not
    /// been sent by then is dropped, and later replies would be taken for the missing ones.
    pub fn outgoing(&self) -> std::cell::RefMut<'_, Out> {
        let mut out = self.out.borrow_mut();
        if self.killed.get() {
            out.clear();
        }
        out
    }

    /// Says how many bytes the driver holds that the kernel has not taken yet; wakes a session that
    /// waits for the drain.
    pub fn set_unsent(&self, unsent: usize) -> bool {
        let before = self.unsent.replace(unsent);
        before > 0 && unsent == 0 && self.wake()
    }

    /// True if the connection is to be closed when the output is sent.
    pub fn wants_close(&self) -> bool {
        self.closing.get()
    }

    /// True if output that is being sent may be cut off.
    pub fn was_killed(&self) -> bool {
        self.killed.get()
    }

    /// The large argument under way, for the driver to receive into.
    pub fn big(&self) -> std::cell::RefMut<'_, Option<BigReceive>> {
        self.big.borrow_mut()
    }

    /// Some of the large argument has arrived.
    pub fn received_big(&self, count: usize) -> bool {
        self.bytes_in.set(self.bytes_in.get() + count as u64);
        let whole = self.big.borrow().as_ref().is_some_and(|big| big.buffer.len() == big.total);
        whole && self.wake()
    }

    /// True if the connection is to be let go as soon as nothing is under way on its socket.
    pub fn is_leaving(&self) -> bool {
        self.leaving.get()
    }

    /// The driver has let go of the socket and of the link's number.
    pub fn depart(&self, departure: Departure) -> bool {
        *self.departure.borrow_mut() = Some(departure);
        // The number may be another's from now on: whoever rings would ring for that one.
        self.rang.set(true);
        self.wake()
    }

    // The session's side.

    /// Takes the connection away from the driver. `None` if the connection ended first; then it
    /// goes on as if nothing had been asked.
    pub async fn leave(&self) -> Option<Departure> {
        self.leaving.set(true);
        self.ring();
        let departure = poll_fn(|context| {
            if let Some(departure) = self.departure.borrow_mut().take() {
                return Poll::Ready(Some(departure));
            }
            if self.ended.get() {
                return Poll::Ready(None);
            }
            *self.reader.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
        if departure.is_none() {
            self.leaving.set(false);
            self.ring();
        }
        departure
    }

    /// Takes all input that nobody has looked at.
    pub fn take_input(&self) -> Vec<u8> {
        self.input_bytes.set(0);
        let chunks = std::mem::take(&mut *self.input.borrow_mut());
        chunks.iter().flat_map(|chunk| chunk.bytes()).copied().collect()
    }

    /// True once nothing more will arrive; until then the task is woken when that changes, and by
    /// [`Link::nudge`].
    pub fn poll_ended(&self, context: &mut Context<'_>) -> bool {
        if !self.ended.get() {
            *self.reader.borrow_mut() = Some(context.waker().clone());
        }
        self.ended.get()
    }

    /// Wakes the session, so that it looks at what else it waits for.
    pub fn nudge(&self) {
        self.wake();
    }

    /// Waits until there is input, or no more will come. False at the end.
    pub async fn readable(&self) -> bool {
        poll_fn(|context| {
            if !self.input.borrow().is_empty() {
                return Poll::Ready(true);
            }
            if self.ended.get() {
                return Poll::Ready(false);
            }
            *self.reader.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Waits until all output is with the kernel. False if the connection ended first.
    pub async fn drained(&self) -> bool {
        poll_fn(|context| {
            if self.ended.get() {
                return Poll::Ready(false);
            }
            if self.unsent.get() == 0 && self.out.borrow().is_empty() {
                return Poll::Ready(true);
            }
            *self.reader.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Receives a large argument of `total` bytes (line end included), of which `arrived` is there
    /// already.
    pub async fn receive_big(&self, arrived: Vec<u8>, total: usize) -> Option<Vec<u8>> {
        *self.big.borrow_mut() = Some(BigReceive { buffer: arrived, total });
        poll_fn(|context| {
            let mut big = self.big.borrow_mut();
            // While the driver receives into it, the buffer is in its hands.
            if let Some(receiving) = big.as_mut() {
                self.feed(receiving);
                if receiving.buffer.len() == receiving.total {
                    // The driver stopped the ordinary way of receiving for it.
                    self.ring();
                    return Poll::Ready(big.take().map(|done| done.buffer));
                }
                self.ring();
            }
            if self.ended.get() {
                *big = None;
                return Poll::Ready(None);
            }
            *self.reader.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Moves what came in the ordinary way into the large argument.
    fn feed(&self, receiving: &mut BigReceive) {
        let mut input = self.input.borrow_mut();
        while let Some(chunk) = input.front_mut() {
            let count = chunk.len().min(receiving.total - receiving.buffer.len());
            if count == 0 {
                break;
            }
            receiving.buffer.extend_from_slice(&chunk.bytes()[..count]);
            chunk.consume(count);
            self.input_bytes.set(self.input_bytes.get() - count);
            if chunk.len() == 0 {
                input.pop_front();
            }
        }
    }

    /// The oldest chunk that is not used up.
    pub fn take_chunk(&self) -> Option<Chunk> {
        let chunk = self.input.borrow_mut().pop_front()?;
        let was_full = self.is_full();
        self.input_bytes.set(self.input_bytes.get() - chunk.len());
        if was_full && !self.is_full() {
            self.ring();
        }
        Some(chunk)
    }

    /// Puts back what is left of a chunk.
    pub fn return_chunk(&self, chunk: Chunk) {
        if chunk.len() > 0 {
            self.input_bytes.set(self.input_bytes.get() + chunk.len());
            self.input.borrow_mut().push_front(chunk);
        }
    }

    /// Says whether the session waits for something other than input. While it does, no receive
    /// buffer is held.
    pub fn set_stalled(&self, stalled: bool) {
        self.stalled.set(stalled);
        if stalled {
            let mut input = self.input.borrow_mut();
            let chunks = std::mem::take(&mut *input);
            for chunk in chunks {
                if !input.back_mut().is_some_and(|last| last.extend(chunk.bytes())) {
                    input.push_back(chunk.into_owned());
                }
            }
        }
    }

    /// Bytes received and not consumed.
    pub fn input_bytes(&self) -> usize {
        self.input_bytes.get()
    }

    /// Bytes written and not yet taken by the kernel.
    pub fn output_bytes(&self) -> usize {
        self.unsent.get() + self.out.borrow().len()
    }

    /// Asks the driver to send what is written.
    #[inline]
    pub fn flush(&self) {
        if !self.out.borrow().is_empty() {
            self.ring();
        }
    }

    /// Asks the driver to close the connection once the output is sent.
    pub fn close(&self) {
        self.closing.set(true);
        self.ring();
    }

    /// Ends the connection from this side without waiting for output (CLIENT KILL, a limit
    /// exceeded).
    pub fn kill(&self) {
        self.killed.set(true);
        self.ended.set(true);
        self.out.borrow_mut().clear();
        self.closing.set(true);
        self.ring();
        self.wake();
    }
}
