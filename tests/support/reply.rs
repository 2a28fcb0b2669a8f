//! A reply as a value, and its parser for both versions of the protocol.
//!
//! Invariant: [`Reply::parse`] takes exactly one reply from the front of its input, or nothing; it
//! is written for clarity and shares no code with the server. Source: the RESP3 specification.

use super::printer;

/// One reply of a server.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Status(String),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    Verbatim {
        format: String,
        text: Vec<u8>,
    },
    Nil,
    Boolean(bool),
    /// The digits as they were sent.
    Double(String),
    /// The digits as they were sent.
    BigNumber(String),
    Array(Vec<Reply>),
    Set(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    Push(Vec<Reply>),
}

impl Reply {
    /// The reply at the front of `input` and its length in bytes; `None` while it is incomplete.
    ///
    /// # Panics
    /// On bytes that are no reply: a broken server fails its test here.
    pub fn parse(input: &[u8]) -> Option<(Reply, usize)> {
        let (line, mut at) = line(input)?;
        let text = || String::from_utf8_lossy(&line[1..]).into_owned();
        let reply = match line[0] {
            b'+' => Reply::Status(text()),
            b'-' => Reply::Error(text()),
            b':' => Reply::Integer(text().parse().expect("an integer reply")),
            b',' => Reply::Double(text()),
            b'(' => Reply::BigNumber(text()),
            b'#' => Reply::Boolean(&line[1..] == b"t"),
            b'_' => Reply::Nil,
            b'$' | b'=' | b'!' => {
                let Ok(length) = usize::try_from(length(line)) else {
                    return Some((Reply::Nil, at));
                };
                let bytes = input.get(at..at + length)?.to_vec();
                let end = input.get(at + length..at + length + 2)?;
                assert_eq!(end, b"\r\n", "a bulk reply ends its line");
                at += length + 2;
                bulk(line[0], bytes)
            }
            b'*' | b'~' | b'>' | b'%' => {
                let Ok(count) = usize::try_from(length(line)) else {
                    return Some((Reply::Nil, at));
                };
                let children = if line[0] == b'%' { count * 2 } else { count };
                let mut items = Vec::new();
                for _ in 0..children {
                    let (item, used) = Reply::parse(&input[at..])?;
                    items.push(item);
                    at += used;
                }
                aggregate(line[0], items)
            }
            other => panic!("unknown reply type {:?} in {:?}", char::from(other), text()),
        };
        Some((reply, at))
    }

    /// The reply with the elements of every array, set and map in a fixed order.
    pub fn sorted(self) -> Reply {
        let sort = |items: Vec<Reply>| {
            let mut items: Vec<Reply> = items.into_iter().map(Reply::sorted).collect();
            items.sort_by_cached_key(printer::print);
            items
        };
        match self {
            Reply::Array(items) => Reply::Array(sort(items)),
            Reply::Set(items) => Reply::Set(sort(items)),
            Reply::Map(pairs) => {
                let mut pairs: Vec<_> =
                    pairs.into_iter().map(|(key, value)| (key, value.sorted())).collect();
                pairs.sort_by_cached_key(|(key, _)| printer::print(key));
                Reply::Map(pairs)
            }
            other => other,
        }
    }

    /// The elements of an array or a set, nothing for any other reply.
    pub fn items(&self) -> &[Reply] {
        match self {
            Reply::Array(items) | Reply::Set(items) | Reply::Push(items) => items,
            _ => &[],
        }
    }

    /// The bytes of a string reply of whatever kind.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Reply::Bulk(bytes) | Reply::Verbatim { text: bytes, .. } => Some(bytes),
            Reply::Status(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// The bytes of a string reply as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes().unwrap_or_default()).into_owned()
    }

    /// Whether this is an error whose text begins so.
    pub fn is_error(&self, prefix: &str) -> bool {
        matches!(self, Reply::Error(text) if text.starts_with(prefix))
    }
}

fn bulk(kind: u8, bytes: Vec<u8>) -> Reply {
    match kind {
        b'!' => Reply::Error(String::from_utf8_lossy(&bytes).into_owned()),
        b'=' => {
            let format = String::from_utf8_lossy(&bytes[..3]).into_owned();
            Reply::Verbatim { format, text: bytes[4..].to_vec() }
        }
        _ => Reply::Bulk(bytes),
    }
}

fn aggregate(kind: u8, items: Vec<Reply>) -> Reply {
    match kind {
        b'~' => Reply::Set(items),
        b'>' => Reply::Push(items),
        b'%' => {
            let mut items = items.into_iter();
            let mut pairs = Vec::new();
            while let (Some(key), Some(value)) = (items.next(), items.next()) {
                pairs.push((key, value));
            }
            Reply::Map(pairs)
        }
        _ => Reply::Array(items),
    }
}

fn length(line: &[u8]) -> i64 {
    let text = std::str::from_utf8(&line[1..]).expect("a length in digits");
    text.parse().unwrap_or_else(|_| panic!("a length in digits, not {text:?}"))
}

/// The first line without its end, and where the next one begins.
fn line(input: &[u8]) -> Option<(&[u8], usize)> {
    let end = input.windows(2).position(|two| two == b"\r\n")?;
    assert!(end > 0, "a reply has a type");
    Some((&input[..end], end + 2))
}
