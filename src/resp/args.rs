//! The arguments of one command, borrowed from wherever they were received.
//!
//! Invariant: an [`Args`] has passed the arity gate of its command, so the positions that arity
//! promises exist and [`Args::at`] may index them. Nothing here copies.

use bytes::Bytes;

use super::error::CmdError;
use super::parse::{BIG_BULK_LEN_MIN, Span};
use crate::base::{hash, num};

/// A key and its hash, computed once per command and used by routing, locks and the table.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    /// The name as the client sent it.
    pub bytes: &'a [u8],
    /// [`hash::key_hash`] of it: the slot in the upper 14 bits.
    pub hash: u64,
}

impl<'a> Key<'a> {
    /// Hashes `bytes`.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Key<'a> {
        Key { bytes, hash: hash::key_hash(bytes) }
    }

    /// The cluster slot of the key.
    #[inline]
    pub fn slot(self) -> u16 {
        hash::slot_of_hash(self.hash)
    }
}

/// A command's name and arguments; position 0 is the name.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    input: &'a [u8],
    spans: &'a [Span],
    external: &'a [Bytes],
    known: Known<'a>,
}

/// Hashes of keys that somebody has computed.
#[derive(Clone, Copy)]
enum Known<'a> {
    Nothing,
    /// Of the key at one position.
    One {
        position: u32,
        hash: u64,
    },
    /// Of the keys that stand at every `step`-th position from 1 on.
    Each {
        step: u32,
        hashes: &'a [u64],
    },
}

impl<'a> Args<'a> {
    /// Arguments at `spans` of `input`; spans that name an external buffer index `external`.
    #[inline]
    pub fn new(input: &'a [u8], spans: &'a [Span], external: &'a [Bytes]) -> Args<'a> {
        Args { input, spans, external, known: Known::Nothing }
    }

    /// The same arguments with the hash of the key at `position` already known, unless it is 0,
    /// which stands for a hash that nobody has computed.
    #[inline]
    pub fn with_hash(mut self, position: usize, hash: u64) -> Args<'a> {
        if hash != 0 && position != 0 {
            self.known = Known::One { position: position as u32, hash };
        }
        self
    }

    /// The same arguments with the hashes of the keys at every `step`-th position from 1 on, in
    /// their order.
    #[inline]
    pub fn with_hashes(mut self, step: u32, hashes: &'a [u64]) -> Args<'a> {
        debug_assert!(step > 0);
        self.known = Known::Each { step, hashes };
        self
    }

    /// Number of arguments, the name included.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "a command has at least its name")]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// The argument at `index`, which must exist.
    #[inline]
    pub fn at(&self, index: usize) -> &'a [u8] {
        let span = self.spans[index];
        span.in_input(self.input).unwrap_or_else(|| self.elsewhere(span))
    }

    #[cold]
    fn elsewhere(&self, span: Span) -> &'a [u8] {
        let index = span.external_index().expect("a span lies in the input or in a buffer");
        &self.external[index]
    }

    /// The argument at `index`, if there is one.
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        (index < self.len()).then(|| self.at(index))
    }

    /// The buffer of the argument at `index` if it was received into one of its own, to be kept
    /// without a copy.
    #[inline]
    pub fn owned(&self, index: usize) -> Option<Bytes> {
        let span = self.spans[index];
        if span.len() < BIG_BULK_LEN_MIN || span.in_input(self.input).is_some() {
            return None;
        }
        span.external_index().map(|external| self.external[external].clone())
    }

    /// The key at `index`.
    #[inline]
    pub fn key(&self, index: usize) -> Key<'a> {
        let bytes = self.at(index);
        match self.known {
            Known::One { position, hash } if position as usize == index => Key { bytes, hash },
            Known::Each { step, hashes } if index > 0 => {
                let (place, beside) = ((index as u32 - 1) / step, (index as u32 - 1) % step);
                let known = if beside == 0 { hashes.get(place as usize) } else { None };
                known.map_or_else(|| Key::new(bytes), |hash| Key { bytes, hash: *hash })
            }
            _ => Key::new(bytes),
        }
    }

    /// The arguments from `start` to the end.
    pub fn from(self, start: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        (start.min(self.len())..self.len()).map(move |index| self.at(index))
    }

    /// The arguments from `start` to the end, two by two; one that is left over is not among them.
    pub fn pairs(
        self,
        start: usize,
    ) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + Clone {
        let count = self.len().saturating_sub(start) / 2;
        let at = move |pair: usize| start + 2 * pair;
        (0..count).map(move |pair| (self.at(at(pair)), self.at(at(pair) + 1)))
    }

    /// The arguments from `start` on as a command of their own; `start` lies before the end.
    pub fn skip(&self, start: usize) -> Args<'a> {
        Args { spans: &self.spans[start..], known: Known::Nothing, ..*self }
    }

    /// The argument at `index` as a signed integer.
    pub fn int(&self, index: usize) -> Result<i64, CmdError> {
        num::parse_i64(self.at(index)).ok_or(CmdError::NotInteger)
    }

    /// True if the argument at `index` is `word`, in any case.
    pub fn is(&self, index: usize, word: &str) -> bool {
        self.at(index).eq_ignore_ascii_case(word.as_bytes())
    }

    /// A cursor over the arguments from `start` on.
    pub fn reader(&self, start: usize) -> Reader<'a> {
        Reader { args: *self, next: start }
    }
}

/// Reads options one after the other.
pub struct Reader<'a> {
    args: Args<'a>,
    next: usize,
}

impl<'a> Reader<'a> {
    /// The next argument; [`CmdError::Syntax`] at the end.
    pub fn word(&mut self) -> Result<&'a [u8], CmdError> {
        let word = self.args.get(self.next).ok_or(CmdError::Syntax)?;
        self.next += 1;
        Ok(word)
    }

    /// The next argument as an integer.
    pub fn int(&mut self) -> Result<i64, CmdError> {
        num::parse_i64(self.word()?).ok_or(CmdError::NotInteger)
    }

    /// True, and steps over it, if the next argument is `keyword` in any case.
    pub fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.peek().is_some_and(|word| word.eq_ignore_ascii_case(keyword.as_bytes()));
        self.next += usize::from(found);
        found
    }

    /// The next argument without stepping over it.
    pub fn peek(&self) -> Option<&'a [u8]> {
        self.args.get(self.next)
    }

    /// Position of the next argument.
    pub fn position(&self) -> usize {
        self.next
    }

    /// How many arguments are left.
    pub fn left(&self) -> usize {
        self.args.len().saturating_sub(self.next)
    }

    /// True at the end of the arguments.
    pub fn done(&self) -> bool {
        self.left() == 0
    }
}
