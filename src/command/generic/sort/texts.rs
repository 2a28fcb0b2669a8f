//! Many byte strings in one buffer: what the stages of SORT hand on, also between cores.

use crate::store::bulky::Bulky;

/// Marks a string that is missing in the place where it ends.
const MISSING: usize = 1 << (usize::BITS - 1);

/// A sequence of byte strings, some of which may be missing.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Texts {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Bulky for Texts {}

impl Texts {
    /// Adds one at the end.
    pub fn push(&mut self, text: Option<&[u8]>) {
        self.bytes.extend_from_slice(text.unwrap_or_default());
        let mark = if text.is_some() { 0 } else { MISSING };
        self.ends.push(self.bytes.len() | mark);
    }

    /// The one at `index`, which must exist, unless it is missing.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let start = if index == 0 { 0 } else { self.ends[index - 1] & !MISSING };
        let end = self.ends[index];
        (end & MISSING == 0).then(|| &self.bytes[start..end])
    }

    /// How many there are, missing ones included.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All of them in their order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        (0..self.len()).map(|index| self.get(index))
    }
}
