use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::base::alloc::block_size;
use crate::testing::cases;

/// Integers of all widths, many of them equal.
fn integer() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => -20..20i64,
        1 => any::<i16>().prop_map(i64::from),
        1 => any::<i32>().prop_map(i64::from),
        1 => any::<i64>(),
        1 => prop::sample::select(vec![
            i64::MIN, i64::MAX, i32::MIN.into(), i32::MAX.into(), -32769, 32768, -32768, 32767,
        ]),
    ]
}

fn check(set: &Intset, model: &BTreeSet<i64>) {
    assert!(set.iter().eq(model.iter().copied()));
    assert!(set.iter().rev().eq(model.iter().rev().copied()));
    assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
    assert_eq!((set.first(), set.last()), (model.first().copied(), model.last().copied()));
    assert_eq!(set.get(model.len()), None);
    let bytes = set.as_bytes();
    assert_eq!(set.memory(), if model.is_empty() { 0 } else { block_size(bytes.len()) });
    let copy = Intset::from_bytes(bytes).expect("its own bytes");
    assert_eq!(copy.as_bytes(), bytes);
    assert_eq!(set.clone().as_bytes(), bytes);
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn an_intset_agrees_with_a_sorted_set(
        steps in prop::collection::vec((any::<bool>(), integer()), 1..80),
    ) {
        let (mut set, mut model) = (Intset::new(), BTreeSet::new());
        for (inserts, value) in steps {
            if inserts {
                prop_assert_eq!(set.insert(value), model.insert(value));
            } else {
                prop_assert_eq!(set.remove(value), model.remove(&value));
            }
            prop_assert_eq!(set.contains(value), model.contains(&value));
            check(&set, &model);
        }
    }

    #[test]
    fn no_bytes_make_an_intset_that_breaks_its_rules(
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        width in prop::sample::select(vec![2u8, 4, 8]),
        shape in any::<bool>(),
    ) {
        let mut bytes = bytes;
        if shape && bytes.len() >= 8 {
            let count = (bytes.len() - 8) / usize::from(width);
            bytes.truncate(8 + count * usize::from(width));
            bytes[..8].copy_from_slice(&[width, 0, 0, 0, count as u8, 0, 0, 0]);
        }
        if let Ok(mut set) = Intset::from_bytes(&bytes) {
            let mut model: BTreeSet<i64> = set.iter().collect();
            check(&set, &model);
            for value in [3, i64::MIN, 70_000] {
                prop_assert_eq!(set.insert(value), model.insert(value));
            }
            check(&set, &model);
        }
    }
}

proptest! {
    #[test]
    fn all_at_once_is_the_same_as_one_by_one(
        values in prop::collection::vec(
            prop_oneof![-9..9i64, -70_000..70_000i64, any::<i64>()], 0..60),
    ) {
        let one_by_one: Intset = values.iter().copied().collect();
        let at_once = Intset::of(&mut values.clone());
        prop_assert_eq!(at_once.as_bytes(), one_by_one.as_bytes());
    }
}

#[test]
fn the_bytes_are_those_of_redis() {
    let set: Intset = [5, -1, 300].into_iter().collect();
    assert_eq!(set.as_bytes(), b"\x02\0\0\0\x03\0\0\0\xff\xff\x05\0\x2c\x01");
    let set: Intset = [70_000, 1].into_iter().collect();
    assert_eq!(set.as_bytes(), b"\x04\0\0\0\x02\0\0\0\x01\0\0\0\x70\x11\x01\0");
    let mut set: Intset = [i64::MIN].into_iter().collect();
    assert_eq!(set.as_bytes(), b"\x08\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\x80");
    set.insert(1);
    set.remove(i64::MIN);
    assert_eq!(set.as_bytes()[0], 8, "the width stays");
    set.remove(1);
    assert_eq!((set.as_bytes()[0], set.memory()), (2, 0), "an empty one begins anew");
}

#[test]
fn bytes_that_are_not_an_intset_are_refused() {
    let refused = |bytes: &[u8]| Intset::from_bytes(bytes).map(|set| set.len());
    assert_eq!(refused(b""), Err(Corrupt::Shape));
    assert_eq!(refused(b"\x02\0\0\0\x01\0\0\0"), Err(Corrupt::Shape));
    assert_eq!(refused(b"\x03\0\0\0\0\0\0\0"), Err(Corrupt::Shape));
    assert_eq!(refused(b"\x08\0\0\0\xff\xff\xff\xff"), Err(Corrupt::Shape));
    assert_eq!(refused(b"\x02\0\0\0\x02\0\0\0\x01\0\x01\0"), Err(Corrupt::Order));
    assert_eq!(refused(b"\x02\0\0\0\0\0\0\0"), Ok(0));
    assert_eq!(refused(b"\x02\0\0\0\x02\0\0\0\x01\0\x02\0"), Ok(2));
}

#[test]
fn twenty_small_integers_take_48_bytes() {
    let set: Intset = (0..20).map(|index| index * 100).collect();
    assert_eq!(set.memory(), 48);
    assert_eq!(size_of::<Intset>(), 8);
}
