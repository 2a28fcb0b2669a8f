//! The inputs of a computation: sorted sets and sets, here or copied from another core.

use std::ops::Range;

use crate::command::portion::Portion;
use crate::command::spec::Parcel;
use crate::ds::listpack::Item;
use crate::ds::ranked::Unranked;
use crate::resp::args::Args;
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::store::bulky::Bulky;
use crate::store::db::Db;
use crate::store::entry::ValueRef;
use crate::store::object::{ObjectRef, Typed};
use crate::store::set::Set;
use crate::store::sorted_set::SortedSet;

/// The score of a member of a set without scores.
const SET_SCORE: f64 = 1.0;

/// A collection that serves as input.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// No such key.
    Missing,
    Sorted(&'a SortedSet),
    Set(&'a Set),
    /// Of another core.
    Copied(&'a Unranked),
}

/// One input.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    /// Number among the keys, which is also that of its weight.
    pub index: usize,
    pub source: Source<'a>,
}

impl<'a> Source<'a> {
    fn of(value: Option<ValueRef<'a>>) -> Result<Source<'a>, CmdError> {
        match value {
            None => Ok(Source::Missing),
            Some(ValueRef::Object(ObjectRef::SortedSet(set))) => Ok(Source::Sorted(set)),
            Some(ValueRef::Object(ObjectRef::Set(set))) => Ok(Source::Set(set)),
            Some(_) => Err(CmdError::WrongType),
        }
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        match self {
            Source::Missing => 0,
            Source::Sorted(set) => set.len(),
            Source::Set(set) => set.len(),
            Source::Copied(members) => members.len(),
        }
    }

    /// The score of `member`, if it is there.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Source::Missing => None,
            Source::Sorted(set) => set.score(member),
            Source::Set(set) => set.contains(member).then_some(SET_SCORE),
            Source::Copied(members) => members.score(member),
        }
    }

    /// What it costs to find a member, in searches of a dictionary.
    pub fn search_cost(&self) -> usize {
        match self {
            Source::Missing | Source::Copied(_) => 1,
            Source::Sorted(set) => set.search_cost(),
            Source::Set(set) => set.search_cost(),
        }
    }

    /// Visits some members from the hash `first` on, and returns where the rest begins; `None` at
    /// the end.
    pub fn walk_from(&self, first: u64, mut visit: impl FnMut(Item<'a>, f64)) -> Option<u64> {
        match *self {
            Source::Missing => None,
            Source::Sorted(set) => set.walk_from(first, visit),
            Source::Set(set) => set.walk_from(first, |member| visit(member, SET_SCORE)),
            Source::Copied(members) => members.walk_from(first, |element| {
                visit(Item::Text(element.member()), element.score());
            }),
        }
    }
}

/// The inputs that this shard owns, each with its position among the arguments.
pub(super) fn find_inputs<'d>(
    db: &'d Db,
    args: &Args<'_>,
    keys: &Range<usize>,
) -> Result<Vec<(usize, Source<'d>)>, CmdError> {
    let mut inputs = Vec::new();
    for position in keys.clone() {
        let key = args.key(position);
        if db.owns(key) {
            inputs.push((position, Source::of(db.read(key))?));
        }
    }
    Ok(inputs)
}

/// What one shard sends to the one that decides.
#[derive(Default)]
pub(super) struct Gathered {
    /// Position of each key, with its members.
    inputs: Vec<(usize, Copied)>,
}

/// A copy of an input: in the form that it has if that is one block of memory, else as it is
/// needed.
enum Copied {
    Sorted(SortedSet),
    Set(Set),
    Members(Unranked),
}

impl Bulky for Gathered {
    fn free_some(&mut self, budget: usize) -> bool {
        let Some((_, last)) = self.inputs.last_mut() else { return true };
        let is_gone = match last {
            Copied::Sorted(_) | Copied::Set(_) => true,
            Copied::Members(members) => members.free_some(budget),
        };
        if is_gone {
            self.inputs.pop();
        }
        self.inputs.is_empty()
    }
}

impl Gathered {
    /// Copies as much of the inputs of another core as the portion says. What was copied so far is
    /// what the portions before have left.
    pub fn copy(&mut self, inputs: &[(usize, Source<'_>)], portion: &mut Portion) {
        if !portion.admits(inputs.iter().map(|(_, source)| source.len()).sum()) {
            return;
        }
        portion.walk_all(inputs.len(), &mut Out::default(), |number, first, _| {
            let (position, source) = inputs[number];
            if number == self.inputs.len() {
                let copied = match source {
                    Source::Sorted(set @ SortedSet::Packed(_)) => Copied::Sorted(set.copy()),
                    Source::Set(set) if set.is_packed() => Copied::Set(set.copy()),
                    _ => Copied::Members(Unranked::default()),
                };
                self.inputs.push((position, copied));
            }
            let Copied::Members(members) = &mut self.inputs[number].1 else {
                return (None, source.len());
            };
            let (before, mut digits) = (members.len(), itoa::Buffer::new());
            let next = source.walk_from(first, |member, score| {
                members.add(member.bytes(&mut digits), score);
            });
            // To copy a member costs as much again as to read it.
            (next, 2 * (members.len() - before))
        });
    }
}

/// All inputs, on the shard that decides: its own in place, the others from the parcels.
pub(super) fn all<'a>(
    db: &'a Db,
    args: &Args<'_>,
    keys: &Range<usize>,
    parcels: &'a [Parcel],
) -> Result<Vec<Input<'a>>, CmdError> {
    let gathered = || {
        let parcels = parcels.iter().flatten();
        parcels.filter_map(|parcel| parcel.downcast_ref::<Gathered>()).flat_map(|part| &part.inputs)
    };
    let source = |position: usize| {
        let key = args.key(position);
        if db.owns(key) {
            return Source::of(db.peek(key).map(|entry| entry.value()));
        }
        let (_, copied) = gathered()
            .find(|(other, _)| *other == position)
            .expect("the owner of each key has copied its members");
        Ok(match copied {
            Copied::Sorted(set) => Source::Sorted(set),
            Copied::Set(set) => Source::Set(set),
            Copied::Members(members) => Source::Copied(members),
        })
    };
    let inputs = keys.clone().enumerate();
    inputs.map(|(index, position)| Ok(Input { index, source: source(position)? })).collect()
}
