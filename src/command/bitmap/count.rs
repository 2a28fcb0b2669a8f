//! Looking for bits: BITCOUNT, BITPOS.
//!
//! Invariant: options are checked before the key, so that a mistake is told whether the key exists
//! or not, as Redis does since 7.2.

use std::ops::RangeInclusive;

use crate::command::string::text::Text;
use crate::ds::bits;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::db::Db;

const NOT_A_BIT: CmdError = CmdError::Text("ERR The bit argument must be 1 or 0.");

/// A part of a string as the client wrote it; negative positions count from the end.
#[derive(Clone, Copy)]
struct Part {
    start: i64,
    end: i64,
    in_bits: bool,
}

impl Part {
    const WHOLE: Part = Part { start: 0, end: -1, in_bits: false };

    /// The bits of a string of `len` bytes that it means; none if it is empty.
    fn bits(self, len: usize) -> Option<RangeInclusive<usize>> {
        let unit = if self.in_bits { 1 } else { 8 };
        let total = (len * 8 / unit) as i64;
        let from_end = |position: i64| {
            let position = if position < 0 { position.saturating_add(total) } else { position };
            position.max(0)
        };
        let (start, end) = (from_end(self.start), from_end(self.end).min(total - 1));
        if start > end {
            return None;
        }
        let (start, end) = (start as usize * unit, end as usize * unit + unit - 1);
        Some(start..=end)
    }
}

/// BIT or BYTE at the position `at`, which may be missing.
fn in_bits(args: &Args<'_>, at: usize) -> Result<bool, CmdError> {
    match at {
        _ if at >= args.len() => Ok(false),
        _ if args.is(at, "BIT") => Ok(true),
        _ if args.is(at, "BYTE") => Ok(false),
        _ => Err(CmdError::Syntax),
    }
}

pub(super) fn bitcount(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let part = match args.len() {
        2 => Part::WHOLE,
        4 | 5 => {
            let (start, end) = (args.int(2)?, args.int(3)?);
            Part { start, end, in_bits: in_bits(args, 4)? }
        }
        _ => return Err(CmdError::Syntax),
    };
    let mut digits = itoa::Buffer::new();
    let text = Text::of_optional(db.read(args.key(1)))?;
    let bytes = text.map_or(&b""[..], |text| text.bytes(&mut digits));
    // Redis answers so even where clamping would leave the first byte.
    let is_reversed = part.start < 0 && part.end < 0 && part.start > part.end;
    let range = part.bits(bytes.len()).filter(|_| !is_reversed);
    let count = range.map_or(0, |range| bits::count_range(bytes, *range.start(), *range.end()));
    out.int(count as i64);
    Ok(())
}

pub(super) fn bitpos(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let wanted = match args.int(2)? {
        0 => false,
        1 => true,
        _ => return Err(NOT_A_BIT),
    };
    let part = match args.len() {
        3 => Part::WHOLE,
        4..=6 => {
            let start = args.int(3)?;
            let in_bits = in_bits(args, 5)?;
            let end = if args.len() > 4 { args.int(4)? } else { -1 };
            Part { start, end, in_bits }
        }
        _ => return Err(CmdError::Syntax),
    };
    let mut digits = itoa::Buffer::new();
    let Some(text) = Text::of_optional(db.read(args.key(1)))? else {
        // A missing key is an endless row of zeros.
        out.int(if wanted { -1 } else { 0 });
        return Ok(());
    };
    let bytes = text.bytes(&mut digits);
    let Some(range) = part.bits(bytes.len()) else {
        out.int(-1);
        return Ok(());
    };
    let found = bits::find_range(bytes, wanted, *range.start(), *range.end());
    let has_end = args.len() > 4;
    out.int(match found {
        Some(at) => at as i64,
        // Without an end, a string is followed by zeros.
        None if !wanted && !has_end => bytes.len() as i64 * 8,
        None => -1,
    });
    Ok(())
}
