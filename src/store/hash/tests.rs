//! A hash against a naive twin, and its forms.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{FieldExpiry, Hash};
use crate::base::prng::Prng;
use crate::base::time::Millis;
use crate::store::object::{EncodingLimits, Typed};
use crate::testing::cases;

/// Limits that a few fields reach.
fn tight() -> EncodingLimits {
    EncodingLimits { hash_entries: 6, hash_value: 8, ..EncodingLimits::default() }
}

#[derive(Clone, Debug)]
enum Step {
    Set(u8, u16, bool),
    Remove(u8),
    Expire(u8, Option<u8>),
    Sweep(u8),
    Wait(u8),
    Copy,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (any::<u8>(), any::<u16>(), any::<bool>())
            .prop_map(|(name, value, keeps)| Step::Set(name, value, keeps)),
        2 => any::<u8>().prop_map(Step::Remove),
        4 => (any::<u8>(), any::<Option<u8>>()).prop_map(|(name, time)| Step::Expire(name, time)),
        1 => (0..4u8).prop_map(Step::Sweep),
        2 => (0..20u8).prop_map(Step::Wait),
        1 => Just(Step::Copy),
    ];
    prop::collection::vec(step, 1..120)
}

/// Field names, of which a few are integers.
fn name(number: u8, fields: u8) -> Vec<u8> {
    let number = number % fields;
    if number.is_multiple_of(3) { number.to_string() } else { format!("f{number}") }.into_bytes()
}

/// Values, of which a few are long.
fn value(number: u16) -> Vec<u8> {
    match number % 8 {
        0 if number > 50_000 => vec![b'v'; usize::from(number % 40)],
        1..=3 => number.to_string().into_bytes(),
        _ => format!("v{number}").into_bytes(),
    }
}

/// The twin: values and expiries by name.
#[derive(Default)]
struct Twin(BTreeMap<Vec<u8>, (Vec<u8>, Option<Millis>)>);

impl Twin {
    fn live(&self, now: Millis) -> BTreeMap<Vec<u8>, (Vec<u8>, Option<Millis>)> {
        let live = |expiry: Option<Millis>| expiry.is_none_or(|time| time >= now);
        self.0.clone().into_iter().filter(|(_, (_, expiry))| live(*expiry)).collect()
    }

    fn set(&mut self, name: &[u8], value: &[u8], keeps: bool, now: Millis) -> bool {
        let old = self.live(now).remove(name);
        let expiry = old.as_ref().and_then(|(_, expiry)| expiry.filter(|_| keeps));
        self.0.insert(name.to_vec(), (value.to_vec(), expiry));
        old.is_none()
    }
}

fn check(hash: &Hash, twin: &Twin, now: Millis) {
    let live = twin.live(now);
    assert_eq!(hash.len(), twin.0.len());
    assert_eq!(hash.live_len(now), live.len());
    assert_eq!(hash.has_overdue(now), live.len() < twin.0.len());
    assert_eq!(hash.next_due(), twin.0.values().filter_map(|(_, expiry)| *expiry).min());
    let mut seen = BTreeMap::new();
    hash.visit(now, |name, value| {
        let (found, expiry) = hash.get_with_expiry(&name.to_vec(), now).expect("it is there");
        assert_eq!(found.to_vec(), value.to_vec());
        assert!(seen.insert(name.to_vec(), (value.to_vec(), expiry)).is_none());
    });
    assert_eq!(seen, live);
    let mut sampled = 0;
    hash.sample(3, now, &mut Prng::new(1), |name, _| {
        assert!(live.contains_key(&name.to_vec()));
        sampled += 1;
    });
    assert_eq!(sampled, live.len().min(3));
    let random = hash.random(now, &mut Prng::new(2)).map(|(name, _)| name.to_vec());
    assert!(random.map_or(live.is_empty(), |name| live.contains_key(&name)));
}

fn play(steps: &[Step], fields: u8, limits: &EncodingLimits) {
    let (mut hash, mut twin, mut now) = (Hash::new(), Twin::default(), 1000);
    for step in steps {
        match step {
            Step::Set(number, content, keeps) => {
                let (name, value) = (name(*number, fields), value(*content));
                let expiry = if *keeps { FieldExpiry::Keep } else { FieldExpiry::Never };
                let is_new = hash.set(&name, &value, expiry, now, limits);
                assert_eq!(is_new, twin.set(&name, &value, *keeps, now));
            }
            Step::Remove(number) => {
                let name = name(*number, fields);
                let was_there = twin.live(now).contains_key(&name);
                assert_eq!(hash.contains(&name, now), was_there);
                assert_eq!(hash.remove(&name, now), was_there);
                if was_there {
                    twin.0.remove(&name);
                }
            }
            Step::Expire(number, time) => {
                let name = name(*number, fields);
                if hash.contains(&name, now) {
                    let expiry = time.map(|time| now + Millis::from(time));
                    hash.set_expiry(&name, expiry);
                    twin.0.get_mut(&name).expect("as in the hash").1 = expiry;
                }
            }
            Step::Sweep(budget) => {
                let overdue = hash.len() - hash.live_len(now);
                let mut gone = 0;
                hash.remove_overdue(now, (*budget).into(), |name| {
                    gone += 1;
                    let (_, expiry) = twin.0.remove(name).expect("it was there");
                    assert!(expiry.expect("it expires") < now);
                });
                assert_eq!(gone, overdue.min((*budget).into()));
            }
            Step::Wait(time) => now += Millis::from(*time),
            Step::Copy => hash = hash.copy(),
        }
        check(&hash, &twin, now);
    }
    while !hash.free_some(3) {}
}

proptest! {
    #![proptest_config(cases(120))]

    #[test]
    fn a_hash_does_what_its_twin_does(steps in steps(), fields in 1..12u8) {
        play(&steps, fields, &tight());
    }

    #[test]
    fn a_large_hash_does_too(steps in steps()) {
        play(&steps, 200, &tight());
    }
}

fn fill(hash: &mut Hash, count: usize, limits: &EncodingLimits) {
    for number in 0..count {
        let name = format!("field{number}");
        hash.set(name.as_bytes(), b"0123456789abcdef", FieldExpiry::Never, 0, limits);
    }
}

#[test]
fn forms_follow_the_limits() {
    let limits = EncodingLimits { hash_value: 16, hash_entries: 4, ..EncodingLimits::default() };
    let mut hash = Hash::new();
    fill(&mut hash, 4, &limits);
    assert_eq!(hash.encoding(), "listpack");
    fill(&mut hash, 5, &limits);
    assert_eq!(hash.encoding(), "hashtable");
    let mut hash = Hash::new();
    fill(&mut hash, 4, &limits);
    hash.set_expiry(b"field2", None);
    assert_eq!(hash.encoding(), "listpack");
    hash.set_expiry(b"field2", Some(7));
    assert_eq!(hash.encoding(), "listpackex");
    hash.set(b"field2", &[b'x'; 17], FieldExpiry::Keep, 0, &limits);
    assert_eq!((hash.encoding(), hash.next_due()), ("hashtable", Some(7)));
    let mut hash = Hash::new();
    hash.set(&[b'x'; 17], b"", FieldExpiry::Never, 0, &limits);
    assert_eq!(hash.encoding(), "hashtable");
    hash.set_expiry(&[b'x'; 17], Some(7));
    assert_eq!((hash.encoding(), hash.next_due()), ("hashtable", Some(7)));
    let mut hash = Hash::new();
    hash.expect(5, &limits);
    assert_eq!(hash.encoding(), "hashtable");
}

#[test]
fn memory_is_what_is_allocated() {
    let limits = EncodingLimits::default();
    let mut hash = Hash::new();
    assert_eq!(hash.memory(0), 0);
    fill(&mut hash, 10, &limits);
    assert_eq!(hash.memory(0), 256);
    fill(&mut hash, 2000, &limits);
    let (exact, sampled) = (hash.memory(0), hash.memory(5));
    assert!((32 * 2000..48 * 2000).contains(&exact), "{exact}");
    assert!(sampled.abs_diff(exact) < exact / 4, "{sampled} {exact}");
}

proptest! {
    #[test]
    fn all_at_once_is_the_same_as_one_by_one(
        fields in prop::collection::vec((0..80u8, any::<u16>()), 1..90),
        entries in prop::sample::select(vec![6usize, 512]),
        length in prop::sample::select(vec![3usize, 64]),
    ) {
        let limits = EncodingLimits { hash_entries: entries, hash_value: length, ..tight() };
        let fields: Vec<_> =
            fields.into_iter().map(|(number, text)| (name(number, 80), value(text))).collect();
        let pairs = || fields.iter().map(|(name, value)| (&name[..], &value[..]));
        let (mut hash, mut twin) = (Hash::new(), Hash::new());
        let added = hash.set_all(pairs(), 0, &limits);
        if fields.len() > 1 {
            twin.expect(fields.len(), &limits);
        }
        let never = FieldExpiry::Never;
        let expected =
            pairs().filter(|(name, value)| twin.set(name, value, never, 0, &limits)).count();
        prop_assert_eq!((added, hash.len()), (expected, twin.len()));
        prop_assert_eq!(hash.encoding(), twin.encoding());
        let contents = |hash: &Hash| {
            let mut all = vec![];
            hash.visit(0, |name, value| all.push((name.to_vec(), value.to_vec())));
            all.sort();
            all
        };
        prop_assert_eq!(contents(&hash), contents(&twin));
    }
}
