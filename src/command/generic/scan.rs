//! Enumerating keys: all at once, or in steps that leave nothing behind on the server.
//!
//! A SCAN walks one shard after the other. Its cursor names the shard and the place in the shard's
//! table; the shard that comes to its end answers the beginning of the next, and the last answers
//! zero.
//!
//! Invariant: a key that exists from the first call to the last is returned at least once. The
//! table gives that for one shard, and a key never changes its shard.

use crate::base::glob;
use crate::base::hash::SLOTS;
use crate::base::layout::ScanCursor;
use crate::command::portion::Portion;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::db::Db;
use crate::store::entry::EntryRef;

/// COUNT where it is not given.
const COUNT_DEFAULT: u64 = 10;

/// How many steps of the table one call may take for each key it was asked for, if it finds fewer.
const STEPS_PER_COUNT: u64 = 10;

/// Unlike elsewhere, a star alone means every key here, also the empty one.
fn matches(pattern: &[u8], key: &[u8]) -> bool {
    pattern == b"*" || glob::glob_match(pattern, key, false)
}

pub(super) fn keys(db: &Db, args: &Args<'_>, portion: &mut Portion, out: &mut Out) -> CmdResult {
    let pattern = args.at(1);
    let (first, last) = match glob::glob_prefix_slot(pattern) {
        None => (0, u64::MAX),
        Some(slot) if db.owned().contains(&slot) => hashes_of(slot),
        Some(_) => {
            out.array(0);
            return Ok(());
        }
    };
    if last == u64::MAX && !portion.admits(db.len()) {
        return Ok(());
    }
    // What is handed on is how many keys there were so far, and the hash of the next.
    let (mut count, mut next) = (portion.kept(), Some(portion.at() as u64));
    if portion.is_first() {
        next = Some(first);
    }
    let start = out.encoded().len();
    while let Some(from) = next {
        if portion.is_full(out) {
            portion.go_on(from.into());
            portion.keep(count);
            return Ok(());
        }
        let mut visited = 0;
        next = db.walk(from, last, |entry| {
            visited += 1;
            if matches(pattern, entry.key()) {
                out.bulk(entry.key());
                count += 1;
            }
        });
        portion.count(visited.max(1));
    }
    portion.end_array(start, count, out);
    Ok(())
}

/// The first and the last hash of the keys of a slot.
fn hashes_of(slot: u16) -> (u64, u64) {
    let shift = u64::BITS - SLOTS.trailing_zeros();
    let first = u64::from(slot) << shift;
    (first, first | ((1 << shift) - 1))
}

/// Which keys a SCAN wants, and how many a call.
struct Wanted<'a> {
    pattern: Option<&'a [u8]>,
    type_name: Option<&'a [u8]>,
    count: u64,
}

impl<'a> Wanted<'a> {
    fn read(args: &Args<'a>) -> Result<Wanted<'a>, CmdError> {
        let mut wanted = Wanted { pattern: None, type_name: None, count: COUNT_DEFAULT };
        let mut options = args.reader(2);
        while !options.done() {
            if options.keyword("COUNT") {
                let count = options.int()?;
                wanted.count = u64::try_from(count).map_err(|_| CmdError::Syntax)?;
                if wanted.count == 0 {
                    return Err(CmdError::Syntax);
                }
            } else if options.keyword("MATCH") {
                wanted.pattern = Some(options.word()?);
            } else if options.keyword("TYPE") {
                wanted.type_name = Some(options.word()?);
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(wanted)
    }

    fn has(&self, entry: EntryRef<'_>) -> bool {
        let matches = |pattern: &[u8]| matches(pattern, entry.key());
        let is_named =
            |name: &[u8]| name.eq_ignore_ascii_case(entry.value().kind().name().as_bytes());
        self.pattern.is_none_or(matches) && self.type_name.is_none_or(is_named)
    }

    /// Whether the pattern fixes a slot that is not on this shard.
    fn is_elsewhere(&self, db: &Db) -> bool {
        let slot = self.pattern.and_then(glob::glob_prefix_slot);
        slot.is_some_and(|slot| !db.owned().contains(&slot))
    }
}

/// Where a SCAN goes on and how many keys its client would like in one reply, or what is wrong with
/// its arguments.
pub fn scan_page(args: &Args<'_>) -> Result<(ScanCursor, usize), CmdError> {
    let (cursor, wanted) = read(args)?;
    Ok((cursor, usize::try_from(wanted.count).unwrap_or(usize::MAX)))
}

fn read<'a>(args: &Args<'a>) -> Result<(ScanCursor, Wanted<'a>), CmdError> {
    let cursor = ScanCursor::parse(args.at(1)).ok_or(CmdError::Text("ERR invalid cursor"))?;
    Ok((cursor, Wanted::read(args)?))
}

pub(super) fn scan(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let (cursor, wanted) = read(args)?;
    let (mut found, mut count) = (Out::new(out.protocol()), 0);
    let next = walk(db, cursor, &wanted, |key| {
        found.bulk(key);
        count += 1;
    });
    out.array(2);
    out.bulk_int(next.number() as i64);
    out.array(count);
    out.append(&found);
    Ok(())
}

/// Walks on from `cursor`, calls `found` with each wanted key, and returns where the next call goes
/// on.
fn walk(
    db: &Db,
    cursor: ScanCursor,
    wanted: &Wanted<'_>,
    mut found: impl FnMut(&[u8]),
) -> ScanCursor {
    const END: ScanCursor = ScanCursor { shard: 0, place: 0 };
    // The router sends a cursor that names no shard to any: nobody was ever given it.
    if cursor.shard != db.shard() {
        return END;
    }
    let next_shard = if db.shard() + 1 < db.shards() {
        ScanCursor { shard: db.shard() + 1, place: 0 }
    } else {
        END
    };
    if wanted.is_elsewhere(db) {
        return next_shard;
    }
    let (mut place, mut visited) = (cursor.place, 0);
    for _ in 0..wanted.count.saturating_mul(STEPS_PER_COUNT) {
        place = db.scan(place, |entry| {
            visited += 1;
            if wanted.has(entry) {
                found(entry.key());
            }
        });
        if place == 0 {
            return next_shard;
        }
        if visited >= wanted.count {
            break;
        }
    }
    ScanCursor { shard: cursor.shard, place }
}
