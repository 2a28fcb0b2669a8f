//! The elements of a collection, and the order into which SORT brings them.

use std::cmp::Ordering;

use super::request::{By, Pattern, Request, score};
use super::texts::Texts;
use crate::ds::listpack::Item;
use crate::ds::quicklist::End;
use crate::resp::args::Key;
use crate::resp::error::CmdError;
use crate::store::bulky::Bulky;
use crate::store::db::Db;
use crate::store::entry::ValueRef;
use crate::store::object::ObjectRef;

const NOT_NUMBERS: CmdError =
    CmdError::Text("ERR One or more scores can't be converted into double");

/// What a collection holds, or the part of it that was asked for if it is not to be sorted.
#[derive(Debug, Default)]
pub struct Elements {
    texts: Texts,
    order: Order,
}

impl Bulky for Elements {}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Order {
    /// They are in their order, and cut already.
    #[default]
    Given,
    /// By numbers or texts, as asked for.
    Asked,
    /// By themselves as texts. A set has no order, and what is stored must not depend on chance.
    Bytes,
}

impl Elements {
    /// Reads the elements at `key`. [`CmdError::WrongType`] for what has none.
    pub fn collect(db: &Db, key: Key<'_>, request: &Request<'_>) -> Result<Elements, CmdError> {
        let mut elements = Elements::default();
        let object = match db.read(key) {
            None => return Ok(elements),
            Some(ValueRef::Object(object)) => object,
            Some(_) => return Err(CmdError::WrongType),
        };
        elements.order = match (&request.by, object) {
            (By::Nothing, ObjectRef::Set(_)) if request.target.is_some() => Order::Bytes,
            (By::Nothing, _) => Order::Given,
            _ => Order::Asked,
        };
        let len = object.elements();
        let (range, backwards) = if elements.order == Order::Given {
            (request.range(len), request.descends)
        } else {
            (0..len, false)
        };
        let mut digits = itoa::Buffer::new();
        let mut add = |item: Item<'_>| elements.texts.push(Some(item.bytes(&mut digits)));
        match object {
            ObjectRef::List(list) => {
                let from = if backwards { End::Back } else { End::Front };
                let first =
                    if backwards { len - 1 - range.start.min(len - 1) } else { range.start };
                list.visit(from, first, range.len(), add);
            }
            ObjectRef::Set(set) => set.iter().skip(range.start).take(range.len()).for_each(add),
            ObjectRef::SortedSet(set) => {
                let ranks = if backwards { len - range.end..len - range.start } else { range };
                set.walk(ranks, backwards).for_each(|(item, _)| add(item));
            }
            ObjectRef::Hash(_) | ObjectRef::Stream(_) => return Err(CmdError::WrongType),
        }
        Ok(elements)
    }

    /// The element at `index`.
    pub fn text(&self, index: usize) -> &[u8] {
        self.texts.get(index).unwrap_or_default()
    }

    /// The indices of all.
    pub fn all(&self) -> Vec<usize> {
        (0..self.texts.len()).collect()
    }

    /// The pattern that leads from elements to what orders them.
    pub fn weighed_by<'r, 'a>(&self, request: &'r Request<'a>) -> Option<&'r Pattern<'a>> {
        match &request.by {
            By::Pattern(pattern) if self.order == Order::Asked => Some(pattern),
            _ => None,
        }
    }

    /// The indices of the elements that are asked for, in their order. `weights` are what
    /// [`Elements::weighed_by`] leads to.
    pub fn arrange(
        &self,
        request: &Request<'_>,
        weights: Option<&Texts>,
    ) -> Result<Vec<usize>, CmdError> {
        let indices = self.all();
        Ok(match self.order {
            Order::Given => indices,
            Order::Asked if !request.is_alphabetic => {
                let scores = self.scores(weights)?;
                let by_score = |a: &usize, b: &usize| {
                    let order = scores[*a].partial_cmp(&scores[*b]).unwrap_or(Ordering::Equal);
                    order.then_with(|| self.text(*a).cmp(self.text(*b)))
                };
                sorted(indices, request, by_score)
            }
            Order::Asked | Order::Bytes => {
                let texts = weights.unwrap_or(&self.texts);
                sorted(indices, request, |a, b| texts.get(*a).cmp(&texts.get(*b)))
            }
        })
    }

    fn scores(&self, weights: Option<&Texts>) -> Result<Vec<f64>, CmdError> {
        let texts = weights.unwrap_or(&self.texts).iter();
        // What leads to nothing weighs nothing.
        let scores = texts.map(|text| text.map_or(Some(0.0), score));
        scores.collect::<Option<Vec<f64>>>().ok_or(NOT_NUMBERS)
    }
}

/// Sorts by `compare`, where that says nothing as they are, and leaves what LIMIT does. What it
/// does not is not sorted either.
fn sorted(
    mut indices: Vec<usize>,
    request: &Request<'_>,
    compare: impl Fn(&usize, &usize) -> Ordering,
) -> Vec<usize> {
    let whole = |a: &usize, b: &usize| {
        let order = if request.descends { compare(b, a) } else { compare(a, b) };
        order.then(a.cmp(b))
    };
    let range = request.range(indices.len());
    if range.end < indices.len() {
        indices.select_nth_unstable_by(range.end, whole);
        indices.truncate(range.end);
    }
    indices.sort_unstable_by(whole);
    indices.drain(..range.start);
    indices
}
