//! What the kernel says about processes and the machine: the files of `/proc`, see proc(5).
//!
//! Invariant: reading is one thing and understanding another; every parser is a pure function.
//! Processor time comes in ticks of a hundredth of a second, which is fine for runs of seconds.

use std::io;

use rustix::param::clock_ticks_per_second;

/// Processor time that the processes of the machine have used, in seconds since it started.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MachineTime {
    /// By processes, in user mode and in the kernel. Without interrupts, which the measured servers
    /// cause themselves by what they send.
    pub busy: f64,
    /// By other virtual machines on the same hardware, while this one wanted to run.
    pub stolen: f64,
}

/// Returns the processor time that a process has used, in seconds: all threads, also ended ones.
///
/// # Errors
///
/// Where the process is gone.
pub fn process_seconds(pid: u32) -> io::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_process(&text).map(|times| seconds(times[0] + times[1])).ok_or_else(unreadable)
}

/// Returns the processor time of the children of this process that have ended, in seconds.
///
/// # Errors
///
/// Where `/proc` cannot be read.
pub fn ended_children_seconds() -> io::Result<f64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    parse_process(&text).map(|times| seconds(times[2] + times[3])).ok_or_else(unreadable)
}

/// Returns how much memory of a process is resident, in bytes.
///
/// # Errors
///
/// Where the process is gone.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    parse_kilobytes(&text, "VmRSS:").map(|kb| kb * 1024).ok_or_else(unreadable)
}

/// Returns what all processors together have done.
///
/// # Errors
///
/// Where `/proc` cannot be read.
pub fn machine_time() -> io::Result<MachineTime> {
    parse_machine(&std::fs::read_to_string("/proc/stat")?).ok_or_else(unreadable)
}

/// Returns the number of a line like `MemTotal:  16384 kB`.
pub fn parse_kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Returns utime, stime, cutime and cstime of a process's `stat`, in ticks. Its second field is a
/// name in parentheses that may contain anything, so counting begins after the last parenthesis.
fn parse_process(text: &str) -> Option<[u64; 4]> {
    let (_, fields) = text.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(|field| field.parse().ok());
    Some([times.next()??, times.next()??, times.next()??, times.next()??])
}

fn parse_machine(text: &str) -> Option<MachineTime> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Option<Vec<u64>> =
        line.split_whitespace().take(8).map(|field| field.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, _irq, _softirq, steal] = ticks?.try_into().ok()?;
    Some(MachineTime { busy: seconds(user + nice + system), stolen: seconds(steal) })
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / clock_ticks_per_second() as f64
}

fn unreadable() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "/proc has an unknown form")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_be_called_anything() {
        let text = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 250 50 7 8 20 0 5 0 99 1 2";
        assert_eq!(parse_process(text), Some([250, 50, 7, 8]));
        assert_eq!(parse_process("42 (a S 1 2"), None);
        assert_eq!(parse_process("42 (a) S 1 2"), None);
    }

    #[test]
    fn the_machine_is_read_from_its_first_line() {
        let text = "cpu  100 20 300 9999 50 7 8 40 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        let time = parse_machine(text).unwrap();
        let ticks = clock_ticks_per_second() as f64;
        assert_eq!((time.busy * ticks, time.stolen * ticks), (420.0, 40.0));
        assert_eq!(parse_machine("cpu  100 20\n"), None);
    }

    #[test]
    fn sizes_have_a_unit() {
        let text = "Name:\tx\nVmRSS:\t   1234 kB\nThreads:\t1\n";
        assert_eq!(parse_kilobytes(text, "VmRSS:"), Some(1234));
        assert_eq!(parse_kilobytes(text, "Threads:"), None);
        assert_eq!(parse_kilobytes(text, "VmHWM:"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let pid = std::process::id();
        assert!(process_seconds(pid).unwrap() >= 0.0 && ended_children_seconds().unwrap() >= 0.0);
        assert!(resident_bytes(pid).unwrap() > 100_000);
        assert!(machine_time().unwrap().busy > 0.0);
    }
}
