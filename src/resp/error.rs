//! Every error a command can answer, and its exact text.
//!
//! Invariant: no handler writes an error line by hand; it returns a [`CmdError`], so the part of a
//! reply written before the failure can be taken back and error statistics stay complete.

use std::borrow::Cow;

/// Why a command was refused. The first word of [`CmdError::text`] is the error code that clients
/// match on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CmdError {
    /// An option is unknown, doubled or out of place.
    Syntax,
    /// The key holds a value of another type.
    WrongType,
    /// An argument is not a 64-bit integer.
    NotInteger,
    /// An argument is not a finite floating point number.
    NotFloat,
    /// A numeric argument or result leaves its range.
    OutOfRange,
    /// The key must exist and does not.
    NoSuchKey,
    /// INCR and friends would leave the signed 64-bit range.
    IncrementOverflow,
    /// A string would grow over `proto-max-bulk-len`.
    StringTooLong,
    /// A database index is outside `databases`.
    DatabaseOutOfRange,
    /// Memory is above `maxmemory` and nothing may be evicted.
    OutOfMemory,
    /// The number of arguments does not fit; holds the lower-case full name (`config|get`).
    WrongArity(Cow<'static, str>),
    /// The expiry argument of the named command (lower case) is zero, negative or overflows.
    InvalidExpire(&'static str),
    /// A whole error line with its code, for texts that belong to one command only.
    Text(&'static str),
    /// The same, composed at run time, perhaps with words of the client, which need not be text.
    /// Carriage returns and line feeds are printed as spaces.
    Owned(Box<[u8]>),
}

/// What a handler returns: its reply is already in the `Out` it was given.
pub type CmdResult = Result<(), CmdError>;

impl CmdError {
    /// Composes an error at run time; `text` starts with the code.
    pub fn owned(text: impl Into<Vec<u8>>) -> CmdError {
        CmdError::Owned(text.into().into_boxed_slice())
    }

    /// The line without the leading `-` and the line end, as bytes for the client.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            CmdError::Owned(bytes) => Cow::Borrowed(bytes),
            other => match other.text() {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            },
        }
    }

    /// The line without the leading `-` and the line end, for logs; what is not text is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            CmdError::Syntax => "ERR syntax error",
            CmdError::WrongType => {
                "WRONGTYPE Operation against a key holding the wrong kind of value"
            }
            CmdError::NotInteger => "ERR value is not an integer or out of range",
            CmdError::NotFloat => "ERR value is not a valid float",
            CmdError::OutOfRange => "ERR value is out of range",
            CmdError::NoSuchKey => "ERR no such key",
            CmdError::IncrementOverflow => "ERR increment or decrement would overflow",
            CmdError::StringTooLong => {
                "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
            }
            CmdError::DatabaseOutOfRange => "ERR DB index is out of range",
            CmdError::OutOfMemory => "OOM command not allowed when used memory > 'maxmemory'.",
            CmdError::WrongArity(name) => {
                return format!("ERR wrong number of arguments for '{name}' command").into();
            }
            CmdError::InvalidExpire(name) => {
                return format!("ERR invalid expire time in '{name}' command").into();
            }
            CmdError::Text(text) => text,
            CmdError::Owned(bytes) => return String::from_utf8_lossy(bytes),
        })
    }

    /// The code: the first word of the text (`ERR`, `WRONGTYPE`, `OOM`).
    pub fn code(&self) -> Cow<'_, str> {
        let end = |text: &str| text.find(' ').unwrap_or(text.len());
        match self.text() {
            Cow::Borrowed(text) => Cow::Borrowed(&text[..end(text)]),
            Cow::Owned(text) => Cow::Owned(text[..end(&text)].to_owned()),
        }
    }
}

/// A word of the client as Redis prints it in an error: up to its first zero byte, and at most
/// `len_max` bytes.
pub fn shown(word: &[u8], len_max: usize) -> &[u8] {
    let word = &word[..word.len().min(len_max)];
    &word[..word.iter().position(|byte| *byte == 0).unwrap_or(word.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_the_first_word() {
        assert_eq!(CmdError::WrongType.code(), "WRONGTYPE");
        assert_eq!(CmdError::WrongArity("get".into()).code(), "ERR");
        assert_eq!(CmdError::owned("NOAUTH Authentication required.").code(), "NOAUTH");
        assert!(size_of::<CmdError>() <= 32);
    }

    #[test]
    fn words_of_the_client_are_quoted_as_they_are() {
        assert_eq!(shown(b"a\xff\0b", 9), b"a\xff");
        assert_eq!(shown(b"abc", 2), b"ab");
        let error = CmdError::owned(*b"ERR \xff");
        assert_eq!((&*error.bytes(), &*error.text()), (&b"ERR \xff"[..], "ERR \u{fffd}"));
    }
}
