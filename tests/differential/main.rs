//! Differential tests: one random stream of commands to a real Redis and to the server under test.
//!
//! Invariant: every reply is equal byte for byte, in RESP2 and in RESP3, with 1, 2 and 7 shards,
//! but for the exceptions named in `compare.rs`; at the end the whole keyspaces are equal too. A
//! failure prints its seed and the shortest stream that still fails. The seeds are the same in
//! every run; `SECONDS=n` looks for new ones for so long, `SEED=n` repeats one stream, `ONLY=X`
//! leaves the commands whose names begin so.

#![expect(clippy::disallowed_methods, reason = "tests read the clock")]

mod bitmaps;
mod blocking;
mod changes;
mod compare;
mod grammar;
mod hashes;
mod minimise;
mod sorted_sets;
mod streams;
#[path = "../support/mod.rs"]
mod support;

use std::io::ErrorKind;
use std::time::{Duration, Instant, SystemTime};

use compare::{Received, equivalent};
use grammar::{Command, Grammar, OTHER_TYPES, ROWS, Row, SETS};
use support::client::{Client, encode};
use support::printer;
use support::random::Random;
use support::reply::Reply;
use support::server::{Options, Program, Server};
use support::words;

/// How many seeds a run tries that is not told otherwise.
const STREAMS: u64 = 250;
const STREAM_LENGTH: usize = 300;
const DATABASES: usize = 4;
/// How much of an argument a failure shows; the seed repeats it whole.
const ARGUMENT_SHOWN_MAX: usize = 100;
const SHARDS: [usize; 3] = [1, 2, 7];

/// A stream and how it is sent.
struct Stream {
    seed: u64,
    resp3: bool,
    counts_are_certain: bool,
    commands: Vec<Command>,
}

impl Stream {
    fn generate(seed: u64, rows: &[&Row]) -> Stream {
        let mut grammar = Grammar::new(seed, rows);
        let counts_are_certain = grammar.counts_are_certain();
        let commands = (0..STREAM_LENGTH).map(|_| grammar.command()).collect();
        Stream { seed, resp3: seed % 2 == 1, counts_are_certain, commands }
    }
}

/// The first place where two servers part.
struct Difference {
    /// The command, or the question about the final state.
    at: String,
    expected: String,
    actual: String,
    /// How many commands of the stream had been answered.
    prefix: usize,
}

/// Sends the commands in pipelines of random depth, cut at random bytes, and collects the replies;
/// a connection that ends early leaves [`missing`] as its last reply.
fn play(client: &mut Client, commands: &[Command], random: &mut Random) -> Vec<Received> {
    let mut replies = Vec::with_capacity(commands.len());
    let mut rest = commands;
    while !rest.is_empty() {
        let depth = if random.percent(50) { 1 } else { 1 + random.below(40) };
        let (batch, after) = rest.split_at(depth.min(rest.len()));
        let bytes: Vec<u8> = batch.iter().flat_map(|command| encode(command)).collect();
        let mut unsent = bytes.as_slice();
        while !unsent.is_empty() {
            let whole = random.percent(60);
            let length = if whole { unsent.len() } else { 1 + random.below(unsent.len()) };
            // A refusal shows as a missing reply below.
            drop(client.send_bytes(&unsent[..length]));
            unsent = &unsent[length..];
        }
        for _ in batch {
            match client.try_receive() {
                Ok(received) => replies.push(received),
                Err(error) => {
                    replies.push(missing(error.kind()));
                    return replies;
                }
            }
        }
        rest = after;
    }
    replies
}

/// What stands for the reply that a server did not give: it was silent for too long, or ended the
/// connection.
fn missing(reason: ErrorKind) -> Received {
    let why = match reason {
        ErrorKind::WouldBlock => "the server is silent",
        _ => "the connection has ended",
    };
    let text = format!("(no reply: {why})");
    let bytes = format!("-{text}\r\n").into_bytes();
    (Reply::Error(text), bytes)
}

fn is_missing((_, bytes): &Received) -> bool {
    bytes.starts_with(b"-(no reply: ")
}

/// A client on empty databases; `None` when the server is gone.
fn fresh_client(server: &Server, resp3: bool) -> Option<Client> {
    let mut client = server.try_connect().ok()?;
    if resp3 {
        client.send(&["HELLO", "3"]);
        client.try_receive().ok()?;
    }
    client.send(&["FLUSHALL"]);
    let (flushed, _) = client.try_receive().ok()?;
    assert_eq!(flushed, Reply::Status("OK".to_owned()));
    Some(client)
}

/// Everything that a server holds, as questions with their answers.
fn final_state(server: &Server) -> Vec<(Command, Received)> {
    let mut client = server.connect();
    let mut state = Vec::new();
    for database in 0..DATABASES {
        let mut ask = |line: Vec<&[u8]>| {
            client.send(&line);
            let received = client.try_receive().expect("a reply");
            let reply = received.0.clone();
            state.push((line.into_iter().map(<[u8]>::to_vec).collect::<Command>(), received));
            reply
        };
        ask(vec![b"SELECT", database.to_string().as_bytes()]);
        let keys = ask(vec![b"KEYS", b"*"]).sorted();
        for key in keys.items().iter().filter_map(Reply::bytes) {
            ask(vec![b"PEXPIRETIME", key]);
            ask(vec![b"OBJECT", b"ENCODING", key]);
            match ask(vec![b"TYPE", key]).text().as_str() {
                "string" => ask(vec![b"GET", key]),
                "hash" => ask(vec![b"HGETALL", key]),
                "set" => ask(vec![b"SMEMBERS", key]),
                "zset" => ask(vec![b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"]),
                "list" => ask(vec![b"LRANGE", key, b"0", b"-1"]),
                "stream" => ask(vec![b"XRANGE", key, b"-", b"+"]),
                _ => Reply::Nil,
            };
        }
    }
    state
}

/// Plays one stream on two servers and looks for the first difference.
fn compare(reference: &Server, subject: &Server, stream: &Stream) -> Option<Difference> {
    let run = |server: &Server| {
        let Some(mut client) = fresh_client(server, stream.resp3) else {
            return (vec![missing(ErrorKind::UnexpectedEof)], Vec::new());
        };
        let replies = play(&mut client, &stream.commands, &mut Random::new(stream.seed));
        let whole = !replies.last().is_some_and(is_missing);
        (replies, if whole { final_state(server) } else { Vec::new() })
    };
    let (expected, expected_state) = run(reference);
    let (actual, actual_state) = run(subject);
    let difference = |command: &Command, left: &Received, right: &Received, prefix: usize| {
        let counts = stream.counts_are_certain;
        (!equivalent(command, left, right, counts)).then(|| Difference {
            at: printed_command(command),
            expected: printed(&left.1),
            actual: printed(&right.1),
            prefix,
        })
    };
    let replies = expected.iter().zip(&actual).zip(&stream.commands).enumerate();
    let mut found = replies.filter_map(|(index, ((left, right), command))| {
        difference(command, left, right, index + 1)
    });
    let state = expected_state.iter().zip(&actual_state);
    let length = stream.commands.len();
    found.next().or_else(|| {
        let mut states = state
            .filter_map(|((command, left), (_, right))| difference(command, left, right, length));
        states.next()
    })
}

fn printed_command(command: &Command) -> String {
    let plain = |word: &[u8]| {
        let simple = |byte: &u8| byte.is_ascii_graphic() && !b"\"'\\".contains(byte);
        !word.is_empty() && word.iter().all(simple)
    };
    let word = |word: &Vec<u8>| {
        if word.len() > ARGUMENT_SHOWN_MAX {
            let beginning = words::quote(&word[..ARGUMENT_SHOWN_MAX]);
            format!("{beginning}…({} bytes)", word.len())
        } else if plain(word) {
            String::from_utf8_lossy(word).into_owned()
        } else {
            words::quote(word)
        }
    };
    command.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// A reply's bytes as people read them, with the printed form where it says more.
fn printed(bytes: &[u8]) -> String {
    let text = Reply::parse(bytes).map(|(reply, _)| printer::print(&reply)).unwrap_or_default();
    let mut shown: String = words::quote(bytes).chars().take(300).collect();
    if text.lines().count() > 1 {
        shown.push('\n');
        shown.extend(text.chars().take(600));
    }
    shown
}

/// Shortens a failing stream and says everything that a person needs to repeat it.
fn explain(
    reference: &Server,
    subject: &Server,
    stream: &Stream,
    shards: usize,
    first: Option<Difference>,
) -> String {
    let with = |commands: &[Command]| Stream { commands: commands.to_vec(), ..*stream };
    let first = first.or_else(|| compare(reference, subject, stream));
    let prefix = first.as_ref().map_or(stream.commands.len(), |found| found.prefix);
    if subject.try_connect().is_err() {
        let last = stream.commands[..prefix].iter().rev().take(40).rev();
        let lines: Vec<String> = last.map(printed_command).collect();
        return format!(
            "{shards} shards: the server has died, repeat with SEED={}; the last commands:\n{}\n{}",
            stream.seed,
            lines.join("\n"),
            subject.log()
        );
    }
    let mut fails = |commands: &[Command]| compare(reference, subject, &with(commands)).is_some();
    let shortest = minimise::minimise(&stream.commands[..prefix], &mut fails);
    let lines: Vec<String> = shortest.iter().map(printed_command).collect();
    let Some(found) = compare(reference, subject, &with(&shortest)).or(first) else {
        return format!("seed {}: failed once and not again", stream.seed);
    };
    format!(
        "{shards} shards, RESP{}, repeat with SEED={}\n{}\nfirst difference: {}\n\
         expected: {}\nreceived: {}",
        if stream.resp3 { 3 } else { 2 },
        stream.seed,
        lines.join("\n"),
        found.at,
        found.expected,
        found.actual
    )
}

/// The rows to draw from: those on other types only where the server has the commands.
fn rows_for(subject: &Server) -> Vec<&'static Row> {
    let mut client = subject.connect();
    let supported = |row: &&Row| {
        let name = row.template.split(' ').next().unwrap_or_default();
        client
            .call(&["COMMAND", "INFO", name])
            .items()
            .first()
            .is_some_and(|row| *row != Reply::Nil)
    };
    let mut rows: Vec<&Row> = ROWS.iter().chain(bitmaps::ROWS).collect();
    let types = [OTHER_TYPES, SETS, hashes::ROWS, sorted_sets::ROWS, streams::ROWS];
    let others: Vec<&Row> = types.into_iter().flatten().filter(supported).collect();
    println!("{} rows on other types are supported", others.len());
    rows.extend(others);
    if let Ok(prefix) = std::env::var("ONLY") {
        rows.retain(|row| row.template.starts_with(&prefix));
    }
    rows
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}")))
}

fn seed_of_the_clock() -> u64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since_epoch.map_or(0, |elapsed| elapsed.as_nanos() as u64) % 1_000_000_000
}

#[test]
fn every_reply_equals_that_of_redis() {
    let Some(program) = Program::reference() else { return };
    let databases = format!("--databases {}", DATABASES.max(16));
    let reference = Options::new(program, 1).with(&databases).start();
    let start = |shards| Options::under_test(shards).with(&databases).start();
    let subjects: Vec<(usize, Server)> =
        SHARDS.iter().map(|&shards| (shards, start(shards))).collect();
    let rows = rows_for(&subjects[0].1);
    let duration = number("SECONDS").map(Duration::from_secs);
    let first = number("SEED").unwrap_or_else(|| duration.map_or(1, |_| seed_of_the_clock()));
    let begun = Instant::now();
    let goes_on = |streams| match (number("SEED"), duration) {
        (Some(_), _) => streams == 0,
        (None, Some(duration)) => streams == 0 || begun.elapsed() < duration,
        (None, None) => streams < STREAMS,
    };
    let mut streams = 0;
    while goes_on(streams) {
        let stream = Stream::generate(first + streams, &rows);
        for (shards, subject) in &subjects {
            let difference = compare(&reference, subject, &stream);
            if difference.is_some() {
                panic!("{}", explain(&reference, subject, &stream, *shards, difference));
            }
        }
        streams += 1;
    }
    println!("{streams} streams of {STREAM_LENGTH} commands from seed {first}");
}

/// A server that answers otherwise is found out, and the stream is cut down to the reason.
#[test]
fn a_difference_is_found_and_made_short() {
    let Some(program) = Program::reference() else { return };
    let reference = Options::new(program.clone(), 1).start();
    let mut other = Options::new(program, 1);
    other.arguments = ["--rename-command", "GETSET", ""].map(str::to_owned).to_vec();
    let other = other.start();
    let getset = ROWS.iter().find(|row| row.template.starts_with("GETSET")).expect("a row");
    let rows = [&ROWS[0], &ROWS[1], getset];
    let failing = (0..100)
        .map(|seed| Stream::generate(seed, &rows))
        .find(|stream| compare(&reference, &other, stream).is_some())
        .expect("some stream uses the missing command");
    let text = explain(&reference, &other, &failing, 1, None);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[1].to_ascii_uppercase().starts_with("GETSET "), "{text}");
    assert!(lines[2].starts_with("first difference"), "one command was expected:\n{text}");
}

/// A server that drops the connection, or dies, is reported with the seed like other differences.
#[test]
fn an_ended_connection_is_a_difference() {
    let Some(program) = Program::reference() else { return };
    let reference = Options::new(program.clone(), 1).start();
    let other = Options::new(program.clone(), 1).with("--proto-max-bulk-len 1mb").start();
    let words = |line: &str| line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
    let large: Command = vec![b"ECHO".to_vec(), vec![b'x'; (1 << 20) + 1]];
    let commands: Vec<Command> = vec![words("SET a 1"), words("GET a"), large, words("PING")];
    let stream = Stream { seed: 1, resp3: true, counts_are_certain: true, commands };
    let text = explain(&reference, &other, &stream, 1, None);
    assert!(text.contains("SEED=1\nECHO "), "one command was expected:\n{text}");
    let mut dead = Options::new(program, 1).start();
    dead.stop(libc::SIGKILL);
    let text = explain(&reference, &dead, &stream, 1, None);
    assert!(text.contains("has died") && text.contains("SEED=1"), "{text}");
}
