//! The computation itself: which members a result has, and with which scores.
//!
//! Invariant: what is computed is computed in the order of the inputs' sizes, as Redis does, so that
//! sums of floating point numbers agree.

use std::cmp::Ordering;

use super::source::Input;
use super::{Operation, Options};
use crate::command::portion::Portion;
use crate::command::sorted_set::entries::Entries;
use crate::ds::ranked::Unranked;
use crate::resp::out::Out;
use crate::store::object::EncodingLimits;

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
        let Some((first, others)) = self.inputs.split_first() else { return None };
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

    /// Does as much as the portion says.
    pub fn go_on(&self, found: &mut Found, portion: &mut Portion) {
        let Options { aggregate, limit, .. } = *self.options;
        // Looking for some may end early, so it is tried.
        if limit == usize::MAX && !portion.admits(self.cost()) {
            return;
        }
        let (is_counted, is_listed) = (self.options.is_counted, !portion.may_go_on());
        let cost = self.member_cost();
        portion.walk_all(self.walked(), &mut Out::default(), |number, first, _| {
            if found.count >= limit {
                return (None, 0);
            }
            let (input, mut visited) = (&self.inputs[number], 0);
            let next = input.source.walk_from(first, |member, score| {
                visited += cost;
                if self.operation == Operation::Union {
                    let score = number_or_zero(self.weigh(input, score));
                    let join = |sum| aggregate.join(sum, score);
                    found.members.upsert(member, |sum| sum.map_or(score, join));
                } else if let Some(score) = self.judge(member, score) {
                    found.count += 1;
                    if is_listed && !is_counted {
                        found.list.push(member, score);
                    } else if !is_counted {
                        found.members.add(member, score);
                    }
                }
            });
            (next, visited)
        });
    }
}

/// Members of the result so far, in no order.
#[derive(Default)]
pub(super) struct Found {
    /// Those that may still change, or that are found in several portions.
    pub members: Unranked,
    /// Those that are found at once.
    list: Entries,
    /// How many they are, but for a union.
    pub count: usize,
}

impl Found {
    /// The result, ordered by score and member.
    pub fn sorted(&self) -> Vec<(&[u8], f64)> {
        let members = self.members.iter().map(|element| (element.member(), element.score()));
        let mut members: Vec<_> = members.chain(self.list.iter()).collect();
        members.sort_unstable_by(|(left, left_score), (right, right_score)| {
            let by_score = left_score.partial_cmp(right_score).unwrap_or(Ordering::Equal);
            by_score.then_with(|| left.cmp(right))
        });
        members
    }

    pub fn is_small(&self, limits: &EncodingLimits) -> bool {
        self.members.len() <= limits.sorted_entries
            && self.members.iter().all(|element| element.member().len() <= limits.sorted_value)
    }
}
