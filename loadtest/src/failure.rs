//! Why a run ended without a result.
//!
//! Every variant is the end of the run and exit status 1; what can be survived (a redirection, a
//! tolerated error reply) is counted instead.

use std::fmt;
use std::io;

/// One sentence for the person who started the run, with the server's own words where it spoke.
#[derive(Debug)]
pub enum Failure {
    /// The options contradict each other or cannot be read.
    Usage(String),
    /// No connection came about: refused, unreachable, or not answered in time.
    Connect { target: String, error: io::Error },
    /// The server ended a connection.
    Closed { target: String, in_flight: usize },
    /// A connection that owes replies was silent for too long.
    Silent { target: String, seconds: f64, in_flight: usize },
    /// The server's bytes are not RESP.
    Protocol { target: String, problem: String },
    /// The server answered a request with an error.
    ErrorReply { target: String, request: String, text: String },
    /// A reply differs from what the model of `--check` foresees.
    Mismatch { request: String, expected: String, received: String },
    /// The cluster's layout makes the run impossible.
    Cluster(String),
    /// The operating system refused something.
    System { action: String, error: io::Error },
}

impl Failure {
    /// Returns a closure for `map_err` that says what was being done.
    pub fn system<E: Into<io::Error>>(action: impl Into<String>) -> impl FnOnce(E) -> Failure {
        move |error| Failure::System { action: action.into(), error: error.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) | Failure::Cluster(text) => write!(f, "{text}"),
            Failure::Connect { target, error } => write!(f, "cannot connect to {target}: {error}"),
            Failure::Closed { target, in_flight } => {
                write!(f, "{target} closed a connection with {in_flight} requests unanswered")
            }
            Failure::Silent { target, seconds, in_flight } => write!(
                f,
                "{target} did not answer for {seconds:.1} s with {in_flight} requests in flight"
            ),
            Failure::Protocol { target, problem } => {
                write!(f, "{target} sent what is not RESP: {problem}")
            }
            Failure::ErrorReply { target, request, text } => {
                write!(f, "{target} answered {request} with an error: {text}")
            }
            Failure::Mismatch { request, expected, received } => {
                write!(f, "wrong reply to {request}: expected {expected}, received {received}")
            }
            Failure::System { action, error } => write!(f, "cannot {action}: {error}"),
        }
    }
}

impl std::error::Error for Failure {}
