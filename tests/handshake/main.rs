//! The opening handshake (RFC 6455, section 4).

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod errors;
mod foreign;
mod gate;
mod http_types;
mod lenient;
mod properties;
mod redirects;
mod requests;
mod responses;
mod setup_errors;
mod told;
mod tunnel;
