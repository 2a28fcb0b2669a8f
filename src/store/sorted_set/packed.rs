//! A sorted set in a listpack: member, score, member, score, in order, as Redis lays it out.
//!
//! A score that is an integer is stored as one, any other as the text that reads back as the same
//! double. Invariant: every second item is a score.

use std::cmp::Ordering;

use crate::base::num;
use crate::ds::listpack::{self, Item, Listpack, Position};
use crate::store::object::EncodingLimits;

/// Integers up to this magnitude are exact doubles.
const EXACT_MAX: f64 = (1u64 << 53) as f64;

/// The score that an item stands for.
fn score_of(item: Item<'_>) -> f64 {
    match item {
        Item::Int(number) => number as f64,
        Item::Text(text) => num::parse_f64(text).expect("every second item is a score"),
    }
}

/// Calls `store` with the item that stands for a score.
fn with_score<T>(score: f64, store: impl FnOnce(Item<'_>) -> T) -> T {
    // Zero loses its sign here, as it does in Redis.
    if score.abs() <= EXACT_MAX && score.trunc() == score {
        return store(Item::Int(score as i64));
    }
    let mut text = Vec::with_capacity(24);
    num::write_f64(&mut text, score);
    // Integers beyond the exact ones are printed with all their digits.
    store(Item::from(&text[..]))
}

/// Where `member` stands, and its score.
#[inline]
pub(super) fn find(pack: &Listpack, member: &[u8]) -> Option<(Position, f64)> {
    let at = pack.find(member, 1)?;
    Some((at, score_of(pack.at(pack.after(at)))))
}

/// How many members are before `member`, and its score.
pub(super) fn rank(pack: &Listpack, member: &[u8]) -> Option<(usize, f64)> {
    let member = Item::from(member);
    let mut ranked = pairs(pack).enumerate();
    ranked.find(|(_, (other, _))| *other == member).map(|(rank, (_, score))| (rank, score))
}

/// Whether the set may stay packed with `member` added.
pub(super) fn has_room(pack: &Listpack, member: &[u8], limits: &EncodingLimits) -> bool {
    pack.len() / 2 < limits.sorted_entries && member.len() <= limits.sorted_value
}

/// Adds a member that is behind all others.
pub(super) fn append(pack: &mut Listpack, member: &[u8], score: f64) {
    let end = pack.end();
    with_score(score, |item| pack.insert_all(end, &[Item::from(member), item]));
}

/// Adds a member that is not there, where it belongs.
pub(super) fn insert(pack: &mut Listpack, member: &[u8], score: f64) {
    let at = place(pack, member, score);
    with_score(score, |item| pack.insert_all(at, &[Item::from(member), item]));
}

/// The place of the first member behind (`score`, `member`), or the end.
fn place(pack: &Listpack, member: &[u8], score: f64) -> Position {
    let mut digits = itoa::Buffer::new();
    // Many sets grow at their end.
    let Some(last) = pack.last() else { return pack.end() };
    if score_of(pack.at(last)) < score {
        return pack.end();
    }
    let mut at = pack.first();
    while let Some(position) = at {
        let score_at = pack.after(position);
        let is_behind = match score_of(pack.at(score_at)).partial_cmp(&score) {
            Some(Ordering::Equal) | None => pack.at(position).bytes(&mut digits) > member,
            Some(order) => order == Ordering::Greater,
        };
        if is_behind {
            return position;
        }
        at = pack.next(score_at);
    }
    pack.end()
}

/// Rank of the first member that `is_reached` accepts, which accepts all behind it.
pub(super) fn rank_where(pack: &Listpack, is_reached: impl Fn(f64, &[u8]) -> bool) -> usize {
    let mut digits = itoa::Buffer::new();
    let mut is_before =
        |member: Item<'_>, score: f64| !is_reached(score, member.bytes(&mut digits));
    pairs(pack).take_while(|(member, score)| is_before(*member, *score)).count()
}

/// All members in order.
pub(super) fn pairs(pack: &Listpack) -> Pairs<'_> {
    Pairs { items: pack.iter(), left: pack.len() / 2, backwards: false }
}

/// `count` members from this rank on, forwards or backwards; all of them must exist.
pub(super) fn walk(pack: &Listpack, rank: usize, count: usize, backwards: bool) -> Pairs<'_> {
    if count == 0 {
        return Pairs { items: pack.iter_from(pack.end()), left: 0, backwards };
    }
    if backwards {
        let mut items = pack.iter();
        for _ in 0..pack.len() - (rank * 2 + 2) {
            items.next_back();
        }
        return Pairs { items, left: count, backwards };
    }
    let position = pack.seek(rank as i64 * 2).expect("the rank exists");
    Pairs { items: pack.iter_from(position), left: count, backwards }
}

/// Members with their scores.
pub struct Pairs<'a> {
    items: listpack::Iter<'a>,
    left: usize,
    backwards: bool,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Item<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<(Item<'a>, f64)> {
        self.left = self.left.checked_sub(1)?;
        let (member, score) = if self.backwards {
            let score = self.items.next_back()?;
            (self.items.next_back()?, score)
        } else {
            (self.items.next()?, self.items.next()?)
        };
        Some((member, score_of(score)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}
