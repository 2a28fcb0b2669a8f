//! Streams against a plain list of entries.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::group::{Deliveries, Group};
use super::id::Id;
use super::idempotence::Retention;
use super::node::Node;
use super::trim::{References, Threshold, Trim};
use super::{Deletion, NodeLimits, Stream};
use crate::store::object::Typed;
use crate::testing::cases;

const SMALL: NodeLimits = NodeLimits { bytes: 200, entries: 7 };

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// The obvious stream.
#[derive(Default)]
struct Twin {
    entries: BTreeMap<Id, Pairs>,
    last: Id,
    max_deleted: Id,
    added: u64,
}

#[derive(Clone, Debug)]
enum Step {
    Add { gap: u64, pairs: Pairs },
    Delete { at: u8 },
    Trim { length: u8, approximate: bool },
    TrimBelow { at: u8 },
}

fn pairs() -> impl Strategy<Value = Pairs> {
    let word = prop_oneof![
        Just(b"a".to_vec()),
        Just(b"17".to_vec()),
        Just(b"".to_vec()),
        vec(any::<u8>(), 0..40),
    ];
    prop_oneof![
        3 => word.clone().prop_map(|value| vec![(b"field".to_vec(), value)]),
        1 => vec((word.clone(), word), 1..5),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0u64..3, pairs()).prop_map(|(gap, pairs)| Step::Add { gap, pairs }),
        3 => any::<u8>().prop_map(|at| Step::Delete { at }),
        1 => (0u8..60, any::<bool>())
            .prop_map(|(length, approximate)| Step::Trim { length, approximate }),
        1 => any::<u8>().prop_map(|at| Step::TrimBelow { at }),
    ];
    vec(step, 0..150)
}

fn append(stream: &mut Stream, id: Id, pairs: &Pairs, limits: NodeLimits) {
    let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|(f, v)| (&f[..], &v[..])).collect();
    stream.append(id, &&pairs[..], limits).expect("a small entry");
}

fn trim(threshold: Threshold, is_approximate: bool) -> Trim {
    Trim { threshold, is_approximate, limit: None, references: References::Keep }
}

fn content<'a>(entries: impl Iterator<Item = super::Entry<'a>>) -> Vec<(Id, Pairs)> {
    let pairs =
        |entry: &super::Entry<'_>| entry.pairs().map(|(f, v)| (f.to_vec(), v.to_vec())).collect();
    entries.map(|entry| (entry.id, pairs(&entry))).collect()
}

impl Twin {
    /// An id among those in use, or near one.
    fn pick(&self, at: u8) -> Id {
        let count = self.entries.len().max(1);
        let id = self.entries.keys().nth(usize::from(at) % count).copied().unwrap_or(self.last);
        if at.is_multiple_of(5) { Id::new(id.ms, id.seq + 1) } else { id }
    }

    fn apply(&mut self, step: &Step, stream: &mut Stream) {
        match step {
            Step::Add { gap, pairs } => {
                let id = Id::new(self.last.ms + gap, self.last.seq * u64::from(*gap == 0) + 1);
                append(stream, id, pairs, SMALL);
                self.entries.insert(id, pairs.clone());
                (self.last, self.added) = (id, self.added + 1);
            }
            Step::Delete { at } => {
                let id = self.pick(*at);
                let existed = self.entries.remove(&id).is_some();
                assert_eq!(stream.delete(id), existed);
                self.max_deleted =
                    if existed { self.max_deleted.max(id) } else { self.max_deleted };
            }
            Step::Trim { length, approximate } => {
                let length = usize::from(*length);
                let trimmed = stream.trim(&trim(Threshold::Length(length as u64), *approximate));
                let excess = self.entries.len().saturating_sub(length);
                assert!(trimmed as usize <= excess && (*approximate || trimmed as usize == excess));
                (0..trimmed).for_each(|_| drop(self.entries.pop_first()));
            }
            Step::TrimBelow { at } => {
                let id = self.pick(*at);
                let kept = self.entries.split_off(&id);
                let trimmed = stream.trim(&trim(Threshold::Id(id), false));
                assert_eq!(trimmed as usize, self.entries.len());
                self.entries = kept;
            }
        }
    }

    fn check(&self, stream: &Stream) {
        let all: Vec<(Id, Pairs)> = self.entries.clone().into_iter().collect();
        assert_eq!(content(stream.range(Id::MIN, Id::MAX)), all);
        let backward: Vec<_> = all.iter().rev().cloned().collect();
        assert_eq!(content(stream.range_back(Id::MIN, Id::MAX)), backward);
        let summary = stream.summary();
        assert_eq!((summary.length as usize, summary.added), (all.len(), self.added));
        assert_eq!((summary.last, summary.max_deleted), (self.last, self.max_deleted));
        assert_eq!(summary.first, all.first().map_or(Id::MIN, |(id, _)| *id));
        for (id, node) in stream.nodes() {
            assert_eq!(Node::from_bytes(id, node.as_bytes()).as_ref(), Ok(node));
            assert!(node.live() > 0 && node.entries() <= SMALL.entries as u64);
        }
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn it_behaves_like_a_list(steps in steps(), start in any::<u8>(), end in any::<u8>()) {
        let (mut twin, mut stream) = (Twin::default(), Stream::new());
        for step in &steps {
            twin.apply(step, &mut stream);
        }
        twin.check(&stream);
        let (start, end) = (twin.pick(start), twin.pick(end));
        let expected: Vec<(Id, Pairs)> = twin
            .entries
            .iter()
            .filter(|(id, _)| (start..=end).contains(id))
            .map(|(id, pairs)| (*id, pairs.clone()))
            .collect();
        prop_assert_eq!(content(stream.range(start, end)), expected.clone());
        let mut backward = content(stream.range_back(start, end));
        backward.reverse();
        prop_assert_eq!(backward, expected);
        twin.check(&stream.copy());
    }

    #[test]
    fn any_bytes_are_a_node_or_refused(bytes in vec(any::<u8>(), 0..60)) {
        if let Ok(node) = Node::from_bytes(Id::new(1, 1), &bytes) {
            prop_assert_eq!(node.walk(Id::new(1, 1)).count() as u64, node.entries());
        }
    }
}

fn filled(count: u64) -> Stream {
    let mut stream = Stream::new();
    let pairs = vec![(b"a".to_vec(), b"1".to_vec())];
    let limits = NodeLimits { bytes: 4096, entries: 100 };
    (1..=count).for_each(|seq| append(&mut stream, Id::new(0, seq), &pairs, limits));
    stream
}

#[test]
fn nodes_keep_their_limits() {
    let stream = filled(1000);
    assert_eq!((stream.nodes_len(), stream.summary().length), (10, 1000));
    let mut stream = Stream::new();
    let pairs = vec![(b"a".to_vec(), vec![b'x'; 1000])];
    let limits = NodeLimits { bytes: 4096, entries: 0 };
    (1..=9).for_each(|seq| append(&mut stream, Id::new(0, seq), &pairs, limits));
    assert_eq!(stream.nodes_len(), 3);
    assert!(Typed::memory(&filled(1000), 0) < 1000 * 16);
    assert!(Typed::memory(&filled(1000), 1).abs_diff(Typed::memory(&filled(1000), 0)) < 1000);
}

#[test]
fn approximate_trimming_takes_whole_nodes() {
    let mut stream = filled(1000);
    assert_eq!(stream.trim(&trim(Threshold::Length(950), true)), 0);
    assert_eq!(stream.trim(&trim(Threshold::Length(850), true)), 100);
    assert_eq!(stream.summary().first, Id::new(0, 101));
    let limited = Trim { limit: Some(250), ..trim(Threshold::Length(0), true) };
    assert_eq!(stream.trim(&limited), 200);
    assert_eq!(stream.trim(&trim(Threshold::Id(Id::new(0, 505)), true)), 200);
    assert_eq!(stream.trim(&trim(Threshold::Id(Id::new(0, 505)), false)), 4);
    assert_eq!(stream.summary().max_deleted, Id::MIN, "trimming leaves no gap");
}

#[test]
fn groups_may_hold_entries_back() {
    let mut stream = filled(10);
    let mut group = Group::new(Id::new(0, 6), None);
    let member = group.add_consumer(b"c", 0).expect("a new name");
    group.hand_over(Id::new(0, 3), member, 0, Deliveries::Same);
    stream.add_group(b"g", group);
    let acked =
        |stream: &mut Stream, seq| stream.delete_with(Id::new(0, seq), References::Acknowledged);
    assert_eq!(acked(&mut stream, 1), Deletion::Deleted);
    assert_eq!(acked(&mut stream, 1), Deletion::Missing);
    assert_eq!(acked(&mut stream, 3), Deletion::Referenced, "pending");
    assert_eq!(acked(&mut stream, 7), Deletion::Referenced, "not yet delivered");
    let keep = Trim { references: References::Acknowledged, ..trim(Threshold::Length(2), true) };
    assert_eq!(stream.trim(&keep), 4, "2, 4, 5 and 6");
    assert_eq!(stream.summary().first, Id::new(0, 3));
    let forget = Trim { references: References::Remove, ..keep };
    assert_eq!(stream.trim(&forget), 3);
    assert_eq!(stream.group(b"g").map(Group::pending_len), Some(0));
    assert_eq!(stream.summary().length, 2);
}

#[test]
fn lag_is_known_where_no_gap_makes_it_uncertain() {
    let mut stream = filled(5);
    let summary = stream.summary();
    let mut group = Group::new(Id::MIN, None);
    assert_eq!(summary.lag(&group), Some(5));
    summary.advance(&mut group, Id::new(0, 1));
    assert_eq!((group.entries_read, summary.lag(&group)), (Some(1), Some(4)));
    summary.advance(&mut group, Id::new(0, 2));
    assert_eq!((group.entries_read, summary.lag(&group)), (Some(2), Some(3)));
    assert_eq!(summary.lag(&Group::new(Id::new(0, 3), None)), None, "in the middle");
    assert_eq!(summary.lag(&Group::new(Id::new(0, 5), None)), Some(0));
    assert!(stream.delete(Id::new(0, 4)));
    let summary = stream.summary();
    assert_eq!(summary.lag(&group), None, "a gap ahead");
    assert_eq!(summary.lag(&Group::new(Id::MIN, None)), None);
    summary.advance(&mut group, Id::new(0, 5));
    assert_eq!((group.entries_read, summary.lag(&group)), (Some(5), Some(0)));
}

#[test]
fn a_large_stream_is_freed_in_slices() {
    let mut stream = filled(1000);
    let mut group = Group::new(Id::MIN, None);
    let member = group.add_consumer(b"c", 0).expect("a new name");
    (1..=500).for_each(|seq| group.deliver(Id::new(0, seq), member, 1));
    stream.add_group(b"g", group);
    stream.idempotence_mut(Retention::default()).remember(b"p", b"m", Id::new(0, 1), 0);
    let mut slices = 1;
    while !stream.free_some(100) {
        slices += 1;
    }
    assert!((20..=24).contains(&slices), "{slices} slices");
}
