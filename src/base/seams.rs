//! The narrow seams through which everything below `runtime` sees the outside world.
//!
//! The rest of the outside is data: the clock is a number set once per turn, the mesh is an outbox
//! that somebody carries away, a socket is a pair of buffers. What cannot be data is a trait here.
//! The simulator implements the same traits.

use std::pin::Pin;
use std::rc::Rc;

/// The memory that received bytes lie in until they are consumed.
pub trait Buffers {
    /// The bytes `start..end` of buffer `id`, which must be lent out.
    fn bytes(&self, id: u16, start: usize, end: usize) -> &[u8];
    /// Takes buffer `id` back; it may be filled again.
    fn give_back(&self, id: u16);
}

/// Received bytes that are not consumed yet: lent by the receiver, or copied out so that its buffer
/// is free again.
pub struct Chunk {
    source: Source,
    start: u32,
    end: u32,
}

enum Source {
    Lent { home: Rc<dyn Buffers>, id: u16 },
    Owned(Vec<u8>),
}

impl Chunk {
    /// The first `len` bytes of buffer `id`, lent out by `home`; it goes home when the chunk is
    /// dropped.
    pub fn lent(home: Rc<dyn Buffers>, id: u16, len: usize) -> Chunk {
        Chunk { source: Source::Lent { home, id }, start: 0, end: len as u32 }
    }

    /// Bytes that belong to nobody else.
    pub fn owned(bytes: Vec<u8>) -> Chunk {
        Chunk { start: 0, end: bytes.len() as u32, source: Source::Owned(bytes) }
    }

    /// What is left to consume.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        let (start, end) = (self.start as usize, self.end as usize);
        match &self.source {
            Source::Lent { home, id } => home.bytes(*id, start, end),
            Source::Owned(bytes) => &bytes[start..end],
        }
    }

    /// Number of bytes left to consume.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "a chunk is dropped when it is used up")]
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Steps over `count` consumed bytes.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.len());
        self.start += count as u32;
    }

    /// Copies the bytes out of the receiver's buffer, so that waiting does not hold on to it.
    pub fn into_owned(self) -> Chunk {
        if matches!(self.source, Source::Owned(_)) {
            return self;
        }
        Chunk::owned(self.bytes().to_vec())
    }

    /// Adds bytes at the end, if the chunk owns its bytes; false otherwise.
    pub fn extend(&mut self, more: &[u8]) -> bool {
        let Source::Owned(bytes) = &mut self.source else { return false };
        bytes.extend_from_slice(more);
        self.end += more.len() as u32;
        true
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Source::Lent { home, id } = self {
            home.give_back(*id);
        }
    }
}

/// Work that blocks, and what is to happen on the core when it is done.
pub type BlockingWork = Box<dyn FnOnce() + Send>;

/// A way off the core for work that would block it: file names, syncs, anything slow.
pub trait Offload {
    /// Runs `work` elsewhere; completes when it has run. A panic in it ends only it.
    fn run(&self, work: BlockingWork) -> Pin<Box<dyn Future<Output = ()> + '_>>;
}

/// The machine's clocks. Request paths use the number that was read at the start of the turn.
pub trait Clock {
    /// Microseconds since the Unix epoch.
    fn unix_micros(&self) -> i64;
    /// Milliseconds since the Unix epoch.
    fn unix_millis(&self) -> i64 {
        self.unix_micros() / 1000
    }
    /// Nanoseconds on a clock that never goes back.
    fn monotonic_nanos(&self) -> u64;
}
