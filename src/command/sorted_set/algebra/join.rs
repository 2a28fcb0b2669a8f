//! The computation itself: which members a result has, and with which scores.
//!
//! Invariant: what is computed is computed in the order of the inputs' sizes, as Redis does, so
//! that sums of floating point numbers agree.

use std::cmp::Ordering;
use std::ops::ControlFlow::{self, Break, Continue};

use ahash::AHashMap;

use super::source::Input;
use super::{Operation, Options};
use crate::command::portion::Portion;
use crate::ds::listpack::Item;
use crate::ds::ranked::Unranked;
use crate::resp::out::Out;
use crate::store::set::canonical;

/// How the scores of one member become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregate {
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

/// Everything a computation needs.
pub(super) struct Computation<'a> {
    /// In the order of the arguments for a difference, else the smallest first.
    inputs: Vec<Input<'a>>,
    operation: Operation,
    options: &'a Options,
}

impl<'a> Computation<'a> {
    pub fn new(
        operation: Operation,
        mut inputs: Vec<Input<'a>>,
        options: &'a Options,
    ) -> Computation<'a> {
        if operation != Operation::Difference {
            inputs.sort_by_key(|input| input.source.len());
        }
        Computation { inputs, operation, options }
    }

    fn weigh(&self, input: &Input<'_>, score: f64) -> f64 {
        self.options.aggregate.weigh(self.options.weight(input.index), score)
    }

    /// How many inputs are gone through; the others are asked about each member of those.
    fn walked(&self) -> usize {
        if self.operation == Operation::Union { self.inputs.len() } else { 1 }
    }

    /// What a member costs, in searches of a dictionary.
    fn member_cost(&self) -> usize {
        let asked = &self.inputs[self.walked()..];
        asked.iter().map(|input| input.source.search_cost()).sum::<usize>().max(1)
    }

    /// What everything costs at most.
    fn cost(&self) -> usize {
        let walked = &self.inputs[..self.walked()];
        let members: usize = walked.iter().map(|input| input.source.len()).sum();
        members.saturating_mul(self.member_cost())
    }

    /// The score that a member of the first input has in the result, if it belongs there.
    #[inline]
    fn judge(&self, member: &[u8], score: f64) -> Option<f64> {
        let (first, others) = self.inputs.split_first()?;
        if self.operation == Operation::Difference {
            let is_elsewhere = others.iter().any(|other| other.source.score(member).is_some());
            return (!is_elsewhere).then_some(score);
        }
        let mut sum = number_or_zero(self.weigh(first, score));
        for other in others {
            let score = other.source.score(member)?;
            sum = self.options.aggregate.join(sum, self.weigh(other, score));
        }
        Some(sum)
    }

    /// Shows each member of the inputs that are gone through, as many as the portion says, until
    /// `visit` has seen enough.
    fn walk(
        &self,
        portion: &mut Portion,
        mut visit: impl FnMut(&Input<'a>, Item<'a>, f64) -> ControlFlow<()>,
    ) {
        // In portions each is copied, which costs as much again.
        let cost = self.member_cost() + usize::from(portion.may_go_on());
        // Looking for some may end early, so it is tried.
        if self.options.limit == usize::MAX && !portion.admits(self.cost()) {
            return;
        }
        let mut state = Continue(());
        portion.walk_all(self.walked(), &mut Out::default(), |number, first, _| {
            let (input, mut visited) = (&self.inputs[number], 0);
            let next = input.source.walk_from(first, |member, score| {
                if state.is_continue() {
                    visited += cost;
                    state = visit(input, member, score);
                }
            });
            (next.filter(|_| state.is_continue()), visited)
        });
    }

    /// Counts members of the result, as many as the portion says and up to the limit.
    pub fn count(&self, count: &mut usize, portion: &mut Portion) {
        let (limit, mut digits) = (self.options.limit, itoa::Buffer::new());
        self.walk(portion, |_, member, score| {
            if *count < limit && self.judge(member.bytes(&mut digits), score).is_some() {
                *count += 1;
            }
            if *count < limit { Continue(()) } else { Break(()) }
        });
    }

    /// Finds as many members of the result as the portion says.
    pub fn find(&self, found: &mut Unranked, portion: &mut Portion) {
        let (mut digits, aggregate) = (itoa::Buffer::new(), self.options.aggregate);
        self.walk(portion, |input, member, score| {
            let member = member.bytes(&mut digits);
            if self.operation == Operation::Union {
                let score = number_or_zero(self.weigh(input, score));
                found.upsert(member, |sum| sum.map_or(score, |sum| aggregate.join(sum, score)));
            } else if let Some(score) = self.judge(member, score) {
                found.add(member, score);
            }
            Continue(())
        });
    }

    /// The whole result, ordered by score and member, if the portion admits that.
    pub fn find_all(&self, portion: &mut Portion) -> Vec<(Item<'a>, f64)> {
        let (mut digits, aggregate) = (itoa::Buffer::new(), self.options.aggregate);
        let mut members = Vec::new();
        if self.operation == Operation::Union {
            let mut scores: AHashMap<Item<'a>, f64> = AHashMap::new();
            self.walk(portion, |input, member, score| {
                let score = number_or_zero(self.weigh(input, score));
                let sum = scores.entry(canonical(member));
                sum.and_modify(|sum| *sum = aggregate.join(*sum, score)).or_insert(score);
                Continue(())
            });
            members.extend(scores);
        } else {
            self.walk(portion, |_, member, score| {
                if let Some(score) = self.judge(member.bytes(&mut digits), score) {
                    members.push((member, score));
                }
                Continue(())
            });
        }
        members.sort_unstable_by(compare);
        members
    }
}

/// By score, then by the bytes of the member.
fn compare(left: &(Item<'_>, f64), right: &(Item<'_>, f64)) -> Ordering {
    let by_score = left.1.partial_cmp(&right.1).unwrap_or(Ordering::Equal);
    by_score.then_with(|| {
        let mut digits = [itoa::Buffer::new(), itoa::Buffer::new()];
        let [of_left, of_right] = &mut digits;
        left.0.bytes(of_left).cmp(right.0.bytes(of_right))
    })
}
