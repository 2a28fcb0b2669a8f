//! Counters: INCR, DECR, INCRBY, DECRBY, and INCRBYFLOAT.
//!
//! Invariant: a counter keeps its expiry, and is either changed exactly or not at all.

use super::lifetime::report_set;
use super::text::Text;
use crate::base::extended::Extended;
use crate::resp::args::{Args, Key};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::{Db, Expiry};
use crate::store::entry::Value;

pub(super) const INCRBY: Event = Event::string("incrby");
pub(super) const INCRBYFLOAT: Event = Event::string("incrbyfloat");

pub(super) const NOT_FINITE: CmdError =
    CmdError::Text("ERR increment would produce NaN or Infinity");
const DECREMENT_OVERFLOW: CmdError = CmdError::Text("ERR decrement would overflow");

pub(super) fn incr(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    add(db, args.key(1), 1, out)
}

pub(super) fn decr(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    add(db, args.key(1), -1, out)
}

pub(super) fn incrby(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    add(db, args.key(1), args.int(2)?, out)
}

pub(super) fn decrby(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let increment = args.int(2)?.checked_neg().ok_or(DECREMENT_OVERFLOW)?;
    add(db, args.key(1), increment, out)
}

#[inline]
fn add(db: &mut Db, key: Key<'_>, increment: i64, out: &mut Out) -> CmdResult {
    let mut write = db.write(key);
    let old = match write.value() {
        None => 0,
        Some(value) => Text::of(value)?.integer()?,
    };
    let new = old.checked_add(increment).ok_or(CmdError::IncrementOverflow)?;
    write.set(Value::Int(new), Expiry::Keep, INCRBY);
    out.int(new);
    Ok(())
}

pub(super) fn incrbyfloat(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut write = db.write(args.key(1));
    let old = float(Text::of_optional(write.value())?)?;
    let increment = Extended::parse(args.at(2)).ok_or(CmdError::NotFloat)?;
    let text = old.checked_add(increment).ok_or(NOT_FINITE)?.to_human();
    write.set(Value::Raw(text.as_bytes()), Expiry::Keep, INCRBYFLOAT);
    report_set(&mut write, args.at(1), text.as_bytes(), Expiry::Keep);
    out.bulk(text.as_bytes());
    Ok(())
}

/// The number a string spells, zero for a missing one; [`CmdError::NotFloat`] if it spells none.
pub(super) fn float(text: Option<Text<'_>>) -> Result<Extended, CmdError> {
    let mut digits = itoa::Buffer::new();
    let bytes = match &text {
        None => b"0",
        Some(text) => text.bytes(&mut digits),
    };
    Extended::parse(bytes).ok_or(CmdError::NotFloat)
}
