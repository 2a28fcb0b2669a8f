use proptest::prelude::*;

use super::*;
use crate::testing::cases;

/// The obvious version of an entry.
#[derive(Clone, Debug, PartialEq)]
struct Twin {
    key: Vec<u8>,
    value: Vec<u8>,
    is_int: bool,
    expiry: Option<i64>,
    access: u32,
    modified: bool,
}

fn text(value: ValueRef<'_>) -> Vec<u8> {
    match value {
        ValueRef::Int(number) => number.to_string().into_bytes(),
        ValueRef::Raw(bytes) => bytes.to_vec(),
        ValueRef::Big(bytes) => bytes.to_vec(),
        ValueRef::Object(_) => unreachable!("the twin is a string"),
    }
}

fn check(entry: &Entry, twin: &Twin) {
    let view = entry.view();
    assert_eq!(view.key(), twin.key);
    assert!(text(view.value()) == twin.value, "{} bytes differ", twin.value.len());
    assert_eq!(view.expiry(), twin.expiry);
    assert_eq!(view.access(), twin.access);
    assert_eq!(view.is_modified(), twin.modified);
    let is_big = twin.value.len() > EMBED_MAX;
    match view.value() {
        ValueRef::Int(_) => assert!(twin.is_int),
        ValueRef::Raw(_) => assert!(!twin.is_int && !is_big),
        ValueRef::Big(_) => assert!(is_big),
        ValueRef::Object(_) => unreachable!("the twin is a string"),
    }
    let inside = if is_big { size_of::<Big>() } else { twin.value.len() };
    let shared = if is_big { twin.value.len() } else { 0 };
    assert!(view.memory(0) >= 5 + twin.key.len() + shared);
    let most = block_size(12 + 8 + 8 + twin.key.len() + inside.max(8)) + 2 * shared + 2 * EMBED_MAX;
    assert!(view.memory(0) <= most);
    assert!(is_big || view.memory(0) <= block_size(12 + 8 + twin.key.len() + inside.max(8)));
}

#[derive(Clone, Debug)]
enum Change {
    Int(i64),
    Raw(usize),
    Big { length: usize, is_shared: bool },
    Expiry(Option<i64>),
    Append(usize),
    WriteAt { offset: usize, length: usize },
    Access(u32),
    Move,
}

/// Lengths at which something changes: length fields, blocks, embedding.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 0..80usize,
        2 => 240..270usize,
        1 => 1000..1040usize,
        1 => EMBED_MAX - 40..EMBED_MAX + 3,
        1 => Just(40_000usize),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any::<i64>().prop_map(Change::Int),
        length().prop_map(Change::Raw),
        (length(), any::<bool>()).prop_map(|(length, is_shared)| Change::Big { length, is_shared }),
        any::<Option<i64>>().prop_map(Change::Expiry),
        length().prop_map(Change::Append),
        (length(), length()).prop_map(|(offset, length)| Change::WriteAt { offset, length }),
        any::<u32>().prop_map(Change::Access),
        Just(Change::Move),
    ]
}

fn pattern(length: usize, seed: usize) -> Vec<u8> {
    let period: Vec<u8> = (0..length.min(256)).map(|i| (i * 7 + seed * 31 + 1) as u8).collect();
    let mut bytes = period.repeat(length.div_ceil(256));
    bytes.truncate(length);
    bytes
}

fn apply(mut entry: Entry, twin: &mut Twin, change: &Change, step: usize) -> Entry {
    match *change {
        Change::Int(number) => {
            entry.set_value(Value::Int(number));
            twin.value = number.to_string().into_bytes();
            (twin.is_int, twin.modified) = (true, false);
        }
        Change::Raw(length) => {
            twin.value = pattern(length, step);
            (twin.is_int, twin.modified) = (false, false);
            entry.set_value(Value::Raw(&twin.value));
        }
        Change::Big { length, is_shared } => {
            twin.value = pattern(length, step);
            (twin.is_int, twin.modified) = (false, false);
            let bytes = Bytes::from(twin.value.clone());
            let reader = is_shared.then(|| bytes.clone());
            entry.set_value(Value::Big(bytes));
            let before = twin.value.clone();
            entry.append(b"tail");
            twin.value.extend_from_slice(b"tail");
            twin.modified = true;
            assert!(reader.is_none_or(|bytes| bytes == before), "a reader's bytes changed");
        }
        Change::Expiry(expiry) => {
            entry.set_expiry(expiry);
            twin.expiry = expiry;
        }
        Change::Append(length) => {
            entry.append(&pattern(length, step));
            twin.value.extend(pattern(length, step));
            (twin.is_int, twin.modified) = (false, true);
        }
        Change::WriteAt { offset, length } => {
            entry.write_at(offset, &pattern(length, step));
            let end = offset + length;
            twin.value.resize(twin.value.len().max(end), 0);
            twin.value[offset..end].copy_from_slice(&pattern(length, step));
            (twin.is_int, twin.modified) = (false, true);
        }
        Change::Access(access) => {
            entry.view().set_access(access);
            twin.access = access & 0xff_ffff;
        }
        Change::Move => {
            let word = entry.into_word();
            // SAFETY: the word is used once.
            entry = unsafe { Entry::from_word(word) };
        }
    }
    entry
}

fn new_twin(key: &[u8], value: &[u8], expiry: Option<i64>) -> Twin {
    let (key, value) = (key.to_vec(), value.to_vec());
    Twin { key, value, is_int: false, expiry, access: 0, modified: false }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn behaves_like_its_twin(
        key_len in length(),
        value_len in length(),
        expiry in any::<Option<i64>>(),
        changes in prop::collection::vec(change(), 0..24),
    ) {
        let (key, value) = (pattern(key_len, 99), pattern(value_len, 100));
        let mut twin = new_twin(&key, &value, expiry);
        let mut entry = Entry::new(&key, Value::Raw(&value), expiry);
        check(&entry, &twin);
        for (step, change) in changes.iter().enumerate() {
            entry = apply(entry, &mut twin, change, step);
            check(&entry, &twin);
        }
    }
}

#[test]
fn every_boundary_in_every_direction() {
    const ALL: &[usize] =
        &[0, 1, 7, 8, 9, 15, 16, 17, 42, 58, 59, 255, 256, 1000, 16383, 16384, 16385];
    const FEW: &[usize] = &[0, 8, 9, 59, 255, 256, 16384, 16385];
    let lengths = if cfg!(miri) { FEW } else { ALL };
    for &from in lengths {
        for &to in lengths {
            for expiry in [None, Some(-1)] {
                let key = pattern(16, 1);
                let mut twin = new_twin(&key, &pattern(from, 2), expiry);
                let mut entry = Entry::new(&key, Value::Raw(&twin.value), expiry);
                for change in [Change::Raw(to), Change::Expiry(Some(5)), Change::Append(to)] {
                    entry = apply(entry, &mut twin, &change, 3);
                    check(&entry, &twin);
                }
                entry = apply(entry, &mut twin, &Change::Expiry(None), 3);
                check(&entry, &twin);
            }
        }
    }
}

#[test]
fn sizes_are_those_of_the_design() {
    let memory = |key: usize, value: usize, expiry| {
        Entry::new(&pattern(key, 1), Value::Raw(&pattern(value, 2)), expiry).view().memory(0)
    };
    assert_eq!(memory(16, 16, None), 40);
    assert_eq!(memory(16, 16, Some(1)), 48);
    assert_eq!(memory(10, 0, None), 16);
    assert_eq!(Entry::new(b"counter", Value::Int(1), None).view().memory(0), 24);
    assert_eq!(size_of::<Option<Entry>>(), 8);
}

#[test]
fn integers_keep_their_extremes() {
    for number in [0, -1, i64::MIN, i64::MAX] {
        let entry = Entry::new(b"n", Value::Int(number), None);
        assert!(matches!(entry.view().value(), ValueRef::Int(kept) if kept == number));
    }
    let mut entry = Entry::new(b"n", Value::Int(-12), Some(9));
    entry.write_at(1, b"3");
    assert_eq!(text(entry.view().value()), b"-32");
    assert!(entry.view().is_modified());
}

#[test]
fn a_shared_value_is_not_changed_under_its_reader() {
    let mut entry = Entry::new(b"key", Value::Raw(&pattern(EMBED_MAX + 1, 1)), None);
    let ValueRef::Big(bytes) = entry.view().value() else { panic!("not shared") };
    let reader = bytes.clone();
    entry.write_at(0, b"changed");
    assert_eq!(reader, pattern(EMBED_MAX + 1, 1));
    assert_eq!(&text(entry.view().value())[..7], b"changed");
}

#[test]
fn appending_a_megabyte_moves_rarely() {
    const SIZE: usize = if cfg!(miri) { 1 << 16 } else { 1 << 20 };
    let mut entry = Entry::new(b"key", Value::Raw(b""), None);
    let mut moves = 0;
    let mut before = ptr::null();
    for step in 0..SIZE / 64 {
        entry.append(&pattern(64, step));
        if let ValueRef::Big(bytes) = entry.view().value() {
            moves += usize::from(bytes.as_ptr() != before);
            before = bytes.as_ptr();
        }
    }
    assert_eq!(text(entry.view().value()).len(), SIZE);
    assert!(moves < 20, "{moves} moves");
    assert!(entry.view().memory(0) <= 2 * SIZE + 64);
}

#[test]
fn zeros_fill_what_was_never_written() {
    let mut entry = Entry::new(b"bits", Value::Raw(b"x"), None);
    entry.write_at(100, b"");
    assert_eq!(text(entry.view().value()), [b"x".as_slice(), &[0; 99]].concat());
    entry.write_at(EMBED_MAX + 10, b"y");
    let value = text(entry.view().value());
    assert_eq!(value.len(), EMBED_MAX + 11);
    assert!(value[1..EMBED_MAX + 10].iter().all(|&byte| byte == 0));
}

#[test]
#[should_panic(expected = "the caller bounds the length")]
fn an_offset_beyond_memory_is_refused() {
    Entry::new(b"key", Value::Int(1), None).write_at(usize::MAX, b"x");
}
