//! What streams have to give to XREAD and XREADGROUP: looking, without a change.
//!
//! Invariant: a search that is interrupted goes on where it stopped, as if it had not been; nobody
//! changes the streams meanwhile.

use std::collections::BTreeMap;
use std::ops::Range;

use super::request::Request;
use crate::base::time::Millis;
use crate::command::portion::Portion;
use crate::command::stream::ids;
use crate::command::stream::range::{write_bulk_id, write_entry, write_pairs};
use crate::ds::chunked::Chunked;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult, shown};
use crate::resp::out::{Out, Protocol};
use crate::store::db::Db;
use crate::store::stream::Stream;
use crate::store::stream::group::{Ages, Group, Place};
use crate::store::stream::id::Id;
use crate::store::stream::node::Entry;

/// How many entries are visited in the time in which one is looked up by its id: half of its node
/// is read for that.
const VISITED_PER_LOOKUP: usize = 8;

/// What a group does with an entry when it is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is new to the group.
    Fresh,
    /// It was pending for too long and changes hands.
    Claim,
    /// It goes to its owner once more.
    Again,
    /// It is pending and no longer in the stream.
    Gone,
}

/// Where a search in one stream goes on.
enum Cursor {
    /// Nothing was looked at.
    Start,
    /// The pending entries are being put in the order of their ages.
    Ages(Ages),
    /// With the pending entry at this place.
    Claimable(Place),
    /// With this entry, new or pending.
    From(Id),
    /// Nowhere.
    End,
}

/// What one stream has to give.
pub(super) struct Found {
    /// Which of the keys it is.
    pub(super) index: usize,
    /// Encoded entries of earlier portions, and the number of entries up to the end of each page.
    pages: Vec<(Out, usize)>,
    /// The entries after those, encoded one after the other.
    last_page: Out,
    /// Where each entry ends in all pages together.
    ends: Chunked<usize>,
    /// For a group, what each is.
    pub(super) steps: Chunked<(Id, Step)>,
    /// False if there is nothing to tell of the stream.
    pub(super) is_served: bool,
    /// Why the request is refused, if it is.
    pub(super) error: Option<CmdError>,
    cursor: Cursor,
}

impl Found {
    fn new(index: usize) -> Found {
        // Array and bulk headers, which is all there is in entries, but for the null of an entry
        // that is gone, are the same in both protocols.
        let last_page = Out::new(Protocol::Resp2);
        let (pages, ends, steps) = (Vec::new(), Chunked::default(), Chunked::default());
        let (is_served, error, cursor) = (false, None, Cursor::Start);
        Found { index, pages, last_page, ends, steps, is_served, error, cursor }
    }

    /// How many entries there are.
    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// The encoded bytes of the first `count` entries.
    pub(super) fn len(&self, count: usize) -> usize {
        count.checked_sub(1).map_or(0, |last| self.ends.at(last))
    }

    /// True if as much as may be wanted is found.
    fn is_full(&self, request: &Request<'_>) -> bool {
        self.count() >= request.limit()
            || self.count() > 0 && self.len(self.count()) >= request.max_size
    }

    /// Takes note that an entry was written to the last page.
    fn end(&mut self, portion: &mut Portion) {
        let end = self.page_start(self.pages.len()) + self.last_page.encoded().len();
        portion.count(1);
        portion.count_bytes(end - self.len(self.count()));
        self.ends.push(end);
    }

    /// Ends the last page.
    fn turn(&mut self) {
        let next = Out::with_buffer(Vec::with_capacity(self.last_page.len()), Protocol::Resp2);
        let page = std::mem::replace(&mut self.last_page, next);
        if !page.is_empty() {
            self.pages.push((page, self.count()));
        }
    }

    /// The entry that the page begins with.
    fn first_of(&self, page: usize) -> usize {
        page.checked_sub(1).map_or(0, |before| self.pages[before].1)
    }

    /// Bytes before the page.
    fn page_start(&self, page: usize) -> usize {
        self.len(self.first_of(page))
    }

    /// How many pages there are.
    pub(super) fn pages(&self) -> usize {
        self.pages.len() + 1
    }

    fn entries_of(&self, page: usize) -> Range<usize> {
        let end = self.pages.get(page).map_or(self.count(), |(_, end)| *end);
        self.first_of(page)..end
    }

    fn has_gone(&self, entries: &Range<usize>) -> bool {
        let is_gone = |entry| self.steps.get(entry).is_some_and(|(_, step)| step == Step::Gone);
        !self.steps.is_empty() && entries.clone().any(is_gone)
    }

    /// Writes those entries of a page that are among the first `count` of all.
    pub(super) fn write_page(&self, page: usize, count: usize, out: &mut Out) {
        let entries = self.entries_of(page);
        let entries = entries.start.min(count)..entries.end.min(count);
        let base = self.page_start(page);
        let encoded = self.pages.get(page).map_or(&self.last_page, |(page, _)| page);
        if !self.has_gone(&entries) {
            let end = self.len(entries.end).max(base);
            return out.append_range(encoded, 0, end - base);
        }
        for entry in entries {
            out.append_range(encoded, self.len(entry) - base, self.len(entry + 1) - base);
            if self.steps.at(entry).1 == Step::Gone {
                // In place of the fields.
                out.null_array();
            }
        }
    }

    /// Like [`Found::write_page`], and takes the page away.
    pub(super) fn move_page(&mut self, page: usize, count: usize, out: &mut Out) {
        let entries = self.entries_of(page);
        if entries.end > count || self.has_gone(&entries) {
            return self.write_page(page, count, out);
        }
        let taken = self.pages.get_mut(page).map_or(&mut self.last_page, |(page, _)| page);
        out.adopt(std::mem::take(taken));
    }

    /// Drops some pages, or up to `budget` other elements. True when what is left can be dropped at
    /// once.
    pub(super) fn free_some(&mut self, budget: usize) -> bool {
        let is_freed = match &mut self.cursor {
            Cursor::Ages(ages) => ages.free_some(budget),
            _ => true,
        };
        self.pages.pop().is_none() && is_freed
    }
}

/// What all streams of a request have to give, as far as they are searched.
#[derive(Default)]
pub(super) struct Search {
    pub(super) found: Vec<Found>,
    /// Where a key's group will stand once what was found is delivered, if there are several keys.
    delivered: BTreeMap<Box<[u8]>, Id>,
}

impl Search {
    /// Searches until the portion is spent, which is false, or nothing is left. Refused streams of
    /// this shard end the search: with the error if no other shard is asked, else it is noted.
    pub(super) fn advance(
        &mut self,
        db: &Db,
        args: &Args<'_>,
        request: &Request<'_>,
        portion: &mut Portion,
    ) -> Result<bool, CmdError> {
        loop {
            match self.found.last_mut() {
                Some(found) if found.error.is_some() => return Ok(true),
                Some(Found { cursor: Cursor::End, .. }) | None => {
                    let behind = self.found.last().map_or(0, |found| found.index + 1);
                    let owns = |index: &usize| db.owns(args.key(request.first + index));
                    let Some(index) = (behind..request.streams).find(owns) else { return Ok(true) };
                    if portion.is_spent() {
                        return Ok(false);
                    }
                    portion.count(usize::from(index > 0));
                    self.found.push(Found::new(index));
                }
                Some(found) => {
                    let key = args.key(request.first + found.index);
                    let delivered = self.delivered.get(key.bytes).copied();
                    if let Err(error) = find(db, args, request, delivered, found, portion) {
                        refused(db, args, request, found, error)?;
                    } else if !matches!(found.cursor, Cursor::End) {
                        if portion.is_spent() {
                            found.turn();
                            return Ok(false);
                        }
                    } else if let Some((id, Step::Fresh)) = found.steps.last()
                        && request.streams > 1
                    {
                        self.delivered.insert(key.bytes.into(), id);
                    }
                }
            }
        }
    }

    /// Drops some of it; see [`Found::free_some`].
    pub(super) fn free_some(&mut self, budget: usize) -> bool {
        if self.found.last_mut().is_some_and(|found| found.free_some(budget)) {
            self.found.pop();
        }
        self.found.is_empty()
    }
}

/// Notes the refusal of a stream, where another shard may know of one that comes before it.
fn refused(
    db: &Db,
    args: &Args<'_>,
    request: &Request<'_>,
    found: &mut Found,
    error: CmdError,
) -> CmdResult {
    let is_owned = |index| db.owns(args.key(request.first + index));
    if (0..request.streams).all(is_owned) {
        return Err(error);
    }
    found.error = Some(error);
    Ok(())
}

/// Checks that no stream is refused, without a trace of the look.
pub(super) fn check(db: &Db, args: &Args<'_>, request: &Request<'_>) -> CmdResult {
    for index in 0..request.streams {
        let stream = db.peek_as::<Stream>(args.key(request.first + index))?;
        let word = request.id(args, index);
        match request.group {
            None => drop(start_after(stream, word)?),
            Some(_) => {
                members(stream, args, request, index)?;
                group_position(word)?;
            }
        }
    }
    Ok(())
}

/// Finds what one stream has to give; a group that read the same stream before goes on after
/// `delivered`.
fn find(
    db: &Db,
    args: &Args<'_>,
    request: &Request<'_>,
    delivered: Option<Id>,
    found: &mut Found,
    portion: &mut Portion,
) -> CmdResult {
    let key = args.key(request.first + found.index);
    let stream = db.read_as::<Stream>(key)?;
    let word = request.id(args, found.index);
    if request.group.is_none() {
        let start = match found.cursor {
            Cursor::From(id) => Some(id),
            _ => start_after(stream, word)?,
        };
        find_after(stream, start, request, found, portion);
        return Ok(());
    }
    let (stream, group) = members(stream, args, request, found.index)?;
    let reader = GroupReader { stream, group, request, now: db.now() };
    match group_position(word)? {
        Some(id) => reader.find_history(id, found, portion),
        None => reader.find_new(delivered, found, portion),
    }
    Ok(())
}

/// The stream with its group.
fn members<'d>(
    stream: Option<&'d Stream>,
    args: &Args<'_>,
    request: &Request<'_>,
    index: usize,
) -> Result<(&'d Stream, &'d Group), CmdError> {
    let (name, _) = request.group.unwrap_or_default();
    let group = stream.and_then(|stream| Some((stream, stream.group(name)?)));
    group.ok_or_else(|| no_group(args.at(request.first + index), name))
}

fn no_group(key: &[u8], group: &[u8]) -> CmdError {
    let parts: [&[u8]; 5] = [
        b"NOGROUP No such key '",
        shown(key, usize::MAX),
        b"' or consumer group '",
        shown(group, usize::MAX),
        b"' in XREADGROUP with GROUP option",
    ];
    CmdError::owned(parts.concat())
}

/// Reads the id argument of XREADGROUP; none for new entries.
fn group_position(word: &[u8]) -> Result<Option<Id>, CmdError> {
    let id = match word {
        b">" => Id::MAX,
        b"$" | b"+" => {
            let word = char::from(word[0]);
            return Err(CmdError::owned(format!(
                "ERR The {word} ID is meaningless in the context of XREADGROUP: you want to read \
                 the history of this consumer by specifying a proper ID, or use the > ID to get \
                 new messages. The {word} ID would just return an empty result set."
            )));
        }
        word => ids::parse_strict(word)?,
    };
    Ok((id != Id::MAX).then_some(id))
}

/// The first id that XREAD wants, given the id argument; none if it is behind all.
fn start_after(stream: Option<&Stream>, word: &[u8]) -> Result<Option<Id>, CmdError> {
    let last = || stream.and_then(|stream| stream.last_entry()).map(|entry| entry.id);
    let after = match word {
        b"$" => stream.map_or(Id::MIN, |stream| stream.summary().last),
        b"+" => last().and_then(Id::previous).unwrap_or(Id::MIN),
        b">" => {
            return Err(CmdError::Text(
                "ERR The > ID can be specified only when calling XREADGROUP using the GROUP \
                 <group> <consumer> option.",
            ));
        }
        word => ids::parse_strict(word)?,
    };
    Ok(after.next())
}

/// Finds entries from `start` on.
fn find_after(
    stream: Option<&Stream>,
    start: Option<Id>,
    request: &Request<'_>,
    found: &mut Found,
    portion: &mut Portion,
) {
    found.cursor = Cursor::End;
    let (Some(stream), Some(start)) = (stream, start) else { return };
    for entry in stream.range(start, Id::MAX) {
        if found.is_full(request) {
            break;
        }
        if portion.is_spent() {
            found.cursor = Cursor::From(entry.id);
            break;
        }
        write_entry(&entry, &mut found.last_page);
        found.end(portion);
    }
    found.is_served = found.count() > 0;
}

/// Looks up what a consumer group has to give.
struct GroupReader<'a> {
    stream: &'a Stream,
    group: &'a Group,
    request: &'a Request<'a>,
    now: Millis,
}

impl GroupReader<'_> {
    /// Finds the consumer's pending entries after `id`.
    fn find_history(&self, id: Id, found: &mut Found, portion: &mut Portion) {
        found.is_served = true;
        let (_, name) = self.request.group.unwrap_or_default();
        let consumer = self.group.find_consumer(name);
        let start = match found.cursor {
            Cursor::From(id) => Some(id),
            _ => id.next(),
        };
        found.cursor = Cursor::End;
        let (Some(consumer), Some(start)) = (consumer, start) else { return };
        for (id, _) in self.group.pending_of(consumer, start) {
            if found.is_full(self.request) {
                break;
            }
            if portion.is_spent() {
                found.cursor = Cursor::From(id);
                break;
            }
            let step = match self.stream.entry(id) {
                Some(entry) => {
                    write_entry(&entry, &mut found.last_page);
                    Step::Again
                }
                None => {
                    found.last_page.array(2);
                    write_bulk_id(id, &mut found.last_page);
                    Step::Gone
                }
            };
            found.end(portion);
            found.steps.push((id, step));
            portion.count(VISITED_PER_LOOKUP);
        }
    }

    /// Finds entries to be claimed, if they are wanted, and new ones: those after `delivered` if
    /// the same stream was read before.
    fn find_new(&self, delivered: Option<Id>, found: &mut Found, portion: &mut Portion) {
        if let (Some(min_idle), None) = (self.request.min_idle, delivered)
            && !matches!(found.cursor, Cursor::From(_))
            && !(self.is_sorted(found, portion) && self.find_claimable(min_idle, found, portion))
        {
            return;
        }
        let start = match found.cursor {
            Cursor::From(id) => Some(id),
            _ => delivered.unwrap_or(self.group.last_id).next(),
        };
        found.cursor = Cursor::End;
        for entry in start.into_iter().flat_map(|start| self.stream.range(start, Id::MAX)) {
            if found.is_full(self.request) {
                break;
            }
            if portion.is_spent() {
                found.cursor = Cursor::From(entry.id);
                break;
            }
            self.write(&entry, (0, 0), found, portion);
            found.steps.push((entry.id, Step::Fresh));
        }
        found.is_served = !found.steps.is_empty();
    }

    /// Makes sure that the order of ages is known; false if that is for another portion.
    fn is_sorted(&self, found: &mut Found, portion: &mut Portion) -> bool {
        if matches!(found.cursor, Cursor::Start) {
            if self.group.knows_ages(portion.room()) {
                return true;
            }
            found.cursor = Cursor::Ages(Ages::default());
        }
        let Cursor::Ages(ages) = &mut found.cursor else { return true };
        // An element is compared with many others.
        let budget = (portion.room() / 4).max(1);
        portion.count(portion.room());
        if portion.may_go_on() && self.group.learn_ages(ages, budget) {
            found.cursor = Cursor::Claimable(Place::FIRST);
        }
        false
    }

    /// Finds entries that wait for too long; false if others are for another portion.
    fn find_claimable(&self, min_idle: Millis, found: &mut Found, portion: &mut Portion) -> bool {
        let first = match found.cursor {
            Cursor::Claimable(place) => place,
            _ => Place::FIRST,
        };
        found.cursor = Cursor::Start;
        for (place, id, pending) in self.group.pending_by_age_from(first) {
            let idle = self.now.saturating_sub(pending.delivered_at());
            if idle < min_idle || found.is_full(self.request) {
                break;
            }
            if portion.is_spent() {
                found.cursor = Cursor::Claimable(place);
                return false;
            }
            if let Some(entry) = self.stream.entry(id) {
                self.write(&entry, (idle, pending.deliveries), found, portion);
                found.steps.push((id, Step::Claim));
            }
            portion.count(VISITED_PER_LOOKUP);
        }
        true
    }

    fn write(
        &self,
        entry: &Entry<'_>,
        (idle, deliveries): (Millis, u64),
        found: &mut Found,
        portion: &mut Portion,
    ) {
        let out = &mut found.last_page;
        if self.request.min_idle.is_none() {
            write_entry(entry, out);
        } else {
            out.array(4);
            write_bulk_id(entry.id, out);
            write_pairs(entry, out);
            out.int(idle);
            out.int(deliveries as i64);
        }
        found.end(portion);
    }
}
