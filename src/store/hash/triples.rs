//! The listpack of a small hash some of whose fields expire: name, value, and when.
//!
//! ```text
//! | name | value | 1700000000000 | name | value | 1700000000001 | .. | name | value | 0 |
//! ```
//!
//! Invariant: fields that expire come first, in the order in which they do; zero stands for never.
//! So what is due is a prefix. A field that gets another time moves, and goes in front of those
//! with the same time. It is Redis's `listpackex`, byte for byte.

use crate::base::time::Millis;
use crate::ds::listpack::{Item, Listpack, Position};

/// Items of one field.
const WIDTH: usize = 3;
const NEVER: i64 = 0;

/// A listpack of triples.
#[derive(Clone)]
pub(super) struct Triples(Listpack);

/// A field that was found.
#[derive(Clone, Copy)]
pub(super) struct Place {
    name: Position,
    value: Position,
    pub expiry: Option<Millis>,
}

impl Triples {
    pub fn len(&self) -> usize {
        self.0.len() / WIDTH
    }

    pub fn memory(&self) -> usize {
        self.0.memory()
    }

    /// Whether one more field with so many bytes of name and value has room.
    pub fn fits(&self, bytes: usize) -> bool {
        self.0.fits(bytes, WIDTH)
    }

    /// Where a field lies, whether it is due or not.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<Place> {
        let name = self.0.find(name, WIDTH - 1)?;
        let value = self.0.after(name);
        Some(Place { name, value, expiry: self.time_at(self.0.after(value)) })
    }

    #[inline]
    pub fn value(&self, place: Place) -> Item<'_> {
        self.0.at(place.value)
    }

    /// Adds a field that never expires and is not there.
    pub fn push(&mut self, name: Item<'_>, value: Item<'_>) {
        self.0.insert_all(self.0.end(), &[name, value, Item::Int(NEVER)]);
    }

    /// Replaces a value.
    pub fn replace(&mut self, place: Place, value: Item<'_>) {
        self.0.replace(place.value, value);
    }

    pub fn remove(&mut self, place: Place) {
        self.0.remove_all(place.name, WIDTH);
    }

    /// Changes when a field expires, which moves it.
    pub fn set_expiry(&mut self, place: Place, expiry: Option<Millis>) {
        let name = self.0.at(place.name).to_vec();
        let value = self.0.at(place.value).to_vec();
        self.remove(place);
        let (name, value) = (Item::from(&name[..]), Item::from(&value[..]));
        let target = expiry.and_then(|time| self.first_from(time)).unwrap_or(self.0.end());
        self.0.insert_all(target, &[name, value, Item::Int(expiry.unwrap_or(NEVER))]);
    }

    /// The first field that is not due before `time`.
    fn first_from(&self, time: Millis) -> Option<Position> {
        let mut name = self.0.first()?;
        loop {
            let expiry = self.0.after(self.0.after(name));
            if self.time_at(expiry).is_none_or(|at| at >= time) {
                return Some(name);
            }
            name = self.0.next(expiry)?;
        }
    }

    /// When the first field expires.
    pub fn next_due(&self) -> Option<Millis> {
        self.iter().next()?.2
    }

    /// All fields with values and expiries.
    pub fn iter(&self) -> impl Iterator<Item = (Item<'_>, Item<'_>, Option<Millis>)> {
        let mut items = self.0.iter();
        std::iter::from_fn(move || {
            let (name, value, time) = (items.next()?, items.next()?, items.next()?);
            Some((name, value, time_of(time)))
        })
    }

    /// Field number `index` with its value and expiry.
    pub fn get(&self, index: usize) -> Option<(Item<'_>, Item<'_>, Option<Millis>)> {
        let mut items = self.0.iter_from(self.0.seek((index * WIDTH) as i64)?);
        Some((items.next()?, items.next()?, time_of(items.next()?)))
    }

    /// Removes the first `count` fields.
    pub fn remove_first(&mut self, count: usize) {
        self.0.remove_range(0, count * WIDTH);
    }

    #[inline]
    fn time_at(&self, position: Position) -> Option<Millis> {
        time_of(self.0.at(position))
    }
}

#[inline]
fn time_of(item: Item<'_>) -> Option<Millis> {
    match item {
        Item::Int(NEVER) => None,
        Item::Int(time) => Some(time),
        Item::Text(_) => None,
    }
}

impl<'a> FromIterator<(&'a [u8], &'a [u8])> for Triples {
    /// Names with their values, none of which expires.
    fn from_iter<I: IntoIterator<Item = (&'a [u8], &'a [u8])>>(pairs: I) -> Triples {
        let mut triples = Triples(Listpack::new());
        pairs.into_iter().for_each(|(name, value)| triples.push(name.into(), value.into()));
        triples
    }
}
