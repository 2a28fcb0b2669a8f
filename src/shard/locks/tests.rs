//! Examples, and a twin that decides everything by walking the whole queue.

use proptest::prelude::*;

use super::*;

fn id(clock: u64) -> TransactionId {
    TransactionId { clock, core: CoreId(1) }
}

fn writes(keys: &[u64]) -> Claim {
    Claim::keys(keys.iter().map(|key| (*key, Mode::Exclusive)).collect())
}

fn reads(keys: &[u64]) -> Claim {
    Claim::keys(keys.iter().map(|key| (*key, Mode::Shared)).collect())
}

fn granted(locks: &mut Locks<u64>) -> Vec<u64> {
    std::iter::from_fn(|| locks.next_granted()).map(|(_, task)| task).collect()
}

#[test]
fn a_key_claimed_twice_is_claimed_once_in_the_stronger_mode() {
    let claim = Claim::keys(vec![(7, Mode::Shared), (3, Mode::Shared), (7, Mode::Exclusive)]);
    assert_eq!(claim, Claim::Keys(vec![(3, Mode::Shared), (7, Mode::Exclusive)]));
}

#[test]
fn writers_of_one_key_are_granted_in_the_order_of_ids() {
    let mut locks = Locks::new(CoreId(0));
    assert_eq!(locks.schedule(id(1), writes(&[1, 2]), 1), Scheduled::Granted(1));
    assert_eq!(locks.schedule(id(3), writes(&[2, 3]), 3), Scheduled::Waiting);
    assert_eq!(locks.schedule(id(2), writes(&[2]), 2), Scheduled::Refused(3, 2));
    assert_eq!(locks.schedule(id(4), writes(&[1]), 4), Scheduled::Waiting);
    assert_eq!(locks.release(id(1)), None);
    assert_eq!(granted(&mut locks), [3, 4]);
    assert_eq!(locks.release(id(3)), None);
    assert_eq!(locks.release(id(4)), None);
    assert!(locks.is_idle() && locks.keys.is_empty());
}

#[test]
fn readers_share_and_a_late_one_may_come_between() {
    let mut locks = Locks::new(CoreId(0));
    assert_eq!(locks.schedule(id(5), reads(&[1]), 5), Scheduled::Granted(5));
    assert_eq!(locks.schedule(id(3), reads(&[1]), 3), Scheduled::Granted(3));
    assert_eq!(locks.schedule(id(9), writes(&[1]), 9), Scheduled::Waiting);
    assert_eq!(locks.schedule(id(7), reads(&[1]), 7), Scheduled::Refused(9, 7));
    assert!(!locks.is_held(1, Mode::Shared) && locks.is_held(1, Mode::Exclusive));
    locks.release(id(5));
    assert_eq!(granted(&mut locks), [0u64; 0]);
    locks.release(id(3));
    assert_eq!(granted(&mut locks), [9]);
}

#[test]
fn a_whole_shard_meets_every_key() {
    let mut locks = Locks::new(CoreId(0));
    assert_eq!(locks.schedule(id(1), reads(&[1]), 1), Scheduled::Granted(1));
    assert_eq!(locks.schedule(id(2), Claim::Shard(Mode::Shared), 2), Scheduled::Granted(2));
    assert_eq!(locks.schedule(id(3), writes(&[4]), 3), Scheduled::Waiting);
    assert_eq!(locks.schedule(id(4), Claim::Shard(Mode::Exclusive), 4), Scheduled::Waiting);
    assert!(locks.is_held(99, Mode::Exclusive) && !locks.is_held(99, Mode::Shared));
    locks.release(id(2));
    assert_eq!(granted(&mut locks), [3]);
    locks.release(id(1));
    assert_eq!(locks.release(id(4)), Some(4), "given up while it waits");
    locks.release(id(3));
    assert!(locks.is_idle());
}

#[test]
fn ids_rise_above_every_clock_seen() {
    let mut locks: Locks<()> = Locks::new(CoreId(2));
    let first = locks.next_id();
    locks.observe(40);
    assert!(first < locks.next_id() && locks.next_id().clock == 42);
    locks.schedule(id(50), reads(&[1]), ());
    assert_eq!(locks.next_id(), TransactionId { clock: 51, core: CoreId(2) });
}

/// The scheme by its definitions.
#[derive(Default)]
struct Twin {
    queue: BTreeMap<TransactionId, (Claim, bool)>,
}

fn conflict(left: &Claim, right: &Claim) -> bool {
    match (left, right) {
        (Claim::Keys(left), Claim::Keys(right)) => {
            left.iter().any(|(key, mode)| right.iter().any(|(k, m)| k == key && m.conflicts(*mode)))
        }
        _ => left.mode().conflicts(right.mode()),
    }
}

impl Twin {
    /// Grants what may be granted; returns whom.
    fn poll(&mut self) -> Vec<TransactionId> {
        let is_free = |id: &TransactionId, claim: &Claim| {
            !self.queue.range(..*id).any(|(_, (earlier, _))| conflict(earlier, claim))
        };
        let waiting = self.queue.iter().filter(|(_, (_, granted))| !granted);
        let free: Vec<_> =
            waiting.filter(|(id, (claim, _))| is_free(id, claim)).map(|(id, _)| *id).collect();
        for id in &free {
            self.queue.get_mut(id).expect("it is there").1 = true;
        }
        free
    }

    fn schedule(&mut self, id: TransactionId, claim: Claim) -> Scheduled<()> {
        let mut later = self.queue.range(id..);
        if later.any(|(_, (other, _))| conflict(other, &claim)) {
            return Scheduled::Refused(0, ());
        }
        self.queue.insert(id, (claim, false));
        if self.poll() == [id] { Scheduled::Granted(()) } else { Scheduled::Waiting }
    }

    fn is_held(&self, key: u64, mode: Mode) -> bool {
        let claim = Claim::Keys(vec![(key, mode)]);
        self.queue.values().any(|(other, granted)| *granted && conflict(other, &claim))
    }
}

#[derive(Debug, Clone)]
enum Act {
    Schedule { clock: u64, claim: Claim },
    Release(prop::sample::Index),
    IsHeld(u64, Mode),
}

fn modes() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Shared), Just(Mode::Exclusive)]
}

fn modes_of_keys() -> impl Strategy<Value = Mode> {
    let convoys = (1..3u16).prop_map(|core| Mode::Convoy(CoreId(core)));
    prop_oneof![modes(), convoys]
}

fn claims() -> impl Strategy<Value = Claim> {
    prop_oneof![
        6 => prop::collection::vec((0..5u64, modes_of_keys()), 1..4).prop_map(Claim::keys),
        1 => modes().prop_map(Claim::Shard),
    ]
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..60u64, claims()).prop_map(|(clock, claim)| Act::Schedule { clock, claim }),
        2 => any::<prop::sample::Index>().prop_map(Act::Release),
        1 => (0..5u64, modes()).prop_map(|(key, mode)| Act::IsHeld(key, mode)),
    ]
}

proptest! {
    #[test]
    fn locks_do_what_the_definitions_say(acts in prop::collection::vec(acts(), 1..120)) {
        let (mut locks, mut twin) = (Locks::new(CoreId(0)), Twin::default());
        for act in acts {
            match act {
                Act::Schedule { clock, .. } if twin.queue.contains_key(&id(clock)) => {}
                Act::Schedule { clock, claim } => {
                    let got = match locks.schedule(id(clock), claim.clone(), ()) {
                        Scheduled::Refused(_, ()) => Scheduled::Refused(0, ()),
                        other => other,
                    };
                    prop_assert_eq!(got, twin.schedule(id(clock), claim));
                }
                Act::Release(index) if !twin.queue.is_empty() => {
                    let id = *index.get(&twin.queue.keys().copied().collect::<Vec<_>>());
                    let (_, was_granted) = twin.queue.remove(&id).expect("it is there");
                    prop_assert_eq!(locks.release(id).is_none(), was_granted);
                    let freed: Vec<_> =
                        std::iter::from_fn(|| locks.next_granted()).map(|(id, ())| id).collect();
                    prop_assert_eq!(freed, twin.poll());
                }
                Act::Release(_) => {}
                Act::IsHeld(key, mode) => {
                    prop_assert_eq!(locks.is_held(key, mode), twin.is_held(key, mode));
                }
            }
            prop_assert_eq!(locks.is_idle(), twin.queue.is_empty());
        }
    }
}
