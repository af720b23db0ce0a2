//! Why a connection ended, and what to do then.
//!
//! Invariant: a redirect is followed at once, anything else waits as long as `Backoff` says.

use sansocket::ClientRequest;
use std::error::Error;
use std::time::Duration;

/// Why a connection ended, and what to do then.
pub(crate) struct Ended {
    pub(crate) why: String,
    pub(crate) then: Then,
}

pub(crate) enum Then {
    /// Another try would end in the same way.
    Nothing,
    /// Another try is worth it after this time.
    TryAgain(Duration),
    /// The server sends us there.
    Redirect(Box<ClientRequest>),
}

impl Ended {
    /// `after` this time, if another try is worth it.
    pub(crate) fn trying_again(why: String, after: Option<Duration>) -> Self {
        let then = after.map_or(Then::Nothing, Then::TryAgain);
        Self { why, then }
    }
}

impl<E: Error> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::trying_again(error.to_string(), None)
    }
}
