//! Which frame of a prepared message a connection sends.
//!
//! Invariant: every outcome is the frame that an ordinary send would have made.

use bytes::Bytes;

/// What a `Frames` has for a connection.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "deflate"),
    allow(dead_code, reason = "without the feature every frame is plain")
)]
pub(crate) enum Cached<'f> {
    /// Nothing: with context takeover no two connections send the same frame. Make one.
    Own,
    /// The compressed frame, complete.
    Compressed(&'f Bytes),
    /// The message does not shrink: send the plain frame.
    Plain,
}
