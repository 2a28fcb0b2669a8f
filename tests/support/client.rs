//! A blocking client over TCP or a Unix socket.
//!
//! Invariant: no call waits for ever: a reply that does not come within the patience fails the
//! test.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::reply::Reply;

/// How long a client waits for bytes before it gives up.
const PATIENCE: Duration = Duration::from_secs(30);

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// One connection.
pub struct Client {
    stream: Stream,
    received: Vec<u8>,
    /// How much of `received` was given out already.
    consumed: usize,
}

/// A command as the bytes of a RESP array.
pub fn encode<A: AsRef<[u8]>>(arguments: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        let argument = argument.as_ref();
        bytes.extend(format!("${}\r\n", argument.len()).bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

impl Client {
    /// # Errors
    /// Those of the system's connect.
    pub fn tcp(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client { stream: Stream::Tcp(stream), received: Vec::new(), consumed: 0 })
    }

    /// # Errors
    /// Those of the system's connect.
    pub fn unix(path: &Path) -> io::Result<Client> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client { stream: Stream::Unix(stream), received: Vec::new(), consumed: 0 })
    }

    /// Sends one command and waits for its reply.
    pub fn call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Reply {
        self.send(arguments);
        self.receive()
    }

    /// Sends words separated by single blanks and waits for the reply.
    pub fn run(&mut self, line: &str) -> Reply {
        self.call(&line.split(' ').collect::<Vec<_>>())
    }

    pub fn send<A: AsRef<[u8]>>(&mut self, arguments: &[A]) {
        self.send_bytes(&encode(arguments)).expect("the command is sent");
    }

    /// # Errors
    /// When the peer has closed or does not read.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes),
            Stream::Unix(stream) => stream.write_all(bytes),
        }
    }

    /// The next reply; the test fails if the connection ends first.
    pub fn receive(&mut self) -> Reply {
        self.try_receive().expect("a reply").0
    }

    /// The next reply with the bytes it came in.
    ///
    /// # Errors
    /// When the connection ends or the patience does.
    pub fn try_receive(&mut self) -> io::Result<(Reply, Vec<u8>)> {
        loop {
            let unread = &self.received[self.consumed..];
            if let Some((reply, length)) = Reply::parse(unread) {
                let bytes = unread[..length].to_vec();
                self.consumed += length;
                if self.consumed == self.received.len() {
                    self.received.clear();
                    self.consumed = 0;
                }
                return Ok((reply, bytes));
            }
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The next reply, if all of it has arrived.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn try_receive_now(&mut self) -> io::Result<Option<(Reply, Vec<u8>)>> {
        self.set_blocking(false);
        let outcome = self.try_receive();
        self.set_blocking(true);
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            other => other.map(Some),
        }
    }

    fn set_blocking(&self, blocks: bool) {
        let done = match &self.stream {
            Stream::Tcp(stream) => stream.set_nonblocking(!blocks),
            Stream::Unix(stream) => stream.set_nonblocking(!blocks),
        };
        done.expect("a live socket has modes");
    }

    /// Everything that comes until the server closes.
    ///
    /// # Errors
    /// When the patience ends; a reset counts as a close.
    pub fn receive_until_closed(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.fill() {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
                Err(error) => return Err(error),
            }
        }
        Ok(std::mem::take(&mut self.received).split_off(std::mem::take(&mut self.consumed)))
    }

    /// Whether the server closes the connection, whatever it sends before.
    pub fn is_closed_by_server(&mut self) -> bool {
        self.receive_until_closed().is_ok()
    }

    /// Announces that nothing more will be sent; replies can still come.
    pub fn finish_sending(&self) {
        let done = match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
        // The server may have closed already.
        drop(done);
    }

    /// Ends the connection and waits until the server has ended it too, so that it counts no more.
    pub fn close(mut self) {
        self.finish_sending();
        self.set_patience(Duration::from_secs(2));
        drop(self.receive_until_closed());
    }

    /// Replaces the patience of reading and of writing.
    pub fn set_patience(&self, patience: Duration) {
        let done = match &self.stream {
            Stream::Tcp(stream) => stream
                .set_read_timeout(Some(patience))
                .and_then(|()| stream.set_write_timeout(Some(patience))),
            Stream::Unix(stream) => stream
                .set_read_timeout(Some(patience))
                .and_then(|()| stream.set_write_timeout(Some(patience))),
        };
        done.expect("a live socket takes a timeout");
    }

    /// A second handle of a TCP connection, to send and receive at the same time.
    pub fn tcp_handle(&self) -> TcpStream {
        match &self.stream {
            Stream::Tcp(stream) => stream.try_clone().expect("a second handle"),
            Stream::Unix(_) => panic!("only TCP connections have a second handle"),
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        if self.consumed > 1 << 20 {
            self.received.drain(..std::mem::take(&mut self.consumed));
        }
        let mut chunk = [0; 65536];
        // Where all processes were stopped for a while, the time is used up and the reply is still
        // on its way: only patience that ends twice has ended.
        let mut was_late = false;
        let length = loop {
            let read = match &mut self.stream {
                Stream::Tcp(stream) => stream.read(&mut chunk),
                Stream::Unix(stream) => stream.read(&mut chunk),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !was_late => {
                    was_late = true;
                }
                other => break other?,
            }
        };
        self.received.extend_from_slice(&chunk[..length]);
        Ok(length)
    }
}
