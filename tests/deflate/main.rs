//! permessage-deflate (RFC 7692).

#[path = "../support/mod.rs"]
mod support;

mod attacks;
mod damage;
mod handshake;
mod limits;
mod messages;
mod offers;
mod reach;
mod runs;
mod sending;
mod strategies;
mod streams;
mod talks;
mod window;
