//! How long a command is to wait, as its arguments say.

use super::spec::Patience;
use crate::base::num;
use crate::base::time::Millis;
use crate::resp::error::CmdError;

const NOT_A_FLOAT: CmdError = CmdError::Text("ERR timeout is not a float or out of range");
const NEGATIVE: CmdError = CmdError::Text("ERR timeout is negative");
const OUT_OF_RANGE: CmdError = CmdError::Text("ERR timeout is out of range");

/// Reads a number of seconds, perhaps with a fraction, which is rounded up to milliseconds; 0 is
/// for ever.
pub fn seconds(word: &[u8], now: Millis) -> Result<Patience, CmdError> {
    let number = num::parse_f64(word).filter(|number| !number.is_nan()).ok_or(NOT_A_FLOAT)?;
    let milliseconds = (number * 1000.0).ceil();
    if milliseconds > i64::MAX as f64 {
        return Err(OUT_OF_RANGE);
    }
    self::milliseconds(milliseconds as i64, now)
}

/// Waits for so many milliseconds from `now` on; 0 is for ever.
pub fn milliseconds(number: i64, now: Millis) -> Result<Patience, CmdError> {
    match number {
        ..0 => Err(NEGATIVE),
        0 => Ok(Patience::Forever),
        _ => Ok(Patience::Until(now.checked_add(number).ok_or(OUT_OF_RANGE)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up_to_milliseconds() {
        let until = |time| Ok(Patience::Until(time));
        for (word, expected) in [
            ("0", Ok(Patience::Forever)),
            ("-0.0001", Ok(Patience::Forever)),
            ("0.0001", until(1001)),
            ("1.5", until(2500)),
            ("1e-3", until(1001)),
            ("-1", Err(NEGATIVE)),
            ("-0.001", Err(NEGATIVE)),
            ("1e17", Err(OUT_OF_RANGE)),
            ("inf", Err(OUT_OF_RANGE)),
            ("9223372036854775.807", Err(OUT_OF_RANGE)),
            ("nan", Err(NOT_A_FLOAT)),
            ("", Err(NOT_A_FLOAT)),
            (" 1", Err(NOT_A_FLOAT)),
            ("soon", Err(NOT_A_FLOAT)),
        ] {
            assert_eq!(seconds(word.as_bytes(), 1000), expected, "{word}");
        }
        assert_eq!(milliseconds(i64::MAX, 1), Err(OUT_OF_RANGE));
    }
}
