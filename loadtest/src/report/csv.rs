//! The report as comma-separated values (RFC 4180): a line per command, then one for all.

use super::{CommandReport, Report};

const HEADER: &str = "command,requests,requests_per_second,mean_us,min_us,p50_us,p90_us,p99_us,\
                      p999_us,p9999_us,max_us\n";

/// Returns the report as CSV.
pub fn render(report: &Report) -> String {
    let rows = report.commands.iter().chain(std::iter::once(&report.total));
    std::iter::once(HEADER.to_string()).chain(rows.map(row)).collect()
}

fn row(command: &CommandReport) -> String {
    format!(
        "{},{},{:.1},{:.1},{:.1},{:.1},{:.1},{:.1},{:.1},{:.1},{:.1}\n",
        field(&command.name),
        command.requests,
        command.requests_per_second,
        command.mean_us,
        command.min_us,
        command.p50_us,
        command.p90_us,
        command.p99_us,
        command.p999_us,
        command.p9999_us,
        command.max_us,
    )
}

/// Quotes a name that would not be one field.
fn field(name: &str) -> String {
    match name.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", name.replace('"', "\"\"")),
        false => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_every_field() {
        let mut report = super::super::tests::sample();
        let text = render(&report);
        assert_eq!(text.lines().count(), 4);
        assert!(text.lines().all(|line| line.split(',').count() == 11), "{text}");
        report.commands[0].name = "a,\"b".to_string();
        assert!(render(&report).contains("\n\"a,\"\"b\",4500,"));
    }
}
