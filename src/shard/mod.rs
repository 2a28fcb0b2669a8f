//! One core's slice of the keyspace: what may be asked of it, and the one place where it is done.
//!
//! Invariant: nothing in this layer awaits; a request runs to its end before the next is taken.

pub mod digest;
pub mod execute;
pub mod handover;
pub mod locks;
pub mod message;
pub mod stats;
