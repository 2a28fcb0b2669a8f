//! When requests are due in an open loop.
//!
//! The schedule does not wait for the server: a request that cannot be sent when it is due keeps
//! its due time, and its latency is counted from there. That is what corrects for coordinated
//! omission (G. Tene, "How NOT to Measure Latency", 2015): a stall shows in every request it
//! delayed, not only in those that were in flight. Invariant: due times never decrease, and a
//! backlog costs no memory, because it is the distance between the next due time and now.

use std::str::FromStr;

use fastrand::Rng;

/// How the time between two requests varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// Always the same.
    Constant,
    /// Exponentially distributed, as from many independent clients.
    Poisson,
}

impl FromStr for Arrivals {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "constant" => Ok(Arrivals::Constant),
            "poisson" => Ok(Arrivals::Poisson),
            _ => Err("expected constant or poisson".to_string()),
        }
    }
}

/// An endless list of due times, in nanoseconds of the run's clock.
#[derive(Debug)]
pub struct Pace {
    arrivals: Arrivals,
    /// Mean time between two requests. A fraction of a nanosecond would add up over a run.
    period_ns: f64,
    next_ns: f64,
    rng: Rng,
}

impl Pace {
    /// Begins a schedule of `rate` requests a second. The first is due at `start_ns` plus a random
    /// part of a period, so that several schedules do not beat in time.
    pub fn new(rate: f64, arrivals: Arrivals, start_ns: u64, seed: u64) -> Pace {
        assert!(rate > 0.0, "a schedule without requests");
        let period_ns = 1e9 / rate;
        let mut rng = Rng::with_seed(seed);
        let next_ns = start_ns as f64 + rng.f64() * period_ns;
        Pace { arrivals, period_ns, next_ns, rng }
    }

    /// Returns when the next request is due.
    #[inline]
    pub fn next_ns(&self) -> u64 {
        self.next_ns as u64
    }

    /// Moves on to the request after the next.
    #[inline]
    pub fn advance(&mut self) {
        self.next_ns += match self.arrivals {
            Arrivals::Constant => self.period_ns,
            // 1 - f64() is above 0, where the logarithm is finite.
            Arrivals::Poisson => -(1.0 - self.rng.f64()).ln() * self.period_ns,
        };
    }

    /// Returns how many requests are due before `end_ns` that were not taken.
    pub fn backlog(&self, end_ns: u64) -> u64 {
        ((end_ns as f64 - self.next_ns) / self.period_ns).ceil().max(0.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_in_a_second(arrivals: Arrivals, rate: f64) -> Vec<u64> {
        let mut pace = Pace::new(rate, arrivals, 0, 9);
        let mut due = Vec::new();
        while pace.next_ns() < 1_000_000_000 {
            due.push(pace.next_ns());
            pace.advance();
        }
        due
    }

    #[test]
    fn a_constant_pace_keeps_its_rate_exactly() {
        for rate in [1.0, 3.0, 777.0, 300_000.0] {
            let due = due_in_a_second(Arrivals::Constant, rate);
            assert!((due.len() as f64 - rate).abs() <= 1.0, "{} of {rate}", due.len());
            let period = (1e9 / rate) as u64;
            assert!(due.windows(2).all(|pair| (pair[1] - pair[0]).abs_diff(period) <= 1));
        }
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_deviation_of_an_exponential() {
        let due = due_in_a_second(Arrivals::Poisson, 100_000.0);
        let gaps: Vec<f64> = due.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean - 10_000.0).abs() < 200.0, "{mean}");
        assert!((variance.sqrt() - mean).abs() < 300.0, "{}", variance.sqrt());
    }

    #[test]
    fn what_was_not_taken_is_the_backlog() {
        let pace = Pace::new(1000.0, Arrivals::Constant, 5_000_000_000, 1);
        assert_eq!(pace.backlog(4_000_000_000), 0);
        assert_eq!(pace.backlog(6_000_000_000), 1000);
    }
}
