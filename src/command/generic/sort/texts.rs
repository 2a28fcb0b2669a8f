//! Many byte strings in a few buffers: what the stages of SORT hand on, also between cores.

use crate::ds::chunked::Chunked;
use crate::store::bulky::Bulky;

/// Bytes of a page; a longer string has one of its own. However much is added, nothing larger is
/// moved.
const PAGE_BYTES: usize = 256 * 1024;

/// Where a string stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    page: u32,
    start: u32,
    end: u32,
}

/// The place of a string that is missing.
const MISSING: Place = Place { page: 0, start: 1, end: 0 };

/// A sequence of byte strings, some of which may be missing.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Texts {
    pages: Vec<Vec<u8>>,
    places: Chunked<Place>,
}

impl Bulky for Texts {
    fn free_some(&mut self, budget: usize) -> bool {
        const PAGE_ELEMENTS: usize = 4096;
        let pages = budget.div_ceil(PAGE_ELEMENTS);
        self.pages.truncate(self.pages.len().saturating_sub(pages));
        self.pages.is_empty()
    }
}

impl Texts {
    /// Adds one at the end.
    pub fn push(&mut self, text: Option<&[u8]>) {
        let Some(text) = text else { return self.places.push(MISSING) };
        if self.pages.last().is_none_or(|page| page.len() + text.len() > PAGE_BYTES) {
            let room = if self.pages.is_empty() { 0 } else { PAGE_BYTES };
            self.pages.push(Vec::with_capacity(room.max(text.len())));
        }
        let last = self.pages.len() - 1;
        let page = &mut self.pages[last];
        let start = page.len() as u32;
        page.extend_from_slice(text);
        self.places.push(Place { page: last as u32, start, end: page.len() as u32 });
    }

    /// The one at `index`, which must exist, unless it is missing.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let Place { page, start, end } = self.places.at(index);
        (start <= end).then(|| &self.pages[page as usize][start as usize..end as usize])
    }

    /// How many there are, missing ones included.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// All of them in their order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        (0..self.len()).map(|index| self.get(index))
    }
}
