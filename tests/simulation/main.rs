//! Simulation: two endpoints, their applications and the network between them, all of it from one number.
//!
//! Invariant: there is no clock, no thread and no socket; the same seed gives the same run.
//!
//! ```sh
//! cargo test --test simulation                                       # a few seconds
//! SCHEDULES=1000000 cargo test --release --test simulation           # the seeds from 1 on
//! SEED=42 cargo test --test simulation                               # this one, with all that happened in it
//! ```

#[path = "../support/allocator.rs"]
mod allocator;
#[path = "../support/mod.rs"]
mod support;

mod application;
mod judge;
mod ledger;
mod pipe;
mod plan;
mod run;
mod shrink;
mod side;
mod wire;

use plan::{Features, Plan};
use run::Run;
use std::collections::BTreeMap;

/// A number in the environment.
fn named(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a number"))
}

fn run(seed: u64, features: Features, is_traced: bool) -> Run {
    let mut run = Run::new(Plan::new(seed, features), is_traced);
    run.run();
    run
}

#[test]
fn every_schedule_keeps_the_laws() {
    let seed = named("SEED");
    let first = seed.unwrap_or(1);
    let default = if seed.is_some() { 1 } else { 5_000 };
    let schedules = named("SCHEDULES").unwrap_or(default);
    let mut ends = BTreeMap::<String, u64>::new();
    for seed in first..first + schedules {
        let ended = std::panic::catch_unwind(|| run(seed, Features::ALL, false).ends());
        match ended {
            Ok(names) => names
                .into_iter()
                .for_each(|name| *ends.entry(name).or_default() += 1),
            Err(_) => shrink::report(seed),
        }
    }
    if let (Some(seed), 1) = (seed, schedules) {
        println!("{}", run(seed, Features::ALL, true).trace());
    }
    println!("{schedules} schedules, which ended so:");
    for (end, n) in &ends {
        println!("{n:10}  {end}");
    }
    if schedules >= 1_000 {
        reaches_everything(&ends);
    }
}

/// Otherwise the laws would hold for schedules in which nothing happens.
fn reaches_everything(ends: &BTreeMap<String, u64>) {
    for end in [
        "Closed 1000 by peer",
        "Closed 1000 by us",
        "Closed 1006 by us",
        "Expired Close",
        "Expired Handshake",
        "Expired Idle",
        "Expired Pong",
        "Expired Write",
        "Failed MessageTooBig",
        "Failed TooManyFragments",
        "Failed TransportEnded",
        "Refused",
        "Responded",
        "vanished",
    ] {
        assert!(ends.contains_key(end), "no schedule ended with {end}");
    }
}

/// Memory must not depend on what ran before.
#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 1..40 {
        let traces = [(); 2].map(|()| run(seed, Features::ALL, true).trace());
        assert_eq!(traces[0], traces[1]);
    }
}
