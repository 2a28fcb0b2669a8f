use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use proptest::prelude::*;

use super::segment::{BUCKETS, MAX_DEPTH};
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

/// The table together with its naive twin.
struct Twins {
    table: Table<Owned>,
    model: BTreeMap<u32, (u64, u32)>,
    alive: Rc<Cell<isize>>,
}

impl Twins {
    fn new() -> Twins {
        Twins { table: Table::new(), model: BTreeMap::new(), alive: Rc::default() }
    }

    fn item(&self, hash: u64, key: u32, value: u32) -> Owned {
        self.alive.set(self.alive.get() + 1);
        Owned(Box::new(Item { hash, key, value: Cell::new(value), alive: self.alive.clone() }))
    }

    fn find(&self, hash: u64, key: u32) -> Option<Position> {
        self.table.find(hash, |item| item.key == key)
    }

    fn put(&mut self, hash: u64, key: u32, value: u32) {
        let item = self.item(hash, key, value);
        match self.find(hash, key) {
            Some(position) => {
                let old = self.table.replace(position, item);
                assert_eq!(old.0.value.get(), self.model[&key].1);
            }
            None => {
                let position = self.table.insert(hash, item);
                assert_eq!(self.table.get(position).key, key);
            }
        }
        self.model.insert(key, (hash, value));
    }

    fn remove(&mut self, hash: u64, key: u32) {
        let position = self.find(hash, key);
        assert_eq!(position.is_some(), self.model.remove(&key).is_some());
        if let Some(position) = position {
            assert_eq!(self.table.remove(position, hash).0.key, key);
        }
    }

    /// Everything that must hold between operations.
    fn check(&self) {
        assert_eq!(self.table.len(), self.model.len());
        assert_eq!(self.alive.get(), self.model.len() as isize);
        for (&key, &(hash, value)) in &self.model {
            let position = self.find(hash, key).expect("present");
            assert_eq!(self.table.get(position).value.get(), value);
        }
        let mut keys: Vec<u32> = self.table.iter().map(|item| item.key).collect();
        keys.sort_unstable();
        assert!(keys.iter().eq(self.model.keys()));
        self.check_segments();
        self.check_prefixes();
    }

    fn check_segments(&self) {
        for (index, pointer) in self.table.segments.iter().enumerate() {
            // SAFETY: listed segments are live.
            let segment = unsafe { pointer.as_ref() };
            assert_eq!(segment.index as usize, index);
            assert_eq!(segment.records().count(), segment.live());
            assert!(segment.depth() <= MAX_DEPTH);
            for (_, _, word) in segment.records() {
                // SAFETY: occupied slots hold live records.
                let hash = Owned::hash(unsafe { Owned::borrow(word) });
                assert_eq!(segment::prefix_of(hash, segment.depth()), segment.prefix);
            }
        }
        // The ranges tile the hash space, and the listed segments are those that cover it.
        let (mut hash, mut covered) = (0, HashSet::new());
        while let Some(next) = self.step(hash, &mut covered) {
            hash = next;
        }
        assert_eq!(covered.len(), self.table.segments.len());
    }

    fn step(&self, hash: u64, covered: &mut HashSet<NonNull<Segment>>) -> Option<u64> {
        match self.table.root.lookup(hash) {
            Target::Segment(head) => {
                // SAFETY: the directory leads to live segments.
                let last = unsafe { head.as_ref() }.last_hash();
                let mut next = Some(head);
                while let Some(segment) = next {
                    covered.insert(segment);
                    // SAFETY: chains lead to live segments.
                    next = unsafe { segment.as_ref() }.next;
                }
                last.checked_add(1)
            }
            Target::Empty(depth) => segment::last_hash(hash, depth).checked_add(1),
            Target::Directory(_) => panic!("a lookup ended at a directory"),
        }
    }

    fn check_prefixes(&self) {
        for bits in [0, 1, 3, 14, 20, 64] {
            let sample = self.model.values().map(|&(hash, _)| hash).chain([0, u64::MAX]);
            for hash in sample.step_by(self.model.len() / 3 + 1) {
                let prefix = hash.checked_shr(64 - bits).unwrap_or(0);
                let matches = |other: u64| other.checked_shr(64 - bits).unwrap_or(0) == prefix;
                let expected = self.model.iter().filter(|(_, (hash, _))| matches(*hash));
                let expected: HashSet<u32> = expected.map(|(&key, _)| key).collect();
                let mut found = Vec::new();
                self.table.for_prefix(prefix, bits, |item| found.push(item.key));
                assert_eq!(found.len(), expected.len());
                assert!(found.iter().all(|key| expected.contains(key)));
                assert_eq!(self.table.count_prefix(prefix, bits), expected.len());
            }
        }
    }

    fn scan_step(&self, cursor: u64, seen: &mut HashSet<u32>) -> u64 {
        let next = self.table.scan(cursor, |item| {
            seen.insert(item.key);
        });
        assert!(next < 1 << 48);
        next
    }
}

/// How a test turns keys into hashes.
#[derive(Clone, Copy, Debug)]
enum Spread {
    Uniform,
    OneSlot,
    FewSlots,
    FewHomes,
    FewBits,
    NearlyIdentical,
    Identical,
}

fn mix(key: u32) -> u64 {
    let mut word = u64::from(key).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    word ^ (word >> 32)
}

impl Spread {
    fn hash(self, key: u32) -> u64 {
        let word = mix(key);
        match self {
            Spread::Uniform => word,
            Spread::OneSlot => (0x2aaa << 50) | (word >> 14),
            Spread::FewSlots => (u64::from(key % 5) * 3001) << 50 | (word >> 14),
            Spread::FewHomes => word & !0x3f_ff00 | ((word >> 8) & 1) << 21,
            Spread::FewBits => word & 0x8000_0400_0080_0103,
            Spread::NearlyIdentical => 0x1234_5678_9abc_def0 | (word & 1) << 23,
            Spread::Identical => 0xfedc_ba98_7654_3210,
        }
    }

    fn any() -> impl Strategy<Value = Spread> {
        prop_oneof![
            Just(Spread::Uniform),
            Just(Spread::OneSlot),
            Just(Spread::FewSlots),
            Just(Spread::FewHomes),
            Just(Spread::FewBits),
            Just(Spread::NearlyIdentical),
            Just(Spread::Identical),
        ]
    }
}

/// A burst of operations on a run of keys.
#[derive(Clone, Debug)]
enum Burst {
    Put { first: u32, count: u32, value: u32 },
    Remove { first: u32, count: u32, stride: u32 },
    Sweep { divisor: u32 },
    Hold(bool),
    Flush,
}

const KEYS: u32 = if cfg!(miri) { 600 } else { 4000 };
const BURSTS: usize = if cfg!(miri) { 5 } else { 12 };

fn bursts() -> impl Strategy<Value = Vec<Burst>> {
    let burst = prop_oneof![
        6 => (0..KEYS, 0..KEYS / 2, any::<u32>())
            .prop_map(|(first, count, value)| Burst::Put { first, count, value }),
        6 => (0..KEYS, 0..KEYS, 1..4u32)
            .prop_map(|(first, count, stride)| Burst::Remove { first, count, stride }),
        1 => (1..5u32).prop_map(|divisor| Burst::Sweep { divisor }),
        1 => any::<bool>().prop_map(Burst::Hold),
        1 => Just(Burst::Flush),
    ];
    prop::collection::vec(burst, 1..BURSTS)
}

fn run(twins: &mut Twins, spread: Spread, burst: &Burst) {
    match *burst {
        Burst::Put { first, count, value } => {
            for key in first..KEYS.min(first + count) {
                twins.put(spread.hash(key), key, value.wrapping_add(key));
            }
        }
        Burst::Remove { first, count, stride } => {
            for key in (first..KEYS.min(first + count)).step_by(stride as usize) {
                twins.remove(spread.hash(key), key);
            }
        }
        Burst::Sweep { divisor } => sweep(twins, divisor),
        Burst::Hold(held) => twins.table.hold_merges(held),
        Burst::Flush => {
            let mut remains = twins.table.take();
            twins.model.clear();
            while !remains.free_some(100) {}
        }
    }
}

fn sweep(twins: &mut Twins, divisor: u32) {
    let mut index = twins.table.segment_count();
    while index > 0 {
        index -= 1;
        if index >= twins.table.segment_count() {
            continue;
        }
        let mut gone = Vec::new();
        let judge = |item: &Item| match item.key % divisor {
            0 => Sweep::Remove,
            _ => Sweep::Keep(u64::from(item.key)),
        };
        twins.table.sweep_segment(index, judge, |owned| gone.push(owned.0.key));
        for key in gone {
            assert!(twins.model.remove(&key).is_some());
        }
    }
    assert!(twins.model.keys().all(|key| key % divisor != 0));
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn behaves_like_a_map(spread in Spread::any(), bursts in bursts()) {
        let mut twins = Twins::new();
        for burst in &bursts {
            run(&mut twins, spread, burst);
            twins.check();
        }
        drop(twins.table);
        prop_assert_eq!(twins.alive.get(), 0);
    }

    #[test]
    fn a_scan_misses_nothing_that_stays(
        spread in Spread::any(),
        bursts in bursts(),
        every in 2..9u32,
    ) {
        let mut twins = Twins::new();
        for key in (0..KEYS).step_by(every as usize) {
            twins.put(spread.hash(key), key, 0);
        }
        let (mut cursor, mut seen, mut steps) = (0, HashSet::new(), 0usize);
        let mut bursts = bursts.iter();
        loop {
            cursor = twins.scan_step(cursor, &mut seen);
            if cursor == 0 {
                break;
            }
            steps += 1;
            if steps.is_multiple_of(13) && let Some(burst) = bursts.next() {
                disturb(&mut twins, spread, burst, every);
            }
        }
        prop_assert!((0..KEYS).step_by(every as usize).all(|key| seen.contains(&key)));
    }

    #[test]
    fn a_walk_meets_once_what_stays(
        spread in Spread::any(),
        bursts in bursts(),
        every in 2..9u32,
    ) {
        let mut twins = Twins::new();
        for key in (0..KEYS).step_by(every as usize) {
            twins.put(spread.hash(key), key, 0);
        }
        let (mut next, mut seen) = (Some(0), Vec::new());
        let mut bursts = bursts.iter();
        while let Some(first) = next {
            next = twins.table.walk_from(first, |item| seen.push(item.key));
            prop_assert!(next.is_none_or(|next| next > first), "it goes on");
            if let Some(burst) = bursts.next() {
                disturb(&mut twins, spread, burst, every);
            }
        }
        let met = seen.len();
        let seen: HashSet<u32> = seen.into_iter().collect();
        prop_assert_eq!(seen.len(), met, "nothing twice");
        prop_assert!((0..KEYS).step_by(every as usize).all(|key| seen.contains(&key)));
    }
}

/// Adds and removes keys in the middle of a scan, but for every `every`-th, which stays.
fn disturb(twins: &mut Twins, spread: Spread, burst: &Burst, every: u32) {
    match *burst {
        Burst::Put { first, count, .. } => {
            for key in first..KEYS.min(first + count) {
                twins.put(spread.hash(key), key, 1);
            }
        }
        Burst::Remove { first, count, .. } => {
            for key in (first..KEYS.min(first + count)).filter(|key| key % every != 0) {
                twins.remove(spread.hash(key), key);
            }
        }
        _ => {}
    }
}

#[test]
fn an_empty_table_has_nothing() {
    let mut table: Table<Owned> = Table::new();
    assert!(table.find(7, |_| true).is_none());
    assert!(table.random(&mut || 0).is_none());
    assert_eq!(table.scan(0, |_| panic!("visited")), 0);
    assert_eq!(table.count_prefix(0, 0), 0);
    assert_eq!(table.slots(), 0);
    assert!(table.memory() < 100);
    assert!(table.take().free_some(1));
}

#[test]
fn ten_thousand_identical_hashes_are_kept_and_removed() {
    let count = if cfg!(miri) { 700 } else { 10_000 };
    let mut twins = Twins::new();
    let hash = Spread::Identical.hash(0);
    for key in 0..count {
        let item = twins.item(hash, key, key);
        twins.table.insert(hash, item);
    }
    assert!(twins.table.memory() < 16 * count as usize + 8192);
    let mut seen = HashSet::new();
    let mut cursor = twins.scan_step(0, &mut seen);
    while cursor != 0 {
        cursor = twins.scan_step(cursor, &mut seen);
    }
    assert_eq!(seen.len(), count as usize);
    for key in 0..count {
        // The first record of the chain each time, so the search stays short.
        let position = twins.table.find(hash, |_| true).expect("present");
        twins.table.remove(position, hash);
        assert_eq!(twins.table.len(), (count - key - 1) as usize);
    }
    assert_eq!(twins.alive.get(), 0);
    assert!(twins.table.segment_count() <= 1);
    assert!(twins.table.memory() < 8192);
}

#[test]
fn one_slot_is_as_compact_as_many() {
    let count = if cfg!(miri) { 1000 } else { 60_000 };
    let memory = |spread: Spread| {
        let mut twins = Twins::new();
        for key in 0..count {
            let item = twins.item(spread.hash(key), key, key);
            twins.table.insert(spread.hash(key), item);
        }
        twins.table.memory()
    };
    let (uniform, skewed) = (memory(Spread::Uniform), memory(Spread::OneSlot));
    assert!(skewed < uniform + uniform / 10 + 4096, "{skewed} against {uniform}");
}

#[test]
fn a_shrunken_table_gives_its_memory_back() {
    let mut twins = Twins::new();
    for spread in [Spread::Uniform, Spread::OneSlot, Spread::FewSlots] {
        for key in 0..KEYS {
            twins.put(spread.hash(key), key, key);
        }
        for key in 0..KEYS {
            twins.remove(spread.hash(key), key);
        }
        assert_eq!(twins.table.segment_count(), 1);
        assert!(twins.table.memory() < 8192);
        twins.check();
    }
}

#[test]
fn samples_are_uniform() {
    let mut twins = Twins::new();
    // Thin one half of the hash space, so that segments differ in how full they are.
    for key in 0..3000 {
        let hash = Spread::Uniform.hash(key);
        if hash >> 63 == 0 || key % 3 == 0 {
            twins.put(hash, key, key);
        }
    }
    let mut counts: HashMap<u32, u32> = HashMap::new();
    let mut state = 0;
    let mut random = || {
        state += 1;
        mix(state)
    };
    let per_record = if cfg!(miri) { 1 } else { 50 };
    let draws = twins.table.len() as u32 * per_record;
    for _ in 0..draws {
        let position = twins.table.random(&mut random).expect("not empty");
        *counts.entry(twins.table.get(position).key).or_default() += 1;
    }
    let expected = f64::from(per_record);
    let deviation = |key| f64::from(counts.get(key).copied().unwrap_or(0)) - expected;
    let statistic: f64 = twins.model.keys().map(|key| deviation(key).powi(2) / expected).sum();
    // Chi-square with n - 1 degrees of freedom: mean n, standard deviation sqrt(2n).
    let freedom = twins.table.len() as f64;
    assert!((statistic - freedom).abs() < 5.0 * (2.0 * freedom).sqrt(), "{statistic}");
}

#[test]
fn a_sparse_table_is_sampled_too() {
    let mut twins = Twins::new();
    twins.table.hold_merges(true);
    for key in 0..KEYS {
        twins.put(Spread::Uniform.hash(key), key, key);
    }
    for key in 1..KEYS {
        twins.remove(Spread::Uniform.hash(key), key);
    }
    // Words that always miss force the count.
    let position = twins.table.random(&mut || u64::MAX).expect("one record");
    assert_eq!(twins.table.get(position).key, 0);
    twins.table.hold_merges(false);
    sweep(&mut twins, KEYS + 1);
    twins.check();
}

#[test]
fn due_times_are_lower_bounds() {
    let mut twins = Twins::new();
    for key in 0..KEYS {
        twins.put(Spread::Uniform.hash(key), key, key);
        let position = twins.find(Spread::Uniform.hash(key), key).expect("present");
        twins.table.lower_due(position, u64::from(key) + 5);
    }
    let bounds: Vec<u64> =
        (0..twins.table.segment_count()).map(|i| twins.table.segment_due(i)).collect();
    assert_eq!(bounds.iter().min(), Some(&5));
    for index in 0..twins.table.segment_count() {
        // SAFETY: listed segments are live.
        let segment = unsafe { twins.table.segments[index].as_ref() };
        let keys = segment.records().map(|(_, _, word)| {
            // SAFETY: occupied slots hold live records.
            unsafe { Owned::borrow(word) }.key
        });
        let earliest = keys.min().map_or(u64::MAX, |key| u64::from(key) + 5);
        assert!(twins.table.segment_due(index) <= earliest);
        twins.table.sweep_segment(index, |item| Sweep::Keep(u64::from(item.key)), drop);
        assert_eq!(twins.table.segment_due(index), earliest - 5);
    }
}

#[test]
fn versions_follow_the_home_bucket_through_splits() {
    let mut twins = Twins::new();
    let hash = |key| Spread::Uniform.hash(key);
    assert_eq!(twins.table.version(hash(0)), 0);
    twins.put(hash(0), 0, 0);
    // One group is at 7, its neighbours are not.
    twins.table.set_version(hash(0), 7);
    twins.table.set_birth_version(9);
    for key in 1..KEYS {
        twins.put(hash(key), key, 0);
    }
    assert!(twins.table.segment_count() > 1);
    for key in 0..KEYS {
        let expected = if home_of(hash(key)) == home_of(hash(0)) { 7 } else { 0 };
        assert_eq!(twins.table.version(hash(key)), expected);
    }
    let empty = Spread::OneSlot;
    let mut skewed = Twins::new();
    skewed.table.set_birth_version(3);
    for key in 0..1000 {
        skewed.put(empty.hash(key), key, 0);
    }
    skewed.table.set_version(0, 4);
    assert_eq!(skewed.table.version(0), 3, "nothing covers this hash yet");
    skewed.put(0, 1000, 0);
    assert_eq!(skewed.table.version(0), 3);
}

#[test]
fn remains_are_freed_in_slices() {
    let mut twins = Twins::new();
    for key in 0..KEYS {
        twins.put(Spread::Uniform.hash(key), key, key);
    }
    let mut remains = twins.table.take();
    assert!(twins.table.is_empty());
    let mut before = twins.alive.get();
    assert_eq!(before, KEYS as isize);
    while !remains.free_some(70) {
        assert!(before - twins.alive.get() <= 70);
        before = twins.alive.get();
    }
    assert_eq!(twins.alive.get(), 0);
}

#[test]
fn update_puts_back_what_moved() {
    let mut twins = Twins::new();
    twins.put(5, 1, 10);
    let position = twins.find(5, 1).expect("present");
    let replacement = twins.item(5, 1, 11);
    let old = twins.table.update(position, |owned| std::mem::replace(owned, replacement));
    assert_eq!(old.0.value.get(), 10);
    assert_eq!(twins.table.get(position).value.get(), 11);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        twins.table.update(position, |owned| {
            owned.0.value.set(12);
            panic!("midway");
        })
    }));
    assert!(caught.is_err());
    assert_eq!(twins.table.get(position).value.get(), 12);
}

#[test]
#[should_panic(expected = "the table has changed")]
fn a_position_of_another_table_is_refused() {
    let (mut one, mut other) = (Twins::new(), Twins::new());
    one.put(5, 1, 1);
    other.put(5, 1, 1);
    let position = one.find(5, 1).expect("present");
    other.table.get(position);
}

#[test]
fn homes_are_spread_evenly() {
    let mut counts = [0u32; BUCKETS];
    (0..59_000).for_each(|key| counts[home_of(mix(key))] += 1);
    assert!(counts.iter().all(|&count| (850..1150).contains(&count)), "{counts:?}");
}
