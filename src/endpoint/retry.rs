//! Whether another try is worth it after a connection has ended (RFC 6455, section 7.2.3).
//!
//! Invariant: there is no further try after an end that this client wanted or would meet again.

use super::end::End;
use crate::frame::CloseCode;
use crate::handshake::HandshakeError;
use crate::time::{Backoff, Expired};
use core::time::Duration;

/// Defined here because `time` does not know `End`.
impl Backoff {
    /// Call it when a connection has ended with `end`, after it `lasted` this long: returns how long
    /// to wait before the next try, or `None` if another try is not wanted or would end in the same
    /// way.
    ///
    /// A try is worth it after a peer that broke off, was silent or broke a rule, and after a refusal
    /// that may be temporary: the statuses 408, 425, 429, 500, 502, 503 and 504. The wait is at least
    /// the response's `Retry-After`, in seconds, or as a date if the response has a `Date` (RFC 9110,
    /// section 10.2.3), but at most [`max_retry_after`](Self::max_retry_after).
    ///
    /// It is not worth it after an end that this client wanted, and after a close code that says that
    /// the purpose is fulfilled (1000), that the client made a mistake which it would make again
    /// (1002, 1003, 1007 to 1010), or that it is not allowed in (3000, 3003). Applications give
    /// meanings to other codes from 3000 on: judge those before you call this, as each counts as
    /// worth a try.
    ///
    /// ```
    /// use sansocket::{Backoff, CloseCode, End, ProtocolError};
    /// use std::time::Duration;
    ///
    /// let mut backoff = Backoff::new([7; 32]); // `seed()`
    /// let lasted = Duration::from_secs(3600);
    /// let end = End::Failed(ProtocolError::TransportEnded);
    /// let wait = backoff.after(&end, lasted);
    /// assert!(wait.is_some_and(|wait| wait <= backoff.first));
    /// let end = End::Closed { code: CloseCode::NORMAL, by_peer: true };
    /// assert_eq!(backoff.after(&end, lasted), None);
    /// ```
    pub fn after(&mut self, end: &End, lasted: Duration) -> Option<Duration> {
        match end {
            // This was no success, however long it took.
            End::Refused(HandshakeError::TransportEnded { .. })
            | End::Expired(Expired::Handshake) => Some(self.after_failure()),
            End::Refused(
                HandshakeError::Refused(response) | HandshakeError::ProxyRefused(response),
            ) if is_passing(response.status) => Some(self.after_refusal(response.retry_after())),
            End::Closed { by_peer: false, .. }
            | End::Responded
            | End::Refused(_)
            | End::Expired(Expired::Close) => None,
            End::Closed { code, .. } => {
                is_worth_a_try(*code).then(|| self.after_connection(lasted))
            }
            End::Failed(_) | End::Expired(_) => Some(self.after_connection(lasted)),
        }
    }
}

/// Whether a refusal with this status may be another answer next time.
const fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// Whether a new connection may end otherwise than with this code.
const fn is_worth_a_try(code: CloseCode) -> bool {
    !matches!(
        code.0,
        1000 | 1002 | 1003 | 1007..=1010 | 1015 | 3000 | 3003
    )
}
