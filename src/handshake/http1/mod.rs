//! Heads and bodies of HTTP/1.1 (RFC 9112), as far as an opening handshake needs them.
//!
//! Invariant: what is kept of a peer's bytes is bounded before it is kept.

pub(super) mod body;
pub(super) mod head;
pub(super) mod request_line;
pub(super) mod response;
pub(super) mod status_line;
mod version;
