//! One connection in the event loop: bytes out, replies in, and which requests are in flight.
//!
//! Invariant: the server answers in order, so the oldest request in flight is the one that the next
//! reply answers. A connection holds at most its pipeline in outgoing bytes and one unfinished line
//! of incoming ones. Deliberately absent: the socket's readiness, which the event loop knows.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

use crate::failure::Failure;
use crate::model::Model;
use crate::reply::{LINE_MAX, ReplyReader};
use crate::workload::Lane;

/// How many bytes a connection takes from its socket at a time.
pub const READ_LEN: usize = 64 << 10;

/// Room for what [`Connection::read`] reads, and for the unfinished line in front of it.
pub const BUFFER_LEN: usize = READ_LEN + LINE_MAX + 1;

/// A request that has no reply yet.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Index of its command in the mix.
    pub command: usize,
    /// When it was sent, or was due in an open loop, by the run's clock.
    pub since_ns: u64,
}

/// A non-blocking connection to the server.
#[derive(Debug)]
pub struct Connection {
    descriptor: OwnedFd,
    /// Address of the server, for messages.
    pub target: String,
    pub lane: Lane,
    pub in_flight: VecDeque<Request>,
    pub reader: ReplyReader,
    /// When the server last sent something, or began to owe a reply.
    pub heard_ns: u64,
    /// What replies must be, under `--check`.
    pub model: Option<Box<Model>>,
    /// The part of a reply that the model has not seen, as the rest is still to come.
    pub collected: Vec<u8>,
    /// Requests not yet written; the first `written` bytes of them are.
    pub outgoing: Vec<u8>,
    written: usize,
    /// Whether the event loop waits until the socket takes more.
    pub awaits_room: bool,
    unfinished_line: Vec<u8>,
}

impl Connection {
    /// Takes over a connected, greeted, non-blocking socket.
    pub fn new(descriptor: OwnedFd, target: String, lane: Lane, model: Option<Model>) -> Self {
        Connection {
            descriptor,
            target,
            lane,
            in_flight: VecDeque::new(),
            reader: ReplyReader::default(),
            heard_ns: 0,
            model: model.map(Box::new),
            collected: Vec::new(),
            outgoing: Vec::new(),
            written: 0,
            awaits_room: false,
            unfinished_line: Vec::new(),
        }
    }

    /// Writes what is outgoing, as far as the socket takes it. Returns whether all is written.
    ///
    /// # Errors
    ///
    /// [`Failure::Closed`] if the connection is gone.
    #[inline]
    pub fn write(&mut self) -> Result<bool, Failure> {
        while self.written < self.outgoing.len() {
            match rustix::io::write(&self.descriptor, &self.outgoing[self.written..]) {
                Ok(len) => self.written += len,
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(self.broken(errno)),
            }
        }
        self.outgoing.clear();
        self.written = 0;
        Ok(true)
    }

    /// Reads into `buffer`, behind the unfinished line of the last time. Returns the length of
    /// both, or `None` if nothing came.
    ///
    /// # Errors
    ///
    /// [`Failure::Closed`] if the server closed the connection.
    #[inline]
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Failure> {
        let kept = self.unfinished_line.len();
        loop {
            match rustix::io::read(&self.descriptor, &mut buffer[kept..]) {
                Ok(0) => return Err(self.closed()),
                Ok(len) => {
                    buffer[..kept].copy_from_slice(&self.unfinished_line);
                    self.unfinished_line.clear();
                    return Ok(Some(kept + len));
                }
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(self.broken(errno)),
            }
        }
    }

    /// Keeps the beginning of a line until the rest comes.
    pub fn keep(&mut self, line: &[u8]) {
        self.unfinished_line.extend_from_slice(line);
    }

    /// Returns the failure of a server whose bytes are not RESP.
    pub fn nonsense(&self, problem: String) -> Failure {
        Failure::Protocol { target: self.target.clone(), problem }
    }

    fn closed(&self) -> Failure {
        Failure::Closed { target: self.target.clone(), in_flight: self.in_flight.len() }
    }

    fn broken(&self, errno: Errno) -> Failure {
        match errno {
            Errno::CONNRESET | Errno::PIPE => self.closed(),
            _ => {
                Failure::System { action: format!("talk to {}", self.target), error: errno.into() }
            }
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
