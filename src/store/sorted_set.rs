//! A sorted set: members with scores, ordered by score and then by the bytes of the member.
//!
//! ```text
//! Packed   listpack: member, score, member, score, ...   up to zset-max-listpack-entries members
//! Ranked   ds::ranked: B+ tree and dictionary            what is larger; OBJECT says "skiplist"
//! ```
//!
//! Invariant: a packed set stands in order; no score is NaN; a set that became ranked stays so.
//!
//! Absent: what commands make of members, scores and ranks. Everything here is asked in ranks, so
//! that a count is a subtraction and an offset an addition.

mod packed;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::object::{EncodingLimits, Kind, Typed, weight};
use crate::ds::btree::{ElementRef, Walk};
use crate::ds::listpack::{Item, Listpack};
use crate::ds::ranked::RankedSet;

/// A sorted set. See the module's doc.
pub enum SortedSet {
    Packed(Listpack),
    Ranked(Box<RankedSet>),
}

/// One end of a range of scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreBound {
    pub score: f64,
    /// True if the score itself is outside.
    pub is_open: bool,
}

/// One end of a range of members, in a set whose scores are all equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// Before every member: `-`.
    First,
    /// Behind every member: `+`.
    Last,
    /// This member, inside.
    Closed(&'a [u8]),
    /// This member, outside.
    Open(&'a [u8]),
}

impl ScoreBound {
    /// Whether `score` is not before this lower bound.
    fn is_reached(self, score: f64) -> bool {
        if self.is_open { score > self.score } else { score >= self.score }
    }

    /// Whether `score` is behind this upper bound.
    fn is_passed(self, score: f64) -> bool {
        if self.is_open { score >= self.score } else { score > self.score }
    }
}

impl LexBound<'_> {
    /// Whether `member` is not before this lower bound.
    fn is_reached(self, member: &[u8]) -> bool {
        match self {
            LexBound::First => true,
            LexBound::Last => false,
            LexBound::Closed(bound) => member >= bound,
            LexBound::Open(bound) => member > bound,
        }
    }

    /// Whether `member` is behind this upper bound.
    fn is_passed(self, member: &[u8]) -> bool {
        match self {
            LexBound::First => true,
            LexBound::Last => false,
            LexBound::Closed(bound) => member > bound,
            LexBound::Open(bound) => member >= bound,
        }
    }
}

impl SortedSet {
    /// Number of members.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            SortedSet::Packed(pack) => pack.len() / 2,
            SortedSet::Ranked(set) => set.len(),
        }
    }

    /// True if there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The score of `member`.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            SortedSet::Packed(pack) => packed::find(pack, member).map(|(_, score)| score),
            SortedSet::Ranked(set) => set.get(member).map(ElementRef::score),
        }
    }

    /// How many members are before `member`, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            SortedSet::Packed(pack) => packed::rank(pack, member),
            SortedSet::Ranked(set) => set.rank(member),
        }
    }

    /// Asks `decide` which score `member` gets, given the one it has: none leaves everything as it
    /// is, and so does an error, which is handed on. Looks the member up once.
    #[inline]
    pub fn upsert<E>(
        &mut self,
        member: &[u8],
        limits: &EncodingLimits,
        decide: impl FnOnce(Option<f64>) -> Result<Option<f64>, E>,
    ) -> Result<(), E> {
        let pack = match self {
            SortedSet::Ranked(set) => return set.upsert(member, decide),
            SortedSet::Packed(pack) => pack,
        };
        let found = packed::find(pack, member);
        let Some(score) = decide(found.map(|(_, score)| score))? else { return Ok(()) };
        match found {
            Some((at, before)) if before.to_bits() != score.to_bits() => {
                pack.remove_all(at, 2);
                packed::insert(pack, member, score);
            }
            Some(_) => {}
            None if packed::has_room(pack, member, limits) => packed::insert(pack, member, score),
            None => self.rank_all().add(member, score),
        }
        Ok(())
    }

    /// Sets the score of `member`, whether it was there or not.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: &EncodingLimits) {
        let decided: Result<(), std::convert::Infallible> =
            self.upsert(member, limits, |_| Ok(Some(score)));
        let Ok(()) = decided;
    }

    /// Adds a member that is behind all others.
    pub fn append(&mut self, member: &[u8], score: f64, limits: &EncodingLimits) {
        match self {
            SortedSet::Packed(pack) if packed::has_room(pack, member, limits) => {
                packed::append(pack, member, score);
            }
            _ => self.rank_all().add(member, score),
        }
    }

    /// Makes the set a ranked one.
    #[cold]
    fn rank_all(&mut self) -> &mut RankedSet {
        if let SortedSet::Packed(pack) = self {
            let mut set = Box::new(RankedSet::new());
            let mut digits = itoa::Buffer::new();
            for (member, score) in packed::pairs(pack) {
                set.add(member.bytes(&mut digits), score);
            }
            *self = SortedSet::Ranked(set);
        }
        match self {
            SortedSet::Ranked(set) => set,
            SortedSet::Packed(_) => unreachable!("it was just converted"),
        }
    }

    /// A set of these members, which are all different, in any order.
    pub fn of<'a>(
        members: impl ExactSizeIterator<Item = (&'a [u8], f64)> + Clone,
        limits: &EncodingLimits,
    ) -> SortedSet {
        let fits = members.len() <= limits.sorted_entries
            && members.clone().all(|(member, _)| member.len() <= limits.sorted_value);
        if !fits {
            let mut set = Box::new(RankedSet::new());
            members.for_each(|(member, score)| set.add(member, score));
            return SortedSet::Ranked(set);
        }
        let mut pack = Listpack::new();
        members.for_each(|(member, score)| packed::insert(&mut pack, member, score));
        SortedSet::Packed(pack)
    }

    /// A set of these members, which stand in order and are all different.
    pub fn of_sorted<'a>(
        members: impl ExactSizeIterator<Item = (Item<'a>, f64)>,
        limits: &EncodingLimits,
    ) -> SortedSet {
        let mut set = SortedSet::new();
        if members.len() > limits.sorted_entries {
            set.rank_all();
        }
        let mut digits = itoa::Buffer::new();
        for (member, score) in members {
            set.append(member.bytes(&mut digits), score, limits);
        }
        set
    }

    /// The same set in the form that suits its size.
    pub fn of_ranked(set: RankedSet, limits: &EncodingLimits) -> SortedSet {
        let set = SortedSet::Ranked(Box::new(set));
        if set.len() > limits.sorted_entries {
            return set;
        }
        SortedSet::of_sorted(set.iter(), limits)
    }

    /// Removes `member`; says whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            SortedSet::Packed(pack) => match packed::find(pack, member) {
                Some((at, _)) => {
                    pack.remove_all(at, 2);
                    true
                }
                None => false,
            },
            SortedSet::Ranked(set) => set.remove(member).is_some(),
        }
    }

    /// Removes the members of these ranks, all of which must exist.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) {
        match self {
            SortedSet::Packed(pack) => pack.remove_range(ranks.start * 2, ranks.len() * 2),
            SortedSet::Ranked(set) => set.remove_range(ranks.start, ranks.len()),
        }
    }

    /// Ranks of the members with scores between two bounds.
    pub fn ranks_by_score(&self, low: ScoreBound, high: ScoreBound) -> Range<usize> {
        let (start, end) = match self {
            SortedSet::Packed(pack) => (
                packed::rank_where(pack, |score, _| low.is_reached(score)),
                packed::rank_where(pack, |score, _| high.is_passed(score)),
            ),
            SortedSet::Ranked(set) => (
                set.rank_where(|score, _| low.is_reached(score)),
                set.rank_where(|score, _| high.is_passed(score)),
            ),
        };
        start..end.max(start)
    }

    /// Ranks of the members between two bounds, where all scores are equal.
    pub fn ranks_by_lex(&self, low: LexBound<'_>, high: LexBound<'_>) -> Range<usize> {
        let (start, end) = match self {
            SortedSet::Packed(pack) => (
                packed::rank_where(pack, |_, member| low.is_reached(member)),
                packed::rank_where(pack, |_, member| high.is_passed(member)),
            ),
            SortedSet::Ranked(set) => (
                set.rank_where(|_, element| low.is_reached(element.member())),
                set.rank_where(|_, element| high.is_passed(element.member())),
            ),
        };
        start..end.max(start)
    }

    /// The member of this rank and its score.
    pub fn at(&self, rank: usize) -> Option<(Item<'_>, f64)> {
        self.walk(rank..rank + 1, false).next()
    }

    /// The members of these ranks with their scores, in order or from the last to the first. Ranks
    /// behind the last are left out.
    #[inline]
    pub fn walk(&self, ranks: Range<usize>, backwards: bool) -> Members<'_> {
        let end = ranks.end.min(self.len());
        let count = end.saturating_sub(ranks.start);
        let first = if backwards { end.saturating_sub(1) } else { ranks.start };
        match self {
            SortedSet::Packed(pack) => Members::Packed(packed::walk(pack, first, count, backwards)),
            SortedSet::Ranked(set) => Members::Ranked(set.walk(first, count, backwards)),
        }
    }

    /// All members in order.
    pub fn iter(&self) -> Members<'_> {
        self.walk(0..self.len(), false)
    }

    /// Visits some members, those of a ranked set in the order of their hashes from `first` on and
    /// those of a packed one all at once, and returns where the rest begins; `None` at the end.
    pub fn walk_from<'s>(
        &'s self,
        first: u64,
        mut visit: impl FnMut(Item<'s>, f64),
    ) -> Option<u64> {
        match self {
            SortedSet::Packed(pack) => {
                packed::pairs(pack).for_each(|(member, score)| visit(member, score));
                None
            }
            SortedSet::Ranked(set) => {
                set.walk_from(first, |element| visit(Item::Text(element.member()), element.score()))
            }
        }
    }

    /// What it costs to find a member, in searches of a dictionary.
    pub fn search_cost(&self) -> usize {
        match self {
            SortedSet::Packed(pack) => 1 + pack.len() / 16,
            SortedSet::Ranked(_) => 1,
        }
    }

    /// One step of a scan: calls `visit` with some members and returns the next cursor, 0 at the
    /// end. A packed set is visited in one step. Guarantee: a member that is there during the whole
    /// scan is visited at least once.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        match self {
            SortedSet::Packed(pack) => {
                let mut digits = itoa::Buffer::new();
                for (member, score) in packed::pairs(pack) {
                    visit(member.bytes(&mut digits), score);
                }
                0
            }
            SortedSet::Ranked(set) => {
                set.scan(cursor, |element| visit(element.member(), element.score()))
            }
        }
    }
}

/// Members with their scores; see [`SortedSet::walk`].
pub enum Members<'a> {
    Packed(packed::Pairs<'a>),
    Ranked(Walk<'a>),
}

impl<'a> Iterator for Members<'a> {
    type Item = (Item<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<(Item<'a>, f64)> {
        match self {
            Members::Packed(pairs) => pairs.next(),
            Members::Ranked(walk) => {
                walk.next().map(|element| (Item::Text(element.member()), element.score()))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Members::Packed(pairs) => pairs.size_hint(),
            Members::Ranked(walk) => walk.size_hint(),
        }
    }
}

impl ExactSizeIterator for Members<'_> {}

impl Typed for SortedSet {
    const KIND: Kind = Kind::SortedSet;

    fn new() -> SortedSet {
        SortedSet::Packed(Listpack::new())
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn encoding(&self) -> &'static str {
        match self {
            SortedSet::Packed(_) => "listpack",
            SortedSet::Ranked(_) => "skiplist",
        }
    }

    fn memory(&self, samples: usize) -> usize {
        match self {
            SortedSet::Packed(pack) => pack.memory(),
            SortedSet::Ranked(set) => size_of::<RankedSet>() + set.memory(samples),
        }
    }

    fn copy_some(&self, into: &mut SortedSet, from: u64, budget: usize) -> Option<u64> {
        let set = match self {
            SortedSet::Packed(pack) => {
                *into = SortedSet::Packed(pack.clone());
                return None;
            }
            SortedSet::Ranked(set) => set,
        };
        if from == 0 {
            *into = SortedSet::Ranked(Box::default());
        }
        let SortedSet::Ranked(copy) = into else { unreachable!("a copy has the same form") };
        let mut spent = 0;
        for element in set.walk(from as usize, set.len() - from as usize, false) {
            if spent >= budget {
                return Some(copy.len() as u64);
            }
            copy.add(element.member(), element.score());
            spent += weight(element.member().len());
        }
        None
    }

    fn elements(&self) -> usize {
        self.len()
    }

    fn free_some(&mut self, budget: usize) -> bool {
        match self {
            SortedSet::Packed(_) => true,
            SortedSet::Ranked(set) => set.free_some(budget),
        }
    }
}
