//! Why an opening handshake failed, in either role.
//!
//! Invariant: one variant for each rule, and each knows the response that a server sends.

use super::fault::{FieldFault, LineFault, Shown};
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
        /// The place in it: the number of bytes before.
        at: usize,
        /// What is wrong there.
        fault: LineFault,
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
    /// RFC 9112, section 3.2: the request target has one of the forms of HTTP/1.1. Decided here in
    /// the lenient way: a path may have each visible ASCII character but `#`, as some clients escape
    /// none of them.
    Target {
        /// The first byte that does not fit; a space if the target ends too early.
        found: u8,
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
    Host(FieldFault),
    /// RFC 9110, section 9.3.1: the request has no content, which would be read as frames:
    /// `Content-Length` is 0 or absent.
    ContentLength(FieldFault),
    /// RFC 9110, section 9.3.1: the request has no content, which would be read as frames: there is
    /// no `Transfer-Encoding`.
    TransferEncoding(FieldFault),
    /// RFC 6455, section 4.2.1: `Upgrade` names `websocket` and `Connection` names `Upgrade`. Some
    /// proxies remove both.
    NotUpgrade {
        /// Whether `Upgrade` names `websocket`.
        upgrade: bool,
        /// Whether `Connection` names `Upgrade`.
        connection: bool,
    },
    /// RFC 8441, section 4: over HTTP/2 and HTTP/3 the request is a CONNECT with `:protocol`.
    NotExtendedConnect,
    /// RFC 8441, section 5: the `:protocol` is `websocket`. Holds the one that was found.
    Protocol(Box<str>),
    /// RFC 6455, section 4.2.1: there is one `Sec-WebSocket-Key`, of 16 bytes in base64.
    Key(FieldFault),
    /// RFC 6455, section 4.3: `Sec-WebSocket-Version` occurs once, a number from 0 to 255.
    VersionMalformed(FieldFault),
    /// RFC 6455, section 4.4: the version is 13.
    VersionUnsupported {
        /// The version that was found.
        found: u8,
        /// Whether this is an upgrade of HTTP/1.1: then the status is 426 (RFC 6455, section 4.2.2),
        /// which HTTP/2 and HTTP/3 do not have.
        is_upgrade: bool,
    },
    /// RFC 6454, section 7.3: there is at most one `Origin`, which is text.
    Origin(FieldFault),
    /// RFC 6455, section 10.2: the [`OriginPolicy`](crate::OriginPolicy) does not allow pages of
    /// this origin.
    OriginForbidden {
        /// The origin of the page.
        origin: Box<str>,
        /// The host that the request was sent to.
        host: Box<str>,
    },

    /// RFC 6455, section 4.1: `Sec-WebSocket-Protocol` is a list of different tokens in a request,
    /// and one token in a response. Its value is not shown, as browsers put tokens there.
    Subprotocol(FieldFault),
    /// RFC 6455, section 9.1: `Sec-WebSocket-Extensions` fits its grammar; in a response, the
    /// parameters fit the offer, and each extension occurs once.
    Extensions(FieldFault),

    /// RFC 6455, section 4.1: the server answered with another status than 101.
    Refused(Box<Response>),
    /// RFC 9110, section 9.3.6: the proxy opened no tunnel. Holds its response, which has
    /// `Proxy-Authenticate` if the status is 407.
    ProxyRefused(Box<Response>),
    /// RFC 9110, section 15.2: there are too many interim responses.
    TooManyInterimResponses {
        /// [`Config::max_interim_responses`](crate::Config::max_interim_responses).
        max: u8,
    },
    /// RFC 6455, section 4.1: the `Upgrade` of a 101 is `websocket`, and nothing else.
    Upgrade(FieldFault),
    /// RFC 6455, section 4.1: the `Connection` of a 101 names `Upgrade`.
    Connection(FieldFault),
    /// RFC 6455, section 4.1: `Sec-WebSocket-Accept` occurs once and answers the key.
    Accept(FieldFault),
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
    /// RFC 6455, section 4.1: the transport ended before the opening handshake was complete.
    TransportEnded {
        /// How many bytes of the peer had come by then. If it is 0 for a client, the server closed the
        /// connection without an answer.
        received: usize,
    },
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
            Self::NotUpgrade { .. }
            | Self::VersionUnsupported {
                is_upgrade: true, ..
            } => 426,
            Self::HeadTooLarge { .. } | Self::TooManyHeaders { .. } => 431,
            Self::Protocol(_) => 501, // RFC 9220, section 3
            Self::HttpVersion { .. } => 505,
            Self::Refused(_)
            | Self::ProxyRefused(_)
            | Self::TooManyInterimResponses { .. }
            | Self::Upgrade(_)
            | Self::Connection(_)
            | Self::Accept(_)
            | Self::SubprotocolNotOffered(_)
            | Self::SubprotocolMissing
            | Self::ExtensionNotOffered(_)
            | Self::ExtensionMissing(_)
            | Self::TransportEnded { .. } => 502,
            Self::Malformed { .. }
            | Self::Target { .. }
            | Self::PseudoHeader(_)
            | Self::Field(_)
            | Self::NotExtendedConnect
            | Self::Host(_)
            | Self::ContentLength(_)
            | Self::TransferEncoding(_)
            | Self::Key(_)
            | Self::VersionMalformed(_)
            | Self::VersionUnsupported { .. }
            | Self::Origin(_)
            | Self::Subprotocol(_)
            | Self::Extensions(_) => 400,
        }
    }
}

impl fmt::Display for HandshakeError {
    /// Shows no subprotocol (where browsers put tokens), no userinfo and no query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed { line, at, fault } => {
                let section = fault.section();
                write!(f, "line {line} of the head is not HTTP/1.1 after {at} bytes: {fault}")?;
                if (*line, *at, *fault) == (1, 0, LineFault::Control(0x16)) {
                    f.write_str("; these bytes look like TLS")?;
                }
                return write!(f, " ({section})");
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
                    "the request target is not valid: it has {} after {at} bytes; it must be a path, or an http URI, in visible ASCII without '#' (RFC 9112, section 3.2)",
                    Shown(*found)
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
            Self::NotUpgrade {
                upgrade,
                connection,
            } => {
                let missing = match (upgrade, connection) {
                    (false, true) => "'Upgrade: websocket'",
                    (true, false) => "'Connection: Upgrade'",
                    _ => "'Upgrade: websocket' and 'Connection: Upgrade'",
                };
                return write!(
                    f,
                    "not a WebSocket handshake: it needs {missing} (RFC 6455, section 4.2.1)"
                );
            }
            Self::VersionUnsupported { found, .. } => {
                return write!(
                    f,
                    "the WebSocket version must be 13, not {found} (RFC 6455, section 4.4)"
                );
            }
            Self::OriginForbidden { origin, host } => {
                return write!(
                    f,
                    "pages of {} may not connect to {} (RFC 6455, section 10.2)",
                    without_secrets(origin).escape_debug(),
                    host.escape_debug()
                );
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
            Self::ProxyRefused(response) => {
                return write!(
                    f,
                    "the proxy refused with HTTP status {} (RFC 9110, section 9.3.6)",
                    response.status
                );
            }
            Self::TooManyInterimResponses { max } => {
                return write!(
                    f,
                    "there are more interim responses than `max_interim_responses`, {max} (RFC 9110, section 15.2)"
                );
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
            Self::TransportEnded { received: 0 } => {
                "the peer closed the transport without a word of the opening handshake (RFC 6455, section 4.1)"
            }
            Self::TransportEnded { received } => {
                return write!(
                    f,
                    "the transport ended in the opening handshake, after {received} bytes of the peer (RFC 6455, section 4.1)"
                );
            }
            Self::Host(fault) => return field(f, "Host", fault, "it must be there once, a name or an address, and perhaps a port", "RFC 9112, section 3.2"),
            Self::ContentLength(fault) => return field(f, "Content-Length", fault, "the request must have no content", "RFC 9110, section 9.3.1"),
            Self::TransferEncoding(fault) => return field(f, "Transfer-Encoding", fault, "the request must have no content", "RFC 9110, section 9.3.1"),
            Self::Key(fault) => return field(f, "Sec-WebSocket-Key", fault, "it must be there once, 16 bytes in 24 of base64", "RFC 6455, section 4.2.1"),
            Self::VersionMalformed(fault) => return field(f, "Sec-WebSocket-Version", fault, "it must be there once, a number", "RFC 6455, section 4.3"),
            Self::Origin(fault) => return field(f, "Origin", fault, "it must be there at most once, in text", "RFC 6454, section 7.3"),
            Self::Subprotocol(fault) => return field(f, "Sec-WebSocket-Protocol", fault, "it must be a list of different tokens, one token in a response", "RFC 6455, section 4.1"),
            Self::Extensions(fault) => return field(f, "Sec-WebSocket-Extensions", fault, "it must fit its grammar, and the offer in a response", "RFC 6455, section 9.1"),
            Self::Upgrade(fault) => return field(f, "Upgrade", fault, "a 101 must have one, which is 'websocket'", "RFC 6455, section 4.1"),
            Self::Connection(fault) => return field(f, "Connection", fault, "a 101 must have one that names 'Upgrade'", "RFC 6455, section 4.1"),
            Self::Accept(fault) => return field(f, "Sec-WebSocket-Accept", fault, "a 101 must have one, which answers the key", "RFC 6455, section 4.1"),
        })
    }
}

impl fmt::Debug for HandshakeError {
    /// Shows the text, which has no secret, so that no new variant can show one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(response) => f.debug_tuple("Refused").field(response).finish(),
            Self::ProxyRefused(response) => f.debug_tuple("ProxyRefused").field(response).finish(),
            _ => write!(f, "HandshakeError({self})"),
        }
    }
}

/// What is wrong with a field, and what is right.
fn field(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    fault: &FieldFault,
    right: &str,
    section: &str,
) -> fmt::Result {
    write!(f, "{name} {fault}; {right} ({section})")
}

impl core::error::Error for HandshakeError {}

impl From<&HandshakeError> for Response {
    /// The response with which a server refuses a request for this error. Its body is the
    /// error's text.
    fn from(error: &HandshakeError) -> Self {
        let mut response = Self::new(error.status());
        let headers = &mut response.headers;
        if let HandshakeError::Method(_) = error {
            // RFC 9110, section 15.5.6: the methods that are allowed.
            headers.push_checked("Allow", b"GET");
        }
        if error.status() == 426 {
            // RFC 9110, section 15.5.22: what to upgrade to.
            headers.push_checked("Upgrade", b"websocket");
        }
        if let HandshakeError::NotUpgrade { .. }
        | HandshakeError::VersionMalformed(_)
        | HandshakeError::VersionUnsupported { .. } = error
        {
            // RFC 6455, section 4.4: the versions that are supported.
            headers.push_checked("Sec-WebSocket-Version", b"13");
        }
        let mut body = error.to_string();
        body.push('\n');
        response.body(body)
    }
}
