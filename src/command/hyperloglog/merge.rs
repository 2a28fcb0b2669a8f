//! PFMERGE: the union of sketches.
//!
//! Each shard merges its own keys, so that what travels is one set of registers. The target takes
//! part like a source, and becomes dense if any of them is.

use super::count::store;
use super::sketch_of;
use crate::command::spec::Parcel;
use crate::command::string::text::Text;
use crate::ds::hyperloglog::{REGISTERS, Registers, Sketch};
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::db::Db;

/// The sketches of one shard.
struct Merged {
    registers: Box<Registers>,
    any_dense: bool,
}

impl Bulky for Merged {}

pub(super) fn collect(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    let mut merged = Merged { registers: Box::new([0; REGISTERS]), any_dense: false };
    for position in 1..args.len() {
        let key = args.key(position);
        if db.owns(key)
            && let Some(text) = Text::of_optional(db.read(key))?
        {
            let view = sketch_of(text)?;
            merged.any_dense |= view.is_dense();
            view.merge_into(&mut merged.registers)?;
        }
    }
    Ok(Some(Box::new(merged)))
}

pub(super) fn commit(db: &mut Db, args: &Args<'_>, parcels: &[Parcel], out: &mut Out) -> CmdResult {
    out.ok();
    let target = args.key(1);
    if !db.owns(target) {
        return Ok(());
    }
    let sparse_max = db.tuning.encoding.hll_sparse_bytes;
    let mut write = db.write(target);
    let mut sketch = match Text::of_optional(write.value())? {
        Some(text) => Sketch::of(sketch_of(text)?),
        None => Sketch::new(),
    };
    let parts = || parcels.iter().flatten().filter_map(|parcel| parcel.downcast_ref::<Merged>());
    if parts().any(|part| part.any_dense) {
        sketch.make_dense()?;
    }
    for index in 0..REGISTERS {
        let value = parts().map(|part| part.registers[index]).max().unwrap_or(0);
        if value > 0 {
            sketch.raise(index, value, sparse_max)?;
        }
    }
    sketch.mark_stale();
    store(&mut write, sketch);
    Ok(())
}
