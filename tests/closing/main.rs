//! All interleavings of two endpoints that close: every state that a short alphabet of moves can reach, each
//! visited once, with the real code.
//!
//! Invariant: two runs in the same state, as far as it can be seen, go on in the same way.
//!
//! ```sh
//! cargo test --test closing -- --nocapture             # small budgets, a few seconds
//! SIZE=2 cargo test --release --test closing -- --nocapture
//! ```

#[path = "../support/mod.rs"]
mod support;

mod game;
mod moves;
mod state;

use game::Game;
use moves::{Budget, Move};
use std::collections::BTreeMap;

/// What an exploration has found.
#[derive(Debug, Default)]
struct Found {
    states: usize,
    transitions: usize,
    longest: usize,
    /// How both ended, and how often.
    ends: BTreeMap<String, usize>,
}

/// Plays the moves from the start.
fn play(budget: &Budget, path: &[Move]) -> Game {
    let mut game = Game::new(budget);
    path.iter().for_each(|step| game.play(*step));
    game
}

/// The path to a state: its last move, and the place of the state before.
type Step = (Option<Move>, usize);

fn path_to(steps: &[Step], mut at: usize) -> Vec<Move> {
    let mut path = Vec::new();
    while let (Some(last), before) = steps[at] {
        path.push(last);
        at = before;
    }
    path.reverse();
    path
}

/// Breadth first, so that a path which breaks a law is one of the shortest.
fn explore(budget: &Budget) -> Found {
    let start = Game::new(budget);
    let mut known = std::collections::BTreeSet::from([start.state()]);
    let mut steps: Vec<Step> = vec![(None, 0)];
    let mut found = Found::default();
    let mut at = 0;
    while at < steps.len() {
        let path = path_to(&steps, at);
        found.longest = found.longest.max(path.len());
        let moves = told(&path, || play(budget, &path).moves());
        for step in moves {
            found.transitions += 1;
            let path = [&path[..], &[step]].concat();
            let (state, ends) = told(&path, || {
                let game = play(budget, &path);
                (game.state(), game.ends())
            });
            if !known.insert(state) {
                continue;
            }
            steps.push((Some(step), at));
            told(&path, || {
                play(budget, &path).ends_with_the_peer();
                for silent in [0, 1] {
                    play(budget, &path).ends_alone(silent);
                }
            });
            if let Some(ends) = ends {
                *found.ends.entry(ends).or_default() += 1;
            }
        }
        at += 1;
    }
    found.states = steps.len();
    found
}

/// Prints the path if a law is broken.
fn told<T>(path: &[Move], run: impl FnOnce() -> T) -> T {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
        Ok(result) => result,
        Err(panic) => {
            println!("after {path:?}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn every_interleaving_of_two_ends_keeps_the_laws() {
    let size = std::env::var("SIZE").map_or(0, |size| size.parse().expect("a number"));
    let mut ends = BTreeMap::new();
    let (mut states, mut transitions) = (0, 0);
    for budget in Budget::all(size) {
        let found = explore(&budget);
        println!(
            "{budget}: {} states, {} transitions, at most {} moves",
            found.states, found.transitions, found.longest
        );
        states += found.states;
        transitions += found.transitions;
        for (end, n) in found.ends {
            *ends.entry(end).or_insert(0) += n;
        }
    }
    println!("{states} states and {transitions} transitions in all; server and client ended so:");
    for (end, n) in &ends {
        println!("{n:8}  {end}");
    }
    // Otherwise nothing much would have been explored.
    for end in [
        "Closed 1000 by us, Closed 1000 by peer",
        "Closed 1001 by peer, Closed 1001 by us",
        "Closed 1001 by us, Closed 1000 by us",
        "Closed 1001 by peer, Closed 1000 by us",
        "Closed 1001 by us, Expired Close",
        "Expired Close, Closed 1000 by peer",
        "Failed ReservedOpcode, Closed 1002 by peer",
        "Closed 1006 by us, Failed ReservedOpcode",
        "Failed TransportEnded, Failed TransportEnded",
    ] {
        assert!(ends.contains_key(end), "nothing ended with {end}");
    }
}
