//! COMMAND: what the server says about its own commands, read from the table.
//!
//! Invariant: nothing here knows a command by its name. Whatever is answered stands in the rows or
//! in [`docs`](crate::session::docs), or is derived from them.
//! Deliberately absent: the order of Redis's hash table. Rows come in the order of the table.

mod categories;
mod describe;
mod info;

pub use categories::{CATEGORIES, is_in_category};

use super::{help, summaries};
use crate::base::glob::glob_match;
use crate::command::spec::{Access, Arity, Flags, Group, Keys, Spec, cmd};
use crate::coordinate::route::{self, KeyPosition};
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::session::connection::Session;
use crate::session::table::{Entry, HostCommand, HostRun, Table, host};

const ANY_ORDER: &[&str] = &["nondeterministic_output_order"];
const PER_COMMAND: &str = "O(N) in the commands asked for";
const PER_ARGUMENT: &str = "O(N) in the arguments";

/// The rows of the family.
pub const COMMANDS: &[HostCommand] = &[HostCommand {
    runs_alone: true,
    ..host(
        row("COMMAND", Arity::AtLeast(1)).tips(ANY_ORDER).doc(
            "Describes every command.",
            "2.8.13",
            "O(N) in the commands of the server",
        ),
        HostRun::Now(|session, _, out| all(session.core.table, out)),
    )
    .subcommands(SUBCOMMANDS)
}];

const SUBCOMMANDS: &[HostCommand] = &[
    host(
        row("COUNT", Arity::Exact(2)).doc("Counts the commands.", "2.8.13", "O(1)"),
        HostRun::Now(count),
    ),
    host(
        row("DOCS", Arity::AtLeast(2)).tips(ANY_ORDER).doc(
            "Documents the given commands, or all of them.",
            "7.0.0",
            PER_COMMAND,
        ),
        HostRun::Now(|session, args, out| describe::docs(session.core.table, args, out)),
    ),
    host(
        row("GETKEYS", Arity::AtLeast(4)).doc(
            "Finds the keys among the arguments of a command.",
            "2.8.13",
            PER_ARGUMENT,
        ),
        HostRun::Now(|session, args, out| keys(session.core.table, args, out, false)),
    ),
    host(
        row("GETKEYSANDFLAGS", Arity::AtLeast(4)).doc(
            "Finds the keys among the arguments of a command, and what it does with them.",
            "7.0.0",
            PER_ARGUMENT,
        ),
        HostRun::Now(|session, args, out| keys(session.core.table, args, out, true)),
    ),
    host(
        row("HELP", Arity::Exact(2)).doc("Explains the subcommands.", "5.0.0", "O(1)"),
        HostRun::Now(show_help),
    ),
    host(
        row("INFO", Arity::AtLeast(2)).tips(ANY_ORDER).doc(
            "Describes the given commands, or all of them.",
            "2.8.13",
            PER_COMMAND,
        ),
        HostRun::Now(|session, args, out| info(session.core.table, args, out)),
    ),
    host(
        row("LIST", Arity::AtLeast(2)).tips(ANY_ORDER).doc(
            "Lists the names of commands.",
            "7.0.0",
            "O(N) in the commands of the server",
        ),
        HostRun::Now(|session, args, out| list(session.core.table, args, out)),
    ),
];

const fn row(name: &'static str, arity: Arity) -> Spec {
    cmd(name, arity, Group::Server).flags(Flags::LOADING.and(Flags::STALE)).acl(&["connection"])
}

fn all(table: &Table, out: &mut Out) -> CmdResult {
    out.array(top_level(table).count());
    top_level(table).for_each(|entry| info::write(table, entry, out));
    Ok(())
}

fn count(session: &mut Session, _: &Args<'_>, out: &mut Out) -> CmdResult {
    out.count(top_level(session.core.table).count());
    Ok(())
}

fn info(table: &Table, args: &Args<'_>, out: &mut Out) -> CmdResult {
    if args.len() == 2 {
        return all(table, out);
    }
    out.array(args.len() - 2);
    for name in args.from(2) {
        match lookup(table, name) {
            Some(entry) => info::write(table, entry, out),
            None => out.null(),
        }
    }
    Ok(())
}

/// What COMMAND LIST keeps.
enum Filter<'a> {
    Everything,
    /// Commands of a module: none, as there are no modules.
    Module,
    Category(&'a [u8]),
    Pattern(&'a [u8]),
}

impl<'a> Filter<'a> {
    fn read(args: &Args<'a>) -> Result<Filter<'a>, CmdError> {
        match args.len() {
            2 => Ok(Filter::Everything),
            5 if args.is(2, "FILTERBY") => {
                let argument = args.at(4);
                match args.at(3).to_ascii_uppercase().as_slice() {
                    b"MODULE" => Ok(Filter::Module),
                    b"ACLCAT" => Ok(Filter::Category(argument)),
                    b"PATTERN" => Ok(Filter::Pattern(argument)),
                    _ => Err(CmdError::Syntax),
                }
            }
            _ => Err(CmdError::Syntax),
        }
    }

    fn keeps(&self, entry: &Entry) -> bool {
        match self {
            Filter::Everything => true,
            Filter::Module => false,
            Filter::Category(name) => CATEGORIES
                .iter()
                .filter(|category| category.as_bytes().eq_ignore_ascii_case(name))
                .any(|category| is_in_category(entry.row, category)),
            Filter::Pattern(pattern) => glob_match(pattern, entry.name.as_bytes(), true),
        }
    }
}

fn list(table: &Table, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let filter = Filter::read(args)?;
    let kept: Vec<&Entry> = table.entries.iter().filter(|entry| filter.keeps(entry)).collect();
    out.array(kept.len());
    kept.iter().for_each(|entry| out.bulk(entry.name.as_bytes()));
    Ok(())
}

/// COMMAND GETKEYS, and with `with_flags` COMMAND GETKEYSANDFLAGS.
fn keys(table: &Table, args: &Args<'_>, out: &mut Out, with_flags: bool) -> CmdResult {
    let called = args.skip(2);
    let spec = called_row(table, &called)?.row.spec();
    let Some(found) = find_keys(spec, &called) else {
        return Err(CmdError::Text("ERR Invalid arguments specified for command"));
    };
    out.array(found.len());
    for KeyPosition { index, access } in found {
        if !with_flags {
            out.bulk(called.at(index));
            continue;
        }
        let access = match spec.varying {
            Some(of_call) if access.has(Access::VARIABLE) => of_call(&called),
            _ => access,
        };
        out.array(2);
        out.bulk(called.at(index));
        info::write_flags(info::access_names(access), out);
    }
    Ok(())
}

/// The keys of `called`; `None` if its arguments do not fit what the row says about keys.
fn find_keys(spec: &Spec, called: &Args<'_>) -> Option<Vec<KeyPosition>> {
    let mut found = Vec::new();
    for keys in spec.keys.iter().filter(|keys| !keys.access().has(Access::NOT_KEY)) {
        let (access, before) = (keys.access(), found.len());
        route::positions(keys, called, &mut |index| found.push(KeyPosition { index, access }));
        // A keyword's keys may be missing, and so may those that code finds beside others (STORE).
        let may_be_absent =
            matches!(keys, Keys::After { .. }) || (before > 0 && matches!(keys, Keys::Custom(..)));
        let is_absent = found.len() == before && !may_be_absent;
        if is_absent || found.iter().any(|key| key.index >= called.len()) {
            return spec.flags.has(Flags::NO_MANDATORY_KEYS).then(Vec::new);
        }
    }
    (!found.is_empty()).then_some(found)
}

/// The row that `called` would run, if it has keys and takes so many arguments.
fn called_row<'t>(table: &'t Table, called: &Args<'_>) -> Result<&'t Entry, CmdError> {
    let known =
        table.resolve(called).filter(|entry| entry.subcommands.is_empty() || called.len() == 1);
    let entry = known.ok_or(CmdError::Text("ERR Invalid command specified"))?;
    let spec = entry.row.spec();
    if !spec.keys.iter().any(|keys| !keys.access().has(Access::NOT_KEY)) {
        return Err(CmdError::Text("ERR The command has no key arguments"));
    }
    if !spec.arity.fits(called.len()) {
        return Err(CmdError::Text("ERR Invalid number of arguments specified for command"));
    }
    Ok(entry)
}

fn show_help(_: &mut Session, _: &Args<'_>, out: &mut Out) -> CmdResult {
    help(out, "COMMAND", summaries(SUBCOMMANDS));
    Ok(())
}

/// The commands that are no subcommands, in the order of the table.
fn top_level(table: &Table) -> impl Iterator<Item = &Entry> {
    table.entries.iter().filter(|entry| !entry.name.contains(SEPARATOR))
}

/// Between a container and its subcommand.
const SEPARATOR: char = '|';

/// The command called `name`; of a subcommand the full name, such as `config|get`.
fn lookup<'t>(table: &'t Table, name: &[u8]) -> Option<&'t Entry> {
    let Some(end) = name.iter().position(|&byte| byte == SEPARATOR as u8) else {
        return table.find(name);
    };
    table.subcommand(table.find(&name[..end])?, &name[end + 1..])
}

#[cfg(test)]
mod tests;
