//! XREAD and XREADGROUP: what has come to several streams since.
//!
//! The streams may lie on several shards, and the reply belongs to one. So phase one does all the
//! reading: each shard encodes what its streams have to give, and notes for a consumer group what
//! that is. Phase two decides how much of it fits the limits on the whole reply, which all shards
//! decide alike; each delivers its share to its groups, and the owner of the first key writes the
//! reply.
//!
//! Invariant: what phase one encoded is what phase two delivers, in the same order. A refusal is
//! that of the first stream that deserves one, whichever shard it is on.
//!
//! Where nothing has come, the commands may wait: [`BLOCKING`] and [`BLOCKING_GROUP`].
//! <https://redis.io/docs/latest/commands/xreadgroup/>

use std::collections::BTreeMap;

use super::ids;
use super::pending::{join, repeat_claim, repeat_last_id};
use super::range::{write_bulk_id, write_entry, write_pairs};
use crate::base::num;
use crate::base::time::Millis;
use crate::command::patience;
use crate::command::spec::{Blocking, Parcel, Patience};
use crate::resp::args::Args;
use crate::resp::error::{CmdError, CmdResult, shown};
use crate::resp::out::{Out, Protocol};
use crate::store::change::Event;
use crate::store::db::Db;
use crate::store::edit::Edit;
use crate::store::object::Kind;
use crate::store::stream::Stream;
use crate::store::stream::group::{Deliveries, Group};
use crate::store::stream::id::Id;
use crate::store::stream::node::Entry;

/// A request to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Group and consumer.
    group: Option<(&'a [u8], &'a [u8])>,
    /// Most entries of a stream.
    count: usize,
    /// Most entries of all streams.
    max_count: usize,
    /// Bytes of the reply after which no entry follows.
    max_size: usize,
    /// Entries are not to become pending.
    no_ack: bool,
    /// Also pending entries that nobody has touched for so many milliseconds.
    min_idle: Option<Millis>,
    /// How many milliseconds to wait if there is nothing; 0 for ever.
    pub block: Option<Millis>,
    /// Position of the first key.
    first: usize,
    /// How many keys there are.
    streams: usize,
}

const GROUP_ONLY: [(&str, &str); 3] = [
    ("CLAIM", "ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead."),
    ("GROUP", "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead."),
    ("NOACK", "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead."),
];

impl<'a> Request<'a> {
    /// Reads the arguments of XREAD, or of XREADGROUP.
    pub fn read(args: &Args<'a>, by_group: bool) -> Result<Request<'a>, CmdError> {
        let mut request = Request {
            group: None,
            count: usize::MAX,
            max_count: usize::MAX,
            max_size: usize::MAX,
            no_ack: false,
            min_idle: None,
            block: None,
            first: 0,
            streams: 0,
        };
        let mut reader = args.reader(1);
        while let Some(word) = reader.peek() {
            let needed = if word.eq_ignore_ascii_case(b"GROUP") { 2 } else { 1 };
            let has_value = reader.left() > needed;
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if !by_group
                && let Some((_, error)) =
                    GROUP_ONLY.iter().find(|(n, _)| is(n) && (has_value || is("NOACK")))
            {
                return Err(CmdError::Text(error));
            }
            reader.word()?;
            if is("NOACK") {
                request.no_ack = true;
            } else if !has_value {
                return Err(CmdError::Syntax);
            } else if is("STREAMS") {
                request.first = reader.position();
                request.streams = streams(args.len() - request.first, by_group)?;
                break;
            } else if is("GROUP") {
                request.group = Some((reader.word()?, reader.word()?));
            } else {
                request.read_number(word, reader.word()?)?;
            }
        }
        request.check(by_group)?;
        Ok(request)
    }

    /// Takes the value of a numeric option.
    fn read_number(&mut self, name: &[u8], value: &[u8]) -> CmdResult {
        let is = |option: &str| name.eq_ignore_ascii_case(option.as_bytes());
        let number = num::parse_i64(value);
        if is("COUNT") {
            let count = number.ok_or(CmdError::NotInteger)?;
            self.count = if count <= 0 { usize::MAX } else { count as usize };
        } else if is("MAXCOUNT") {
            self.max_count = positive(number, "ERR MAXCOUNT must be a positive integer")?;
        } else if is("MAXSIZE") {
            self.max_size = positive(number, "ERR MAXSIZE must be a positive integer")?;
        } else if is("BLOCK") {
            let error = CmdError::Text("ERR timeout is not an integer or out of range");
            let timeout = number.ok_or(error)?;
            if timeout < 0 {
                return Err(CmdError::Text("ERR timeout is negative"));
            }
            self.block = Some(timeout);
        } else if is("CLAIM") {
            let error = CmdError::Text("ERR min-idle-time is not an integer or out of range");
            let min_idle = number.ok_or(error)?;
            if min_idle < 0 {
                return Err(CmdError::Text("ERR min-idle-time must be a positive integer"));
            }
            self.min_idle = Some(min_idle);
        } else {
            return Err(CmdError::Syntax);
        }
        Ok(())
    }

    fn check(&self, by_group: bool) -> CmdResult {
        if self.first == 0 {
            return Err(CmdError::Syntax);
        }
        if by_group && self.group.is_none() {
            return Err(CmdError::Text("ERR Missing GROUP option for XREADGROUP"));
        }
        if self.count != usize::MAX && self.max_count < self.count {
            return Err(CmdError::Text("ERR MAXCOUNT must not be smaller than COUNT"));
        }
        Ok(())
    }

    /// How long it waits.
    fn patience(&self, now: Millis) -> Result<Patience, CmdError> {
        self.block.map_or(Ok(Patience::None), |block| patience::milliseconds(block, now))
    }

    /// The id argument of the stream number `index`.
    fn id<'b>(&self, args: &Args<'b>, index: usize) -> &'b [u8] {
        args.at(self.first + self.streams + index)
    }
}

fn positive(number: Option<i64>, error: &'static str) -> Result<usize, CmdError> {
    let number = number.and_then(|number| usize::try_from(number).ok());
    number.filter(|number| *number > 0).ok_or(CmdError::Text(error))
}

/// Half of the arguments behind STREAMS.
fn streams(arguments: usize, by_group: bool) -> Result<usize, CmdError> {
    if arguments.is_multiple_of(2) {
        return Ok(arguments / 2);
    }
    Err(CmdError::Text(if by_group {
        "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be \
         specified."
    } else {
        "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be \
         specified."
    }))
}

/// What a group does with an entry when it is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It is new to the group.
    Fresh,
    /// It was pending for too long and changes hands.
    Claim,
    /// It goes to its owner once more.
    Again,
    /// It is pending and no longer in the stream.
    Gone,
}

/// What one stream has to give.
struct Found {
    /// Which of the keys it is.
    index: usize,
    /// The entries, encoded one after the other.
    entries: Out,
    /// Where each ends in `entries`.
    ends: Vec<usize>,
    /// For a group, what each is.
    steps: Vec<(Id, Step)>,
    /// False if there is nothing to tell of the stream.
    is_served: bool,
    /// Why the request is refused, if it is.
    error: Option<CmdError>,
}

impl Found {
    fn new(index: usize, protocol: Protocol) -> Found {
        let entries = Out::new(protocol);
        let (ends, steps) = (Vec::new(), Vec::new());
        Found { index, entries, ends, steps, is_served: false, error: None }
    }

    fn end(&mut self) {
        self.ends.push(self.entries.encoded().len());
    }

    /// The encoded bytes of the first `count` entries.
    fn len(&self, count: usize) -> usize {
        count.checked_sub(1).map_or(0, |last| self.ends[last])
    }
}

/// XREAD, and how it waits. A `$` means the last id of the stream when the wait began.
pub(super) const BLOCKING: Blocking = Blocking {
    pinned: last_id_in_place,
    ..Blocking::new(Kind::Stream, (collect, is_something, commit), |args, now| {
        Request::read(args, false)?.patience(now)
    })
};

/// XREADGROUP, and how it waits; not for a stream or a group that is gone.
pub(super) const BLOCKING_GROUP: Blocking = Blocking {
    minds_absence: true,
    ..Blocking::new(
        Kind::Stream,
        (collect_for_group, is_something, commit_for_group),
        |args, now| Request::read(args, true)?.patience(now),
    )
};

fn is_something(parcels: &[Parcel]) -> bool {
    let parts = parcels.iter().flatten().filter_map(|parcel| parcel.downcast_ref::<Vec<Found>>());
    parts.flatten().any(|found| found.is_served || found.error.is_some())
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
pub(super) fn collect(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    find_all(db, args, &Request::read(args, false)?)
}

/// Phase one of XREADGROUP.
pub(super) fn collect_for_group(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    find_all(db, args, &Request::read(args, true)?)
}

fn find_all(db: &Db, args: &Args<'_>, request: &Request<'_>) -> Result<Parcel, CmdError> {
    let mut all: Vec<Found> = Vec::new();
    // Where a key's group will stand once what was found for the same key before is delivered.
    let mut delivered: BTreeMap<&[u8], Id> = BTreeMap::new();
    for index in 0..request.streams {
        let key = args.key(request.first + index);
        if !db.owns(key) {
            continue;
        }
        // Array and bulk headers, which is all there is in entries, but for the null of an entry
        // that is gone, are the same in both protocols.
        let mut found = Found::new(index, Protocol::Resp2);
        let after = delivered.get(key.bytes).copied();
        if let Err(error) = find(db, args, request, after, &mut found) {
            // Another shard may know of an error that comes before this one.
            let is_owned = |index| db.owns(args.key(request.first + index));
            if (0..request.streams).all(is_owned) {
                return Err(error);
            }
            found.error = Some(error);
            all.push(found);
            break;
        }
        if let Some((id, Step::Fresh)) = found.steps.last()
            && request.streams > 1
        {
            delivered.insert(key.bytes, *id);
        }
        all.push(found);
    }
    Ok(Some(Box::new(all)))
}

/// Finds what one stream has to give; a group that read the same stream before goes on after
/// `delivered`.
fn find(
    db: &Db,
    args: &Args<'_>,
    request: &Request<'_>,
    delivered: Option<Id>,
    found: &mut Found,
) -> CmdResult {
    let key = args.key(request.first + found.index);
    let stream = db.read_as::<Stream>(key)?;
    let word = request.id(args, found.index);
    let Some((name, consumer)) = request.group else {
        return find_after(stream, word, request, found);
    };
    let group = stream.and_then(|stream| Some((stream, stream.group(name)?)));
    let (stream, group) = group.ok_or_else(|| no_group(key.bytes, name))?;
    let reader = GroupReader { stream, group, request, now: db.now() };
    match group_position(word)? {
        Some(id) => reader.find_history(consumer, id, found),
        None => reader.find_new(delivered, found),
    }
    Ok(())
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

/// Finds the entries after the id that XREAD names.
fn find_after(
    stream: Option<&Stream>,
    word: &[u8],
    request: &Request<'_>,
    found: &mut Found,
) -> CmdResult {
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
    let (Some(stream), Some(start)) = (stream, after.next()) else { return Ok(()) };
    for entry in stream.range(start, Id::MAX).take(request.count.min(request.max_count)) {
        write_entry(&entry, &mut found.entries);
        found.end();
        found.is_served = true;
        if found.entries.encoded().len() >= request.max_size {
            break;
        }
    }
    Ok(())
}

/// Looks up what a consumer group has to give.
struct GroupReader<'a> {
    stream: &'a Stream,
    group: &'a Group,
    request: &'a Request<'a>,
    now: Millis,
}

impl GroupReader<'_> {
    /// True if as much as may be wanted is found.
    fn is_full(&self, found: &Found) -> bool {
        found.steps.len() >= self.request.count.min(self.request.max_count)
            || !found.steps.is_empty() && found.entries.encoded().len() >= self.request.max_size
    }

    /// Finds the consumer's pending entries after `id`.
    fn find_history(&self, consumer: &[u8], id: Id, found: &mut Found) {
        found.is_served = true;
        let consumer = self.group.find_consumer(consumer);
        let (Some(consumer), Some(start)) = (consumer, id.next()) else { return };
        for (id, _) in self.group.pending_of(consumer, start) {
            if self.is_full(found) {
                break;
            }
            let step = match self.stream.entry(id) {
                Some(entry) => {
                    write_entry(&entry, &mut found.entries);
                    Step::Again
                }
                None => {
                    found.entries.array(2);
                    write_bulk_id(id, &mut found.entries);
                    Step::Gone
                }
            };
            found.end();
            found.steps.push((id, step));
        }
    }

    /// Finds entries to be claimed, if they are wanted, and new ones: those after `delivered` if
    /// the same stream was read before.
    fn find_new(&self, delivered: Option<Id>, found: &mut Found) {
        if let (Some(min_idle), None) = (self.request.min_idle, delivered) {
            self.find_claimable(min_idle, found);
        }
        let Some(start) = delivered.unwrap_or(self.group.last_id).next() else { return };
        for entry in self.stream.range(start, Id::MAX) {
            if self.is_full(found) {
                break;
            }
            self.write(&entry, (0, 0), found);
            found.steps.push((entry.id, Step::Fresh));
        }
        found.is_served = !found.steps.is_empty();
    }

    fn find_claimable(&self, min_idle: Millis, found: &mut Found) {
        for (id, pending) in self.group.pending_by_age() {
            let idle = self.now.saturating_sub(pending.delivered_at());
            if idle < min_idle || self.is_full(found) {
                break;
            }
            if let Some(entry) = self.stream.entry(id) {
                self.write(&entry, (idle, pending.deliveries), found);
                found.steps.push((id, Step::Claim));
            }
        }
    }

    fn write(&self, entry: &Entry<'_>, (idle, deliveries): (Millis, u64), found: &mut Found) {
        let out = &mut found.entries;
        if self.request.min_idle.is_none() {
            write_entry(entry, out);
        } else {
            out.array(4);
            write_bulk_id(entry.id, out);
            write_pairs(entry, out);
            out.int(idle);
            out.int(deliveries as i64);
        }
        found.end();
    }
}

/// Phase two of XREAD.
pub(super) fn commit(db: &mut Db, args: &Args<'_>, parcels: &[Parcel], out: &mut Out) -> CmdResult {
    answer(db, args, &Request::read(args, false)?, parcels, out)
}

/// Phase two of XREADGROUP.
pub(super) fn commit_for_group(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    out: &mut Out,
) -> CmdResult {
    answer(db, args, &Request::read(args, true)?, parcels, out)
}

fn answer(
    db: &mut Db,
    args: &Args<'_>,
    request: &Request<'_>,
    parcels: &[Parcel],
    out: &mut Out,
) -> CmdResult {
    if !serve(db, args, request, parcels, out)? {
        out.null_array();
    }
    Ok(())
}

/// One attempt to answer from what was collected: false, and nothing written, if there is nothing.
pub fn serve(
    db: &mut Db,
    args: &Args<'_>,
    request: &Request<'_>,
    parcels: &[Parcel],
    out: &mut Out,
) -> Result<bool, CmdError> {
    let parts = parcels.iter().flatten().filter_map(|parcel| parcel.downcast_ref());
    let mut all: Vec<&Found> = parts.flat_map(|found: &Vec<Found>| found).collect();
    all.sort_unstable_by_key(|found| found.index);
    if let Some(error) = all.iter().find_map(|found| found.error.clone()) {
        return Err(error);
    }
    let shares = share(&all, args, request);
    if request.group.is_some() {
        for (found, count) in &shares {
            deliver(db, args, request, &found.steps[..count.unwrap_or(0)], found.index)?;
        }
    }
    let served = shares.iter().filter_map(|(found, count)| Some((*found, (*count)?)));
    let served: Vec<(&Found, usize)> = served.collect();
    // One shard that tries again answers in any case.
    if !served.is_empty() && (parcels.len() == 1 || db.owns(args.key(request.first))) {
        write(&served, args, request, out);
    }
    Ok(!served.is_empty())
}

/// Decides how many entries of each stream are in the reply; none if the stream is not mentioned.
fn share<'f>(
    all: &[&'f Found],
    args: &Args<'_>,
    request: &Request<'_>,
) -> Vec<(&'f Found, Option<usize>)> {
    let (mut count_left, mut size) = (request.max_count, 0);
    let mut shares = Vec::with_capacity(all.len());
    for found in all {
        let is_over = count_left == 0 || count_left < request.max_count && size >= request.max_size;
        if !found.is_served || is_over {
            shares.push((*found, None));
            continue;
        }
        size += args.at(request.first + found.index).len();
        let wanted = found.ends.len().min(count_left);
        let is_first = count_left == request.max_count;
        let fits = |n: &usize| *n == 0 && is_first || size + found.len(*n) < request.max_size;
        let count = (0..wanted).take_while(fits).count();
        size += found.len(count);
        count_left -= count;
        shares.push((*found, (count > 0 || wanted == 0).then_some(count)));
    }
    shares
}

/// Gives entries of a stream of this shard to the consumer.
fn deliver(
    db: &mut Db,
    args: &Args<'_>,
    request: &Request<'_>,
    steps: &[(Id, Step)],
    index: usize,
) -> CmdResult {
    let (key, Some((group, name))) = (args.key(request.first + index), request.group) else {
        return Ok(());
    };
    if !db.owns(key) {
        return Ok(());
    }
    let Some(mut edit) = db.edit::<Stream>(key)? else { return Ok(()) };
    let now = edit.now();
    let consumer = join(&mut edit, (key.bytes, group, name), now);
    let summary = edit.summary();
    let members = edit.group_mut(group).expect("a group was found in phase one");
    let last_id = members.last_id;
    for &(id, step) in steps {
        match step {
            Step::Fresh => {
                summary.advance(members, id);
                if !request.no_ack {
                    members.deliver(id, consumer, now);
                }
            }
            Step::Claim => members.hand_over(id, consumer, now, Deliveries::OneMore),
            Step::Again => members.deliver_again(id, now),
            Step::Gone => {}
        }
    }
    let moved = members.last_id != last_id;
    let becomes_pending = |(_, step): &&(Id, Step)| match step {
        Step::Fresh => !request.no_ack,
        Step::Claim => true,
        Step::Again | Step::Gone => false,
    };
    let mut pending = steps.iter().filter(becomes_pending).map(|(id, _)| *id).peekable();
    if pending.peek().is_some() {
        members.consumer_mut(consumer).active_at = Some(now);
    }
    report(&mut edit, (key.bytes, group), pending.map(Some).chain(moved.then_some(None)));
    Ok(())
}

/// Reports one change, in as many parts as it takes to repeat it: each entry that got an owner, and
/// (`None`) how far the group has read.
fn report(
    edit: &mut Edit<'_, Stream>,
    names: (&[u8], &[u8]),
    parts: impl Iterator<Item = Option<Id>>,
) {
    for (number, part) in parts.enumerate() {
        if number == 0 {
            edit.changed(Event::SILENT);
        } else {
            edit.announce(Event::SILENT);
        }
        if !edit.is_heard() {
            return;
        }
        match part {
            Some(id) => repeat_claim(edit, names, id),
            None => repeat_last_id(edit, names),
        }
    }
}

/// Writes the reply: the streams with their entries.
fn write(served: &[(&Found, usize)], args: &Args<'_>, request: &Request<'_>, out: &mut Out) {
    if out.is_resp3() {
        out.map(served.len());
    } else {
        out.array(served.len());
    }
    for (found, count) in served {
        if !out.is_resp3() {
            out.array(2);
        }
        out.bulk(args.at(request.first + found.index));
        out.array(*count);
        if found.steps.iter().any(|(_, step)| *step == Step::Gone) {
            write_with_gone(found, *count, out);
        } else {
            out.append_range(&found.entries, 0, found.len(*count));
        }
    }
}

/// Writes entries of which some are gone; in place of their fields stands a null.
fn write_with_gone(found: &Found, count: usize, out: &mut Out) {
    let mut start = 0;
    for (index, (_, step)) in found.steps.iter().enumerate().take(count) {
        out.append_range(&found.entries, start, found.ends[index]);
        start = found.ends[index];
        if *step == Step::Gone {
            out.null_array();
        }
    }
}
