//! The one error of this crate.
//!
//! Invariant: it says whose fault it is, and keeps its source.

use sansocket::{CloseCode, End, SendError, SetupError};
use std::convert::Infallible;
use std::error::Error as StdError;
use std::{fmt, io};

/// What went wrong.
///
/// A connection that ended by a complete closing handshake is no error: receiving ends with `None`
/// then, and [`WebSocket::end`](crate::WebSocket::end) has the code.
///
/// ```
/// use tokio_sansocket::sansocket::{CloseCode, End, ProtocolError};
/// use tokio_sansocket::Error;
///
/// let error = Error::from(End::Failed(ProtocolError::TransportEnded));
/// assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL));
/// assert!(!error.is_clean());
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The connection has ended, or there will be none.
    Ended {
        /// By whom, with which code: a refusal, a broken rule, a deadline, a transport that ended
        /// without a closing handshake.
        end: Box<End>,
        /// What the transport reported, if it failed.
        transport: Option<io::Error>,
    },
    /// The application asked for what is not allowed; nothing was sent, and the connection is as it
    /// was. [`SendError::Closed`]: it is closing, and receiving tells how it ends.
    Send(SendError),
    /// The application's own URI, header field or extension is wrong; nothing was written.
    Setup(SetupError),
    /// There is no transport: a name that does not resolve, a connection that is refused, a
    /// certificate that is not trusted, too much time.
    Io(io::Error),
}

impl Error {
    /// How the connection ended, if it has.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        match self {
            Self::Ended { end, .. } => Some(end),
            _ => None,
        }
    }

    /// The close code, if the connection has ended: the peer's,
    /// [1006](CloseCode::ABNORMAL) if no Close came (RFC 6455, section 7.1.5).
    #[must_use]
    pub fn close_code(&self) -> Option<CloseCode> {
        self.end().map(End::close_code)
    }

    /// Whether nothing went wrong: a request that was answered by a page is reported so.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.end().is_some_and(End::is_clean)
    }
}

impl From<End> for Error {
    fn from(end: End) -> Self {
        Self::Ended {
            end: Box::new(end),
            transport: None,
        }
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<SetupError> for Error {
    fn from(error: SetupError) -> Self {
        Self::Setup(error)
    }
}

impl From<Infallible> for Error {
    /// So that [`connect`](crate::connect()) takes requests as well as URIs.
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            error => Self::other(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended { end, .. } => end.fmt(f),
            Self::Send(error) => error.fmt(f),
            Self::Setup(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Ended {
                transport: Some(error),
                ..
            } => Some(error),
            Self::Ended { .. } | Self::Send(_) | Self::Setup(_) => None,
            Self::Io(error) => error.source(),
        }
    }
}
