//! The set commands: rows, and the handlers for one set and named members.
//!
//! Invariant: the type of every key is checked before anything is changed, and before a reply is
//! begun. A missing key is an empty set.

mod algebra;
mod random;
mod scan;
#[cfg(test)]
mod tests;

use self::algebra::{Count, Difference, Intersection, Members, Store, Union, collect, commit};
use super::item::write_item;
use super::portion::Portion;
use super::spec::Arity::{AtLeast, Exact};
use super::spec::Body::{Reads, ReadsPortions, Writes, WritesPortions};
use super::spec::{
    Access, Arity, Command, Flags, Group, Keys, Log, Parcel, Run, Spec, cmd, verify,
};
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::change::Event;
use crate::store::db::Db;
use crate::store::set::Set;

const ADDED: Event = Event::set("sadd");
const REMOVED: Event = Event::set("srem");

const FAST: Flags = Flags::FAST;
const DENYOOM: Flags = Flags::DENYOOM;

const READ: Access = Access::RO.and(Access::ACCESS);
const INSERT: Access = Access::RW.and(Access::INSERT);
const TAKE: Access = Access::RW.and(Access::ACCESS).and(Access::DELETE);

/// The keys of SINTER and its like.
const SOURCES: &[Keys] = &[Keys::Range { first: 1, last: -1, step: 1, access: READ }];

/// The keys of SINTERCARD and its like.
const COUNTED: &[Keys] = &[Keys::Counted { count_at: 1, step: 1, access: READ }];

/// The keys of SINTERSTORE and its like.
const STORED: &[Keys] = &[
    Keys::At(1, Access::OW.and(Access::UPDATE)),
    Keys::Range { first: 2, last: -1, step: 1, access: READ },
];

const ANY_ORDER: &[&str] = &["nondeterministic_output_order"];
const RANDOM: &[&str] = &["nondeterministic_output"];

const PER_MEMBER: &str = "O(N) with N the members named";
const ALL_MEMBERS: &str = "O(N) with N the members of all sets together";
const SMALLEST: &str = "O(N*M) with N the members of the smallest set and M the number of sets";

const fn set(name: &'static str, arity: Arity) -> Spec {
    cmd(name, arity, Group::Set)
}

/// Every set command.
pub const COMMANDS: &[Command] = &[
    set("SADD", AtLeast(3))
        .flags(DENYOOM.and(FAST))
        .keys(&[Keys::At(1, INSERT)])
        .doc("Adds members to a set, which is created if missing.", "1.0.0", PER_MEMBER)
        .run(Run::Shard(Writes(sadd))),
    set("SCARD", Exact(2))
        .flags(FAST)
        .keys(&[Keys::At(1, Access::RO)])
        .doc("Returns the number of members of a set.", "1.0.0", "O(1)")
        .run(Run::Shard(Reads(scard))),
    set("SDIFF", AtLeast(2))
        .keys(SOURCES)
        .tips(ANY_ORDER)
        .doc("Returns the members of the first set that no other has.", "1.0.0", ALL_MEMBERS)
        .run(Run::LongPhases {
            collect: collect::<Difference, Members>,
            commit: commit::<Difference, Members>,
        }),
    set("SDIFFCARD", AtLeast(3))
        .keys(COUNTED)
        .doc("Counts the members of the first set that no other has.", "8.10.0", ALL_MEMBERS)
        .run(Run::LongPhases {
            collect: collect::<Difference, Count>,
            commit: commit::<Difference, Count>,
        }),
    set("SDIFFSTORE", AtLeast(3))
        .flags(DENYOOM)
        .keys(STORED)
        .doc(
            "Stores the members of the first set that no other has under a key.",
            "1.0.0",
            ALL_MEMBERS,
        )
        .run(Run::LongPhases {
            collect: collect::<Difference, Store>,
            commit: commit::<Difference, Store>,
        }),
    set("SINTER", AtLeast(2))
        .keys(SOURCES)
        .tips(ANY_ORDER)
        .doc("Returns the members that all sets have.", "1.0.0", SMALLEST)
        .run(Run::LongPhases {
            collect: collect::<Intersection, Members>,
            commit: commit::<Intersection, Members>,
        }),
    set("SINTERCARD", AtLeast(3))
        .keys(COUNTED)
        .doc("Counts the members that all sets have.", "7.0.0", SMALLEST)
        .run(Run::LongPhases {
            collect: collect::<Intersection, Count>,
            commit: commit::<Intersection, Count>,
        }),
    set("SINTERSTORE", AtLeast(3))
        .flags(DENYOOM)
        .keys(STORED)
        .doc("Stores the members that all sets have under a key.", "1.0.0", SMALLEST)
        .run(Run::LongPhases {
            collect: collect::<Intersection, Store>,
            commit: commit::<Intersection, Store>,
        }),
    set("SISMEMBER", Exact(3))
        .flags(FAST)
        .keys(&[Keys::At(1, Access::RO)])
        .doc("Says whether a set has a member.", "1.0.0", "O(1)")
        .run(Run::Shard(Reads(sismember))),
    set("SMEMBERS", Exact(2))
        .keys(&[Keys::At(1, READ)])
        .tips(ANY_ORDER)
        .doc("Returns all members of a set.", "1.0.0", "O(N) with N the members")
        .run(Run::Shard(ReadsPortions(smembers))),
    set("SMISMEMBER", AtLeast(3))
        .flags(FAST)
        .keys(&[Keys::At(1, READ)])
        .doc("Says of each of several members whether a set has it.", "6.2.0", PER_MEMBER)
        .run(Run::Shard(Reads(smismember))),
    set("SMOVE", Exact(4))
        .flags(FAST)
        .keys(&[Keys::At(1, TAKE), Keys::At(2, INSERT)])
        .doc("Moves a member from one set to another.", "1.0.0", "O(1)")
        .run(Run::TwoPhase { collect: smove_collect, commit: smove_commit })
        .log(Log::Effects),
    set("SPOP", AtLeast(2))
        .flags(FAST)
        .keys(&[Keys::At(1, TAKE)])
        .tips(RANDOM)
        .doc(
            "Takes one or more random members out of a set and returns them.",
            "1.0.0",
            "O(N) with N the members taken",
        )
        .run(Run::Shard(WritesPortions(random::spop)))
        .log(Log::Effects),
    set("SRANDMEMBER", AtLeast(2))
        .keys(&[Keys::At(1, READ)])
        .tips(RANDOM)
        .doc(
            "Returns one or more random members of a set.",
            "1.0.0",
            "O(N) with N the members returned",
        )
        .run(Run::Shard(ReadsPortions(random::srandmember))),
    set("SREM", AtLeast(3))
        .flags(FAST)
        .keys(&[Keys::At(1, Access::RW.and(Access::DELETE))])
        .doc("Takes members out of a set.", "1.0.0", PER_MEMBER)
        .run(Run::Shard(Writes(srem))),
    set("SSCAN", AtLeast(3))
        .keys(&[Keys::At(1, READ)])
        .tips(RANDOM)
        .doc(
            "Goes through the members of a set in steps.",
            "2.8.0",
            "O(1) for a step, O(N) for all with N the members",
        )
        .run(Run::Shard(Reads(scan::sscan))),
    set("SUNION", AtLeast(2))
        .keys(SOURCES)
        .tips(ANY_ORDER)
        .doc("Returns the members that any of the sets has.", "1.0.0", ALL_MEMBERS)
        .run(Run::LongPhases {
            collect: collect::<Union, Members>,
            commit: commit::<Union, Members>,
        }),
    set("SUNIONCARD", AtLeast(3))
        .keys(COUNTED)
        .doc("Counts the members that any of the sets has.", "8.10.0", ALL_MEMBERS)
        .run(Run::LongPhases { collect: collect::<Union, Count>, commit: commit::<Union, Count> }),
    set("SUNIONSTORE", AtLeast(3))
        .flags(DENYOOM)
        .keys(STORED)
        .doc("Stores the members that any of the sets has under a key.", "1.0.0", ALL_MEMBERS)
        .run(Run::LongPhases { collect: collect::<Union, Store>, commit: commit::<Union, Store> }),
];

const _: () = verify(COMMANDS);

fn sadd(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let limits = db.tuning.encoding;
    let mut edit = db.edit_or_create::<Set>(args.key(1))?;
    let added = edit.insert_all(args.from(2), &limits);
    if added > 0 {
        edit.grown(ADDED, added);
    }
    out.count(added);
    Ok(())
}

fn srem(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut removed = 0;
    if let Some(mut edit) = db.edit::<Set>(args.key(1))? {
        let set = &mut *edit;
        removed = args.from(2).filter(|member| set.remove(member)).count();
        if removed > 0 {
            edit.changed_elements(REMOVED, removed);
        }
    }
    out.count(removed);
    Ok(())
}

fn scard(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    out.count(db.read_as::<Set>(args.key(1))?.map_or(0, Set::len));
    Ok(())
}

fn sismember(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let set = db.read_as::<Set>(args.key(1))?;
    out.int(set.is_some_and(|set| set.contains(args.at(2))).into());
    Ok(())
}

fn smismember(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let set = db.read_as::<Set>(args.key(1))?;
    out.array(args.len() - 2);
    for member in args.from(2) {
        out.int(set.is_some_and(|set| set.contains(member)).into());
    }
    Ok(())
}

fn smembers(db: &Db, args: &Args<'_>, portion: &mut Portion, out: &mut Out) -> CmdResult {
    let Some(set) = db.read_as::<Set>(args.key(1))? else {
        out.set(0);
        return Ok(());
    };
    if portion.admits(set.len()) {
        if portion.is_first() {
            out.set(set.len());
        }
        write_members(set, portion, out);
    }
    Ok(())
}

/// Writes the members that this portion is to return of all.
fn write_members(set: &Set, portion: &mut Portion, out: &mut Out) {
    portion.walk(out, |first, out| {
        let mut count = 0;
        let next = set.walk_from(first, |item| {
            count += 1;
            write_item(item, out);
        });
        (next, count)
    });
}

/// What one shard found of SMOVE's keys.
struct Found {
    /// Whether the source exists, if it is here.
    source_exists: bool,
    /// Whether the source has the member, if it is here.
    has_member: bool,
    /// Whether the target is here and holds something else than a set.
    is_target_wrong: bool,
}

impl Bulky for Found {}

fn smove_collect(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    let (source, target) = (args.key(1), args.key(2));
    let mut found = Found { source_exists: false, has_member: false, is_target_wrong: false };
    if db.owns(source)
        && let Some(set) = db.peek_as::<Set>(source)?
    {
        found.source_exists = true;
        found.has_member = set.contains(args.at(3));
    }
    // A missing source is no error, whatever the target is: only both shards together know.
    found.is_target_wrong = db.owns(target) && db.peek_as::<Set>(target).is_err();
    Ok(Some(Box::new(found)))
}

fn smove_commit(db: &mut Db, args: &Args<'_>, parcels: &[Parcel], out: &mut Out) -> CmdResult {
    let found = || parcels.iter().flatten().filter_map(|parcel| parcel.downcast_ref::<Found>());
    let any = |is_so: fn(&Found) -> bool| found().any(is_so);
    if any(|found| found.source_exists) && any(|found| found.is_target_wrong) {
        return Err(CmdError::WrongType);
    }
    let (source, target, member) = (args.key(1), args.key(2), args.at(3));
    let moves = any(|found| found.has_member);
    if moves && source.bytes != target.bytes {
        if db.owns(source)
            && let Some(mut edit) = db.edit::<Set>(source)?
        {
            edit.remove(member);
            edit.changed(REMOVED);
            edit.repeat_as(&[b"SREM", source.bytes, member]);
        }
        if db.owns(target) {
            let limits = db.tuning.encoding;
            let mut edit = db.edit_or_create::<Set>(target)?;
            if edit.insert(member, &limits) {
                edit.changed(ADDED);
                edit.repeat_as(&[b"SADD", target.bytes, member]);
            }
        }
    }
    out.int(moves.into());
    Ok(())
}
