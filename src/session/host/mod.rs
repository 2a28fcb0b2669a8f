//! Commands on the connection and the server: everything that is no business of the keyspace.
//!
//! One file per family, each a `const` slice of rows and the handlers below it. A handler either
//! runs at once, or waits for other cores; the latter gets its own copy of the arguments.
//!
//! Invariant: a handler that runs at once holds the connection's output, so it must not look at its
//! link; one that waits holds no borrow of the core across an await.

pub mod client;
pub mod cluster;
pub mod command;
pub mod config;
pub mod connection;
pub mod debug;
pub mod himport;
pub mod memory;
pub mod server;

use super::core::Core;
use super::table::{HostCommand, HostRun, host};
use crate::command::spec::{Command, Spec};
use crate::coordinate::gather;
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::shard::message::{Batch, CoreId, Request, Response};
use crate::shard::stats::CoreStats;

/// Every family.
pub const FAMILIES: &[&[HostCommand]] = &[
    connection::COMMANDS,
    client::COMMANDS,
    server::COMMANDS,
    config::COMMANDS,
    cluster::COMMANDS,
    command::COMMANDS,
    debug::COMMANDS,
    memory::COMMANDS,
    himport::COMMANDS,
];

/// Longest part of a client's word that an error repeats, in bytes.
const SHOWN_MAX: usize = 128;

/// The row of a container, which runs nothing itself.
const fn container(spec: Spec, rows: &'static [HostCommand]) -> HostCommand {
    host(spec, HostRun::Now(|_, _, _| Err(CmdError::Syntax))).subcommands(rows)
}

/// A client's word, to be repeated in an error.
fn shown(word: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(&word[..word.len().min(SHOWN_MAX)])
}

/// The refusal of arguments by a command that reads its subcommand itself.
fn bad_subcommand(container: &str, name: &[u8]) -> CmdError {
    CmdError::owned(format!(
        "ERR unknown subcommand or wrong number of arguments for '{}'. Try {container} HELP.",
        shown(name)
    ))
}

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

/// Asks every core, this one included, the same; the answers are in the order of cores.
async fn ask_all(core: &Core, mut request: impl FnMut() -> Request) -> Vec<Response> {
    let own = core.serve_host(request());
    let mut answers = core.shards.ask_others(request).await;
    answers.insert(core.me().index(), own);
    answers
}

/// Every core's counters.
async fn statistics(core: &Core) -> Vec<CoreStats> {
    let answers = ask_all(core, || Request::Stats).await;
    answers
        .into_iter()
        .filter_map(|answer| match answer {
            Response::Stats(stats) => Some(*stats),
            _ => None,
        })
        .collect()
}

/// All cores' counters together.
fn total(cores: &[CoreStats]) -> CoreStats {
    let mut total = CoreStats::default();
    cores.iter().for_each(|core| total.merge(core));
    total
}

/// A batch of one call: the arguments of `whole`, run by another row.
fn batch_of(command: &'static Command, whole: &Batch) -> Batch {
    let mut batch = Batch::new(whole.conditions);
    let args = whole.args(0);
    batch.push(command, whole.calls[0].statistics, &args, 0..args.len(), (0, 0));
    batch
}

/// Runs a keyspace row with the arguments of `whole` on `owner`'s shard and returns its reply.
async fn run_on(
    core: &Core,
    owner: CoreId,
    command: &'static Command,
    whole: &Batch,
) -> Result<Out, CmdError> {
    let batch = Box::new(batch_of(command, whole));
    let mut batch = gather::answered(core.shards.ask(owner, Request::Run(batch)).await);
    match batch.replies.encoded().strip_prefix(b"-") {
        Some(error) => Err(CmdError::owned(error.trim_ascii_end())),
        None => Ok(std::mem::take(&mut batch.replies)),
    }
}
