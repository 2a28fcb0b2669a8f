//! A connection, its client, and the commands on the server rather than on the keyspace.
//!
//! Invariant: a session lives on one core and touches only that core's state; nothing here uses a
//! socket or a ring (the descriptor of a connection that moves only passes through). No borrow of a
//! cell is held across an await.

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
pub mod moves;
mod output;
mod redirect;
mod refusal;
pub mod table;
mod traffic;
mod wave;
