//! Requests on bitmaps and HyperLogLogs.

use crate::grammar::{Row, row};

/// The commands of Redis 7.0; keys are those of strings, so values of other forms are met as well.
pub const ROWS: &[Row] = &[
    row("SETBIT <key> <bit-offset> <bit>", 6),
    row("GETBIT <key> <bit-offset>", 3),
    row("BITCOUNT <key>", 2),
    row("BITCOUNT <key> <integer> <integer> [BYTE|BIT]", 4),
    row("BITPOS <key> <bit>", 2),
    row("BITPOS <key> <bit> <integer>", 2),
    row("BITPOS <key> <bit> <integer> <integer> [BYTE|BIT]", 4),
    row("BITOP AND <key> (<key>)+", 2),
    row("BITOP OR <key> (<key>)+", 2),
    row("BITOP xor <key> (<key>)+", 2),
    row("BITOP NOT <key> <key>", 2),
    row("BITFIELD <key> GET <bit-field> <bit-place>", 2),
    row("BITFIELD <key> OVERFLOW <overflow> INCRBY <bit-field> <bit-place> <integer>", 4),
    row("BITFIELD <key> SET <bit-field> <bit-place> <integer> GET <bit-field> <bit-place>", 4),
    row("BITFIELD_RO <key> (GET <bit-field> <bit-place>)+", 2),
    row("PFADD <sketch> (<value>)+", 6),
    row("PFCOUNT (<key>)+", 2),
    row("PFCOUNT (<sketch>)+", 3),
    row("PFMERGE <sketch> (<sketch>)+", 4),
    row("PFMERGE <sketch> (<key>)+", 1),
    row("PFDEBUG ENCODING <sketch>", 1),
    row("PFDEBUG DECODE <sketch>", 1),
    row("PFDEBUG TODENSE <sketch>", 1),
    row("GETDEL <sketch>", 1),
];

/// The keys of sketches are nobody else's: Redis may work on with a sketch whose bytes SETRANGE
/// has damaged, up to the register where the damage shows.
pub const SKETCHES: &[&str] = &["sketch:1", "sketch:2", "{tag}sketch"];

pub const BITS: &[&str] = &["0", "1", "1", "0", "1", "0", "1", "2", "-1", "x"];
pub const BIT_OFFSETS: &[&str] =
    &["0", "1", "7", "8", "9", "63", "64", "100", "1000", "140000", "-1", "4294967296", "x", ""];
pub const FIELDS: &[&str] = &[
    "u1", "i1", "u2", "i5", "u8", "i8", "u16", "i16", "u31", "i33", "u63", "i64", "u64", "i65",
    "i0", "x8", "u", "I8",
];
pub const FIELD_OFFSETS: &[&str] =
    &["0", "1", "7", "8", "13", "64", "200", "#0", "#1", "#3", "#100", "#", "-1", "#-1", "x"];
pub const OVERFLOWS: &[&str] = &["WRAP", "SAT", "FAIL", "wrap", "sat", "fail", "NONE"];
