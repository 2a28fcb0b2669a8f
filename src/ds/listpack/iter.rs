//! Walking over a listpack.

use super::item::{Item, decode, read_back_length, span};

/// Items of a listpack, from both ends.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    /// The entries that are left.
    entries: &'a [u8],
}

impl<'a> Iter<'a> {
    /// The items of whole, well-formed entries.
    #[inline]
    pub(super) fn new(entries: &'a [u8]) -> Iter<'a> {
        Iter { entries }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        if self.entries.is_empty() {
            return None;
        }
        let (item, length) = decode(self.entries).expect("entries follow one another");
        self.entries = &self.entries[span(length)..];
        Some(item)
    }
}

impl<'a> DoubleEndedIterator for Iter<'a> {
    #[inline]
    fn next_back(&mut self) -> Option<Item<'a>> {
        if self.entries.is_empty() {
            return None;
        }
        let length = read_back_length(self.entries).expect("entries end with their length");
        let (rest, entry) = self.entries.split_at(self.entries.len() - span(length));
        self.entries = rest;
        Some(decode(entry).expect("an entry is here").0)
    }
}
