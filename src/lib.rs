//! Shoal: a Redis-compatible in-memory server, one executor per core.
pub mod base;
pub mod command;
pub mod coordinate;
pub mod ds;
pub mod observe;
pub mod resp;
pub mod runtime;
pub mod session;
pub mod shard;
pub mod store;
