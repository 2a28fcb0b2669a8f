//! What a command must pass before it runs, in Redis's order.
//!
//! Invariant: a gate looks at the client, the row and the core's state; it changes nothing. The
//! ordinary client in ordinary times is recognised by [`Session::is_ordinary`] and skips them all.

use super::connection::Session;
use super::table::Entry;
use crate::command::spec::Flags;
use crate::resp::error::CmdError;

/// A reason to refuse a command.
type Gate = fn(&Session, &Entry) -> Result<(), CmdError>;

/// All gates, in the order in which they are asked.
const GATES: &[Gate] = &[allowed, authenticated, memory_available];

/// Asks every gate.
pub fn pass(session: &Session, entry: &Entry) -> Result<(), CmdError> {
    GATES.iter().try_for_each(|gate| gate(session, entry))
}

/// DEBUG is for those whom `enable-debug-command` names.
fn allowed(session: &Session, entry: &Entry) -> Result<(), CmdError> {
    let protected = entry.row.spec().flags.has(Flags::PROTECTED);
    if !protected || session.core.config().enable_debug_command.allows(session.client.is_local()) {
        return Ok(());
    }
    Err(CmdError::Text(
        "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", \
         you can run it from a local connection, otherwise you need to set this option in the \
         configuration file, and then restart the server.",
    ))
}

fn authenticated(session: &Session, entry: &Entry) -> Result<(), CmdError> {
    if session.client.authenticated.get() || entry.row.spec().flags.has(Flags::NO_AUTH) {
        return Ok(());
    }
    Err(CmdError::Text("NOAUTH Authentication required."))
}

fn memory_available(session: &Session, entry: &Entry) -> Result<(), CmdError> {
    if !session.core.is_memory_limited() || !entry.row.spec().flags.has(Flags::DENYOOM) {
        return Ok(());
    }
    if session.core.make_room() { Ok(()) } else { Err(CmdError::OutOfMemory) }
}
