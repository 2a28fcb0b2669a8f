//! Incremental parser of requests: RESP multibulk and inline commands, without copying arguments.
//!
//! [`Parser::next`] reads one command from the front of a connection's input buffer and says where
//! its arguments lie. A command that is there as a whole is parsed in one pass over local
//! variables; only an unfinished one is remembered in the parser.
//!
//! Invariants:
//! - The result depends on the bytes alone, never on how they were split into reads.
//! - Every byte of a header is looked at a bounded number of times, and no byte of an argument at
//!   all, however slowly the bytes arrive.
//! - What a client can make the parser allocate is bounded by the bytes it really sent.
//!
//! Behaviour, limits and error texts are those of Redis 7.0 (`networking.c`), oddities included:
//! the byte after a header's CR and the two bytes after an argument are skipped unread, a line that
//! holds a NUL never ends, and the type byte of an argument is only looked at once its line is
//! complete. Two things Redis leaves to the sizes of its reads are settled here: a line is too long
//! exactly if its terminator is not among its first `inline_max + 1` bytes, and one command takes
//! at most [`INPUT_MAX`] bytes of input.
//!
//! Deliberately absent: what a command means, and any use of the bytes of an argument.

mod error;
mod inline;
mod span;
#[cfg(test)]
mod tests;

use crate::base::num::parse_i64;
pub use error::ProtocolError;
pub use span::{Place, Span};
use std::mem;

/// Longest input of one command, in bytes: spans keep the top bit of their start for other places.
pub const INPUT_MAX: usize = (1 << 31) - 1;

/// Shortest argument, in bytes, that [`Parser::big_bulk`] offers (`PROTO_MBULK_BIG_ARG` of Redis).
pub const BIG_BULK_LEN_MIN: usize = 32 * 1024;

/// Most arguments in a command of a client that has yet to authenticate.
const MULTIBULK_UNAUTHENTICATED_MAX: u32 = 10;

/// Longest argument, in bytes, of a client that has yet to authenticate.
const BULK_LEN_UNAUTHENTICATED_MAX: u32 = 16384;

/// Most spans that the parser of an idle connection keeps memory for.
const SPANS_KEPT_MAX: usize = 64;

const _: () = assert!(BIG_BULK_LEN_MIN > BULK_LEN_UNAUTHENTICATED_MAX as usize);

/// What a call of [`Parser::next`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// One whole command, in the first `consumed` bytes of the input. It may have no arguments (an
    /// empty line, `*0`, `*-1`); such a command gets no reply.
    Command {
        /// Bytes of the input to drop once the spans are done with.
        consumed: usize,
    },
    /// More input is needed.
    Incomplete,
    /// The client does not speak the protocol: reply with the error, then close the connection.
    Error(ProtocolError),
}

/// What a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest argument in bytes (`proto-max-bulk-len`); at most [`INPUT_MAX`] counts.
    pub bulk_len_max: usize,
    /// Longest inline command, and longest line of a header, in bytes.
    pub inline_max: usize,
    /// Most arguments of one command; at most `i32::MAX` counts.
    pub multibulk_max: u32,
    /// Whether the client is authenticated, or need not be. If not, ten arguments of 16384 bytes
    /// each are all it may send in one command.
    pub authenticated: bool,
}

impl Default for Limits {
    /// The limits of Redis 7.0 with its default configuration.
    fn default() -> Limits {
        Limits {
            bulk_len_max: 512 * 1024 * 1024,
            inline_max: 64 * 1024,
            multibulk_max: i32::MAX as u32,
            authenticated: true,
        }
    }
}

/// A big argument that is still arriving; see [`Parser::big_bulk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BigBulk {
    /// Offset of its first byte in the input.
    pub start: usize,
    /// Its length in bytes, without the CRLF that follows.
    pub len: usize,
}

/// The parser of one connection.
#[derive(Debug)]
pub struct Parser {
    limits: Limits,
    /// The unfinished command at the front of the input, or `FRESH`.
    progress: Progress,
    /// Spans of the unfinished command.
    partial: Vec<Span>,
    /// Arguments of the latest inline command that could not be used as they were sent.
    unescaped: Vec<u8>,
}

/// How far an unfinished command was parsed. All offsets count from the start of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    /// Start of the first element not yet parsed: a header, or an argument if `bulk_len` is known.
    position: usize,
    /// Up to where the line at `position` is known to hold no terminator.
    scanned: usize,
    /// Arguments still to come, the one at `position` included. Unknown while `position` is 0.
    args_left: u32,
    /// Length of the argument at `position`, once its header was parsed.
    bulk_len: Option<u32>,
    /// Arguments of this command that the caller received elsewhere.
    external_count: u32,
}

const FRESH: Progress =
    Progress { position: 0, scanned: 0, args_left: 0, bulk_len: None, external_count: 0 };

impl Progress {
    /// Whether no byte of the command was passed yet.
    #[inline]
    fn is_fresh(&self) -> bool {
        self.position == 0 && self.scanned == 0
    }
}

/// Why parsing stopped before the end of a command.
enum Stop {
    Incomplete(Progress),
    Error(ProtocolError),
}

impl Parser {
    /// Makes the parser of a new connection.
    pub fn new(limits: Limits) -> Parser {
        let mut parser =
            Parser { limits, progress: FRESH, partial: Vec::new(), unescaped: Vec::new() };
        parser.set_limits(limits);
        parser
    }

    /// Changes the limits, from the next header on. A client's limits rise when it authenticates,
    /// so a caller must run the command that may do so before it parses the next one.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = Limits {
            bulk_len_max: limits.bulk_len_max.min(INPUT_MAX),
            inline_max: limits.inline_max.min(INPUT_MAX),
            multibulk_max: limits.multibulk_max.min(i32::MAX as u32),
            authenticated: limits.authenticated,
        };
    }

    /// Forgets an unfinished command and frees what the parser holds.
    pub fn reset(&mut self) {
        *self = Parser::new(self.limits);
    }

    /// Parses one command at the front of `input`, and fills `spans` with one span per argument.
    ///
    /// After `Incomplete` the caller presents the same bytes again at the front of `input`, with
    /// more behind them; the buffer may have moved. After `Command` it presents what follows the
    /// consumed bytes. After `Error` only [`Parser::reset`] makes sense. Spans in
    /// [`Place::Unescaped`] are valid until the next call. The vectors behind `spans` and the
    /// parser may be swapped.
    #[inline]
    pub fn next(&mut self, input: &[u8], spans: &mut Vec<Span>) -> Parsed {
        spans.clear();
        if !self.progress.is_fresh() {
            return self.resume(input, spans);
        }
        if input.len() > INPUT_MAX || input.first() != Some(&b'*') {
            return self.next_unusual(input, spans);
        }
        match self.multibulk(input, FRESH, spans) {
            Ok(consumed) => Parsed::Command { consumed },
            Err(stop) => self.stop(stop, input.len(), spans),
        }
    }

    /// While a command is incomplete within an argument of at least [`BIG_BULK_LEN_MIN`] bytes:
    /// where it lies, so that the caller may receive it straight into a buffer of its own.
    ///
    /// A caller that does so moves what follows `start` out of the input, receives the rest of the
    /// argument and the two bytes after it elsewhere, calls [`Parser::big_bulk_done`], and then
    /// goes on with an input in which argument and CRLF never were. A caller that does not just
    /// appends.
    pub fn big_bulk(&self) -> Option<BigBulk> {
        let len = self.progress.bulk_len? as usize;
        (len >= BIG_BULK_LEN_MIN).then_some(BigBulk { start: self.progress.position, len })
    }

    /// Tells the parser that the argument which [`Parser::big_bulk`] offers, and its CRLF, were
    /// taken from the stream. It gets the span `Span::external(index, len)`, where `index` counts
    /// such arguments of the command from zero.
    ///
    /// # Panics
    /// If [`Parser::big_bulk`] offers nothing.
    pub fn big_bulk_done(&mut self) {
        let bulk = self.big_bulk().expect("big_bulk_done follows big_bulk");
        let progress = &mut self.progress;
        self.partial.push(Span::external(progress.external_count as usize, bulk.len));
        progress.external_count += 1;
        progress.bulk_len = None;
        progress.args_left -= 1;
        progress.scanned = progress.position;
    }

    /// The buffer that spans in [`Place::Unescaped`] point into.
    pub fn unescaped(&self) -> &[u8] {
        &self.unescaped
    }

    /// Returns the bytes of the argument at `span`, which may lie in `input`, in this parser, or in
    /// the caller's buffers of big arguments, `external`.
    #[inline]
    pub fn argument<'a, B: AsRef<[u8]>>(
        &'a self,
        span: Span,
        input: &'a [u8],
        external: &'a [B],
    ) -> &'a [u8] {
        if let Some(bytes) = span.in_input(input) {
            return bytes;
        }
        match span.place() {
            Place::Input(range) => &input[range],
            Place::Unescaped(range) => &self.unescaped[range],
            Place::External(index) => external[index].as_ref(),
        }
    }

    /// Goes on with the command that the last call left unfinished.
    #[cold]
    fn resume(&mut self, input: &[u8], spans: &mut Vec<Span>) -> Parsed {
        let progress = mem::replace(&mut self.progress, FRESH);
        mem::swap(spans, &mut self.partial);
        let result = if input.first() == Some(&b'*') {
            self.multibulk(&input[..input.len().min(INPUT_MAX)], progress, spans)
        } else {
            self.inline(input, progress.scanned, spans)
        };
        if self.partial.capacity() > SPANS_KEPT_MAX {
            self.partial = Vec::new();
        }
        match result {
            Ok(consumed) => Parsed::Command { consumed },
            Err(stop) => self.stop(stop, input.len(), spans),
        }
    }

    /// Starts a command that is inline, absent, or so long that its spans might not reach its end.
    #[cold]
    fn next_unusual(&mut self, input: &[u8], spans: &mut Vec<Span>) -> Parsed {
        let result = match input.first() {
            None => return Parsed::Incomplete,
            Some(b'*') => self.multibulk(&input[..INPUT_MAX], FRESH, spans),
            Some(_) => self.inline(input, 0, spans),
        };
        match result {
            Ok(consumed) => Parsed::Command { consumed },
            Err(stop) => self.stop(stop, input.len(), spans),
        }
    }

    /// Remembers an unfinished command.
    #[cold]
    fn stop(&mut self, stop: Stop, input_len: usize, spans: &mut Vec<Span>) -> Parsed {
        let progress = match stop {
            Stop::Error(error) => return Parsed::Error(error),
            Stop::Incomplete(_) if input_len > INPUT_MAX => {
                return Parsed::Error(ProtocolError::TooBigRequest);
            }
            Stop::Incomplete(progress) => progress,
        };
        self.progress = progress;
        // Swapping keeps the cost of a call independent of the arguments before it. A vector that
        // once held a huge command is not kept for a small one, as most connections are idle.
        if spans.len() > SPANS_KEPT_MAX || spans.capacity() <= SPANS_KEPT_MAX {
            mem::swap(spans, &mut self.partial);
        } else {
            self.partial.clear();
            self.partial.extend_from_slice(spans);
        }
        spans.clear();
        Parsed::Incomplete
    }

    /// Parses a multibulk command from `progress` on, and returns the bytes it took.
    #[inline]
    fn multibulk(
        &self,
        input: &[u8],
        progress: Progress,
        spans: &mut Vec<Span>,
    ) -> Result<usize, Stop> {
        let Progress { mut position, mut args_left, external_count, .. } = progress;
        if position == 0 {
            match self.multibulk_header(input, progress)? {
                (0, next) => return Ok(next),
                (count, next) => (args_left, position) = (count, next),
            }
        } else if args_left == 0 {
            return Ok(position);
        }
        let mut known = (progress.bulk_len, progress.scanned);
        loop {
            let (bulk_len, scanned) = mem::take(&mut known);
            let here = Progress { position, scanned, args_left, bulk_len: None, external_count };
            let (len, start) = match bulk_len {
                None => self.bulk_header(input, here)?,
                Some(len) => (len, position),
            };
            let end = start + len as usize + 2;
            if end > input.len() {
                let bulk_len = Some(len);
                return Err(Stop::Incomplete(Progress { position: start, bulk_len, ..here }));
            }
            spans.push(Span::input(start, len));
            position = end;
            args_left -= 1;
            if args_left == 0 {
                return Ok(position);
            }
        }
    }

    /// Parses the `*` line at the front: the number of arguments, and where the first begins.
    #[inline]
    fn multibulk_header(&self, input: &[u8], here: Progress) -> Result<(u32, usize), Stop> {
        match short_number(&input[1..]) {
            Some((count, len)) if count <= self.count_max() => Ok((count, 1 + len)),
            _ => self.multibulk_header_slow(input, here),
        }
    }

    /// Parses the `$` line at `here`: the length of the argument, and where it begins.
    #[inline]
    fn bulk_header(&self, input: &[u8], here: Progress) -> Result<(u32, usize), Stop> {
        if let Some((b'$', digits)) = input[here.position..].split_first()
            && let Some((bulk_len, len)) = short_number(digits)
            && bulk_len <= self.bulk_len_max()
        {
            return Ok((bulk_len, here.position + 1 + len));
        }
        self.bulk_header_slow(input, here)
    }

    #[cold]
    fn multibulk_header_slow(&self, input: &[u8], here: Progress) -> Result<(u32, usize), Stop> {
        let too_big = ProtocolError::TooBigMultibulkCount;
        let line_end = self.header_end(input, here, too_big)?;
        match parse_i64(&input[1..line_end]) {
            Some(count) if count <= 0 => Ok((0, line_end + 2)),
            Some(count) if count <= self.count_max() as i64 => Ok((count as u32, line_end + 2)),
            Some(count) if count <= self.limits.multibulk_max as i64 => {
                Err(Stop::Error(ProtocolError::UnauthenticatedMultibulkLength))
            }
            _ => Err(Stop::Error(ProtocolError::InvalidMultibulkLength)),
        }
    }

    #[cold]
    fn bulk_header_slow(&self, input: &[u8], here: Progress) -> Result<(u32, usize), Stop> {
        let line_end = self.header_end(input, here, ProtocolError::TooBigBulkCount)?;
        let line = &input[here.position..line_end];
        let Some((b'$', digits)) = line.split_first() else {
            return Err(Stop::Error(ProtocolError::ExpectedDollar(input[here.position])));
        };
        match parse_i64(digits) {
            Some(len) if (0..=self.bulk_len_max() as i64).contains(&len) => {
                Ok((len as u32, line_end + 2))
            }
            Some(len) if (0..=self.limits.bulk_len_max as i64).contains(&len) => {
                Err(Stop::Error(ProtocolError::UnauthenticatedBulkLength))
            }
            _ => Err(Stop::Error(ProtocolError::InvalidBulkLength)),
        }
    }

    /// Finds the CR of the line at `here`, if the byte behind it is there too.
    fn header_end(
        &self,
        input: &[u8],
        here: Progress,
        too_big: ProtocolError,
    ) -> Result<usize, Stop> {
        let found =
            find_line_end(b'\r', input, here.position, here.scanned, self.limits.inline_max);
        match found {
            LineEnd::At(at) if at + 2 <= input.len() => Ok(at),
            LineEnd::At(scanned) => Err(Stop::Incomplete(Progress { scanned, ..here })),
            LineEnd::After(scanned) => Err(Stop::Incomplete(Progress { scanned, ..here })),
            LineEnd::TooFar => Err(Stop::Error(too_big)),
        }
    }

    /// Most arguments that this client may send now.
    #[inline]
    fn count_max(&self) -> u32 {
        if self.limits.authenticated {
            return self.limits.multibulk_max;
        }
        self.limits.multibulk_max.min(MULTIBULK_UNAUTHENTICATED_MAX)
    }

    /// Longest argument that this client may send now.
    #[inline]
    fn bulk_len_max(&self) -> u32 {
        if self.limits.authenticated {
            return self.limits.bulk_len_max as u32;
        }
        (self.limits.bulk_len_max as u32).min(BULK_LEN_UNAUTHENTICATED_MAX)
    }
}

/// Parses a canonical decimal of at most nine digits with CR and one more byte behind it; returns
/// its value and the length of all that. `None` leaves the decision to the slow path.
#[inline(always)]
fn short_number(bytes: &[u8]) -> Option<(u32, usize)> {
    const DIGITS_MAX: usize = 9;
    let mut value = 0u32;
    for (index, &byte) in bytes.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 && index < DIGITS_MAX {
            value = value * 10 + digit as u32;
            continue;
        }
        let canonical = index == 1 || index > 1 && bytes[0] != b'0';
        let whole = byte == b'\r' && index + 1 < bytes.len();
        return (canonical && whole).then_some((value, index + 2));
    }
    None
}

/// Where the terminator of a line is.
enum LineEnd {
    /// Here.
    At(usize),
    /// Not before this offset.
    After(usize),
    /// Not within the limit.
    TooFar,
}

/// Finds the `terminator` of the line that starts at `start` and was searched up to `scanned`. It
/// is too far if it is not among the first `line_max + 1` bytes. Redis searches with `strchr`, so a
/// NUL hides whatever follows it.
fn find_line_end(
    terminator: u8,
    input: &[u8],
    start: usize,
    scanned: usize,
    line_max: usize,
) -> LineEnd {
    let window = &input[..input.len().min(start + line_max + 1)];
    let from = scanned.max(start);
    match memchr::memchr2(terminator, 0, &window[from..]) {
        Some(offset) if window[from + offset] == terminator => LineEnd::At(from + offset),
        _ if window.len() - start > line_max => LineEnd::TooFar,
        Some(offset) => LineEnd::After(from + offset),
        None => LineEnd::After(window.len()),
    }
}
