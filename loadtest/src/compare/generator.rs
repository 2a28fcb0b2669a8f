//! Load generators as processes: their command lines and what they print.
//!
//! Invariant: every figure about requests comes from what a generator says of itself; nothing is
//! computed from how long its process took.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::cpus::Cpus;
use super::interrupt;
use super::server::{Holes, find_program};
use super::workload::{Load, Transport};
use crate::report::{Point, Report};

/// How much longer than asked a run may take before it is given up.
const OVERTIME_MAX: Duration = Duration::from_secs(90);

/// How often a running generator is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// What a generator found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    pub requests: f64,
    pub requests_per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// Absent where the generator does not say.
    pub p999_us: Option<f64>,
    /// Requests of an open loop that could not be sent in time.
    pub unsent: f64,
    /// How latencies are distributed, where the generator says.
    pub curve: Vec<Point>,
}

/// How long a run lasts: generators stop after a time, except redis-benchmark.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    pub seconds: f64,
    /// For redis-benchmark.
    pub requests: u64,
}

/// Where a load goes.
#[derive(Clone, Debug)]
pub struct Aim<'a> {
    pub holes: &'a Holes,
    pub transport: Transport,
}

/// The programs that make load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    Loadtest,
    RedisBenchmark,
    Memtier,
}

impl Load {
    fn parts(self) -> (Tool, &'static str) {
        match self {
            Load::Loadtest(arguments) => (Tool::Loadtest, arguments),
            Load::RedisBenchmark(arguments) => (Tool::RedisBenchmark, arguments),
            Load::Memtier(arguments) => (Tool::Memtier, arguments),
        }
    }

    /// Returns the name of the program.
    pub fn program(self) -> &'static str {
        match self.parts().0 {
            Tool::Loadtest => "loadtest",
            Tool::RedisBenchmark => "redis-benchmark",
            Tool::Memtier => "memtier_benchmark",
        }
    }

    /// Returns whether the number of requests must be given.
    pub fn counts_requests(self) -> bool {
        self.parts().0 == Tool::RedisBenchmark
    }

    /// Returns its arguments. A load without a length has its own end, as what prepares keys does.
    pub fn arguments(self, aim: &Aim, cpus: &Cpus, length: Option<Length>) -> Vec<String> {
        let (tool, arguments) = self.parts();
        let mut words = aim.words(tool);
        words.extend(split(arguments));
        let threads = threads(&words, cpus.count()).to_string();
        let mut add = |name: &str, value: String| words.extend([name.to_string(), value]);
        match (tool, length) {
            (Tool::Loadtest, Some(length)) => {
                add("--duration", length.seconds.to_string());
                add("--threads", threads);
            }
            (Tool::RedisBenchmark, Some(length)) => {
                add("-n", length.requests.to_string());
                if threads != "1" {
                    add("--threads", threads);
                }
            }
            (Tool::Memtier, Some(length)) => {
                add("--test-time", length.seconds.ceil().to_string());
                add("-t", "1".to_string());
            }
            (Tool::Memtier, None) => add("-t", "1".to_string()),
            (_, None) => {}
        }
        words
    }

    /// Returns the command line for people.
    pub fn shown(self, transport: Transport, cpus: &Cpus, length: Option<Length>) -> String {
        let holes = Holes::shown(1);
        let words = self.arguments(&Aim { holes: &holes, transport }, cpus, length);
        let quoted = |word: String| match word.contains(' ') {
            true => format!("'{word}'"),
            false => word,
        };
        let words: Vec<String> = words.into_iter().map(quoted).collect();
        format!("taskset -c {cpus} {} {}", self.program(), words.join(" "))
    }

    /// Returns whether the program is installed.
    pub fn is_available(self) -> bool {
        find_program(self.program()).is_some()
    }

    /// Runs the generator and reads what it found. Files go into `directory`.
    ///
    /// # Errors
    ///
    /// What went wrong, in words: it is not installed, fails, takes far too long, or cannot be
    /// understood.
    pub fn run(
        self,
        aim: &Aim,
        cpus: &Cpus,
        length: Option<Length>,
        directory: &Path,
    ) -> Result<Found, String> {
        let (tool, _) = self.parts();
        let program = find_program(self.program())
            .ok_or_else(|| format!("{} is not installed", self.program()))?;
        let json = directory.join("result.json");
        let mut words = self.arguments(aim, cpus, length);
        words.extend(tool.output_words(&json));
        let files = Files { output: directory.join("output"), errors: directory.join("errors") };
        let seconds = Duration::from_secs_f64(length.map_or(0.0, |length| length.seconds));
        let status = files.run(&program, &words, cpus, seconds + OVERTIME_MAX)?;
        if !status.success() {
            return Err(format!("{}: {}", self.program(), files.last_words()));
        }
        let result = if tool == Tool::RedisBenchmark { &files.output } else { &json };
        let text = std::fs::read_to_string(result).map_err(|error| error.to_string())?;
        let found = match tool {
            Tool::Loadtest => loadtest(&text),
            Tool::Memtier => memtier(&text),
            Tool::RedisBenchmark => redis_benchmark(&text, length.map_or(0, |l| l.requests)),
        };
        found.ok_or_else(|| format!("{} printed what cannot be read", self.program()))
    }
}

impl Tool {
    /// Returns the arguments that make it tell its results, and nothing else.
    fn output_words(self, json: &Path) -> Vec<String> {
        let json = json.display().to_string();
        match self {
            Tool::Loadtest => vec!["--quiet".into(), "--json".into(), json],
            Tool::RedisBenchmark => vec!["--csv".into(), "--precision".into(), "3".into()],
            Tool::Memtier => vec!["--hide-histogram".into(), "--json-out-file".into(), json],
        }
    }
}

impl Aim<'_> {
    fn words(&self, tool: Tool) -> Vec<String> {
        let (name, value) = match (self.transport, tool) {
            (Transport::Unix, Tool::Memtier) => ("-S", &self.holes.socket),
            (Transport::Unix, _) => ("-s", &self.holes.socket),
            (Transport::Tcp, _) => ("-p", &self.holes.port),
        };
        vec![name.to_string(), value.clone()]
    }
}

/// Returns how many threads share the connections that the arguments ask for.
fn threads(words: &[String], cpus: usize) -> usize {
    let connections = words.iter().skip_while(|word| *word != "-c").nth(1);
    connections.and_then(|count| count.parse().ok()).map_or(cpus, |count: usize| count.min(cpus))
}

/// Splits arguments at blanks; single quotes hold a word together.
pub fn split(arguments: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in arguments.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.split_whitespace().collect::<Vec<_>>().join(" "));
        } else {
            words.extend(part.split_whitespace().map(String::from));
        }
    }
    words
}

/// Where a process writes, so that it never waits for a reader.
struct Files {
    output: PathBuf,
    errors: PathBuf,
}

impl Files {
    fn run(
        &self,
        program: &Path,
        words: &[String],
        cpus: &Cpus,
        most: Duration,
    ) -> Result<ExitStatus, String> {
        let create = |path: &Path| File::create(path).map_err(|error| error.to_string());
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::null());
        command.stdout(create(&self.output)?).stderr(create(&self.errors)?);
        let child = cpus.spawn(&mut command).map_err(|error| error.to_string())?;
        wait(child, Instant::now() + most)
    }

    /// Returns the last line of what it complained.
    fn last_words(&self) -> String {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let text = read(&self.errors) + &read(&self.output);
        text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it failed").to_string()
    }
}

fn wait(mut child: Child, deadline: Instant) -> Result<ExitStatus, String> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() < deadline && !interrupt::is_requested() => {
                std::thread::sleep(LOOK);
            }
            Ok(None) => {
                // It may end by itself just now, which is as good.
                let _ = child.kill();
                let _ = child.wait();
                return Err("the load generator did not end".to_string());
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Reads what `loadtest --json` wrote.
fn loadtest(text: &str) -> Option<Found> {
    let report: Report = serde_json::from_str(text).ok()?;
    Some(Found {
        requests: report.requests as f64,
        requests_per_second: report.requests_per_second,
        p50_us: report.total.p50_us,
        p99_us: report.total.p99_us,
        p999_us: Some(report.total.p999_us),
        unsent: report.unsent as f64,
        curve: report.load.rate.map_or(Vec::new(), |_| report.total.curve),
    })
}

/// Reads what `memtier_benchmark --json-out-file` wrote; its latencies are in milliseconds.
fn memtier(text: &str) -> Option<Found> {
    let result: Value = serde_json::from_str(text).ok()?;
    let totals = &result["ALL STATS"]["Totals"];
    let percentile = |name: &str| Some(totals["Percentile Latencies"][name].as_f64()? * 1e3);
    Some(Found {
        requests: totals["Count"].as_f64()?,
        requests_per_second: totals["Ops/sec"].as_f64()?,
        p50_us: percentile("p50.00")?,
        p99_us: percentile("p99.00")?,
        p999_us: percentile("p99.90"),
        ..Found::default()
    })
}

/// Reads what `redis-benchmark --csv` printed: the columns that the first line names, with
/// latencies in milliseconds.
fn redis_benchmark(text: &str, requests: u64) -> Option<Found> {
    let cells = |line: &str| -> Vec<String> {
        line.split("\",\"").map(|cell| cell.trim_matches('"').to_string()).collect()
    };
    let mut lines = text.lines().map(str::trim).filter(|line| line.starts_with('"'));
    let (names, values) = (cells(lines.next()?), cells(lines.next()?));
    let value = |name: &str| -> Option<f64> {
        let index = names.iter().position(|column| column == name)?;
        values.get(index)?.parse().ok()
    };
    Some(Found {
        requests: requests as f64,
        requests_per_second: value("rps")?,
        p50_us: value("p50_latency_ms")? * 1e3,
        p99_us: value("p99_latency_ms")? * 1e3,
        ..Found::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(load: Load, transport: Transport, cpus: &str, length: Option<Length>) -> String {
        let holes = Holes { port: "7000".into(), socket: "/s".into(), cores: 1 };
        load.arguments(&Aim { holes: &holes, transport }, &cpus.parse().unwrap(), length).join(" ")
    }

    const LENGTH: Option<Length> = Some(Length { seconds: 1.5, requests: 4000 });

    #[test]
    fn each_tool_is_told_where_and_how_long() {
        let (tcp, unix) = (Transport::Tcp, Transport::Unix);
        for (load, transport, cpus, expected) in [
            (Load::Loadtest("-c 50"), tcp, "1", "-p 7000 -c 50 --duration 1.5 --threads 1"),
            (Load::Loadtest("-c 2"), unix, "1-9", "-s /s -c 2 --duration 1.5 --threads 2"),
            (Load::RedisBenchmark("-c 9 -t get"), tcp, "1", "-p 7000 -c 9 -t get -n 4000"),
            (Load::RedisBenchmark("-c 9"), unix, "1,2", "-s /s -c 9 -n 4000 --threads 2"),
            (Load::Memtier("-c 5"), unix, "1", "-S /s -c 5 --test-time 2 -t 1"),
        ] {
            assert_eq!(arguments(load, transport, cpus, LENGTH), expected);
        }
        let fill = Load::Loadtest("--walk -r 9");
        assert_eq!(arguments(fill, tcp, "1,2", None), "-p 7000 --walk -r 9");
        let shown =
            Load::Loadtest("--command 'SET a __data__'").shown(tcp, &"1".parse().unwrap(), None);
        assert_eq!(shown, "taskset -c 1 loadtest -p PORT --command 'SET a __data__'");
    }

    #[test]
    fn quotes_hold_words_together() {
        assert_eq!(
            split(" -d 1  --command 'SET a  b' -x "),
            ["-d", "1", "--command", "SET a b", "-x"]
        );
        assert!(split("").is_empty());
    }

    #[test]
    fn results_of_redis_benchmark_are_read_by_column() {
        let text = "WARNING: something\n\"test\",\"rps\",\"avg_latency_ms\",\"p50_latency_ms\",\
                    \"p99_latency_ms\"\n\"SET\",\"26212.32\",\"1.368\",\"0.551\",\"6.983\"\n";
        let found = redis_benchmark(text, 20000).unwrap();
        assert_eq!((found.requests, found.requests_per_second), (20000.0, 26212.32));
        assert_eq!((found.p50_us.round(), found.p99_us.round()), (551.0, 6983.0));
        assert_eq!(found.p999_us, None);
        assert_eq!(redis_benchmark("\"test\",\"rps\"\n\"SET\",\"1\"\n", 1), None);
        assert_eq!(redis_benchmark("", 1), None);
    }

    #[test]
    fn results_of_memtier_are_read() {
        let text = r#"{"ALL STATS": {"Totals": {"Count": 27720, "Ops/sec": 27554.7,
            "Percentile Latencies": {"p50.00": 1.5, "p99.00": 5.25, "p99.90": 7.0}}}}"#;
        let found = memtier(text).unwrap();
        assert_eq!((found.requests, found.p99_us, found.p999_us), (27720.0, 5250.0, Some(7000.0)));
        assert_eq!(memtier("{}"), None);
        assert_eq!(memtier("nonsense"), None);
    }

    #[test]
    fn results_of_loadtest_are_read() {
        let report = crate::report::tests::sample();
        let found = loadtest(&crate::report::json::render(&report)).unwrap();
        assert_eq!((found.requests, found.p50_us), (5002.0, report.total.p50_us));
        assert_eq!(found.curve.len(), report.total.curve.len());
    }

    #[test]
    fn what_fails_says_why_and_what_hangs_is_ended() {
        let directory = std::env::temp_dir().join(format!("generator-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let files = Files { output: directory.join("o"), errors: directory.join("e") };
        let cpus = Cpus::available().unwrap();
        let words = ["-c".to_string(), "echo first >&2; echo last >&2; exit 3".to_string()];
        let shell = find_program("sh").unwrap();
        let status = files.run(&shell, &words, &cpus, Duration::from_secs(60)).unwrap();
        assert_eq!((status.code(), files.last_words().as_str()), (Some(3), "last"));
        let sleep = find_program("sleep").unwrap();
        let result = files.run(&sleep, &["600".to_string()], &cpus, Duration::ZERO);
        assert!(result.unwrap_err().contains("did not end"));
        std::fs::remove_dir_all(directory).unwrap();
    }
}
