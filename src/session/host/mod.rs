//! stand-in
pub mod command;

use super::table::{HostCommand, HostRun, host};
use crate::command::spec::*;
use crate::resp::out::Out;
pub const FAMILIES: &[&[HostCommand]] = &[
    command::COMMANDS,
    &[
        host(
            cmd("PING", Arity::AtLeast(1), Group::Connection)
                .flags(Flags::FAST)
                .doc("x", "1", "O(1)"),
            HostRun::Now(|_, _, out| {
                out.simple("PONG");
                Ok(())
            }),
        ),
        host(
            cmd("CONFIG", Arity::AtLeast(1), Group::Connection)
                .flags(Flags::FAST)
                .doc("x", "1", "O(1)"),
            HostRun::Now(|_, _, out| {
                out.array(0);
                Ok(())
            }),
        ),
    ],
];

/// Writes what HELP answers: a title, then for each subcommand its usage and a sentence.
fn help<'a>(out: &mut Out, container: &str, rows: impl IntoIterator<Item = (&'a str, &'a str)>) {
    let rows: Vec<_> = rows.into_iter().collect();
    out.array(1 + 2 * rows.len());
    out.simple(&format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for (usage, sentence) in rows {
        out.simple(usage);
        out.simple(&format!("    {sentence}"));
    }
}

/// The names and summaries of a container's rows, for [`help`].
fn summaries(rows: &'static [HostCommand]) -> impl Iterator<Item = (&'static str, &'static str)> {
    rows.iter().map(|row| (row.spec.name, row.spec.summary))
}
