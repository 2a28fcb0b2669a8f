//! Where an argument lies, in eight bytes.
//!
//! Invariant: a span in the input starts below 2^31, so the top bit of its start says that it lies
//! elsewhere, and the next bit where. A span holds no reference, so the buffers may move.

use super::INPUT_MAX;
use std::ops::Range;

/// Where one argument lies; see [`Span::place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: u32,
    len: u32,
}

/// The three places in which an argument can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// These bytes of the input.
    Input(Range<usize>),
    /// These bytes of [`Parser::unescaped`](super::Parser::unescaped).
    Unescaped(Range<usize>),
    /// The caller's own buffer, this many big bulks of the same command having come before it.
    External(usize),
}

impl Span {
    const ELSEWHERE: u32 = 1 << 31;
    const EXTERNAL: u32 = 1 << 30;

    /// The argument of `len` bytes at `start` of the input.
    #[inline]
    pub fn input(start: usize, len: u32) -> Span {
        debug_assert!(start <= INPUT_MAX);
        Span { start: start as u32, len }
    }

    pub(super) fn unescaped(start: usize, len: usize) -> Span {
        assert!(start + len < Span::EXTERNAL as usize);
        Span { start: Span::ELSEWHERE | start as u32, len: len as u32 }
    }

    /// The argument that the caller received into its own buffer number `index`, `len` bytes long.
    pub fn external(index: usize, len: usize) -> Span {
        assert!(index < Span::EXTERNAL as usize && len <= INPUT_MAX);
        Span { start: Span::ELSEWHERE | Span::EXTERNAL | index as u32, len: len as u32 }
    }

    /// Length of the argument in bytes.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "a span is a place, not a container")]
    pub fn len(self) -> usize {
        self.len as usize
    }

    /// The bytes of the input that hold the argument, or nothing if it lies elsewhere.
    #[inline]
    pub fn in_input(self, input: &[u8]) -> Option<&[u8]> {
        if self.start & Span::ELSEWHERE != 0 {
            return None;
        }
        Some(&input[self.start as usize..self.start as usize + self.len as usize])
    }

    /// The number of the caller's own buffer that holds the argument, if one does.
    #[inline]
    pub fn external_index(self) -> Option<usize> {
        match self.place() {
            Place::External(index) => Some(index),
            _ => None,
        }
    }

    /// Says where the argument lies.
    pub fn place(self) -> Place {
        let offset = (self.start & !(Span::ELSEWHERE | Span::EXTERNAL)) as usize;
        if self.start & Span::ELSEWHERE == 0 {
            Place::Input(self.start as usize..self.start as usize + self.len())
        } else if self.start & Span::EXTERNAL == 0 {
            Place::Unescaped(offset..offset + self.len())
        } else {
            Place::External(offset)
        }
    }
}
