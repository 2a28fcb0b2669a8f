//! Counters in hashes: HINCRBY and HINCRBYFLOAT.
//!
//! Invariant: a field keeps its expiry, and is either changed exactly or not at all.

use crate::base::extended::Extended;
use crate::base::num;
use crate::ds::listpack::Item;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::Db;
use crate::store::hash::FieldExpiry;

const NOT_INTEGER: CmdError = CmdError::Text("ERR hash value is not an integer");
const NOT_FLOAT: CmdError = CmdError::Text("ERR hash value is not a float");
const NOT_FINITE: CmdError = CmdError::Text("ERR increment would produce NaN or Infinity");
const INFINITE: CmdError = CmdError::Text("ERR value is NaN or Infinity");

pub(super) fn hincrby(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let increment = args.int(3)?;
    let (now, limits) = (db.now(), db.tuning.encoding);
    let mut edit = db.edit_or_create_hash(args.key(1))?;
    let old = match edit.get(args.at(2), now) {
        None => 0,
        Some(Item::Int(value)) => value,
        Some(Item::Text(text)) => num::parse_i64(text).ok_or(NOT_INTEGER)?,
    };
    let new = old.checked_add(increment).ok_or(CmdError::IncrementOverflow)?;
    let mut digits = itoa::Buffer::new();
    edit.set(args.at(2), digits.format(new).as_bytes(), FieldExpiry::Keep, now, &limits);
    edit.changed(Event::hash("hincrby"));
    out.int(new);
    Ok(())
}

pub(super) fn hincrbyfloat(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let increment = Extended::parse(args.at(3)).ok_or(CmdError::NotFloat)?;
    if increment.is_nan_or_infinite() {
        return Err(INFINITE);
    }
    let (now, limits) = (db.now(), db.tuning.encoding);
    let mut edit = db.edit_or_create_hash(args.key(1))?;
    let mut digits = itoa::Buffer::new();
    let old = match edit.get(args.at(2), now) {
        None => &b"0"[..],
        Some(value) => value.bytes(&mut digits),
    };
    let old = Extended::parse(old).ok_or(NOT_FLOAT)?;
    let text = old.checked_add(increment).ok_or(NOT_FINITE)?.to_human();
    edit.set(args.at(2), text.as_bytes(), FieldExpiry::Keep, now, &limits);
    edit.changed(Event::hash("hincrbyfloat"));
    let (key, name) = (args.at(1), args.at(2));
    edit.repeat_as(&[b"HSETEX", key, b"KEEPTTL", b"FIELDS", b"1", name, text.as_bytes()]);
    out.bulk(text.as_bytes());
    Ok(())
}
