//! What every integration test shares: server processes, a client, replies and their printed form.
//!
//! Invariant: everything listens on the loopback interface, on ports that the system found free,
//! and no server outlives the guard that started it.
//! Absent on purpose: any knowledge of Shoal's insides. The tests see a process and its sockets.
//!
//! Two environment variables choose the programs: `SHOAL_SERVER`, the server under test (the binary
//! just built), and `REFERENCE_SERVER`, the one to agree with (`redis-server`).

#![allow(dead_code, reason = "each test program uses its own part of this module")]

pub mod client;
pub mod printer;
pub mod random;
pub mod reply;
pub mod server;
pub mod words;
