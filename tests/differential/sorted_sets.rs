//! Templates of the commands on sorted sets and places, as Redis 7.0 has them, and when two replies
//! of theirs are equal.
//!
//! Invariant: ranges by member are asked of sets whose scores are all equal: of others their result
//! is not defined.

use crate::grammar::{Command, Row, row};
use crate::support::reply::Reply;

/// The rows.
pub const ROWS: &[Row] = &[
    row("ZADD <zkey> (<score> <member>)+", 14),
    row("ZADD <zkey> [NX|XX] [GT|LT] [CH] (<score> <member>)+", 8),
    row("ZADD <zkey> {[NX|XX] [GT|LT] [CH] INCR} <score> <member>", 6),
    row("ZINCRBY <zkey> <score> <member>", 5),
    row("ZADD <lkey> 0 <member> 0 <member> 0 <member>", 6),
    row("ZSCORE <zkey> <member>", 3),
    row("ZMSCORE <zkey> (<member>)+", 2),
    row("ZCARD <zkey>", 2),
    row("ZCOUNT <zkey> <limit> <limit>", 3),
    row("ZLEXCOUNT <lkey> <lex> <lex>", 3),
    row("ZRANK <zkey> <member>", 3),
    row("ZREVRANK <zkey> <member>", 3),
    row("ZRANGE <zkey> <rank> <rank> {[REV] [WITHSCORES]}", 5),
    row("ZRANGE <zkey> <limit> <limit> BYSCORE {[REV] [WITHSCORES] [LIMIT <rank> <rank>]}", 5),
    row("ZRANGE <lkey> <lex> <lex> BYLEX {[REV] [LIMIT <rank> <rank>]}", 5),
    row("ZRANGE <zkey> <rank> <rank> {[REV] [BYLEX] [BYSCORE] [WITHSCORES] [LIMIT 0 2]}", 2),
    row("ZRANGEBYSCORE <zkey> <limit> <limit> {[WITHSCORES] [LIMIT <rank> <rank>]}", 3),
    row("ZREVRANGEBYSCORE <zkey> <limit> <limit> {[WITHSCORES] [LIMIT <rank> <rank>]}", 3),
    row("ZRANGEBYLEX <lkey> <lex> <lex> {[LIMIT <rank> <rank>]}", 3),
    row("ZREVRANGEBYLEX <lkey> <lex> <lex> {[LIMIT <rank> <rank>]}", 3),
    row("ZREVRANGE <zkey> <rank> <rank> [WITHSCORES]", 3),
    row("ZRANGESTORE <zkey> <zkey> <rank> <rank> [REV]", 3),
    row("ZRANGESTORE <zkey> <zkey> <limit> <limit> BYSCORE [LIMIT <rank> <rank>]", 3),
    row("ZREM <zkey> (<member>)+", 4),
    row("ZREMRANGEBYRANK <zkey> <rank> <rank>", 2),
    row("ZREMRANGEBYSCORE <zkey> <limit> <limit>", 2),
    row("ZREMRANGEBYLEX <lkey> <lex> <lex>", 2),
    row("ZPOPMIN <zkey> [<rank>]", 2),
    row("ZPOPMAX <zkey> [<rank>]", 2),
    row("ZMPOP 3 <zkey> <zkey> <zkey> MIN [COUNT <rank>]", 3),
    row("ZMPOP 2 <zkey> <key> MAX [COUNT <rank>]", 2),
    row("ZMPOP <rank> <zkey> [MIN|MAX]", 1),
    row("ZRANDMEMBER <zkey> [<rank>] [WITHSCORES]", 2),
    row("ZSCAN <zkey> 0 COUNT 1000 {[MATCH <pattern>]}", 2),
    row("ZUNION 2 <zkey> <zkey> {[WEIGHTS <score> <score>] [AGGREGATE <how>] [WITHSCORES]}", 4),
    row("ZINTER 2 <zkey> <zkey> {[WEIGHTS <score> <score>] [AGGREGATE <how>] [WITHSCORES]}", 4),
    row("ZINTER 3 <zkey> <zkey> <key> {[AGGREGATE <how>] [WITHSCORES]}", 2),
    row("ZDIFF 2 <zkey> <zkey> [WITHSCORES]", 4),
    row("ZDIFF 3 <zkey> <key> <zkey> [WITHSCORES]", 1),
    row("ZINTERCARD 2 <zkey> <zkey> [LIMIT <rank>]", 3),
    row("ZUNIONSTORE <zkey> 2 <zkey> <zkey> {[WEIGHTS <score> <score>] [AGGREGATE <how>]}", 4),
    row("ZINTERSTORE <zkey> 2 <zkey> <zkey> {[WEIGHTS <score> <score>] [AGGREGATE <how>]}", 4),
    row("ZDIFFSTORE <zkey> 2 <zkey> <zkey>", 3),
    row("ZUNION <rank> <zkey> <zkey> [WEIGHTS <score> <score>]", 1),
    row("GEOADD <gkey> {[NX|XX] [CH]} (<place> <member>)+", 10),
    row("GEOADD <gkey> <place> <member> <score>", 1),
    row("GEOPOS <gkey> (<member>)+", 2),
    row("GEOHASH <gkey> (<member>)+", 2),
    row("GEODIST <gkey> <member> <member> [M|KM|FT|MI|x]", 4),
    row("GEORADIUS <gkey> <place> <length> <show>", 4),
    row("GEORADIUS <gkey> <place> <length> ASC STORE <gkey>", 2),
    row("GEORADIUS_RO <gkey> <place> <length> <show>", 2),
    row("GEORADIUSBYMEMBER <gkey> <member> <length> <show>", 2),
    row("GEORADIUSBYMEMBER <gkey> <member> <length> ASC STOREDIST <gkey>", 1),
    row("GEORADIUSBYMEMBER_RO <gkey> <member> <length> <show>", 2),
    row("GEOSEARCH <gkey> FROMMEMBER <member> BYRADIUS <length> <show>", 4),
    row("GEOSEARCH <gkey> FROMLONLAT <place> BYBOX <score> <length> <show>", 4),
    row("GEOSEARCH <gkey> {[FROMLONLAT <place>] [FROMMEMBER <member>] [BYRADIUS <length>]}", 2),
    row("GEOSEARCHSTORE <gkey> <gkey> FROMLONLAT <place> BYRADIUS <length> ASC [STOREDIST]", 3),
];

/// Template of what GEOSEARCH may show.
pub const SHOW: &str = "{[ASC|DESC] [COUNT <rank>] [WITHCOORD] [WITHDIST] [WITHHASH]}";

pub const KEYS: &[&str] = &["z1", "z2", "{tag}z", "z:four"];
pub const LEX_KEYS: &[&str] = &["lex", "{tag}lex"];
pub const GEO_KEYS: &[&str] = &["geo", "{tag}geo"];

/// Scores that all versions print alike, but for the large ones.
pub const SCORES: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "0.5",
    "-0.25",
    "3",
    "10",
    "1e3",
    "inf",
    "-inf",
    "+inf",
    "1e300",
    "0x10",
    "123456789.125",
    "4503599627370496",
    "1.5",
    "1.5",
    "2",
    "2",
];
pub const BAD_SCORES: &[&str] = &["", "x", "nan", " 1", "1 ", "1e999", "--1"];

pub const BOUNDS: &[&str] = &[
    "-inf", "+inf", "inf", "0", "(0", "1", "(1", "2", "(2", "-1", "(-1", "0.5", "(1.5", "1000",
    "(inf", "(-inf",
];
pub const BAD_BOUNDS: &[&str] = &["", "x", "nan", "((1", "(", "1x", "[1"];

pub const LEX: &[&str] =
    &["-", "+", "-", "+", "[a", "(a", "[b", "(c", "[", "(", "[1", "(10", "[zz"];
pub const BAD_LEX: &[&str] = &["", "a", "++", "-x"];

pub const RANKS: &[&str] =
    &["0", "1", "2", "3", "-1", "-2", "-3", "5", "100", "-100", "9223372036854775807"];
pub const BAD_RANKS: &[&str] = &["", "x", "1.5", "9223372036854775808", "-9223372036854775808"];

pub const MEMBERS: &[&str] =
    &["a", "b", "c", "d", "aa", "ab", "", "1", "10", "9", "-5", "01", "abc", "zz", "1.0"];

pub const PLACES: &[&str] = &[
    "13.361389 38.115556",
    "15.087269 37.502669",
    "0 0",
    "-73.9 40.7",
    "179.9 -17",
    "-179.9 -17",
    "2.35 48.85",
    "0.001 0.001",
    "180 85.05112878",
    "-180 -85.05112878",
    "200 0",
    "0 86",
    "x 1",
];

pub const LENGTHS: &[&str] =
    &["0 m", "100 km", "200 KM", "5000 km", "1 mi", "20000 km", "300 ft", "-1 m", "x m", "1 x"];

/// Whether two replies of these commands are equal, although their bytes are not.
pub fn equivalent(command: &Command, name: &[u8], expected: &Reply, actual: &Reply) -> bool {
    match name {
        // With one word more they have an option since 7.2.
        b"ZRANK" | b"ZREVRANK" => same(expected, actual) || both_errors(expected, actual),
        // What is drawn at random may be anything; that it is a member is left to other tests.
        b"ZRANDMEMBER" => {
            std::mem::discriminant(expected) == std::mem::discriminant(actual)
                && expected.items().len() == actual.items().len()
        }
        // These have no order, or not always one.
        b"ZSCAN" => same_items(items_of_page(expected), items_of_page(actual)),
        _ if name.starts_with(b"GEORADIUS") || name.starts_with(b"GEOSEARCH") => {
            // Of places that are equally far, any may be among the first.
            let is_cut = command.iter().any(|word| word.eq_ignore_ascii_case(b"COUNT"));
            let same_length = expected.items().len() == actual.items().len();
            (same_items(expected.items(), actual.items()) || is_cut && same_length)
                && std::mem::discriminant(expected) == std::mem::discriminant(actual)
        }
        _ if name.starts_with(b"Z") || name.starts_with(b"GEO") => same(expected, actual),
        _ => false,
    }
}

fn both_errors(expected: &Reply, actual: &Reply) -> bool {
    matches!((expected, actual), (Reply::Error(_), Reply::Error(_)))
}

fn items_of_page(reply: &Reply) -> &[Reply] {
    reply.items().get(1).map_or(&[], Reply::items)
}

fn same_items(expected: &[Reply], actual: &[Reply]) -> bool {
    let mut left: Vec<&Reply> = actual.iter().collect();
    expected.len() == actual.len()
        && expected.iter().all(|item| {
            let found = left.iter().position(|other| same(item, other));
            found.map(|at| left.swap_remove(at)).is_some()
        })
}

/// Equal but for how numbers are printed: 7.0 has 17 digits where later versions have as many as
/// are needed.
fn same(expected: &Reply, actual: &Reply) -> bool {
    let number = |reply: &Reply| match reply {
        Reply::Bulk(text) => std::str::from_utf8(text).ok()?.parse::<f64>().ok(),
        Reply::Double(text) => text.parse().ok(),
        _ => None,
    };
    match (expected, actual) {
        (Reply::Array(left), Reply::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(a, b)| same(a, b))
        }
        _ if expected == actual => true,
        _ => {
            std::mem::discriminant(expected) == std::mem::discriminant(actual)
                && number(expected).zip(number(actual)).is_some_and(|(a, b)| {
                    // 7.0 has no more than 17 digits behind the point of a coordinate.
                    a == b || (a - b).abs() < 1e-16
                })
        }
    }
}
