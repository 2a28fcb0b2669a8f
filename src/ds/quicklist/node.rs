//! One node of a quicklist, and what may be in it.

use std::borrow::Cow;

use super::End;
use crate::base::alloc::block_size;
use crate::ds::listpack::{Item, Listpack};

/// Nodes limited by a number of items still have at most so many bytes, as in Redis.
const COUNTED_BYTES_MAX: usize = 8192;

/// What Redis estimates an item to take beyond its text when it looks whether a node is full.
const ITEM_OVERHEAD: usize = 8;

/// Listpacks below this are not worth compressing, nor is one that would shrink by less than
/// [`SAVING_MIN`] bytes.
const COMPRESS_MIN: usize = 48;
const SAVING_MIN: usize = 8;

/// How large nodes become, and which are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Items in a node if positive (0 means 1), else -1 to -5 for 4, 8, 16, 32, 64 KiB:
    /// `list-max-listpack-size`.
    pub fill: i64,
    /// Nodes at each end that are not compressed; 0 compresses none: `list-compress-depth`.
    pub compress_depth: usize,
}

impl Limits {
    /// Most bytes and most items of a node.
    pub fn node(self) -> (usize, usize) {
        match self.fill {
            0.. => (COUNTED_BYTES_MAX, self.fill.max(1) as usize),
            -1 => (4 << 10, usize::MAX),
            -2 => (8 << 10, usize::MAX),
            -3 => (16 << 10, usize::MAX),
            -4 => (32 << 10, usize::MAX),
            _ => (64 << 10, usize::MAX),
        }
    }

    /// Whether a listpack of so many bytes and items is too large for a node.
    pub fn exceeds(self, bytes: usize, items: usize) -> bool {
        let (bytes_max, items_max) = self.node();
        bytes > bytes_max || items > items_max
    }

    /// Whether an item with a text of so many bytes gets a node of its own.
    pub fn is_large(self, length: usize) -> bool {
        length > self.node().0
    }
}

#[derive(Clone)]
enum Body {
    Packed(Listpack),
    /// One large item.
    Plain(Box<[u8]>),
    /// A listpack in LZF, and its length.
    Compressed(Box<(u32, Box<[u8]>)>),
}

/// A run of items.
#[derive(Clone)]
pub(super) struct Node {
    count: u32,
    body: Body,
}

impl Node {
    /// A node with one item.
    pub fn of(text: &[u8], limits: Limits) -> Node {
        if limits.is_large(text.len()) {
            return Node { count: 1, body: Body::Plain(text.into()) };
        }
        Node::packed([text].into_iter().collect())
    }

    /// A node of what is in a listpack.
    pub fn packed(listpack: Listpack) -> Node {
        Node { count: listpack.len() as u32, body: Body::Packed(listpack) }
    }

    #[inline]
    pub fn count(&self) -> usize {
        self.count as usize
    }

    pub fn is_plain(&self) -> bool {
        matches!(self.body, Body::Plain(_))
    }

    /// The large item, if the node is one.
    pub fn plain(&self) -> Option<Item<'_>> {
        match &self.body {
            Body::Plain(text) => Some(Item::from(&text[..])),
            _ => None,
        }
    }

    /// The items of a node that is not plain.
    pub fn listpack(&self) -> Cow<'_, Listpack> {
        match &self.body {
            Body::Packed(listpack) => Cow::Borrowed(listpack),
            Body::Compressed(compressed) => Cow::Owned(decompressed(compressed)),
            Body::Plain(_) => unreachable!("the caller looks at plain nodes first"),
        }
    }

    /// The listpack of a node that is neither plain nor compressed, without looking further.
    #[inline]
    pub fn as_packed(&self) -> Option<&Listpack> {
        match &self.body {
            Body::Packed(listpack) => Some(listpack),
            _ => None,
        }
    }

    /// Takes the listpack out of a node that is not plain.
    pub fn into_listpack(self) -> Listpack {
        match self.body {
            Body::Packed(listpack) => listpack,
            Body::Compressed(compressed) => decompressed(&compressed),
            Body::Plain(_) => unreachable!("the caller looks at plain nodes first"),
        }
    }

    /// Changes the items of a node that is not plain, which may decompress it.
    #[inline]
    pub fn change<R>(&mut self, change: impl FnOnce(&mut Listpack) -> R) -> R {
        self.decompress();
        let Body::Packed(listpack) = &mut self.body else {
            unreachable!("the caller looks at plain nodes first")
        };
        let result = change(listpack);
        self.count = listpack.len() as u32;
        result
    }

    /// Adds an item that [`accepts`](Self::accepts) allowed.
    #[inline]
    pub fn push(&mut self, end: End, text: &[u8]) {
        self.change(|listpack| match end {
            End::Front => listpack.push_front(text),
            End::Back => listpack.push_back(text),
        });
    }

    /// Whether an item with a text of so many bytes may be added.
    #[inline]
    pub fn accepts(&self, length: usize, limits: Limits) -> bool {
        if self.is_plain() || limits.is_large(length) {
            return false;
        }
        !limits.exceeds(self.bytes_len() + length + ITEM_OVERHEAD, self.count() + 1)
    }

    /// Whether the items of both may be in one node.
    pub fn may_join(&self, other: &Node, limits: Limits) -> bool {
        if self.is_plain() || other.is_plain() {
            return false;
        }
        let shared = Listpack::new().bytes_len();
        let bytes = self.bytes_len() + other.bytes_len() - shared;
        !limits.exceeds(bytes, self.count() + other.count())
    }

    /// Length of the listpack in bytes, uncompressed.
    #[inline]
    pub fn bytes_len(&self) -> usize {
        match &self.body {
            Body::Packed(listpack) => listpack.bytes_len(),
            Body::Compressed(compressed) => compressed.0 as usize,
            Body::Plain(text) => text.len(),
        }
    }

    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        match &self.body {
            Body::Packed(listpack) => listpack.memory(),
            Body::Plain(text) => block_size(text.len()),
            Body::Compressed(compressed) => {
                block_size(size_of_val(&**compressed)) + block_size(compressed.1.len())
            }
        }
    }

    /// Compresses the items if that is worth it.
    pub fn compress(&mut self) {
        let Body::Packed(listpack) = &self.body else { return };
        let bytes = listpack.as_bytes();
        if bytes.len() < COMPRESS_MIN {
            return;
        }
        if let Ok(compressed) = lzf::compress(bytes)
            && compressed.len() + SAVING_MIN < bytes.len()
        {
            self.body = Body::Compressed(Box::new((bytes.len() as u32, compressed.into())));
        }
    }

    /// Undoes [`compress`](Self::compress).
    #[inline]
    pub fn decompress(&mut self) {
        if let Body::Compressed(compressed) = &self.body {
            self.body = Body::Packed(decompressed(compressed));
        }
    }
}

#[cold]
fn decompressed((length, bytes): &(u32, Box<[u8]>)) -> Listpack {
    let plain = lzf::decompress(bytes, *length as usize).expect("it was compressed here");
    Listpack::from_bytes(&plain).expect("it was a listpack")
}
