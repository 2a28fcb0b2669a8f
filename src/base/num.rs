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
/// stand-in
pub fn parse_u64(b: &[u8]) -> Option<u64> {
    std::str::from_utf8(b).ok()?.parse().ok()
}
pub fn write_f64(out: &mut Vec<u8>, v: f64) {
    out.extend_from_slice(v.to_string().as_bytes())
}
