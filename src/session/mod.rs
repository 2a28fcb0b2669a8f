//! A connection, its client, and the commands on the server rather than on the keyspace.
//!
//! Invariant: a session lives on one core and touches only that core's state; nothing here names a
//! socket or a ring. No borrow of a cell is held across an await.

pub mod client;
pub mod connection;
pub mod core;
pub mod dial;
pub mod docs;
pub mod fieldsets;
mod gates;
pub mod guard;
pub mod host;
pub mod link;
mod output;
mod redirect;
mod refusal;
pub mod table;
mod wave;
