//! Which key goes when memory is short, and the 24-bit access field that decides it.
//!
//! Redis's approximation (<https://redis.io/docs/latest/develop/reference/eviction/>): a few keys
//! are drawn at random and the best candidate goes. The field holds either the time of the last
//! access in seconds (LRU; wraps after 194 days), or for the LFU policies 16 bits of minutes of the
//! last decay and an 8-bit logarithmic counter. Departure from Redis: no pool of earlier candidates
//! is kept; drawing is uniform and cheap here, so the sample is drawn anew.
//!
//! Invariant: eviction draws from this shard only, and removes through the write guard.

#[cfg(test)]
mod tests;

use super::change::Event;
use super::db::{Database, Db};
use super::entry::EntryRef;
use crate::base::time::Millis;
use crate::ds::table::Sweep;
use crate::resp::args::Key;

const ACCESS_BITS: u32 = 24;
const ACCESS_MASK: u32 = (1 << ACCESS_BITS) - 1;
/// A new key's counter, so that it is not evicted before it had a chance.
const LFU_INITIAL: u32 = 5;

/// `maxmemory-policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Writes fail instead.
    #[default]
    NoEviction,
    /// The least recently used key, of all or of those with an expiry.
    Lru { volatile: bool },
    /// The least frequently used key.
    Lfu { volatile: bool },
    /// Any key.
    Random { volatile: bool },
    /// The key that expires soonest.
    Ttl,
}

impl Policy {
    /// The policy of this `maxmemory-policy` name.
    pub fn parse(name: &str) -> Option<Policy> {
        Some(match name {
            "noeviction" => Policy::NoEviction,
            "allkeys-lru" => Policy::Lru { volatile: false },
            "volatile-lru" => Policy::Lru { volatile: true },
            "allkeys-lfu" => Policy::Lfu { volatile: false },
            "volatile-lfu" => Policy::Lfu { volatile: true },
            "allkeys-random" => Policy::Random { volatile: false },
            "volatile-random" => Policy::Random { volatile: true },
            "volatile-ttl" => Policy::Ttl,
            _ => return None,
        })
    }

    /// True if accesses are counted rather than dated.
    pub fn counts_frequency(self) -> bool {
        matches!(self, Policy::Lfu { .. })
    }

    fn volatile_only(self) -> bool {
        match self {
            Policy::NoEviction => false,
            Policy::Ttl => true,
            Policy::Lru { volatile } | Policy::Lfu { volatile } | Policy::Random { volatile } => {
                volatile
            }
        }
    }
}

/// The access field for "now" under LRU: seconds, cut to 24 bits.
#[inline]
pub(super) fn lru_clock(now: Millis) -> u32 {
    (now / 1000) as u32 & ACCESS_MASK
}

/// The access field of a new key.
#[inline]
pub(super) fn initial_access(db: &Db) -> u32 {
    if db.tuning.frequency { lfu_minutes(db.now()) << 8 | LFU_INITIAL } else { lru_clock(db.now()) }
}

fn lfu_minutes(now: Millis) -> u32 {
    (now / 60_000) as u32 & 0xffff
}

/// Seconds since the last access (OBJECT IDLETIME).
pub fn idle_seconds(entry: EntryRef<'_>, now: Millis) -> u32 {
    lru_clock(now).wrapping_sub(entry.access()) & ACCESS_MASK
}

/// The access counter as it stands now, decayed (OBJECT FREQ).
pub fn frequency(entry: EntryRef<'_>, db: &Db) -> u8 {
    decayed(db, entry.access()) as u8
}

fn decayed(db: &Db, access: u32) -> u32 {
    let (minutes, counter) = (access >> 8, access & 0xff);
    if db.tuning.lfu_decay_minutes == 0 {
        return counter;
    }
    let idle = lfu_minutes(db.now()).wrapping_sub(minutes) & 0xffff;
    counter.saturating_sub(idle / db.tuning.lfu_decay_minutes)
}

/// The access field after one more access: the counter grows with probability 1 / (counter * factor
/// + 1).
#[cold]
pub(super) fn touched_frequency(db: &Db, access: u32) -> u32 {
    let counter = decayed(db, access);
    let base = u64::from(counter.saturating_sub(LFU_INITIAL) * db.tuning.lfu_log_factor + 1);
    let grows = counter < 255 && db.prng.borrow_mut().chance(1, base);
    lfu_minutes(db.now()) << 8 | (counter + u32::from(grows))
}

impl Db {
    /// Evicts one key of this shard under `policy`, drawing `samples` candidates per database.
    /// False if there is none.
    pub fn evict_one(&mut self, policy: Policy, samples: usize) -> bool {
        if policy == Policy::NoEviction {
            return false;
        }
        let mut best: Option<(u64, usize, Box<[u8]>)> = None;
        for index in 0..self.database_count() {
            self.sample(index, policy, samples, &mut best);
        }
        let drawn = best.map(|(_, index, key)| (index, key));
        let victim = drawn.or_else(|| self.search(policy));
        let Some((index, key)) = victim else { return false };
        let evict = |db: &mut Db| db.write(Key::new(&key)).remove(Event::EVICTED);
        let removed = self.in_database(index, evict);
        self.counters.evicted.set(self.counters.evicted.get() + u64::from(removed));
        true
    }

    /// Some key with an expiry, where they are so few that drawing found none.
    #[cold]
    fn search(&mut self, policy: Policy) -> Option<(usize, Box<[u8]>)> {
        let with_some = |database: &Database| policy.volatile_only() && database.volatile > 0;
        let index = self.databases.iter().position(with_some)?;
        let pinned = &self.pinned;
        let is_free = |entry: EntryRef<'_>| {
            pinned.is_empty() || !pinned.contains(&Key::new(entry.key()).hash)
        };
        let table = &mut self.databases[index].table;
        let (mut segment, mut found) = (0, None);
        while segment < table.segment_count() && found.is_none() {
            let segments = table.segment_count();
            // The bound is set anew on the way, so a segment where nothing expires any more is
            // passed over next time.
            if table.segment_due(segment) < u64::MAX {
                let judge = |entry: EntryRef<'_>| {
                    if entry.expiry().is_some() && is_free(entry) {
                        found.get_or_insert_with(|| entry.key().into());
                    }
                    Sweep::Keep(entry.expiry().map_or(u64::MAX, |at| at.max(0) as u64))
                };
                table.sweep_segment(segment, judge, drop);
            }
            // A merge renumbers segments, perhaps those that were passed.
            segment = if table.segment_count() < segments { 0 } else { segment + 1 };
        }
        found.map(|key| (index, key))
    }

    fn sample(
        &self,
        index: usize,
        policy: Policy,
        samples: usize,
        best: &mut Option<(u64, usize, Box<[u8]>)>,
    ) {
        let database = &self.databases[index];
        if policy.volatile_only() && database.volatile == 0 {
            return;
        }
        // Keys without expiry are no candidates of a volatile policy; draw more often where those
        // with one are rare.
        let draws = if policy.volatile_only() {
            (samples * database.table.len() / database.volatile).clamp(samples, 50_000)
        } else {
            samples
        };
        let (mut prng, mut seen) = (self.prng.borrow_mut(), 0);
        for _ in 0..draws {
            let Some(at) = database.table.random(&mut || prng.next()) else { return };
            let entry = database.table.get(at);
            if policy.volatile_only() && entry.expiry().is_none() {
                continue;
            }
            if !self.pinned.is_empty() && self.is_pinned(Key::new(entry.key()).hash) {
                continue;
            }
            let score = self.score(policy, entry);
            if best.as_ref().is_none_or(|(high, ..)| score > *high) {
                *best = Some((score, index, entry.key().into()));
            }
            seen += 1;
            if seen == samples {
                return;
            }
        }
    }

    /// The higher, the better it goes.
    fn score(&self, policy: Policy, entry: EntryRef<'_>) -> u64 {
        match policy {
            Policy::Lru { .. } => u64::from(idle_seconds(entry, self.now())),
            Policy::Lfu { .. } => u64::from(255 - decayed(self, entry.access()).min(255)),
            Policy::Ttl => u64::MAX - entry.expiry().unwrap_or(Millis::MAX).max(0) as u64,
            Policy::Random { .. } | Policy::NoEviction => 0,
        }
    }
}
