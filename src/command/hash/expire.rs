//! When fields expire: HEXPIRE and its relatives set it, HTTL and its relatives read it, HPERSIST
//! takes it away.
//!
//! Invariant: the type of the key is checked before any argument. A time that is over removes the
//! field at once.

use super::fields::{report_deleted, words};
use super::options::{FIELDS_MISSING, FIELDS_TWICE, Field, Fields, field_time, unknown_argument};
use super::{EXPIRES, PERSISTED};
use crate::base::time::Millis;
use crate::command::string::lifetime::Unit;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::db::Db;
use crate::store::edit::Edit;
use crate::store::hash::Hash;

/// Replies for one field.
const NO_FIELD: i64 = -2;
const NO_EXPIRY: i64 = -1;
const CONDITION_FAILED: i64 = 0;
const DONE: i64 = 1;
const DELETED_AT_ONCE: i64 = 2;

/// When an expiry replaces another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// NX: there is none.
    Absent,
    /// XX: there is one.
    Present,
    /// GT: it is later.
    Later,
    /// LT: it is earlier. No expiry is later than all.
    Earlier,
}

impl Condition {
    fn named(word: &[u8]) -> Option<Condition> {
        let names = [
            ("NX", Condition::Absent),
            ("XX", Condition::Present),
            ("GT", Condition::Later),
            ("LT", Condition::Earlier),
        ];
        let found = names.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, condition)| *condition)
    }

    fn allows(self, old: Option<Millis>, new: Millis) -> bool {
        match (self, old) {
            (Condition::Absent, old) => old.is_none(),
            (Condition::Present, old) => old.is_some(),
            (Condition::Later, old) => old.is_some_and(|old| new > old),
            (Condition::Earlier, old) => old.is_none_or(|old| new < old),
        }
    }
}

/// What HEXPIRE was asked for.
struct Request<'a> {
    time: Millis,
    condition: Option<Condition>,
    fields: Fields<'a>,
}

impl<'a> Request<'a> {
    fn read(
        args: &Args<'a>,
        unit: Unit,
        now: Millis,
        command: &'static str,
    ) -> Result<Request<'a>, CmdError> {
        let time = field_time(args.at(2), unit, now, command)?;
        let mut options = args.reader(3);
        let (mut conditions, mut fields) = (Vec::new(), None);
        while let Some(word) = options.peek() {
            if options.keyword("FIELDS") {
                if fields.is_some() {
                    return Err(FIELDS_TWICE);
                }
                if options.left() < 2 {
                    return Err(CmdError::Text(
                        "ERR FIELDS requires at least numfields and one field argument",
                    ));
                }
                let bad = "ERR Parameter `numFields` should be greater than 0";
                fields = Some(Fields::read(args, &mut options, 1, bad)?);
            } else if let Some(condition) = Condition::named(word) {
                if !conditions.contains(&condition) {
                    conditions.push(condition);
                }
                options.word()?;
            } else {
                return Err(unknown_argument(word));
            }
        }
        let fields = fields.ok_or(FIELDS_MISSING)?;
        if conditions.len() > 1 {
            return Err(CmdError::Text("ERR Multiple condition flags specified"));
        }
        Ok(Request { time, condition: conditions.pop(), fields })
    }
}

pub(super) fn hexpire(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    expire(db, args, out, Unit::Seconds, "hexpire")
}

pub(super) fn hpexpire(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    expire(db, args, out, Unit::Milliseconds, "hpexpire")
}

pub(super) fn hexpireat(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    expire(db, args, out, Unit::UnixSeconds, "hexpireat")
}

pub(super) fn hpexpireat(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    expire(db, args, out, Unit::UnixMilliseconds, "hpexpireat")
}

fn expire(
    db: &mut Db,
    args: &Args<'_>,
    out: &mut Out,
    unit: Unit,
    command: &'static str,
) -> CmdResult {
    let key = args.key(1);
    db.peek_as::<Hash>(key)?;
    let now = db.now();
    let request = Request::read(args, unit, now, command)?;
    out.array(request.fields.len());
    let Some(mut edit) = db.edit_hash(key)? else {
        request.fields.iter().for_each(|_| out.int(NO_FIELD));
        return Ok(());
    };
    let (mut updated, mut deleted) = (Vec::new(), Vec::new());
    for Field { name, .. } in request.fields.iter() {
        let old = edit.get_with_expiry(name, now).map(|(_, expiry)| expiry);
        out.int(match old {
            None => NO_FIELD,
            Some(old) if request.condition.is_some_and(|is| !is.allows(old, request.time)) => {
                CONDITION_FAILED
            }
            Some(_) if request.time <= now => {
                edit.remove(name, now);
                deleted.push(name);
                DELETED_AT_ONCE
            }
            Some(_) => {
                edit.set_expiry(name, Some(request.time));
                updated.push(name);
                DONE
            }
        });
    }
    report_deleted(&mut edit, key.bytes, &deleted);
    report_expiry(&mut edit, key.bytes, request.time, &updated);
    Ok(())
}

/// Reports that these fields expire at a time.
pub(super) fn report_expiry(edit: &mut Edit<'_, Hash>, key: &[u8], time: Millis, fields: &[&[u8]]) {
    if fields.is_empty() {
        return;
    }
    let (mut time_digits, mut count_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
    let time = time_digits.format(time).as_bytes();
    let count = count_digits.format(fields.len()).as_bytes();
    edit.changed(EXPIRES);
    edit.repeat_as(&words(&[b"HPEXPIREAT", key, time, b"FIELDS", count], fields));
}

/// Reports that these fields do not expire any more.
pub(super) fn report_persisted(edit: &mut Edit<'_, Hash>, key: &[u8], fields: &[&[u8]]) {
    if !fields.is_empty() {
        let mut digits = itoa::Buffer::new();
        let count = digits.format(fields.len()).as_bytes();
        edit.changed(PERSISTED);
        edit.repeat_as(&words(&[b"HPERSIST", key, b"FIELDS", count], fields));
    }
}

pub(super) fn httl(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let now = db.now();
    times(db, args, out, |time| (time - now + 999) / 1000)
}

pub(super) fn hpttl(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let now = db.now();
    times(db, args, out, |time| time - now)
}

pub(super) fn hexpiretime(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    times(db, args, out, |time| (time + 999) / 1000)
}

pub(super) fn hpexpiretime(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    times(db, args, out, |time| time)
}

fn times(db: &Db, args: &Args<'_>, out: &mut Out, shown: impl Fn(Millis) -> i64) -> CmdResult {
    let hash = db.read_hash(args.key(1))?;
    let fields = Fields::only(args)?;
    out.array(fields.len());
    for Field { name, .. } in fields.iter() {
        out.int(match hash.and_then(|hash| hash.get_with_expiry(name, db.now())) {
            None => NO_FIELD,
            Some((_, None)) => NO_EXPIRY,
            Some((_, Some(time))) => shown(time),
        });
    }
    Ok(())
}

pub(super) fn hpersist(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let key = args.key(1);
    db.peek_as::<Hash>(key)?;
    let (now, fields) = (db.now(), Fields::only(args)?);
    out.array(fields.len());
    let Some(mut edit) = db.edit_hash(key)? else {
        fields.iter().for_each(|_| out.int(NO_FIELD));
        return Ok(());
    };
    let mut persisted = Vec::new();
    for Field { name, .. } in fields.iter() {
        let old = edit.get_with_expiry(name, now).map(|(_, expiry)| expiry);
        out.int(match old {
            None => NO_FIELD,
            Some(None) => NO_EXPIRY,
            Some(Some(_)) => {
                edit.set_expiry(name, None);
                persisted.push(name);
                DONE
            }
        });
    }
    report_persisted(&mut edit, key.bytes, &persisted);
    Ok(())
}
