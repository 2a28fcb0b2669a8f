//! SORT: the elements of a list, a set or a sorted set in another order, perhaps with what other
//! keys hold in their place.
//!
//! It runs in stages, each of which needs what the one before found: the elements, the weights by
//! which they are ordered (BY), the values that are answered (GET), and the list that is stored.
//! Where one shard holds all of that, [`sort`] runs them one after the other; else
//! `coordinate/sort.rs` does, with the steps declared here.
//!
//! Invariant: both ways share every decision; they differ in where a stage looks for keys.
//!
//! Absent: the order of a language. Texts are compared by their bytes.

mod arrange;
mod elements;
mod portions;
mod request;
mod texts;

#[cfg(test)]
mod tests;

pub use self::arrange::Arrangement;
pub use self::elements::Elements;
use self::portions::Sorting;
pub use self::request::{Pattern, Request};
pub use self::texts::Texts;
use crate::command::portion::Portion;
use crate::command::spec::{Access, Arity, Command, Group, Keys, Parcel, Run, cmd};
use crate::ds::quicklist::End;
use crate::resp::args::{Args, Key};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::change::Event;
use crate::store::db::{Db, Expiry};
use crate::store::entry::ValueRef;
use crate::store::list::List;
use crate::store::object::{EncodingLimits, Object, ObjectRef, Typed};

const SORT_STORE: Event = Event { class: b'l', name: "sortstore" };

/// True if the command reads keys beside the one that it sorts.
pub(super) fn derives(args: &Args<'_>) -> bool {
    Request::read(args, true).is_ok_and(|request| request.reads_other_keys())
}

/// Finds the key of STORE, the last one if there are several; also where the options are none that
/// SORT takes, for COMMAND GETKEYS.
pub(super) fn target_position(args: &Args<'_>, sink: &mut dyn FnMut(usize)) {
    let target = match Request::read(args, true) {
        Ok(request) => request.target,
        Err(_) => (3..args.len()).rev().find(|index| args.is(index - 1, "STORE")),
    };
    target.into_iter().for_each(sink);
}

pub(super) fn sort(
    db: &mut Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    let request = Request::read(args, true)?;
    let Some(index) = request.target else {
        return sort_to_reply(db, args, &request, portion, out);
    };
    let mut sorting = *portion.take_state::<Sorting>().unwrap_or_default();
    if sorting.prepare(db, args, &request, portion)? && sorting.list(db, portion) {
        sorting.take_list().store(db, args.key(index), out);
    } else {
        portion.go_on(0);
    }
    portion.keep_state(Box::new(sorting));
    Ok(())
}

pub(super) fn sort_read_only(
    db: &Db,
    args: &Args<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    sort_to_reply(db, args, &Request::read(args, false)?, portion, out)
}

fn sort_to_reply(
    db: &Db,
    args: &Args<'_>,
    request: &Request<'_>,
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    let mut sorting = *portion.take_state::<Sorting>().unwrap_or_default();
    if !sorting.prepare(db, args, request, portion)? || !sorting.reply(portion, out) {
        portion.go_on(0);
    }
    portion.keep_state(Box::new(sorting));
    Ok(())
}

/// A sorted and cut collection, with what is answered in place of each element.
#[derive(Default)]
pub struct Sorted {
    pub elements: Elements,
    /// Indices of the elements, in their order.
    pub chosen: Vec<usize>,
    /// For each GET what was found for each of the chosen, or `None` for the element itself.
    /// Without GET, one such column.
    pub columns: Vec<Option<Texts>>,
}

impl Bulky for Sorted {
    fn free_some(&mut self, budget: usize) -> bool {
        let is_free = self.columns.iter_mut().flatten().all(|texts| texts.free_some(budget));
        is_free && self.elements.free_some(budget)
    }
}

impl Sorted {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.chosen.len()
    }

    /// Visits what is answered for one row.
    pub fn each(&self, row: usize, mut visit: impl FnMut(Option<&[u8]>)) {
        for column in &self.columns {
            visit(match column {
                None => Some(self.elements.text(self.chosen[row])),
                Some(found) => found.get(row),
            });
        }
    }

    /// Begins an answer of all rows.
    pub fn begin(&self, out: &mut Out) {
        out.array(self.rows() * self.columns.len());
    }

    /// Answers one row.
    pub fn reply_row(&self, row: usize, out: &mut Out) {
        self.each(row, |text| match text {
            Some(text) => out.bulk(text),
            None => out.null(),
        });
    }
}

/// The list that STORE leaves, while it is made.
#[derive(Default)]
struct Listing(Option<List>);

impl Listing {
    fn push(&mut self, text: &[u8], limits: &EncodingLimits) {
        self.0.get_or_insert_with(List::new).push(End::Back, text, limits);
    }

    /// Puts the list in place of what `target` holds, and answers its length.
    fn store(self, db: &mut Db, target: Key<'_>, out: &mut Out) {
        let list = self.0.unwrap_or_else(List::new);
        out.count(list.len());
        db.write(target).put_object(Object::List(list), Expiry::Never, SORT_STORE);
    }
}

impl Bulky for Listing {
    fn free_some(&mut self, budget: usize) -> bool {
        self.0.as_mut().is_none_or(|list| list.free_some(budget))
    }
}

/// A step of a SORT over several shards: the elements of the key, as [`Elements`]. Its arguments
/// are those of the whole.
pub static ELEMENTS: Command = cmd("ELEMENTS", Arity::AtLeast(2), Group::Generic)
    .keys(&[Keys::At(1, Access::RO)])
    .run(Run::LongPhases { collect: elements, commit: end_portion });

/// A step: what the strings at all keys from the second argument on hold, as [`Texts`].
pub static STRINGS: Command = step("STRINGS", Run::TwoPhase { collect: strings, commit: end });

/// A step: what the hashes at all keys from the third argument on hold in the field that the second
/// one names, as [`Texts`].
pub static FIELDS: Command = step("FIELDS", Run::TwoPhase { collect: fields, commit: end });

/// The last step: stores the [`Texts`] of the only parcel. Its arguments are those of the whole.
pub static STORE: Command = step("STORE", Run::LongPhases { collect: nothing, commit: store });

const fn step(name: &'static str, run: Run) -> Command {
    cmd(name, Arity::AtLeast(1), Group::Generic).run(run)
}

fn elements(db: &Db, args: &Args<'_>, portion: &mut Portion) -> Result<Parcel, CmdError> {
    let request = Request::read(args, true)?;
    let mut elements = portion.take_state::<Elements>().unwrap_or_default();
    if elements.collect(db, args.key(1), &request, portion)? {
        return Ok(Some(elements));
    }
    portion.go_on(0);
    portion.keep_state(elements);
    Ok(None)
}

fn strings(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    let mut found = Texts::default();
    args.from(1).for_each(|key| found.push_found(db, Some(Key::new(key)), None));
    Ok(Some(Box::new(found)))
}

fn fields(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    let mut found = Texts::default();
    args.from(2).for_each(|key| found.push_found(db, Some(Key::new(key)), Some(args.at(1))));
    Ok(Some(Box::new(found)))
}

fn end(_: &mut Db, _: &Args<'_>, _: &[Parcel], _: &mut Out) -> CmdResult {
    Ok(())
}

fn end_portion(_: &mut Db, _: &Args<'_>, _: &[Parcel], _: &mut Portion, _: &mut Out) -> CmdResult {
    Ok(())
}

fn nothing(_: &Db, _: &Args<'_>, _: &mut Portion) -> Result<Parcel, CmdError> {
    Ok(None)
}

fn store(
    db: &mut Db,
    args: &Args<'_>,
    parcels: &[Parcel],
    portion: &mut Portion,
    out: &mut Out,
) -> CmdResult {
    let target = Request::read(args, true)?.target.expect("only a SORT that stores comes so far");
    let texts = parcels.iter().flatten().find_map(|parcel| parcel.downcast_ref::<Texts>());
    let texts = texts.expect("the coordinator sends what to store");
    if !portion.admits(texts.len()) {
        return Ok(());
    }
    let mut list = portion.take_state::<Listing>().unwrap_or_default();
    for index in portion.at() as usize..texts.len() {
        if portion.is_spent() && portion.may_go_on() {
            portion.go_on(index as u128);
            portion.keep_state(list);
            return Ok(());
        }
        let text = texts.get(index).unwrap_or_default();
        portion.count(1);
        portion.count_bytes(text.len());
        list.push(text, &db.tuning.encoding);
    }
    list.store(db, args.key(target), out);
    Ok(())
}

impl Texts {
    /// Adds the string at `key`, or with `field` that field of the hash there; nothing where there
    /// is no such thing.
    fn push_found(&mut self, db: &Db, key: Option<Key<'_>>, field: Option<&[u8]>) {
        let mut digits = itoa::Buffer::new();
        let value = key.and_then(|key| db.read(key));
        self.push(match (value, field) {
            (Some(ValueRef::Int(number)), None) => Some(digits.format(number).as_bytes()),
            (Some(ValueRef::Raw(text)), None) => Some(text),
            (Some(ValueRef::Big(text)), None) => Some(text),
            (Some(ValueRef::Object(ObjectRef::Hash(hash))), Some(field)) => {
                match hash.get(field, db.now()) {
                    Some(value) => Some(value.bytes(&mut digits)),
                    None => None,
                }
            }
            _ => None,
        });
    }
}
