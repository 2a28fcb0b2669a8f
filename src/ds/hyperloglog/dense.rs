//! Registers of six bits each, side by side.

const BITS: usize = 6;
const MASK: u16 = (1 << BITS) - 1;

/// The first byte of a register, and the bit in it.
const fn place(index: usize) -> (usize, usize) {
    (index * BITS / 8, index * BITS % 8)
}

fn pair(registers: &[u8], at: usize) -> u16 {
    // The last register ends with its first byte.
    u16::from_le_bytes([registers[at], registers.get(at + 1).copied().unwrap_or(0)])
}

/// The value of a register.
pub(super) fn get(registers: &[u8], index: usize) -> u8 {
    let (at, bit) = place(index);
    (pair(registers, at) >> bit & MASK) as u8
}

/// The bytes of register `index` with `value` in it: where they begin, they, and how many count.
pub(super) fn with(registers: &[u8], index: usize, value: u8) -> (usize, [u8; 2], usize) {
    let (at, bit) = place(index);
    let changed = (pair(registers, at) & !(MASK << bit)) | (u16::from(value) & MASK) << bit;
    (at, changed.to_le_bytes(), (registers.len() - at).min(2))
}

/// Raises a register; says whether it was lower.
pub(super) fn raise(registers: &mut [u8], index: usize, value: u8) -> bool {
    if get(registers, index) >= value {
        return false;
    }
    let (at, bytes, len) = with(registers, index, value);
    registers[at..at + len].copy_from_slice(&bytes[..len]);
    true
}
