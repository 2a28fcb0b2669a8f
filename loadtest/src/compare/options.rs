//! The command line of `compare`.

use std::path::PathBuf;

use clap::Parser;

use super::cpus::Cpus;
use super::results::Profile;

/// Measure Shoal beside every other server that speaks Redis's protocol and is on PATH, and write
/// the figures as a page with plots.
#[derive(Clone, Debug, Parser)]
#[command(name = "compare", version, max_term_width = 100)]
pub struct Options {
    /// Two minutes instead of twenty: fewer workloads and keys, one short run of each
    #[arg(long)]
    pub quick: bool,
    /// Only these servers, by name [default: all that are installed]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub servers: Vec<String>,
    /// Only what has this in its title or name; "memory" is one
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Processors to use [default: all that may be used]
    #[arg(long, value_name = "LIST")]
    pub cpus: Option<Cpus>,
    /// First port; each start of a server takes the next, because a port may stay occupied for a
    /// while after its server has ended [default: wherever there is room]
    #[arg(long)]
    pub port: Option<u16>,
    /// Runs of each workload, of which the median counts [default: 3, or 1 with --quick]
    #[arg(long)]
    pub rounds: Option<usize>,
    /// Length of a run [default: 2, or 1 with --quick]
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Repeat a run if others used more than this part of the machine, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 10.0)]
    pub others: f64,
    /// The page
    #[arg(long, default_value = "docs/benchmarks.md")]
    pub page: PathBuf,
    /// Directory of the plots and of the raw results, inside that of the page
    #[arg(long, default_value = "docs/benchmarks")]
    pub plots: PathBuf,
}

impl Options {
    /// Returns how much to do.
    pub fn profile(&self) -> Profile {
        let choose = |quick, full| if self.quick { quick } else { full };
        Profile {
            is_quick: self.quick,
            rounds: self.rounds.unwrap_or(choose(1, 3)).max(1),
            seconds: self.seconds.unwrap_or(if self.quick { 1.0 } else { 2.0 }).clamp(0.1, 3600.0),
            retries: choose(1, 3),
            others_max: self.others / 100.0,
            keys: if self.quick { 300_000 } else { 1_000_000 },
        }
    }

    /// Returns whether memory is measured.
    pub fn wants_memory(&self) -> bool {
        self.only.as_ref().is_none_or(|text| "memory".contains(&text.to_lowercase()))
    }

    /// Returns whether a server takes part; the first of all always does.
    pub fn wants_server(&self, name: &str) -> bool {
        self.servers.is_empty() || self.servers.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &str) -> Options {
        Options::try_parse_from(std::iter::once("compare").chain(words.split_whitespace())).unwrap()
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }

    #[test]
    fn quick_is_less() {
        let (quick, full) = (options("--quick").profile(), options("").profile());
        assert!(quick.rounds < full.rounds && quick.seconds < full.seconds);
        assert_eq!(options("--quick --rounds 5 --seconds 0.5 --others 20").profile().rounds, 5);
        assert_eq!(options("--seconds nan").profile().rounds, 3);
    }

    #[test]
    fn parts_are_chosen_by_name() {
        assert!(options("").wants_memory() && options("--only Memory").wants_memory());
        assert!(!options("--only zadd").wants_memory());
        assert!(options("--servers redis").wants_server("Redis"));
        assert!(!options("--servers redis").wants_server("Valkey"));
    }
}
