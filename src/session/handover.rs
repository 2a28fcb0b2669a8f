//! Moving a connection to the core that owns nearly all keys it uses.
//!
//! A session asks to leave when its input is used up and every command is answered. The driver
//! stops receiving and hands over the socket; what has arrived meanwhile and what the kernel did
//! not take goes along ([`Handover`]). The new core takes it up where it was left.
//!
//! Invariant: a client is in the list of at most one core. While it is in none, a kill or a list
//! that misses it is known to have done so ([`Crossings::nobody_between`]) and is asked again.
//! Absent: any reason to move but the keys.

use std::cell::RefCell;
use std::rc::Rc;

use super::client::Client;
use super::connection::Session;
use super::core::Core;
use super::link::{Departure, Link};
use super::traffic::Traffic;
use crate::base::seams::Chunk;
use crate::limits;
use crate::resp::parse::{Limits, Parser};
use crate::shard::handover::{Connection, Crossings, Handover};
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

impl Session {
    /// Moves the connection if its traffic says so; true if it is gone. To be called when every
    /// command so far is answered.
    pub(super) async fn follow_traffic(&mut self) -> bool {
        let verdict = self.traffic.verdict(self.client.commands.get(), self.core.now());
        let Some(to) = verdict.filter(|_| self.may_leave()) else { return false };
        let Some(departure) = self.link.leave().await else { return false };
        if !self.link.was_killed() {
            self.hand_over(to, departure);
        }
        true
    }

    /// True unless something ties the connection to this core. Whatever keeps state for a client
    /// on its core beyond what a [`Handover`] carries (a subscription, an open transaction, a
    /// blocked command) has to be asked here.
    fn may_leave(&self) -> bool {
        let client = &self.client;
        self.core.moves_connections()
            && !client.through_core_port
            && !self.closing
            && self.link.output_bytes() <= limits::KEPT_BUFFER_MAX
    }

    fn hand_over(&mut self, to: CoreId, departure: Departure) {
        assert!(self.wave.is_none(), "no reply is owed");
        let Departure { socket, mut unsent } = departure;
        unsent.extend(self.link.output().to_vec());
        let connection = Connection {
            profile: self.client.profile(),
            parser: std::mem::replace(&mut self.parser, Parser::new(Limits::default())),
            carry: std::mem::take(&mut self.carry),
            external: std::mem::take(&mut self.external),
            input: self.link.take_input(),
            output: unsent,
            moves: self.traffic.moves + 1,
        };
        self.core.remove_client(&self.client);
        self.core.moves.crossings.borrow_mut().give(to);
        self.core.shards.hops.hand_over(to, Box::new(Handover { socket, connection }));
        self.moved = true;
    }

    /// Goes on with a connection that came from another core, on the link that its socket has got
    /// here. Nothing may have been received there yet.
    pub fn resume(
        core: &Rc<Core>,
        link: Rc<Link>,
        fd: i32,
        from: CoreId,
        connection: Connection,
    ) -> Session {
        let Connection { profile, parser, carry, external, input, output, moves } = connection;
        if !input.is_empty() {
            link.received(Chunk::owned(input));
        }
        link.output().raw(&output);
        link.flush();
        link.bytes_in.set(profile.bytes_in);
        link.bytes_out.set(profile.bytes_out);
        let client = Rc::new(Client::resume(core, link, profile, fd));
        core.add_client(Rc::clone(&client));
        core.moves.crossings.borrow_mut().take(from);
        let traffic = Traffic::new(client.commands.get(), moves, core.now());
        let mut session = Session::new(Rc::clone(core), client);
        session.parser = parser;
        session.carry = carry;
        session.external = external;
        session.traffic = traffic;
        session.retune();
        session
    }
}
