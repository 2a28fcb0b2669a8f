//! Helpers for unit tests: a shard without a server.

pub mod cores;
pub mod sim;

use proptest::prelude::ProptestConfig;

use crate::base::hash::SLOTS;
use crate::command::portion::Portion;
use crate::command::spec::Command;
use crate::resp::args::Args;
use crate::resp::out::{Out, Protocol};
use crate::resp::parse::Span;
use crate::shard::execute::{self, Ran};
use crate::shard::message::{Batch, Conditions};
use crate::store::change::Effect;
use crate::store::db::Db;
use crate::store::tuning::Tuning;

/// One shard that owns every slot, and a clock to turn.
pub struct Fixture {
    pub db: Db,
    pub protocol: Protocol,
    /// Portions in which commands on large collections were done.
    pub portions: usize,
    families: &'static [&'static [Command]],
}

impl Fixture {
    /// An empty shard that knows the commands of `families`. The clock stands at a fixed time.
    pub fn new(families: &'static [&'static [Command]]) -> Fixture {
        let mut db = Db::new(16, 0, 1, 0..SLOTS, 1, Tuning::default());
        db.set_now(1_700_000_000_000);
        Fixture { db, protocol: Protocol::Resp2, portions: 0, families }
    }

    /// Runs a command and returns its encoded reply, as text.
    pub fn run(&mut self, argv: &[&str]) -> String {
        let bytes: Vec<&[u8]> = argv.iter().map(|arg| arg.as_bytes()).collect();
        String::from_utf8_lossy(&self.run_bytes(&bytes)).into_owned()
    }

    /// Runs a command and returns its events and their effects, each as `event: words`.
    pub fn changes(&mut self, command: &str) -> Vec<String> {
        self.db.changes.listen(true);
        self.db.changes.take();
        self.run(&command.split(' ').collect::<Vec<_>>());
        self.db.settle();
        let shown = self.db.changes.take().into_iter().map(|change| {
            let effect = match &change.effect {
                Effect::Request => "as sent".into(),
                Effect::Removed => "removed".into(),
                Effect::Carried => "carried".into(),
                Effect::Words(words) => {
                    let words = words.iter().map(|word| String::from_utf8_lossy(word).into_owned());
                    words.collect::<Vec<_>>().join(" ")
                }
            };
            format!("{}: {effect}", change.event.name)
        });
        shown.collect()
    }

    /// Runs a command and returns its encoded reply.
    pub fn run_bytes(&mut self, argv: &[&[u8]]) -> Vec<u8> {
        let command = self.find(argv);
        self.call(command, argv)
    }

    /// Runs `command`, which need not be of the known families, and returns its encoded reply.
    pub fn call(&mut self, command: &'static Command, argv: &[&[u8]]) -> Vec<u8> {
        let mut out = Out::new(self.protocol);
        let (mut input, mut spans) = (Vec::new(), Vec::new());
        for arg in argv {
            spans.push(Span::input(input.len(), arg.len() as u32));
            input.extend_from_slice(arg);
        }
        let args = Args::new(&input, &spans, &[]);
        if !command.spec.arity.fits(args.len()) {
            return b"-arity\r\n".to_vec();
        }
        if execute::execute(&mut self.db, command, &args, &mut out) == Ok(Ran::Postponed) {
            assert!(out.is_empty(), "what is postponed has written nothing");
            return self.call_in_portions(command, &args);
        }
        out.to_vec()
    }

    /// Does what a shard does with a command that was postponed.
    fn call_in_portions(&mut self, command: &'static Command, args: &Args<'_>) -> Vec<u8> {
        let (protocol, database) = (self.protocol, self.db.selected() as u16);
        let mut batch = Batch::new(Conditions { protocol, database, touching: true });
        batch.push(command, 0, args, 0..args.len(), (0, 0));
        let (mut portion, mut reply) = (Portion::first(), Out::new(protocol));
        loop {
            let mut page = Out::new(protocol);
            execute::run_next_portion(&mut self.db, &mut batch, &mut portion, &mut page);
            let is_last = !portion.is_unfinished();
            portion.advance();
            reply.adopt(page);
            self.portions += 1;
            if is_last {
                let head = portion.take_head().map_or(Vec::new(), |head| head.to_vec());
                return [head, reply.to_vec()].concat();
            }
        }
    }

    fn find(&self, argv: &[&[u8]]) -> &'static Command {
        let named = |rows: &'static [Command], at: usize| {
            let is_called = |name: &str| argv[at].eq_ignore_ascii_case(name.as_bytes());
            rows.iter().find(|row| argv.len() > at && is_called(row.spec.name))
        };
        let mut rows = self.families.iter();
        let command = rows.find_map(|rows| named(rows, 0)).expect("a known command");
        named(command.subcommands, 1).unwrap_or(command)
    }

    /// Turns the clock forward.
    pub fn advance(&mut self, milliseconds: i64) {
        self.db.set_now(self.db.now() + milliseconds);
    }
}

/// How a property is tried: with so many cases, unless `PROPTEST_CASES` says otherwise.
pub fn cases(own: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { config.cases } else { own };
    ProptestConfig { cases, ..config }
}

/// Calls `use_args` with these words as a command's arguments.
pub fn with_args<T>(words: &[&[u8]], use_args: impl FnOnce(&Args<'_>) -> T) -> T {
    let (mut input, mut spans) = (Vec::new(), Vec::new());
    for word in words {
        spans.push(Span::input(input.len(), word.len() as u32));
        input.extend_from_slice(word);
    }
    use_args(&Args::new(&input, &spans, &[]))
}
