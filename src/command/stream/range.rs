//! XRANGE, XREVRANGE and XLEN, and how entries are written.

use super::ids;
use crate::ds::listpack::Item;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::db::Db;
use crate::store::stream::Stream;
use crate::store::stream::id::Id;
use crate::store::stream::node::Entry;

/// Writes an id as a bulk string.
pub(super) fn write_bulk_id(id: Id, out: &mut Out) {
    out.bulk(&id.text());
}

fn write_item(item: Item<'_>, out: &mut Out) {
    match item {
        Item::Int(number) => out.bulk_int(number),
        Item::Text(text) => out.bulk(text),
    }
}

/// Writes an entry's fields and values as one array.
pub(super) fn write_pairs(entry: &Entry<'_>, out: &mut Out) {
    out.array(2 * entry.len());
    for (field, value) in entry.pairs() {
        write_item(field, out);
        write_item(value, out);
    }
}

/// Writes an entry: its id, and its fields and values.
pub(super) fn write_entry(entry: &Entry<'_>, out: &mut Out) {
    out.array(2);
    write_bulk_id(entry.id, out);
    write_pairs(entry, out);
}

/// Writes an array of entries, whose number is not known beforehand.
pub(super) fn write_entries<'a>(entries: impl Iterator<Item = Entry<'a>>, out: &mut Out) {
    let start = out.encoded().len();
    let mut count = 0;
    for entry in entries {
        write_entry(&entry, out);
        count += 1;
    }
    out.array_since(start, count);
}

/// Writes an array of at most one entry's parts, or null.
pub(super) fn write_edge(entry: Option<Entry<'_>>, out: &mut Out) {
    match entry {
        Some(entry) => write_entry(&entry, out),
        None => out.null(),
    }
}

pub(super) fn xrange(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let (start, end) = (ids::parse_start(args.at(2))?, ids::parse_end(args.at(3))?);
    write_range(db, args, (start, end), Stream::range, out)
}

pub(super) fn xrevrange(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let (start, end) = (ids::parse_start(args.at(3))?, ids::parse_end(args.at(2))?);
    write_range(db, args, (start, end), Stream::range_back, out)
}

fn write_range<'d, I: Iterator<Item = Entry<'d>>>(
    db: &'d Db,
    args: &Args<'_>,
    (start, end): (Id, Id),
    entries: fn(&'d Stream, Id, Id) -> I,
    out: &mut Out,
) -> CmdResult {
    let (mut options, mut count) = (args.reader(4), None);
    while !options.done() {
        if options.left() < 2 || !options.keyword("COUNT") {
            return Err(CmdError::Syntax);
        }
        count = Some(options.int()?.max(0) as usize);
    }
    let Some(stream) = db.read_as::<Stream>(args.key(1))? else {
        out.array(0);
        return Ok(());
    };
    match count {
        Some(0) => out.null_array(),
        count => write_entries(entries(stream, start, end).take(count.unwrap_or(usize::MAX)), out),
    }
    Ok(())
}

pub(super) fn xlen(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let stream = db.read_as::<Stream>(args.key(1))?;
    out.int(stream.map_or(0, |stream| stream.summary().length as i64));
    Ok(())
}
