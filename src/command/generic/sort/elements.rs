//! The elements of a collection that SORT is to sort.

use std::ops::{ControlFlow, Range};

use super::request::{By, Pattern, Request};
use super::texts::Texts;
use crate::command::portion::Portion;
use crate::ds::listpack::Item;
use crate::ds::quicklist::End;
use crate::resp::args::Key;
use crate::resp::error::CmdError;
use crate::store::bulky::Bulky;
use crate::store::db::Db;
use crate::store::entry::ValueRef;
use crate::store::list::List;
use crate::store::object::ObjectRef;
use crate::store::set::Set;
use crate::store::sorted_set::SortedSet;

/// What a collection holds, or the part of it that was asked for if it is not to be sorted.
#[derive(Debug, Default)]
pub struct Elements {
    pub(super) texts: Texts,
    pub(super) order: Order,
    /// In a set, the hash to go on with, and how many members came by.
    next: u64,
    seen: usize,
}

impl Bulky for Elements {
    fn free_some(&mut self, budget: usize) -> bool {
        self.texts.free_some(budget)
    }
}

/// In which order elements are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Order {
    /// They are in their order, and cut already.
    #[default]
    Given,
    /// By numbers or texts, as asked for.
    Asked,
    /// By themselves as texts. A set has no order, and what is stored must not depend on chance.
    Bytes,
}

impl Elements {
    /// Reads the elements at `key`, or goes on with that; false if there are more than the portion
    /// has room for. [`CmdError::WrongType`] for what has none.
    pub fn collect(
        &mut self,
        db: &Db,
        key: Key<'_>,
        request: &Request<'_>,
        portion: &mut Portion,
    ) -> Result<bool, CmdError> {
        let object = match db.read(key) {
            None => return Ok(true),
            Some(ValueRef::Object(object)) => object,
            Some(_) => return Err(CmdError::WrongType),
        };
        if let ObjectRef::Hash(_) | ObjectRef::Stream(_) = object {
            return Err(CmdError::WrongType);
        }
        self.order = match (&request.by, object) {
            (By::Nothing, ObjectRef::Set(_)) if request.target.is_some() => Order::Bytes,
            (By::Nothing, _) => Order::Given,
            _ => Order::Asked,
        };
        let len = object.elements();
        let (range, backwards) = if self.order == Order::Given {
            (request.range(len), request.descends)
        } else {
            (0..len, false)
        };
        if !portion.admits(range.len()) {
            return Ok(false);
        }
        Ok(match object {
            ObjectRef::List(list) => self.collect_list(list, range, backwards, portion),
            ObjectRef::Set(set) => self.collect_set(set, range, portion),
            ObjectRef::SortedSet(set) => self.collect_sorted_set(set, range, backwards, portion),
            ObjectRef::Hash(_) | ObjectRef::Stream(_) => unreachable!("refused before"),
        })
    }

    /// Adds an element.
    fn push(&mut self, item: Item<'_>, portion: &mut Portion) {
        let mut digits = itoa::Buffer::new();
        let text = item.bytes(&mut digits);
        portion.count(1);
        portion.count_bytes(text.len());
        self.texts.push(Some(text));
    }

    fn collect_list(
        &mut self,
        list: &List,
        range: Range<usize>,
        backwards: bool,
        portion: &mut Portion,
    ) -> bool {
        // Lists are walked from either end, in the direction of rising numbers from there.
        let from = if backwards { End::Back } else { End::Front };
        let place = range.start + self.texts.len();
        let first = if backwards { list.len().saturating_sub(1 + place) } else { place };
        let _ = list.walk(from, first, |item| {
            if self.texts.len() == range.len() || portion.is_spent() {
                return ControlFlow::Break(());
            }
            self.push(item, portion);
            ControlFlow::Continue(())
        });
        self.texts.len() == range.len()
    }

    fn collect_set(&mut self, set: &Set, range: Range<usize>, portion: &mut Portion) -> bool {
        while self.seen < range.end {
            if portion.is_spent() {
                return false;
            }
            let next = set.walk_from(self.next, |item| {
                if range.contains(&self.seen) {
                    self.push(item, portion);
                } else {
                    portion.count(1);
                }
                self.seen += 1;
            });
            let Some(next) = next else { break };
            self.next = next;
        }
        true
    }

    fn collect_sorted_set(
        &mut self,
        set: &SortedSet,
        range: Range<usize>,
        backwards: bool,
        portion: &mut Portion,
    ) -> bool {
        let (len, done) = (set.len(), self.texts.len());
        let ranks = if backwards {
            len - range.end..len - range.start - done
        } else {
            range.start + done..range.end
        };
        for (item, _) in set.walk(ranks, backwards) {
            if portion.is_spent() {
                break;
            }
            self.push(item, portion);
        }
        self.texts.len() == range.len()
    }

    /// The element at `index`.
    pub fn text(&self, index: usize) -> &[u8] {
        self.texts.get(index).unwrap_or_default()
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The pattern that leads from elements to what orders them.
    pub fn weighed_by<'r, 'a>(&self, request: &'r Request<'a>) -> Option<&'r Pattern<'a>> {
        match &request.by {
            By::Pattern(pattern) if self.order == Order::Asked => Some(pattern),
            _ => None,
        }
    }
}
