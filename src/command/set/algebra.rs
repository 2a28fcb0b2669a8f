//! Union, intersection and difference of sets: as a reply, as a count, or stored under a key.
//!
//! The sets may lie on several shards. The owner of the first key, for a stored result that of the
//! target, computes the result from its own sets, where they lie, and from what the other shards
//! have collected: each sends one set, the least that its own ones amount to. So if all keys are on
//! one shard, nothing is copied.
//!
//! ```text
//!               a shard sends                              and the owner takes
//! Intersection  what its sets have in common               what all of that has in common
//! Union         what any of them has                       all of it, once
//! Difference    if it has the first set: that one          what is in the first set only
//!               without the others it has; else what
//!               any of them has
//! ```
//!
//! Invariant: the type of every source is checked while collecting, so nothing is stored unless all
//! of them are sets.
//!
//! Absent: sending only what the owner could need. It takes one more phase to know.

mod plan;

use std::ops::Range;

use ahash::AHashSet;

pub(super) use self::plan::{Difference, Intersection, Operation, Union};
use self::plan::{Plan, Rule, Share, Sources};
use crate::base::num;
use crate::command::item::write_item;
use crate::command::portion::Portion;
use crate::command::spec::Parcel;
use crate::ds::listpack::Item;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::db::{Db, Expiry};
use crate::store::object::{EncodingLimits, Object, Typed};
use crate::store::set::{Set, canonical};

const KEYS_MISSING: CmdError =
    CmdError::Text("ERR Number of keys can't be greater than number of args");
const NO_KEYS: CmdError = CmdError::Text("ERR numkeys should be greater than 0");
const NEGATIVE_LIMIT: CmdError = CmdError::Text("ERR LIMIT can't be negative");

/// Which keys are sources, and how far to count.
pub(super) struct Request {
    keys: Range<usize>,
    /// The command's first key, whose owner computes the result.
    result_at: usize,
    /// Members of the result that are of interest.
    limit: usize,
}

impl Request {
    fn unlimited(keys: Range<usize>) -> Request {
        Request { keys, result_at: 1, limit: usize::MAX }
    }
}

/// What becomes of the result.
pub(super) trait Outcome {
    /// Whether a set is made of it, which itself knows what it has.
    const IS_KEPT: bool = false;

    fn read<O: Operation>(args: &Args<'_>) -> Result<Request, CmdError>;

    /// Takes one member of the result.
    fn take(item: Item<'_>, result: &mut Set, limits: &EncodingLimits, out: &mut Out);

    /// Answers, when `count` members were taken. The portion's reply begins at `start`.
    fn finish<O: Operation>(
        db: &mut Db,
        args: &Args<'_>,
        work: &mut Work,
        portion: (&mut Portion, usize),
        out: &mut Out,
    );
}

/// SINTER, SUNION, SDIFF: the members.
pub(super) struct Members;

/// SINTERCARD and its like: how many they are.
pub(super) struct Count;

/// SINTERSTORE and its like: kept under a key, and how many they are.
pub(super) struct Store;

impl Outcome for Members {
    fn read<O: Operation>(args: &Args<'_>) -> Result<Request, CmdError> {
        Ok(Request::unlimited(1..args.len()))
    }

    #[inline]
    fn take(item: Item<'_>, _: &mut Set, _: &EncodingLimits, out: &mut Out) {
        write_item(item, out);
    }

    fn finish<O: Operation>(
        _: &mut Db,
        _: &Args<'_>,
        work: &mut Work,
        (portion, start): (&mut Portion, usize),
        out: &mut Out,
    ) {
        portion.end_set(start, work.count, out);
    }
}

impl Outcome for Count {
    fn read<O: Operation>(args: &Args<'_>) -> Result<Request, CmdError> {
        let count = num::parse_i64(args.at(1)).filter(|count| *count > 0).ok_or(NO_KEYS)?;
        let count = usize::try_from(count).ok().filter(|count| *count <= args.len() - 2);
        let keys = 2..2 + count.ok_or(KEYS_MISSING)?;
        let (mut limit, mut options) = (0, args.reader(keys.end));
        while !options.done() {
            if options.left() > 1 && options.keyword("LIMIT") {
                let number = num::parse_i64(options.word()?);
                limit = number.and_then(|n| usize::try_from(n).ok()).ok_or(NEGATIVE_LIMIT)?;
            } else if !(O::TAKES_APPROX && options.keyword("APPROX")) {
                return Err(CmdError::Syntax);
            }
        }
        let limit = if limit == 0 { usize::MAX } else { limit };
        Ok(Request { keys, result_at: 2, limit })
    }

    #[inline]
    fn take(_: Item<'_>, _: &mut Set, _: &EncodingLimits, _: &mut Out) {}

    fn finish<O: Operation>(
        _: &mut Db,
        _: &Args<'_>,
        work: &mut Work,
        _: (&mut Portion, usize),
        out: &mut Out,
    ) {
        out.count(work.count);
    }
}

impl Outcome for Store {
    const IS_KEPT: bool = true;

    fn read<O: Operation>(args: &Args<'_>) -> Result<Request, CmdError> {
        Ok(Request::unlimited(2..args.len()))
    }

    #[inline]
    fn take(item: Item<'_>, result: &mut Set, limits: &EncodingLimits, _: &mut Out) {
        result.insert_item(item, limits);
    }

    fn finish<O: Operation>(
        db: &mut Db,
        args: &Args<'_>,
        work: &mut Work,
        _: (&mut Portion, usize),
        out: &mut Out,
    ) {
        let result = std::mem::take(&mut work.result);
        out.count(result.len());
        db.write(args.key(1)).put_object(Object::Set(result), Expiry::Never, O::STORED);
    }
}

/// What has come of a computation so far: what it keeps from portion to portion.
#[derive(Default)]
pub(super) struct Work {
    /// Copies of members that were gone through, if they may come by again.
    seen: Set,
    /// Of a result that is kept.
    result: Set,
    /// Members that were taken.
    count: usize,
}

impl Bulky for Work {
    fn free_some(&mut self, budget: usize) -> bool {
        self.seen.free_some(budget) && self.result.free_some(budget)
    }
}

/// Members that were gone through.
enum Seen<'w, 's> {
    /// For as long as one call.
    Borrowed(AHashSet<Item<'s>>),
    Copied(&'w mut Set, &'w EncodingLimits),
}

impl<'s> Seen<'_, 's> {
    /// Notes a member; false if it has been noted before.
    #[inline]
    fn insert(&mut self, item: Item<'s>) -> bool {
        match self {
            Seen::Borrowed(items) => items.insert(canonical(item)),
            Seen::Copied(set, limits) => set.insert_item(item, limits),
        }
    }

    #[inline]
    fn contains(&self, item: Item<'s>) -> bool {
        match self {
            Seen::Borrowed(items) => items.contains(&canonical(item)),
            Seen::Copied(set, _) => set.contains_item(item),
        }
    }
}

/// Goes through as much as the portion says, and takes up to `limit` members of the result.
fn compute<C: Outcome>(
    plan: &Plan<'_>,
    (work, limit): (&mut Work, usize),
    limits: &EncodingLimits,
    portion: &mut Portion,
    out: &mut Out,
) {
    // Looking for some may end early, so it is tried.
    if limit == usize::MAX && !portion.admits(plan.cost()) {
        return;
    }
    let Work { seen, result, count } = work;
    let mut seen = if portion.may_go_on() {
        if portion.is_first() {
            seen.convert_to_table();
        }
        Seen::Copied(seen, limits)
    } else {
        Seen::Borrowed(AHashSet::with_capacity(plan.remembered()))
    };
    // To copy a member costs as much again as to judge it.
    let is_copied = portion.may_go_on() && (C::IS_KEPT || plan.remembers());
    let cost = plan.member_cost + usize::from(is_copied);
    let last = plan.walked.len().saturating_sub(1);
    portion.walk_all(plan.walked.len(), out, |number, first, out| {
        if *count >= limit {
            return (None, 0);
        }
        let mut visited = 0;
        let next = plan.walked[number].walk_from(first, |item| {
            visited += cost;
            let is_member = match &plan.rule {
                // What is kept tells itself what is new.
                Rule::Once => C::IS_KEPT || seen.insert(item),
                Rule::InAll(sets) => sets.iter().all(|set| set.contains_item(item)),
                Rule::InNone(sets) => !sets.iter().any(|set| set.contains_item(item)),
                Rule::InLastOnly if number < last => {
                    seen.insert(item);
                    false
                }
                Rule::InLastOnly => !seen.contains(item),
            };
            if is_member && *count < limit {
                C::take(item, result, limits, out);
                *count += 1;
            }
        });
        (next, visited)
    });
}

/// Phase one.
pub(super) fn collect<O: Operation, C: Outcome>(
    db: &Db,
    args: &Args<'_>,
    portion: &mut Portion,
) -> Result<Parcel, CmdError> {
    let request = C::read::<O>(args)?;
    if portion.is_first() {
        for position in request.keys.clone() {
            let key = args.key(position);
            if db.owns(key) {
                db.read_as::<Set>(key)?;
            }
        }
    }
    if db.owns(args.key(request.result_at)) {
        return Ok(None);
    }
    portion.do_at_least(args.len());
    let has_first = db.owns(args.key(request.keys.start));
    let plan = O::plan_share(&Sources::here(db, args, &request.keys), has_first);
    let mut work = portion.take_state::<Work>().unwrap_or_default();
    let everything = (&mut *work, usize::MAX);
    compute::<Store>(&plan, everything, &db.tuning.encoding, portion, &mut Out::default());
    if portion.is_unfinished() {
        portion.keep_state(work);
        return Ok(None);
    }
    let set = std::mem::take(&mut work.result);
    portion.keep_state(work);
    Ok(Some(Box::new(Share { set, has_first })))
}

/// Phase two, in which all shards but one have nothing to do.
pub(super) fn commit<O: Operation, C: Outcome>(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    let request = C::read::<O>(args)?;
    if !db.owns(args.key(request.result_at)) {
        return Ok(());
    }
    portion.do_at_least(args.len());
    let start = out.encoded().len();
    let mut work = portion.take_state::<Work>().map_or_else(Work::default, |work| *work);
    let plan = O::plan(&Sources::everywhere(db, args, &request.keys, parcels));
    let limited = (&mut work, request.limit);
    compute::<C>(&plan, limited, &db.tuning.encoding, portion, out);
    if !portion.is_unfinished() {
        C::finish::<O>(db, args, &mut work, (portion, start), out);
    }
    // Also at the end: what it holds may be large.
    if portion.may_go_on() {
        portion.keep_state(Box::new(work));
    }
    Ok(())
}
