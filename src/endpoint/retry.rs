//! Whether another try is worth it after a connection has ended (RFC 6455, section 7.2.3).
//!
//! Invariant: what this client wanted, or would meet again, is not tried again.

use super::end::End;
use crate::frame::CloseCode;
use crate::handshake::HandshakeError;
use crate::time::{Backoff, Expired};
use core::time::Duration;

/// The verdict stands here, as `time` knows no ends.
impl Backoff {
    /// A connection ended so, after this time: how long to wait, or `None` if another try is not
    /// wanted or would end alike.
    ///
    /// Worth another try are a peer that broke off, was silent or broke a rule, and refusals that
    /// mean another time: the statuses 408, 425, 429, 500, 502, 503 and 504. `Retry-After` in
    /// seconds, or as a date in a response that has its own date, is waited for (RFC 9110, section
    /// 10.2.3).
    ///
    /// Not worth one are an end that this client wanted, and a close code that says that all is done
    /// (1000), that the client made a mistake which it would make again (1002, 1003, 1007 to 1010),
    /// or that it may not come in (3000, 3003). Other codes of applications, above 3000, are worth
    /// one: judge them before you call this if they are not.
    pub fn after(&mut self, end: &End, lasted: Duration) -> Option<Duration> {
        match end {
            // However long that took, it was no success.
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
