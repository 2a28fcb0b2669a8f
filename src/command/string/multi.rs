//! Several keys at once: MGET, MSET, MSETNX and MSETEX.
//!
//! Invariant: what may refuse the whole command is decided before anything is written, from what
//! all shards found. MGET and MSET refuse nothing, so each shard works on its share alone.

use super::SET;
use super::lifetime::report_set;
use super::set::{SetOptions, When};
use super::text::{Text, stored};
use crate::base::num;
use crate::command::spec::Parcel;
use crate::resp::args::{Args, Key};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::db::{Db, Expiry};

/// Keys whose memory is fetched together: enough to overlap the cache misses, few enough to stay in
/// the first-level cache until they are used.
const LOOK_AHEAD: usize = 16;

const INVALID_COUNT: CmdError = CmdError::Text("ERR invalid numkeys value");
const PAIRS_MISSING: CmdError = CmdError::Text("ERR wrong number of key-value pairs");

/// Hashes up to [`LOOK_AHEAD`] keys at every `step`-th position from `first` on, and brings them
/// into the cache; the places after the last key stay empty.
fn look_ahead<'a>(
    db: &Db,
    args: &Args<'a>,
    first: usize,
    step: usize,
) -> [Option<Key<'a>>; LOOK_AHEAD] {
    let mut keys = [None; LOOK_AHEAD];
    for (place, position) in keys.iter_mut().zip((first..args.len()).step_by(step)) {
        let key = args.key(position);
        db.prefetch_bucket(db.selected(), key.hash);
        *place = Some(key);
    }
    for key in keys.iter().flatten() {
        db.prefetch_entry(db.selected(), key.hash);
    }
    keys
}

pub(super) fn mget(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    out.array(args.len() - 1);
    for first in (1..args.len()).step_by(LOOK_AHEAD) {
        for key in look_ahead(db, args, first, 1).into_iter().flatten() {
            match db.read(key).map(Text::of) {
                Some(Ok(text)) => text.write(out),
                Some(Err(_)) | None => out.null(),
            }
        }
    }
    Ok(())
}

pub(super) fn mset(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    check_pairs(args, "mset")?;
    for first in (1..args.len()).step_by(LOOK_AHEAD * 2) {
        let keys = look_ahead(db, args, first, 2);
        for (key, value) in keys.into_iter().flatten().zip((first + 1..).step_by(2)) {
            db.write(key).set(stored(args, value), Expiry::Never, SET);
        }
    }
    out.ok();
    Ok(())
}

/// Fails unless the arguments are keys with values.
fn check_pairs(args: &Args<'_>, command: &'static str) -> Result<(), CmdError> {
    if args.len() % 2 == 1 { Ok(()) } else { Err(CmdError::WrongArity(command.into())) }
}

/// What one shard found of a command that sets all its keys or none.
struct Found {
    /// Of this shard's keys, at least one exists.
    any: bool,
    /// Every one of them exists.
    all: bool,
    /// The expiry as computed by this shard's clock.
    expiry: Expiry,
}

impl Bulky for Found {}

/// Positions of the keys, each followed by its value.
#[derive(Clone, Copy)]
struct Pairs {
    first: usize,
    count: usize,
}

impl Pairs {
    /// The keys that `db` owns, with the position of each.
    fn owned<'a>(self, db: &Db, args: &Args<'a>) -> Vec<(Key<'a>, usize)> {
        let positions = (self.first..).step_by(2).take(self.count);
        let keys = positions.map(|position| (args.key(position), position));
        keys.filter(|(key, _)| db.owns(*key)).collect()
    }

    fn find(self, db: &Db, args: &Args<'_>, expiry: Expiry) -> Parcel {
        let keys = self.owned(db, args);
        let mut existing = keys.iter().map(|(key, _)| db.peek(*key).is_some());
        let any = existing.clone().any(|exists| exists);
        let all = existing.all(|exists| exists);
        Some(Box::new(Found { any, all, expiry }))
    }

    /// Sets the keys that `db` owns if `when` allows; replies 1 or 0.
    fn commit(
        self,
        db: &mut Db,
        args: &Args<'_>,
        when: When<'_>,
        parcels: &[Parcel],
        out: &mut Out,
    ) {
        let found = || parcels.iter().flatten().filter_map(|parcel| parcel.downcast_ref::<Found>());
        let allowed = match when {
            When::Missing => !found().any(|found| found.any),
            When::Exists => found().all(|found| found.all),
            When::Always | When::Holds(_) => true,
        };
        // The clocks of two shards may differ; all keys get the time of one of them.
        let expiry = found().next().map_or(Expiry::Never, |found| found.expiry);
        if allowed {
            for (key, position) in self.owned(db, args) {
                let mut write = db.write(key);
                write.set(stored(args, position + 1), expiry, SET);
                report_set(&mut write, key.bytes, args.at(position + 1), expiry);
            }
        }
        out.int(allowed.into());
    }
}

fn msetnx_pairs(args: &Args<'_>) -> Result<Pairs, CmdError> {
    check_pairs(args, "msetnx")?;
    Ok(Pairs { first: 1, count: args.len() / 2 })
}

pub(super) fn msetnx_collect(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    Ok(msetnx_pairs(args)?.find(db, args, Expiry::Never))
}

pub(super) fn msetnx_commit(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    out: &mut Out,
) -> CmdResult {
    msetnx_pairs(args)?.commit(db, args, When::Missing, parcels, out);
    Ok(())
}

/// Reads MSETEX's count, pairs and options (<https://redis.io/docs/latest/commands/msetex/>).
fn read_msetex<'a>(args: &Args<'a>) -> Result<(Pairs, SetOptions<'a>), CmdError> {
    let count =
        num::parse_i64(args.at(1)).filter(|count| (1..=i64::from(i32::MAX)).contains(count));
    let count = count.ok_or(INVALID_COUNT)? as usize;
    let pairs = Pairs { first: 2, count };
    let end = pairs.first + 2 * count;
    if end > args.len() {
        return Err(PAIRS_MISSING);
    }
    Ok((pairs, SetOptions::read_for_many(&mut args.reader(end))?))
}

pub(super) fn msetex_collect(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    let (pairs, options) = read_msetex(args)?;
    let expiry = options.lifetime.expiry(db.now(), "msetex")?;
    Ok(pairs.find(db, args, expiry))
}

pub(super) fn msetex_commit(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    out: &mut Out,
) -> CmdResult {
    let (pairs, options) = read_msetex(args)?;
    pairs.commit(db, args, options.when, parcels, out);
    Ok(())
}
