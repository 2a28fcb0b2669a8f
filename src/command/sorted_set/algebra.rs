//! Unions, intersections and differences: ZUNION, ZINTER, ZDIFF, their STORE forms, ZINTERCARD.
//!
//! The inputs may lie on several cores. One core decides: the owner of the first key, which is the
//! destination of the STORE forms. Phase one copies to it what it does not have itself; phase two
//! computes there, from its own sets in place and from the copies.
//!
//! Invariant: what the inputs are is decided in the order of the arguments, and what is computed in
//! the order of their sizes, as Redis does, so that sums of floating point numbers agree.

mod source;

use std::cmp::Ordering;
use std::ops::Range;

use ahash::AHashMap;

use self::source::{Input, Source, find_inputs, gather};
use super::entries::write_list;
use super::store_result;
use crate::base::num;
use crate::command::spec::Parcel;
use crate::ds::listpack::Item;
use crate::resp::args::{Args, Reader};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::Db;

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

/// How the scores of one member become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
    /// The weights of the inputs that hold the member are added up, whatever its scores.
    Count,
}

impl Aggregate {
    fn join(self, sum: f64, next: f64) -> f64 {
        match self {
            // Infinities of both signs add up to zero.
            Aggregate::Sum | Aggregate::Count => number_or_zero(sum + next),
            Aggregate::Min => {
                if next < sum {
                    next
                } else {
                    sum
                }
            }
            Aggregate::Max => {
                if next > sum {
                    next
                } else {
                    sum
                }
            }
        }
    }

    /// What one input contributes.
    fn weigh(self, weight: f64, score: f64) -> f64 {
        if self == Aggregate::Count { weight } else { weight * score }
    }
}

fn number_or_zero(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value }
}

/// What stands behind the keys.
struct Options {
    /// One for each key, or none at all.
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// The largest count that is of interest; 0 for any.
    limit: usize,
}

impl Options {
    fn read(args: &Args<'_>, form: &Form, keys: &Range<usize>) -> Result<Options, CmdError> {
        let mut options = Options {
            weights: Vec::new(),
            aggregate: Aggregate::Sum,
            with_scores: false,
            limit: 0,
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
                options.limit = limit.ok_or(BAD_LIMIT)?;
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

/// A member of a result.
type Scored = (Box<[u8]>, f64);

/// Everything a computation needs.
struct Computation<'a> {
    /// In the order of the arguments for a difference, else the smallest first.
    inputs: Vec<Input<'a>>,
    options: Options,
}

impl<'a> Computation<'a> {
    fn new(form: &Form, mut inputs: Vec<Input<'a>>, options: Options) -> Computation<'a> {
        if form.operation != Operation::Difference {
            inputs.sort_by_key(Input::len);
        }
        Computation { inputs, options }
    }

    fn weigh(&self, input: &Input<'_>, score: f64) -> f64 {
        self.options.aggregate.weigh(self.options.weight(input.index), score)
    }

    /// The result, ordered by score and member.
    fn result(&self, operation: Operation) -> Vec<Scored> {
        let mut members = match operation {
            Operation::Union => self.union(),
            Operation::Intersection => {
                let mut members = Vec::new();
                self.intersect(|member, score| {
                    members.push((member.into(), score));
                    true
                });
                members
            }
            Operation::Difference => self.difference(),
        };
        members.sort_unstable_by(|(left, left_score), (right, right_score)| {
            let by_score = left_score.partial_cmp(right_score).unwrap_or(Ordering::Equal);
            by_score.then_with(|| left.cmp(right))
        });
        members
    }

    fn union(&self) -> Vec<Scored> {
        let mut scores: AHashMap<Box<[u8]>, f64> = AHashMap::new();
        for input in &self.inputs {
            input.for_each(|member, score| {
                let score = number_or_zero(self.weigh(input, score));
                match scores.get_mut(member) {
                    Some(sum) => *sum = self.options.aggregate.join(*sum, score),
                    None => drop(scores.insert(member.into(), score)),
                }
                true
            });
        }
        scores.into_iter().collect()
    }

    /// Calls `visit` with each common member until it says false.
    fn intersect(&self, mut visit: impl FnMut(&[u8], f64) -> bool) {
        let Some((smallest, others)) = self.inputs.split_first() else { return };
        smallest.for_each(|member, score| {
            let mut sum = number_or_zero(self.weigh(smallest, score));
            for other in others {
                let Some(score) = other.score(member) else { return true };
                sum = self.options.aggregate.join(sum, self.weigh(other, score));
            }
            visit(member, sum)
        });
    }

    fn difference(&self) -> Vec<Scored> {
        let mut members = Vec::new();
        let Some((first, others)) = self.inputs.split_first() else { return members };
        first.for_each(|member, score| {
            if others.iter().all(|other| other.score(member).is_none()) {
                members.push((member.into(), score));
            }
            true
        });
        members
    }

    /// Number of common members, counted up to the limit.
    fn count(&self) -> usize {
        let (mut count, limit) = (0, self.options.limit);
        self.intersect(|_, _| {
            count += 1;
            limit == 0 || count < limit
        });
        count
    }
}

fn collect(db: &Db, args: &Args<'_>, form: &Form) -> Result<Parcel, CmdError> {
    let keys = form.keys(args)?;
    // Options are read in phase two: whichever shard finds a wrong type, that error comes first.
    let inputs = find_inputs(db, args, &keys)?;
    if db.owns(args.key(first_key(form))) {
        return Ok(None);
    }
    Ok(Some(Box::new(gather(&inputs))))
}

/// Position of the key whose owner decides.
fn first_key(form: &Form) -> usize {
    if form.target == Target::Store { 1 } else { 2 }
}

fn commit(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    out: &mut Out,
    form: &Form,
) -> CmdResult {
    if !db.owns(args.key(first_key(form))) {
        return Ok(());
    }
    let keys = form.keys(args)?;
    let options = Options::read(args, form, &keys)?;
    let with_scores = options.with_scores;
    let sources: Vec<Source<'_>> = source::all(db, args, &keys, parcels)?;
    let inputs = sources.iter().enumerate().map(|(index, source)| Input { index, source });
    let computation = Computation::new(form, inputs.collect(), options);
    if form.target == Target::Count {
        out.count(computation.count());
        return Ok(());
    }
    let members = computation.result(form.operation);
    if form.target == Target::Store {
        let list = members.iter().map(|(member, score)| (&**member, *score));
        store_result(db, args.key(1), list, store_event(form));
        out.count(members.len());
    } else {
        let list = members.iter().map(|(member, score)| (Item::Text(member), *score));
        write_list(out, list, with_scores);
    }
    Ok(())
}

fn store_event(form: &Form) -> Event {
    super::event(form.name)
}

/// Declares the two phases of a command.
macro_rules! phases {
    ($($collect:ident, $commit:ident, $form:expr;)*) => {
        $(
            pub(super) fn $collect(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
                collect(db, args, &$form)
            }

            pub(super) fn $commit(
                db: &mut Db,
                args: &Args<'_>,
                parcels: &[Parcel],
                out: &mut Out,
            ) -> CmdResult {
                commit(db, args, parcels, out, &$form)
            }
        )*
    };
}

phases! {
    zunion_collect, zunion, UNION;
    zinter_collect, zinter, INTERSECTION;
    zdiff_collect, zdiff, DIFFERENCE;
    zunionstore_collect, zunionstore, UNION_STORE;
    zinterstore_collect, zinterstore, INTERSECTION_STORE;
    zdiffstore_collect, zdiffstore, DIFFERENCE_STORE;
    zintercard_collect, zintercard, INTERSECTION_COUNT;
}
