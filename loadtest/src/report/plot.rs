//! The report as plots: latency by percentile, and the run over time.

use std::fmt::Display;
use std::path::Path;

use plotters::prelude::*;

use super::{Point, Report};
use crate::failure::Failure;

const SIZE: (u32, u32) = (960, 540);

/// Writes `latency.svg` and `throughput.svg` into `directory`, which is made if need be.
///
/// # Errors
///
/// Where the files cannot be written.
pub fn write(report: &Report, directory: &Path) -> Result<(), Failure> {
    let action = || format!("write plots to {}", directory.display());
    std::fs::create_dir_all(directory).map_err(Failure::system(action()))?;
    for (name, text) in [("latency.svg", latency(report)), ("throughput.svg", throughput(report))] {
        let text = text.map_err(|error| Failure::System { action: action(), error })?;
        std::fs::write(directory.join(name), text).map_err(Failure::system(action()))?;
    }
    Ok(())
}

/// Draws the latency of each command against the share of requests that were no slower.
fn latency(report: &Report) -> std::io::Result<String> {
    let commands = report.commands.iter().filter(|command| command.requests > 0);
    let curves: Vec<(&str, &[Point])> =
        commands.map(|command| (&command.name[..], &command.curve[..])).collect();
    let nines = (report.requests.max(10) as f64).log10();
    percentiles(&format!("Latency, {}", report.load.target), &curves, nines)
}

/// Draws latencies by percentile, a line for each name, up to so many nines (2 is 99%). The axis
/// stretches towards 100%: each nine is as wide as the last.
///
/// # Errors
///
/// Where the drawing library fails, which it has no reason to.
pub fn percentiles(
    caption: &str,
    curves: &[(&str, &[Point])],
    nines: f64,
) -> std::io::Result<String> {
    let latencies = || curves.iter().flat_map(|(_, curve)| *curve).map(|point| point.latency_us);
    let slowest = latencies().fold(1.0, f64::max) * 1.2;
    let fastest = latencies().fold(slowest, f64::min).max(0.1) / 1.2;
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(drawing)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(caption, ("sans-serif", 22))
            .margin(16)
            .x_label_area_size(48)
            .y_label_area_size(80)
            .build_cartesian_2d(0.0..nines, (fastest..slowest).log_scale())
            .map_err(drawing)?;
        chart
            .configure_mesh()
            .x_labels(nines.ceil() as usize + 1)
            .x_label_formatter(&|nines| percentile(*nines))
            .y_label_formatter(&|latency_us| duration(*latency_us))
            .x_desc("percentile")
            .y_desc("latency")
            .draw()
            .map_err(drawing)?;
        for (index, (name, curve)) in curves.iter().enumerate() {
            let color = Palette99::pick(index).to_rgba();
            let points = curve.iter().map(|point| {
                let x = -(1.0 - point.quantile).max(10f64.powf(-nines)).log10();
                (x, point.latency_us.max(fastest))
            });
            chart
                .draw_series(LineSeries::new(points, color.stroke_width(2)))
                .map_err(drawing)?
                .label(*name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2))
                });
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()
            .map_err(drawing)?;
        area.present().map_err(drawing)?;
    }
    Ok(text)
}

/// Draws requests a second and the 99th percentile of latency over time, one above the other.
fn throughput(report: &Report) -> std::io::Result<String> {
    let end = report.timeline.last().map_or(1.0, |moment| moment.seconds).max(0.1);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(drawing)?;
        let (upper, lower) = area.split_vertically(SIZE.1 / 2);
        let rates = report.timeline.iter().map(|m| (m.seconds, m.requests_per_second));
        over_time(&upper, "Requests per second", end, rates.collect(), &count)?;
        let latencies = report.timeline.iter().map(|m| (m.seconds, m.p99_us));
        over_time(&lower, "Latency, 99th percentile", end, latencies.collect(), &duration)?;
        area.present().map_err(drawing)?;
    }
    Ok(text)
}

fn over_time(
    area: &DrawingArea<SVGBackend, plotters::coord::Shift>,
    caption: &str,
    end: f64,
    points: Vec<(f64, f64)>,
    label: &dyn Fn(f64) -> String,
) -> std::io::Result<()> {
    let highest = points.iter().map(|point| point.1).fold(1.0, f64::max) * 1.1;
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(32)
        .y_label_area_size(80)
        .build_cartesian_2d(0.0..end, 0.0..highest)
        .map_err(drawing)?;
    chart
        .configure_mesh()
        .x_label_formatter(&|seconds| format!("{seconds} s"))
        .y_label_formatter(&|value| label(*value))
        .draw()
        .map_err(drawing)?;
    chart.draw_series(LineSeries::new(points, BLUE.stroke_width(2))).map_err(drawing)?;
    Ok(())
}

/// Names the percentile that is so many nines: 2 is 99%.
fn percentile(nines: f64) -> String {
    let decimals = (nines.round() as usize).saturating_sub(2);
    format!("{:.decimals$}%", 100.0 * (1.0 - 10f64.powf(-nines.round())))
}

fn duration(us: f64) -> String {
    match us {
        us if us >= 1e6 => format!("{} s", short(us / 1e6)),
        us if us >= 1e3 => format!("{} ms", short(us / 1e3)),
        us => format!("{} µs", short(us)),
    }
}

fn count(number: f64) -> String {
    match number {
        number if number >= 1e6 => format!("{} M", short(number / 1e6)),
        number if number >= 1e3 => format!("{} k", short(number / 1e3)),
        number => short(number),
    }
}

/// Writes a number with at most two decimals.
pub fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Turns an error of the drawing library into one of the system's.
pub fn drawing(error: impl Display) -> std::io::Error {
    std::io::Error::other(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plots_are_drawings_with_a_line_for_each_command() {
        let report = super::super::tests::sample();
        let latency = latency(&report).unwrap();
        assert!(latency.starts_with("<svg") && latency.trim_end().ends_with("</svg>"));
        for word in ["get", "set", "99%", "99.9%", "percentile"] {
            assert!(latency.contains(word), "{word}");
        }
        assert!(throughput(&report).unwrap().contains("Requests per second"));
    }

    #[test]
    fn a_run_without_requests_can_be_drawn() {
        let mut report = super::super::tests::sample();
        report.timeline.clear();
        report.requests = 0;
        for command in &mut report.commands {
            command.requests = 0;
        }
        assert!(latency(&report).is_ok() && throughput(&report).is_ok());
    }

    #[test]
    fn labels_are_short() {
        assert_eq!(
            [0.0, 1.0, 2.0, 3.0, 5.0].map(percentile),
            ["0%", "90%", "99%", "99.9%", "99.999%"]
        );
        assert_eq!([1.5, 2e3, 3.25e6].map(duration), ["1.5 µs", "2 ms", "3.25 s"]);
        assert_eq!([900.0, 1.2e6].map(count), ["900", "1.2 M"]);
    }
}
