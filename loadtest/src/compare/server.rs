//! The servers that can be compared, and one of them as a process.
//!
//! Invariant: a [`Server`] is stopped with SIGSTOP except while it is measured or prepared, so that
//! servers can run side by side without taking processor time from each other; it ends with its
//! guard, and with it everything that it wrote.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::cpus::Cpus;
use super::interrupt;
use crate::connect::{Dialogue, Greeting, Target};
use crate::decode::Value;
use crate::failure::Failure;

/// How long a server may take until it answers.
const START_MAX: Duration = Duration::from_secs(20);

/// How long a server may take to end when it is asked to, before it is killed.
const END_MAX: Duration = Duration::from_secs(2);

/// How long a server may take to answer a question, such as FLUSHALL.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// A program that can be compared.
#[derive(Debug)]
pub struct Kind {
    /// How reports call it.
    pub name: &'static str,
    program: &'static str,
    /// Its arguments: no persistence, and holes for [`Holes`].
    arguments: &'static [&'static str],
}

/// Every server that is looked for. The first is the one that the others are compared with.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "Shoal",
        program: "shoal",
        arguments: &["--port", "{port}", "--unixsocket", "{socket}", "--cores", "{cores}"],
    },
    Kind { name: "Redis", program: "redis-server", arguments: REDIS },
    Kind { name: "Valkey", program: "valkey-server", arguments: REDIS },
    Kind {
        name: "KeyDB",
        program: "keydb-server",
        arguments: &[
            "--port",
            "{port}",
            "--unixsocket",
            "{socket}",
            "--save",
            "",
            "--server-threads",
            "{cores}",
        ],
    },
    Kind {
        name: "Dragonfly",
        program: "dragonfly",
        arguments: &[
            "--port={port}",
            "--unixsocket={socket}",
            "--dbfilename=",
            "--proactor_threads={cores}",
        ],
    },
];

const REDIS: &[&str] = &[
    "--port",
    "{port}",
    "--unixsocket",
    "{socket}",
    "--save",
    "",
    "--appendonly",
    "no",
    "--io-threads",
    "{io-threads}",
];

/// What fills the holes in arguments.
#[derive(Clone, Debug)]
pub struct Holes {
    pub port: String,
    pub socket: String,
    pub cores: usize,
}

impl Holes {
    /// Names instead of values, for commands that are shown.
    pub fn shown(cores: usize) -> Holes {
        Holes { port: "PORT".to_string(), socket: "SOCKET".to_string(), cores }
    }

    /// Returns `text` with the holes filled.
    pub fn fill(&self, text: &str) -> String {
        text.replace("{port}", &self.port)
            .replace("{socket}", &self.socket)
            .replace("{cores}", &self.cores.to_string())
            .replace("{io-threads}", &io_threads(self.cores).to_string())
    }
}

/// Returns how many I/O threads the redis.conf that comes with Redis advises: none beside the main
/// thread below four cores, and later fewer than there are cores.
fn io_threads(cores: usize) -> usize {
    if cores < 4 { 1 } else { cores * 3 / 4 }
}

/// A program that is installed.
#[derive(Clone, Debug)]
pub struct Installed {
    pub kind: &'static Kind,
    pub program: PathBuf,
    pub version: String,
}

impl Installed {
    /// Looks for every kind, beside this program and on `PATH`.
    pub fn find_all() -> Vec<Installed> {
        let found = |kind: &'static Kind| {
            let program = find_program(kind.program)?;
            let output = Command::new(&program).arg("--version").output().ok()?;
            let version = version_in(&String::from_utf8_lossy(&output.stdout));
            Some(Installed { kind, program, version })
        };
        KINDS.iter().filter_map(found).collect()
    }

    /// Returns how reports call it, version included.
    pub fn name_and_version(&self) -> String {
        format!("{} {}", self.kind.name, self.version)
    }

    /// Returns its command line, without the program.
    pub fn arguments(&self, holes: &Holes) -> Vec<String> {
        self.kind.arguments.iter().map(|argument| holes.fill(argument)).collect()
    }

    /// Returns its command line for people.
    pub fn shown(&self, cpus: &Cpus) -> String {
        let arguments = self.arguments(&Holes::shown(cpus.count()));
        let quoted = |word: &String| if word.is_empty() { "\"\"".into() } else { word.clone() };
        let words: Vec<String> = arguments.iter().map(quoted).collect();
        format!("taskset -c {cpus} {} {}", self.kind.program, words.join(" "))
    }
}

/// Returns where a program is: beside this one, or in a directory of `PATH`.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let own = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.to_path_buf()));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = own.into_iter().chain(std::env::split_paths(&path));
    directories.map(|directory| directory.join(name)).find(|program| program.is_file())
}

/// Returns the version in what a program prints: the first word that has a digit, without what
/// stands before it, as in `v=7.0.15` or `v1.2.3`.
fn version_in(text: &str) -> String {
    let word = text.split_whitespace().find(|word| word.contains(|c: char| c.is_ascii_digit()));
    let word = word.unwrap_or("of unknown version");
    word.trim_start_matches("v=").trim_start_matches('v').trim_end_matches(',').to_string()
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    pub kind: &'static Kind,
    process: Child,
    pid: Pid,
    directory: PathBuf,
    pub holes: Holes,
}

impl Server {
    /// Starts a server on these processors, waits until it answers, and stops it.
    ///
    /// # Errors
    ///
    /// Where it does not start, with the end of what it printed.
    pub fn start(installed: &Installed, cpus: &Cpus, port: u16) -> Result<Server, Failure> {
        let name = format!("compare-{}-{port}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let action = || format!("start {}", installed.program.display());
        std::fs::create_dir_all(&directory).map_err(Failure::system(action()))?;
        let socket = directory.join("socket").display().to_string();
        let holes = Holes { port: port.to_string(), socket, cores: cpus.count() };
        let log = File::create(directory.join("log")).map_err(Failure::system(action()))?;
        let errors = log.try_clone().map_err(Failure::system(action()))?;
        let mut command = Command::new(&installed.program);
        command.args(installed.arguments(&holes)).current_dir(&directory);
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let process = cpus.spawn(&mut command).map_err(Failure::system(action()))?;
        let pid = Pid::from_child(&process);
        let mut server = Server { kind: installed.kind, process, pid, directory, holes };
        server.await_answer()?;
        server.pause()?;
        Ok(server)
    }

    fn await_answer(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + START_MAX;
        loop {
            if self.dialogue().and_then(|mut dialogue| dialogue.ask(&["PING"])).is_ok() {
                return Ok(());
            }
            let has_ended = self.has_ended();
            if has_ended || Instant::now() > deadline || interrupt::is_requested() {
                let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(3).collect();
                let what = if has_ended { "it ended" } else { "it does not answer" };
                let last: Vec<&str> = last.into_iter().rev().collect();
                let text = format!("{what}: {}", last.join(" / "));
                let action = format!("start {}", self.kind.name);
                return Err(Failure::System { action, error: std::io::Error::other(text) });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns whether the process is gone.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// Returns the number of the process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Returns a directory that is removed with the server.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Stops the process until it is resumed.
    ///
    /// # Errors
    ///
    /// Where the process is gone.
    pub fn pause(&self) -> Result<(), Failure> {
        self.signal(Signal::STOP)
    }

    /// Lets the process run.
    ///
    /// # Errors
    ///
    /// Where the process is gone.
    pub fn resume(&self) -> Result<(), Failure> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<(), Failure> {
        let action = format!("signal {}", self.kind.name);
        kill_process(self.pid, signal).map_err(Failure::system(action))
    }

    /// Opens a connection for questions; the server must run.
    ///
    /// # Errors
    ///
    /// Where nobody listens.
    pub fn dialogue(&self) -> Result<Dialogue, Failure> {
        let target = Target::tcp(&format!("127.0.0.1:{}", self.holes.port))?;
        Dialogue::open(&target, &Greeting::silent(ANSWER_MAX))
    }

    /// Removes all keys; the server must run.
    ///
    /// # Errors
    ///
    /// Where it refuses or does not answer.
    pub fn flush(&self) -> Result<Value, Failure> {
        self.dialogue()?.ask(&["FLUSHALL"])
    }

    /// Returns whether the server knows a command; it must run. The name alone is sent, so that
    /// any other error means that it does.
    ///
    /// # Errors
    ///
    /// Where it does not answer.
    pub fn knows(&self, command: &str) -> Result<bool, Failure> {
        match self.dialogue()?.ask(&[command]) {
            Err(Failure::ErrorReply { text, .. }) => Ok(!text.contains("unknown command")),
            reply => reply.map(|_| true),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What is already gone is what is wanted.
        let _ = self.signal(Signal::TERM);
        let _ = self.resume();
        let deadline = Instant::now() + END_MAX;
        while !self.has_ended() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_print() {
        for (text, version) in [
            ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64", "7.0.15"),
            ("Valkey server v=8.0.1 sha=00000000:1", "8.0.1"),
            ("dragonfly v1.40.1-abc\nbuild time: 2026", "1.40.1-abc"),
            ("shoal 0.1.0\n", "0.1.0"),
            ("", "of unknown version"),
        ] {
            assert_eq!(version_in(text), version);
        }
    }

    #[test]
    fn every_kind_fills_its_holes() {
        let holes = Holes { port: "7000".into(), socket: "/x/socket".into(), cores: 8 };
        for kind in KINDS {
            let installed = Installed { kind, program: PathBuf::new(), version: String::new() };
            let line = installed.arguments(&holes).join(" ");
            assert!(line.contains("7000") && line.contains("/x/socket"), "{line}");
            assert!(!line.contains(['{', '}']), "{line}");
            let is_scaled = line.split([' ', '=']).any(|word| word == "8" || word == "6");
            assert!(is_scaled, "{line}");
        }
    }

    #[test]
    fn commands_are_shown_as_a_shell_reads_them() {
        let kind = &KINDS[1];
        let installed = Installed { kind, program: PathBuf::new(), version: String::new() };
        let line = installed.shown(&"0".parse().unwrap());
        assert!(line.starts_with("taskset -c 0 redis-server --port PORT"), "{line}");
        assert!(line.contains("--save \"\" ") && line.ends_with("--io-threads 1"), "{line}");
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(find_program("cat").is_some());
        assert!(find_program("no-such-program-anywhere").is_none());
    }
}
