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
    /// The same, composed at run time. Carriage returns and line feeds are printed as spaces.
    Owned(Box<[u8]>),
}

/// What a handler returns: its reply is already in the `Out` it was given.
pub type CmdResult = Result<(), CmdError>;

impl CmdError {
    /// Composes an error at run time; `text` starts with the code.
    pub fn owned(text: impl AsRef<[u8]>) -> CmdError {
        CmdError::Owned(text.as_ref().into())
    }

    /// The line without the leading `-` and the line end. Not always UTF-8: it may quote the
    /// client.
    pub fn text(&self) -> Cow<'_, [u8]> {
        let fixed = match self {
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
                let text = format!("ERR wrong number of arguments for '{name}' command");
                return text.into_bytes().into();
            }
            CmdError::InvalidExpire(name) => {
                let text = format!("ERR invalid expire time in '{name}' command");
                return text.into_bytes().into();
            }
            CmdError::Text(text) => text,
            CmdError::Owned(text) => return Cow::Borrowed(text),
        };
        Cow::Borrowed(fixed.as_bytes())
    }

    /// The code: the first word of the text (`ERR`, `WRONGTYPE`, `OOM`).
    pub fn code(&self) -> String {
        let text = self.text();
        let word = text.split(|byte| *byte == b' ').next().unwrap_or_default();
        String::from_utf8_lossy(word).into_owned()
    }
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
}
