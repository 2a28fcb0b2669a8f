//! SET and its relatives SETEX and PSETEX, and GETEX, which shares their options.
//!
//! Invariant: options are read to the end before the key is looked at, so a syntax error wins over
//! every other. A time in the past is accepted: GETEX then removes the key, SET stores it expired.
//! <https://redis.io/docs/latest/commands/set/>

use super::conditional::Condition;
use super::lifetime::{Deadline, Lifetime, Unit, report_set};
use super::text::{Text, stored, write_optional};
use super::{CHANGE, READ_CHANGE, REPLACE, SET};
use crate::command::spec::Access;
use crate::resp::args::{Args, Reader};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::{Db, Expiry, Write};

/// When SET, or MSETEX, is carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum When<'a> {
    #[default]
    Always,
    /// NX.
    Missing,
    /// XX.
    Exists,
    /// IFEQ, IFNE, IFDEQ, IFDNE.
    Holds(Condition<'a>),
}

/// The options of SET and, without conditions on the value and GET, of MSETEX.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SetOptions<'a> {
    pub(super) when: When<'a>,
    pub(super) lifetime: Lifetime<'a>,
    /// GET: the reply is the old value.
    pub(super) returns_old: bool,
}

impl<'a> SetOptions<'a> {
    /// Reads SET's options to the end of the arguments.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<SetOptions<'a>, CmdError> {
        let mut options = SetOptions::default();
        while !reader.done() {
            let accepted = if reader.keyword("GET") {
                options.returns_old = true;
                true
            } else if let Some(condition) = Condition::read(reader)? {
                options.choose(When::Holds(condition))
            } else {
                options.read_shared(reader)?
            };
            if !accepted {
                return Err(CmdError::Syntax);
            }
        }
        Ok(options)
    }

    /// Reads MSETEX's options to the end of the arguments.
    pub(super) fn read_for_many(reader: &mut Reader<'a>) -> Result<SetOptions<'a>, CmdError> {
        let mut options = SetOptions::default();
        while !reader.done() {
            if !options.read_shared(reader)? {
                return Err(CmdError::Syntax);
            }
        }
        Ok(options)
    }

    /// Reads one option that SET and MSETEX share; false if there is none or it contradicts
    /// another.
    fn read_shared(&mut self, reader: &mut Reader<'a>) -> Result<bool, CmdError> {
        if reader.keyword("NX") {
            return Ok(self.choose(When::Missing));
        }
        if reader.keyword("XX") {
            return Ok(self.choose(When::Exists));
        }
        if reader.keyword("KEEPTTL") {
            return Ok(self.lifetime.choose(Lifetime::Keep));
        }
        read_deadline(reader, &mut self.lifetime)
    }

    fn choose(&mut self, when: When<'a>) -> bool {
        let agrees = match (self.when, when) {
            (When::Always, _) => true,
            (When::Holds(old), When::Holds(new)) => old.has_kind_of(new),
            (old, new) => old == new,
        };
        self.when = if agrees { when } else { self.when };
        agrees
    }
}

/// Reads EX, PX, EXAT or PXAT with its time; false if the next word is none of them or contradicts.
pub(super) fn read_deadline<'a>(
    reader: &mut Reader<'a>,
    lifetime: &mut Lifetime<'a>,
) -> Result<bool, CmdError> {
    let Some(unit) = reader.peek().and_then(Unit::named) else { return Ok(false) };
    reader.word()?;
    let text = reader.word()?;
    Ok(lifetime.choose(Lifetime::Until(Deadline { unit, text })))
}

/// What a SET with these arguments does with its key; one that is not understood overwrites.
pub(super) fn access(args: &Args<'_>) -> Access {
    let options = SetOptions::read(&mut args.reader(3)).unwrap_or_default();
    match options {
        SetOptions { returns_old: true, .. } => READ_CHANGE,
        SetOptions { when: When::Holds(_), .. } => CHANGE,
        _ => REPLACE,
    }
}

pub(super) fn set(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    if args.len() > 3 {
        return set_with_options(db, args, out);
    }
    db.write(args.key(1)).set(stored(args, 2), Expiry::Never, SET);
    out.ok();
    Ok(())
}

fn set_with_options(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let options = SetOptions::read(&mut args.reader(3))?;
    let expiry = options.lifetime.expiry(db.now(), "set")?;
    let mut write = db.write(args.key(1));
    if options.returns_old {
        write.count_access();
        write_optional(Text::of_optional(write.value())?, out);
    }
    let allowed = match options.when {
        When::Always => true,
        When::Missing => !write.exists(),
        When::Exists => write.exists(),
        When::Holds(condition) => match Text::of_optional(write.value())? {
            None => condition.holds_without_value(),
            Some(text) => condition.holds(text)?,
        },
    };
    if allowed {
        put(&mut write, args, 2, expiry);
    }
    match (options.returns_old, allowed) {
        (true, _) => {}
        (false, true) => out.ok(),
        (false, false) => out.null(),
    }
    Ok(())
}

/// Sets the key of the first argument to the value at `index`.
fn put(write: &mut Write<'_, '_>, args: &Args<'_>, index: usize, expiry: Expiry) {
    write.set(stored(args, index), expiry, SET);
    if matches!(expiry, Expiry::At(_)) {
        report_set(write, args.at(1), args.at(index), expiry);
    }
}

pub(super) fn setex(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    set_until(db, args, Unit::Seconds, "setex", out)
}

pub(super) fn psetex(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    set_until(db, args, Unit::Milliseconds, "psetex", out)
}

fn set_until(
    db: &mut Db,
    args: &Args<'_>,
    unit: Unit,
    command: &'static str,
    out: &mut Out,
) -> CmdResult {
    let time = Deadline { unit, text: args.at(2) }.time(db.now(), command)?;
    put(&mut db.write(args.key(1)), args, 3, Expiry::At(time));
    out.ok();
    Ok(())
}

pub(super) fn getex(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let lifetime = read_getex(&mut args.reader(2))?;
    let now = db.now();
    let mut write = db.write(args.key(1));
    write.count_access();
    let text = Text::of_optional(write.value())?;
    write_optional(text, out);
    if text.is_none() {
        return Ok(());
    }
    match lifetime {
        Lifetime::Until(deadline) => {
            let time = deadline.time(now, "getex")?;
            if time <= now {
                write.remove(Event::DEL);
                return Ok(());
            }
            write.set_expiry(Some(time), Event::EXPIRE);
            let mut digits = itoa::Buffer::new();
            write.repeat_as(&[b"PEXPIREAT", args.at(1), digits.format(time).as_bytes()]);
        }
        Lifetime::Persist if write.expiry().is_some() => {
            write.set_expiry(None, Event::PERSIST);
            write.repeat_as(&[b"PERSIST", args.at(1)]);
        }
        Lifetime::Persist | Lifetime::Keep | Lifetime::Unspecified => {}
    }
    Ok(())
}

fn read_getex<'a>(reader: &mut Reader<'a>) -> Result<Lifetime<'a>, CmdError> {
    let mut lifetime = Lifetime::default();
    while !reader.done() {
        let accepted = if reader.keyword("PERSIST") {
            lifetime.choose(Lifetime::Persist)
        } else {
            read_deadline(reader, &mut lifetime)?
        };
        if !accepted {
            return Err(CmdError::Syntax);
        }
    }
    Ok(lifetime)
}
