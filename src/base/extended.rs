//! The 80-bit floats of INCRBYFLOAT and HINCRBYFLOAT.
//!
//! Redis adds in C's `long double`, which on x86-64 is the x87 extended format: a sign, 15 bits of
//! exponent and a significand of 64 bits. Clients see its precision (`INCRBYFLOAT` from 0.1 by 0.2
//! gives 0.3), so this is that format in portable arithmetic: reading, adding and printing, each
//! rounded correctly, to nearest with ties to even.
//!
//! Invariant: a value is `significand * 2^exponent` with the top bit of the significand set, unless
//! its exponent is `EXPONENT_MIN` (zero and subnormal numbers), or it is infinite. There is no
//! NaN: operations that would give one return `None`.
//!
//! Deliberately absent: every operation that its users do not need.

mod order;

use crate::base::num::{Binary, parse_exponent, parse_hex, split_sign};
use num_bigint::BigUint;

/// Bits in the significand.
const PRECISION: i32 = 64;

/// Exponent of the least significant bit of a subnormal number.
const EXPONENT_MIN: i32 = -16445;

/// Largest exponent of the least significant bit.
const EXPONENT_MAX: i32 = 16320;

/// Longest text that [`Extended::parse`] takes, in bytes: `MAX_LONG_DOUBLE_CHARS - 1` of Redis.
const TEXT_LEN_MAX: usize = 5119;

/// Digits that [`Extended::to_human`] prints behind the point at most.
const FRACTION_DIGITS: usize = 17;

/// A number in the x87 extended format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    negative: bool,
    infinite: bool,
    significand: u64,
    exponent: i32,
}

impl Extended {
    /// Parses `text` as Redis does for INCRBYFLOAT (`string2ld`): all that C's `strtold` takes,
    /// hexadecimal and infinity included, but no space, no NaN, nothing that overflows to infinity
    /// or underflows to zero, and at most 5119 bytes.
    pub fn parse(text: &[u8]) -> Option<Extended> {
        if text.len() > TEXT_LEN_MAX {
            return None;
        }
        let (negative, unsigned) = split_sign(text);
        if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
            return Some(Extended::infinity(negative));
        }
        let exact = match unsigned {
            [b'0', b'x' | b'X', digits @ ..] => parse_hex(digits)?,
            _ => Decimal::scan(unsigned)?.to_binary()?,
        };
        let value = Extended::rounded(negative, exact);
        let underflowed = value.significand == 0 && exact.significand != 0;
        (!value.infinite && !underflowed).then_some(value)
    }

    /// Adds two numbers; `None` if the sum is infinite or not a number, which Redis refuses.
    pub fn checked_add(self, other: Extended) -> Option<Extended> {
        if self.infinite || other.infinite {
            return None;
        }
        let (high, low) =
            if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        // The significands in 127 bits, so that the sum has room for its carry and the difference
        // for the bits that `low` has below the last of `high`.
        const ROOM: i32 = 63;
        let distance = (high.exponent - low.exponent) as u32;
        let high_bits = (high.significand as u128) << ROOM;
        let low_wide = (low.significand as u128) << ROOM;
        let low_bits = low_wide.checked_shr(distance).unwrap_or(0);
        let inexact = low_bits.checked_shl(distance).unwrap_or(0) != low_wide;
        let exponent = high.exponent - ROOM;
        let (negative, significand) = if high.negative == low.negative {
            (high.negative, high_bits + low_bits)
        } else if high_bits >= low_bits {
            // What was cut off `low` is missing from the difference: one bit less, plus the rest.
            (high.negative && high_bits != low_bits, high_bits - low_bits - inexact as u128)
        } else {
            (low.negative, low_bits - high_bits)
        };
        let sum = Extended::rounded(negative, Binary { significand, inexact, exponent });
        (!sum.infinite).then_some(sum)
    }

    /// Whether this is an infinity; NaN does not exist here.
    pub fn is_nan_or_infinite(self) -> bool {
        self.infinite
    }

    /// Prints the number as Redis stores it (`ld2string` in its human mode): without exponent, 17
    /// digits behind the point, then without trailing zeros. At most 4934 bytes.
    pub fn to_human(self) -> String {
        if self.infinite {
            return if self.negative { "-inf" } else { "inf" }.to_string();
        }
        let magnitude = if self.exponent >= 0 { self.integer_text() } else { self.fraction_text() };
        let is_zero = magnitude == "0";
        if self.negative && !is_zero { format!("-{magnitude}") } else { magnitude }
    }

    /// The text of a magnitude without fraction bits.
    fn integer_text(self) -> String {
        if self.exponent <= PRECISION {
            return ((self.significand as u128) << self.exponent).to_string();
        }
        (BigUint::from(self.significand) << self.exponent).to_string()
    }

    /// The text of a magnitude with fraction bits, rounded to 17 digits behind the point.
    fn fraction_text(self) -> String {
        const SCALE: u128 = 10u128.pow(FRACTION_DIGITS as u32);
        let scaled = self.significand as u128 * SCALE;
        let dropped = -self.exponent as u32;
        let kept = scaled.checked_shr(dropped).unwrap_or(0);
        let rest = scaled - kept.checked_shl(dropped).unwrap_or(0);
        // A distance too large to have a half leaves nothing to round up: `scaled` is below 2^121.
        let half = 1u128.checked_shl(dropped - 1).unwrap_or(u128::MAX);
        let rounded = kept + (rest > half || rest == half && kept & 1 == 1) as u128;
        let (integer, fraction) = (rounded / SCALE, rounded % SCALE);
        if fraction == 0 {
            return integer.to_string();
        }
        let mut text = format!("{integer}.{fraction:0FRACTION_DIGITS$}");
        text.truncate(text.trim_end_matches('0').len());
        text
    }

    fn infinity(negative: bool) -> Extended {
        Extended { negative, infinite: true, significand: 1 << 63, exponent: EXPONENT_MAX + 1 }
    }

    fn rounded(negative: bool, exact: Binary) -> Extended {
        let (significand, exponent) = exact.round(PRECISION, EXPONENT_MIN);
        if exponent > EXPONENT_MAX {
            return Extended::infinity(negative);
        }
        Extended { negative, infinite: false, significand, exponent }
    }
}

/// A decimal as written: `integer . fraction * 10^exponent`.
struct Decimal<'a> {
    integer: &'a [u8],
    fraction: &'a [u8],
    exponent: i32,
}

impl<'a> Decimal<'a> {
    fn scan(text: &'a [u8]) -> Option<Decimal<'a>> {
        let (integer, rest) = split_digits(text);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => split_digits(rest),
            rest => (&[][..], rest),
        };
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', exponent @ ..] => parse_exponent(exponent)?,
            _ => return None,
        };
        let has_digit = !integer.is_empty() || !fraction.is_empty();
        has_digit.then_some(Decimal { integer, fraction, exponent })
    }

    /// Returns the number with all the bits that rounding needs; `None` if it is far beyond what
    /// the format can hold.
    fn to_binary(&self) -> Option<Binary> {
        let mut digits = [self.integer, self.fraction].concat();
        let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
        digits.drain(..zeros);
        if digits.is_empty() {
            return Some(Binary { significand: 0, inexact: false, exponent: 0 });
        }
        let power = self.exponent - self.fraction.len() as i32;
        // The number is below 10^(digits + power), and at least a tenth of that.
        if !(-4960..=4940).contains(&(digits.len() as i32 + power)) {
            return None;
        }
        short_to_binary(&digits, power).or_else(|| Some(long_to_binary(&digits, power)))
    }
}

fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

/// Converts `digits * 10^power` if machine words suffice, which for numbers that people write they
/// do.
fn short_to_binary(digits: &[u8], power: i32) -> Option<Binary> {
    const WORD_DIGITS: usize = 19;
    const POWER_MAX: u32 = 18;
    if digits.len() > WORD_DIGITS || power.unsigned_abs() > POWER_MAX {
        return None;
    }
    let integer = digits.iter().fold(0u128, |value, digit| value * 10 + (digit - b'0') as u128);
    let scale = 10u128.pow(power.unsigned_abs());
    if power >= 0 {
        return Some(Binary { significand: integer * scale, inexact: false, exponent: 0 });
    }
    // The dividend has 128 bits and the divisor at most 60, so the quotient has at least 68.
    let shift = integer.leading_zeros();
    let dividend = integer << shift;
    let inexact = dividend % scale != 0;
    Some(Binary { significand: dividend / scale, inexact, exponent: -(shift as i32) })
}

/// Converts `digits * 10^power` in arithmetic of any length. The text is bounded, and so is this.
fn long_to_binary(digits: &[u8], power: i32) -> Binary {
    let integer = BigUint::parse_bytes(digits, 10).expect("digits are digits");
    let scale = BigUint::from(10u32).pow(power.unsigned_abs());
    if power >= 0 {
        return leading_bits(&(integer * scale), false, 0);
    }
    let shift = (scale.bits() + 70).saturating_sub(integer.bits());
    let dividend = integer << shift;
    let quotient = &dividend / &scale;
    let inexact = &quotient * &scale != dividend;
    leading_bits(&quotient, inexact, -(shift as i32))
}

/// Cuts `value * 2^exponent` to its first 128 bits.
fn leading_bits(value: &BigUint, inexact: bool, exponent: i32) -> Binary {
    let dropped = value.bits().saturating_sub(u128::BITS as u64);
    let significand = u128::try_from(value >> dropped).expect("128 bits are left");
    let cut = value.trailing_zeros().is_some_and(|zeros| zeros < dropped);
    Binary { significand, inexact: inexact || cut, exponent: exponent + dropped as i32 }
}

#[cfg(test)]
mod tests;
