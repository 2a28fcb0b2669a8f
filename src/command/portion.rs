//! Commands whose work grows with a collection: done at once where that is little, else in portions
//! between which the core serves others.
//!
//! Such a command is a function that does one portion at a time. It is called first for all of its
//! work at once; if that turns out to be too much it says so, is undone, and is called again for
//! one portion after the other, while its key is claimed. So it pays one comparison where a
//! collection is small.
//!
//! ```text
//! at once     everything, or nothing at all if it is too much
//! portions    first, next, next ... until the command does not ask for another
//! ```
//!
//! Invariant: between two portions nobody changes what the command works on, no time passes for
//! it, and nobody sees what it has written. A command that changes something reports the change
//! with its last portion, but for SPOP and XREADGROUP, whose portions are repeated by names; and
//! none fails once it has changed or answered something, which is after its first portion at most
//! for all but SORT.
//!
//! Absent: who calls, and what is claimed (`coordinate/sliced.rs`).

use std::ops::{ControlFlow, Range};

use crate::base::prng::Prng;
use crate::base::probe::small_portions;
use crate::limits;
use crate::resp::out::Out;
use crate::store::bulky::Bulky;

/// What one call of such a command is to do, and what it leaves to the next.
pub struct Portion {
    /// How many elements at most.
    elements_max: usize,
    bytes_max: usize,
    is_first: bool,
    may_go_on: bool,
    /// What this call has done so far.
    elements: usize,
    /// Bytes that it has written elsewhere than to the reply.
    bytes: usize,
    /// Where the encoded reply ended when this call began.
    base: usize,
    /// Where the next portion begins, in the command's own terms.
    next: Option<u128>,
    at: u128,
    /// What earlier portions have done.
    done: usize,
    /// The beginning of the whole reply, if that is known last.
    head: Option<Out>,
    /// What the command keeps in a form of its own.
    state: Option<Box<dyn Bulky>>,
}

impl Portion {
    /// Everything at once, unless it is too much. A reply may be longer than that of one of several
    /// portions, because it would have to be begun again.
    #[inline]
    pub fn at_once() -> Portion {
        Portion::of(limits::PORTION_ELEMENTS, 4 * limits::PORTION_BYTES, false)
    }

    /// Everything, however much it is, for work that nothing may come between.
    #[inline]
    pub fn whole() -> Portion {
        let everything = usize::MAX;
        Portion { elements_max: everything, ..Portion::of(everything, everything, false) }
    }

    /// The first of several portions.
    pub fn first() -> Portion {
        Portion::of(limits::PORTION_ELEMENTS, limits::PORTION_BYTES, true)
    }

    #[inline]
    fn of(elements_max: usize, bytes_max: usize, may_go_on: bool) -> Portion {
        Portion {
            elements_max: if small_portions() { 1 } else { elements_max },
            bytes_max,
            is_first: true,
            may_go_on,
            elements: 0,
            bytes: 0,
            base: 0,
            next: None,
            at: 0,
            done: 0,
            head: None,
            state: None,
        }
    }

    /// Prepares the call that writes to `out`.
    #[inline]
    pub(crate) fn begin(&mut self, out: &Out) {
        self.base = out.encoded().len();
    }

    /// True if the call left something to do: it asked for another portion, or there was too much
    /// to be done at once.
    #[inline]
    pub(crate) fn is_unfinished(&self) -> bool {
        self.next.is_some()
    }

    /// The portion after this one.
    pub(crate) fn advance(&mut self) {
        let Some(next) = self.next.take() else { return };
        self.at = next;
        self.done += std::mem::take(&mut self.elements);
        self.bytes = 0;
        self.is_first = false;
    }

    /// The beginning of the reply, where the command wrote it last.
    pub(crate) fn take_head(&mut self) -> Option<Out> {
        self.head.take()
    }

    /// True for a portion that no other precedes.
    #[inline]
    pub fn is_first(&self) -> bool {
        self.is_first
    }

    /// What the portion before passed to [`Portion::go_on`]; 0 in the first.
    pub fn at(&self) -> u128 {
        self.at
    }

    /// True if this call is one of several, or may be.
    pub fn may_go_on(&self) -> bool {
        self.may_go_on
    }

    /// The number that the portion before kept; 0 in the first.
    pub fn kept(&self) -> usize {
        (self.at >> u64::BITS) as usize
    }

    /// Keeps a number for the next portion, if there is one and what was passed to
    /// [`Portion::go_on`] has 64 bits.
    pub fn keep(&mut self, number: usize) {
        if let Some(next) = &mut self.next {
            *next |= (number as u128) << u64::BITS;
        }
    }

    /// Keeps something for the next portions, where [`Portion::take_state`] finds it.
    pub fn keep_state(&mut self, state: Box<dyn Bulky>) {
        self.state = Some(state);
    }

    /// What an earlier portion kept, if it did; what is not kept again is gone.
    pub fn take_state<T: Bulky>(&mut self) -> Option<Box<T>> {
        self.state.take().and_then(|state| state.downcast())
    }

    /// What the last portion kept, which is to be buried if the work ends early.
    pub(crate) fn into_state(self) -> Option<Box<dyn Bulky>> {
        self.state
    }

    /// Elements that were counted so far, in all portions.
    pub fn counted(&self) -> usize {
        self.done + self.elements
    }

    /// Elements that may still be counted in this portion.
    pub fn room(&self) -> usize {
        self.elements_max.saturating_sub(self.elements)
    }

    /// Says that a portion costs as much as so many elements before it begins, so that it should do
    /// no less.
    pub fn do_at_least(&mut self, elements: usize) {
        if elements > limits::PORTION_ELEMENTS {
            self.elements_max = self.elements_max.max(elements);
        }
    }

    /// Counts some elements.
    #[inline]
    pub fn count(&mut self, elements: usize) {
        self.elements += elements;
    }

    /// Counts bytes that were written elsewhere than to the reply.
    #[inline]
    pub fn count_bytes(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// [`Portion::is_full`] for a call that does not write to the reply.
    #[inline]
    pub fn is_spent(&self) -> bool {
        self.elements >= self.elements_max || self.bytes >= self.bytes_max
    }

    /// True if this portion has done enough. The caller then goes on at another time; in a call
    /// that is to do everything it means that this was too much.
    #[inline]
    pub fn is_full(&self, out: &Out) -> bool {
        // A command that writes nothing yet may pass an output in which no reply has begun.
        let bytes = self.bytes + out.encoded().len().saturating_sub(self.base);
        self.elements >= self.elements_max || bytes >= self.bytes_max
    }

    /// Leaves the rest to another portion, which begins there. Where everything was to be done at
    /// once, what this call did is undone.
    pub fn go_on(&mut self, next: u128) {
        self.next = Some(next);
    }

    /// Puts `head` before everything that was written in this portion and in earlier ones, where
    /// there may be several.
    pub fn set_head(&mut self, head: Out) {
        debug_assert!(self.may_go_on, "what is done at once is written in its order");
        self.head = Some(head);
    }

    /// Makes what was written since the encoded length was `start`, and in earlier portions, an
    /// array of `count` elements, for elements whose number is known last.
    pub fn end_array(&mut self, start: usize, count: usize, out: &mut Out) {
        self.end(start, out, |out| out.array(count));
    }

    /// Like [`Portion::end_array`], for a set.
    pub fn end_set(&mut self, start: usize, count: usize, out: &mut Out) {
        self.end(start, out, |out| out.set(count));
    }

    fn end(&mut self, start: usize, out: &mut Out, write: impl FnOnce(&mut Out)) {
        if self.may_go_on {
            let mut head = Out::new(out.protocol());
            write(&mut head);
            self.set_head(head);
        } else {
            out.head_since(start, write);
        }
    }

    /// False if so many elements are too many for one call that is to do everything; then the
    /// caller writes nothing and returns.
    #[inline]
    pub fn admits(&mut self, elements: usize) -> bool {
        let is_admitted = self.may_go_on || elements <= self.elements_max;
        if !is_admitted {
            self.go_on(0);
        }
        is_admitted
    }

    /// Which of `total` elements, numbered from 0, this portion is to begin with. None if they are
    /// too many for one call that is to do everything.
    #[inline]
    pub fn range(&mut self, total: usize) -> Option<Range<usize>> {
        self.admits(total).then_some(self.at as usize..total)
    }

    /// To be called with each element of [`Portion::range`] that was written, to hear whether the
    /// next is for another portion.
    #[inline]
    pub fn next(&mut self, range: &Range<usize>, out: &Out) -> ControlFlow<()> {
        self.elements += 1;
        if !self.is_full(out) {
            return ControlFlow::Continue(());
        }
        let behind = range.start + self.elements;
        if behind < range.end {
            self.go_on(behind as u128);
        }
        ControlFlow::Break(())
    }

    /// Goes through a structure in the order of hashes: calls `step` with the hash to begin with,
    /// which visits some elements, writes them and returns where the rest begins and how many they
    /// were, until the portion is full or nothing is left.
    pub fn walk(
        &mut self,
        out: &mut Out,
        mut step: impl FnMut(u64, &mut Out) -> (Option<u64>, usize),
    ) {
        let mut first = self.at as u64;
        loop {
            let (next, visited) = step(first, out);
            self.elements += visited;
            match next {
                None => return,
                Some(next) if self.is_full(out) => return self.go_on(next.into()),
                Some(next) => first = next,
            }
        }
    }

    /// Goes through several structures in turn, each as in [`Portion::walk`]: calls `step` with the
    /// number of one, counted from 0, and the hash to begin with there.
    pub fn walk_all(
        &mut self,
        structures: usize,
        out: &mut Out,
        mut step: impl FnMut(usize, u64, &mut Out) -> (Option<u64>, usize),
    ) {
        let (mut number, mut first) = ((self.at >> u64::BITS) as usize, self.at as u64);
        while number < structures {
            let (next, visited) = step(number, first, out);
            self.elements += visited;
            (number, first) = next.map_or((number + 1, 0), |next| (number, next));
            if number < structures && self.is_full(out) {
                return self.go_on((number as u128) << u64::BITS | u128::from(first));
            }
        }
    }
}

/// Draws some of all elements, every choice of so many being equally likely, in one pass that may
/// be made in portions: selection sampling (Knuth, TAOCP volume 2, algorithm 3.4.2 S).
pub struct Selection {
    /// Elements that have not come by yet.
    left: usize,
    /// Elements still to be chosen.
    wanted: usize,
}

impl Selection {
    /// The choice of `wanted` out of `total`, where this portion begins: each element that came by
    /// was counted, and [`Selection::keep`] was called in every portion.
    pub fn resume(portion: &Portion, total: usize, wanted: usize) -> Selection {
        Selection { left: total - portion.counted(), wanted: wanted - portion.kept() }
    }

    /// Whether the next element is chosen.
    #[inline]
    pub fn takes(&mut self, prng: &mut Prng) -> bool {
        let takes = (prng.below(self.left as u64) as usize) < self.wanted;
        self.left -= 1;
        self.wanted -= usize::from(takes);
        takes
    }

    /// Keeps how many of the `wanted` elements were chosen so far.
    pub fn keep(&self, portion: &mut Portion, wanted: usize) {
        portion.keep(wanted - self.wanted);
    }
}

#[cfg(test)]
mod tests;
