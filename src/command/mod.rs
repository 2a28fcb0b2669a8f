//! What each keyspace command means: rows of data and small pure functions.
//!
//! Invariant: nothing here sees a client, a socket, a file or a clock; time comes with the
//! keyspace.

pub mod bitmap;
pub mod generic;
pub mod geo;
pub mod hash;
pub mod hyperloglog;
mod item;
pub mod list;
mod paging;
pub mod patience;
pub mod portion;
pub mod set;
pub mod sorted_set;
pub mod spec;
pub mod stream;
pub mod string;
