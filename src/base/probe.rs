//! Where tests look into a running server and break it on purpose; nothing in other builds.
//!
//! The simulator shows that it would notice a broken scheme by breaking it: each [`Mutation`] takes
//! out one thing that atomicity rests on. It checks histories against the order in which commands
//! took effect, which it hears from [`took_effect`].
//!
//! Invariant: outside of unit tests every function here is a constant or does nothing.

/// A deliberate fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// A shard accepts a claim that comes too late.
    NoRefusal,
    /// A grant overtakes a waiting conflicting entry.
    GrantOvertakes,
    /// A read drops its claim as soon as it ran on the shard.
    ReadDropsClaim,
    /// Single commands do not look at granted claims.
    SingleIgnoresClaims,
    /// A refused coordinator forgets to release one shard.
    RetryForgetsShard,
    /// The work is sent before every shard has granted.
    WorkBeforeGrants,
    /// Every transaction claims on all its shards at once, and if refused takes a new id each time,
    /// larger by one and no more.
    RetryStepsByOne,
    /// A refused transaction keeps its id for ever.
    RetryReusesId,
    /// Claims on the whole shard and claims on keys do not see each other.
    WholeShardIgnored,
    /// A shard grants and does not say so.
    GrantLost,
    /// The answer to a question that was given up is taken for that to a later one.
    LateAnswer,
    /// The last shard runs its part of a transaction without a look at its claims.
    ConclusionUnclaimed,
    /// The first core of a joint transaction drops its claim when it sends it on.
    FirstClaimDropped,
    /// The first core runs its part though the last has refused.
    RefusalIgnored,
    /// A joint transaction comes back while the one before it is still under way.
    ConvoyOvertakes,
    /// Joint transactions that go on to different cores hold the same keys at once.
    ConvoysMixed,
    /// A joint transaction is tried again in the same way however often it is refused.
    JointForEver,
    /// A shard does not look who waits for a key that has changed.
    ReadyKeyForgotten,
    /// A shard makes an offer and drops the claim that it rests on.
    HoldForgotten,
    /// A shard does not hear that a command waits no longer.
    CancelLost,
    /// A long command claims nothing while it is done in portions.
    JobUnclaimed,
    /// Who came last is served first.
    LineReversed,
    /// A command that comes to wait may take what somebody in line has been called for.
    LatecomerServed,
    /// What was offered to somebody who leaves is taken from the key all the same.
    OfferTaken,
    /// The next in line is answered with what somebody has just been served.
    ServedTwice,
    /// Readers see keys whose time is over.
    ExpiredServed,
    /// An iteration leaves out every other shard.
    ScanSkipsShard,
    /// A client that is said to be closed is not.
    KillForgotten,
    /// A wave's replies are written twice.
    ReplyDoubled,
    /// A connection that moves loses what it received meanwhile.
    HandoverForgetsInput,
    /// A connection that moves loses what it had not sent.
    HandoverForgetsOutput,
    /// The mesh: messages of one batch arrive in another order.
    BatchReordered,
    /// The mesh: a message does not arrive.
    MessageLost,
    /// The mesh: a sleeping core is not woken.
    WakeLost,
}

/// True if the running test wants this fault.
#[cfg(not(test))]
#[inline(always)]
pub const fn mutated(_: Mutation) -> bool {
    false
}

/// True if connections are to move as soon as a command went elsewhere.
#[cfg(not(test))]
#[inline(always)]
pub const fn restless() -> bool {
    false
}

/// True if a collection of two elements is a large one.
#[cfg(not(test))]
#[inline(always)]
pub const fn small_portions() -> bool {
    false
}

/// A command takes effect now; its words are the client's.
#[cfg(not(test))]
#[inline(always)]
pub fn took_effect<'a>(_: impl Iterator<Item = &'a [u8]>) {}

/// A transaction was refused, so many times now.
#[cfg(not(test))]
#[inline(always)]
pub fn refused(_: u32) {}

/// Does something of which [`took_effect`] is not to speak.
#[cfg(not(test))]
#[inline(always)]
pub fn unseen<T>(act: impl FnOnce() -> T) -> T {
    act()
}

/// The words of commands that take effect together, at a moment still to come.
#[cfg(not(test))]
#[derive(Debug, Default)]
pub struct Witness {}

#[cfg(not(test))]
impl Witness {
    /// One more command.
    #[inline(always)]
    pub fn note<'a>(&mut self, _: impl Iterator<Item = &'a [u8]>) {}

    /// The moment is now.
    #[inline(always)]
    pub fn took_effect(&self) {}
}

#[cfg(test)]
pub use in_tests::{
    Effect, Witness, mutated, refused, restless, set_mutation, set_restless, set_small_portions,
    small_portions, take_effects, take_refusals, took_effect, unseen,
};

#[cfg(test)]
mod in_tests {
    use std::cell::{Cell, RefCell};

    use super::Mutation;

    /// The words of a command that took effect.
    pub type Effect = Vec<Vec<u8>>;

    thread_local! {
        static MUTATION: Cell<Option<Mutation>> = const { Cell::new(None) };
        static RESTLESS: Cell<bool> = const { Cell::new(false) };
        static SMALL_PORTIONS: Cell<bool> = const { Cell::new(false) };
        static REFUSALS: Cell<u32> = const { Cell::new(0) };
        static EFFECTS: RefCell<Vec<Effect>> = const { RefCell::new(Vec::new()) };
    }

    /// Breaks what runs on this thread from now on.
    pub fn set_mutation(mutation: Option<Mutation>) {
        MUTATION.set(mutation);
    }

    /// True if the running test wants this fault.
    pub fn mutated(mutation: Mutation) -> bool {
        MUTATION.get() == Some(mutation)
    }

    /// Makes connections on this thread move as soon as a command went elsewhere, or not.
    pub fn set_restless(restless: bool) {
        RESTLESS.set(restless);
    }

    /// True if connections are to move as soon as a command went elsewhere.
    pub fn restless() -> bool {
        RESTLESS.get()
    }

    /// Makes collections of more than one element large ones on this thread, or not.
    pub fn set_small_portions(small: bool) {
        SMALL_PORTIONS.set(small);
    }

    /// True if a collection of two elements is a large one.
    pub fn small_portions() -> bool {
        SMALL_PORTIONS.get()
    }

    /// A command takes effect now; its words are the client's.
    pub fn took_effect<'a>(words: impl Iterator<Item = &'a [u8]>) {
        EFFECTS.with_borrow_mut(|effects| effects.push(words.map(<[u8]>::to_vec).collect()));
    }

    /// A transaction was refused, so many times now.
    pub fn refused(times: u32) {
        REFUSALS.set(REFUSALS.get().max(times));
    }

    /// How often one transaction was refused at most, on this thread since the last call.
    pub fn take_refusals() -> u32 {
        REFUSALS.take()
    }

    /// Does something of which [`took_effect`] is not to speak.
    pub fn unseen<T>(act: impl FnOnce() -> T) -> T {
        let before = EFFECTS.with_borrow(Vec::len);
        let result = act();
        EFFECTS.with_borrow_mut(|effects| effects.truncate(before));
        result
    }

    /// The words of commands that take effect together, at a moment still to come.
    #[derive(Debug, Default)]
    pub struct Witness(Vec<Effect>);

    impl Witness {
        /// One more command.
        pub fn note<'a>(&mut self, words: impl Iterator<Item = &'a [u8]>) {
            self.0.push(words.map(<[u8]>::to_vec).collect());
        }

        /// The moment is now.
        pub fn took_effect(&self) {
            EFFECTS.with_borrow_mut(|effects| effects.extend_from_slice(&self.0));
        }
    }

    /// What took effect on this thread since the last call, in order.
    pub fn take_effects() -> Vec<Effect> {
        EFFECTS.take()
    }
}
