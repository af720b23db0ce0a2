//! Compressed input, ordinary and hostile, one kind at a time: what `benches/instructions` counts.
//!
//! Invariant: one call of `Connection::receive`, as in a program that has one loop.
//!
//!     cargo bench -p sansocket-benches --bench hostile -- NAME COUNT

#[path = "paths/bits.rs"]
mod bits;
#[path = "paths/frame.rs"]
mod frame;
#[path = "paths/hostile.rs"]
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
