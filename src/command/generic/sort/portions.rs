//! SORT where one shard holds all that it reads and writes, in portions if that is much.
//!
//! Invariant: nothing is written, and nothing answered, before the last element is in its place; so
//! an element that is no number may be found late.

use super::arrange::Arrangement;
use super::elements::Elements;
use super::request::{Pattern, Request};
use super::texts::Texts;
use super::{Listing, Sorted};
use crate::command::portion::Portion;
use crate::resp::args::{Args, Key};
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::db::Db;

/// How far a SORT is.
#[derive(Default)]
pub(super) struct Sorting {
    stage: Stage,
    arrangement: Arrangement,
    weights: Texts,
    sorted: Sorted,
    /// What was found for the next column, so far.
    column: Texts,
    /// How many rows are answered.
    answered: usize,
    list: Listing,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Collect,
    Weigh,
    Arrange,
    LookUp,
    /// Everything is found.
    Answer,
    /// The answer is begun.
    Rows,
}

impl Bulky for Sorting {
    fn free_some(&mut self, budget: usize) -> bool {
        let texts = [&mut self.weights, &mut self.column];
        let is_free = texts.into_iter().all(|texts| texts.free_some(budget));
        is_free
            && self.arrangement.free_some(budget)
            && self.sorted.free_some(budget)
            && self.list.free_some(budget)
    }
}

impl Sorting {
    /// Finds out what is to be answered or stored, as far as the portion has room; false if there
    /// is more to do.
    pub(super) fn prepare(
        &mut self,
        db: &Db,
        args: &Args<'_>,
        request: &Request<'_>,
        portion: &mut Portion,
    ) -> Result<bool, CmdError> {
        loop {
            let (is_done, next) = match self.stage {
                Stage::Collect => {
                    let elements = &mut self.sorted.elements;
                    (elements.collect(db, args.key(1), request, portion)?, Stage::Weigh)
                }
                Stage::Weigh => (self.weigh(db, request, portion), Stage::Arrange),
                Stage::Arrange => (self.arrange(request, portion)?, Stage::LookUp),
                Stage::LookUp => (self.look_up(db, request, portion), Stage::Answer),
                Stage::Answer | Stage::Rows => return Ok(true),
            };
            if !is_done {
                return Ok(false);
            }
            self.stage = next;
        }
    }

    fn weigh(&mut self, db: &Db, request: &Request<'_>, portion: &mut Portion) -> bool {
        let elements = &self.sorted.elements;
        let Some(pattern) = elements.weighed_by(request) else { return true };
        let elements = Chosen { elements, indices: None };
        elements.look_up(db, pattern, &mut self.weights, portion)
    }

    fn arrange(&mut self, request: &Request<'_>, portion: &mut Portion) -> Result<bool, CmdError> {
        let elements = &self.sorted.elements;
        let weights = elements.weighed_by(request).map(|_| &self.weights);
        // What is done at once is collected: it is little enough.
        let mut rest = Portion::whole();
        let portion = if portion.may_go_on() { portion } else { &mut rest };
        let is_done = self.arrangement.advance(elements, request, weights, portion)?;
        if is_done {
            self.sorted.chosen = std::mem::take(&mut self.arrangement).into_chosen();
        }
        Ok(is_done)
    }

    fn look_up(&mut self, db: &Db, request: &Request<'_>, portion: &mut Portion) -> bool {
        let Sorted { elements, chosen, columns } = &mut self.sorted;
        let chosen = Chosen { elements, indices: Some(chosen) };
        while columns.len() < request.columns() {
            columns.push(match request.gets().get(columns.len()) {
                None | Some(Pattern::Element) => None,
                Some(pattern) => {
                    if !chosen.look_up(db, pattern, &mut self.column, portion) {
                        return false;
                    }
                    Some(std::mem::take(&mut self.column))
                }
            });
        }
        true
    }

    /// Answers, as far as the portion has room; false if rows are left.
    pub(super) fn reply(&mut self, portion: &mut Portion, out: &mut Out) -> bool {
        if self.stage == Stage::Answer {
            self.sorted.begin(out);
            self.stage = Stage::Rows;
        }
        while self.answered < self.sorted.rows() {
            if portion.is_full(out) {
                return false;
            }
            self.sorted.reply_row(self.answered, out);
            self.answered += 1;
            portion.count(usize::from(portion.may_go_on()));
        }
        true
    }

    /// Makes the list that is stored, as far as the portion has room; false if there is more to
    /// add.
    pub(super) fn list(&mut self, db: &Db, portion: &mut Portion) -> bool {
        while self.answered < self.sorted.rows() {
            if portion.is_spent() {
                return false;
            }
            let (row, list, limits) = (self.answered, &mut self.list, &db.tuning.encoding);
            self.sorted.each(row, |text| {
                let text = text.unwrap_or_default();
                portion.count_bytes(text.len());
                list.push(text, limits);
            });
            self.answered += 1;
            portion.count(usize::from(portion.may_go_on()));
        }
        true
    }

    /// The list that is stored.
    pub(super) fn take_list(&mut self) -> Listing {
        std::mem::take(&mut self.list)
    }
}

/// Elements that patterns are followed from.
struct Chosen<'e> {
    elements: &'e Elements,
    /// Which they are; all if none.
    indices: Option<&'e [usize]>,
}

impl Chosen<'_> {
    /// Appends what `pattern` leads to from those elements for which nothing was found so far;
    /// false if some are left.
    fn look_up(
        &self,
        db: &Db,
        pattern: &Pattern<'_>,
        found: &mut Texts,
        portion: &mut Portion,
    ) -> bool {
        let len = self.indices.map_or(self.elements.len(), <[usize]>::len);
        let mut key = Vec::new();
        while found.len() < len {
            if portion.is_spent() {
                return false;
            }
            let index = self.indices.map_or(found.len(), |indices| indices[found.len()]);
            let leads_on = pattern.name(self.elements.text(index), &mut key);
            found.push_found(db, leads_on.then(|| Key::new(&key)), pattern.field());
            let bytes = found.get(found.len() - 1).map_or(0, <[u8]>::len);
            portion.count(1);
            portion.count_bytes(bytes);
        }
        true
    }
}
