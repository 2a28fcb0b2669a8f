//! What a core does with its clients on behalf of others: describe, close and unblock them.
//!
//! Invariant: a client is closed and unblocked through its link and its own task; nothing here
//! waits for that.

use std::rc::Rc;

use super::Core;
use crate::base::probe::{Mutation, mutated};
use crate::base::time::Millis;
use crate::session::client::Client;
use crate::session::link::Link;
use crate::session::output;
use crate::shard::message::{Asker, ClientFilter, ClientLine, Response, Unblock};

impl Core {
    /// Ends the wait of a client of this core; it answers whether that was in time.
    pub(in crate::session) fn unblock(&self, asker: Asker, id: u64, how: Unblock) {
        let clients = self.clients.borrow();
        if let Some(client) = clients.get(&id)
            && let Some(waiting) = &mut *client.waiting.borrow_mut()
            && waiting.unblock.is_none()
        {
            waiting.unblock = Some((how, asker));
            client.link.nudge();
            self.yielded.set(true);
        } else {
            let answer = Response::Unblocked(false);
            self.shards.hops.answer(asker.core, asker.ticket, answer);
        }
    }

    pub(super) fn client_lines(&self, filter: &ClientFilter) -> Vec<ClientLine> {
        let clients = self.clients.borrow();
        let matching = clients.values().filter(|client| client.matches(filter, self.now()));
        matching.map(|client| client.line(self.now())).collect()
    }

    /// Closes the matching clients; returns how many. One that is being closed is not counted
    /// again.
    pub(super) fn kill(&self, filter: &ClientFilter) -> u64 {
        let clients = self.clients.borrow();
        let mut count = 0;
        for client in clients.values().filter(|client| client.matches(filter, self.now())) {
            if !client.link.was_killed() {
                if !mutated(Mutation::KillForgotten) {
                    client.link.kill();
                }
                count += 1;
            }
        }
        count
    }

    /// Closes clients that were idle for longer than `timeout`, and those over their soft output
    /// limit for too long.
    pub fn check_clients(&self) {
        let config = self.config();
        let idle_max = Millis::from(config.timeout) * 1000;
        let now = self.now();
        let late = |client: &&Rc<Client>| {
            let waits = client.waiting.borrow().is_some();
            let idle = idle_max > 0 && !waits && now - client.last_active.get() > idle_max;
            idle || output::over_limit(self, client)
        };
        let clients = self.clients.borrow();
        let links: Vec<Rc<Link>> =
            clients.values().filter(late).map(|client| Rc::clone(&client.link)).collect();
        drop(clients);
        links.iter().for_each(|link| link.kill());
    }
}
