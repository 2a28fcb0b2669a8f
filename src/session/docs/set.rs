//! Arguments and history of the set commands.

use super::{Argument, Docs, change, docs, integer, key, pattern, string, token};

/// Several source sets.
const SOURCES: Argument = key("key").multiple();

/// How far to count.
const LIMIT: Argument = integer("limit").token("LIMIT").optional();

/// One entry per row of the family.
pub const DOCS: &[Docs] = &[
    docs("SADD")
        .arguments(&[key("key"), string("member").multiple()])
        .history(&[change("2.4.0", "Takes several members.")]),
    docs("SCARD").arguments(&[key("key")]),
    docs("SDIFF").arguments(&[SOURCES]),
    docs("SDIFFCARD").arguments(&[integer("numkeys"), SOURCES, LIMIT]),
    docs("SDIFFSTORE").arguments(&[key("destination"), SOURCES.found_by(1)]),
    docs("SINTER").arguments(&[SOURCES]),
    docs("SINTERCARD").arguments(&[integer("numkeys"), SOURCES, LIMIT]),
    docs("SINTERSTORE").arguments(&[key("destination"), SOURCES.found_by(1)]),
    docs("SISMEMBER").arguments(&[key("key"), string("member")]),
    docs("SMEMBERS").arguments(&[key("key")]),
    docs("SMISMEMBER").arguments(&[key("key"), string("member").multiple()]),
    docs("SMOVE").arguments(&[key("source"), key("destination").found_by(1), string("member")]),
    docs("SPOP")
        .arguments(&[key("key"), integer("count").since("3.2.0").optional()])
        .history(&[change("3.2.0", "Takes a count.")]),
    docs("SRANDMEMBER")
        .arguments(&[key("key"), integer("count").since("2.6.0").optional()])
        .history(&[change("2.6.0", "Takes a count.")]),
    docs("SREM")
        .arguments(&[key("key"), string("member").multiple()])
        .history(&[change("2.4.0", "Takes several members.")]),
    docs("SSCAN").arguments(&[
        key("key"),
        integer("cursor"),
        pattern("pattern").token("MATCH").optional(),
        integer("count").token("COUNT").optional(),
    ]),
    docs("SUNION").arguments(&[SOURCES]),
    docs("SUNIONCARD").arguments(&[integer("numkeys"), SOURCES, token("APPROX").optional(), LIMIT]),
    docs("SUNIONSTORE").arguments(&[key("destination"), SOURCES.found_by(1)]),
];
