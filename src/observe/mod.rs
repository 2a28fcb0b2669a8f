//! What the server says about itself: INFO and the log.

pub mod info;
pub mod log;
pub mod memory;
pub mod process;
pub mod rates;
