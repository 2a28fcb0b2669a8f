//! How much output a client may leave unread.
//!
//! Invariant: the answer depends on the limits in force and on what is pending now; the time of the
//! soft limit is the client's only memory.

use super::client::Client;
use super::core::Core;

/// True if the client holds more output than its class may, or more than the soft limit for too
/// long.
pub(super) fn over_limit(core: &Core, client: &Client) -> bool {
    let pending = client.link.output_bytes() as u64;
    let limit = core.output_limit();
    if limit.hard > 0 && pending > limit.hard {
        return true;
    }
    if limit.soft == 0 || pending <= limit.soft {
        client.soft_limit_since.set(0);
        return false;
    }
    let since = client.soft_limit_since.get();
    if since == 0 {
        client.soft_limit_since.set(core.now());
        return false;
    }
    core.now() - since > limit.soft_ms
}
