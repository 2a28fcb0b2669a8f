use std::collections::{BTreeSet, HashMap, HashSet};

use proptest::prelude::*;

use super::*;
use crate::store::object::{PAYLOAD_MAX, Typed};

/// Limits that are soon reached.
fn tight() -> EncodingLimits {
    EncodingLimits {
        set_int_entries: 12,
        set_entries: 8,
        set_value: 10,
        ..EncodingLimits::default()
    }
}

fn texts(set: &Set) -> BTreeSet<Vec<u8>> {
    let all: Vec<Vec<u8>> = set.iter().map(Item::to_vec).collect();
    let distinct: BTreeSet<Vec<u8>> = all.iter().cloned().collect();
    assert_eq!(distinct.len(), all.len(), "no member comes twice");
    distinct
}

fn of(members: &[&str]) -> Set {
    let mut set = Set::new();
    members.iter().for_each(|member| {
        set.insert(member.as_bytes(), &tight());
    });
    set
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (-15..15i64).prop_map(|value| value.to_string().into_bytes()),
        1 => any::<i64>().prop_map(|value| value.to_string().into_bytes()),
        3 => "[a-d]{0,2}".prop_map(String::into_bytes),
        1 => prop::sample::select(vec![&b"01"[..], b"-0", b"+1", b" 1", b"a longer member"])
            .prop_map(<[u8]>::to_vec),
    ]
}

proptest! {
    #[test]
    fn all_at_once_is_the_same_as_one_by_one(
        first in prop::collection::vec(member(), 0..3),
        members in prop::collection::vec(member(), 1..16),
        only_integers in any::<bool>(),
    ) {
        let is_integer = |member: &[u8]| matches!(Item::from(member), Item::Int(_));
        let is_kept = |member: &&Vec<u8>| !only_integers || is_integer(member);
        let (mut set, mut twin) = (Set::new(), Set::new());
        for part in [first, members] {
            let part: Vec<&[u8]> = part.iter().filter(is_kept).map(|member| &member[..]).collect();
            let added = set.insert_all(part.iter().copied(), &tight());
            if let [first, _, ..] = part[..] {
                twin.expect(part.len(), first, &tight());
            }
            let expected = part.iter().filter(|member| twin.insert(member, &tight())).count();
            prop_assert_eq!(added, expected);
            prop_assert_eq!(texts(&set), texts(&twin));
            prop_assert_eq!(set.encoding(), twin.encoding());
        }
    }

    #[test]
    fn a_set_agrees_with_a_sorted_set(
        steps in prop::collection::vec((0..4u8, member()), 1..60),
        seed in any::<u64>(),
    ) {
        let (mut set, mut model, mut prng) = (Set::new(), BTreeSet::new(), Prng::new(seed));
        for (action, member) in steps {
            match action {
                0 | 1 => {
                    let is_new = set.insert(&member, &tight());
                    prop_assert_eq!(is_new, model.insert(member.clone()));
                }
                2 => prop_assert_eq!(set.remove(&member), model.remove(&member)),
                _ => {
                    let mut popped = None;
                    prop_assert_eq!(set.pop(&mut prng, |item| popped = Some(item.to_vec())),
                        !model.is_empty());
                    prop_assert!(popped.is_none_or(|member| model.remove(&member)));
                }
            }
            prop_assert_eq!(set.contains(&member), model.contains(&member));
            prop_assert_eq!(set.contains_item(Item::from(&*member)), model.contains(&member));
            prop_assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
            prop_assert_eq!(&texts(&set), &model);
            prop_assert_eq!(&texts(&set.copy()), &model);
            let mut scanned = BTreeSet::new();
            let mut cursor = 0;
            loop {
                cursor = set.scan(cursor, |item| { scanned.insert(item.to_vec()); });
                if cursor == 0 {
                    break;
                }
            }
            prop_assert_eq!(&scanned, &model);
            let random = set.random(&mut prng).map(Item::to_vec);
            prop_assert_eq!(random.is_some(), !model.is_empty());
            prop_assert!(random.is_none_or(|member| model.contains(&member)));
        }
    }
}

#[test]
fn forms_follow_the_limits() {
    assert_eq!(of(&[]).encoding(), "intset");
    assert_eq!(of(&["1", "-2", "9223372036854775807"]).encoding(), "intset");
    assert_eq!(of(&["1", "01"]).encoding(), "listpack");
    assert_eq!(of(&["a", "b", "1", "2", "3", "4", "5", "6"]).encoding(), "listpack");
    assert_eq!(of(&["a", "b", "1", "2", "3", "4", "5", "6", "7"]).encoding(), "hashtable");
    assert_eq!(of(&["0123456789"]).encoding(), "listpack");
    assert_eq!(of(&["0123456789a"]).encoding(), "hashtable");
    assert_eq!(of(&["1", "0123456789a"]).encoding(), "hashtable");
    assert_eq!(of(&["12345678901", "a"]).encoding(), "hashtable", "an integer is too long");
    let names: Vec<String> = (0..13).map(|value| value.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(of(&names[..12]).encoding(), "intset");
    assert_eq!(of(&names).encoding(), "hashtable");
    assert_eq!(of(&[&names[..8], &["x"]].concat()).encoding(), "hashtable");
}

/// A dictionary does not know its integers; the set that takes them over must.
#[test]
fn members_of_a_dictionary_are_taken_over_in_their_best_form() {
    let mut source = of(&["1", "2", "text"]);
    source.expect(100, b"", &tight());
    source.remove(b"text");
    assert_eq!(source.encoding(), "hashtable");
    let mut target = Set::new();
    source.iter().for_each(|item| assert!(target.insert_item(item, &tight())));
    assert_eq!(target.encoding(), "intset");
    source.iter().for_each(|item| assert!(!target.insert_item(item, &tight())));
    target.insert(b"x", &tight());
    source.iter().for_each(|item| assert!(target.contains_item(item)));
    source.iter().for_each(|item| assert!(!target.insert_item(item, &tight())));
}

#[test]
fn what_is_expected_decides_early() {
    let expecting = |mut set: Set, members, first: &[u8]| {
        set.expect(members, first, &tight());
        set.encoding()
    };
    assert_eq!(expecting(of(&[]), 12, b"1"), "intset");
    assert_eq!(expecting(of(&[]), 13, b"1"), "hashtable");
    assert_eq!(expecting(of(&[]), 8, b"x"), "intset");
    assert_eq!(expecting(of(&[]), 9, b"x"), "hashtable");
    assert_eq!(expecting(of(&["1"]), 12, b"x"), "intset");
    assert_eq!(expecting(of(&["x"]), 8, b"x"), "listpack");
    assert_eq!(expecting(of(&["x"]), 9, b"x"), "hashtable");
}

#[test]
fn samples_are_distinct_and_every_member_is_as_likely() {
    for count in [6, 11, 200] {
        let names: Vec<String> = (0..count).map(|value| value.to_string()).collect();
        let set = of(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let (mut prng, mut counts) = (Prng::new(1), HashMap::new());
        let rounds = 3000;
        for _ in 0..rounds {
            let mut seen = HashSet::new();
            set.sample(3, &mut prng, |item| assert!(seen.insert(item.to_vec())));
            assert_eq!(seen.len(), 3);
            seen.into_iter().for_each(|member| *counts.entry(member).or_insert(0u32) += 1);
        }
        let expected = f64::from(rounds * 3) / f64::from(count);
        let deviation = |found: &u32| (f64::from(*found) - expected).powi(2) / expected;
        let statistic: f64 = counts.values().map(deviation).sum();
        let freedom = f64::from(count);
        assert_eq!(counts.len(), count as usize);
        assert!(statistic < freedom + 5.0 * (2.0 * freedom).sqrt(), "{statistic} of {count}");
    }
}

#[test]
fn a_million_short_members_take_at_most_forty_bytes_each() {
    let (mut set, limits) = (Set::new(), EncodingLimits::default());
    let count = 100_000;
    for index in 0..count {
        set.insert(format!("member:{index:09}").as_bytes(), &limits);
    }
    let exact = set.memory(0);
    assert!(exact <= 42 * count, "{exact}");
    let sampled = set.memory(5);
    assert!(sampled.abs_diff(exact) < count, "{sampled} and {exact}");
    let mut steps = 0;
    while !set.free_some(1000) {
        steps += 1;
    }
    assert_eq!(steps, count / 1000 - 1);
    assert!(size_of::<Set>() <= PAYLOAD_MAX);
}
