//! Ranges as commands write them: by rank, by score, by member.

use std::ops::Range;

use crate::base::num;
use crate::resp::error::CmdError;
use crate::store::sorted_set::{LexBound, ScoreBound, SortedSet};

const BAD_SCORE: CmdError = CmdError::Text("ERR min or max is not a float");
const BAD_MEMBER: CmdError = CmdError::Text("ERR min or max not valid string range item");

/// What a range is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Rank,
    Score,
    Lex,
}

/// A range of members.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bounds<'a> {
    /// From this rank to that, both inside; negative ones count from the end.
    Rank(i64, i64),
    Score(ScoreBound, ScoreBound),
    Lex(LexBound<'a>, LexBound<'a>),
}

impl<'a> Bounds<'a> {
    /// Reads the two ends, the lower one first.
    pub fn read(by: By, low: &'a [u8], high: &'a [u8]) -> Result<Bounds<'a>, CmdError> {
        Ok(match by {
            By::Rank => Bounds::Rank(rank(low)?, rank(high)?),
            By::Score => Bounds::Score(score_bound(low)?, score_bound(high)?),
            By::Lex => Bounds::Lex(lex_bound(low)?, lex_bound(high)?),
        })
    }

    /// The ranks of the members inside. Of ranks counted backwards, those of the members that are
    /// meant.
    pub fn ranks(&self, set: &SortedSet, backwards: bool) -> Range<usize> {
        match *self {
            Bounds::Rank(first, last) => {
                let ranks = clamp(first, last, set.len());
                if backwards { set.len() - ranks.end..set.len() - ranks.start } else { ranks }
            }
            Bounds::Score(low, high) => set.ranks_by_score(low, high),
            Bounds::Lex(low, high) => set.ranks_by_lex(low, high),
        }
    }
}

/// The indices from `first` to `last`, both inside, that exist among `len`.
fn clamp(first: i64, last: i64, len: usize) -> Range<usize> {
    let len = len as i64;
    let from_start = |index: i64| if index < 0 { index + len } else { index };
    let first = from_start(first).max(0);
    let last = from_start(last).min(len - 1);
    if first > last { 0..0 } else { first as usize..last as usize + 1 }
}

fn rank(word: &[u8]) -> Result<i64, CmdError> {
    num::parse_i64(word).ok_or(CmdError::NotInteger)
}

/// Reads a score, with `(` before it if the range excludes it.
fn score_bound(word: &[u8]) -> Result<ScoreBound, CmdError> {
    let (is_open, number) = match word {
        [b'(', number @ ..] => (true, number),
        number => (false, number),
    };
    // Redis reads bounds as C strings with strtod: up to a zero byte, after white space; nothing is
    // zero, and what is too large is infinite.
    let number = &number[..memchr::memchr(0, number).unwrap_or(number.len())];
    let is_space = |byte: &&u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let trimmed = &number[number.iter().take_while(is_space).count()..];
    let lenient = || std::str::from_utf8(trimmed).ok()?.parse::<f64>().ok();
    let score = if number.is_empty() {
        Some(0.0)
    } else {
        num::parse_f64(trimmed).or_else(lenient).filter(|score| !score.is_nan())
    };
    Ok(ScoreBound { score: score.ok_or(BAD_SCORE)?, is_open })
}

/// Reads `-`, `+`, `[member` or `(member`.
fn lex_bound(word: &[u8]) -> Result<LexBound<'_>, CmdError> {
    match word {
        [b'-'] | [b'-', 0, ..] => Ok(LexBound::First),
        [b'+'] | [b'+', 0, ..] => Ok(LexBound::Last),
        [b'[', member @ ..] => Ok(LexBound::Closed(member)),
        [b'(', member @ ..] => Ok(LexBound::Open(member)),
        _ => Err(BAD_MEMBER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_read_as_strtod_reads_them() {
        let read = |word: &str| score_bound(word.as_bytes()).ok();
        let closed = |score| Some(ScoreBound { score, is_open: false });
        assert_eq!(read("1.5"), closed(1.5));
        assert_eq!(read("(1.5"), Some(ScoreBound { score: 1.5, is_open: true }));
        assert_eq!(read(""), closed(0.0));
        assert_eq!(read(" 1"), closed(1.0));
        assert_eq!(read("1\0x"), closed(1.0));
        assert_eq!(read("-inf"), closed(f64::NEG_INFINITY));
        assert_eq!(read("1e999"), closed(f64::INFINITY));
        assert_eq!(read("0x10"), closed(16.0));
        for bad in [" ", "1 ", "nan", "a", "((1", "1a", "(", "--1"] {
            let is_zero = bad == "(";
            assert_eq!(read(bad).is_some(), is_zero, "{bad}");
        }
    }

    #[test]
    fn ranks_count_from_both_ends() {
        assert_eq!(clamp(0, -1, 5), 0..5);
        assert_eq!(clamp(-2, -1, 5), 3..5);
        assert_eq!(clamp(-100, 100, 5), 0..5);
        assert_eq!(clamp(3, 2, 5), 0..0);
        assert_eq!(clamp(i64::MIN, i64::MAX, 5), 0..5);
        assert_eq!(clamp(i64::MAX, i64::MIN, 5), 0..0);
        assert_eq!(clamp(0, -1, 0), 0..0);
    }
}
