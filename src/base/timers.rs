//! Deadlines of one core, in milliseconds: cron, client timeouts, pauses, blocked clients.
//!
//! An ordered map rather than a timing wheel: deadlines are exact to the millisecond, the next one
//! is its first key, and a core holds at most one per waiting client.
//!
//! Invariant: an armed timer wakes its task once, not before its deadline; a dropped one wakes
//! nobody.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use super::time::Millis;

/// The timers of one core.
#[derive(Default)]
pub struct Timers {
    armed: RefCell<BTreeMap<(Millis, u64), Waker>>,
    next: Cell<u64>,
}

/// Takes a timer out again when its task goes away.
struct Armed<'t> {
    timers: &'t Timers,
    key: (Millis, u64),
}

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        self.timers.armed.borrow_mut().remove(&self.key);
    }
}

impl Timers {
    /// Completes when [`Timers::fire`] is called with a time of at least `deadline`.
    pub async fn sleep_until(&self, deadline: Millis) {
        let number = self.next.replace(self.next.get() + 1);
        let armed = Armed { timers: self, key: (deadline, number) };
        let mut waits = false;
        poll_fn(|context| {
            let mut map = self.armed.borrow_mut();
            if waits && !map.contains_key(&armed.key) {
                return Poll::Ready(());
            }
            waits = true;
            map.insert(armed.key, context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// The earliest deadline.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.armed.borrow().first_key_value().map(|((deadline, _), _)| *deadline)
    }

    /// Wakes every task whose deadline has come; true if there was one.
    pub fn fire(&self, now: Millis) -> bool {
        let mut fired = false;
        loop {
            let mut armed = self.armed.borrow_mut();
            match armed.first_key_value() {
                Some(((deadline, _), _)) if *deadline <= now => {
                    let waker = armed.pop_first().expect("it was just seen").1;
                    drop(armed);
                    waker.wake();
                    fired = true;
                }
                _ => return fired,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::Context;

    #[test]
    fn fires_in_order_and_not_early() {
        let timers = Timers::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut early = pin!(timers.sleep_until(10));
        let mut late = pin!(timers.sleep_until(20));
        assert!(early.as_mut().poll(&mut context).is_pending());
        assert!(late.as_mut().poll(&mut context).is_pending());
        assert_eq!(timers.next_deadline(), Some(10));
        timers.fire(9);
        assert!(early.as_mut().poll(&mut context).is_pending());
        timers.fire(10);
        assert!(early.as_mut().poll(&mut context).is_ready());
        assert!(late.as_mut().poll(&mut context).is_pending());
        assert_eq!(timers.next_deadline(), Some(20));
    }

    #[test]
    fn a_dropped_sleep_leaves_nothing() {
        let timers = Timers::default();
        {
            let mut sleep = pin!(timers.sleep_until(5));
            assert!(sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!(timers.next_deadline(), None);
    }
}
