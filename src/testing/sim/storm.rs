//! Storms: some clients send conflicting commands without end until others, the victims, are
//! answered.
//!
//! Finite scripts show what is answered wrongly, and not what is answered only because the others
//! have stopped at last. In a storm they do not stop, so a transaction that is passed by for as
//! long as others come (a fault of liveness; Alpern and Schneider, "Defining Liveness", 1985) shows
//! as a victim that waits beyond any reason.
//!
//! Invariant: the bound lies far above the longest wait that a sound scheme brings about, and it is
//! the only thing here that fails a run.

use super::Sim;
use super::client::{self, Customer, Habits, Role};
use crate::coordinate::route;
use crate::resp::args::Key;

/// Steps after its call at which a victim's command counts as starved. In 200,000 seeds
/// of the sound scheme none waited 4,000.
const WAIT_STEPS_MAX: u64 = 20_000;

/// How the storm of a run stands; there may be none.
#[derive(Default)]
pub struct Storm {
    lasts: bool,
    /// The step in which it ended.
    ended: u64,
    /// The longest that a victim has waited for an answer, in steps.
    pub longest_wait: u64,
}

impl Storm {
    /// Steps for which there has been none; 0 while it lasts.
    pub fn calm_for(&self, step: u64) -> u64 {
        if self.lasts { 0 } else { step - self.ended }
    }
}

impl Sim {
    /// Connects the clients of a storm.
    ///
    /// The victims are on a core that nobody else is on, and in half of the runs it owns no key: it
    /// then learns of others' ids by refusals alone, which are old when they come. Clients of one
    /// core are never refused because of each other, for they claim in the order of their ids;
    /// those of several cores are. Readers do not wait for each other, so more ids are given out in
    /// the same time.
    pub(super) fn admit_storm(&mut self) {
        let cores = self.stations.len() as u64;
        let keys = cores - self.random.below(2);
        let shelter = self.owner_of(client::KEYS[cores as usize - 1]);
        let eye = self.core_beside(shelter);
        let is_local = self.random.chance(1, 2);
        let allowed = self.draw_storm_kinds();
        let habits = |role| Habits { keys, allowed, pauses: 0, role };
        let victims = 1 + self.random.below(2) as usize;
        for number in 0..victims {
            self.connect(number, shelter, habits(Role::Victim));
        }
        for number in victims..victims + 4 + self.random.below(3) as usize {
            let at = if is_local { eye } else { self.core_beside(shelter) };
            self.connect(number, at, habits(Role::Stormer));
        }
        // They begin at all phases of a message's way and back: those in step leave gaps.
        let way = 2 * self.weather.delay_max;
        for stormer in self.customers.iter_mut().filter(|customer| !customer.is_victim()) {
            stormer.pauses_until = self.random.below(way);
        }
        self.storm.lasts = true;
    }

    fn draw_storm_kinds(&mut self) -> u64 {
        let scattered = match self.random.below(4) {
            0 => client::SCATTERED,
            1 => client::SCATTERED | client::TWO_PHASE,
            _ => client::READS,
        };
        let singles = if self.random.chance(1, 4) { client::SINGLES } else { 0 };
        let whole = if self.random.chance(1, 4) { client::WHOLE } else { 0 };
        scattered | singles | whole
    }

    fn owner_of(&self, key: &str) -> usize {
        route::owner(self.stations[0].core.shards.layout, Key::new(key.as_bytes())).index()
    }

    /// Any core but this one.
    fn core_beside(&mut self, core: usize) -> usize {
        let others = self.stations.len() as u64 - 1;
        (core + 1 + self.random.below(others) as usize) % self.stations.len()
    }

    /// Fails if a victim waits too long; ends the storm when all of them have what they wanted.
    pub(super) fn watch_victims(&mut self) -> Result<(), String> {
        if !self.storm.lasts {
            return Ok(());
        }
        let victims = || self.customers.iter().filter(|customer| customer.is_victim());
        let waits = victims().filter_map(|victim| {
            let called = self.history.called(victim.oldest()?);
            Some((self.steps - called, victim.number))
        });
        let (longest, number) = waits.max().unwrap_or_default();
        if longest > WAIT_STEPS_MAX {
            return Err(format!("client {number} is starved"));
        }
        let is_over = victims().all(Customer::is_content);
        self.storm.longest_wait = self.storm.longest_wait.max(longest);
        if is_over {
            (self.storm.lasts, self.storm.ended) = (false, self.steps);
            self.customers.iter_mut().for_each(Customer::stop);
        }
        Ok(())
    }
}
