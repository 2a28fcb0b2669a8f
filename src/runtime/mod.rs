//! Cores, rings, sockets and queues: the only layer that names glommio and io-uring.
//!
//! Invariant: everything the layers above see of the outside world is plain data or a trait of
//! `base::seams`; replacing this module by a simulator changes nothing above it.

mod accept;
pub mod clock;
mod connect;
mod cores;
mod disk;
mod gather;
pub mod listen;
pub mod mesh;
mod net;
pub mod preflight;
mod ring;
pub mod start;
#[cfg(test)]
mod tests;
pub mod text;
