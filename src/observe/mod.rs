//! See lib.rs.
pub mod config;
