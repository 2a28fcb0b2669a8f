//! The string commands: rows, and the handlers that are too plain for a file of their own.
//!
//! Invariant: a handler checks in Redis's order (options, then the key's type, then numbers), and
//! writes nothing to the keyspace before the last check. Where a request would not repeat, the
//! handler says which words would.
//!
//! Absent: bitmaps and HyperLogLogs, which are strings to the store but families of their own.

mod conditional;
mod increx;
mod lcs;
pub(super) mod lifetime;
mod multi;
mod number;
mod range;
mod set;
#[cfg(test)]
mod tests;
pub mod text;

use text::{Text, stored, write_optional};

use super::spec::Arity::{AtLeast, Exact};
use super::spec::Body::{Reads, Writes};
use super::spec::{Access, Command, Flags, Fold, Group, Keys, Log, Run, Spec, cmd, verify};
use crate::resp::args::Args;
use crate::resp::error::CmdResult;
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::{Db, Expiry};

/// The event of every command that replaces a value.
const SET: Event = Event::string("set");

const FAST: Flags = Flags::FAST;
const DENYOOM: Flags = Flags::DENYOOM;
const DENYOOM_FAST: Flags = Flags::DENYOOM.and(Flags::FAST);

const READ: Access = Access::RO.and(Access::ACCESS);
const CHANGE: Access = Access::RW.and(Access::UPDATE);
const READ_CHANGE: Access = CHANGE.and(Access::ACCESS);
const REPLACE: Access = Access::OW.and(Access::UPDATE);
const CREATE: Access = Access::OW.and(Access::INSERT);

const fn string(name: &'static str, arity: super::spec::Arity) -> Spec {
    cmd(name, arity, Group::String)
}

/// Every string command.
pub const COMMANDS: &[Command] = &[
    string("APPEND", Exact(3))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, Access::RW.and(Access::INSERT))])
        .doc("Adds bytes to the end of a string, which is created if missing.", "2.0.0", "O(1)")
        .run(Run::Shard(Writes(range::append))),
    string("DECR", Exact(2))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, READ_CHANGE)])
        .doc("Subtracts one from the integer in a string.", "1.0.0", "O(1)")
        .run(Run::Shard(Writes(number::decr))),
    string("DECRBY", Exact(3))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, READ_CHANGE)])
        .doc("Subtracts a number from the integer in a string.", "1.0.0", "O(1)")
        .run(Run::Shard(Writes(number::decrby))),
    string("DELEX", AtLeast(2))
        .flags(FAST)
        .keys(&[Keys::At(1, Access::RW.and(Access::DELETE).and(Access::VARIABLE))])
        .varying(conditional::access)
        .doc(
            "Removes a key if its value or digest meets a condition.",
            "8.4.0",
            "O(1) for IFEQ and IFNE, O(N) for IFDEQ and IFDNE with N the length of the string",
        )
        .run(Run::Shard(Writes(conditional::delex)))
        .log(Log::Effects),
    string("DIGEST", Exact(2))
        .flags(FAST)
        .keys(&[Keys::At(1, READ)])
        .doc("Returns the XXH3 digest of a string.", "8.4.0", "O(N) with N the length")
        .run(Run::Shard(Reads(conditional::digest))),
    string("GET", Exact(2))
        .flags(FAST)
        .keys(&[Keys::At(1, READ)])
        .doc("Returns the string value of a key.", "1.0.0", "O(1)")
        .run(Run::Shard(Reads(get))),
    string("GETDEL", Exact(2))
        .flags(FAST)
        .keys(&[Keys::At(1, Access::RW.and(Access::ACCESS).and(Access::DELETE))])
        .doc("Returns the string value of a key and removes the key.", "6.2.0", "O(1)")
        .run(Run::Shard(Writes(getdel)))
        .log(Log::Effects),
    string("GETEX", AtLeast(2))
        .flags(FAST)
        .keys(&[Keys::At(1, READ_CHANGE)])
        .doc("Returns the string value of a key and changes its expiry.", "6.2.0", "O(1)")
        .run(Run::Shard(Writes(set::getex)))
        .log(Log::Effects),
    string("GETRANGE", Exact(4))
        .keys(&[Keys::At(1, READ)])
        .doc("Returns a part of a string.", "2.4.0", "O(N) with N the length of the part")
        .run(Run::Shard(Reads(range::getrange))),
    string("GETSET", Exact(3))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, READ_CHANGE)])
        .doc("Sets a string and returns the one before.", "1.0.0", "O(1)")
        .run(Run::Shard(Writes(getset))),
    string("INCR", Exact(2))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, READ_CHANGE)])
        .doc("Adds one to the integer in a string.", "1.0.0", "O(1)")
        .run(Run::Shard(Writes(number::incr))),
    string("INCRBY", Exact(3))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, READ_CHANGE)])
        .doc("Adds a number to the integer in a string.", "1.0.0", "O(1)")
        .run(Run::Shard(Writes(number::incrby))),
    string("INCRBYFLOAT", Exact(3))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, READ_CHANGE)])
        .doc("Adds a number to the floating point number in a string.", "2.6.0", "O(1)")
        .run(Run::Shard(Writes(number::incrbyfloat)))
        .log(Log::Effects),
    string("INCREX", AtLeast(2))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, READ_CHANGE)])
        .doc("Adds to a number within bounds and sets its expiry.", "8.8.0", "O(1)")
        .run(Run::Shard(Writes(increx::increx)))
        .log(Log::Effects),
    string("LCS", AtLeast(3))
        .keys(&[Keys::Range { first: 1, last: 2, step: 1, access: READ }])
        .doc(
            "Finds the longest common subsequence of two strings.",
            "7.0.0",
            "O(N*M) with N and M the lengths",
        )
        .run(Run::TwoPhase { collect: lcs::collect, commit: lcs::answer }),
    string("MGET", AtLeast(2))
        .flags(FAST)
        .keys(&[Keys::Range { first: 1, last: -1, step: 1, access: READ }])
        .doc("Returns the string values of several keys.", "1.0.0", "O(N) with N the keys")
        .tips(&["request_policy:multi_shard"])
        .run(Run::Scatter(Reads(multi::mget), Fold::InOrder)),
    string("MSET", AtLeast(3))
        .flags(DENYOOM)
        .keys(&[Keys::Range { first: 1, last: -1, step: 2, access: REPLACE }])
        .doc("Sets several strings.", "1.0.1", "O(N) with N the keys")
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .run(Run::Scatter(Writes(multi::mset), Fold::AllOk)),
    string("MSETEX", AtLeast(4))
        .flags(DENYOOM)
        .keys(&[Keys::Counted { count_at: 1, step: 2, access: REPLACE }])
        .doc("Sets several strings with one expiry.", "8.4.0", "O(N) with N the keys")
        .run(Run::TwoPhase { collect: multi::msetex_collect, commit: multi::msetex_commit })
        .log(Log::Effects),
    string("MSETNX", AtLeast(3))
        .flags(DENYOOM)
        .keys(&[Keys::Range { first: 1, last: -1, step: 2, access: CREATE }])
        .doc("Sets several strings if none of the keys exists.", "1.0.1", "O(N) with N the keys")
        .run(Run::TwoPhase { collect: multi::msetnx_collect, commit: multi::msetnx_commit })
        .log(Log::Effects),
    string("PSETEX", Exact(4))
        .flags(DENYOOM)
        .keys(&[Keys::At(1, REPLACE)])
        .doc("Sets a string with an expiry in milliseconds.", "2.6.0", "O(1)")
        .run(Run::Shard(Writes(set::psetex)))
        .log(Log::Effects),
    string("SET", AtLeast(3))
        .flags(DENYOOM)
        .keys(&[Keys::At(1, READ_CHANGE.and(Access::VARIABLE))])
        .varying(set::access)
        .doc("Sets a key to a string value, whatever it held.", "1.0.0", "O(1)")
        .run(Run::Shard(Writes(set::set)))
        .log(Log::Effects),
    string("SETEX", Exact(4))
        .flags(DENYOOM)
        .keys(&[Keys::At(1, REPLACE)])
        .doc("Sets a string with an expiry in seconds.", "2.0.0", "O(1)")
        .run(Run::Shard(Writes(set::setex)))
        .log(Log::Effects),
    string("SETNX", Exact(3))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, CREATE)])
        .doc("Sets a string if the key does not exist.", "1.0.0", "O(1)")
        .run(Run::Shard(Writes(setnx))),
    string("SETRANGE", Exact(4))
        .flags(DENYOOM)
        .keys(&[Keys::At(1, CHANGE)])
        .doc(
            "Overwrites a part of a string, which is extended with zero bytes as needed.",
            "2.2.0",
            "O(M) with M the bytes written, amortised",
        )
        .run(Run::Shard(Writes(range::setrange))),
    string("STRLEN", Exact(2))
        .flags(FAST)
        .keys(&[Keys::At(1, Access::RO)])
        .doc("Returns the length of a string.", "2.2.0", "O(1)")
        .run(Run::Shard(Reads(range::strlen))),
    string("SUBSTR", Exact(4))
        .keys(&[Keys::At(1, READ)])
        .doc("Returns a part of a string.", "1.0.0", "O(N) with N the length of the part")
        .run(Run::Shard(Reads(range::getrange))),
];

const _: () = verify(COMMANDS);

fn get(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    write_optional(Text::of_optional(db.read(args.key(1)))?, out);
    Ok(())
}

fn getdel(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut write = db.write(args.key(1));
    write.count_access();
    write_optional(Text::of_optional(write.value())?, out);
    write.remove(Event::DEL);
    Ok(())
}

fn getset(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut write = db.write(args.key(1));
    write.count_access();
    write_optional(Text::of_optional(write.value())?, out);
    write.set(stored(args, 2), Expiry::Never, SET);
    Ok(())
}

fn setnx(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut write = db.write(args.key(1));
    let missing = !write.exists();
    if missing {
        write.set(stored(args, 2), Expiry::Never, SET);
    }
    out.int(missing.into());
    Ok(())
}
