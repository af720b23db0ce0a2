//! Whether another try is worth it after a connection has ended (RFC 6455, section 7.2.3).
//!
//! Invariant: there is no further try after an end that this client wanted or would meet again.

use super::end::End;
use crate::frame::CloseCode;
use crate::handshake::HandshakeError;
use crate::time::{Backoff, Expired};
use core::time::Duration;

/// `after` is defined here because `time` does not know `End`.
impl Backoff {
    /// Returns how long to wait after a connection that ended this way and lasted this long; `None`
    /// if another try is not wanted or would end the same way.
    ///
    /// Worth another try: a peer that broke off, was silent or broke a rule, and a refusal that may
    /// pass, which has one of the statuses 408, 425, 429, 500, 502, 503 and 504. `Retry-After` is
    /// obeyed, in seconds, or as a date if the response has its own date (RFC 9110, section
    /// 10.2.3).
    ///
    /// Not worth one: an end that this client wanted, and a close code which says that everything
    /// is done (1000), that the client would make the same mistake again (1002, 1003, 1007 to
    /// 1010), or that it is not allowed in (3000, 3003). Other application codes, above 3000, are
    /// worth one: if yours are not, check them before you call this.
    pub fn after(&mut self, end: &End, lasted: Duration) -> Option<Duration> {
        match end {
            // This was no success, however long it took.
            End::Refused(HandshakeError::TransportEnded) | End::Expired(Expired::Handshake) => {
                Some(self.after_failure())
            }
            End::Refused(HandshakeError::Refused(response)) if is_passing(response.status) => {
                Some(self.after_refusal(response.retry_after()))
            }
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
