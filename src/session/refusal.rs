//! What a connection answers to words that are no command.
//!
//! Invariant: an answer repeats only a bounded part of what the client sent.

use super::table::Entry;
use crate::resp::args::Args;
use crate::resp::error::{CmdError, shown};

/// Redis prints at most this much of an unknown command's name and arguments.
const SHOWN_MAX: usize = 128;

/// True for the words with which a browser's request begins, which is how a page that its user
/// visits could reach a server on the same host: cross-protocol scripting. They close the
/// connection before a line of the body is taken for a command.
pub(super) fn is_http(args: &Args<'_>) -> bool {
    args.is(0, "post") || args.is(0, "host:")
}

/// The refusal of a command that no row has, in the client's own words.
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

/// The refusal of a word that is no subcommand of `container`.
pub(super) fn unknown_subcommand(container: &Entry, args: &Args<'_>) -> CmdError {
    let (name, container) = (shown(args.at(1), SHOWN_MAX), container.name.to_ascii_uppercase());
    let rest = format!("'. Try {container} HELP.");
    CmdError::owned([b"ERR unknown subcommand '", name, rest.as_bytes()].concat())
}
