//! The reply sink: values encoded as RESP2 or RESP3 bytes in the order they are written.
//!
//! Invariant: what [`Out`] holds is always a sequence of whole replies and of the open prefix of
//! the one being written; a failed command is undone with [`Out::mark`] and [`Out::rewind`]. Large
//! values are not copied: they are kept as shared buffers with the offset at which they belong.

use bytes::Bytes;

use super::error::CmdError;
use crate::base::num;

/// Values of at least this many bytes are shared with the reply instead of copied into it. Below it
/// a copy is cheaper than the additional vector element in the send.
pub const SHARE_MIN: usize = 32 * 1024;

/// The protocol version a client has chosen with HELLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// RESP2, the version every connection starts with.
    #[default]
    Resp2,
    /// RESP3 (<https://redis.io/docs/latest/develop/reference/protocol-spec/>).
    Resp3,
}

/// A place in an [`Out`] to come back to.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    bytes: usize,
    shared: usize,
}

/// A growing sequence of encoded replies.
#[derive(Debug, Default)]
pub struct Out {
    bytes: Vec<u8>,
    /// Shared values and the offset in `bytes` before which each belongs, in rising order.
    shared: Vec<(usize, Bytes)>,
    protocol: Protocol,
}

impl Out {
    /// An empty sink for `protocol`, without an allocation.
    pub fn new(protocol: Protocol) -> Out {
        Out { bytes: Vec::new(), shared: Vec::new(), protocol }
    }

    /// An empty sink that writes into `buffer`, which must be empty.
    pub fn with_buffer(buffer: Vec<u8>, protocol: Protocol) -> Out {
        debug_assert!(buffer.is_empty());
        Out { bytes: buffer, shared: Vec::new(), protocol }
    }

    /// The protocol replies are encoded in.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Encodes what follows in `protocol`.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// True if RESP3 types may be written.
    pub fn is_resp3(&self) -> bool {
        self.protocol == Protocol::Resp3
    }

    /// Bytes held, shared values included.
    pub fn len(&self) -> usize {
        self.bytes.len() + self.shared.iter().map(|(_, value)| value.len()).sum::<usize>()
    }

    /// True if nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.shared.is_empty()
    }

    /// The current end, for [`Out::rewind`].
    #[inline]
    pub fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), shared: self.shared.len() }
    }

    /// Forgets everything written since `mark`.
    pub fn rewind(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.shared.truncate(mark.shared);
    }

    /// The encoded bytes, if no shared value is among them.
    pub fn contiguous(&self) -> Option<&[u8]> {
        self.shared.is_empty().then_some(&self.bytes)
    }

    /// The encoded bytes without the shared values, which [`Out::shared`] places.
    pub fn encoded(&self) -> &[u8] {
        &self.bytes
    }

    /// Shared values, each with the offset in [`Out::encoded`] before which it belongs.
    pub fn shared(&self) -> &[(usize, Bytes)] {
        &self.shared
    }

    /// Takes the content apart: encoded bytes, and shared values with their offsets.
    pub fn take(&mut self) -> (Vec<u8>, Vec<(usize, Bytes)>) {
        (std::mem::take(&mut self.bytes), std::mem::take(&mut self.shared))
    }

    /// Gives an empty buffer to write into when the sink holds none; returns it otherwise.
    pub fn lend(&mut self, buffer: Vec<u8>) -> Option<Vec<u8>> {
        if self.bytes.capacity() != 0 {
            return Some(buffer);
        }
        debug_assert!(buffer.is_empty());
        self.bytes = buffer;
        None
    }

    /// Empties the sink and keeps its buffer.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.shared.clear();
    }

    /// Everything in one buffer; copies shared values. For tests and small replies.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len());
        self.copy_range(0, self.bytes.len(), |part| all.extend_from_slice(part));
        all
    }

    /// Appends bytes that are already encoded for this client's protocol.
    #[inline]
    pub fn raw(&mut self, encoded: &[u8]) {
        self.bytes.extend_from_slice(encoded);
    }

    /// Appends the part `start..end` (offsets into `other.encoded()`) of another sink, its shared
    /// values with it. A shared value that belongs exactly at `end` is not part of it: it is
    /// followed by its line end.
    pub fn append_range(&mut self, other: &Out, start: usize, end: usize) {
        let first = other.shared.partition_point(|(at, _)| *at < start);
        let base = self.bytes.len();
        for (at, value) in other.shared[first..].iter().take_while(|(at, _)| *at < end) {
            self.shared.push((base + at - start, value.clone()));
        }
        self.bytes.extend_from_slice(&other.bytes[start..end]);
    }

    /// Appends all of another sink.
    pub fn append(&mut self, other: &Out) {
        self.append_range(other, 0, other.bytes.len());
    }

    /// Appends all of another sink, which ends with a whole line, and takes over its buffer where
    /// that is better than a copy.
    pub fn adopt(&mut self, mut other: Out) {
        const LINE_END: &[u8] = b"\r\n";
        if other.bytes.len() < SHARE_MIN || !other.shared.is_empty() {
            return self.append(&other);
        }
        assert!(other.bytes.ends_with(LINE_END), "replies end with a line end");
        // A shared value is followed by its line end, so that it is part of the range before that.
        other.bytes.truncate(other.bytes.len() - LINE_END.len());
        self.shared.push((self.bytes.len(), Bytes::from(other.bytes)));
        self.raw(LINE_END);
    }

    fn copy_range(&self, start: usize, end: usize, mut sink: impl FnMut(&[u8])) {
        let mut from = start;
        for (at, value) in self.shared.iter().filter(|(at, _)| (start..end).contains(at)) {
            sink(&self.bytes[from..*at]);
            sink(value);
            from = *at;
        }
        sink(&self.bytes[from..end]);
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.raw(b"+OK\r\n");
    }

    /// A simple string; `text` holds no line end.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, value: i64) {
        self.number(b':', value);
    }

    /// A count as an integer.
    pub fn count(&mut self, value: usize) {
        self.int(value as i64);
    }

    /// A bulk string, copied.
    #[inline]
    pub fn bulk(&mut self, value: &[u8]) {
        let length = value.len();
        self.bytes.reserve(length + 32);
        let digit = |number: usize| b'0' + (number % 10) as u8;
        // Heads of a known size are stored at once.
        match length {
            0..10 => self.raw(&[b'$', digit(length), b'\r', b'\n']),
            10..100 => self.raw(&[b'$', digit(length / 10), digit(length), b'\r', b'\n']),
            _ => self.number(b'$', length as i64),
        }
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// A bulk string that shares `value` when it is large.
    pub fn bulk_shared(&mut self, value: &Bytes) {
        if value.len() < SHARE_MIN {
            return self.bulk(value);
        }
        self.number(b'$', value.len() as i64);
        self.shared.push((self.bytes.len(), value.clone()));
        self.raw(b"\r\n");
    }

    /// An integer printed as a bulk string.
    pub fn bulk_int(&mut self, value: i64) {
        let mut digits = itoa::Buffer::new();
        self.bulk(digits.format(value).as_bytes());
    }

    /// A double printed as a bulk string.
    pub fn bulk_f64(&mut self, value: f64) {
        // Its length is known when it is there; the header then changes places with it.
        let start = self.bytes.len();
        num::write_f64(&mut self.bytes, value);
        let end = self.bytes.len();
        self.number(b'$', (end - start) as i64);
        let header = self.bytes.len() - end;
        self.bytes[start..].rotate_right(header);
        self.raw(b"\r\n");
    }

    /// Makes what was written since the encoded length was `start` an array of `count` elements,
    /// for elements whose number is known last. Nothing of it may be shared.
    pub fn array_since(&mut self, start: usize, count: usize) {
        self.head_since(start, |out| out.array(count));
    }

    /// Puts what `write` writes, the head of an array or a set, before what was written since the
    /// encoded length was `start`, for elements whose number is known last. Nothing of that may be
    /// shared.
    pub fn head_since(&mut self, start: usize, write: impl FnOnce(&mut Out)) {
        debug_assert!(self.shared.last().is_none_or(|(at, _)| *at <= start));
        let end = self.bytes.len();
        write(self);
        let header = self.bytes.len() - end;
        self.bytes[start..].rotate_right(header);
    }

    /// The null value: `$-1` or `_`.
    #[inline]
    pub fn null(&mut self) {
        self.raw(if self.is_resp3() { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// The null value where RESP2 has a null array: `*-1` or `_`.
    pub fn null_array(&mut self) {
        self.raw(if self.is_resp3() { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// Opens an array: `len` values must follow.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.number(b'*', len as i64);
    }

    /// Opens a map of `len` pairs; in RESP2 a flat array.
    pub fn map(&mut self, len: usize) {
        if self.is_resp3() { self.number(b'%', len as i64) } else { self.array(len * 2) }
    }

    /// Opens a set; in RESP2 an array.
    pub fn set(&mut self, len: usize) {
        self.number(if self.is_resp3() { b'~' } else { b'*' }, len as i64);
    }

    /// Opens an out-of-band push message; in RESP2 an array.
    pub fn push(&mut self, len: usize) {
        self.number(if self.is_resp3() { b'>' } else { b'*' }, len as i64);
    }

    /// A double; in RESP2 a bulk string.
    pub fn double(&mut self, value: f64) {
        if !self.is_resp3() {
            return self.bulk_f64(value);
        }
        self.bytes.push(b',');
        num::write_f64(&mut self.bytes, value);
        self.raw(b"\r\n");
    }

    /// A double that has been printed already; in RESP2 a bulk string.
    pub fn double_text(&mut self, text: &str) {
        if self.is_resp3() { self.line(b',', text.as_bytes()) } else { self.bulk(text.as_bytes()) }
    }

    /// A boolean; in RESP2 the integer 0 or 1.
    pub fn boolean(&mut self, value: bool) {
        match (self.is_resp3(), value) {
            (true, true) => self.raw(b"#t\r\n"),
            (true, false) => self.raw(b"#f\r\n"),
            (false, value) => self.int(value.into()),
        }
    }

    /// A big number, in decimal digits; in RESP2 a bulk string.
    pub fn big_number(&mut self, digits: &str) {
        if self.is_resp3() {
            self.line(b'(', digits.as_bytes());
        } else {
            self.bulk(digits.as_bytes());
        }
    }

    /// Text for people with its three-letter format (`txt`, `mkd`); in RESP2 a bulk string.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        debug_assert_eq!(format.len(), 3);
        if !self.is_resp3() {
            return self.bulk(text);
        }
        self.number(b'=', text.len() as i64 + 4);
        self.raw(format.as_bytes());
        self.raw(b":");
        self.raw(text);
        self.raw(b"\r\n");
    }

    /// An error line. Line ends at its end are dropped; those inside the text become spaces, so
    /// that it stays one line.
    pub fn error(&mut self, error: &CmdError) {
        self.bytes.push(b'-');
        let bytes = error.bytes();
        let end = bytes.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'));
        let line = &bytes[..end.map_or(0, |last| last + 1)];
        let one_line = |byte: &u8| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte };
        self.bytes.extend(line.iter().map(one_line));
        self.raw(b"\r\n");
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.bytes.push(kind);
        self.raw(text);
        self.raw(b"\r\n");
    }

    #[inline]
    fn number(&mut self, kind: u8, value: i64) {
        self.bytes.reserve(24);
        self.bytes.push(kind);
        if (0..10).contains(&value) {
            self.bytes.push(b'0' + value as u8);
        } else {
            let mut digits = itoa::Buffer::new();
            self.raw(digits.format(value).as_bytes());
        }
        self.raw(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(write: impl Fn(&mut Out)) -> (Vec<u8>, Vec<u8>) {
        let encode = |protocol| {
            let mut out = Out::new(protocol);
            write(&mut out);
            out.to_vec()
        };
        (encode(Protocol::Resp2), encode(Protocol::Resp3))
    }

    #[test]
    fn the_types_that_differ() {
        assert_eq!(both(Out::null), (b"$-1\r\n".to_vec(), b"_\r\n".to_vec()));
        assert_eq!(both(Out::null_array), (b"*-1\r\n".to_vec(), b"_\r\n".to_vec()));
        assert_eq!(both(|o| o.map(2)), (b"*4\r\n".to_vec(), b"%2\r\n".to_vec()));
        assert_eq!(both(|o| o.double(-0.5)), (b"$4\r\n-0.5\r\n".to_vec(), b",-0.5\r\n".to_vec()));
        assert_eq!(both(|o| o.bulk_f64(1e300)).0, b"$6\r\n1e+300\r\n");
        assert_eq!(both(|o| o.boolean(true)), (b":1\r\n".to_vec(), b"#t\r\n".to_vec()));
        assert_eq!(
            both(|o| o.verbatim("txt", b"hi")),
            (b"$2\r\nhi\r\n".to_vec(), b"=6\r\ntxt:hi\r\n".to_vec())
        );
    }

    #[test]
    fn a_failed_reply_is_taken_back() {
        let mut out = Out::new(Protocol::Resp2);
        out.ok();
        let mark = out.mark();
        out.array(3);
        out.bulk_shared(&Bytes::from(vec![b'x'; SHARE_MIN]));
        out.rewind(mark);
        out.error(&CmdError::owned("ERR a\r\nb"));
        assert_eq!(out.to_vec(), b"+OK\r\n-ERR a  b\r\n");
    }

    #[test]
    fn shared_values_keep_their_place() {
        let big = Bytes::from(vec![b'x'; SHARE_MIN]);
        let mut out = Out::new(Protocol::Resp2);
        out.int(7);
        let start = out.encoded().len();
        out.bulk_shared(&big);
        let end = out.encoded().len();
        out.bulk_shared(&big);
        let mut part = Out::new(Protocol::Resp2);
        part.ok();
        part.append_range(&out, start, end);
        let expected = [b"+OK\r\n$32768\r\n", &big[..], b"\r\n"].concat();
        assert_eq!(part.to_vec(), expected);
        assert_eq!(out.len(), out.to_vec().len());
    }
}
