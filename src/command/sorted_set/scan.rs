//! ZSCAN: the members of a sorted set in steps, each with its score.

use crate::command::paging::{Page, cursor_at, write_page};
use crate::resp::args::Args;
use crate::resp::error::CmdResult;
use crate::resp::out::Out;
use crate::store::db::Db;
use crate::store::sorted_set::SortedSet;

pub(super) fn zscan(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let cursor = cursor_at(args, 2)?;
    let (mut found, mut count) = (Out::new(out.protocol()), 0);
    let Some(set) = db.read_as::<SortedSet>(args.key(1))? else {
        write_page(0, count, &found, out);
        return Ok(());
    };
    let page = Page::read(args, 3, |_| false)?;
    let next = page.walk(cursor, |cursor| {
        let mut visited = 0;
        let next = set.scan(cursor, |member, score| {
            visited += 1;
            if page.wants(member) {
                found.bulk(member);
                found.bulk_f64(score);
                count += 2;
            }
        });
        (next, visited)
    });
    write_page(next, count, &found, out);
    Ok(())
}
