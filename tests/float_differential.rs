//! Compares Shoal's 80-bit floats and double parsing with a real Redis, over random and awkward
//! texts.
//!
//! Skipped, with a line that says so, where no `redis-server` is installed or where the platform's
//! `long double` is not the x87 format, since Redis then computes otherwise.

#![expect(clippy::disallowed_methods, reason = "tests read files and the clock")]

use shoal::base::extended::Extended;
use shoal::base::num::parse_f64;
use shoal::base::prng::Prng;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;

const CASES: usize = 20_000;
const BATCH: usize = 500;

#[test]
fn sums_and_scores_equal_those_of_redis() {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("skipped: long double is not the x87 format here");
        return;
    }
    let Some(mut redis) = Redis::start() else {
        eprintln!("skipped: no redis-server could be started");
        return;
    };
    let mut prng = Prng::new(1);
    for _ in 0..CASES / BATCH {
        let cases: Vec<[String; 2]> =
            (0..BATCH).map(|_| [text(&mut prng), text(&mut prng)]).collect();
        check_sums(&mut redis, &cases);
        check_scores(&mut redis, &cases);
    }
}

fn check_sums(redis: &mut Redis, cases: &[[String; 2]]) {
    let mut requests = Vec::new();
    for [value, increment] in cases {
        encode(&mut requests, &["SET", "x", value]);
        encode(&mut requests, &["INCRBYFLOAT", "x", increment]);
    }
    redis.send(&requests);
    for [value, increment] in cases {
        assert_eq!(redis.reply(), "OK");
        assert_eq!(sum(value, increment), redis.reply(), "{value:?} + {increment:?}");
    }
}

/// A double is compared through the text of its score, which Redis 7.0 prints with 17 digits.
fn check_scores(redis: &mut Redis, cases: &[[String; 2]]) {
    let mut requests = Vec::new();
    for [text, _] in cases {
        // A second pair, since the first score may be taken for an option such as NX.
        encode(&mut requests, &["ZADD", "z", "0", "first", text, "m"]);
        encode(&mut requests, &["ZSCORE", "z", "m"]);
        encode(&mut requests, &["DEL", "z"]);
    }
    redis.send(&requests);
    for [text, _] in cases {
        let added = redis.reply();
        let score = redis.reply();
        redis.reply();
        match parse_f64(text.as_bytes()) {
            None => assert_eq!(added, "ERR value is not a valid float", "{text:?}"),
            Some(value) => assert_eq!(score.parse(), Ok(value), "{text:?}"),
        }
    }
}

/// What INCRBYFLOAT should answer.
fn sum(value: &str, increment: &str) -> String {
    let parse = |text: &str| Extended::parse(text.as_bytes());
    let (Some(value), Some(increment)) = (parse(value), parse(increment)) else {
        return "ERR value is not a valid float".to_string();
    };
    match value.checked_add(increment) {
        Some(sum) => sum.to_human(),
        None => "ERR increment would produce NaN or Infinity".to_string(),
    }
}

/// Returns a number as people write them, one at the edge of the format, or nearly a number.
fn text(prng: &mut Prng) -> String {
    let sign = ["", "", "-", "+"][prng.below(4) as usize];
    let magnitude = match prng.below(10) {
        0..=2 => format!("{}.{}", prng.below(100_000), digits(prng, 6)),
        3 => digits(prng, 25),
        4 => format!("{}.{}", digits(prng, 22), digits(prng, 30)),
        5 => format!("{}e{}", prng.below(1000), prng.below(60) as i64 - 30),
        6 => {
            format!("{}.{}E{}", prng.below(10), digits(prng, 20), prng.below(10_000) as i64 - 5000)
        }
        7 => format!("0x{:x}.{:x}p{}", prng.next(), prng.next(), prng.below(200) as i64 - 100),
        8 => format!("0X{:x}P{}", prng.below(1 << 20), prng.below(33_000) as i64 - 16_500),
        _ => (0..prng.below(8)).map(|_| *pick(prng, b"0123.eExXpP+- infa") as char).collect(),
    };
    format!("{sign}{magnitude}")
}

/// Returns between one and `len_max` digits.
fn digits(prng: &mut Prng, len_max: u64) -> String {
    (0..=prng.below(len_max)).map(|_| *pick(prng, b"0123456789") as char).collect()
}

fn pick<'a>(prng: &mut Prng, from: &'a [u8]) -> &'a u8 {
    &from[prng.below(from.len() as u64) as usize]
}

fn encode(requests: &mut Vec<u8>, words: &[&str]) {
    requests.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        requests.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
}

/// A Redis server of our own, killed when dropped, and a connection to it.
struct Redis {
    server: Child,
    connection: BufReader<TcpStream>,
}

impl Redis {
    fn start() -> Option<Redis> {
        let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let mut server = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--save",
                "",
                "--bind",
                "127.0.0.1",
                "--logfile",
                "",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let log = BufReader::new(server.stdout.take()?);
        let mut lines = log.lines().map_while(Result::ok);
        let is_ready = lines.any(|line| line.contains("Ready to accept connections"));
        let connection = is_ready.then(|| TcpStream::connect(("127.0.0.1", port)).ok()).flatten();
        let Some(connection) = connection else {
            server.kill().ok();
            server.wait().ok();
            return None;
        };
        Some(Redis { server, connection: BufReader::new(connection) })
    }

    fn send(&mut self, requests: &[u8]) {
        // A thread, since both sides could fill their socket buffers and wait for each other.
        let mut stream = self.connection.get_ref().try_clone().unwrap();
        let requests = requests.to_vec();
        thread::spawn(move || stream.write_all(&requests).unwrap());
    }

    /// Reads one reply that is a line or a bulk string; the null bulk gives an empty text.
    fn reply(&mut self) -> String {
        let mut line = String::new();
        self.connection.read_line(&mut line).unwrap();
        let line = line.trim_end();
        let Some(len) = line.strip_prefix('$') else { return line[1..].to_string() };
        let Ok(len) = len.parse::<usize>() else { return String::new() };
        let mut bulk = vec![0; len + 2];
        self.connection.read_exact(&mut bulk).unwrap();
        bulk.truncate(len);
        String::from_utf8(bulk).unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}
