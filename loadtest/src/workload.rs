//! Makes requests: draws a command, its keys and its values, and encodes them.
//!
//! Invariant: a key drawn for a lane belongs to the lane's node, and under `--check` to the lane
//! alone. Each thread has its own workload, so nothing here is shared or locked.

use fastrand::Rng;

use crate::cluster::{Layout, SlotHash};
use crate::encode::{Draw, digits};
use crate::failure::Failure;
use crate::keys::Sampler;
use crate::mix::{Command, Mix};
use crate::model::Drawn;
use crate::options::Plan;

/// Draws in search of a key that a node owns, before it is said to own none.
const DRAWS_MAX: usize = 1_000_000;

/// What distinguishes one connection's requests from another's.
#[derive(Clone, Debug)]
pub struct Lane {
    /// Index among all connections of the run.
    pub index: u64,
    /// Index of the node it is connected to.
    pub node: usize,
    /// First key and step of a walk over the keys that this lane is to visit.
    pub first_key: u64,
    pub step: u64,
    /// Next key of the walk.
    next_key: u64,
}

impl Lane {
    /// Makes a lane that walks over every `step`th key from `first_key`.
    pub fn new(index: u64, node: usize, first_key: u64, step: u64) -> Lane {
        Lane { index, node, first_key, step, next_key: first_key }
    }

    /// Begins the walk anew.
    pub fn rewind(&mut self) {
        self.next_key = self.first_key;
    }
}

/// Which keys requests name.
#[derive(Clone, Debug)]
pub enum Order {
    /// Drawn from the plan's distribution, without end.
    Drawn,
    /// Each key once: the lanes walk over them.
    Walk,
}

/// A source of requests.
#[derive(Debug)]
pub struct Workload<'a> {
    plan: &'a Plan,
    mix: &'a Mix,
    order: Order,
    sampler: Sampler,
    /// For each command, how the slot of its key is computed, if it has one.
    slots: Vec<Option<SlotHash>>,
    rng: Rng,
    drawn: Drawn,
}

impl<'a> Workload<'a> {
    /// Makes a source of the commands of `mix`; different seeds give different requests.
    pub fn new(plan: &'a Plan, mix: &'a Mix, order: Order, seed: u64) -> Workload<'a> {
        let keys = if plan.check { plan.keys / plan.connections as u64 } else { plan.keys };
        let slots = mix.commands().iter().map(|command| {
            command.template.key_text().map(|(before, after)| SlotHash::new(before, after))
        });
        Workload {
            plan,
            mix,
            order,
            sampler: Sampler::new(plan.distribution, keys),
            slots: slots.collect(),
            rng: Rng::with_seed(seed),
            drawn: Drawn::default(),
        }
    }

    /// Returns the commands; [`Workload::encode_next`] returns indexes into them.
    pub fn commands(&self) -> &'a [Command] {
        self.mix.commands()
    }

    /// Returns what was drawn for the last request.
    pub fn drawn(&self) -> &Drawn {
        &self.drawn
    }

    /// Appends the next request of `lane` to `out` and returns the index of its command; `None` at
    /// the end of a walk.
    ///
    /// # Errors
    ///
    /// [`Failure::Cluster`] if the lane's node seems to own none of the keys.
    #[inline]
    pub fn encode_next(
        &mut self,
        out: &mut Vec<u8>,
        lane: &mut Lane,
        layout: &Layout,
    ) -> Result<Option<usize>, Failure> {
        let index = self.mix.draw(&mut self.rng);
        let first_key = match self.order {
            Order::Walk => match self.walk(index, lane, layout) {
                None => return Ok(None),
                key => key,
            },
            Order::Drawn => self.draw_owned(index, lane, layout)?,
        };
        self.drawn.clear();
        let mut drawer = Drawer {
            plan: self.plan,
            sampler: &self.sampler,
            rng: &mut self.rng,
            drawn: &mut self.drawn,
            first_key,
            lane,
        };
        self.mix.commands()[index].template.encode(out, &mut drawer);
        Ok(Some(index))
    }

    fn walk(&self, index: usize, lane: &mut Lane, layout: &Layout) -> Option<u64> {
        while lane.next_key < self.plan.keys {
            let key = lane.next_key;
            lane.next_key += lane.step;
            if self.is_owned(index, key, lane, layout) {
                return Some(key);
            }
        }
        None
    }

    /// Draws the first key of a request, if the node matters; else leaves it to the template.
    #[inline]
    fn draw_owned(
        &mut self,
        index: usize,
        lane: &Lane,
        layout: &Layout,
    ) -> Result<Option<u64>, Failure> {
        if layout.nodes().len() == 1 || self.slots[index].is_none() {
            return Ok(None);
        }
        for _ in 0..DRAWS_MAX {
            let key = draw_key(self.plan, &self.sampler, &mut self.rng, lane);
            if self.is_owned(index, key, lane, layout) {
                return Ok(Some(key));
            }
        }
        let node = &layout.nodes()[lane.node];
        Err(Failure::Cluster(format!("none of the keys belongs to {node}: use more keys")))
    }

    fn is_owned(&self, index: usize, key: u64, lane: &Lane, layout: &Layout) -> bool {
        let Some(hash) = self.slots[index].as_ref().filter(|_| layout.nodes().len() > 1) else {
            return true;
        };
        layout.owner(hash.slot(&digits(key))) == lane.node
    }
}

#[inline]
fn draw_key(plan: &Plan, sampler: &Sampler, rng: &mut Rng, lane: &Lane) -> u64 {
    let number = sampler.sample(rng);
    if plan.check { number * plan.connections as u64 + lane.index } else { number }
}

/// Fills the holes of one request and notes what it drew.
struct Drawer<'a> {
    plan: &'a Plan,
    sampler: &'a Sampler,
    rng: &'a mut Rng,
    drawn: &'a mut Drawn,
    first_key: Option<u64>,
    lane: &'a Lane,
}

impl Draw for Drawer<'_> {
    #[inline]
    fn key(&mut self) -> u64 {
        let key = match self.first_key.take() {
            Some(key) => key,
            None => draw_key(self.plan, self.sampler, self.rng, self.lane),
        };
        self.drawn.keys.push(key);
        key
    }

    #[inline]
    fn element(&mut self) -> u64 {
        let element = self.rng.u64(..self.plan.elements);
        self.drawn.elements.push(element);
        element
    }

    #[inline]
    fn value(&mut self) -> &[u8] {
        let value = self.plan.pool.draw(&self.plan.sizes, self.rng);
        self.drawn.values.push(value);
        self.plan.pool.bytes(value)
    }

    fn lifetime(&mut self) -> u64 {
        self.rng.u64(self.plan.lifetimes.shortest..=self.plan.lifetimes.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use clap::Parser;

    fn plan(arguments: &str) -> Plan {
        let words = std::iter::once("loadtest").chain(arguments.split_whitespace());
        Options::try_parse_from(words).unwrap().plan().unwrap()
    }

    fn two_nodes() -> Layout {
        let reply = "*2\r\n*3\r\n:0\r\n:8191\r\n*2\r\n+a\r\n:1\r\n\
            *3\r\n:8192\r\n:16383\r\n*2\r\n+b\r\n:1\r\n";
        Layout::read(&crate::decode::decode(reply.as_bytes()).unwrap(), "").unwrap()
    }

    #[test]
    fn a_walk_visits_each_key_once_on_its_node() {
        let plan = plan("-r 1000 --mix set");
        let layout = two_nodes();
        let mut visited = Vec::new();
        // Node 0 has two connections, node 1 has one.
        for (index, node, first_key, step) in [(0, 0, 0, 2), (1, 1, 0, 1), (2, 0, 1, 2)] {
            let mut workload = Workload::new(&plan, &plan.mix, Order::Walk, index);
            let mut lane = Lane::new(index, node, first_key, step);
            let mut out = Vec::new();
            while workload.encode_next(&mut out, &mut lane, &layout).unwrap().is_some() {
                visited.extend_from_slice(&workload.drawn().keys);
            }
        }
        visited.sort_unstable();
        assert_eq!(visited, (0..1000).collect::<Vec<u64>>());
    }

    #[test]
    fn checked_lanes_share_no_key() {
        let plan = plan("-r 103 -c 10 --check --mix get,mget");
        let layout = Layout::single("a:1".to_string());
        for index in 0..10 {
            let mut workload = Workload::new(&plan, &plan.mix, Order::Drawn, index);
            let mut lane = Lane::new(index, 0, index, 10);
            for _ in 0..200 {
                workload.encode_next(&mut Vec::new(), &mut lane, &layout).unwrap();
                let keys = &workload.drawn().keys;
                assert!(keys.iter().all(|key| key % 10 == index && *key < 103), "{keys:?}");
            }
        }
    }

    #[test]
    fn a_node_without_keys_is_an_error_and_no_endless_search() {
        let plan = plan("-r 1");
        let mut workload = Workload::new(&plan, &plan.mix, Order::Drawn, 1);
        let layout = two_nodes();
        let mut draw = |node| {
            let mut lane = Lane::new(0, node, 0, 1);
            workload.encode_next(&mut Vec::new(), &mut lane, &layout).is_err()
        };
        assert_ne!(draw(0), draw(1));
    }
}
