//! XINFO: what a stream, its groups and their consumers say about themselves.

use std::ops::ControlFlow;

use super::range::{write_bulk_id, write_edge, write_entry};
use super::{no_such_group, write_help};
use crate::base::time::Millis;
use crate::command::portion::Portion;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::db::Db;
use crate::store::stream::group::{Consumer, Group, Pending};
use crate::store::stream::id::Id;
use crate::store::stream::idempotence::Idempotence;
use crate::store::stream::{Stream, Summary};

/// Entries of each kind that XINFO STREAM FULL shows unless told otherwise.
const FULL_COUNT: i64 = 10;

const HELP: &[&str] = &[
    "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CONSUMERS <key> <group>",
    "    Describes the consumers of a group.",
    "GROUPS <key>",
    "    Describes the groups of a stream.",
    "STREAM <key> [FULL [COUNT <count>]]",
    "    Describes a stream; with FULL, also its groups and their consumers.",
    "HELP",
    "    Prints this help.",
];

pub(super) fn help(_: &Db, _: &Args<'_>, out: &mut Out) -> CmdResult {
    write_help(HELP, out);
    Ok(())
}

fn open<'d>(db: &'d Db, args: &Args<'_>) -> Result<&'d Stream, CmdError> {
    db.read_as::<Stream>(args.key(2))?.ok_or(CmdError::NoSuchKey)
}

fn write_count(name: &str, count: u64, out: &mut Out) {
    write_number(name, count as i64, out);
}

fn write_number(name: &str, number: i64, out: &mut Out) {
    out.bulk(name.as_bytes());
    out.int(number);
}

fn write_optional(name: &str, number: Option<i64>, out: &mut Out) {
    out.bulk(name.as_bytes());
    match number {
        Some(number) => out.int(number),
        None => out.null(),
    }
}

fn write_id(name: &str, id: Id, out: &mut Out) {
    out.bulk(name.as_bytes());
    write_bulk_id(id, out);
}

fn write_text(name: &str, text: &[u8], out: &mut Out) {
    out.bulk(name.as_bytes());
    out.bulk(text);
}

pub(super) fn consumers(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let group = open(db, args)?.group(args.at(3));
    let group = group.ok_or_else(|| no_such_group(args.at(2), args.at(3)))?;
    out.array(group.consumers_len());
    for (_, consumer) in group.consumers() {
        let since = |at: Millis| db.now().saturating_sub(at);
        out.map(4);
        write_text("name", &consumer.name, out);
        write_count("pending", consumer.pending_len() as u64, out);
        write_number("idle", since(consumer.seen_at).max(0), out);
        write_number("inactive", consumer.active_at.map_or(-1, since), out);
    }
    Ok(())
}

pub(super) fn groups(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let stream = open(db, args)?;
    out.array(stream.groups_len());
    for (name, group) in stream.groups() {
        out.map(6);
        write_text("name", name, out);
        write_count("consumers", group.consumers_len() as u64, out);
        write_count("pending", group.pending_len() as u64, out);
        write_progress(&stream.summary(), group, out);
    }
    Ok(())
}

/// Writes how far a group has read.
fn write_progress(summary: &Summary, group: &Group, out: &mut Out) {
    write_id("last-delivered-id", group.last_id, out);
    write_optional("entries-read", group.entries_read.map(|read| read as i64), out);
    write_optional("lag", summary.lag(group), out);
}

/// Reads what follows the key of XINFO STREAM: none without FULL, else how many of each kind to
/// show at most.
fn full_count(args: &Args<'_>) -> Result<Option<usize>, CmdError> {
    let refused = || super::bad_subcommand("XINFO", args.at(1));
    let count = match args.len() {
        3 => return Ok(None),
        4 if args.is(3, "FULL") => FULL_COUNT,
        6 if args.is(3, "FULL") && args.is(4, "COUNT") => args.int(5)?,
        _ => return Err(refused()),
    };
    let count = if count < 0 { FULL_COUNT } else { count };
    Ok(Some(if count == 0 { usize::MAX } else { count as usize }))
}

pub(super) fn stream(db: &Db, args: &Args<'_>, portion: &mut Portion, out: &mut Out) -> CmdResult {
    let stream = open(db, args)?;
    let count = full_count(args)?;
    if portion.is_first() {
        out.map(if count.is_some() { 15 } else { 16 });
        write_summary(stream, db, out);
    }
    match count {
        None => {
            write_count("groups", stream.groups_len() as u64, out);
            out.bulk(b"first-entry");
            write_edge(stream.range(Id::MIN, Id::MAX).next(), out);
            out.bulk(b"last-entry");
            write_edge(stream.last_entry(), out);
        }
        Some(count) => write_full(stream, count, portion, out),
    }
    Ok(())
}

fn write_full(stream: &Stream, count: usize, portion: &mut Portion, out: &mut Out) {
    let begun = portion.take_state::<Full>();
    let mut full = begun.map_or_else(|| Full::begin(stream, count, out), |full| *full);
    if full.write_entries(stream, portion, out)
        && full.write_groups(stream, count, portion, out).is_continue()
    {
        return;
    }
    portion.go_on(0);
    portion.keep_state(Box::new(full));
}

/// How far XINFO STREAM FULL is.
struct Full {
    /// The group that is shown, empty before the first.
    group: Box<[u8]>,
    part: Part,
    /// With which entry the array that was begun last goes on, and how many are left for it.
    next: Id,
    left: usize,
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Entries,
    Group,
    Pending,
    Consumer(usize),
    PendingOf(usize),
}

impl Bulky for Full {}

impl Full {
    fn begin(stream: &Stream, count: usize, out: &mut Out) -> Full {
        let left = count.min(stream.summary().length as usize);
        out.bulk(b"entries");
        out.array(left);
        Full { group: Box::default(), part: Part::Entries, next: Id::MIN, left }
    }

    /// Counts an element of the array that was begun last; false if it is for another portion.
    fn takes(&mut self, id: Id, portion: &mut Portion, out: &Out) -> bool {
        if portion.is_full(out) {
            self.next = id;
            return false;
        }
        portion.count(1);
        self.left -= 1;
        true
    }

    /// Begins an array of `len` elements.
    fn open(&mut self, part: Part, len: usize, out: &mut Out) {
        (self.part, self.next, self.left) = (part, Id::MIN, len);
        out.array(len);
    }

    fn write_entries(&mut self, stream: &Stream, portion: &mut Portion, out: &mut Out) -> bool {
        if self.part != Part::Entries {
            return true;
        }
        for entry in stream.range(self.next, Id::MAX).take(self.left) {
            if !self.takes(entry.id, portion, out) {
                return false;
            }
            write_entry(&entry, out);
        }
        out.bulk(b"groups");
        out.array(stream.groups_len());
        self.part = Part::Group;
        true
    }

    /// Writes the groups from the one that is shown on; breaks if something is left.
    fn write_groups(
        &mut self,
        stream: &Stream,
        count: usize,
        portion: &mut Portion,
        out: &mut Out,
    ) -> ControlFlow<()> {
        let first = self.group.clone();
        for (name, group) in stream.groups_from(&first) {
            if self.part == Part::Group {
                self.group = name.into();
                if portion.is_full(out) {
                    return ControlFlow::Break(());
                }
                portion.count(1);
                write_group(stream, name, group, out);
                self.open(Part::Pending, group.pending_len().min(count), out);
            }
            if self.part == Part::Pending {
                for (id, pending) in group.pending_from(self.next).take(self.left) {
                    if !self.takes(id, portion, out) {
                        return ControlFlow::Break(());
                    }
                    out.array(4);
                    write_bulk_id(id, out);
                    out.bulk(owner_name(group, pending));
                    write_delivery(pending, out);
                }
                out.bulk(b"consumers");
                out.array(group.consumers_len());
                self.part = Part::Consumer(0);
            }
            self.write_consumers(group, count, portion, out)?;
            self.part = Part::Group;
        }
        ControlFlow::Continue(())
    }

    fn write_consumers(
        &mut self,
        group: &Group,
        count: usize,
        portion: &mut Portion,
        out: &mut Out,
    ) -> ControlFlow<()> {
        let first = match self.part {
            Part::Consumer(number) | Part::PendingOf(number) => number,
            _ => 0,
        };
        for (number, (id, consumer)) in group.consumers().enumerate().skip(first) {
            if self.part != Part::PendingOf(number) {
                self.part = Part::Consumer(number);
                if portion.is_full(out) {
                    return ControlFlow::Break(());
                }
                portion.count(1);
                write_consumer(consumer, out);
                self.open(Part::PendingOf(number), consumer.pending_len().min(count), out);
            }
            for (id, pending) in group.pending_of(id, self.next).take(self.left) {
                if !self.takes(id, portion, out) {
                    return ControlFlow::Break(());
                }
                out.array(3);
                write_bulk_id(id, out);
                write_delivery(pending, out);
            }
        }
        ControlFlow::Continue(())
    }
}

fn write_summary(stream: &Stream, db: &Db, out: &mut Out) {
    let summary = stream.summary();
    write_count("length", summary.length, out);
    write_count("radix-tree-keys", stream.nodes_len() as u64, out);
    // There is no radix tree: as many as Redis has for one node or none.
    write_count("radix-tree-nodes", stream.nodes_len() as u64 + 1, out);
    write_id("last-generated-id", summary.last, out);
    write_id("max-deleted-entry-id", summary.max_deleted, out);
    write_count("entries-added", summary.added, out);
    write_id("recorded-first-entry-id", summary.first, out);
    let unknown = Idempotence::new(db.tuning.retention);
    let known = stream.idempotence().unwrap_or(&unknown);
    let (producers, messages) = known.tracked(db.now());
    write_count("idmp-duration", known.retention().seconds, out);
    write_count("idmp-maxsize", known.retention().messages as u64, out);
    write_count("pids-tracked", producers as u64, out);
    write_count("iids-tracked", messages as u64, out);
    write_count("iids-added", known.added, out);
    write_count("iids-duplicates", known.duplicates, out);
}

/// Writes of a group what precedes its pending entries.
fn write_group(stream: &Stream, name: &[u8], group: &Group, out: &mut Out) {
    out.map(8);
    write_text("name", name, out);
    write_progress(&stream.summary(), group, out);
    write_count("pel-count", group.pending_len() as u64, out);
    write_count("nacked-count", group.given_back_len() as u64, out);
    out.bulk(b"pending");
}

/// The name of the consumer that has a pending entry, empty if it was given back.
pub(super) fn owner_name<'g>(group: &'g Group, pending: &Pending) -> &'g [u8] {
    pending.owner().map_or(b"", |owner| &group.consumer(owner).name)
}

fn write_delivery(pending: &Pending, out: &mut Out) {
    out.int(pending.delivered_at());
    out.int(pending.deliveries as i64);
}

/// Writes of a consumer what precedes its pending entries.
fn write_consumer(consumer: &Consumer, out: &mut Out) {
    out.map(5);
    write_text("name", &consumer.name, out);
    write_number("seen-time", consumer.seen_at, out);
    write_number("active-time", consumer.active_at.unwrap_or(-1), out);
    write_count("pel-count", consumer.pending_len() as u64, out);
    out.bulk(b"pending");
}
