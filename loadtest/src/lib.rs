//! Loads a server that speaks Redis's protocol, measures latency and throughput, and can check
//! every reply; compares servers; and measures how long one command keeps others waiting, and how
//! long a push takes to reach who waits for it. Four programs: `loadtest`, `compare`, `stall` and
//! `handover`.
//!
//! In reading order, for `loadtest`: `options` (what was asked), `run` (a whole run), `worker` (a
//! thread's event loop), `workload` (makes requests, from `mix`, `keys`, `sizes` and `encode`),
//! `connection` and `reply` (takes answers), `measure` (counts), `report` (shows). Beside them
//! `pace` (when requests of an open loop are due), `model` (what replies must be), `cluster` (who
//! owns which slot), `connect` and `decode` (greetings).
//!
//! `compare` is the module of that name. It starts load generators as processes, so that every
//! figure comes from a command that anybody can repeat. `stall` and `handover`, too, are modules of
//! those names.

mod client;
pub mod cluster;
pub mod compare;
pub mod connect;
pub mod connection;
pub mod decode;
pub mod encode;
pub mod failure;
pub mod handover;
pub mod keys;
pub mod measure;
pub mod mix;
pub mod model;
pub mod options;
pub mod pace;
pub mod reply;
pub mod report;
pub mod run;
pub mod sizes;
pub mod stall;
pub mod worker;
pub mod workload;
