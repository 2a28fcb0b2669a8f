//! Stalls: the longest time that a PING takes while another client runs one command on a collection
//! of a million elements.
//!
//! The server is filled once; each command of [`cases`] then runs some times, a fresh copy of the
//! collection under it if it changes one. Of each round counts the longest PING; shown are the best
//! round, in which nothing else was in the way, and the worst.
//!
//! Invariant: what is measured begins when the command is sent and ends some PINGs after its reply,
//! so that work which the server has put off shows too.

mod cases;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;

use self::cases::{CASES, Case, fill};
use crate::client::Client;
use crate::failure::Failure;

/// Measure how long others wait while somebody works on a large collection. Empties the server.
#[derive(Clone, Debug, Parser)]
#[command(name = "stall", version, disable_help_flag = true, max_term_width = 100)]
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
    /// Elements of each collection, and keys
    #[arg(short = 'n', long, default_value_t = 1_000_000)]
    pub elements: usize,
    /// How often each command runs
    #[arg(long, default_value_t = 5)]
    pub rounds: u32,
    /// Only commands that contain this text
    #[arg(long, default_value = "")]
    pub only: String,
}

/// The pause after a command in which PINGs still count.
const AFTERMATH: Duration = Duration::from_millis(5);
/// How long a server has to free what the preparation of a round threw away.
const REST: Duration = Duration::from_millis(200);

/// What the second client sees.
#[derive(Default)]
struct Bystander {
    stop: AtomicBool,
    longest_ns: AtomicU64,
    pings: AtomicU64,
}

impl Bystander {
    fn serve(&self, mut client: Client) -> Result<(), Failure> {
        while !self.stop.load(Ordering::Relaxed) {
            let begun = Instant::now();
            client.call(&["PING"])?;
            self.longest_ns.fetch_max(begun.elapsed().as_nanos() as u64, Ordering::Relaxed);
            self.pings.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// One command's figures, times in milliseconds.
struct Row {
    best: f64,
    worst: f64,
    whole: f64,
    pings: u64,
}

/// Fills the server and prints a line per command.
///
/// # Errors
/// When the server cannot be reached, goes away or refuses a command.
pub fn run(options: &Options) -> Result<(), Failure> {
    let connect = || Client::connect(&options.host, options.port);
    let mut client = connect()?;
    fill(&mut client, options.elements)?;
    let bystander = Bystander::default();
    let other = connect()?;
    println!("{:44} {:>9} {:>9} {:>10} {:>8}", "ms", "stall", "worst", "whole", "pings");
    thread::scope(|scope| {
        let pinger = scope.spawn(|| bystander.serve(other));
        let wanted = CASES.iter().filter(|case| case.command.contains(&options.only));
        let measured = wanted.map(|case| {
            let row = measure(&mut client, case, &bystander, options.rounds)?;
            let Row { best, worst, whole, pings } = row;
            println!("{:44} {best:9.2} {worst:9.2} {whole:10.2} {pings:8}", case.command);
            Ok(())
        });
        let outcome: Result<(), Failure> = measured.collect();
        bystander.stop.store(true, Ordering::Relaxed);
        outcome.and(pinger.join().expect("the bystander does not panic"))
    })
}

fn measure(
    client: &mut Client,
    case: &Case,
    bystander: &Bystander,
    rounds: u32,
) -> Result<Row, Failure> {
    let mut row = Row { best: f64::MAX, worst: 0.0, whole: f64::MAX, pings: u64::MAX };
    for _ in 0..rounds.max(1) {
        for line in case.prepare {
            client.call(&line.split(' ').collect::<Vec<_>>())?;
        }
        thread::sleep(REST);
        bystander.longest_ns.store(0, Ordering::Relaxed);
        bystander.pings.store(0, Ordering::Relaxed);
        let begun = Instant::now();
        client.call(&case.command.split(' ').collect::<Vec<_>>())?;
        let whole = begun.elapsed().as_secs_f64() * 1e3;
        let pings = bystander.pings.load(Ordering::Relaxed);
        thread::sleep(AFTERMATH);
        let stall = bystander.longest_ns.load(Ordering::Relaxed) as f64 / 1e6;
        row.best = row.best.min(stall);
        row.worst = row.worst.max(stall);
        row.whole = row.whole.min(whole);
        row.pings = row.pings.min(pings);
    }
    Ok(row)
}
