//! Deadlines, keepalive and reconnection. Time is a number here.

#[path = "../support/mod.rs"]
mod support;

mod backoff;
mod deadlines;
mod drops;
mod held_back;
mod keepalive;
mod late;
mod link;
mod peers;
mod schedules;
mod writes;
