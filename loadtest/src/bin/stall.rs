//! The `stall` program: how long others wait while somebody works on a large collection.

use std::process::ExitCode;

use clap::Parser;

use loadtest::stall::{Options, run};

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("stall: {failure}");
            ExitCode::FAILURE
        }
    }
}
