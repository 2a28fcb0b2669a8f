//! XRANGE, XREVRANGE and XLEN, and how entries are written.

use super::ids;
use crate::command::portion::Portion;
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

/// Writes an array of at most one entry's parts, or null.
pub(super) fn write_edge(entry: Option<Entry<'_>>, out: &mut Out) {
    match entry {
        Some(entry) => write_entry(&entry, out),
        None => out.null(),
    }
}

pub(super) fn xrange(db: &Db, args: &Args<'_>, portion: &mut Portion, out: &mut Out) -> CmdResult {
    let bounds = (ids::parse_start(args.at(2))?, ids::parse_end(args.at(3))?);
    write_range(db, args, portion, out, (bounds, false))
}

pub(super) fn xrevrange(
    db: &Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    let bounds = (ids::parse_start(args.at(3))?, ids::parse_end(args.at(2))?);
    write_range(db, args, portion, out, (bounds, true))
}

fn read_count(args: &Args<'_>) -> Result<Option<usize>, CmdError> {
    let (mut options, mut count) = (args.reader(4), None);
    while !options.done() {
        if options.left() < 2 || !options.keyword("COUNT") {
            return Err(CmdError::Syntax);
        }
        count = Some(options.int()?.max(0) as usize);
    }
    Ok(count)
}

/// Writes the entries within bounds, both included, from the last to the first if `backwards`.
fn write_range(
    db: &Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
    ((mut first, mut last), backwards): ((Id, Id), bool),
) -> CmdResult {
    let count = read_count(args)?;
    let Some(stream) = db.read_as::<Stream>(args.key(1))? else {
        out.array(0);
        return Ok(());
    };
    let limit = match count {
        Some(0) => {
            out.null_array();
            return Ok(());
        }
        Some(count) => count,
        // Whether it is long shows at once.
        None if (first, last) == (Id::MIN, Id::MAX) && !portion.admits(length(stream)) => {
            return Ok(());
        }
        None => usize::MAX,
    };
    if !portion.is_first() {
        *(if backwards { &mut last } else { &mut first }) = Id::from_number(portion.at());
    }
    let entries =
        if backwards { stream.range_back(first, last) } else { stream.range(first, last) };
    let start = out.encoded().len();
    for entry in entries {
        if portion.counted() == limit {
            break;
        }
        if portion.is_full(out) {
            portion.go_on(entry.id.number());
            return Ok(());
        }
        write_entry(&entry, out);
        portion.count(1);
    }
    portion.end_array(start, portion.counted(), out);
    Ok(())
}

fn length(stream: &Stream) -> usize {
    stream.summary().length as usize
}

pub(super) fn xlen(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let stream = db.read_as::<Stream>(args.key(1))?;
    out.int(stream.map_or(0, |stream| stream.summary().length as i64));
    Ok(())
}
