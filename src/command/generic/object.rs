//! How values are stored: OBJECT and MEMORY USAGE.
//!
//! Invariant: looking is no access: none of these changes what eviction thinks of a key.

use super::KEYSPACE;
use crate::command::spec::{
    Access, Arity, Body, Command, Flags, Group, Keys, Run, Spec, cmd, verify,
};
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::db::Db;
use crate::store::entry::{EntryRef, ValueRef};
use crate::store::evict;

/// Longest string, in bytes, that Redis stores in one block with its header and calls `embstr`.
const EMBEDDED_MAX: usize = 44;

/// Redis keeps one object for each integer below this, and says that it is referred to without end.
const SHARED_INTEGERS: std::ops::Range<i64> = 0..10_000;

const fn on_key(name: &'static str) -> Spec {
    cmd(name, Arity::Exact(3), Group::Generic)
        .acl(KEYSPACE)
        .keys(&[Keys::At(2, Access::RO)])
        .tips(&["nondeterministic_output"])
}

/// The rows under OBJECT.
pub(super) const SUBCOMMANDS: &[Command] = &[
    on_key("ENCODING")
        .doc("Names the representation of a value.", "2.2.3", "O(1)")
        .run(Run::Shard(Body::Reads(encoding))),
    on_key("FREQ")
        .doc("Returns the logarithmic counter of accesses to a key.", "4.0.0", "O(1)")
        .run(Run::Shard(Body::Reads(frequency))),
    cmd("HELP", Arity::Exact(2), Group::Generic)
        .flags(Flags::LOADING.and(Flags::STALE))
        .acl(KEYSPACE)
        .doc("Lists the subcommands.", "6.2.0", "O(1)")
        .run(Run::Shard(Body::Reads(help))),
    on_key("IDLETIME")
        .doc("Returns the seconds since the last access to a key.", "2.2.3", "O(1)")
        .run(Run::Shard(Body::Reads(idle_time))),
    on_key("REFCOUNT")
        .doc("Returns how often a value is referred to.", "2.2.3", "O(1)")
        .run(Run::Shard(Body::Reads(reference_count))),
];

/// The row of MEMORY USAGE; the container MEMORY stands with the commands on the server.
pub const MEMORY_USAGE: Command = cmd("USAGE", Arity::AtLeast(3), Group::Server)
    .keys(&[Keys::At(2, Access::RO)])
    .doc("Returns the bytes that a key and its value occupy.", "4.0.0", "O(1)")
    .run(Run::Shard(Body::Reads(memory_usage)));
const _: () = verify(&[MEMORY_USAGE]);

const FREQUENCY_UNKNOWN: CmdError = CmdError::Text(
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that \
     when switching between policies at runtime LRU and LFU data will take some time to adjust.",
);

const IDLE_TIME_UNKNOWN: CmdError = CmdError::Text(
    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when \
     switching between policies at runtime LRU and LFU data will take some time to adjust.",
);

/// SAMPLES where it is not given.
const SAMPLES_DEFAULT: usize = 5;

const HELP: &[&str] = &[
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
    "HELP",
    "    Prints this help.",
];

pub(super) fn help(_: &Db, _: &Args<'_>, out: &mut Out) -> CmdResult {
    out.array(HELP.len());
    HELP.iter().for_each(|line| out.simple(line));
    Ok(())
}

/// The representation that Redis 7 has for such a value.
pub fn encoding_of(entry: EntryRef<'_>) -> &'static str {
    match entry.value() {
        ValueRef::Int(_) => "int",
        ValueRef::Raw(text) if text.len() <= EMBEDDED_MAX && !entry.is_modified() => "embstr",
        ValueRef::Raw(_) | ValueRef::Big(_) => "raw",
        ValueRef::Object(object) => object.encoding(),
    }
}

fn encoding(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    match db.probe(args.key(2)) {
        Some(entry) => out.bulk(encoding_of(entry).as_bytes()),
        None => out.null(),
    }
    Ok(())
}

fn frequency(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    match db.probe(args.key(2)) {
        Some(_) if !db.tuning.frequency => return Err(FREQUENCY_UNKNOWN),
        Some(entry) => out.int(evict::frequency(entry, db).into()),
        None => out.null(),
    }
    Ok(())
}

fn idle_time(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    match db.probe(args.key(2)) {
        Some(_) if db.tuning.frequency => return Err(IDLE_TIME_UNKNOWN),
        Some(entry) => out.int(evict::idle_seconds(entry, db.now()).into()),
        None => out.null(),
    }
    Ok(())
}

fn reference_count(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    match db.probe(args.key(2)).map(EntryRef::value) {
        Some(ValueRef::Int(number)) if SHARED_INTEGERS.contains(&number) => {
            out.int(i32::MAX.into());
        }
        Some(_) => out.int(1),
        None => out.null(),
    }
    Ok(())
}

fn memory_usage(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let (mut options, mut samples) = (args.reader(3), SAMPLES_DEFAULT);
    while !options.done() {
        if !options.keyword("SAMPLES") {
            return Err(CmdError::Syntax);
        }
        samples = usize::try_from(options.int()?).map_err(|_| CmdError::Syntax)?;
    }
    match db.peek(args.key(2)) {
        Some(entry) => {
            let (slots, bytes) = db.table_shape();
            out.count(entry.memory(samples) + bytes.div_ceil(slots));
        }
        None => out.null(),
    }
    Ok(())
}
