//! Arguments and history of the hash commands.

use super::{
    Argument, Docs, block, change, docs, double, integer, key, one_of, pattern, string, token,
    unix_time,
};

const FIELDS: Argument =
    block("fields", &[integer("numfields"), string("field").multiple()]).token("FIELDS");

const PAIRS: Argument = block("data", &[string("field"), string("value")]).multiple();

/// NX and its like.
const CONDITION: Argument =
    one_of("condition", &[token("NX"), token("XX"), token("GT"), token("LT")]).optional();

const SECONDS: Argument = integer("seconds").token("EX");
const MILLISECONDS: Argument = integer("milliseconds").token("PX");
const UNIX_SECONDS: Argument = unix_time("unix-time-seconds").token("EXAT");
const UNIX_MILLISECONDS: Argument = unix_time("unix-time-milliseconds").token("PXAT");

/// One entry per row of the family.
pub const DOCS: &[Docs] = &[
    docs("HDEL")
        .arguments(&[key("key"), string("field").multiple()])
        .history(&[change("2.4.0", "Takes several fields.")]),
    docs("HEXISTS").arguments(&[key("key"), string("field")]),
    docs("HEXPIRE").arguments(&[key("key"), integer("seconds"), CONDITION, FIELDS]),
    docs("HEXPIREAT").arguments(&[key("key"), unix_time("unix-time-seconds"), CONDITION, FIELDS]),
    docs("HEXPIRETIME").arguments(&[key("key"), FIELDS]),
    docs("HGET").arguments(&[key("key"), string("field")]),
    docs("HGETALL").arguments(&[key("key")]),
    docs("HGETDEL").arguments(&[key("key"), FIELDS]),
    docs("HGETEX").arguments(&[
        key("key"),
        one_of(
            "expiration",
            &[SECONDS, MILLISECONDS, UNIX_SECONDS, UNIX_MILLISECONDS, token("PERSIST")],
        )
        .optional(),
        FIELDS,
    ]),
    docs("HIMPORT"),
    docs("HIMPORT|DISCARD").arguments(&[string("fieldset-name")]),
    docs("HIMPORT|DISCARDALL"),
    docs("HIMPORT|PREPARE").arguments(&[string("fieldset-name"), string("field").multiple()]),
    docs("HIMPORT|SET").arguments(&[
        key("key"),
        string("fieldset-name"),
        string("value").multiple(),
    ]),
    docs("HINCRBY").arguments(&[key("key"), string("field"), integer("increment")]),
    docs("HINCRBYFLOAT").arguments(&[key("key"), string("field"), double("increment")]),
    docs("HKEYS").arguments(&[key("key")]),
    docs("HLEN").arguments(&[key("key")]),
    docs("HMGET").arguments(&[key("key"), string("field").multiple()]),
    docs("HMSET")
        .arguments(&[key("key"), PAIRS])
        .deprecated("4.0.0", "`HSET` with multiple field-value pairs"),
    docs("HPERSIST").arguments(&[key("key"), FIELDS]),
    docs("HPEXPIRE").arguments(&[key("key"), integer("milliseconds"), CONDITION, FIELDS]),
    docs("HPEXPIREAT").arguments(&[
        key("key"),
        unix_time("unix-time-milliseconds"),
        CONDITION,
        FIELDS,
    ]),
    docs("HPEXPIRETIME").arguments(&[key("key"), FIELDS]),
    docs("HPTTL").arguments(&[key("key"), FIELDS]),
    docs("HRANDFIELD").arguments(&[
        key("key"),
        block("options", &[integer("count"), token("WITHVALUES").optional()]).optional(),
    ]),
    docs("HSCAN").arguments(&[
        key("key"),
        integer("cursor"),
        pattern("pattern").token("MATCH").optional(),
        integer("count").token("COUNT").optional(),
        token("NOVALUES").optional(),
    ]),
    docs("HSET")
        .arguments(&[key("key"), PAIRS])
        .history(&[change("4.0.0", "Takes several fields with values.")]),
    docs("HSETEX").arguments(&[
        key("key"),
        one_of("condition", &[token("FNX"), token("FXX")]).optional(),
        one_of(
            "expiration",
            &[SECONDS, MILLISECONDS, UNIX_SECONDS, UNIX_MILLISECONDS, token("KEEPTTL")],
        )
        .optional(),
        block("fields", &[integer("numfields"), PAIRS]).token("FIELDS"),
    ]),
    docs("HSETNX").arguments(&[key("key"), string("field"), string("value")]),
    docs("HSTRLEN").arguments(&[key("key"), string("field")]),
    docs("HTTL").arguments(&[key("key"), FIELDS]),
    docs("HVALS").arguments(&[key("key")]),
];
