//! One direction of a connection.
//!
//! Invariant: it owns no heap memory before its first compressed message.

use alloc::boxed::Box;
use core::fmt;

/// What a direction has: at first `P`, what was agreed on, then `S`, its state.
pub(super) enum Direction<P, S> {
    /// permessage-deflate was not agreed on.
    Off,
    /// Agreed on, and not used yet.
    Agreed(P),
    Started(Box<S>),
}

impl<P: Clone, S> Direction<P, S> {
    #[inline]
    pub(super) const fn is_agreed(&self) -> bool {
        !matches!(self, Self::Off)
    }

    pub(super) const fn state(&self) -> Option<&S> {
        match self {
            Self::Started(state) => Some(state),
            Self::Off | Self::Agreed(_) => None,
        }
    }

    pub(super) const fn state_mut(&mut self) -> Option<&mut S> {
        match self {
            Self::Started(state) => Some(state),
            Self::Off | Self::Agreed(_) => None,
        }
    }

    /// The state, which `new` makes the first time; `None` if nothing was agreed on.
    pub(super) fn start(&mut self, new: impl FnOnce(P) -> S) -> Option<&mut S> {
        if let Self::Agreed(plan) = self {
            *self = Self::Started(Box::new(new(plan.clone())));
        }
        self.state_mut()
    }
}

/// Shows how far it has come and not the state, which holds payloads.
impl<P, S> fmt::Debug for Direction<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "Off",
            Self::Agreed(_) => "Agreed",
            Self::Started(_) => "Started",
        })
    }
}
