//! Hand-overs: how long it takes from a push to the reply of the client that waits for it.
//!
//! Two connections take turns: one waits in BLPOP, and when it surely does the other pushes. Every
//! pair of connections is new, because it is chance (and the server) that decides which cores serve
//! them; the first rounds of each are not counted.
//!
//! Invariant: one element is under way at a time, so a reply belongs to the push before it.

use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use hdrhistogram::Histogram;

use crate::client::Client;
use crate::failure::Failure;

/// Measure the time from a push to the reply of a client that waits for it.
#[derive(Clone, Debug, Parser)]
#[command(name = "handover", version, disable_help_flag = true, max_term_width = 100)]
pub struct Options {
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// Host name or address of the server
    #[arg(short = 'h', long, default_value = "127.0.0.1")]
    pub host: String,
    /// Port of the server
    #[arg(short, long, default_value_t = 6379)]
    pub port: u16,
    /// Pairs of connections, one after the other
    #[arg(long, default_value_t = 16)]
    pub pairs: u32,
    /// Elements that each pair hands over and that count
    #[arg(long, default_value_t = 300)]
    pub rounds: u32,
    /// Elements before those
    #[arg(long, default_value_t = 100)]
    pub warmup: u32,
    /// Lists that a pair uses in turn
    #[arg(long, default_value_t = 1)]
    pub queues: u32,
    /// Microseconds that a client is given to begin to wait
    #[arg(long, default_value_t = 500)]
    pub pause_us: u64,
}

/// What takes longer is counted as this, in nanoseconds.
const LONGEST_NS: u64 = 10_000_000_000;

/// Runs all pairs and prints what it took, in microseconds.
///
/// # Errors
/// When the server cannot be reached, goes away or refuses a command.
pub fn run(options: &Options) -> Result<(), Failure> {
    let mut taken =
        Histogram::<u64>::new_with_bounds(1, LONGEST_NS, 3).expect("the bounds are in order");
    for pair in 0..options.pairs {
        let connect = || Client::connect(&options.host, options.port);
        let (mut waiter, mut pusher) = (connect()?, connect()?);
        for round in 0..options.warmup + options.rounds {
            let queue = format!("handover:{pair}:{}", round % options.queues.max(1));
            let nanos = hand_over(&mut waiter, &mut pusher, &queue, options.pause_us)?;
            if round >= options.warmup {
                taken.saturating_record(nanos);
            }
        }
    }
    let micros = |quantile| taken.value_at_quantile(quantile) as f64 / 1e3;
    let (p50, p90, p99, max) = (micros(0.5), micros(0.9), micros(0.99), micros(1.0));
    println!("us  p50 {p50:.1}  p90 {p90:.1}  p99 {p99:.1}  max {max:.1}  of {}", taken.len());
    Ok(())
}

/// Nanoseconds from the push to the reply of the waiter.
fn hand_over(
    waiter: &mut Client,
    pusher: &mut Client,
    queue: &str,
    pause_us: u64,
) -> Result<u64, Failure> {
    let (wait, push) = (["BLPOP", queue, "0"], ["RPUSH", queue, "element"]);
    waiter.send(&wait)?;
    thread::sleep(Duration::from_micros(pause_us));
    let begun = Instant::now();
    pusher.send(&push)?;
    waiter.receive(&wait)?;
    let nanos = begun.elapsed().as_nanos() as u64;
    pusher.receive(&push)?;
    Ok(nanos)
}
