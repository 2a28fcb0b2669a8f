use super::*;
use crate::base::time::Millis;
use crate::resp::args::Key;
use crate::store::db::Expiry;
use crate::store::db::tests::empty;
use crate::store::entry::Value;

const COUNT: i64 = 20_000;

/// Keys of which number `n` expires at `expiry(n)` after now.
fn filled(expiry: impl Fn(i64) -> Option<Millis>) -> Db {
    let mut db = empty();
    for n in 0..COUNT {
        let rule = expiry(n).map_or(Expiry::Never, |after| Expiry::At(db.now() + after));
        let name = format!("key:{n}");
        db.write(Key::new(name.as_bytes())).set(Value::Int(n), rule, Event::string("set"));
    }
    db
}

/// One pass over database 0: keys removed, and steps taken.
fn pass(db: &mut Db) -> (usize, usize) {
    let (mut removed, mut steps) = (0, 0);
    loop {
        let step = db.expire_step(0);
        (removed, steps) = (removed + step.removed, steps + 1);
        if step.finished {
            return (removed, steps);
        }
    }
}

#[test]
fn one_pass_finds_all_that_are_due_and_nothing_else() {
    // Of ten keys one lives for ever; the others expire one after the other.
    let expiry = |n: i64| (n % 10 != 0).then_some(n % 10 * 1000);
    let mut db = filled(expiry);
    let tenth = COUNT as usize / 10;
    assert_eq!((pass(&mut db).0, db.len(), db.volatile()), (0, 10 * tenth, 9 * tenth));
    for (removed_before, second) in (1..10).enumerate() {
        db.set_now(db.now() + 1000);
        assert_eq!(pass(&mut db).0, tenth, "at second {second}");
        let left = 9 - removed_before - 1;
        assert_eq!((db.len(), db.volatile()), ((left + 1) * tenth, left * tenth));
        assert_eq!(pass(&mut db).0, 0);
    }
    for n in 0..COUNT {
        let name = format!("key:{n}");
        assert_eq!(db.peek(Key::new(name.as_bytes())).is_some(), n % 10 == 0);
    }
    assert_eq!(db.counters.expired.get(), 9 * tenth as u64);
}

#[test]
fn a_pass_in_which_segments_merge_misses_nothing() {
    // All but a few expire at once, so that the table shrinks under the pass.
    for keeps in [7, 50, 1000] {
        let mut db = filled(|n| Some(if n % keeps == 0 { 10_000 } else { 1000 }));
        db.set_now(db.now() + 1000);
        let left = (0..COUNT).filter(|n| n % keeps == 0).count();
        assert_eq!(pass(&mut db).0, COUNT as usize - left);
        assert_eq!((db.len(), db.volatile()), (left, left));
        db.set_now(db.now() + 9000);
        assert_eq!(pass(&mut db).0, left);
        assert!(db.is_empty());
    }
}

#[test]
fn a_pass_costs_nothing_where_nothing_expires() {
    let mut db = filled(|_| None);
    assert_eq!(pass(&mut db), (0, 1));
}

#[test]
fn passes_report_what_they_remove() {
    let mut db = filled(|n| (n < 5).then_some(1));
    db.changes.listen(true);
    db.set_now(db.now() + 1);
    assert_eq!(pass(&mut db).0, 5);
    let changes = db.changes.take();
    assert_eq!(changes.len(), 5);
    for change in changes {
        assert!(change.key.starts_with(b"key:"));
        assert_eq!((change.event, change.effect), (Event::EXPIRED, Effect::Removed));
    }
    assert_eq!(db.changes.count(), COUNT as u64 + 5);
}
