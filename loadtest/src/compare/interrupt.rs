//! Ctrl-C and its like: a comparison that is interrupted ends its servers, which are stopped and
//! would otherwise stay for ever.
//!
//! Invariant: nothing waits longer than a few milliseconds without a look at [`is_requested`].

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

// Signals are for a process, so this is too.
static REQUESTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Turns the signals that end a process into a request to end.
///
/// # Errors
///
/// Where the system refuses.
pub fn listen() -> io::Result<()> {
    let requested = REQUESTED.get_or_init(Arc::default);
    [SIGHUP, SIGINT, SIGTERM]
        .into_iter()
        .try_for_each(|signal| signal_hook::flag::register(signal, Arc::clone(requested)).map(drop))
}

/// Returns whether somebody wants this process to end.
pub fn is_requested() -> bool {
    REQUESTED.get().is_some_and(|requested| requested.load(Ordering::Relaxed))
}
