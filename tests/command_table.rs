//! COMMAND of Shoal and of a real Redis, command by command, in both versions of the protocol.
//!
//! Invariant: a command that both servers have is described in the same bytes, but for the order of
//! subcommands, the wording of notes, and what changed since the Redis that is installed.
//! Documentation is compared but for its sentences, for commands whose arguments did not change.

#![expect(clippy::disallowed_methods, reason = "tests read files and the clock")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use support::client::Client;
use support::printer;
use support::reply::Reply;
use support::server::{Options, Program, Server};

/// Places of the elements in a row of COMMAND.
const NAME: usize = 0;
const KEY_SPECS: usize = 8;
const SUBCOMMANDS: usize = 9;
const LABELS: [&str; 10] = [
    "name",
    "arity",
    "flags",
    "first key",
    "last key",
    "step",
    "categories",
    "tips",
    "key specifications",
    "subcommands",
];

/// What Redis 7.2, which Shoal follows, describes otherwise than the older Redis that may be
/// installed.
const CHANGED_IN_7_2: &[(&str, &str)] = &[
    ("blmove", "flags"),
    ("blpop", "flags"),
    ("brpop", "flags"),
    ("brpoplpush", "flags"),
    ("bzpopmax", "flags"),
    ("bzpopmin", "flags"),
    ("cluster|shards", "flags"),
    ("cluster|slots", "flags"),
    ("georadius", "key specifications"),
    ("georadiusbymember", "key specifications"),
    ("msetnx", "tips"),
    ("sinterstore", "key specifications"),
    ("xread", "key specifications"),
    ("xreadgroup", "key specifications"),
    ("zrank", "arity"),
    ("zrevrank", "arity"),
];

fn both() -> Option<(Server, Server)> {
    let reference = Options::new(Program::reference()?, 1).start();
    Some((Options::under_test(2).start(), reference))
}

fn connect(server: &Server, protocol: &str) -> Client {
    let mut client = server.connect();
    client.call(&["HELLO", protocol]);
    client
}

fn name(row: &Reply) -> String {
    row.items()[NAME].text()
}

/// Rows by name, those of subcommands among them.
fn rows(reply: &Reply) -> BTreeMap<String, Reply> {
    let mut all = BTreeMap::new();
    for row in reply.items() {
        all.extend(rows(&row.items()[SUBCOMMANDS]));
        all.insert(name(row), row.clone());
    }
    all
}

/// The element, with what may differ made the same.
fn comparable(element: &Reply, place: usize) -> Reply {
    match place {
        KEY_SPECS => without_wording(element),
        // Subcommands are rows of their own; here it counts whether there are any.
        SUBCOMMANDS => match element {
            Reply::Array(items) if !items.is_empty() => Reply::Array(Vec::new()),
            other => other.clone(),
        },
        _ => element.clone(),
    }
}

fn without_wording(reply: &Reply) -> Reply {
    let is_note = |reply: &Reply| reply.text() == "notes";
    match reply {
        Reply::Set(items) => Reply::Set(items.iter().map(without_wording).collect()),
        Reply::Map(pairs) => {
            let blank = |(key, value): &(Reply, Reply)| match is_note(key) {
                true => (key.clone(), Reply::Bulk(Vec::new())),
                false => (key.clone(), value.clone()),
            };
            Reply::Map(pairs.iter().map(blank).collect())
        }
        Reply::Array(items) => {
            let mut items: Vec<Reply> = items.iter().map(without_wording).collect();
            if items.first().is_some_and(is_note) {
                items[1] = Reply::Bulk(Vec::new());
            }
            Reply::Array(items)
        }
        other => other.clone(),
    }
}

fn check_rows(protocol: &str) {
    let Some((shoal, redis)) = both() else { return };
    let ours = rows(&connect(&shoal, protocol).call(&["COMMAND"]));
    let theirs = rows(&connect(&redis, protocol).call(&["COMMAND"]));
    let version = Program::reference().and_then(|program| program.version());
    let is_older = version.is_some_and(|version| version < vec![7, 2]);
    let mut failures = Vec::new();
    for (name, row) in &ours {
        let Some(expected) = theirs.get(name) else { continue };
        assert_eq!(row.items().len(), LABELS.len(), "{name}");
        for (place, label) in LABELS.iter().enumerate() {
            let pair = [row, expected].map(|row| comparable(&row.items()[place], place));
            let differs = pair[0] != pair[1];
            if differs != (is_older && CHANGED_IN_7_2.contains(&(name, label))) {
                let [ours, theirs] = pair.map(|element| printer::print(&element));
                failures.push(format!("{name}, {label}:\n{ours}\nRedis:\n{theirs}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn commands_are_described_like_those_of_redis_in_resp2() {
    check_rows("2");
}

#[test]
fn commands_are_described_like_those_of_redis_in_resp3() {
    check_rows("3");
}

#[test]
fn requests_that_need_no_table_are_answered_like_redis_does() {
    const REQUESTS: &[&str] = &[
        "COMMAND INFO nonsense config|nonsense get|x config|get|x config| | GET Config|Get",
        "COMMAND DOCS nonsense",
        "COMMAND DOCS nonsense config|nonsense",
        "COMMAND LIST FILTERBY MODULE x",
        "COMMAND LIST FILTERBY ACLCAT nonsense",
        "COMMAND LIST FILTERBY ACLCAT @string",
        "COMMAND LIST FILTERBY PATTERN nonsense*",
        "COMMAND LIST FILTERBY",
        "COMMAND LIST FILTERBY PATTERN get* FILTERBY PATTERN set*",
        "COMMAND LIST FILTERBY nonsense x",
        "COMMAND GETKEYS nonsense x",
        "COMMAND GETKEYS PING x",
        "COMMAND GETKEYS OBJECT nonsense x",
        "COMMAND GETKEYS OBJECT HELP",
        "COMMAND GETKEYS OBJECT FREQ",
        "COMMAND GETKEYS OBJECT FREQ a",
        "COMMAND GETKEYS MEMORY USAGE a",
        "COMMAND GETKEYS MSET a",
        "COMMAND GETKEYS MSET a b c",
        "COMMAND GETKEYS mset a 1 b 2",
        "COMMAND GETKEYS config|get x",
        "COMMAND GETKEYS CONFIG GET x",
        "COMMAND GETKEYSANDFLAGS SET a b",
        "COMMAND GETKEYSANDFLAGS SET a b get",
        "COMMAND GETKEYSANDFLAGS SET a b EX 10 XX",
        "COMMAND GETKEYSANDFLAGS COPY a b",
        "COMMAND GETKEYSANDFLAGS DEL a b c",
        "COMMAND COUNT x",
        "COMMAND nonsense",
        "COMMAND nonsense x",
        "COMMAND HELP x",
    ];
    let Some((shoal, redis)) = both() else { return };
    for protocol in ["2", "3"] {
        let (mut ours, mut theirs) = (connect(&shoal, protocol), connect(&redis, protocol));
        for request in REQUESTS {
            let words: Vec<&str> = request.split(' ').collect();
            ours.send(&words);
            theirs.send(&words);
            let [ours, theirs] = [&mut ours, &mut theirs].map(|client| {
                let (_, bytes) = client.try_receive().expect("a reply");
                String::from_utf8_lossy(&bytes).into_owned()
            });
            assert_eq!(ours, theirs, "{request}");
        }
    }
}

#[test]
fn counts_and_lists_agree_with_the_table() {
    let server = Options::under_test(1).start();
    let mut client = server.connect();
    let table = client.call(&["COMMAND"]);
    let count = i64::try_from(table.items().len()).expect("a count");
    assert_eq!(client.run("COMMAND COUNT"), Reply::Integer(count));
    assert_eq!(client.run("COMMAND INFO"), table);
    let listed: BTreeSet<String> =
        client.run("COMMAND LIST").items().iter().map(Reply::text).collect();
    assert_eq!(listed, rows(&table).into_keys().collect::<BTreeSet<_>>());
}

/// Fields that hold sentences, which are our own.
const SENTENCES: [&str; 4] = ["summary", "complexity", "history", "replaced_by"];

/// The documentation with its sentences left out.
fn facts(reply: &Reply) -> Reply {
    let is_sentence = |key: &Reply| SENTENCES.contains(&key.text().as_str());
    match reply {
        Reply::Map(pairs) => {
            let kept = |(key, value): &(Reply, Reply)| match is_sentence(key) {
                true => (key.clone(), Reply::Nil),
                false => (key.clone(), facts(value)),
            };
            Reply::Map(pairs.iter().map(kept).collect())
        }
        Reply::Array(items) => Reply::Array(items.iter().map(facts).collect()),
        other => other.clone(),
    }
}

#[test]
fn documentation_has_the_form_and_the_facts_of_redis() {
    // Commands whose arguments are still those of Redis 7.0.
    const UNCHANGED: &str = "COMMAND DOCS append copy expire get getex getset mget \
                             object|freq pexpireat scan select substr";
    let Some((shoal, redis)) = both() else { return };
    let words: Vec<&str> = UNCHANGED.split_whitespace().collect();
    let ours = facts(&connect(&shoal, "3").call(&words));
    let theirs = facts(&connect(&redis, "3").call(&words));
    assert_eq!(printer::print(&ours), printer::print(&theirs));
    assert_eq!(ours, theirs);
}

/// Commands that a transcript cannot show, with the reason.
const WITHOUT_TRANSCRIPT: &[(&str, &str)] = &[("shutdown", "it ends the server")];

/// The command at the beginning of a transcript's line such as `sorted> KEYS *`, in lower case: its
/// first word, and the first two joined as the name of a subcommand.
fn called(line: &str) -> Option<[String; 2]> {
    let (prefix, command) = line.split_once("> ")?;
    let is_prompt =
        prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" >".contains(&byte));
    let mut words = command.split_whitespace().map(str::to_lowercase);
    let first = words.next().filter(|_| is_prompt)?;
    let both = format!("{first}|{}", words.next().unwrap_or_default());
    Some([first, both])
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test reads the transcripts")]
fn every_command_is_reached_by_a_transcript() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts");
    let mut reached: BTreeSet<String> = BTreeSet::new();
    for file in std::fs::read_dir(folder).expect("the folder of transcripts") {
        let path = file.expect("a readable folder").path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let text = std::fs::read_to_string(&path).expect("a readable transcript");
            reached.extend(text.lines().filter_map(called).flatten());
        }
    }
    let server = Options::under_test(1).start();
    let table = rows(&server.connect().call(&["COMMAND"]));
    let is_container = |row: &Reply| !row.items()[SUBCOMMANDS].items().is_empty();
    let missing: Vec<&String> = table
        .iter()
        .filter(|(name, row)| !is_container(row) && !reached.contains(*name))
        .map(|(name, _)| name)
        .filter(|name| WITHOUT_TRANSCRIPT.iter().all(|(exempt, _)| exempt != name))
        .collect();
    assert!(missing.is_empty(), "no transcript calls {missing:?}");
}
