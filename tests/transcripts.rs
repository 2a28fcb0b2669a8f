//! Transcripts: sessions as text, with every reply as redis-cli prints it.
//!
//! Invariant: every file under `tests/transcripts/` gives the same text on 1, 2 and 7 shards and on
//! a real Redis. The format is described in `tests/transcripts/README.md`. `UPDATE=1` rewrites the
//! expectations from the real Redis; `TRANSCRIPT=name` runs the files whose name contains it.
//! Absent on purpose: any state between cases. Each starts on empty databases and new connections.

#![expect(clippy::disallowed_methods, reason = "tests read files and the clock")]

mod support;

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use support::client::Client;
use support::printer;
use support::server::{Options, Program, Server};
use support::words;

/// How long `wait ... until` repeats its command.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// Stands for any text in a line, or alone for any number of lines.
const ANYTHING: char = '…';

/// What stands before the first case.
#[derive(Default)]
struct Header {
    resp3: bool,
    arguments: Vec<String>,
    newer: Option<Vec<u32>>,
    /// A command without which the file says nothing.
    needs: Option<String>,
}

#[derive(Clone, PartialEq)]
enum Action {
    /// `>`: send and receive.
    Call,
    /// `>>`: send only.
    Send,
    /// `<`: receive only.
    Receive,
    /// `raw>`: send bytes on a connection of its own, receive until it closes.
    Raw,
    /// `wait 50ms until >`: repeat until the reply is the expected one.
    Wait(Duration),
}

struct Step {
    /// Index of the command's line.
    line: usize,
    action: Action,
    client: String,
    sorted: bool,
    command: Vec<Vec<u8>>,
    /// Indices of the lines with the expected reply.
    expected: Range<usize>,
}

#[derive(Default)]
struct Case {
    newer: Option<Vec<u32>>,
    steps: Vec<Step>,
}

struct Transcript {
    path: PathBuf,
    lines: Vec<String>,
    header: Header,
    cases: Vec<Case>,
}

impl Transcript {
    fn load(path: &Path) -> Transcript {
        let text = std::fs::read_to_string(path).expect("a transcript in UTF-8");
        Transcript::parse(path, &text).unwrap_or_else(|error| panic!("{}:{error}", path.display()))
    }

    fn parse(path: &Path, text: &str) -> Result<Transcript, String> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut header = Header::default();
        let mut cases: Vec<Case> = vec![Case::default()];
        for (index, line) in lines.iter().enumerate() {
            let fail = |message: &str| format!("{}: {message}: {line}", index + 1);
            let begun = cases.iter().any(|case| !case.steps.is_empty());
            let case = cases.last_mut().expect("one case at least");
            if line.is_empty() {
                cases.push(Case::default());
            } else if line.starts_with('#') {
                continue;
            } else if let Some(step) = parse_step(index, line).map_err(|text| fail(&text))? {
                case.steps.push(step);
            } else if let Some(step) = case.steps.last_mut() {
                if step.expected.end != index {
                    return Err(fail("a reply must follow its command"));
                }
                step.expected.end = index + 1;
            } else if begun || index > 0 && cases.len() > 1 {
                let version = line.strip_prefix("newer: ").ok_or_else(|| fail("not a command"))?;
                cases.last_mut().expect("one case at least").newer = Some(parse_version(version));
            } else {
                header.read(line).ok_or_else(|| fail("not a header"))?;
            }
        }
        cases.retain(|case| !case.steps.is_empty());
        Ok(Transcript { path: path.to_owned(), lines, header, cases })
    }

    fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl Header {
    fn read(&mut self, line: &str) -> Option<()> {
        let (name, value) = line.split_once(": ")?;
        match name {
            "resp" => self.resp3 = value == "3",
            "newer" => self.newer = Some(parse_version(value)),
            "needs" => self.needs = Some(value.to_owned()),
            "server" => {
                let arguments = words::split(value).ok()?;
                let texts = arguments.into_iter().map(String::from_utf8);
                self.arguments = texts.collect::<Result<_, _>>().ok()?;
            }
            _ => return None,
        }
        Some(())
    }
}

fn parse_version(text: &str) -> Vec<u32> {
    text.split('.').map(|part| part.parse().expect("a version number")).collect()
}

/// A command line, or `None` for a line that belongs to a reply.
fn parse_step(index: usize, line: &str) -> Result<Option<Step>, String> {
    let Some(end) = line.find(['>', '<']) else { return Ok(None) };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == ' ';
    if !line[..end].chars().all(plain) {
        return Ok(None);
    }
    let (action, rest) = match &line[end..] {
        marked if marked.starts_with(">>") => (Action::Send, &marked[2..]),
        marked if marked.starts_with('<') => (Action::Receive, &marked[1..]),
        marked => (Action::Call, &marked[1..]),
    };
    let command = words::split(rest)?;
    let expected = index + 1..index + 1;
    let client = String::new();
    let mut step = Step { line: index, action, client, sorted: false, command, expected };
    let mut prefix = line[..end].split_whitespace();
    while let Some(word) = prefix.next() {
        match word {
            "sorted" => step.sorted = true,
            "raw" => step.action = Action::Raw,
            "wait" => {
                let pause = prefix.next().and_then(|word| word.strip_suffix("ms"));
                let pause = pause.and_then(|digits| digits.parse().ok()).ok_or("wait how long?")?;
                step.action = Action::Wait(Duration::from_millis(pause));
            }
            "until" => {}
            name => step.client = name.to_owned(),
        }
    }
    if step.command.is_empty() != (step.action == Action::Receive) {
        return Err("a command is missing, or too many".to_owned());
    }
    Ok(Some(step))
}

/// One case's connections to one server.
struct Session<'a> {
    server: &'a Server,
    resp3: bool,
    clients: HashMap<String, Client>,
}

impl Session<'_> {
    fn client(&mut self, name: &str) -> &mut Client {
        let (server, resp3) = (self.server, self.resp3);
        self.clients.entry(name.to_owned()).or_insert_with(|| {
            let mut client = server.connect();
            client.set_patience(Duration::from_secs(10));
            if resp3 {
                client.run("HELLO 3");
            }
            client
        })
    }

    /// Carries out a step; the reply comes as lines.
    fn perform(&mut self, step: &Step, expected: &[&str]) -> Vec<String> {
        match step.action {
            Action::Call => self.call(step),
            Action::Send => {
                self.client(&step.client).send(&step.command);
                Vec::new()
            }
            Action::Receive => self.receive(step),
            Action::Raw => self.raw(&step.command[0]),
            Action::Wait(pause) => {
                let deadline = Instant::now() + WAIT_MAX;
                loop {
                    let lines = self.call(step);
                    if matches(expected, &lines) || Instant::now() > deadline {
                        return lines;
                    }
                    std::thread::sleep(pause);
                }
            }
        }
    }

    fn call(&mut self, step: &Step) -> Vec<String> {
        let bytes = support::client::encode(&step.command);
        match self.client(&step.client).send_bytes(&bytes) {
            Ok(()) => self.receive(step),
            Err(_) => vec!["(closed)".to_owned()],
        }
    }

    fn receive(&mut self, step: &Step) -> Vec<String> {
        match self.client(&step.client).try_receive() {
            Ok((reply, _)) => {
                let reply = if step.sorted { reply.sorted() } else { reply };
                printed_lines(&printer::print(&reply))
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                vec!["(no reply)".to_owned()]
            }
            Err(_) => vec!["(closed)".to_owned()],
        }
    }

    fn raw(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut client = self.server.connect();
        drop(client.send_bytes(bytes));
        client.finish_sending();
        let Ok(received) = client.receive_until_closed() else {
            return vec!["(not closed)".to_owned()];
        };
        let lines = received.split_inclusive(|byte| *byte == b'\n');
        lines.map(words::quote).collect()
    }
}

/// A printed reply as lines that cannot be mistaken for the end of a case or for a comment.
fn printed_lines(text: &str) -> Vec<String> {
    let line = |line: &str| match line.trim_end_matches('\r') {
        "" => "(blank)".to_owned(),
        line if line.starts_with('#') => format!("\\{line}"),
        line => line.to_owned(),
    };
    text.split('\n').map(line).collect()
}

/// Whether the lines are the expected ones, where `…` stands for anything.
fn matches(expected: &[&str], actual: &[String]) -> bool {
    match (expected, actual) {
        ([], []) => true,
        (["…", rest @ ..], _) => (0..=actual.len()).any(|from| matches(rest, &actual[from..])),
        ([line, rest @ ..], [first, others @ ..]) => {
            line_matches(line, first) && matches(rest, others)
        }
        _ => false,
    }
}

fn line_matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once(ANYTHING) {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().any(|(at, _)| line_matches(after, &rest[at..]))
                || line_matches(after, "")
        }),
    }
}

/// What a run of one transcript on one server found.
#[derive(Default)]
struct Outcome {
    steps: usize,
    failures: Vec<String>,
    /// For each step that went another way: its expected lines and the actual ones.
    updates: Vec<(Range<usize>, Vec<String>)>,
}

fn run(transcript: &Transcript, options: &Options) -> Outcome {
    let version = options.program.redis.then(|| options.program.version()).flatten();
    let too_new = |newer: &Option<Vec<u32>>| match (newer, &version) {
        (Some(newer), Some(version)) => newer > version,
        _ => false,
    };
    let mut outcome = Outcome::default();
    if too_new(&transcript.header.newer) {
        return outcome;
    }
    let mut options = options.clone();
    options.arguments.extend(transcript.header.arguments.iter().cloned());
    let server = options.start();
    if let Some(command) = &transcript.header.needs {
        let mut admin = server.connect();
        let known = admin.run(&format!("COMMAND INFO {command}"));
        admin.close();
        if known.items() == [support::reply::Reply::Nil] {
            println!("{}: skipped, {command} does not exist", transcript.name());
            return outcome;
        }
    }
    for case in transcript.cases.iter().filter(|case| !too_new(&case.newer)) {
        let mut admin = server.connect();
        let flushed = admin.run("FLUSHALL");
        admin.close();
        let protected = flushed.is_error("NOAUTH") || flushed == support::reply::Reply::Nil;
        let usable = protected || flushed.bytes() == Some(b"OK");
        assert!(usable, "{}: FLUSHALL says {flushed:?}", transcript.name());
        let clients = HashMap::new();
        let resp3 = transcript.header.resp3;
        let mut session = Session { server: &server, resp3, clients };
        for step in &case.steps {
            perform(transcript, step, &mut session, &mut outcome);
        }
        session.clients.into_values().for_each(Client::close);
    }
    outcome
}

fn perform(transcript: &Transcript, step: &Step, session: &mut Session, outcome: &mut Outcome) {
    let lines = transcript.lines[step.expected.clone()].iter();
    let expected: Vec<&str> =
        lines.map(String::as_str).filter(|line| !line.starts_with('#')).collect();
    let actual = session.perform(step, &expected);
    outcome.steps += 1;
    if !matches(&expected, &actual) {
        outcome.failures.push(format!(
            "{}:{}: {}\n  expected:\n    {}\n  received:\n    {}",
            transcript.name(),
            step.line + 1,
            transcript.lines[step.line],
            expected.join("\n    "),
            actual.join("\n    ")
        ));
        outcome.updates.push((step.expected.clone(), actual));
    }
}

fn transcripts() -> Vec<Transcript> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let wanted = std::env::var("TRANSCRIPT").unwrap_or_default();
    let entries = std::fs::read_dir(folder).expect("the folder of transcripts");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| {
        path.extension().is_some_and(|extension| extension == "txt")
            && path.to_string_lossy().contains(&wanted)
    });
    paths.sort();
    paths.iter().map(|path| Transcript::load(path)).collect()
}

fn updating() -> bool {
    std::env::var_os("UPDATE").is_some()
}

/// Runs every transcript and fails with all differences at once.
fn run_all(options: &Options) {
    let transcripts = transcripts();
    let outcomes: Vec<Outcome> = transcripts.iter().map(|text| run(text, options)).collect();
    let steps: usize = outcomes.iter().map(|outcome| outcome.steps).sum();
    println!("{} transcripts, {steps} steps", transcripts.len());
    let failures: Vec<&str> =
        outcomes.iter().flat_map(|outcome| &outcome.failures).map(String::as_str).collect();
    let shown = failures.iter().take(30).copied().collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} of {steps} steps differ:\n{shown}", failures.len());
}

#[test]
fn one_shard_agrees() {
    if !updating() {
        run_all(&Options::under_test(1));
    }
}

#[test]
fn two_shards_agree() {
    if !updating() {
        run_all(&Options::under_test(2));
    }
}

#[test]
fn seven_shards_agree() {
    if !updating() {
        run_all(&Options::under_test(7));
    }
}

#[test]
fn the_reference_agrees() {
    let Some(program) = Program::reference() else { return };
    let options = Options::new(program, 1);
    if !updating() {
        return run_all(&options);
    }
    for transcript in transcripts() {
        let outcome = run(&transcript, &options);
        if outcome.updates.is_empty() {
            continue;
        }
        let mut lines = transcript.lines;
        for (range, actual) in outcome.updates.into_iter().rev() {
            lines.splice(range, actual);
        }
        std::fs::write(&transcript.path, lines.join("\n") + "\n").expect("a writable transcript");
    }
}

#[test]
fn a_difference_is_noticed() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(matches(&["1) \"a\"", "2) \"b\""], &lines("1) \"a\"\n2) \"b\"")));
    assert!(!matches(&["1) \"a\""], &lines("1) \"a\"\n2) \"b\"")));
    assert!(!matches(&["1) \"a\"", "2) \"b\""], &lines("1) \"a\"")));
    assert!(matches(&["id=… name=x", "…", "end"], &lines("id=3 name=x\n1\n2\nend")));
    assert!(!matches(&["id=… name=x"], &lines("id=3 name=y")));
    assert!(matches(&["…"], &[]));
    let broken = "> GET a\n(nil)\n# comment\nOK\n";
    assert!(Transcript::parse(Path::new("x"), broken).is_err(), "a reply after a comment");
    assert!(Transcript::parse(Path::new("x"), "resp: 3\nnonsense\n> PING\nPONG").is_err());
    assert!(Transcript::parse(Path::new("x"), "> GET \"a\n").is_err());
}

/// Our printer against the real one, on every type of reply that a real Redis can be made to send.
#[test]
fn replies_are_printed_as_by_redis_cli() {
    let Some(program) = Program::reference() else { return };
    let server = Options::new(program, 1).with("--enable-debug-command yes").start();
    let mut client = server.connect();
    let commands = [
        "DEBUG PROTOCOL string",
        "DEBUG PROTOCOL integer",
        "DEBUG PROTOCOL double",
        "DEBUG PROTOCOL null",
        "DEBUG PROTOCOL array",
        "DEBUG PROTOCOL set",
        "DEBUG PROTOCOL map",
        "DEBUG PROTOCOL verbatim",
        "DEBUG PROTOCOL true",
        "DEBUG PROTOCOL false",
        "COMMAND INFO get mset nonsense ping set del exists mget append incr decr",
        "COMMAND DOCS get lcs",
        "CONFIG GET maxmemory-p*",
        "CLIENT TRACKINGINFO",
        "SCAN 0",
        "ECHO \\\u{1}\n\"\t\u{7}é",
        "GET",
    ];
    for version in ["2", "3"] {
        client.call(&["HELLO", version]);
        for command in commands {
            let port = server.address.port().to_string();
            let printed = std::process::Command::new("redis-cli")
                .args(["--no-raw", &format!("-{version}"), "-p", &port])
                .args(command.split(' '))
                .output();
            let Ok(printed) = printed else { return eprintln!("skipped: no redis-cli") };
            let reply = client.run(command);
            let theirs = String::from_utf8_lossy(&printed.stdout).into_owned();
            let ours = printer::print(&reply);
            assert_eq!(ours.trim_end(), theirs.trim_end(), "{command} in RESP{version}");
        }
    }
}
