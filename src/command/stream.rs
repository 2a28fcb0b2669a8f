//! The stream commands: rows, and what their handlers share.
//!
//! Invariant: a request that a clock or a limit decides is repeated by words that name the outcome:
//! the id that was given, how far was trimmed, who got which entry.

mod add;
mod delete;
mod group;
mod ids;
mod info;
mod pending;
mod range;
pub mod read;
#[cfg(test)]
mod tests;

use range::write_bulk_id;

use super::spec::Arity::{AtLeast, Exact};
use super::spec::Body::{Reads, ReadsPortions, Writes, WritesPortions};
use super::spec::{Access, Arity, Command, Flags, Group, Keys, Log, Run, Spec, cmd, verify};
use crate::resp::args::Args;
use crate::resp::error::{CmdError, shown};
use crate::resp::out::Out;
use crate::store::edit::Edit;
use crate::store::stream::Stream;

const FAST: Flags = Flags::FAST;
const DENYOOM: Flags = Flags::DENYOOM;
const DENYOOM_FAST: Flags = Flags::DENYOOM.and(Flags::FAST);
const HELP_FLAGS: Flags = Flags::LOADING.and(Flags::STALE);

const READ: Access = Access::RO.and(Access::ACCESS);
const CHANGE: Access = Access::RW.and(Access::UPDATE);
const ADD: Access = Access::RW.and(Access::INSERT);
const REMOVE: Access = Access::RW.and(Access::DELETE);
/// A key named STREAMS hides those behind it.
const READ_SOME: Access = READ.and(Access::INCOMPLETE);

const UNPREDICTABLE: &[&str] = &["nondeterministic_output"];

const fn stream(name: &'static str, arity: Arity) -> Spec {
    cmd(name, arity, Group::Stream)
}

const fn streams_from(from: i8) -> Keys {
    Keys::After { keyword: "STREAMS", from, last: -1, step: 1, limit: 2, access: READ_SOME }
}

/// Every stream command.
pub const COMMANDS: &[Command] = &[
    stream("XACK", AtLeast(4))
        .flags(FAST)
        .keys(&[Keys::At(1, CHANGE)])
        .doc(
            "Acknowledges entries that were delivered to a consumer group.",
            "5.0.0",
            "O(1) for each id",
        )
        .run(Run::Shard(Writes(group::xack))),
    stream("XACKDEL", AtLeast(6))
        .flags(FAST)
        .keys(&[Keys::At(1, CHANGE.and(Access::DELETE))])
        .doc(
            "Acknowledges entries for a consumer group and deletes them.",
            "8.2.0",
            "O(1) for each id",
        )
        .run(Run::Shard(Writes(delete::xackdel))),
    stream("XADD", AtLeast(5))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, CHANGE)])
        .doc(
            "Adds an entry to a stream, which is created if missing.",
            "5.0.0",
            "O(1), and O(N) for trimming with N the entries taken out",
        )
        .tips(UNPREDICTABLE)
        .run(Run::Shard(Writes(add::xadd)))
        .log(Log::Effects),
    stream("XAUTOCLAIM", AtLeast(6))
        .flags(FAST)
        .keys(&[Keys::At(1, REMOVE)])
        .doc(
            "Gives entries that are pending for long to another consumer.",
            "6.2.0",
            "O(1) if COUNT is small",
        )
        .tips(UNPREDICTABLE)
        .run(Run::Shard(WritesPortions(pending::xautoclaim)))
        .log(Log::Effects),
    stream("XCFGSET", AtLeast(2))
        .flags(FAST)
        .keys(&[Keys::At(1, CHANGE)])
        .doc("Sets how messages of producers are remembered.", "8.6.0", "O(1)")
        .run(Run::Shard(Writes(group::xcfgset))),
    stream("XCLAIM", AtLeast(6))
        .flags(FAST)
        .keys(&[Keys::At(1, CHANGE)])
        .doc(
            "Gives pending entries to another consumer.",
            "5.0.0",
            "O(log N) with N the group's pending entries",
        )
        .tips(UNPREDICTABLE)
        .run(Run::Shard(Writes(pending::xclaim)))
        .log(Log::Effects),
    stream("XDEL", AtLeast(3))
        .flags(FAST)
        .keys(&[Keys::At(1, REMOVE)])
        .doc("Deletes entries.", "5.0.0", "O(1) for each id")
        .run(Run::Shard(Writes(delete::xdel))),
    stream("XDELEX", AtLeast(5))
        .flags(FAST)
        .keys(&[Keys::At(1, REMOVE)])
        .doc("Deletes entries as far as consumer groups allow.", "8.2.0", "O(1) for each id")
        .run(Run::Shard(Writes(delete::xdelex))),
    stream("XGROUP", AtLeast(2))
        .doc("A container for commands on consumer groups.", "5.0.0", "Depends on subcommand.")
        .run(Run::Shard(Reads(group::help)))
        .subcommands(GROUP_COMMANDS),
    stream("XIDMPRECORD", Exact(5))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, CHANGE)])
        .doc("Restores what is remembered of a producer's message.", "8.6.2", "O(1)")
        .run(Run::Shard(Writes(group::xidmprecord))),
    stream("XINFO", AtLeast(2))
        .doc("A container for commands that describe streams.", "5.0.0", "Depends on subcommand.")
        .run(Run::Shard(Reads(info::help)))
        .subcommands(INFO_COMMANDS),
    stream("XLEN", Exact(2))
        .flags(FAST)
        .keys(&[Keys::At(1, Access::RO)])
        .doc("Returns the number of entries.", "5.0.0", "O(1)")
        .run(Run::Shard(Reads(range::xlen))),
    stream("XNACK", AtLeast(7))
        .flags(FAST)
        .keys(&[Keys::At(1, CHANGE)])
        .doc(
            "Gives pending entries back, so that any consumer may claim them.",
            "8.8.0",
            "O(1) for each id",
        )
        .run(Run::Shard(Writes(pending::xnack))),
    stream("XPENDING", AtLeast(3))
        .keys(&[Keys::At(1, READ)])
        .doc(
            "Describes the pending entries of a consumer group.",
            "5.0.0",
            "O(N) with N the entries looked at, or the consumers",
        )
        .tips(UNPREDICTABLE)
        .run(Run::Shard(ReadsPortions(pending::xpending))),
    stream("XRANGE", AtLeast(4))
        .keys(&[Keys::At(1, READ)])
        .doc("Returns a range of entries.", "5.0.0", "O(N) with N the entries returned")
        .run(Run::Shard(ReadsPortions(range::xrange))),
    stream("XREAD", AtLeast(4))
        .flags(Flags::BLOCKING)
        .keys(&[streams_from(1)])
        .doc("Returns entries of several streams that are new.", "5.0.0", READ_COMPLEXITY)
        .run(Run::Blocking(read::BLOCKING)),
    stream("XREADGROUP", AtLeast(7))
        .flags(Flags::BLOCKING)
        .keys(&[streams_from(4)])
        .doc(
            "Returns entries of several streams that are new to a consumer group, or pending.",
            "5.0.0",
            READ_COMPLEXITY,
        )
        .changes_what_it_reads()
        .run(Run::Blocking(read::BLOCKING_GROUP))
        .log(Log::Effects),
    stream("XREVRANGE", AtLeast(4))
        .keys(&[Keys::At(1, READ)])
        .doc(
            "Returns a range of entries, the last one first.",
            "5.0.0",
            "O(N) with N the entries returned",
        )
        .run(Run::Shard(ReadsPortions(range::xrevrange))),
    stream("XSETID", AtLeast(3))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, CHANGE)])
        .doc("Sets the last id of a stream.", "5.0.0", "O(1)")
        .run(Run::Shard(Writes(group::xsetid))),
    stream("XTRIM", AtLeast(4))
        .keys(&[Keys::At(1, REMOVE)])
        .doc("Takes out old entries.", "5.0.0", "O(N) with N the entries taken out")
        .tips(UNPREDICTABLE)
        .run(Run::Shard(Writes(add::xtrim)))
        .log(Log::Effects),
];

const READ_COMPLEXITY: &str = "O(N) for each stream with N the entries returned";

const GROUP_COMMANDS: &[Command] = &[
    stream("CREATE", AtLeast(5))
        .flags(DENYOOM)
        .keys(&[Keys::At(2, ADD)])
        .doc("Adds a consumer group.", "5.0.0", "O(1)")
        .run(Run::Shard(Writes(group::create)))
        .log(Log::Effects),
    stream("CREATECONSUMER", Exact(5))
        .flags(DENYOOM)
        .keys(&[Keys::At(2, ADD)])
        .doc("Adds a consumer to a group.", "6.2.0", "O(1)")
        .run(Run::Shard(Writes(group::create_consumer))),
    stream("DELCONSUMER", Exact(5))
        .keys(&[Keys::At(2, REMOVE)])
        .doc("Removes a consumer from a group.", "5.0.0", "O(N) with N its pending entries")
        .run(Run::Shard(Writes(group::delete_consumer))),
    stream("DESTROY", Exact(4))
        .keys(&[Keys::At(2, REMOVE)])
        .doc("Removes a consumer group.", "5.0.0", "O(1)")
        .run(Run::Shard(Writes(group::destroy))),
    stream("HELP", Exact(2))
        .flags(HELP_FLAGS)
        .doc("Lists the subcommands.", "5.0.0", "O(1)")
        .run(Run::Shard(Reads(group::help))),
    stream("SETID", AtLeast(5))
        .keys(&[Keys::At(2, CHANGE)])
        .doc("Says behind which entry a consumer group goes on.", "5.0.0", "O(1)")
        .run(Run::Shard(Writes(group::set_id))),
];

const INFO_COMMANDS: &[Command] = &[
    stream("CONSUMERS", Exact(4))
        .keys(&[Keys::At(2, READ)])
        .doc("Describes the consumers of a group.", "5.0.0", "O(N) with N the consumers")
        .tips(UNPREDICTABLE)
        .run(Run::Shard(Reads(info::consumers))),
    stream("GROUPS", Exact(3))
        .keys(&[Keys::At(2, READ)])
        .doc("Describes the consumer groups of a stream.", "5.0.0", "O(N) with N the groups")
        .run(Run::Shard(Reads(info::groups))),
    stream("HELP", Exact(2))
        .flags(HELP_FLAGS)
        .doc("Lists the subcommands.", "5.0.0", "O(1)")
        .run(Run::Shard(Reads(info::help))),
    stream("STREAM", AtLeast(3))
        .keys(&[Keys::At(2, READ)])
        .doc("Describes a stream.", "5.0.0", "O(N) with N what FULL shows, else O(1)")
        .run(Run::Shard(ReadsPortions(info::stream))),
];

const _: () = verify(COMMANDS);

/// Words that repeat a change, composed one by one.
#[derive(Default)]
struct Words(Vec<Vec<u8>>);

impl Words {
    fn push(&mut self, word: &[u8]) {
        self.0.push(word.to_vec());
    }

    fn push_number(&mut self, number: u64) {
        self.push(itoa::Buffer::new().format(number).as_bytes());
    }

    /// Makes them what repeats the last change.
    fn repeat(&self, edit: &mut Edit<'_, Stream>) {
        let words: Vec<&[u8]> = self.0.iter().map(Vec::as_slice).collect();
        edit.repeat_as(&words);
    }
}

fn write_help(lines: &[&str], out: &mut Out) {
    out.array(lines.len());
    lines.iter().for_each(|line| out.simple(line));
}

/// The refusal of a known subcommand with arguments that do not fit.
fn bad_subcommand(container: &str, name: &[u8]) -> CmdError {
    const SHOWN_MAX: usize = 128;
    let (name, rest) = (shown(name, SHOWN_MAX), format!("'. Try {container} HELP."));
    let text = b"ERR unknown subcommand or wrong number of arguments for '";
    CmdError::owned([text, name, rest.as_bytes()].concat())
}

/// The group that the key at hand does not have.
fn no_such_group(key: &[u8], group: &[u8]) -> CmdError {
    let (key, group) = (shown(key, usize::MAX), shown(group, usize::MAX));
    let parts = [b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"];
    CmdError::owned(parts.concat())
}

/// The key, or its group, that does not exist; given by their positions.
fn no_such_key_or_group(args: &Args<'_>, key: usize, group: usize) -> CmdError {
    let (key, group) = (shown(args.at(key), usize::MAX), shown(args.at(group), usize::MAX));
    let parts = [b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'"];
    CmdError::owned(parts.concat())
}
