//! How many requests a core sleeps for: several under load, otherwise one.
//!
//! A core that is faster than its clients would wake for nearly every request, and to fall asleep
//! and wake costs as much as to serve one. So while many connections send often it sleeps until a
//! few requests are there or a short time is over, as network cards do that coalesce interrupts.
//! The kernel does the waiting (IORING_ENTER_EXT_ARG with min_wait_usec, Linux 6.12).
//!
//! Invariant: requests wait for each other only where the last period makes company probable. A
//! few connections that wait for their answers, or many that send rarely, do not wait at all, and
//! nobody waits longer than the window.

use crate::base::time::Millis;

/// No more are waited for: beyond it little is saved.
const WANT_MAX: u32 = 16;
/// One request is waited for per so many senders; the others may be busy with their last answers.
const SENDERS_PER_REQUEST: u32 = 3;
/// Requests in a millisecond below which a core has time enough to wake for each.
const ARRIVALS_MIN: u32 = 25;
/// How many times what is expected within the window may be waited for. Being optimistic costs
/// nothing but the rest of the window, and requests come in bursts.
const OPTIMISM: u64 = 3;

/// Watches what arrives.
pub struct Gather {
    /// Numbers the periods, of a millisecond or more; never 0.
    period: u32,
    began: Millis,
    /// Receives in this period, and from how many connections they were.
    arrivals: u32,
    senders: u32,
    /// The result of the last period.
    want: u32,
}

impl Gather {
    /// Nothing has arrived yet.
    pub const fn new() -> Gather {
        Gather { period: 1, began: 0, arrivals: 0, senders: 0, want: 1 }
    }

    /// Counts a receive of a connection. `last_period` is kept for the connection, and 0 at first.
    #[inline]
    pub fn arrived(&mut self, last_period: &mut u32) {
        self.arrivals += 1;
        if *last_period != self.period {
            *last_period = self.period;
            self.senders += 1;
        }
    }

    /// How many completions to sleep for; more than one are waited for during `window_us`
    /// microseconds at most.
    #[inline]
    pub fn want(&mut self, now: Millis, window_us: u32) -> u32 {
        if now != self.began {
            self.want = self.probable(now, window_us);
            self.period = self.period.wrapping_add(1).max(1);
            (self.began, self.arrivals, self.senders) = (now, 0, 0);
        }
        self.want
    }

    fn probable(&self, now: Millis, window_us: u32) -> u32 {
        let millis = now.saturating_sub(self.began).clamp(1, Millis::from(u32::MAX)) as u32;
        let per_millisecond = self.arrivals / millis;
        if per_millisecond < ARRIVALS_MIN {
            return 1;
        }
        let expected = u64::from(per_millisecond) * u64::from(window_us) * OPTIMISM / 1000;
        let in_company = self.senders / SENDERS_PER_REQUEST;
        (expected.min(u64::from(in_company)) as u32).clamp(1, WANT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW_US: u32 = 100;

    /// What is waited for after so many connections have each sent so often in a millisecond.
    fn want_after(connections: usize, requests_each: usize, window_us: u32) -> u32 {
        let mut gather = Gather::new();
        let mut seen = vec![0; connections];
        assert_eq!(gather.want(1, window_us), 1, "nothing is known yet");
        for _ in 0..requests_each {
            for last_period in &mut seen {
                gather.arrived(last_period);
            }
        }
        assert_eq!(gather.want(1, window_us), 1, "the period is not over");
        gather.want(2, window_us)
    }

    #[test]
    fn many_busy_connections_are_gathered() {
        assert_eq!(want_after(50, 2, WINDOW_US), 16);
        assert_eq!(want_after(30, 1, WINDOW_US), 9);
        assert_eq!(want_after(10, 10, WINDOW_US), 3);
        assert_eq!(want_after(1000, 1, WINDOW_US), WANT_MAX);
    }

    #[test]
    fn few_connections_do_not_wait_for_each_other() {
        for connections in 1..=5 {
            assert_eq!(want_after(connections, 100, WINDOW_US), 1);
        }
    }

    #[test]
    fn rare_requests_do_not_wait() {
        assert_eq!(want_after(24, 1, WINDOW_US), 1);
        let mut gather = Gather::new();
        assert_eq!(gather.want(1, WINDOW_US), 1);
        (0..200).for_each(|_| gather.arrived(&mut 0));
        assert_eq!(gather.want(11, WINDOW_US), 1, "twenty in a millisecond");
    }

    #[test]
    fn an_empty_window_gathers_nothing() {
        assert_eq!(want_after(1000, 10, 0), 1);
    }

    #[test]
    fn load_is_forgotten_when_it_ends() {
        let mut gather = Gather::new();
        gather.want(1, WINDOW_US);
        (0..100).for_each(|_| gather.arrived(&mut 0));
        assert_eq!(gather.want(2, WINDOW_US), 16);
        assert_eq!(gather.want(3, WINDOW_US), 1);
    }
}
