//! The command line, in two stages: [`Options`] is what was typed, [`Plan`] what it means.
//!
//! Invariant: whoever holds a [`Plan`] need not check it: its parts do not contradict each other.
//! Short options mean what they mean to redis-benchmark.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;

use crate::failure::Failure;
use crate::keys::Distribution;
use crate::mix::{Mix, Operation, Shape, Typed, Weighted};
use crate::pace::Arrivals;
use crate::sizes::{Pool, Sizes};

/// Key numbers have twelve digits.
const KEYS_MAX: u64 = 1_000_000_000_000;

/// Load a server that speaks Redis's protocol, and measure or check its replies.
///
/// Without --rate the loop is closed: each connection sends --pipeline requests, waits for all
/// replies and goes on. With --rate it is open: requests are due at fixed times, and latency counts
/// from then, so that a stall of the server shows in full.
#[derive(Clone, Debug, Parser)]
#[command(name = "loadtest", version, disable_help_flag = true, max_term_width = 100)]
pub struct Options {
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,

    /// Host name or address of the server
    #[arg(short = 'h', long, default_value = "127.0.0.1", help_heading = "Server")]
    pub host: String,
    /// Port of the server
    #[arg(short, long, default_value_t = 6379, help_heading = "Server")]
    pub port: u16,
    /// Unix socket of the server, instead of host and port
    #[arg(short, long, value_name = "PATH", help_heading = "Server")]
    pub socket: Option<PathBuf>,
    /// User for AUTH
    #[arg(long, requires = "password", help_heading = "Server")]
    pub user: Option<String>,
    /// Password for AUTH
    #[arg(short = 'a', long, help_heading = "Server")]
    pub password: Option<String>,
    /// Database to select
    #[arg(long, default_value_t = 0, help_heading = "Server")]
    pub db: u32,
    /// Version of the protocol
    #[arg(long, default_value_t = 2, help_heading = "Server",
          value_parser = clap::value_parser!(u8).range(2..=3))]
    pub resp: u8,
    /// Ask the server for its CLUSTER SLOTS and send each key to its node
    #[arg(long, conflicts_with = "socket", help_heading = "Server")]
    pub cluster: bool,
    /// Give up on a connection that owes replies and is silent this long
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds,
          help_heading = "Server")]
    pub timeout: Duration,

    /// Number of connections
    #[arg(short, long, default_value_t = 50, help_heading = "Load")]
    pub connections: usize,
    /// Number of threads that share the connections
    #[arg(long, default_value_t = 1, help_heading = "Load")]
    pub threads: usize,
    /// Processors to pin the threads to, in turn
    #[arg(long, value_name = "LIST", value_delimiter = ',', help_heading = "Load")]
    pub cpus: Vec<usize>,
    /// Requests that a connection may have in flight
    #[arg(short = 'P', long, default_value_t = 1, help_heading = "Load")]
    pub pipeline: usize,
    /// Open loop: requests a second, of all connections together
    #[arg(long, help_heading = "Load")]
    pub rate: Option<f64>,
    /// Times between requests of an open loop: constant or poisson
    #[arg(long, default_value = "poisson", requires = "rate", help_heading = "Load")]
    pub arrivals: Arrivals,
    /// Stop after this many requests, instead of after a time
    #[arg(short = 'n', long, conflicts_with = "duration", help_heading = "Load")]
    pub requests: Option<u64>,
    /// Stop after this time
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds,
          help_heading = "Load")]
    pub duration: Duration,
    /// Run this long before measuring
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds,
          help_heading = "Load")]
    pub warmup: Duration,
    /// Name each key once, in order, instead of drawing keys, and stop after the last
    #[arg(long, conflicts_with_all = ["requests", "duration", "rate", "warmup"],
          help_heading = "Load")]
    pub walk: bool,
    /// SET every key once before the run
    #[arg(long, help_heading = "Load")]
    pub preload: bool,
    /// Verify every reply against a model. Each connection has keys of its own, which are deleted
    /// first
    #[arg(long, conflicts_with = "ttl", help_heading = "Load")]
    pub check: bool,
    /// Count error replies instead of stopping at the first
    #[arg(long, conflicts_with = "check", help_heading = "Load")]
    pub tolerate_errors: bool,
    /// Seed of all random choices
    #[arg(long, default_value_t = 1, help_heading = "Load")]
    pub seed: u64,

    /// Commands and their weights, as in get=90,set=10: get set mget mset del incr lpush rpop
    /// lrange sadd hset hget zadd xadd ping [default: get]
    #[arg(long, value_name = "NAME=WEIGHT", value_delimiter = ',', help_heading = "Commands")]
    pub mix: Vec<Weighted>,
    /// A command of your own, as in '5=SET key:__key__ __data__'; __key__, __element__ and
    /// __data__ are drawn anew for each request
    #[arg(long, value_name = "[WEIGHT=]WORDS", help_heading = "Commands")]
    pub command: Vec<Typed>,
    /// Number of different keys
    #[arg(short = 'r', long, default_value_t = 100_000, help_heading = "Commands")]
    pub keys: u64,
    /// Put in front of the keys of --mix
    #[arg(long, default_value = "", help_heading = "Commands")]
    pub key_prefix: String,
    /// Popularity of keys: uniform, zipf[:EXPONENT] or hot:REQUESTS%:KEYS%
    #[arg(long, default_value = "uniform", help_heading = "Commands")]
    pub distribution: Distribution,
    /// Number of keys that mget and mset name
    #[arg(long, default_value_t = 10, help_heading = "Commands")]
    pub keys_per_command: usize,
    /// Number of different members and fields, and the length of lrange's range
    #[arg(long, default_value_t = 100, help_heading = "Commands")]
    pub elements: u64,
    /// Size of values: SIZE or SIZE-SIZE, or several with weights: 16:90,1k-4k:10
    #[arg(short = 'd', long, default_value = "64", help_heading = "Commands")]
    pub data_size: Sizes,
    /// Lifetime that set gives to keys, in seconds: one number or a range
    #[arg(long, value_name = "SECONDS", help_heading = "Commands")]
    pub ttl: Option<Lifetimes>,

    /// No progress on stderr
    #[arg(short, long, help_heading = "Results")]
    pub quiet: bool,
    /// Write the results to this file as JSON
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub json: Option<PathBuf>,
    /// Write a line per command to this file as CSV
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub csv: Option<PathBuf>,
    /// Write plots of latency and throughput to this directory
    #[arg(long, value_name = "DIR", help_heading = "Results")]
    pub svg: Option<PathBuf>,
}

/// A range of lifetimes in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    pub shortest: u64,
    pub longest: u64,
}

impl FromStr for Lifetimes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (shortest, longest) = text.split_once('-').unwrap_or((text, text));
        match (shortest.parse(), longest.parse()) {
            (Ok(shortest @ 1..), Ok(longest @ ..=u64::MAX)) if shortest <= longest => {
                Ok(Lifetimes { shortest, longest })
            }
            _ => Err("expected a number of seconds above 0, or a range".to_string()),
        }
    }
}

/// Reads a number of seconds, with an optional `s`.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.trim_end_matches('s').parse::<f64>() {
        Ok(seconds) if (0.0..=1e8).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected a number of seconds".to_string()),
    }
}

/// What to send, resolved and checked; all threads read the same one.
#[derive(Debug)]
pub struct Plan {
    pub mix: Mix,
    pub shape: Shape,
    pub distribution: Distribution,
    pub keys: u64,
    pub elements: u64,
    pub sizes: Sizes,
    pub pool: Pool,
    pub lifetimes: Lifetimes,
    pub connections: usize,
    pub pipeline: usize,
    pub check: bool,
    pub cluster: bool,
    pub tolerate_errors: bool,
    pub timeout: Duration,
}

impl Options {
    /// Resolves the options.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] where they contradict each other.
    pub fn plan(&self) -> Result<Plan, Failure> {
        self.validate().map_err(Failure::Usage)?;
        let shape = Shape {
            key_prefix: self.key_prefix.clone(),
            keys_per_command: self.keys_per_command,
            has_lifetime: self.ttl.is_some(),
            range_last: self.elements - 1,
        };
        let mix = Mix::new(&self.mix, &self.command, &shape);
        let spans_slots = mix.commands().iter().find(|c| c.template.key_count() > 1);
        if let (true, Some(command)) = (self.cluster, spans_slots) {
            let text = format!("--cluster: {} names several keys, of any slot", command.name);
            return Err(Failure::Usage(text));
        }
        Ok(Plan {
            mix,
            shape,
            distribution: self.distribution,
            keys: self.keys,
            elements: self.elements,
            sizes: self.data_size.clone(),
            pool: Pool::new(&self.data_size, self.seed),
            lifetimes: self.ttl.unwrap_or(Lifetimes { shortest: 1, longest: 1 }),
            connections: self.connections,
            pipeline: self.pipeline,
            check: self.check,
            cluster: self.cluster,
            tolerate_errors: self.tolerate_errors,
            timeout: self.timeout,
        })
    }

    fn validate(&self) -> Result<(), String> {
        let between = |name: &str, value: u64, most: u64| match value {
            value if (1..=most).contains(&value) => Ok(()),
            _ => Err(format!("{name} is between 1 and {most}")),
        };
        between("--connections", self.connections as u64, 1_000_000)?;
        between("--threads", self.threads as u64, self.connections.min(1024) as u64)?;
        between("--pipeline", self.pipeline as u64, 100_000)?;
        between("--keys", self.keys, KEYS_MAX)?;
        between("--keys-per-command", self.keys_per_command as u64, 100_000)?;
        between("--elements", self.elements, KEYS_MAX)?;
        between("--requests", self.requests.unwrap_or(1), u64::MAX)?;
        if self.rate.is_some_and(|rate| !(0.001..=1e9).contains(&rate)) {
            return Err("--rate is between 0.001 and a billion requests a second".to_string());
        }
        if self.timeout.is_zero() || (self.requests.is_none() && self.duration.is_zero()) {
            return Err("--timeout and --duration are above 0".to_string());
        }
        if self.check && self.keys < self.connections as u64 {
            return Err("--check: every connection needs a key of its own".to_string());
        }
        Ok(())
    }
}

impl Plan {
    /// Returns whether replies to `operation` that are null are keys that were missing.
    pub fn is_lookup(operation: Operation) -> bool {
        matches!(operation, Operation::Get | Operation::Rpop | Operation::Hget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(arguments: &str) -> Result<Plan, String> {
        let words = std::iter::once("loadtest").chain(arguments.split_whitespace());
        let options = Options::try_parse_from(words).map_err(|error| error.to_string())?;
        options.plan().map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }

    #[test]
    fn options_make_a_plan() {
        let plan = plan("--mix get=9,set=1 --ttl 5-9 -r 10 -d 1-3 -P 4 --command INFO").unwrap();
        assert_eq!(plan.mix.commands().len(), 3);
        assert_eq!(plan.lifetimes, Lifetimes { shortest: 5, longest: 9 });
        assert_eq!((plan.keys, plan.pipeline, plan.sizes.largest()), (10, 4, 3));
    }

    #[test]
    fn contradictions_are_refused() {
        for bad in [
            "-c 0",
            "--threads 2 -c 1",
            "--check --ttl 5",
            "--check -r 10 -c 11",
            "--cluster --mix mget",
            "--cluster --socket x",
            "-n 5 --duration 1",
            "--rate 0",
            "--rate nan",
            "--duration -1",
            "--ttl 0",
            "--ttl 9-1",
            "--resp 4",
            "--mix nothing",
        ] {
            assert!(plan(bad).is_err(), "{bad}");
        }
    }
}
