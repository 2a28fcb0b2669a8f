//! How a request can be no request.

/// Ways in which a request can violate the protocol; [`ProtocolError::message`] gives Redis's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// An inline command without a line end within the limit.
    TooBigInlineRequest,
    /// An inline command with a quote left open, or closed in the middle of a word.
    UnbalancedQuotes,
    /// A `*` line without a line end within the limit.
    TooBigMultibulkCount,
    /// A `*` line that holds no integer, or one above the limit.
    InvalidMultibulkLength,
    /// More than ten arguments before authentication.
    UnauthenticatedMultibulkLength,
    /// A `$` line without a line end within the limit.
    TooBigBulkCount,
    /// An argument that starts with this byte instead of `$`.
    ExpectedDollar(u8),
    /// A `$` line that holds no integer, a negative one, or one above the limit.
    InvalidBulkLength,
    /// An argument above 16384 bytes before authentication.
    UnauthenticatedBulkLength,
    /// A command longer than [`INPUT_MAX`](super::INPUT_MAX). Redis has no such error: its query
    /// buffer limit closes the connection first.
    TooBigRequest,
}

impl ProtocolError {
    /// The text that Redis sends after `-ERR `. Not always UTF-8, as it may quote the client.
    pub fn message(self) -> Vec<u8> {
        let detail = match self {
            ProtocolError::TooBigInlineRequest => "too big inline request",
            ProtocolError::UnbalancedQuotes => "unbalanced quotes in request",
            ProtocolError::TooBigMultibulkCount => "too big mbulk count string",
            ProtocolError::InvalidMultibulkLength => "invalid multibulk length",
            ProtocolError::UnauthenticatedMultibulkLength => "unauthenticated multibulk length",
            ProtocolError::TooBigBulkCount => "too big bulk count string",
            ProtocolError::InvalidBulkLength => "invalid bulk length",
            ProtocolError::UnauthenticatedBulkLength => "unauthenticated bulk length",
            ProtocolError::TooBigRequest => "too big request",
            ProtocolError::ExpectedDollar(got) => {
                // An error reply is one line.
                let got = if got == b'\r' || got == b'\n' { b' ' } else { got };
                return [b"Protocol error: expected '$', got '", &[got][..], b"'"].concat();
            }
        };
        [b"Protocol error: ", detail.as_bytes()].concat()
    }
}
