//! HyperLogLog: how many different elements a stream had, in 12 KiB and with an error of 0.81 %.
//!
//! # Layout, byte for byte that of Redis
//!
//! ```text
//! byte 0       4          5        8                    16
//!      | HYLL | encoding | unused | cached cardinality | registers
//!
//! dense   16,384 registers of 6 bits, the lowest bits of a byte first: 12,288 bytes
//! sparse  runs of registers with one value, as opcodes:
//!         00xxxxxx            x + 1 zeros
//!         01xxxxxx yyyyyyyy   xy + 1 zeros
//!         1vvvvvxx            x + 1 times the value v + 1
//! ```
//!
//! The cached cardinality is 64 bits, little-endian; its highest bit says that it is out of date.
//!
//! # Literature
//!
//! P. Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality estimation
//! algorithm" (2007); the estimator is O. Ertl's, "New cardinality estimation algorithms for
//! HyperLogLog sketches" (2017), algorithm 6; the hash is MurmurHash64A by A. Appleby.
//!
//! # Invariant
//!
//! Bytes come from clients, who may SET anything: a [`View`] has a valid header, and everything
//! that walks opcodes checks that they stay inside and cover the registers exactly.

mod dense;
mod estimate;
mod sparse;
#[cfg(test)]
mod tests;

/// Registers in a sketch.
pub const REGISTERS: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 14;
/// Bits of the hash that are left for the run of zeros.
const RUN_BITS: u32 = 64 - INDEX_BITS;

/// Bytes before the registers.
pub const HEADER: usize = 16;
const MAGIC: &[u8; 4] = b"HYLL";
const ENCODING_AT: usize = 4;
const CARDINALITY_AT: usize = 8;
/// The byte whose highest bit says that the cached cardinality is out of date.
pub const STALE_AT: usize = HEADER - 1;
/// That bit.
pub const STALE: u8 = 0x80;

const DENSE: u8 = 0;
const SPARSE: u8 = 1;

/// Bytes of a dense sketch.
pub const DENSE_LEN: usize = HEADER + (REGISTERS * 6).div_ceil(8);

/// The opcodes do not describe the registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupt;

/// Every register as a byte of its own: what sketches are merged into.
pub type Registers = [u8; REGISTERS];

/// The register of an element, and the value it asks for.
pub fn register_of(element: &[u8]) -> (usize, u8) {
    let hash = murmur64a(element, 0xadc8_3b19);
    let run = (hash >> INDEX_BITS) | 1 << RUN_BITS;
    ((hash & (REGISTERS as u64 - 1)) as usize, run.trailing_zeros() as u8 + 1)
}

fn murmur64a(bytes: &[u8], seed: u64) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    let mix = |word: u64| {
        let word = word.wrapping_mul(M);
        (word ^ word >> 47).wrapping_mul(M)
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(M);
    for word in words {
        hash = (hash ^ mix(u64::from_le_bytes(*word))).wrapping_mul(M);
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| tail << 8 | u64::from(*byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash = (hash ^ hash >> 47).wrapping_mul(M);
    hash ^ hash >> 47
}

/// The estimate for merged registers.
pub fn cardinality_of(registers: &Registers) -> u64 {
    let mut histogram = estimate::Histogram::default();
    registers.iter().for_each(|value| histogram.add(*value, 1));
    histogram.cardinality()
}

/// A sketch to be read.
#[derive(Clone, Copy)]
pub struct View<'a>(&'a [u8]);

impl<'a> View<'a> {
    /// Checks the header, and the length of a dense sketch.
    pub fn new(bytes: &'a [u8]) -> Option<View<'a>> {
        let is_valid = bytes.len() >= HEADER
            && bytes.starts_with(MAGIC)
            && match bytes[ENCODING_AT] {
                DENSE => bytes.len() == DENSE_LEN,
                encoding => encoding == SPARSE,
            };
        is_valid.then_some(View(bytes))
    }

    /// All bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// True if registers have places of their own.
    pub fn is_dense(self) -> bool {
        self.0[ENCODING_AT] == DENSE
    }

    /// The cardinality that the header holds, unless it is out of date.
    pub fn cached(self) -> Option<u64> {
        let field = self.0[CARDINALITY_AT..HEADER].try_into().expect("eight bytes");
        let cached = u64::from_le_bytes(field);
        (cached >> 63 == 0).then_some(cached)
    }

    /// The estimate.
    pub fn cardinality(self) -> Result<u64, Corrupt> {
        let mut histogram = estimate::Histogram::default();
        if self.is_dense() {
            (0..REGISTERS).for_each(|index| histogram.add(self.dense_register(index), 1));
        } else {
            for run in sparse::runs(self.opcodes()) {
                let run = run?;
                histogram.add(run.value, run.len as u64);
            }
        }
        Ok(histogram.cardinality())
    }

    /// Raises each of `registers` to what this sketch holds.
    pub fn merge_into(self, registers: &mut Registers) -> Result<(), Corrupt> {
        if self.is_dense() {
            for (index, register) in registers.iter_mut().enumerate() {
                *register = self.dense_register(index).max(*register);
            }
            return Ok(());
        }
        for run in sparse::runs(self.opcodes()) {
            let run = run?;
            for register in &mut registers[run.first..run.first + run.len] {
                *register = run.value.max(*register);
            }
        }
        Ok(())
    }

    /// True if an element with this register would change a sketch.
    pub fn would_raise(self, index: usize, value: u8) -> Result<bool, Corrupt> {
        if self.is_dense() {
            return Ok(self.dense_register(index) < value);
        }
        Ok(sparse::value_at(self.opcodes(), index)? < value)
    }

    fn dense_register(self, index: usize) -> u8 {
        dense::get(&self.0[HEADER..], index)
    }

    fn opcodes(self) -> &'a [u8] {
        &self.0[HEADER..]
    }

    /// The opcodes of a sparse sketch as PFDEBUG DECODE prints them.
    pub fn describe(self) -> String {
        sparse::describe(self.opcodes())
    }
}

/// For a dense sketch: the two bytes (one for the last register) that hold register `index`, raised
/// to `value`, and where they lie.
pub fn raised_bytes(bytes: &[u8], index: usize, value: u8) -> (usize, [u8; 2], usize) {
    let (at, pair, len) = dense::with(&bytes[HEADER..], index, value);
    (HEADER + at, pair, len)
}

/// A sketch to be changed.
#[derive(Clone)]
pub struct Sketch(Vec<u8>);

impl Sketch {
    /// No elements, sparse.
    pub fn new() -> Sketch {
        let mut bytes = MAGIC.to_vec();
        bytes.push(SPARSE);
        bytes.resize(HEADER, 0);
        sparse::push_zeros(&mut bytes, REGISTERS);
        Sketch(bytes)
    }

    /// A copy.
    pub fn of(view: View<'_>) -> Sketch {
        Sketch(view.0.to_vec())
    }

    /// To be read.
    pub fn view(&self) -> View<'_> {
        View(&self.0)
    }

    /// Raises a register; says whether it was lower. A sparse sketch that would become longer than
    /// `sparse_max` bytes (header not counted) becomes dense.
    pub fn raise(&mut self, index: usize, value: u8, sparse_max: usize) -> Result<bool, Corrupt> {
        if !self.view().is_dense() {
            match sparse::raise(&mut self.0, index, value, sparse_max)? {
                sparse::Raised::No => return Ok(false),
                sparse::Raised::Yes => return Ok(true),
                sparse::Raised::TooLong => self.make_dense()?,
            }
        }
        Ok(dense::raise(&mut self.0[HEADER..], index, value))
    }

    /// Gives every register its own place; says whether it had not.
    pub fn make_dense(&mut self) -> Result<(), Corrupt> {
        if self.view().is_dense() {
            return Ok(());
        }
        let mut registers = [0; REGISTERS];
        self.view().merge_into(&mut registers)?;
        self.0.truncate(HEADER);
        self.0[ENCODING_AT] = DENSE;
        self.0.resize(DENSE_LEN, 0);
        for (index, value) in registers.into_iter().enumerate() {
            dense::raise(&mut self.0[HEADER..], index, value);
        }
        Ok(())
    }

    /// Says that the cached cardinality is out of date.
    pub fn mark_stale(&mut self) {
        self.0[STALE_AT] |= STALE;
    }

    /// All bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl Default for Sketch {
    fn default() -> Sketch {
        Sketch::new()
    }
}

/// A cardinality as the header holds it, at byte 8.
pub fn cached_field(cardinality: u64) -> [u8; 8] {
    cardinality.to_le_bytes()
}

/// Where [`cached_field`] goes.
pub const CACHED_AT: usize = CARDINALITY_AT;
