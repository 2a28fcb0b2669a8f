//! Data structures without Redis semantics and without I/O.

pub mod dict;
pub mod listpack;
pub mod table;
