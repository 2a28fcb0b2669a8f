//! stand-in
use super::spec::*;
use crate::resp::args::Args;
use crate::resp::error::*;
use crate::resp::out::Out;
use crate::store::db::Db;
pub const COMMANDS: &[Command] = &[cmd("FLUSHALL", Arity::AtLeast(1), Group::Generic)
    .doc("x", "1", "O(1)")
    .run(Run::Every(Body::Writes(flushall), Fold::AllOk))];
fn flushall(db: &mut Db, _: &Args<'_>, out: &mut Out) -> CmdResult {
    for i in 0..db.database_count() {
        db.flush(i);
    }
    out.ok();
    Ok(())
}
