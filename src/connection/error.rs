//! What the application asked of a connection that is not allowed. Its law: nothing was written.

use crate::frame::CloseCode;
use core::fmt;

/// The application asked a connection for what is not allowed.
///
/// Nothing was written and the connection is unharmed: go on with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// RFC 6455, sections 5.5.1 and 6.1: nothing is sent after a Close frame was sent or
    /// received.
    NotOpen,
    /// RFC 6455, section 5.4: a fragmented message is being sent; send its last fragment first.
    MessageUnfinished,
    /// RFC 6455, section 5.4: no fragmented message is being sent; send its first fragment.
    NoMessage,
    /// RFC 6455, section 5.4: all fragments of a message are of the type of the first, text or
    /// binary.
    OtherType,
    /// RFC 6455, section 5.5: the payload of a Ping or Pong has at most 125 octets.
    ControlTooLong,
    /// RFC 6455, section 7.4: this code may not be sent: 1004 to 1006, 1015, and all that
    /// nobody has assigned; 1010 by a server.
    CloseCode(CloseCode),
    /// RFC 6455, section 5.5.1: a reason has at most 123 octets of UTF-8.
    ReasonTooLong,
    /// RFC 6455, section 5.5.1: a reason needs a code before it.
    ReasonWithoutCode,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOpen => "the connection is closing or closed (RFC 6455, section 6.1)",
            Self::MessageUnfinished => {
                "a fragmented message is unfinished; send its last fragment first (RFC 6455, section 5.4)"
            }
            Self::NoMessage => {
                "there is no fragmented message to go on with; send its first fragment (RFC 6455, section 5.4)"
            }
            Self::OtherType => {
                "text and binary cannot be mixed in a message (RFC 6455, section 5.4)"
            }
            Self::ControlTooLong => {
                "a Ping or Pong has at most 125 octets of payload (RFC 6455, section 5.5)"
            }
            Self::CloseCode(code) => {
                return write!(f, "close code {code} may not be sent (RFC 6455, section 7.4)");
            }
            Self::ReasonTooLong => {
                "a close reason has at most 123 octets of UTF-8 (RFC 6455, section 5.5.1)"
            }
            Self::ReasonWithoutCode => {
                "a close reason needs a close code (RFC 6455, section 5.5.1)"
            }
        })
    }
}

impl core::error::Error for SendError {}
