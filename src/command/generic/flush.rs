//! Whole databases: emptied and exchanged.
//!
//! Invariant: none of these costs time in proportion to the keys. A flushed table is only detached;
//! it is freed in slices between commands, whether SYNC or ASYNC was asked for.

use crate::base::num;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::db::Db;

/// Accepts nothing, SYNC or ASYNC.
fn check_mode(args: &Args<'_>) -> CmdResult {
    match args.len() {
        1 => Ok(()),
        2 if args.is(1, "SYNC") || args.is(1, "ASYNC") => Ok(()),
        _ => Err(CmdError::Syntax),
    }
}

pub(super) fn flush_database(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    check_mode(args)?;
    db.flush(db.selected());
    out.ok();
    Ok(())
}

pub(super) fn flush_all(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    check_mode(args)?;
    (0..db.database_count()).for_each(|index| db.flush(index));
    out.ok();
    Ok(())
}

pub(super) fn swap_databases(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let number = |position: usize, error: &'static str| {
        let number = num::parse_i64(args.at(position)).and_then(|number| number.try_into().ok());
        number.ok_or(CmdError::Text(error))
    };
    let first: i32 = number(1, "ERR invalid first DB index")?;
    let second: i32 = number(2, "ERR invalid second DB index")?;
    let index = |number: i32| {
        let index = usize::try_from(number).ok().filter(|index| *index < db.database_count());
        index.ok_or(CmdError::DatabaseOutOfRange)
    };
    let (first, second) = (index(first)?, index(second)?);
    db.swap(first, second);
    out.ok();
    Ok(())
}
