//! How a connection ended, and what the transport is to do next.
//!
//! Invariant: the first cause of the end is the one that is reported.

use crate::connection::{Connection, Outcome};
use crate::frame::{CloseCode, ProtocolError};
use crate::handshake::HandshakeError;
use crate::time::Expired;
use core::fmt;
use core::time::Duration;

/// What the transport is to do next ([`Endpoint::tick`](crate::Endpoint::tick)).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[allow(
    clippy::exhaustive_enums,
    reason = "an adapter that forgets one of these steps must not compile"
)]
pub enum Tick {
    /// Write what is in the output, and read; call `tick` again after that, and at this time at the
    /// latest: a time of the same clock as `now`, and later than it. `None` if no deadline runs.
    Wait(Option<Duration>),
    /// Everything has been written, and nothing will follow: shut down writing, then continue as for
    /// `Wait`, so that the peer's last bytes are read. Every call until the end returns it; shutting
    /// down again does no harm.
    ShutDown(Option<Duration>),
    /// It is over: drop the transport.
    Done(End),
}

/// How it ended.
///
/// ```
/// use sansocket::{CloseCode, End, ProtocolError};
///
/// let end = End::Closed { code: CloseCode::GOING_AWAY, by_peer: true };
/// assert!(end.is_clean() && end.close_code() == CloseCode(1001));
/// assert_eq!(end.to_string(), "the peer closed with code 1001");
///
/// let end = End::Failed(ProtocolError::TransportEnded);
/// assert!(!end.is_clean() && end.close_code() == CloseCode::ABNORMAL);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// By a Close frame (RFC 6455, section 7.1.4).
    Closed {
        /// The code of the peer's Close: [1005](CloseCode::NO_STATUS) if it gave none,
        /// [1006](CloseCode::ABNORMAL) if the transport ended without one, or the peer broke a rule,
        /// after ours was sent.
        code: CloseCode,
        /// Whether the peer's Close was the first.
        by_peer: bool,
    },
    /// No connection: [`respond`](crate::Endpoint::respond) has answered the request.
    Responded,
    /// No connection: the peer's part of the opening handshake breaks a rule, or refuses.
    Refused(HandshakeError),
    /// The peer broke a rule, or the transport ended without a closing handshake.
    Failed(ProtocolError),
    /// Something took too long.
    Expired(Expired),
}

impl End {
    /// Whether nothing went wrong: the peer's Close has come ("closed cleanly", RFC 6455, section
    /// 7.1.4), or a response was the answer.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        match self {
            Self::Closed { code, .. } => code.0 != CloseCode::ABNORMAL.0,
            Self::Responded => true,
            Self::Refused(_) | Self::Failed(_) | Self::Expired(_) => false,
        }
    }

    /// "The WebSocket connection close code" (RFC 6455, section 7.1.5): the peer's, 1005 if it gave
    /// none, 1006 if no Close came.
    #[must_use]
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::Closed { code, .. } => *code,
            _ => CloseCode::ABNORMAL,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed {
                code,
                by_peer: true,
            } => write!(f, "the peer closed with code {code}"),
            Self::Closed { code, .. } if *code == CloseCode::ABNORMAL => {
                f.write_str("closed by us; no Close came from the peer")
            }
            Self::Closed { code, .. } => {
                write!(f, "closed by us; the peer answered with code {code}")
            }
            Self::Responded => f.write_str("the request was answered with an HTTP response"),
            Self::Refused(error) => error.fmt(f),
            Self::Failed(error) => error.fmt(f),
            Self::Expired(expired) => expired.fmt(f),
        }
    }
}

impl core::error::Error for End {}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Closed { code, by_peer } => Self::Closed { code, by_peer },
            Outcome::Failed(error) => Self::Failed(error),
        }
    }
}

/// Defined here because `connection` does not know how a handshake ends.
impl Connection {
    /// How it ended, once the transport has ([`receive_eof`](Connection::receive_eof)).
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.0
            .transport_has_ended()
            .then(|| self.0.outcome().into())
    }
}
