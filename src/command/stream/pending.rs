//! Pending entries: XPENDING shows them, XCLAIM and XAUTOCLAIM give them to another consumer, XNACK
//! gives them back.
//!
//! Invariant: a pending entry that is no longer in the stream is forgotten when somebody claims it.
//! What repeats a claim is an XCLAIM with the time and the count of deliveries that it led to.

use std::ops::ControlFlow;

use super::ids;
use super::info::owner_name;
use super::range::{write_bulk_id, write_entry};
use super::{Words, no_such_key_or_group};
use crate::base::num;
use crate::base::time::Millis;
use crate::command::portion::Portion;
use crate::resp::args::{Args, Reader};
use crate::resp::error::{CmdError, CmdResult, shown};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::change::Event;
use crate::store::db::Db;
use crate::store::edit::Edit;
use crate::store::stream::Stream;
use crate::store::stream::group::{ConsumerId, DELIVERIES_MAX, Deliveries, Group, Pending};
use crate::store::stream::id::Id;

/// Entries that XAUTOCLAIM claims unless told otherwise.
const AUTOCLAIM_COUNT: i64 = 100;
/// Entries that XAUTOCLAIM looks at for each that it may claim.
const ATTEMPTS_PER_CLAIM: i64 = 10;
/// Most entries that XAUTOCLAIM may be asked for.
const AUTOCLAIM_MAX: i64 = i64::MAX / 16;

/// A range of pending entries to be shown.
struct Listing<'a> {
    min_idle: Millis,
    start: Id,
    end: Id,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Listing<'a> {
    fn read(args: &Args<'a>) -> Result<Listing<'a>, CmdError> {
        let (mut min_idle, mut at) = (0, 3);
        if args.is(3, "IDLE") {
            min_idle = args.int(4)?;
            if args.len() < 8 {
                return Err(CmdError::Syntax);
            }
            at = 5;
        }
        let count = args.int(at + 2)?.max(0) as usize;
        let (start, end) = (ids::parse_start(args.at(at))?, ids::parse_end(args.at(at + 1))?);
        Ok(Listing { min_idle, start, end, count, consumer: args.get(at + 3) })
    }
}

pub(super) fn xpending(
    db: &Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    let listing = match args.len() {
        3 => None,
        6..=9 => Some(Listing::read(args)?),
        _ => return Err(CmdError::Syntax),
    };
    let stream = db.read_as::<Stream>(args.key(1))?;
    let group = stream.and_then(|stream| stream.group(args.at(2)));
    let group = group.ok_or_else(|| no_such_key_or_group(args, 1, 2))?;
    match listing {
        None => write_overview(group, out),
        Some(listing) => write_listing(group, &listing, db.now(), portion, out),
    }
    Ok(())
}

fn write_overview(group: &Group, out: &mut Out) {
    out.array(4);
    out.count(group.pending_len());
    let mut pending = group.pending_from(Id::MIN);
    let Some((first, _)) = pending.next() else {
        out.null();
        out.null();
        return out.null_array();
    };
    write_bulk_id(first, out);
    write_bulk_id(pending.next_back().map_or(first, |(id, _)| id), out);
    let busy = || group.consumers().filter(|(_, consumer)| consumer.pending_len() > 0);
    out.array(busy().count());
    for (_, consumer) in busy() {
        out.array(2);
        out.bulk(&consumer.name);
        out.bulk_int(consumer.pending_len() as i64);
    }
}

fn write_listing(
    group: &Group,
    listing: &Listing<'_>,
    now: Millis,
    portion: &mut Portion,
    out: &mut Out,
) {
    let (start, mut count) = (out.encoded().len(), portion.kept());
    let first = match portion.take_state::<Place>() {
        Some(place) => place.0,
        None => listing.start,
    };
    let mut show = |(id, pending): (Id, &Pending)| {
        if id > listing.end || count == listing.count {
            return ControlFlow::Break(());
        }
        if portion.is_full(out) {
            portion.go_on(0);
            portion.keep(count);
            portion.keep_state(Box::new(Place(id)));
            return ControlFlow::Break(());
        }
        portion.count(1);
        if !pending.is_too_young(now, listing.min_idle) {
            write_pending(group, id, pending, now, out);
            count += 1;
        }
        ControlFlow::Continue(())
    };
    let _ = match listing.consumer.map(|name| group.find_consumer(name)) {
        None => group.pending_from(first).try_for_each(&mut show),
        Some(Some(consumer)) => group.pending_of(consumer, first).try_for_each(&mut show),
        Some(None) => ControlFlow::Continue(()),
    };
    if !portion.is_unfinished() {
        portion.end_array(start, count, out);
    }
}

/// The pending entry with which a listing goes on.
struct Place(Id);

impl Bulky for Place {}

fn write_pending(group: &Group, id: Id, pending: &Pending, now: Millis, out: &mut Out) {
    out.array(4);
    write_bulk_id(id, out);
    out.bulk(owner_name(group, pending));
    let idle = now.saturating_sub(pending.delivered_at()).max(0);
    out.int(if pending.owner().is_some() { idle } else { -1 });
    out.int(pending.deliveries as i64);
}

/// The group and consumer for whom entries are claimed, with what is to be reported.
struct Claimer<'e, 'd, 'a> {
    edit: &'e mut Edit<'d, Stream>,
    /// Position 1 is the key, 2 the group, 3 the consumer.
    args: Args<'a>,
    consumer: ConsumerId,
    now: Millis,
    just_id: bool,
}

impl<'e, 'd, 'a> Claimer<'e, 'd, 'a> {
    /// Finds the consumer, or adds it. The group exists.
    fn new(edit: &'e mut Edit<'d, Stream>, args: &Args<'a>, just_id: bool) -> Self {
        let now = edit.now();
        let consumer = join(edit, (args.at(1), args.at(2), args.at(3)), now);
        Claimer { edit, args: *args, consumer, now, just_id }
    }

    fn group(&mut self) -> &mut Group {
        let name = self.args.at(2);
        self.edit.group_mut(name).expect("the group was found before")
    }

    /// Gives an entry to the consumer, as of `at`, and writes it to `out`.
    fn claim(&mut self, id: Id, at: Millis, deliveries: Deliveries, out: &mut Out) {
        let (consumer, now) = (self.consumer, self.now);
        let group = self.group();
        group.hand_over(id, consumer, at, deliveries);
        group.consumer_mut(consumer).active_at = Some(now);
        match self.edit.entry(id) {
            Some(entry) if !self.just_id => write_entry(&entry, out),
            _ => write_bulk_id(id, out),
        }
        self.edit.changed(Event::SILENT);
        if self.edit.is_heard() {
            let names = (self.args.at(1), self.args.at(2));
            repeat_claim(self.edit, names, id);
        }
    }

    /// Forgets a pending entry that is no longer in the stream.
    fn forget(&mut self, id: Id) {
        self.group().acknowledge(id);
        self.edit.changed(Event::SILENT);
        self.edit.repeat_as(&[b"XACK", self.args.at(1), self.args.at(2), &id.text()]);
    }
}

/// The consumer of that name in a group that exists, added if it is new; it is seen now. The names
/// are those of key, group and consumer.
pub(super) fn join(
    edit: &mut Edit<'_, Stream>,
    (key, group, name): (&[u8], &[u8], &[u8]),
    now: Millis,
) -> ConsumerId {
    let members = edit.group_mut(group).expect("the group was found before");
    let known = members.find_consumer(name);
    let consumer = known
        .or_else(|| members.add_consumer(name, now))
        .expect("a name that is not taken can be added");
    members.consumer_mut(consumer).seen_at = now;
    if known.is_none() {
        edit.changed(Event::stream("xgroup-createconsumer"));
        edit.repeat_as(&[b"XGROUP", b"CREATECONSUMER", key, group, name]);
    }
    consumer
}

/// Says which words repeat that a pending entry got its owner, time and count.
pub(super) fn repeat_claim(edit: &mut Edit<'_, Stream>, (key, group): (&[u8], &[u8]), id: Id) {
    let Some(members) = edit.group(group) else { return };
    let Some(pending) = members.pending(id).copied() else { return };
    let mut words = Words::default();
    [b"XCLAIM", key, group, owner_name(members, &pending), b"0"]
        .into_iter()
        .for_each(|word| words.push(word));
    words.push(&id.text());
    words.push(b"TIME");
    words.push_number(pending.delivered_at() as u64);
    words.push(b"RETRYCOUNT");
    words.push_number(pending.deliveries);
    [&b"FORCE"[..], b"JUSTID", b"LASTID"].into_iter().for_each(|word| words.push(word));
    words.push(&members.last_id.text());
    words.repeat(edit);
}

/// Says which words repeat how far a group has read.
pub(super) fn repeat_last_id(edit: &mut Edit<'_, Stream>, (key, group): (&[u8], &[u8])) {
    let Some(members) = edit.group(group) else { return };
    let mut words = Words::default();
    [&b"XGROUP"[..], b"SETID", key, group].into_iter().for_each(|word| words.push(word));
    words.push(&members.last_id.text());
    words.push(b"ENTRIESREAD");
    match members.entries_read {
        Some(read) => words.push_number(read),
        None => words.push(b"-1"),
    }
    words.repeat(edit);
}

/// The options of XCLAIM.
#[derive(Default)]
struct ClaimOptions {
    delivered_at: Option<Millis>,
    deliveries: Option<u64>,
    is_forced: bool,
    just_id: bool,
    last_id: Id,
}

impl ClaimOptions {
    fn read(reader: &mut Reader<'_>, now: Millis) -> Result<ClaimOptions, CmdError> {
        let number = |reader: &mut Reader<'_>, error: &'static str| {
            num::parse_i64(reader.word()?).ok_or(CmdError::Text(error))
        };
        let mut options = ClaimOptions::default();
        while let Some(word) = reader.peek() {
            let has_value = reader.left() > 1;
            if reader.keyword("FORCE") {
                options.is_forced = true;
            } else if reader.keyword("JUSTID") {
                options.just_id = true;
            } else if has_value && reader.keyword("IDLE") {
                let idle = number(reader, "ERR Invalid IDLE option argument for XCLAIM")?;
                options.delivered_at = Some(now.wrapping_sub(idle));
            } else if has_value && reader.keyword("TIME") {
                let time = number(reader, "ERR Invalid TIME option argument for XCLAIM")?;
                options.delivered_at = Some(time);
            } else if has_value && reader.keyword("RETRYCOUNT") {
                let count = number(reader, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                options.deliveries = u64::try_from(count).ok();
            } else if has_value && reader.keyword("LASTID") {
                options.last_id = ids::parse_strict(reader.word()?)?;
            } else {
                let word = shown(word, usize::MAX);
                let error = [b"ERR Unrecognized XCLAIM option '", word, b"'"];
                return Err(CmdError::owned(error.concat()));
            }
        }
        Ok(options)
    }
}

pub(super) fn xclaim(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut edit = open_group(db, args)?;
    let min_idle = min_idle(args, "ERR Invalid min-idle-time argument for XCLAIM")?;
    let ids: Vec<Id> = args.from(5).map_while(|word| ids::parse_strict(word).ok()).collect();
    let now = edit.now();
    let options = ClaimOptions::read(&mut args.reader(5 + ids.len()), now)?;
    let group = edit.group_mut(args.at(2)).expect("the group was found before");
    let moves = options.last_id > group.last_id;
    group.last_id = group.last_id.max(options.last_id);
    let delivered_at = options.delivered_at.filter(|at| (0..=now).contains(at)).unwrap_or(now);
    let deliveries = match options.deliveries {
        Some(count) => Deliveries::Exactly(count),
        None if options.just_id => Deliveries::Same,
        None => Deliveries::OneMore,
    };
    let mut claimer = Claimer::new(&mut edit, args, options.just_id);
    let (start, mut claimed) = (out.encoded().len(), 0);
    for id in ids {
        let pending = claimer.group().pending(id).copied();
        match (claimer.edit.contains(id), pending) {
            (false, None) => {}
            (false, Some(_)) => claimer.forget(id),
            (true, None) if !options.is_forced => {}
            (true, Some(pending)) if pending.is_too_young(now, min_idle) => {}
            (true, _) => {
                claimer.claim(id, delivered_at, deliveries, out);
                claimed += 1;
            }
        }
    }
    out.array_since(start, claimed);
    if moves {
        edit.changed(Event::SILENT);
        if edit.is_heard() {
            repeat_last_id(&mut edit, (args.at(1), args.at(2)));
        }
    }
    Ok(())
}

fn min_idle(args: &Args<'_>, error: &'static str) -> Result<Millis, CmdError> {
    Ok(num::parse_i64(args.at(4)).ok_or(CmdError::Text(error))?.max(0))
}

/// Opens the stream at position 1, in which the group at position 2 must exist.
fn open_group<'d>(db: &'d mut Db, args: &Args<'d>) -> Result<Edit<'d, Stream>, CmdError> {
    let edit = db.edit::<Stream>(args.key(1))?;
    edit.filter(|edit| edit.group(args.at(2)).is_some())
        .ok_or_else(|| no_such_key_or_group(args, 1, 2))
}

/// What XAUTOCLAIM is asked for, and how far it is.
struct Search {
    /// The entry to go on with; none behind the largest id.
    next: Option<Id>,
    /// How many entries may still be claimed, or forgotten.
    count: i64,
    /// How many may still be looked at.
    attempts: i64,
    just_id: bool,
    claimed: usize,
    gone: Vec<Id>,
}

impl Bulky for Search {}

impl Search {
    fn read(args: &Args<'_>) -> Result<Search, CmdError> {
        let next = Some(ids::parse_start(args.at(5))?);
        let (mut reader, mut count, mut just_id) = (args.reader(6), AUTOCLAIM_COUNT, false);
        while !reader.done() {
            if reader.left() > 1 && reader.keyword("COUNT") {
                let asked = reader.int().ok().filter(|count| (1..=AUTOCLAIM_MAX).contains(count));
                count = asked.ok_or(CmdError::Text("ERR COUNT must be > 0"))?;
            } else if reader.keyword("JUSTID") {
                just_id = true;
            } else {
                return Err(CmdError::Syntax);
            }
        }
        let attempts = count * ATTEMPTS_PER_CLAIM;
        Ok(Search { next, count, attempts, just_id, claimed: 0, gone: Vec::new() })
    }

    /// Claims entries and writes them; false if others are for another portion.
    fn advance(
        &mut self,
        claimer: &mut Claimer<'_, '_, '_>,
        min_idle: Millis,
        portion: &mut Portion,
        out: &mut Out,
    ) -> bool {
        /// How many entries are looked at in the time in which one is claimed: it is found by
        /// its id more than once.
        const LOOKS_PER_CLAIMED: usize = 32;
        let now = claimer.now;
        let deliveries = if self.just_id { Deliveries::Same } else { Deliveries::OneMore };
        while self.attempts > 0
            && self.count > 0
            && let Some((id, pending)) = following(claimer.group(), self.next)
        {
            if portion.may_go_on() && portion.is_full(out) {
                return false;
            }
            portion.count(LOOKS_PER_CLAIMED);
            self.attempts -= 1;
            self.next = id.next();
            if !claimer.edit.contains(id) {
                claimer.forget(id);
                self.gone.push(id);
                self.count -= 1;
            } else if !pending.is_too_young(now, min_idle) {
                claimer.claim(id, now, deliveries, out);
                self.claimed += 1;
                self.count -= 1;
            }
        }
        true
    }
}

pub(super) fn xautoclaim(
    db: &mut Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    let min_idle = min_idle(args, "ERR Invalid min-idle-time argument for XAUTOCLAIM")?;
    let mut search = match portion.take_state::<Search>() {
        Some(search) => *search,
        None => Search::read(args)?,
    };
    let mut edit = open_group(db, args)?;
    let pending = edit.group(args.at(2)).map_or(0, Group::pending_len);
    if !portion.admits(pending.min(search.attempts as usize)) {
        return Ok(());
    }
    let mut claimer = Claimer::new(&mut edit, args, search.just_id);
    let mut entries = Out::new(out.protocol());
    let written = if portion.may_go_on() { &mut *out } else { &mut entries };
    if !search.advance(&mut claimer, min_idle, portion, written) {
        portion.go_on(0);
        portion.keep_state(Box::new(search));
        return Ok(());
    }
    let mut head = Out::new(out.protocol());
    head.array(3);
    let next = following(claimer.group(), search.next);
    write_bulk_id(next.map_or(Id::MIN, |(id, _)| id), &mut head);
    head.array(search.claimed);
    if portion.may_go_on() {
        portion.set_head(head);
    } else {
        out.append(&head);
        out.append(&entries);
    }
    ids::write_all(&search.gone, out);
    Ok(())
}

/// The first pending entry from `next` on; none behind the largest id.
fn following(group: &Group, next: Option<Id>) -> Option<(Id, Pending)> {
    group.pending_from(next?).next().map(|(id, pending)| (id, *pending))
}

/// How XNACK changes the count of deliveries.
#[derive(Clone, Copy)]
enum Blame {
    /// The delivery did not take place.
    Silent,
    /// It counts.
    Fail,
    /// It shall be the last.
    Fatal,
}

impl Blame {
    fn read(word: &[u8]) -> Result<Blame, CmdError> {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        match () {
            () if is("SILENT") => Ok(Blame::Silent),
            () if is("FAIL") => Ok(Blame::Fail),
            () if is("FATAL") => Ok(Blame::Fatal),
            () => Err(CmdError::Text("ERR ERR mode must be SILENT, FAIL, or FATAL")),
        }
    }

    fn applied(self, deliveries: u64) -> u64 {
        match self {
            Blame::Silent => deliveries.saturating_sub(1),
            Blame::Fail => deliveries,
            Blame::Fatal => DELIVERIES_MAX,
        }
    }
}

/// What follows the mode of XNACK.
#[derive(Default)]
struct Return {
    ids: std::ops::Range<usize>,
    deliveries: Option<u64>,
    is_forced: bool,
}

impl Return {
    fn read(reader: &mut Reader<'_>) -> Result<Return, CmdError> {
        let mut options = Return::default();
        while let Some(word) = reader.peek() {
            let has_value = reader.left() > 1;
            if has_value && reader.keyword("IDS") {
                let count = reader.int().ok().and_then(|count| i32::try_from(count).ok());
                let count = count.filter(|count| *count > 0);
                let error = CmdError::Text("ERR numids must be a positive integer");
                let count = count.ok_or(error)? as usize;
                if count > reader.left() {
                    return Err(CmdError::Text("ERR ERR number of IDs doesn't match numids"));
                }
                options.ids = reader.position()..reader.position() + count;
                (0..count).try_for_each(|_| reader.word().map(drop))?;
            } else if reader.keyword("FORCE") {
                options.is_forced = true;
            } else if has_value && reader.keyword("RETRYCOUNT") {
                let error = CmdError::Text("ERR ERR Invalid RETRYCOUNT value, must be >= 0");
                options.deliveries = Some(u64::try_from(reader.int()?).map_err(|_| error)?);
            } else {
                let word = shown(word, usize::MAX);
                let error = [b"ERR ERR Unrecognized XNACK option '", word, b"'"];
                return Err(CmdError::owned(error.concat()));
            }
        }
        if options.ids.is_empty() {
            return Err(CmdError::Text("ERR ERR syntax error, expected IDS keyword"));
        }
        Ok(options)
    }
}

pub(super) fn xnack(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let mut edit = open_group(db, args)?;
    let blame = Blame::read(args.at(3))?;
    let options = Return::read(&mut args.reader(4))?;
    let ids = ids::parse_all(args, options.ids.start, options.ids.end)?;
    let (stream, mut given_back) = (&mut *edit, 0);
    for id in ids {
        let exists = options.is_forced && stream.contains(id);
        let group = stream.group_mut(args.at(2)).expect("the group was found before");
        let before = match group.pending(id) {
            Some(pending) => pending.deliveries,
            None if exists => 0,
            None => continue,
        };
        group.give_back(id, options.deliveries.unwrap_or_else(|| blame.applied(before)));
        given_back += 1;
    }
    if given_back > 0 {
        edit.changed(Event::SILENT);
    }
    out.int(given_back);
    Ok(())
}
