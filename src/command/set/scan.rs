//! SSCAN: the members of a set in steps.

use crate::command::paging::{Page, cursor_at, write_page};
use crate::resp::args::Args;
use crate::resp::error::CmdResult;
use crate::resp::out::Out;
use crate::store::db::Db;
use crate::store::set::Set;

pub(super) fn sscan(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let cursor = cursor_at(args, 2)?;
    let (mut found, mut count) = (Out::new(out.protocol()), 0);
    let Some(set) = db.read_as::<Set>(args.key(1))? else {
        write_page(0, count, &found, out);
        return Ok(());
    };
    let page = Page::read(args, 3, |_| false)?;
    let mut digits = itoa::Buffer::new();
    let next = page.walk(cursor, |cursor| {
        let mut visited = 0;
        let next = set.scan(cursor, |item| {
            visited += 1;
            let member = item.bytes(&mut digits);
            if page.wants(member) {
                found.bulk(member);
                count += 1;
            }
        });
        (next, visited)
    });
    write_page(next, count, &found, out);
    Ok(())
}
