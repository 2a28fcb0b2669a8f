//! Arguments and history of the list commands.

use super::{Argument, Docs, block, change, docs, double, integer, key, one_of, string, token};

/// The ends of a list.
const ENDS: &[Argument] = &[token("LEFT"), token("RIGHT")];

const SOURCE: Argument = key("source");
const DESTINATION: Argument = key("destination").found_by(1);

/// How many elements move, and how they stand afterwards.
const HOW_MANY: Argument = block(
    "how-many",
    &[
        one_of("selector", &[integer("count").token("COUNT"), integer("exactly").token("EXACTLY")]),
        one_of("ordering", &[token("OBO"), token("BULK")]),
    ],
)
.optional();

const TIMEOUT: Argument = double("timeout");
const FRACTIONS: &[super::Change] =
    &[change("6.0.0", "The timeout may have a fraction, not only whole seconds.")];

const ELEMENTS: &[Argument] = &[key("key"), string("element").multiple()];
const SEVERAL_PUSHED: &[super::Change] = &[change("2.4.0", "May add several elements.")];
const SEVERAL_PUSHED_X: &[super::Change] = &[change("4.0.0", "May add several elements.")];
const POPPED: &[Argument] = &[key("key"), integer("count").since("6.2.0").optional()];
const SEVERAL_POPPED: &[super::Change] = &[change("6.2.0", "The argument `count` came.")];

/// Every list command.
pub const DOCS: &[Docs] = &[
    docs("BLMOVE").arguments(&[
        SOURCE,
        DESTINATION,
        one_of("wherefrom", ENDS),
        one_of("whereto", ENDS),
        TIMEOUT,
    ]),
    docs("BLMOVEM").arguments(&[
        SOURCE,
        DESTINATION,
        one_of("wherefrom", ENDS),
        one_of("whereto", ENDS),
        TIMEOUT,
        HOW_MANY,
    ]),
    docs("BLMPOP").arguments(&[
        TIMEOUT,
        integer("numkeys"),
        key("key").multiple(),
        one_of("where", ENDS),
        integer("count").token("COUNT").optional(),
    ]),
    docs("BLPOP").arguments(&[key("key").multiple(), TIMEOUT]).history(FRACTIONS),
    docs("BRPOP").arguments(&[key("key").multiple(), TIMEOUT]).history(FRACTIONS),
    docs("BRPOPLPUSH")
        .arguments(&[SOURCE, DESTINATION, TIMEOUT])
        .history(FRACTIONS)
        .deprecated("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments"),
    docs("LINDEX").arguments(&[key("key"), integer("index")]),
    docs("LINSERT").arguments(&[
        key("key"),
        one_of("where", &[token("BEFORE"), token("AFTER")]),
        string("pivot"),
        string("element"),
    ]),
    docs("LLEN").arguments(&[key("key")]),
    docs("LMOVE").arguments(&[
        SOURCE,
        DESTINATION,
        one_of("wherefrom", ENDS),
        one_of("whereto", ENDS),
    ]),
    docs("LMOVEM").arguments(&[
        SOURCE,
        DESTINATION,
        one_of("wherefrom", ENDS),
        one_of("whereto", ENDS),
        HOW_MANY,
    ]),
    docs("LMPOP").arguments(&[
        integer("numkeys"),
        key("key").multiple(),
        one_of("where", ENDS),
        integer("count").token("COUNT").optional(),
    ]),
    docs("LPOP").arguments(POPPED).history(SEVERAL_POPPED),
    docs("LPOS").arguments(&[
        key("key"),
        string("element"),
        integer("rank").token("RANK").optional(),
        integer("num-matches").token("COUNT").optional(),
        integer("len").token("MAXLEN").optional(),
    ]),
    docs("LPUSH").arguments(ELEMENTS).history(SEVERAL_PUSHED),
    docs("LPUSHX").arguments(ELEMENTS).history(SEVERAL_PUSHED_X),
    docs("LRANGE").arguments(&[key("key"), integer("start"), integer("stop")]),
    docs("LREM").arguments(&[key("key"), integer("count"), string("element")]),
    docs("LSET").arguments(&[key("key"), integer("index"), string("element")]),
    docs("LTRIM").arguments(&[key("key"), integer("start"), integer("stop")]),
    docs("RPOP").arguments(POPPED).history(SEVERAL_POPPED),
    docs("RPOPLPUSH")
        .arguments(&[SOURCE, DESTINATION])
        .deprecated("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments"),
    docs("RPUSH").arguments(ELEMENTS).history(SEVERAL_PUSHED),
    docs("RPUSHX").arguments(ELEMENTS).history(SEVERAL_PUSHED_X),
];
