//! Opens connections and greets: AUTH, HELLO, SELECT, and questions such as CLUSTER SLOTS.
//!
//! Everything here blocks, before the run or beside it, under a deadline. Invariant: a connection
//! handed over as a descriptor has no reply outstanding.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::decode::{Value, decode};
use crate::encode::{Argument, Draw, Template};
use crate::failure::Failure;
use crate::options::Options;
use crate::reply::ReplyReader;

/// Replies to a greeting or question are no longer than this.
const REPLY_MAX: usize = 16 << 20;

/// Where a server listens.
#[derive(Clone, Debug)]
pub enum Target {
    Tcp { name: String, addresses: Vec<SocketAddr> },
    Unix(PathBuf),
}

impl Target {
    /// Resolves `host:port`.
    pub fn tcp(name: &str) -> Result<Target, Failure> {
        let failure = |error| Failure::Connect { target: name.to_string(), error };
        // An IPv6 address comes without brackets in CLUSTER SLOTS.
        let (host, port) = name.rsplit_once(':').unwrap_or((name, "6379"));
        let port = port.parse::<u16>().map_err(|_| failure(io::ErrorKind::InvalidInput.into()))?;
        let addresses = (host, port).to_socket_addrs().map_err(failure)?.collect();
        Ok(Target::Tcp { name: name.to_string(), addresses })
    }

    /// Returns how messages and reports call it.
    pub fn name(&self) -> String {
        match self {
            Target::Tcp { name, .. } => name.clone(),
            Target::Unix(path) => path.display().to_string(),
        }
    }
}

/// What to say on every new connection.
#[derive(Clone, Debug)]
pub struct Greeting {
    commands: Vec<Vec<String>>,
    timeout: Duration,
}

impl Greeting {
    /// Nothing; only the timeout matters.
    pub fn silent(timeout: Duration) -> Greeting {
        Greeting { commands: Vec::new(), timeout }
    }

    /// Reads the options that concern it.
    pub fn new(options: &Options) -> Greeting {
        let words = |words: &[&str]| words.iter().map(|word| word.to_string()).collect();
        let mut commands: Vec<Vec<String>> = Vec::new();
        match (&options.user, &options.password) {
            (Some(user), Some(password)) => commands.push(words(&["AUTH", user, password])),
            (None, Some(password)) => commands.push(words(&["AUTH", password])),
            _ => {}
        }
        if options.resp == 3 {
            commands.push(words(&["HELLO", "3"]));
        }
        if options.db != 0 {
            commands.push(words(&["SELECT", &options.db.to_string()]));
        }
        Greeting { commands, timeout: options.timeout }
    }
}

/// A blocking connection.
#[derive(Debug)]
pub struct Dialogue {
    stream: Stream,
    target: String,
    timeout: Duration,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Dialogue {
    /// Connects and greets.
    ///
    /// # Errors
    ///
    /// Where nobody listens, answers in time, or the greeting is refused.
    pub fn open(target: &Target, greeting: &Greeting) -> Result<Dialogue, Failure> {
        let failure = |error| Failure::Connect { target: target.name(), error };
        let timeout = greeting.timeout;
        let stream = connect(target, timeout).map_err(failure)?;
        let mut dialogue = Dialogue { stream, target: target.name(), timeout };
        for command in &greeting.commands {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            dialogue.ask(&words)?;
        }
        Ok(dialogue)
    }

    /// Sends a command and returns its reply.
    ///
    /// # Errors
    ///
    /// Also where the reply is an error.
    pub fn ask(&mut self, words: &[&str]) -> Result<Value, Failure> {
        let arguments: Vec<Argument> = words.iter().map(|word| Argument::fixed(word)).collect();
        let mut request = Vec::new();
        Template::new(&arguments).encode(&mut request, &mut Nothing);
        let reply = self.exchange(&request)?;
        match decode(&reply) {
            Some(Value::Error(text)) => Err(Failure::ErrorReply {
                target: self.target.clone(),
                request: words.first().copied().unwrap_or_default().to_string(),
                text,
            }),
            Some(value) => Ok(value),
            None => Err(self.protocol("a reply that cannot be read".to_string())),
        }
    }

    /// Returns the connection for use without blocking.
    pub fn into_descriptor(self) -> Result<OwnedFd, Failure> {
        let (result, descriptor) = match self.stream {
            Stream::Tcp(stream) => (stream.set_nonblocking(true), OwnedFd::from(stream)),
            Stream::Unix(stream) => (stream.set_nonblocking(true), OwnedFd::from(stream)),
        };
        result.map_err(Failure::system("prepare a connection"))?;
        Ok(descriptor)
    }

    fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>, Failure> {
        let deadline = Instant::now() + self.timeout;
        self.stream.write_all(request).map_err(|error| self.broken(error))?;
        let mut reader = ReplyReader::default();
        let mut reply = Vec::new();
        let mut consumed = 0;
        let mut buffer = [0; 4096];
        loop {
            let len = self.stream.read(&mut buffer).map_err(|error| self.broken(error))?;
            if len == 0 {
                return Err(Failure::Closed { target: self.target.clone(), in_flight: 1 });
            }
            reply.extend_from_slice(&buffer[..len]);
            let step = reader.advance(&reply[consumed..]).map_err(|text| self.protocol(text))?;
            consumed += step.0;
            if step.1.is_some() {
                return Ok(reply);
            }
            if Instant::now() > deadline || reply.len() > REPLY_MAX {
                return Err(self.broken(io::ErrorKind::TimedOut.into()));
            }
        }
    }

    fn broken(&self, error: io::Error) -> Failure {
        let target = self.target.clone();
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Failure::Silent { target, seconds: self.timeout.as_secs_f64(), in_flight: 1 }
            }
            _ => Failure::Connect { target, error },
        }
    }

    fn protocol(&self, problem: String) -> Failure {
        Failure::Protocol { target: self.target.clone(), problem }
    }
}

fn connect(target: &Target, timeout: Duration) -> io::Result<Stream> {
    match target {
        Target::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(timeout))?;
            stream.set_write_timeout(Some(timeout))?;
            Ok(Stream::Unix(stream))
        }
        Target::Tcp { addresses, .. } => {
            let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
            for address in addresses {
                result = TcpStream::connect_timeout(address, timeout);
                if result.is_ok() {
                    break;
                }
            }
            let stream = result?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(timeout))?;
            stream.set_write_timeout(Some(timeout))?;
            Ok(Stream::Tcp(stream))
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Fills the holes of a template that has none.
struct Nothing;

impl Draw for Nothing {
    fn key(&mut self) -> u64 {
        0
    }
    fn element(&mut self) -> u64 {
        0
    }
    fn value(&mut self) -> &[u8] {
        b""
    }
    fn lifetime(&mut self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn greeting(arguments: &[&str]) -> Greeting {
        let words = std::iter::once(&"loadtest").chain(arguments);
        Greeting::new(&Options::try_parse_from(words).unwrap())
    }

    #[test]
    fn greetings_say_only_what_is_needed() {
        assert!(greeting(&[]).commands.is_empty());
        let all = greeting(&["--user", "u", "-a", "p", "--resp", "3", "--db", "2"]);
        let lines: Vec<String> = all.commands.iter().map(|words| words.join(" ")).collect();
        assert_eq!(lines, ["AUTH u p", "HELLO 3", "SELECT 2"]);
    }

    #[test]
    fn a_server_that_talks_nonsense_or_nothing_is_a_failure() {
        for (says, expected) in [
            (&b"+PONG\r\n"[..], "ok"),
            (b"-NOAUTH no\r\n", "NOAUTH no"),
            (b"HTTP/1.1 200 OK\r\n", "not RESP"),
            (b"", "closed"),
            (b"$10\r\nabc", "closed"),
        ] {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let server = std::thread::spawn(move || {
                let (mut peer, _) = listener.accept().unwrap();
                let mut request = [0; 14];
                peer.read_exact(&mut request).unwrap();
                peer.write_all(says).unwrap();
            });
            let target = Target::tcp(&address).unwrap();
            let mut dialogue = Dialogue::open(&target, &greeting(&[])).unwrap();
            let answer = dialogue.ask(&["PING"]).map_or_else(|f| f.to_string(), |_| "ok".into());
            assert!(answer.contains(expected), "{answer}");
            server.join().unwrap();
        }
    }
}
