//! The deadlines of servers that are in a hurry.
//!
//! Invariant: they are those of `Times::default()`, divided by what [`HURRY`] says.

use crate::NEVER;
use std::time::{Duration, Instant};

/// The arguments that divide every deadline by 20.
pub const HURRY: [&str; 2] = ["--hurry", "20"];

pub const HANDSHAKE: Duration = Duration::from_millis(10_000 / 20);
pub const KEEPALIVE: Duration = Duration::from_millis(30_000 / 20);
pub const PONG: Duration = Duration::from_millis(20_000 / 20);
pub const CLOSE: Duration = Duration::from_millis(5_000 / 20);
pub const WRITE: Duration = Duration::from_millis(30_000 / 20);

/// At least this time has passed since `start`, and little more.
#[track_caller]
pub fn took(start: Instant, time: Duration) {
    let elapsed = start.elapsed();
    assert!(elapsed >= time, "{elapsed:?}, not before {time:?}");
    assert!(
        elapsed < time + NEVER / 4,
        "{elapsed:?}, soon after {time:?}"
    );
}

/// No deadline was waited for, by a server that is not in a hurry.
#[track_caller]
pub fn took_no_time(start: Instant) {
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_secs(4), "{elapsed:?}");
}
