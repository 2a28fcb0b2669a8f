//! The order into which SORT brings the elements.
//!
//! Elements are sorted in runs of one portion each, which are then merged: the smallest of what is
//! left of them all is the next, and a heap of the runs knows it (Knuth, TAOCP volume 3, 5.4.1).
//! Where one portion is enough there is one run, and nothing to merge.
//!
//! Invariant: no two elements are alike, because their places decide last; so the runs do not show.

use std::cmp::Ordering;

use super::elements::{Elements, Order};
use super::request::{Request, score};
use super::texts::Texts;
use crate::command::portion::Portion;
use crate::ds::chunked::Chunked;
use crate::resp::error::CmdError;
use crate::store::bulky::Bulky;

const NOT_NUMBERS: CmdError =
    CmdError::Text("ERR One or more scores can't be converted into double");

/// Elements are looked at in the time in which one is brought into a run, or out of all runs.
const LOOKS_PER_SORTED: usize = 2;
const LOOKS_PER_MERGED: usize = 4;

/// Indices of elements on their way to their order.
#[derive(Debug, Default)]
pub struct Arrangement {
    scores: Chunked<f64>,
    /// How many elements are in runs, or were left out of them.
    begun: usize,
    runs: Vec<Run>,
    /// Runs that are not at their end, as a heap: each comes before those at twice its place and
    /// one or two.
    heap: Vec<usize>,
    /// How many elements have come out of the runs.
    merged: usize,
    /// The indices that LIMIT leaves, in their order, as far as they are known.
    chosen: Vec<usize>,
}

#[derive(Debug)]
struct Run {
    indices: Vec<usize>,
    /// Where the rest begins.
    at: usize,
}

impl Run {
    fn head(&self) -> usize {
        self.indices[self.at]
    }
}

impl Bulky for Arrangement {
    fn free_some(&mut self, budget: usize) -> bool {
        let _ = budget;
        self.runs.pop().is_none()
    }
}

impl Arrangement {
    /// Goes on arranging as far as the portion has room; false if there is more to do. `weights`
    /// are what [`Elements::weighed_by`] leads to.
    pub fn advance(
        &mut self,
        elements: &Elements,
        request: &Request<'_>,
        weights: Option<&Texts>,
        portion: &mut Portion,
    ) -> Result<bool, CmdError> {
        let texts = weights.unwrap_or(&elements.texts);
        Ok(match elements.order {
            Order::Given => self.take_as_given(elements.len(), portion),
            Order::Asked if !request.is_alphabetic => {
                if !self.score(texts, portion)? {
                    return Ok(false);
                }
                let scores = std::mem::take(&mut self.scores);
                let is_done = self.sort(elements.len(), request, portion, |a, b| {
                    let order = scores.at(a).partial_cmp(&scores.at(b)).unwrap_or(Ordering::Equal);
                    order.then_with(|| elements.text(a).cmp(elements.text(b)))
                });
                self.scores = scores;
                is_done
            }
            Order::Asked | Order::Bytes => {
                let by_text = |a, b| texts.get(a).cmp(&texts.get(b));
                self.sort(elements.len(), request, portion, by_text)
            }
        })
    }

    /// The indices of the elements that are asked for, in their order.
    pub fn into_chosen(self) -> Vec<usize> {
        self.chosen
    }

    fn take_as_given(&mut self, len: usize, portion: &mut Portion) -> bool {
        let end = len.min(self.chosen.len().saturating_add(portion.room()));
        portion.count(end - self.chosen.len());
        self.chosen.extend(self.chosen.len()..end);
        end == len
    }

    /// Reads numbers; what leads to nothing weighs nothing.
    fn score(&mut self, texts: &Texts, portion: &mut Portion) -> Result<bool, CmdError> {
        let first = self.scores.len();
        let end = texts.len().min(first.saturating_add(portion.room()));
        portion.count(end - first);
        for index in first..end {
            let score = texts.get(index).map_or(Some(0.0), score);
            self.scores.push(score.ok_or(NOT_NUMBERS)?);
        }
        Ok(end == texts.len())
    }

    /// Sorts by `compare`, where that says nothing as they are.
    fn sort(
        &mut self,
        len: usize,
        request: &Request<'_>,
        portion: &mut Portion,
        compare: impl Fn(usize, usize) -> Ordering,
    ) -> bool {
        let whole = |a: usize, b: usize| {
            let order = if request.descends { compare(b, a) } else { compare(a, b) };
            order.then(a.cmp(&b))
        };
        let range = request.range(len);
        while self.begun < len {
            let room = portion.room();
            if room == 0 {
                return false;
            }
            let end = len.min(self.begun.saturating_add(room.div_ceil(LOOKS_PER_SORTED)));
            portion.count(LOOKS_PER_SORTED * (end - self.begun));
            self.add_run((self.begun..end).collect(), range.end, whole);
            self.begun = end;
        }
        if let [run] = &mut self.runs[..] {
            self.chosen = std::mem::take(&mut run.indices);
            self.chosen.drain(..range.start);
            self.runs.clear();
            self.heap.clear();
            self.merged = range.end;
        }
        self.merge(range, portion, whole)
    }

    /// Sorts a run; what is not among its first `limit` is not wanted, and not sorted either.
    fn add_run(
        &mut self,
        mut indices: Vec<usize>,
        limit: usize,
        whole: impl Fn(usize, usize) -> Ordering,
    ) {
        if limit < indices.len() {
            indices.select_nth_unstable_by(limit, |a, b| whole(*a, *b));
            indices.truncate(limit);
        }
        if indices.is_empty() {
            return;
        }
        indices.sort_unstable_by(|a, b| whole(*a, *b));
        self.runs.push(Run { indices, at: 0 });
        // It rises to its place.
        let mut place = self.heap.len();
        self.heap.push(self.runs.len() - 1);
        while place > 0 {
            let above = (place - 1) / 2;
            if self.order(above, place, &whole).is_le() {
                break;
            }
            self.heap.swap(above, place);
            place = above;
        }
    }

    /// Takes the smallest heads from the runs.
    fn merge(
        &mut self,
        range: std::ops::Range<usize>,
        portion: &mut Portion,
        whole: impl Fn(usize, usize) -> Ordering,
    ) -> bool {
        while self.merged < range.end {
            if portion.is_spent() {
                return false;
            }
            portion.count(LOOKS_PER_MERGED);
            let run = &mut self.runs[self.heap[0]];
            if range.contains(&self.merged) {
                self.chosen.push(run.head());
            }
            self.merged += 1;
            run.at += 1;
            if run.at == run.indices.len() {
                run.indices = Vec::new();
                self.heap.swap_remove(0);
            }
            self.sink(&whole);
        }
        true
    }

    /// Brings the first of the heap to its place.
    fn sink(&mut self, whole: &impl Fn(usize, usize) -> Ordering) {
        let mut place = 0;
        loop {
            let mut first = place;
            for below in [2 * place + 1, 2 * place + 2] {
                if below < self.heap.len() && self.order(below, first, whole).is_lt() {
                    first = below;
                }
            }
            if first == place {
                return;
            }
            self.heap.swap(first, place);
            place = first;
        }
    }

    /// The order of the heads of the runs at two places of the heap.
    fn order(&self, a: usize, b: usize, whole: &impl Fn(usize, usize) -> Ordering) -> Ordering {
        let head = |place: usize| self.runs[self.heap[place]].head();
        whole(head(a), head(b))
    }
}
