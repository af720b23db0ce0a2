//! Why an opening handshake has failed, by who reads it. Its law: one variant for each rule, and each variant knows what is sent.

use super::response::Response;
use alloc::boxed::Box;
use core::fmt;

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
