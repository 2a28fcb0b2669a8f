//! Streams against a plain list of entries.
