use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What Redis 7.0.15 dumps for the texts of [`EVERY_ENCODING`].
const DUMPED: &str = "8d000000190000017f01c08002dfff02cfff02d00002f1001003f1ffef03f1ff7f03f1008003\
    f200800004f200008004f2ffff7f04f30000800005f30000008005f3ffffff7f05f4000000800000000009f40000\
    00000000008009f4ffffffffffffff7f099339323233333732303336383534373735383038148001816102822d30\
    03833030370482203103ff";

const EVERY_ENCODING: [&str; 25] = [
    "0",
    "127",
    "128",
    "-1",
    "4095",
    "-4096",
    "4096",
    "-4097",
    "32767",
    "-32768",
    "32768",
    "-8388608",
    "8388607",
    "8388608",
    "-2147483648",
    "2147483647",
    "2147483648",
    "-9223372036854775808",
    "9223372036854775807",
    "9223372036854775808",
    "",
    "a",
    "-0",
    "007",
    " 1",
];

fn from_hex(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).expect("a digit") as u8;
    hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn texts(listpack: &Listpack) -> Vec<Vec<u8>> {
    listpack.iter().map(Item::to_vec).collect()
}

#[test]
fn the_bytes_are_those_of_redis() {
    let listpack: Listpack = EVERY_ENCODING.iter().map(|text| text.as_bytes()).collect();
    assert_eq!(listpack.as_bytes(), from_hex(DUMPED));
    assert_eq!(Listpack::from_bytes(&from_hex(DUMPED)), Ok(listpack.clone()));
    let expected: Vec<_> = EVERY_ENCODING.iter().map(|text| text.as_bytes().to_vec()).collect();
    assert_eq!(texts(&listpack), expected);
    let mut reversed: Vec<_> = listpack.iter().rev().map(Item::to_vec).collect();
    reversed.reverse();
    assert_eq!(reversed, expected);
    for text in &expected {
        let position = listpack.find(&text[..], 0).expect("every text is there");
        assert!(listpack.at(position).is(text));
    }
}

#[test]
fn long_texts_have_the_back_lengths_of_redis() {
    // One less than seven bits more would hold, because Redis has it so.
    for (length, span) in [(63, 65), (125, 128), (126, 130), (4095, 4099), (4096, 4103)] {
        assert_eq!(Item::Text(&vec![b'x'; length]).stored_len(), span);
    }
    assert_eq!(item::span(16382), 16384);
    assert_eq!(item::span(16383), 16386);
    let long = vec![b'x'; 3_000_000];
    let listpack: Listpack = [&b"a"[..], &long, b"b"].into_iter().collect();
    assert_eq!(listpack.get(-2), Some(Item::Text(&long)));
    assert_eq!(listpack.get(-3), Some(Item::Text(b"a")));
    assert_eq!(Listpack::from_bytes(listpack.as_bytes()), Ok(listpack));
}

#[test]
fn empty_ones_allocate_nothing() {
    let mut listpack = Listpack::new();
    assert_eq!(listpack.as_bytes(), [7, 0, 0, 0, 0, 0, 0xFF]);
    assert_eq!((listpack.memory(), listpack.len(), listpack.get(0)), (0, 0, None));
    listpack.push_back(&b"one"[..]);
    assert_eq!(listpack.memory(), 16);
    listpack.remove_range(0, 1);
    assert_eq!(listpack, Listpack::new());
    assert_eq!(listpack.memory(), 0);
    assert_eq!(size_of::<Option<Listpack>>(), 8);
}

#[test]
fn more_items_than_the_count_can_say() {
    const COUNT: usize = 65_600;
    let mut listpack: Listpack = (0..COUNT as i64).collect();
    assert_eq!(listpack.as_bytes()[4..6], [0xFF, 0xFF]);
    assert_eq!((listpack.len(), listpack.get(-1)), (COUNT, Some(Item::Int(COUNT as i64 - 1))));
    listpack.remove_range(10, COUNT - 1000);
    assert_eq!((listpack.len(), listpack.get(10)), (1000, Some(Item::Int(COUNT as i64 - 990))));
    assert_eq!(Listpack::from_bytes(listpack.as_bytes()).expect("well-formed").len(), 1000);
}

#[test]
fn search_looks_at_every_so_many() {
    let pairs: Listpack =
        [&b"field"[..], b"value", b"value", b"field", b"12", b"13"].into_iter().collect();
    let at = |index| pairs.seek(index);
    assert_eq!(pairs.find(b"value", 1), at(2));
    assert_eq!(pairs.find(b"value", 0), at(1));
    assert_eq!(pairs.find(b"13", 1), None);
    assert_eq!(pairs.find(12, 1), at(4));
    assert_eq!(pairs.find_from(at(1).expect("six items"), b"field", 1), at(3));
    assert_eq!(pairs.find_from(pairs.end(), b"field", 1), None);
    assert_eq!(Listpack::new().find(b"", 0), None);
}

#[test]
fn what_is_not_a_listpack_is_refused() {
    let good = from_hex(DUMPED);
    for length in 0..good.len() {
        assert_eq!(Listpack::from_bytes(&good[..length]), Err(Corrupt));
    }
    let with = |at: usize, byte: u8| {
        let mut bad = good.clone();
        bad[at] = byte;
        Listpack::from_bytes(&bad)
    };
    assert_eq!(with(4, 0x1C), Err(Corrupt), "the count is wrong");
    assert_eq!(with(7, 2), Err(Corrupt), "a back length is wrong");
    assert_eq!(with(6, 0xFF), Err(Corrupt), "it ends early");
    assert_eq!(with(6, 0xF5), Err(Corrupt), "there is no such encoding");
    assert_eq!(with(good.len() - 1, 0), Err(Corrupt), "it does not end");
}

#[test]
fn foreign_encodings_become_the_shortest() {
    let items = [&[0x82, b'1', b'2', 3][..], &[0xE0, 1, b'a', 3], &[0xF1, 5, 0, 3]].concat();
    let mut bytes = vec![6 + items.len() as u8 + 1, 0, 0, 0, 3, 0];
    bytes.extend(items);
    bytes.push(END);
    let expected: Listpack = [&b"12"[..], b"a", b"5"].into_iter().collect();
    let read = Listpack::from_bytes(&bytes).expect("well-formed");
    assert_eq!(read.as_bytes(), expected.as_bytes());
}

#[derive(Clone, Debug)]
enum Change {
    PushBack(Vec<u8>),
    PushFront(Vec<u8>),
    PopBack,
    PopFront,
    Insert(usize, Vec<Vec<u8>>),
    Replace(usize, Vec<u8>),
    Remove(usize, usize),
    RemoveRange(usize, usize),
    SplitOff(usize),
    AppendSelf,
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..12),
        2 => any::<i64>().prop_map(|value| value.to_string().into_bytes()),
        2 => (-5000i64..5000).prop_map(|value| value.to_string().into_bytes()),
        1 => (60usize..140, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
        1 => (4090usize..4100, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => text().prop_map(Change::PushBack),
        4 => text().prop_map(Change::PushFront),
        1 => Just(Change::PopBack),
        1 => Just(Change::PopFront),
        3 => (any::<usize>(), vec(text(), 0..4)).prop_map(|(at, texts)| Change::Insert(at, texts)),
        3 => (any::<usize>(), text()).prop_map(|(at, text)| Change::Replace(at, text)),
        2 => (any::<usize>(), 0usize..5).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => (0usize..12, 0usize..12).prop_map(|(at, count)| Change::RemoveRange(at, count)),
        1 => any::<usize>().prop_map(Change::SplitOff),
        1 => Just(Change::AppendSelf),
    ]
}

/// Does the same to both; the twin is as simple as can be.
fn apply(listpack: &mut Listpack, twin: &mut VecDeque<Vec<u8>>, change: Change) {
    let position = |listpack: &Listpack, index: usize| {
        listpack.seek(index as i64).unwrap_or_else(|| listpack.end())
    };
    match change {
        Change::PushBack(text) => {
            listpack.push_back(&text[..]);
            twin.push_back(text);
        }
        Change::PushFront(text) => {
            listpack.push_front(&text[..]);
            twin.push_front(text);
        }
        Change::PopBack => {
            listpack.pop_back();
            twin.pop_back();
        }
        Change::PopFront => {
            listpack.pop_front();
            twin.pop_front();
        }
        Change::Insert(at, texts) => {
            let index = at % (twin.len() + 1);
            let items: Vec<_> = texts.iter().map(|text| Item::from(&text[..])).collect();
            listpack.insert_all(position(listpack, index), &items);
            texts.into_iter().rev().for_each(|text| twin.insert(index, text));
        }
        Change::Replace(at, text) if !twin.is_empty() => {
            let index = at % twin.len();
            listpack.replace(position(listpack, index), &text[..]);
            twin[index] = text;
        }
        Change::Replace(..) => {}
        Change::Remove(at, count) => {
            let index = at % (twin.len() + 1);
            listpack.remove_all(position(listpack, index), count);
            twin.drain(index..(index + count).min(twin.len()));
        }
        Change::RemoveRange(at, count) => {
            listpack.remove_range(at, count);
            let start = at.min(twin.len());
            twin.drain(start..(start + count).min(twin.len()));
        }
        Change::SplitOff(at) => {
            let index = at % (twin.len() + 1);
            let mut rest = listpack.split_off(index);
            let mut twin_rest = twin.split_off(index);
            std::mem::swap(listpack, &mut rest);
            listpack.append(&rest);
            std::mem::swap(twin, &mut twin_rest);
            twin.extend(twin_rest);
        }
        Change::AppendSelf if twin.len() < 64 => {
            let copy = listpack.clone();
            listpack.append(&copy);
            twin.extend(twin.clone());
        }
        Change::AppendSelf => {}
    }
}

proptest! {
    #[test]
    fn it_behaves_like_a_deque_of_texts(changes in vec(change(), 1..60)) {
        let (mut listpack, mut twin) = (Listpack::new(), VecDeque::new());
        for change in changes {
            apply(&mut listpack, &mut twin, change);
            prop_assert_eq!(listpack.len(), twin.len());
            prop_assert!(listpack.iter().map(Item::to_vec).eq(twin.iter().cloned()));
            prop_assert!(listpack.iter().rev().map(Item::to_vec).eq(twin.iter().rev().cloned()));
            prop_assert_eq!(Listpack::from_bytes(listpack.as_bytes()), Ok(listpack.clone()));
        }
        for (index, text) in twin.iter().enumerate() {
            let negative = index as i64 - twin.len() as i64;
            prop_assert!(listpack.get(index as i64).is_some_and(|item| item.is(text)));
            prop_assert_eq!(listpack.get(negative), listpack.get(index as i64));
            let first = twin.iter().position(|other| other == text);
            prop_assert_eq!(listpack.find(&text[..], 0), listpack.seek(first.unwrap() as i64));
        }
        prop_assert_eq!(listpack.get(twin.len() as i64), None);
        prop_assert_eq!(listpack.get(-1 - twin.len() as i64), None);
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in vec(any::<u8>(), 0..64), count in any::<u16>()) {
        let mut framed = vec![bytes.len() as u8 + 7, 0, 0, 0];
        framed.extend((count % 8).to_le_bytes());
        framed.extend(bytes);
        framed.push(END);
        if let Ok(listpack) = Listpack::from_bytes(&framed) {
            prop_assert_eq!(listpack.len(), texts(&listpack).len());
            prop_assert_eq!(Listpack::from_bytes(listpack.as_bytes()), Ok(listpack));
        }
    }
}
