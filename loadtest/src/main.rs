//! `loadtest`: loads a server that speaks Redis's protocol, measures latency and throughput, and
//! can check every reply.
//!
//! In reading order: `options` (what was asked), `run` (a whole run), `worker` (a thread's event
//! loop), `workload` (makes requests, from `mix`, `keys`, `sizes` and `encode`), `connection` and
//! `reply` (takes answers), `measure` (counts), `report` (shows). Beside them `pace` (when requests
//! of an open loop are due), `model` (what replies must be), `cluster` (who owns which slot),
//! `connect` and `decode` (greetings).
//!
//! Invariant: exit status 0 means that every request was answered, and not with an error unless
//! errors were to be tolerated; anything else is one sentence on stderr and status 1 (2 for an
//! unreadable command line).

mod cluster;
mod connect;
mod connection;
mod decode;
mod encode;
mod failure;
mod keys;
mod measure;
mod mix;
mod model;
mod options;
mod pace;
mod reply;
mod report;
mod run;
mod sizes;
mod worker;
mod workload;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::failure::Failure;
use crate::options::Options;
use crate::report::{Report, csv, json, plot, table};

fn main() -> ExitCode {
    let options = Options::parse();
    match run::run(&options).and_then(|report| publish(&report, &options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("loadtest: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the table, and writes the files that were asked for.
fn publish(report: &Report, options: &Options) -> Result<(), Failure> {
    std::io::stdout()
        .write_all(table::render(report).as_bytes())
        .map_err(Failure::system("write to standard output"))?;
    if let Some(path) = &options.json {
        write_file(path, &json::render(report))?;
    }
    if let Some(path) = &options.csv {
        write_file(path, &csv::render(report))?;
    }
    options.svg.as_deref().map_or(Ok(()), |directory| plot::write(report, directory))
}

fn write_file(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(Failure::system(format!("write {}", path.display())))
}
