//! Inline commands: a line of words, as typed into telnet (Redis protocol, "Inline commands").
//!
//! Words may be quoted. `"..."` knows the escapes `\n \r \t \b \a \xHH` and takes any other byte
//! after a backslash as it is; `'...'` knows `\'` only. A quote ends its word, and may begin inside
//! one. Words without quotes are used where they lie; the others are copied to `Parser::unescaped`.

use super::{FRESH, LineEnd, Parser, Progress, ProtocolError, Span, Stop, find_line_end};

/// Memory, in bytes, that a parser keeps for unescaped words from one command to the next.
const UNESCAPED_KEPT_MAX: usize = 1024;

impl Parser {
    /// Parses an inline command at the front of `input`, of which the first `scanned` bytes are
    /// known to hold no line end, and returns the bytes it took.
    pub(super) fn inline(
        &mut self,
        input: &[u8],
        scanned: usize,
        spans: &mut Vec<Span>,
    ) -> Result<usize, Stop> {
        let newline = match find_line_end(b'\n', input, 0, scanned, self.limits.inline_max) {
            LineEnd::At(at) => at,
            LineEnd::After(scanned) => return Err(Stop::Incomplete(Progress { scanned, ..FRESH })),
            LineEnd::TooFar => return Err(Stop::Error(ProtocolError::TooBigInlineRequest)),
        };
        let line = &input[..newline];
        self.unescaped.clear();
        self.unescaped.shrink_to(UNESCAPED_KEPT_MAX);
        split_words(line.strip_suffix(b"\r").unwrap_or(line), &mut self.unescaped, spans)?;
        Ok(newline + 1)
    }
}

/// Appends a span per word of `line` to `spans`, and the words that needed it to `unescaped`.
fn split_words(line: &[u8], unescaped: &mut Vec<u8>, spans: &mut Vec<Span>) -> Result<(), Stop> {
    let mut position = 0;
    loop {
        let Some(blanks) = line[position..].iter().position(|&byte| !is_space(byte)) else {
            return Ok(());
        };
        let start = position + blanks;
        let plain = line[start..].iter().position(|&byte| ends_plain(byte));
        let plain_end = plain.map_or(line.len(), |len| start + len);
        match line.get(plain_end) {
            Some(&quote @ (b'"' | b'\'')) => {
                let unescaped_start = unescaped.len();
                unescaped.extend_from_slice(&line[start..plain_end]);
                position = plain_end + 1;
                position += unquote(quote, &line[position..], unescaped)?;
                spans.push(Span::unescaped(unescaped_start, unescaped.len() - unescaped_start));
            }
            _ => {
                spans.push(Span::input(start, (plain_end - start) as u32));
                position = plain_end;
            }
        }
    }
}

/// Appends what stands in front of the closing `quote` to `unescaped`, and returns the length of
/// all that with the quote.
fn unquote(quote: u8, text: &[u8], unescaped: &mut Vec<u8>) -> Result<usize, Stop> {
    let mut position = 0;
    loop {
        let rest = &text[position..];
        let (byte, len) = match *rest {
            [] => return Err(Stop::Error(ProtocolError::UnbalancedQuotes)),
            [byte, ref after @ ..] if byte == quote => {
                return match after.first() {
                    Some(&next) if !is_space(next) => {
                        Err(Stop::Error(ProtocolError::UnbalancedQuotes))
                    }
                    _ => Ok(position + 1),
                };
            }
            [b'\\', b'\'', ..] if quote == b'\'' => (b'\'', 2),
            [b'\\', escaped, ref after @ ..] if quote == b'"' => match (escaped, hex_byte(after)) {
                (b'x', Some(byte)) => (byte, 4),
                _ => (unescape(escaped), 2),
            },
            [byte, ..] => (byte, 1),
        };
        unescaped.push(byte);
        position += len;
    }
}

/// The byte that two hexadecimal digits at the front of `text` stand for.
fn hex_byte(text: &[u8]) -> Option<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    let (&high, &low) = (text.first()?, text.get(1)?);
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

fn unescape(escaped: u8) -> u8 {
    match escaped {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

/// What C's `isspace` accepts. Vertical tab and form feed separate words but do not end one.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn ends_plain(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b'"' | b'\'')
}
