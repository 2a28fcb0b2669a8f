//! Memory per key: how much a fresh server's resident memory grows while keys are loaded.
//!
//! Invariant: every figure is from a process that held nothing before. What a server says of itself
//! is not asked, because servers count differently.

use std::time::Duration;

use super::cpus::Cpus;
use super::generator::Aim;
use super::interrupt;
use super::measurement::{Outcome, awake};
use super::procfs::resident_bytes;
use super::server::{Installed, Server};
use super::workload::{Dataset, Load, Transport};

/// Servers resize their tables and give back buffers for a moment after the last request.
const SETTLE: Duration = Duration::from_millis(500);

/// Where and how much.
#[derive(Debug)]
pub struct Filling<'a> {
    pub server_cpus: &'a Cpus,
    pub generator_cpus: &'a Cpus,
    pub keys: u64,
}

impl Filling<'_> {
    /// Returns the generator's arguments.
    pub fn arguments(&self, dataset: &Dataset) -> String {
        let keys = self.keys / dataset.keys_divisor;
        format!("--walk -c 10 -P 50 -r {keys} {}", dataset.fill)
    }

    /// Measures the bytes per key of a data set on a server of its own.
    pub fn measure(&self, installed: &Installed, dataset: &Dataset, port: u16) -> Outcome<f64> {
        if interrupt::is_requested() {
            return Outcome::Failed("interrupted".to_string());
        }
        let server = Server::start(installed, self.server_cpus, port);
        let mut server = match server {
            Ok(server) => server,
            Err(failure) => return Outcome::Failed(failure.to_string()),
        };
        let result = awake(&mut server, |server| {
            if !server.knows(dataset.needs).map_err(|failure| failure.to_string())? {
                return Ok(None);
            }
            self.fill(server, dataset).map(Some)
        });
        match result {
            Ok(Some(bytes)) => Outcome::Measured { median: bytes, rounds: vec![bytes] },
            Ok(None) => Outcome::Lacks(dataset.needs.to_string()),
            Err(text) => Outcome::Failed(text),
        }
    }

    fn fill(&self, server: &Server, dataset: &Dataset) -> Result<f64, String> {
        let resident = || {
            std::thread::sleep(SETTLE);
            resident_bytes(server.pid()).map_err(|error| error.to_string())
        };
        let before = resident()?;
        let aim = Aim { holes: &server.holes, transport: Transport::Tcp };
        // One string for the life of the program is the price of a table of constants.
        let arguments: &'static str = self.arguments(dataset).leak();
        let load = Load::Loadtest(arguments);
        let found = load.run(&aim, self.generator_cpus, None, server.directory())?;
        let after = resident()?;
        Ok(after.saturating_sub(before) as f64 / found.requests.max(1.0))
    }
}
