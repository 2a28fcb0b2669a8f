//! Arguments and history of the commands on the connection.

use super::{Docs, block, change, docs, integer, one_of, string, token};

/// One entry per row of the family.
pub const DOCS: &[Docs] = &[
    docs("AUTH")
        .arguments(&[string("username").since("6.0.0").optional(), string("password")])
        .history(&[change("6.0.0", "Takes a user name before the password.")]),
    docs("CLIENT"),
    docs("CLIENT|GETNAME"),
    docs("CLIENT|GETREDIR"),
    docs("CLIENT|HELP"),
    docs("CLIENT|ID"),
    docs("CLIENT|INFO"),
    docs("CLIENT|KILL")
        .arguments(&[one_of(
            "filter",
            &[
                string("old-format").deprecated_since("2.8.12"),
                one_of(
                    "new-format",
                    &[
                        integer("client-id").token("ID").since("2.8.12").optional(),
                        one_of(
                            "client-type",
                            &[
                                token("NORMAL"),
                                token("MASTER").since("3.2.0"),
                                token("SLAVE"),
                                token("REPLICA").since("5.0.0"),
                                token("PUBSUB"),
                            ],
                        )
                        .token("TYPE")
                        .since("2.8.12")
                        .optional(),
                        string("username").token("USER").optional(),
                        string("addr").token("ADDR").optional(),
                        string("laddr").token("LADDR").since("6.2.0").optional(),
                        one_of("skipme", &[token("YES"), token("NO")]).token("SKIPME").optional(),
                        integer("maxage").token("MAXAGE").since("7.4.0").optional(),
                    ],
                )
                .multiple(),
            ],
        )])
        .history(&[
            change("2.8.12", "Clients can be chosen by filters."),
            change("2.8.12", "The filter `ID` came."),
            change("3.2.0", "`TYPE` knows `master`."),
            change("5.0.0", "`TYPE` knows `replica`, and still `slave`."),
            change("6.2.0", "The filter `LADDR` came."),
            change("7.4.0", "The filter `MAXAGE` came."),
        ]),
    docs("CLIENT|LIST")
        .arguments(&[
            one_of(
                "client-type",
                &[token("NORMAL"), token("MASTER"), token("REPLICA"), token("PUBSUB")],
            )
            .token("TYPE")
            .since("5.0.0")
            .optional(),
            integer("client-id").token("ID").since("6.2.0").optional().multiple(),
        ])
        .history(&[
            change("2.8.12", "Shows the `id` of each client."),
            change("5.0.0", "The filter `TYPE` came."),
            change("6.0.0", "Shows `user`."),
            change(
                "6.2.0",
                "Shows `argv-mem`, `tot-mem`, `laddr` and `redir`; the filter `ID` came.",
            ),
            change("7.0.0", "Shows `resp`, `multi-mem`, `rbs` and `rbp`."),
            change("7.0.3", "Shows `ssub`."),
        ]),
    docs("CLIENT|NO-EVICT").arguments(&[one_of("enabled", &[token("ON"), token("OFF")])]),
    docs("CLIENT|NO-TOUCH").arguments(&[one_of("enabled", &[token("ON"), token("OFF")])]),
    docs("CLIENT|PAUSE")
        .arguments(&[
            integer("timeout"),
            one_of("mode", &[token("WRITE"), token("ALL")]).since("6.2.0").optional(),
        ])
        .history(&[change("6.2.0", "The mode can be chosen, `WRITE` or `ALL`.")]),
    docs("CLIENT|REPLY")
        .arguments(&[one_of("action", &[token("ON"), token("OFF"), token("SKIP")])]),
    docs("CLIENT|SETINFO").arguments(&[one_of(
        "attr",
        &[string("libname").token("LIB-NAME"), string("libver").token("LIB-VER")],
    )]),
    docs("CLIENT|SETNAME").arguments(&[string("connection-name")]),
    docs("CLIENT|TRACKINGINFO"),
    docs("CLIENT|UNBLOCK").arguments(&[
        integer("client-id"),
        one_of("unblock-type", &[token("TIMEOUT"), token("ERROR")]).optional(),
    ]),
    docs("CLIENT|UNPAUSE"),
    docs("ECHO").arguments(&[string("message")]),
    docs("HELLO")
        .arguments(&[block(
            "arguments",
            &[
                integer("protover"),
                block("auth", &[string("username"), string("password")]).token("AUTH").optional(),
                string("clientname").token("SETNAME").optional(),
            ],
        )
        .optional()])
        .history(&[change("6.2.0", "Without a version it only describes the connection.")]),
    docs("PING").arguments(&[string("message").optional()]),
    docs("QUIT").deprecated("7.2.0", "closing the connection"),
    docs("RESET"),
    docs("SELECT").arguments(&[integer("index")]),
];
