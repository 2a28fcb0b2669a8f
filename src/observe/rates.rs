//! Rates per second over the last moments, for INFO's `instantaneous_*`.
//!
//! Redis averages its last 16 rates, measured 100 ms apart. This keeps the readings of the last 16
//! intervals, taken by the cron that runs anyway, and divides what was counted in them by their
//! time; so a late reading weighs what it should.
//!
//! Invariant: time comes from a monotonic clock, and between two readings it goes on.
//! Source: <https://redis.io/docs/latest/commands/info/>.

use std::collections::VecDeque;

/// Intervals that a rate is taken over.
const INTERVALS: usize = 16;
/// Readings closer than this to the one before are left out. A cron every 100 ms may be a little
/// early.
const INTERVAL_MIN_NS: u64 = 95_000_000;

/// Counters at one moment: requests, bytes received, bytes sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    pub at_ns: u64,
    pub counters: [u64; 3],
}

/// The last readings.
#[derive(Debug, Default)]
pub struct Rates {
    readings: VecDeque<Reading>,
}

impl Rates {
    /// Takes in a reading, unless the one before is too recent. Counters only grow between calls of
    /// [`Rates::restart`].
    pub fn sample(&mut self, reading: Reading) {
        let earliest = self.readings.back().map_or(0, |last| last.at_ns + INTERVAL_MIN_NS);
        if reading.at_ns < earliest {
            return;
        }
        if self.readings.len() > INTERVALS {
            self.readings.pop_front();
        }
        self.readings.push_back(reading);
    }

    /// Forgets the readings, because the counters were set back.
    pub fn restart(&mut self) {
        self.readings.clear();
    }

    /// The rate of each counter; 0 before there are two readings.
    pub fn per_second(&self) -> [u64; 3] {
        let (Some(oldest), Some(newest)) = (self.readings.front(), self.readings.back()) else {
            return [0; 3];
        };
        let seconds = (newest.at_ns - oldest.at_ns) as f64 / 1e9;
        if seconds == 0.0 {
            return [0; 3];
        }
        std::array::from_fn(|at| {
            let counted = newest.counters[at] - oldest.counters[at];
            (counted as f64 / seconds).round() as u64
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK_NS: u64 = 100_000_000;

    /// Readings of `ticks` ticks in which each counter grows by a number of its own.
    fn run(rates: &mut Rates, from: Reading, ticks: u64, each: [u64; 3]) -> Reading {
        let mut reading = from;
        for _ in 0..ticks {
            reading.at_ns += TICK_NS;
            (0..3).for_each(|at| reading.counters[at] += each[at]);
            rates.sample(reading);
        }
        reading
    }

    #[test]
    fn a_steady_rate_is_itself_and_fades_when_it_ends() {
        let mut rates = Rates::default();
        let start = Reading::default();
        rates.sample(start);
        assert_eq!(rates.per_second(), [0; 3]);
        let last = run(&mut rates, start, 1, [5, 7, 0]);
        assert_eq!(rates.per_second(), [50, 70, 0], "from the second reading on");
        let last = run(&mut rates, last, 100, [5, 7, 0]);
        assert_eq!(rates.per_second(), [50, 70, 0]);
        assert_eq!(rates.readings.len(), INTERVALS + 1);
        let last = run(&mut rates, last, 8, [0, 0, 0]);
        assert_eq!(rates.per_second(), [25, 35, 0], "half of the window is quiet");
        run(&mut rates, last, 8, [0, 0, 0]);
        assert_eq!(rates.per_second(), [0; 3]);
    }

    #[test]
    fn readings_too_close_are_left_out_and_late_ones_weigh_more() {
        let mut rates = Rates::default();
        for at_ms in [0, 10, 20, 94, 95, 1095] {
            rates.sample(Reading { at_ns: at_ms * 1_000_000, counters: [at_ms, 0, 0] });
        }
        assert_eq!(rates.readings.len(), 3);
        assert_eq!(rates.per_second(), [1000, 0, 0]);
        rates.restart();
        assert_eq!(rates.per_second(), [0; 3]);
    }
}
