//! The wire: requests in, replies out, both as the Redis serialization protocol (RESP2 and RESP3).
//!
//! Invariant: nothing here allocates per request, reads past the bytes it was given, or trusts a
//! length that a peer sent. Nothing in `resp/` knows a command, a key or a socket: it turns bytes
//! into positions of arguments, and values into bytes.

pub mod args;
pub mod error;
pub mod out;
pub mod parse;
pub mod skip;
