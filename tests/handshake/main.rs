//! The opening handshake (RFC 6455, section 4).

#[path = "../support/mod.rs"]
mod support;

mod errors;
mod hostile;
