//! The `compare` program: Shoal beside other servers.

use std::process::ExitCode;

use clap::Parser;

use loadtest::compare::{options::Options, run};

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("compare: {failure}");
            ExitCode::FAILURE
        }
    }
}
