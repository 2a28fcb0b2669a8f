//! Single bits: GETBIT, SETBIT.

use super::{SETBIT, bit_offset};
use crate::command::string::text::Text;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::db::Db;

const NOT_A_BIT: CmdError = CmdError::Text("ERR bit is not an integer or out of range");

/// The bit of a byte that holds bit `offset` of the string.
const fn mask(offset: usize) -> u8 {
    0x80 >> (offset % 8)
}

pub(super) fn getbit(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let offset = bit_offset(args.at(2), db.tuning.string_len_max)?;
    let mut digits = itoa::Buffer::new();
    let text = Text::of_optional(db.read(args.key(1)))?;
    let byte = text.and_then(|text| text.bytes(&mut digits).get(offset / 8).copied());
    out.int((byte.unwrap_or(0) & mask(offset) != 0).into());
    Ok(())
}

pub(super) fn setbit(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let offset = bit_offset(args.at(2), db.tuning.string_len_max)?;
    let is_set = match args.int(3) {
        Ok(0) => false,
        Ok(1) => true,
        _ => return Err(NOT_A_BIT),
    };
    let mut digits = itoa::Buffer::new();
    let mut write = db.write(args.key(1));
    let text = Text::of_optional(write.value())?;
    let old = text.and_then(|text| text.bytes(&mut digits).get(offset / 8).copied());
    let before = old.unwrap_or(0);
    let after = if is_set { before | mask(offset) } else { before & !mask(offset) };
    write.mark_accessed();
    if old != Some(after) {
        write.edit(SETBIT, |entry| entry.write_at(offset / 8, &[after]));
    } else {
        write.make_modified();
    }
    out.int((before & mask(offset) != 0).into());
    Ok(())
}
