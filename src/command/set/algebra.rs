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

use std::ops::ControlFlow::{self, Break, Continue};
use std::ops::Range;

use ahash::AHashSet;

use crate::base::num;
use crate::command::item::write_item;
use crate::command::spec::Parcel;
use crate::ds::listpack::Item;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::change::Event;
use crate::store::db::{Db, Expiry};
use crate::store::object::{EncodingLimits, Object, Typed};
use crate::store::set::{Set, canonical};

const KEYS_MISSING: CmdError =
    CmdError::Text("ERR Number of keys can't be greater than number of args");
const NO_KEYS: CmdError = CmdError::Text("ERR numkeys should be greater than 0");
const NEGATIVE_LIMIT: CmdError = CmdError::Text("ERR LIMIT can't be negative");

/// What is shown each member of a result, and may end the computation.
pub(super) type Visit<'v, 's> = &'v mut dyn FnMut(Item<'s>) -> ControlFlow<()>;

/// The sources of one command as far as they are known in one place; a missing key is no set.
pub(super) struct Sources<'s> {
    /// The first source of the command; `None` if it is missing or elsewhere.
    first: Option<&'s Set>,
    others: Vec<&'s Set>,
    /// Whether a source is missing, or what another shard's have in common is nothing.
    any_empty: bool,
}

/// Which members the result has.
pub(super) trait Operation {
    /// The event of a stored result.
    const STORED: Event;
    /// Whether COUNT takes APPROX.
    const TAKES_APPROX: bool = false;

    /// Visits every member of the result once.
    fn visit<'s>(sources: &Sources<'s>, visit: Visit<'_, 's>) -> ControlFlow<()>;

    /// The least that stands for these sources, of which the command's first is one if `has_first`.
    fn reduce(sources: &Sources<'_>, has_first: bool, limits: &EncodingLimits) -> Set;
}

/// SINTER.
pub(super) struct Intersection;

/// SUNION.
pub(super) struct Union;

/// SDIFF.
pub(super) struct Difference;

impl Operation for Intersection {
    const STORED: Event = Event::set("sinterstore");

    fn visit<'s>(sources: &Sources<'s>, visit: Visit<'_, 's>) -> ControlFlow<()> {
        if sources.any_empty {
            return Continue(());
        }
        let mut sets = sources.all();
        sets.sort_by_key(|set| set.len());
        let Some((smallest, others)) = sets.split_first() else { return Continue(()) };
        let mut common =
            smallest.iter().filter(|&item| others.iter().all(|set| set.contains_item(item)));
        common.try_for_each(visit)
    }

    fn reduce(sources: &Sources<'_>, _: bool, limits: &EncodingLimits) -> Set {
        match (sources.any_empty, sources.all().as_slice()) {
            (false, [only]) => only.copy(),
            _ => collected::<Intersection>(sources, limits),
        }
    }
}

impl Operation for Union {
    const STORED: Event = Event::set("sunionstore");
    const TAKES_APPROX: bool = true;

    fn visit<'s>(sources: &Sources<'s>, visit: Visit<'_, 's>) -> ControlFlow<()> {
        unite(&sources.all(), visit)
    }

    fn reduce(sources: &Sources<'_>, _: bool, limits: &EncodingLimits) -> Set {
        match sources.all().as_slice() {
            [only] => only.copy(),
            _ => collected::<Union>(sources, limits),
        }
    }
}

impl Operation for Difference {
    const STORED: Event = Event::set("sdiffstore");

    fn visit<'s>(sources: &Sources<'s>, visit: Visit<'_, 's>) -> ControlFlow<()> {
        let Some(first) = sources.first else { return Continue(()) };
        let others = &sources.others;
        // Asking each set about each member costs their product; gathering what the others have
        // first, their sum.
        let gathered_len: usize = others.iter().map(|set| set.len()).sum();
        if others.len() > 2 && first.len() / 2 * (others.len() - 1) > gathered_len {
            let mut gathered = AHashSet::with_capacity(gathered_len);
            others.iter().flat_map(|set| set.iter()).for_each(|item| {
                gathered.insert(canonical(item));
            });
            return first
                .iter()
                .filter(|&item| !gathered.contains(&canonical(item)))
                .try_for_each(visit);
        }
        let mut rest =
            first.iter().filter(|&item| !others.iter().any(|set| set.contains_item(item)));
        rest.try_for_each(visit)
    }

    fn reduce(sources: &Sources<'_>, has_first: bool, limits: &EncodingLimits) -> Set {
        if has_first {
            collected::<Difference>(sources, limits)
        } else {
            Union::reduce(sources, false, limits)
        }
    }
}

impl<'s> Sources<'s> {
    fn all(&self) -> Vec<&'s Set> {
        self.first.into_iter().chain(self.others.iter().copied()).collect()
    }
}

/// Visits what any of the sets has, once.
fn unite<'s>(sets: &[&'s Set], visit: Visit<'_, 's>) -> ControlFlow<()> {
    if let [only] = sets {
        return only.iter().try_for_each(visit);
    }
    let mut seen = AHashSet::with_capacity(sets.iter().map(|set| set.len()).max().unwrap_or(0));
    let mut all = sets.iter().flat_map(|set| set.iter());
    all.try_for_each(|item| if seen.insert(canonical(item)) { visit(item) } else { Continue(()) })
}

/// The result as a set.
fn collected<O: Operation>(sources: &Sources<'_>, limits: &EncodingLimits) -> Set {
    let mut result = Set::new();
    let _ = O::visit(sources, &mut |item| {
        result.insert_item(item, limits);
        Continue(())
    });
    result
}

/// Which keys are sources, and how far to count.
pub(super) struct Request {
    keys: Range<usize>,
    /// The command's first key, whose owner computes the result.
    result_at: usize,
    /// 0: no limit.
    limit: usize,
}

/// What becomes of the result.
pub(super) trait Outcome {
    fn read<O: Operation>(args: &Args<'_>) -> Result<Request, CmdError>;

    fn finish<O: Operation>(
        db: &mut Db,
        args: &Args<'_>,
        request: &Request,
        parcels: &[Parcel],
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
        Ok(Request { keys: 1..args.len(), result_at: 1, limit: 0 })
    }

    fn finish<O: Operation>(
        db: &mut Db,
        args: &Args<'_>,
        request: &Request,
        parcels: &[Parcel],
        out: &mut Out,
    ) {
        let sources = everywhere(db, args, request, parcels);
        let (mut members, mut count) = (Out::new(out.protocol()), 0);
        let _ = O::visit(&sources, &mut |item| {
            write_item(item, &mut members);
            count += 1;
            Continue(())
        });
        out.set(count);
        out.append(&members);
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
        Ok(Request { keys, result_at: 2, limit })
    }

    fn finish<O: Operation>(
        db: &mut Db,
        args: &Args<'_>,
        request: &Request,
        parcels: &[Parcel],
        out: &mut Out,
    ) {
        let mut count = 0;
        let _ = O::visit(&everywhere(db, args, request, parcels), &mut |_| {
            count += 1;
            if count == request.limit { Break(()) } else { Continue(()) }
        });
        out.count(count);
    }
}

impl Outcome for Store {
    fn read<O: Operation>(args: &Args<'_>) -> Result<Request, CmdError> {
        Ok(Request { keys: 2..args.len(), result_at: 1, limit: 0 })
    }

    fn finish<O: Operation>(
        db: &mut Db,
        args: &Args<'_>,
        request: &Request,
        parcels: &[Parcel],
        out: &mut Out,
    ) {
        let result = collected::<O>(&everywhere(db, args, request, parcels), &db.tuning.encoding);
        out.count(result.len());
        db.write(args.key(1)).put_object(Object::Set(result), Expiry::Never, O::STORED);
    }
}

/// What one shard sends to the one that computes the result.
struct Share {
    set: Set,
    has_first: bool,
}

impl Bulky for Share {}

/// Phase one.
pub(super) fn collect<O: Operation, C: Outcome>(
    db: &Db,
    args: &Args<'_>,
) -> Result<Parcel, CmdError> {
    let request = C::read::<O>(args)?;
    for position in request.keys.clone() {
        let key = args.key(position);
        if db.owns(key) {
            db.read_as::<Set>(key)?;
        }
    }
    if db.owns(args.key(request.result_at)) {
        return Ok(None);
    }
    let has_first = db.owns(args.key(request.keys.start));
    let set = O::reduce(&here(db, args, &request), has_first, &db.tuning.encoding);
    Ok(Some(Box::new(Share { set, has_first })))
}

/// Phase two, in which all shards but one have nothing to do.
pub(super) fn commit<O: Operation, C: Outcome>(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    out: &mut Out,
) -> CmdResult {
    let request = C::read::<O>(args)?;
    if db.owns(args.key(request.result_at)) {
        C::finish::<O>(db, args, &request, parcels, out);
    }
    Ok(())
}

/// The sources on this shard. Their types were checked.
fn here<'s>(db: &'s Db, args: &Args<'_>, request: &Request) -> Sources<'s> {
    let mut sources = Sources { first: None, others: Vec::new(), any_empty: false };
    for position in request.keys.clone() {
        let key = args.key(position);
        if !db.owns(key) {
            continue;
        }
        match db.peek_as::<Set>(key).ok().flatten() {
            Some(set) if position == request.keys.start => sources.first = Some(set),
            Some(set) => sources.others.push(set),
            None => sources.any_empty = true,
        }
    }
    sources
}

/// The sources on this shard, and what stands for those elsewhere.
fn everywhere<'s>(
    db: &'s Db,
    args: &Args<'_>,
    request: &Request,
    parcels: &'s [Parcel],
) -> Sources<'s> {
    let mut sources = here(db, args, request);
    let shares = parcels.iter().flatten().filter_map(|parcel| parcel.downcast_ref::<Share>());
    for share in shares {
        sources.any_empty |= share.set.is_empty();
        if share.has_first {
            sources.first = Some(&share.set);
        } else {
            sources.others.push(&share.set);
        }
    }
    sources
}
