//! What a client hears that asks for a command which does not exist.
//!
//! Invariant: what the client sent is quoted byte for byte, but never more of it than Redis quotes.

use super::table::Entry;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, shown};

/// A browser can be made to send requests to this port whose body holds commands. The connection
/// ends at the first word of HTTP, before such a body is read.
pub(super) fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"POST") || name.eq_ignore_ascii_case(b"Host:")
}

/// Redis prints at most this much of an unknown command's name and arguments.
const SHOWN_MAX: usize = 128;

/// No command has this name.
pub(super) fn unknown_command(args: &Args<'_>) -> CmdError {
    let name = shown(args.at(0), SHOWN_MAX);
    let mut list = Vec::new();
    for arg in args.from(1) {
        if list.len() >= SHOWN_MAX {
            break;
        }
        let arg = shown(arg, SHOWN_MAX - list.len());
        list.extend([b"'", arg, b"' "].concat());
    }
    let parts = [b"ERR unknown command '", name, b"', with args beginning with: ", &list];
    CmdError::owned(parts.concat())
}

/// The command has no such subcommand.
pub(super) fn unknown_subcommand(container: &Entry, args: &Args<'_>) -> CmdError {
    let (name, container) = (shown(args.at(1), SHOWN_MAX), container.name.to_ascii_uppercase());
    let rest = format!("'. Try {container} HELP.");
    CmdError::owned([b"ERR unknown subcommand '", name, rest.as_bytes()].concat())
}
