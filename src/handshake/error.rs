//! Why an opening handshake failed, in either role.
//!
//! Invariant: one variant for each rule, and each knows the response that a server sends.

use super::response::Response;
use super::shown::without_secrets;
use alloc::boxed::Box;
use alloc::string::ToString;
use core::fmt;

/// The peer's part of the opening handshake breaks a rule, or refuses.
///
/// A server answers with [`status`](Self::status); `Response::from(&error)` makes the complete
/// response. A client closes the transport.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// RFC 9112, section 2.2: the bytes are not the head of an HTTP message.
    Malformed {
        /// The line that breaks a rule; 1 is the first.
        line: usize,
    },
    /// RFC 9112, section 3: the request line is longer than the limit for the entire head.
    TargetTooLong {
        /// [`Config::max_head_size`](crate::Config::max_head_size).
        max: usize,
    },
    /// RFC 9110, section 5.4: the head is too long.
    HeadTooLarge {
        /// [`Config::max_head_size`](crate::Config::max_head_size).
        max: usize,
    },
    /// RFC 9110, section 5.4: there are too many fields.
    TooManyHeaders {
        /// [`Config::max_headers`](crate::Config::max_headers).
        max: usize,
    },
    /// RFC 6455, section 4.1: the HTTP version is 1.1 or a later 1.x.
    HttpVersion {
        /// The number before the dot.
        major: u8,
        /// The number after the dot.
        minor: u8,
    },

    /// RFC 6455, section 4.2.1: the method is GET. Holds the method that was found.
    Method(Box<str>),
    /// RFC 9112, section 3.2: the request target has one of the forms of HTTP/1.1.
    Target {
        /// The first character that does not fit.
        found: char,
        /// Its place: the number of bytes before it in the target.
        at: usize,
    },
    /// RFC 9113, section 8.3: pseudo-headers come first, each once, and those that the request
    /// needs are there and valid. Holds the name of one that is not.
    PseudoHeader(Box<str>),
    /// RFC 9113, section 8.2: a field has a valid name, in lower case, and a valid value; over
    /// HTTP/2 and HTTP/3 it does not concern the connection (`Connection`, `Upgrade`). Holds the
    /// name of one that breaks this.
    Field(Box<str>),
    /// RFC 9112, section 3.2: there is one valid `Host`.
    Host,
    /// RFC 9110, section 9.3.1: the request has no content, which would be read as frames.
    Content,
    /// RFC 6455, section 4.2.1: `Upgrade` names `websocket` and `Connection` names `Upgrade`.
    NotUpgrade,
    /// RFC 8441, section 4: over HTTP/2 and HTTP/3 the request is a CONNECT with `:protocol`.
    NotExtendedConnect,
    /// RFC 8441, section 5: the `:protocol` is `websocket`. Holds the one that was found.
    Protocol(Box<str>),
    /// RFC 6455, section 4.2.1: there is one `Sec-WebSocket-Key`, of 16 bytes in base64.
    Key,
    /// RFC 6455, section 4.3: `Sec-WebSocket-Version` occurs once, a number from 0 to 255.
    VersionMalformed,
    /// RFC 6455, section 4.4: the version is 13. Holds the version that was found.
    VersionUnsupported(u8),
    /// RFC 6454, section 7.3: there is at most one `Origin`, which is text.
    Origin,
    /// RFC 6455, section 10.2: the [`OriginPolicy`](crate::OriginPolicy) does not allow pages of
    /// this origin.
    OriginForbidden {
        /// The origin of the page.
        origin: Box<str>,
        /// The host that the request was sent to.
        host: Box<str>,
    },

    /// RFC 6455, section 4.1: `Sec-WebSocket-Protocol` is a list of different tokens in a request,
    /// and one token in a response.
    Subprotocol,
    /// RFC 6455, section 9.1: `Sec-WebSocket-Extensions` fits its grammar; in a response, the
    /// parameters fit the offer, and each extension occurs once.
    Extensions,

    /// RFC 6455, section 4.1: the server answered with another status than 101.
    Refused(Box<Response>),
    /// RFC 9110, section 15.2: there are too many interim responses.
    TooManyInterimResponses {
        /// [`Config::max_interim_responses`](crate::Config::max_interim_responses).
        max: u8,
    },
    /// RFC 6455, section 4.1: the `Upgrade` of a 101 is `websocket`.
    Upgrade,
    /// RFC 6455, section 4.1: the `Connection` of a 101 names `Upgrade`.
    Connection,
    /// RFC 6455, section 4.1: `Sec-WebSocket-Accept` occurs once and answers the key.
    Accept,
    /// RFC 6455, section 4.1: the server chooses among the subprotocols that were offered. Holds
    /// the one that it chose; the text shows only its length, as it may be a token.
    SubprotocolNotOffered(Box<str>),
    /// RFC 6455, section 4.1: the client requires a subprotocol, and the server chose none.
    SubprotocolMissing,
    /// RFC 6455, section 4.1: the server accepts extensions that were offered. This one was not.
    ExtensionNotOffered(Box<str>),
    /// RFC 6455, section 7.4.1: the client requires this extension, and the server did not accept
    /// it. An `Endpoint` closes the connection with 1010 instead.
    ExtensionMissing(Box<str>),
    /// RFC 6455, section 4.1: the transport ended before the response did.
    TransportEnded,
}

impl HandshakeError {
    /// Returns the HTTP status with which a server answers (RFC 9110, section 15).
    ///
    /// For a server's errors, which a client finds, it is 502: what a proxy would answer with.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::OriginForbidden { .. } => 403,
            Self::Method(_) => 405,
            Self::TargetTooLong { .. } => 414,
            Self::NotUpgrade => 426,
            Self::HeadTooLarge { .. } | Self::TooManyHeaders { .. } => 431,
            Self::Protocol(_) => 501, // RFC 9220, section 3
            Self::HttpVersion { .. } => 505,
            Self::Refused(_)
            | Self::TooManyInterimResponses { .. }
            | Self::Upgrade
            | Self::Connection
            | Self::Accept
            | Self::SubprotocolNotOffered(_)
            | Self::SubprotocolMissing
            | Self::ExtensionNotOffered(_)
            | Self::ExtensionMissing(_)
            | Self::TransportEnded => 502,
            Self::Malformed { .. }
            | Self::Target { .. }
            | Self::PseudoHeader(_)
            | Self::Field(_)
            | Self::NotExtendedConnect
            | Self::Host
            | Self::Content
            | Self::Key
            | Self::VersionMalformed
            | Self::VersionUnsupported(_)
            | Self::Origin
            | Self::Subprotocol
            | Self::Extensions => 400,
        }
    }
}

impl fmt::Display for HandshakeError {
    /// Shows no subprotocol (where browsers put tokens), no userinfo and no query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed { line } => {
                return write!(
                    f,
                    "line {line} is not valid in an HTTP/1.1 head (RFC 9112, section 2.2)"
                );
            }
            Self::TargetTooLong { max } => {
                return write!(
                    f,
                    "the request line exceeds `max_head_size`, {max} bytes (RFC 9112, section 3)"
                );
            }
            Self::HeadTooLarge { max } => {
                return write!(
                    f,
                    "the HTTP head exceeds `max_head_size`, {max} bytes (RFC 9110, section 5.4)"
                );
            }
            Self::TooManyHeaders { max } => {
                return write!(
                    f,
                    "the HTTP head has more headers than `max_headers`, {max} (RFC 9110, section 5.4)"
                );
            }
            Self::HttpVersion { major, minor } => {
                return write!(
                    f,
                    "the HTTP version must be 1.1, not {major}.{minor} (RFC 6455, section 4.1)"
                );
            }
            Self::Method(found) => {
                return write!(
                    f,
                    "the method must be GET, not {} (RFC 6455, section 4.2.1)",
                    found.escape_debug()
                );
            }
            Self::Target { found, at } => {
                return write!(
                    f,
                    "the request target is not valid: {found:?} after {at} bytes (RFC 9112, section 3.2)"
                );
            }
            Self::PseudoHeader(name) => {
                return write!(
                    f,
                    "the pseudo-header {} is missing, not valid, or out of place (RFC 9113, section 8.3)",
                    name.escape_debug()
                );
            }
            Self::Field(name) => {
                return write!(
                    f,
                    "the header {} is not valid here (RFC 9113, section 8.2)",
                    name.escape_debug()
                );
            }
            Self::NotExtendedConnect => {
                "not a WebSocket handshake: over HTTP/2 and HTTP/3 it is a CONNECT with ':protocol' (RFC 8441, section 4)"
            }
            Self::Protocol(found) => {
                return write!(
                    f,
                    "the ':protocol' must be websocket, not {} (RFC 8441, section 5)",
                    found.escape_debug()
                );
            }
            Self::Host => "there must be one valid Host header (RFC 9112, section 3.2)",
            Self::Content => "the request must have no content (RFC 9110, section 9.3.1)",
            Self::NotUpgrade => {
                "not a WebSocket handshake: it needs 'Upgrade: websocket' and 'Connection: Upgrade' (RFC 6455, section 4.2.1)"
            }
            Self::Key => {
                "Sec-WebSocket-Key must be there once, 16 bytes in base64 (RFC 6455, section 4.2.1)"
            }
            Self::VersionMalformed => {
                "Sec-WebSocket-Version must be there once, a number (RFC 6455, section 4.3)"
            }
            Self::VersionUnsupported(found) => {
                return write!(
                    f,
                    "the WebSocket version must be 13, not {found} (RFC 6455, section 4.4)"
                );
            }
            Self::Origin => "there must be at most one Origin, in text (RFC 6454, section 7.3)",
            Self::OriginForbidden { origin, host } => {
                return write!(
                    f,
                    "pages of {} may not connect to {} (RFC 6455, section 10.2)",
                    without_secrets(origin).escape_debug(),
                    host.escape_debug()
                );
            }
            Self::Subprotocol => {
                "Sec-WebSocket-Protocol must be a list of different tokens, one in a response (RFC 6455, section 4.1)"
            }
            Self::Extensions => {
                "Sec-WebSocket-Extensions does not fit its grammar or the offer (RFC 6455, section 9.1)"
            }
            Self::Refused(response) => {
                write!(f, "the server refused with HTTP status {}", response.status)?;
                return match response.headers.get("location") {
                    Some(to) if response.status / 100 == 3 => {
                        let to = without_secrets(to).escape_debug();
                        write!(f, ", a redirect to {to}")
                    }
                    _ => Ok(()),
                };
            }
            Self::TooManyInterimResponses { max } => {
                return write!(
                    f,
                    "there are more interim responses than `max_interim_responses`, {max} (RFC 9110, section 15.2)"
                );
            }
            Self::Upgrade => "status 101 without 'Upgrade: websocket' (RFC 6455, section 4.1)",
            Self::Connection => "status 101 without 'Connection: Upgrade' (RFC 6455, section 4.1)",
            Self::Accept => {
                "status 101 with a wrong or missing Sec-WebSocket-Accept (RFC 6455, section 4.1)"
            }
            Self::SubprotocolNotOffered(found) => {
                return write!(
                    f,
                    "the server chose a subprotocol of {} bytes that was not offered (RFC 6455, section 4.1)",
                    found.len()
                );
            }
            Self::SubprotocolMissing => {
                "the server chose no subprotocol, and one is required (RFC 6455, section 4.1)"
            }
            Self::ExtensionNotOffered(found) => {
                return write!(
                    f,
                    "the server accepted the extension '{}', which was not offered (RFC 6455, section 4.1)",
                    found.escape_debug()
                );
            }
            Self::ExtensionMissing(name) => {
                return write!(
                    f,
                    "the server did not accept the extension '{}', which is required (RFC 6455, section 7.4.1)",
                    name.escape_debug()
                );
            }
            Self::TransportEnded => {
                "the transport ended before the response did (RFC 6455, section 4.1)"
            }
        })
    }
}

impl fmt::Debug for HandshakeError {
    /// Shows the text, which has no secret, so that no new variant can show one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(response) => f.debug_tuple("Refused").field(response).finish(),
            _ => write!(f, "HandshakeError({self})"),
        }
    }
}

impl core::error::Error for HandshakeError {}

impl From<&HandshakeError> for Response {
    /// The response with which a server refuses a request for this error. Its body is the
    /// error's text.
    fn from(error: &HandshakeError) -> Self {
        let mut response = Self::new(error.status());
        let headers = &mut response.headers;
        match error {
            // RFC 9110, section 15.5.6: the methods that are allowed.
            HandshakeError::Method(_) => headers.push_checked("Allow", b"GET"),
            // RFC 6455, section 4.4: the versions that are supported.
            HandshakeError::VersionMalformed | HandshakeError::VersionUnsupported(_) => {
                headers.push_checked("Sec-WebSocket-Version", b"13");
            }
            HandshakeError::NotUpgrade => {
                headers.push_checked("Upgrade", b"websocket");
                headers.push_checked("Sec-WebSocket-Version", b"13");
            }
            _ => {}
        }
        let mut body = error.to_string();
        body.push('\n');
        response.body(body)
    }
}
