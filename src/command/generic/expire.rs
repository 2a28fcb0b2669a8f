//! When keys expire: setting, asking and taking away.
//!
//! Invariant: a time that has come already removes the key instead of being stored, so no entry
//! expires before the turn it was given its expiry in.

use crate::base::time::{self, Millis, TimeUnit};
use crate::resp::args::Args;
use crate::resp::error::{self, CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::Db;

/// How one of the four commands writes a time.
struct Form {
    /// The command in lower case, for the error.
    name: &'static str,
    unit: TimeUnit,
    /// Whether the time counts from now.
    is_relative: bool,
}

impl Form {
    /// The Unix time in milliseconds that `number` means.
    fn resolve(&self, number: i64, now: Millis) -> Result<Millis, CmdError> {
        let base = if self.is_relative { now } else { 0 };
        time::deadline(base, number, self.unit).ok_or(CmdError::InvalidExpire(self.name))
    }
}

/// Under which conditions a new time is taken (<https://redis.io/docs/latest/commands/expire/>).
#[derive(Default)]
struct Conditions {
    none_before: bool,
    some_before: bool,
    later: bool,
    earlier: bool,
}

impl Conditions {
    fn read(args: &Args<'_>, start: usize) -> Result<Conditions, CmdError> {
        let mut conditions = Conditions::default();
        for word in args.from(start) {
            *conditions.named(word)? = true;
        }
        let Conditions { none_before, some_before, later, earlier } = conditions;
        if none_before && (some_before || later || earlier) {
            return Err(CmdError::Text(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if later && earlier {
            return Err(CmdError::Text(
                "ERR GT and LT options at the same time are not compatible",
            ));
        }
        Ok(conditions)
    }

    fn named(&mut self, word: &[u8]) -> Result<&mut bool, CmdError> {
        match word.to_ascii_uppercase().as_slice() {
            b"NX" => Ok(&mut self.none_before),
            b"XX" => Ok(&mut self.some_before),
            b"GT" => Ok(&mut self.later),
            b"LT" => Ok(&mut self.earlier),
            _ => {
                let word = error::shown(word, usize::MAX);
                Err(CmdError::owned([b"ERR Unsupported option ", word].concat()))
            }
        }
    }

    /// Whether `time` may take the place of `present`; no expiry is later than any.
    fn allow(&self, time: Millis, present: Option<Millis>) -> bool {
        match present {
            None => !self.some_before && !self.later,
            Some(present) => {
                !(self.none_before
                    || self.later && time <= present
                    || self.earlier && time >= present)
            }
        }
    }
}

fn set_expiry(db: &mut Db, args: &Args<'_>, out: &mut Out, form: &Form) -> CmdResult {
    let conditions = Conditions::read(args, 3)?;
    let time = form.resolve(args.int(2)?, db.now())?;
    let mut key = db.write(args.key(1));
    key.mark_accessed();
    let takes = key.exists() && conditions.allow(time, key.expiry());
    if takes && time <= key.now() {
        key.remove(Event::DEL);
    } else if takes {
        key.set_expiry(Some(time), Event::EXPIRE);
    }
    out.int(takes.into());
    Ok(())
}

pub(super) fn expire(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    set_expiry(db, args, out, &Form { name: "expire", unit: TimeUnit::Seconds, is_relative: true })
}

pub(super) fn pexpire(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    set_expiry(
        db,
        args,
        out,
        &Form { name: "pexpire", unit: TimeUnit::Milliseconds, is_relative: true },
    )
}

pub(super) fn expireat(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    set_expiry(
        db,
        args,
        out,
        &Form { name: "expireat", unit: TimeUnit::Seconds, is_relative: false },
    )
}

pub(super) fn pexpireat(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    set_expiry(
        db,
        args,
        out,
        &Form { name: "pexpireat", unit: TimeUnit::Milliseconds, is_relative: false },
    )
}

pub(super) fn persist(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut key = db.write(args.key(1));
    key.mark_accessed();
    let expires = key.expiry().is_some();
    if expires {
        key.set_expiry(None, Event::PERSIST);
    }
    out.int(expires.into());
    Ok(())
}

/// Answers `told` of the time at which a key expires; -1 if it does not, -2 if there is no key.
fn tell(db: &Db, args: &Args<'_>, out: &mut Out, told: impl FnOnce(Millis) -> i64) -> CmdResult {
    let answer = match db.probe(args.key(1)) {
        None => -2,
        Some(entry) => entry.expiry().map_or(-1, told),
    };
    out.int(answer);
    Ok(())
}

pub(super) fn ttl(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    tell(db, args, out, |time| time::to_seconds_rounded(time - db.now()))
}

pub(super) fn pttl(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    tell(db, args, out, |time| time - db.now())
}

pub(super) fn expiretime(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    tell(db, args, out, time::to_seconds_rounded)
}

pub(super) fn pexpiretime(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    tell(db, args, out, |time| time)
}
