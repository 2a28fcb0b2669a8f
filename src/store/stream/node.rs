//! A run of consecutive stream entries in one listpack, byte for byte as Redis lays it out.
//!
//! ```text
//! master entry:  live | deleted | fields | field 1 .. field N | 0
//! entry:         flags | ms | seq | fields | field 1 | value 1 .. | pieces
//! same fields:   flags | ms | seq | value 1 .. value N | pieces
//! ```
//!
//! The master entry counts the entries that are there and those that are deleted, and names the
//! fields of the first one, so that entries with the same fields store values only. `ms` and `seq`
//! are differences to the node's own id, which is the key under which the stream keeps it. `pieces`
//! counts the items in front of it, which is how one walks backwards; the 0 of the master entry
//! ends that walk.
//!
//! Deleting sets a flag. Flags take one byte whatever they are, so nothing moves.
//!
//! # Invariant
//!
//! Every [`Node`] has passed [`Node::from_bytes`] or was built here: its numbers are integers and
//! its counts are true. Ids rise from entry to entry.
//!
//! Absent: giving back the space of deleted entries before the whole node goes, which Redis does
//! not do either.

use super::id::Id;
use crate::ds::listpack::{Item, Listpack, Position};

/// The entry is deleted.
const DELETED: i64 = 1;
/// The entry has the fields of the master entry.
const SAME_FIELDS: i64 = 2;

/// Most items that are appended from the stack.
const ITEMS_ON_STACK: usize = 24;

/// The bytes are no node of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// The content of an entry that is to be added.
pub trait Fields {
    /// How many pairs of field and value there are.
    fn len(&self) -> usize;
    /// The field number `index`, which is below the length.
    fn field(&self, index: usize) -> &[u8];
    /// Its value.
    fn value(&self, index: usize) -> &[u8];

    /// True if there is no field.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all fields and values.
    fn bytes_len(&self) -> usize {
        (0..self.len()).map(|i| self.field(i).len() + self.value(i).len()).sum()
    }
}

impl Fields for &[(&[u8], &[u8])] {
    fn len(&self) -> usize {
        <[_]>::len(self)
    }

    fn field(&self, index: usize) -> &[u8] {
        self[index].0
    }

    fn value(&self, index: usize) -> &[u8] {
        self[index].1
    }
}

/// A run of entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node(Listpack);

/// The master entry.
#[derive(Clone, Copy)]
struct Master {
    live: i64,
    deleted: i64,
    fields: usize,
    /// Where the first field stands, or the 0 if there is none.
    first_field: Position,
}

/// What to do with an entry in a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Delete,
    Keep,
    /// Keep this one and all behind it.
    Stop,
}

impl Node {
    /// A node without an entry, for entries that mostly have these fields.
    pub fn new(fields: &impl Fields) -> Node {
        let mut items = vec![Item::Int(0), Item::Int(0), Item::Int(fields.len() as i64)];
        items.extend((0..fields.len()).map(|index| Item::from(fields.field(index))));
        items.push(Item::Int(0));
        let mut listpack = Listpack::new();
        listpack.insert_all(listpack.end(), &items);
        Node(listpack)
    }

    /// Checks everything about the bytes of a listpack and makes a node of it; `id` is its own.
    pub fn from_bytes(id: Id, bytes: &[u8]) -> Result<Node, Corrupt> {
        let node = Node(Listpack::from_bytes(bytes).map_err(|_| Corrupt)?);
        node.check(id).ok_or(Corrupt)?;
        Ok(node)
    }

    fn check(&self, id: Id) -> Option<()> {
        let mut items = Unchecked(self.0.iter());
        let (live, deleted, fields) = (items.number()?, items.number()?, items.number()?);
        items.pass(fields)?;
        (items.number()? == 0).then_some(())?;
        let (mut seen_live, mut seen_deleted, mut last) = (0, 0, None);
        while let Some(flags) = items.0.next() {
            let Item::Int(flags) = flags else { return None };
            let (ms, seq) = (items.number()?, items.number()?);
            let at = resolve(id, ms, seq);
            (at >= id && last.is_none_or(|last| last < at)).then_some(())?;
            last = Some(at);
            let (own, fixed) = match flags & SAME_FIELDS {
                0 => (items.number()?.checked_mul(2)?, 4),
                _ => (fields, 3),
            };
            items.pass(own)?;
            (items.number()? == own + fixed).then_some(())?;
            match flags & DELETED {
                0 => seen_live += 1,
                _ => seen_deleted += 1,
            }
        }
        ((seen_live, seen_deleted) == (live, deleted)).then_some(())
    }

    /// The bytes in Redis's format.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Bytes of the format.
    pub fn bytes_len(&self) -> usize {
        self.0.bytes_len()
    }

    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        self.0.memory()
    }

    /// Entries that are there.
    pub fn live(&self) -> u64 {
        self.number(self.start()) as u64
    }

    /// All entries, deleted ones included.
    pub fn entries(&self) -> u64 {
        let master = self.master();
        (master.live + master.deleted) as u64
    }

    fn start(&self) -> Position {
        self.0.first().expect("a node has a master entry")
    }

    fn step(&self, position: Position) -> Position {
        self.0.after(position)
    }

    fn number(&self, position: Position) -> i64 {
        match self.0.at(position) {
            Item::Int(number) => number,
            Item::Text(_) => unreachable!("a number of a node is an integer"),
        }
    }

    fn master(&self) -> Master {
        let live = self.start();
        let deleted = self.step(live);
        let fields = self.step(deleted);
        Master {
            live: self.number(live),
            deleted: self.number(deleted),
            fields: self.number(fields) as usize,
            first_field: self.step(fields),
        }
    }

    fn set_counts(&mut self, live: i64, deleted: i64) {
        let first = self.start();
        self.0.replace(first, Item::Int(live));
        self.0.replace(self.0.after(first), Item::Int(deleted));
    }

    /// Adds an entry behind the others; `id` is this node's, `entry` the new one's.
    pub fn push(&mut self, id: Id, entry: Id, fields: &impl Fields) {
        let master = self.master();
        let same = self.has_fields(&master, fields);
        let count = fields.len();
        let pieces = if same { 3 + count } else { 4 + 2 * count };
        let item = |index: usize| match (index, same) {
            (0, _) => Item::Int(if same { SAME_FIELDS } else { 0 }),
            (1, _) => Item::Int(entry.ms.wrapping_sub(id.ms) as i64),
            (2, _) => Item::Int(entry.seq.wrapping_sub(id.seq) as i64),
            (last, _) if last == pieces => Item::Int(pieces as i64),
            (index, true) => Item::from(fields.value(index - 3)),
            (3, false) => Item::Int(count as i64),
            (index, false) if index % 2 == 0 => Item::from(fields.field(index / 2 - 2)),
            (index, false) => Item::from(fields.value(index / 2 - 2)),
        };
        let end = self.0.end();
        if pieces < ITEMS_ON_STACK {
            let mut items = [Item::Int(0); ITEMS_ON_STACK];
            (0..=pieces).for_each(|index| items[index] = item(index));
            self.0.insert_all(end, &items[..=pieces]);
        } else {
            self.0.insert_all(end, &(0..=pieces).map(item).collect::<Vec<_>>());
        }
        let first = self.start();
        self.0.replace(first, Item::Int(master.live + 1));
    }

    /// True if the entry to be added has the fields of the master entry, in the same order.
    fn has_fields(&self, master: &Master, fields: &impl Fields) -> bool {
        let mut names = self.0.iter_from(master.first_field);
        master.fields == fields.len()
            && (0..master.fields)
                .all(|index| names.next().is_some_and(|name| name.is(fields.field(index))))
    }

    /// A walk over all entries, deleted ones included; `id` is this node's.
    pub fn walk(&self, id: Id) -> Walk<'_> {
        let master = self.master();
        let mut at = master.first_field;
        (0..=master.fields).for_each(|_| at = self.step(at));
        Walk { node: self, id, master, next: at, end: self.0.end() }
    }

    /// The id of the last entry, which may be deleted.
    pub fn last_id(&self, id: Id) -> Id {
        self.walk(id).next_back().map_or(id, |entry| entry.id)
    }

    /// Judges the entries that are there, in order, and deletes some; returns how many.
    pub fn sweep(&mut self, id: Id, mut judge: impl FnMut(Id) -> Verdict) -> u64 {
        let master = self.master();
        let (mut next, mut swept) = (self.walk(id).next, 0);
        loop {
            let mut walk = Walk { node: self, id, master, next, end: self.0.end() };
            let Some(entry) = walk.next() else { break };
            next = walk.next;
            let (at, flags) = (entry.at, entry.flags);
            if flags & DELETED != 0 {
                continue;
            }
            match judge(entry.id) {
                Verdict::Delete => {
                    self.0.replace(at, Item::Int(flags | DELETED));
                    swept += 1;
                }
                Verdict::Keep => {}
                Verdict::Stop => break,
            }
        }
        if swept > 0 {
            self.set_counts(master.live - swept, master.deleted + swept);
        }
        swept as u64
    }

    /// Deletes one entry; false if it is not there.
    pub fn delete(&mut self, id: Id, entry: Id) -> bool {
        let judge = |at: Id| match at.cmp(&entry) {
            std::cmp::Ordering::Less => Verdict::Keep,
            std::cmp::Ordering::Equal => Verdict::Delete,
            std::cmp::Ordering::Greater => Verdict::Stop,
        };
        self.sweep(id, judge) == 1
    }
}

/// Items that may be anything.
struct Unchecked<'a>(crate::ds::listpack::Iter<'a>);

impl Unchecked<'_> {
    fn number(&mut self) -> Option<i64> {
        match self.0.next()? {
            Item::Int(number) => Some(number),
            Item::Text(_) => None,
        }
    }

    /// Passes over so many items, if there are as many.
    fn pass(&mut self, count: i64) -> Option<()> {
        let count = usize::try_from(count).ok()?;
        (0..count).try_for_each(|_| self.0.next().map(drop))
    }
}

/// The id that differs so much from a node's.
fn resolve(id: Id, ms: i64, seq: i64) -> Id {
    Id::new(id.ms.wrapping_add(ms as u64), id.seq.wrapping_add(seq as u64))
}

/// The entries of a node, from both ends.
#[derive(Clone)]
pub struct Walk<'a> {
    node: &'a Node,
    id: Id,
    master: Master,
    /// The flags of the next entry, or the end.
    next: Position,
    /// Behind the last entry.
    end: Position,
}

/// An entry in its node.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    pub id: Id,
    list: &'a Listpack,
    at: Position,
    flags: i64,
    /// How many pairs it has.
    pairs: usize,
    /// Where its fields stand, if not between its values.
    fields: Option<Position>,
    /// Its first own field or value.
    content: Position,
}

impl<'a> Walk<'a> {
    fn entry(&self, at: Position) -> Entry<'a> {
        let node = self.node;
        let flags = node.number(at);
        let ms = node.step(at);
        let seq = node.step(ms);
        let content = node.step(seq);
        let id = resolve(self.id, node.number(ms), node.number(seq));
        let entry = Entry { id, list: &node.0, at, flags, pairs: 0, fields: None, content };
        if flags & SAME_FIELDS != 0 {
            Entry { pairs: self.master.fields, fields: Some(self.master.first_field), ..entry }
        } else {
            Entry { pairs: node.number(content) as usize, content: node.step(content), ..entry }
        }
    }

    /// The entry in front of those already taken from the back.
    pub fn next_back(&mut self) -> Option<Entry<'a>> {
        if self.next == self.end {
            return None;
        }
        let list = &self.node.0;
        let mut at = list.previous(self.end)?;
        for _ in 0..self.node.number(at) {
            at = list.previous(at)?;
        }
        self.end = at;
        Some(self.entry(at))
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        if self.next == self.end {
            return None;
        }
        let entry = self.entry(self.next);
        let own = if entry.fields.is_some() { entry.pairs } else { 2 * entry.pairs };
        let mut at = entry.content;
        (0..=own).for_each(|_| at = self.node.step(at));
        self.next = at;
        Some(entry)
    }
}

impl<'a> Entry<'a> {
    /// True if it was deleted.
    pub fn is_deleted(&self) -> bool {
        self.flags & DELETED != 0
    }

    /// How many pairs of field and value it has.
    pub fn len(&self) -> usize {
        self.pairs
    }

    /// True if it has no field.
    pub fn is_empty(&self) -> bool {
        self.pairs == 0
    }

    /// Its fields with their values, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (Item<'a>, Item<'a>)> + use<'a> {
        let mut own = self.list.iter_from(self.content);
        let mut shared = self.fields.map(|at| self.list.iter_from(at));
        (0..self.pairs).map_while(move |_| {
            let field = match &mut shared {
                Some(shared) => shared.next(),
                None => own.next(),
            };
            Some((field?, own.next()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs<'a> = &'a [(&'a [u8], &'a [u8])];

    fn sample() -> Node {
        let first: Pairs = &[(b"a", b"1"), (b"b", b"two")];
        let mut node = Node::new(&first);
        node.push(Id::new(5, 1), Id::new(5, 1), &first);
        let other: Pairs = &[(b"c", b"3")];
        node.push(Id::new(5, 1), Id::new(7, 0), &other);
        let same: Pairs = &[(b"a", b""), (b"b", b"-7")];
        node.push(Id::new(5, 1), Id::new(7, 9), &same);
        node
    }

    fn text(entry: &Entry<'_>) -> String {
        let pairs = entry.pairs().map(|(field, value)| {
            let text = |item: Item<'_>| String::from_utf8(item.to_vec()).unwrap();
            format!("{}={}", text(field), text(value))
        });
        let pairs = pairs.collect::<Vec<_>>().join(",");
        format!("{}-{} {pairs}", entry.id.ms, entry.id.seq)
    }

    #[test]
    fn the_layout_is_that_of_redis() {
        let items: Vec<String> =
            sample().0.iter().map(|item| String::from_utf8(item.to_vec()).unwrap()).collect();
        let expected = "3 0 2 a b 0 2 0 0 1 two 5 0 2 -1 1 c 3 6 2 2 8  -7 5";
        assert_eq!(items.join(" "), expected);
    }

    #[test]
    fn entries_are_found_from_both_ends() {
        let node = sample();
        let forward: Vec<String> = node.walk(Id::new(5, 1)).map(|e| text(&e)).collect();
        assert_eq!(forward, ["5-1 a=1,b=two", "7-0 c=3", "7-9 a=,b=-7"]);
        let mut walk = node.walk(Id::new(5, 1));
        let backward: Vec<String> =
            std::iter::from_fn(|| walk.next_back()).map(|e| text(&e)).collect();
        assert_eq!(backward, ["7-9 a=,b=-7", "7-0 c=3", "5-1 a=1,b=two"]);
        assert_eq!(node.last_id(Id::new(5, 1)), Id::new(7, 9));
    }

    #[test]
    fn deleting_sets_a_flag() {
        let (mut node, id) = (sample(), Id::new(5, 1));
        let bytes = node.bytes_len();
        assert!(node.delete(id, Id::new(7, 0)) && !node.delete(id, Id::new(7, 0)));
        assert!(!node.delete(id, Id::new(7, 5)));
        assert_eq!((node.live(), node.entries(), node.bytes_len()), (2, 3, bytes));
        let left: Vec<u64> = node.walk(id).filter(|e| !e.is_deleted()).map(|e| e.id.seq).collect();
        assert_eq!(left, [1, 9]);
        let verdict = |at: Id| if at.seq == 9 { Verdict::Stop } else { Verdict::Delete };
        assert_eq!((node.sweep(id, verdict), node.live()), (1, 1));
    }

    #[test]
    fn only_whole_nodes_are_accepted() {
        let (node, id) = (sample(), Id::new(5, 1));
        assert_eq!(Node::from_bytes(id, node.as_bytes()), Ok(node.clone()));
        for cut in 0..node.bytes_len() {
            assert_eq!(Node::from_bytes(id, &node.as_bytes()[..cut]), Err(Corrupt));
        }
        for (index, item) in [(0, 2), (1, 1), (2, 3), (2, -1), (5, 1), (6, 0), (11, 6), (13, -9)] {
            let mut broken = node.0.clone();
            let at = broken.seek(index).unwrap();
            broken.replace(at, Item::Int(item));
            assert_eq!(Node::from_bytes(id, broken.as_bytes()), Err(Corrupt), "{index}");
        }
    }

    #[test]
    fn entries_with_many_fields_are_stored() {
        let names: Vec<Vec<u8>> = (0..40).map(|n| format!("f{n}").into_bytes()).collect();
        let pairs: Vec<(&[u8], &[u8])> = names.iter().map(|n| (&n[..], &n[1..])).collect();
        let mut node = Node::new(&(&[(&b"a"[..], &b"b"[..])][..]));
        node.push(Id::MIN, Id::new(0, 3), &&pairs[..]);
        let entry = node.walk(Id::MIN).next().unwrap();
        assert_eq!((entry.len(), entry.pairs().count()), (40, 40));
        assert!(entry.pairs().zip(&pairs).all(|(got, set)| got.0.is(set.0) && got.1.is(set.1)));
        assert!(Node::from_bytes(Id::MIN, node.as_bytes()).is_ok());
    }
}
