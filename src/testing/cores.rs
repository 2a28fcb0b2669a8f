//! Two cores without a server, for tests of what crosses them: mail is brought when a test says so,
//! and the clock stands.

use std::rc::Rc;
use std::sync::Arc;

use crate::base::time::Millis;
use crate::command::spec::Command;
use crate::config::Config;
use crate::coordinate::route;
use crate::resp::args::Key;
use crate::resp::out::Protocol;
use crate::session::core::{Core, Identity};
use crate::session::table::{Row, table};
use crate::shard::message::{Batch, Conditions, CoreId};

struct StoppedClock;

impl crate::base::seams::Clock for StoppedClock {
    fn unix_micros(&self) -> Millis {
        1_700_000_000_000_000
    }

    fn monotonic_nanos(&self) -> u64 {
        0
    }
}

/// Two cores that own half of the slots each.
pub fn two_cores() -> [Rc<Core>; 2] {
    let (config, identity) = (Arc::new(Config::default()), Arc::new(Identity::for_tests(2)));
    [0, 1].map(|number| {
        let (config, identity) = (Arc::clone(&config), Arc::clone(&identity));
        Rc::new(Core::new(CoreId(number), identity, config, Box::new(StoppedClock), 1))
    })
}

/// Brings each core what the other has sent; false if there was nothing.
pub fn deliver(cores: &[Rc<Core>; 2]) -> bool {
    let mut any = false;
    for (from, to) in [(0, 1), (1, 0)] {
        let mut mail = Vec::new();
        cores[from].shards.hops.carry(|_, messages| mail.append(messages));
        any |= !mail.is_empty();
        mail.into_iter().for_each(|message| cores[to].receive(CoreId(from as u16), message));
    }
    any
}

/// A key of each core.
pub fn keys(cores: &[Rc<Core>; 2]) -> [String; 2] {
    let layout = cores[0].shards.layout;
    [0, 1].map(|core| {
        let mut names = (0..).map(|number| format!("key{number}"));
        let owned = names.find(|name| route::owner(layout, Key::new(name.as_bytes())).0 == core);
        owned.expect("every core owns keys")
    })
}

/// A batch of one command on database 0.
pub fn batch(words: &[&str]) -> Batch {
    let conditions = Conditions { protocol: Protocol::Resp2, database: 0, touching: true };
    let mut batch = Batch::new(conditions);
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    batch.push_words(command(words[0]), 0, &words);
    batch
}

fn command(name: &[u8]) -> &'static Command {
    match table().find(name).map(|entry| entry.row) {
        Some(Row::Data(command)) => command,
        _ => panic!("not a command on keys"),
    }
}
