use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::testing::cases;

/// A record whose hash is whatever the test says, and whose life is counted.
struct Item {
    hash: u64,
    key: u32,
    value: Cell<u32>,
    alive: Rc<Cell<isize>>,
}

impl Drop for Item {
    fn drop(&mut self) {
        self.alive.set(self.alive.get() - 1);
    }
}

struct Owned(Box<Item>);

impl Record for Owned {
    type Ref<'a> = &'a Item;

    fn into_word(self) -> u64 {
        Box::into_raw(self.0).expose_provenance() as u64
    }

    unsafe fn from_word(word: u64) -> Owned {
        // SAFETY: by contract the word came from `into_word` and owns the box.
        Owned(unsafe { Box::from_raw(std::ptr::with_exposed_provenance_mut(word as usize)) })
    }

    unsafe fn borrow<'a>(word: u64) -> &'a Item {
        // SAFETY: by contract the box is alive and not changed during `'a`.
        unsafe { &*std::ptr::with_exposed_provenance::<Item>(word as usize) }
    }

    fn hash(record: &Item) -> u64 {
        record.hash
    }
}

const KEYS: u32 = if cfg!(miri) { 150 } else { 700 };

/// How keys become hashes.
#[derive(Clone, Copy, Debug)]
enum Spread {
    Uniform,
    /// Four hashes for all keys.
    Few,
    /// Homes at both ends of the row, so that records pass over its end.
    Ends,
}

impl Spread {
    fn hash(self, key: u32) -> u64 {
        match self {
            Spread::Uniform => mix(key.into()),
            Spread::Few => mix(u64::from(key % 4)),
            Spread::Ends if key.is_multiple_of(2) => mix(key.into()) | 0x3f_ff00,
            Spread::Ends => mix(key.into()) & !0x3f_ff00,
        }
    }

    fn any() -> impl Strategy<Value = Spread> {
        prop_oneof![Just(Spread::Uniform), Just(Spread::Few), Just(Spread::Ends)]
    }
}

fn mix(key: u64) -> u64 {
    let mixed = (key + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// The dictionary together with its naive twin.
struct Twins {
    dict: Dict<Owned>,
    model: BTreeMap<u32, u32>,
    spread: Spread,
    alive: Rc<Cell<isize>>,
}

impl Twins {
    fn new(spread: Spread) -> Twins {
        Twins { dict: Dict::new(), model: BTreeMap::new(), spread, alive: Rc::default() }
    }

    fn with_keys(spread: Spread, keys: u32) -> Twins {
        let mut twins = Twins::new(spread);
        (0..keys).for_each(|key| twins.put(key, key));
        twins
    }

    fn find(&self, key: u32) -> Option<Position> {
        self.dict.find(self.spread.hash(key), |item| item.key == key)
    }

    fn put(&mut self, key: u32, value: u32) {
        let hash = self.spread.hash(key);
        self.alive.set(self.alive.get() + 1);
        let alive = self.alive.clone();
        let item = Owned(Box::new(Item { hash, key, value: Cell::new(value), alive }));
        match self.find(key) {
            Some(position) => {
                let old = self.dict.replace(position, item);
                assert_eq!(old.0.value.get(), self.model[&key]);
            }
            None => {
                let position = self.dict.insert(hash, item);
                assert_eq!(self.dict.get(position).key, key);
            }
        }
        self.model.insert(key, value);
    }

    fn remove(&mut self, key: u32) {
        let position = self.find(key);
        assert_eq!(position.is_some(), self.model.remove(&key).is_some());
        if let Some(position) = position {
            assert_eq!(self.dict.remove(position, self.spread.hash(key)).0.key, key);
        }
    }

    /// Everything that must hold between operations.
    fn check(&self) {
        assert_eq!(self.dict.len(), self.model.len());
        assert_eq!(self.alive.get(), self.model.len() as isize);
        for (&key, &value) in &self.model {
            self.dict.prefetch_bucket(self.spread.hash(key));
            let position = self.find(key).expect("present");
            assert_eq!(self.dict.get(position).value.get(), value);
        }
        let mut keys: Vec<u32> = self.dict.iter().map(|item| item.key).collect();
        keys.sort_unstable();
        assert!(keys.iter().eq(self.model.keys()));
        assert_eq!(self.scan_all(), keys, "a scan of what does not change visits all once");
        if matches!(self.spread, Spread::Uniform) && !self.model.is_empty() {
            assert!(self.dict.memory() <= (self.model.len() * 43).max(64) + 512);
        }
        assert_eq!(self.dict.is_empty(), self.dict.memory() == 0);
    }

    fn scan_all(&self) -> Vec<u32> {
        let (mut keys, mut cursor) = (Vec::new(), 0);
        loop {
            cursor = self.dict.scan(cursor, |item| keys.push(item.key));
            assert!(cursor < 1 << 48);
            if cursor == 0 {
                keys.sort_unstable();
                return keys;
            }
        }
    }
}

fn words(seed: u64) -> impl FnMut() -> u64 {
    let mut state = mix(seed);
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(state)
    }
}

#[derive(Clone, Debug)]
struct Burst {
    first: u32,
    count: u32,
    puts: bool,
}

fn bursts() -> impl Strategy<Value = Vec<Burst>> {
    let burst = (0..KEYS, prop_oneof![1..20u32, 1..KEYS], any::<bool>())
        .prop_map(|(first, count, puts)| Burst { first, count, puts });
    proptest::collection::vec(burst, 1..25)
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn the_dictionary_agrees_with_a_map(spread in Spread::any(), bursts in bursts()) {
        let mut twins = Twins::new(spread);
        for burst in bursts {
            for key in burst.first..KEYS.min(burst.first + burst.count) {
                if burst.puts { twins.put(key, key + burst.count) } else { twins.remove(key) }
            }
            twins.check();
        }
        let alive = twins.alive.clone();
        drop(twins);
        prop_assert_eq!(alive.get(), 0);
    }

    #[test]
    fn a_scan_misses_nothing_that_stays(
        spread in Spread::any(),
        bursts in bursts(),
        every in 2..40u32,
        pause in 1..9usize,
    ) {
        let mut twins = Twins::new(spread);
        (0..KEYS).step_by(every as usize).for_each(|key| twins.put(key, 0));
        let (mut cursor, mut steps, mut seen) = (0, 0usize, HashSet::new());
        let mut bursts = bursts.iter();
        loop {
            cursor = twins.dict.scan(cursor, |item| { seen.insert(item.key); });
            if cursor == 0 {
                break;
            }
            steps += 1;
            let Some(burst) = steps.is_multiple_of(pause).then(|| bursts.next()).flatten() else {
                continue;
            };
            for key in burst.first..KEYS.min(burst.first + burst.count) {
                match burst.puts {
                    true => twins.put(key, 1),
                    false if key % every != 0 => twins.remove(key),
                    false => {}
                }
            }
        }
        prop_assert!((0..KEYS).step_by(every as usize).all(|key| seen.contains(&key)));
    }
}

#[test]
fn a_dictionary_is_two_words_and_leaves_room_for_other_forms() {
    #[expect(dead_code, reason = "only its size matters")]
    enum Collection {
        Small(Box<u8>),
        Packed(Box<u8>),
        Large(Dict<Owned>),
    }
    assert_eq!(size_of::<Dict<Owned>>(), 16);
    assert_eq!(size_of::<Option<Collection>>(), 16);
}

#[test]
fn an_empty_dictionary_has_nothing() {
    let mut dict: Dict<Owned> = Dict::default();
    assert!(dict.find(7, |_| true).is_none());
    assert!(dict.random(&mut || u64::MAX).is_none());
    dict.sample(3, &mut || 0, |_| panic!("sampled"));
    dict.prefetch_bucket(7);
    assert_eq!(dict.scan(0, |_| panic!("visited")), 0);
    assert_eq!(dict.scan(1 << 47 | 99, |_| panic!("visited")), 0);
    assert_eq!((dict.memory(), dict.iter().count()), (0, 0));
    assert!(dict.free_some(1));
}

#[test]
fn few_records_take_few_lines() {
    let memory = |keys| Twins::with_keys(Spread::Uniform, keys).dict.memory();
    assert_eq!(
        [1, 9, 10, 17, 18, 129, 137, 273].map(memory),
        [64, 64, 128, 128, 256, 1024, 2048, 2048]
    );
    assert!((4096..4500).contains(&memory(274)));
}

#[test]
fn forms_do_not_alternate() {
    for keys in [9, 10, 17, 18, 273, 274] {
        let mut twins = Twins::with_keys(Spread::Uniform, keys);
        let memory = twins.dict.memory();
        twins.put(keys, 0);
        let wider = twins.dict.memory();
        for _ in 0..3 {
            twins.remove(keys);
            twins.put(keys, 0);
            assert_eq!(twins.dict.memory(), wider);
        }
        (keys / 8..=keys).for_each(|key| twins.remove(key));
        assert!(twins.dict.memory() < memory.max(129), "{keys}");
    }
}

#[test]
fn random_records_are_uniform_in_both_forms() {
    for keys in [7, 200, 600] {
        let mut twins = Twins::with_keys(Spread::Uniform, keys);
        // Thin it, so that buckets differ in how full they are.
        (0..keys / 3).for_each(|key| twins.remove(key));
        let (mut counts, mut random) = (HashMap::new(), words(u64::from(keys)));
        let draws = twins.dict.len() as u32 * if cfg!(miri) { 1 } else { 60 };
        for _ in 0..draws {
            let position = twins.dict.random(&mut random).expect("not empty");
            *counts.entry(twins.dict.get(position).key).or_default() += 1;
        }
        assert_uniform(&twins, &counts, draws);
    }
}

#[test]
fn samples_are_distinct_and_uniform() {
    for (keys, count) in [(7, 3), (200, 20), (200, 150), (600, 30), (600, 599)] {
        let twins = Twins::with_keys(Spread::Uniform, keys);
        let (mut counts, mut random) = (HashMap::new(), words(u64::from(count)));
        let rounds = if cfg!(miri) { 1 } else { 60 * keys / count };
        for _ in 0..rounds {
            let mut seen = HashSet::new();
            twins.dict.sample(count as usize, &mut random, |item| {
                assert!(seen.insert(item.key));
                *counts.entry(item.key).or_default() += 1;
            });
            assert_eq!(seen.len(), count as usize);
        }
        assert_uniform(&twins, &counts, rounds * count);
        let mut all = 0;
        twins.dict.sample(usize::MAX, &mut random, |_| all += 1);
        assert_eq!(all, keys);
    }
}

/// Chi-square with n - 1 degrees of freedom: mean n, standard deviation sqrt(2n). Samples without
/// replacement vary less, so only the upper end is checked.
fn assert_uniform(twins: &Twins, counts: &HashMap<u32, u32>, draws: u32) {
    let expected = f64::from(draws) / twins.dict.len() as f64;
    let deviation = |key| f64::from(counts.get(key).copied().unwrap_or(0)) - expected;
    let statistic: f64 = twins.model.keys().map(|key| deviation(key).powi(2) / expected).sum();
    let freedom = twins.dict.len() as f64;
    assert!(statistic < freedom + 5.0 * (2.0 * freedom).sqrt(), "{statistic} of {freedom}");
}

#[test]
fn many_records_are_freed_in_slices() {
    let mut twins = Twins::with_keys(Spread::Uniform, KEYS * 10);
    let mut before = twins.alive.get();
    while !twins.dict.free_some(70) {
        assert_eq!(before - twins.alive.get(), 70);
        before = twins.alive.get();
    }
    assert_eq!(twins.alive.get(), 0);
    twins.model.clear();
    assert!(twins.dict.free_some(1));
    twins.put(1, 1);
    twins.check();
    let mut few = Twins::with_keys(Spread::Uniform, 5);
    assert!(few.dict.free_some(1));
    assert_eq!(few.alive.get(), 0);
}

#[test]
fn a_change_in_place_is_kept() {
    for keys in [3, 400] {
        let mut twins = Twins::with_keys(Spread::Uniform, keys);
        let position = twins.find(2).expect("present");
        let old = twins.dict.update(position, |item| item.0.value.replace(99));
        assert_eq!(old, 2);
        twins.model.insert(2, 99);
        twins.check();
    }
}

#[test]
#[should_panic(expected = "was removed")]
fn a_position_without_a_record_is_refused() {
    let mut twins = Twins::with_keys(Spread::Uniform, 3);
    let position = twins.find(2).expect("present");
    twins.remove(2);
    twins.dict.get(position);
}
