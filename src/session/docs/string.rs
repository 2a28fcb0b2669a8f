//! Arguments and history of the string commands.

use super::{
    Argument, Docs, block, change, docs, double, integer, key, one_of, string, token, unix_time,
};

/// Expiry in so many seconds.
const SECONDS: Argument = integer("seconds").token("EX");

/// Expiry in so many milliseconds.
const MILLISECONDS: Argument = integer("milliseconds").token("PX");

/// Expiry at a time, in seconds.
const UNIX_SECONDS: Argument = unix_time("unix-time-seconds").token("EXAT");

/// Expiry at a time, in milliseconds.
const UNIX_MILLISECONDS: Argument = unix_time("unix-time-milliseconds").token("PXAT");

/// A new expiry, or none.
const EXPIRATION_OR_PERSIST: Argument = one_of(
    "expiration",
    &[SECONDS, MILLISECONDS, UNIX_SECONDS, UNIX_MILLISECONDS, token("PERSIST")],
)
.optional();

/// What the value must be, or must not be, itself or by its digest.
const VALUE_CONDITION: Argument = one_of(
    "condition",
    &[
        string("ifeq-value").token("IFEQ"),
        string("ifne-value").token("IFNE"),
        string("ifdeq-digest").token("IFDEQ"),
        string("ifdne-digest").token("IFDNE"),
    ],
)
.optional();

/// Keys, each followed by its value.
const PAIRS: Argument = block("data", &[key("key"), string("value")]).multiple();

/// One entry per row of the family.
pub const DOCS: &[Docs] = &[
    docs("APPEND").arguments(&[key("key"), string("value")]),
    docs("DECR").arguments(&[key("key")]),
    docs("DECRBY").arguments(&[key("key"), integer("decrement")]),
    docs("DELEX").arguments(&[key("key"), VALUE_CONDITION]),
    docs("DIGEST").arguments(&[key("key")]),
    docs("GET").arguments(&[key("key")]),
    docs("GETDEL").arguments(&[key("key")]),
    docs("GETEX")
        .arguments(&[key("key"), EXPIRATION_OR_PERSIST])
        .key_notes(&["The time to live is what changes."]),
    docs("GETRANGE").arguments(&[key("key"), integer("start"), integer("end")]),
    docs("GETSET")
        .arguments(&[key("key"), string("value")])
        .deprecated("6.2.0", "`SET` with `GET`"),
    docs("INCR").arguments(&[key("key")]),
    docs("INCRBY").arguments(&[key("key"), integer("increment")]),
    docs("INCRBYFLOAT").arguments(&[key("key"), double("increment")]),
    docs("INCREX").arguments(&[
        key("key"),
        one_of("increment", &[double("float").token("BYFLOAT"), integer("integer").token("BYINT")])
            .optional(),
        token("SATURATE").optional(),
        string("lowerbound").token("LBOUND").optional(),
        string("upperbound").token("UBOUND").optional(),
        EXPIRATION_OR_PERSIST,
        token("ENX").optional(),
    ]),
    docs("LCS").arguments(&[
        key("key1"),
        key("key2"),
        token("LEN").optional(),
        token("IDX").optional(),
        integer("min-match-len").token("MINMATCHLEN").optional(),
        token("WITHMATCHLEN").optional(),
    ]),
    docs("MGET").arguments(&[key("key").multiple()]),
    docs("MSET").arguments(&[PAIRS]),
    docs("MSETEX").arguments(&[
        integer("numkeys"),
        PAIRS,
        one_of("condition", &[token("NX"), token("XX")]).optional(),
        one_of(
            "expiration",
            &[SECONDS, MILLISECONDS, UNIX_SECONDS, UNIX_MILLISECONDS, token("KEEPTTL")],
        )
        .optional(),
    ]),
    docs("MSETNX").arguments(&[PAIRS]),
    docs("PSETEX")
        .arguments(&[key("key"), integer("milliseconds"), string("value")])
        .deprecated("2.6.12", "`SET` with `PX`"),
    docs("SET")
        .arguments(&[
            key("key"),
            string("value"),
            one_of(
                "condition",
                &[
                    token("NX"),
                    token("XX"),
                    string("ifeq-value").token("IFEQ").since("8.4.0"),
                    string("ifne-value").token("IFNE").since("8.4.0"),
                    string("ifdeq-digest").token("IFDEQ").since("8.4.0"),
                    string("ifdne-digest").token("IFDNE").since("8.4.0"),
                ],
            )
            .since("2.6.12")
            .optional(),
            token("GET").since("6.2.0").optional(),
            one_of(
                "expiration",
                &[
                    integer("seconds").token("EX").since("2.6.12"),
                    integer("milliseconds").token("PX").since("2.6.12"),
                    unix_time("unix-time-seconds").token("EXAT").since("6.2.0"),
                    unix_time("unix-time-milliseconds").token("PXAT").since("6.2.0"),
                    token("KEEPTTL").since("6.0.0"),
                ],
            )
            .optional(),
        ])
        .history(&[
            change("2.6.12", "The options `EX`, `PX`, `NX` and `XX` came."),
            change("6.0.0", "The option `KEEPTTL` came."),
            change("6.2.0", "The options `GET`, `EXAT` and `PXAT` came."),
            change("7.0.0", "`NX` and `GET` may stand together."),
            change("8.4.0", "The conditions `IFEQ`, `IFNE`, `IFDEQ` and `IFDNE` came."),
        ])
        .key_notes(&["Reads the value only with `GET`."]),
    docs("SETEX")
        .arguments(&[key("key"), integer("seconds"), string("value")])
        .deprecated("2.6.12", "`SET` with `EX`"),
    docs("SETNX").arguments(&[key("key"), string("value")]).deprecated("2.6.12", "`SET` with `NX`"),
    docs("SETRANGE").arguments(&[key("key"), integer("offset"), string("value")]),
    docs("STRLEN").arguments(&[key("key")]),
    docs("SUBSTR")
        .arguments(&[key("key"), integer("start"), integer("end")])
        .deprecated("2.0.0", "`GETRANGE`"),
];
