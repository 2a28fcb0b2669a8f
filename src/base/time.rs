//! Time as Redis keeps it: milliseconds since the Unix epoch.
//!
//! Invariant: arithmetic on times that a client can influence is checked; what would overflow is
//! refused, as Redis refuses it. Deliberately absent: a clock. The time is an argument.

/// A moment in milliseconds since the Unix epoch, or a span of milliseconds.
pub type Millis = i64;

/// Milliseconds in a second.
pub const MILLIS_PER_SECOND: Millis = 1000;

/// The unit in which a command states a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// As EXPIRE, EXPIREAT, EX and EXAT do.
    Seconds,
    /// As PEXPIRE, PEXPIREAT, PX and PXAT do.
    Milliseconds,
}

/// Converts `amount` to milliseconds; `None` if that overflows.
#[inline]
pub fn to_millis(amount: i64, unit: TimeUnit) -> Option<Millis> {
    match unit {
        TimeUnit::Seconds => amount.checked_mul(MILLIS_PER_SECOND),
        TimeUnit::Milliseconds => Some(amount),
    }
}

/// Returns the moment that EXPIRE and its kin set: `amount` after `base`, which is now for a
/// relative time and 0 for an absolute one. `None` if it overflows: "invalid expire time". It may
/// lie in the past, and be negative; whether that is allowed is the command's to say.
#[inline]
pub fn deadline(base: Millis, amount: i64, unit: TimeUnit) -> Option<Millis> {
    to_millis(amount, unit)?.checked_add(base)
}

/// Returns the milliseconds from `now` to `deadline`, 0 if it is past (PTTL).
#[inline]
pub fn remaining(deadline: Millis, now: Millis) -> Millis {
    deadline.saturating_sub(now).max(0)
}

/// Rounds milliseconds to the nearest second, halves up, as TTL and EXPIRETIME do. Not for negative
/// values.
#[inline]
pub fn to_seconds_rounded(millis: Millis) -> i64 {
    debug_assert!(millis >= 0);
    millis / MILLIS_PER_SECOND + (millis % MILLIS_PER_SECOND >= MILLIS_PER_SECOND / 2) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use TimeUnit::{Milliseconds, Seconds};

    #[test]
    fn deadlines_that_overflow_are_refused() {
        let now = 1_700_000_000_000;
        assert_eq!(deadline(now, 10, Seconds), Some(now + 10_000));
        assert_eq!(deadline(now, -10, Milliseconds), Some(now - 10));
        assert_eq!(deadline(0, i64::MAX / 1000, Seconds), Some(i64::MAX / 1000 * 1000));
        assert_eq!(deadline(0, i64::MAX / 1000 + 1, Seconds), None);
        assert_eq!(deadline(0, i64::MIN / 1000, Seconds), Some(i64::MIN / 1000 * 1000));
        assert_eq!(deadline(0, i64::MIN / 1000 - 1, Seconds), None);
        assert_eq!(deadline(now, i64::MAX / 1000, Seconds), None);
        assert_eq!(deadline(now, i64::MAX, Milliseconds), None);
        assert_eq!(deadline(now, i64::MAX - now, Milliseconds), Some(i64::MAX));
        assert_eq!(deadline(now, i64::MIN, Milliseconds), Some(i64::MIN + now));
    }

    #[test]
    fn remaining_time_is_never_negative() {
        assert_eq!(remaining(1500, 1000), 500);
        assert_eq!(remaining(1000, 1500), 0);
        assert_eq!(remaining(i64::MIN, i64::MAX), 0);
    }

    #[test]
    fn seconds_round_half_up() {
        let rounded = [0, 499, 500, 1499, 1500, i64::MAX].map(to_seconds_rounded);
        assert_eq!(rounded, [0, 0, 1, 1, 2, 9_223_372_036_854_776]);
    }
}
