//! What every layer may use: hashing, numbers, patterns, time and randomness as Redis defines them.
//!
//! Invariant: everything here is a pure function or a plain value. Nothing in `base/` knows a
//! command, a key's value, a client, a core or a file, reads a clock, or fails otherwise than by
//! returning `None` or an error value.

pub mod alloc;
pub mod bytes;
pub mod extended;
pub mod glob;
pub mod hash;
pub mod layout;
pub mod num;
pub mod prng;
pub mod probe;
pub mod seams;
pub mod time;
pub mod timers;
