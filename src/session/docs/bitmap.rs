//! Arguments and history of the bitmap commands.

use super::{Argument, Docs, block, change, docs, integer, key, one_of, string, token};

/// Whether positions count bytes or bits.
const UNIT: Argument = one_of("unit", &[token("BYTE"), token("BIT")]).since("7.0.0").optional();

/// One field to be read.
const GET: Argument = block("get-block", &[string("encoding"), integer("offset")]).token("GET");

/// One entry per row of the family.
pub const DOCS: &[Docs] = &[
    docs("BITCOUNT")
        .arguments(&[
            key("key"),
            block("range", &[integer("start"), integer("end"), UNIT]).optional(),
        ])
        .history(&[change("7.0.0", "The units `BYTE` and `BIT` came.")]),
    docs("BITFIELD")
        .arguments(&[
            key("key"),
            one_of(
                "operation",
                &[
                    GET,
                    block(
                        "write",
                        &[
                            one_of("overflow-block", &[token("WRAP"), token("SAT"), token("FAIL")])
                                .token("OVERFLOW")
                                .optional(),
                            one_of(
                                "write-operation",
                                &[
                                    block(
                                        "set-block",
                                        &[string("encoding"), integer("offset"), integer("value")],
                                    )
                                    .token("SET"),
                                    block(
                                        "incrby-block",
                                        &[
                                            string("encoding"),
                                            integer("offset"),
                                            integer("increment"),
                                        ],
                                    )
                                    .token("INCRBY"),
                                ],
                            ),
                        ],
                    ),
                ],
            )
            .optional()
            .multiple(),
        ])
        .key_notes(&["Only reads if every operation is a `GET`."]),
    docs("BITFIELD_RO").arguments(&[key("key"), GET.optional().multiple().multiple_token()]),
    docs("BITOP")
        .arguments(&[
            one_of(
                "operation",
                &[
                    token("AND"),
                    token("OR"),
                    token("XOR"),
                    token("NOT"),
                    token("DIFF"),
                    token("DIFF1"),
                    token("ANDOR"),
                    token("ONE"),
                ],
            ),
            key("destkey"),
            key("key").found_by(1).multiple(),
        ])
        .history(&[change("8.2.0", "`DIFF`, `DIFF1`, `ANDOR` and `ONE` came.")]),
    docs("BITPOS")
        .arguments(&[
            key("key"),
            integer("bit"),
            block(
                "range",
                &[integer("start"), block("end-unit-block", &[integer("end"), UNIT]).optional()],
            )
            .optional(),
        ])
        .history(&[change("7.0.0", "The units `BYTE` and `BIT` came.")]),
    docs("GETBIT").arguments(&[key("key"), integer("offset")]),
    docs("SETBIT").arguments(&[key("key"), integer("offset"), integer("value")]),
];
