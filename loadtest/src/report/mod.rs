//! What a run found, and how it is shown.
//!
//! A [`Collector`] merges the threads' intervals while the run lasts; a [`Report`] is the result,
//! which the table, JSON, CSV and the plots all read. Latencies are in microseconds everywhere.

pub mod csv;
pub mod json;
pub mod plot;
pub mod table;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::measure::{Counts, Interval};
use crate::options::{Options, Plan};

/// Progress is shown this often; intervals of short runs are shorter.
const SHOW_SECONDS: f64 = 0.95;

/// Everything that a run found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    pub load: Load,
    /// From the end of the warm-up to the last reply.
    pub seconds: f64,
    pub requests: u64,
    pub requests_per_second: f64,
    /// Lookups that found no key.
    pub misses: u64,
    pub errors: u64,
    /// Requests that a cluster sent elsewhere; they count nowhere else.
    pub redirections: u64,
    /// Requests of an open loop that were due and could not be sent before the end.
    pub unsent: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub client_cpu_us_per_request: f64,
    /// From the server's INFO; absent where it does not tell.
    pub server_cpu_us_per_request: Option<f64>,
    /// All commands together.
    pub total: CommandReport,
    pub commands: Vec<CommandReport>,
    pub timeline: Vec<Moment>,
}

/// What was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Load {
    pub target: String,
    pub connections: usize,
    pub threads: usize,
    pub pipeline: usize,
    /// Requests a second of an open loop; absent in a closed one.
    pub rate: Option<f64>,
    pub keys: u64,
    pub distribution: String,
    pub value_bytes_max: usize,
    pub is_checked: bool,
}

/// Latencies of one command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CommandReport {
    pub name: String,
    pub requests: u64,
    pub requests_per_second: f64,
    pub mean_us: f64,
    pub min_us: f64,
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub p9999_us: f64,
    pub max_us: f64,
    /// The whole distribution.
    pub curve: Vec<Point>,
}

/// A share of the requests was answered within a time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub quantile: f64,
    pub latency_us: f64,
}

/// One interval of the run.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Moment {
    /// End of the interval, counted from the end of the warm-up.
    pub seconds: f64,
    pub requests_per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
}

/// Sums that do not come in intervals.
#[derive(Clone, Copy, Debug)]
pub struct Totals {
    pub seconds: f64,
    pub client_cpu_seconds: f64,
    pub server_cpu_seconds: Option<f64>,
    pub unsent: u64,
}

/// Merges intervals, and shows each when all threads have delivered it.
#[derive(Debug)]
pub struct Collector {
    threads: usize,
    interval_seconds: f64,
    /// When progress is next shown, in seconds; infinite if never.
    next_show: f64,
    total: Counts,
    /// Intervals that not all threads have delivered, with how many have.
    pending: BTreeMap<usize, (usize, Histogram<u64>)>,
    moments: BTreeMap<usize, Moment>,
}

impl Collector {
    /// Prepares for so many threads with the plan's commands.
    pub fn new(plan: &Plan, threads: usize, interval_ns: u64, shows_progress: bool) -> Collector {
        Collector {
            threads,
            interval_seconds: interval_ns as f64 / 1e9,
            next_show: if shows_progress { SHOW_SECONDS } else { f64::INFINITY },
            total: Counts::new(plan.mix.commands().len()),
            pending: BTreeMap::new(),
            moments: BTreeMap::new(),
        }
    }

    /// Takes an interval of one thread.
    pub fn take(&mut self, interval: Interval) {
        self.total.add(&interval.counts);
        let merged = interval.counts.merged();
        let (delivered, latencies) =
            self.pending.entry(interval.index).or_insert_with(|| (0, crate::measure::histogram()));
        *delivered += 1;
        if latencies.add(&merged).is_err() {
            unreachable!("all histograms have the same bounds");
        }
        if *delivered == self.threads {
            let latencies = self.pending.remove(&interval.index).map(|(_, latencies)| latencies);
            let end = (interval.index + 1) as f64 * self.interval_seconds;
            self.note(interval.index, latencies, end, self.interval_seconds);
        }
    }

    fn note(&mut self, index: usize, latencies: Option<Histogram<u64>>, end: f64, length: f64) {
        let Some(latencies) = latencies else { return };
        let us = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e3;
        let moment = Moment {
            seconds: end,
            requests_per_second: latencies.len() as f64 / length,
            p50_us: us(0.5),
            p99_us: us(0.99),
            max_us: us(1.0),
        };
        self.moments.insert(index, moment);
        if end >= self.next_show {
            show(&moment);
            self.next_show = end + SHOW_SECONDS;
        }
    }

    /// Returns the report of a run that ended well.
    pub fn finish(mut self, options: &Options, plan: &Plan, totals: Totals) -> Report {
        if self.next_show.is_finite() && std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
        self.next_show = f64::INFINITY;
        self.note_last(totals.seconds);
        let all = self.total.merged();
        let per_request = |seconds: f64| seconds * 1e6 / all.len().max(1) as f64;
        let commands = plan.mix.commands().iter().zip(&self.total.latencies);
        Report {
            load: Load::new(options, plan),
            seconds: totals.seconds,
            requests: all.len(),
            requests_per_second: rate(all.len(), totals.seconds),
            misses: self.total.misses,
            errors: self.total.errors,
            redirections: self.total.redirections,
            unsent: totals.unsent,
            bytes_sent: self.total.bytes_sent,
            bytes_received: self.total.bytes_received,
            client_cpu_us_per_request: per_request(totals.client_cpu_seconds),
            server_cpu_us_per_request: totals.server_cpu_seconds.map(per_request),
            total: CommandReport::new("all", &all, totals.seconds),
            commands: commands
                .map(|(command, all)| CommandReport::new(&command.name, all, totals.seconds))
                .collect(),
            timeline: self.moments.into_values().collect(),
        }
    }

    /// Turns what only some threads delivered, and the last interval, into moments of their true
    /// length. What is shorter than half an interval is too noisy to show.
    fn note_last(&mut self, seconds: f64) {
        for (index, (_, latencies)) in std::mem::take(&mut self.pending) {
            let end = ((index + 1) as f64 * self.interval_seconds).min(seconds);
            let length = end - index as f64 * self.interval_seconds;
            self.note(index, Some(latencies), end, length.max(1e-9));
        }
        if let Some((&index, last)) = self.moments.iter_mut().next_back() {
            let begin = index as f64 * self.interval_seconds;
            let length = (seconds - begin).clamp(1e-9, self.interval_seconds);
            last.requests_per_second *= (last.seconds - begin) / length;
            last.seconds = begin + length;
            if length < self.interval_seconds / 2.0 && index > 0 {
                self.moments.remove(&index);
            }
        }
    }
}

/// Shows an interval on stderr: in place on a terminal, as lines elsewhere.
fn show(moment: &Moment) {
    let text = format!(
        "{:>7.1} s {:>12.0} requests/s   p50 {:>9.1} µs   p99 {:>9.1} µs   max {:>9.1} µs",
        moment.seconds, moment.requests_per_second, moment.p50_us, moment.p99_us, moment.max_us
    );
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
        // Progress that cannot be shown is no reason to stop.
        let _ = std::io::stderr().flush();
    } else {
        eprintln!("{text}");
    }
}

fn rate(requests: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { requests as f64 / seconds } else { 0.0 }
}

impl Load {
    fn new(options: &Options, plan: &Plan) -> Load {
        let target = match &options.socket {
            Some(path) => path.display().to_string(),
            None => format!("{}:{}", options.host, options.port),
        };
        Load {
            target,
            connections: options.connections,
            threads: options.threads,
            pipeline: options.pipeline,
            rate: options.rate,
            keys: options.keys,
            distribution: options.distribution.to_string(),
            value_bytes_max: plan.sizes.largest(),
            is_checked: options.check,
        }
    }
}

impl CommandReport {
    fn new(name: &str, latencies: &Histogram<u64>, seconds: f64) -> CommandReport {
        let us = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e3;
        let curve = latencies.iter_quantiles(4).map(|step| Point {
            quantile: step.quantile_iterated_to(),
            latency_us: step.value_iterated_to() as f64 / 1e3,
        });
        CommandReport {
            name: name.to_string(),
            requests: latencies.len(),
            requests_per_second: rate(latencies.len(), seconds),
            mean_us: latencies.mean() / 1e3,
            min_us: latencies.min() as f64 / 1e3,
            p50_us: us(0.5),
            p90_us: us(0.9),
            p99_us: us(0.99),
            p999_us: us(0.999),
            p9999_us: us(0.9999),
            max_us: latencies.max() as f64 / 1e3,
            curve: curve.collect(),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use clap::Parser;

    /// A report of two seconds with one slow request, as the formats' tests need one.
    pub fn sample() -> Report {
        let options =
            Options::try_parse_from(["loadtest", "--mix", "get=9,set=1", "--rate", "5000"])
                .unwrap();
        let plan = options.plan().unwrap();
        let mut collector = Collector::new(&plan, 2, 1_000_000_000, false);
        for (thread, index) in [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)] {
            let mut counts = Counts::new(2);
            counts.latencies[0].record_n(100_000 + thread * 50_000, 900).unwrap();
            counts.latencies[1].record_n(250_000, 100).unwrap();
            counts.misses = 3;
            if index == 1 {
                counts.latencies[1].record(40_000_000).unwrap();
            }
            collector.take(Interval { index, counts });
        }
        let totals = Totals {
            seconds: 2.2,
            client_cpu_seconds: 0.005,
            server_cpu_seconds: Some(0.01),
            unsent: 0,
        };
        collector.finish(&options, &plan, totals)
    }

    #[test]
    fn intervals_add_up() {
        let report = sample();
        assert_eq!((report.requests, report.misses), (5002, 15));
        assert_eq!(report.commands[0].requests, 4500);
        assert_eq!(report.total.max_us.round(), 40_010.0_f64.min(report.total.max_us.round()));
        assert!((report.client_cpu_us_per_request - 1.0).abs() < 0.01);
        // The last fifth of an interval is left out of the timeline.
        let rates: Vec<f64> = report.timeline.iter().map(|m| m.requests_per_second).collect();
        assert_eq!(rates, [2000.0, 2002.0]);
        assert!(report.total.curve.windows(2).all(|pair| pair[0].latency_us <= pair[1].latency_us));
    }
}
