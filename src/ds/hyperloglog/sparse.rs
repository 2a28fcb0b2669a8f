//! Registers as runs: opcodes of one or two bytes, see the layout in the parent.
//!
//! Raising a register splits the run it lies in into up to three, and then joins neighbouring runs
//! of one value where an opcode can hold both. Which runs are joined decides the bytes that clients
//! see with GET, so it is done exactly as in Redis: among the opcodes from the one before the
//! change on, at most five of them.

use super::{Corrupt, HEADER, REGISTERS};

const SHORT_ZEROS_MAX: usize = 64;
const VALUES_MAX: usize = 4;
/// The highest value an opcode can hold.
const VALUE_MAX: u8 = 32;

/// Registers with one value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) first: usize,
    pub(super) len: usize,
    /// 0 for the opcodes of zeros.
    pub(super) value: u8,
    /// Where its opcode begins.
    at: usize,
    /// Bytes of its opcode.
    size: usize,
}

/// The opcode at `at`, for registers from `first` on.
fn decode(opcodes: &[u8], at: usize, first: usize) -> Result<Run, Corrupt> {
    let byte = *opcodes.get(at).ok_or(Corrupt)?;
    let low = usize::from(byte & 0x3f);
    let (len, value, size) = match byte >> 6 {
        0 => (low + 1, 0, 1),
        1 => (low << 8 | usize::from(*opcodes.get(at + 1).ok_or(Corrupt)?), 0, 2),
        _ => (usize::from(byte & 3) + 1, (byte >> 2 & 31) + 1, 1),
    };
    let len = if size == 2 { len + 1 } else { len };
    if first + len > REGISTERS {
        return Err(Corrupt);
    }
    Ok(Run { first, len, value, at, size })
}

/// All runs in order; an error, and then no more, where they do not cover the registers exactly.
pub(super) fn runs(opcodes: &[u8]) -> impl Iterator<Item = Result<Run, Corrupt>> {
    let (mut at, mut first) = (0, 0);
    std::iter::from_fn(move || {
        if at == opcodes.len() && first == REGISTERS {
            return None;
        }
        let run = if at > opcodes.len() { return None } else { decode(opcodes, at, first) };
        match run {
            Ok(run) => (at, first) = (at + run.size, first + run.len),
            Err(Corrupt) => at = opcodes.len() + 1,
        }
        Some(run)
    })
}

/// The value of a register.
pub(super) fn value_at(opcodes: &[u8], index: usize) -> Result<u8, Corrupt> {
    Ok(find(opcodes, index)?.1.value)
}

/// The run that holds register `index`, and where the opcode before it begins.
fn find(opcodes: &[u8], index: usize) -> Result<(Option<usize>, Run), Corrupt> {
    let mut previous = None;
    for run in runs(opcodes) {
        let run = run?;
        if index < run.first + run.len {
            return Ok((previous, run));
        }
        previous = Some(run.at);
    }
    Err(Corrupt)
}

/// What became of a register.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Raised {
    /// It was as high already.
    No,
    Yes,
    /// No opcode can hold the value, or there would be too many opcodes; nothing has changed.
    TooLong,
}

/// Raises a register of a whole sketch.
pub(super) fn raise(
    sketch: &mut Vec<u8>,
    index: usize,
    value: u8,
    sparse_max: usize,
) -> Result<Raised, Corrupt> {
    if value > VALUE_MAX {
        return Ok(Raised::TooLong);
    }
    let (previous, run) = find(&sketch[HEADER..], index)?;
    if run.value >= value {
        return Ok(Raised::No);
    }
    let mut split = Vec::with_capacity(5);
    push_run(&mut split, run.value, index - run.first);
    push_run(&mut split, value, 1);
    push_run(&mut split, run.value, run.first + run.len - index - 1);
    if split.len() > run.size && sketch.len() + split.len() - run.size > sparse_max + HEADER {
        return Ok(Raised::TooLong);
    }
    let at = HEADER + run.at;
    sketch.splice(at..at + run.size, split);
    join(sketch, HEADER + previous.unwrap_or(0));
    Ok(Raised::Yes)
}

fn push_run(opcodes: &mut Vec<u8>, value: u8, len: usize) {
    match (value, len) {
        (_, 0) => {}
        (0, _) => push_zeros(opcodes, len),
        _ => opcodes.push(values(value, len)),
    }
}

const fn values(value: u8, len: usize) -> u8 {
    0x80 | (value - 1) << 2 | (len as u8 - 1)
}

/// Appends the opcode for so many zeros, at least one.
pub(super) fn push_zeros(opcodes: &mut Vec<u8>, len: usize) {
    if len <= SHORT_ZEROS_MAX {
        opcodes.push(len as u8 - 1);
    } else {
        opcodes.extend([0x40 | ((len - 1) >> 8) as u8, (len - 1) as u8]);
    }
}

/// Joins neighbours with one value among the opcodes from `at` on.
fn join(sketch: &mut Vec<u8>, at: usize) {
    const OPCODES: usize = 5;
    let mut at = at;
    for _ in 0..OPCODES {
        let Some(&byte) = sketch.get(at) else { return };
        if byte >> 6 == 1 {
            at += 2;
            continue;
        }
        if byte & 0x80 != 0
            && let Some(&next) = sketch.get(at + 1)
            && next & 0x80 != 0
            && byte >> 2 == next >> 2
        {
            let len = usize::from(byte & 3) + usize::from(next & 3) + 2;
            if len <= VALUES_MAX {
                sketch[at + 1] = values((byte >> 2 & 31) + 1, len);
                sketch.remove(at);
                continue;
            }
        }
        at += 1;
    }
}

/// The opcodes as PFDEBUG DECODE prints them, which shows also what covers no register.
pub(super) fn describe(opcodes: &[u8]) -> String {
    let mut words = Vec::new();
    let mut at = 0;
    while let Ok(run) = decode(opcodes, at, 0) {
        words.push(match (run.value, run.size) {
            (0, 1) => format!("z:{}", run.len),
            (0, _) => format!("Z:{}", run.len),
            (value, _) => format!("v:{value},{}", run.len),
        });
        at += run.size;
    }
    words.join(" ")
}
