//! Everything that a comparison found: what the page, the plots and the raw results show.
//!
//! Invariant: the outcomes of a row are in the order of the servers, one for each.

use serde::{Deserialize, Serialize};

use super::machine::Machine;
use super::measurement::{Figures, Outcome};
use super::statistics::geometric_mean;

/// A whole comparison.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// The day, as in 2026-11-21.
    pub date: String,
    pub machine: Machine,
    pub profile: Profile,
    /// The first is compared with each of the others.
    pub servers: Vec<Contestant>,
    pub sections: Vec<SectionResults>,
    pub memory: Vec<MemoryRow>,
}

/// How much was done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Profile {
    pub is_quick: bool,
    pub rounds: usize,
    /// Of one run.
    pub seconds: f64,
    /// How often a disturbed run was repeated, at most.
    pub retries: usize,
    /// A run is disturbed if others used more than this share of the machine.
    pub others_max: f64,
    /// Keys in the largest data sets.
    pub keys: u64,
}

/// A server, as it was run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Contestant {
    pub name: String,
    pub version: String,
    /// Command lines.
    pub on_one_core: String,
    pub on_all_cores: String,
}

/// The rows of one table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SectionResults {
    pub title: String,
    pub text: String,
    pub plot: String,
    pub rows: Vec<Row>,
}

/// A workload on every server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    /// The command that made the load, and the one before it that made the keys.
    pub command: String,
    pub prepare: Option<String>,
    pub outcomes: Vec<Outcome>,
}

/// A data set on every server, in bytes per key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MemoryRow {
    pub name: String,
    pub keys: u64,
    pub command: String,
    pub outcomes: Vec<Outcome<f64>>,
}

impl Results {
    /// Returns how many figures are of runs that were disturbed to the last try, and how many
    /// there are.
    pub fn disturbances(&self) -> (usize, usize) {
        let rows = self.sections.iter().flat_map(|section| &section.rows);
        let figures = rows.flat_map(|row| &row.outcomes).filter_map(Outcome::figures);
        figures.fold((0, 0), |(disturbed, measured), figures| {
            let is_disturbed = figures.others > self.profile.others_max;
            (disturbed + usize::from(is_disturbed), measured + 1)
        })
    }
}

impl SectionResults {
    /// Returns the geometric mean, over the rows, of the first server's figure divided by that of
    /// the server with this index.
    pub fn mean_ratio(&self, server: usize, figure: fn(&Figures) -> f64) -> Option<f64> {
        let ratio = |row: &Row| {
            let [first, other] = [0, server].map(|index| row.outcomes.get(index)?.figures());
            Some(figure(first?) / figure(other?))
        };
        let ratios = self.rows.iter().filter_map(ratio);
        geometric_mean(ratios.filter(|ratio| ratio.is_finite()))
    }

    /// Returns whether any row is an open loop, whose rate says nothing about a server.
    pub fn is_open_loop(&self) -> bool {
        let figures = self.rows.iter().flat_map(|row| &row.outcomes).filter_map(Outcome::figures);
        figures.into_iter().any(|figures| !figures.curve.is_empty())
    }
}

/// Returns the day that is so many seconds after the beginning of 1970, in UTC. The algorithm is
/// Howard Hinnant's `civil_from_days`.
pub fn date(seconds: u64) -> String {
    let days = (seconds / 86_400) as i64 + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::report::Point;

    fn measured(requests_per_second: f64, server_cpu_us: f64) -> Outcome {
        let median = Figures {
            requests_per_second,
            server_cpu_us,
            p50_us: 400.0,
            p99_us: 1234.5,
            generator_load: 0.99,
            others: 0.031,
            ..Figures::default()
        };
        Outcome::Measured { rounds: vec![median.clone()], median }
    }

    fn section(title: &str, plot: &str, rows: Vec<Row>) -> SectionResults {
        SectionResults { title: title.into(), text: "A text.".into(), plot: plot.into(), rows }
    }

    fn row(name: &str, outcomes: Vec<Outcome>) -> Row {
        let command = format!("loadtest --mix {}", name.to_lowercase());
        Row { name: name.into(), command, prepare: Some("loadtest --walk".into()), outcomes }
    }

    /// Two servers, one of which lacks a command, and an open loop.
    pub fn sample() -> Results {
        let contestant = |name: &str| Contestant {
            name: name.into(),
            version: "1.0".into(),
            on_one_core: format!("{name} one"),
            on_all_cores: format!("{name} all"),
        };
        let mut slow = measured(40_000.0, 7.0);
        if let Outcome::Measured { median, .. } = &mut slow {
            median.curve = [0.5, 0.99, 1.0]
                .map(|quantile| Point { quantile, latency_us: 100.0 + quantile * 500.0 })
                .to_vec();
            median.unsent = 0.25;
        }
        let closed = vec![
            row("SET", vec![measured(400_000.0, 2.0), measured(100_000.0, 8.0)]),
            row("GET", vec![measured(900_000.0, 1.0), measured(900_000.0, 1.0)]),
            row("XADD", vec![Outcome::Lacks("XADD".into()), measured(50_000.0, 9.0)]),
        ];
        Results {
            date: date(0),
            machine: Machine::read(2),
            profile: Profile {
                is_quick: true,
                rounds: 1,
                seconds: 1.0,
                retries: 1,
                others_max: 0.1,
                keys: 1000,
            },
            servers: vec![contestant("Shoal"), contestant("Redis")],
            sections: vec![
                section("Strings", "strings", closed),
                section("Fixed rate", "latency", vec![row("MIX", vec![slow.clone(), slow])]),
            ],
            memory: vec![MemoryRow {
                name: "string".into(),
                keys: 1000,
                command: "loadtest --walk".into(),
                outcomes: vec![
                    Outcome::Measured { median: 53.0, rounds: vec![53.0] },
                    Outcome::Measured { median: 130.0, rounds: vec![130.0] },
                ],
            }],
        }
    }

    #[test]
    fn days_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_767_225_599, "2025-12-31"),
            (1_795_263_984, "2026-11-21"),
        ] {
            assert_eq!(date(seconds), expected);
        }
    }

    #[test]
    fn ratios_are_averaged_over_what_both_measured() {
        let results = sample();
        let mean = results.sections[0].mean_ratio(1, |figures| figures.requests_per_second);
        assert!((mean.unwrap() - 2.0).abs() < 1e-9);
        let cpu = results.sections[0].mean_ratio(1, |figures| figures.server_cpu_us);
        assert!((cpu.unwrap() - 0.5).abs() < 1e-9);
        assert_eq!(results.sections[0].mean_ratio(7, |figures| figures.p50_us), None);
        assert_eq!(results.disturbances(), (0, 7));
        assert!(!results.sections[0].is_open_loop() && results.sections[1].is_open_loop());
    }
}
