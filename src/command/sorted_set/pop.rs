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
#[derive(Default)]
struct Candidate {
    /// Position among the arguments.
    position: usize,
    /// What would be taken; none if the key is of another type.
    entries: Option<Entries>,
}

impl Bulky for Candidate {
    fn free_some(&mut self, budget: usize) -> bool {
        self.entries.as_mut().is_none_or(|entries| entries.free_some(budget))
    }
}

impl Candidate {
    /// The candidate of the shard whose key comes first.
    fn first(parcels: &[Parcel]) -> Option<&Candidate> {
        let candidates = parcels.iter().flatten();
        let candidates = candidates.filter_map(|parcel| parcel.downcast_ref::<Candidate>());
        candidates.min_by_key(|candidate| candidate.position)
    }
}

/// The position of the first of a shard's keys that exists, and the set there.
/// [`CmdError::WrongType`] in its place if it is none.
fn first_key<'d>(
    db: &'d Db,
    args: &Args<'_>,
    request: &Request,
) -> Option<(usize, Result<&'d SortedSet, CmdError>)> {
    request.keys.clone().filter(|position| db.owns(args.key(*position))).find_map(|position| {
        let set = db.peek_as::<SortedSet>(args.key(position)).transpose()?;
        Some((position, set))
    })
}

/// Finds a shard's candidate.
pub(super) fn candidate(db: &Db, args: &Args<'_>, request: &Request) -> Parcel {
    let (position, set) = first_key(db, args, request)?;
    let entries = set.ok().map(|set| {
        let mut entries = Entries::default();
        let ranks = request.end.ranks(set.len(), request.count);
        entries.extend(set.walk(ranks, request.end == End::Max));
        entries
    });
    Some(Box::new(Candidate { position, entries }))
}

/// Finds a shard's candidate. The owner of the first key answers: if the members are its own it
/// takes them later, else they are copied here, as many in one call as the portion says.
pub(super) fn zmpop_collect(
    db: &Db,
    args: &Args<'_>,
    portion: &mut Portion,
) -> Result<Parcel, CmdError> {
    let request = Request::read(args, 1)?;
    let Some((position, set)) = first_key(db, args, &request) else { return Ok(None) };
    let Ok(set) = set else { return Ok(Some(Box::new(Candidate { position, entries: None }))) };
    let mut found = portion.take_state::<Candidate>().unwrap_or_default();
    found.position = position;
    let entries = found.entries.get_or_insert_default();
    let ranks = request.end.ranks(set.len(), request.count);
    if !db.owns(args.key(request.keys.start))
        && let Some(here) = portion.range(ranks.len())
    {
        let count = portion.room().min(here.len());
        let left = match request.end {
            End::Min => ranks.start + here.start..ranks.end,
            End::Max => ranks.start..ranks.end - here.start,
        };
        entries.extend(set.walk(left, request.end == End::Max).take(count));
        if count < here.len() {
            portion.go_on((here.start + count) as u128);
        }
    }
    if portion.is_unfinished() {
        portion.keep_state(found);
        return Ok(None);
    }
    Ok(Some(found))
}

pub(super) fn zmpop_commit(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    let request = Request::read(args, 1)?;
    let Some(chosen) = Candidate::first(parcels) else {
        out.null_array();
        return Ok(());
    };
    let entries = chosen.entries.as_ref().ok_or(CmdError::WrongType)?;
    let (key, answers) = (args.key(chosen.position), db.owns(args.key(request.keys.start)));
    if db.owns(key) {
        let mut unread = Out::default();
        return pop_named(db, key, &request, portion, if answers { out } else { &mut unread });
    }
    if answers {
        copy_out(key, entries, portion, out);
    }
    Ok(())
}

/// Takes members from an end of one set, as many in one call as the portion says, and writes the
/// key and them, as ZMPOP answers; null if there is no such key.
fn pop_named(
    db: &mut Db,
    key: Key<'_>,
    request: &Request,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    // It may have expired since it was found.
    let Some(mut set) = db.edit::<SortedSet>(key)? else {
        out.null_array();
        return Ok(());
    };
    let (end, is_first) = (request.end, portion.is_first());
    let total = if is_first { request.count.min(set.len()) } else { portion.at() as usize };
    if !portion.admits(total) {
        return Ok(());
    }
    if is_first {
        open_named(key, total, out);
    }
    // To write a member and to remove it takes twice as long as either.
    let here = portion.room().div_ceil(2).min(total - portion.counted());
    let ranks = end.ranks(set.len(), here);
    for (member, score) in set.walk(ranks.clone(), end == End::Max) {
        write_pair(out, member, score);
    }
    portion.count(ranks.len());
    set.remove_ranks(ranks);
    if portion.counted() < total {
        portion.go_on(total as u128);
    } else {
        set.changed_elements(end.event(), total);
        let mut digits = itoa::Buffer::new();
        set.repeat_as(&[end.command(), key.bytes, digits.format(total).as_bytes()]);
    }
    Ok(())
}

/// Answers members that came from another shard, a few pages of them in one call.
fn copy_out(key: Key<'_>, entries: &Entries, portion: &mut Portion, out: &mut Out) {
    if !portion.admits(entries.len()) {
        return;
    }
    if portion.is_first() {
        open_named(key, entries.len(), out);
    }
    for page in portion.at() as usize..entries.pages() {
        if portion.is_full(out) {
            return portion.go_on(page as u128);
        }
        for (member, score) in entries.page(page) {
            portion.count(1);
            write_pair(out, Item::Text(member), score);
        }
    }
}

/// Opens ZMPOP's reply.
fn open_named(key: Key<'_>, count: usize, out: &mut Out) {
    out.array(2);
    out.bulk(key.bytes);
    out.array(count);
}

/// Each member stands with its score in an array of its own, in both protocols.
fn write_pair(out: &mut Out, member: Item<'_>, score: f64) {
    out.array(2);
    write_member(out, member, score, false);
    out.double(score);
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
    open_named(key, entries.len(), out);
    for (member, score) in entries.iter() {
        write_pair(out, Item::Text(member), score);
    }
    Ok(())
}
