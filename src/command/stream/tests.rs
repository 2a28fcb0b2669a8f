//! The family as clients see it.
