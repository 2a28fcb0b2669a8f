//! What the server says about itself: INFO and the log.

pub mod log;
