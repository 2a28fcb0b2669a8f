//! Time as the server counts it.

/// Milliseconds since the Unix epoch, or a duration in milliseconds.
pub type Millis = i64;
