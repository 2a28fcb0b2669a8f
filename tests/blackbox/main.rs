//! The server as strangers meet it: how it starts and stops, and what clients may do to it.
//!
//! Invariant: no client, however rude, stops the server, makes another client wait for long, or
//! takes memory beyond its limits. Bounds are generous: they find what is wrong in kind, not in
//! degree.
//! `LARGE=1` tries values of 512 MB instead of 64 MB.

#![expect(clippy::disallowed_methods, reason = "tests read files and the clock, and use threads")]

mod blocking;
mod clients;
mod info;
mod large;
mod limits;
mod moves;
mod startup;
#[path = "../support/mod.rs"]
mod support;
mod torn;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use support::server::{Options, Server};

/// Two shards: the fewest that must talk to each other.
fn start(arguments: &str) -> Server {
    let options = Options::under_test(2);
    if arguments.is_empty() { options.start() } else { options.with(arguments).start() }
}

/// Runs `work` while a second client pings all the time; returns the longest time a reply took.
fn longest_wait_during(server: &Server, work: impl FnOnce()) -> Duration {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let bystander = scope.spawn(|| {
            let mut client = server.connect();
            let mut longest = Duration::ZERO;
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                assert_eq!(client.run("GET bystander"), support::reply::Reply::Nil);
                longest = longest.max(begun.elapsed());
                std::thread::sleep(Duration::from_millis(1));
            }
            longest
        });
        let stopper = StopOnDrop(&stop);
        work();
        drop(stopper);
        bystander.join().expect("the other client is served")
    })
}

/// Stops the second client also when the work panics, so that the failure is seen.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits until `holds`, which must happen within ten seconds.
#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

const MEGABYTE: u64 = 1 << 20;
