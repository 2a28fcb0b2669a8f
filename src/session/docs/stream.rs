//! Arguments and history of the stream commands.

use super::{Argument, Docs, block, change, docs, integer, key, one_of, string, token, unix_time};

/// What becomes of mentions in consumer groups.
const REFERENCES: Argument =
    one_of("condition", &[token("KEEPREF"), token("DELREF"), token("ACKED")]).optional();

/// Ids with their number in front.
const IDS: Argument = block("ids", &[integer("numids"), string("id").multiple()]).token("IDS");

/// How old entries are told from others.
const STRATEGY: Argument = one_of("strategy", &[token("MAXLEN"), token("MINID").since("6.2.0")]);

/// Whether the threshold is exact.
const OPERATOR: Argument = one_of("operator", &[token("="), token("~")]).optional();

/// Most entries that are taken out.
const LIMIT: Argument = integer("count").token("LIMIT").since("6.2.0").optional();

/// One entry per row of the family.
pub const DOCS: &[Docs] = &[
    docs("XACK").arguments(&[key("key"), string("group"), string("id").multiple()]),
    docs("XACKDEL").arguments(&[key("key"), string("group"), REFERENCES, IDS]),
    docs("XADD")
        .arguments(&[
            key("key"),
            token("NOMKSTREAM").since("6.2.0").optional(),
            REFERENCES,
            one_of(
                "idmp",
                &[
                    string("pid").token("IDMPAUTO"),
                    block("idmp", &[string("pid"), string("iid")]).token("IDMP"),
                ],
            )
            .since("8.6.0")
            .optional(),
            block("trim", &[STRATEGY, OPERATOR, string("threshold"), LIMIT]).optional(),
            one_of("id-selector", &[token("*"), string("id")]),
            block("data", &[string("field"), string("value")]).multiple(),
        ])
        .history(&[
            change("6.2.0", "`NOMKSTREAM`, `MINID` and `LIMIT` came."),
            change("7.0.0", "The form `<ms>-*` of an id came."),
            change("8.2.0", "`KEEPREF`, `DELREF` and `ACKED` came."),
            change("8.6.0", "`IDMP` and `IDMPAUTO` came."),
        ])
        .key_notes(&["Entries are also taken out, by the options on trimming."]),
    docs("XAUTOCLAIM")
        .arguments(&[
            key("key"),
            string("group"),
            string("consumer"),
            string("min-idle-time"),
            string("start"),
            integer("count").token("COUNT").optional(),
            token("JUSTID").optional(),
        ])
        .history(&[change(
            "7.0.0",
            "The reply names the entries that are no longer in the stream.",
        )]),
    docs("XCFGSET").arguments(&[
        key("key"),
        integer("idmp-duration").token("IDMP-DURATION").optional(),
        integer("idmp-maxsize").token("IDMP-MAXSIZE").optional(),
    ]),
    docs("XCLAIM").arguments(&[
        key("key"),
        string("group"),
        string("consumer"),
        string("min-idle-time"),
        string("id").multiple(),
        integer("ms").token("IDLE").optional(),
        unix_time("unix-time-milliseconds").token("TIME").optional(),
        integer("count").token("RETRYCOUNT").optional(),
        token("FORCE").optional(),
        token("JUSTID").optional(),
        string("lastid").token("LASTID").optional(),
    ]),
    docs("XDEL").arguments(&[key("key"), string("id").multiple()]),
    docs("XDELEX").arguments(&[key("key"), REFERENCES, IDS]),
    docs("XGROUP"),
    docs("XGROUP|CREATE")
        .arguments(&[
            key("key"),
            string("group"),
            one_of("id-selector", &[string("id"), token("$")]),
            token("MKSTREAM").optional(),
            integer("entriesread").token("ENTRIESREAD").optional(),
        ])
        .history(&[change("7.0.0", "`ENTRIESREAD` came.")]),
    docs("XGROUP|CREATECONSUMER").arguments(&[key("key"), string("group"), string("consumer")]),
    docs("XGROUP|DELCONSUMER").arguments(&[key("key"), string("group"), string("consumer")]),
    docs("XGROUP|DESTROY").arguments(&[key("key"), string("group")]),
    docs("XGROUP|HELP"),
    docs("XGROUP|SETID")
        .arguments(&[
            key("key"),
            string("group"),
            one_of("id-selector", &[string("id"), token("$")]),
            integer("entriesread").token("ENTRIESREAD").optional(),
        ])
        .history(&[change("7.0.0", "`ENTRIESREAD` came.")]),
    docs("XIDMPRECORD").arguments(&[key("key"), string("pid"), string("iid"), string("stream-id")]),
    docs("XINFO"),
    docs("XINFO|CONSUMERS").arguments(&[key("key"), string("group")]).history(&[change(
        "7.2.0",
        "The field `inactive` came; `idle` begins with the last attempt.",
    )]),
    docs("XINFO|GROUPS")
        .arguments(&[key("key")])
        .history(&[change("7.0.0", "The fields `entries-read` and `lag` came.")]),
    docs("XINFO|HELP"),
    docs("XINFO|STREAM")
        .arguments(&[
            key("key"),
            block("full-block", &[token("FULL"), integer("count").token("COUNT").optional()])
                .optional(),
        ])
        .history(&[
            change("6.0.0", "`FULL` came."),
            change(
                "7.0.0",
                "The fields `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, \
                 `entries-read` and `lag` came.",
            ),
            change(
                "7.2.0",
                "The field `active-time` came; `seen-time` is that of the last attempt.",
            ),
        ]),
    docs("XLEN").arguments(&[key("key")]),
    docs("XNACK").arguments(&[
        key("key"),
        string("group"),
        one_of("mode", &[token("SILENT"), token("FAIL"), token("FATAL")]),
        IDS,
        integer("count").token("RETRYCOUNT").optional(),
        token("FORCE").optional(),
    ]),
    docs("XPENDING")
        .arguments(&[
            key("key"),
            string("group"),
            block(
                "filters",
                &[
                    integer("min-idle-time").token("IDLE").since("6.2.0").optional(),
                    string("start"),
                    string("end"),
                    integer("count"),
                    string("consumer").optional(),
                ],
            )
            .optional(),
        ])
        .history(&[change("6.2.0", "`IDLE` and exclusive ends of the range came.")]),
    docs("XRANGE")
        .arguments(&[
            key("key"),
            string("start"),
            string("end"),
            integer("count").token("COUNT").optional(),
        ])
        .history(&[change("6.2.0", "Exclusive ends of the range came.")]),
    docs("XREAD")
        .arguments(&[
            integer("count").token("COUNT").optional(),
            integer("maxcount").token("MAXCOUNT").since("8.10.0").optional(),
            integer("maxsize").token("MAXSIZE").since("8.10.0").optional(),
            integer("milliseconds").token("BLOCK").optional(),
            block("streams", &[key("key").multiple(), string("id").multiple()]).token("STREAMS"),
        ])
        .history(&[change("8.10.0", "`MAXCOUNT` and `MAXSIZE` came.")]),
    docs("XREADGROUP")
        .arguments(&[
            block("group-block", &[string("group"), string("consumer")]).token("GROUP"),
            integer("count").token("COUNT").optional(),
            integer("maxcount").token("MAXCOUNT").since("8.10.0").optional(),
            integer("maxsize").token("MAXSIZE").since("8.10.0").optional(),
            integer("milliseconds").token("BLOCK").optional(),
            integer("min-idle-time").token("CLAIM").since("8.4.0").optional(),
            token("NOACK").optional(),
            block("streams", &[key("key").multiple(), string("id").multiple()]).token("STREAMS"),
        ])
        .history(&[
            change("8.4.0", "`CLAIM` came."),
            change("8.10.0", "`MAXCOUNT` and `MAXSIZE` came."),
        ]),
    docs("XREVRANGE")
        .arguments(&[
            key("key"),
            string("end"),
            string("start"),
            integer("count").token("COUNT").optional(),
        ])
        .history(&[change("6.2.0", "Exclusive ends of the range came.")]),
    docs("XSETID")
        .arguments(&[
            key("key"),
            string("last-id"),
            integer("entries-added").token("ENTRIESADDED").since("7.0.0").optional(),
            string("max-deleted-id").token("MAXDELETEDID").since("7.0.0").optional(),
        ])
        .history(&[change("7.0.0", "`ENTRIESADDED` and `MAXDELETEDID` came.")]),
    docs("XTRIM")
        .arguments(&[
            key("key"),
            block("trim", &[STRATEGY, OPERATOR, string("threshold"), LIMIT, REFERENCES]),
        ])
        .history(&[
            change("6.2.0", "`MINID` and `LIMIT` came."),
            change("8.2.0", "`KEEPREF`, `DELREF` and `ACKED` came."),
        ]),
];
