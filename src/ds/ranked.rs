//! Members with scores: found by member, ordered by (score, member), counted by rank.
//!
//! A dictionary by member owns the elements; a B+ tree points to them in order. A member is stored
//! once, in one allocation with its score.
//!
//! Invariant: dictionary and tree hold the same elements, except while a set is being freed.
//!
//! Absent: encodings for few members, and what commands make of scores.

mod ranking;

pub use self::ranking::{Ranking, Unranked};

use super::btree::{Element, ElementRef, Tree, Walk};
use super::dict::{Dict, Position};
use crate::base::hash::member_hash;

/// A set of members with scores. See the module's doc.
#[derive(Default)]
pub struct RankedSet {
    // Dropped first: it must not outlive what it points to.
    order: Tree,
    index: Dict<Element>,
}

impl RankedSet {
    /// An empty set.
    pub fn new() -> RankedSet {
        RankedSet::default()
    }

    /// Number of members.
    #[inline]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// True if there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn find(&self, member: &[u8]) -> Option<Position> {
        self.index.find(member_hash(member), |element| element.member() == member)
    }

    /// The element of `member`.
    #[inline]
    pub fn get(&self, member: &[u8]) -> Option<ElementRef<'_>> {
        Some(self.index.get(self.find(member)?))
    }

    /// The element of this rank.
    #[inline]
    pub fn at(&self, rank: usize) -> Option<ElementRef<'_>> {
        self.order.get(rank)
    }

    /// Rank and score of `member`.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let score = self.get(member)?.score();
        Some((self.order.rank_of(score, member), score))
    }

    /// Asks `decide` which score `member` gets, given the one it has: none leaves everything as it
    /// is. Looks the member up once.
    pub fn upsert<E>(
        &mut self,
        member: &[u8],
        decide: impl FnOnce(Option<f64>) -> Result<Option<f64>, E>,
    ) -> Result<(), E> {
        let hash = member_hash(member);
        match self.index.find(hash, |element| element.member() == member) {
            None => {
                if let Some(score) = decide(None)? {
                    self.insert(hash, Element::new(member, score));
                }
            }
            Some(position) => {
                let element = self.index.get(position);
                let before = element.score();
                if let Some(score) = decide(Some(before))?
                    && score.to_bits() != before.to_bits()
                {
                    // SAFETY: the set is borrowed exclusively, and with it the element.
                    unsafe { self.order.rescore(element, score) };
                }
            }
        }
        Ok(())
    }

    /// Adds a member that is not there yet.
    pub fn add(&mut self, member: &[u8], score: f64) {
        debug_assert!(self.get(member).is_none());
        self.insert(member_hash(member), Element::new(member, score));
    }

    fn insert(&mut self, hash: u64, element: Element) {
        let position = self.index.insert(hash, element);
        // SAFETY: the dictionary keeps the element until it is removed, and before that it leaves
        // the tree.
        unsafe { self.order.insert(self.index.get(position)) };
    }

    /// Removes `member`; returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let position = self.find(member)?;
        let score = self.index.get(position).score();
        self.order.remove_at(self.order.rank_of(score, member));
        drop(self.index.remove(position, member_hash(member)));
        Some(score)
    }

    /// Removes `count` members from rank `start` on, all of which must exist.
    pub fn remove_range(&mut self, start: usize, count: usize) {
        for _ in 0..count {
            let element = self.order.remove_at(start);
            let hash = member_hash(element.member());
            let position = self.index.find(hash, |other| other.is(element));
            let position = position.expect("what has a rank is in the index");
            drop(self.index.remove(position, hash));
        }
    }

    /// Up to `count` elements from rank `start` on, forwards or backwards.
    pub fn walk(&self, start: usize, count: usize, backwards: bool) -> Walk<'_> {
        self.order.walk(start, count, backwards)
    }

    /// Rank of the first element that `is_reached` accepts; see [`Tree::rank_where`].
    pub fn rank_where(&self, is_reached: impl Fn(f64, ElementRef<'_>) -> bool) -> usize {
        self.order.rank_where(is_reached)
    }

    /// Visits some members in the order of their hashes; see [`Dict::walk_from`].
    pub fn walk_from<'s>(&'s self, first: u64, visit: impl FnMut(ElementRef<'s>)) -> Option<u64> {
        self.index.walk_from(first, visit)
    }

    /// One step of a scan in no particular order; see [`Dict::scan`].
    pub fn scan<'a>(&'a self, cursor: u64, visit: impl FnMut(ElementRef<'a>)) -> u64 {
        self.index.scan(cursor, visit)
    }

    /// Bytes of all allocations but the set's own; those of elements are estimated from the first
    /// `samples`, or added up if that is 0.
    pub fn memory(&self, samples: usize) -> usize {
        let asked = if samples == 0 { usize::MAX } else { samples };
        let looked_at = self.walk(0, asked, false);
        let count = looked_at.len().max(1);
        let bytes: usize = looked_at.map(ElementRef::memory).sum();
        let elements = (bytes as u128 * self.len() as u128 / count as u128) as usize;
        self.order.memory() + self.index.memory() + elements
    }

    /// Drops about `budget` elements and says whether all are gone. Only further such calls, or
    /// dropping the set, may follow.
    pub fn free_some(&mut self, budget: usize) -> bool {
        if !self.order.is_empty() {
            // Forgetting an element costs a sixtieth of dropping a leaf.
            self.order.forget_some(budget.saturating_mul(8));
            return false;
        }
        self.index.free_some(budget)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::cases;

    #[derive(Debug, Clone)]
    enum Step {
        Upsert(u16, i8),
        Remove(u16),
        RemoveRange(usize, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0..800u16, any::<i8>()).prop_map(|(member, score)| Step::Upsert(member, score)),
            3 => (0..800u16).prop_map(Step::Remove),
            1 => (any::<usize>(), 0..60usize).prop_map(|(at, count)| Step::RemoveRange(at, count)),
        ]
    }

    fn name(member: u16) -> Vec<u8> {
        format!("member {member}").into_bytes()
    }

    const STEPS: usize = if cfg!(miri) { 120 } else { 1200 };

    proptest! {
        #![proptest_config(cases(40))]
        #[test]
        fn index_and_order_agree(steps in prop::collection::vec(step(), 1..STEPS)) {
            let mut set = RankedSet::new();
            let mut twin: BTreeMap<Vec<u8>, i8> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Upsert(member, score) => {
                        let before = twin.insert(name(member), score).map(f64::from);
                        let decide = |old| {
                            assert_eq!(old, before);
                            Ok::<_, ()>(Some(f64::from(score)))
                        };
                        set.upsert(&name(member), decide).expect("it was decided");
                    }
                    Step::Remove(member) => {
                        let removed = twin.remove(&name(member)).map(f64::from);
                        prop_assert_eq!(set.remove(&name(member)), removed);
                    }
                    Step::RemoveRange(at, count) if !set.is_empty() => {
                        let at = at % set.len();
                        let count = count.min(set.len() - at);
                        for element in set.walk(at, count, false) {
                            twin.remove(element.member());
                        }
                        set.remove_range(at, count);
                    }
                    Step::RemoveRange(..) => {}
                }
            }
            let mut sorted: Vec<(i8, Vec<u8>)> =
                twin.iter().map(|(member, score)| (*score, member.clone())).collect();
            sorted.sort();
            let walked: Vec<(i8, Vec<u8>)> = set
                .walk(0, usize::MAX, false)
                .map(|element| (element.score() as i8, element.member().to_vec()))
                .collect();
            prop_assert_eq!(&walked, &sorted);
            for (rank, (score, member)) in sorted.iter().enumerate() {
                prop_assert_eq!(set.rank(member), Some((rank, f64::from(*score))));
            }
            while !set.free_some(50) {}
        }
    }
}
