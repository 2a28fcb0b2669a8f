//! Measures Shoal beside other servers: the program `compare`, which `make bench` runs.
//!
//! In reading order: `workload` (what is measured, as a table), `server` (who is measured, and as
//! what process), `generator` (load generators as processes), `measurement` and `memory` (one row
//! on every server), `results` (everything found), `page` and `chart` (how it is shown). Beside
//! them `cpus`, `procfs`, `machine`, `statistics`, `interrupt`, `options`.
//!
//! Invariant: one server at a time is not stopped, and every figure comes from a command that the
//! page shows. Deliberately absent: thresholds. What is good enough is for the reader to say.

pub mod chart;
pub mod cpus;
pub mod generator;
pub mod interrupt;
pub mod machine;
pub mod measurement;
pub mod memory;
pub mod options;
pub mod page;
pub mod procfs;
pub mod results;
pub mod server;
pub mod statistics;
pub mod workload;

use std::cell::Cell;
use std::net::TcpListener;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use self::cpus::Cpus;
use self::generator::Length;
use self::machine::Machine;
use self::measurement::{Method, Outcome, Stand};
use self::memory::Filling;
use self::options::Options;
use self::results::{Contestant, MemoryRow, Profile, Results, Row, SectionResults};
use self::server::{Installed, KINDS, Server};
use self::workload::{DATASETS, Load, Place, SECTIONS, Section, Workload};
use crate::failure::Failure;

/// Compares, and writes page, plots and raw results.
///
/// # Errors
///
/// Where no server is installed or one does not start, or files cannot be written. What fails on
/// one server in one workload is in its row instead.
pub fn run(options: &Options) -> Result<(), Failure> {
    let cpus = match &options.cpus {
        Some(cpus) => cpus.clone(),
        None => Cpus::available().map_err(Failure::system("ask for processors"))?,
    };
    let mut installed = Installed::find_all();
    installed.retain(|one| one.kind.name == KINDS[0].name || options.wants_server(one.kind.name));
    if installed.is_empty() {
        return Err(Failure::Usage("no server is installed".to_string()));
    }
    interrupt::listen().map_err(Failure::system("listen for signals"))?;
    let comparison = Comparison {
        options,
        profile: options.profile(),
        cpus,
        installed,
        next_port: Cell::new(options.port),
    };
    let results = comparison.measure()?;
    comparison.go_on()?;
    publish(&results, options).map_err(Failure::system("write the results"))
}

/// Returns a port where nobody listens. Where the system has none, the server will say so.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0));
    listener.and_then(|listener| listener.local_addr()).map_or(0, |address| address.port())
}

fn publish(results: &Results, options: &Options) -> std::io::Result<()> {
    let parent = options.page.parent().unwrap_or(Path::new(""));
    let plots = options.plots.strip_prefix(parent).unwrap_or(&options.plots);
    chart::write(results, &options.plots)?;
    let raw = serde_json::to_string_pretty(results)?;
    std::fs::write(options.plots.join("results.json"), raw + "\n")?;
    std::fs::write(&options.page, page::render(results, &plots.display().to_string()))
}

/// Who is compared, where and how much.
struct Comparison<'a> {
    options: &'a Options,
    profile: Profile,
    cpus: Cpus,
    installed: Vec<Installed>,
    next_port: Cell<Option<u16>>,
}

impl Comparison<'_> {
    fn measure(&self) -> Result<Results, Failure> {
        let sections: Result<Vec<SectionResults>, Failure> =
            SECTIONS.iter().map(|section| self.section(section)).collect();
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Results {
            date: results::date(since_1970.as_secs()),
            machine: Machine::read(self.cpus.count()),
            profile: self.profile.clone(),
            servers: self.installed.iter().map(|installed| self.contestant(installed)).collect(),
            sections: sections?,
            memory: if self.options.wants_memory() { self.memory() } else { Vec::new() },
        })
    }

    fn contestant(&self, installed: &Installed) -> Contestant {
        Contestant {
            name: installed.kind.name.to_string(),
            version: installed.version.clone(),
            on_one_core: installed.shown(&self.allotment(Place::OneCore).0),
            on_all_cores: installed.shown(&self.allotment(Place::AllCores).0),
        }
    }

    /// Returns the processors of the servers and of the generator.
    fn allotment(&self, place: Place) -> (Cpus, Cpus) {
        match place {
            Place::OneCore => self.cpus.split(),
            Place::AllCores => (self.cpus.clone(), self.cpus.clone()),
        }
    }

    /// Fails if somebody wants the comparison to end.
    fn go_on(&self) -> Result<(), Failure> {
        match interrupt::is_requested() {
            true => Err(Failure::Usage("interrupted".to_string())),
            false => Ok(()),
        }
    }

    /// Returns a port that no server of this comparison has had, or where there is room.
    fn port(&self) -> u16 {
        let Some(port) = self.next_port.get() else { return free_port() };
        self.next_port.set(port.checked_add(1).or(self.options.port));
        port
    }

    fn wants(&self, section: &Section, workload: &Workload) -> bool {
        (workload.is_quick || !self.profile.is_quick)
            && workload.load.is_available()
            && workload::matches(self.options.only.as_deref(), section, workload)
    }

    fn section(&self, section: &Section) -> Result<SectionResults, Failure> {
        let (server_cpus, generator_cpus) = self.allotment(section.place);
        let wanted: Vec<&Workload> =
            section.workloads.iter().filter(|workload| self.wants(section, workload)).collect();
        let mut results = SectionResults {
            title: section.title.to_string(),
            text: section.text.to_string(),
            plot: section.plot.to_string(),
            rows: Vec::new(),
        };
        if wanted.is_empty() {
            return Ok(results);
        }
        eprintln!("{}", section.title);
        let mut servers = Vec::new();
        for installed in &self.installed {
            servers.push(Server::start(installed, &server_cpus, self.port())?);
        }
        let method = self.method();
        let stand = Stand {
            method: &method,
            transport: section.transport,
            generator_cpus: &generator_cpus,
        };
        for workload in wanted {
            self.go_on()?;
            let (length, outcomes) = stand.measure(&mut servers, workload);
            self.show(workload.name, &outcomes, |figures| {
                format!("{:.0}/s {:.2} µs", figures.requests_per_second, figures.server_cpu_us)
            });
            results.rows.push(row(workload, &stand, length, outcomes));
        }
        Ok(results)
    }

    fn method(&self) -> Method {
        Method {
            rounds: self.profile.rounds,
            seconds: self.profile.seconds,
            retries: self.profile.retries,
            others_max: self.profile.others_max,
            cpus: self.cpus.count(),
        }
    }

    fn memory(&self) -> Vec<MemoryRow> {
        let (server_cpus, generator_cpus) = self.allotment(Place::OneCore);
        let filling = Filling {
            server_cpus: &server_cpus,
            generator_cpus: &generator_cpus,
            keys: self.profile.keys,
        };
        eprintln!("Memory per key");
        let wanted = DATASETS.iter().filter(|dataset| dataset.is_quick || !self.profile.is_quick);
        let row = |dataset: &workload::Dataset| {
            let measure = |installed| filling.measure(installed, dataset, self.port());
            let outcomes: Vec<_> = self.installed.iter().map(measure).collect();
            self.show(dataset.name, &outcomes, |bytes| format!("{bytes:.1} bytes"));
            MemoryRow {
                name: dataset.name.to_string(),
                keys: self.profile.keys / dataset.keys_divisor,
                command: format!(
                    "taskset -c {generator_cpus} loadtest -p PORT {}",
                    filling.arguments(dataset)
                ),
                outcomes,
            }
        };
        wanted.map(row).collect()
    }

    /// Tells the person who waits how it goes.
    fn show<F>(&self, name: &str, outcomes: &[Outcome<F>], show: impl Fn(&F) -> String) {
        let servers = self.installed.iter().zip(outcomes).map(|(installed, outcome)| {
            let text = match outcome {
                Outcome::Measured { median, .. } => show(median),
                Outcome::Lacks(command) => format!("has no {command}"),
                Outcome::Failed(text) => format!("failed: {text}"),
            };
            format!("{} {text}", installed.kind.name)
        });
        eprintln!("  {name:<36} {}", servers.collect::<Vec<_>>().join("   "));
    }
}

fn row(workload: &Workload, stand: &Stand, length: Length, outcomes: Vec<Outcome>) -> Row {
    let shown = |load: Load, length| load.shown(stand.transport, stand.generator_cpus, length);
    Row {
        name: workload.name.to_string(),
        command: shown(workload.load, Some(length)),
        prepare: workload.prepare.map(|load| shown(load, None)),
        outcomes,
    }
}
