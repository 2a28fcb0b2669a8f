//! Shoal: a Redis-compatible in-memory server for Linux, one executor per core.
//!
//! Read the layers from the bottom up; each knows only those above it in this list:
//!
//! - [`base`]: bytes, numbers, hashes, time, and the seams to the outside world. Depends on
//!   nothing.
//! - [`config`]: every parameter, declared once. [`resp`]: the protocol, both ways. [`ds`]: data
//!   structures without Redis semantics and without I/O.
//! - [`store`]: one shard's keyspace. Knows no command, no client, no file.
//! - [`command`]: what each keyspace command means, as data and small pure functions.
//! - [`shard`]: the one place where a command meets a keyspace. Nothing in it suspends.
//! - [`coordinate`]: commands over several cores. [`observe`]: what the server says about itself.
//! - [`session`]: a connection and its commands on the server.
//! - [`runtime`]: cores, ring, sockets, mesh: the only layer that names glommio and io-uring.
//! - [`server`]: composes all of them.

pub mod base;
pub mod command;
pub mod config;
pub mod coordinate;
pub mod ds;
pub mod limits;
pub mod observe;
pub mod resp;
pub mod runtime;
pub mod server;
pub mod session;
pub mod shard;
pub mod store;
#[cfg(test)]
pub mod testing;
