//! One endpoint from the first byte of its transport to the last.

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod open;
mod opening;
