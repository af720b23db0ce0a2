//! One direction of a connection.
//!
//! Invariant: it owns no heap memory before its first compressed message.

use alloc::boxed::Box;
use core::{fmt, mem};

/// What a direction has: at first `P`, what was agreed on, then `S`, its state.
///
/// Whether a compressed message is under way is a variant, and not a field of the state, because
/// every frame asks for it.
pub(super) enum Direction<P, S> {
    /// permessage-deflate was not agreed on.
    Off,
    /// Agreed on, and not used yet.
    Agreed(P),
    /// No compressed message is under way.
    Between(Box<S>),
    /// A compressed message is under way.
    Within(Box<S>),
}

impl<P, S> Direction<P, S> {
    #[inline]
    pub(super) const fn is_agreed(&self) -> bool {
        !matches!(self, Self::Off)
    }

    #[inline]
    pub(super) const fn is_under_way(&self) -> bool {
        matches!(self, Self::Within(_))
    }

    /// The state, if a compressed message is under way.
    pub(super) const fn under_way(&mut self) -> Option<&mut S> {
        match self {
            Self::Within(state) => Some(state),
            Self::Off | Self::Agreed(_) | Self::Between(_) => None,
        }
    }

    /// A compressed message is under way from now on, or has ended if not `goes_on`. Returns the
    /// state, which `new` makes the first time; `None` if nothing was agreed on.
    pub(super) fn enter(&mut self, goes_on: bool, new: impl FnOnce(P) -> S) -> Option<&mut S> {
        let state = match mem::replace(self, Self::Off) {
            Self::Off => return None,
            Self::Agreed(plan) => Box::new(new(plan)),
            Self::Between(state) | Self::Within(state) => state,
        };
        *self = if goes_on {
            Self::Within(state)
        } else {
            Self::Between(state)
        };
        match self {
            Self::Between(state) | Self::Within(state) => Some(state),
            Self::Off | Self::Agreed(_) => None,
        }
    }

    /// The message under way has ended.
    pub(super) fn leave(&mut self) {
        *self = match mem::replace(self, Self::Off) {
            Self::Within(state) => Self::Between(state),
            other => other,
        };
    }
}

/// Shows how far it has come and not the state, which holds payloads.
impl<P, S> fmt::Debug for Direction<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "Off",
            Self::Agreed(_) => "Agreed",
            Self::Between(_) => "Between",
            Self::Within(_) => "Within",
        })
    }
}
