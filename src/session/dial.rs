//! Outgoing connections: asked for by whoever replicates, migrates or talks to a cluster peer, made
//! by the driver.
//!
//! Invariant: a dial is answered once, with a link that is already receiving or with the error; one
//! that nobody waits for any more is closed again by the driver.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::link::Link;

/// One connection to be made.
pub struct Dial {
    pub address: SocketAddr,
    outcome: RefCell<Option<io::Result<Rc<Link>>>>,
    waker: RefCell<Option<Waker>>,
    given_up: Cell<bool>,
}

impl Dial {
    /// Tells the one who asked.
    pub fn finish(&self, outcome: io::Result<Rc<Link>>) {
        if self.given_up.get() {
            if let Ok(link) = outcome {
                link.kill();
            }
            return;
        }
        *self.outcome.borrow_mut() = Some(outcome);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

/// Dials that the driver has not begun yet.
#[derive(Default)]
pub struct Dialer {
    asked: RefCell<Vec<Rc<Dial>>>,
}

struct Waiting(Rc<Dial>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.given_up.set(true);
        if let Some(Ok(link)) = self.0.outcome.borrow_mut().take() {
            link.kill();
        }
    }
}

impl Dialer {
    /// Connects to `address`. Time limits are the caller's.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<Rc<Link>> {
        let dial = Rc::new(Dial {
            address,
            outcome: RefCell::default(),
            waker: RefCell::default(),
            given_up: Cell::new(false),
        });
        self.asked.borrow_mut().push(Rc::clone(&dial));
        let waiting = Waiting(dial);
        poll_fn(|context| match waiting.0.outcome.borrow_mut().take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                *waiting.0.waker.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            }
        })
        .await
    }

    /// True if there is something to begin.
    #[inline]
    pub fn is_asked(&self) -> bool {
        !self.asked.borrow().is_empty()
    }

    /// Takes what is to be begun.
    pub fn take(&self) -> Vec<Rc<Dial>> {
        std::mem::take(&mut self.asked.borrow_mut())
    }
}
