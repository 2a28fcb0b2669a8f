//! The seeds that every test run repeats, and the proof that the simulator notices broken servers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::base::probe::set_mutation;

/// Seeds of an ordinary test run; `make sim` runs more.
const SEEDS: u64 = 20_000;
/// Within so many seeds each mutation must be caught.
const CATCH_WITHIN: u64 = 10_000;

/// Runs the one seed that the environment names, as `make sim SEED=n` does, or all of them; `FIRST`
/// begins elsewhere.
#[test]
fn every_history_is_explained_by_one_order() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("FIRST").unwrap_or(0);
            first..first + number("SEEDS").unwrap_or(SEEDS)
        }
    };
    let (mut commands, mut moves, mut steps, mut refusals, mut wait) = (0, 0, 0, 0, 0);
    let count = seeds.end - seeds.start;
    for seed in seeds {
        match Sim::run(seed) {
            Ok(totals) => {
                commands += totals.commands;
                moves += totals.moves;
                (steps, refusals) = (steps.max(totals.steps), refusals.max(totals.refusals));
                wait = wait.max(totals.longest_wait);
            }
            Err(failure) => panic!("{failure}"),
        }
    }
    eprintln!("{count} seeds, {commands} commands, {moves} moves: every history is explained");
    eprintln!("the longest run took {steps} steps; {refusals} refusals of one transaction at most");
    eprintln!("the victim of a storm waited {wait} steps at most");
}

#[test]
fn equal_seeds_make_equal_runs() {
    for seed in 0..20 {
        let [first, second] = [(), ()].map(|()| {
            let mut sim = Sim::new(seed);
            sim.serve().expect("it ends");
            format!("{}", sim.history)
        });
        assert_eq!(first, second);
    }
}

/// The first seed under which a server with this fault is caught, and how.
fn caught(mutation: Mutation) -> Option<(u64, String)> {
    set_mutation(Some(mutation));
    let outcome = (0..CATCH_WITHIN).find_map(|seed| {
        let outcome = catch_unwind(AssertUnwindSafe(|| Sim::run(seed)));
        let failure = outcome.unwrap_or_else(|_| Err("a panic".into())).err()?;
        Some((seed, failure.lines().next().unwrap_or_default().to_owned()))
    });
    set_mutation(None);
    outcome
}

#[test]
fn every_mutation_is_caught() {
    let missed: Vec<Mutation> = [
        Mutation::NoRefusal,
        Mutation::GrantOvertakes,
        Mutation::ReadDropsClaim,
        Mutation::SingleIgnoresClaims,
        Mutation::RetryForgetsShard,
        Mutation::WorkBeforeGrants,
        Mutation::RetryStepsByOne,
        Mutation::RetryReusesId,
        Mutation::WholeShardIgnored,
        Mutation::GrantLost,
        Mutation::LateAnswer,
        Mutation::ConclusionUnclaimed,
        Mutation::FirstClaimDropped,
        Mutation::RefusalIgnored,
        Mutation::ConvoyOvertakes,
        Mutation::ConvoysMixed,
        Mutation::JointForEver,
        Mutation::ReadyKeyForgotten,
        Mutation::HoldForgotten,
        Mutation::CancelLost,
        Mutation::JobUnclaimed,
        Mutation::LineReversed,
        Mutation::LatecomerServed,
        Mutation::OfferTaken,
        Mutation::ServedTwice,
        Mutation::ExpiredServed,
        Mutation::ScanSkipsShard,
        Mutation::KillForgotten,
        Mutation::ReplyDoubled,
        Mutation::HandoverForgetsInput,
        Mutation::HandoverForgetsOutput,
        Mutation::BatchReordered,
        Mutation::MessageLost,
        Mutation::WakeLost,
    ]
    .into_iter()
    .filter(|mutation| match caught(*mutation) {
        Some((seed, how)) => {
            eprintln!("{mutation:?} is caught after {} seeds: {how}", seed + 1);
            false
        }
        None => true,
    })
    .collect();
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
