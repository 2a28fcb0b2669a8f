//! Both forms of the set against a sorted vector.

use proptest::prelude::*;

use super::*;
use crate::testing::cases;

type Twin = Vec<(f64, Vec<u8>)>;

fn limits(entries: usize) -> EncodingLimits {
    EncodingLimits { sorted_entries: entries, sorted_value: 64, ..EncodingLimits::default() }
}

fn contents(members: Members<'_>) -> Twin {
    members.map(|(member, score)| (score, member.to_vec())).collect()
}

fn put(twin: &mut Twin, member: &[u8], score: f64) {
    twin.retain(|(_, other)| other != member);
    let at = twin.partition_point(|(other, name)| {
        *other < score || *other == score && name.as_slice() < member
    });
    twin.insert(at, (score, member.to_vec()));
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (0..60i64).prop_map(|number| number.to_string().into_bytes()),
        prop::collection::vec(b'a'..=b'c', 0..3),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-4..4i32).prop_map(|number| f64::from(number) / 2.0),
        1 => prop_oneof![
            Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(0.1), Just(1e300),
            Just(9.3e18), Just(1e17),
        ],
    ]
}

proptest! {
    #![proptest_config(cases(200))]
    #[test]
    fn a_set_agrees_with_a_sorted_vector(
        steps in prop::collection::vec((member(), score(), 0..10u8), 1..150),
        entries in prop_oneof![Just(0usize), Just(20), Just(1000)],
        (low, high) in (score(), score()),
        (opens, from, to) in (any::<(bool, bool)>(), 0..80usize, 0..80usize),
    ) {
        let limits = limits(entries);
        let (mut set, mut twin) = (SortedSet::new(), Twin::new());
        for (member, score, dice) in steps {
            if dice < 2 {
                let there = twin.iter().any(|(_, other)| *other == member);
                prop_assert_eq!(set.remove(&member), there);
                twin.retain(|(_, other)| *other != member);
            } else {
                set.insert(&member, score, &limits);
                put(&mut twin, &member, score);
            }
        }
        prop_assert_eq!(contents(set.iter()), twin.clone());
        prop_assert_eq!(set.len(), twin.len());
        for (rank, (score, member)) in twin.iter().enumerate() {
            prop_assert_eq!(set.rank(member), Some((rank, *score)));
            prop_assert_eq!(set.score(member).map(f64::to_bits), Some(score.to_bits()));
        }
        let ranks = set.ranks_by_score(
            ScoreBound { score: low, is_open: opens.0 },
            ScoreBound { score: high, is_open: opens.1 },
        );
        let inside = |score: f64| {
            (score > low || score == low && !opens.0)
                && (score < high || score == high && !opens.1)
        };
        let expected: Twin = twin.iter().filter(|(score, _)| inside(*score)).cloned().collect();
        prop_assert_eq!(contents(set.walk(ranks, false)), expected);
        let (from, to) = (from.min(twin.len()), to.min(twin.len()));
        let mut part: Twin = twin.get(from..to).unwrap_or_default().to_vec();
        prop_assert_eq!(contents(set.walk(from..to, false)), part.clone());
        part.reverse();
        prop_assert_eq!(contents(set.walk(from..to, true)), part);
        let copy = set.copy();
        if from <= to {
            set.remove_ranks(from..to);
            let mut rest = twin.clone();
            rest.drain(from..to);
            prop_assert_eq!(contents(set.iter()), rest);
        }
        prop_assert_eq!(contents(copy.iter()), twin);
    }
}

#[test]
fn sets_of_equal_scores_are_ranged_by_member() {
    for entries in [0, 128] {
        let mut set = SortedSet::new();
        for name in [&b""[..], b"a", b"b", b"ba", b"c", b"10", b"9"] {
            set.insert(name, 1.0, &limits(entries));
        }
        let count = |low, high| set.ranks_by_lex(low, high).len();
        assert_eq!(count(LexBound::First, LexBound::Last), 7);
        assert_eq!(count(LexBound::Closed(b"a"), LexBound::Open(b"c")), 3);
        assert_eq!(count(LexBound::Open(b"a"), LexBound::Closed(b"c")), 3);
        assert_eq!(count(LexBound::Closed(b"10"), LexBound::Closed(b"9")), 2);
        assert_eq!(count(LexBound::Last, LexBound::First), 0);
    }
}

#[test]
fn a_set_grows_out_of_its_listpack() {
    let limits = limits(3);
    let mut set = SortedSet::new();
    for number in 0..3 {
        set.insert(format!("{number}").as_bytes(), 0.5, &limits);
    }
    assert_eq!(set.encoding(), "listpack");
    set.insert(b"0", 3.0, &limits);
    assert_eq!(set.encoding(), "listpack");
    set.insert(b"3", 3.0, &limits);
    assert_eq!((set.encoding(), set.len()), ("skiplist", 4));
    let mut long = SortedSet::new();
    long.insert(&[b'x'; 65], 1.0, &limits);
    assert_eq!(long.encoding(), "skiplist");
    let few = [(&b"a"[..], 2.0), (b"b", 1.0)];
    assert_eq!(SortedSet::of(few.into_iter(), &limits).encoding(), "listpack");
}

#[test]
fn a_scan_visits_every_member() {
    let mut set = SortedSet::new();
    for number in 0..2000 {
        set.insert(format!("{number}").as_bytes(), f64::from(number), &limits(128));
    }
    let (mut seen, mut cursor) = (std::collections::BTreeSet::new(), 0);
    loop {
        cursor = set.scan(cursor, |member, score| {
            assert_eq!(String::from_utf8_lossy(member), score.to_string());
            seen.insert(member.to_vec());
        });
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen.len(), 2000);
    while !set.free_some(100) {}
}
