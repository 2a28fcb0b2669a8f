//! Elements by their positions: LINDEX, LRANGE, LSET, LTRIM, and LLEN.

use std::ops::{ControlFlow, Range};

use super::write_item;
use crate::command::portion::Portion;
use crate::ds::quicklist::End;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::Db;
use crate::store::list::List;

const NO_SUCH_INDEX: CmdError = CmdError::Text("ERR index out of range");

pub(super) fn llen(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let list = db.read_as::<List>(args.key(1))?;
    out.count(list.map_or(0, List::len));
    Ok(())
}

/// The element that an index means, which counts from the end if negative.
fn element(index: i64, length: usize) -> Option<usize> {
    let absolute = if index < 0 { index.checked_add(length as i64)? } else { index };
    usize::try_from(absolute).ok().filter(|index| *index < length)
}

/// The elements from `start` to `stop`, both included, of a list.
fn elements(start: i64, stop: i64, length: usize) -> Range<usize> {
    let absolute = |index: i64| if index < 0 { index + length as i64 } else { index };
    let start = absolute(start).max(0) as usize;
    let behind = absolute(stop).max(-1).saturating_add(1) as usize;
    if start < behind.min(length) { start..behind.min(length) } else { 0..0 }
}

pub(super) fn lindex(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let Some(list) = db.read_as::<List>(args.key(1))? else {
        out.null();
        return Ok(());
    };
    match element(args.int(2)?, list.len()) {
        Some(index) => list.visit(End::Front, index, 1, |item| write_item(out, item)),
        None => out.null(),
    }
    Ok(())
}

pub(super) fn lrange(db: &Db, args: &Args<'_>, portion: &mut Portion, out: &mut Out) -> CmdResult {
    let (start, stop) = (args.int(2)?, args.int(3)?);
    let Some(list) = db.read_as::<List>(args.key(1))? else {
        out.array(0);
        return Ok(());
    };
    let range = elements(start, stop, list.len());
    let Some(here) = portion.range(range.len()) else { return Ok(()) };
    if portion.is_first() {
        out.array(range.len());
    }
    let mut left = here.len();
    let _ = list.walk(End::Front, range.start + here.start, |item| {
        if left == 0 {
            return ControlFlow::Break(());
        }
        left -= 1;
        write_item(out, item);
        portion.next(&here, out)
    });
    Ok(())
}

pub(super) fn lset(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut list = db.edit::<List>(args.key(1))?.ok_or(CmdError::NoSuchKey)?;
    let index = element(args.int(2)?, list.len()).ok_or(NO_SUCH_INDEX)?;
    let limits = list.tuning().encoding;
    list.replace(index, args.at(3), &limits);
    list.changed(Event::list("lset"));
    out.ok();
    Ok(())
}

pub(super) fn ltrim(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let (start, stop) = (args.int(2)?, args.int(3)?);
    if let Some(mut list) = db.edit::<List>(args.key(1))? {
        let limits = list.tuning().encoding;
        let length = list.len();
        let kept = elements(start, stop, length);
        list.remove_range(kept.end, length - kept.end, &limits);
        list.remove_range(0, kept.start, &limits);
        list.changed(Event::list("ltrim"));
    }
    out.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranges_equal_the_naive_twin(start in -9i64..9, stop in -9i64..9, length in 0usize..7) {
            let absolute = |at: i64| if at < 0 { at + length as i64 } else { at };
            let naive: Vec<_> = (0..length)
                .filter(|&at| (absolute(start)..=absolute(stop)).contains(&(at as i64)))
                .collect();
            prop_assert_eq!(elements(start, stop, length).collect::<Vec<_>>(), naive);
        }
    }

    #[test]
    fn extreme_positions_do_not_overflow() {
        assert_eq!(elements(i64::MIN, i64::MAX, 3), 0..3);
        assert_eq!(elements(i64::MAX, i64::MIN, 3), 0..0);
        assert_eq!(element(i64::MIN, 3), None);
        assert_eq!(element(i64::MAX, 3), None);
        assert_eq!(element(-3, 3), Some(0));
        assert_eq!(element(-4, 3), None);
    }
}
