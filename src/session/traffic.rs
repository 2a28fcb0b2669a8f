//! Where a connection's commands go, and whether another core would serve it better.
//!
//! Commands are judged in windows. A connection is to move if nearly all commands of a window had
//! their keys on one other core; after a move it stays for a time that doubles with every move, so
//! that nothing makes it go back and forth. A command that may wait (BLPOP) counts as several: its
//! hops are those of a sleeping core that has to be woken, and somebody may be waiting for both.
//!
//! Invariant: commands that stay on their core are not looked at one by one; they show only in the
//! total, so that they cost nothing here. Absent: what the cores have to do otherwise. A move saves
//! the hop of every command, which is more than it burdens the new core with.

use crate::base::probe::restless;
use crate::base::time::Millis;
use crate::shard::message::CoreId;

/// Commands of one window, at least.
const WINDOW: u64 = 128;
/// What a command that may wait counts for.
const WAIT_WEIGHT: u64 = 4;
/// Of ten commands so many must go to the other core, net of those that go to third ones.
const SHARE_OF_TEN: u64 = 9;
/// How long a connection stays after its first move.
const STAY_MS: Millis = 10_000;
/// The stay doubles at most so often.
const STAY_DOUBLINGS_MAX: u32 = 8;

/// What a connection remembers of its commands.
#[derive(Debug)]
pub struct Traffic {
    /// The client's commands before the window.
    before: u64,
    /// What commands of the window count for beyond one each.
    extra: u64,
    /// The core that most commands of the window went to, if one has the majority, and by how
    /// many it leads all others (the majority vote of Boyer and Moore, 1981).
    favourite: CoreId,
    lead: u64,
    /// How often the connection has moved.
    pub moves: u32,
    stay_until: Millis,
}

impl Traffic {
    /// A connection that has run `commands` and moved `moves` times, the last time just now.
    pub fn new(commands: u64, moves: u32, now: Millis) -> Traffic {
        let stay = match moves {
            0 => 0,
            moves => STAY_MS << (moves - 1).min(STAY_DOUBLINGS_MAX),
        };
        let stay_until = now + stay;
        Traffic { before: commands, extra: 0, favourite: CoreId(0), lead: 0, moves, stay_until }
    }

    /// A command went to another core than this connection's.
    #[inline]
    pub fn sent(&mut self, to: CoreId) {
        if self.favourite == to {
            self.lead += 1;
        } else if self.lead == 0 {
            (self.favourite, self.lead) = (to, 1);
        } else {
            self.lead -= 1;
        }
    }

    /// A command that may wait had all its keys on core `at`, which is another one than this
    /// connection's unless `is_here`.
    pub fn waited(&mut self, at: CoreId, is_here: bool) {
        self.extra += WAIT_WEIGHT - 1;
        for _ in 0..if is_here { 0 } else { WAIT_WEIGHT } {
            self.sent(at);
        }
    }

    /// The core to which the connection should move, with `commands` run in all: asked when some
    /// were sent away. Begins a new window when the old one is full.
    pub fn verdict(&mut self, commands: u64, now: Millis) -> Option<CoreId> {
        let total = commands.saturating_sub(self.before) + self.extra;
        if restless() {
            return (std::mem::take(&mut self.lead) > 0).then_some(self.favourite);
        }
        if total < WINDOW {
            return None;
        }
        let decided = self.lead * 10 >= total * SHARE_OF_TEN && now >= self.stay_until;
        (self.before, self.extra, self.lead) = (commands, 0, 0);
        decided.then_some(self.favourite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prng::Prng;
    use proptest::prelude::*;

    /// Feeds commands for these cores (0 is the connection's own) one by one.
    fn verdicts(traffic: &mut Traffic, now: Millis, cores: impl Iterator<Item = u16>) -> Vec<u16> {
        let mut found = Vec::new();
        let mut commands = traffic.before;
        for core in cores {
            commands += 1;
            if core != 0 {
                traffic.sent(CoreId(core));
                found.extend(traffic.verdict(commands, now).map(|core| core.0));
            }
        }
        found
    }

    #[test]
    fn one_key_elsewhere_decides_at_once() {
        let mut traffic = Traffic::new(0, 0, 0);
        let first = verdicts(&mut traffic, 0, std::iter::repeat_n(2, WINDOW as usize));
        assert_eq!(first, [2]);
    }

    #[test]
    fn a_change_of_habits_is_noticed_within_two_windows() {
        let mut traffic = Traffic::new(0, 0, 0);
        assert!(verdicts(&mut traffic, 0, std::iter::repeat_n(0, 10_000)).is_empty());
        let after = std::iter::repeat_n(1, 2 * WINDOW as usize);
        assert_eq!(verdicts(&mut traffic, 0, after)[0], 1);
    }

    #[test]
    fn random_keys_never_decide() {
        for cores in [2, 3, 8] {
            let mut random = Prng::new(cores);
            let keys = (0..200_000).map(|_| random.below(cores) as u16);
            assert!(verdicts(&mut Traffic::new(0, 0, 0), 0, keys).is_empty(), "{cores} cores");
        }
    }

    /// What comes of commands that wait, on these cores (0 is the connection's own).
    fn verdict_of_waits(cores: impl Iterator<Item = u16>) -> Option<u16> {
        let (mut traffic, mut commands) = (Traffic::new(0, 0, 0), 0);
        cores.into_iter().find_map(|core| {
            commands += 1;
            traffic.waited(CoreId(core), core == 0);
            traffic.verdict(commands, 0).map(|core| core.0)
        })
    }

    #[test]
    fn a_worker_moves_to_its_queue_after_few_waits() {
        let waits = (WINDOW / WAIT_WEIGHT) as usize;
        assert_eq!(verdict_of_waits(std::iter::repeat_n(2, waits)), Some(2));
        assert_eq!(verdict_of_waits(std::iter::repeat_n(2, waits - 1)), None);
        let mut random = Prng::new(5);
        assert_eq!(verdict_of_waits((0..200_000).map(|_| random.below(2) as u16)), None);
        assert_eq!(verdict_of_waits([0, 2].into_iter().cycle().take(10_000)), None);
    }

    #[test]
    fn the_stay_doubles_with_every_move() {
        let elsewhere = || std::iter::repeat_n(1, 4 * WINDOW as usize);
        for (moves, stay) in [(1, STAY_MS), (2, 2 * STAY_MS), (3, 4 * STAY_MS)] {
            let mut traffic = Traffic::new(7, moves, 100);
            assert!(verdicts(&mut traffic, 100 + stay - 1, elsewhere()).is_empty());
            assert!(!verdicts(&mut traffic, 100 + stay, elsewhere()).is_empty());
        }
        assert!(Traffic::new(0, u32::MAX, 0).stay_until < Millis::MAX / 2);
    }

    proptest! {
        /// Nobody moves for less than the share, and where all of a window goes is found out.
        #[test]
        fn a_verdict_has_its_share(cores in prop::collection::vec(0u16..4, 600..2000)) {
            let mut traffic = Traffic::new(0, 0, 0);
            let (mut from, mut commands) = (0, 0);
            for core in &cores {
                commands += 1;
                if *core == 0 {
                    continue;
                }
                traffic.sent(CoreId(*core));
                let before = traffic.before;
                let verdict = traffic.verdict(commands, 0);
                if let Some(to) = verdict {
                    let window = &cores[from..commands as usize];
                    let there = window.iter().filter(|core| **core == to.0).count() as u64;
                    prop_assert!(there * 10 >= window.len() as u64 * SHARE_OF_TEN);
                }
                if traffic.before != before {
                    from = commands as usize;
                }
            }
        }
    }
}
