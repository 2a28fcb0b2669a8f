//! A connection leaves for the core that owns nearly all keys it uses, and arrives there.
//!
//! A session asks to leave when its input is used up and every command is answered. The driver
//! stops receiving and hands over the socket; what has arrived meanwhile and what the kernel did
//! not take goes along ([`Handover`]). The new core takes it up where it was left.
//!
//! Invariant: from the moment a session gives its connection away it touches nothing of it. Absent:
//! any reason to move but the keys.

use std::rc::Rc;

use super::Session;
use crate::base::probe::{Mutation, mutated};
use crate::base::seams::Chunk;
use crate::limits;
use crate::resp::parse::{Limits, Parser};
use crate::session::client::Client;
use crate::session::core::{Core, add};
use crate::session::link::{Departure, Link};
use crate::session::traffic::Traffic;
use crate::shard::handover::{Connection, Handover};
use crate::shard::message::CoreId;

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
    /// on its core beyond what a [`Handover`] carries (its fieldsets, a subscription, an open
    /// transaction, a blocked command) has to be asked here.
    fn may_leave(&self) -> bool {
        let client = &self.client;
        self.core.moves_connections()
            && !client.through_core_port
            && !self.closing
            && client.fieldsets.borrow().memory() == 0
            && self.link.output_bytes() <= limits::KEPT_BUFFER_MAX
    }

    fn hand_over(&mut self, to: CoreId, departure: Departure) {
        assert!(self.wave.is_none(), "no reply is owed");
        let Departure { socket, mut unsent } = departure;
        unsent.extend(self.link.output().to_vec());
        let mut connection = Connection {
            profile: self.client.profile(),
            parser: std::mem::replace(&mut self.parser, Parser::new(Limits::default())),
            carry: std::mem::take(&mut self.carry),
            external: std::mem::take(&mut self.external),
            input: self.link.take_input(),
            output: unsent,
            moves: self.traffic.moves + 1,
        };
        if mutated(Mutation::HandoverForgetsInput) {
            connection.input.clear();
        }
        if mutated(Mutation::HandoverForgetsOutput) {
            connection.output.clear();
        }
        self.core.remove_client(&self.client);
        self.core.moves.give(to);
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
        link.output().set_protocol(profile.protocol);
        link.output().raw(&output);
        link.flush();
        link.bytes_in.set(profile.bytes_in);
        link.bytes_out.set(profile.bytes_out);
        let client = Rc::new(Client::resume(core, link, profile, fd));
        core.add_client(Rc::clone(&client));
        core.moves.take(from);
        add(&core.sessions.moved, 1);
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
