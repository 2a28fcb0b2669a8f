//! The bitmap commands: strings seen as rows of bits. Rows, and the arguments they share.
//!
//! Invariant: bit 0 is the highest bit of byte 0; no command makes a string longer than
//! `proto-max-bulk-len`.
//! <https://redis.io/docs/latest/develop/data-types/bitmaps/>

mod bit;
mod count;
mod field;
mod operation;
#[cfg(test)]
mod tests;

use super::spec::Arity::{AtLeast, Exact};
use super::spec::Body::{Reads, Writes};
use super::spec::{Access, Command, Flags, Group, Keys, Run, Spec, cmd, verify};
use crate::base::num;
use crate::resp::error::CmdError;
use crate::store::change::Event;

const READ: Access = Access::RO.and(Access::ACCESS);
const READ_CHANGE: Access = Access::RW.and(Access::UPDATE).and(Access::ACCESS);

/// The event of every command that changes bits in place.
const SETBIT: Event = Event::string("setbit");

const BIT_OFFSET: CmdError = CmdError::Text("ERR bit offset is not an integer or out of range");

const fn bitmap(name: &'static str, arity: super::spec::Arity) -> Spec {
    cmd(name, arity, Group::Bitmap)
}

/// Every bitmap command.
pub const COMMANDS: &[Command] = &[
    bitmap("BITCOUNT", AtLeast(2))
        .keys(&[Keys::At(1, READ)])
        .doc("Counts the bits that are set.", "2.6.0", "O(N) with N the length of the range")
        .run(Run::Shard(Reads(count::bitcount))),
    bitmap("BITFIELD", AtLeast(2))
        .flags(Flags::DENYOOM)
        .keys(&[Keys::At(1, READ_CHANGE.and(Access::VARIABLE))])
        .varying(field::access)
        .doc(
            "Reads and changes integers of any width at any bit.",
            "3.2.0",
            "O(N) with N the operations",
        )
        .run(Run::Shard(Writes(field::bitfield))),
    bitmap("BITFIELD_RO", AtLeast(2))
        .flags(Flags::FAST)
        .keys(&[Keys::At(1, READ)])
        .doc("Reads integers of any width at any bit.", "6.0.0", "O(N) with N the operations")
        .run(Run::Shard(Reads(field::bitfield_ro))),
    bitmap("BITOP", AtLeast(4))
        .flags(Flags::DENYOOM)
        .keys(&[
            Keys::At(2, Access::OW.and(Access::UPDATE)),
            Keys::Range { first: 3, last: -1, step: 1, access: READ },
        ])
        .doc(
            "Combines strings bit by bit and stores the result.",
            "2.6.0",
            "O(N) with N the length of the longest string",
        )
        .run(Run::TwoPhase { collect: operation::collect, commit: operation::commit }),
    bitmap("BITPOS", AtLeast(3))
        .keys(&[Keys::At(1, READ)])
        .doc("Finds the first bit that is set, or clear.", "2.8.7", "O(N) with N the range")
        .run(Run::Shard(Reads(count::bitpos))),
    bitmap("GETBIT", Exact(3))
        .flags(Flags::FAST)
        .keys(&[Keys::At(1, READ)])
        .doc("Returns one bit of a string.", "2.2.0", "O(1)")
        .run(Run::Shard(Reads(bit::getbit))),
    bitmap("SETBIT", Exact(4))
        .flags(Flags::DENYOOM)
        .keys(&[Keys::At(1, READ_CHANGE)])
        .doc("Sets or clears one bit of a string and returns the one before.", "2.2.0", "O(1)")
        .run(Run::Shard(Writes(bit::setbit))),
];
const _: () = verify(COMMANDS);

/// A bit's number, which must lie in a string of at most `string_len_max` bytes.
fn bit_offset(word: &[u8], string_len_max: usize) -> Result<usize, CmdError> {
    let offset = num::parse_i64(word).and_then(|offset| usize::try_from(offset).ok());
    offset.filter(|offset| offset / 8 < string_len_max).ok_or(BIT_OFFSET)
}
