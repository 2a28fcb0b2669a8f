//! Active expiry: removes keys whose time has come though nobody asks for them.
//!
//! The table keeps for each segment a lower bound of the expiry times in it, so a pass touches one
//! header per segment and visits entries only where something is due. Work is done in steps of one
//! segment; the caller stops when its slice of time is used up.
//!
//! Segments that become nearly empty are merged, which renumbers others; a pass in which that
//! happens goes round again, which costs only headers where it has been.
//!
//! Invariant: an entry is removed here only if a reader would no longer see it.

#[cfg(test)]
mod tests;

use super::change::{Change, Effect, Event};
use super::db::Db;
use super::entry::EntryRef;
use crate::ds::table::Sweep;
use crate::resp::args::Key;

/// Fields of hashes that one step removes at most.
const FIELDS_PER_STEP: usize = 200;

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Keys removed.
    pub removed: usize,
    /// True if the pass over this database came to its end.
    pub finished: bool,
}

/// Keys looked at for [`Db::sample_ttl`], and how many may be drawn for that.
const TTL_SAMPLES: u64 = 20;
const TTL_DRAWS: usize = 100;

/// Some keys with an expiry, drawn at random.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TtlSample {
    /// Sum of their remaining times.
    pub sum_ms: u64,
    pub count: u64,
    /// Those among them whose time is over.
    pub overdue: u64,
}

impl Db {
    /// Draws up to [`TTL_SAMPLES`] keys of the selected database that have an expiry.
    pub fn sample_ttl(&self) -> TtlSample {
        let database = &self.databases[self.selected()];
        let (mut prng, mut sample) = (self.prng.borrow_mut(), TtlSample::default());
        let draws = if database.volatile == 0 { 0 } else { TTL_DRAWS };
        for _ in 0..draws {
            let Some(at) = database.table.random(&mut || prng.next()) else { break };
            if let Some(expiry) = database.table.get(at).expiry() {
                let remaining = expiry - self.now();
                sample.sum_ms += remaining.max(0) as u64;
                sample.count += 1;
                sample.overdue += u64::from(remaining <= 0);
            }
            if sample.count == TTL_SAMPLES {
                break;
            }
        }
        sample
    }

    /// Clears the hashes of these keys of overdue fields, as many as one step may; false if some
    /// are left.
    fn expire_parts(&mut self, database: usize, keys: Vec<Box<[u8]>>) -> bool {
        let mut budget = FIELDS_PER_STEP;
        for key in keys {
            if budget == 0 {
                return false;
            }
            budget -= self.in_database(database, |db| db.expire_fields(&key, budget));
        }
        budget > 0
    }

    /// Does one step of active expiry on database `index`.
    pub fn expire_step(&mut self, index: usize) -> Step {
        let (now, listening) = (self.now(), self.changes.listening());
        let awaited = !self.waiters.is_empty();
        let database = &mut self.databases[index];
        let segments = database.table.segment_count();
        let is_volatile = database.volatile > 0 || database.timed > 0;
        if !is_volatile || database.sweep_at >= segments {
            database.sweep_at = 0;
            let again = std::mem::take(&mut database.sweep_again) && is_volatile;
            return Step { removed: 0, finished: !again };
        }
        let segment = database.sweep_at;
        database.sweep_at += 1;
        if database.table.segment_due(segment) > now as u64 {
            return Step { removed: 0, finished: false };
        }
        let mut removed: Vec<Box<[u8]>> = Vec::new();
        let (mut count, mut timed) = (0, 0);
        let mut ripe: Vec<Box<[u8]>> = Vec::new();
        let pinned = &self.pinned;
        let is_pinned = |entry: EntryRef<'_>| {
            !pinned.is_empty() && pinned.contains(&Key::new(entry.key()).hash)
        };
        let judge = |entry: EntryRef<'_>| {
            let own = match entry.expiry() {
                None => u64::MAX,
                Some(at) if at > now => at as u64,
                Some(at) if is_pinned(entry) => at.max(0) as u64,
                Some(_) => return Sweep::Remove,
            };
            let part = entry.part_due();
            if part.is_some_and(|due| due < now) && !is_pinned(entry) {
                ripe.push(entry.key().into());
            }
            Sweep::Keep(part.map_or(own, |due| own.min(due as u64)))
        };
        let graveyard = &mut self.graveyard;
        database.table.sweep_segment(segment, judge, |entry| {
            count += 1;
            timed += usize::from(entry.view().part_due().is_some());
            if listening || awaited {
                removed.push(entry.view().key().into());
            }
            graveyard.bury_entry(entry);
        });
        database.sweep_again |= database.table.segment_count() < segments;
        (database.volatile, database.timed) = (database.volatile - count, database.timed - timed);
        self.counters.expired.set(self.counters.expired.get() + count as u64);
        if !listening {
            self.changes.add(count as u64);
        }
        for key in removed {
            self.waiters.note(index as u16, Key::new(&key));
            if listening {
                let (database, event, effect) = (index as u16, Event::EXPIRED, Effect::Removed);
                self.changes.report(1, || Change { database, key, time: now, event, effect });
            }
        }
        if !self.expire_parts(index, ripe) {
            self.databases[index].sweep_at = segment;
        }
        Step { removed: count, finished: false }
    }
}
