//! Arguments and history of the cluster commands.

use super::{Docs, change, docs, integer, string};

/// One entry per row of the family.
pub const DOCS: &[Docs] = &[
    docs("ASKING"),
    docs("CLUSTER"),
    docs("CLUSTER|COUNTKEYSINSLOT").arguments(&[integer("slot")]),
    docs("CLUSTER|GETKEYSINSLOT").arguments(&[integer("slot"), integer("count")]),
    docs("CLUSTER|HELP"),
    docs("CLUSTER|INFO"),
    docs("CLUSTER|KEYSLOT").arguments(&[string("key")]),
    docs("CLUSTER|LINKS"),
    docs("CLUSTER|MYID"),
    docs("CLUSTER|MYSHARDID"),
    docs("CLUSTER|NODES"),
    docs("CLUSTER|SHARDS"),
    docs("CLUSTER|SLOTS")
        .history(&[
            change("4.0.0", "Shows the ids of the nodes."),
            change("7.0.0", "Shows further addresses of the nodes."),
        ])
        .deprecated("7.0.0", "`CLUSTER SHARDS`"),
    docs("READONLY"),
    docs("READWRITE"),
];
