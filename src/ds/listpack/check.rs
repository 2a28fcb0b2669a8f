//! Bytes from outside: a dump, a file, another server.

use super::item::{Item, decode, read_back_length, span};
use super::{BYTES_MAX, COUNT_AT, COUNT_UNKNOWN, END, HEADER_BYTES, Iter, Listpack};

/// The bytes are no listpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

impl Listpack {
    /// Checks everything about `bytes` and copies them. What is not in its shortest encoding, which
    /// Redis reads but does not write, is put into it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Listpack, Corrupt> {
        let (&total, _) = bytes.split_first_chunk().ok_or(Corrupt)?;
        let is_whole = u32::from_le_bytes(total) as usize == bytes.len();
        if !is_whole || bytes.len() > BYTES_MAX {
            return Err(Corrupt);
        }
        let entries = match bytes.get(HEADER_BYTES..).and_then(<[u8]>::split_last) {
            Some((&END, entries)) => entries,
            _ => return Err(Corrupt),
        };
        let (count, is_shortest) = check(entries)?;
        let claimed = u16::from_le_bytes([bytes[COUNT_AT], bytes[COUNT_AT + 1]]);
        if claimed != COUNT_UNKNOWN && usize::from(claimed) != count {
            return Err(Corrupt);
        }
        let mut listpack = Listpack::new();
        if is_shortest {
            listpack.adopt(entries, count);
        } else {
            Iter::new(entries).for_each(|item| listpack.push_back(canonical(item)));
        }
        Ok(listpack)
    }
}

/// Walks over all entries; returns their number and whether each has its shortest encoding.
fn check(entries: &[u8]) -> Result<(usize, bool), Corrupt> {
    let (mut rest, mut count, mut is_shortest) = (entries, 0, true);
    while !rest.is_empty() {
        let (item, length) = decode(rest).ok_or(Corrupt)?;
        let (entry, behind) = rest.split_at_checked(span(length)).ok_or(Corrupt)?;
        if read_back_length(entry) != Some(length) || !has_plain_back_length(entry, length) {
            return Err(Corrupt);
        }
        is_shortest &= is_shortest_form(item, length);
        rest = behind;
        count += 1;
    }
    Ok((count, is_shortest))
}

/// Whether the back length takes all the bytes that it should, none of them its own start.
fn has_plain_back_length(entry: &[u8], length: usize) -> bool {
    let (first, marked) = entry[length..].split_first().expect("a back length has bytes");
    first & 0x80 == 0 && marked.iter().all(|byte| byte & 0x80 != 0)
}

/// Whether an item that was found in `length` bytes would be stored in as many.
fn is_shortest_form(item: Item<'_>, length: usize) -> bool {
    canonical(item).stored_len() == span(length)
}

/// The item as it should have been stored.
fn canonical(item: Item<'_>) -> Item<'_> {
    match item {
        Item::Int(_) => item,
        Item::Text(text) => Item::from(text),
    }
}
