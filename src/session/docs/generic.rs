//! Arguments and history of the commands on keys of any type.

use super::{
    Argument, Docs, Kind, argument, block, change, docs, integer, key, one_of, pattern, string,
    token, unix_time,
};

/// When the expiry is set: without one, with one, or if it moves this way.
const EXPIRE_CONDITION: Argument =
    one_of("condition", &[token("NX"), token("XX"), token("GT"), token("LT")])
        .since("7.0.0")
        .optional();

const DERIVED: &str = "The elements of the key that is sorted name them.";
const STORED: &str = "The keyword may stand at any place.";

const SORT_AND_STORE: &[Argument] = &[
    key("key"),
    WEIGHTS,
    LIMIT,
    VALUES,
    ORDER,
    SORTING,
    key("destination").found_by(2).token("STORE").optional(),
];
const SORT_ONLY: &[Argument] = &[key("key"), WEIGHTS, LIMIT, VALUES, ORDER, SORTING];

const WEIGHTS: Argument = pattern("by-pattern").found_by(1).token("BY").optional();
const LIMIT: Argument =
    block("limit", &[integer("offset"), integer("count")]).token("LIMIT").optional();
const VALUES: Argument =
    pattern("get-pattern").found_by(1).token("GET").optional().multiple().multiple_token();
const ORDER: Argument = one_of("order", &[token("ASC"), token("DESC")]).optional();
const SORTING: Argument = argument("sorting", Kind::PureToken).token("ALPHA").optional();

/// One entry per row of the family.
pub const DOCS: &[Docs] = &[
    docs("COPY").arguments(&[
        key("source"),
        key("destination").found_by(1),
        integer("destination-db").token("DB").optional(),
        token("REPLACE").optional(),
    ]),
    docs("DEL").arguments(&[key("key").multiple()]),
    docs("EXISTS")
        .arguments(&[key("key").multiple()])
        .history(&[change("3.0.3", "Takes several keys.")]),
    docs("EXPIRE")
        .arguments(&[key("key"), integer("seconds"), EXPIRE_CONDITION])
        .history(&[change("7.0.0", "The conditions `NX`, `XX`, `GT` and `LT` came.")]),
    docs("EXPIREAT")
        .arguments(&[key("key"), unix_time("unix-time-seconds"), EXPIRE_CONDITION])
        .history(&[change("7.0.0", "The conditions `NX`, `XX`, `GT` and `LT` came.")]),
    docs("EXPIRETIME").arguments(&[key("key")]),
    docs("KEYS").arguments(&[pattern("pattern")]),
    docs("MOVE").arguments(&[key("key"), integer("db")]),
    docs("OBJECT"),
    docs("OBJECT|ENCODING").arguments(&[key("key")]),
    docs("OBJECT|FREQ").arguments(&[key("key")]),
    docs("OBJECT|HELP"),
    docs("OBJECT|IDLETIME").arguments(&[key("key")]),
    docs("OBJECT|REFCOUNT").arguments(&[key("key")]),
    docs("PERSIST").arguments(&[key("key")]),
    docs("PEXPIRE")
        .arguments(&[key("key"), integer("milliseconds"), EXPIRE_CONDITION])
        .history(&[change("7.0.0", "The conditions `NX`, `XX`, `GT` and `LT` came.")]),
    docs("PEXPIREAT")
        .arguments(&[key("key"), unix_time("unix-time-milliseconds"), EXPIRE_CONDITION])
        .history(&[change("7.0.0", "The conditions `NX`, `XX`, `GT` and `LT` came.")]),
    docs("PEXPIRETIME").arguments(&[key("key")]),
    docs("PTTL").arguments(&[key("key")]).history(&[change(
        "2.8.0",
        "A missing key is told from one that never expires: -2 against -1.",
    )]),
    docs("RANDOMKEY"),
    docs("RENAME").arguments(&[key("key"), key("newkey").found_by(1)]),
    docs("RENAMENX")
        .arguments(&[key("key"), key("newkey").found_by(1)])
        .history(&[change("3.2.0", "The same name twice is no error any more.")]),
    docs("SCAN")
        .arguments(&[
            integer("cursor"),
            pattern("pattern").token("MATCH").optional(),
            integer("count").token("COUNT").optional(),
            string("type").token("TYPE").since("6.0.0").optional(),
        ])
        .history(&[change("6.0.0", "The filter `TYPE` came.")]),
    docs("SORT").arguments(SORT_AND_STORE).key_notes(&["", DERIVED, STORED]),
    docs("SORT_RO").arguments(SORT_ONLY).key_notes(&["", DERIVED]),
    docs("TOUCH").arguments(&[key("key").multiple()]),
    docs("TTL").arguments(&[key("key")]).history(&[change(
        "2.8.0",
        "A missing key is told from one that never expires: -2 against -1.",
    )]),
    docs("TYPE").arguments(&[key("key")]),
    docs("UNLINK").arguments(&[key("key").multiple()]),
];
