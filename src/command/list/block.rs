//! Commands that wait for elements: BLPOP, BRPOP, BLMPOP, BLMOVE, BLMOVEM, BRPOPLPUSH.
//!
//! What is taken is copied out in phase one, by whichever shard owns the key, and is the reply:
//! what phase one has seen is given even if the key expires before phase two.

use super::pop::Request;
use super::transfer::{self, Transfer};
use super::{popped, write_item};
use crate::base::time::Millis;
use crate::command::patience;
use crate::command::spec::{Blocking, Parcel, Patience};
use crate::ds::quicklist::End;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::db::Db;
use crate::store::list::List;
use crate::store::object::Kind;

pub(super) const BLPOP: Blocking = pops(
    |db, args| collect(db, args, &single(args, End::Front), false),
    |db, args, parcels, out| take(db, args, &single(args, End::Front), parcels, out),
    |args, now| patience::seconds(args.at(args.len() - 1), now),
);

pub(super) const BRPOP: Blocking = pops(
    |db, args| collect(db, args, &single(args, End::Back), false),
    |db, args, parcels, out| take(db, args, &single(args, End::Back), parcels, out),
    |args, now| patience::seconds(args.at(args.len() - 1), now),
);

pub(super) const BLMPOP: Blocking = pops(
    |db, args| collect(db, args, &Request::read(args, 2)?, true),
    |db, args, parcels, out| take(db, args, &Request::read(args, 2)?, parcels, out),
    |args, now| {
        Request::read(args, 2)?;
        patience::seconds(args.at(1), now)
    },
);

pub(super) const BLMOVE: Blocking = moves(transfer::collect_lmove, transfer::lmove, |args, now| {
    Transfer::read_one(args)?;
    patience::seconds(args.at(5), now)
});

pub(super) const BLMOVEM: Blocking = moves(
    |db, args| transfer::collect(db, args, Transfer::read_many(args, 6)?),
    |db, args, parcels, out| {
        transfer::move_many(db, args, Transfer::read_many(args, 6)?, parcels, out)
    },
    |args, now| {
        Transfer::read_many(args, 6)?;
        patience::seconds(args.at(5), now)
    },
);

pub(super) const BRPOPLPUSH: Blocking =
    moves(transfer::collect_rpoplpush, transfer::rpoplpush, |args, now| {
        patience::seconds(args.at(3), now)
    });

type Collect = crate::command::spec::Collect;
type Commit = crate::command::spec::Commit;
type Wait = fn(&Args<'_>, Millis) -> Result<Patience, CmdError>;

const fn pops(look: Collect, act: Commit, patience: Wait) -> Blocking {
    let serves = |parcels: &[Parcel]| parcels.iter().any(Option::is_some);
    Blocking::new(Kind::List, (look, serves, act), patience)
}

const fn moves(look: Collect, act: Commit, patience: Wait) -> Blocking {
    Blocking::new(Kind::List, (look, transfer::is_something, act), patience)
}

/// What BLPOP and BRPOP ask for: the last argument is no key.
fn single(args: &Args<'_>, end: End) -> Request {
    Request { first_key: 1, keys: args.len() - 2, end, count: 1 }
}

/// The first key on one shard that exists.
struct Found {
    position: usize,
    /// How many elements are taken, and the reply's second part; none if it is no list.
    taken: Option<(usize, Vec<u8>)>,
}

impl Bulky for Found {}

fn collect(
    db: &Db,
    args: &Args<'_>,
    request: &Request,
    is_nested: bool,
) -> Result<Parcel, CmdError> {
    for position in request.positions().filter(|position| db.owns(args.key(*position))) {
        let taken = match db.peek_as::<List>(args.key(position)) {
            Ok(None) => continue,
            Ok(Some(list)) => {
                let mut encoded = Out::default();
                let count = request.count.min(list.len());
                if is_nested {
                    encoded.array(count);
                }
                let first = super::pop::at_end(request.end, list.len());
                list.visit(request.end, first, count, |item| write_item(&mut encoded, item));
                Some((count, encoded.to_vec()))
            }
            Err(_) => None,
        };
        return Ok(Some(Box::new(Found { position, taken })));
    }
    Ok(None)
}

fn take(
    db: &mut Db,
    args: &Args<'_>,
    request: &Request,
    parcels: &[Parcel],
    out: &mut Out,
) -> CmdResult {
    let found = parcels.iter().flatten().filter_map(|parcel| parcel.downcast_ref::<Found>());
    let Some(found) = found.min_by_key(|found| found.position) else {
        out.null_array();
        return Ok(());
    };
    let (count, elements) = found.taken.as_ref().ok_or(CmdError::WrongType)?;
    let key = args.key(found.position);
    out.array(2);
    out.bulk(key.bytes);
    out.raw(elements);
    if db.owns(key)
        && let Some(mut list) = db.edit::<List>(key)?
    {
        let limits = list.tuning().encoding;
        let start = if request.end == End::Front { 0 } else { list.len() - count };
        list.remove_range(start, *count, &limits);
        list.changed_elements(popped(request.end), *count);
        let name: &[u8] = if request.end == End::Front { b"LPOP" } else { b"RPOP" };
        list.repeat_as(&[name, key.bytes, itoa::Buffer::new().format(*count).as_bytes()]);
    }
    Ok(())
}
