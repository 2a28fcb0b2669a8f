//! The tree against its naive twin: a sorted vector.

use proptest::prelude::*;

use super::node::{Child, INNER_LEN, LEAF_LEN, Leaf};
use super::{Element, ElementRef, Tree};
use crate::base::prng::Prng;
use crate::testing::cases;

/// A tree with the owner of its elements, and the same elements in a sorted vector.
#[derive(Default)]
struct Twins {
    tree: Tree,
    sorted: Vec<Element>,
}

impl Twins {
    fn place(&self, score: f64, member: &[u8]) -> Result<usize, usize> {
        self.sorted.binary_search_by(|element| element.view().compare(score, member))
    }

    fn insert(&mut self, score: f64, member: &[u8]) {
        let Err(at) = self.place(score, member) else { return };
        let element = Element::new(member, score);
        // SAFETY: the vector keeps the element until it is removed from the tree.
        unsafe { self.tree.insert(element.view()) };
        self.sorted.insert(at, element);
    }

    fn remove(&mut self, rank: usize) {
        if self.sorted.is_empty() {
            return;
        }
        let rank = rank % self.sorted.len();
        let removed = self.tree.remove_at(rank);
        assert!(removed.is(self.sorted.remove(rank).view()));
    }

    fn rescore(&mut self, rank: usize, score: f64) {
        if self.sorted.is_empty() {
            return;
        }
        let rank = rank % self.sorted.len();
        let member = self.sorted[rank].view().member().to_vec();
        if self.place(score, &member).is_ok() {
            return;
        }
        // SAFETY: nothing else looks at the elements.
        unsafe { self.tree.rescore(self.sorted[rank].view(), score) };
        let element = self.sorted.remove(rank);
        let at = self.place(score, &member).expect_err("no element is equal");
        self.sorted.insert(at, element);
    }

    fn check(&self) {
        let mut memory = 0;
        assert_eq!(check_node(self.tree.root, self.tree.height, true, &mut memory), self.tree.len);
        assert_eq!(memory, self.tree.memory);
        assert_eq!(self.tree.len(), self.sorted.len());
        let same = |(left, right): (ElementRef<'_>, &Element)| left.is(right.view());
        assert!(self.tree.walk(0, usize::MAX, false).zip(&self.sorted).all(same));
        let last = self.sorted.len().saturating_sub(1);
        assert!(self.tree.walk(last, usize::MAX, true).zip(self.sorted.iter().rev()).all(same));
        assert_eq!(self.tree.walk(0, usize::MAX, false).count(), self.sorted.len());
        assert_eq!(self.tree.walk(last, usize::MAX, true).count(), self.sorted.len());
    }

    fn check_ranks(&self, score: f64, member: &[u8]) {
        let expected = self.place(score, member).unwrap_or_else(|at| at);
        assert_eq!(self.tree.rank_of(score, member), expected);
        let by_score = self.sorted.partition_point(|element| element.view().score() < score);
        assert_eq!(self.tree.rank_where(|at, _| at >= score), by_score);
        let at = self.tree.get(by_score);
        assert_eq!(at.is_none(), by_score == self.sorted.len());
        assert!(at.is_none_or(|element| element.is(self.sorted[by_score].view())));
    }
}

/// Checks counts and firsts; returns the number of elements.
fn check_node(node: Child, level: usize, is_root: bool, memory: &mut usize) -> usize {
    *memory += super::node_size(level);
    if level == 0 {
        assert!(is_root || node.len(0) > 0);
        return node.len(0);
    }
    // SAFETY: nodes above level 0 are inner nodes.
    let inner = unsafe { node.inner() };
    assert!(inner.len > usize::from(is_root) && inner.len <= INNER_LEN);
    for at in 0..inner.len {
        let child = inner.children[at];
        assert_eq!(check_node(child, level - 1, false, memory), inner.sizes[at]);
        assert!(inner.firsts[at].is(child.first(level - 1)));
        assert_eq!(inner.scores[at], inner.firsts[at].score());
    }
    inner.size_before(inner.len)
}

#[derive(Debug, Clone)]
enum Step {
    Insert(i8, u16),
    Remove(usize),
    Rescore(usize, i8),
    RemoveMany(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (any::<i8>(), any::<u16>()).prop_map(|(score, member)| Step::Insert(score, member)),
        2 => any::<usize>().prop_map(Step::Remove),
        2 => (any::<usize>(), any::<i8>()).prop_map(|(rank, score)| Step::Rescore(rank, score)),
        1 => (any::<usize>(), 0..200usize).prop_map(|(rank, many)| Step::RemoveMany(rank, many)),
    ]
}

const STEPS: usize = if cfg!(miri) { 200 } else { 1500 };

proptest! {
    #![proptest_config(cases(60))]
    #[test]
    fn a_tree_agrees_with_a_sorted_vector(steps in prop::collection::vec(step(), 1..STEPS)) {
        let mut twins = Twins::default();
        for step in steps {
            match step {
                Step::Insert(score, member) => {
                    twins.insert(f64::from(score) / 4.0, format!("m{member}").as_bytes());
                }
                Step::Remove(rank) => twins.remove(rank),
                Step::Rescore(rank, score) => twins.rescore(rank, f64::from(score)),
                Step::RemoveMany(rank, many) => (0..many).for_each(|_| twins.remove(rank)),
            }
        }
        twins.check();
        for probe in 0..20 {
            twins.check_ranks(f64::from(probe * 3 - 30) / 4.0, b"m3");
        }
    }
}

#[test]
fn elements_in_order_fill_their_leaves() {
    let count = if cfg!(miri) { 300 } else { 20_000 };
    for backwards in [false, true] {
        let mut twins = Twins::default();
        for number in 0..count {
            let score = if backwards { -f64::from(number) } else { f64::from(number) };
            twins.insert(score, b"member");
        }
        twins.check();
        let memory = twins.tree.memory();
        assert!(cfg!(miri) || memory < count as usize * 19 / 2, "{memory}");
    }
}

#[test]
fn random_elements_fill_four_fifths() {
    let count = if cfg!(miri) { 300 } else { 30_000 };
    let (mut twins, mut prng) = (Twins::default(), Prng::new(1));
    for _ in 0..count {
        twins.insert(prng.fraction(), b"member");
    }
    twins.check();
    let memory = twins.tree.memory();
    assert!(cfg!(miri) || memory < count * 12, "{}", memory / count);
    while !twins.sorted.is_empty() {
        twins.remove(prng.next() as usize);
        if twins.sorted.len() % (count / 6) == 0 {
            twins.check();
        }
    }
    assert_eq!(twins.tree.memory(), size_of::<Leaf>());
}

#[test]
fn a_tree_is_freed_in_slices() {
    let count = if cfg!(miri) { 300 } else { 5000 };
    let mut twins = Twins::default();
    for number in 0..count {
        twins.insert(0.0, format!("{number}").as_bytes());
    }
    let mut slices = 0;
    while !twins.tree.forget_some(100) {
        slices += 1;
        assert!(twins.tree.len() + slices * (100 + LEAF_LEN) >= count);
        let mut memory = 0;
        assert_eq!(
            check_node(twins.tree.root, twins.tree.height, true, &mut memory),
            twins.tree.len
        );
    }
    assert!(slices >= count / 170 && twins.tree.is_empty());
}

#[test]
fn members_of_every_length_come_back() {
    for len in [0, 1, 254, 255, 256, 70_000] {
        let member = vec![b'x'; len];
        let element = Element::new(&member, -0.5);
        assert_eq!((element.view().member(), element.view().score()), (&member[..], -0.5));
    }
}
