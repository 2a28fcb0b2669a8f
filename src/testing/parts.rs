//! Several shards without cores: commands of two phases run as a coordinator has them run, and in
//! portions where they ask for it.

use std::collections::BTreeSet;

use super::{Fixture, with_args};
use crate::base::layout::Layout;
use crate::command::portion::Portion;
use crate::command::spec::{Command, Parcel};
use crate::coordinate::route;
use crate::resp::args::Key;
use crate::resp::out::Out;
use crate::shard::execute;
use crate::shard::message::{Batch, Conditions};
use crate::store::db::Db;

/// Shards that share the slots evenly.
pub struct Parts {
    pub shards: Vec<Fixture>,
}

impl Parts {
    /// So many empty shards.
    pub fn new(count: u16, families: &'static [&'static [Command]]) -> Parts {
        let shard = |number| {
            let mut fixture = Fixture::new(families);
            let slots = Layout::even(count).slots_of(number);
            let now = fixture.db.now();
            fixture.db = Db::new(16, number, count, slots, 1, fixture.db.tuning);
            fixture.db.set_now(now);
            fixture
        };
        Parts { shards: (0..count).map(shard).collect() }
    }

    /// The shard that owns `key`.
    pub fn owner(&mut self, key: &str) -> &mut Fixture {
        let key = Key::new(key.as_bytes());
        let owner = self.shards.iter_mut().find(|shard| shard.db.owns(key));
        owner.expect("every slot has an owner")
    }

    /// Runs a command of two phases on the shards that own its keys; the reply is that of the owner
    /// of the first.
    pub fn run(&mut self, argv: &[&str]) -> String {
        let words: Vec<&[u8]> = argv.iter().map(|word| word.as_bytes()).collect();
        let command = self.shards[0].find(&words);
        let mut owners = Vec::new();
        with_args(&words, |args| {
            route::for_each_key(&command.spec, args, |position| {
                let key = args.key(position.index);
                let owner = self.shards.iter().position(|shard| shard.db.owns(key));
                owners.push(owner.expect("every slot has an owner"));
            });
        });
        let mut seen = BTreeSet::new();
        owners.retain(|owner| seen.insert(*owner));
        let (mut parcels, mut batches) = (Vec::new(), Vec::new());
        for &owner in &owners {
            let shard = &mut self.shards[owner];
            let batch = batch(shard, command, &words);
            match in_portions(|portion| execute::collect(&mut shard.db, &batch, portion)) {
                Ok(parcel) => parcels.push(parcel),
                Err(error) => {
                    let mut out = Out::new(shard.protocol);
                    out.error(&error);
                    return text(&out.to_vec());
                }
            }
            batches.push(batch);
        }
        let mut replies = Vec::new();
        for (&owner, batch) in owners.iter().zip(&mut batches) {
            replies.push(text(&commit(&mut self.shards[owner], batch, &parcels)));
        }
        replies.swap_remove(0)
    }
}

fn text(reply: &[u8]) -> String {
    String::from_utf8_lossy(reply).into_owned()
}

fn batch(shard: &Fixture, command: &'static Command, words: &[&[u8]]) -> Batch {
    let (protocol, database) = (shard.protocol, shard.db.selected() as u16);
    let mut batch = Batch::new(Conditions { protocol, database, touching: true });
    with_args(words, |args| batch.push(command, 0, args, 0..args.len(), (0, 0)));
    batch
}

/// Does all at once, or else in portions.
fn in_portions<T>(mut act: impl FnMut(&mut Portion) -> T) -> T {
    let mut portion = Portion::at_once();
    let mut result = act(&mut portion);
    if portion.is_unfinished() {
        portion = Portion::first();
        loop {
            result = act(&mut portion);
            if !portion.is_unfinished() {
                break;
            }
            portion.advance();
        }
    }
    result
}

fn commit(shard: &mut Fixture, batch: &mut Batch, parcels: &[Parcel]) -> Vec<u8> {
    let mut head = Vec::new();
    let mut reply = Out::new(shard.protocol);
    in_portions(|portion| {
        let mut page = Out::new(shard.protocol);
        execute::commit(&mut shard.db, batch, parcels, portion, &mut page);
        if portion.may_go_on() || !portion.is_unfinished() {
            reply.adopt(page);
        }
        head = portion.take_head().map_or(Vec::new(), |head| head.to_vec());
    });
    [head, reply.to_vec()].concat()
}
