//! What the paths of connections and of endpoints share.
//!
//! Invariant: all of it is used by both.

/// The number of messages in a round.
pub(crate) const BATCH: usize = 32;

/// One round.
pub(crate) type Round = Box<dyn FnMut()>;
