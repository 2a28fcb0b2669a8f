//! The nodes of a quicklist, in order, to be found by the number of an item.
//!
//! Nodes lie in chunks of up to [`CHUNK_MAX`], and chunks in a deque. Each chunk knows how many
//! items it holds, so a search passes over chunks and then over the nodes of one: some hundred
//! steps for ten million items of 32 bytes. Growth moves pointers to chunks only.
//!
//! Invariant: the counts of items are those of the nodes, and no chunk is empty. What changes a
//! node's count goes through [`Directory::change`].

use std::collections::VecDeque;

use super::End;
use super::node::Node;

/// Nodes of a chunk. Inserting between nodes moves up to half of them.
const CHUNK_MAX: usize = 128;

/// Neighbouring chunks become one when they have so few nodes together.
const CHUNK_MERGE: usize = CHUNK_MAX / 2;

#[derive(Clone, Default)]
struct Chunk {
    items: usize,
    nodes: VecDeque<Node>,
}

impl Chunk {
    fn of(node: Node) -> Chunk {
        Chunk { items: node.count(), nodes: VecDeque::from([node]) }
    }
}

/// Where a node is. Inserting and removing nodes leaves places in front valid, until
/// [`Directory::compact`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    chunk: usize,
    node: usize,
}

/// All nodes of a quicklist.
#[derive(Clone, Default)]
pub(super) struct Directory {
    chunks: VecDeque<Chunk>,
    items: usize,
    nodes: usize,
}

impl Directory {
    /// Number of items in all nodes.
    #[inline]
    pub fn items(&self) -> usize {
        self.items
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// The node and the position in it of item number `index`, which must exist. Searches from the
    /// nearer end.
    pub fn locate(&self, index: usize) -> (Place, usize) {
        assert!(index < self.items, "the caller checks the index");
        let (mut chunk, mut first) = if index < self.items / 2 {
            (0, 0)
        } else {
            (self.chunks.len() - 1, self.items - self.chunks[self.chunks.len() - 1].items)
        };
        while index < first {
            chunk -= 1;
            first -= self.chunks[chunk].items;
        }
        while index >= first + self.chunks[chunk].items {
            first += self.chunks[chunk].items;
            chunk += 1;
        }
        let mut offset = index - first;
        let mut counts = self.chunks[chunk].nodes.iter().map(Node::count).enumerate();
        let (node, _) = counts
            .find(|&(_, count)| {
                let is_here = offset < count;
                offset -= if is_here { 0 } else { count };
                is_here
            })
            .expect("a chunk's count is that of its nodes");
        (Place { chunk, node }, offset)
    }

    #[inline]
    pub fn node(&self, place: Place) -> &Node {
        &self.chunks[place.chunk].nodes[place.node]
    }

    /// Changes a node. It must not become empty; [`remove`](Self::remove) is for that.
    #[inline]
    pub fn change<R>(&mut self, place: Place, change: impl FnOnce(&mut Node) -> R) -> R {
        let chunk = &mut self.chunks[place.chunk];
        let node = &mut chunk.nodes[place.node];
        let before = node.count();
        let result = change(node);
        let after = node.count();
        chunk.items = chunk.items + after - before;
        self.items = self.items + after - before;
        result
    }

    /// Changes the node at an end, if there is one. It must not become empty.
    #[inline]
    pub fn change_end<R>(&mut self, end: End, change: impl FnOnce(&mut Node) -> R) -> Option<R> {
        let chunk = match end {
            End::Front => self.chunks.front_mut()?,
            End::Back => self.chunks.back_mut()?,
        };
        let node = match end {
            End::Front => chunk.nodes.front_mut()?,
            End::Back => chunk.nodes.back_mut()?,
        };
        let before = node.count();
        let result = change(node);
        let after = node.count();
        chunk.items = chunk.items + after - before;
        self.items = self.items + after - before;
        Some(result)
    }

    /// The node at an end.
    #[inline]
    pub fn end(&self, end: End) -> Option<Place> {
        let chunk = match end {
            End::Front => 0,
            End::Back => self.chunks.len().checked_sub(1)?,
        };
        let last = self.chunks.get(chunk)?.nodes.len() - 1;
        Some(Place { chunk, node: if end == End::Front { 0 } else { last } })
    }

    /// The node behind `place`.
    pub fn next(&self, place: Place) -> Option<Place> {
        self.at_or_behind(Place { node: place.node + 1, ..place })
    }

    /// The node at `place` after the one that was there has been removed.
    pub fn at_or_behind(&self, place: Place) -> Option<Place> {
        let length = self.chunks.get(place.chunk)?.nodes.len();
        let next = Place { chunk: place.chunk + 1, node: 0 };
        if place.node < length {
            Some(place)
        } else {
            (next.chunk < self.chunks.len()).then_some(next)
        }
    }

    /// The node in front of `place`.
    pub fn previous(&self, place: Place) -> Option<Place> {
        if place.node > 0 {
            return Some(Place { node: place.node - 1, ..place });
        }
        let chunk = place.chunk.checked_sub(1)?;
        Some(Place { chunk, node: self.chunks[chunk].nodes.len() - 1 })
    }

    /// The place of the node with this number, counted from the front; none if there are not so
    /// many.
    pub fn numbered(&self, mut number: usize) -> Option<Place> {
        for (chunk, Chunk { nodes, .. }) in self.chunks.iter().enumerate() {
            if number < nodes.len() {
                return Some(Place { chunk, node: number });
            }
            number -= nodes.len();
        }
        None
    }

    /// Adds a node at an end.
    pub fn push(&mut self, end: End, node: Node) {
        match self.end(end) {
            None => {
                self.items += node.count();
                self.nodes += 1;
                self.chunks.push_back(Chunk::of(node));
            }
            Some(place) => {
                self.insert(place, end == End::Back, node);
            }
        }
    }

    /// Inserts a node in front of the one at `place`, or behind it; returns its place. That of the
    /// neighbour is then the one next to it.
    pub fn insert(&mut self, place: Place, is_behind: bool, node: Node) -> Place {
        self.items += node.count();
        self.nodes += 1;
        let Place { mut chunk, node: neighbour } = place;
        let mut at = neighbour + usize::from(is_behind);
        let length = self.chunks[chunk].nodes.len();
        if length == CHUNK_MAX {
            if at == 0 || at == length {
                chunk += usize::from(at > 0);
                self.chunks.insert(chunk, Chunk::of(node));
                return Place { chunk, node: 0 };
            }
            let nodes = self.chunks[chunk].nodes.split_off(CHUNK_MAX / 2);
            let items = nodes.iter().map(Node::count).sum();
            self.chunks[chunk].items -= items;
            self.chunks.insert(chunk + 1, Chunk { items, nodes });
            if at > CHUNK_MAX / 2 {
                chunk += 1;
                at -= CHUNK_MAX / 2;
            }
        }
        self.chunks[chunk].items += node.count();
        self.chunks[chunk].nodes.insert(at, node);
        Place { chunk, node: at }
    }

    /// Takes a node out. Its place is then that of the one behind it, see
    /// [`at_or_behind`](Self::at_or_behind).
    pub fn remove(&mut self, place: Place) -> Node {
        let chunk = &mut self.chunks[place.chunk];
        let node = chunk.nodes.remove(place.node).expect("places are those of nodes");
        chunk.items -= node.count();
        self.items -= node.count();
        self.nodes -= 1;
        if chunk.nodes.is_empty() {
            self.chunks.remove(place.chunk);
        }
        node
    }

    /// Joins chunks that have become small. No place is valid afterwards.
    pub fn compact(&mut self) {
        let mut at = 1;
        while at < self.chunks.len() {
            if self.chunks[at - 1].nodes.len() + self.chunks[at].nodes.len() > CHUNK_MERGE {
                at += 1;
                continue;
            }
            let chunk = self.chunks.remove(at).expect("it was just looked at");
            let target = &mut self.chunks[at - 1];
            target.items += chunk.items;
            target.nodes.extend(chunk.nodes);
            target.nodes.shrink_to(CHUNK_MAX);
        }
    }

    /// Bytes of all nodes' listpacks, as if none were compressed.
    pub fn uncompressed_len(&self) -> usize {
        self.chunks.iter().flat_map(|chunk| &chunk.nodes).map(Node::bytes_len).sum()
    }

    /// Bytes allocated for chunks and nodes; of at most so many nodes if `samples` is not 0, from
    /// which the whole is estimated.
    pub fn memory(&self, samples: usize) -> usize {
        let slots: usize = self.chunks.iter().map(|chunk| chunk.nodes.capacity()).sum();
        let books = self.chunks.capacity() * size_of::<Chunk>() + slots * size_of::<Node>();
        let looked_at = if samples == 0 { self.nodes } else { samples.min(self.nodes) };
        let nodes = self.chunks.iter().flat_map(|chunk| &chunk.nodes);
        let bytes: usize = nodes.take(looked_at).map(Node::memory).sum();
        books + bytes * self.nodes / looked_at.max(1)
    }
}

#[cfg(test)]
impl Directory {
    pub fn check(&self) {
        for chunk in &self.chunks {
            assert!((1..=CHUNK_MAX).contains(&chunk.nodes.len()));
            assert_eq!(chunk.items, chunk.nodes.iter().map(Node::count).sum::<usize>());
            assert!(chunk.nodes.iter().all(|node| node.count() > 0));
        }
        assert_eq!(self.items, self.chunks.iter().map(|chunk| chunk.items).sum::<usize>());
        assert_eq!(self.nodes, self.chunks.iter().map(|chunk| chunk.nodes.len()).sum::<usize>());
    }
}
