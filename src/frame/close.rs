//! Close codes and the limits of a Close frame (RFC 6455, sections 5.5.1 and 7.4).
//!
//! Invariant: a code that may not be on the wire is never sent and never accepted.

use super::opcode::MAX_CONTROL_LEN;
use core::fmt;

/// The longest reason of a Close frame, in bytes of UTF-8: two of a control frame are the code.
pub(crate) const MAX_REASON_LEN: usize = MAX_CONTROL_LEN - 2;

/// Why a connection was closed (RFC 6455, section 7.4).
///
/// A newtype over the number: codes from 3000 on belong to applications.
///
/// ```
/// use sansocket::CloseCode;
///
/// assert_eq!(CloseCode::NORMAL, CloseCode(1000));
/// assert!(CloseCode(4001).is_on_wire());
/// assert!(!CloseCode::ABNORMAL.is_on_wire()); // only ever a local report
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::exhaustive_structs, reason = "a number with a name")]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: a server shuts down, or a browser has left the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a type of data that this endpoint does not take, such as binary.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: the peer's Close frame had no code. Only a local report, never on the wire.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: the transport ended without a Close frame. Only a local report, never on the wire.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: data that does not fit its type, such as text that is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// 1008: a message that breaks the endpoint's policy.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message too big to be processed.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: a client needed an extension which the server did not accept.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: an unexpected condition in the endpoint.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts (IANA registry).
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the service is overloaded; try again later (IANA registry).
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got an invalid response from upstream (IANA registry).
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: the TLS handshake failed. Only a local report, never on the wire.
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// Whether a Close frame may have this code: 1000 to 1003, 1007 to 1014, 3000 to 4999
    /// (RFC 6455, section 7.4, and the IANA registry).
    #[must_use]
    pub const fn is_on_wire(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// The start of `reason`, cut between characters to the 123 bytes that a Close frame holds
    /// (RFC 6455, section 5.5.1).
    ///
    /// [`Session::close`](crate::Session::close) rejects a longer reason; call this first for one
    /// whose length you do not know, such as the text of an error.
    ///
    /// ```
    /// use sansocket::CloseCode;
    ///
    /// assert_eq!(CloseCode::cut_reason("too slow"), "too slow");
    /// assert_eq!(CloseCode::cut_reason(&"ä".repeat(80)).len(), 122);
    /// ```
    #[must_use]
    pub fn cut_reason(reason: &str) -> &str {
        let mut len = reason.len().min(MAX_REASON_LEN);
        while !reason.is_char_boundary(len) {
            len -= 1; // 0 is a boundary
        }
        reason.split_at(len).0
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
