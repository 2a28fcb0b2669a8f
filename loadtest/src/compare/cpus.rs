//! Which processors a process may run on.
//!
//! Invariant: a [`Cpus`] names at least one processor, each once, in ascending order. A process
//! gets its processors from the thread that starts it, so it never runs anywhere else, not even
//! before its first instruction.

use std::fmt;
use std::io;
use std::process::{Child, Command};
use std::str::FromStr;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A set of processors, by the kernel's numbers. Written as `0,2,3`, the form that taskset reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpus(Vec<usize>);

impl Cpus {
    /// Returns the processors that this process may use.
    ///
    /// # Errors
    ///
    /// Where the system does not tell.
    pub fn available() -> io::Result<Cpus> {
        let set = sched_getaffinity(None)?;
        Ok(Cpus((0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect()))
    }

    /// Returns how many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Splits off the first: one for a server, and the others for whoever loads it. Both are the
    /// same one where there is no other.
    pub fn split(&self) -> (Cpus, Cpus) {
        let (first, others) = self.0.split_at(1);
        let others = if others.is_empty() { first } else { others };
        (Cpus(first.to_vec()), Cpus(others.to_vec()))
    }

    /// Starts a process that runs on these processors only.
    ///
    /// # Errors
    ///
    /// Where it cannot be started, or the processors may not be used.
    pub fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let before = sched_getaffinity(None)?;
        sched_setaffinity(None, &self.set())?;
        let child = command.spawn();
        sched_setaffinity(None, &before)?;
        child
    }

    fn set(&self) -> CpuSet {
        let mut set = CpuSet::new();
        self.0.iter().for_each(|&cpu| set.set(cpu));
        set
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(usize::to_string).collect();
        write!(f, "{}", numbers.join(","))
    }
}

impl FromStr for Cpus {
    type Err = String;

    /// Reads numbers and ranges, as in `0,2-5`.
    fn from_str(text: &str) -> Result<Cpus, String> {
        let mut cpus = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            match (first.trim().parse::<usize>(), last.trim().parse::<usize>()) {
                (Ok(first), Ok(last)) if first <= last && last < CpuSet::MAX_CPU => {
                    cpus.extend(first..=last);
                }
                _ => return Err(format!("{part:?} is no processor and no range of them")),
            }
        }
        cpus.sort_unstable();
        cpus.dedup();
        Ok(Cpus(cpus))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges_are_read() {
        let cpus: Cpus = "7, 0,2-4,3".parse().unwrap();
        assert_eq!((cpus.to_string().as_str(), cpus.count()), ("0,2,3,4,7", 5));
        for bad in ["", "a", "3-1", "1,,2", "0-99999"] {
            assert!(bad.parse::<Cpus>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_first_is_split_off() {
        let split = |text: &str| {
            let (one, others) = text.parse::<Cpus>().unwrap().split();
            (one.to_string(), others.to_string())
        };
        assert_eq!(split("1-3"), ("1".into(), "2,3".into()));
        assert_eq!(split("4"), ("4".into(), "4".into()));
    }

    #[test]
    fn a_process_inherits_its_processors() {
        let (one, _) = Cpus::available().unwrap().split();
        let mut command = Command::new("cat");
        command.arg("/proc/self/status").stdout(std::process::Stdio::piped());
        let output = one.spawn(&mut command).unwrap().wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let allowed = text.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        assert_eq!(allowed.map(str::trim), Some(one.to_string().as_str()));
    }
}
