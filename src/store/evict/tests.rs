use super::*;
use crate::store::db::Expiry;
use crate::store::db::tests::empty;
use crate::store::entry::Value;

const SET: Event = Event::string("set");

fn name(n: u64) -> String {
    format!("key:{n}")
}

fn set(db: &mut Db, n: u64, expiry: Expiry) {
    db.write(Key::new(name(n).as_bytes())).set(Value::Int(n as i64), expiry, SET);
}

fn has(db: &Db, n: u64) -> bool {
    db.peek(Key::new(name(n).as_bytes())).is_some()
}

/// Hundred keys; key `n` was last used in second `n`, `n` times, and even ones expire, the first of
/// them last.
fn hundred(frequency: bool) -> Db {
    let mut db = empty();
    db.tuning.frequency = frequency;
    db.tuning.lfu_log_factor = 0;
    let start = db.now();
    for n in 0..100 {
        db.set_now(start + n as i64 * 1000);
        let expires = Expiry::At(start + 10_000_000 - n as i64 * 1000);
        set(&mut db, n, if n % 2 == 0 { expires } else { Expiry::Never });
        for _ in 0..if frequency { n } else { 0 } {
            db.read(Key::new(name(n).as_bytes()));
        }
    }
    db
}

/// Evicts `count` keys and returns the numbers of those that went.
fn evict(db: &mut Db, policy: Policy, samples: usize, count: usize) -> Vec<u64> {
    let before: Vec<u64> = (0..100).filter(|n| has(db, *n)).collect();
    for _ in 0..count {
        assert!(db.evict_one(policy, samples));
    }
    before.into_iter().filter(|n| !has(db, *n)).collect()
}

#[test]
fn many_samples_find_the_best_victims() {
    // So many draws miss a certain key about once in e^20 times.
    const SAMPLES: usize = 2000;
    let first = |step: u64| (0..10).map(|n| n * step).collect::<Vec<u64>>();
    for (policy, victims) in [
        (Policy::Lru { volatile: false }, first(1)),
        (Policy::Lru { volatile: true }, first(2)),
        (Policy::Lfu { volatile: false }, first(1)),
        (Policy::Lfu { volatile: true }, first(2)),
        (Policy::Ttl, (40..50).map(|n| n * 2).collect()),
    ] {
        let mut db = hundred(policy.counts_frequency());
        assert_eq!(evict(&mut db, policy, SAMPLES, 10), victims, "{policy:?}");
        assert_eq!((db.len(), db.counters.evicted.get()), (90, 10));
    }
}

#[test]
fn few_samples_find_good_victims() {
    for frequency in [false, true] {
        let mut db = hundred(frequency);
        let policy = if frequency {
            Policy::Lfu { volatile: false }
        } else {
            Policy::Lru { volatile: false }
        };
        let victims = evict(&mut db, policy, 5, 30);
        let average = victims.iter().sum::<u64>() / victims.len() as u64;
        assert!(average < 35, "{average}: drawn blindly, victims would average 50");
    }
}

#[test]
fn volatile_policies_spare_keys_that_do_not_expire() {
    for policy in [
        Policy::Lru { volatile: true },
        Policy::Lfu { volatile: true },
        Policy::Random { volatile: true },
        Policy::Ttl,
    ] {
        let mut db = hundred(policy.counts_frequency());
        let victims = evict(&mut db, policy, 5, 50);
        assert!(victims.iter().all(|n| n % 2 == 0), "{policy:?}");
        assert!(!db.evict_one(policy, 5), "{policy:?}: nothing is left that expires");
        assert_eq!((db.len(), db.volatile()), (50, 0));
    }
}

#[test]
fn a_lonely_candidate_is_found_among_many_keys() {
    for seed in 0..20 {
        let mut db = empty();
        (0..5000).for_each(|n| set(&mut db, n, Expiry::Never));
        let expiry = Expiry::At(db.now() + 1000);
        set(&mut db, seed * 37, expiry);
        assert!(db.evict_one(Policy::Ttl, 1));
        assert!(!has(&db, seed * 37));
    }
}

#[test]
fn all_policies_evict_until_nothing_is_left_but_one_never_does() {
    for policy in [
        Policy::Lru { volatile: false },
        Policy::Lfu { volatile: false },
        Policy::Random { volatile: false },
    ] {
        let mut db = hundred(policy.counts_frequency());
        assert_eq!(evict(&mut db, policy, 3, 100).len(), 100);
        assert!(!db.evict_one(policy, 3));
    }
    assert!(!hundred(false).evict_one(Policy::NoEviction, 3));
}

#[test]
fn eviction_looks_into_every_database_and_reports() {
    let mut db = empty();
    db.in_database(2, |db| set(db, 1, Expiry::Never));
    db.changes.listen(true);
    assert!(db.evict_one(Policy::Lru { volatile: false }, 5));
    let changes = db.changes.take();
    assert_eq!((changes[0].database, changes[0].event), (2, Event::EVICTED));
    assert_eq!((changes.len(), db.selected()), (1, 0));
}

#[test]
fn counters_of_accesses_grow_slowly_and_decay() {
    let mut db = empty();
    db.tuning.frequency = true;
    set(&mut db, 1, Expiry::Never);
    let counter = |db: &Db| frequency(db.peek(Key::new(b"key:1")).unwrap(), db);
    assert_eq!(counter(&db), 5);
    for _ in 0..1000 {
        db.read(Key::new(b"key:1"));
    }
    let grown = counter(&db);
    assert!((10..40).contains(&grown), "{grown}: Redis documents 18 after a thousand hits");
    db.set_now(db.now() + 3 * 60_000);
    assert_eq!(counter(&db), grown - 3);
    db.set_now(db.now() + 1000 * 60_000);
    assert_eq!(counter(&db), 0);
}
