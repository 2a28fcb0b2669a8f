//! The commands on hashes, of Redis 7.0. What is random is drawn in full, so that streams stay
//! alike.

use crate::grammar::{Row, row};

/// The templates.
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
    row("HRANDFIELD <key> [100000|100000 WITHVALUES|0|0 WITHVALUES|x|1 x|3 WITHVALUES x]", 2),
    row("HRANDFIELD <key> [-9223372036854775808|9223372036854775807 WITHVALUES]", 1),
    row("HSCAN <key> <cursor> {[MATCH <pattern>] [COUNT 100000] [TYPE hash]}", 3),
    row("OBJECT ENCODING <key>", 2),
];
