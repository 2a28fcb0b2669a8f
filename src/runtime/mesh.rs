//! Queues between cores: one bounded single-producer single-consumer queue per ordered pair.
//!
//! A core publishes its outboxes once per turn. It wakes a peer only if that peer has announced
//! that it sleeps: the sleeper stores its announcement and then looks at its queues once more, the
//! sender publishes and then looks at the announcement, each with a full fence between, so one of
//! them sees the other (Dekker's argument) and no wake is lost.
//!
//! Invariant: nobody blocks or spins on a peer. What does not fit stays in the sender's outbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering, fence};

use rtrb::{Consumer, Producer, RingBuffer};

use crate::limits::MESH_QUEUE;
use crate::shard::message::{CoreId, Message};

/// What a core shows the others about itself; on a cache line of its own.
#[repr(align(128))]
pub struct Beacon {
    sleeping: AtomicBool,
    /// Descriptor of its ring, for messages that wake it; -1 before the core is up.
    ring: AtomicI32,
    /// An eventfd armed in its ring, for threads that have no ring.
    pub event: AtomicI32,
}

impl Default for Beacon {
    fn default() -> Beacon {
        Beacon {
            sleeping: AtomicBool::new(false),
            ring: AtomicI32::new(-1),
            event: AtomicI32::new(-1),
        }
    }
}

/// One core's ends of all its queues.
pub struct MeshEnd {
    me: CoreId,
    to: Vec<Option<Producer<Message>>>,
    from: Vec<Option<Consumer<Message>>>,
    beacons: Arc<[Beacon]>,
}

/// Makes the queues for `cores` cores and hands out their ends.
pub fn mesh(cores: usize) -> (Vec<MeshEnd>, Arc<[Beacon]>) {
    let beacons: Arc<[Beacon]> = (0..cores).map(|_| Beacon::default()).collect();
    let mut ends: Vec<MeshEnd> = (0..cores)
        .map(|core| MeshEnd {
            me: CoreId(core as u16),
            to: (0..cores).map(|_| None).collect(),
            from: (0..cores).map(|_| None).collect(),
            beacons: Arc::clone(&beacons),
        })
        .collect();
    for from in 0..cores {
        for to in (0..cores).filter(|to| *to != from) {
            let (producer, consumer) = RingBuffer::new(MESH_QUEUE);
            ends[from].to[to] = Some(producer);
            ends[to].from[from] = Some(consumer);
        }
    }
    (ends, beacons)
}

impl MeshEnd {
    /// Says how this core is woken.
    pub fn open(&self, ring: i32, event: i32) {
        let beacon = &self.beacons[self.me.index()];
        beacon.event.store(event, Ordering::Relaxed);
        beacon.ring.store(ring, Ordering::Release);
    }

    /// Publishes as many of `messages` as fit, in order.
    pub fn publish(&mut self, to: CoreId, messages: &mut Vec<Message>) {
        let producer = self.to[to.index()].as_mut().expect("no queue to oneself");
        let room = producer.slots().min(messages.len());
        for message in messages.drain(..room) {
            if producer.push(message).is_err() {
                unreachable!("there was room");
            }
        }
    }

    /// The ring of `to` if it sleeps and nobody else wakes it; call after publishing to it.
    pub fn claim_wake(&self, to: CoreId) -> Option<i32> {
        let beacon = &self.beacons[to.index()];
        fence(Ordering::SeqCst);
        let wake = beacon.sleeping.load(Ordering::Relaxed)
            && beacon.sleeping.swap(false, Ordering::AcqRel);
        wake.then(|| beacon.ring.load(Ordering::Acquire))
    }

    /// Announces that this core is about to sleep. False if a message has come meanwhile: it must
    /// not.
    pub fn announce_sleep(&mut self) -> bool {
        if self.from.len() == 1 {
            return true;
        }
        self.beacons[self.me.index()].sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.has_mail() {
            self.awake();
            return false;
        }
        true
    }

    /// Takes the announcement back.
    pub fn awake(&self) {
        self.beacons[self.me.index()].sleeping.store(false, Ordering::Relaxed);
    }

    /// Wakes every other core, whether it sleeps or not.
    pub fn wake_others(&self) {
        let others = self.beacons.iter().enumerate().filter(|(core, _)| *core != self.me.index());
        others.for_each(|(_, beacon)| beacon.wake());
    }

    /// True if some message waits.
    pub fn has_mail(&self) -> bool {
        self.from.iter().flatten().any(|queue| !queue.is_empty())
    }

    /// Calls `take` with up to `max` waiting messages per peer; returns how many there were.
    pub fn drain(&mut self, max: usize, mut take: impl FnMut(CoreId, Message)) -> usize {
        let mut count = 0;
        for (from, queue) in self.from.iter_mut().enumerate() {
            let Some(queue) = queue else { continue };
            for _ in 0..max {
                let Ok(message) = queue.pop() else { break };
                take(CoreId(from as u16), message);
                count += 1;
            }
        }
        count
    }
}
