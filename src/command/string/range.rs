//! Parts of strings: APPEND, GETRANGE (and its old name SUBSTR), SETRANGE, STRLEN.
//!
//! Invariant: no command here makes a string longer than `proto-max-bulk-len`.

use std::ops::Range;

use super::text::{Text, stored};
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::{Db, Expiry};

const APPEND: Event = Event::string("append");
const SETRANGE: Event = Event::string("setrange");

const INVALID_OFFSET: CmdError = CmdError::Text("ERR offset is out of range");

pub(super) fn append(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let addition = args.at(2);
    let mut write = db.write(args.key(1));
    let Some(text) = Text::of_optional(write.value())? else {
        write.set(stored(args, 2), Expiry::Keep, APPEND);
        out.count(addition.len());
        return Ok(());
    };
    let len = grown(text.len(), addition.len(), write.tuning().string_len_max)?;
    write.edit(APPEND, |entry| entry.append(addition));
    out.count(len);
    Ok(())
}

pub(super) fn strlen(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let text = Text::of_optional(db.read(args.key(1)))?;
    out.count(text.map_or(0, Text::len));
    Ok(())
}

pub(super) fn setrange(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let offset = usize::try_from(args.int(2)?).map_err(|_| INVALID_OFFSET)?;
    let bytes = args.at(3);
    let mut write = db.write(args.key(1));
    let len = Text::of_optional(write.value())?.map_or(0, Text::len);
    if bytes.is_empty() {
        out.count(len);
        return Ok(());
    }
    let end = grown(offset, bytes.len(), write.tuning().string_len_max)?;
    write.edit(SETRANGE, |entry| entry.write_at(offset, bytes));
    out.count(len.max(end));
    Ok(())
}

/// `len + addition` if that is not above `limit`.
fn grown(len: usize, addition: usize, limit: usize) -> Result<usize, CmdError> {
    let sum = len.checked_add(addition).filter(|sum| *sum <= limit);
    sum.ok_or(CmdError::StringTooLong)
}

pub(super) fn getrange(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let (start, end) = (args.int(2)?, args.int(3)?);
    match Text::of_optional(db.read(args.key(1)))? {
        None => out.bulk(b""),
        Some(Text::Big(bytes)) => out.bulk_shared(&bytes.slice(clamp(start, end, bytes.len()))),
        Some(text) => {
            let mut digits = itoa::Buffer::new();
            let bytes = text.bytes(&mut digits);
            out.bulk(&bytes[clamp(start, end, bytes.len())]);
        }
    }
    Ok(())
}

/// The bytes from `start` to `end`, both included, of a string of `len` bytes. Negative positions
/// count from the end. A start before the beginning means the first byte; a range that ends there
/// is empty, as in Redis since version 8.
fn clamp(start: i64, end: i64, len: usize) -> Range<usize> {
    let from_end = |position: i64| if position < 0 { position + len as i64 } else { position };
    let start = from_end(start).max(0) as usize;
    let end = from_end(end).saturating_add(1).clamp(0, len as i64) as usize;
    if start < end { start..end } else { 0..0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// GETRANGE by looking at each position.
    fn naive(start: i64, end: i64, len: usize) -> Vec<usize> {
        let absolute = |at: i64| if at < 0 { i128::from(at) + len as i128 } else { at.into() };
        (0..len).filter(|&at| (absolute(start)..=absolute(end)).contains(&(at as i128))).collect()
    }

    proptest! {
        #[test]
        fn ranges_equal_the_naive_twin(start in -12i64..12, end in -12i64..12, len in 0usize..9) {
            prop_assert_eq!(clamp(start, end, len).collect::<Vec<_>>(), naive(start, end, len));
        }
    }

    #[test]
    fn extreme_positions_do_not_overflow() {
        assert_eq!(clamp(i64::MIN, i64::MAX, 5), 0..5);
        assert_eq!(clamp(i64::MAX, i64::MIN, 5), 0..0);
        assert_eq!(clamp(i64::MIN, i64::MIN, 5), 0..0);
        assert_eq!(clamp(3, i64::MAX, 5), 3..5);
    }

    #[test]
    fn growth_is_limited() {
        assert_eq!(grown(3, 4, 7), Ok(7));
        assert_eq!(grown(3, 5, 7), Err(CmdError::StringTooLong));
        assert_eq!(grown(usize::MAX, 1, usize::MAX), Err(CmdError::StringTooLong));
    }
}
