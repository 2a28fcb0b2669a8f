//! PFADD and PFCOUNT.

use super::{PFADD, sketch_of};
use crate::command::spec::Parcel;
use crate::command::string::text::Text;
use crate::ds::hyperloglog::{self as hll, REGISTERS, Registers, Sketch, View};
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::db::{Db, Expiry, Write};
use crate::store::entry::{Entry, Value, ValueRef};

/// Registers that elements ask to be raised.
type Raises = Vec<(usize, u8)>;

pub(super) fn pfadd(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let sparse_max = db.tuning.encoding.hll_sparse_bytes;
    let mut write = db.write(args.key(1));
    let Some(text) = Text::of_optional(write.value())? else {
        let mut sketch = Sketch::new();
        for (index, value) in args.from(2).map(hll::register_of) {
            sketch.raise(index, value, sparse_max)?;
        }
        sketch.mark_stale();
        store(&mut write, sketch);
        out.int(1);
        return Ok(());
    };
    let view = sketch_of(text)?;
    let mut raises = Raises::new();
    for (index, value) in args.from(2).map(hll::register_of) {
        if view.would_raise(index, value)? {
            raises.push((index, value));
        }
    }
    write.mark_accessed();
    out.int((!raises.is_empty()).into());
    if raises.is_empty() {
        return Ok(());
    }
    if view.is_dense() {
        write.edit(PFADD, |entry| raise_in_place(entry, &raises));
        return Ok(());
    }
    let mut sketch = Sketch::of(view);
    for (index, value) in raises {
        sketch.raise(index, value, sparse_max)?;
    }
    sketch.mark_stale();
    store(&mut write, sketch);
    Ok(())
}

/// Raises registers of a dense sketch, a byte or two each.
fn raise_in_place(entry: &mut Entry, raises: &[(usize, u8)]) {
    for (index, value) in raises {
        let change = match view_of(entry) {
            Some(view) if view.would_raise(*index, *value) == Ok(true) => {
                hll::raised_bytes(view.bytes(), *index, *value)
            }
            _ => continue,
        };
        let (at, bytes, len) = change;
        entry.write_at(at, &bytes[..len]);
    }
    if let Some(flags) = view_of(entry).map(|view| view.bytes()[hll::STALE_AT]) {
        entry.write_at(hll::STALE_AT, &[flags | hll::STALE]);
    }
}

fn view_of(entry: &Entry) -> Option<View<'_>> {
    match entry.view().value() {
        ValueRef::Raw(bytes) => View::new(bytes),
        ValueRef::Big(bytes) => View::new(bytes),
        _ => None,
    }
}

/// Puts a sketch into the key, whose expiry stays.
pub(super) fn store(write: &mut Write<'_, '_>, sketch: Sketch) {
    write.set_modified(Value::Raw(&sketch.into_bytes()), Expiry::Keep, PFADD);
}

/// What one shard holds of the keys of a PFCOUNT.
enum Counted {
    /// The estimate for the only key.
    One { cardinality: u64, is_cached: bool },
    /// The registers of several keys.
    Merged(Box<Registers>),
}

impl Bulky for Counted {}

pub(super) fn collect(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    if args.len() == 2 {
        let key = args.key(1);
        let Some(text) = db.owns(key).then(|| db.read(key)).flatten() else { return Ok(None) };
        let view = sketch_of(Text::of(text)?)?;
        let cached = view.cached();
        let cardinality = cached.map_or_else(|| view.cardinality(), Ok)?;
        return Ok(Some(Box::new(Counted::One { cardinality, is_cached: cached.is_some() })));
    }
    let mut merged = Box::new([0; REGISTERS]);
    for position in 1..args.len() {
        let key = args.key(position);
        if db.owns(key)
            && let Some(text) = Text::of_optional(db.read(key))?
        {
            sketch_of(text)?.merge_into(&mut merged)?;
        }
    }
    Ok(Some(Box::new(Counted::Merged(merged))))
}

pub(super) fn commit(db: &mut Db, args: &Args<'_>, parcels: &[Parcel], out: &mut Out) -> CmdResult {
    let parts = || parcels.iter().flatten().filter_map(|parcel| parcel.downcast_ref::<Counted>());
    if let Some(Counted::One { cardinality, is_cached }) = parts().next() {
        out.count(*cardinality as usize);
        if !is_cached && db.owns(args.key(1)) {
            remember(db, args, *cardinality);
        }
        return Ok(());
    }
    let mut merged = Box::new([0; REGISTERS]);
    for part in parts() {
        if let Counted::Merged(registers) = part {
            merged.iter_mut().zip(registers.iter()).for_each(|(to, from)| *to = (*to).max(*from));
        }
    }
    out.count(hll::cardinality_of(&merged) as usize);
    Ok(())
}

/// Writes the estimate into the sketch, so that the next PFCOUNT need not compute it.
fn remember(db: &mut Db, args: &Args<'_>, cardinality: u64) {
    let mut write = db.write(args.key(1));
    if write.exists() {
        write.edit(PFADD, |entry| {
            entry.write_at(hll::CACHED_AT, &hll::cached_field(cardinality));
        });
    }
}
