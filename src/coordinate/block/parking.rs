//! The commands that wait on one shard.
//!
//! Invariant: a parked command stands in line for each of its keys that this shard owns and that it
//! waits for, and nowhere else; its place is that of its arrival. A called command keeps
//! those behind it from their turn.

use std::collections::BTreeMap;

use crate::base::probe::took_effect;
use crate::command::spec::{Access, Blocking};
use crate::coordinate::route;
use crate::resp::args::{Args, Key};
use crate::shard::locks::{Mode, TransactionId};
use crate::shard::message::{Asker, Batch, WaiterId};
use crate::store::db::Db;
use crate::store::waiters::Name;

/// How far a parked command is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// It waits for a change.
    Waiting,
    /// A key of its changed, and a claim is asked for under this id, or held. Nobody behind it in
    /// that key's line has a turn.
    Called(TransactionId, Name),
}

/// One command that waits.
pub struct Parked {
    pub id: WaiterId,
    pub batch: Box<Batch>,
    /// Who is answered, if all of it is on this shard. Otherwise the core of `id` is made an offer.
    pub asker: Option<Asker>,
    pub stage: Stage,
    /// Keys of its that changed while it was called for another.
    pub stalled: Vec<Name>,
}

impl Parked {
    /// What its row says of waiting.
    pub fn blocking(&self) -> &'static Blocking {
        self.batch.calls[0].command.blocking().expect("only commands that can wait are parked")
    }
}

/// All of them, by place: smaller numbers came earlier.
#[derive(Default)]
pub struct Parking {
    parked: BTreeMap<u64, Parked>,
    places: BTreeMap<WaiterId, u64>,
    /// How many in each line are called.
    called: BTreeMap<Name, usize>,
    last: u64,
}

impl Parking {
    /// Number of commands that wait.
    #[expect(clippy::len_without_is_empty, reason = "it is a number for tests and statistics")]
    pub fn len(&self) -> usize {
        self.parked.len()
    }

    /// Parks a command.
    pub fn enter(
        &mut self,
        db: &mut Db,
        id: WaiterId,
        asker: Option<Asker>,
        mut batch: Box<Batch>,
    ) -> u64 {
        self.last += 1;
        let place = self.last;
        pin(db, &mut batch);
        let parked = Parked { id, batch, asker, stage: Stage::Waiting, stalled: Vec::new() };
        let (database, minds) = (parked.batch.conditions.database, parked.blocking().minds_absence);
        for_each_awaited(db, &parked.batch, |db, key| {
            db.waiters.enter(database, key, place, minds);
        });
        if cfg!(test) {
            witness_arrival(db, &parked);
        }
        self.parked.insert(place, parked);
        self.places.insert(id, place);
        place
    }

    /// Takes a command out that is not called.
    pub fn leave(&mut self, db: &mut Db, place: u64) -> Option<Parked> {
        let parked = self.parked.remove(&place)?;
        self.places.remove(&parked.id);
        let database = parked.batch.conditions.database;
        for_each_awaited(db, &parked.batch, |db, key| db.waiters.leave(database, key, place));
        Some(parked)
    }

    /// Where a command stands.
    pub fn place(&self, id: WaiterId) -> Option<u64> {
        self.places.get(&id).copied()
    }

    /// The command at a place.
    pub fn get(&mut self, place: u64) -> Option<&mut Parked> {
        self.parked.get_mut(&place)
    }

    /// Notes the keys of this shard that the command at a place waits for as changed.
    pub fn note_awaited(&mut self, db: &mut Db, place: u64) {
        let parked = self.parked.get(&place).expect("only those that are parked stand in line");
        let database = parked.batch.conditions.database;
        for_each_awaited(db, &parked.batch, |db, key| db.waiters.note(database, key));
    }

    /// Notes that the command at a place has its turn because of the key `woken`.
    pub fn call(&mut self, db: &mut Db, place: u64, claim: TransactionId, woken: Name) {
        let parked = self.parked.get_mut(&place).expect("only parked commands are called");
        parked.stage = Stage::Called(claim, woken);
        for_each_line(db, parked, |name| *self.called.entry(name).or_default() += 1);
    }

    /// Ends the turn of the command at a place; says which claim and which key it had.
    pub fn recall(&mut self, db: &mut Db, place: u64) -> Option<(TransactionId, Name)> {
        let parked = self.parked.get_mut(&place)?;
        let stage = std::mem::replace(&mut parked.stage, Stage::Waiting);
        let Stage::Called(claim, woken) = stage else { return None };
        for_each_line(db, parked, |name| {
            let count = self.called.get_mut(&name).expect("it was counted when it was called");
            *count -= 1;
            if *count == 0 {
                self.called.remove(&name);
            }
        });
        Some((claim, woken))
    }

    /// True if somebody in line for a key of this command has been called: then the command must
    /// not be served before him.
    pub fn would_overtake(&self, db: &mut Db, batch: &Batch) -> bool {
        let (database, mut found) = (batch.conditions.database, false);
        if !self.called.is_empty() {
            for_each_awaited(db, batch, |_, key| {
                found |= self.called.contains_key(&Name::new(database, key));
            });
        }
        found
    }
}

/// Tells tests for which keys of this shard a command has begun to wait.
fn witness_arrival(db: &mut Db, parked: &Parked) {
    let mut keys = Vec::new();
    for_each_awaited(db, &parked.batch, |_, key| keys.push(key.bytes.to_vec()));
    let keys = [b"+", &keys.join(&b' ')[..]].concat();
    took_effect(parked.batch.args(0).from(0).chain(std::iter::once(&keys[..])));
}

/// Calls `found` with each line of this shard that the command stands in.
fn for_each_line(db: &mut Db, parked: &Parked, mut found: impl FnMut(Name)) {
    let (database, mut names) = (parked.batch.conditions.database, Vec::new());
    for_each_awaited(db, &parked.batch, |_, key| names.push(Name::new(database, key)));
    names.sort_unstable();
    names.dedup();
    names.into_iter().for_each(&mut found);
}

/// Hides the keys from an attempt that the command at hand waits for, but for the one that woke it:
/// others may be whose turn it is not, or claimed.
pub fn hide_others(db: &mut Db, batch: &Batch, woken: Key<'_>) {
    let mut others = Vec::new();
    for_each_awaited(db, batch, |_, key| {
        if key.bytes != woken.bytes {
            others.push(key.hash);
        }
    });
    db.hide(others);
}

/// Replaces the arguments that would mean something else later.
fn pin(db: &mut Db, batch: &mut Batch) {
    db.select(batch.conditions.database.into());
    let pinned = batch.calls[0].command.blocking().expect("it can wait").pinned;
    let args = batch.args(0);
    let replaced = (0..args.len()).filter_map(|at| Some((at, pinned(db, &args, at)?)));
    let replaced: Vec<(usize, Vec<u8>)> = replaced.collect();
    replaced.iter().for_each(|(at, word)| batch.replace(0, *at, word));
}

/// True if a command waits for keys that it accesses so: elements come from them.
pub fn is_awaited(access: Access) -> bool {
    !access.has(Access::INSERT)
}

/// True if the one command of `batch` waits for a key of this shard.
pub fn awaits_any(db: &mut Db, batch: &Batch) -> bool {
    let mut found = false;
    for_each_awaited(db, batch, |_, _| found = true);
    found
}

/// Calls `found` with each key of this shard that the one command of `batch` waits for.
fn for_each_awaited(db: &mut Db, batch: &Batch, mut found: impl FnMut(&mut Db, Key<'_>)) {
    let args = batch.args(0);
    route::for_each_key(&batch.calls[0].command.spec, &args, |position| {
        let key = args.key(position.index);
        if is_awaited(position.access) && db.owns(key) {
            found(db, key);
        }
    });
}

/// Calls `found` with each key on this shard that an attempt touches because of the key `woken`:
/// that key, and those that elements are added to.
pub fn for_each_touched(db: &Db, batch: &Batch, woken: Key<'_>, mut found: impl FnMut(u64, Mode)) {
    let (args, command): (Args<'_>, _) = (batch.args(0), batch.calls[0].command);
    route::for_each_key(&command.spec, &args, |position| {
        let key = args.key(position.index);
        if db.owns(key) && (!is_awaited(position.access) || key.bytes == woken.bytes) {
            found(key.hash, route::mode(command, position.access));
        }
    });
}
