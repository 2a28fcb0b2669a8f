//! The connections that a core has given to others and taken from them.
//!
//! Invariant: a client is in the list of at most one core. While it is in none, a kill or a list
//! that misses it is known to have done so ([`Crossings::nobody_between`]) and is asked again.

use std::cell::RefCell;

use crate::shard::handover::{Crossings, Handover};
use crate::shard::message::CoreId;

/// The connections that a core has given and taken.
pub struct Moves {
    crossings: RefCell<Crossings>,
    /// They have come and are not served yet.
    arrivals: RefCell<Vec<(CoreId, Box<Handover>)>>,
}

impl Moves {
    /// None yet, among `cores` cores.
    pub fn new(cores: usize) -> Moves {
        let crossings = RefCell::new(Crossings::none(cores));
        Moves { crossings, arrivals: RefCell::default() }
    }

    /// Counts a connection that leaves for `to`.
    pub(super) fn give(&self, to: CoreId) {
        self.crossings.borrow_mut().give(to);
    }

    /// Counts a connection that is served here now.
    pub(super) fn take(&self, from: CoreId) {
        self.crossings.borrow_mut().take(from);
    }

    /// What has crossed so far.
    pub fn crossings(&self) -> Crossings {
        self.crossings.borrow().clone()
    }

    /// Connections taken from other cores since the start, and given to them.
    pub fn taken_and_given(&self) -> (u64, u64) {
        let crossings = self.crossings.borrow();
        (crossings.taken.iter().sum(), crossings.given.iter().sum())
    }

    /// Keeps what has come until the driver serves it.
    pub(super) fn arrived(&self, from: CoreId, connection: Box<Handover>) {
        self.arrivals.borrow_mut().push((from, connection));
    }

    /// The connection that came last and is not served yet.
    pub fn next_arrival(&self) -> Option<(CoreId, Box<Handover>)> {
        self.arrivals.borrow_mut().pop()
    }
}
