//! Finds where replies end, without keeping them.
//!
//! Invariant: a [`ReplyReader`] holds numbers only, so it goes on in the middle of any reply, time
//! is linear in the bytes, and a connection keeps at most one unfinished line. Push messages and
//! attributes (RESP3 specification) are skipped and are no replies. Deliberately absent: values.
//! `decode.rs` has them, for handshakes and for `--check`.

/// A header line longer than this is not RESP; error texts are far shorter.
pub const LINE_MAX: usize = 64 << 10;

/// What a reply was, as far as a load generator cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    Value,
    /// The null of RESP2 or RESP3: the key does not exist.
    Null,
    /// The text of an error, without its first byte and line end.
    Error(&'a [u8]),
}

/// Where in a reply the reader stands.
#[derive(Debug, Default)]
pub struct ReplyReader {
    /// Values still to come before the current reply is whole; 0 between replies.
    values_left: u64,
    /// Bytes still to come of a string and its line end.
    body_left: u64,
    /// Whether the current reply is a push message.
    is_push: bool,
}

impl ReplyReader {
    /// Reads on to the end of a reply or of `bytes`. Returns how many bytes it is done with, which
    /// the caller must not show again, and the reply if it ended there. Where there is none, the
    /// bytes left over are the beginning of a line.
    ///
    /// # Errors
    ///
    /// Says what is wrong if the bytes are not RESP; the reader cannot be used after that.
    #[inline]
    pub fn advance<'a>(&mut self, bytes: &'a [u8]) -> Result<(usize, Option<Reply<'a>>), String> {
        let mut position = 0;
        loop {
            let mut reply = Reply::Value;
            if self.body_left == 0 {
                let Some(line_len) = line_len(&bytes[position..])? else {
                    return Ok((position, None));
                };
                let line = &bytes[position..position + line_len];
                position += line_len + 2;
                reply = self.enter(line)?;
            }
            if self.body_left > 0 {
                position += self.skip_body(&bytes[position..])?;
                if self.body_left > 0 {
                    return Ok((position, None));
                }
            }
            self.values_left -= 1;
            if self.values_left == 0 && !std::mem::take(&mut self.is_push) {
                return Ok((position, Some(reply)));
            }
        }
    }

    /// Takes a header line, without its end, and plans for what it announces.
    #[inline]
    fn enter<'a>(&mut self, line: &'a [u8]) -> Result<Reply<'a>, String> {
        let is_outermost = self.values_left == 0;
        if is_outermost {
            self.values_left = 1;
        }
        let (&kind, text) = line.split_first().ok_or("an empty line")?;
        let mut reply = Reply::Value;
        match kind {
            b'+' | b':' | b'#' | b',' | b'(' => {}
            b'-' => reply = Reply::Error(text),
            b'_' => reply = Reply::Null,
            b'$' | b'=' | b'!' => match length(text)? {
                None => reply = Reply::Null,
                Some(len) => self.body_left = len + 2,
            },
            b'*' | b'~' | b'>' | b'%' | b'|' => match length(text)? {
                None => reply = Reply::Null,
                Some(count) => self.enter_aggregate(kind, count, is_outermost)?,
            },
            _ => return Err(format!("a value that begins with {:?}", kind as char)),
        }
        Ok(if is_outermost { reply } else { Reply::Value })
    }

    fn enter_aggregate(&mut self, kind: u8, count: u64, is_outermost: bool) -> Result<(), String> {
        let values = match kind {
            b'%' => count * 2,
            // An attribute precedes a value and is none itself.
            b'|' => count * 2 + 1,
            _ => count,
        };
        self.is_push |= kind == b'>' && is_outermost;
        self.values_left = self.values_left.checked_add(values).ok_or("endless nesting")?;
        Ok(())
    }

    /// Skips what is there of a string, and returns how many bytes that was.
    #[inline]
    fn skip_body(&mut self, bytes: &[u8]) -> Result<usize, String> {
        let skipped = self.body_left.min(bytes.len() as u64) as usize;
        self.body_left -= skipped as u64;
        if self.body_left == 0 && !b"\r\n".ends_with(&bytes[skipped.saturating_sub(2)..skipped]) {
            return Err("a string longer than announced".to_string());
        }
        Ok(skipped)
    }
}

/// Returns the length of the first line without its end, if the end is there.
#[inline]
fn line_len(bytes: &[u8]) -> Result<Option<usize>, String> {
    match memchr::memchr(b'\n', bytes) {
        Some(end) if end > 0 && bytes[end - 1] == b'\r' => Ok(Some(end - 1)),
        Some(_) => Err("a line that does not end in CR LF".to_string()),
        None if bytes.len() > LINE_MAX => Err(format!("a line of more than {LINE_MAX} bytes")),
        None => Ok(None),
    }
}

/// Reads a length or count; -1 is the null of RESP2.
#[inline]
fn length(digits: &[u8]) -> Result<Option<u64>, String> {
    if digits == b"-1" {
        return Ok(None);
    }
    let is_number =
        !digits.is_empty() && digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit);
    if !is_number {
        return Err(format!("the length {:?}", String::from_utf8_lossy(digits)));
    }
    Ok(Some(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `stream` in pieces of `piece` bytes as a connection does, keeping what is left over.
    fn read_all(stream: &[u8], piece: usize) -> Result<Vec<String>, String> {
        let mut reader = ReplyReader::default();
        let mut pending = Vec::new();
        let mut replies = Vec::new();
        for bytes in stream.chunks(piece) {
            pending.extend_from_slice(bytes);
            loop {
                let (consumed, reply) = reader.advance(&pending)?;
                replies.extend(reply.map(|reply| match reply {
                    Reply::Error(text) => String::from_utf8(text.to_vec()).unwrap(),
                    other => format!("{other:?}"),
                }));
                let is_done = reply.is_none();
                pending.drain(..consumed);
                if is_done {
                    break;
                }
            }
        }
        assert!(pending.is_empty(), "left over: {:?}", String::from_utf8_lossy(&pending));
        Ok(replies)
    }

    #[test]
    fn replies_end_where_they_end_however_they_are_cut() {
        let stream = b"+OK\r\n:1\r\n$3\r\na\r\n\r\n$0\r\n\r\n$-1\r\n*-1\r\n_\r\n-ERR no\r\n\
            *2\r\n$1\r\nx\r\n$-1\r\n*0\r\n%1\r\n+a\r\n*2\r\n:1\r\n-E\r\n#t\r\n,1.5\r\n(12\r\n\
            =7\r\ntxt:abc\r\n!3\r\nE x\r\n~1\r\n_\r\n\
            >2\r\n+push\r\n+message\r\n|1\r\n+key\r\n+value\r\n:7\r\n>0\r\n+last\r\n";
        let mut expected = vec!["Value"; 19];
        expected[4..7].fill("Null");
        expected[7] = "ERR no";
        assert_eq!(read_all(stream, stream.len()).unwrap(), expected);
        for piece in 1..stream.len() {
            assert_eq!(read_all(stream, piece).unwrap(), expected, "pieces of {piece} bytes");
        }
    }

    #[test]
    fn what_is_not_resp_is_refused() {
        for bad in
            ["HTTP/1.1 400\r\n", "+OK\n", "\r\n", "$x\r\n", "$-2\r\n", "*99999999999999999999\r\n"]
        {
            assert!(read_all(bad.as_bytes(), 100).is_err(), "{bad:?}");
        }
        assert!(read_all(b"$3\r\nabcde\r\n", 100).is_err());
        let endless = vec![b'+'; LINE_MAX + 2];
        assert!(read_all(&endless, endless.len()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, piece in 1usize..20) {
            let mut reader = ReplyReader::default();
            for chunk in bytes.chunks(piece) {
                if reader.advance(chunk).is_err() {
                    break;
                }
            }
        }
    }
}
