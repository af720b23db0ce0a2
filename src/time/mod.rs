//! Time as a value: deadlines, and when a client tries again.
//!
//! Invariant: there is no clock here; every time is an argument.

mod backoff;
mod deadlines;
mod expired;
mod moment;
mod times;

pub use backoff::Backoff;
pub use expired::Expired;
pub use times::Times;

pub(crate) use deadlines::{Deadlines, Due, Left, Stage, saturated};
pub(crate) use moment::Moment;
