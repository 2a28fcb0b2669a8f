//! Members with scores outside of a set: on their way to another core, or to a reply.
//!
//! Many lie in one page, so that a thousand members cost no thousand allocations:
//!
//! ```text
//! | score (8) | length (4) | bytes ... | score | length | ...
//! ```

use crate::ds::listpack::Item;
use crate::resp::out::Out;
use crate::store::bulky::Bulky;

/// Bytes of a page that is not the last. Pages grow no further, because that would copy them.
const PAGE_BYTES: usize = 64 * 1024;

/// Members with scores, in the order in which they were added.
#[derive(Debug, Default, Clone)]
pub(in crate::command) struct Entries {
    pages: Vec<Vec<u8>>,
    count: usize,
}

impl Bulky for Entries {
    fn free_some(&mut self, _: usize) -> bool {
        self.pages.pop();
        self.pages.is_empty()
    }
}

impl Entries {
    /// Adds a member, which is shorter than 4 GiB.
    pub fn push(&mut self, member: &[u8], score: f64) {
        let len = u32::try_from(member.len()).expect("a member is shorter than 4 GiB");
        if self.pages.last().is_none_or(|page| page.len() >= PAGE_BYTES) {
            self.pages.push(Vec::new());
        }
        let page = self.pages.last_mut().expect("there is one now");
        page.reserve(size_of::<f64>() + size_of::<u32>() + member.len());
        page.extend_from_slice(&score.to_le_bytes());
        page.extend_from_slice(&len.to_le_bytes());
        page.extend_from_slice(member);
        self.count += 1;
    }

    /// Adds members as a set yields them.
    pub fn extend<'a>(&mut self, members: impl Iterator<Item = (Item<'a>, f64)>) {
        let mut digits = itoa::Buffer::new();
        for (member, score) in members {
            self.push(member.bytes(&mut digits), score);
        }
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.count
    }

    /// The members with their scores.
    pub fn iter(&self) -> Iter<'_> {
        Iter { page: &[], pages: &self.pages, left: self.count }
    }

    /// Number of pages.
    pub fn pages(&self) -> usize {
        self.pages.len()
    }

    /// The members in one page.
    pub fn page(&self, number: usize) -> impl Iterator<Item = (&[u8], f64)> {
        Iter { page: &self.pages[number], pages: &[], left: self.count }
    }
}

/// See [`Entries::iter`].
#[derive(Clone)]
pub(in crate::command) struct Iter<'a> {
    /// What is left of the page.
    page: &'a [u8],
    /// The pages behind it.
    pages: &'a [Vec<u8>],
    left: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<(&'a [u8], f64)> {
        if self.page.is_empty() {
            let (first, pages) = self.pages.split_first()?;
            (self.page, self.pages) = (first, pages);
        }
        let (score, rest) = self.page.split_first_chunk::<8>()?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let (member, rest) = rest.split_at(u32::from_le_bytes(*len) as usize);
        (self.page, self.left) = (rest, self.left - 1);
        Some((member, f64::from_le_bytes(*score)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// Opens the reply that lists `count` members, with or without scores: RESP3 pairs a member with
/// its score, RESP2 has both in one row.
pub(in crate::command) fn open_list(out: &mut Out, count: usize, with_scores: bool) {
    out.array(if with_scores && !out.is_resp3() { count * 2 } else { count });
}

/// Writes one member of such a list.
#[inline]
pub(in crate::command) fn write_member(
    out: &mut Out,
    member: Item<'_>,
    score: f64,
    with_scores: bool,
) {
    if with_scores && out.is_resp3() {
        out.array(2);
    }
    match member {
        Item::Int(number) => out.bulk_int(number),
        Item::Text(text) => out.bulk(text),
    }
    if with_scores {
        out.double(score);
    }
}

/// Writes a whole list.
pub(in crate::command) fn write_list<'a>(
    out: &mut Out,
    members: impl ExactSizeIterator<Item = (Item<'a>, f64)>,
    with_scores: bool,
) {
    open_list(out, members.len(), with_scores);
    for (member, score) in members {
        write_member(out, member, score, with_scores);
    }
}
