//! stand-in
use super::spec::*;
use crate::resp::args::Args;
use crate::resp::error::*;
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::{Db, Expiry};
use crate::store::entry::*;
pub const COMMANDS: &[Command] = &[
    cmd("GET", Arity::Exact(2), Group::String)
        .keys(&[Keys::At(1, Access::RO)])
        .doc("x", "1", "O(1)")
        .run(Run::Shard(Body::Reads(get))),
    cmd("SET", Arity::AtLeast(3), Group::String)
        .keys(&[Keys::At(1, Access::RW)])
        .flags(Flags::DENYOOM)
        .doc("x", "1", "O(1)")
        .run(Run::Shard(Body::Writes(set))),
];
fn get(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    match db.read(args.key(1)) {
        None => out.null(),
        Some(ValueRef::Int(n)) => out.bulk_int(n),
        Some(ValueRef::Raw(b)) => out.bulk(b),
        Some(ValueRef::Big(b)) => out.bulk_shared(b),
    }
    Ok(())
}
fn set(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let value = match args.owned(2) {
        Some(big) => Value::Big(big),
        None => match crate::base::num::parse_i64(args.at(2)) {
            Some(n) => Value::Int(n),
            None => Value::Raw(args.at(2)),
        },
    };
    let expiry =
        if args.len() > 4 { Expiry::At(db.now() + 1000 * args.int(4)?) } else { Expiry::Never };
    db.write(args.key(1)).set(value, expiry, Event::string("set"));
    out.ok();
    Ok(())
}
