//! The HyperLogLog commands: sketches kept in strings. Rows, and the check they share.
//!
//! Invariant: a string is looked at as a sketch only behind [`sketch_of`].
//! <https://redis.io/docs/latest/develop/data-types/probabilistic/hyperloglogs/>

mod count;
mod debug;
mod merge;
#[cfg(test)]
mod tests;

use super::spec::Arity::{AtLeast, Exact};
use super::spec::Body::{Reads, Writes};
use super::spec::{Access, Command, Flags, Group, Keys, Run, Spec, cmd, verify};
use super::string::text::Text;
use crate::ds::hyperloglog::{Corrupt, View};
use crate::resp::error::CmdError;
use crate::store::change::Event;

const READ: Access = Access::RO.and(Access::ACCESS);

const PFADD: Event = Event::string("pfadd");

const NOT_A_SKETCH: CmdError =
    CmdError::Text("WRONGTYPE Key is not a valid HyperLogLog string value.");
const CORRUPT: CmdError = CmdError::Text("INVALIDOBJ Corrupted HLL object detected");

const fn sketches(name: &'static str, arity: super::spec::Arity) -> Spec {
    cmd(name, arity, Group::HyperLogLog)
}

/// Every HyperLogLog command.
pub const COMMANDS: &[Command] = &[
    sketches("PFADD", AtLeast(2))
        .flags(Flags::DENYOOM.and(Flags::FAST))
        .keys(&[Keys::At(1, Access::RW.and(Access::INSERT))])
        .doc("Adds elements to a sketch, which is created if missing.", "2.8.9", "O(N)")
        .run(Run::Shard(Writes(count::pfadd))),
    sketches("PFCOUNT", AtLeast(2))
        .flags(Flags::READONLY.and(Flags::MAY_REPLICATE))
        .keys(&[Keys::Range {
            first: 1,
            last: -1,
            step: 1,
            access: Access::RW.and(Access::ACCESS),
        }])
        .doc(
            "Estimates how many different elements were added to sketches.",
            "2.8.9",
            "O(1) for one key that was counted since it changed, else O(N) with N the keys",
        )
        .run(Run::TwoPhase { collect: count::collect, commit: count::commit }),
    sketches("PFDEBUG", Exact(3))
        .flags(Flags::DENYOOM.and(Flags::ADMIN))
        .keys(&[Keys::At(2, Access::RW.and(Access::ACCESS))])
        .doc("Shows what is inside a sketch.", "2.8.9", "N/A")
        .run(Run::Shard(Writes(debug::pfdebug))),
    sketches("PFMERGE", AtLeast(2))
        .flags(Flags::DENYOOM)
        .keys(&[
            Keys::At(1, Access::RW.and(Access::ACCESS).and(Access::INSERT)),
            Keys::Range { first: 2, last: -1, step: 1, access: READ },
        ])
        .doc("Merges sketches into one.", "2.8.9", "O(N) with N the keys")
        .run(Run::TwoPhase { collect: merge::collect, commit: merge::commit }),
    sketches("PFSELFTEST", Exact(1))
        .flags(Flags::ADMIN)
        .doc("Tests the sketches' arithmetic.", "2.8.9", "N/A")
        .run(Run::Shard(Reads(debug::pfselftest))),
];
const _: () = verify(COMMANDS);

/// The sketch in a string; an integer is none.
fn sketch_of(text: Text<'_>) -> Result<View<'_>, CmdError> {
    match text {
        Text::Int(_) => None,
        Text::Raw(bytes) => View::new(bytes),
        Text::Big(bytes) => View::new(bytes),
    }
    .ok_or(NOT_A_SKETCH)
}

impl From<Corrupt> for CmdError {
    fn from(_: Corrupt) -> CmdError {
        CORRUPT
    }
}
