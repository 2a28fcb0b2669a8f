//! Data structures without Redis semantics and without I/O.

pub mod dict;
pub mod intset;
pub mod member;
pub mod table;
