//! One workload on every server: rounds in turn, repeats of what was disturbed, medians.
//!
//! Invariant: in a round every server has its turn before any has its next, so that a machine whose
//! speed drifts is as slow for one as for the other. Only one server is not stopped at any time.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::cpus::Cpus;
use super::generator::{Aim, Found, Length};
use super::interrupt;
use super::procfs::{self, MachineTime};
use super::server::Server;
use super::statistics::median;
use super::workload::{Load, Transport, Workload};
use crate::report::Point;

/// Requests of the run that tells redis-benchmark's speed.
const TRIAL_REQUESTS: u64 = 20_000;

/// How to measure.
#[derive(Clone, Debug)]
pub struct Method {
    pub rounds: usize,
    pub seconds: f64,
    /// How often a disturbed run is repeated.
    pub retries: usize,
    /// A run is disturbed if others used more than this share of the machine.
    pub others_max: f64,
    /// All processors of the machine that the comparison may use.
    pub cpus: usize,
}

/// What one run, or the median of some, found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    pub requests_per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// Absent where the generator does not say.
    pub p999_us: Option<f64>,
    /// Processor time of the server per request.
    pub server_cpu_us: f64,
    /// How much of its processors the load generator used, from 0 to 1.
    pub generator_load: f64,
    /// Share of the machine that neither the server nor the generator used, from 0 to 1.
    pub others: f64,
    /// Requests of an open loop that could not be sent in time, of all.
    pub unsent: f64,
    #[serde(skip)]
    pub curve: Vec<Point>,
}

/// What became of a measurement on one server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Outcome<F = Figures> {
    /// The medians, and every round that they are of.
    Measured { median: F, rounds: Vec<F> },
    /// The server does not know this command.
    Lacks(String),
    /// In words.
    Failed(String),
}

impl<F> Outcome<F> {
    /// Returns the medians, if there are any.
    pub fn figures(&self) -> Option<&F> {
        match self {
            Outcome::Measured { median, .. } => Some(median),
            _ => None,
        }
    }
}

/// A place where servers are loaded.
#[derive(Debug)]
pub struct Stand<'a> {
    pub method: &'a Method,
    pub transport: Transport,
    /// Where the generator runs.
    pub generator_cpus: &'a Cpus,
}

impl Stand<'_> {
    /// Measures a workload on every server. Returns how long each run was, and what became of it in
    /// the order of the servers.
    pub fn measure(&self, servers: &mut [Server], workload: &Workload) -> (Length, Vec<Outcome>) {
        let length = self.length(servers, workload);
        let mut rounds: Vec<Vec<Figures>> = vec![Vec::new(); servers.len()];
        let mut obstacles: Vec<Option<Outcome>> =
            servers.iter_mut().map(|server| self.obstacle(server, workload)).collect();
        for _ in 0..self.method.rounds {
            for (index, server) in servers.iter_mut().enumerate() {
                if obstacles[index].is_some() || interrupt::is_requested() {
                    continue;
                }
                match self.least_disturbed(server, workload, length) {
                    Ok(figures) => rounds[index].push(figures),
                    Err(text) => obstacles[index] = Some(Outcome::Failed(text)),
                }
            }
        }
        let outcome = |(obstacle, rounds): (Option<Outcome>, Vec<Figures>)| {
            obstacle.unwrap_or_else(|| Outcome::Measured { median: medians(&rounds), rounds })
        };
        (length, obstacles.into_iter().zip(rounds).map(outcome).collect())
    }

    /// Returns why a workload cannot be measured on a server, if so.
    fn obstacle(&self, server: &mut Server, workload: &Workload) -> Option<Outcome> {
        let knows = awake(server, |server| server.knows(workload.needs));
        match knows {
            Ok(true) => None,
            Ok(false) => Some(Outcome::Lacks(workload.needs.to_string())),
            Err(text) => Some(Outcome::Failed(text)),
        }
    }

    /// Returns how long to run. A generator that counts requests gets as many as the first server
    /// takes in the time; where that cannot be told, the run itself will say why.
    fn length(&self, servers: &mut [Server], workload: &Workload) -> Length {
        let mut length = Length { seconds: self.method.seconds, requests: TRIAL_REQUESTS };
        if let (true, Some(first)) = (workload.load.counts_requests(), servers.first_mut())
            && let Ok(figures) = self.once(first, workload, length)
        {
            let thousands = (figures.requests_per_second * length.seconds / 1e3).round() as u64;
            length.requests = (thousands * 1000).max(TRIAL_REQUESTS);
        }
        length
    }

    fn least_disturbed(
        &self,
        server: &mut Server,
        workload: &Workload,
        length: Length,
    ) -> Result<Figures, String> {
        let mut best = self.once(server, workload, length)?;
        for _ in 0..self.method.retries {
            if best.others <= self.method.others_max {
                break;
            }
            let again = self.once(server, workload, length)?;
            if again.others < best.others {
                best = again;
            }
        }
        Ok(best)
    }

    /// Empties the server, prepares its keys and measures one run.
    fn once(
        &self,
        server: &mut Server,
        workload: &Workload,
        length: Length,
    ) -> Result<Figures, String> {
        let result = awake(server, |server| {
            server.flush().map_err(|failure| failure.to_string())?;
            if let Some(prepare) = workload.prepare {
                self.load(server, prepare, None)?;
            }
            self.timed(server, workload.load, length)
        });
        match server.has_ended() {
            true => Err("the server ended".to_string()),
            false => result,
        }
    }

    fn load(&self, server: &Server, load: Load, length: Option<Length>) -> Result<Found, String> {
        let aim = Aim { holes: &server.holes, transport: self.transport };
        load.run(&aim, self.generator_cpus, length, server.directory())
    }

    fn timed(&self, server: &Server, load: Load, length: Length) -> Result<Figures, String> {
        let before = Reading::take(server)?;
        let found = self.load(server, load, Some(length))?;
        let used = Reading::take(server)?.since(&before);
        Ok(self.figures(found, &used))
    }

    fn figures(&self, found: Found, used: &Used) -> Figures {
        let generator_cpus = self.generator_cpus.count() as f64;
        // A generator also needs time to start and to sum up; it is busy while it sends.
        let sending = found.requests / found.requests_per_second.max(1e-9);
        Figures {
            requests_per_second: found.requests_per_second,
            p50_us: found.p50_us,
            p99_us: found.p99_us,
            p999_us: found.p999_us,
            server_cpu_us: used.server * 1e6 / found.requests.max(1.0),
            generator_load: used.generator / sending.max(1e-9) / generator_cpus,
            others: used.others(self.method.cpus),
            unsent: found.unsent / (found.requests + found.unsent).max(1.0),
            curve: found.curve,
        }
    }
}

/// Lets the server run while `act` acts.
///
/// # Errors
///
/// Those of `act`, or that the server is gone; in words.
pub fn awake<T, E: ToString>(
    server: &mut Server,
    act: impl FnOnce(&mut Server) -> Result<T, E>,
) -> Result<T, String> {
    server.resume().map_err(|failure| failure.to_string())?;
    let result = act(server).map_err(|error| error.to_string());
    // A server that is gone cannot be stopped; the result says why.
    let _ = server.pause();
    result
}

/// Who had used how much processor time at one moment.
struct Reading {
    server: f64,
    generator: f64,
    machine: MachineTime,
    at: Instant,
}

/// Who used how much processor time between two moments, in seconds.
struct Used {
    server: f64,
    generator: f64,
    machine: MachineTime,
    wall: f64,
}

impl Reading {
    fn take(server: &Server) -> Result<Reading, String> {
        let read = || {
            Ok(Reading {
                server: procfs::process_seconds(server.pid())?,
                generator: procfs::ended_children_seconds()?,
                machine: procfs::machine_time()?,
                at: Instant::now(),
            })
        };
        read().map_err(|error: std::io::Error| error.to_string())
    }

    fn since(&self, before: &Reading) -> Used {
        Used {
            server: self.server - before.server,
            generator: self.generator - before.generator,
            machine: MachineTime {
                busy: self.machine.busy - before.machine.busy,
                stolen: self.machine.stolen - before.machine.stolen,
            },
            wall: (self.at - before.at).as_secs_f64(),
        }
    }
}

impl Used {
    /// Returns the share of so many processors that went to others.
    fn others(&self, cpus: usize) -> f64 {
        let foreign = (self.machine.busy - self.server - self.generator).max(0.0);
        (foreign + self.machine.stolen) / (self.wall * cpus as f64).max(1e-9)
    }
}

/// Returns the median of every figure; the curve is that of the round with the median latency.
fn medians(rounds: &[Figures]) -> Figures {
    let of = |figure: fn(&Figures) -> f64| median(rounds.iter().map(figure)).unwrap_or_default();
    let p99_us = of(|figures| figures.p99_us);
    let distance = |figures: &&Figures| (figures.p99_us - p99_us).abs();
    let typical = rounds.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    Figures {
        requests_per_second: of(|figures| figures.requests_per_second),
        p50_us: of(|figures| figures.p50_us),
        p99_us,
        p999_us: median(rounds.iter().filter_map(|figures| figures.p999_us)),
        server_cpu_us: of(|figures| figures.server_cpu_us),
        generator_load: of(|figures| figures.generator_load),
        others: of(|figures| figures.others),
        unsent: of(|figures| figures.unsent),
        curve: typical.map(|figures| figures.curve.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(requests_per_second: f64, p99_us: f64) -> Figures {
        let curve = vec![Point { quantile: 0.99, latency_us: p99_us }];
        Figures { requests_per_second, p99_us, curve, ..Figures::default() }
    }

    #[test]
    fn each_figure_has_its_own_median() {
        let rounds = [round(100.0, 9.0), round(300.0, 7.0), round(200.0, 8.0)];
        let median = medians(&rounds);
        assert_eq!((median.requests_per_second, median.p99_us), (200.0, 8.0));
        assert_eq!((median.curve[0].latency_us, median.p999_us), (8.0, None));
    }

    #[test]
    fn what_nobody_measured_used_is_others() {
        let machine = MachineTime { busy: 2.5, stolen: 0.1 };
        let used = Used { server: 0.9, generator: 1.0, machine, wall: 1.0 };
        assert!((used.others(2) - 0.35).abs() < 1e-9);
        let rounding = MachineTime { busy: 1.89, stolen: 0.0 };
        assert_eq!(Used { machine: rounding, ..used }.others(2), 0.0);
    }

    #[test]
    fn shares_follow_from_what_was_used() {
        let method = Method { rounds: 1, seconds: 1.0, retries: 0, others_max: 0.1, cpus: 2 };
        let cpus: Cpus = "1".parse().unwrap();
        let stand = Stand { method: &method, transport: Transport::Tcp, generator_cpus: &cpus };
        let found = Found {
            requests: 90_000.0,
            requests_per_second: 90_000.0,
            unsent: 10_000.0,
            ..Found::default()
        };
        let machine = MachineTime { busy: 1.4, stolen: 0.0 };
        let used = Used { server: 0.9, generator: 0.5, machine, wall: 1.2 };
        let figures = stand.figures(found, &used);
        assert!((figures.server_cpu_us - 10.0).abs() < 1e-9);
        assert!((figures.generator_load - 0.5).abs() < 1e-9);
        assert!((figures.unsent - 0.1).abs() < 1e-9 && figures.others < 1e-9);
    }
}
