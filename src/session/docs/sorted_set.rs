//! The sorted set commands.

use super::*;

const CONDITION: Argument =
    one_of("condition", &[token("NX"), token("XX")]).since("3.0.2").optional();

/// Members with their scores.
const PAIRS: Argument = block("data", &[double("score"), string("member")]).multiple();

const LIMIT: Argument =
    block("limit", &[integer("offset"), integer("count")]).token("LIMIT").optional();

const LIMIT_OF_ZRANGE: Argument = LIMIT.since("6.2.0");

const SORT_BY: Argument = one_of("sortby", &[token("BYSCORE"), token("BYLEX")]).optional();

const WITH_SCORES: Argument = token("WITHSCORES").optional();

const WEIGHTS: Argument = integer("weight").token("WEIGHTS").multiple().optional();

const AGGREGATE: Argument =
    one_of("aggregate", &[token("SUM"), token("MIN"), token("MAX"), token("COUNT").since("8.8.0")])
        .token("AGGREGATE")
        .optional();

/// The inputs of a command that answers its result.
const INPUTS: Argument = key("key").multiple();

/// The inputs of a command that stores its result.
const SOURCES: Argument = key("key").found_by(1).multiple();

const COUNT_CAME: Change = change("8.8.0", "The aggregate `COUNT` came.");

const FRACTIONS: &[Change] =
    &[change("6.0.0", "The timeout may have a fraction, not only whole seconds.")];

const END: Argument = one_of("where", &[token("MIN"), token("MAX")]);

/// One entry per row of the family.
pub const DOCS: &[Docs] = &[
    docs("BZMPOP").arguments(&[
        double("timeout"),
        integer("numkeys"),
        key("key").multiple(),
        END,
        integer("count").token("COUNT").optional(),
    ]),
    docs("BZPOPMAX").arguments(&[key("key").multiple(), double("timeout")]).history(FRACTIONS),
    docs("BZPOPMIN").arguments(&[key("key").multiple(), double("timeout")]).history(FRACTIONS),
    docs("ZADD")
        .arguments(&[
            key("key"),
            CONDITION,
            one_of("comparison", &[token("GT"), token("LT")]).since("6.2.0").optional(),
            token("CH").since("3.0.2").optional(),
            token("INCR").since("3.0.2").optional(),
            PAIRS,
        ])
        .history(&[
            change("2.4.0", "Several members may be given."),
            change("3.0.2", "The options `XX`, `NX`, `CH` and `INCR` came."),
            change("6.2.0", "The options `GT` and `LT` came."),
        ]),
    docs("ZCARD").arguments(&[key("key")]),
    docs("ZCOUNT").arguments(&[key("key"), double("min"), double("max")]),
    docs("ZDIFF").arguments(&[integer("numkeys"), INPUTS, WITH_SCORES]),
    docs("ZDIFFSTORE").arguments(&[key("destination"), integer("numkeys"), SOURCES]),
    docs("ZINCRBY").arguments(&[key("key"), integer("increment"), string("member")]),
    docs("ZINTER")
        .arguments(&[integer("numkeys"), INPUTS, WEIGHTS, AGGREGATE, WITH_SCORES])
        .history(&[COUNT_CAME]),
    docs("ZINTERCARD").arguments(&[
        integer("numkeys"),
        INPUTS,
        integer("limit").token("LIMIT").optional(),
    ]),
    docs("ZINTERSTORE")
        .arguments(&[key("destination"), integer("numkeys"), SOURCES, WEIGHTS, AGGREGATE])
        .history(&[COUNT_CAME]),
    docs("ZLEXCOUNT").arguments(&[key("key"), string("min"), string("max")]),
    docs("ZMPOP").arguments(&[
        integer("numkeys"),
        INPUTS,
        END,
        integer("count").token("COUNT").optional(),
    ]),
    docs("ZMSCORE").arguments(&[key("key"), string("member").multiple()]),
    docs("ZPOPMAX").arguments(&[key("key"), integer("count").optional()]),
    docs("ZPOPMIN").arguments(&[key("key"), integer("count").optional()]),
    docs("ZRANDMEMBER")
        .arguments(&[key("key"), block("options", &[integer("count"), WITH_SCORES]).optional()]),
    docs("ZRANGE")
        .arguments(&[
            key("key"),
            string("start"),
            string("stop"),
            SORT_BY.since("6.2.0"),
            token("REV").since("6.2.0").optional(),
            LIMIT_OF_ZRANGE,
            WITH_SCORES,
        ])
        .history(&[change("6.2.0", "The options `REV`, `BYSCORE`, `BYLEX` and `LIMIT` came.")]),
    docs("ZRANGEBYLEX")
        .arguments(&[key("key"), string("min"), string("max"), LIMIT])
        .deprecated("6.2.0", "`ZRANGE` with the `BYLEX` argument"),
    docs("ZRANGEBYSCORE")
        .arguments(&[key("key"), double("min"), double("max"), WITH_SCORES.since("2.0.0"), LIMIT])
        .history(&[change("2.0.0", "The option `WITHSCORES` came.")])
        .deprecated("6.2.0", "`ZRANGE` with the `BYSCORE` argument"),
    docs("ZRANGESTORE").arguments(&[
        key("dst"),
        key("src").found_by(1),
        string("min"),
        string("max"),
        SORT_BY,
        token("REV").optional(),
        LIMIT,
    ]),
    docs("ZRANK")
        .arguments(&[key("key"), string("member"), token("WITHSCORE").optional()])
        .history(&[change("7.2.0", "The option `WITHSCORE` came.")]),
    docs("ZREM")
        .arguments(&[key("key"), string("member").multiple()])
        .history(&[change("2.4.0", "Several members may be given.")]),
    docs("ZREMRANGEBYLEX").arguments(&[key("key"), string("min"), string("max")]),
    docs("ZREMRANGEBYRANK").arguments(&[key("key"), integer("start"), integer("stop")]),
    docs("ZREMRANGEBYSCORE").arguments(&[key("key"), double("min"), double("max")]),
    docs("ZREVRANGE")
        .arguments(&[key("key"), integer("start"), integer("stop"), WITH_SCORES])
        .deprecated("6.2.0", "`ZRANGE` with the `REV` argument"),
    docs("ZREVRANGEBYLEX")
        .arguments(&[key("key"), string("max"), string("min"), LIMIT])
        .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments"),
    docs("ZREVRANGEBYSCORE")
        .arguments(&[key("key"), double("max"), double("min"), WITH_SCORES, LIMIT])
        .history(&[change("2.1.6", "`min` and `max` may exclude themselves.")])
        .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments"),
    docs("ZREVRANK")
        .arguments(&[key("key"), string("member"), token("WITHSCORE").optional()])
        .history(&[change("7.2.0", "The option `WITHSCORE` came.")]),
    docs("ZSCAN").arguments(&[
        key("key"),
        integer("cursor"),
        pattern("pattern").token("MATCH").optional(),
        integer("count").token("COUNT").optional(),
    ]),
    docs("ZSCORE").arguments(&[key("key"), string("member")]),
    docs("ZUNION")
        .arguments(&[integer("numkeys"), INPUTS, WEIGHTS, AGGREGATE, WITH_SCORES])
        .history(&[COUNT_CAME]),
    docs("ZUNIONSTORE")
        .arguments(&[key("destination"), integer("numkeys"), SOURCES, WEIGHTS, AGGREGATE])
        .history(&[COUNT_CAME]),
];
