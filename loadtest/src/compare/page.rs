//! The comparison as a page of Markdown.
//!
//! Invariant: the page says everything that is needed to repeat it: machine, versions, commands.

use std::fmt::Write;

use super::measurement::{Figures, Outcome};
use super::results::{MemoryRow, Results, Row, SectionResults};
use crate::report::plot::short;

/// A generator that is busier than this has no more to give.
const GENERATOR_BUSY: f64 = 0.95;

/// Returns the page; plots are in the directory `plots`, as seen from the page.
pub fn render(results: &Results, plots: &str) -> String {
    let mut page = String::new();
    page.push_str("# Benchmarks\n\n");
    page.push_str(&introduction(results, plots));
    page.push_str(&setting(results));
    page.push_str(&summary(results));
    for section in results.sections.iter().filter(|section| !section.rows.is_empty()) {
        let _ = write!(page, "## {}\n\n{}\n\n", section.title, section.text);
        let _ = write!(page, "![{}]({plots}/{}.svg)\n\n", section.title, section.plot);
        page.push_str(&match section.is_open_loop() {
            true => latency_table(results, section),
            false => table(results, section),
        });
    }
    if !results.memory.is_empty() {
        page.push_str(&memory(results, plots));
    }
    page.push_str(&commands(results));
    page
}

fn introduction(results: &Results, plots: &str) -> String {
    let profile = &results.profile;
    let rivals: Vec<String> = names(results).skip(1).collect();
    let command = if profile.is_quick { "make bench QUICK=1" } else { "make bench" };
    let rounds = match profile.rounds {
        1 => "Each figure is of one run".to_string(),
        rounds => format!("Each figure is the median of {rounds} runs"),
    };
    let repeats = match profile.retries {
        1 => "once".to_string(),
        retries => format!("up to {retries} times"),
    };
    let mut text = format!(
        "`{command}` wrote this page on {}: {} beside {}, on the same machine and in turn, each \
         stopped while another is measured.\n{rounds} of {} s. A run during which others used \
         more than {} of the machine is repeated {repeats}; the column *others* says what was \
         left of that.\n",
        results.date,
        names(results).next().unwrap_or_default(),
        if rivals.is_empty() { "nothing".to_string() } else { rivals.join(" and ") },
        short(profile.seconds),
        percent(profile.others_max),
    );
    if profile.is_quick {
        text.push_str(
            "This was the quick form, which is for a first impression: `make bench` takes twenty \
             minutes and says more.\n",
        );
    }
    let (disturbed, measured) = results.disturbances();
    if disturbed > 0 {
        let _ = writeln!(
            text,
            "**The machine was not quiet**: {disturbed} of {measured} figures were disturbed to \
             the last try. Their CPU per request is of use, their requests/s and latencies are not."
        );
    }
    let _ = writeln!(text, "Every single run is in [results.json]({plots}/results.json).");
    text.push('\n');
    text
}

fn names(results: &Results) -> impl Iterator<Item = String> {
    results.servers.iter().map(|server| format!("{} {}", server.name, server.version))
}

fn setting(results: &Results) -> String {
    let machine = &results.machine;
    let mut text = String::from("| machine | |\n|---|---|\n");
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "| {name} | {value} |");
    };
    line("processor", &machine.processor);
    line("processors used", &machine.cpus.to_string());
    line("memory", &format!("{:.1} GiB", machine.memory_gib));
    line("kernel", &format!("Linux {}", machine.kernel));
    if let Some(governor) = &machine.governor {
        line("frequency governor", governor);
    }
    for server in &results.servers {
        line(&server.name, &server.version);
    }
    text.push('\n');
    text
}

/// The geometric means of each section's ratios.
fn summary(results: &Results) -> String {
    let first = results.servers.first().map_or("", |server| &server.name);
    let mut text = format!(
        "## In short\n\nGeometric means over the rows of each table. *Requests/s*: how many times \
         as many as the other server (more is better). *CPU*: {first}'s processor time per \
         request as a part of the other's (less is better).\n\n| |"
    );
    let rivals = || results.servers.iter().enumerate().skip(1);
    for (_, rival) in rivals() {
        let _ = write!(text, " requests/s, to {0} | CPU, to {0} |", rival.name);
    }
    text.push_str("\n|---|");
    rivals().for_each(|_| text.push_str("--:|--:|"));
    text.push('\n');
    for section in results.sections.iter().filter(|s| !s.rows.is_empty() && !s.is_open_loop()) {
        let _ = write!(text, "| {} |", section.title);
        for (index, _) in rivals() {
            let speed = section.mean_ratio(index, |figures| figures.requests_per_second);
            let cpu = section.mean_ratio(index, |figures| figures.server_cpu_us);
            let _ = write!(text, " {} | {} |", ratio(speed), ratio(cpu));
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

fn table(results: &Results, section: &SectionResults) -> String {
    let first = results.servers.first().map_or("", |server| &server.name);
    let mut text = format!(
        "| workload | server | requests/s | {first} ÷ this | CPU µs/request | {first} ÷ this | \
         p50 | p99 | p99.9 | others |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n"
    );
    for row in &section.rows {
        for (index, server) in results.servers.iter().enumerate() {
            let name = if index == 0 { &row.name } else { "" };
            let _ = write!(text, "| {name} | {} | ", server.name);
            text.push_str(&cells(row, index));
            text.push('\n');
        }
    }
    if text.contains('≥') {
        text.push_str(
            "\n≥: the load generator had no more to give, so the server could do more; the CPU \
             column is what tells.\n",
        );
    }
    text.push('\n');
    text
}

fn cells(row: &Row, index: usize) -> String {
    let figures = match &row.outcomes[index] {
        Outcome::Measured { median, .. } => median,
        Outcome::Lacks(command) => return format!("has no {command} | | | | | | | |"),
        Outcome::Failed(text) => return format!("failed: {} | | | | | | | |", cell(text)),
    };
    let first = row.outcomes.first().and_then(Outcome::figures).filter(|_| index > 0);
    let to = |figure: fn(&Figures) -> f64| match index {
        0 => String::new(),
        _ => ratio(first.map(|first| figure(first) / figure(figures))),
    };
    format!(
        "{}{} | {} | {:.2} | {} | {} | {} | {} | {} |",
        if figures.generator_load > GENERATOR_BUSY { "≥ " } else { "" },
        thousands(figures.requests_per_second),
        to(|figures| figures.requests_per_second),
        figures.server_cpu_us,
        to(|figures| figures.server_cpu_us),
        latency(Some(figures.p50_us)),
        latency(Some(figures.p99_us)),
        latency(figures.p999_us),
        percent(figures.others),
    )
}

fn latency_table(results: &Results, section: &SectionResults) -> String {
    let mut text = String::from(
        "| rate | server | p50 | p99 | p99.9 | not sent in time | CPU µs/request | others |\n\
         |---|---|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in &section.rows {
        for (index, (server, outcome)) in results.servers.iter().zip(&row.outcomes).enumerate() {
            let name = if index == 0 { &row.name } else { "" };
            let _ = write!(text, "| {name} | {} | ", server.name);
            text.push_str(&match outcome {
                Outcome::Lacks(command) => format!("has no {command} | | | | | |"),
                Outcome::Failed(reason) => format!("failed: {} | | | | | |", cell(reason)),
                Outcome::Measured { median, .. } => format!(
                    "{} | {} | {} | {} | {:.2} | {} |",
                    latency(Some(median.p50_us)),
                    latency(Some(median.p99_us)),
                    latency(median.p999_us),
                    percent(median.unsent),
                    median.server_cpu_us,
                    percent(median.others),
                ),
            });
            text.push('\n');
        }
    }
    text.push('\n');
    text
}

fn memory(results: &Results, plots: &str) -> String {
    let mut text = format!(
        "## Memory per key\n\nHow much the resident memory of a fresh server grows, divided by the \
         number of keys. Keys have 16 bytes or a little more.\n\n![Memory per key]\
         ({plots}/memory.svg)\n\n| each key is a | keys |"
    );
    for (index, server) in results.servers.iter().enumerate() {
        let _ = write!(text, " {} |", server.name);
        if index > 0 {
            text.push_str(" ratio |");
        }
    }
    text.push_str("\n|---|--:|");
    for index in 0..results.servers.len() {
        text.push_str(if index == 0 { "--:|" } else { "--:|--:|" });
    }
    text.push('\n');
    for row in &results.memory {
        text.push_str(&memory_line(row));
    }
    text.push('\n');
    text
}

fn memory_line(row: &MemoryRow) -> String {
    let mut text = format!("| {} | {} |", row.name, thousands(row.keys as f64));
    let first = row.outcomes.first().and_then(Outcome::figures);
    for (index, outcome) in row.outcomes.iter().enumerate() {
        let _ = match outcome {
            Outcome::Measured { median, .. } => write!(text, " {median:.0} bytes |"),
            Outcome::Lacks(command) => write!(text, " has no {command} |"),
            Outcome::Failed(reason) => write!(text, " failed: {} |", cell(reason)),
        };
        if index > 0 {
            let to = first.zip(outcome.figures()).map(|(first, this)| first / this);
            let _ = write!(text, " {} |", ratio(to));
        }
    }
    text.push('\n');
    text
}

fn commands(results: &Results) -> String {
    let mut text = String::from(
        "## The commands\n\nServers, on one core and on all. `PORT` and `SOCKET` are wherever \
         there is room.\n\n```\n",
    );
    for server in &results.servers {
        let _ = writeln!(text, "{}\n{}", server.on_one_core, server.on_all_cores);
    }
    text.push_str(
        "```\n\nLoad, in the order of the tables. A server is emptied before each run.\n",
    );
    for section in results.sections.iter().filter(|section| !section.rows.is_empty()) {
        let _ = write!(text, "\n{}:\n\n```\n", section.title);
        let mut last_prepare = None;
        for row in &section.rows {
            if row.prepare.is_some() && row.prepare != last_prepare {
                let _ = writeln!(text, "{}", row.prepare.as_deref().unwrap_or_default());
            }
            last_prepare.clone_from(&row.prepare);
            let _ = writeln!(text, "{}", row.command);
        }
        text.push_str("```\n");
    }
    if !results.memory.is_empty() {
        text.push_str("\nMemory:\n\n```\n");
        results.memory.iter().for_each(|row| {
            let _ = writeln!(text, "{}", row.command);
        });
        text.push_str("```\n");
    }
    text
}

/// Keeps foreign text inside its cell.
fn cell(text: &str) -> String {
    text.replace(['|', '\n', '\r'], " ")
}

fn ratio(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or("-".to_string(), |value| format!("{value:.2}"))
}

fn percent(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

fn latency(us: Option<f64>) -> String {
    match us {
        None => "-".to_string(),
        Some(us) if us >= 9_999.5 => format!("{:.0} ms", us / 1e3),
        Some(us) if us >= 999.5 => format!("{:.1} ms", us / 1e3),
        Some(us) => format!("{us:.0} µs"),
    }
}

/// Writes a whole number with commas between thousands.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::sample;
    use super::*;

    #[test]
    fn the_page_says_what_was_measured_and_how() {
        let page = render(&sample(), "benchmarks");
        for text in [
            "on 1970-01-01: Shoal 1.0 beside Redis 1.0",
            "| SET | Shoal | ≥ 400,000 |  | 2.00 |  | 400 µs | 1.2 ms | - | 3% |",
            "|  | Redis | ≥ 100,000 | 4.00 | 8.00 | 0.25 |",
            "| XADD | Shoal | has no XADD |",
            "| Strings | 2.00 | 0.50 |",
            "![Strings](benchmarks/strings.svg)",
            "| MIX | Shoal | 400 µs | 1.2 ms | - | 25% |",
            "| string | 1,000 | 53 bytes | 130 bytes | 0.41 |",
            "Redis one\nRedis all\n",
            "loadtest --walk\nloadtest --mix set\nloadtest --mix get\n",
        ] {
            assert!(page.contains(text), "{text:?} is not in\n{page}");
        }
        // An open loop has no place among speeds.
        assert!(!page.contains("| Fixed rate |"));
    }

    #[test]
    fn every_line_of_a_table_has_as_many_cells() {
        let mut results = sample();
        results.sections[0].rows[1].outcomes[1] = Outcome::Failed("a | b\nc".into());
        results.memory[0].outcomes[1] = Outcome::Lacks("SET".into());
        let page = render(&results, "x");
        for block in page.split("\n\n").filter(|block| block.starts_with('|')) {
            let counts: Vec<usize> = block.lines().map(|line| line.matches('|').count()).collect();
            assert!(counts.windows(2).all(|pair| pair[0] == pair[1]), "{block}");
        }
    }

    #[test]
    fn one_server_alone_is_a_page_too() {
        let mut results = sample();
        results.servers.truncate(1);
        results.sections.iter_mut().flat_map(|s| &mut s.rows).for_each(|r| r.outcomes.truncate(1));
        results.memory[0].outcomes.truncate(1);
        assert!(render(&results, "x").contains("beside nothing"));
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            [0.0, 999.4, 1000.0, 1234567.8].map(thousands),
            ["0", "999", "1,000", "1,234,568"]
        );
        let latencies = [9.4, 999.6, 12_345.0].map(|us| latency(Some(us)));
        assert_eq!(latencies, ["9 µs", "1.0 ms", "12 ms"]);
        assert_eq!([ratio(None), ratio(Some(0.414)), ratio(Some(f64::NAN))], ["-", "0.41", "-"]);
    }
}
