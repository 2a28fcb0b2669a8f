//! Templates of the stream commands, as Redis 7.0 has them.
//!
//! Invariant: nothing depends on the clock: ids are given, and entries are idle for a moment or for
//! ages.
//! Absent: XINFO, whose fields grew, and what later versions added.

use crate::grammar::{Row, row};

/// The rows.
pub const ROWS: &[Row] = &[
    row("XADD <key> <id> (<value> <value>)+", 14),
    row("XADD <key> {[NOMKSTREAM] [<trim>]} <id> <field> <value>", 10),
    row("XTRIM <key> <trim>", 4),
    row("XLEN <key>", 2),
    row("XRANGE <key> <id-bound> <id-bound> {[COUNT <integer>]}", 6),
    row("XREVRANGE <key> <id-bound> <id-bound> {[COUNT <integer>]}", 6),
    row("XDEL <key> (<id>)+", 4),
    row("XSETID <key> 30-1 {[ENTRIESADDED <integer>] [MAXDELETEDID <id>]}", 2),
    row("XREAD {[COUNT <integer>] [BLOCK <soon>]} STREAMS <key> <id>", 4),
    row("XREAD {[COUNT <integer>]} STREAMS <key> <key> <key> <id> <id> <id>", 4),
    row("XGROUP CREATE <key> <group> <group-id> {[MKSTREAM] [ENTRIESREAD <integer>]}", 8),
    row("XGROUP SETID <key> <group> <group-id> {[ENTRIESREAD <integer>]}", 2),
    row("XGROUP DESTROY <key> <group>", 1),
    row("XGROUP CREATECONSUMER <key> <group> <consumer>", 2),
    row("XGROUP DELCONSUMER <key> <group> <consumer>", 1),
    row("XREADGROUP GROUP <group> <consumer> {[COUNT <integer>] [NOACK]} STREAMS <key> >", 10),
    row("XREADGROUP GROUP <group> <consumer> {[COUNT <integer>]} STREAMS <key> <id>", 4),
    row("XREADGROUP GROUP <group> <consumer> STREAMS <key> <key> > >", 4),
    row("XACK <key> <group> (<id>)+", 4),
    row("XPENDING <key> <group>", 4),
    row("XPENDING <key> <group> [IDLE <idle>] <id-bound> <id-bound> <integer> [<consumer>]", 4),
    row(
        "XCLAIM <key> <group> <consumer> <idle> (<id>)+ {[FORCE] [JUSTID] [RETRYCOUNT <integer>]}",
        6,
    ),
    row(
        "XCLAIM <key> <group> <consumer> <idle> <id> \
         {[IDLE <idle>] [TIME <integer>] [LASTID <id>]}",
        2,
    ),
    row("XAUTOCLAIM <key> <group> <consumer> <idle> <id-bound> {[COUNT <integer>] [JUSTID]}", 6),
];

/// Ids as they are given to entries.
pub const IDS: &[&str] = &[
    "1-1",
    "1-2",
    "1-*",
    "2-0",
    "2-*",
    "3",
    "3-1",
    "4-4",
    "5-*",
    "6-1",
    "7-18446744073709551615",
    "8-*",
    "8-1",
    "9-*",
    "10-1",
    "11",
    "12-*",
    "13-1",
    "14-*",
    "20-1",
];

/// Ids that are none, or are hardly one.
pub const BAD_IDS: &[&str] = &[
    "0-0",
    "0",
    "0-*",
    "-",
    "",
    "(1-1",
    "*-1",
    "1-1-1",
    "a",
    "1-a",
    "-1",
    "01-1",
    "1-01",
    "1--1",
    " 1-1",
    "+1-1",
    "1-+1",
    "18446744073709551616-0",
    "18446744073709551615-18446744073709551615",
    "1-1\0",
];

/// Where ranges begin or end.
pub const ENDS: &[&str] = &[
    "-",
    "+",
    "-",
    "+",
    "1",
    "(1-1",
    "(1",
    "2-0",
    "(3",
    "5",
    "(5-1",
    "7",
    "(7-18446744073709551615",
    "(0-0",
    "(",
    "(-",
    "(+",
    "99",
    "18446744073709551615",
    "(18446744073709551615",
];
