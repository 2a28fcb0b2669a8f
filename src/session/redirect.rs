//! A core's own port serves as a node of a Redis Cluster does: only the slots of that core, and one
//! slot per command.
//!
//! Source: the Redis Cluster specification on redirection,
//! <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>.
//! Invariant: a client of the ordinary port is never redirected.

use std::net::SocketAddr;

use super::connection::Session;
use crate::command::spec::Command;
use crate::coordinate::route;
use crate::resp::args::Args;
use crate::resp::error::CmdError;

/// Refuses a command of a core port's client whose keys are not all in one slot of this core.
pub fn pass(session: &Session, command: &Command, args: &Args<'_>) -> Result<(), CmdError> {
    if !session.client.through_core_port {
        return Ok(());
    }
    let (mut slot, mut crosses) = (None, false);
    route::for_each_key(&command.spec, args, |position| {
        let this = args.key(position.index).slot();
        crosses |= slot.is_some_and(|first| first != this);
        slot = Some(this);
    });
    if crosses {
        return Err(CmdError::Text("CROSSSLOT Keys in request don't hash to the same slot"));
    }
    match slot {
        Some(slot) if session.core.shards.layout.core_of(slot) != session.core.me().0 => {
            Err(moved(session, slot))
        }
        _ => Ok(()),
    }
}

/// Where the slot is: at the address by which the client knows this host, on the owner's port.
fn moved(session: &Session, slot: u16) -> CmdError {
    let owner = session.core.shards.layout.core_of(slot);
    let local = session.client.local_address.parse::<SocketAddr>();
    let ip = local.map(|address| address.ip().to_canonical().to_string()).unwrap_or_default();
    let port = usize::from(session.core.config().port) + 1 + usize::from(owner);
    CmdError::owned(format!("MOVED {slot} {ip}:{port}"))
}
