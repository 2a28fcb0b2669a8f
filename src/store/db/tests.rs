use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::testing::cases;

const DATABASES: usize = 3;
const START: Millis = 1_700_000_000_000;
const SET: Event = Event::string("set");

pub(in crate::store) fn empty() -> Db {
    let tuning = Tuning { string_len_max: 1 << 20, ..Tuning::default() };
    let mut db = Db::new(DATABASES, 0, 1, 0..SLOTS, 1, tuning);
    db.set_now(START);
    db
}

/// What the model knows of one entry, whether it can still be seen or not.
#[derive(Debug, Clone, PartialEq)]
struct Kept {
    value: Vec<u8>,
    expiry: Option<Millis>,
}

/// The obvious keyspace. Expired keys stay until something removes them, as in [`Db`].
struct Model {
    databases: Vec<BTreeMap<String, Kept>>,
    selected: usize,
    now: Millis,
    /// Database, key and event of each change.
    changes: Vec<(u16, String, &'static str)>,
    /// Keys that went in one change beyond the first.
    further: usize,
}

impl Model {
    fn new() -> Model {
        let databases = vec![BTreeMap::new(); DATABASES];
        Model { databases, selected: 0, now: START, changes: Vec::new(), further: 0 }
    }

    fn is_live(&self, kept: &Kept) -> bool {
        kept.expiry.is_none_or(|at| at > self.now)
    }

    fn live(&self) -> BTreeMap<String, Kept> {
        let mut live = self.databases[self.selected].clone();
        live.retain(|_, kept| self.is_live(kept));
        live
    }

    /// What every write does first, and every read last.
    fn expire(&mut self, key: &str) {
        let kept = self.databases[self.selected].get(key);
        if kept.is_some_and(|kept| !self.is_live(kept)) {
            self.databases[self.selected].remove(key);
            self.changed(key, "expired");
        }
    }

    fn changed(&mut self, key: &str, event: &'static str) {
        self.changes.push((self.selected as u16, key.to_owned(), event));
    }

    fn put(&mut self, key: &str, kept: Kept, event: &'static str) {
        self.databases[self.selected].insert(key.to_owned(), kept);
        self.changed(key, event);
    }

    /// Changes a key if it can be seen.
    fn change(&mut self, key: &str, event: &'static str, change: impl FnOnce(&mut Kept)) {
        self.expire(key);
        if let Some(kept) = self.databases[self.selected].get_mut(key) {
            change(kept);
            self.changed(key, event);
        }
    }

    fn get(&self, key: &str) -> Option<&Kept> {
        self.databases[self.selected].get(key).filter(|kept| self.is_live(kept))
    }
}

#[derive(Debug, Clone)]
enum Step {
    Set(String, Vec<u8>, Option<Millis>),
    SetKeeping(String, Vec<u8>),
    Append(String, Vec<u8>),
    Expire(String, Option<Millis>),
    Remove(String),
    Read(String),
    Copy(String, String, usize),
    Advance(Millis),
    Select(usize),
    Swap(usize, usize),
    Flush(usize),
    Sweep,
    FreeSome(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let key = || "[a-c][0-9]{0,1}";
    let value = || prop::collection::vec(any::<u8>(), 0..40);
    let delay = || prop::option::of(1i64..200);
    prop_oneof![
        6 => (key(), value(), delay()).prop_map(|(key, value, delay)| Step::Set(key, value, delay)),
        2 => (key(), value()).prop_map(|(key, value)| Step::SetKeeping(key, value)),
        2 => (key(), value()).prop_map(|(key, value)| Step::Append(key, value)),
        3 => (key(), delay()).prop_map(|(key, delay)| Step::Expire(key, delay)),
        3 => key().prop_map(Step::Remove),
        3 => key().prop_map(Step::Read),
        2 => (key(), key(), 0..DATABASES).prop_map(|(from, to, at)| Step::Copy(from, to, at)),
        3 => (0i64..100).prop_map(Step::Advance),
        1 => (0..DATABASES).prop_map(Step::Select),
        1 => (0..DATABASES, 0..DATABASES).prop_map(|(a, b)| Step::Swap(a, b)),
        1 => (0..DATABASES).prop_map(Step::Flush),
        1 => Just(Step::Sweep),
        1 => (1usize..9).prop_map(Step::FreeSome),
    ]
}

/// One pass of active expiry over each database; returns how many keys went.
fn sweep(db: &mut Db) -> usize {
    let mut removed = 0;
    for index in 0..DATABASES {
        loop {
            let step = db.expire_step(index);
            removed += step.removed;
            if step.finished {
                break;
            }
        }
    }
    removed
}

fn apply(db: &mut Db, model: &mut Model, step: Step) {
    match step {
        Step::Set(name, value, delay) => {
            let expiry = delay.map(|delay| db.now() + delay);
            let rule = expiry.map_or(Expiry::Never, Expiry::At);
            db.write(Key::new(name.as_bytes())).set(Value::Raw(&value), rule, SET);
            model.expire(&name);
            model.put(&name, Kept { value, expiry }, "set");
        }
        Step::SetKeeping(name, value) => {
            db.write(Key::new(name.as_bytes())).set(Value::Raw(&value), Expiry::Keep, SET);
            model.expire(&name);
            let expiry = model.get(&name).and_then(|kept| kept.expiry);
            model.put(&name, Kept { value, expiry }, "set");
        }
        Step::Append(name, value) => {
            let mut guard = db.write(Key::new(name.as_bytes()));
            if guard.exists() {
                guard.edit(Event::string("append"), |entry| entry.append(&value));
            }
            model.change(&name, "append", |kept| kept.value.extend(value));
        }
        Step::Expire(name, delay) => {
            let expiry = delay.map(|delay| db.now() + delay);
            let mut guard = db.write(Key::new(name.as_bytes()));
            if guard.exists() {
                guard.set_expiry(expiry, Event::EXPIRE);
            }
            model.change(&name, "expire", |kept| kept.expiry = expiry);
        }
        Step::Remove(name) => {
            let removed = db.write(Key::new(name.as_bytes())).remove(Event::DEL);
            model.expire(&name);
            assert_eq!(removed, model.databases[model.selected].remove(&name).is_some());
            if removed {
                model.changed(&name, "del");
            }
        }
        Step::Read(name) => {
            let found = db.read(Key::new(name.as_bytes())).is_some();
            assert_eq!(found, model.get(&name).is_some());
            model.expire(&name);
        }
        other => apply_to_databases(db, model, other),
    }
    db.settle();
}

/// The steps that concern more than one key of the selected database.
fn apply_to_databases(db: &mut Db, model: &mut Model, step: Step) {
    match step {
        Step::Copy(from, to, database) => copy(db, model, &from, &to, database),
        Step::Advance(by) => {
            db.set_now(db.now() + by);
            model.now += by;
        }
        Step::Select(index) => {
            db.select(index);
            model.selected = index;
        }
        Step::Swap(a, b) => {
            db.swap(a, b);
            model.databases.swap(a, b);
            if a != b {
                model.changes.push((a as u16, String::new(), "swapdb"));
            }
        }
        Step::Flush(index) => {
            db.flush(index);
            let flushed = std::mem::take(&mut model.databases[index]).len();
            if flushed > 0 {
                model.further += flushed - 1;
                model.changes.push((index as u16, String::new(), "flush"));
            }
        }
        Step::Sweep => sweep_both(db, model),
        Step::FreeSome(count) => {
            db.free_some(count);
        }
        _ => unreachable!("concerns one key"),
    }
}

fn whole_copy(entry: EntryRef<'_>) -> Carried {
    let copy = Carried::copied(entry, None, usize::MAX);
    copy.unwrap_or_else(|_| panic!("it is copied in one go"))
}

fn copy(db: &mut Db, model: &mut Model, from: &str, to: &str, database: usize) {
    let carried = db.peek(Key::new(from.as_bytes())).map(whole_copy);
    let kept = model.get(from).cloned();
    db.settle();
    model.expire(from);
    assert_eq!(carried.is_some(), kept.is_some());
    if let (Some(carried), Some(kept)) = (carried, kept) {
        let event = Event::generic("copy_to");
        db.in_database(database, |db| db.write(Key::new(to.as_bytes())).put(carried, event));
        let selected = std::mem::replace(&mut model.selected, database);
        model.expire(to);
        model.put(to, kept, "copy_to");
        model.selected = selected;
    }
}

fn sweep_both(db: &mut Db, model: &mut Model) {
    let removed = sweep(db);
    let mut due = 0;
    for index in 0..DATABASES {
        let selected = std::mem::replace(&mut model.selected, index);
        let names: Vec<String> = model.databases[index].keys().cloned().collect();
        let before = model.changes.len();
        names.iter().for_each(|name| model.expire(name));
        due += model.changes.len() - before;
        model.selected = selected;
    }
    assert_eq!(removed, due);
}

fn text(value: ValueRef<'_>) -> Vec<u8> {
    match value {
        ValueRef::Int(number) => number.to_string().into_bytes(),
        ValueRef::Raw(bytes) => bytes.to_vec(),
        ValueRef::Big(bytes) => bytes.to_vec(),
        ValueRef::Object(_) => unreachable!("the model knows strings only"),
    }
}

fn seen(entry: EntryRef<'_>) -> (String, Kept) {
    let kept = Kept { value: text(entry.value()), expiry: entry.expiry() };
    (String::from_utf8(entry.key().to_vec()).unwrap(), kept)
}

fn compare(db: &mut Db, model: &mut Model) {
    for (index, database) in db.databases.iter().enumerate() {
        let kept = &model.databases[index];
        assert_eq!(database.table.len(), kept.len());
        let volatile = kept.values().filter(|kept| kept.expiry.is_some()).count();
        assert_eq!((database.volatile, database.timed), (volatile, 0));
    }
    let live = model.live();
    let mut walked = BTreeMap::new();
    db.for_each(|entry| walked.extend([seen(entry)]));
    assert_eq!(walked, live);
    let (mut scanned, mut cursor) = (BTreeSet::new(), 0);
    loop {
        let is_live = |entry: EntryRef<'_>| live.contains_key(&seen(entry).0);
        let visit = |entry: EntryRef<'_>| assert!(scanned.insert(seen(entry).0), "visited twice");
        cursor = db.scan(cursor, is_live, visit);
        if cursor == 0 {
            break;
        }
    }
    assert!(scanned.iter().eq(live.keys()));
    let drawn = db.random().map(|entry| seen(entry).0);
    assert!(drawn.map_or(live.is_empty(), |key| live.contains_key(&key)));
    let reported = db.changes.take().into_iter().map(|change| {
        (change.database, String::from_utf8(change.key.into()).unwrap(), change.event.name)
    });
    let mut reported: Vec<_> = reported.collect();
    let mut expected = std::mem::take(&mut model.changes);
    // A pass of active expiry meets keys in the order of the table.
    if reported.iter().all(|(_, _, name)| *name == "expired") {
        reported.sort();
        expected.sort();
    }
    assert_eq!(reported, expected);
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn a_keyspace_is_a_map_with_expiry(steps in prop::collection::vec(step(), 1..120)) {
        let (mut db, mut model) = (empty(), Model::new());
        db.changes.listen(true);
        let mut changes = 0;
        for step in steps {
            apply(&mut db, &mut model, step);
            changes += (model.changes.len() + std::mem::take(&mut model.further)) as u64;
            compare(&mut db, &mut model);
            prop_assert_eq!(db.changes.count(), changes);
        }
        while db.free_some(7) {}
        prop_assert_eq!(db.lazy_free_pending(), 0);
    }
}

fn fill(db: &mut Db, count: usize) {
    for n in 0..count {
        let name = format!("key:{n}");
        db.write(Key::new(name.as_bytes())).set(Value::Int(n as i64), Expiry::Never, SET);
    }
}

#[test]
fn nobody_builds_changes_while_nobody_listens() {
    let mut db = empty();
    fill(&mut db, 10);
    assert_eq!((db.changes.count(), db.changes.take()), (10, Vec::new()));
}

#[test]
fn every_key_is_drawn_about_as_often() {
    let mut db = empty();
    fill(&mut db, 20);
    let mut draws = BTreeMap::new();
    for _ in 0..20_000 {
        *draws.entry(db.random().unwrap().key().to_vec()).or_insert(0) += 1;
    }
    assert_eq!(draws.len(), 20);
    assert!(draws.values().all(|count| (800..1200).contains(count)), "{draws:?}");
}

#[test]
fn drawing_ends_when_all_keys_have_expired() {
    let mut db = empty();
    fill(&mut db, 500);
    for n in 0..499 {
        let name = format!("key:{n}");
        db.write(Key::new(name.as_bytes())).set_expiry(Some(START + 1), Event::EXPIRE);
    }
    db.set_now(START + 1);
    assert_eq!(db.random().unwrap().key(), b"key:499");
    db.write(Key::new(b"key:499")).remove(Event::DEL);
    assert!(db.random().is_none());
}

#[test]
fn slots_are_walked_apart() {
    let mut db = empty();
    for n in 0..3000 {
        let name = format!("{{{}}}:{n}", n % 10);
        db.write(Key::new(name.as_bytes())).set(Value::Int(n), Expiry::Never, SET);
    }
    for tag in 0..10 {
        let prefix = format!("{{{tag}}}");
        let (slot, mut count) = (Key::new(prefix.as_bytes()).slot(), 0);
        db.for_each_in_slot(slot, |entry| {
            assert!(entry.key().starts_with(prefix.as_bytes()));
            count += 1;
        });
        assert_eq!(count, 300);
    }
}

#[test]
fn a_look_leaves_the_traces_it_should() {
    let mut db = empty();
    fill(&mut db, 1);
    let (here, gone) = (Key::new(b"key:0"), Key::new(b"gone"));
    db.set_now(START + 5000);
    let access = |db: &Db| db.peek(here).unwrap().access();
    let before = access(&db);
    db.probe(here);
    db.probe(gone);
    assert_eq!((access(&db), db.counters.hits.get(), db.counters.misses.get()), (before, 1, 1));
    db.set_touching(false);
    db.read(here);
    assert_eq!((access(&db), db.counters.hits.get()), (before, 2));
    db.set_touching(true);
    db.read(here);
    assert_eq!((access(&db), db.counters.hits.get()), (before + 5, 3));
    db.peek(gone);
    assert_eq!(db.counters.misses.get(), 1);
}

#[test]
fn what_is_moved_keeps_its_history_and_what_is_copied_does_not() {
    let mut db = empty();
    db.write(Key::new(b"a")).set(Value::Raw(b"text"), Expiry::At(START + 9000), SET);
    db.write(Key::new(b"a")).edit(Event::string("append"), |entry| entry.append(b"!"));
    db.set_now(START + 3000);
    let entry = db.peek(Key::new(b"a")).unwrap();
    let (copied, old) = (whole_copy(entry), entry.access());
    let moved = db.write(Key::new(b"a")).take(SET).expect("it exists");
    assert!(db.is_empty());
    for (name, carried, access) in [(b"b", moved, old), (b"c", copied, old + 3)] {
        db.write(Key::new(name)).put(carried, SET);
        let entry = db.peek(Key::new(name)).unwrap();
        assert_eq!((entry.access(), entry.is_modified()), (access, true));
        assert_eq!(seen(entry).1, Kept { value: b"text!".into(), expiry: Some(START + 9000) });
    }
}
