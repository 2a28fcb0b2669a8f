//! The `loadtest` program: one run, shown as a table and in the files that were asked for.
//!
//! Invariant: exit status 0 means that every request was answered, and not with an error unless
//! errors were to be tolerated; anything else is one sentence on stderr and status 1 (2 for an
//! unreadable command line).

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use loadtest::failure::Failure;
use loadtest::options::Options;
use loadtest::report::{Report, csv, json, plot, table};

fn main() -> ExitCode {
    let options = Options::parse();
    match loadtest::run::run(&options).and_then(|report| publish(&report, &options)) {
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
