//! What is not in the keyspace and may still be too large to be dropped in one go: what one shard
//! has collected for another, what a long command keeps from portion to portion.
//!
//! Invariant: whoever holds such a thing gives it to [`Db::bury`](super::db::Db::bury) where it may
//! be large, also when the work ends early.

use std::any::Any;

/// Something of which commands alone know what it is.
pub trait Bulky: Any + Send + Sync {
    /// Drops up to `budget` elements, which leaves it good for nothing but further such calls and
    /// being dropped. True when what is left can be dropped at once.
    fn free_some(&mut self, budget: usize) -> bool {
        let _ = budget;
        true
    }
}

impl dyn Bulky {
    /// The thing, if it is of this type.
    pub fn downcast_ref<T: Any>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }

    /// The thing itself, if it is of this type.
    pub fn downcast<T: Any>(self: Box<Self>) -> Option<Box<T>> {
        (self as Box<dyn Any>).downcast().ok()
    }
}

impl<T: Send + Sync + 'static> Bulky for Vec<T> {
    fn free_some(&mut self, budget: usize) -> bool {
        self.truncate(self.len().saturating_sub(budget));
        self.is_empty()
    }
}
