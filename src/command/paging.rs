//! Scans of one collection: HSCAN, SSCAN and ZSCAN, which return a cursor and some elements.
//!
//! Invariant: a call does work in proportion to COUNT, unless the collection's form is so small
//! that it comes as a whole. Elements that are there from the first call to the last are returned.
//!
//! Absent: the collection. It says how to visit a step, and how an element looks.

use crate::base::glob;
use crate::base::layout::ScanCursor;
use crate::resp::args::{Args, Reader};
use crate::resp::error::CmdError;
use crate::resp::out::Out;

/// COUNT where it is not given.
const COUNT_DEFAULT: u64 = 10;

/// How many steps one call may take for each element it was asked for, if it finds fewer.
const STEPS_PER_COUNT: u64 = 10;

/// Which elements a call wants, and how many.
pub(super) struct Page<'a> {
    pattern: Option<&'a [u8]>,
    count: u64,
}

impl<'a> Page<'a> {
    /// Reads COUNT and MATCH, and whatever else `other` takes from the reader; what it does not
    /// know it must leave and answer false.
    pub(super) fn read(
        args: &Args<'a>,
        first: usize,
        mut other: impl FnMut(&mut Reader<'a>) -> bool,
    ) -> Result<Page<'a>, CmdError> {
        let mut page = Page { pattern: None, count: COUNT_DEFAULT };
        let mut options = args.reader(first);
        while !options.done() {
            if options.left() > 1 && options.keyword("COUNT") {
                page.count = u64::try_from(options.int()?).map_err(|_| CmdError::Syntax)?;
                if page.count == 0 {
                    return Err(CmdError::Syntax);
                }
            } else if options.left() > 1 && options.keyword("MATCH") {
                page.pattern = Some(options.word()?);
            } else if !other(&mut options) {
                return Err(CmdError::Syntax);
            }
        }
        Ok(page)
    }

    /// Whether an element of this name is wanted. A star alone means every name, also the empty
    /// one.
    pub(super) fn wants(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| pattern == b"*" || glob::glob_match(pattern, name, false))
    }

    /// Calls `step` with the cursor, which visits some elements and returns the next cursor and how
    /// many it visited, until there were enough; returns the cursor for the client.
    pub(super) fn walk(&self, cursor: u64, mut step: impl FnMut(u64) -> (u64, u64)) -> u64 {
        let (mut cursor, mut seen) = (cursor, 0);
        for _ in 0..self.count.saturating_mul(STEPS_PER_COUNT) {
            let (next, visited) = step(cursor);
            (cursor, seen) = (next, seen + visited);
            if cursor == 0 || seen >= self.count {
                break;
            }
        }
        cursor
    }
}

/// Reads the cursor at a position, any number that SCAN would read.
pub(super) fn cursor_at(args: &Args<'_>, position: usize) -> Result<u64, CmdError> {
    let cursor = ScanCursor::parse(args.at(position));
    cursor.map(ScanCursor::number).ok_or(CmdError::Text("ERR invalid cursor"))
}

/// Writes a cursor and `count` elements, which were collected because their number comes first.
pub(super) fn write_page(next: u64, count: usize, elements: &Out, out: &mut Out) {
    out.array(2);
    out.bulk_int(next as i64);
    out.array(count);
    out.append(elements);
}
