//! Elements come: LPUSH, RPUSH, LPUSHX, RPUSHX, LINSERT.

use super::pushed;
use crate::ds::quicklist::End;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::Db;
use crate::store::edit::Edit;
use crate::store::list::List;

pub(super) fn lpush(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let list = db.edit_or_create(args.key(1))?;
    push(list, End::Front, args, out)
}

pub(super) fn rpush(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let list = db.edit_or_create(args.key(1))?;
    push(list, End::Back, args, out)
}

pub(super) fn lpushx(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    match db.edit(args.key(1))? {
        Some(list) => push(list, End::Front, args, out),
        None => none(out),
    }
}

pub(super) fn rpushx(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    match db.edit(args.key(1))? {
        Some(list) => push(list, End::Back, args, out),
        None => none(out),
    }
}

fn none(out: &mut Out) -> CmdResult {
    out.int(0);
    Ok(())
}

#[inline]
fn push(mut list: Edit<'_, List>, end: End, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let limits = list.tuning().encoding;
    let items = &mut *list;
    items.push_all(end, (2..args.len()).map(|index| args.at(index)), &limits);
    out.count(items.len());
    list.grown(pushed(end), args.len() - 2);
    Ok(())
}

pub(super) fn linsert(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let is_behind = match args.at(2) {
        word if word.eq_ignore_ascii_case(b"AFTER") => true,
        word if word.eq_ignore_ascii_case(b"BEFORE") => false,
        _ => return Err(CmdError::Syntax),
    };
    let Some(mut list) = db.edit::<List>(args.key(1))? else { return none(out) };
    let Some(index) = list.find(args.at(3)) else {
        out.int(-1);
        return Ok(());
    };
    let limits = list.tuning().encoding;
    list.insert(index, is_behind, args.at(4), &limits);
    list.changed(Event::list("linsert"));
    out.count(list.len());
    Ok(())
}
