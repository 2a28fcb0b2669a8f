//! The geographic commands: places as the scores of a sorted set.
//!
//! Invariant: to the store these are sorted sets like all others; what makes a score a place stands
//! in `ds/geohash.rs`.

mod query;
mod search;
#[cfg(test)]
mod tests;

use super::sorted_set::{Condition, add_scored};
use super::spec::Arity::AtLeast;
use super::spec::Body::{Reads, Writes};
use super::spec::{Access, Arity, Command, Flags, Group, Keys, Run, Spec, cmd, verify};
use crate::base::num;
use crate::ds::geohash::Point;
use crate::resp::args::{Args, Reader};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::db::Db;
use crate::store::sorted_set::SortedSet;

const BAD_UNIT: CmdError =
    CmdError::Text("ERR unsupported unit provided. please use M, KM, FT, MI");

const DENYOOM: Flags = Flags::DENYOOM;
const READ: Access = Access::RO.and(Access::ACCESS);
const REPLACE: Access = Access::OW.and(Access::UPDATE);
const STORED: Access = REPLACE.and(Access::INCOMPLETE);

const READ_ONE: &[Keys] = &[Keys::At(1, READ)];

/// The key behind STORE or STOREDIST.
const fn behind(keyword: &'static str, from: i8) -> Keys {
    Keys::After { keyword, from, last: 0, step: 1, limit: 0, access: STORED }
}

const RADIUS_COST: &str =
    "O(N+log(M)) with N members in the square around the circle and M in the set";
const SHAPE_COST: &str = "O(N+log(M)) with N members in the box around the shape and M in the set";

const fn geo(name: &'static str, arity: Arity) -> Spec {
    cmd(name, arity, Group::Geo)
}

/// Every geographic command.
pub const COMMANDS: &[Command] = &[
    geo("GEOADD", AtLeast(5))
        .flags(DENYOOM)
        .keys(&[Keys::At(1, Access::RW.and(Access::UPDATE))])
        .doc(
            "Adds places to a geographic index, or moves them.",
            "3.2.0",
            "O(log(N)) for each place, with N members in the set",
        )
        .run(Run::Shard(Writes(geoadd))),
    geo("GEODIST", AtLeast(4))
        .keys(READ_ONE)
        .doc("Returns the distance between two places.", "3.2.0", "O(1)")
        .run(Run::Shard(Reads(geodist))),
    geo("GEOHASH", AtLeast(2))
        .keys(READ_ONE)
        .doc("Returns places as geohash strings.", "3.2.0", "O(1) for each place")
        .run(Run::Shard(Reads(geohash))),
    geo("GEOPOS", AtLeast(2))
        .keys(READ_ONE)
        .doc("Returns longitude and latitude of places.", "3.2.0", "O(1) for each place")
        .run(Run::Shard(Reads(geopos))),
    geo("GEORADIUS", AtLeast(6))
        .flags(DENYOOM)
        .keys(&[Keys::At(1, READ), behind("STORE", 6), behind("STOREDIST", 6)])
        .doc("Finds places in a circle around a point, and may store them.", "3.2.0", RADIUS_COST)
        .run(Run::TwoPhase { collect: search::georadius_collect, commit: search::georadius }),
    geo("GEORADIUSBYMEMBER", AtLeast(5))
        .flags(DENYOOM)
        .keys(&[Keys::At(1, READ), behind("STORE", 5), behind("STOREDIST", 5)])
        .doc("Finds places in a circle around a place, and may store them.", "3.2.0", RADIUS_COST)
        .run(Run::TwoPhase {
            collect: search::georadiusbymember_collect,
            commit: search::georadiusbymember,
        }),
    geo("GEORADIUSBYMEMBER_RO", AtLeast(5))
        .keys(READ_ONE)
        .doc("Finds places in a circle around a place.", "3.2.10", RADIUS_COST)
        .run(Run::Shard(Reads(search::georadiusbymember_ro))),
    geo("GEORADIUS_RO", AtLeast(6))
        .keys(READ_ONE)
        .doc("Finds places in a circle around a point.", "3.2.10", RADIUS_COST)
        .run(Run::Shard(Reads(search::georadius_ro))),
    geo("GEOSEARCH", AtLeast(7))
        .keys(READ_ONE)
        .doc("Finds places in a circle, a box or a polygon.", "6.2.0", SHAPE_COST)
        .run(Run::Shard(Reads(search::geosearch))),
    geo("GEOSEARCHSTORE", AtLeast(8))
        .flags(DENYOOM)
        .keys(&[Keys::At(1, REPLACE), Keys::At(2, READ)])
        .doc("Stores the places in a circle, a box or a polygon.", "6.2.0", SHAPE_COST)
        .run(Run::TwoPhase {
            collect: search::geosearchstore_collect,
            commit: search::geosearchstore,
        }),
];

const _: () = verify(COMMANDS);

/// The place that a score names. Scores that no place has are read as Redis reads them: as the
/// bits of the integer part.
fn place_of(score: f64) -> Point {
    const WRAP: f64 = (1u64 << 63) as f64;
    let number = if (-WRAP..WRAP).contains(&score) { score as i64 as u64 } else { score as u64 };
    Point::decode(number)
}

/// Reads a longitude and a latitude.
fn read_point(longitude: &[u8], latitude: &[u8]) -> Result<Point, CmdError> {
    let degrees = |word: &[u8]| num::parse_f64(word).ok_or(CmdError::NotFloat);
    let point = Point { longitude: degrees(longitude)?, latitude: degrees(latitude)? };
    point.checked().ok_or_else(|| {
        let pair = format!("{:.6},{:.6}", point.longitude, point.latitude);
        CmdError::owned(format!("ERR invalid longitude,latitude pair {pair}"))
    })
}

/// Metres of a unit of length.
fn read_unit(word: &[u8]) -> Result<f64, CmdError> {
    let known = [("M", 1.0), ("KM", 1000.0), ("FT", 0.3048), ("MI", 1609.34)];
    let mut known = known.into_iter();
    let unit = known.find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
    unit.map(|(_, metres)| metres).ok_or(BAD_UNIT)
}

/// A distance, printed with four digits behind the point.
fn write_distance(out: &mut Out, distance: f64) {
    out.bulk(format!("{distance:.4}").as_bytes());
}

/// Longitude and latitude.
fn write_point(out: &mut Out, place: Point) {
    out.array(2);
    out.double(place.longitude);
    out.double(place.latitude);
}

/// Reads the options in front of GEOADD's places.
fn read_condition(words: &mut Reader<'_>) -> Result<Condition, CmdError> {
    let mut condition = Condition::default();
    loop {
        if words.keyword("NX") {
            condition.is_new_only = true;
        } else if words.keyword("XX") {
            condition.is_existing_only = true;
        } else if words.keyword("CH") {
            condition.counts_changed = true;
        } else {
            break;
        }
    }
    let contradicts = condition.is_new_only && condition.is_existing_only;
    if contradicts || !words.left().is_multiple_of(3) {
        Err(CmdError::Syntax)
    } else {
        Ok(condition)
    }
}

fn geoadd(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut words = args.reader(2);
    let condition = read_condition(&mut words)?;
    if words.done() {
        return Err(CmdError::Syntax);
    }
    let mut places = Vec::with_capacity(words.left() / 3);
    while !words.done() {
        let place = read_point(words.word()?, words.word()?)?;
        places.push((words.word()?, place.encode() as f64));
    }
    out.count(add_scored(db, args, condition, places.into_iter())?);
    Ok(())
}

fn geodist(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let metres = match args.len() {
        4 => 1.0,
        5 => read_unit(args.at(4))?,
        _ => return Err(CmdError::Syntax),
    };
    let set = db.read_as::<SortedSet>(args.key(1))?;
    let place = |index: usize| Some(place_of(set?.score(args.at(index))?));
    match place(2).zip(place(3)) {
        Some((from, to)) => write_distance(out, from.distance(to) / metres),
        None => out.null(),
    }
    Ok(())
}

/// Answers an array with what `write` makes of each place, or `none` for a missing one.
fn each_place(
    db: &Db,
    args: &Args<'_>,
    out: &mut Out,
    write: fn(&mut Out, Point),
    none: fn(&mut Out),
) -> CmdResult {
    let set = db.read_as::<SortedSet>(args.key(1))?;
    out.array(args.len() - 2);
    for member in args.from(2) {
        match set.and_then(|set| set.score(member)) {
            Some(score) => write(out, place_of(score)),
            None => none(out),
        }
    }
    Ok(())
}

fn geohash(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    each_place(db, args, out, |out, place| out.bulk(&place.letters()), Out::null)
}

fn geopos(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    each_place(db, args, out, write_point, Out::null_array)
}
