//! The options that say how long a key lives: EX, PX, EXAT, PXAT, KEEPTTL and PERSIST.
//!
//! Invariant: reading options has no effect and does not look at the numbers; [`Deadline::time`]
//! does that later, because commands differ in what they check first.

use crate::base::num;
use crate::base::time::Millis;
use crate::resp::error::CmdError;
use crate::store::change::Event;
use crate::store::db::{Expiry, Write};

/// What a deadline is counted in and from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// EX: seconds from now.
    Seconds,
    /// PX: milliseconds from now.
    Milliseconds,
    /// EXAT: seconds since the Unix epoch.
    UnixSeconds,
    /// PXAT: milliseconds since the Unix epoch.
    UnixMilliseconds,
}

impl Unit {
    /// The unit that `word` names, in any case.
    pub fn named(word: &[u8]) -> Option<Unit> {
        let units = [
            ("EX", Unit::Seconds),
            ("PX", Unit::Milliseconds),
            ("EXAT", Unit::UnixSeconds),
            ("PXAT", Unit::UnixMilliseconds),
        ];
        let found = units.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, unit)| *unit)
    }

    /// True if numbers are seconds.
    pub fn in_seconds(self) -> bool {
        matches!(self, Unit::Seconds | Unit::UnixSeconds)
    }

    /// True if numbers count from now.
    pub fn is_relative(self) -> bool {
        matches!(self, Unit::Seconds | Unit::Milliseconds)
    }
}

/// A time to expire at, as the client wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline<'a> {
    pub unit: Unit,
    pub text: &'a [u8],
}

impl Deadline<'_> {
    /// The deadline in Unix time. `command`, in lower case, is named by the error for a time that
    /// is not positive or not representable in milliseconds.
    pub fn time(self, now: Millis, command: &'static str) -> Result<Millis, CmdError> {
        let number = num::parse_i64(self.text).ok_or(CmdError::NotInteger)?;
        let scale = if self.unit.in_seconds() { 1000 } else { 1 };
        let base = if self.unit.is_relative() { now } else { 0 };
        Some(number)
            .filter(|number| *number > 0)
            .and_then(|number| number.checked_mul(scale)?.checked_add(base))
            .ok_or(CmdError::InvalidExpire(command))
    }
}

/// What the options say about the expiry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifetime<'a> {
    /// Nothing: the command's default.
    #[default]
    Unspecified,
    /// KEEPTTL.
    Keep,
    /// PERSIST.
    Persist,
    /// EX, PX, EXAT or PXAT.
    Until(Deadline<'a>),
}

impl<'a> Lifetime<'a> {
    /// Takes one more of these options; false if it contradicts the one before. An option may be
    /// given twice, the last one counts.
    pub fn choose(&mut self, chosen: Lifetime<'a>) -> bool {
        let agrees = match (*self, chosen) {
            (Lifetime::Unspecified, _) => true,
            (Lifetime::Until(old), Lifetime::Until(new)) => old.unit == new.unit,
            (old, new) => old == new,
        };
        if agrees {
            *self = chosen;
        }
        agrees
    }

    /// The expiry of a key whose value is being replaced.
    pub fn expiry(self, now: Millis, command: &'static str) -> Result<Expiry, CmdError> {
        match self {
            Lifetime::Unspecified | Lifetime::Persist => Ok(Expiry::Never),
            Lifetime::Keep => Ok(Expiry::Keep),
            Lifetime::Until(deadline) => deadline.time(now, command).map(Expiry::At),
        }
    }
}

/// Completes the report of a value that was just set to `value` with this expiry: the event of the
/// expiry, and the SET that repeats it all.
pub fn report_set(write: &mut Write<'_, '_>, key: &[u8], value: &[u8], expiry: Expiry) {
    match expiry {
        Expiry::Never => write.repeat_as(&[b"SET", key, value]),
        Expiry::Keep => write.repeat_as(&[b"SET", key, value, b"KEEPTTL"]),
        Expiry::At(time) => {
            let mut digits = itoa::Buffer::new();
            write.repeat_as(&[b"SET", key, value, b"PXAT", digits.format(time).as_bytes()]);
            write.announce(Event::EXPIRE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_700_000_000_000;

    fn time(unit: Unit, text: &str) -> Option<Millis> {
        Deadline { unit, text: text.as_bytes() }.time(NOW, "set").ok()
    }

    #[test]
    fn deadlines_are_absolute_milliseconds() {
        assert_eq!(time(Unit::Seconds, "2"), Some(NOW + 2000));
        assert_eq!(time(Unit::Milliseconds, "2"), Some(NOW + 2));
        assert_eq!(time(Unit::UnixSeconds, "2"), Some(2000));
        assert_eq!(time(Unit::UnixMilliseconds, "2"), Some(2));
    }

    #[test]
    fn deadlines_stay_in_range() {
        let units = [Unit::Seconds, Unit::Milliseconds, Unit::UnixSeconds, Unit::UnixMilliseconds];
        for unit in units {
            for text in ["0", "-1", "-9223372036854775808", "x", "", "1.5", "9223372036854775808"] {
                assert_eq!(time(unit, text), None, "{unit:?} {text}");
            }
        }
        assert_eq!(time(Unit::UnixMilliseconds, "9223372036854775807"), Some(Millis::MAX));
        assert_eq!(time(Unit::Milliseconds, "9223372036854775807"), None);
        assert_eq!(time(Unit::UnixSeconds, "9223372036854775"), Some(9_223_372_036_854_775_000));
        assert_eq!(time(Unit::UnixSeconds, "9223372036854776"), None);
        assert_eq!(time(Unit::Seconds, "9223372036854775"), None);
    }

    #[test]
    fn only_the_same_option_may_be_repeated() {
        let until = |unit, text| Lifetime::Until(Deadline { unit, text });
        let mut lifetime = Lifetime::default();
        assert!(lifetime.choose(until(Unit::Seconds, b"1")));
        assert!(lifetime.choose(until(Unit::Seconds, b"2")));
        assert!(!lifetime.choose(until(Unit::Milliseconds, b"3")));
        assert!(!lifetime.choose(Lifetime::Keep));
        assert_eq!(lifetime, until(Unit::Seconds, b"2"));
    }
}
