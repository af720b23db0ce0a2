//! What the header fields of an opening handshake say, over any version of HTTP.
//!
//! Invariant: the same fields give the same answer; nothing is kept between calls, and nothing
//! that was not offered is agreed on.

pub(super) mod key;
pub(super) mod list;
pub(super) mod request;
pub(super) mod response;
pub(super) mod subprotocol;
