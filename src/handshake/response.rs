//! An HTTP response that refuses the opening handshake (RFC 6455, section 4.1). Its law: it is
//! what the server sent, cut to the limit.

use crate::handshake::headers::Headers;
use alloc::vec::Vec;

/// What a server answered instead of `101 Switching Protocols`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The status code: 401, 404, 301 …
    pub status: u16,
    /// The header fields: `WWW-Authenticate`, `Retry-After`, `Set-Cookie` …
    pub headers: Headers,
    /// The body, at most as long as [`HandshakeConfig::max_body_size`] allows.
    ///
    /// [`HandshakeConfig::max_body_size`]: crate::HandshakeConfig::max_body_size
    pub body: Vec<u8>,
    /// Whether all of the body is there.
    pub is_complete: bool,
}

impl Response {
    /// Where a redirect leads (RFC 9110, section 10.2.2): the `Location` of a status 3xx.
    ///
    /// Nothing follows it for you. Whoever does drops credentials on the way to another host,
    /// takes a new key (a new handshake does), and counts the steps.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        if (300..400).contains(&self.status) {
            self.headers.get_str("location")
        } else {
            None
        }
    }
}
