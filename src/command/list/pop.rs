//! Elements go: LPOP, RPOP, LMPOP.
//!
//! The keys of LMPOP may lie on several shards. Phase one finds, on each, the first of its keys
//! that exists; phase two takes elements from the first of those. A key of another type matters
//! only if no list stands in front of it, so it is remembered in phase one and refused in phase
//! two, when all know which key is the first.

use super::{end, popped, write_item};
use crate::base::num;
use crate::command::portion::Portion;
use crate::command::spec::Parcel;
use crate::ds::quicklist::End;
use crate::resp::args::{Args, Key};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::db::Db;
use crate::store::edit::Edit;
use crate::store::list::List;
use crate::store::object::EncodingLimits;

const NOT_POSITIVE: CmdError = CmdError::Text("ERR value is out of range, must be positive");
const NO_KEYS: CmdError = CmdError::Text("ERR numkeys should be greater than 0");
const NO_COUNT: CmdError = CmdError::Text("ERR count should be greater than 0");

pub(super) fn lpop(
    db: &mut Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    pop(db, (End::Front, "lpop"), args, portion, out)
}

pub(super) fn rpop(
    db: &mut Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    pop(db, (End::Back, "rpop"), args, portion, out)
}

#[inline]
fn pop(
    db: &mut Db,
    (end, name): (End, &'static str),
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    if args.len() > 2 {
        return pop_some(db, (end, name), args, portion, out);
    }
    let Some(mut list) = db.edit::<List>(args.key(1))? else {
        out.null();
        return Ok(());
    };
    let limits = list.tuning().encoding;
    let items = &mut *list;
    write_item(out, items.peek(end).expect("no list in the keyspace is empty"));
    items.pop(end, &limits);
    list.changed(popped(end));
    Ok(())
}

/// With a count, the reply is an array.
fn pop_some(
    db: &mut Db,
    (end, name): (End, &'static str),
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    if args.len() > 3 {
        return Err(CmdError::WrongArity(name.into()));
    }
    let count = num::parse_i64(args.at(2)).and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or(NOT_POSITIVE)?;
    let Some(mut list) = db.edit::<List>(args.key(1))? else {
        out.null_array();
        return Ok(());
    };
    let taken = take_portion(&mut list, (end, count), portion, out, |_| {});
    if let Some(total) = taken.filter(|total| *total > 0) {
        list.changed_elements(popped(end), total);
    }
    Ok(())
}

/// Takes up to `count` elements at an end, as many in one call as the portion says, and writes them
/// as an array behind what `open` writes. Returns how many they were in all, when all are taken.
fn take_portion(
    list: &mut Edit<'_, List>,
    (end, count): (End, usize),
    portion: &mut Portion,
    out: &mut Out,
    open: impl FnOnce(&mut Out),
) -> Option<usize> {
    let limits = list.tuning().encoding;
    let total = if portion.is_first() { count.min(list.len()) } else { portion.at() as usize };
    if !portion.admits(total) {
        return None;
    }
    if portion.is_first() {
        open(out);
        out.array(total);
    }
    let here = portion.room().min(total - portion.counted());
    take(list, end, here, &limits, out);
    portion.count(here);
    if portion.counted() < total {
        portion.go_on(total as u128);
        return None;
    }
    Some(total)
}

/// Removes up to `count` elements at an end and writes them; returns how many.
fn take(list: &mut List, end: End, count: usize, limits: &EncodingLimits, out: &mut Out) -> usize {
    let (length, count) = (list.len(), count.min(list.len()));
    if count > 0 {
        list.visit(end, at_end(end, length), count, |item| write_item(out, item));
        list.remove_range(if end == End::Front { 0 } else { length - count }, count, limits);
    }
    count
}

/// The number of the element at an end of a list that has some.
pub(super) fn at_end(end: End, length: usize) -> usize {
    if end == End::Front { 0 } else { length - 1 }
}

/// Takes up to `count` elements, at an end, of the list at `key`, as many in one call as the
/// portion says, and writes the key and the elements, as LMPOP answers; null if there is no such
/// key.
fn pop_named(
    db: &mut Db,
    key: Key<'_>,
    end: End,
    count: usize,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    // It may have expired since it was found.
    let Some(mut list) = db.edit::<List>(key)? else {
        out.null_array();
        return Ok(());
    };
    let taken = take_portion(&mut list, (end, count), portion, out, |out| {
        out.array(2);
        out.bulk(key.bytes);
    });
    if let Some(total) = taken {
        list.changed_elements(popped(end), total);
        let name: &[u8] = if end == End::Front { b"LPOP" } else { b"RPOP" };
        list.repeat_as(&[name, key.bytes, itoa::Buffer::new().format(total).as_bytes()]);
    }
    Ok(())
}

/// What LMPOP was asked for: its keys stand at `first_key..first_key + keys`.
pub struct Request {
    pub first_key: usize,
    pub keys: usize,
    pub end: End,
    pub count: usize,
}

impl Request {
    /// Reads `numkeys key [key ...] LEFT|RIGHT [COUNT count]` from position `start` on.
    pub fn read(args: &Args<'_>, start: usize) -> Result<Request, CmdError> {
        let positive = |word: &[u8]| {
            let number = num::parse_i64(word).filter(|number| *number > 0)?;
            usize::try_from(number).ok()
        };
        let keys = positive(args.at(start)).ok_or(NO_KEYS)?;
        let first_key = start + 1;
        let behind = first_key.checked_add(keys).filter(|behind| *behind < args.len());
        let mut options = args.reader(behind.ok_or(CmdError::Syntax)?);
        let end = end(options.word()?)?;
        let mut count = None;
        while !options.done() {
            if count.is_some() || options.left() < 2 || !options.keyword("COUNT") {
                return Err(CmdError::Syntax);
            }
            count = Some(positive(options.word()?).ok_or(NO_COUNT)?);
        }
        Ok(Request { first_key, keys, end, count: count.unwrap_or(1) })
    }

    pub(super) fn positions(&self) -> std::ops::Range<usize> {
        self.first_key..self.first_key + self.keys
    }
}

/// The first key on one shard that exists.
struct Found {
    position: usize,
    /// What would be taken from it, unless it is no list.
    elements: Option<Out>,
}

impl Bulky for Found {}

/// Finds the first key on this shard that exists. The owner of the first key of all answers. If the
/// elements are its own it takes them itself, else they travel as the reply that they will be.
pub(super) fn collect_lmpop(
    db: &Db,
    args: &Args<'_>,
    portion: &mut Portion,
) -> Result<Parcel, CmdError> {
    let request = Request::read(args, 1)?;
    for position in request.positions().filter(|position| db.owns(args.key(*position))) {
        let list = match db.peek_as::<List>(args.key(position)) {
            Ok(None) => continue,
            Ok(Some(list)) => list,
            Err(_) => return Ok(Some(Box::new(Found { position, elements: None }))),
        };
        let found = portion.take_state::<Found>();
        let mut found =
            found.unwrap_or_else(|| Box::new(Found { position, elements: Some(Out::default()) }));
        if !db.owns(args.key(request.first_key))
            && let Some(elements) = &mut found.elements
        {
            copy(list, &request, portion, elements);
        }
        if portion.is_unfinished() {
            portion.keep_state(found);
            return Ok(None);
        }
        return Ok(Some(found));
    }
    Ok(None)
}

/// Copies as many of the elements that would be taken as the portion says.
fn copy(list: &List, request: &Request, portion: &mut Portion, elements: &mut Out) {
    let total = request.count.min(list.len());
    let Some(here) = portion.range(total) else { return };
    let mut page = Out::default();
    if portion.is_first() {
        page.array(total);
    }
    let count = portion.room().min(here.len());
    let first = match request.end {
        End::Front => here.start,
        End::Back => list.len() - 1 - here.start,
    };
    list.visit(request.end, first, count, |item| write_item(&mut page, item));
    elements.adopt(page);
    if count < here.len() {
        portion.go_on((here.start + count) as u128);
    }
}

pub(super) fn lmpop(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    let request = Request::read(args, 1)?;
    let found = parcels.iter().flatten().filter_map(|parcel| parcel.downcast_ref::<Found>());
    let Some(found) = found.min_by_key(|found| found.position) else {
        out.null_array();
        return Ok(());
    };
    let elements = found.elements.as_ref().ok_or(CmdError::WrongType)?;
    let (key, answers) = (args.key(found.position), db.owns(args.key(request.first_key)));
    if db.owns(key) {
        let mut unread = Out::default();
        let out = if answers { out } else { &mut unread };
        pop_named(db, key, request.end, request.count, portion, out)?;
    } else if answers {
        out.array(2);
        out.bulk(key.bytes);
        out.append(elements);
    }
    Ok(())
}
