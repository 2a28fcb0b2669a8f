//! The list commands: rows, and what their handlers share.
//!
//! Invariant: a handler checks in Redis's order, which is not the same for all of them, and changes
//! nothing before the last check.

mod block;
pub mod pop;
mod position;
mod push;
mod range;
#[cfg(test)]
mod tests;
pub mod transfer;

use super::spec::Arity::{AtLeast, Exact};
use super::spec::Body::{Reads, ReadsPortions, Writes, WritesPortions};
use super::spec::{Access, Command, Flags, Group, Keys, Log, Run, Spec, cmd, verify};
use crate::ds::listpack::Item;
use crate::ds::quicklist::End;
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::store::change::Event;

const FAST: Flags = Flags::FAST;
const DENYOOM: Flags = Flags::DENYOOM;
const DENYOOM_FAST: Flags = Flags::DENYOOM.and(Flags::FAST);

const BLOCKING: Flags = Flags::BLOCKING;

const READ: Access = Access::RO.and(Access::ACCESS);
const INSERT: Access = Access::RW.and(Access::INSERT);
const UPDATE: Access = Access::RW.and(Access::UPDATE);
const DELETE: Access = Access::RW.and(Access::DELETE);
const TAKE: Access = DELETE.and(Access::ACCESS);

/// The keys of a command that moves elements.
const SOURCE_AND_TARGET: &[Keys] = &[Keys::At(1, TAKE), Keys::At(2, INSERT)];

/// The keys of a command whose last argument says how long it waits.
const AWAITED: &[Keys] = &[Keys::Range { first: 1, last: -2, step: 1, access: TAKE }];

const fn list(name: &'static str, arity: super::spec::Arity) -> Spec {
    cmd(name, arity, Group::List)
}

/// Every list command.
pub const COMMANDS: &[Command] = &[
    list("BLMOVE", Exact(6))
        .flags(BLOCKING.and(DENYOOM))
        .keys(SOURCE_AND_TARGET)
        .doc(
            "Moves an element from an end of a list to an end of another, and waits for one.",
            "6.2.0",
            "O(1)",
        )
        .run(Run::Blocking(block::BLMOVE)),
    list("BLMOVEM", AtLeast(6))
        .flags(BLOCKING.and(DENYOOM))
        .keys(SOURCE_AND_TARGET)
        .doc(
            "Moves elements from an end of a list to an end of another, and waits for them.",
            "8.10.0",
            "O(N) with N the elements moved",
        )
        .run(Run::Blocking(block::BLMOVEM)),
    list("BLMPOP", AtLeast(5))
        .flags(BLOCKING)
        .keys(&[Keys::Counted { count_at: 2, step: 1, access: TAKE }])
        .doc(
            "Removes elements from an end of the first list that has some, and waits for them.",
            "7.0.0",
            "O(N+M) with N the keys and M the elements returned",
        )
        .run(Run::Blocking(block::BLMPOP))
        .log(Log::Effects),
    list("BLPOP", AtLeast(3))
        .flags(BLOCKING)
        .keys(AWAITED)
        .doc(
            "Removes the head of the first list that has one, and waits for it.",
            "2.0.0",
            "O(N) with N the keys",
        )
        .run(Run::Blocking(block::BLPOP))
        .log(Log::Effects),
    list("BRPOP", AtLeast(3))
        .flags(BLOCKING)
        .keys(AWAITED)
        .doc(
            "Removes the tail of the first list that has one, and waits for it.",
            "2.0.0",
            "O(N) with N the keys",
        )
        .run(Run::Blocking(block::BRPOP))
        .log(Log::Effects),
    list("BRPOPLPUSH", Exact(4))
        .flags(BLOCKING.and(DENYOOM))
        .keys(SOURCE_AND_TARGET)
        .doc(
            "Moves the last element of a list to the head of another, and waits for one.",
            "2.2.0",
            "O(1)",
        )
        .run(Run::Blocking(block::BRPOPLPUSH)),
    list("LINDEX", Exact(3))
        .keys(&[Keys::At(1, READ)])
        .doc("Returns the element at a position of a list.", "1.0.0", "O(N) with N the position")
        .run(Run::Shard(Reads(range::lindex))),
    list("LINSERT", Exact(5))
        .flags(DENYOOM)
        .keys(&[Keys::At(1, INSERT)])
        .doc(
            "Inserts an element before or after another one.",
            "2.2.0",
            "O(N) with N the elements in front of it",
        )
        .run(Run::Shard(Writes(push::linsert))),
    list("LLEN", Exact(2))
        .flags(FAST)
        .keys(&[Keys::At(1, Access::RO)])
        .doc("Returns the length of a list.", "1.0.0", "O(1)")
        .run(Run::Shard(Reads(range::llen))),
    list("LMOVE", Exact(5))
        .flags(DENYOOM)
        .keys(SOURCE_AND_TARGET)
        .doc("Moves an element from an end of a list to an end of another.", "6.2.0", "O(1)")
        .run(Run::TwoPhase { collect: transfer::collect_lmove, commit: transfer::lmove }),
    list("LMOVEM", AtLeast(5))
        .flags(DENYOOM)
        .keys(SOURCE_AND_TARGET)
        .doc(
            "Moves elements from an end of a list to an end of another.",
            "8.10.0",
            "O(N) with N the elements moved",
        )
        .run(Run::TwoPhase { collect: transfer::collect_lmovem, commit: transfer::lmovem }),
    list("LMPOP", AtLeast(4))
        .keys(&[Keys::Counted { count_at: 1, step: 1, access: TAKE }])
        .doc(
            "Removes elements from an end of the first list that is not empty.",
            "7.0.0",
            "O(N+M) with N the keys and M the elements returned",
        )
        .run(Run::LongPhases { collect: pop::collect_lmpop, commit: pop::lmpop })
        .log(Log::Effects),
    list("LPOP", AtLeast(2))
        .flags(FAST)
        .keys(&[Keys::At(1, TAKE)])
        .doc("Removes elements from the head of a list.", "1.0.0", "O(N) with N the elements")
        .run(Run::Shard(WritesPortions(pop::lpop))),
    list("LPOS", AtLeast(3))
        .keys(&[Keys::At(1, READ)])
        .doc(
            "Returns where an element stands in a list.",
            "6.0.6",
            "O(N) with N the elements that are compared",
        )
        .run(Run::Shard(Reads(position::lpos))),
    list("LPUSH", AtLeast(3))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, INSERT)])
        .doc("Adds elements at the head of a list.", "1.0.0", "O(N) with N the elements")
        .run(Run::Shard(Writes(push::lpush))),
    list("LPUSHX", AtLeast(3))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, INSERT)])
        .doc(
            "Adds elements at the head of a list that exists.",
            "2.2.0",
            "O(N) with N the elements",
        )
        .run(Run::Shard(Writes(push::lpushx))),
    list("LRANGE", Exact(4))
        .keys(&[Keys::At(1, READ)])
        .doc(
            "Returns the elements of a range.",
            "1.0.0",
            "O(S+N) with S the distance from the nearer end and N the elements",
        )
        .run(Run::Shard(ReadsPortions(range::lrange))),
    list("LREM", Exact(4))
        .keys(&[Keys::At(1, DELETE)])
        .doc("Removes equal elements from a list.", "1.0.0", "O(N) with N the length of the list")
        .run(Run::Shard(Writes(position::lrem))),
    list("LSET", Exact(4))
        .flags(DENYOOM)
        .keys(&[Keys::At(1, UPDATE)])
        .doc("Replaces the element at a position of a list.", "1.0.0", "O(N) with N the position")
        .run(Run::Shard(Writes(range::lset))),
    list("LTRIM", Exact(4))
        .keys(&[Keys::At(1, DELETE)])
        .doc("Removes all elements outside a range.", "1.0.0", "O(N) with N the elements removed")
        .run(Run::Shard(Writes(range::ltrim))),
    list("RPOP", AtLeast(2))
        .flags(FAST)
        .keys(&[Keys::At(1, TAKE)])
        .doc("Removes elements from the tail of a list.", "1.0.0", "O(N) with N the elements")
        .run(Run::Shard(WritesPortions(pop::rpop))),
    list("RPOPLPUSH", Exact(3))
        .flags(DENYOOM)
        .keys(SOURCE_AND_TARGET)
        .doc("Moves the last element of a list to the head of another.", "1.2.0", "O(1)")
        .run(Run::TwoPhase { collect: transfer::collect_rpoplpush, commit: transfer::rpoplpush }),
    list("RPUSH", AtLeast(3))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, INSERT)])
        .doc("Adds elements at the tail of a list.", "1.0.0", "O(N) with N the elements")
        .run(Run::Shard(Writes(push::rpush))),
    list("RPUSHX", AtLeast(3))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, INSERT)])
        .doc(
            "Adds elements at the tail of a list that exists.",
            "2.2.0",
            "O(N) with N the elements",
        )
        .run(Run::Shard(Writes(push::rpushx))),
];

const _: () = verify(COMMANDS);

/// What is reported when elements are added at an end.
const fn pushed(end: End) -> Event {
    Event::list(match end {
        End::Front => "lpush",
        End::Back => "rpush",
    })
}

/// What is reported when elements are removed at an end.
const fn popped(end: End) -> Event {
    Event::list(match end {
        End::Front => "lpop",
        End::Back => "rpop",
    })
}

/// LEFT or RIGHT.
fn end(word: &[u8]) -> Result<End, CmdError> {
    if word.eq_ignore_ascii_case(b"LEFT") {
        Ok(End::Front)
    } else if word.eq_ignore_ascii_case(b"RIGHT") {
        Ok(End::Back)
    } else {
        Err(CmdError::Syntax)
    }
}

/// Writes an element.
#[inline]
fn write_item(out: &mut Out, item: Item<'_>) {
    match item {
        Item::Text(text) => out.bulk(text),
        Item::Int(value) => out.bulk_int(value),
    }
}
