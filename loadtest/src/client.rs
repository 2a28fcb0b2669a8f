//! A client that waits for each reply and looks at nothing in it but where it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use crate::failure::Failure;

/// A connection.
pub(crate) struct Client {
    target: String,
    reader: BufReader<TcpStream>,
    line: Vec<u8>,
}

impl Client {
    pub fn connect(host: &str, port: u16) -> Result<Client, Failure> {
        let target = format!("{host}:{port}");
        let connected = TcpStream::connect((host, port)).and_then(|stream| {
            stream.set_nodelay(true)?;
            Ok(stream)
        });
        match connected {
            Ok(stream) => {
                let reader = BufReader::with_capacity(1 << 20, stream);
                Ok(Client { target, reader, line: Vec::new() })
            }
            Err(error) => Err(Failure::Connect { target, error }),
        }
    }

    /// Sends one command and takes its reply.
    pub fn call<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<(), Failure> {
        self.send(words)?;
        self.receive(words)
    }

    /// Sends a command whose reply is to be taken later.
    pub fn send<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<(), Failure> {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words.iter().map(AsRef::as_ref) {
            bytes.extend(format!("${}\r\n", word.len()).bytes());
            bytes.extend_from_slice(word);
            bytes.extend_from_slice(b"\r\n");
        }
        let action = format!("send to {}", self.target);
        self.reader.get_mut().write_all(&bytes).map_err(Failure::system(action))
    }

    /// Takes the reply to the command of these words; an error is a failure.
    pub fn receive<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<(), Failure> {
        let mut values = 1;
        while values > 0 {
            values -= 1;
            let (kind, rest) = self.header()?;
            match kind {
                b'*' | b'~' | b'>' => values += rest.max(0),
                b'%' => values += 2 * rest.max(0),
                b'$' | b'=' if rest >= 0 => self.skip(rest as u64 + 2)?,
                b'-' => {
                    let request = words.first().map(AsRef::as_ref).unwrap_or_default();
                    return Err(Failure::ErrorReply {
                        target: self.target.clone(),
                        request: String::from_utf8_lossy(request).into_owned(),
                        text: String::from_utf8_lossy(&self.line).trim_end().to_owned(),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The type of the next value, and the number in its first line or 0.
    fn header(&mut self) -> Result<(u8, i64), Failure> {
        self.line.clear();
        let read = self.reader.read_until(b'\n', &mut self.line);
        let count = read.map_err(Failure::system(format!("read from {}", self.target)))?;
        if count < 3 {
            return Err(Failure::Closed { target: self.target.clone(), in_flight: 1 });
        }
        let digits = str::from_utf8(&self.line[1..count - 2]).unwrap_or_default();
        Ok((self.line[0], digits.parse().unwrap_or(0)))
    }

    fn skip(&mut self, count: u64) -> Result<(), Failure> {
        let skipped = std::io::copy(&mut (&mut self.reader).take(count), &mut std::io::sink());
        skipped.map_err(Failure::system(format!("read from {}", self.target))).map(|_| ())
    }
}
