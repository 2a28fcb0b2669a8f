//! Numbers as Redis reads and writes them.
//!
//! Invariant: what these functions accept and print is what Redis does, byte by byte, because
//! clients see it: a number that Redis would store as text must not become an integer here. The
//! 80-bit floats of INCRBYFLOAT are in [`extended`](super::extended).

/// Longest text of an `i64`, in bytes.
const I64_LEN_MAX: usize = 20;

/// Parses a canonical decimal integer, as `string2ll` of Redis does: no plus sign, no space, no
/// leading zero, no `-0`, nothing out of range. What it accepts, [`write_i64`] prints identically.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if text.len() <= I64_LEN_MAX => {}
        _ => return None,
    }
    let magnitude = parse_digits(digits)?;
    if negative {
        return 0i64.checked_sub_unsigned(magnitude);
    }
    i64::try_from(magnitude).ok()
}

/// Returns the value of `digits`, which number at most twenty, if they are digits and fit.
#[inline]
fn parse_digits(digits: &[u8]) -> Option<u64> {
    // Eighteen digits cannot overflow; most numbers have fewer.
    let (safe, rest) = digits.split_at(digits.len().min(18));
    let mut value = 0u64;
    for &byte in safe {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + digit as u64;
    }
    for &byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(digit as u64)?;
    }
    Some(value)
}

/// Parses a canonical decimal of the whole unsigned range, by the rules of [`parse_i64`].
#[inline]
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    match text {
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] if text.len() <= I64_LEN_MAX => parse_digits(text),
        _ => None,
    }
}

/// Appends `value` in decimal.
#[inline]
pub fn write_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends `value` in decimal.
#[inline]
pub fn write_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Parses a double as Redis parses arguments and scores (`string2d`): all that C's `strtod` takes,
/// hexadecimal and infinity included, but no space, no NaN, and nothing that overflows to infinity
/// or underflows to zero.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let (negative, unsigned) = split_sign(text);
    if let [b'0', b'x' | b'X', digits @ ..] = unsigned {
        let magnitude = parse_hex(digits)?.to_f64()?;
        return Some(if negative { -magnitude } else { magnitude });
    }
    // Beyond hexadecimal, Rust's grammar and rounding are those of strtod.
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let starts_numeric = matches!(unsigned.first(), Some(b'0'..=b'9' | b'.'));
    let overflowed = value.is_infinite() && starts_numeric;
    let underflowed = value == 0.0 && !is_decimal_zero(unsigned);
    (!value.is_nan() && !overflowed && !underflowed).then_some(value)
}

/// Whether the well-formed decimal `unsigned` has no digit but zeros in front of its exponent.
fn is_decimal_zero(unsigned: &[u8]) -> bool {
    let mantissa = unsigned.iter().take_while(|&&byte| byte | 0x20 != b'e');
    mantissa.copied().all(|byte| byte == b'0' || byte == b'.')
}

/// Appends `value` as Redis 7.2 and later print doubles (`d2string`): integers up to 2^62 plainly,
/// others with the fewest digits that read back as the same value, in scientific notation where the
/// plain one would have many zeros; infinities as `inf` and `-inf`.
///
/// Redis takes its digits from Grisu2, which for about one double in a thousand finds more digits
/// than are needed, or others that are further off; this prints the shortest and nearest always.
pub fn write_f64(out: &mut Vec<u8>, value: f64) {
    /// Integers up to this magnitude take the integer path, as in Redis.
    const INTEGER_MAX: f64 = (1u64 << 62) as f64;
    if value.is_nan() {
        return out.extend_from_slice(b"nan");
    }
    if value.is_infinite() {
        return out.extend_from_slice(if value > 0.0 { b"inf" } else { b"-inf" });
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let magnitude = value.abs();
    let is_integer = magnitude <= INTEGER_MAX && magnitude as u64 as f64 == magnitude;
    if is_integer { write_u64(out, magnitude as u64) } else { write_shortest(out, magnitude) }
}

/// Appends a positive finite number with the fewest digits.
fn write_shortest(out: &mut Vec<u8>, magnitude: f64) {
    /// No text of ryu is longer.
    const TEXT_LEN_MAX: usize = 24;
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(magnitude).as_bytes();
    let (mantissa, scale) = match memchr::memchr(b'e', text) {
        None => (text, 0),
        Some(at) => {
            (&text[..at], parse_i64(&text[at + 1..]).expect("ryu writes an integer") as i32)
        }
    };
    // Which notation to use is Redis's choice, so only the significant digits are taken over.
    let mut digits = [0u8; TEXT_LEN_MAX];
    let (mut count, mut significant, mut first) = (0, 0, 0);
    let mut point = mantissa.len();
    for (at, &byte) in mantissa.iter().enumerate() {
        if byte == b'.' {
            point = at;
        } else if byte != b'0' || count > 0 {
            first = if count == 0 { at } else { first };
            digits[count] = byte;
            count += 1;
            significant = if byte == b'0' { significant } else { count };
        }
    }
    let before_point = point as i32 - first as i32 - (first < point) as i32;
    write_digits(out, &digits[..significant], before_point + scale);
}

/// Appends the number `d.ddd * 10^exponent`, whose digits are given, choosing the notation as
/// Redis's `fpconv_dtoa` does.
fn write_digits(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    let count = digits.len() as i32;
    // The number is the integer made of all digits times ten to this power.
    let power = exponent - (count - 1);
    if power >= 0 && exponent < count + 7 {
        out.extend_from_slice(digits);
        out.resize(out.len() + power as usize, b'0');
    } else if power < 0 && (power > -7 || exponent.abs() < 4) {
        if exponent < 0 {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + (-exponent - 1) as usize, b'0');
            out.extend_from_slice(digits);
        } else {
            let (integer, fraction) = digits.split_at(exponent as usize + 1);
            out.extend_from_slice(integer);
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
    } else {
        out.push(digits[0]);
        if count > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        write_u64(out, exponent.unsigned_abs() as u64);
    }
}

/// Splits off one leading sign; returns whether it is a minus.
pub(super) fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', unsigned @ ..] => (true, unsigned),
        [b'+', unsigned @ ..] => (false, unsigned),
        unsigned => (false, unsigned),
    }
}

/// The exact number `(significand + a bit if inexact) * 2^exponent`, where the bit is above zero
/// and below one. If it is inexact, its significand has at least 66 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Binary {
    pub significand: u128,
    pub inexact: bool,
    pub exponent: i32,
}

impl Binary {
    /// Rounds to nearest, ties to even: returns a significand of at most `precision` bits and its
    /// exponent, which is at least `exponent_min`. The significand has exactly `precision` bits,
    /// unless it is zero or its exponent is `exponent_min`.
    pub(super) fn round(self, precision: i32, exponent_min: i32) -> (u64, i32) {
        let bits = (u128::BITS - self.significand.leading_zeros()) as i32;
        if bits == 0 {
            return (0, exponent_min);
        }
        let dropped = (bits - precision).max(exponent_min - self.exponent);
        let exponent = self.exponent + dropped;
        if dropped <= 0 {
            return ((self.significand << -dropped) as u64, exponent);
        }
        if dropped > bits {
            return (0, exponent);
        }
        let half = 1u128 << (dropped - 1);
        let rest = self.significand & (half | (half - 1));
        let kept = self.significand.checked_shr(dropped as u32).unwrap_or(0);
        let is_above_half = rest > half || rest == half && self.inexact;
        let is_tie = rest == half && !self.inexact;
        let rounded = kept + (is_above_half || is_tie && kept & 1 == 1) as u128;
        if rounded >> precision == 0 {
            return (rounded as u64, exponent);
        }
        ((rounded >> 1) as u64, exponent + 1)
    }

    /// Returns the nearest double, unless the number overflows, or underflows to zero.
    pub(super) fn to_f64(self) -> Option<f64> {
        const EXPONENT_MIN: i32 = f64::MIN_EXP - f64::MANTISSA_DIGITS as i32;
        let (significand, exponent) = self.round(f64::MANTISSA_DIGITS as i32, EXPONENT_MIN);
        if significand == 0 {
            return (self.significand == 0).then_some(0.0);
        }
        let hidden_bit = 1u64 << (f64::MANTISSA_DIGITS - 1);
        let is_normal = significand & hidden_bit != 0;
        let biased = if is_normal { (exponent - EXPONENT_MIN + 1) as u64 } else { 0 };
        let fraction = significand & !hidden_bit;
        (biased < 2047).then(|| f64::from_bits(biased * hidden_bit + fraction))
    }
}

/// Parses what follows `0x` in a hexadecimal float: digits with an optional point, then optionally
/// `p` and a binary exponent.
pub(super) fn parse_hex(text: &[u8]) -> Option<Binary> {
    let mut number = Binary { significand: 0, inexact: false, exponent: 0 };
    let mut digits = 0;
    let mut has_point = false;
    let mut position = 0;
    while let Some(&byte) = text.get(position) {
        if byte == b'.' && !has_point {
            has_point = true;
        } else if let Some(digit) = (byte as char).to_digit(16) {
            digits += 1;
            number.exponent = number.exponent.saturating_sub(4 * has_point as i32);
            if number.significand >> 120 == 0 {
                number.significand = number.significand << 4 | digit as u128;
            } else {
                number.inexact |= digit != 0;
                number.exponent = number.exponent.saturating_add(4);
            }
        } else {
            break;
        }
        position += 1;
    }
    let exponent = match text[position..] {
        [] => 0,
        [b'p' | b'P', ref exponent @ ..] => parse_exponent(exponent)?,
        _ => return None,
    };
    number.exponent = number.exponent.saturating_add(exponent).clamp(-EXPONENT_MAX, EXPONENT_MAX);
    (digits > 0).then_some(number)
}

/// Exponents beyond this are cut to it: both overflow or underflow every float there is.
const EXPONENT_MAX: i32 = 1_000_000_000;

/// Parses the exponent of a float: a sign if need be, and at least one digit.
pub(super) fn parse_exponent(text: &[u8]) -> Option<i32> {
    let (negative, digits) = split_sign(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let append =
        |value: i32, &digit: &u8| value.saturating_mul(10).saturating_add((digit - b'0') as i32);
    let magnitude = digits.iter().fold(0, append).min(EXPONENT_MAX);
    Some(if negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests;
