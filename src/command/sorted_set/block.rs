//! Commands that wait for members: BZPOPMIN, BZPOPMAX, BZMPOP.
//!
//! What is taken is copied out in phase one, and is the reply.

use super::pop::{End, Request, candidate, take_first};
use crate::base::time::Millis;
use crate::command::patience;
use crate::command::spec::{Blocking, Collect, Commit, Parcel, Patience};
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::db::Db;
use crate::store::object::Kind;

pub(super) const BZPOPMIN: Blocking = pops(
    |db, args| Ok(candidate(db, args, &single(args, End::Min))),
    |db, args, parcels, out| take(db, args, &single(args, End::Min), parcels, out),
    |args, now| patience::seconds(args.at(args.len() - 1), now),
);

pub(super) const BZPOPMAX: Blocking = pops(
    |db, args| Ok(candidate(db, args, &single(args, End::Max))),
    |db, args, parcels, out| take(db, args, &single(args, End::Max), parcels, out),
    |args, now| patience::seconds(args.at(args.len() - 1), now),
);

pub(super) const BZMPOP: Blocking = pops(
    |db, args| Ok(candidate(db, args, &Request::read(args, 2)?)),
    |db, args, parcels, out| super::pop::answer(db, args, &Request::read(args, 2)?, parcels, out),
    |args, now| {
        Request::read(args, 2)?;
        patience::seconds(args.at(1), now)
    },
);

const fn pops(
    look: Collect,
    act: Commit,
    patience: fn(&Args<'_>, Millis) -> Result<Patience, CmdError>,
) -> Blocking {
    let serves = |parcels: &[Parcel]| parcels.iter().any(Option::is_some);
    Blocking::new(Kind::SortedSet, (look, serves, act), patience)
}

/// What BZPOPMIN and BZPOPMAX ask for: the last argument is no key.
fn single(args: &Args<'_>, end: End) -> Request {
    Request { keys: 1..args.len() - 1, end, count: 1 }
}

/// Takes one member, and answers it in one array with its key.
fn take(
    db: &mut Db,
    args: &Args<'_>,
    request: &Request,
    parcels: &[Parcel],
    out: &mut Out,
) -> CmdResult {
    let Some((key, entries)) = take_first(db, args, request, parcels)? else {
        out.null_array();
        return Ok(());
    };
    for (member, score) in entries.iter() {
        out.array(3);
        out.bulk(key.bytes);
        out.bulk(member);
        out.double(score);
    }
    Ok(())
}
