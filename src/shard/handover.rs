//! A connection on its way from one core to another: all of it, as one message.
//!
//! Between two cores a client is served by neither, so a question about all clients may miss it.
//! [`Crossings`] tell whether one did.
//!
//! Invariant: whoever drops a handover closes the connection. What the kernel received for it and
//! what it has not taken yet travel along, so no byte is lost, doubled or overtaken.

use std::os::fd::OwnedFd;

use bytes::Bytes;

use super::message::CoreId;
use crate::base::time::Millis;
use crate::resp::out::Protocol;
use crate::resp::parse::Parser;

/// A connection between two cores.
pub struct Handover {
    pub socket: OwnedFd,
    pub connection: Connection,
}

/// Where a connection was left and is to be taken up.
pub struct Connection {
    pub profile: Profile,
    pub parser: Parser,
    /// The beginning of a command whose rest has not arrived.
    pub carry: Vec<u8>,
    /// Large arguments of that command.
    pub external: Vec<Bytes>,
    /// Received behind `carry` and not looked at.
    pub input: Vec<u8>,
    /// Replies that the kernel has not taken.
    pub output: Vec<u8>,
    /// How often the connection has moved, this time included.
    pub moves: u32,
}

/// What a client is and has chosen, wherever it is served.
#[derive(Debug, Clone)]
pub struct Profile {
    pub id: u64,
    pub address: String,
    pub local_address: String,
    pub unix: bool,
    /// Unix milliseconds, as all times here.
    pub created: Millis,
    pub last_active: Millis,
    pub name: Vec<u8>,
    pub lib_name: Vec<u8>,
    pub lib_version: Vec<u8>,
    pub database: u16,
    pub protocol: Protocol,
    pub authenticated: bool,
    pub no_evict: bool,
    pub no_touch: bool,
    pub reply: ReplyMode,
    pub last_command: &'static str,
    /// Total commands processed.
    pub commands: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// CLIENT REPLY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyMode {
    On,
    Off,
    /// The next command stays unanswered, then replies are on again.
    SkipNext,
    /// The command that is running stays unanswered, then replies are on again.
    Skip,
}

/// How many connections a core has given to each core, and taken from each, since it started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Crossings {
    pub given: Vec<u64>,
    pub taken: Vec<u64>,
}

impl Crossings {
    /// None so far, among `cores` cores.
    pub fn none(cores: usize) -> Crossings {
        Crossings { given: vec![0; cores], taken: vec![0; cores] }
    }

    /// Counts a connection that leaves for `to`.
    pub fn give(&mut self, to: CoreId) {
        self.given[to.index()] += 1;
    }

    /// Counts a connection that came from `from`.
    pub fn take(&mut self, from: CoreId) {
        self.taken[from.index()] += 1;
    }

    /// True if no connection escaped a question that every core has answered, each with its
    /// crossings at that moment (in the order of cores).
    ///
    /// Messages between two cores keep their order. So of the connections that went from one core
    /// to another, exactly those beyond the number taken were asked for at neither; and where more
    /// were taken than given, exactly that many were met twice.
    pub fn nobody_between(answers: &[Crossings]) -> bool {
        answers.iter().enumerate().all(|(from, giver)| {
            let mut cores = answers.iter().enumerate();
            cores.all(|(to, taker)| giver.given[to] <= taker.taken[from])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What may happen to one connection, and the two cores' answers.
    #[derive(Debug, Clone, Copy)]
    enum Event {
        Give,
        Take,
        Answer(usize),
    }

    proptest! {
        /// Connections go from core 0 to core 1 in order; each core answers once, at any moment.
        #[test]
        fn whoever_is_missed_is_known_to_be(
            events in prop::collection::vec(prop_oneof![
                Just(Event::Give), Just(Event::Take), Just(Event::Answer(0)),
                Just(Event::Answer(1)),
            ], 0..24),
        ) {
            let mut cores = [Crossings::none(2), Crossings::none(2)];
            // The connections served by core 0, under way, and served by core 1.
            let mut places: [Vec<usize>; 3] = [(0..24).collect(), Vec::new(), Vec::new()];
            let mut answers: [Option<(Crossings, Vec<usize>)>; 2] = [None, None];
            let end = [Event::Answer(0), Event::Answer(1)];
            for event in events.into_iter().chain(end) {
                match event {
                    Event::Give => {
                        let first = places[0].remove(0);
                        places[1].push(first);
                        cores[0].give(CoreId(1));
                    }
                    Event::Take if !places[1].is_empty() => {
                        let first = places[1].remove(0);
                        places[2].push(first);
                        cores[1].take(CoreId(0));
                    }
                    Event::Take => {}
                    Event::Answer(core) => {
                        let answer = (cores[core].clone(), places[2 * core].clone());
                        answers[core].get_or_insert(answer);
                    }
                }
            }
            let (crossings, seen): (Vec<_>, Vec<_>) = answers.into_iter().flatten().unzip();
            let whole = (0..24).all(|connection| seen.concat().contains(&connection));
            prop_assert_eq!(Crossings::nobody_between(&crossings), whole);
        }
    }
}
