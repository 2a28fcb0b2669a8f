//! Unions, intersections and differences: ZUNION, ZINTER, ZDIFF, their STORE forms, ZINTERCARD.
//!
//! The inputs may lie on several cores. One core decides: the owner of the first key, which is the
//! destination of the STORE forms. Phase one copies to it what it does not have itself; phase two
//! computes there, from its own sets in place and from the copies.
//!
//! Where there is much to do it goes in portions, of which each ends in one of three stages:
//! members are found, then put in order, then answered.
//!
//! Invariant: what the inputs are is decided in the order of the arguments.

mod join;
mod source;

use std::ops::Range;

use self::join::{Aggregate, Computation};
use self::source::{Gathered, find_inputs};
use super::entries::{open_list, write_list, write_member};
use crate::base::num;
use crate::command::portion::Portion;
use crate::command::spec::{Parcel, Run};
use crate::ds::ranked::{Ranking, Unranked};
use crate::resp::args::{Args, Reader};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::db::{Db, Expiry};
use crate::store::object::{Object, Typed};
use crate::store::sorted_set::SortedSet;

const BAD_WEIGHT: CmdError = CmdError::Text("ERR weight value is not a float");
const BAD_LIMIT: CmdError = CmdError::Text("ERR LIMIT can't be negative");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// What becomes of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Reply,
    Store,
    Count,
}

/// A command of this family.
struct Form {
    /// In lower case, for error texts and events.
    name: &'static str,
    operation: Operation,
    target: Target,
}

const UNION: Form = Form { name: "zunion", operation: Operation::Union, target: Target::Reply };
const INTERSECTION: Form =
    Form { name: "zinter", operation: Operation::Intersection, target: Target::Reply };
const DIFFERENCE: Form =
    Form { name: "zdiff", operation: Operation::Difference, target: Target::Reply };
const UNION_STORE: Form =
    Form { name: "zunionstore", operation: Operation::Union, target: Target::Store };
const INTERSECTION_STORE: Form =
    Form { name: "zinterstore", operation: Operation::Intersection, target: Target::Store };
const DIFFERENCE_STORE: Form =
    Form { name: "zdiffstore", operation: Operation::Difference, target: Target::Store };
const INTERSECTION_COUNT: Form =
    Form { name: "zintercard", operation: Operation::Intersection, target: Target::Count };

impl Form {
    /// Position of the number of keys.
    fn count_at(&self) -> usize {
        if self.target == Target::Store { 2 } else { 1 }
    }

    /// Positions of the inputs' keys.
    fn keys(&self, args: &Args<'_>) -> Result<Range<usize>, CmdError> {
        let count_at = self.count_at();
        let count = args.int(count_at)?;
        if count < 1 {
            let text = format!("ERR at least 1 input key is needed for '{}' command", self.name);
            return Err(CmdError::owned(text));
        }
        let first = count_at + 1;
        let is_there = count as u64 <= (args.len() - first) as u64;
        if is_there { Ok(first..first + count as usize) } else { Err(CmdError::Syntax) }
    }
}

/// What stands behind the keys.
struct Options {
    /// One for each key, or none at all.
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// The largest count that is of interest.
    limit: usize,
}

impl Options {
    fn read(args: &Args<'_>, form: &Form, keys: &Range<usize>) -> Result<Options, CmdError> {
        let mut options = Options {
            weights: Vec::new(),
            aggregate: Aggregate::Sum,
            with_scores: false,
            limit: usize::MAX,
        };
        let joins = form.operation != Operation::Difference && form.target != Target::Count;
        let mut words = args.reader(keys.end);
        while !words.done() {
            if joins && words.left() > keys.len() && words.keyword("WEIGHTS") {
                options.weights = read_weights(&mut words, keys.len())?;
            } else if joins && words.left() > 1 && words.keyword("AGGREGATE") {
                options.aggregate = read_aggregate(&mut words)?;
            } else if form.target == Target::Reply && words.keyword("WITHSCORES") {
                options.with_scores = true;
            } else if form.target == Target::Count && words.left() > 1 && words.keyword("LIMIT") {
                let limit = num::parse_i64(words.word()?);
                let limit = limit.and_then(|limit| usize::try_from(limit).ok());
                let limit = limit.ok_or(BAD_LIMIT)?;
                options.limit = if limit == 0 { usize::MAX } else { limit };
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(options)
    }

    fn weight(&self, input: usize) -> f64 {
        self.weights.get(input).copied().unwrap_or(1.0)
    }
}

fn read_weights(words: &mut Reader<'_>, count: usize) -> Result<Vec<f64>, CmdError> {
    (0..count).map(|_| num::parse_f64(words.word()?).ok_or(BAD_WEIGHT)).collect()
}

fn read_aggregate(words: &mut Reader<'_>) -> Result<Aggregate, CmdError> {
    let known = [
        ("SUM", Aggregate::Sum),
        ("MIN", Aggregate::Min),
        ("MAX", Aggregate::Max),
        ("COUNT", Aggregate::Count),
    ];
    let mut known = known.into_iter();
    let found = known.find(|(name, _)| words.keyword(name));
    found.map(|(_, aggregate)| aggregate).ok_or(CmdError::Syntax)
}

/// What a computation in portions goes through.
enum Work {
    Counting(usize),
    Finding(Unranked),
    Ordering(Ranking),
    Answering(SortedSet),
}

impl Work {
    fn begin(target: Target) -> Work {
        if target == Target::Count { Work::Counting(0) } else { Work::Finding(Unranked::default()) }
    }
}

impl Bulky for Work {
    fn free_some(&mut self, budget: usize) -> bool {
        match self {
            Work::Counting(_) => true,
            Work::Finding(members) => members.free_some(budget),
            Work::Ordering(ranking) => ranking.free_some(budget),
            Work::Answering(set) => set.free_some(budget),
        }
    }
}

fn collect(
    db: &Db,
    args: &Args<'_>,
    portion: &mut Portion,
    form: &Form,
) -> Result<Parcel, CmdError> {
    let is_elsewhere = !db.owns(args.key(first_key(form)));
    if !is_elsewhere && !portion.is_first() {
        return Ok(None);
    }
    let keys = form.keys(args)?;
    // Options are read in phase two: whichever shard finds a wrong type, that error comes first.
    let inputs = find_inputs(db, args, &keys)?;
    if !is_elsewhere {
        return Ok(None);
    }
    portion.do_at_least(args.len());
    let mut gathered = portion.take_state::<Gathered>().unwrap_or_default();
    gathered.copy(&inputs, portion);
    if portion.is_unfinished() {
        portion.keep_state(gathered);
        return Ok(None);
    }
    Ok(Some(gathered))
}

/// Position of the key whose owner decides.
fn first_key(form: &Form) -> usize {
    if form.target == Target::Store { 1 } else { 2 }
}

fn commit(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    portion: &mut Portion,
    out: &mut Out,
    form: &Form,
) -> CmdResult {
    if !db.owns(args.key(first_key(form))) {
        return Ok(());
    }
    let keys = form.keys(args)?;
    let options = Options::read(args, form, &keys)?;
    portion.do_at_least(args.len());
    if !portion.may_go_on() && form.target != Target::Count {
        return commit_at_once(db, args, parcels, portion, out, (form, &keys, &options));
    }
    let computation = || {
        let inputs = source::all(db, args, &keys, parcels)?;
        Ok::<_, CmdError>(Computation::new(form.operation, inputs, &options))
    };
    let kept = portion.take_state::<Work>().map(|work| *work);
    let work = match kept.unwrap_or_else(|| Work::begin(form.target)) {
        Work::Counting(mut count) => {
            computation()?.count(&mut count, portion);
            if !portion.is_unfinished() {
                out.count(count);
            }
            Work::Counting(count)
        }
        Work::Finding(mut members) => {
            computation()?.find(&mut members, portion);
            if portion.is_unfinished() {
                Work::Finding(members)
            } else {
                portion.go_on(0);
                Work::Ordering(Ranking::new(members))
            }
        }
        Work::Ordering(ranking) => order(db, args, form, ranking, portion, out),
        Work::Answering(set) => {
            answer(&set, options.with_scores, portion, out);
            Work::Answering(set)
        }
    };
    // Also at the end: what it holds may be large.
    if portion.may_go_on() {
        portion.keep_state(Box::new(work));
    }
    Ok(())
}

/// Answers or stores the result, if the portion admits that.
fn commit_at_once(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    portion: &mut Portion,
    out: &mut Out,
    (form, keys, options): (&Form, &Range<usize>, &Options),
) -> CmdResult {
    let inputs = source::all(db, args, keys, parcels)?;
    let members = Computation::new(form.operation, inputs, options).find_all(portion);
    if portion.is_unfinished() {
        return Ok(());
    }
    if form.target == Target::Store {
        let set = SortedSet::of_sorted(members.into_iter(), &db.tuning.encoding);
        store(db, args, form, set, out);
    } else {
        write_list(out, members.into_iter(), options.with_scores);
    }
    Ok(())
}

/// Puts in order what was found, and stores it where it is to be stored.
fn order(
    db: &mut Db,
    args: &Args<'_>,
    form: &Form,
    mut ranking: Ranking,
    portion: &mut Portion,
    out: &mut Out,
) -> Work {
    // An element takes about twice as long as one that is found.
    if !ranking.advance(portion.room().div_ceil(2)) {
        portion.go_on(0);
        return Work::Ordering(ranking);
    }
    let set = SortedSet::of_ranked(ranking.finish(), &db.tuning.encoding);
    if form.target == Target::Store {
        store(db, args, form, set, out);
        return Work::begin(form.target);
    }
    portion.go_on(0);
    Work::Answering(set)
}

fn store(db: &mut Db, args: &Args<'_>, form: &Form, set: SortedSet, out: &mut Out) {
    out.count(set.len());
    let event = super::event(form.name);
    db.write(args.key(1)).put_object(Object::SortedSet(set), Expiry::Never, event);
}

/// Answers as much of a result as the portion says.
fn answer(set: &SortedSet, with_scores: bool, portion: &mut Portion, out: &mut Out) {
    let Some(ranks) = portion.range(set.len()) else { return };
    if ranks.start == 0 {
        open_list(out, set.len(), with_scores);
    }
    for (member, score) in set.walk(ranks.clone(), false) {
        write_member(out, member, score, with_scores);
        if portion.next(&ranks, out).is_break() {
            break;
        }
    }
}

/// Declares how a command runs.
macro_rules! runs {
    ($($name:ident, $form:expr;)*) => {
        $(
            pub(super) const $name: Run = Run::LongPhases {
                collect: |db, args, portion| collect(db, args, portion, &$form),
                commit: |db, args, parcels, portion, out| {
                    commit(db, args, parcels, portion, out, &$form)
                },
            };
        )*
    };
}

runs! {
    ZUNION, UNION;
    ZINTER, INTERSECTION;
    ZDIFF, DIFFERENCE;
    ZUNIONSTORE, UNION_STORE;
    ZINTERSTORE, INTERSECTION_STORE;
    ZDIFFSTORE, DIFFERENCE_STORE;
    ZINTERCARD, INTERSECTION_COUNT;
}
