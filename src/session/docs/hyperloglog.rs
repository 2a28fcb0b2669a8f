//! Arguments of the HyperLogLog commands.

use super::{Docs, docs, key, string};

/// One entry per row of the family.
pub const DOCS: &[Docs] = &[
    docs("PFADD").arguments(&[key("key"), string("element").optional().multiple()]),
    docs("PFCOUNT")
        .arguments(&[key("key").multiple()])
        .key_notes(&["Writes only the estimate that the value itself holds."]),
    docs("PFDEBUG").arguments(&[string("subcommand"), key("key")]).internal(),
    docs("PFMERGE")
        .arguments(&[key("destkey"), key("sourcekey").found_by(1).optional().multiple()]),
    docs("PFSELFTEST").internal(),
];
