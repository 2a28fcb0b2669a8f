//! How many changes a command counts (`rdb_changes_since_last_save`), compared with a real Redis.
//!
//! Invariant: after every command that both servers answer alike, both have counted the same, but
//! for the commands named in [`counts_otherwise`].

use std::collections::BTreeMap;

use crate::Stream;
use crate::compare::Received;
use crate::grammar::Command;
use crate::support::client::Client;
use crate::support::reply::Reply;
use crate::support::server::{Options, Program};

/// Streams that are played, each on empty databases.
const STREAMS: u64 = 40;

/// One server's connection and the changes it has counted so far.
struct Side {
    client: Client,
    changes: i64,
}

impl Side {
    /// Runs a command; returns its reply and how many changes it has counted, `None` if that was
    /// the end of the connection.
    fn run(&mut self, command: &Command) -> Option<(Received, i64)> {
        self.client.send(command);
        self.client.send(&["INFO", "persistence"]);
        let received = self.client.try_receive().ok()?;
        let (info, _) = self.client.try_receive().ok()?;
        let info = info.text();
        let field = info.lines().find_map(|line| line.strip_prefix("rdb_changes_since_last_save:"));
        let changes: i64 = field.and_then(|number| number.parse().ok()).expect("a number");
        let counted = changes - std::mem::replace(&mut self.changes, changes);
        Some((received, counted))
    }
}

/// Commands of which Redis counts what nobody sees: registers of sketches (PFADD), elements of a
/// stored list (SORT), fields whose overflow failed (BITFIELD), a swap of a database with itself.
fn counts_otherwise(command: &Command) -> bool {
    let name = command[0].to_ascii_uppercase();
    matches!(name.as_slice(), b"PFADD" | b"SORT" | b"BITFIELD" | b"SWAPDB")
}

#[test]
fn every_command_counts_its_changes_as_redis_does() {
    let Some(program) = Program::reference() else { return };
    let reference = Options::new(program, 1).start();
    let subject = Options::under_test(1).start();
    let rows = crate::rows_for(&subject);
    let mut differences: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for seed in 1..=STREAMS {
        let stream = Stream::generate(seed, &rows);
        let open = |server| Side {
            client: crate::fresh_client(server, false).expect("the server runs"),
            changes: 0,
        };
        let (mut expected, mut actual) = (open(&reference), open(&subject));
        let flush: Command = vec![b"FLUSHALL".to_vec()];
        drop((expected.run(&flush), actual.run(&flush)));
        for command in &stream.commands {
            let played = expected.run(command).zip(actual.run(command));
            let Some(((left, expects), (right, counts))) = played else { break };
            if left.1 == right.1 && expects != counts && !counts_otherwise(command) {
                let name = String::from_utf8_lossy(&command[0]).to_ascii_uppercase();
                let text = crate::printed_command(command);
                let found = differences.entry(name).or_default();
                found.push(format!("{text}: {expects} in Redis, {counts} here"));
            }
            if left.1 != right.1 && !matches!(left.0, Reply::Array(_)) {
                break;
            }
        }
    }
    let shown: Vec<&str> =
        differences.values().flat_map(|found| found.iter().take(4)).map(String::as_str).collect();
    assert!(shown.is_empty(), "{} commands:\n{}", differences.len(), shown.join("\n"));
}
