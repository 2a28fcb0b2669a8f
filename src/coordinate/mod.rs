//! Commands that concern several cores, seen from the core that serves the client.
//!
//! Invariant: a coordinator never touches another core's keyspace; it asks, and folds the answers.

pub mod atomic;
pub mod block;
pub mod fold;
pub mod gather;
pub mod hop;
pub mod route;
pub mod scan;
pub mod shards;
mod sliced;
mod sort;
pub mod transaction;
pub mod two_phase;
