//! The inputs of a computation: sorted sets and sets, here or copied from another core.

use std::cell::OnceCell;
use std::ops::Range;

use ahash::AHashMap;

use crate::command::sorted_set::entries::Entries;
use crate::command::spec::Parcel;
use crate::resp::args::Args;
use crate::resp::error::CmdError;
use crate::store::bulky::Bulky;
use crate::store::db::Db;
use crate::store::entry::ValueRef;
use crate::store::object::ObjectRef;
use crate::store::set::Set;
use crate::store::sorted_set::SortedSet;

/// The score of a member of a set without scores.
const SET_SCORE: f64 = 1.0;

/// A collection that serves as input.
pub(super) enum Source<'a> {
    /// No such key.
    Missing,
    Sorted(&'a SortedSet),
    Set(&'a Set),
    Copied(Copied<'a>),
}

/// One input.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    /// Number among the keys, which is also that of its weight.
    pub index: usize,
    pub source: &'a Source<'a>,
}

/// Members that came from another core.
pub(super) struct Copied<'a> {
    entries: &'a Entries,
    /// By member, for whoever asks.
    scores: OnceCell<AHashMap<&'a [u8], f64>>,
}

impl Input<'_> {
    /// Number of members.
    pub fn len(&self) -> usize {
        self.source.len()
    }

    /// Calls `visit` with each member until it says false.
    pub fn for_each(&self, visit: impl FnMut(&[u8], f64) -> bool) {
        self.source.for_each(visit);
    }

    /// The score of `member`, if it is there.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self.source {
            Source::Missing => None,
            Source::Sorted(set) => set.score(member),
            Source::Set(set) => set.contains(member).then_some(SET_SCORE),
            Source::Copied(copied) => {
                copied.scores.get_or_init(|| copied.entries.iter().collect()).get(member).copied()
            }
        }
    }
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

    fn len(&self) -> usize {
        match self {
            Source::Missing => 0,
            Source::Sorted(set) => set.len(),
            Source::Set(set) => set.len(),
            Source::Copied(copied) => copied.entries.len(),
        }
    }

    fn for_each(&self, mut visit: impl FnMut(&[u8], f64) -> bool) {
        let mut digits = itoa::Buffer::new();
        match self {
            Source::Missing => {}
            Source::Sorted(set) => {
                for (member, score) in set.iter() {
                    if !visit(member.bytes(&mut digits), score) {
                        return;
                    }
                }
            }
            Source::Set(set) => {
                for member in set.iter() {
                    if !visit(member.bytes(&mut digits), SET_SCORE) {
                        return;
                    }
                }
            }
            Source::Copied(copied) => {
                for (member, score) in copied.entries.iter() {
                    if !visit(member, score) {
                        return;
                    }
                }
            }
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
pub(super) struct Gathered {
    /// Position of each key, with its members.
    inputs: Vec<(usize, Entries)>,
}

impl Bulky for Gathered {}

/// Copies inputs for another core.
pub(super) fn gather(inputs: &[(usize, Source<'_>)]) -> Gathered {
    let copy = |(position, source): &(usize, Source<'_>)| {
        let mut entries = Entries::default();
        source.for_each(|member, score| {
            entries.push(member, score);
            true
        });
        (*position, entries)
    };
    Gathered { inputs: inputs.iter().map(copy).collect() }
}

/// All inputs, on the shard that decides: its own in place, the others from the parcels.
pub(super) fn all<'a>(
    db: &'a Db,
    args: &Args<'_>,
    keys: &Range<usize>,
    parcels: &'a [Parcel],
) -> Result<Vec<Source<'a>>, CmdError> {
    let gathered = || {
        let parcels = parcels.iter().flatten();
        parcels.filter_map(|parcel| parcel.downcast_ref::<Gathered>()).flat_map(|part| &part.inputs)
    };
    let source = |position: usize| {
        let key = args.key(position);
        if db.owns(key) {
            return Source::of(db.peek(key).map(|entry| entry.value()));
        }
        let (_, entries) = gathered()
            .find(|(other, _)| *other == position)
            .expect("the owner of each key has copied its members");
        Ok(Source::Copied(Copied { entries, scores: OnceCell::new() }))
    };
    keys.clone().map(source).collect()
}
