//! Any bytes must be refused or be a listpack, in which every walk agrees with every other and every
//! change keeps the format.
//!
//! The first byte says where to change; the rest is the listpack, whose header is made to fit so
//! that more than one input in 2^32 comes through.

#![cfg_attr(fuzzing, no_main)]

use shoal::ds::listpack::{Item, Listpack};
use shoal_fuzz::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, entries)) = data.split_first() else { return };
    let total = (entries.len() + 7) as u32;
    let framed = [&total.to_le_bytes()[..], &[0xFF, 0xFF], entries, &[0xFF]].concat();
    let _ = Listpack::from_bytes(data);
    let Ok(mut listpack) = Listpack::from_bytes(&framed) else { return };
    let mut texts: Vec<Vec<u8>> = listpack.iter().map(Item::to_vec).collect();
    let mut reversed: Vec<Vec<u8>> = listpack.iter().rev().map(Item::to_vec).collect();
    reversed.reverse();
    assert_eq!(texts, reversed);
    let index = usize::from(choice) % (texts.len() + 1);
    let position = listpack.seek(index as i64).unwrap_or_else(|| listpack.end());
    listpack.insert(position, &data[..data.len().min(9)]);
    texts.insert(index, data[..data.len().min(9)].to_vec());
    assert!(listpack.iter().map(Item::to_vec).eq(texts.iter().cloned()));
    for text in &texts {
        assert!(listpack.find(&text[..], 0).is_some_and(|at| listpack.at(at).is(text)));
    }
    assert_eq!(Listpack::from_bytes(listpack.as_bytes()), Ok(listpack));
});
