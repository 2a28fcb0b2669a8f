//! HRANDFIELD: random fields, with or without their values.
//!
//! Invariant: every field is as likely as any other, and of several different ones every choice.

use crate::command::item::write_item;
use crate::command::portion::{Portion, Selection};
use crate::ds::listpack::Item;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::db::Db;
use crate::store::hash::Hash;

/// Most repetitions that a negative count returns, and most bytes of them: a few bytes of request
/// must not occupy a core for long, nor its memory.
const REPEATED_MAX: u64 = 1 << 24;
const REPEATED_BYTES_MAX: usize = 256 * 1024 * 1024;

const COUNT_RANGE: CmdError = CmdError::Text(
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
);

pub(super) fn hrandfield(
    db: &Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    if args.len() > 2 {
        return several(db, args, portion, out);
    }
    let hash = db.read_hash(args.key(1))?;
    match hash.and_then(|hash| hash.random(db.now(), &mut db.draw())) {
        Some((name, _)) => write_item(name, out),
        None => out.null(),
    }
    Ok(())
}

fn several(db: &Db, args: &Args<'_>, portion: &mut Portion, out: &mut Out) -> CmdResult {
    let count = args.int(2)?;
    if count == i64::MIN {
        return Err(COUNT_RANGE);
    }
    let with_values = args.len() == 4 && args.is(3, "WITHVALUES");
    if args.len() > 3 && !with_values {
        return Err(CmdError::Syntax);
    }
    if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(CmdError::OutOfRange);
    }
    let hash = db.read_hash(args.key(1))?;
    let Some(hash) = hash.filter(|hash| count != 0 && hash.live_len(db.now()) > 0) else {
        out.array(0);
        return Ok(());
    };
    if count < 0 {
        return write_repeated(db, hash, count.unsigned_abs(), with_values, out);
    }
    let count = (count as usize).min(hash.live_len(db.now()));
    if portion.admits(count) {
        write_different(db, hash, (count, with_values), portion, out);
    }
    Ok(())
}

fn write_different(
    db: &Db,
    hash: &Hash,
    (count, with_values): (usize, bool),
    portion: &mut Portion,
    out: &mut Out,
) {
    let (now, mut prng) = (db.now(), db.draw());
    if portion.is_first() {
        open(count, with_values, out);
    }
    if !portion.may_go_on() {
        let write = |name, value| write_field(name, value, with_values, out);
        return hash.sample(count, now, &mut prng, write);
    }
    let mut selection = Selection::resume(portion, hash.live_len(now), count);
    portion.walk(out, |first, out| {
        let mut visited = 0;
        let next = hash.walk_from(first, now, |name, value| {
            visited += 1;
            if selection.takes(&mut prng) {
                write_field(name, value, with_values, out);
            }
        });
        (next, visited)
    });
    selection.keep(portion, count);
}

fn write_repeated(db: &Db, hash: &Hash, count: u64, with_values: bool, out: &mut Out) -> CmdResult {
    if count > REPEATED_MAX {
        return Err(CmdError::OutOfRange);
    }
    let (mut prng, start) = (db.draw(), out.encoded().len());
    open(count as usize, with_values, out);
    for _ in 0..count {
        if let Some((name, value)) = hash.random(db.now(), &mut prng) {
            write_field(name, value, with_values, out);
        }
        if out.encoded().len() - start > REPEATED_BYTES_MAX {
            return Err(CmdError::OutOfRange);
        }
    }
    Ok(())
}

/// Begins a list of fields: one of pairs in RESP3.
fn open(count: usize, with_values: bool, out: &mut Out) {
    out.array(if with_values && !out.is_resp3() { 2 * count } else { count });
}

fn write_field(name: Item<'_>, value: Item<'_>, with_values: bool, out: &mut Out) {
    if with_values && out.is_resp3() {
        out.array(2);
    }
    write_item(name, out);
    if with_values {
        write_item(value, out);
    }
}
