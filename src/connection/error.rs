//! Errors of sending: the application asked for something that is not allowed.
//!
//! Invariant: nothing was appended, and the connection is as it was.

use crate::frame::CloseCode;
use core::fmt;

/// The application asked a connection for something that is not allowed.
///
/// Nothing was appended and the connection is unharmed: go on with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// RFC 6455, section 4.1: nothing is sent before the opening handshake is complete.
    NotYetOpen,
    /// RFC 6455, sections 5.5.1 and 6.1: nothing is sent after a Close frame was sent, or after the
    /// transport has ended. Also: there is no request to answer any more.
    Closed,
    /// RFC 6455, section 5.4: a message in pieces is unfinished; send its last piece first.
    MessageUnfinished,
    /// RFC 6455, section 5.4: all pieces of a message are of one type, text or binary.
    OtherType,
    /// RFC 6455, section 5.5: a control frame has at most 125 bytes, and the reason of a Close at
    /// most 123 of them.
    TooLong {
        /// The length that was found, in bytes.
        len: usize,
        /// The limit, in bytes.
        max: usize,
    },
    /// RFC 6455, section 7.4: this code may not be sent: 1004 to 1006, 1015, every unassigned code,
    /// and 1010 by a server.
    CloseCode(CloseCode),
    /// RFC 6455, section 5.5.1: a reason needs a code before it.
    ReasonWithoutCode,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotYetOpen => {
                "the opening handshake is not complete; wait until the connection is open (RFC 6455, section 4.1)"
            }
            Self::Closed => "the connection is closing or closed (RFC 6455, section 6.1)",
            Self::MessageUnfinished => {
                "a message in pieces is unfinished; send its last piece first (RFC 6455, section 5.4)"
            }
            Self::OtherType => {
                "text and binary cannot be mixed in a message (RFC 6455, section 5.4)"
            }
            Self::TooLong { len, max } => {
                return write!(
                    f,
                    "{len} bytes do not fit into a control frame; at most {max} do (RFC 6455, section 5.5)"
                );
            }
            Self::CloseCode(code) => {
                return write!(f, "close code {code} may not be sent (RFC 6455, section 7.4)");
            }
            Self::ReasonWithoutCode => {
                "a close reason needs a close code (RFC 6455, section 5.5.1)"
            }
        })
    }
}

impl core::error::Error for SendError {}
