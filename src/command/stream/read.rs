//! XREAD and XREADGROUP: what has come to several streams since.
//!
//! The streams may lie on several shards, and the reply belongs to one. So phase one does all the
//! reading: each shard encodes what its streams have to give, and notes for a consumer group what
//! that is. Phase two decides how much of it fits the limits on the whole reply, which all shards
//! decide alike; each delivers its share to its groups, and the owner of the first key writes the
//! reply. Where one shard holds all streams, and nobody is to wait, it does the same
//! [in portions](portions).
//!
//! Invariant: what phase one encoded is what phase two delivers, in the same order. A refusal is
//! that of the first stream that deserves one, whichever shard it is on.
//!
//! Where nothing has come, the commands may wait: [`BLOCKING`] and [`BLOCKING_GROUP`].
//! <https://redis.io/docs/latest/commands/xreadgroup/>

mod deliver;
mod find;
mod portions;
mod request;

use deliver::deliver;
use find::{Found, Search};
use request::Request;

use crate::command::portion::Portion;
use crate::command::spec::{Blocking, Body, Parcel};
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::db::Db;
use crate::store::object::Kind;
use crate::store::stream::Stream;
use crate::store::stream::id::Id;

impl Bulky for Search {
    fn free_some(&mut self, budget: usize) -> bool {
        Search::free_some(self, budget)
    }
}

/// XREAD, and how it waits. A `$` means the last id of the stream when the wait began.
pub(super) const BLOCKING: Blocking = Blocking {
    pinned: last_id_in_place,
    unwaiting: Some(Body::WritesPortions(|db, args, portion, out| {
        portions::read(db, args, &Request::read(args, false)?, portion, out)
    })),
    ..Blocking::new(Kind::Stream, (collect, is_something, commit), |args, now| {
        Request::read(args, false)?.patience(now)
    })
};

/// XREADGROUP, and how it waits; not for a stream or a group that is gone.
pub(super) const BLOCKING_GROUP: Blocking = Blocking {
    minds_absence: true,
    unwaiting: Some(Body::WritesPortions(|db, args, portion, out| {
        portions::read(db, args, &Request::read(args, true)?, portion, out)
    })),
    ..Blocking::new(
        Kind::Stream,
        (collect_for_group, is_something, commit_for_group),
        |args, now| Request::read(args, true)?.patience(now),
    )
};

fn is_something(parcels: &[Parcel]) -> bool {
    let parts = parcels.iter().flatten().filter_map(|parcel| parcel.downcast_ref::<Search>());
    let mut found = parts.flat_map(|search| &search.found);
    found.any(|found| found.is_served || found.error.is_some())
}

fn last_id_in_place(db: &Db, args: &Args<'_>, position: usize) -> Option<Vec<u8>> {
    let request = Request::read(args, false).ok()?;
    let index = position.checked_sub(request.first + request.streams)?;
    if args.at(position) != b"$" {
        return None;
    }
    let stream = db.peek_as::<Stream>(args.key(request.first + index)).ok().flatten();
    Some(stream.map_or(Id::MIN, |stream| stream.summary().last).text().to_vec())
}

/// Phase one of XREAD.
fn collect(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    find_all(db, args, &Request::read(args, false)?)
}

/// Phase one of XREADGROUP.
fn collect_for_group(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    find_all(db, args, &Request::read(args, true)?)
}

fn find_all(db: &Db, args: &Args<'_>, request: &Request<'_>) -> Result<Parcel, CmdError> {
    let mut search = Search::default();
    search.advance(db, args, request, &mut Portion::whole())?;
    Ok(Some(Box::new(search)))
}

/// Phase two of XREAD.
fn commit(db: &mut Db, args: &Args<'_>, parcels: &[Parcel], out: &mut Out) -> CmdResult {
    answer(db, args, &Request::read(args, false)?, parcels, out)
}

/// Phase two of XREADGROUP.
fn commit_for_group(db: &mut Db, args: &Args<'_>, parcels: &[Parcel], out: &mut Out) -> CmdResult {
    answer(db, args, &Request::read(args, true)?, parcels, out)
}

/// Delivers what was collected, and answers if that is for this shard to do.
fn answer(
    db: &mut Db,
    args: &Args<'_>,
    request: &Request<'_>,
    parcels: &[Parcel],
    out: &mut Out,
) -> CmdResult {
    let parts = parcels.iter().flatten().filter_map(|parcel| parcel.downcast_ref());
    let mut all: Vec<&Found> = parts.flat_map(|search: &Search| &search.found).collect();
    all.sort_unstable_by_key(|found| found.index);
    if let Some(error) = all.iter().find_map(|found| found.error.clone()) {
        return Err(error);
    }
    let shares = share(&all, args, request);
    for (found, share) in all.iter().zip(&shares) {
        let count = share.unwrap_or(0);
        deliver(db, args, request, found, (0..count, count))?;
    }
    // One shard that tries again answers in any case.
    if parcels.len() > 1 && !db.owns(args.key(request.first)) {
        return Ok(());
    }
    write_head(&shares, out);
    for (found, share) in all.iter().zip(&shares) {
        let Some(count) = *share else { continue };
        write_stream(found, count, args, request, out);
        (0..found.pages()).for_each(|page| found.write_page(page, count, out));
    }
    Ok(())
}

/// Decides how many entries of each stream are in the reply; none if the stream is not mentioned.
fn share(all: &[&Found], args: &Args<'_>, request: &Request<'_>) -> Vec<Option<usize>> {
    let (mut count_left, mut size) = (request.max_count, 0);
    let mut shares = Vec::with_capacity(all.len());
    for found in all {
        let is_over = count_left == 0 || count_left < request.max_count && size >= request.max_size;
        if !found.is_served || is_over {
            shares.push(None);
            continue;
        }
        size += args.at(request.first + found.index).len();
        let wanted = found.count().min(count_left);
        let is_first = count_left == request.max_count;
        let fits = |n: usize| n == 0 && is_first || size + found.len(n) < request.max_size;
        let count = first_without(wanted, fits);
        size += found.len(count);
        count_left -= count;
        shares.push((count > 0 || wanted == 0).then_some(count));
    }
    shares
}

/// The first number below `end` that does not fit, or `end`, where none fits behind one that does
/// not.
fn first_without(end: usize, fits: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, end);
    while low < high {
        let middle = low.midpoint(high);
        if fits(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// Begins a reply about those streams that have a share in it; there is none without one.
fn write_head(shares: &[Option<usize>], out: &mut Out) {
    match shares.iter().flatten().count() {
        0 => out.null_array(),
        streams if out.is_resp3() => out.map(streams),
        streams => out.array(streams),
    }
}

/// Writes what precedes the entries of a stream.
fn write_stream(
    found: &Found,
    count: usize,
    args: &Args<'_>,
    request: &Request<'_>,
    out: &mut Out,
) {
    if !out.is_resp3() {
        out.array(2);
    }
    out.bulk(args.at(request.first + found.index));
    out.array(count);
}
