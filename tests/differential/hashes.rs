//! Templates of the hash commands, as Redis 7.0 has them.
//!
//! Absent: HRANDFIELD. A random argument may ask Redis for more fields than there is memory.

use crate::grammar::{Row, row};

/// The rows.
pub const ROWS: &[Row] = &[
    row("HSET <key> (<member> <value>)+", 14),
    row("HSET <key> <member> <value> <member>", 1),
    row("HMSET <key> (<member> <value>)+", 3),
    row("HSETNX <key> <member> <value>", 4),
    row("HGET <key> <member>", 3),
    row("HMGET <key> (<member>)+", 2),
    row("HGETALL <key>", 4),
    row("HKEYS <key>", 1),
    row("HVALS <key>", 1),
    row("HLEN <key>", 2),
    row("HEXISTS <key> <member>", 2),
    row("HSTRLEN <key> <member>", 2),
    row("HDEL <key> (<member>)+", 6),
    row("HINCRBY <key> <member> <integer>", 6),
    row("HINCRBYFLOAT <key> <member> <float>", 6),
    row("HSCAN <key> <cursor> {[MATCH <pattern>] [COUNT 100000] [TYPE hash]}", 3),
    row("OBJECT ENCODING <key>", 2),
];
