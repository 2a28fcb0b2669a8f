//! What the kernel says about this process and its machine, read from `/proc`.
//!
//! Invariant: a figure that cannot be read is 0 or empty, never a guess and never an error.
//! Source: proc(5).

/// Bytes of a page on the machines that Shoal is built for.
const PAGE_SIZE: u64 = 4096;
/// Ticks in which `/proc/PID/stat` counts processor time (`USER_HZ`, part of the kernel's
/// interface).
const TICKS_PER_SECOND: f64 = 100.0;

/// Figures at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// The part of it that belongs to no file: what was allocated, stacks and buffers of rings.
    pub anonymous_bytes: u64,
    /// Memory of the machine in bytes.
    pub machine_bytes: u64,
    /// Processor time in seconds.
    pub user_seconds: f64,
    pub system_seconds: f64,
    /// Name and release of the kernel, and the processor's architecture.
    pub system: String,
}

impl Figures {
    /// Reads the figures. `/proc` lives in memory, so this waits for no disk.
    pub fn read() -> Figures {
        let (user_seconds, system_seconds) = processor_time(&file("/proc/self/stat"));
        let release = file("/proc/sys/kernel/osrelease");
        let (resident_bytes, anonymous_bytes) = resident(&file("/proc/self/statm"));
        Figures {
            resident_bytes,
            anonymous_bytes,
            machine_bytes: machine(&file("/proc/meminfo")),
            user_seconds,
            system_seconds,
            system: format!("Linux {} {}", release.trim(), std::env::consts::ARCH),
        }
    }
}

/// The processor that runs this thread, which is pinned to it.
pub fn current_cpu() -> u16 {
    let stat = file("/proc/thread-self/stat");
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let cpu = behind_name.split_ascii_whitespace().nth(36).and_then(|cpu| cpu.parse().ok());
    cpu.unwrap_or(0)
}

#[expect(clippy::disallowed_methods, reason = "files of /proc are made by the kernel when read")]
fn file(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// All that is resident, and that part of it that belongs to no file, in bytes.
fn resident(statm: &str) -> (u64, u64) {
    let mut fields = statm.split(' ').skip(1);
    let mut pages = || fields.next().and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0);
    let (all, of_files) = (pages(), pages());
    (all * PAGE_SIZE, all.saturating_sub(of_files) * PAGE_SIZE)
}

fn machine(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// User and system time. The fields are counted behind the name, which may hold anything.
fn processor_time(stat: &str) -> (f64, f64) {
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = behind_name.split_ascii_whitespace().skip(11);
    let mut seconds = || {
        let ticks = fields.next().and_then(|ticks| ticks.parse::<f64>().ok());
        ticks.unwrap_or(0.0) / TICKS_PER_SECOND
    };
    (seconds(), seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        assert_eq!(resident("5000 12 3 4 0 5 0\n"), (12 * 4096, 9 * 4096));
        assert_eq!(machine("MemTotal:       16 kB\nMemFree: 1 kB\n"), 16384);
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 1 0 9 9 9";
        assert_eq!(processor_time(stat), (1.5, 0.25));
    }

    #[test]
    fn nonsense_gives_nothing() {
        for text in ["", "x", "1 (", "1 (a) S 1", "MemTotal: many kB"] {
            assert_eq!(resident(text), (0, 0));
            assert_eq!(machine(text), 0);
            assert_eq!(processor_time(text), (0.0, 0.0));
        }
    }

    #[test]
    fn this_process_has_figures() {
        let figures = Figures::read();
        assert!(figures.resident_bytes > 100_000 && figures.machine_bytes > 1 << 20);
        assert!(figures.system.starts_with("Linux "));
    }
}
