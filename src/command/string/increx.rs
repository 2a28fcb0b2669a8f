//! INCREX: an increment within bounds that also sets the expiry.
//!
//! Replies with the value and the increment that was applied. A result outside the bounds, or
//! outside the number's type, changes nothing; with SATURATE it becomes the bound.
//! <https://redis.io/docs/latest/commands/increx/>
//!
//! Invariant: an increment that is not applied leaves no trace: neither value nor expiry nor event.

use std::cmp::Ordering;

use super::lifetime::{Lifetime, report_set};
use super::number::{INCRBY, INCRBYFLOAT, NOT_FINITE, float};
use super::set::read_deadline;
use super::text::Text;
use crate::base::extended::Extended;
use crate::base::num;
use crate::base::time::Millis;
use crate::resp::args::{Args, Reader};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::{Db, Expiry, Write};
use crate::store::entry::Value;

const ENX_WITHOUT_EXPIRY: CmdError = CmdError::Text("ERR ENX flag requires an expiration");
const BOUNDS_CROSS: CmdError = CmdError::Text("ERR LBOUND can't be greater than UBOUND");

/// The options as the client wrote them. Each may be given once.
#[derive(Default)]
struct Options<'a> {
    by_int: Option<&'a [u8]>,
    by_float: Option<&'a [u8]>,
    lower: Option<&'a [u8]>,
    upper: Option<&'a [u8]>,
    saturates: bool,
    lifetime: Lifetime<'a>,
    /// ENX: the expiry is set only if there is none.
    only_without_expiry: bool,
}

impl<'a> Options<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Options<'a>, CmdError> {
        let mut options = Options::default();
        while !reader.done() {
            options.read_one(reader)?;
        }
        match (options.lifetime, options.only_without_expiry) {
            (Lifetime::Persist, true) => Err(CmdError::Syntax),
            (Lifetime::Unspecified, true) => Err(ENX_WITHOUT_EXPIRY),
            _ => Ok(options),
        }
    }

    fn read_one(&mut self, reader: &mut Reader<'a>) -> Result<(), CmdError> {
        let incremented = self.by_int.is_some() || self.by_float.is_some();
        let operands = [
            ("BYINT", incremented, &mut self.by_int),
            ("BYFLOAT", incremented, &mut self.by_float),
            ("LBOUND", self.lower.is_some(), &mut self.lower),
            ("UBOUND", self.upper.is_some(), &mut self.upper),
        ];
        for (name, repeated, operand) in operands {
            if !repeated && reader.keyword(name) {
                *operand = Some(reader.word()?);
                return Ok(());
            }
        }
        if !self.saturates && reader.keyword("SATURATE") {
            self.saturates = true;
        } else if !self.only_without_expiry && reader.keyword("ENX") {
            self.only_without_expiry = true;
        } else {
            self.read_lifetime(reader)?;
        }
        Ok(())
    }

    fn read_lifetime(&mut self, reader: &mut Reader<'a>) -> Result<(), CmdError> {
        let first = self.lifetime == Lifetime::Unspecified;
        if first && reader.keyword("PERSIST") {
            self.lifetime = Lifetime::Persist;
            return Ok(());
        }
        let found = first && read_deadline(reader, &mut self.lifetime)?;
        if found { Ok(()) } else { Err(CmdError::Syntax) }
    }

    /// The expiry that an applied increment leaves, but for ENX.
    fn expiry(&self, now: Millis) -> Result<Expiry, CmdError> {
        match self.lifetime {
            Lifetime::Unspecified => Ok(Expiry::Keep),
            lifetime => lifetime.expiry(now, "increx"),
        }
    }
}

pub(super) fn increx(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let options = Options::read(&mut args.reader(2))?;
    match options.by_float {
        Some(increment) => by_float(db, args, &options, increment, out),
        None => by_int(db, args, &options, out),
    }
}

fn by_int(db: &mut Db, args: &Args<'_>, options: &Options<'_>, out: &mut Out) -> CmdResult {
    let parse = |text: Option<&[u8]>, default: i64, error: &'static str| match text {
        None => Ok(default),
        Some(text) => num::parse_i64(text).ok_or(CmdError::Text(error)),
    };
    let increment = parse(options.by_int, 1, "ERR Increment is not an integer or out of range")?;
    let lower = parse(options.lower, i64::MIN, "ERR LBOUND is not an integer or out of range")?;
    let upper = parse(options.upper, i64::MAX, "ERR UBOUND is not an integer or out of range")?;
    if lower > upper {
        return Err(BOUNDS_CROSS);
    }
    let expiry = options.expiry(db.now())?;
    let mut write = db.write(args.key(1));
    let old = Text::of_optional(write.value())?.map_or(Ok(0), Text::integer)?;
    let sum = i128::from(old) + i128::from(increment);
    let new = sum.clamp(lower.into(), upper.into());
    out.array(2);
    if new != sum && !options.saturates {
        out.int(old);
        out.int(0);
        return Ok(());
    }
    let applied = (new - i128::from(old)).clamp(i64::MIN.into(), i64::MAX.into());
    let new = new as i64;
    out.int(new);
    out.int(applied as i64);
    let mut digits = itoa::Buffer::new();
    let text = digits.format(new).as_bytes();
    settle(&mut write, args, options, Value::Int(new), text, expiry, INCRBY);
    Ok(())
}

fn by_float(
    db: &mut Db,
    args: &Args<'_>,
    options: &Options<'_>,
    increment: &[u8],
    out: &mut Out,
) -> CmdResult {
    let parse = |text: &[u8], error| Extended::parse(text).ok_or(CmdError::Text(error));
    let increment = parse(increment, "ERR Increment is not a valid float")?;
    let bound =
        |text: Option<&[u8]>, default, error| text.map_or(Ok(default), |text| parse(text, error));
    let lowest = Extended::MAX.negated();
    let lower = bound(options.lower, lowest, "ERR LBOUND is not a valid float")?;
    let upper = bound(options.upper, Extended::MAX, "ERR UBOUND is not a valid float")?;
    if lower.compare(upper) == Ordering::Greater {
        return Err(BOUNDS_CROSS);
    }
    let expiry = options.expiry(db.now())?;
    let mut write = db.write(args.key(1));
    let old = float(Text::of_optional(write.value())?)?;
    let (new, applied) = match old.checked_add(increment) {
        None if increment.is_negative() => (lower, None),
        None => (upper, None),
        Some(sum) if sum.compare(lower) == Ordering::Less => (lower, None),
        Some(sum) if sum.compare(upper) == Ordering::Greater => (upper, None),
        Some(sum) => (sum, Some(increment)),
    };
    out.array(2);
    if applied.is_none() && !options.saturates {
        out.double_text(&old.to_human());
        out.double_text("0");
        return Ok(());
    }
    let difference = || new.checked_add(old.negated()).ok_or(NOT_FINITE);
    let applied = applied.map_or_else(difference, Ok)?;
    let text = new.to_human();
    out.double_text(&text);
    out.double_text(&applied.to_human());
    let text = text.as_bytes();
    settle(&mut write, args, options, Value::Raw(text), text, expiry, INCRBYFLOAT);
    Ok(())
}

/// Stores the result with its expiry, or removes the key if that has passed.
fn settle(
    write: &mut Write<'_, '_>,
    args: &Args<'_>,
    options: &Options<'_>,
    value: Value<'_>,
    text: &[u8],
    expiry: Expiry,
    event: Event,
) {
    let had_expiry = write.expiry().is_some();
    let expiry = match expiry {
        Expiry::At(_) if options.only_without_expiry && had_expiry => Expiry::Keep,
        other => other,
    };
    if matches!(expiry, Expiry::At(time) if time <= write.now()) {
        write.remove(Event::DEL);
        return;
    }
    write.set(value, expiry, event);
    report_set(write, args.at(1), text, expiry);
    if expiry == Expiry::Never && had_expiry {
        write.announce(Event::PERSIST);
    }
}
