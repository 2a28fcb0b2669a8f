//! A client that waits in BLPOP or its like.
//!
//! Invariant: while its command waits, nothing of the client's later input is looked at. The wait
//! ends with an answer, with the end of the time, by CLIENT UNBLOCK, or with the connection; who
//! asked for the third hears which it was.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use super::Session;
use crate::command::spec::Patience;
use crate::coordinate::block::{self, Ended};
use crate::resp::error::CmdError;
use crate::resp::out::Out;
use crate::session::client::{Client, Waiting};
use crate::session::core::{Core, add};
use crate::shard::message::{Batch, Response, Unblock};

/// Why a client waits no longer, though it was not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    TimeIsOver,
    Unblocked(Unblock),
    ConnectionEnded,
}

/// Counts a client as waiting while it exists.
struct Mark<'c> {
    core: &'c Core,
    client: &'c Client,
    /// Whether CLIENT UNBLOCK ended the wait.
    was_unblocked: bool,
}

impl<'c> Mark<'c> {
    fn new(core: &'c Core, client: &'c Client, patience: Patience) -> Mark<'c> {
        add(&core.sessions.blocked, 1);
        let has_end = matches!(patience, Patience::Until(_));
        *client.waiting.borrow_mut() = Some(Waiting { has_end, unblock: None });
        Mark { core, client, was_unblocked: false }
    }
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        let sessions = &self.core.sessions;
        sessions.blocked.set(sessions.blocked.get() - 1);
        let waiting = self.client.waiting.take();
        if let Some((_, asker)) = waiting.and_then(|waiting| waiting.unblock) {
            let answer = Response::Unblocked(self.was_unblocked);
            self.core.shards.hops.answer(asker.core, asker.ticket, answer);
        }
    }
}

impl Session {
    /// Runs a command that waits if there is nothing for it.
    pub(super) async fn block(&mut self, id: u16, whole: Box<Batch>, patience: Patience) {
        let (core, client) = (Rc::clone(&self.core), Rc::clone(&self.client));
        let mut out = Out::new(client.protocol.get());
        self.link.flush();
        self.link.set_stalled(true);
        let owner = block::only_owner(&core.shards, &whole);
        if let Some(owner) = owner {
            self.waited_away |= owner != core.me();
            self.traffic.waited(owner, owner == core.me());
        }
        let mut mark = Mark::new(&core, &client, patience);
        let reason = give_up(&core, &client, patience);
        let result = match block::run(&core.shards, &whole, owner, &mut out, reason).await {
            Ok(Ended::GaveUp(reason)) => {
                mark.was_unblocked = matches!(reason, Reason::Unblocked(_));
                self.closing |= reason == Reason::ConnectionEnded;
                end_unserved(reason, &mut out)
            }
            Ok(Ended::Answered) => Ok(()),
            Err(error) => Err(error),
        };
        drop(mark);
        client.last_active.set(core.now());
        self.finish_long(id, whole, result, out);
    }
}

fn end_unserved(reason: Reason, out: &mut Out) -> Result<(), CmdError> {
    match reason {
        Reason::TimeIsOver | Reason::Unblocked(Unblock::Timeout) => out.null_array(),
        Reason::Unblocked(Unblock::Error) => {
            return Err(CmdError::Text("UNBLOCKED client unblocked via CLIENT UNBLOCK"));
        }
        Reason::ConnectionEnded => {}
    }
    Ok(())
}

/// Completes when the client is to wait no longer.
async fn give_up(core: &Core, client: &Client, patience: Patience) -> Reason {
    let mut end = pin!(async {
        match patience {
            Patience::Until(time) => core.timers.sleep_until(time).await,
            Patience::None | Patience::Forever => pending().await,
        }
    });
    poll_fn(|context| {
        if client.link.poll_ended(context) {
            return Poll::Ready(Reason::ConnectionEnded);
        }
        let waiting = client.waiting.borrow();
        if let Some(Waiting { unblock: Some((how, _)), .. }) = &*waiting {
            return Poll::Ready(Reason::Unblocked(*how));
        }
        end.as_mut().poll(context).map(|()| Reason::TimeIsOver)
    })
    .await
}
