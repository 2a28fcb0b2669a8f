//! Arguments and history of the commands on the server.

use super::{Argument, Docs, block, change, docs, integer, key, one_of, pattern, string, token};

/// Whether memory is freed at once or later.
const FLUSH_TYPE: Argument =
    one_of("flush-type", &[token("ASYNC").since("4.0.0"), token("SYNC").since("6.2.0")]).optional();

/// One entry per row of the family.
pub const DOCS: &[Docs] = &[
    docs("COMMAND"),
    docs("COMMAND|COUNT"),
    docs("COMMAND|DOCS").arguments(&[string("command-name").optional().multiple()]),
    docs("COMMAND|GETKEYS").arguments(&[string("command"), string("arg").multiple()]),
    docs("COMMAND|GETKEYSANDFLAGS").arguments(&[string("command"), string("arg").multiple()]),
    docs("COMMAND|HELP"),
    docs("COMMAND|INFO")
        .arguments(&[string("command-name").optional().multiple()])
        .history(&[change("7.0.0", "Without names it answers about every command.")]),
    docs("COMMAND|LIST").arguments(&[one_of(
        "filterby",
        &[
            string("module-name").token("MODULE"),
            string("category").token("ACLCAT"),
            pattern("pattern").token("PATTERN"),
        ],
    )
    .token("FILTERBY")
    .optional()]),
    docs("CONFIG"),
    docs("CONFIG|GET")
        .arguments(&[string("parameter").multiple()])
        .history(&[change("7.0.0", "Takes several patterns.")]),
    docs("CONFIG|HELP"),
    docs("CONFIG|RESETSTAT"),
    docs("CONFIG|REWRITE"),
    docs("CONFIG|SET")
        .arguments(&[block("data", &[string("parameter"), string("value")]).multiple()])
        .history(&[change("7.0.0", "Sets several parameters at once.")]),
    docs("DBSIZE"),
    docs("DEBUG").internal(),
    docs("FLUSHALL").arguments(&[FLUSH_TYPE]).history(&[
        change("4.0.0", "The modifier `ASYNC` came."),
        change("6.2.0", "The modifier `SYNC` came."),
    ]),
    docs("FLUSHDB").arguments(&[FLUSH_TYPE]).history(&[
        change("4.0.0", "The modifier `ASYNC` came."),
        change("6.2.0", "The modifier `SYNC` came."),
    ]),
    docs("INFO")
        .arguments(&[string("section").optional().multiple()])
        .history(&[change("7.0.0", "Takes several sections.")]),
    docs("LOLWUT").arguments(&[integer("version").token("VERSION").optional()]),
    docs("MEMORY"),
    docs("MEMORY|DOCTOR"),
    docs("MEMORY|HELP"),
    docs("MEMORY|MALLOC-STATS"),
    docs("MEMORY|PURGE"),
    docs("MEMORY|STATS"),
    docs("MEMORY|USAGE").arguments(&[key("key"), integer("count").token("SAMPLES").optional()]),
    docs("SHUTDOWN")
        .arguments(&[
            one_of("save-selector", &[token("NOSAVE"), token("SAVE")]).optional(),
            token("NOW").since("7.0.0").optional(),
            token("FORCE").since("7.0.0").optional(),
            token("ABORT").since("7.0.0").optional(),
        ])
        .history(&[change("7.0.0", "The modifiers `NOW`, `FORCE` and `ABORT` came.")]),
    docs("SWAPDB").arguments(&[integer("index1"), integer("index2")]),
    docs("TIME"),
];
