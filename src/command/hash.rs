//! The hash commands, also those on fields that expire: rows, and what their handlers share.
//!
//! Invariant: a handler checks in Redis's order, which is not the same for all of them, and changes
//! nothing before the last check. A missing key is an empty hash.
//!
//! Absent: HIMPORT, most of which is about the connection (`session/host/himport.rs`).

mod expire;
mod fields;
pub mod import;
mod lifetime;
mod number;
mod options;
mod random;
mod scan;
#[cfg(test)]
mod tests;

use super::spec::Arity::{AtLeast, Exact};
use super::spec::Body::{Reads, ReadsPortions, Writes};
use super::spec::{Access, Arity, Command, Flags, Group, Keys, Log, Run, Spec, cmd, verify};
use crate::store::change::Event;

const SET: Event = Event::hash("hset");
const DELETED: Event = Event::hash("hdel");
const EXPIRES: Event = Event::hash("hexpire");
const PERSISTED: Event = Event::hash("hpersist");

const FAST: Flags = Flags::FAST;
const DENYOOM_FAST: Flags = Flags::DENYOOM.and(Flags::FAST);

const READ: Access = Access::RO.and(Access::ACCESS);
const UPDATE: Access = Access::RW.and(Access::UPDATE);

const ANY_ORDER: &[&str] = &["nondeterministic_output_order"];
const RANDOM: &[&str] = &["nondeterministic_output"];

const PER_FIELD: &str = "O(N) with N the fields named";
const ALL_FIELDS: &str = "O(N) with N the fields of the hash";

const fn hash(name: &'static str, arity: Arity) -> Spec {
    cmd(name, arity, Group::Hash)
}

/// Every hash command that works on a key, but for HIMPORT SET.
pub const COMMANDS: &[Command] = &[
    hash("HDEL", AtLeast(3))
        .flags(FAST)
        .keys(&[Keys::At(1, Access::RW.and(Access::DELETE))])
        .doc("Removes fields of a hash.", "2.0.0", PER_FIELD)
        .run(Run::Shard(Writes(fields::hdel))),
    hash("HEXISTS", Exact(3))
        .flags(FAST)
        .keys(&[Keys::At(1, Access::RO)])
        .doc("Says whether a hash has a field.", "2.0.0", "O(1)")
        .run(Run::Shard(Reads(fields::hexists))),
    hash("HEXPIRE", AtLeast(6))
        .flags(FAST)
        .keys(&[Keys::At(1, UPDATE)])
        .doc("Sets in how many seconds fields expire.", "7.4.0", PER_FIELD)
        .run(Run::Shard(Writes(expire::hexpire)))
        .log(Log::Effects),
    hash("HEXPIREAT", AtLeast(6))
        .flags(FAST)
        .keys(&[Keys::At(1, UPDATE)])
        .doc("Sets at which Unix time in seconds fields expire.", "7.4.0", PER_FIELD)
        .run(Run::Shard(Writes(expire::hexpireat)))
        .log(Log::Effects),
    hash("HEXPIRETIME", AtLeast(5))
        .flags(FAST)
        .keys(&[Keys::At(1, READ)])
        .doc("Returns at which Unix time in seconds fields expire.", "7.4.0", PER_FIELD)
        .run(Run::Shard(Reads(expire::hexpiretime))),
    hash("HGET", Exact(3))
        .flags(FAST)
        .keys(&[Keys::At(1, READ)])
        .doc("Returns the value of a field.", "2.0.0", "O(1)")
        .run(Run::Shard(Reads(fields::hget))),
    hash("HGETALL", Exact(2))
        .keys(&[Keys::At(1, READ)])
        .tips(ANY_ORDER)
        .doc("Returns all fields of a hash with their values.", "2.0.0", ALL_FIELDS)
        .run(Run::Shard(ReadsPortions(fields::hgetall))),
    hash("HGETDEL", AtLeast(5))
        .flags(FAST)
        .keys(&[Keys::At(1, Access::RW.and(Access::ACCESS).and(Access::DELETE))])
        .doc("Removes fields and returns their values.", "8.0.0", PER_FIELD)
        .run(Run::Shard(Writes(lifetime::hgetdel)))
        .log(Log::Effects),
    hash("HGETEX", AtLeast(5))
        .flags(FAST)
        .keys(&[Keys::At(1, UPDATE.and(Access::ACCESS))])
        .doc("Returns the values of fields and sets when these expire.", "8.0.0", PER_FIELD)
        .run(Run::Shard(Writes(lifetime::hgetex)))
        .log(Log::Effects),
    hash("HINCRBY", Exact(4))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, UPDATE.and(Access::ACCESS))])
        .doc("Adds to the integer that a field holds, zero if it is missing.", "2.0.0", "O(1)")
        .run(Run::Shard(Writes(number::hincrby))),
    hash("HINCRBYFLOAT", Exact(4))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, UPDATE.and(Access::ACCESS))])
        .doc("Adds to the number that a field holds, zero if it is missing.", "2.6.0", "O(1)")
        .run(Run::Shard(Writes(number::hincrbyfloat)))
        .log(Log::Effects),
    hash("HKEYS", Exact(2))
        .keys(&[Keys::At(1, READ)])
        .tips(ANY_ORDER)
        .doc("Returns the names of all fields of a hash.", "2.0.0", ALL_FIELDS)
        .run(Run::Shard(ReadsPortions(fields::hkeys))),
    hash("HLEN", Exact(2))
        .flags(FAST)
        .keys(&[Keys::At(1, Access::RO)])
        .doc("Returns the number of fields of a hash.", "2.0.0", "O(1)")
        .run(Run::Shard(Reads(fields::hlen))),
    hash("HMGET", AtLeast(3))
        .flags(FAST)
        .keys(&[Keys::At(1, READ)])
        .doc("Returns the values of fields.", "2.0.0", PER_FIELD)
        .run(Run::Shard(Reads(fields::hmget))),
    hash("HMSET", AtLeast(4))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, UPDATE)])
        .doc("Gives fields their values.", "2.0.0", PER_FIELD)
        .run(Run::Shard(Writes(fields::hmset))),
    hash("HPERSIST", AtLeast(5))
        .flags(FAST)
        .keys(&[Keys::At(1, UPDATE)])
        .doc("Takes the expiry of fields away.", "7.4.0", PER_FIELD)
        .run(Run::Shard(Writes(expire::hpersist))),
    hash("HPEXPIRE", AtLeast(6))
        .flags(FAST)
        .keys(&[Keys::At(1, UPDATE)])
        .doc("Sets in how many milliseconds fields expire.", "7.4.0", PER_FIELD)
        .run(Run::Shard(Writes(expire::hpexpire)))
        .log(Log::Effects),
    hash("HPEXPIREAT", AtLeast(6))
        .flags(FAST)
        .keys(&[Keys::At(1, UPDATE)])
        .doc("Sets at which Unix time in milliseconds fields expire.", "7.4.0", PER_FIELD)
        .run(Run::Shard(Writes(expire::hpexpireat)))
        .log(Log::Effects),
    hash("HPEXPIRETIME", AtLeast(5))
        .flags(FAST)
        .keys(&[Keys::At(1, READ)])
        .doc("Returns at which Unix time in milliseconds fields expire.", "7.4.0", PER_FIELD)
        .run(Run::Shard(Reads(expire::hpexpiretime))),
    hash("HPTTL", AtLeast(5))
        .flags(FAST)
        .keys(&[Keys::At(1, READ)])
        .tips(RANDOM)
        .doc("Returns in how many milliseconds fields expire.", "7.4.0", PER_FIELD)
        .run(Run::Shard(Reads(expire::hpttl))),
    hash("HRANDFIELD", AtLeast(2))
        .keys(&[Keys::At(1, READ)])
        .tips(RANDOM)
        .doc(
            "Returns one or more random fields of a hash.",
            "6.2.0",
            "O(N) with N the fields returned",
        )
        .run(Run::Shard(ReadsPortions(random::hrandfield))),
    hash("HSCAN", AtLeast(3))
        .keys(&[Keys::At(1, READ)])
        .tips(RANDOM)
        .doc(
            "Goes through the fields of a hash in steps.",
            "2.8.0",
            "O(1) for a step, O(N) for all with N the fields",
        )
        .run(Run::Shard(Reads(scan::hscan))),
    hash("HSET", AtLeast(4))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, UPDATE)])
        .doc("Gives fields their values; counts those that are new.", "2.0.0", PER_FIELD)
        .run(Run::Shard(Writes(fields::hset))),
    hash("HSETEX", AtLeast(6))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, UPDATE)])
        .doc("Gives fields their values and sets when they expire.", "8.0.0", PER_FIELD)
        .run(Run::Shard(Writes(lifetime::hsetex)))
        .log(Log::Effects),
    hash("HSETNX", Exact(4))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, Access::RW.and(Access::INSERT))])
        .doc("Gives a field its value unless it is there.", "2.0.0", "O(1)")
        .run(Run::Shard(Writes(fields::hsetnx))),
    hash("HSTRLEN", Exact(3))
        .flags(FAST)
        .keys(&[Keys::At(1, Access::RO)])
        .doc("Returns the length of a field's value.", "3.2.0", "O(1)")
        .run(Run::Shard(Reads(fields::hstrlen))),
    hash("HTTL", AtLeast(5))
        .flags(FAST)
        .keys(&[Keys::At(1, READ)])
        .tips(RANDOM)
        .doc("Returns in how many seconds fields expire.", "7.4.0", PER_FIELD)
        .run(Run::Shard(Reads(expire::httl))),
    hash("HVALS", Exact(2))
        .keys(&[Keys::At(1, READ)])
        .tips(ANY_ORDER)
        .doc("Returns the values of all fields of a hash.", "2.0.0", ALL_FIELDS)
        .run(Run::Shard(ReadsPortions(fields::hvals))),
];

const _: () = verify(COMMANDS);
