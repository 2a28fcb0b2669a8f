//! Latencies and counts while a run lasts.
//!
//! Each thread records into its own histograms and hands them over once an interval; nothing is
//! shared on the way of a request. Invariant: what was answered before the warm-up ended is in no
//! result.

use std::sync::mpsc::Sender;
use std::time::Instant;

use hdrhistogram::Histogram;

/// Latencies above an hour count as an hour.
const LATENCY_MAX_NS: u64 = 3_600_000_000_000;

/// Decimal digits to which latencies are exact.
const PRECISION: u8 = 3;

/// The run's clock: nanoseconds since a moment before it began.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Starts a clock.
    pub fn start() -> Clock {
        Clock { origin: Instant::now() }
    }

    /// Returns the time.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }
}

/// Returns an empty histogram of latencies in nanoseconds.
pub fn histogram() -> Histogram<u64> {
    match Histogram::new_with_bounds(1, LATENCY_MAX_NS, PRECISION) {
        Ok(histogram) => histogram,
        Err(error) => unreachable!("the bounds are constants: {error}"),
    }
}

/// Everything that is counted; of one thread in one interval, or of all in all.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Latencies by command, in the order of the mix.
    pub latencies: Vec<Histogram<u64>>,
    /// Lookups that found nothing.
    pub misses: u64,
    /// Error replies, where they are tolerated.
    pub errors: u64,
    /// Requests that a cluster redirected.
    pub redirections: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
}

impl Counts {
    /// Returns zero counts for so many commands.
    pub fn new(commands: usize) -> Counts {
        Counts { latencies: (0..commands).map(|_| histogram()).collect(), ..Counts::default() }
    }

    /// Adds `other`, which has the same commands.
    pub fn add(&mut self, other: &Counts) {
        for (mine, theirs) in self.latencies.iter_mut().zip(&other.latencies) {
            if let Err(error) = mine.add(theirs) {
                unreachable!("all histograms have the same bounds: {error}");
            }
        }
        self.misses += other.misses;
        self.errors += other.errors;
        self.redirections += other.redirections;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
    }

    /// Returns the latencies of all commands together.
    pub fn merged(&self) -> Histogram<u64> {
        let mut sum = Counts::new(1);
        for histogram in &self.latencies {
            let one = Counts { latencies: vec![histogram.clone()], ..Counts::default() };
            sum.add(&one);
        }
        sum.latencies.swap_remove(0)
    }
}

/// What one thread counted in one interval.
#[derive(Debug)]
pub struct Interval {
    /// Number of the interval since the warm-up, from 0.
    pub index: usize,
    pub counts: Counts,
}

/// Splits a thread's counts into intervals.
#[derive(Debug)]
pub struct Recorder {
    pub counts: Counts,
    commands: usize,
    /// Number of the running interval; `None` during the warm-up.
    index: Option<usize>,
    boundary_ns: u64,
    length_ns: u64,
    sender: Option<Sender<Interval>>,
    tally: Tally,
}

/// Replies since the last record, as many came at the same time to requests of the same time.
#[derive(Debug, Default)]
struct Tally {
    since_ns: u64,
    by_command: Vec<u64>,
    total: u64,
}

impl Recorder {
    /// Makes a recorder that begins to count at `begin_ns` and sends an interval every `length_ns`.
    pub fn new(commands: usize, begin_ns: u64, length_ns: u64, sender: Sender<Interval>) -> Self {
        let mut recorder = Recorder::idle(commands);
        recorder.boundary_ns = begin_ns;
        recorder.length_ns = length_ns;
        recorder.sender = Some(sender);
        recorder
    }

    /// Makes a recorder whose counts nobody receives.
    pub fn idle(commands: usize) -> Recorder {
        Recorder {
            counts: Counts::new(commands),
            commands,
            index: None,
            boundary_ns: u64::MAX,
            length_ns: u64::MAX,
            sender: None,
            tally: Tally { by_command: vec![0; commands], ..Tally::default() },
        }
    }

    /// Counts a reply to a request of `since_ns` that came at `now_ns`. All replies between two
    /// calls of [`Recorder::settle`] came at the same time.
    #[inline]
    pub fn reply(&mut self, command: usize, since_ns: u64, now_ns: u64) {
        if since_ns != self.tally.since_ns {
            self.settle(now_ns);
            self.tally.since_ns = since_ns;
        }
        self.tally.by_command[command] += 1;
        self.tally.total += 1;
    }

    /// Records the replies that came at `now_ns`.
    #[inline]
    pub fn settle(&mut self, now_ns: u64) {
        if self.tally.total == 0 {
            return;
        }
        let latency_ns = now_ns.saturating_sub(self.tally.since_ns).max(1);
        for (command, count) in self.tally.by_command.iter_mut().enumerate() {
            if *count > 0 {
                self.counts.latencies[command].saturating_record_n(latency_ns, *count);
                *count = 0;
            }
        }
        self.tally.total = 0;
    }

    /// Ends the interval if its time is over, and returns when the next one ends.
    #[inline]
    pub fn turn(&mut self, now_ns: u64) -> u64 {
        while now_ns >= self.boundary_ns {
            self.hand_over();
            self.index = Some(self.index.map_or(0, |index| index + 1));
            self.boundary_ns += self.length_ns;
        }
        self.boundary_ns
    }

    /// Returns whether the warm-up is over.
    #[inline]
    pub fn is_counting(&self) -> bool {
        self.index.is_some()
    }

    /// Hands over the last interval, however short.
    pub fn finish(&mut self) {
        self.hand_over();
        self.sender = None;
    }

    fn hand_over(&mut self) {
        let counts = std::mem::replace(&mut self.counts, Counts::new(self.commands));
        if let (Some(index), Some(sender)) = (self.index, &self.sender) {
            // The receiver is gone only where the run has failed, and then nobody wants it.
            let _ = sender.send(Interval { index, counts });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn intervals_follow_the_clock_and_leave_out_the_warm_up() {
        let (sender, receiver) = channel();
        let mut recorder = Recorder::new(2, 1000, 500, sender);
        for (now, command) in [(10, 0), (999, 0), (1000, 1), (1400, 1), (2100, 0)] {
            recorder.turn(now);
            recorder.reply(command, now - 7, now);
            recorder.settle(now);
        }
        recorder.finish();
        let intervals: Vec<Interval> = receiver.try_iter().collect();
        let lens: Vec<(usize, u64, u64)> = intervals
            .iter()
            .map(|i| (i.index, i.counts.latencies[0].len(), i.counts.latencies[1].len()))
            .collect();
        assert_eq!(lens, [(0, 0, 2), (1, 0, 0), (2, 1, 0)]);
    }

    #[test]
    fn replies_are_recorded_with_their_own_latency() {
        let mut recorder = Recorder::idle(2);
        for (command, since) in [(0, 100), (1, 100), (0, 100), (0, 400), (1, 100)] {
            recorder.reply(command, since, 1000);
        }
        recorder.settle(1000);
        let [first, second] = &recorder.counts.latencies[..] else { panic!() };
        assert_eq!((first.len(), first.max(), first.min()), (3, 900, 600));
        assert_eq!((second.len(), second.max()), (2, 900));
        assert_eq!(recorder.counts.merged().len(), 5);
    }
}
