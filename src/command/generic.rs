//! Commands on keys whatever they hold, and on whole databases.
//!
//! Invariant: nothing here depends on the type of a value except to name it. What reaches over
//! several keys declares it in its row; the handlers see one shard's share and no other.
//!
//! Deliberately absent: DUMP, RESTORE and MIGRATE, which know the types.

mod expire;
mod flush;
mod object;
mod rename;
mod scan;
pub mod sort;

#[cfg(test)]
mod tests;

use super::spec::{
    Access, Arity, Body, Command, Flags, Fold, Group, Keys, Log, Run, Spec, cmd, verify,
};
use crate::base::num;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::Db;

pub use object::{MEMORY_USAGE, encoding_of};
pub use scan::scan_page;

const KEYSPACE: &[&str] = &["keyspace"];
const KEYSPACE_DANGEROUS: &[&str] = &["keyspace", "dangerous"];

const fn all_keys(access: Access) -> Keys {
    Keys::Range { first: 1, last: -1, step: 1, access }
}

const READ: Access = Access::RO;
const RETURNED: Access = Access::RO.and(Access::ACCESS);
const UPDATED: Access = Access::RW.and(Access::UPDATE);
const REMOVED: Access = Access::RM.and(Access::DELETE);
const TAKEN: Access = Access::RW.and(Access::ACCESS).and(Access::DELETE);
const REPLACED: Access = Access::OW.and(Access::UPDATE);
const CREATED: Access = Access::OW.and(Access::INSERT);
const CARRIED_AWAY: Access = Access::RW.and(Access::ACCESS).and(Access::UPDATE);

const ANY_SHARD_SUM: &[&str] = &["request_policy:multi_shard", "response_policy:agg_sum"];
const EVERY_SHARD_OK: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

/// A command on keys on any number of shards, whose counts are added up.
const fn on_keys(name: &'static str, access: &'static [Keys]) -> Spec {
    cmd(name, Arity::AtLeast(2), Group::Generic).acl(KEYSPACE).keys(access).tips(ANY_SHARD_SUM)
}

/// A command on one key and nothing else.
const fn on_key(name: &'static str, access: &'static [Keys]) -> Spec {
    cmd(name, Arity::Exact(2), Group::Generic).flags(Flags::FAST).acl(KEYSPACE).keys(access)
}

/// EXPIRE and its relatives.
const fn expiring(name: &'static str) -> Spec {
    cmd(name, Arity::AtLeast(3), Group::Generic)
        .flags(Flags::FAST)
        .acl(KEYSPACE)
        .keys(&[Keys::At(1, UPDATED)])
}

const fn sorting(name: &'static str, keys: &'static [Keys]) -> Spec {
    cmd(name, Arity::AtLeast(2), Group::Generic)
        .acl(&["set", "sortedset", "list", "dangerous"])
        .keys(keys)
}

const SORTED: Keys = Keys::At(1, RETURNED);
/// Those that the patterns of BY and GET name, which shows only when elements are known.
const DERIVED: Keys = Keys::Custom(|_, _| {}, RETURNED);
const STORED: Keys = Keys::Custom(sort::target_position, REPLACED);
const SORT_COMPLEXITY: &str = "O(N + M*log(M)) with N elements of which M are returned";

/// The rows of this family.
pub const COMMANDS: &[Command] = &[
    on_keys("DEL", &[all_keys(REMOVED)])
        .doc("Removes keys, and counts those that existed.", "1.0.0", "O(N) in the keys")
        .run(Run::Scatter(Body::Writes(del), Fold::Sum)),
    on_keys("UNLINK", &[all_keys(REMOVED)])
        .flags(Flags::FAST)
        .doc("Removes keys; large values are freed later.", "4.0.0", "O(1) for each key")
        .run(Run::Scatter(Body::Writes(del), Fold::Sum)),
    on_keys("EXISTS", &[all_keys(READ)])
        .flags(Flags::FAST)
        .doc("Counts how many of the given keys exist.", "1.0.0", "O(N) in the keys")
        .run(Run::Scatter(Body::Reads(exists), Fold::Sum)),
    on_keys("TOUCH", &[all_keys(READ)])
        .flags(Flags::FAST)
        .doc("Marks keys as accessed, and counts them.", "3.2.1", "O(N) in the keys")
        .run(Run::Scatter(Body::Reads(touch), Fold::Sum)),
    on_key("TYPE", &[Keys::At(1, READ)])
        .doc("Names the type of the value at a key.", "1.0.0", "O(1)")
        .run(Run::Shard(Body::Reads(type_of))),
    expiring("EXPIRE")
        .doc("Lets a key expire after some seconds.", "1.0.0", "O(1)")
        .run(Run::Shard(Body::Writes(expire::expire)))
        .log(Log::Effects),
    expiring("PEXPIRE")
        .doc("Lets a key expire after some milliseconds.", "2.6.0", "O(1)")
        .run(Run::Shard(Body::Writes(expire::pexpire)))
        .log(Log::Effects),
    expiring("EXPIREAT")
        .doc("Lets a key expire at a Unix time in seconds.", "1.2.0", "O(1)")
        .run(Run::Shard(Body::Writes(expire::expireat)))
        .log(Log::Effects),
    expiring("PEXPIREAT")
        .doc("Lets a key expire at a Unix time in milliseconds.", "2.6.0", "O(1)")
        .run(Run::Shard(Body::Writes(expire::pexpireat)))
        .log(Log::Effects),
    on_key("TTL", &[Keys::At(1, RETURNED)])
        .tips(&["nondeterministic_output"])
        .doc("Returns the seconds until a key expires.", "1.0.0", "O(1)")
        .run(Run::Shard(Body::Reads(expire::ttl))),
    on_key("PTTL", &[Keys::At(1, RETURNED)])
        .tips(&["nondeterministic_output"])
        .doc("Returns the milliseconds until a key expires.", "2.6.0", "O(1)")
        .run(Run::Shard(Body::Reads(expire::pttl))),
    on_key("EXPIRETIME", &[Keys::At(1, RETURNED)])
        .doc("Returns the Unix time in seconds at which a key expires.", "7.0.0", "O(1)")
        .run(Run::Shard(Body::Reads(expire::expiretime))),
    on_key("PEXPIRETIME", &[Keys::At(1, RETURNED)])
        .doc("Returns the Unix time in milliseconds at which a key expires.", "7.0.0", "O(1)")
        .run(Run::Shard(Body::Reads(expire::pexpiretime))),
    on_key("PERSIST", &[Keys::At(1, UPDATED)])
        .doc("Lets a key live until it is removed.", "2.2.0", "O(1)")
        .run(Run::Shard(Body::Writes(expire::persist))),
    cmd("KEYS", Arity::Exact(2), Group::Generic)
        .acl(KEYSPACE_DANGEROUS)
        .tips(&["request_policy:all_shards", "nondeterministic_output_order"])
        .doc("Lists the keys that match a pattern.", "1.0.0", "O(N) in the keys of the database")
        .run(Run::Every(Body::ReadsPortions(scan::keys), Fold::Concat)),
    cmd("SCAN", Arity::AtLeast(2), Group::Generic)
        .acl(KEYSPACE)
        .tips(&["nondeterministic_output", "request_policy:special"])
        .doc("Walks over the keys in small steps.", "2.8.0", "O(1) a call, O(N) all in all")
        .run(Run::Cursor(1, Body::Reads(scan::scan))),
    cmd("RANDOMKEY", Arity::Exact(1), Group::Generic)
        .acl(KEYSPACE)
        .tips(&["request_policy:all_shards", "nondeterministic_output"])
        .doc("Returns a key drawn at random.", "1.0.0", "O(1)")
        .run(Run::Every(Body::Reads(random_key), Fold::Draw)),
    sorting("SORT", &[SORTED, DERIVED, STORED])
        .flags(Flags::DENYOOM)
        .doc("Sorts the elements of a list, a set or a sorted set.", "1.0.0", SORT_COMPLEXITY)
        .run(Run::Sort { body: Body::WritesPortions(sort::sort), derives: sort::derives }),
    sorting("SORT_RO", &[SORTED, DERIVED])
        .doc("Sorts as SORT does, but stores nothing.", "7.0.0", SORT_COMPLEXITY)
        .run(Run::Sort { body: Body::ReadsPortions(sort::sort_read_only), derives: sort::derives }),
    cmd("RENAME", Arity::Exact(3), Group::Generic)
        .acl(KEYSPACE)
        .keys(&[Keys::At(1, TAKEN), Keys::At(2, REPLACED)])
        .doc("Gives a value another key, in place of what was there.", "1.0.0", "O(1)")
        .run(Run::Handover { look: rename::look, give: rename::give, take: rename::take }),
    cmd("RENAMENX", Arity::Exact(3), Group::Generic)
        .flags(Flags::FAST)
        .acl(KEYSPACE)
        .keys(&[Keys::At(1, TAKEN), Keys::At(2, CREATED)])
        .doc("Gives a value another key, unless that one exists.", "1.0.0", "O(1)")
        .run(Run::Handover {
            look: rename::look,
            give: rename::give_if_free,
            take: rename::take_if_free,
        }),
    cmd("COPY", Arity::AtLeast(3), Group::Generic)
        .flags(Flags::DENYOOM)
        .acl(KEYSPACE)
        .keys(&[Keys::At(1, RETURNED), Keys::At(2, REPLACED)])
        .doc("Copies a value to another key or database.", "6.2.0", "O(N) in the elements")
        .run(Run::Handover {
            look: rename::look_for_copy,
            give: rename::give_copy,
            take: rename::take_copy,
        }),
    cmd("MOVE", Arity::Exact(3), Group::Generic)
        .flags(Flags::FAST)
        .acl(KEYSPACE)
        .keys(&[Keys::At(1, CARRIED_AWAY)])
        .doc("Takes a key to another database.", "1.0.0", "O(1)")
        .run(Run::Shard(Body::Writes(rename::move_to_database))),
    cmd("OBJECT", Arity::AtLeast(2), Group::Generic)
        .doc("Looks at how a value is stored.", "2.2.3", "O(1)")
        .run(Run::Shard(Body::Reads(object::help)))
        .subcommands(object::SUBCOMMANDS),
    cmd("DBSIZE", Arity::Exact(1), Group::Server)
        .flags(Flags::FAST)
        .acl(KEYSPACE)
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"])
        .doc("Counts the keys of the selected database.", "1.0.0", "O(1)")
        .run(Run::Every(Body::Reads(database_size), Fold::Sum)),
    cmd("FLUSHDB", Arity::AtLeast(1), Group::Server)
        .acl(KEYSPACE_DANGEROUS)
        .tips(EVERY_SHARD_OK)
        .doc("Removes all keys of the selected database.", "1.0.0", "O(1), freed in slices")
        .run(Run::Every(Body::Writes(flush::flush_database), Fold::AllOk)),
    cmd("FLUSHALL", Arity::AtLeast(1), Group::Server)
        .acl(KEYSPACE_DANGEROUS)
        .tips(EVERY_SHARD_OK)
        .doc("Removes all keys of all databases.", "1.0.0", "O(1), freed in slices")
        .run(Run::Every(Body::Writes(flush::flush_all), Fold::AllOk)),
    cmd("SWAPDB", Arity::Exact(3), Group::Server)
        .flags(Flags::FAST)
        .acl(KEYSPACE_DANGEROUS)
        .doc("Exchanges two databases.", "4.0.0", "O(1)")
        .run(Run::Every(Body::Writes(flush::swap_databases), Fold::AllOk)),
];
const _: () = verify(COMMANDS);

/// Counts the keys from position 1 on that `is_counted`.
fn count_keys(args: &Args<'_>, out: &mut Out, mut is_counted: impl FnMut(usize) -> bool) {
    out.count((1..args.len()).filter(|&position| is_counted(position)).count());
}

fn del(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    count_keys(args, out, |position| db.write(args.key(position)).remove(Event::DEL));
    Ok(())
}

fn exists(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    count_keys(args, out, |position| db.probe(args.key(position)).is_some());
    Ok(())
}

fn touch(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    count_keys(args, out, |position| db.read_and_touch(args.key(position)).is_some());
    Ok(())
}

fn type_of(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    out.simple(db.probe(args.key(1)).map_or("none", |entry| entry.value().kind().name()));
    Ok(())
}

fn database_size(db: &Db, _: &Args<'_>, out: &mut Out) -> CmdResult {
    out.count(db.len());
    Ok(())
}

/// Answers a key to the client if this is the only shard, else its share in the draw: a number of
/// keys and a key.
fn random_key(db: &Db, _: &Args<'_>, out: &mut Out) -> CmdResult {
    let drawn = db.random();
    if db.shards() > 1 {
        out.array(2);
        // Of expired keys alone none can be drawn, so they must not win against another shard's
        // live ones.
        out.count(if drawn.is_some() { db.len() } else { 0 });
    }
    match drawn {
        Some(entry) => out.bulk(entry.key()),
        None => out.null(),
    }
    Ok(())
}

/// The database that an argument of COPY or MOVE names.
fn database_index(db: &Db, text: &[u8]) -> Result<usize, CmdError> {
    let number = num::parse_i64(text).ok_or(CmdError::NotInteger)?;
    if i32::try_from(number).is_err() {
        return Err(CmdError::Text(
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        ));
    }
    let index = usize::try_from(number).ok().filter(|index| *index < db.database_count());
    index.ok_or(CmdError::DatabaseOutOfRange)
}
