//! The laws that fuzzing checks, as functions of an input: one for each target.
//!
//! Invariant: a law is judged by code that is independent of the crate, or by the crate in its other role, or on other cuts;
//! a panic is a fault of the crate, or of the law.
//!
//! An input is `[n, n decisions, bytes…]`: see `script.rs`. The targets in `targets/` give a function the inputs that
//! libFuzzer finds, and the test of `replay.rs` those of `seeds/`, without nightly.

#[path = "../../tests/support/allocator.rs"]
mod allocator;
mod connection;
mod foreign;
mod frames;
mod heads;
mod inflate;
#[path = "../../tests/support/model.rs"]
mod model;
mod negotiation;
mod opening;
mod pair;
#[path = "../../tests/differential/src/plain.rs"]
mod plain;
mod reading;
#[cfg(test)]
mod replay;
mod script;
mod support;
mod tunnel;
mod uri;
mod wire;

pub use connection::{compressed, connection};
pub use foreign::foreign;
pub use frames::frames;
pub use inflate::inflate;
pub use negotiation::negotiation;
pub use opening::{client, server};
pub use pair::pair;
pub use tunnel::tunnel;
pub use uri::uri;

/// Checks the laws of one target for an input; a panic says which is broken.
pub type Law = fn(&[u8]);

/// Every target, by its name.
pub const TARGETS: [(&str, Law); 11] = [
    ("frames", frames),
    ("connection", connection),
    ("compressed", compressed),
    ("inflate", inflate),
    ("server", server),
    ("client", client),
    ("foreign", foreign),
    ("negotiation", negotiation),
    ("uri", uri),
    ("tunnel", tunnel),
    ("pair", pair),
];
