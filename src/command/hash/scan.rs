//! HSCAN: the fields of a hash in steps.

use crate::command::item::write_item;
use crate::command::paging::{Page, cursor_at, write_page};
use crate::resp::args::Args;
use crate::resp::error::CmdResult;
use crate::resp::out::Out;
use crate::store::db::Db;

pub(super) fn hscan(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let cursor = cursor_at(args, 2)?;
    let (mut found, mut count) = (Out::new(out.protocol()), 0);
    let Some(hash) = db.read_hash(args.key(1))? else {
        write_page(0, count, &found, out);
        return Ok(());
    };
    let mut with_values = true;
    let page = Page::read(args, 3, |options| {
        let is_known = options.keyword("NOVALUES");
        with_values &= !is_known;
        is_known
    })?;
    let mut digits = itoa::Buffer::new();
    let next = page.walk(cursor, |cursor| {
        let mut visited = 0;
        let next = hash.scan(cursor, db.now(), |name, value| {
            visited += 1;
            let name = name.bytes(&mut digits);
            if page.wants(name) {
                found.bulk(name);
                count += 1;
                if with_values {
                    write_item(value, &mut found);
                    count += 1;
                }
            }
        });
        (next, visited)
    });
    write_page(next, count, &found, out);
    Ok(())
}
