//! COMMAND DOCS: a row together with its entry in [`docs`](crate::session::docs).

use super::info::write_flags;
use super::{lookup, top_level};
use crate::command::spec::Group;
use crate::resp::args::Args;
use crate::resp::error::CmdResult;
use crate::resp::out::Out;
use crate::session::docs::{self, Argument, Docs, Kind};
use crate::session::table::{Entry, Table};

/// Answers about the commands named behind the subcommand, or about all; unknown names are left
/// out.
pub fn docs(table: &Table, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let asked: Vec<&Entry> = if args.len() == 2 {
        top_level(table).collect()
    } else {
        args.from(2).filter_map(|name| lookup(table, name)).collect()
    };
    write_all(table, &asked, out);
    Ok(())
}

fn write_all(table: &Table, entries: &[&Entry], out: &mut Out) {
    out.map(entries.len());
    for entry in entries {
        out.bulk(entry.name.as_bytes());
        write(table, entry, out);
    }
}

fn write(table: &Table, entry: &Entry, out: &mut Out) {
    let spec = entry.row.spec();
    let docs = docs::find(entry.name).unwrap_or(&Docs::NONE);
    let optional = [
        docs.has_flags(),
        docs.deprecated.is_some(),
        docs.deprecated.is_some(),
        !docs.history.is_empty(),
        !docs.arguments.is_empty(),
        !entry.subcommands.is_empty(),
    ];
    out.map(4 + optional.iter().filter(|present| **present).count());
    text("summary", spec.summary, out);
    text("since", spec.since, out);
    text("group", group_name(spec.group), out);
    text("complexity", spec.complexity, out);
    write_status(docs, out);
    write_history(docs, out);
    if !docs.arguments.is_empty() {
        write_arguments(docs.arguments, out);
    }
    if !entry.subcommands.is_empty() {
        out.bulk(b"subcommands");
        let ids = entry.subcommands.iter();
        let subcommands: Vec<&Entry> = ids.map(|&id| &table.entries[id as usize]).collect();
        write_all(table, &subcommands, out);
    }
}

fn text(name: &str, value: &str, out: &mut Out) {
    out.bulk(name.as_bytes());
    out.bulk(value.as_bytes());
}

/// Whether and why the command should not be used.
fn write_status(docs: &Docs, out: &mut Out) {
    if docs.has_flags() {
        let mut flags = Vec::new();
        flags.extend(docs.deprecated.is_some().then_some("deprecated"));
        flags.extend(docs.is_internal.then_some("syscmd"));
        out.bulk(b"doc_flags");
        write_flags(flags, out);
    }
    if let Some(deprecation) = &docs.deprecated {
        text("deprecated_since", deprecation.since, out);
        text("replaced_by", deprecation.replaced_by, out);
    }
}

fn write_history(docs: &Docs, out: &mut Out) {
    if docs.history.is_empty() {
        return;
    }
    out.bulk(b"history");
    out.set(docs.history.len());
    for change in docs.history {
        out.array(2);
        out.bulk(change.since.as_bytes());
        out.bulk(change.text.as_bytes());
    }
}

fn write_arguments(arguments: &[Argument], out: &mut Out) {
    out.bulk(b"arguments");
    out.array(arguments.len());
    arguments.iter().for_each(|argument| write_argument(argument, out));
}

fn write_argument(argument: &Argument, out: &mut Out) {
    let flags = argument_flags(argument);
    let optional = [
        argument.key_spec_index.is_some(),
        argument.token.is_some(),
        argument.since.is_some(),
        argument.deprecated_since.is_some(),
        !flags.is_empty(),
        !argument.arguments.is_empty(),
    ];
    out.map(2 + optional.iter().filter(|present| **present).count());
    match argument.kind {
        Kind::PureToken => text("name", &argument.name.to_ascii_lowercase(), out),
        _ => text("name", argument.name, out),
    }
    text("type", argument.kind.name(), out);
    if let Some(index) = argument.key_spec_index {
        out.bulk(b"key_spec_index");
        out.count(index);
    }
    let texts = [
        ("token", argument.token),
        ("since", argument.since),
        ("deprecated_since", argument.deprecated_since),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            text(name, value, out);
        }
    }
    if !flags.is_empty() {
        out.bulk(b"flags");
        write_flags(flags, out);
    }
    if !argument.arguments.is_empty() {
        write_arguments(argument.arguments, out);
    }
}

fn argument_flags(argument: &Argument) -> Vec<&'static str> {
    let mut flags = Vec::new();
    flags.extend(argument.is_optional.then_some("optional"));
    flags.extend(argument.is_multiple.then_some("multiple"));
    flags.extend(argument.is_multiple_token.then_some("multiple_token"));
    flags
}

fn group_name(group: Group) -> &'static str {
    match group {
        Group::Bitmap => "bitmap",
        Group::Cluster => "cluster",
        Group::Connection => "connection",
        Group::Generic => "generic",
        Group::Geo => "geo",
        Group::Hash => "hash",
        Group::HyperLogLog => "hyperloglog",
        Group::List => "list",
        Group::PubSub => "pubsub",
        Group::Scripting => "scripting",
        Group::Server => "server",
        Group::Set => "set",
        Group::SortedSet => "sorted-set",
        Group::Stream => "stream",
        Group::String => "string",
        Group::Transactions => "transactions",
    }
}
