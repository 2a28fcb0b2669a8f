//! Coordinators that go away in the middle, at every stage.

use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::base::probe::Witness;
use crate::coordinate::gather;
use crate::resp::out::{Out, Protocol};
use crate::session::core::Core;
use crate::shard::locks::{Claim, Mode};
use crate::shard::message::{CoreId, Task};
use crate::testing::cores::{batch, deliver, keys, two_cores};

/// Runs a command from core `from`; after `stages` deliveries its coordinator is dropped. Returns
/// the reply if there is one.
fn run_from(cores: &[Rc<Core>; 2], from: usize, words: &[&str], stages: usize) -> Option<String> {
    let (whole, mut out) = (batch(words), Out::new(Protocol::Resp2));
    let mut done = false;
    {
        let mut task = Box::pin(gather::run(&cores[from].shards, &whole, &mut out));
        for stage in 0..=stages {
            done = task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
            if done || stage == stages || !deliver(cores) {
                break;
            }
        }
    }
    while deliver(cores) {}
    for core in cores {
        assert_eq!(core.shards.claims(), 0, "{words:?} after {stages} stages");
        assert_eq!(core.shards.hops.open_tickets(), 0, "{words:?} after {stages} stages");
    }
    done.then(|| String::from_utf8_lossy(out.encoded()).into_owned())
}

fn run(cores: &[Rc<Core>; 2], words: &[&str], stages: usize) -> Option<String> {
    run_from(cores, 0, words, stages)
}

#[test]
fn a_joint_transaction_begins_on_the_first_core_whoever_asks() {
    let stages_to_the_end = |from| {
        let cores = two_cores();
        let [first, second] = &keys(&cores);
        let mset = ["MSET", first, "1", second, "2"];
        let end = (0..9).find(|stages| run_from(&cores, from, &mset, *stages).is_some());
        let seen = run_from(&cores, from, &["MGET", second, first], 9).expect("it is answered");
        assert_eq!(seen, "*2\r\n$1\r\n2\r\n$1\r\n1\r\n");
        end
    };
    // A stage brings core 1 its mail and then core 0 the answer; from core 1 one more brings the
    // question, and another the answer.
    assert_eq!([0, 1].map(stages_to_the_end), [Some(1), Some(3)]);
}

#[test]
fn a_joint_transaction_waits_for_a_claim_and_leads_again_after_a_refusal() {
    let cores = two_cores();
    let [first, second] = &keys(&cores);
    let core = &cores[1].shards;
    let (whole, mut out) = (batch(&["RENAME", second, "x"]), Out::new(Protocol::Resp2));
    core.observe(40);
    let claim = Claim::Shard(Mode::Exclusive);
    let mut witness = Witness::default();
    witness.note(whole.args(0).from(0));
    let mut held =
        Box::pin(super::hold(core, &witness, &[CoreId(1)], |_| (claim.clone(), Task::Hold)));
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready((held, _)) = held.as_mut().poll(&mut context) else { panic!("it is free") };
    let mset = batch(&["MSET", first, "1", second, "2"]);
    let mut task = Box::pin(gather::run(&cores[0].shards, &mset, &mut out));
    assert!(task.as_mut().poll(&mut context).is_pending());
    (0..2).for_each(|_| assert!(deliver(&cores)));
    assert_eq!(cores[0].shards.claims(), 1, "under a new id");
    assert!(task.as_mut().poll(&mut context).is_pending());
    drop(held);
    while deliver(&cores) {}
    assert!(task.as_mut().poll(&mut context).is_ready());
    assert!(cores.iter().all(|core| core.shards.is_idle()));
}

#[test]
fn joint_transactions_on_the_same_keys_travel_together() {
    let cores = two_cores();
    let [first, second] = &keys(&cores);
    let batches = ["1", "2", "3"].map(|value| batch(&["MSET", first, value, second, value]));
    let mut outs = [(); 3].map(|()| Out::new(Protocol::Resp2));
    let mut context = Context::from_waker(Waker::noop());
    let mut tasks: Vec<_> = batches
        .iter()
        .zip(&mut outs)
        .map(|(mset, out)| Box::pin(gather::run(&cores[0].shards, mset, out)))
        .collect();
    assert!(tasks.iter_mut().all(|task| task.as_mut().poll(&mut context).is_pending()));
    assert_eq!(cores[0].shards.claims(), 3);
    assert!(deliver(&cores), "there and back");
    assert!(tasks.iter_mut().all(|task| task.as_mut().poll(&mut context).is_ready()));
    assert!(cores.iter().all(|core| core.shards.is_idle()));
    drop(tasks);
    let seen = run(&cores, &["MGET", first, second], 9).expect("it is answered");
    assert_eq!(seen, "*2\r\n$1\r\n3\r\n$1\r\n3\r\n");
}

#[test]
fn a_coordinator_that_goes_away_leaves_all_or_nothing() {
    for stages in 0..4 {
        let cores = two_cores();
        let [first, second] = &keys(&cores);
        run(&cores, &["MSET", first, "1", second, "1"], stages);
        let seen = run(&cores, &["EXISTS", first, second], 9).expect("it is answered");
        assert!([":0\r\n", ":2\r\n"].contains(&&*seen), "{seen:?} after {stages} stages");

        run(&cores, &["MSET", first, "1", second, "2"], 9).expect("it is answered");
        run(&cores, &["RENAME", first, second], stages);
        let seen = run(&cores, &["MGET", first, second], 9).expect("it is answered");
        let before = "*2\r\n$1\r\n1\r\n$1\r\n2\r\n";
        assert!([before, "*2\r\n$-1\r\n$1\r\n1\r\n"].contains(&&*seen), "{seen:?} after {stages}");
        run(&cores, &["MGET", first, second], stages);
        run(&cores, &["FLUSHALL"], stages);
    }
}

#[test]
fn an_error_of_phase_one_gives_everything_up() {
    let cores = two_cores();
    let [first, second] = &keys(&cores);
    let (whole, mut out) = (batch(&["RENAME", first, second]), Out::new(Protocol::Resp2));
    let mut task = Box::pin(gather::run(&cores[0].shards, &whole, &mut out));
    let mut context = Context::from_waker(Waker::noop());
    while task.as_mut().poll(&mut context).is_pending() {
        assert!(deliver(&cores), "it comes to an end");
    }
    drop(task);
    deliver(&cores);
    assert!(cores.iter().all(|core| core.shards.is_idle()));
}
