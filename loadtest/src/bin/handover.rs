//! The `handover` program: how long a push takes to reach the client that waits for it.

use std::process::ExitCode;

use clap::Parser;

use loadtest::handover::{Options, run};

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("handover: {failure}");
            ExitCode::FAILURE
        }
    }
}
