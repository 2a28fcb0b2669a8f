//! BITFIELD and BITFIELD_RO: integers of any width at any bit of a string.
//!
//! All operations are read and checked first, then evaluated in order over the string and the bytes
//! changed so far, and what changed is written at the end in one edit.

use std::collections::BTreeMap;

use super::{READ, READ_CHANGE, SETBIT, bit_offset};
use crate::base::num;
use crate::command::spec::Access;
use crate::command::string::text::Text;
use crate::ds::bits;
use crate::resp::args::{Args, Reader};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::db::Db;

const INVALID_TYPE: CmdError = CmdError::Text(
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 \
     is.",
);
const INVALID_OVERFLOW: CmdError = CmdError::Text("ERR Invalid OVERFLOW type specified");
const READ_ONLY: CmdError = CmdError::Text("ERR BITFIELD_RO only supports the GET subcommand");

/// What happens to a number that does not fit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Overflow {
    Wrap,
    /// It becomes the nearest number that fits.
    Saturate,
    /// Nothing is written, and the reply is null.
    Fail,
}

#[derive(Clone, Copy)]
enum Action {
    Get,
    Set(i64),
    Increment(i64),
}

#[derive(Clone, Copy)]
struct Operation {
    action: Action,
    is_signed: bool,
    /// In bits; at most 64, or 63 if unsigned.
    width: usize,
    /// The first bit.
    offset: usize,
    overflow: Overflow,
}

impl Operation {
    fn writes(&self) -> bool {
        !matches!(self.action, Action::Get)
    }

    /// The byte behind the last one it touches.
    fn end(&self) -> usize {
        (self.offset + self.width - 1) / 8 + 1
    }

    /// `value` made to fit, and whether it did not.
    fn fitted(&self, value: i128) -> (i64, bool) {
        let (low, high) = if self.is_signed {
            (-(1_i128 << (self.width - 1)), (1_i128 << (self.width - 1)) - 1)
        } else {
            (0, (1_i128 << self.width) - 1)
        };
        if (low..=high).contains(&value) {
            return (value as i64, false);
        }
        let fitted = match self.overflow {
            Overflow::Saturate => value.clamp(low, high),
            Overflow::Wrap | Overflow::Fail => low + (value - low).rem_euclid(1 << self.width),
        };
        (fitted as i64, true)
    }
}

/// Reads all operations, which must be in order to the last one.
fn operations(args: &Args<'_>, string_len_max: usize) -> Result<Vec<Operation>, CmdError> {
    let mut operations = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut options = args.reader(2);
    while !options.done() {
        let words = options.left() - 1;
        let action = if words >= 2 && options.keyword("GET") {
            Action::Get
        } else if words >= 3 && options.keyword("SET") {
            Action::Set(0)
        } else if words >= 3 && options.keyword("INCRBY") {
            Action::Increment(0)
        } else if words >= 1 && options.keyword("OVERFLOW") {
            overflow = read_overflow(&mut options)?;
            continue;
        } else {
            return Err(CmdError::Syntax);
        };
        let (is_signed, width) = read_type(options.word()?)?;
        let offset = read_offset(options.word()?, width, string_len_max)?;
        let action = match action {
            Action::Get => Action::Get,
            Action::Set(_) => Action::Set(options.int()?),
            Action::Increment(_) => Action::Increment(options.int()?),
        };
        operations.push(Operation { action, is_signed, width, offset, overflow });
    }
    Ok(operations)
}

fn read_overflow(options: &mut Reader<'_>) -> Result<Overflow, CmdError> {
    if options.keyword("WRAP") {
        Ok(Overflow::Wrap)
    } else if options.keyword("SAT") {
        Ok(Overflow::Saturate)
    } else if options.keyword("FAIL") {
        Ok(Overflow::Fail)
    } else {
        Err(INVALID_OVERFLOW)
    }
}

/// `i16`, `u8`: whether it is signed, and its width.
fn read_type(word: &[u8]) -> Result<(bool, usize), CmdError> {
    let (is_signed, width_max) = match word.first() {
        Some(b'i') => (true, 64),
        Some(b'u') => (false, 63),
        _ => return Err(INVALID_TYPE),
    };
    let width = num::parse_i64(&word[1..]).filter(|width| (1..=width_max).contains(width));
    Ok((is_signed, width.ok_or(INVALID_TYPE)? as usize))
}

/// A bit's number, or with `#` a field's.
fn read_offset(word: &[u8], width: usize, string_len_max: usize) -> Result<usize, CmdError> {
    let Some(number) = word.strip_prefix(b"#") else { return bit_offset(word, string_len_max) };
    let index = bit_offset(number, usize::MAX)?;
    let offset = index.checked_mul(width).ok_or(super::BIT_OFFSET)?;
    if offset / 8 < string_len_max { Ok(offset) } else { Err(super::BIT_OFFSET) }
}

/// What a call does with the key: reads only, if every operation is a GET.
pub(super) fn access(args: &Args<'_>) -> Access {
    let is_writing =
        |word: &[u8]| word.eq_ignore_ascii_case(b"SET") || word.eq_ignore_ascii_case(b"INCRBY");
    if args.from(2).any(is_writing) { READ_CHANGE } else { READ }
}

/// A string with changes that are not written yet.
struct Overlay<'a> {
    bytes: &'a [u8],
    /// Changed bytes by position.
    changed: BTreeMap<usize, u8>,
}

impl Overlay<'_> {
    /// Nine bytes from `start` on, zeros beyond the end.
    fn window(&self, start: usize) -> [u8; 9] {
        let mut window = [0; 9];
        let rest = self.bytes.get(start..).unwrap_or_default();
        let len = rest.len().min(9);
        window[..len].copy_from_slice(&rest[..len]);
        for (at, byte) in self.changed.range(start..start + 9) {
            window[at - start] = *byte;
        }
        window
    }

    /// Evaluates an operation; the reply, and whether the string became another one.
    fn run(&mut self, operation: &Operation) -> (Option<i64>, bool) {
        let (start, offset) = (operation.offset / 8, operation.offset % 8);
        let window = self.window(start);
        let old = if operation.is_signed {
            bits::signed(window, offset, operation.width)
        } else {
            bits::unsigned(window, offset, operation.width) as i64
        };
        let wanted = match operation.action {
            Action::Get => return (Some(old), false),
            // An unsigned field takes the bits of a negative number as those of a large one.
            Action::Set(value) if !operation.is_signed => i128::from(value as u64),
            Action::Set(value) => i128::from(value),
            Action::Increment(by) => i128::from(old) + i128::from(by),
        };
        let (new, overflows) = operation.fitted(wanted);
        if overflows && operation.overflow == Overflow::Fail {
            return (None, false);
        }
        let replaced = bits::replaced(window, offset, operation.width, new as u64);
        for at in start..operation.end() {
            if replaced[at - start] != window[at - start] {
                self.changed.insert(at, replaced[at - start]);
            }
        }
        let reply = if let Action::Set(_) = operation.action { old } else { new };
        (Some(reply), new != old)
    }

    /// Evaluates all operations and answers; true if one changed a number.
    fn run_all(&mut self, operations: &[Operation], out: &mut Out) -> bool {
        out.array(operations.len());
        let mut any = false;
        for operation in operations {
            let (reply, changes) = self.run(operation);
            any |= changes;
            match reply {
                Some(number) => out.int(number),
                None => out.null(),
            }
        }
        any
    }
}

pub(super) fn bitfield_ro(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let operations = operations(args, db.tuning.string_len_max)?;
    if operations.iter().any(Operation::writes) {
        return Err(READ_ONLY);
    }
    read(db, args, &operations, out)
}

fn read(db: &Db, args: &Args<'_>, operations: &[Operation], out: &mut Out) -> CmdResult {
    let mut digits = itoa::Buffer::new();
    let text = Text::of_optional(db.read(args.key(1)))?;
    let bytes = text.map_or(&b""[..], |text| text.bytes(&mut digits));
    Overlay { bytes, changed: BTreeMap::new() }.run_all(operations, out);
    Ok(())
}

pub(super) fn bitfield(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let operations = operations(args, db.tuning.string_len_max)?;
    let Some(end) = operations.iter().filter(|op| op.writes()).map(Operation::end).max() else {
        return read(db, args, &operations, out);
    };
    let mut digits = itoa::Buffer::new();
    let mut write = db.write(args.key(1));
    let text = Text::of_optional(write.value())?;
    let bytes = text.map_or(&b""[..], |text| text.bytes(&mut digits));
    // Redis makes room for every operation that may write, also if it then fails.
    let grows = bytes.len() < end;
    let mut overlay = Overlay { bytes, changed: BTreeMap::new() };
    let changes = overlay.run_all(&operations, out);
    let changed = overlay.changed;
    write.mark_accessed();
    if changes || grows {
        write.edit(SETBIT, |entry| {
            if grows {
                entry.write_at(end, &[]);
            }
            changed.iter().for_each(|(at, byte)| entry.write_at(*at, &[*byte]));
        });
    } else {
        write.make_modified();
    }
    Ok(())
}
