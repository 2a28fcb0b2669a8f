//! The sorted set commands: rows, and the handlers that are too plain for a file of their own.
//!
//! Invariant: a handler checks in Redis's order (options, numbers, then the key's type) and changes
//! nothing before the last check.
//!
//! Absent: geographic commands, which are sorted sets to the store but a family of their own.

mod add;
mod algebra;
mod block;
mod bounds;
pub(super) mod entries;
pub mod pop;
mod random;
mod range;
mod scan;
#[cfg(test)]
mod tests;

pub(super) use self::add::{Condition, add_scored};

use super::spec::Arity::{AtLeast, Exact};
use super::spec::Body::{Reads, ReadsPortions, Writes, WritesPortions};
use super::spec::{Access, Arity, Command, Flags, Group, Keys, Log, Run, Spec, cmd, verify};
use crate::resp::args::{Args, Key};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::{Db, Expiry};
use crate::store::object::Object;
use crate::store::sorted_set::SortedSet;

/// An event of this family.
pub(super) const fn event(name: &'static str) -> Event {
    Event { class: b'z', name }
}

const ZADD: Event = event("zadd");
const ZINCR: Event = event("zincr");
const ZREM: Event = event("zrem");

const FAST: Flags = Flags::FAST;
const DENYOOM: Flags = Flags::DENYOOM;
const DENYOOM_FAST: Flags = Flags::DENYOOM.and(Flags::FAST);

const READ: Access = Access::RO.and(Access::ACCESS);
const CHANGE: Access = Access::RW.and(Access::UPDATE);
const READ_CHANGE: Access = CHANGE.and(Access::ACCESS);
const DELETE: Access = Access::RW.and(Access::DELETE);
const TAKE: Access = DELETE.and(Access::ACCESS);
const REPLACE: Access = Access::OW.and(Access::UPDATE);

const READ_ONE: &[Keys] = &[Keys::At(1, READ)];
const DELETE_ONE: &[Keys] = &[Keys::At(1, DELETE)];
const TAKE_ONE: &[Keys] = &[Keys::At(1, TAKE)];
const READ_SEVERAL: &[Keys] = &[Keys::Counted { count_at: 1, step: 1, access: READ }];
/// The keys of a command whose last argument says how long it waits.
const AWAITED: &[Keys] = &[Keys::Range { first: 1, last: -2, step: 1, access: TAKE }];
const STORE_SEVERAL: &[Keys] =
    &[Keys::At(1, REPLACE), Keys::Counted { count_at: 2, step: 1, access: READ }];

const LOG_RANGE: &str = "O(log(N)+M) with N members in the set and M in the range";
const LOG_EACH: &str = "O(log(N)) for each member, with N members in the set";
const UNION_COST: &str = "O(N)+O(M*log(M)) with N members in all sets and M in the result";
const INTERSECTION_COST: &str =
    "O(N*K)+O(M*log(M)) with N members in the smallest of K sets and M in the result";
const DIFFERENCE_COST: &str =
    "O(N*K)+O(M*log(M)) with N members in the first of K sets and M in the result";

const fn sorted(name: &'static str, arity: Arity) -> Spec {
    cmd(name, arity, Group::SortedSet)
}

/// A command over several sets that answers the result.
const fn answered(name: &'static str) -> Spec {
    sorted(name, AtLeast(3)).keys(READ_SEVERAL)
}

/// A command over several sets that stores the result.
const fn stored(name: &'static str) -> Spec {
    sorted(name, AtLeast(4)).flags(DENYOOM).keys(STORE_SEVERAL)
}

/// Every sorted set command.
pub const COMMANDS: &[Command] = &[
    sorted("BZMPOP", AtLeast(5))
        .flags(Flags::BLOCKING)
        .keys(&[Keys::Counted { count_at: 2, step: 1, access: TAKE }])
        .doc(
            "Takes members from the first set that has any, and waits for them.",
            "7.0.0",
            "O(K)+O(M*log(N)) with K keys, M members taken and N in the set",
        )
        .run(Run::Blocking(block::BZMPOP))
        .log(Log::Effects),
    sorted("BZPOPMAX", AtLeast(3))
        .flags(Flags::BLOCKING.and(FAST))
        .keys(AWAITED)
        .doc(
            "Takes the member with the highest score from the first set, and waits for it.",
            "5.0.0",
            "O(log(N)) with N members in the set",
        )
        .run(Run::Blocking(block::BZPOPMAX))
        .log(Log::Effects),
    sorted("BZPOPMIN", AtLeast(3))
        .flags(Flags::BLOCKING.and(FAST))
        .keys(AWAITED)
        .doc(
            "Takes the member with the lowest score from the first set, and waits for it.",
            "5.0.0",
            "O(log(N)) with N members in the set",
        )
        .run(Run::Blocking(block::BZPOPMIN))
        .log(Log::Effects),
    sorted("ZADD", AtLeast(4))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, CHANGE)])
        .doc("Adds members to a sorted set, or changes their scores.", "1.2.0", LOG_EACH)
        .run(Run::Shard(Writes(add::zadd))),
    sorted("ZCARD", Exact(2))
        .flags(FAST)
        .keys(&[Keys::At(1, Access::RO)])
        .doc("Returns the number of members of a sorted set.", "1.2.0", "O(1)")
        .run(Run::Shard(Reads(zcard))),
    sorted("ZCOUNT", Exact(4))
        .flags(FAST)
        .keys(READ_ONE)
        .doc("Counts the members with scores in a range.", "2.0.0", "O(log(N))")
        .run(Run::Shard(Reads(range::zcount))),
    answered("ZDIFF")
        .doc("Returns the members of the first set that no other has.", "6.2.0", DIFFERENCE_COST)
        .run(algebra::ZDIFF),
    stored("ZDIFFSTORE")
        .doc("Stores the members of the first set that no other has.", "6.2.0", DIFFERENCE_COST)
        .run(algebra::ZDIFFSTORE),
    sorted("ZINCRBY", Exact(4))
        .flags(DENYOOM_FAST)
        .keys(&[Keys::At(1, READ_CHANGE)])
        .doc("Adds to the score of a member.", "1.2.0", "O(log(N)) with N members in the set")
        .run(Run::Shard(Writes(add::zincrby))),
    answered("ZINTER")
        .doc("Returns the members that all sets have.", "6.2.0", INTERSECTION_COST)
        .run(algebra::ZINTER),
    answered("ZINTERCARD")
        .doc(
            "Counts the members that all sets have.",
            "7.0.0",
            "O(N*K) with N members in the smallest of K sets",
        )
        .run(algebra::ZINTERCARD),
    stored("ZINTERSTORE")
        .doc("Stores the members that all sets have.", "2.0.0", INTERSECTION_COST)
        .run(algebra::ZINTERSTORE),
    sorted("ZLEXCOUNT", Exact(4))
        .flags(FAST)
        .keys(READ_ONE)
        .doc("Counts the members between two names.", "2.8.9", "O(log(N))")
        .run(Run::Shard(Reads(range::zlexcount))),
    sorted("ZMPOP", AtLeast(4))
        .keys(&[Keys::Counted { count_at: 1, step: 1, access: TAKE }])
        .doc(
            "Takes members with the lowest or highest scores from the first set that has any.",
            "7.0.0",
            "O(K)+O(M*log(N)) with K keys, M members taken and N in the set",
        )
        .run(Run::LongPhases { collect: pop::zmpop_collect, commit: pop::zmpop_commit })
        .log(Log::Effects),
    sorted("ZMSCORE", AtLeast(3))
        .flags(FAST)
        .keys(READ_ONE)
        .doc("Returns the scores of members.", "6.2.0", "O(N) with N members asked for")
        .run(Run::Shard(Reads(zmscore))),
    sorted("ZPOPMAX", AtLeast(2))
        .flags(FAST)
        .keys(TAKE_ONE)
        .doc("Takes the members with the highest scores.", "5.0.0", LOG_EACH)
        .run(Run::Shard(WritesPortions(pop::zpopmax)))
        .log(Log::Effects),
    sorted("ZPOPMIN", AtLeast(2))
        .flags(FAST)
        .keys(TAKE_ONE)
        .doc("Takes the members with the lowest scores.", "5.0.0", LOG_EACH)
        .run(Run::Shard(WritesPortions(pop::zpopmin)))
        .log(Log::Effects),
    sorted("ZRANDMEMBER", AtLeast(2))
        .keys(READ_ONE)
        .tips(&["nondeterministic_output"])
        .doc("Returns members drawn at random.", "6.2.0", "O(N) with N members returned")
        .run(Run::Shard(ReadsPortions(random::zrandmember))),
    sorted("ZRANGE", AtLeast(4))
        .keys(READ_ONE)
        .doc("Returns the members in a range.", "1.2.0", LOG_RANGE)
        .run(Run::Shard(ReadsPortions(range::zrange))),
    sorted("ZRANGEBYLEX", AtLeast(4))
        .keys(READ_ONE)
        .doc("Returns the members between two names.", "2.8.9", LOG_RANGE)
        .run(Run::Shard(ReadsPortions(range::zrangebylex))),
    sorted("ZRANGEBYSCORE", AtLeast(4))
        .keys(READ_ONE)
        .doc("Returns the members with scores in a range.", "1.0.5", LOG_RANGE)
        .run(Run::Shard(ReadsPortions(range::zrangebyscore))),
    sorted("ZRANGESTORE", AtLeast(5))
        .flags(DENYOOM)
        .keys(&[Keys::At(1, REPLACE), Keys::At(2, READ)])
        .doc("Stores the members in a range.", "6.2.0", LOG_RANGE)
        .run(Run::LongPhases {
            collect: range::zrangestore_collect,
            commit: range::zrangestore_commit,
        }),
    sorted("ZRANK", AtLeast(3))
        .flags(FAST)
        .keys(READ_ONE)
        .doc("Returns how many members come before one.", "2.0.0", "O(log(N))")
        .run(Run::Shard(Reads(zrank))),
    sorted("ZREM", AtLeast(3))
        .flags(FAST)
        .keys(DELETE_ONE)
        .doc("Removes members from a sorted set.", "1.2.0", LOG_EACH)
        .run(Run::Shard(Writes(zrem))),
    sorted("ZREMRANGEBYLEX", Exact(4))
        .keys(DELETE_ONE)
        .doc("Removes the members between two names.", "2.8.9", LOG_RANGE)
        .run(Run::Shard(WritesPortions(range::zremrangebylex))),
    sorted("ZREMRANGEBYRANK", Exact(4))
        .keys(DELETE_ONE)
        .doc("Removes the members in a range of ranks.", "2.0.0", LOG_RANGE)
        .run(Run::Shard(WritesPortions(range::zremrangebyrank))),
    sorted("ZREMRANGEBYSCORE", Exact(4))
        .keys(DELETE_ONE)
        .doc("Removes the members with scores in a range.", "1.2.0", LOG_RANGE)
        .run(Run::Shard(WritesPortions(range::zremrangebyscore))),
    sorted("ZREVRANGE", AtLeast(4))
        .keys(READ_ONE)
        .doc("Returns the members in a range of ranks, from the last.", "1.2.0", LOG_RANGE)
        .run(Run::Shard(ReadsPortions(range::zrevrange))),
    sorted("ZREVRANGEBYLEX", AtLeast(4))
        .keys(READ_ONE)
        .doc("Returns the members between two names, from the last.", "2.8.9", LOG_RANGE)
        .run(Run::Shard(ReadsPortions(range::zrevrangebylex))),
    sorted("ZREVRANGEBYSCORE", AtLeast(4))
        .keys(READ_ONE)
        .doc("Returns the members with scores in a range, from the last.", "2.2.0", LOG_RANGE)
        .run(Run::Shard(ReadsPortions(range::zrevrangebyscore))),
    sorted("ZREVRANK", AtLeast(3))
        .flags(FAST)
        .keys(READ_ONE)
        .doc("Returns how many members come after one.", "2.0.0", "O(log(N))")
        .run(Run::Shard(Reads(zrevrank))),
    sorted("ZSCAN", AtLeast(3))
        .keys(READ_ONE)
        .tips(&["nondeterministic_output"])
        .doc(
            "Walks over the members of a sorted set in steps.",
            "2.8.0",
            "O(1) for a step, O(N) for the whole of N members",
        )
        .run(Run::Shard(Reads(scan::zscan))),
    sorted("ZSCORE", Exact(3))
        .flags(FAST)
        .keys(READ_ONE)
        .doc("Returns the score of a member.", "1.2.0", "O(1)")
        .run(Run::Shard(Reads(zscore))),
    answered("ZUNION")
        .doc("Returns the members that any set has.", "6.2.0", UNION_COST)
        .run(algebra::ZUNION),
    stored("ZUNIONSTORE")
        .doc("Stores the members that any set has.", "2.0.0", UNION_COST)
        .run(algebra::ZUNIONSTORE),
];

const _: () = verify(COMMANDS);

/// Makes a sorted set of `members` the value of `key`; none at all removes the key.
pub(super) fn store_result<'a>(
    db: &mut Db,
    key: Key<'_>,
    members: impl ExactSizeIterator<Item = (&'a [u8], f64)> + Clone,
    event: Event,
) {
    let set = SortedSet::of(members, &db.tuning.encoding);
    db.write(key).put_object(Object::SortedSet(set), Expiry::Never, event);
}

fn zcard(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    out.count(db.read_as::<SortedSet>(args.key(1))?.map_or(0, SortedSet::len));
    Ok(())
}

/// Writes a score, or null where there is none.
fn write_score(out: &mut Out, score: Option<f64>) {
    match score {
        Some(score) => out.double(score),
        None => out.null(),
    }
}

fn zscore(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let set = db.read_as::<SortedSet>(args.key(1))?;
    write_score(out, set.and_then(|set| set.score(args.at(2))));
    Ok(())
}

fn zmscore(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let set = db.read_as::<SortedSet>(args.key(1))?;
    out.array(args.len() - 2);
    for member in args.from(2) {
        write_score(out, set.and_then(|set| set.score(member)));
    }
    Ok(())
}

fn zrem(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut removed = 0;
    if let Some(mut set) = db.edit::<SortedSet>(args.key(1))? {
        for member in args.from(2) {
            removed += usize::from(set.remove(member));
        }
        if removed > 0 {
            set.changed_elements(ZREM, removed);
        }
    }
    out.count(removed);
    Ok(())
}

fn rank(db: &Db, args: &Args<'_>, out: &mut Out, name: &'static str, backwards: bool) -> CmdResult {
    if args.len() > 4 {
        return Err(CmdError::WrongArity(name.into()));
    }
    let with_score = args.len() == 4;
    if with_score && !args.is(3, "WITHSCORE") {
        return Err(CmdError::Syntax);
    }
    let set = db.read_as::<SortedSet>(args.key(1))?;
    let found = set.and_then(|set| {
        let (rank, score) = set.rank(args.at(2))?;
        Some((if backwards { set.len() - 1 - rank } else { rank }, score))
    });
    match found {
        None if with_score => out.null_array(),
        None => out.null(),
        Some((rank, score)) => {
            if with_score {
                out.array(2);
            }
            out.count(rank);
            if with_score {
                out.double(score);
            }
        }
    }
    Ok(())
}

fn zrank(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    rank(db, args, out, "zrank", false)
}

fn zrevrank(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    rank(db, args, out, "zrevrank", true)
}
