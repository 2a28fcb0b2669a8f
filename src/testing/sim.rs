//! A deterministic simulator: real cores, sessions, coordinators and locks on a simulated mesh, in
//! virtual time, on one thread.
//!
//! A seed draws everything: how many cores and clients there are, what the clients send and in
//! which pieces, how long each message travels, how much of an outbox is carried at once, who gets
//! the next turn, who disconnects. What a run did is checked by [`history`]; here it is checked
//! that the run comes to an end and leaves no claim and no open ticket.
//!
//! Invariant: a seed names its whole run. Nothing here reads a clock, a hash map's order or another
//! thread. Messages of one pair of cores arrive in order, as in the mesh.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use crate::base::prng::Prng;
use crate::base::probe::{
    Mutation, mutated, set_restless, set_small_portions, take_effects, take_refusals,
};
use crate::base::seams::Clock;
use crate::base::time::Millis;
use crate::command;
use crate::config::Config;
use crate::resp::out::{Out, Protocol};
use crate::session::client::{Client, Peer};
use crate::session::connection::{Served, Session};
use crate::session::core::{Core, Identity};
use crate::session::link::Link;
use crate::shard::execute;
use crate::shard::handover::Handover;
use crate::shard::message::{CoreId, Message};
use crate::store::db::Db;
use crate::store::entry::{EntryRef, ValueRef};
use crate::testing::with_args;

mod client;
mod history;
mod lines;
mod model;
mod scans;
mod storm;
mod tests;
mod weather;

use client::{Customer, Habits, Role};
use history::{History, Moment};
use model::Place;
use storm::Storm;
use weather::{Climate, Weather};

/// Turns and client actions after which a run counts as stuck, a storm not counted.
const STEPS_MAX: u64 = 6_000;

/// The calendar when a run begins, in microseconds.
const EPOCH_MICROS: u64 = 1_700_000_000_000_000;

/// Time as the simulator makes it.
struct VirtualClock(Rc<Cell<u64>>);

impl Clock for VirtualClock {
    fn unix_micros(&self) -> i64 {
        (EPOCH_MICROS + self.0.get()) as i64
    }

    fn monotonic_nanos(&self) -> u64 {
        self.0.get() * 1000
    }
}

/// Set by a waker: the task is to be polled.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A session's task.
struct Task {
    future: Pin<Box<dyn Future<Output = Served>>>,
    woken: Arc<Woken>,
    link: Rc<Link>,
}

/// A message under way and when it arrives, in microseconds.
struct Mail {
    due: u64,
    message: Message,
}

/// One core with its executor and its end of the mesh.
struct Station {
    core: Rc<Core>,
    awake: bool,
    tasks: Vec<Task>,
    /// By sender, in order.
    inboxes: Vec<VecDeque<Mail>>,
}

impl Station {
    fn has_mail(&self, now: u64) -> bool {
        self.inboxes.iter().any(|inbox| inbox.front().is_some_and(|mail| mail.due <= now))
    }

    fn begin(&mut self, session: Session) {
        self.tasks.push(Task {
            link: Rc::clone(&session.client.link),
            future: Box::pin(session.serve()),
            woken: Arc::new(Woken(AtomicBool::new(true))),
        });
        self.awake = true;
    }

    fn is_ready(&self) -> bool {
        self.tasks.iter().any(|task| task.woken.0.load(Ordering::Relaxed))
    }
}

/// A run.
pub struct Sim {
    random: Prng,
    now: Rc<Cell<u64>>,
    steps: u64,
    weather: Weather,
    stations: Vec<Station>,
    customers: Vec<Customer>,
    history: History,
    moves: usize,
    /// When which core is to be woken.
    wakes: Vec<(u64, usize)>,
    storm: Storm,
}

impl Sim {
    /// Runs `seed` to its end. The error says what went wrong and shows the history.
    pub fn run(seed: u64) -> Result<Totals, String> {
        drop((take_effects(), take_refusals()));
        let mut sim = Sim::new(seed);
        let outcome = sim.serve().and_then(|()| sim.history.check());
        let totals = Totals {
            commands: sim.history.len(),
            steps: sim.steps,
            moves: sim.moves,
            longest_wait: sim.storm.longest_wait,
            refusals: take_refusals(),
        };
        outcome.map(|()| totals).map_err(|reason| format!("SEED={seed}: {reason}\n{}", sim.history))
    }

    fn new(seed: u64) -> Sim {
        let mut random = Prng::new(seed);
        let now = Rc::new(Cell::new(0));
        let weather = Weather::draw(&mut random);
        let cores = weather.cores;
        let config = Config::with(&[("databases", "2")]).expect("a valid setting");
        let (config, identity) = (Arc::new(config), Arc::new(Identity::for_tests(cores)));
        let station = |core| {
            let clock = Box::new(VirtualClock(Rc::clone(&now)));
            let (identity, config) = (Arc::clone(&identity), Arc::clone(&config));
            let core = Core::new(CoreId(core as u16), identity, config, clock, seed);
            let inboxes = (0..cores).map(|_| VecDeque::new()).collect();
            Station { core: Rc::new(core), awake: false, tasks: Vec::new(), inboxes }
        };
        set_restless(weather.restless);
        set_small_portions(weather.small_portions);
        let mut sim = Sim {
            now: Rc::clone(&now),
            steps: 0,
            weather,
            stations: (0..cores).map(station).collect(),
            customers: Vec::new(),
            history: History::default(),
            moves: 0,
            wakes: Vec::new(),
            storm: Storm::default(),
            random,
        };
        sim.admit();
        let peers: Rc<Vec<u64>> = Rc::new(sim.customers.iter().map(|each| each.id).collect());
        for customer in &mut sim.customers {
            customer.peers = Rc::clone(&peers);
            sim.history.meet(customer.number, customer.id);
        }
        sim
    }

    /// Connects all clients of the run.
    fn admit(&mut self) {
        if self.weather.climate == Climate::Storm {
            return self.admit_storm();
        }
        let is_calm = self.weather.climate == Climate::Calm;
        let keys = 2 + if self.weather.even { 0 } else { self.random.below(5) };
        let (pauses, allowed) = (self.weather.pauses, self.draw_kinds());
        let habits = Habits { keys, pauses, allowed, role: Role::Guest };
        let contenders = if is_calm { 4 } else { 2 };
        for number in 0..contenders + self.random.below(5) as usize {
            let at = self.random.below(self.stations.len() as u64) as usize;
            self.connect(number, at, habits);
        }
    }

    /// The kinds of commands of this run: all, or only a few, because what one kind hides another
    /// may show (Groce and others, "Swarm Testing", 2012).
    fn draw_kinds(&mut self) -> u64 {
        let (common, rare) = ((1 << client::KINDS) - 1, self.weather.rare);
        match (self.weather.climate, self.random.below(8)) {
            (Climate::Calm, draw) => {
                let all = if draw < 4 { client::SCATTERED } else { 0 };
                return client::TWO_PHASE | all;
            }
            (_, 0..5) => return common | rare,
            // Commands in portions, within transactions over several cores.
            (_, 5) if self.weather.small_portions => return client::SCATTERED | client::LONG,
            _ => {}
        }
        let one = 1 << self.random.below(client::KINDS);
        (0..self.random.below(4))
            .fold(one | rare, |kinds, _| kinds | 1 << self.random.below(client::KINDS))
    }

    fn connect(&mut self, number: usize, at: usize, habits: Habits) {
        let station = &mut self.stations[at];
        let link = Rc::new(Link::new(number as u32, Rc::clone(&station.core.doorbell)));
        let peer = Peer {
            unix: true,
            port: 0,
            ip: None,
            address: String::new(),
            local_address: String::new(),
        };
        let client = Rc::new(Client::new(&station.core, Rc::clone(&link), peer, 0));
        station.core.add_client(Rc::clone(&client));
        let id = client.id;
        station.begin(Session::new(Rc::clone(&station.core), client));
        let random = self.random.fork();
        self.customers.push(Customer::new((number, id), at, link, habits, random));
    }

    /// Goes on until nothing more happens.
    fn serve(&mut self) -> Result<(), String> {
        loop {
            self.steps += 1;
            if self.storm.calm_for(self.steps) > STEPS_MAX {
                return Err("no end in sight".into());
            }
            self.watch_victims()?;
            // Where messages keep in step, a turn takes next to no time beside them.
            let pace = if self.weather.even { 4 } else { 4 + self.weather.delay_max / 4 };
            self.now.set(self.now.get() + self.random.below(pace));
            self.wake_sleepers();
            if !self.act() && !self.wait() && !self.send_home() {
                break;
            }
            self.history.note_effects(self.steps, take_effects());
        }
        self.history.note_effects(self.steps, take_effects());
        self.check_rest()?;
        set_small_portions(false);
        self.history.end(millis_of(self.now.get()), self.contents());
        Ok(())
    }

    /// Each key of all shards with what GET or LRANGE answer.
    fn contents(&self) -> BTreeMap<Place, String> {
        let mut contents = BTreeMap::new();
        for station in &self.stations {
            station.core.begin_turn();
            let mut db = station.core.shards.db.borrow_mut();
            for database in 0..db.database_count() {
                db.select(database);
                let mut keys = Vec::new();
                db.for_each(|entry| keys.push((entry.key().to_vec(), is_text(&entry))));
                for (key, is_text) in keys {
                    let words: &[&[u8]] =
                        if is_text { &[b"GET", &key] } else { &[b"LRANGE", &key, b"0", b"-1"] };
                    let reply = ask(&mut db, words);
                    contents.insert((database, key), reply);
                }
            }
        }
        contents
    }

    /// Nothing happens any more: those who wait for a key for ever hang up. False if nobody does.
    fn send_home(&mut self) -> bool {
        let mut left = false;
        for customer in &mut self.customers {
            let waits = |number: &usize| self.history.waits_for_ever(*number);
            let Some(number) = customer.oldest().filter(waits) else { continue };
            self.history.leave_waiting(number);
            customer.link.end();
            customer.leave(
                Moment { step: self.steps, time: millis_of(self.now.get()) },
                &mut self.history,
            );
            let station = &mut self.stations[customer.station];
            station.awake |= station.is_ready();
            left = true;
        }
        left
    }

    /// Gives somebody a turn; false if nobody has anything to do.
    fn act(&mut self) -> bool {
        let now = self.now.get();
        let stations = self.stations.iter().enumerate().filter(|(_, station)| station.awake);
        let mut able: Vec<(bool, usize)> = stations.map(|(index, _)| (true, index)).collect();
        let customers = self.customers.iter().enumerate().filter(|(_, each)| each.can_act(now));
        able.extend(customers.map(|(index, _)| (false, index)));
        if able.is_empty() {
            return false;
        }
        match able[self.random.below(able.len() as u64) as usize] {
            (true, station) => self.turn(station, now),
            (false, customer) => self.serve_customer(customer),
        }
        true
    }

    fn serve_customer(&mut self, index: usize) {
        let now = self.moment();
        let customer = &mut self.customers[index];
        let station = &mut self.stations[customer.station];
        // Whoever waits is the most likely to lose his patience.
        let haste = if customer.oldest().is_some() { 4 } else { 1 };
        if customer.was_killed() {
            customer.leave(now, &mut self.history);
        } else if self.random.chance(self.weather.disconnects * haste, 1000) {
            if self.random.chance(1, 2) {
                customer.link.end();
            } else {
                station.core.begin_turn();
                station.tasks.retain(|task| !Rc::ptr_eq(&task.link, &customer.link));
                // This was a turn of the core: it looks at its timers before it sleeps.
                station.awake = true;
            }
            customer.leave(now, &mut self.history);
        } else {
            customer.act(now, self.now.get(), &mut self.history);
        }
        station.awake |= station.is_ready() || station.core.shards.hops.staged();
    }

    fn moment(&self) -> Moment {
        Moment { step: self.steps, time: millis_of(self.now.get()) }
    }

    /// One turn of a core: mail, tasks, outboxes, sleep.
    fn turn(&mut self, index: usize, now: u64) {
        let station = &mut self.stations[index];
        station.core.begin_turn();
        for _ in 0..self.random.below(6) {
            let from = self.random.below(station.inboxes.len() as u64) as usize;
            let inbox = &mut station.inboxes[from];
            if inbox.front().is_some_and(|mail| mail.due <= now) {
                let mail = inbox.pop_front().expect("it has a front");
                station.core.receive(CoreId(from as u16), mail.message);
            }
        }
        self.take_over(index);
        let station = &mut self.stations[index];
        station.core.timers.fire(station.core.now());
        station.core.shards.go_on();
        station.core.yielded.set(false);
        if self.weather.rare & client::DEADLINES != 0 && self.random.chance(1, 4) {
            station.core.maintain(1);
        }
        self.poll_some(index);
        self.let_leave(index);
        if self.random.chance(3, 4) {
            self.carry(index, now);
        }
        let station = &mut self.stations[index];
        let leaving = self.customers.iter().any(|each| each.station == index && each.can_depart());
        let shards = &station.core.shards;
        let busy = shards.hops.staged() || shards.has_jobs() || station.is_ready() || leaving;
        station.awake = busy || station.has_mail(now);
        if let Some(deadline) = station.core.timers.next_deadline() {
            let wake = (micros_of(deadline), index);
            if !self.wakes.contains(&wake) {
                self.wakes.push(wake);
            }
        }
    }

    /// Polls woken tasks in any order, perhaps not all of them.
    fn poll_some(&mut self, index: usize) {
        let tasks = &mut self.stations[index].tasks;
        for _ in 0..tasks.len() {
            let at = self.random.below(tasks.len() as u64) as usize;
            if !tasks[at].woken.0.swap(false, Ordering::Relaxed) {
                continue;
            }
            let waker = Waker::from(Arc::clone(&tasks[at].woken));
            if tasks[at].future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                tasks.remove(at);
                return;
            }
        }
    }

    /// Lets go of connections that want to leave the core, sooner or later.
    fn let_leave(&mut self, index: usize) {
        for customer in &mut self.customers {
            let leaves = customer.station == index && customer.can_depart();
            if leaves && self.random.chance(1, 2) {
                let now = Moment { step: self.steps, time: millis_of(self.now.get()) };
                customer.depart(now, &mut self.history);
            }
        }
    }

    /// Serves the connections that have come to a core.
    fn take_over(&mut self, index: usize) {
        let station = &mut self.stations[index];
        while let Some((from, handover)) = station.core.moves.next_arrival() {
            let Handover { connection, .. } = *handover;
            let id = connection.profile.id;
            let customer = self.customers.iter_mut().find(|customer| customer.id == id);
            let customer = customer.expect("every client has a customer");
            let doorbell = Rc::clone(&station.core.doorbell);
            let link = Rc::new(Link::new(customer.number as u32, doorbell));
            customer.arrive(index, Rc::clone(&link));
            self.moves += 1;
            station.begin(Session::resume(&station.core, link, 0, from, connection));
        }
    }

    /// Moves messages from a core's outboxes into the queues, as many as fit, or fewer.
    fn carry(&mut self, from: usize, now: u64) {
        let core = Rc::clone(&self.stations[from].core);
        core.shards.hops.carry(|to, messages| {
            let inbox = &mut self.stations[to.index()].inboxes[from];
            let room = self.weather.queue.saturating_sub(inbox.len()).min(messages.len());
            let count = if self.random.chance(1, 4) { room.min(1) } else { room };
            for message in messages.drain(..count) {
                let drawn = self.random.below(self.weather.delay_max);
                let delay = if self.weather.even { self.weather.delay_max } else { drawn };
                let slow = self.random.chance(1, self.weather.slow_one_in);
                let last = inbox.back().map_or(0, |mail| mail.due);
                let due = last.max(now + if slow { 20 * delay } else { delay });
                if mutated(Mutation::MessageLost) && self.random.chance(1, 40) {
                    continue;
                }
                inbox.push_back(Mail { due, message });
                self.wakes.push((due, to.index()));
            }
            if mutated(Mutation::BatchReordered) && inbox.len() > 1 {
                let last = inbox.len() - 1;
                inbox.swap(last - 1, last);
            }
        });
    }

    /// Wakes the sleeping cores whose mail has arrived.
    fn wake_sleepers(&mut self) {
        let now = self.now.get();
        let (stations, random) = (&mut self.stations, &mut self.random);
        self.wakes.retain(|(due, to)| {
            let arrived = *due <= now;
            let station = &mut stations[*to];
            let lost = mutated(Mutation::WakeLost) && random.chance(1, 20);
            let is_due = station.core.timers.next_deadline().is_some_and(|at| micros_of(at) <= now);
            let is_needed = is_due || station.has_mail(now) && !lost;
            station.awake |= arrived && is_needed;
            !arrived
        });
    }

    /// Lets time pass until the next wake; false if none is to come.
    fn wait(&mut self) -> bool {
        let now = self.now.get();
        let pauses = self.customers.iter().filter(|each| each.pauses());
        let pauses = pauses.map(|each| each.pauses_until).filter(|until| *until > now);
        let Some(next) = self.wakes.iter().map(|(due, _)| *due).chain(pauses).min() else {
            return false;
        };
        self.now.set(self.now.get().max(next));
        true
    }

    /// Nothing happens any more: was that the end?
    fn check_rest(&self) -> Result<(), String> {
        if let Some(stuck) = self.customers.iter().find(|customer| customer.is_waiting()) {
            return Err(format!("client {} waits for ever", stuck.number));
        }
        for (index, station) in self.stations.iter().enumerate() {
            let shards = &station.core.shards;
            if shards.claims() > 0 {
                return Err(format!("{} claims are left on core {index}", shards.claims()));
            }
            if shards.parked() > 0 || !shards.waits.is_empty() {
                return Err(format!("commands are left waiting on core {index}"));
            }
            if shards.hops.open_tickets() > 0 {
                return Err(format!("open tickets are left on core {index}"));
            }
        }
        Ok(())
    }
}

fn is_text(entry: &EntryRef<'_>) -> bool {
    !matches!(entry.value(), ValueRef::Object(_))
}

/// What a shard answers.
fn ask(db: &mut Db, words: &[&[u8]]) -> String {
    let mut rows = command::string::COMMANDS.iter().chain(command::list::COMMANDS);
    let row = rows.find(|row| row.spec.name.as_bytes() == words[0]).expect("a known command");
    let mut out = Out::new(Protocol::Resp2);
    let outcome = with_args(words, |args| execute::execute(db, row, args, &mut out));
    outcome.expect("the key is of that type");
    String::from_utf8_lossy(&out.to_vec()).into_owned()
}

/// What the calendar shows when the virtual clock shows this, in microseconds.
fn millis_of(micros: u64) -> Millis {
    ((EPOCH_MICROS + micros) / 1000) as Millis
}

/// When the virtual clock shows this time of the calendar, in microseconds.
fn micros_of(time: Millis) -> u64 {
    (time as u64 * 1000).saturating_sub(EPOCH_MICROS)
}

/// What a run amounted to.
#[derive(Debug, Default, Clone, Copy)]
pub struct Totals {
    pub commands: usize,
    pub steps: u64,
    /// How often one transaction was refused, at most.
    pub refusals: u32,
    /// Steps that a victim of a storm waited, at most.
    pub longest_wait: u64,
    /// Connections that went from one core to another.
    pub moves: usize,
}
