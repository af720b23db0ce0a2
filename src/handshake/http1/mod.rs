//! Heads and bodies of HTTP/1.1 (RFC 9112), as far as an opening handshake needs them.
//!
//! Invariant: what is kept of a peer's bytes is bounded before it is kept.

mod body;
mod head;

pub(super) use body::BodyReader;
pub(super) use head::{Head, HeadError, HeadReader, http_version};
