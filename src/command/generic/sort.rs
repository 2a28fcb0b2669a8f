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
mod request;
mod texts;

#[cfg(test)]
mod tests;

pub use self::arrange::Elements;
pub use self::request::{Pattern, Request};
pub use self::texts::Texts;
use crate::command::spec::{Arity, Command, Group, Parcel, Run, cmd};
use crate::ds::quicklist::End;
use crate::resp::args::{Args, Key};
use crate::resp::error::{CmdError, CmdResult};
use crate::resp::out::Out;
use crate::store::change::Event;
use crate::store::db::{Db, Expiry};
use crate::store::entry::ValueRef;
use crate::store::list::List;
use crate::store::object::{Object, ObjectRef, Typed};

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

pub(super) fn sort(db: &mut Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    let request = Request::read(args, true)?;
    let sorted = sort_here(db, args, &request)?;
    match request.target {
        None => sorted.reply(out),
        Some(index) => store_list(db, args.key(index), &sorted.list(), out),
    }
    Ok(())
}

pub(super) fn sort_read_only(db: &Db, args: &Args<'_>, out: &mut Out) -> CmdResult {
    sort_here(db, args, &Request::read(args, false)?)?.reply(out);
    Ok(())
}

fn sort_here(db: &Db, args: &Args<'_>, request: &Request<'_>) -> Result<Sorted, CmdError> {
    let elements = Elements::collect(db, args.key(1), request)?;
    let look_up = |pattern: &Pattern<'_>, of: &[usize]| {
        let (mut key, mut found) = (Vec::new(), Texts::default());
        for index in of {
            let named = pattern.name(elements.text(*index), &mut key);
            found.push_found(db, named.then(|| Key::new(&key)), pattern.field());
        }
        found
    };
    let weights = elements.weighed_by(request).map(|pattern| look_up(pattern, &elements.all()));
    let chosen = elements.arrange(request, weights.as_ref())?;
    let columns = request.columns(|pattern| look_up(pattern, &chosen));
    Ok(Sorted { elements, chosen, columns })
}

/// A sorted and cut collection, with what is answered in place of each element.
pub struct Sorted {
    pub elements: Elements,
    /// Indices of the elements, in their order.
    pub chosen: Vec<usize>,
    /// For each GET what was found for each of the chosen, or `None` for the element itself.
    /// Without GET, one such column.
    pub columns: Vec<Option<Texts>>,
}

impl Sorted {
    fn each(&self, mut visit: impl FnMut(Option<&[u8]>)) {
        for (row, index) in self.chosen.iter().enumerate() {
            for column in &self.columns {
                visit(match column {
                    None => Some(self.elements.text(*index)),
                    Some(found) => found.get(row),
                });
            }
        }
    }

    /// Answers all of it.
    pub fn reply(&self, out: &mut Out) {
        out.array(self.chosen.len() * self.columns.len());
        self.each(|text| match text {
            Some(text) => out.bulk(text),
            None => out.null(),
        });
    }

    /// All of it as the elements of a list; what was not found is empty.
    pub fn list(&self) -> Texts {
        let mut list = Texts::default();
        self.each(|text| list.push(Some(text.unwrap_or_default())));
        list
    }
}

/// Puts a list in place of what `target` holds, and answers its length.
fn store_list(db: &mut Db, target: Key<'_>, texts: &Texts, out: &mut Out) {
    let (mut list, limits) = (List::new(), db.tuning.encoding);
    for text in texts.iter() {
        list.push(End::Back, text.unwrap_or_default(), &limits);
    }
    db.write(target).put_object(Object::List(list), Expiry::Never, SORT_STORE);
    out.count(texts.len());
}

/// A step of a SORT over several shards: the elements of the key, as [`Elements`]. Its arguments
/// are those of the whole.
pub static ELEMENTS: Command = step("ELEMENTS", Run::TwoPhase { collect: elements, commit: end });

/// A step: what the strings at all keys from the second argument on hold, as [`Texts`].
pub static STRINGS: Command = step("STRINGS", Run::TwoPhase { collect: strings, commit: end });

/// A step: what the hashes at all keys from the third argument on hold in the field that the second
/// one names, as [`Texts`].
pub static FIELDS: Command = step("FIELDS", Run::TwoPhase { collect: fields, commit: end });

/// The last step: stores the [`Texts`] of the only parcel. Its arguments are those of the whole.
pub static STORE: Command = step("STORE", Run::TwoPhase { collect: nothing, commit: store });

const fn step(name: &'static str, run: Run) -> Command {
    cmd(name, Arity::AtLeast(1), Group::Generic).run(run)
}

fn elements(db: &Db, args: &Args<'_>) -> Result<Parcel, CmdError> {
    let request = Request::read(args, true)?;
    Ok(Some(Box::new(Elements::collect(db, args.key(1), &request)?)))
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

fn nothing(_: &Db, _: &Args<'_>) -> Result<Parcel, CmdError> {
    Ok(None)
}

fn end(_: &mut Db, _: &Args<'_>, _: &[Parcel], _: &mut Out) -> CmdResult {
    Ok(())
}

fn store(db: &mut Db, args: &Args<'_>, parcels: &[Parcel], out: &mut Out) -> CmdResult {
    let target = Request::read(args, true)?.target.expect("only a SORT that stores comes so far");
    let texts = parcels.iter().flatten().find_map(|parcel| parcel.downcast_ref());
    store_list(db, args.key(target), texts.expect("the coordinator sends what to store"), out);
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
