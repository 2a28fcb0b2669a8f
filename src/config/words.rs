//! Splits a configuration line into words and quotes a word, so that each undoes the other.
//!
//! Words are separated by blanks. A word may be in double quotes, with the escapes `\n \r \t \b
//! \a`, `\xHH` and backslash before any other byte, or in single quotes, where only `\'` is an
//! escape. A closing quote must be followed by a blank or the end. Everything is bytes: a file need
//! not be UTF-8.
//! Absent: comments, continuation lines and variables; the format has none.

/// Splits `line` as redis.conf and redis-cli do. `None` means that a quote is not closed, or that
/// something other than a blank follows a closing quote.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = &rest[rest.iter().take_while(|&&byte| is_blank(byte)).count()..];
        if rest.is_empty() {
            return Some(words);
        }
        let (word, after) = first_word(rest)?;
        words.push(word);
        rest = after;
    }
}

/// Puts `text` in double quotes with the escapes that [`split`] reads; the result is printable
/// ASCII.
pub fn quote(text: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(text.len() + 2);
    quoted.push(b'"');
    for &byte in text {
        match byte {
            b'\\' | b'"' => quoted.extend([b'\\', byte]),
            b'\n' => quoted.extend(b"\\n"),
            b'\r' => quoted.extend(b"\\r"),
            b'\t' => quoted.extend(b"\\t"),
            0x07 => quoted.extend(b"\\a"),
            0x08 => quoted.extend(b"\\b"),
            b' '..=b'~' => quoted.push(byte),
            _ => quoted.extend(format!("\\x{byte:02x}").bytes()),
        }
    }
    quoted.push(b'"');
    quoted
}

/// The blanks of C's `isspace`, which has the vertical tab that Rust's ASCII whitespace lacks.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// Reads the word at the start of `text`, which is neither empty nor blank there. A quote may open
/// in the middle of a word, and ends it.
fn first_word(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    for (index, &byte) in text.iter().enumerate() {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => return Some((word, &text[index..])),
            b'"' => return end_quote(double_quoted(&text[index + 1..], &mut word)?, word),
            b'\'' => return end_quote(single_quoted(&text[index + 1..], &mut word)?, word),
            _ => word.push(byte),
        }
    }
    Some((word, &[]))
}

fn end_quote(rest: &[u8], word: Vec<u8>) -> Option<(Vec<u8>, &[u8])> {
    rest.first().is_none_or(|&byte| is_blank(byte)).then_some((word, rest))
}

/// Appends the text up to the closing double quote to `word`, and returns what follows that quote.
fn double_quoted<'a>(mut text: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, taken) = match *text {
            [b'"', ..] => return Some(&text[1..]),
            [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex_digit(high) << 4 | hex_digit(low), 4)
            }
            [b'\\', b'n', ..] => (b'\n', 2),
            [b'\\', b'r', ..] => (b'\r', 2),
            [b'\\', b't', ..] => (b'\t', 2),
            [b'\\', b'b', ..] => (0x08, 2),
            [b'\\', b'a', ..] => (0x07, 2),
            [b'\\', byte, ..] => (byte, 2),
            [byte, ..] => (byte, 1),
            [] => return None,
        };
        word.push(byte);
        text = &text[taken..];
    }
}

/// Appends the text up to the closing single quote to `word`, and returns what follows that quote.
fn single_quoted<'a>(mut text: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, taken) = match *text {
            [b'\'', ..] => return Some(&text[1..]),
            [b'\\', b'\'', ..] => (b'\'', 2),
            [byte, ..] => (byte, 1),
            [] => return None,
        };
        word.push(byte);
        text = &text[taken..];
    }
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn check(line: &str, expected: Option<&[&str]>) {
        let expected = expected
            .map(|words| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>());
        assert_eq!(split(line.as_bytes()), expected, "{line}");
    }

    #[test]
    fn splits_as_redis_does() {
        check("", Some(&[]));
        check(" \t a  b ", Some(&["a", "b"]));
        check(r#"save """#, Some(&["save", ""]));
        check(r#"a "b c" 'd e'"#, Some(&["a", "b c", "d e"]));
        check(r#""\x41\n\q\\\"""#, Some(&["A\nq\\\""]));
        check(r#"'it\'s \n'"#, Some(&["it's \\n"]));
        check(r#"pre"fix""#, Some(&["prefix"]));
        check(r#""a"b"#, None);
        check(r#""a"#, None);
        check("'a", None);
        check("\"a\\", None);
        check("a \x0b b\x0bc", Some(&["a", "b\x0bc"]));
    }

    proptest! {
        #[test]
        fn split_undoes_quote(words in vec(vec(any::<u8>(), 0..20), 0..5)) {
            let line = words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(&b' ');
            prop_assert!(line.iter().all(|byte| (b' '..=b'~').contains(byte)));
            prop_assert_eq!(split(&line), Some(words));
        }

        #[test]
        fn split_never_panics(line in vec(any::<u8>(), 0..60)) {
            let _ = split(&line);
        }
    }
}
