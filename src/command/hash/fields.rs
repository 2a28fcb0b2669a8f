//! Fields by name, and all of them.

use crate::command::item::write_item;
use crate::command::portion::Portion;
use crate::ds::listpack::Item;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::db::Db;
use crate::store::edit::Edit;
use crate::store::hash::{FieldExpiry, Hash};

use super::{DELETED, SET};

pub(super) fn hset(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let added = set_pairs(db, args, "hset")?;
    out.count(added);
    Ok(())
}

pub(super) fn hmset(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    set_pairs(db, args, "hmset")?;
    out.ok();
    Ok(())
}

/// Gives each field its value; returns how many are new.
fn set_pairs(db: &mut Db, args: &Args<'_>, command: &'static str) -> Result<usize, CmdError> {
    if args.len() % 2 == 1 {
        return Err(CmdError::WrongArity(command.into()));
    }
    let (now, limits) = (db.now(), db.tuning.encoding);
    let mut edit = db.edit_or_create_hash(args.key(1))?;
    let added = edit.set_all(args.pairs(2), now, &limits);
    edit.changed_elements(SET, (args.len() - 2) / 2);
    Ok(added)
}

pub(super) fn hsetnx(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let (now, limits) = (db.now(), db.tuning.encoding);
    let mut edit = db.edit_or_create_hash(args.key(1))?;
    let is_new = !edit.contains(args.at(2), now);
    if is_new {
        edit.set(args.at(2), args.at(3), FieldExpiry::Never, now, &limits);
        edit.changed(SET);
    }
    out.int(is_new.into());
    Ok(())
}

pub(super) fn hget(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let hash = db.read_hash(args.key(1))?;
    match hash.and_then(|hash| hash.get(args.at(2), db.now())) {
        Some(value) => write_item(value, out),
        None => out.null(),
    }
    Ok(())
}

pub(super) fn hmget(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let hash = db.read_hash(args.key(1))?;
    out.array(args.len() - 2);
    for name in args.from(2) {
        match hash.and_then(|hash| hash.get(name, db.now())) {
            Some(value) => write_item(value, out),
            None => out.null(),
        }
    }
    Ok(())
}

pub(super) fn hgetall(db: &Db, args: &Args<'_>, portion: &mut Portion, out: &mut Out) -> CmdResult {
    write_all(db, args, portion, out, Out::map, |name, value, out| {
        write_item(name, out);
        write_item(value, out);
    })
}

pub(super) fn hkeys(db: &Db, args: &Args<'_>, portion: &mut Portion, out: &mut Out) -> CmdResult {
    write_all(db, args, portion, out, Out::array, |name, _, out| write_item(name, out))
}

pub(super) fn hvals(db: &Db, args: &Args<'_>, portion: &mut Portion, out: &mut Out) -> CmdResult {
    write_all(db, args, portion, out, Out::array, |_, value, out| write_item(value, out))
}

/// Writes something of every field: `open` begins the reply, `write` writes what belongs to one.
#[inline]
fn write_all(
    db: &Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
    open: fn(&mut Out, usize),
    write: impl Fn(Item<'_>, Item<'_>, &mut Out),
) -> CmdResult {
    let (now, hash) = (db.now(), db.read_hash(args.key(1))?);
    let Some(hash) = hash else {
        open(out, 0);
        return Ok(());
    };
    if !portion.admits(hash.len()) {
        return Ok(());
    }
    if portion.is_first() {
        open(out, hash.live_len(now));
    }
    portion.walk(out, |first, out| {
        let mut count = 0;
        let next = hash.walk_from(first, now, |name, value| {
            count += 1;
            write(name, value, out);
        });
        (next, count)
    });
    Ok(())
}

pub(super) fn hlen(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    out.count(db.read_as::<Hash>(args.key(1))?.map_or(0, Hash::len));
    Ok(())
}

pub(super) fn hexists(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let hash = db.read_hash(args.key(1))?;
    out.int(hash.is_some_and(|hash| hash.contains(args.at(2), db.now())).into());
    Ok(())
}

pub(super) fn hstrlen(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let hash = db.read_hash(args.key(1))?;
    let value = hash.and_then(|hash| hash.get(args.at(2), db.now()));
    out.count(value.map_or(0, |value| value.bytes(&mut itoa::Buffer::new()).len()));
    Ok(())
}

pub(super) fn hdel(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let (now, mut removed) = (db.now(), 0);
    if let Some(mut edit) = db.edit_hash(args.key(1))? {
        let hash = &mut *edit;
        removed = args.from(2).filter(|name| hash.remove(name, now)).count();
        if removed > 0 {
            edit.changed_elements(DELETED, removed);
        }
    }
    out.count(removed);
    Ok(())
}

/// The words of a command with a key and some fields, as which a change is repeated.
pub(super) fn words<'a>(command: &[&'a [u8]], fields: &[&'a [u8]]) -> Vec<&'a [u8]> {
    command.iter().chain(fields).copied().collect()
}

/// Reports that these fields were removed.
pub(super) fn report_deleted(edit: &mut Edit<'_, Hash>, key: &[u8], fields: &[&[u8]]) {
    if !fields.is_empty() {
        edit.changed(DELETED);
        edit.repeat_as(&words(&[b"HDEL", key], fields));
    }
}
