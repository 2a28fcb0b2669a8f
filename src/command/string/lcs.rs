//! LCS: the longest common subsequence of two strings.
//!
//! # Problem
//!
//! The textbook table needs a cell for every pair of positions: 512 MiB and half a second at the
//! limit Redis allows. Neighbouring cells of a row differ by 0 or 1, so a row is kept as one bit
//! per position, and 64 cells are computed by one addition.
//!
//! # Algorithm
//!
//! Bit-parallel dynamic programming: M. Crochemore, C. Iliopoulos, Y. Pinzon, J. Reid, "A fast and
//! practical bit-vector algorithm for the longest common subsequence problem", Information
//! Processing Letters 80 (2001); in the form of H. Hyyrö, "Bit-parallel LCS-length computation
//! revisited" (2004). Let `L(i, j)` be the length for the first `i` bytes of `a` and `j` of `b`.
//! Bit `j` of row `i` is *clear* where `L(i, j + 1) = L(i, j) + 1`. With `m` the positions of `b`
//! that hold `a[i]`:
//!
//! ```text
//! row' = (row + (row & m)) | (row & !m)
//! ```
//!
//! Which of several longest subsequences is answered must be Redis's choice: going back from the
//! end, a match is always taken; else the walk leaves out the last byte of `a` if `L(i - 1, j) >
//! L(i, j - 1)` and that of `b` otherwise. The first holds exactly where row `i` has bit `j - 1`
//! clear, so the rows suffice, and runs of positions in `b` are skipped a word at a time.
//!
//! # Invariant
//!
//! Memory is at most a byte for each cell of the textbook table (a quarter of one but for the
//! shortest strings), whose size the guard of Redis (`proto-max-bulk-len`) and [`CELLS_MAX`] bound.

#[cfg(test)]
mod tests;

use std::ops::Range;

use bytes::Bytes;

use super::text::Text;
use crate::command::spec::Parcel;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::db::Db;

/// Most pairs of positions, whatever the configuration allows: some 50 ms of work.
const CELLS_MAX: u64 = 1 << 30;

/// Bytes of a cell in Redis's table, by which its memory guard counts.
const REDIS_CELL_BYTES: u64 = 4;

const WORD_BITS: usize = u64::BITS as usize;

const NOT_STRINGS: CmdError = CmdError::Text("ERR The specified keys must contain string values");
const LEN_AND_IDX: CmdError =
    CmdError::Text("ERR If you want both the length and indexes, please just use IDX.");
const TOO_LONG: CmdError = CmdError::Text("ERR String too long for LCS");
const NO_MEMORY: CmdError =
    CmdError::Text("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");

/// The strings of both keys as far as this shard owns them; empty where missing.
struct Strings([Option<Bytes>; 2]);

impl Bulky for Strings {}

/// Copies out, or shares, the strings this shard owns.
pub(super) fn collect(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    let mut strings = Strings([None, None]);
    for (place, key) in strings.0.iter_mut().zip([args.key(1), args.key(2)]) {
        if db.owns(key) {
            let text = Text::of_optional(db.read(key)).map_err(|_| NOT_STRINGS)?;
            *place = Some(text.map_or_else(Bytes::new, Text::to_bytes));
        }
    }
    Ok(Some(Box::new(strings)))
}

/// Answers on the shard of the first key; changes nothing.
pub(super) fn answer(db: &mut Db, args: &Args<'_>, parcels: &[Parcel], out: &mut Out) -> CmdResult {
    let options = Options::read(args)?;
    if !db.owns(args.key(1)) {
        return Ok(());
    }
    let string = |index: usize| {
        let mut all =
            parcels.iter().flatten().filter_map(|parcel| parcel.downcast_ref::<Strings>());
        all.find_map(|strings| strings.0[index].clone()).unwrap_or_default()
    };
    let (a, b) = (string(0), string(1));
    check_size(a.len(), b.len(), db.tuning.string_len_max)?;
    match options.answer {
        Answer::Length => {
            let (short, long) = if a.len() < b.len() { (&a, &b) } else { (&b, &a) };
            out.count(Table::fill(short, long, false).length);
        }
        Answer::String => {
            let mut reversed = Vec::new();
            let table = Table::fill(&a, &b, true);
            table.walk_back(|run| reversed.extend(a[run.a].iter().rev()));
            reversed.reverse();
            out.bulk(&reversed);
        }
        Answer::Matches => write_matches(&Table::fill(&a, &b, true), &options, out),
    }
    Ok(())
}

/// What to answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    String,
    /// LEN.
    Length,
    /// IDX.
    Matches,
}

struct Options {
    answer: Answer,
    /// MINMATCHLEN: shorter runs are left out of the matches.
    run_len_min: usize,
    /// WITHMATCHLEN.
    with_run_len: bool,
}

impl Options {
    fn read(args: &Args<'_>) -> Result<Options, CmdError> {
        let mut reader = args.reader(3);
        let (mut length, mut matches) = (false, false);
        let (mut run_len_min, mut with_run_len) = (0, false);
        while !reader.done() {
            if reader.keyword("IDX") {
                matches = true;
            } else if reader.keyword("LEN") {
                length = true;
            } else if reader.keyword("WITHMATCHLEN") {
                with_run_len = true;
            } else if reader.left() > 1 && reader.keyword("MINMATCHLEN") {
                run_len_min = reader.int()?.max(0) as usize;
            } else {
                return Err(CmdError::Syntax);
            }
        }
        let answer = match (length, matches) {
            (true, true) => return Err(LEN_AND_IDX),
            (true, false) => Answer::Length,
            (false, true) => Answer::Matches,
            (false, false) => Answer::String,
        };
        Ok(Options { answer, run_len_min, with_run_len })
    }
}

fn check_size(a: usize, b: usize, string_len_max: usize) -> Result<(), CmdError> {
    if a.max(b) >= u32::MAX as usize - 1 {
        return Err(TOO_LONG);
    }
    let cells = (a as u64 + 1) * (b as u64 + 1);
    let cells_max = (string_len_max as u64 / REDIS_CELL_BYTES).min(CELLS_MAX);
    if cells > cells_max { Err(NO_MEMORY) } else { Ok(()) }
}

fn write_matches(table: &Table<'_>, options: &Options, out: &mut Out) {
    let mut runs = Vec::new();
    table.walk_back(|run| {
        if run.a.len() >= options.run_len_min {
            runs.push(run);
        }
    });
    out.map(2);
    out.bulk(b"matches");
    out.array(runs.len());
    for run in runs {
        let len = run.a.len();
        out.array(if options.with_run_len { 3 } else { 2 });
        for range in [run.a, run.b] {
            out.array(2);
            out.count(range.start);
            out.count(range.end - 1);
        }
        if options.with_run_len {
            out.count(len);
        }
    }
    out.bulk(b"len");
    out.count(table.length);
}

/// Bytes that follow each other in both strings; neither range is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    a: Range<usize>,
    b: Range<usize>,
}

/// The rows of the dynamic programme, one bit per byte of `b`.
struct Table<'s> {
    a: &'s [u8],
    /// Words in a row.
    width: usize,
    b_len: usize,
    /// For each byte value that occurs in `a`: where its mask begins in `masks`.
    mask_at: [usize; 256],
    /// Positions in `b` of the byte values that occur in `a`.
    masks: Vec<u64>,
    /// The rows after each byte of `a`, if they are kept: `row_bytes` each, the first bit lowest.
    /// Whole bytes rather than words, or a long `a` against a `b` of one byte would take 64 times
    /// what it needs.
    rows: Vec<u8>,
    row_bytes: usize,
    /// Length of the longest common subsequence.
    length: usize,
}

impl<'s> Table<'s> {
    /// Computes the table; the rows are needed to walk back.
    fn fill(a: &'s [u8], b: &[u8], keep_rows: bool) -> Table<'s> {
        let width = b.len().div_ceil(WORD_BITS);
        let (mask_at, masks) = masks(a, b, width);
        let row_bytes = b.len().div_ceil(8);
        let mut rows = Vec::with_capacity(if keep_rows { a.len() * row_bytes + 8 } else { 0 });
        let mut row = vec![u64::MAX; width];
        for &byte in a {
            advance(&mut row, &masks[mask_at[usize::from(byte)]..][..width]);
            if keep_rows {
                let end = rows.len() + row_bytes;
                row.iter().for_each(|word| rows.extend_from_slice(&word.to_le_bytes()));
                rows.truncate(end);
            }
        }
        // Bits behind the end of `b` are in no mask, so they stay set.
        let length = row.iter().map(|word| word.count_zeros() as usize).sum();
        Table { a, width, b_len: b.len(), mask_at, masks, rows, row_bytes, length }
    }

    /// Calls `found` with the matching runs from the last to the first.
    fn walk_back(&self, mut found: impl FnMut(Run)) {
        let (mut i, mut j) = (self.a.len(), self.b_len);
        let mut open: Option<Run> = None;
        while i > 0 && j > 0 {
            let mask = &self.masks[self.mask_at[usize::from(self.a[i - 1])]..][..self.width];
            let row = &self.rows[(i - 1) * self.row_bytes..][..self.row_bytes];
            let Some(stop) = last_stop(row, mask, j - 1) else { break };
            let is_match = mask[stop / WORD_BITS] >> (stop % WORD_BITS) & 1 == 1;
            if stop + 1 != j || !is_match {
                open.take().into_iter().for_each(&mut found);
            }
            j = stop + 1;
            if is_match {
                j -= 1;
                let run = open.get_or_insert(Run { a: i..i, b: j + 1..j + 1 });
                (run.a.start, run.b.start) = (i - 1, j);
            }
            i -= 1;
        }
        open.into_iter().for_each(found);
    }
}

/// Where the bytes of `a` occur in `b`, as bit sets of `width` words, and where each set begins.
fn masks(a: &[u8], b: &[u8], width: usize) -> ([usize; 256], Vec<u64>) {
    const ABSENT: usize = usize::MAX;
    let (mut mask_at, mut masks) = ([ABSENT; 256], Vec::new());
    for &byte in a {
        if mask_at[usize::from(byte)] == ABSENT {
            mask_at[usize::from(byte)] = masks.len();
            masks.resize(masks.len() + width, 0);
        }
    }
    for (position, &byte) in b.iter().enumerate() {
        let at = mask_at[usize::from(byte)];
        if at != ABSENT {
            masks[at + position / WORD_BITS] |= 1 << (position % WORD_BITS);
        }
    }
    (mask_at, masks)
}

/// Computes the next row from the last one and the positions that match.
fn advance(row: &mut [u64], mask: &[u64]) {
    let mut carry = false;
    for (word, mask) in row.iter_mut().zip(mask) {
        let (sum, first) = word.overflowing_add(*word & mask);
        let (sum, second) = sum.overflowing_add(carry.into());
        carry = first || second;
        *word = sum | (*word & !mask);
    }
}

/// The last position up to `from` where the walk back stops: a match, or a bit that is clear in the
/// row.
fn last_stop(row: &[u8], mask: &[u64], from: usize) -> Option<usize> {
    let stops = |word: usize| !row_word(row, word) | mask[word];
    let (word, bit) = (from / WORD_BITS, from % WORD_BITS);
    let first = stops(word) & (u64::MAX >> (WORD_BITS - 1 - bit));
    let last_bit = |word: usize, bits: u64| word * WORD_BITS + bits.ilog2() as usize;
    if first != 0 {
        return Some(last_bit(word, first));
    }
    let word = (0..word).rev().find(|&word| stops(word) != 0)?;
    Some(last_bit(word, stops(word)))
}

/// Word `index` of a kept row; bits behind its end are set.
fn row_word(row: &[u8], index: usize) -> u64 {
    let rest = &row[index * size_of::<u64>()..];
    let bytes = rest.first_chunk().copied().unwrap_or_else(|| {
        let mut padded = [u8::MAX; size_of::<u64>()];
        padded[..rest.len()].copy_from_slice(rest);
        padded
    });
    u64::from_le_bytes(bytes)
}
