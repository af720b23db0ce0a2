//! Time as a value: deadlines, and when a client tries again.
//!
//! Invariant: there is no clock here; every time is an argument.

mod backoff;
mod deadlines;

pub use backoff::{Backoff, BackoffConfig};
pub use deadlines::{Deadlines, DeadlinesConfig, Expired};
