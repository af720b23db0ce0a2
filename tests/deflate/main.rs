//! permessage-deflate (RFC 7692).

#[path = "../support/mod.rs"]
mod support;

mod hostile;
mod properties;
