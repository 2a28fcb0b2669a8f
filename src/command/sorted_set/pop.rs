//! ZPOPMIN, ZPOPMAX and ZMPOP.

use super::entries::{Entries, open_list, write_member};
use crate::base::num;
use crate::command::portion::Portion;
use crate::command::spec::Parcel;
use crate::ds::listpack::Item;
use crate::resp::args::{Args, Key};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::change::Event;
use crate::store::db::Db;
use crate::store::sorted_set::SortedSet;

const NOT_POSITIVE: CmdError = CmdError::Text("ERR value is out of range, must be positive");
const NO_KEYS: CmdError = CmdError::Text("ERR numkeys should be greater than 0");
const NO_COUNT: CmdError = CmdError::Text("ERR count should be greater than 0");

/// The end of a sorted set from which members are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Min,
    Max,
}

impl End {
    fn event(self) -> Event {
        super::event(match self {
            End::Min => "zpopmin",
            End::Max => "zpopmax",
        })
    }

    /// The command that takes from this end of one key.
    fn command(self) -> &'static [u8] {
        match self {
            End::Min => b"ZPOPMIN",
            End::Max => b"ZPOPMAX",
        }
    }

    fn ranks(self, len: usize, count: usize) -> std::ops::Range<usize> {
        let count = count.min(len);
        match self {
            End::Min => 0..count,
            End::Max => len - count..len,
        }
    }
}

/// Takes up to `count` members from an end of the sorted set at `key`. Calls `begin` with their
/// number, then `visit` with each, the outermost first; neither if there is no such key. Returns
/// the number.
pub fn pop(
    db: &mut Db,
    key: Key<'_>,
    end: End,
    count: usize,
    mut visit: impl FnMut(Taken<'_>),
) -> Result<usize, CmdError> {
    let Some(mut set) = db.edit::<SortedSet>(key)? else { return Ok(0) };
    let ranks = end.ranks(set.len(), count);
    let taken = ranks.len();
    if taken > 0 {
        visit(Taken::Count(taken));
        for (member, score) in set.walk(ranks.clone(), end == End::Max) {
            visit(Taken::Member(member, score));
        }
        set.remove_ranks(ranks);
        set.changed_elements(end.event(), taken);
        let mut digits = itoa::Buffer::new();
        set.repeat_as(&[end.command(), key.bytes, digits.format(taken).as_bytes()]);
    }
    Ok(taken)
}

/// What [`pop`] shows.
pub enum Taken<'a> {
    /// How many members follow.
    Count(usize),
    Member(Item<'a>, f64),
}

fn pop_end(
    db: &mut Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
    end: End,
) -> CmdResult {
    match args.len() {
        2 => {}
        3 => return pop_some(db, args, portion, out, end),
        _ => return Err(CmdError::Syntax),
    }
    // A single member without a count is never nested.
    let taken = pop(db, args.key(1), end, 1, |taken| match taken {
        Taken::Count(_) => out.array(2),
        Taken::Member(member, score) => {
            write_member(out, member, score, false);
            out.double(score);
        }
    })?;
    if taken == 0 {
        out.array(0);
    }
    Ok(())
}

/// With a count.
fn pop_some(
    db: &mut Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
    end: End,
) -> CmdResult {
    let count = num::parse_i64(args.at(2)).and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or(NOT_POSITIVE)?;
    let key = args.key(1);
    let Some(mut set) = db.edit::<SortedSet>(key)? else {
        out.array(0);
        return Ok(());
    };
    let total = if portion.is_first() { count.min(set.len()) } else { portion.at() as usize };
    if !portion.admits(total) {
        return Ok(());
    }
    if portion.is_first() {
        open_list(out, total, total > 0);
    }
    // To write a member and to remove it takes twice as long as either.
    let here = portion.room().div_ceil(2).min(total - portion.counted());
    let ranks = end.ranks(set.len(), here);
    for (member, score) in set.walk(ranks.clone(), end == End::Max) {
        write_member(out, member, score, true);
    }
    portion.count(ranks.len());
    set.remove_ranks(ranks);
    if portion.counted() < total {
        portion.go_on(total as u128);
    } else if total > 0 {
        set.changed(end.event());
        let mut digits = itoa::Buffer::new();
        set.repeat_as(&[end.command(), key.bytes, digits.format(total).as_bytes()]);
    }
    Ok(())
}

pub(super) fn zpopmin(
    db: &mut Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    pop_end(db, args, portion, out, End::Min)
}

pub(super) fn zpopmax(
    db: &mut Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    pop_end(db, args, portion, out, End::Max)
}

/// ZMPOP's arguments.
pub(super) struct Request {
    /// Positions of the keys.
    pub keys: std::ops::Range<usize>,
    pub end: End,
    pub count: usize,
}

impl Request {
    /// Reads the arguments from the number of keys on, which stands at `at`.
    pub fn read(args: &Args<'_>, at: usize) -> Result<Request, CmdError> {
        let positive = |index: usize, error: CmdError| {
            let number = num::parse_i64(args.at(index)).filter(|number| *number > 0);
            number.map(|number| number as usize).ok_or(error)
        };
        let count = positive(at, NO_KEYS)?;
        let keys = at + 1..(at + 1).saturating_add(count);
        if keys.end >= args.len() {
            return Err(CmdError::Syntax);
        }
        let mut options = args.reader(keys.end);
        let end = if options.keyword("MIN") {
            End::Min
        } else if options.keyword("MAX") {
            End::Max
        } else {
            return Err(CmdError::Syntax);
        };
        let mut count = None;
        while !options.done() {
            if count.is_some() || !options.keyword("COUNT") || options.done() {
                return Err(CmdError::Syntax);
            }
            count = Some(positive(options.position(), NO_COUNT)?);
            options.word()?;
        }
        Ok(Request { keys, end, count: count.unwrap_or(1) })
    }
}

/// The first of a shard's keys that holds anything.
struct Candidate {
    /// Position among the arguments.
    position: usize,
    /// What would be taken; none if the key is of another type.
    entries: Option<Entries>,
}

impl Bulky for Candidate {}

impl Candidate {
    /// The candidate of the shard whose key comes first.
    fn first(parcels: &[Parcel]) -> Option<&Candidate> {
        let candidates = parcels.iter().flatten();
        let candidates = candidates.filter_map(|parcel| parcel.downcast_ref::<Candidate>());
        candidates.min_by_key(|candidate| candidate.position)
    }
}

pub(super) fn zmpop_collect(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    Ok(candidate(db, args, &Request::read(args, 1)?))
}

/// Finds a shard's candidate.
pub(super) fn candidate(db: &Db, args: &Args<'_>, request: &Request) -> Parcel {
    for position in request.keys.clone() {
        let key = args.key(position);
        if !db.owns(key) || db.peek(key).is_none() {
            continue;
        }
        let Ok(set) = db.peek_as::<SortedSet>(key) else {
            return Some(Box::new(Candidate { position, entries: None }));
        };
        let set = set.expect("the key exists");
        let mut entries = Entries::default();
        let ranks = request.end.ranks(set.len(), request.count);
        entries.extend(set.walk(ranks, request.end == End::Max));
        return Some(Box::new(Candidate { position, entries: Some(entries) }));
    }
    None
}

pub(super) fn zmpop_commit(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    out: &mut Out,
) -> CmdResult {
    answer(db, args, &Request::read(args, 1)?, parcels, out)
}

/// Takes the members from the first candidate of all shards, if there is one: its key and them.
pub(super) fn take_first<'a, 'p>(
    db: &mut Db,
    args: &Args<'a>,
    request: &Request,
    parcels: &'p [Parcel],
) -> Result<Option<(Key<'a>, &'p Entries)>, CmdError> {
    let Some(chosen) = Candidate::first(parcels) else { return Ok(None) };
    let entries = chosen.entries.as_ref().ok_or(CmdError::WrongType)?;
    let key = args.key(chosen.position);
    if db.owns(key) {
        pop(db, key, request.end, request.count, |_| {})?;
    }
    Ok(Some((key, entries)))
}

/// Takes the members from the first candidate of all shards, and answers them.
pub(super) fn answer(
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
    out.array(2);
    out.bulk(key.bytes);
    // Each member stands with its score in an array of its own, in both protocols.
    out.array(entries.len());
    for (member, score) in entries.iter() {
        out.array(2);
        out.bulk(member);
        out.double(score);
    }
    Ok(())
}
