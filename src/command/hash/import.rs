//! HIMPORT SET, once the fields of its fieldset are known.
//!
//! Invariant: the key gets exactly these fields and no expiry, whatever it held before; but what is
//! no hash is left alone.

use crate::command::spec::Arity::AtLeast;
use crate::command::spec::{Access, Body, Command, Flags, Group, Keys, Log, Run, cmd};
use crate::resp::args::Args;
use crate::resp::error::CmdResult;
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::{Db, Expiry};
use crate::store::hash::Hash;
use crate::store::object::{Object, Typed};

use super::SET;

/// What a connection sends to the key's shard: the key, then fields and values in turn. It is in no
/// table, so clients cannot call it.
pub static IMPORT: Command = cmd("HIMPORT", AtLeast(4), Group::Hash)
    .flags(Flags::DENYOOM)
    .keys(&[Keys::At(1, Access::OW.and(Access::UPDATE))])
    .doc("Puts a hash of these fields in place of another.", "8.10.0", "O(N)")
    .run(Run::Shard(Body::Writes(import)))
    .log(Log::Effects);

fn import(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let key = args.key(1);
    let exists = db.peek_as::<Hash>(key)?.is_some();
    let (now, limits) = (db.now(), db.tuning.encoding);
    let mut hash = Hash::new();
    hash.set_all(args.pairs(2), now, &limits);
    let mut write = db.write(key);
    if exists {
        write.remove(Event::SILENT);
    }
    write.put_object(Object::Hash(hash), Expiry::Never, SET);
    write.repeat_as(&[&b"HSET"[..]].into_iter().chain(args.from(1)).collect::<Vec<_>>());
    out.ok();
    Ok(())
}
