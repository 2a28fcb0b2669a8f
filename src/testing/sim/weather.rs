//! What a seed draws once for its whole run: the cores, the mesh and the mood of the clients.

use super::client;
use crate::base::prng::Prng;

/// What the clients of a run are up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Climate {
    /// All sorts of commands; clients leave, pause and are killed.
    Mixed,
    /// Clients contend for few keys, with commands that claim first and work later. Where nobody
    /// leaves or moves, coordinators that refuse each other go on doing so.
    Calm,
    /// Some never stop before others are answered; see [`super::storm`].
    Storm,
}

/// What holds for a whole run.
pub struct Weather {
    pub climate: Climate,
    pub cores: usize,
    /// Microseconds a message travels, at most.
    pub delay_max: u64,
    /// One message in this many takes twenty times as long.
    pub slow_one_in: u64,
    /// Messages a queue of the mesh holds.
    pub queue: usize,
    /// Chance in a thousand that a client disconnects instead of acting.
    pub disconnects: u64,
    /// Connections move after every command that went elsewhere.
    pub restless: bool,
    /// Collections of more than one element are large ones.
    pub small_portions: bool,
    /// Every message takes as long as it may, and none is slow, so that cores keep in step.
    pub even: bool,
    /// Out of how many chances to act a client pauses once; 0 is never.
    pub pauses: u64,
    /// Kinds of commands that only some runs have.
    pub rare: u64,
}

impl Weather {
    /// Draws all of it.
    pub fn draw(random: &mut Prng) -> Weather {
        match random.below(24) {
            0..4 => Weather::quiet(Climate::Calm, 1 + random.below(4), random),
            // Transactions of two cores are hardly ever refused.
            4 | 5 => Weather::quiet(Climate::Storm, 3 + random.below(2), random),
            _ => Weather::mixed(random),
        }
    }

    /// Nothing but long ways disturbs the clients.
    fn quiet(climate: Climate, cores: u64, random: &mut Prng) -> Weather {
        let even = random.chance(1, 2);
        Weather {
            climate,
            cores: cores as usize,
            delay_max: [20, 200, 2000][random.below(3) as usize],
            slow_one_in: if even { u64::MAX } else { 1000 },
            queue: 64,
            disconnects: 0,
            restless: false,
            small_portions: false,
            even,
            pauses: 0,
            rare: 0,
        }
    }

    fn mixed(random: &mut Prng) -> Weather {
        let rare = [client::DEADLINES, client::SCANS, client::KILLS, client::LARGE];
        Weather {
            climate: Climate::Mixed,
            cores: 1 + random.below(4) as usize,
            delay_max: [1, 20, 200][random.below(3) as usize],
            slow_one_in: [4, 20, 1000][random.below(3) as usize],
            queue: [1, 2, 64][random.below(3) as usize],
            disconnects: [0, 2, 20][random.below(3) as usize],
            restless: random.chance(1, 2),
            small_portions: random.chance(1, 2),
            even: false,
            pauses: [0, 0, 4, 16][random.below(4) as usize],
            rare: rare.into_iter().filter(|_| random.chance(1, 4)).sum(),
        }
    }
}
