//! Taking old entries out of a stream, and what becomes of their mentions in consumer groups.
//!
//! Whole nodes are taken out at once where nothing has to be looked up; in the node at the border
//! entries are flagged one by one.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::group::Group;
use super::id::Id;
use super::node::Verdict;
use super::{Inner, Stream};

/// Which entries are too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// All but the last so many.
    Length(u64),
    /// Those with smaller ids.
    Id(Id),
}

/// What the consumer groups say about an entry that is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum References {
    /// Nothing: pending entries stay pending.
    #[default]
    Keep,
    /// Pending entries are forgotten.
    Remove,
    /// They decide: an entry that a group has yet to deliver or to acknowledge stays.
    Acknowledged,
}

/// How a stream is trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    pub threshold: Threshold,
    /// Only whole nodes go, unless references have to be looked at.
    pub is_approximate: bool,
    /// Most entries that go; none for no limit.
    pub limit: Option<u64>,
    pub references: References,
}

impl Trim {
    /// True if an entry may stay although `length` entries are left and its id is `id`.
    fn spares(&self, length: u64, id: Id) -> bool {
        match self.threshold {
            Threshold::Length(most) => length <= most,
            Threshold::Id(least) => id >= least,
        }
    }
}

impl Stream {
    /// Takes out old entries; returns how many.
    pub fn trim(&mut self, trim: &Trim) -> u64 {
        let inner = &mut *self.0;
        let (mut trimmed, mut from) = (0, Bound::Unbounded);
        while let Some((&id, node)) = inner.nodes.range((from, Bound::Unbounded)).next() {
            let (live, length) = (node.live(), inner.summary.length);
            let is_over = trim.limit.is_some_and(|limit| trimmed + live > limit);
            if is_over || trim.spares(length, Id::MIN) && trim.is_by_length() {
                break;
            }
            let goes = match trim.threshold {
                Threshold::Length(most) => length - live >= most,
                Threshold::Id(least) => node.last_id(id) < least,
            };
            let looks = trim.references != References::Keep;
            if goes && !looks {
                inner.nodes.remove(&id);
                inner.summary.length -= live;
                trimmed += live;
                continue;
            }
            if trim.is_approximate && !looks {
                break;
            }
            trimmed += inner.trim_node(id, trim);
            if !goes {
                break;
            }
            from = Bound::Excluded(id);
        }
        if trimmed > 0 {
            inner.find_first();
        }
        trimmed
    }
}

impl Trim {
    fn is_by_length(&self) -> bool {
        matches!(self.threshold, Threshold::Length(_))
    }
}

impl Inner {
    /// Deletes entries of one node, which goes when none is left.
    fn trim_node(&mut self, id: Id, trim: &Trim) -> u64 {
        let Inner { nodes, groups, summary, .. } = self;
        let node = nodes.get_mut(&id).expect("it was found");
        let mut length = summary.length;
        let swept = node.sweep(id, |entry| {
            if trim.spares(length, entry) {
                return Verdict::Stop;
            }
            if !may_delete(groups, entry, trim.references) {
                return Verdict::Keep;
            }
            length -= 1;
            Verdict::Delete
        });
        let is_empty = node.live() == 0;
        summary.length = length;
        if is_empty {
            nodes.remove(&id);
        }
        swept
    }
}

/// Asks the groups about an entry that shall be deleted, and lets them forget it if it shall be so.
pub(super) fn may_delete(
    groups: &mut BTreeMap<Box<[u8]>, Group>,
    id: Id,
    references: References,
) -> bool {
    match references {
        References::Keep => {}
        References::Remove => groups.values_mut().for_each(|group| {
            group.acknowledge(id);
        }),
        References::Acknowledged => return !is_referenced(groups, id),
    }
    true
}

/// True if a group has yet to deliver or to acknowledge the entry.
fn is_referenced(groups: &BTreeMap<Box<[u8]>, Group>, id: Id) -> bool {
    groups.values().any(|group| group.last_id < id || group.pending(id).is_some())
}
