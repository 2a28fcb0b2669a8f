//! Values that change their key or database: RENAME, RENAMENX, COPY, MOVE.
//!
//! The two keys may lie on two shards. Phase one copies the source out and looks whether the target
//! exists; phase two runs on the owner of each key.
//!
//! Invariant: what is done depends on the arguments and the parcels only, which are the same on
//! both shards, so both do their half or none does. Each answers, because the owner of the first
//! key is one of them.

use super::database_index;
use crate::command::spec::Parcel;
use crate::resp::args::{Args, Key};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::carried::Carried;
use crate::store::change::Event;
use crate::store::db::Db;

const RENAME_FROM: Event = Event::generic("rename_from");
const RENAME_TO: Event = Event::generic("rename_to");
const COPY_TO: Event = Event::generic("copy_to");
const MOVE_FROM: Event = Event::generic("move_from");
const MOVE_TO: Event = Event::generic("move_to");

const SAME_OBJECT: CmdError = CmdError::Text("ERR source and destination objects are the same");

/// What one shard knows of the two keys before anything changes.
struct Seen {
    source: Option<Carried>,
    target_exists: bool,
}

impl Seen {
    fn into_parcel(self) -> Parcel {
        Some(Box::new(self))
    }
}

fn seen(parcels: &[Parcel]) -> impl Iterator<Item = &Seen> {
    parcels.iter().flatten().filter_map(|parcel| parcel.downcast_ref())
}

fn source_of(parcels: &[Parcel]) -> Option<&Carried> {
    seen(parcels).find_map(|seen| seen.source.as_ref())
}

fn target_exists(parcels: &[Parcel]) -> bool {
    seen(parcels).any(|seen| seen.target_exists)
}

/// The two keys of a command.
fn keys<'a>(args: &Args<'a>) -> (Key<'a>, Key<'a>) {
    (args.key(1), args.key(2))
}

pub(super) fn collect(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    let (source, target) = keys(args);
    let mut seen = Seen { source: None, target_exists: false };
    if db.owns(source) {
        seen.source = Some(Carried::moved(db.peek(source).ok_or(CmdError::NoSuchKey)?));
    }
    seen.target_exists = db.owns(target) && db.peek(target).is_some();
    Ok(seen.into_parcel())
}

pub(super) fn rename(db: &mut Db, args: &Args<'_>, parcels: &[Parcel], out: &mut Out) -> CmdResult {
    rename_seen(db, args, parcels);
    out.ok();
    Ok(())
}

pub(super) fn rename_if_free(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    out: &mut Out,
) -> CmdResult {
    let is_free = !target_exists(parcels);
    if is_free {
        rename_seen(db, args, parcels);
    }
    out.int(is_free.into());
    Ok(())
}

/// This shard's half of renaming: the source goes, the target comes.
fn rename_seen(db: &mut Db, args: &Args<'_>, parcels: &[Parcel]) {
    let (source, target) = keys(args);
    let Some(carried) = source_of(parcels) else { return };
    if source.bytes == target.bytes {
        return;
    }
    if db.owns(source) {
        db.write(source).remove(RENAME_FROM);
    }
    if db.owns(target) {
        let mut target = db.write(target);
        target.put(carried.duplicate(), RENAME_TO);
        target.mark_accessed();
    }
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

pub(super) fn collect_copy(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    let options = CopyOptions::read(db, args)?;
    let (source, target) = keys(args);
    let mut seen = Seen { source: None, target_exists: false };
    if db.owns(source) {
        seen.source = db.read_entry(source).map(Carried::copied);
    }
    seen.target_exists = db.owns(target) && db.peek_in(options.database, target).is_some();
    Ok(seen.into_parcel())
}

pub(super) fn copy(db: &mut Db, args: &Args<'_>, parcels: &[Parcel], out: &mut Out) -> CmdResult {
    let options = CopyOptions::read(db, args)?;
    let (_, target) = keys(args);
    let source = source_of(parcels).filter(|_| options.replaces || !target_exists(parcels));
    if let Some(carried) = source
        && db.owns(target)
    {
        db.in_database(options.database, |db| db.write(target).put(carried.duplicate(), COPY_TO));
    }
    out.int(source.is_some().into());
    Ok(())
}

pub(super) fn move_to_database(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let database = database_index(db, args.at(2))?;
    if database == db.selected() {
        return Err(SAME_OBJECT);
    }
    let key = args.key(1);
    let source = db.peek(key).map(Carried::moved);
    let source = source.filter(|_| db.peek_in(database, key).is_none());
    if let Some(carried) = &source {
        db.write(key).remove(MOVE_FROM);
        db.in_database(database, |db| {
            let mut target = db.write(key);
            target.put(carried.duplicate(), MOVE_TO);
            target.mark_accessed();
        });
    }
    out.int(source.is_some().into());
    Ok(())
}
