//! Data structures without Redis semantics and without I/O.

pub mod bits;
pub mod btree;
pub mod chunked;
pub mod dict;
pub mod field;
pub mod geohash;
pub mod hyperloglog;
pub mod intset;
pub mod listpack;
pub mod member;
pub mod pairs;
pub mod quicklist;
pub mod ranked;
pub mod table;
