//! Shoal: a Redis-compatible in-memory server, one executor per core.
pub mod base;
pub mod resp;
pub mod ds;
pub mod store;
pub mod command;
pub mod shard;
pub mod coordinate;
pub mod observe;
pub mod session;
pub mod runtime;
