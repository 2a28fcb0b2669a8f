//! GEOSEARCH and GEORADIUS: finding places, answering them, storing them.

use super::query::{Form, Order, Query};
use super::{place_of, write_distance, write_point};
use crate::command::sorted_set::entries::Entries;
use crate::command::sorted_set::{event, store_result};
use crate::command::spec::Parcel;
use crate::ds::geohash::{Cell, Point, cover};
use crate::ds::listpack::Item;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::change::Event;
use crate::store::db::Db;
use crate::store::sorted_set::{ScoreBound, SortedSet};

const RADIUS: Form = Form::Radius { stores: true };
const RADIUS_RO: Form = Form::Radius { stores: false };
const BY_MEMBER: Form = Form::RadiusByMember { stores: true };
const BY_MEMBER_RO: Form = Form::RadiusByMember { stores: false };

/// A place that was found.
struct Hit<'s> {
    member: Item<'s>,
    score: f64,
    place: Point,
    /// Metres from the center.
    distance: f64,
}

/// The places that `query` asks for, in its order.
fn find<'s>(set: &'s SortedSet, query: &Query) -> Vec<Hit<'s>> {
    let mut hits = Vec::new();
    let enough = if query.any { query.count } else { usize::MAX };
    let (bounds, radius) = query.extent();
    let cells = cover(query.center, radius, bounds);
    // When cells are large, neighbours may be one and the same.
    let mut previous: Option<Cell> = None;
    for (index, cell) in cells.into_iter().enumerate() {
        let Some(cell) = cell.filter(|cell| Some(*cell) != previous) else { continue };
        if hits.len() >= enough {
            break;
        }
        find_in_cell(set, query, cell, enough, &mut hits);
        previous = (index > 0).then_some(cell);
    }
    match query.order {
        Some(Order::Nearest) => hits.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
        Some(Order::Farthest) => hits.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
        None => {}
    }
    if query.count > 0 {
        hits.truncate(query.count);
    }
    hits
}

fn find_in_cell<'s>(
    set: &'s SortedSet,
    query: &Query,
    cell: Cell,
    enough: usize,
    hits: &mut Vec<Hit<'s>>,
) {
    let numbers = cell.numbers();
    let low = ScoreBound { score: numbers.start as f64, is_open: false };
    let high = ScoreBound { score: numbers.end as f64, is_open: true };
    for (member, score) in set.walk(set.ranks_by_score(low, high), false) {
        let place = place_of(score);
        if let Some(distance) = query.distance(place) {
            hits.push(Hit { member, score, place, distance });
            if hits.len() >= enough {
                return;
            }
        }
    }
}

fn write(out: &mut Out, query: &Query, hits: &[Hit<'_>]) {
    let shown = [query.with_distance, query.with_hash, query.with_place];
    let options = shown.into_iter().filter(|is_shown| *is_shown).count();
    out.array(hits.len());
    for hit in hits {
        if options > 0 {
            out.array(options + 1);
        }
        match hit.member {
            Item::Int(number) => out.bulk_int(number),
            Item::Text(text) => out.bulk(text),
        }
        if query.with_distance {
            write_distance(out, hit.distance / query.unit);
        }
        if query.with_hash {
            out.int(hit.score as i64);
        }
        if query.with_place {
            write_point(out, hit.place);
        }
    }
}

/// Answers a search.
fn reply(db: &Db, args: &Args<'_>, out: &mut Out, form: Form) -> CmdResult {
    let set = db.read_as::<SortedSet>(args.key(form.source()))?;
    let query = Query::read(args, form, set)?;
    let hits = set.map_or(Vec::new(), |set| find(set, &query));
    write(out, &query, &hits);
    Ok(())
}

/// A result on its way to where it is stored.
struct Stored {
    entries: Entries,
    /// Position of the key that gets it.
    target: usize,
}

impl Bulky for Stored {}

/// Searches on the core of the source, if the result is to be stored.
fn collect(db: &Db, args: &Args<'_>, form: Form) -> Result<Parcel, CmdError> {
    if !db.owns(args.key(form.source())) {
        return Ok(None);
    }
    let set = db.read_as::<SortedSet>(args.key(form.source()))?;
    let query = Query::read(args, form, set)?;
    let Some(target) = query.target else { return Ok(None) };
    let mut entries = Entries::default();
    if let Some(set) = set {
        let stored = |hit: &Hit<'_>| {
            if query.stores_distance { hit.distance / query.unit } else { hit.score }
        };
        entries.extend(find(set, &query).iter().map(|hit| (hit.member, stored(hit))));
    }
    Ok(Some(Box::new(Stored { entries, target })))
}

/// Stores what was found, or answers where nothing is to be stored.
fn commit(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    out: &mut Out,
    (form, event): (Form, Event),
) -> CmdResult {
    let mut results = parcels.iter().flatten();
    let result = results.find_map(|parcel| parcel.downcast_ref::<Stored>());
    let Some(result) = result else {
        return if db.owns(args.key(1)) { reply(db, args, out, form) } else { Ok(()) };
    };
    let target = args.key(result.target);
    if db.owns(target) {
        store_result(db, target, result.entries.iter(), event);
    }
    out.count(result.entries.len());
    Ok(())
}

pub(super) fn geosearch(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    reply(db, args, out, Form::Search)
}

pub(super) fn georadius_ro(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    reply(db, args, out, RADIUS_RO)
}

pub(super) fn georadiusbymember_ro(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    reply(db, args, out, BY_MEMBER_RO)
}

pub(super) fn georadius_collect(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    collect(db, args, RADIUS)
}

pub(super) fn georadiusbymember_collect(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    collect(db, args, BY_MEMBER)
}

pub(super) fn geosearchstore_collect(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    collect(db, args, Form::SearchStore)
}

pub(super) fn georadius(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    out: &mut Out,
) -> CmdResult {
    commit(db, args, parcels, out, (RADIUS, event("georadiusstore")))
}

pub(super) fn georadiusbymember(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    out: &mut Out,
) -> CmdResult {
    commit(db, args, parcels, out, (BY_MEMBER, event("georadiusstore")))
}

pub(super) fn geosearchstore(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    out: &mut Out,
) -> CmdResult {
    commit(db, args, parcels, out, (Form::SearchStore, event("geosearchstore")))
}
