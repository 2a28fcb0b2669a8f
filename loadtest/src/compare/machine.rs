//! The machine that figures come from.

use std::fs::read_to_string;

use serde::{Deserialize, Serialize};

use super::procfs::parse_kilobytes;

/// What a reader must know to judge the figures.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// As the processor calls itself.
    pub processor: String,
    /// How many processors the comparison could use.
    pub cpus: usize,
    pub memory_gib: f64,
    /// The version of Linux.
    pub kernel: String,
    /// How the kernel chooses the frequency; absent in most virtual machines.
    pub governor: Option<String>,
}

impl Machine {
    /// Reads what the kernel tells; what it does not tell is "unknown".
    pub fn read(cpus: usize) -> Machine {
        let file = |path: &str| read_to_string(path).map(|text| text.trim().to_string()).ok();
        let cpuinfo = file("/proc/cpuinfo").unwrap_or_default();
        let memory = file("/proc/meminfo").and_then(|text| parse_kilobytes(&text, "MemTotal:"));
        let unknown = || "unknown".to_string();
        Machine {
            processor: processor(&cpuinfo).unwrap_or_else(unknown),
            cpus,
            memory_gib: memory.unwrap_or_default() as f64 / 1024.0 / 1024.0,
            kernel: file("/proc/sys/kernel/osrelease").unwrap_or_else(unknown),
            governor: file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        }
    }
}

/// Returns the model that `/proc/cpuinfo` names; on some architectures it is called otherwise.
fn processor(cpuinfo: &str) -> Option<String> {
    ["model name", "Model", "cpu model", "CPU part"].iter().find_map(|name| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named() {
        let text = "processor\t: 0\nmodel\t\t: 1\nmodel name\t: AMD EPYC 9R14\nflags : x\n";
        assert_eq!(processor(text).as_deref(), Some("AMD EPYC 9R14"));
        assert_eq!(processor("CPU part\t: 0xd4f\n").as_deref(), Some("0xd4f"));
        assert_eq!(processor(""), None);
    }

    #[test]
    fn this_machine_can_be_read() {
        let machine = Machine::read(2);
        assert!(machine.memory_gib > 0.1 && machine.kernel != "unknown");
    }
}
