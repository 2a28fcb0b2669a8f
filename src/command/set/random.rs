//! Random members: SPOP takes them out, SRANDMEMBER looks at them.
//!
//! Invariant: every member is as likely as any other, and of several different ones every choice.
//! What SPOP took is repeated elsewhere by name.

use crate::base::num;
use crate::command::item::write_item;
use crate::command::portion::{Portion, Selection};
use crate::resp::args::{Args, Key};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::Db;
use crate::store::set::Set;

const POPPED: Event = Event::set("spop");

/// Most repetitions that SRANDMEMBER with a negative count returns, and most bytes of them: a few
/// bytes of request must not occupy a core for long, nor its memory.
const REPEATED_MAX: u64 = 1 << 24;
const REPEATED_BYTES_MAX: usize = 256 * 1024 * 1024;

const NOT_POSITIVE: CmdError = CmdError::Text("ERR value is out of range, must be positive");
const COUNT_RANGE: CmdError = CmdError::Text(
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
);
const TOO_MANY: CmdError = CmdError::Text("ERR value is out of range");

pub(super) fn spop(
    db: &mut Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    match args.len() {
        2 => pop_one(db, args.key(1), out),
        3 => pop_many(db, args, portion, out),
        _ => Err(CmdError::Syntax),
    }
}

fn pop_one(db: &mut Db, key: Key<'_>, out: &mut Out) -> CmdResult {
    let (mut prng, listening) = (db.draw(), db.changes.listening());
    let Some(mut edit) = db.edit::<Set>(key)? else {
        out.null();
        return Ok(());
    };
    let mut member = Vec::new();
    edit.pop(&mut prng, |item| {
        write_item(item, out);
        if listening {
            member = item.to_vec();
        }
    });
    edit.changed(POPPED);
    edit.repeat_as(&[b"SREM", key.bytes, &member]);
    Ok(())
}

fn pop_many(db: &mut Db, args: &Args<'_>, portion: &mut Portion, out: &mut Out) -> CmdResult {
    let (key, count) = (args.key(1), num::parse_i64(args.at(2)));
    let count = count.and_then(|count| usize::try_from(count).ok()).ok_or(NOT_POSITIVE)?;
    let len = db.peek_as::<Set>(key)?.map_or(0, Set::len);
    if count == 0 || len == 0 {
        out.set(0);
        return Ok(());
    }
    let is_all = if portion.is_first() { count >= len } else { portion.at() != POPS_SOME };
    if !portion.admits(count.min(len)) {
        return Ok(());
    }
    if portion.is_first() {
        out.set(count.min(len));
    }
    if is_all { pop_all(db, key, portion, out) } else { pop_some(db, key, count, portion, out) }
}

/// Where portions go on in a set of which something is to stay. No hash that a walk stops at is so
/// large.
const POPS_SOME: u128 = u128::MAX;

/// Takes out some members. Each portion is a change of its own, because it is repeated by names.
fn pop_some(
    db: &mut Db,
    key: Key<'_>,
    count: usize,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    let (mut prng, listening) = (db.draw(), db.changes.listening());
    let Some(mut edit) = db.edit::<Set>(key)? else { return Ok(()) };
    // To find a member takes several times as long as to come by it.
    let here = (portion.room() / 8).max(1).min(count - portion.counted());
    let mut popped = Vec::new();
    for _ in 0..here {
        edit.pop(&mut prng, |item| {
            write_item(item, out);
            if listening {
                popped.push(item.to_vec());
            }
        });
    }
    portion.count(here);
    if portion.counted() < count {
        portion.go_on(POPS_SOME);
    }
    edit.changed(POPPED);
    let words = [&b"SREM"[..], key.bytes].into_iter().chain(popped.iter().map(Vec::as_slice));
    edit.repeat_as(&words.collect::<Vec<_>>());
    Ok(())
}

/// Takes the whole set, whose memory is given back in slices.
fn pop_all(db: &mut Db, key: Key<'_>, portion: &mut Portion, out: &mut Out) -> CmdResult {
    if let Some(set) = db.peek_as::<Set>(key)? {
        super::write_members(set, portion, out);
    }
    if !portion.is_unfinished() {
        let mut write = db.write(key);
        write.remove(POPPED);
        write.announce(Event::DEL);
    }
    Ok(())
}

pub(super) fn srandmember(
    db: &Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    if args.len() > 3 {
        return Err(CmdError::Syntax);
    }
    let count = if args.len() == 3 { Some(args.int(2)?) } else { None };
    if count == Some(i64::MIN) {
        return Err(COUNT_RANGE);
    }
    let set = db.read_as::<Set>(args.key(1))?;
    match (set, count) {
        (None, None) => out.null(),
        (None, Some(_)) => out.array(0),
        (Some(set), None) => write_one(db, set, out),
        (Some(set), Some(count)) if count < 0 => {
            return write_repeated(db, set, count.unsigned_abs(), out);
        }
        (Some(set), Some(count)) => {
            write_different(db, set, (count as usize).min(set.len()), portion, out);
        }
    }
    Ok(())
}

fn write_one(db: &Db, set: &Set, out: &mut Out) {
    if let Some(item) = set.random(&mut db.draw()) {
        write_item(item, out);
    }
}

fn write_different(db: &Db, set: &Set, count: usize, portion: &mut Portion, out: &mut Out) {
    if !portion.admits(count) {
        return;
    }
    if portion.is_first() {
        out.array(count);
    }
    let mut prng = db.draw();
    match count {
        _ if portion.may_go_on() => {
            let mut selection = Selection::resume(portion, set.len(), count);
            portion.walk(out, |first, out| {
                let mut visited = 0;
                let next = set.walk_from(first, |item| {
                    visited += 1;
                    if selection.takes(&mut prng) {
                        write_item(item, out);
                    }
                });
                (next, visited)
            });
            selection.keep(portion, count);
        }
        1 => write_one(db, set, out),
        _ => set.sample(count, &mut prng, |item| write_item(item, out)),
    }
}

fn write_repeated(db: &Db, set: &Set, count: u64, out: &mut Out) -> CmdResult {
    if count > REPEATED_MAX {
        return Err(TOO_MANY);
    }
    let (mut prng, start) = (db.draw(), out.encoded().len());
    out.array(count as usize);
    for _ in 0..count {
        if let Some(item) = set.random(&mut prng) {
            write_item(item, out);
        }
        if out.encoded().len() - start > REPEATED_BYTES_MAX {
            return Err(TOO_MANY);
        }
    }
    Ok(())
}
