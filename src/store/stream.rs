//! Streams: entries in the order of their ids, and the groups of consumers that read them.
//!
//! Entries lie in [nodes](node): runs of up to a hundred in one listpack, byte for byte as Redis
//! has them. The nodes hang in an ordered map by the id of their first entry. Redis uses a radix
//! tree; what a stream asks of the index is the last node (XADD), the first one (trimming) and the
//! node of an id (ranges), and a B-tree answers each in a few steps. With one record for four
//! kilobytes of entries it weighs about one part in a hundred of what it leads to, so nothing
//! denser would be felt; and it never moves more than one of its own nodes.
//!
//! # Invariant
//!
//! `length` counts the entries that are there; a node without one is taken out. `first` is the id
//! of the first of them, [`Id::MIN`] if there is none. No entry has an id above `last`, which never
//! falls but by command.
//!
//! Absent: clocks, commands and blocked readers.

pub mod group;
pub mod id;
pub mod idempotence;
pub mod node;
#[cfg(test)]
mod tests;
pub mod trim;

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;

use group::{Group, map_memory};
use id::Id;
use idempotence::{Idempotence, Retention};
use node::{Entry, Fields, Node, Walk};
use trim::References;

use super::object::{Kind, Typed, weight};

/// Largest node in bytes, whatever is configured.
const NODE_BYTES_MAX: usize = 1 << 30;

/// When a node is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLimits {
    /// Bytes; 0 for no limit.
    pub bytes: usize,
    /// Entries, deleted ones included; 0 for no limit.
    pub entries: usize,
}

/// An entry is too large for any node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// What a stream says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Entries that are there.
    pub length: u64,
    /// The first of them.
    pub first: Id,
    /// The last id that was given, perhaps to an entry that is deleted.
    pub last: Id,
    /// The largest id of an entry that was deleted by itself, not by trimming.
    pub max_deleted: Id,
    /// Entries that were ever added.
    pub added: u64,
}

impl Summary {
    /// True if an entry at `id` or behind it was deleted by itself, while others are left.
    fn has_gap_from(&self, id: Id) -> bool {
        self.length > 0 && self.max_deleted != Id::MIN && id <= self.max_deleted
    }

    /// How many entries were ever added up to `id`, where that can be known: at the ends of the
    /// stream, and before its first entry, if no gap makes it uncertain.
    pub fn added_up_to(&self, id: Id) -> Option<u64> {
        if self.added == 0 {
            return Some(0);
        }
        if self.length == 0 && id <= self.last {
            return Some(self.added);
        }
        if id != Id::MIN && id < self.max_deleted {
            return None;
        }
        if id >= self.last {
            return (id == self.last).then_some(self.added);
        }
        let is_whole = self.max_deleted == Id::MIN || self.max_deleted < self.first;
        let before = self.added.saturating_sub(self.length);
        match id.cmp(&self.first) {
            std::cmp::Ordering::Less if is_whole => Some(before),
            std::cmp::Ordering::Equal if is_whole => Some(before + 1),
            _ => None,
        }
    }

    /// How many entries a group has yet to read, where that can be known.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        if self.added == 0 || self.length == 0 {
            return Some(0);
        }
        if group.last_id < self.first && self.max_deleted < self.first {
            return Some(self.length as i64);
        }
        let counted = group.entries_read.filter(|_| !self.has_gap_from(group.last_id));
        let read = counted.or_else(|| self.added_up_to(group.last_id))?;
        Some(self.added as i64 - read as i64)
    }

    /// Takes note that a group was given entry `id`, which is behind all those it was given before.
    pub fn advance(&self, group: &mut Group, id: Id) {
        let counts = group.last_id >= self.first && !self.has_gap_from(group.last_id);
        match group.entries_read {
            Some(read) if counts => group.entries_read = Some(read + 1),
            _ if self.added > 0 => group.entries_read = self.added_up_to(id),
            _ => {}
        }
        group.last_id = id;
    }
}

/// A stream of entries.
pub struct Stream(Box<Inner>);

#[derive(Default)]
struct Inner {
    nodes: BTreeMap<Id, Node>,
    summary: Summary,
    groups: BTreeMap<Box<[u8]>, Group>,
    idempotence: Option<Box<Idempotence>>,
}

impl Inner {
    fn find_first(&mut self) {
        let mut entries = Entries::new(&self.nodes, Id::MIN, Id::MAX, false);
        self.summary.first = entries.next().map_or(Id::MIN, |entry| entry.id);
    }
}

impl Stream {
    /// What it says about itself.
    pub fn summary(&self) -> Summary {
        self.0.summary
    }

    /// Sets the last id, and the largest deleted one and the number of entries ever added if given,
    /// which the caller has checked against what is there.
    pub fn set_summary(&mut self, last: Id, added: Option<u64>, max_deleted: Option<Id>) {
        let summary = &mut self.0.summary;
        summary.last = last;
        summary.added = added.unwrap_or(summary.added);
        summary.max_deleted = max_deleted.unwrap_or(summary.max_deleted);
    }

    /// How many nodes hold the entries.
    pub fn nodes_len(&self) -> usize {
        self.0.nodes.len()
    }

    /// The nodes with their ids, in order.
    pub fn nodes(&self) -> impl Iterator<Item = (Id, &Node)> {
        self.0.nodes.iter().map(|(id, node)| (*id, node))
    }

    /// Adds an entry, whose id is above [`Summary::last`].
    pub fn append(
        &mut self,
        id: Id,
        fields: &impl Fields,
        limits: NodeLimits,
    ) -> Result<(), TooLarge> {
        let inner = &mut *self.0;
        debug_assert!(id > inner.summary.last || inner.summary.length == 0);
        let bytes = fields.bytes_len();
        if bytes > NODE_BYTES_MAX {
            return Err(TooLarge);
        }
        let largest = match limits.bytes {
            0 => NODE_BYTES_MAX,
            bytes => bytes.min(NODE_BYTES_MAX),
        };
        let has_room = |node: &Node| {
            node.bytes_len() + bytes < largest
                && (limits.entries == 0 || node.entries() < limits.entries as u64)
        };
        match inner.nodes.last_entry() {
            Some(mut last) if has_room(last.get()) => {
                let node_id = *last.key();
                last.get_mut().push(node_id, id, fields);
            }
            _ => {
                let mut node = Node::new(fields);
                node.push(id, id, fields);
                inner.nodes.insert(id, node);
            }
        }
        let summary = &mut inner.summary;
        summary.length += 1;
        summary.added += 1;
        summary.last = id;
        if summary.length == 1 {
            summary.first = id;
        }
        Ok(())
    }

    /// Deletes an entry; false if it is not there.
    pub fn delete(&mut self, id: Id) -> bool {
        let Inner { nodes, summary, .. } = &mut *self.0;
        let Some((&node_id, node)) = nodes.range_mut(..=id).next_back() else { return false };
        if !node.delete(node_id, id) {
            return false;
        }
        if node.live() == 0 {
            nodes.remove(&node_id);
        }
        summary.length -= 1;
        summary.max_deleted = summary.max_deleted.max(id);
        if id == summary.first {
            self.0.find_first();
        }
        true
    }

    /// Deletes entry `id` if the consumer groups agree.
    pub fn delete_with(&mut self, id: Id, references: References) -> Deletion {
        if !trim::may_delete(&mut self.0.groups, id, references) {
            return Deletion::Referenced;
        }
        if self.delete(id) { Deletion::Deleted } else { Deletion::Missing }
    }

    /// True if the entry is there.
    pub fn contains(&self, id: Id) -> bool {
        self.entry(id).is_some()
    }

    /// The entry `id`.
    pub fn entry(&self, id: Id) -> Option<Entry<'_>> {
        self.range(id, id).next()
    }

    /// The last entry that is there.
    pub fn last_entry(&self) -> Option<Entry<'_>> {
        self.range_back(Id::MIN, Id::MAX).next()
    }

    /// The entries from `start` to `end`, both included.
    pub fn range(&self, start: Id, end: Id) -> Entries<'_> {
        Entries::new(&self.0.nodes, start, end, false)
    }

    /// The entries from `end` down to `start`, both included.
    pub fn range_back(&self, start: Id, end: Id) -> Entries<'_> {
        Entries::new(&self.0.nodes, start, end, true)
    }

    /// How many consumer groups there are.
    pub fn groups_len(&self) -> usize {
        self.0.groups.len()
    }

    /// The consumer groups in the order of their names.
    pub fn groups(&self) -> impl Iterator<Item = (&[u8], &Group)> {
        self.0.groups.iter().map(|(name, group)| (&**name, group))
    }

    /// The consumer groups in the order of their names from `first` on.
    pub fn groups_from(&self, first: &[u8]) -> impl Iterator<Item = (&[u8], &Group)> {
        let groups = self.0.groups.range::<[u8], _>((Bound::Included(first), Bound::Unbounded));
        groups.map(|(name, group)| (&**name, group))
    }

    /// The consumer group called `name`.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.0.groups.get(name)
    }

    /// The consumer group called `name`, to be changed.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.0.groups.get_mut(name)
    }

    /// Adds a consumer group; false if there is one of that name.
    pub fn add_group(&mut self, name: &[u8], group: Group) -> bool {
        let is_new = !self.0.groups.contains_key(name);
        if is_new {
            self.0.groups.insert(name.into(), group);
        }
        is_new
    }

    /// Takes out a consumer group.
    pub fn remove_group(&mut self, name: &[u8]) -> Option<Group> {
        self.0.groups.remove(name)
    }

    /// What is remembered of producers; none if nothing ever was and nothing is configured.
    pub fn idempotence(&self) -> Option<&Idempotence> {
        self.0.idempotence.as_deref()
    }

    /// What is remembered of producers, to be changed; as long and as much as `retention` says if
    /// nothing was until now.
    pub fn idempotence_mut(&mut self, retention: Retention) -> &mut Idempotence {
        self.0.idempotence.get_or_insert_with(|| Box::new(Idempotence::new(retention)))
    }

    /// Bytes of the nodes: the last one, and as many as the sampled ones say of the others.
    fn nodes_memory(&self, samples: usize) -> usize {
        let others = self.0.nodes.len().saturating_sub(1);
        let sampled = if samples == 0 { others } else { samples.min(others) };
        let mut nodes = self.0.nodes.values();
        let last = nodes.next_back().map_or(0, Node::memory);
        let sum: usize = nodes.take(sampled).map(Node::memory).sum();
        last + (sum as u128 * others as u128).checked_div(sampled as u128).unwrap_or(0) as usize
    }
}

/// What became of an entry that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    Deleted,
    /// A consumer group has yet to deliver or to acknowledge it.
    Referenced,
    Missing,
}

/// All ids above this one.
fn above(id: Option<Id>) -> Bound<Id> {
    id.map_or(Bound::Unbounded, Bound::Excluded)
}

/// A range of entries, in one of both directions.
pub struct Entries<'a> {
    nodes: btree_map::Range<'a, Id, Node>,
    walk: Option<Walk<'a>>,
    start: Id,
    end: Id,
    is_reverse: bool,
}

impl<'a> Entries<'a> {
    fn new(nodes: &'a BTreeMap<Id, Node>, start: Id, end: Id, is_reverse: bool) -> Entries<'a> {
        let nodes = if start > end {
            nodes.range(Id::MAX..Id::MAX)
        } else {
            let first = nodes.range(..=start).next_back().map_or(start, |(id, _)| *id);
            nodes.range(first..=end)
        };
        Entries { nodes, walk: None, start, end, is_reverse }
    }

    /// The next entry of the nodes, wherever it lies.
    fn step(&mut self) -> Option<Entry<'a>> {
        loop {
            let next = match &mut self.walk {
                Some(walk) if self.is_reverse => walk.next_back(),
                Some(walk) => walk.next(),
                None => None,
            };
            if next.is_some() {
                return next;
            }
            let node = if self.is_reverse { self.nodes.next_back() } else { self.nodes.next() };
            let (id, node) = node?;
            self.walk = Some(node.walk(*id));
        }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let entry = self.step()?;
            let (too_early, too_late) = (entry.id < self.start, entry.id > self.end);
            if if self.is_reverse { too_early } else { too_late } {
                return None;
            }
            if !too_early && !too_late && !entry.is_deleted() {
                return Some(entry);
            }
        }
    }
}

impl Typed for Stream {
    const KIND: Kind = Kind::Stream;

    fn new() -> Stream {
        Stream(Box::default())
    }

    /// A stream remains when its last entry goes: its last id and its groups count.
    fn is_empty(&self) -> bool {
        false
    }

    fn encoding(&self) -> &'static str {
        "stream"
    }

    fn memory(&self, samples: usize) -> usize {
        let inner = &*self.0;
        let groups = inner.groups.iter().map(|(name, group)| name.len() + group.memory());
        size_of::<Inner>()
            + map_memory::<Id, Node>(inner.nodes.len())
            + self.nodes_memory(samples)
            + map_memory::<Box<[u8]>, Group>(inner.groups.len())
            + groups.sum::<usize>()
            + inner.idempotence.as_ref().map_or(0, |known| known.memory())
    }

    /// What is in the copy shows where to go on.
    fn copy_some(&self, into: &mut Stream, _: u64, budget: usize) -> Option<u64> {
        let (inner, into) = (&*self.0, &mut *into.0);
        let mut left = budget;
        into.summary = inner.summary;
        let copied = into.nodes.last_key_value().map(|(id, _)| *id);
        for (id, node) in inner.nodes.range((above(copied), Bound::Unbounded)) {
            if left == 0 {
                return Some(0);
            }
            into.nodes.insert(*id, node.clone());
            left = left.saturating_sub(node.entries() as usize + weight(node.memory()));
        }
        // The last group is perhaps not copied to the end.
        let begun = into.groups.last_key_value().map(|(name, _)| name.clone());
        let rest = begun.as_ref().map_or(Bound::Unbounded, Bound::Included);
        for (name, group) in inner.groups.range::<Box<[u8]>, _>((rest, Bound::Unbounded)) {
            if begun.as_ref() != Some(name) {
                if left == 0 {
                    return Some(0);
                }
                into.groups.insert(name.clone(), group.without_content());
                left -= 1;
            }
            let copy = into.groups.get_mut(name).expect("it was begun");
            if !group.copy_some(copy, &mut left) {
                return Some(0);
            }
        }
        into.idempotence = inner.idempotence.clone();
        None
    }

    /// Entries and what is pending of them: what it takes to free the stream.
    fn elements(&self) -> usize {
        let pending = self.0.groups.values().map(Group::pending_len);
        self.0.summary.length as usize + pending.sum::<usize>()
    }

    fn free_some(&mut self, budget: usize) -> bool {
        let inner = &mut *self.0;
        let mut left = budget;
        while left > 0 {
            let Some((_, node)) = inner.nodes.pop_first() else { break };
            left = left.saturating_sub(node.entries() as usize);
        }
        while left > 0 {
            let Some(mut group) = inner.groups.last_entry() else { break };
            match group.get_mut().free_some(left) {
                0 => drop(group.remove()),
                freed => left = left.saturating_sub(freed),
            }
        }
        while left > 0 && inner.idempotence.as_mut().is_some_and(|known| known.free_some()) {
            left = left.saturating_sub(100);
        }
        left > 0
    }
}
