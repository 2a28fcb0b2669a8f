//! The report as text for people.

use std::fmt::Write;

use super::{CommandReport, Report};

const HEADER: &str = "command       requests   requests/s  mean µs      p50      p90      p99    \
                      p99.9      max\n";

/// Returns the report as a table, with a line about the load above and sums below.
pub fn render(report: &Report) -> String {
    let mut text = headline(report);
    text.push_str("\n\n");
    text.push_str(HEADER);
    for command in &report.commands {
        text.push_str(&row(command));
    }
    if report.commands.len() > 1 {
        text.push_str(&row(&report.total));
    }
    text.push('\n');
    text.push_str(&footer(report));
    text
}

fn headline(report: &Report) -> String {
    let load = &report.load;
    let pacing = match load.rate {
        Some(rate) => format!("open loop at {rate} requests/s"),
        None => "closed loop".to_string(),
    };
    format!(
        "{}: {} connections, {} {}, pipeline {}, {pacing}, {} keys {}{}",
        load.target,
        load.connections,
        load.threads,
        if load.threads == 1 { "thread" } else { "threads" },
        load.pipeline,
        load.keys,
        load.distribution,
        if load.is_checked { ", every reply checked" } else { "" },
    )
}

fn row(command: &CommandReport) -> String {
    let mut text = format!(
        "{:<10} {:>11} {:>12.0}",
        command.name, command.requests, command.requests_per_second
    );
    for latency_us in [
        command.mean_us,
        command.p50_us,
        command.p90_us,
        command.p99_us,
        command.p999_us,
        command.max_us,
    ] {
        let decimals = if latency_us < 1000.0 { 1 } else { 0 };
        // Writing to a string cannot fail.
        let _ = write!(text, " {latency_us:>8.decimals$}");
    }
    text.push('\n');
    text
}

fn footer(report: &Report) -> String {
    let mut text = format!(
        "{} requests in {:.2} s: {:.0} a second, {} sent, {} received\n",
        report.requests,
        report.seconds,
        report.requests_per_second,
        bytes(report.bytes_sent),
        bytes(report.bytes_received),
    );
    for (count, what) in [
        (report.misses, "lookups found no key"),
        (report.errors, "replies were errors"),
        (report.redirections, "requests were redirected"),
        (report.unsent, "requests were due and not sent: the server did not keep up"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "{count} {what}");
        }
    }
    let _ = write!(text, "CPU per request: client {:.2} µs", report.client_cpu_us_per_request);
    if let Some(server_us) = report.server_cpu_us_per_request {
        let _ = write!(text, ", server {server_us:.2} µs");
    }
    text.push('\n');
    text
}

fn bytes(count: u64) -> String {
    match count as f64 {
        count if count >= 1e9 => format!("{:.2} GB", count / 1e9),
        count if count >= 1e6 => format!("{:.1} MB", count / 1e6),
        count => format!("{:.1} kB", count / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_counts_shown() {
        let text = render(&super::super::tests::sample());
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("open loop at 5000 requests/s"));
        let widths: Vec<usize> = lines[2..6].iter().map(|line| line.chars().count()).collect();
        assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
        assert!(text.contains("15 lookups found no key"));
        assert!(!text.contains("errors"));
        assert!(text.contains("CPU per request: client 1.00 µs, server 2.00 µs"));
    }
}
