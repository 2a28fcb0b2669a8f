//! A set of strings: sorted integers, then a listpack, then a dictionary.
//!
//! ```text
//! Ints    every member is an integer, and they are few      one pointer to an intset
//! Packed  members are few and short                         one pointer to a listpack
//! Table   anything                                          two words and a dictionary
//! ```
//!
//! Invariant: a set takes the form that Redis gives it under the same [`EncodingLimits`], and does
//! not go back to a smaller one while it has a member. A conversion moves no more members than the
//! smaller form may hold.
//!
//! Members appear as [`Item`]s: as integers where the form knows that they are, else as text, which
//! in a dictionary may also be that of an integer ([`canonical`] tells).
//!
//! Absent: what commands answer.

#[cfg(test)]
mod tests;

use super::object::{EncodingLimits, Kind, Typed, weight};
use crate::base::hash::member_hash;
use crate::base::prng::Prng;
use crate::ds::dict::Dict;
use crate::ds::intset::{self, Intset};
use crate::ds::listpack::{Item, Listpack};
use crate::ds::member::Member;

/// A set of strings.
pub struct Set(Form);

enum Form {
    Ints(Intset),
    Packed(Listpack),
    Table(Dict<Member>),
}

impl Set {
    /// Number of members.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Ints(ints) => ints.len(),
            Form::Packed(list) => list.len(),
            Form::Table(dict) => dict.len(),
        }
    }

    /// Whether there is no member.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `member` belongs to the set.
    #[inline]
    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.0 {
            Form::Ints(ints) => match Item::from(member) {
                Item::Int(value) => ints.contains(value),
                Item::Text(_) => false,
            },
            Form::Packed(list) => list.find(member, 0).is_some(),
            Form::Table(dict) => find(dict, member_hash(member), member),
        }
    }

    /// True for a set that is one block of memory, so that copying it costs next to nothing.
    pub fn is_packed(&self) -> bool {
        !matches!(self.0, Form::Table(_))
    }

    /// What it costs to find out whether a member belongs to the set, in searches of a dictionary.
    pub fn search_cost(&self) -> usize {
        match &self.0 {
            Form::Ints(_) | Form::Table(_) => 1,
            Form::Packed(list) => 1 + list.len() / 16,
        }
    }

    /// Whether the member of another set belongs to this one.
    #[inline]
    pub fn contains_item(&self, item: Item<'_>) -> bool {
        match (&self.0, item) {
            (Form::Ints(ints), Item::Int(value)) => ints.contains(value),
            (Form::Packed(list), Item::Int(value)) => list.find(value, 0).is_some(),
            _ => self.contains(item.bytes(&mut itoa::Buffer::new())),
        }
    }

    /// Adds a member; false if it is there already.
    #[inline]
    pub fn insert(&mut self, member: &[u8], limits: &EncodingLimits) -> bool {
        if let Form::Table(dict) = &mut self.0 {
            return insert(dict, member);
        }
        self.insert_canonical(Item::from(member), limits)
    }

    /// Adds members, and takes the form that suits so many; returns how many were not there.
    #[inline]
    pub fn insert_all<'m>(
        &mut self,
        members: impl ExactSizeIterator<Item = &'m [u8]> + Clone,
        limits: &EncodingLimits,
    ) -> usize {
        if members.len() > 1
            && let Some(first) = members.clone().next()
        {
            self.expect(members.len(), first, limits);
            if let Some(ints) = self.first_integers(members.clone(), limits) {
                self.0 = Form::Ints(ints);
                return self.len();
            }
        }
        members.filter(|member| self.insert(member, limits)).count()
    }

    /// All of these members, if they are integers and go into an intset that has none yet. One by
    /// one, each of them would move those behind it.
    fn first_integers<'m>(
        &self,
        members: impl ExactSizeIterator<Item = &'m [u8]>,
        limits: &EncodingLimits,
    ) -> Option<Intset> {
        let is_suited = matches!(&self.0, Form::Ints(ints) if ints.is_empty());
        if !is_suited || members.len() > limits.set_int_entries.min(intset::LEN_MAX - 1) {
            return None;
        }
        let mut values = Vec::with_capacity(members.len());
        for member in members {
            let Item::Int(value) = Item::from(member) else { return None };
            values.push(value);
        }
        Some(Intset::of(&mut values))
    }

    /// Adds the member of another set; false if it is there already.
    pub fn insert_item(&mut self, item: Item<'_>, limits: &EncodingLimits) -> bool {
        self.insert_canonical(canonical(item), limits)
    }

    fn insert_canonical(&mut self, item: Item<'_>, limits: &EncodingLimits) -> bool {
        match &mut self.0 {
            Form::Ints(ints) => {
                if let Item::Int(value) = item {
                    let is_new = ints.insert(value);
                    if ints.len() > limits.set_int_entries.min(intset::LEN_MAX - 1) {
                        self.convert_to_table();
                    }
                    return is_new;
                }
                let is_packable = ints.len() < limits.set_entries
                    && widest(ints) <= limits.set_value
                    && text_len(item) <= limits.set_value;
                if is_packable {
                    let mut list: Listpack = ints.iter().collect();
                    list.push_back(item);
                    self.0 = Form::Packed(list);
                    return true;
                }
            }
            Form::Packed(list) => {
                if list.find(item, 0).is_some() {
                    return false;
                }
                let length = text_len(item);
                let is_packable = list.len() < limits.set_entries
                    && length <= limits.set_value
                    && list.fits(length, 1);
                if is_packable {
                    list.push_back(item);
                    return true;
                }
            }
            Form::Table(dict) => return insert(dict, item.bytes(&mut itoa::Buffer::new())),
        }
        self.convert_to_table();
        self.insert_canonical(item, limits)
    }

    /// Takes the form that suits so many members at least, of which `first` is one.
    pub fn expect(&mut self, members: usize, first: &[u8], limits: &EncodingLimits) {
        let suits = match &self.0 {
            Form::Ints(ints) if ints.is_empty() => {
                let is_integer = matches!(Item::from(first), Item::Int(_));
                is_integer && members <= limits.set_int_entries || members <= limits.set_entries
            }
            Form::Ints(_) => members <= limits.set_int_entries,
            Form::Packed(_) => members <= limits.set_entries,
            Form::Table(_) => true,
        };
        if !suits {
            self.convert_to_table();
        }
    }

    /// Takes a member out; false if it is not there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.0 {
            Form::Ints(ints) => match Item::from(member) {
                Item::Int(value) => ints.remove(value),
                Item::Text(_) => false,
            },
            Form::Packed(list) => {
                let found = list.find(member, 0);
                found.map(|position| list.remove(position)).is_some()
            }
            Form::Table(dict) => {
                let hash = member_hash(member);
                let found = dict.find(hash, |record| record == member);
                found.map(|position| dict.remove(position, hash)).is_some()
            }
        }
    }

    /// All members, integers in rising order, others in none.
    pub fn iter(&self) -> impl Iterator<Item = Item<'_>> {
        let (ints, list, dict) = match &self.0 {
            Form::Ints(ints) => (Some(ints), None, None),
            Form::Packed(list) => (None, Some(list), None),
            Form::Table(dict) => (None, None, Some(dict)),
        };
        let ints = ints.into_iter().flat_map(|ints| ints.iter().map(Item::Int));
        let list = list.into_iter().flat_map(|list| list.iter());
        let dict = dict.into_iter().flat_map(|dict| dict.iter().map(Item::Text));
        ints.chain(list).chain(dict)
    }

    /// One step of a scan: visits some members, the integers and packed ones all at once, and
    /// returns the cursor of the next step, zero after the last one. Members that belong to the set
    /// from the first step to the last are visited.
    pub fn scan<'s>(&'s self, cursor: u64, mut visit: impl FnMut(Item<'s>)) -> u64 {
        if let Form::Table(dict) = &self.0 {
            return dict.scan(cursor, |member| visit(Item::Text(member)));
        }
        self.iter().for_each(visit);
        0
    }

    /// Visits some members, those in a dictionary in the order of their hashes from `first` on and
    /// others all at once, and returns where the rest begins; `None` at the end.
    pub fn walk_from<'s>(&'s self, first: u64, mut visit: impl FnMut(Item<'s>)) -> Option<u64> {
        if let Form::Table(dict) = &self.0 {
            return dict.walk_from(first, |member| visit(Item::Text(member)));
        }
        self.iter().for_each(visit);
        None
    }

    /// A member, each as likely as any other; `None` if there is none.
    pub fn random(&self, prng: &mut Prng) -> Option<Item<'_>> {
        match &self.0 {
            _ if self.is_empty() => None,
            Form::Ints(ints) => ints.get(below(prng, ints.len())).map(Item::Int),
            Form::Packed(list) => list.get(below(prng, list.len()) as i64),
            Form::Table(dict) => {
                dict.random(&mut || prng.next()).map(|position| Item::Text(dict.get(position)))
            }
        }
    }

    /// Visits `count` different members, or all if there are no more; every choice of so many is
    /// equally likely, but not every order.
    pub fn sample<'s>(&'s self, count: usize, prng: &mut Prng, mut visit: impl FnMut(Item<'s>)) {
        if let Form::Table(dict) = &self.0 {
            return dict.sample(count, &mut || prng.next(), |member| visit(Item::Text(member)));
        }
        let length = self.len();
        let mut wanted = count.min(length);
        // Selection sampling (Knuth, TAOCP volume 2, algorithm 3.4.2 S).
        for (index, item) in self.iter().enumerate() {
            if wanted == 0 {
                return;
            }
            if below(prng, length - index) < wanted {
                wanted -= 1;
                visit(item);
            }
        }
    }

    /// Takes out a member, each as likely as any other, after showing it to `visit`; false if there
    /// is none.
    pub fn pop(&mut self, prng: &mut Prng, visit: impl FnOnce(Item<'_>)) -> bool {
        if self.is_empty() {
            return false;
        }
        match &mut self.0 {
            Form::Ints(ints) => {
                let value = ints.get(below(prng, ints.len())).expect("below the length");
                visit(Item::Int(value));
                ints.remove(value)
            }
            Form::Packed(list) => {
                let index = below(prng, list.len()) as i64;
                let position = list.seek(index).expect("below the length");
                visit(list.at(position));
                list.remove(position);
                true
            }
            Form::Table(dict) => {
                let position = dict.random(&mut || prng.next()).expect("it is not empty");
                let member = dict.get(position);
                visit(Item::Text(member));
                let hash = member_hash(member);
                dict.remove(position, hash);
                true
            }
        }
    }

    /// Takes the form that suits any number of members.
    #[cold]
    pub fn convert_to_table(&mut self) {
        let mut dict = Dict::new();
        let mut digits = itoa::Buffer::new();
        for item in self.iter() {
            let bytes = item.bytes(&mut digits);
            dict.insert(member_hash(bytes), Member::new(bytes));
        }
        self.0 = Form::Table(dict);
    }
}

impl Typed for Set {
    const KIND: Kind = Kind::Set;

    #[inline]
    fn new() -> Set {
        Set(Form::Ints(Intset::new()))
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Ints(_) => "intset",
            Form::Packed(_) => "listpack",
            Form::Table(_) => "hashtable",
        }
    }

    fn memory(&self, samples: usize) -> usize {
        match &self.0 {
            Form::Ints(ints) => ints.memory(),
            Form::Packed(list) => list.memory(),
            Form::Table(dict) => {
                let seen = if samples == 0 { dict.len() } else { samples.min(dict.len()) };
                let bytes = |member: &[u8]| Member::memory_of(member.len());
                let sum: usize = dict.iter().take(seen).map(bytes).sum();
                let all = (sum as u128 * dict.len() as u128).checked_div(seen as u128);
                dict.memory() + all.unwrap_or(0) as usize
            }
        }
    }

    fn copy_some(&self, into: &mut Set, from: u64, budget: usize) -> Option<u64> {
        into.0 = match (&self.0, std::mem::take(into).0) {
            (Form::Ints(ints), _) => Form::Ints(ints.clone()),
            (Form::Packed(list), _) => Form::Packed(list.clone()),
            (Form::Table(dict), begun) => {
                let mut copy = if let Form::Table(copy) = begun { copy } else { Dict::new() };
                let next = dict.walk_some(from, budget, |member| {
                    copy.insert(member_hash(member), Member::new(member));
                    weight(member.len())
                });
                into.0 = Form::Table(copy);
                return next;
            }
        };
        None
    }

    fn elements(&self) -> usize {
        self.len()
    }

    fn free_some(&mut self, budget: usize) -> bool {
        match &mut self.0 {
            Form::Ints(_) | Form::Packed(_) => true,
            Form::Table(dict) => dict.free_some(budget),
        }
    }
}

impl Default for Set {
    fn default() -> Set {
        Set::new()
    }
}

/// The form in which equal members are equal items, whatever the form of their set.
#[inline]
pub fn canonical(item: Item<'_>) -> Item<'_> {
    match item {
        Item::Int(_) => item,
        Item::Text(text) => Item::from(text),
    }
}

#[inline]
fn find(dict: &Dict<Member>, hash: u64, member: &[u8]) -> bool {
    dict.find(hash, |record| record == member).is_some()
}

#[inline]
fn insert(dict: &mut Dict<Member>, member: &[u8]) -> bool {
    let hash = member_hash(member);
    let is_new = !find(dict, hash, member);
    if is_new {
        dict.insert(hash, Member::new(member));
    }
    is_new
}

/// Bytes of the longest member as text.
fn widest(ints: &Intset) -> usize {
    let ends = [ints.first(), ints.last()].into_iter().flatten();
    ends.map(|value| text_len(Item::Int(value))).max().unwrap_or(0)
}

fn text_len(item: Item<'_>) -> usize {
    item.bytes(&mut itoa::Buffer::new()).len()
}

fn below(prng: &mut Prng, bound: usize) -> usize {
    prng.below(bound as u64) as usize
}
