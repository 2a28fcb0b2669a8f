//! ZSCAN.

use crate::base::glob;
use crate::base::layout::ScanCursor;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::db::Db;
use crate::store::sorted_set::SortedSet;

/// COUNT where it is not given.
const COUNT_DEFAULT: usize = 10;

/// How many steps one call may take for each member it was asked for, if it finds fewer.
const STEPS_PER_COUNT: usize = 10;

pub(super) fn zscan(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let cursor = ScanCursor::parse(args.at(2)).ok_or(CmdError::Text("ERR invalid cursor"))?;
    let Some(set) = db.read_as::<SortedSet>(args.key(1))? else {
        out.array(2);
        out.bulk(b"0");
        out.array(0);
        return Ok(());
    };
    let (mut pattern, mut count) = (None, COUNT_DEFAULT);
    let mut options = args.reader(3);
    while !options.done() {
        if options.left() > 1 && options.keyword("MATCH") {
            pattern = Some(options.word()?);
        } else if options.left() > 1 && options.keyword("COUNT") {
            count = usize::try_from(options.int()?).unwrap_or(0);
            if count == 0 {
                return Err(CmdError::Syntax);
            }
        } else {
            return Err(CmdError::Syntax);
        }
    }
    let pattern = pattern.filter(|pattern| *pattern != b"*");
    write_page(set, cursor.number(), count, pattern, out);
    Ok(())
}

/// Writes the next cursor and about `count` members that match.
fn write_page(
    set: &SortedSet,
    mut cursor: u64,
    count: usize,
    pattern: Option<&[u8]>,
    out: &mut Out,
) {
    let (mut found, mut members, mut visited) = (Out::new(out.protocol()), 0, 0);
    for _ in 0..count.saturating_mul(STEPS_PER_COUNT) {
        cursor = set.scan(cursor, |member, score| {
            visited += 1;
            if pattern.is_none_or(|pattern| glob::glob_match(pattern, member, false)) {
                members += 1;
                found.bulk(member);
                found.bulk_f64(score);
            }
        });
        if cursor == 0 || visited >= count {
            break;
        }
    }
    out.array(2);
    out.bulk_int(cursor as i64);
    out.array(members * 2);
    out.append(&found);
}
