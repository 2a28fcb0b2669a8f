//! From registers to a number of elements: Ertl's improved estimator.

use super::{REGISTERS, RUN_BITS};

/// How many registers have each value.
pub(super) struct Histogram([u64; 64]);

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram([0; 64])
    }
}

impl Histogram {
    /// Counts registers with this value, of which only the low six bits can be set.
    pub(super) fn add(&mut self, value: u8, count: u64) {
        self.0[usize::from(value & 63)] += count;
    }

    /// The estimate. The order of the floating point operations is that of the paper, so the result
    /// is the same on every machine.
    pub(super) fn cardinality(&self) -> u64 {
        /// 1 / (2 ln 2), the bias of infinitely many registers.
        const ALPHA: f64 = 0.721_347_520_444_481_7;
        let registers = REGISTERS as f64;
        let full = self.0[RUN_BITS as usize + 1] as f64;
        let mut z = registers * tau((registers - full) / registers);
        for value in (1..=RUN_BITS as usize).rev() {
            z += self.0[value] as f64;
            z *= 0.5;
        }
        z += registers * sigma(self.0[0] as f64 / registers);
        (ALPHA * registers * registers / z).round() as u64
    }
}

fn sigma(x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut x, mut y, mut z) = (x, 1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut x, mut y, mut z) = (x, 1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z == before {
            return z / 3.0;
        }
    }
}
