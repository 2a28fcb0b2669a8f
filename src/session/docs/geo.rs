//! The geographic commands.

use super::*;

const UNIT: Argument = one_of("unit", &[token("M"), token("KM"), token("FT"), token("MI")]);

const COUNT: Argument =
    block("count-block", &[integer("count").token("COUNT"), token("ANY").optional()]).optional();

/// COUNT of the older commands, which had it before ANY came.
const COUNT_WITHOUT_ANY: Argument = block(
    "count-block",
    &[integer("count").token("COUNT"), token("ANY").since("6.2.0").optional()],
)
.optional();

const ORDER: Argument = one_of("order", &[token("ASC"), token("DESC")]).optional();

const WITH_PLACE: Argument = token("WITHCOORD").optional();
const WITH_DISTANCE: Argument = token("WITHDIST").optional();
const WITH_HASH: Argument = token("WITHHASH").optional();

const STORE: Argument = one_of(
    "store",
    &[
        key("storekey").found_by(1).token("STORE"),
        key("storedistkey").found_by(2).token("STOREDIST"),
    ],
)
.optional();

const FROM: Argument = one_of(
    "from",
    &[
        string("member").token("FROMMEMBER"),
        block("fromlonlat", &[double("longitude"), double("latitude")]).token("FROMLONLAT"),
    ],
);

const BY: Argument = one_of(
    "by",
    &[
        block("circle", &[double("radius").token("BYRADIUS"), UNIT]),
        block("box", &[double("width").token("BYBOX"), double("height"), UNIT]),
    ],
);

const HISTORY: &[Change] = &[
    change("6.2.0", "The option `ANY` of `COUNT` came."),
    change("7.0.0", "Units may be written in upper case."),
];

/// One entry per row of the family.
pub const DOCS: &[Docs] = &[
    docs("GEOADD")
        .arguments(&[
            key("key"),
            one_of("condition", &[token("NX"), token("XX")]).since("6.2.0").optional(),
            token("CH").since("6.2.0").optional(),
            block("data", &[double("longitude"), double("latitude"), string("member")]).multiple(),
        ])
        .history(&[change("6.2.0", "The options `CH`, `NX` and `XX` came.")]),
    docs("GEODIST").arguments(&[key("key"), string("member1"), string("member2"), UNIT.optional()]),
    docs("GEOHASH").arguments(&[key("key"), string("member").multiple().optional()]),
    docs("GEOPOS").arguments(&[key("key"), string("member").multiple().optional()]),
    docs("GEORADIUS")
        .arguments(&[
            key("key"),
            double("longitude"),
            double("latitude"),
            double("radius"),
            UNIT,
            WITH_PLACE,
            WITH_DISTANCE,
            WITH_HASH,
            COUNT_WITHOUT_ANY,
            ORDER,
            STORE,
        ])
        .history(HISTORY)
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument"),
    docs("GEORADIUSBYMEMBER")
        .arguments(&[
            key("key"),
            string("member"),
            double("radius"),
            UNIT,
            WITH_PLACE,
            WITH_DISTANCE,
            WITH_HASH,
            COUNT,
            ORDER,
            STORE,
        ])
        .history(HISTORY)
        .deprecated(
            "6.2.0",
            "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
        ),
    docs("GEORADIUSBYMEMBER_RO")
        .arguments(&[
            key("key"),
            string("member"),
            double("radius"),
            UNIT,
            WITH_PLACE,
            WITH_DISTANCE,
            WITH_HASH,
            COUNT,
            ORDER,
        ])
        .history(HISTORY)
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments"),
    docs("GEORADIUS_RO")
        .arguments(&[
            key("key"),
            double("longitude"),
            double("latitude"),
            double("radius"),
            UNIT,
            WITH_PLACE,
            WITH_DISTANCE,
            WITH_HASH,
            COUNT_WITHOUT_ANY,
            ORDER,
        ])
        .history(HISTORY)
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument"),
    docs("GEOSEARCH")
        .arguments(&[key("key"), FROM, BY, ORDER, COUNT, WITH_PLACE, WITH_DISTANCE, WITH_HASH])
        .history(&[change("7.0.0", "Units may be written in upper case.")]),
    docs("GEOSEARCHSTORE")
        .arguments(&[
            key("destination"),
            key("source").found_by(1),
            FROM,
            BY,
            ORDER,
            COUNT,
            token("STOREDIST").optional(),
        ])
        .history(&[change("7.0.0", "Units may be written in upper case.")]),
];
