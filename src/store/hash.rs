//! A hash: fields with values, which may expire one by one.
//!
//! ```text
//! Packed   few short fields, none of which expires              one pointer to a block
//! Triples  few short fields                                     one pointer to a listpack
//! Table    anything, without an expiry                          two words and a dictionary
//! Timed    anything                                             one pointer
//! ```
//!
//! Invariants:
//! - A hash is packed exactly if Redis packs it under the same [`EncodingLimits`], in what it calls
//!   a listpack; and it does not go back to a smaller form or to one without expiries while it has
//!   a field.
//! - A field is overdue once its time is *before* now. It is then as if it were not there: only
//!   [`Hash::remove_overdue`] takes it away, and a new value takes its place. But it counts in
//!   [`Hash::len`], as in Redis: counting those that do not takes longer.
//! - Hashes without expiries pay nothing for them: no byte, and no test but for their form.
//!
//! Absent: who removes what is overdue, and when (`field_expiry.rs`).

#[cfg(test)]
mod tests;
mod timed;
mod triples;

use std::collections::HashMap;

use ahash::RandomState;

use self::timed::Timed;
use self::triples::Triples;
use super::object::{EncodingLimits, Kind, Typed, weight};
use crate::base::hash::member_hash;
use crate::base::prng::Prng;
use crate::base::time::Millis;
use crate::ds::dict::{Dict, Position};
use crate::ds::field::{Field, FieldRef};
use crate::ds::listpack::Item;
use crate::ds::pairs::Pairs;

/// Draws among all fields before the overdue ones are left out by looking at each.
const DRAWS_MAX: usize = 100;

/// From so many new fields on, those given twice are found by a table: looking for each of them in
/// the block takes time in proportion to the square of their number.
const MANY_FIELDS: usize = 32;

/// A hash.
pub struct Hash(Form);

enum Form {
    Packed(Pairs),
    Triples(Triples),
    Table(Dict<Field>),
    Timed(Box<Timed>),
}

/// What becomes of a field's expiry when it gets a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldExpiry {
    /// It stays as it is; a new field has none.
    Keep,
    /// The field stays until it is removed.
    Never,
}

impl Hash {
    /// Number of fields, overdue ones included.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Packed(pairs) => pairs.len(),
            Form::Triples(list) => list.len(),
            Form::Table(dict) => dict.len(),
            Form::Timed(timed) => timed.fields().len(),
        }
    }

    /// Whether there is no field, overdue or not.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of fields that are not overdue. Takes time in proportion to the number of those that
    /// are.
    pub fn live_len(&self, now: Millis) -> usize {
        let overdue = match &self.0 {
            Form::Packed(_) | Form::Table(_) => 0,
            Form::Triples(list) => {
                list.iter().take_while(|(_, _, expiry)| is_overdue(*expiry, now)).count()
            }
            Form::Timed(timed) => timed.due_before(now),
        };
        self.len() - overdue
    }

    /// Whether a field is overdue.
    #[inline]
    pub fn has_overdue(&self, now: Millis) -> bool {
        is_overdue(Typed::next_due(self), now)
    }

    /// The value of a field.
    #[inline]
    pub fn get(&self, name: &[u8], now: Millis) -> Option<Item<'_>> {
        match &self.0 {
            Form::Packed(pairs) => Some(Item::Text(pairs.value(pairs.find(name)?))),
            Form::Table(dict) => Some(Item::Text(dict.get(find(dict, name)?).value)),
            _ => self.get_with_expiry(name, now).map(|(value, _)| value),
        }
    }

    /// The value of a field, and when it expires.
    pub fn get_with_expiry(&self, name: &[u8], now: Millis) -> Option<(Item<'_>, Option<Millis>)> {
        let (value, expiry) = match &self.0 {
            Form::Packed(_) | Form::Table(_) => (self.get(name, now)?, None),
            Form::Triples(list) => {
                let place = list.find(name)?;
                (list.value(place), place.expiry)
            }
            Form::Timed(timed) => {
                let field = timed.fields().get(find(timed.fields(), name)?);
                (Item::Text(field.value), field.expiry)
            }
        };
        (!is_overdue(expiry, now)).then_some((value, expiry))
    }

    /// Whether there is such a field.
    #[inline]
    pub fn contains(&self, name: &[u8], now: Millis) -> bool {
        match &self.0 {
            Form::Packed(pairs) => pairs.find(name).is_some(),
            _ => self.get(name, now).is_some(),
        }
    }

    /// Gives a field a value; true if it was not there.
    #[inline]
    pub fn set(
        &mut self,
        name: &[u8],
        value: &[u8],
        expiry: FieldExpiry,
        now: Millis,
        limits: &EncodingLimits,
    ) -> bool {
        let length = name.len().max(value.len());
        match &mut self.0 {
            Form::Packed(pairs) if length <= limits.hash_value => {
                if let Some(place) = pairs.find(name) {
                    pairs.replace(place, value);
                    return false;
                }
                if pairs.len() < limits.hash_entries && pairs.fits(2 * length) {
                    pairs.push(name, value);
                    return true;
                }
            }
            Form::Triples(list) if length <= limits.hash_value => {
                if let Some(is_new) = set_in_triples(list, name, value, expiry, now) {
                    return is_new;
                }
                if list.len() < limits.hash_entries && list.fits(2 * length) {
                    list.push(name.into(), value.into());
                    return true;
                }
            }
            Form::Table(dict) => return set_in_table(dict, name, value),
            Form::Timed(timed) => return set_in_timed(timed, name, value, expiry, now),
            Form::Packed(_) | Form::Triples(_) => {}
        }
        self.convert_to_table();
        self.set(name, value, expiry, now, limits)
    }

    /// Gives fields values that do not expire, and takes the form that suits so many; returns how
    /// many were not there.
    #[inline]
    pub fn set_all<'f>(
        &mut self,
        fields: impl ExactSizeIterator<Item = (&'f [u8], &'f [u8])> + Clone,
        now: Millis,
        limits: &EncodingLimits,
    ) -> usize {
        if fields.len() > 1 {
            self.expect(fields.len(), limits);
        }
        let is_bare = matches!(&self.0, Form::Packed(pairs) if pairs.is_empty());
        if is_bare && fields.len() >= MANY_FIELDS {
            if let Some(pairs) = packed(fields.clone(), limits) {
                self.0 = Form::Packed(pairs);
                return self.len();
            }
            self.convert_to_table();
        }
        let never = FieldExpiry::Never;
        fields.filter(|(name, value)| self.set(name, value, never, now, limits)).count()
    }

    /// Takes the form that suits so many new fields.
    pub fn expect(&mut self, fields: usize, limits: &EncodingLimits) {
        let is_packed = matches!(self.0, Form::Packed(_) | Form::Triples(_));
        if is_packed && fields > limits.hash_entries {
            self.convert_to_table();
        }
    }

    /// Removes a field; false if it is not there.
    pub fn remove(&mut self, name: &[u8], now: Millis) -> bool {
        self.remove_if_present(name, now).is_some()
    }

    fn remove_if_present(&mut self, name: &[u8], now: Millis) -> Option<()> {
        match &mut self.0 {
            Form::Packed(pairs) => pairs.remove(pairs.find(name)?),
            Form::Triples(list) => {
                let place = list.find(name).filter(|place| !is_overdue(place.expiry, now))?;
                list.remove(place);
            }
            Form::Table(dict) => {
                let position = find(dict, name)?;
                dict.remove(position, member_hash(name));
            }
            Form::Timed(timed) => {
                let position = find(timed.fields(), name)?;
                if is_overdue(timed.fields().get(position).expiry, now) {
                    return None;
                }
                timed.remove(position, member_hash(name));
            }
        }
        Some(())
    }

    /// Changes when a field expires, if there is such a field.
    pub fn set_expiry(&mut self, name: &[u8], expiry: Option<Millis>) {
        if expiry.is_some() {
            self.allow_expiries();
        }
        match &mut self.0 {
            Form::Packed(_) | Form::Table(_) => {}
            Form::Triples(list) => {
                if let Some(place) = list.find(name) {
                    list.set_expiry(place, expiry);
                }
            }
            Form::Timed(timed) => {
                if let Some(position) = find(timed.fields(), name) {
                    timed.set_expiry(position, expiry);
                }
            }
        }
    }

    /// Removes up to `budget` overdue fields, earliest first, after showing their names.
    pub fn remove_overdue(&mut self, now: Millis, budget: usize, mut gone: impl FnMut(&[u8])) {
        match &mut self.0 {
            Form::Packed(_) | Form::Table(_) => {}
            Form::Triples(list) => {
                let mut digits = itoa::Buffer::new();
                let overdue = list.iter().take(budget);
                let overdue = overdue.take_while(|(_, _, expiry)| is_overdue(*expiry, now));
                let count = overdue.map(|(name, _, _)| gone(name.bytes(&mut digits))).count();
                list.remove_first(count);
            }
            Form::Timed(timed) => {
                (0..budget).take_while(|_| timed.remove_due(now, &mut gone)).for_each(drop);
            }
        }
    }

    /// Shows all fields with their values.
    pub fn visit<'h>(&'h self, now: Millis, mut show: impl FnMut(Item<'h>, Item<'h>)) {
        match &self.0 {
            Form::Packed(pairs) => {
                pairs.iter().for_each(|(name, value)| show(Item::Text(name), Item::Text(value)));
            }
            Form::Triples(list) => list
                .iter()
                .filter(|(_, _, expiry)| !is_overdue(*expiry, now))
                .for_each(|(name, value, _)| show(name, value)),
            Form::Table(dict) => dict.iter().for_each(|field| show_field(field, &mut show)),
            Form::Timed(timed) => timed
                .fields()
                .iter()
                .filter(|field| !is_overdue(field.expiry, now))
                .for_each(|field| show_field(field, &mut show)),
        }
    }

    /// One step of a scan: shows some fields with their values, the packed ones all at once, and
    /// returns the cursor of the next step, zero after the last one. Fields that are there from the
    /// first step to the last are shown.
    pub fn scan<'h>(
        &'h self,
        cursor: u64,
        now: Millis,
        mut show: impl FnMut(Item<'h>, Item<'h>),
    ) -> u64 {
        let (Some(dict), _) = self.dict() else {
            self.visit(now, show);
            return 0;
        };
        dict.scan(cursor, |field| {
            if !is_overdue(field.expiry, now) {
                show_field(field, &mut show);
            }
        })
    }

    /// Shows some fields with their values, those in a dictionary in the order of their hashes from
    /// `first` on and others all at once, and returns where the rest begins; `None` at the end.
    pub fn walk_from<'h>(
        &'h self,
        first: u64,
        now: Millis,
        mut show: impl FnMut(Item<'h>, Item<'h>),
    ) -> Option<u64> {
        let (Some(dict), _) = self.dict() else {
            self.visit(now, show);
            return None;
        };
        dict.walk_from(first, |field| {
            if !is_overdue(field.expiry, now) {
                show_field(field, &mut show);
            }
        })
    }

    /// A field with its value, each as likely as any other; `None` if there is none.
    pub fn random(&self, now: Millis, prng: &mut Prng) -> Option<(Item<'_>, Item<'_>)> {
        if self.is_empty() {
            return None;
        }
        for _ in 0..DRAWS_MAX {
            let (name, value, expiry) = self.draw(prng);
            if !is_overdue(expiry, now) {
                return Some((name, value));
            }
        }
        let mut drawn = None;
        self.sample(1, now, prng, |name, value| drawn = Some((name, value)));
        drawn
    }

    /// A field, overdue or not, with value and expiry. There must be one.
    fn draw(&self, prng: &mut Prng) -> (Item<'_>, Item<'_>, Option<Millis>) {
        match &self.0 {
            Form::Packed(pairs) => {
                let place = pairs.nth(below(prng, pairs.len())).expect("below the length");
                (Item::Text(pairs.name(place)), Item::Text(pairs.value(place)), None)
            }
            Form::Triples(list) => list.get(below(prng, list.len())).expect("below the length"),
            Form::Table(_) | Form::Timed(_) => {
                let dict = self.dict().0.expect("this form has one");
                let position = dict.random(&mut || prng.next()).expect("there is a field");
                let field = dict.get(position);
                (Item::Text(field.name), Item::Text(field.value), field.expiry)
            }
        }
    }

    /// Shows `count` different fields with their values, or all if there are no more; every choice
    /// of so many is equally likely, but not every order.
    pub fn sample<'h>(
        &'h self,
        count: usize,
        now: Millis,
        prng: &mut Prng,
        mut show: impl FnMut(Item<'h>, Item<'h>),
    ) {
        if let (Some(dict), _) = self.dict()
            && !self.has_overdue(now)
        {
            return dict.sample(count, &mut || prng.next(), |field| show_field(field, &mut show));
        }
        // Selection sampling (Knuth, TAOCP volume 2, algorithm 3.4.2 S).
        let mut left = self.live_len(now);
        let mut wanted = count.min(left);
        self.visit(now, |name, value| {
            if wanted > 0 && below(prng, left) < wanted {
                wanted -= 1;
                show(name, value);
            }
            left -= 1;
        });
    }

    /// The dictionary and the bytes that come with it, if the form has one.
    fn dict(&self) -> (Option<&Dict<Field>>, usize) {
        match &self.0 {
            Form::Packed(_) | Form::Triples(_) => (None, 0),
            Form::Table(dict) => (Some(dict), 0),
            Form::Timed(timed) => (Some(timed.fields()), timed.memory()),
        }
    }

    /// Takes a form whose fields may expire.
    fn allow_expiries(&mut self) {
        match &mut self.0 {
            Form::Packed(pairs) => self.0 = Form::Triples(pairs.iter().collect()),
            Form::Table(dict) => {
                self.0 = Form::Timed(Box::new(Timed::from_dict(std::mem::take(dict))));
            }
            Form::Triples(_) | Form::Timed(_) => {}
        }
    }

    #[cold]
    fn convert_to_table(&mut self) {
        let (mut name_digits, mut value_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
        if let Form::Triples(list) = &self.0 {
            let mut timed = Timed::default();
            for (name, value, expiry) in list.iter() {
                let (name, value) = (name.bytes(&mut name_digits), value.bytes(&mut value_digits));
                timed.insert(FieldRef { name, value, expiry });
            }
            self.0 = Form::Timed(Box::new(timed));
        } else {
            let mut dict = Dict::new();
            self.visit(0, |name, value| {
                let (name, value) = (name.bytes(&mut name_digits), value.bytes(&mut value_digits));
                let field = Field::new(FieldRef { name, value, expiry: None });
                dict.insert(member_hash(name), field);
            });
            self.0 = Form::Table(dict);
        }
    }
}

impl Typed for Hash {
    const KIND: Kind = Kind::Hash;
    const HAS_EXPIRING_PARTS: bool = true;

    #[inline]
    fn new() -> Hash {
        Hash(Form::Packed(Pairs::new()))
    }

    #[inline]
    fn is_empty(&self) -> bool {
        Hash::is_empty(self)
    }

    fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Packed(_) => "listpack",
            Form::Triples(_) => "listpackex",
            Form::Table(_) | Form::Timed(_) => "hashtable",
        }
    }

    fn memory(&self, samples: usize) -> usize {
        let (dict, extra) = match &self.0 {
            Form::Packed(pairs) => return pairs.memory(),
            Form::Triples(list) => return list.memory(),
            Form::Table(_) | Form::Timed(_) => self.dict(),
        };
        let Some(dict) = dict else { return extra };
        let seen = if samples == 0 { dict.len() } else { samples.min(dict.len()) };
        let sum: usize = dict.iter().take(seen).map(FieldRef::memory).sum();
        let all = (sum as u128 * dict.len() as u128).checked_div(seen as u128);
        extra + dict.memory() + all.unwrap_or(0) as usize
    }

    fn copy_some(&self, into: &mut Hash, from: u64, budget: usize) -> Option<u64> {
        let size = |field: FieldRef<'_>| weight(field.name.len() + field.value.len());
        let (form, next) = match (&self.0, std::mem::take(into).0) {
            (Form::Packed(pairs), _) => (Form::Packed(pairs.clone()), None),
            (Form::Triples(list), _) => (Form::Triples(list.clone()), None),
            (Form::Table(dict), begun) => {
                let mut copy = if let Form::Table(copy) = begun { copy } else { Dict::new() };
                let next = dict.walk_some(from, budget, |field| {
                    copy.insert(member_hash(field.name), Field::new(field));
                    size(field)
                });
                (Form::Table(copy), next)
            }
            (Form::Timed(timed), begun) => {
                let mut copy =
                    if let Form::Timed(copy) = begun { copy } else { Default::default() };
                let next = timed.fields().walk_some(from, budget, |field| {
                    copy.insert(field);
                    size(field)
                });
                (Form::Timed(copy), next)
            }
        };
        into.0 = form;
        next
    }

    fn elements(&self) -> usize {
        self.len()
    }

    fn free_some(&mut self, budget: usize) -> bool {
        match &mut self.0 {
            Form::Packed(_) | Form::Triples(_) => true,
            Form::Table(dict) => dict.free_some(budget),
            Form::Timed(timed) => timed.free_some(budget),
        }
    }

    #[inline]
    fn next_due(&self) -> Option<Millis> {
        match &self.0 {
            Form::Packed(_) | Form::Table(_) => None,
            Form::Triples(list) => list.next_due(),
            Form::Timed(timed) => timed.next_due(),
        }
    }
}

impl Default for Hash {
    fn default() -> Hash {
        Hash::new()
    }
}

/// Whether a field with this expiry has expired. Unlike a key, it is still there at that very time.
#[inline]
fn is_overdue(expiry: Option<Millis>, now: Millis) -> bool {
    expiry.is_some_and(|time| time < now)
}

#[inline]
fn find(dict: &Dict<Field>, name: &[u8]) -> Option<Position> {
    dict.find(member_hash(name), |field| field.name == name)
}

/// Gives a field its value if it is there; says then whether it was overdue.
fn set_in_triples(
    list: &mut Triples,
    name: &[u8],
    value: &[u8],
    expiry: FieldExpiry,
    now: Millis,
) -> Option<bool> {
    let place = list.find(name)?;
    let is_new = is_overdue(place.expiry, now);
    let keeps = place.expiry.is_none() || expiry == FieldExpiry::Keep && !is_new;
    if keeps {
        list.replace(place, value.into());
    } else {
        list.remove(place);
        list.push(name.into(), value.into());
    }
    Some(is_new)
}

#[inline]
fn set_in_table(dict: &mut Dict<Field>, name: &[u8], value: &[u8]) -> bool {
    let hash = member_hash(name);
    match dict.find(hash, |field| field.name == name) {
        Some(position) => {
            dict.update(position, |field| field.set(value, None));
            false
        }
        None => {
            dict.insert(hash, Field::new(FieldRef { name, value, expiry: None }));
            true
        }
    }
}

fn set_in_timed(
    timed: &mut Timed,
    name: &[u8],
    value: &[u8],
    expiry: FieldExpiry,
    now: Millis,
) -> bool {
    let Some(position) = find(timed.fields(), name) else {
        timed.insert(FieldRef { name, value, expiry: None });
        return true;
    };
    let old = timed.fields().get(position).expiry;
    let is_new = is_overdue(old, now);
    let kept = old.filter(|_| expiry == FieldExpiry::Keep && !is_new);
    timed.set(position, value, kept);
    is_new
}

fn show_field<'h>(field: FieldRef<'h>, show: &mut impl FnMut(Item<'h>, Item<'h>)) {
    show(Item::Text(field.name), Item::Text(field.value));
}

fn below(prng: &mut Prng, bound: usize) -> usize {
    prng.below(bound as u64) as usize
}

/// A block of these fields, each with the last of its values; `None` if one is too long for that.
fn packed<'f>(
    fields: impl ExactSizeIterator<Item = (&'f [u8], &'f [u8])>,
    limits: &EncodingLimits,
) -> Option<Pairs> {
    let mut places = HashMap::with_capacity_and_hasher(fields.len(), RandomState::new());
    let mut distinct = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        if name.len().max(value.len()) > limits.hash_value {
            return None;
        }
        let place = *places.entry(name).or_insert(distinct.len());
        match distinct.get_mut(place) {
            Some(field) => *field = (name, value),
            None => distinct.push((name, value)),
        }
    }
    let mut pairs = Pairs::new();
    for (name, value) in distinct {
        if !pairs.fits(name.len() + value.len()) {
            return None;
        }
        pairs.push(name, value);
    }
    Some(pairs)
}
