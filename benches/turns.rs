//! The hot paths of an endpoint, one at a time: what `benches/instructions` counts.
//!
//! Invariant: one call of `Endpoint::receive`, as in a program that has one loop.
//!
//!     cargo bench -p sansocket-benches --bench turns -- NAME COUNT

#[path = "paths/frame.rs"]
mod frame;
#[path = "paths/endpoint.rs"]
mod paths;
#[path = "paths/run.rs"]
mod run;
#[path = "paths/shared.rs"]
mod shared;

fn main() {
    run::run(paths::round);
}
