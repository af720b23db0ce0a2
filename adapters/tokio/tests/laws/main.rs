//! The laws of the adapter, over in-memory streams and with tokio's paused clock.

mod basics;
mod cancel;
mod deadlines;
mod ends;
mod extremes;
mod forgotten;
mod halves;
mod helpers;
mod opening;
mod orders;
mod peer;
mod schedule;
mod wire;
