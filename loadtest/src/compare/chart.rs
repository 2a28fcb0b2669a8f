//! Plots of a comparison: bars by workload, and latency by percentile.
//!
//! Workloads differ by a factor of fifty, so bars of one workload are compared with each other
//! only: the longest of them fills its width, and each says its value.

use std::io;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::measurement::{Figures, Outcome};
use super::results::{Results, SectionResults};
use crate::report::plot::{drawing, percentiles};

const WIDTH: u32 = 960;
const MARGIN: i32 = 16;
const CAPTION_HEIGHT: i32 = 34;
const LABELS_WIDTH: i32 = 270;
const BAR_HEIGHT: i32 = 13;
const GROUP_GAP: i32 = 10;
/// Room for the value behind the longest bar.
const VALUE_WIDTH: i32 = 74;

/// The percentiles of a run of seconds end here: 99.99%.
const NINES: f64 = 4.0;

/// One of the panels that stand beside each other: a caption, and values by row and server.
struct Panel {
    caption: &'static str,
    values: Vec<Vec<Option<f64>>>,
    show: fn(f64) -> String,
}

/// Writes all plots of a comparison into `directory`, which is made if need be.
///
/// # Errors
///
/// Where the files cannot be written.
pub fn write(results: &Results, directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    for section in results.sections.iter().filter(|section| !section.rows.is_empty()) {
        let text = if section.is_open_loop() {
            latency(results, section)?
        } else {
            speed(results, section)?
        };
        std::fs::write(directory.join(format!("{}.svg", section.plot)), text)?;
    }
    if !results.memory.is_empty() {
        std::fs::write(directory.join("memory.svg"), memory(results)?)?;
    }
    Ok(())
}

fn speed(results: &Results, section: &SectionResults) -> io::Result<String> {
    let values = |figure: fn(&Figures) -> f64| {
        let of = |outcomes: &Vec<Outcome>| {
            outcomes.iter().map(|outcome| outcome.figures().map(figure)).collect()
        };
        section.rows.iter().map(|row| of(&row.outcomes)).collect()
    };
    let panels = [
        Panel {
            caption: "requests/s: longer is better",
            values: values(|figures| figures.requests_per_second),
            show: digits,
        },
        Panel {
            caption: "CPU µs/request: shorter is better",
            values: values(|figures| figures.server_cpu_us),
            show: digits,
        },
    ];
    let names: Vec<&str> = section.rows.iter().map(|row| &row.name[..]).collect();
    bars(results, &names, &panels)
}

fn memory(results: &Results) -> io::Result<String> {
    let values = results.memory.iter().map(|row| {
        row.outcomes.iter().map(|outcome| outcome.figures().copied()).collect::<Vec<_>>()
    });
    let panel = Panel {
        caption: "bytes per key: shorter is better",
        values: values.collect(),
        show: digits,
    };
    let names: Vec<&str> = results.memory.iter().map(|row| &row.name[..]).collect();
    bars(results, &names, &[panel])
}

/// Draws the row in the middle: the others are in the table.
fn latency(results: &Results, section: &SectionResults) -> io::Result<String> {
    let row = &section.rows[section.rows.len() / 2];
    let curves: Vec<_> = results
        .servers
        .iter()
        .zip(&row.outcomes)
        .filter_map(|(server, outcome)| Some((&server.name[..], &outcome.figures()?.curve[..])))
        .collect();
    percentiles(&format!("Latency at {}", row.name), &curves, NINES)
}

fn bars(results: &Results, names: &[&str], panels: &[Panel]) -> io::Result<String> {
    let group = results.servers.len() as i32 * BAR_HEIGHT + GROUP_GAP;
    let height = 2 * MARGIN + 2 * CAPTION_HEIGHT + names.len() as i32 * group;
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (WIDTH, height as u32)).into_drawing_area();
        area.fill(&WHITE).map_err(drawing)?;
        legend(&area, results)?;
        let top = MARGIN + 2 * CAPTION_HEIGHT;
        for (row, name) in names.iter().enumerate() {
            let middle = top + row as i32 * group + (group - GROUP_GAP) / 2;
            write_text(&area, name, (LABELS_WIDTH - 8, middle), 14, HPos::Right)?;
        }
        let width = (WIDTH as i32 - LABELS_WIDTH - MARGIN) / panels.len() as i32;
        for (index, panel) in panels.iter().enumerate() {
            let left = LABELS_WIDTH + index as i32 * width;
            let caption = (left, MARGIN + CAPTION_HEIGHT * 3 / 2);
            write_text(&area, panel.caption, caption, 15, HPos::Left)?;
            for (row, values) in panel.values.iter().enumerate() {
                let corner = (left, top + row as i32 * group);
                group_of_bars(&area, panel, values, corner, width - VALUE_WIDTH)?;
            }
        }
        area.present().map_err(drawing)?;
    }
    Ok(text)
}

fn legend(area: &DrawingArea<SVGBackend, Shift>, results: &Results) -> io::Result<()> {
    for (index, server) in results.servers.iter().enumerate() {
        let left = MARGIN + index as i32 * 150;
        let corners = [(left, MARGIN), (left + 14, MARGIN + 14)];
        let color = Palette99::pick(index).filled();
        area.draw(&Rectangle::new(corners, color)).map_err(drawing)?;
        let name = format!("{} {}", server.name, server.version);
        write_text(area, &name, (left + 20, MARGIN + 7), 14, HPos::Left)?;
    }
    Ok(())
}

fn group_of_bars(
    area: &DrawingArea<SVGBackend, Shift>,
    panel: &Panel,
    values: &[Option<f64>],
    (left, top): (i32, i32),
    width: i32,
) -> io::Result<()> {
    let longest = values.iter().flatten().copied().fold(f64::MIN_POSITIVE, f64::max);
    for (server, value) in values.iter().enumerate() {
        let bar_top = top + server as i32 * BAR_HEIGHT;
        let length = value.map_or(0, |value| (value / longest * f64::from(width)) as i32);
        let corners = [(left, bar_top), (left + length, bar_top + BAR_HEIGHT - 2)];
        let color = Palette99::pick(server).filled();
        area.draw(&Rectangle::new(corners, color)).map_err(drawing)?;
        let shown = value.map_or("-".to_string(), panel.show);
        let end = (left + length + 5, bar_top + BAR_HEIGHT / 2 - 1);
        write_text(area, &shown, end, 12, HPos::Left)?;
    }
    Ok(())
}

/// Writes a number with three digits that count, in thousands or millions if need be.
fn digits(number: f64) -> String {
    let (value, unit) = match number {
        number if number >= 999_500.0 => (number / 1e6, " M"),
        number if number >= 999.5 => (number / 1e3, " k"),
        number => (number, ""),
    };
    let decimals = [9.995, 99.95].iter().filter(|limit| value < **limit).count();
    format!("{value:.decimals$}{unit}")
}

fn write_text(
    area: &DrawingArea<SVGBackend, Shift>,
    text: &str,
    place: (i32, i32),
    size: i32,
    horizontal: HPos,
) -> io::Result<()> {
    let style = TextStyle::from(("sans-serif", size).into_font())
        .color(&BLACK)
        .pos(Pos::new(horizontal, VPos::Center));
    area.draw(&Text::new(text.to_string(), place, style)).map_err(drawing)
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::sample;
    use super::*;

    #[test]
    fn bars_say_their_values() {
        let results = sample();
        let text = speed(&results, &results.sections[0]).unwrap();
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
        for word in ["SET", "XADD", "Shoal 1.0", "Redis 1.0", "400 k", "50.0 k", "requests/s"] {
            assert!(text.contains(word), "{word}");
        }
        // Background, legend, and a bar for each of three rows, two servers and two panels.
        assert_eq!(text.matches("<rect").count(), 1 + 2 + 12);
        assert!(memory(&results).unwrap().contains("130"));
    }

    #[test]
    fn values_have_three_digits() {
        let shown = [0.333, 12.345, 53.96, 999.4, 999.6, 141_923.0, 1_234_567.0].map(digits);
        assert_eq!(shown, ["0.33", "12.3", "54.0", "999", "1.00 k", "142 k", "1.23 M"]);
    }

    #[test]
    fn an_open_loop_is_drawn_as_lines() {
        let results = sample();
        let text = latency(&results, &results.sections[1]).unwrap();
        assert!(text.contains("Latency at MIX") && text.contains("99.9%"));
        assert_eq!(text.matches("<polyline").count(), text.matches("<polyline").count().max(2));
    }

    #[test]
    fn every_plot_that_the_page_shows_is_written() {
        let results = sample();
        let directory = std::env::temp_dir().join(format!("chart-{}", std::process::id()));
        write(&results, &directory).unwrap();
        let page = super::super::page::render(&results, "plots");
        let names = page.split("](plots/").skip(1).filter_map(|rest| rest.split(')').next());
        for name in names.filter(|name| name.ends_with(".svg")) {
            assert!(directory.join(name).is_file(), "{name}");
        }
        std::fs::remove_dir_all(directory).unwrap();
    }
}
