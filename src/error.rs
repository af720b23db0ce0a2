//! What can go wrong, by who reads it: the peer broke a rule of the protocol, the application
//! asked for what is not allowed, a client's request or a server's response was no handshake.
//! Its law: one variant for each rule, and each variant knows what is sent.

use crate::close::CloseCode;
use crate::response::Response;
use alloc::boxed::Box;
use core::fmt;

/// The peer broke a rule of the protocol: the connection has failed (RFC 6455, section 7.1.7).
///
/// By the time you see it, the Close frame with [`close_code`](Self::close_code) is in the
/// output, unless one had been sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// RFC 6455, section 5.2: a reserved bit is set that no negotiated extension defines. RSV1 is
    /// never allowed on control frames and continuations (RFC 7692, section 6.1).
    ReservedBit,
    /// RFC 6455, section 5.2: opcodes 3 to 7 and 11 to 15 are reserved.
    ReservedOpcode,
    /// RFC 6455, section 5.5: control frames are not fragmented.
    ControlFrameFragmented,
    /// RFC 6455, section 5.5: control frames have at most 125 octets of payload.
    ControlFrameTooLong,
    /// RFC 6455, section 5.1: a client masks every frame.
    FrameNotMasked,
    /// RFC 6455, section 5.1: a server masks no frame.
    FrameMasked,
    /// RFC 6455, section 5.2: the payload length is encoded in the shortest way.
    LengthNotMinimal,
    /// RFC 6455, section 5.2: the highest bit of a 64-bit length is 0.
    LengthTopBit,
    /// RFC 6455, section 5.4: a continuation needs a message that was begun.
    ContinuationUnexpected,
    /// RFC 6455, section 5.4: a message ends before the next one begins.
    ContinuationExpected,
    /// RFC 6455, section 10.4: the frame is longer than
    /// [`Config::max_frame_size`](crate::Config::max_frame_size).
    FrameTooBig,
    /// RFC 6455, section 10.4: the message is longer than
    /// [`Config::max_message_size`](crate::Config::max_message_size), after inflating if it is
    /// compressed.
    MessageTooBig,
    /// RFC 6455, section 10.4: the message has more fragments than
    /// [`Config::max_fragments`](crate::Config::max_fragments).
    TooManyFragments,
    /// RFC 6455, section 8.1: text is UTF-8.
    TextNotUtf8,
    /// RFC 7692, section 7.2.2: the payload of a compressed message is DEFLATE data (RFC 1951),
    /// which refers to nothing before the window.
    CompressedDataInvalid,
    /// RFC 7692, section 7.2.1: a compressed message ends at the end of a block.
    CompressedDataCut,
    /// RFC 6455, section 5.5.1: the body of a Close frame is empty or begins with two octets
    /// of code.
    CloseBodyTooShort,
    /// RFC 6455, section 7.4: this code may not be in a Close frame.
    CloseCodeInvalid(CloseCode),
    /// RFC 6455, section 5.5.1: the reason in a Close frame is UTF-8.
    CloseReasonNotUtf8,
    /// RFC 6455, section 7.1.5: the transport ended before the closing handshake was done.
    /// Comes from [`Connection::receive_eof`](crate::Connection::receive_eof) only.
    TransportEnded,
}

impl ProtocolError {
    /// The code for this error (RFC 6455, section 7.4.1): what the Close frame in the output
    /// says, or 1006 for [`TransportEnded`](Self::TransportEnded), which sends nothing.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::FrameTooBig | Self::MessageTooBig => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyFragments => CloseCode::POLICY_VIOLATION,
            Self::TextNotUtf8
            | Self::CompressedDataInvalid
            | Self::CompressedDataCut
            | Self::CloseReasonNotUtf8 => CloseCode::INVALID_DATA,
            Self::TransportEnded => CloseCode::ABNORMAL,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }

    /// The rule in words, without the section: also the reason in the Close frame.
    pub(crate) const fn rule(self) -> &'static str {
        match self {
            Self::ReservedBit => "a reserved bit is set",
            Self::ReservedOpcode => "the opcode is reserved",
            Self::ControlFrameFragmented => "a control frame must not be fragmented",
            Self::ControlFrameTooLong => "a control frame has at most 125 octets of payload",
            Self::FrameNotMasked => "a client must mask its frames",
            Self::FrameMasked => "a server must not mask its frames",
            Self::LengthNotMinimal => "the payload length is not in its shortest form",
            Self::LengthTopBit => "the highest bit of the payload length is set",
            Self::ContinuationUnexpected => "a continuation without a message",
            Self::ContinuationExpected => "a new message before the last one ended",
            Self::FrameTooBig => "the frame is too big",
            Self::MessageTooBig => "the message is too big",
            Self::TooManyFragments => "the message has too many fragments",
            Self::TextNotUtf8 => "text must be UTF-8",
            Self::CompressedDataInvalid => "the compressed data is invalid",
            Self::CompressedDataCut => "the compressed data is cut off",
            Self::CloseBodyTooShort => "a Close body of one octet",
            Self::CloseCodeInvalid(_) => "the close code is not allowed",
            Self::CloseReasonNotUtf8 => "a close reason must be UTF-8",
            Self::TransportEnded => "the transport ended without a closing handshake",
        }
    }

    /// Where the rule stands.
    const fn section(self) -> &'static str {
        match self {
            Self::CompressedDataInvalid => "RFC 7692, section 7.2.2",
            Self::CompressedDataCut => "RFC 7692, section 7.2.1",
            Self::FrameNotMasked | Self::FrameMasked => "RFC 6455, section 5.1",
            Self::ReservedBit
            | Self::ReservedOpcode
            | Self::LengthNotMinimal
            | Self::LengthTopBit => "RFC 6455, section 5.2",
            Self::ContinuationUnexpected | Self::ContinuationExpected => "RFC 6455, section 5.4",
            Self::ControlFrameFragmented | Self::ControlFrameTooLong => "RFC 6455, section 5.5",
            Self::CloseBodyTooShort | Self::CloseReasonNotUtf8 => "RFC 6455, section 5.5.1",
            Self::TransportEnded => "RFC 6455, section 7.1.5",
            Self::CloseCodeInvalid(_) => "RFC 6455, section 7.4",
            Self::TextNotUtf8 => "RFC 6455, section 8.1",
            Self::FrameTooBig | Self::MessageTooBig | Self::TooManyFragments => {
                "RFC 6455, section 10.4"
            }
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule())?;
        if let Self::CloseCodeInvalid(code) = self {
            write!(f, ": {code}")?;
        }
        write!(f, " ({})", self.section())
    }
}

impl core::error::Error for ProtocolError {}

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

/// A client's request is no opening handshake that this server takes.
///
/// From a [`ServerHandshake`](crate::ServerHandshake) it comes with the HTTP response already
/// in the output: write that and close the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// RFC 9112, section 2.2: the octets are not an HTTP request.
    Malformed,
    /// RFC 9112, section 3: the request line is longer than the limit for the whole head.
    TargetTooLong,
    /// RFC 6585, section 5: the head is longer than
    /// [`HandshakeConfig::max_head_size`](crate::HandshakeConfig::max_head_size).
    HeadTooLarge,
    /// RFC 6585, section 5: there are more fields than
    /// [`HandshakeConfig::max_headers`](crate::HandshakeConfig::max_headers).
    TooManyHeaders,
    /// RFC 6455, section 4.2.1: the HTTP version is 1.1 or a later 1.x.
    HttpVersion,
    /// RFC 6455, section 4.2.1: the method is GET.
    Method,
    /// RFC 6455, section 4.2.1: the request target is a path or an absolute `http` URI.
    Target,
    /// RFC 9112, section 3.2: there is one valid `Host`.
    Host,
    /// RFC 9110, section 9.3.1: the request has no content, which would be read as frames.
    Content,
    /// RFC 6455, section 4.2.1: `Upgrade` names `websocket` and `Connection` names `Upgrade`.
    NotUpgrade,
    /// RFC 6455, section 4.2.1: there is one `Sec-WebSocket-Key`, of 16 octets in base64.
    Key,
    /// RFC 6455, section 4.3: `Sec-WebSocket-Version` is there once, a number from 0 to 255.
    VersionMalformed,
    /// RFC 6455, section 4.4: the version is not 13.
    VersionUnsupported,
    /// RFC 6455, section 4.1: `Sec-WebSocket-Protocol` is a list of different tokens.
    Subprotocol,
    /// RFC 6455, section 9.1: `Sec-WebSocket-Extensions` fits its grammar.
    Extensions,
    /// RFC 6454, section 7.3: there is at most one `Origin`.
    Origin,
    /// RFC 6455, section 10.2: the
    /// [`OriginPolicy`](crate::negotiation::OriginPolicy) does not take this origin.
    OriginForbidden,
}

impl RequestError {
    /// The HTTP status which the response has (RFC 9110, section 15).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::OriginForbidden => 403,
            Self::Method => 405,
            Self::TargetTooLong => 414,
            Self::NotUpgrade | Self::VersionUnsupported => 426,
            Self::HeadTooLarge | Self::TooManyHeaders => 431,
            Self::HttpVersion => 505,
            _ => 400,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a valid HTTP request (RFC 9112, section 2.2)",
            Self::TargetTooLong => "the request line is too long (RFC 9112, section 3)",
            Self::HeadTooLarge => "the request head is too large (RFC 6585, section 5)",
            Self::TooManyHeaders => "the request has too many headers (RFC 6585, section 5)",
            Self::HttpVersion => "the HTTP version must be 1.1 (RFC 6455, section 4.2.1)",
            Self::Method => "the method must be GET (RFC 6455, section 4.2.1)",
            Self::Target => "the request target must be a path (RFC 6455, section 4.2.1)",
            Self::Host => "there must be one valid Host header (RFC 9112, section 3.2)",
            Self::Content => "the request must have no content (RFC 9110, section 9.3.1)",
            Self::NotUpgrade => {
                "not a WebSocket handshake: it needs 'Upgrade: websocket' and 'Connection: Upgrade' (RFC 6455, section 4.2.1)"
            }
            Self::Key => {
                "Sec-WebSocket-Key must be there once, 16 octets in base64 (RFC 6455, section 4.2.1)"
            }
            Self::VersionMalformed => {
                "Sec-WebSocket-Version must be there once, a number (RFC 6455, section 4.3)"
            }
            Self::VersionUnsupported => {
                "the WebSocket version must be 13 (RFC 6455, section 4.4)"
            }
            Self::Subprotocol => {
                "Sec-WebSocket-Protocol must be a list of different tokens (RFC 6455, section 4.1)"
            }
            Self::Extensions => {
                "Sec-WebSocket-Extensions does not fit its grammar (RFC 6455, section 9.1)"
            }
            Self::Origin => "there must be at most one Origin (RFC 6454, section 7.3)",
            Self::OriginForbidden => "this origin is not allowed (RFC 6455, section 10.2)",
        })
    }
}

impl core::error::Error for RequestError {}

/// A server's response does not open a WebSocket: close the transport (RFC 6455, section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseError {
    /// RFC 9112, section 4: the octets are not an HTTP response.
    Malformed,
    /// RFC 9110, section 5.4: the head is longer than
    /// [`HandshakeConfig::max_head_size`](crate::HandshakeConfig::max_head_size).
    HeadTooLarge,
    /// RFC 9110, section 5.4: there are more fields than
    /// [`HandshakeConfig::max_headers`](crate::HandshakeConfig::max_headers).
    TooManyHeaders,
    /// RFC 9110, section 15.2: there are more interim responses than
    /// [`HandshakeConfig::max_interim_responses`](crate::HandshakeConfig::max_interim_responses).
    TooManyInterimResponses,
    /// RFC 9110, section 15.2: a 101 has HTTP version 1.1.
    HttpVersion,
    /// RFC 6455, section 4.1: the server answered with another status than 101.
    Refused(Box<Response>),
    /// RFC 6455, section 4.1: `Upgrade` is `websocket`.
    Upgrade,
    /// RFC 6455, section 4.1: `Connection` names `Upgrade`.
    Connection,
    /// RFC 6455, section 4.1: `Sec-WebSocket-Accept` is there once and answers the key.
    Accept,
    /// RFC 6455, section 4.1: the subprotocol is one that was offered, or none.
    Subprotocol,
    /// RFC 6455, section 4.1: the extensions are among those that were offered.
    Extensions,
    /// RFC 6455, section 4.1: the transport ended before the response did.
    TransportEnded,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a valid HTTP response (RFC 9112, section 4)",
            Self::HeadTooLarge => "the response head is too large (RFC 9110, section 5.4)",
            Self::TooManyHeaders => "the response has too many headers (RFC 9110, section 5.4)",
            Self::TooManyInterimResponses => "too many interim responses (RFC 9110, section 15.2)",
            Self::HttpVersion => "a 101 needs HTTP/1.1 (RFC 9110, section 15.2)",
            Self::Refused(response) => {
                write!(f, "the server refused with HTTP status {}", response.status)?;
                return match response.location() {
                    Some(to) => write!(f, ", a redirect to {}", to.escape_debug()),
                    None => Ok(()),
                };
            }
            Self::Upgrade => "status 101 without 'Upgrade: websocket' (RFC 6455, section 4.1)",
            Self::Connection => "status 101 without 'Connection: Upgrade' (RFC 6455, section 4.1)",
            Self::Accept => {
                "status 101 with a wrong or missing Sec-WebSocket-Accept (RFC 6455, section 4.1)"
            }
            Self::Subprotocol => {
                "status 101 with a subprotocol that was not offered (RFC 6455, section 4.1)"
            }
            Self::Extensions => {
                "status 101 with an extension that was not offered (RFC 6455, section 4.1)"
            }
            Self::TransportEnded => {
                "the connection ended before the response did (RFC 6455, section 4.1)"
            }
        })
    }
}

impl core::error::Error for ResponseError {}
