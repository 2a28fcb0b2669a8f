//! A sorted set that is made bit by bit: first its members are found and scored, then put in order.
//!
//! Elements that are inserted into a large tree in no order cost a search through cold memory each.
//! Here the elements are sorted in runs, and the runs merged (Knuth, TAOCP volume 3, section
//! 5.4.1), so that each is appended where the one before it is still warm; and no step is longer
//! than its caller says.
//!
//! Absent: encodings for few members.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::RankedSet;
use crate::base::hash::member_hash;
use crate::ds::btree::{Element, ElementRef, Tree};
use crate::ds::dict::Dict;

/// Members with scores that are found by member only.
#[derive(Default)]
pub struct Unranked {
    index: Dict<Element>,
}

impl Unranked {
    /// Number of members.
    #[inline]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// True if there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The score of `member`.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        let found = self.index.find(member_hash(member), |element| element.member() == member);
        found.map(|position| self.index.get(position).score())
    }

    /// Adds a member that is not there yet.
    #[inline]
    pub fn add(&mut self, member: &[u8], score: f64) {
        debug_assert!(self.score(member).is_none());
        self.index.insert(member_hash(member), Element::new(member, score));
    }

    /// Gives `member` the score that `decide` makes of the one it has.
    #[inline]
    pub fn upsert(&mut self, member: &[u8], decide: impl FnOnce(Option<f64>) -> f64) {
        let hash = member_hash(member);
        match self.index.find(hash, |element| element.member() == member) {
            None => {
                self.index.insert(hash, Element::new(member, decide(None)));
            }
            Some(position) => {
                let element = self.index.get(position);
                let score = decide(Some(element.score()));
                // SAFETY: the set is borrowed exclusively, and with it the element.
                unsafe { element.set_score(score) };
            }
        }
    }

    /// Visits some members in the order of their hashes from `first` on, and returns where the rest
    /// begins; `None` at the end.
    pub fn walk_from<'s>(&'s self, first: u64, visit: impl FnMut(ElementRef<'s>)) -> Option<u64> {
        self.index.walk_from(first, visit)
    }

    /// Drops about `budget` members and says whether all are gone. Only further such calls, or
    /// dropping the set, may follow.
    pub fn free_some(&mut self, budget: usize) -> bool {
        self.index.free_some(budget)
    }
}

/// An element beside its score, so that the memory of two elements is looked at only if their
/// scores are equal.
#[derive(Clone, Copy)]
struct Keyed {
    score: f64,
    element: ElementRef<'static>,
}

impl Keyed {
    fn compare(&self, other: &Keyed) -> Ordering {
        match self.score.partial_cmp(&other.score) {
            Some(Ordering::Equal) | None => self.element.member().cmp(other.element.member()),
            Some(different) => different,
        }
    }
}

/// The first element that is left of a run; the least of them is the greatest.
struct Head {
    keyed: Keyed,
    /// What follows it.
    rest: std::vec::IntoIter<Keyed>,
}

impl PartialEq for Head {
    fn eq(&self, other: &Head) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Head) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Head) -> Ordering {
        other.keyed.compare(&self.keyed)
    }
}

/// Members that are being put in order.
///
/// Invariant: what is in a run, or in the tree, is an element of the index, which loses none before
/// the tree has forgotten all.
pub struct Ranking {
    runs: BinaryHeap<Head>,
    /// Where the elements begin that are in no run yet.
    unsorted: Option<u64>,
    set: RankedSet,
}

// SAFETY: what the runs point to is the ranking's own, as with the tree of a set.
unsafe impl Send for Ranking {}
// SAFETY: nothing in a shared ranking changes.
unsafe impl Sync for Ranking {}

impl Ranking {
    /// Begins to put these members in order.
    pub fn new(members: Unranked) -> Ranking {
        let set = RankedSet { order: Tree::new(), index: members.index };
        Ranking { runs: BinaryHeap::new(), unsorted: Some(0), set }
    }

    /// Goes on by about `budget` elements, more than none. True when all are in order.
    pub fn advance(&mut self, budget: usize) -> bool {
        match self.unsorted {
            Some(first) => self.sort_run(first, budget),
            None => self.merge(budget),
        }
        self.unsorted.is_none() && self.runs.is_empty()
    }

    fn sort_run(&mut self, mut first: u64, budget: usize) {
        let mut run = Vec::with_capacity(budget.min(self.set.index.len()));
        self.unsorted = loop {
            let next = self.set.index.walk_from(first, |element| {
                // SAFETY: the index drops no element while the ranking has any.
                let element = unsafe { element.extend() };
                run.push(Keyed { score: element.score(), element });
            });
            match next {
                Some(next) if run.len() < budget => first = next,
                next => break next,
            }
        };
        run.sort_unstable_by(Keyed::compare);
        let mut rest = run.into_iter();
        if let Some(keyed) = rest.next() {
            self.runs.push(Head { keyed, rest });
        }
    }

    fn merge(&mut self, budget: usize) {
        for _ in 0..budget {
            let Some(mut least) = self.runs.peek_mut() else { return };
            let element = least.keyed.element;
            match least.rest.next() {
                Some(next) => least.keyed = next,
                None => drop(PeekMut::pop(least)),
            }
            // SAFETY: the index keeps the element until it is removed, and before that it leaves
            // the tree.
            unsafe { self.set.order.insert(element) };
        }
    }

    /// The set, when all are in order.
    pub fn finish(self) -> RankedSet {
        assert!(self.unsorted.is_none() && self.runs.is_empty(), "all are in order");
        self.set
    }

    /// Drops about `budget` members and says whether all are gone. Only further such calls, or
    /// dropping the ranking, may follow.
    pub fn free_some(&mut self, budget: usize) -> bool {
        // Each owns no more than the memory of a run.
        self.runs.clear();
        self.unsorted = None;
        self.set.free_some(budget)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::cases;

    proptest! {
        #![proptest_config(cases(40))]
        #[test]
        fn what_is_ranked_bit_by_bit_is_in_order(
            members in prop::collection::vec((0..3000u16, -4i8..4), 0..2000),
            budget in 1usize..700,
            stops_after in prop::option::of(0usize..20),
        ) {
            let (mut unranked, mut twin) = (Unranked::default(), BTreeMap::new());
            for (member, score) in members {
                let name = format!("member {member}").into_bytes();
                let sum = twin.entry(name.clone()).or_insert(0.0);
                *sum += f64::from(score);
                unranked.upsert(&name, |before| before.unwrap_or(0.0) + f64::from(score));
                prop_assert_eq!(unranked.score(&name), Some(*sum));
            }
            prop_assert_eq!(unranked.len(), twin.len());
            let mut ranking = Ranking::new(unranked);
            let mut steps = 0;
            while !ranking.advance(budget) {
                steps += 1;
                if stops_after == Some(steps) {
                    while !ranking.free_some(budget) {}
                    return Ok(());
                }
            }
            let set = ranking.finish();
            let mut sorted: Vec<_> = twin.into_iter().map(|(name, score)| (score, name)).collect();
            sorted.sort_by(|left, right| left.partial_cmp(right).expect("no NaN"));
            let walked = set.walk(0, usize::MAX, false);
            let walked: Vec<_> =
                walked.map(|element| (element.score(), element.member().to_vec())).collect();
            prop_assert_eq!(walked, sorted);
        }
    }
}
