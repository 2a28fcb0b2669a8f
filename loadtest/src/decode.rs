//! Replies as values, for what is not hot: handshakes, the cluster's layout and `--check`.
//!
//! Invariant: [`decode`] takes exactly the bytes that [`crate::reply::ReplyReader`] found to be one
//! reply. Absent: a limit on nesting beyond [`DEPTH_MAX`], which no command's reply comes near.

use std::fmt;

/// Deeper nesting than this is refused, so that a hostile server cannot exhaust the stack.
const DEPTH_MAX: usize = 32;

/// A RESP value. Types that differ only in RESP3's spelling are one variant.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    Null,
    /// Simple strings, and the numbers that are not integers, as text.
    Text(String),
    Integer(i64),
    Bytes(Vec<u8>),
    Error(String),
    /// Arrays and sets; maps as keys and values in turn.
    Array(Vec<Value>),
}

impl Value {
    /// Returns the text of a string of either kind, if it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => write!(f, "null"),
            Value::Text(text) => write!(f, "{text}"),
            Value::Integer(number) => write!(f, "{number}"),
            Value::Error(text) => write!(f, "the error {text}"),
            Value::Array(items) => f.debug_list().entries(items).finish(),
            Value::Bytes(bytes) if bytes.len() > 40 => {
                let start = String::from_utf8_lossy(&bytes[..40]);
                write!(f, "{start:?}... ({} bytes)", bytes.len())
            }
            Value::Bytes(bytes) => write!(f, "{:?}", String::from_utf8_lossy(bytes)),
        }
    }
}

/// Returns the value that `reply` is; `None` if it is not exactly one.
pub fn decode(reply: &[u8]) -> Option<Value> {
    let mut rest = reply;
    let value = decode_value(&mut rest, 0)?;
    rest.is_empty().then_some(value)
}

fn decode_value(rest: &mut &[u8], depth: usize) -> Option<Value> {
    let line_end = memchr::memchr(b'\r', rest)?;
    let (&kind, digits) = rest[..line_end].split_first()?;
    let text = std::str::from_utf8(digits).ok()?;
    *rest = rest.get(line_end + 2..)?;
    if depth > DEPTH_MAX {
        return None;
    }
    Some(match kind {
        b'+' | b',' | b'(' | b'#' => Value::Text(text.to_string()),
        b'-' => Value::Error(text.to_string()),
        b':' => Value::Integer(text.parse().ok()?),
        b'_' => Value::Null,
        b'$' | b'=' | b'!' => {
            let Ok(len) = text.parse::<usize>() else { return Some(Value::Null) };
            let body = rest.get(..len)?.to_vec();
            *rest = rest.get(len + 2..)?;
            Value::Bytes(body)
        }
        b'*' | b'~' | b'>' => decode_items(rest, text, 1, depth)?,
        b'%' => decode_items(rest, text, 2, depth)?,
        b'|' => {
            decode_items(rest, text, 2, depth)?;
            decode_value(rest, depth + 1)?
        }
        _ => return None,
    })
}

fn decode_items(rest: &mut &[u8], text: &str, each: usize, depth: usize) -> Option<Value> {
    let Ok(count) = text.parse::<usize>() else { return Some(Value::Null) };
    let values = count.checked_mul(each)?;
    let items: Option<Vec<Value>> = (0..values).map(|_| decode_value(rest, depth + 1)).collect();
    Some(Value::Array(items?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_both_protocols() {
        let array = |items: &[Value]| Value::Array(items.to_vec());
        let bytes = |text: &str| Value::Bytes(text.as_bytes().to_vec());
        assert_eq!(decode(b"$-1\r\n"), Some(Value::Null));
        assert_eq!(decode(b"_\r\n"), Some(Value::Null));
        assert_eq!(decode(b"$4\r\na\r\nb\r\n"), Some(bytes("a\r\nb")));
        assert_eq!(
            decode(b"*2\r\n:-5\r\n%1\r\n+a\r\n$1\r\nb\r\n"),
            Some(array(&[Value::Integer(-5), array(&[Value::Text("a".to_string()), bytes("b")])]))
        );
        assert_eq!(decode(b"|1\r\n+a\r\n+b\r\n:1\r\n"), Some(Value::Integer(1)));
        assert_eq!(decode(b"-ERR x\r\n"), Some(Value::Error("ERR x".to_string())));
    }

    #[test]
    fn anything_but_one_whole_value_is_none() {
        for bad in ["", "+OK", "+OK\r\n+", "$5\r\nabc\r\n", "*2\r\n:1\r\n", "?\r\n", ":x\r\n"] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(decode("*1\r\n".repeat(1000).as_bytes()), None);
    }
}
