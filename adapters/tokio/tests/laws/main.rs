//! The laws of the adapter, over in-memory streams and with tokio's paused clock.

mod basics;
mod deadlines;
mod halves;
mod opening;
mod peer;
