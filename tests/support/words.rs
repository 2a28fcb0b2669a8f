//! Command lines as people type them, and strings as redis-cli prints them.
//!
//! Invariant: `split(quote(bytes))` gives the bytes back.

/// Splits a line into arguments: blanks separate, `"..."` takes escapes, `'...'` takes `\'` only.
///
/// # Errors
/// A quote that is not closed, or closed in the middle of a word.
pub fn split(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let bytes = line.as_bytes();
    let mut words = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at].is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let (word, end) = match bytes[at] {
            quote @ (b'"' | b'\'') => quoted(bytes, at + 1, quote)?,
            _ => {
                let blank = bytes[at..].iter().position(u8::is_ascii_whitespace);
                let end = blank.map_or(bytes.len(), |length| at + length);
                (bytes[at..end].to_vec(), end)
            }
        };
        if bytes.get(end).is_some_and(|byte| !byte.is_ascii_whitespace()) {
            return Err(format!("a blank must follow the quote in {line:?}"));
        }
        words.push(word);
        at = end;
    }
    Ok(words)
}

fn quoted(bytes: &[u8], mut at: usize, quote: u8) -> Result<(Vec<u8>, usize), String> {
    let mut word = Vec::new();
    loop {
        match *bytes.get(at..).unwrap_or_default() {
            [] => return Err("a quote is not closed".to_owned()),
            [byte, ..] if byte == quote => return Ok((word, at + 1)),
            [b'\\', b'\'', ..] if quote == b'\'' => {
                word.push(b'\'');
                at += 2;
            }
            [b'\\', b'x', high, low, ..] if quote == b'"' && hex(high, low).is_some() => {
                word.extend(hex(high, low));
                at += 4;
            }
            [b'\\', letter, ..] if quote == b'"' => {
                word.push(match letter {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => other,
                });
                at += 2;
            }
            [byte, ..] => {
                word.push(byte);
                at += 1;
            }
        }
    }
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

/// The bytes in double quotes, escaped as redis-cli escapes them.
pub fn quote(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => text.extend(['\\', char::from(byte)]),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            7 => text.push_str("\\a"),
            8 => text.push_str("\\b"),
            32..=126 => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push('"');
    text
}
