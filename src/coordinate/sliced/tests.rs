//! Jobs under the claim of a transaction that gives it up.

use std::cell::Cell;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::base::probe::{Witness, set_small_portions};
use crate::coordinate::hop::Hop;
use crate::coordinate::{atomic, gather, transaction};
use crate::resp::args::Key;
use crate::session::core::Core;
use crate::shard::locks::{Claim, Mode};
use crate::shard::message::{Batch, CoreId, Request, Response, Task};
use crate::testing::cores::{batch, deliver, keys, two_cores};

/// Lists of two elements are large ones while it lives.
struct SmallPortions;

impl SmallPortions {
    fn new() -> SmallPortions {
        set_small_portions(true);
        SmallPortions
    }
}

impl Drop for SmallPortions {
    fn drop(&mut self) {
        set_small_portions(false);
    }
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Asks core 0 to run a single command.
fn single<'c>(cores: &'c [Rc<Core>; 2], words: &[&str]) -> Hop<'c> {
    cores[0].shards.ask(CoreId(0), Request::Run(Box::new(batch(words))))
}

fn reply(answer: Poll<Response>) -> Option<String> {
    let Poll::Ready(answer) = answer else { return None };
    Some(text(answer))
}

fn text(answer: Response) -> String {
    String::from_utf8_lossy(gather::answered(answer).replies.encoded()).into_owned()
}

/// The parts of a transaction that reads a large list on core 0 and a key on core 1.
fn reading<'b>(parts: &'b [Batch; 2]) -> impl Fn(usize) -> (Claim, Task) + 'b {
    |index| (atomic::claim(&parts[index]), Task::Run(parts[index].duplicate()))
}

const BOTH: &[CoreId] = &[CoreId(0), CoreId(1)];

#[track_caller]
fn assert_nothing_is_left(cores: &[Rc<Core>; 2], list: &str) {
    assert!(!cores[0].shards.has_jobs());
    assert!(!cores[0].shards.db.borrow().is_pinned(Key::new(list.as_bytes()).hash));
    for core in cores {
        assert_eq!((core.shards.claims(), core.shards.hops.open_tickets()), (0, 0));
    }
}

#[test]
fn a_job_ends_when_another_shard_refuses_and_begins_again_with_the_next_attempt() {
    let _small = SmallPortions::new();
    let cores = two_cores();
    let [list, other] = &keys(&cores);
    let [reader, refuser] = [0, 1].map(|core: usize| &cores[core].shards);
    let pushed = poll(pin!(single(&cores, &["RPUSH", list, "1", "2", "3"])));
    assert_eq!(reply(pushed).as_deref(), Some(":3\r\n"));

    // Somebody with a much larger id holds the other key.
    refuser.observe(40);
    let claim = Claim::keys(vec![(Key::new(other.as_bytes()).hash, Mode::Exclusive)]);
    let witness = Witness::default();
    let holding = transaction::hold(refuser, &witness, &BOTH[1..], |_| (claim.clone(), Task::Hold));
    let Poll::Ready((held, _)) = poll(pin!(holding)) else { panic!("it is free") };

    let parts = [batch(&["LRANGE", list, "0", "-1"]), batch(&["GET", other])];
    let attempts = Cell::new(0);
    let part = |index| {
        attempts.set(attempts.get() + usize::from(index == 0));
        reading(&parts)(index)
    };
    let mut reads = Box::pin(transaction::hold(reader, &witness, BOTH, part));
    assert!(poll(reads.as_mut()).is_pending());
    assert!(reader.go_on() && reader.has_jobs(), "a portion is done, and there are more");
    let mut waiting = single(&cores, &["RPUSH", list, "4"]);
    assert!(poll(Pin::new(&mut waiting)).is_pending(), "the list is claimed");
    let mut beside = single(&cores, &["GET", "another key of this core"]);
    assert!(poll(Pin::new(&mut beside)).is_ready(), "nothing else is");

    while deliver(&cores) {}
    assert!(poll(reads.as_mut()).is_pending());
    assert_eq!(attempts.get(), 2, "it was refused, and whoever asked for the job has heard");
    let pushed = poll(Pin::new(&mut waiting));
    assert_eq!(reply(pushed).as_deref(), Some(":4\r\n"), "it came before the second attempt");

    drop(held);
    while deliver(&cores) || reader.go_on() {}
    let Poll::Ready((held, answers)) = poll(reads.as_mut()) else { panic!("all is free") };
    let answers: Vec<String> = answers.into_iter().map(text).collect();
    assert_eq!(answers, ["*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n", "$-1\r\n"]);
    drop(held);
    while deliver(&cores) {}
    assert_nothing_is_left(&cores, list);
}

#[test]
fn a_job_ends_when_nobody_waits_for_it_any_more_wherever_its_coordinator_was() {
    let _small = SmallPortions::new();
    for from in [0, 1] {
        let cores = two_cores();
        let [list, other] = &keys(&cores);
        assert!(poll(pin!(single(&cores, &["RPUSH", list, "1", "2", "3"]))).is_ready());
        let parts = [batch(&["LRANGE", list, "0", "-1"]), batch(&["GET", other])];
        let witness = Witness::default();
        let coordinator = &cores[from].shards;
        let mut reads = Box::pin(transaction::hold(coordinator, &witness, BOTH, reading(&parts)));
        assert!(poll(reads.as_mut()).is_pending());
        while deliver(&cores) {}
        assert!(cores[0].shards.go_on() && cores[0].shards.has_jobs());
        let hash = Key::new(list.as_bytes()).hash;
        assert!(cores[0].shards.db.borrow().is_pinned(hash), "from core {from}");
        let mut waiting = single(&cores, &["DEL", list]);
        assert!(poll(Pin::new(&mut waiting)).is_pending());

        drop(reads);
        while deliver(&cores) {}
        assert_eq!(reply(poll(Pin::new(&mut waiting))).as_deref(), Some(":1\r\n"));
        assert_nothing_is_left(&cores, list);
        assert!(!cores[0].shards.go_on());
    }
}
