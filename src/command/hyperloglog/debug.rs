//! PFDEBUG and PFSELFTEST, for developers of servers.

use super::count::store;
use super::sketch_of;
use crate::command::string::text::Text;
use crate::ds::hyperloglog::{self as hll, REGISTERS, Sketch};
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult, shown};
use crate::resp::out::Out;
use crate::store::db::Db;

const NO_KEY: CmdError = CmdError::Text("ERR The specified key does not exist");
const NOT_SPARSE: CmdError = CmdError::Text("ERR HLL encoding is not sparse");

/// Longest word of the client that an error repeats.
const SHOWN_MAX: usize = 128;

pub(super) fn pfdebug(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut write = db.write(args.key(2));
    let text = Text::of_optional(write.value())?.ok_or(NO_KEY)?;
    let view = sketch_of(text)?;
    if args.is(1, "DECODE") {
        if view.is_dense() {
            return Err(NOT_SPARSE);
        }
        out.bulk(view.describe().as_bytes());
    } else if args.is(1, "ENCODING") {
        out.simple(if view.is_dense() { "dense" } else { "sparse" });
    } else if args.is(1, "GETREG") || args.is(1, "TODENSE") {
        let converts = !view.is_dense();
        let mut sketch = Sketch::of(view);
        sketch.make_dense()?;
        if args.is(1, "TODENSE") {
            out.int(converts.into());
        } else {
            let mut registers = Box::new([0; REGISTERS]);
            sketch.view().merge_into(&mut registers)?;
            out.array(REGISTERS);
            registers.iter().for_each(|value| out.int((*value).into()));
        }
        if converts {
            store(&mut write, sketch);
        }
    } else {
        let mut text = b"ERR Unknown PFDEBUG subcommand '".to_vec();
        text.extend_from_slice(shown(args.at(1), SHOWN_MAX));
        text.push(b'\'');
        return Err(CmdError::owned(text));
    }
    Ok(())
}

/// Adds elements to a sparse and to a dense sketch, which must agree and be near the truth.
pub(super) fn pfselftest(db: &Db, _: &Args<'_>, out: &mut Out) -> CmdResult {
    /// Some milliseconds of work.
    const ELEMENTS: u64 = 50_000;
    /// Six standard errors.
    const ERROR_PERCENT: u64 = 5;
    let (mut sparse, mut dense) = (Sketch::new(), Sketch::new());
    dense.make_dense()?;
    let seed = db.random_below(u64::MAX);
    for count in 1..=ELEMENTS {
        let (index, value) = hll::register_of(&(seed ^ count).to_le_bytes());
        sparse.raise(index, value, db.tuning.encoding.hll_sparse_bytes)?;
        dense.raise(index, value, 0)?;
        if !count.is_power_of_two() && count != ELEMENTS {
            continue;
        }
        let estimate = dense.view().cardinality()?;
        if sparse.view().cardinality()? != estimate {
            return Err(CmdError::owned(format!("TESTFAILED sketches differ at {count} elements")));
        }
        if estimate.abs_diff(count) > 2 + count * ERROR_PERCENT / 100 {
            return Err(CmdError::owned(format!(
                "TESTFAILED {estimate} is no estimate for {count} elements"
            )));
        }
    }
    out.ok();
    Ok(())
}
