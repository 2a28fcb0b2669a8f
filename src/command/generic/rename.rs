//! Values that change their key or database: RENAME, RENAMENX, COPY, MOVE.
//!
//! The two keys may lie on two shards. Both owners look first; then the owner of the source gives
//! and the owner of the target takes, so a value moves as it is, however large.
//!
//! Invariant: what is done depends on the arguments and on what both have seen, which are the same
//! on both shards, so both do their half or none does.

use super::database_index;
use crate::command::portion::Portion;
use crate::command::spec::Parcel;
use crate::resp::args::{Args, Key};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::carried::Carried;
use crate::store::change::Event;
use crate::store::db::Db;
use crate::store::entry::ValueRef;

const RENAME_FROM: Event = Event::generic("rename_from");
const RENAME_TO: Event = Event::generic("rename_to");
const COPY_TO: Event = Event::generic("copy_to");
const MOVE_FROM: Event = Event::generic("move_from");
const MOVE_TO: Event = Event::generic("move_to");

const SAME_OBJECT: CmdError = CmdError::Text("ERR source and destination objects are the same");

/// What one shard knows of the two keys before anything changes.
struct Seen {
    target_exists: bool,
}

impl Bulky for Seen {}

fn target_exists(parcels: &[Parcel]) -> bool {
    let mut seen = parcels.iter().flatten().filter_map(|parcel| parcel.downcast_ref::<Seen>());
    seen.any(|seen| seen.target_exists)
}

/// The two keys of a command.
fn keys<'a>(args: &Args<'a>) -> (Key<'a>, Key<'a>) {
    (args.key(1), args.key(2))
}

pub(super) fn look(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    let (source, target) = keys(args);
    if db.owns(source) {
        db.peek(source).ok_or(CmdError::NoSuchKey)?;
    }
    Ok(Some(Box::new(Seen { target_exists: db.owns(target) && db.peek(target).is_some() })))
}

pub(super) fn give(db: &mut Db, args: &Args<'_>, _: &[Parcel], _: &mut Portion) -> Option<Carried> {
    let (source, target) = keys(args);
    if source.bytes == target.bytes { None } else { db.write(source).take(RENAME_FROM) }
}

pub(super) fn take(
    db: &mut Db,
    args: &Args<'_>,
    _: &[Parcel],
    gift: Option<Carried>,
    out: &mut Out,
) -> CmdResult {
    let (source, target) = keys(args);
    if source.bytes != target.bytes {
        put_renamed(db, target, gift)?;
    }
    out.ok();
    Ok(())
}

pub(super) fn give_if_free(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    portion: &mut Portion,
) -> Option<Carried> {
    if target_exists(parcels) { None } else { give(db, args, parcels, portion) }
}

pub(super) fn take_if_free(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    gift: Option<Carried>,
    out: &mut Out,
) -> CmdResult {
    let is_free = !target_exists(parcels);
    if is_free {
        put_renamed(db, args.key(2), gift)?;
    }
    out.int(is_free.into());
    Ok(())
}

/// Nothing is given if the source has expired since it was looked at.
fn put_renamed(db: &mut Db, target: Key<'_>, gift: Option<Carried>) -> CmdResult {
    let mut target = db.write(target);
    target.put(gift.ok_or(CmdError::NoSuchKey)?, RENAME_TO);
    target.mark_accessed();
    Ok(())
}

/// Where COPY puts the copy.
struct CopyOptions {
    database: usize,
    replaces: bool,
}

impl CopyOptions {
    fn read(db: &Db, args: &Args<'_>) -> Result<CopyOptions, CmdError> {
        let mut copy = CopyOptions { database: db.selected(), replaces: false };
        let mut options = args.reader(3);
        while !options.done() {
            if options.keyword("REPLACE") {
                copy.replaces = true;
            } else if options.keyword("DB") {
                copy.database = database_index(db, options.word()?)?;
            } else {
                return Err(CmdError::Syntax);
            }
        }
        if copy.database == db.selected() && args.at(1) == args.at(2) {
            return Err(SAME_OBJECT);
        }
        Ok(copy)
    }
}

pub(super) fn look_for_copy(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    let options = CopyOptions::read(db, args)?;
    let (source, target) = keys(args);
    if db.owns(source) {
        db.read_entry(source);
    }
    let target_exists = db.owns(target) && db.peek_in(options.database, target).is_some();
    Ok(Some(Box::new(Seen { target_exists: target_exists && !options.replaces })))
}

pub(super) fn give_copy(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    portion: &mut Portion,
) -> Option<Carried> {
    if target_exists(parcels) {
        return None;
    }
    let entry = db.peek(args.key(1))?;
    if let ValueRef::Object(object) = entry.value()
        && !portion.admits(object.elements())
    {
        return None;
    }
    // To copy an element takes longer than to read it.
    let budget = if portion.may_go_on() { portion.room().div_ceil(2) } else { portion.room() };
    match Carried::copied(entry, portion.take_state(), budget) {
        Ok(copy) => Some(copy),
        Err(begun) => {
            portion.go_on(0);
            portion.keep_state(begun);
            None
        }
    }
}

pub(super) fn take_copy(
    db: &mut Db,
    args: &Args<'_>,
    _: &[Parcel],
    gift: Option<Carried>,
    out: &mut Out,
) -> CmdResult {
    let options = CopyOptions::read(db, args)?;
    out.int(gift.is_some().into());
    if let Some(carried) = gift {
        db.in_database(options.database, |db| db.write(args.key(2)).put(carried, COPY_TO));
    }
    Ok(())
}

pub(super) fn move_to_database(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let database = database_index(db, args.at(2))?;
    if database == db.selected() {
        return Err(SAME_OBJECT);
    }
    let key = args.key(1);
    let is_free = db.peek_in(database, key).is_none();
    let carried = if is_free { db.write(key).take(MOVE_FROM) } else { None };
    out.int(carried.is_some().into());
    if let Some(carried) = carried {
        db.in_database(database, |db| {
            let mut target = db.write(key);
            target.put(carried, MOVE_TO);
            target.mark_accessed();
        });
    }
    Ok(())
}
