//! Commands that wait, compared with those of Redis: who is served, with what, and by which step.
//!
//! One random script for several connections runs step by step on both servers. After each step a
//! server is given the time to settle: everybody is answered or waits, and nothing is on its way.
//! Then it is compared who was answered with which bytes.
//!
//! Invariant: no step begins before the one before it has had all its effects, so a difference is a
//! difference of order or of content, never of speed.

mod script;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::compare::{Received, equivalent};
use crate::grammar::Command;
use crate::support::client::Client;
use crate::support::reply::Reply;
use crate::support::server::{Options, Program, Server};
use crate::{SHARDS, final_state, minimise, number, printed, printed_command, seed_of_the_clock};
use script::{Action, CLIENTS, Step};

/// How many scripts a run tries that is not told otherwise.
const SCRIPTS: u64 = 60;

/// How long a server may take to settle.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection and the commands it has no answer to.
struct Member {
    client: Client,
    id: i64,
    owed: VecDeque<Command>,
}

impl Member {
    fn connect(server: &Server) -> Member {
        let mut client = server.connect();
        let Reply::Integer(id) = client.run("CLIENT ID") else { panic!("an id") };
        Member { client, id, owed: VecDeque::new() }
    }
}

/// A client that was answered, what it had asked, and what it heard.
type Event = (usize, Command, Received);

/// One server with the script's connections.
struct Side<'s> {
    server: &'s Server,
    control: Client,
    members: Vec<Member>,
}

impl<'s> Side<'s> {
    fn new(server: &'s Server) -> Side<'s> {
        let mut control = server.connect();
        assert_eq!(control.run("FLUSHALL"), Reply::Status("OK".to_owned()));
        let members = (0..CLIENTS).map(|_| Member::connect(server)).collect();
        Side { server, control, members }
    }

    /// Takes a step and returns who was answered until the server settled, by number. Whoever waits
    /// can only leave; other steps of such a client do nothing.
    fn take(&mut self, step: &Step) -> Vec<Event> {
        let unblock = self.unblock_line(&step.action);
        let member = &mut self.members[step.client];
        match &step.action {
            Action::Leave => *member = Member::connect(self.server),
            _ if !member.owed.is_empty() => {}
            Action::Send(commands) => member.send(commands),
            Action::Unblock { .. } => member.send(&unblock),
        }
        self.settle()
    }

    fn unblock_line(&self, action: &Action) -> Vec<Command> {
        let Action::Unblock { target, with_error } = action else { return Vec::new() };
        let how = if *with_error { "ERROR" } else { "TIMEOUT" };
        let line = format!("CLIENT UNBLOCK {} {how}", self.members[*target].id);
        vec![line.split(' ').map(|word| word.as_bytes().to_vec()).collect()]
    }

    /// Reads replies until everybody who has none waits for a key, and nothing is on its way.
    fn settle(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while !(self.is_at_rest(&mut events) && self.is_at_rest(&mut events)) {
            let owed: Vec<&VecDeque<Command>> =
                self.members.iter().map(|member| &member.owed).collect();
            assert!(Instant::now() < deadline, "the server does not settle; it owes {owed:?}");
        }
        events.sort_by_key(|(client, ..)| *client);
        events
    }

    /// Whether nothing was received and as many clients wait as have no answer.
    ///
    /// What a server of several cores does for those who wait may go on after the reply of whoever
    /// brought it. It rests on claims of keys, and DBSIZE needs them all: it comes after.
    fn is_at_rest(&mut self, events: &mut Vec<Event>) -> bool {
        self.control.run("DBSIZE");
        let waiting = self.blocked_clients();
        let (mut received, mut owing) = (0, 0);
        for (index, member) in self.members.iter_mut().enumerate() {
            received += member.receive(index, events);
            owing += usize::from(!member.owed.is_empty());
        }
        let mut waits = self.members.iter().filter_map(|member| member.owed.front());
        received == 0 && waiting == owing && !waits.any(script::ends_soon)
    }

    fn blocked_clients(&mut self) -> usize {
        let info = self.control.run("INFO clients").text();
        let value = info.lines().find_map(|line| line.strip_prefix("blocked_clients:"));
        value.and_then(|value| value.trim().parse().ok()).expect("the field is a number")
    }
}

impl Member {
    fn send(&mut self, commands: &[Command]) {
        let bytes: Vec<u8> = commands.iter().flat_map(|line| crate::encode(line)).collect();
        self.client.send_bytes(&bytes).expect("the command is sent");
        self.owed.extend(commands.iter().cloned());
    }

    /// Takes in the replies that have arrived; returns their number.
    fn receive(&mut self, index: usize, events: &mut Vec<Event>) -> usize {
        let before = events.len();
        while !self.owed.is_empty() {
            let arrived = self.client.try_receive_now().expect("the connection lasts");
            let Some(received) = arrived else { break };
            let command = self.owed.pop_front().expect("somebody asked");
            events.push((index, command, received));
        }
        events.len() - before
    }
}

/// Runs a script on both servers until they part; says where and how.
fn compare(reference: &Server, subject: &Server, steps: &[Step]) -> Option<(usize, String)> {
    let (mut left, mut right) = (Side::new(reference), Side::new(subject));
    for (index, step) in steps.iter().enumerate() {
        let (expected, actual) = (left.take(step), right.take(step));
        let alike = |(expected, actual): (&Event, &Event)| {
            let unblocks = expected.1.first().is_some_and(|word| word == b"CLIENT");
            expected.0 == actual.0
                && (unblocks || expected.1 == actual.1)
                && (is_same_loss(&expected.2.0, &actual.2.0)
                    || equivalent(&expected.1, &expected.2, &actual.2, true))
        };
        if expected.len() != actual.len() || !expected.iter().zip(&actual).all(alike) {
            let (expected, actual) = (shown_events(&expected), shown_events(&actual));
            return Some((index + 1, format!("expected:\n{expected}received:\n{actual}")));
        }
    }
    drop((left, right));
    let states = [reference, subject].map(final_state);
    let mut states = states[0].iter().zip(&states[1]);
    let differs = states.find(|((question, left), (_, right))| {
        !is_ignored(question) && !equivalent(question, left, right, true)
    });
    differs.map(|((question, left), (_, right))| {
        let (question, left, right) =
            (printed_command(question), printed(&left.1), printed(&right.1));
        (steps.len(), format!("at the end, {question}\nexpected: {left}\nreceived: {right}\n"))
    })
}

/// Whether two clients waited for a stream or a group that is gone: since 7.2 they are told what
/// somebody is who comes now.
fn is_same_loss(expected: &Reply, actual: &Reply) -> bool {
    let is_told = |prefix| actual.is_error(prefix);
    expected.is_error("UNBLOCKED the stream key") && (is_told("NOGROUP") || is_told("WRONGTYPE"))
}

/// How values are packed is compared elsewhere.
fn is_ignored(question: &Command) -> bool {
    question[0] == b"OBJECT"
}

fn shown_events(events: &[Event]) -> String {
    let line = |(client, command, reply): &Event| {
        format!("  client {client}: {} -> {}\n", printed_command(command), printed(&reply.1))
    };
    events.iter().map(line).collect()
}

fn shown_step(step: &Step) -> String {
    let what = match &step.action {
        Action::Send(commands) => {
            commands.iter().map(printed_command).collect::<Vec<_>>().join("; ")
        }
        Action::Unblock { target, with_error } => {
            format!("unblocks client {target}{}", if *with_error { " with an error" } else { "" })
        }
        Action::Leave => "leaves".to_owned(),
    };
    format!("client {}: {what}", step.client)
}

/// The shortest script that still fails, and how.
fn explain(reference: &Server, subject: &Server, seed: u64, first: (usize, String)) -> String {
    let steps = script::generate(seed);
    let mut fails = |steps: &[Step]| compare(reference, subject, steps).is_some();
    let shortest = minimise::minimise(&steps[..first.0], &mut fails);
    let (_, how) = compare(reference, subject, &shortest).unwrap_or(first);
    let lines: Vec<String> = shortest.iter().map(shown_step).collect();
    format!("repeat with SEED={seed}\n{}\n{how}", lines.join("\n"))
}

#[test]
fn those_who_wait_are_served_as_by_redis() {
    let Some(program) = Program::reference() else { return };
    let reference = Options::new(program, 1).start();
    let start = |shards| (shards, Options::under_test(shards).start());
    let subjects: Vec<(usize, Server)> = SHARDS.into_iter().map(start).collect();
    let duration = number("SECONDS").map(Duration::from_secs);
    let first = number("SEED").unwrap_or_else(|| duration.map_or(1, |_| seed_of_the_clock()));
    let begun = Instant::now();
    let goes_on = |scripts| match (number("SEED"), duration) {
        (Some(_), _) => scripts == 0,
        (None, Some(duration)) => scripts == 0 || begun.elapsed() < duration,
        (None, None) => scripts < SCRIPTS,
    };
    let mut scripts = 0;
    while goes_on(scripts) {
        let seed = first + scripts;
        let steps = script::generate(seed);
        for (shards, subject) in &subjects {
            if let Some(difference) = compare(&reference, subject, &steps) {
                let text = explain(&reference, subject, seed, difference);
                panic!("{shards} shards, {text}");
            }
        }
        scripts += 1;
    }
    println!("{scripts} scripts from seed {first}, {} steps each", script::generate(first).len());
}
