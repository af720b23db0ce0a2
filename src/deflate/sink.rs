//! Where inflated bytes go.
//!
//! Invariant: the sink sees every inflated byte once and in order, at most one step at a time, and
//! can end the message at each.

use crate::frame::ProtocolError;

/// The message that is gathered.
#[cfg_attr(
    not(feature = "deflate"),
    allow(dead_code, reason = "without the feature nothing is inflated")
)]
pub(crate) trait Sink {
    /// Appends the next part, as far as the rules for messages allow.
    fn append(&mut self, part: &[u8]) -> Result<(), ProtocolError>;

    /// The message so far, except what has been handed on, in two parts.
    fn so_far(&self) -> [&[u8]; 2];
}
