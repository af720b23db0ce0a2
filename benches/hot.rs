//! The hot paths of a connection, one at a time: what `benches/instructions` counts.
//!
//! Invariant: one call of `Connection::receive`, inlined as in a program that has one loop. A second one here, of an
//! endpoint for instance, costs each message more than 20 instructions.
//!
//!     cargo bench -p sansocket-benches --bench hot -- NAME COUNT

#[path = "paths/frame.rs"]
mod frame;
mod paths;
#[path = "paths/run.rs"]
mod run;
#[path = "paths/shared.rs"]
mod shared;
#[path = "paths/text.rs"]
mod text;

fn main() {
    run::run(paths::round);
}
