//! Ids of stream entries as clients write them.
//!
//! Redis reads an id as a text that ends at its first zero byte, and each half with C's `strtoull`
//! where it is no canonical number; what that accepts is accepted here.

use crate::base::num;
use crate::command::stream::write_bulk_id;
use crate::resp::args::Args;
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::store::stream::id::Id;

const INVALID: CmdError =
    CmdError::Text("ERR Invalid stream ID specified as stream command argument");
const INVALID_START: CmdError = CmdError::Text("ERR invalid start ID for the interval");
const INVALID_END: CmdError = CmdError::Text("ERR invalid end ID for the interval");

/// Longest text that is looked at.
const TEXT_MAX: usize = 127;

/// The id that XADD asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// `*`: by the clock.
    Any,
    /// `<ms>-*`: the next of that time.
    At(u64),
    Exactly(Id),
}

/// Reads an id in which `-` and `+` stand for the smallest and the largest one; a missing number is
/// `missing`.
pub(super) fn parse(word: &[u8], missing: u64) -> Result<Id, CmdError> {
    match until_zero(word)? {
        b"-" => Ok(Id::MIN),
        b"+" => Ok(Id::MAX),
        text => parse_text(text, missing),
    }
}

/// Reads an id; a missing number is 0.
pub(super) fn parse_strict(word: &[u8]) -> Result<Id, CmdError> {
    parse_text(until_zero(word)?, 0)
}

/// Reads the id argument of XADD.
pub(super) fn parse_wanted(word: &[u8]) -> Result<Wanted, CmdError> {
    if word == b"*" {
        return Ok(Wanted::Any);
    }
    let text = until_zero(word)?;
    match text.strip_suffix(b"-*") {
        Some(ms) if !ms.contains(&b'-') => Ok(Wanted::At(parse_number(ms).ok_or(INVALID)?)),
        _ => Ok(Wanted::Exactly(parse_text(text, 0)?)),
    }
}

/// Reads the ids of the arguments from `from` to before `to`.
pub(super) fn parse_all(args: &Args<'_>, from: usize, to: usize) -> Result<Vec<Id>, CmdError> {
    (from..to).map(|index| parse_strict(args.at(index))).collect()
}

/// Reads where a range begins.
pub(super) fn parse_start(word: &[u8]) -> Result<Id, CmdError> {
    match excluded(word) {
        Some(word) => parse_strict(word)?.next().ok_or(INVALID_START),
        None => parse(word, 0),
    }
}

/// Reads where a range ends.
pub(super) fn parse_end(word: &[u8]) -> Result<Id, CmdError> {
    match excluded(word) {
        Some(word) => {
            let id = parse_text(until_zero(word)?, u64::MAX)?;
            id.previous().ok_or(INVALID_END)
        }
        None => parse(word, u64::MAX),
    }
}

/// What follows the parenthesis that excludes an id from the range.
fn excluded(word: &[u8]) -> Option<&[u8]> {
    word.strip_prefix(b"(").filter(|rest| !rest.is_empty())
}

fn until_zero(word: &[u8]) -> Result<&[u8], CmdError> {
    if word.len() > TEXT_MAX {
        return Err(INVALID);
    }
    Ok(&word[..memchr::memchr(0, word).unwrap_or(word.len())])
}

fn parse_text(text: &[u8], missing: u64) -> Result<Id, CmdError> {
    let (ms, seq) = match memchr::memchr(b'-', text) {
        Some(hyphen) => (&text[..hyphen], Some(&text[hyphen + 1..])),
        None => (text, None),
    };
    let ms = parse_number(ms).ok_or(INVALID)?;
    let seq = seq.map_or(Some(missing), parse_number).ok_or(INVALID)?;
    Ok(Id::new(ms, seq))
}

/// A number as Redis's `string2ull` reads it: canonical signed, or else as `strtoull` does, which
/// passes over white space and takes a sign, and wraps what is negative.
fn parse_number(text: &[u8]) -> Option<u64> {
    if let Some(number) = num::parse_u64(text) {
        return Some(number);
    }
    if num::parse_i64(text).is_some() {
        return None;
    }
    let text = text.trim_ascii_start();
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let number = match &digits[zeros..] {
        [] if zeros > 0 => 0,
        digits => num::parse_u64(digits)?,
    };
    Some(if is_negative { number.wrapping_neg() } else { number })
}

/// Writes an array of ids.
pub(super) fn write_all(ids: &[Id], out: &mut Out) {
    out.array(ids.len());
    ids.iter().for_each(|id| write_bulk_id(*id, out));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_redis_reads_them() {
        let ok = |text: &[u8]| parse_strict(text).ok().map(|id| (id.ms, id.seq));
        assert_eq!(ok(b"5-3"), Some((5, 3)));
        assert_eq!(ok(b"5"), Some((5, 0)));
        assert_eq!(ok(b"18446744073709551615-0"), Some((u64::MAX, 0)));
        assert_eq!(ok(b"18446744073709551616-0"), None);
        assert_eq!(ok(b" 05-+07"), Some((5, 7)));
        assert_eq!((ok(b"5--1"), ok(b"5--01")), (None, Some((5, u64::MAX))));
        assert_eq!(ok(b"5-1\0junk"), Some((5, 1)));
        for bad in [&b""[..], b"-", b"+", b"-1", b"5-", b"a", b"5-3-1", b"5 -1", b"5-*", b"("] {
            assert_eq!(ok(bad), None, "{}", bad.escape_ascii());
        }
        assert_eq!(ok(&[b'1'; 200]), None);
    }

    #[test]
    fn ranges_may_exclude_their_ends() {
        assert_eq!(parse_start(b"(1-1"), Ok(Id::new(1, 2)));
        assert_eq!(parse_end(b"(1-0"), Ok(Id::new(0, u64::MAX)));
        assert_eq!(parse_end(b"7"), Ok(Id::new(7, u64::MAX)));
        assert_eq!((parse_start(b"-"), parse_end(b"+")), (Ok(Id::MIN), Ok(Id::MAX)));
        assert_eq!(parse_end(b"(0-0"), Err(INVALID_END));
        let largest = b"(18446744073709551615-18446744073709551615";
        assert_eq!(parse_start(largest), Err(INVALID_START));
        assert!(parse_start(b"(-").is_err() && parse_start(b"(").is_err());
    }

    #[test]
    fn wanted_ids_may_be_partial() {
        assert_eq!(parse_wanted(b"*"), Ok(Wanted::Any));
        assert_eq!(parse_wanted(b"5-*"), Ok(Wanted::At(5)));
        assert_eq!(parse_wanted(b"5-2"), Ok(Wanted::Exactly(Id::new(5, 2))));
        assert!(parse_wanted(b"*-5").is_err() && parse_wanted(b"5-2-*").is_err());
    }
}
