//! An HTTP response: a server's page or refusal, or what a client was answered.
//!
//! Invariant: a response that this crate writes says that the connection closes, so that nothing
//! after the request is taken for another one.

use super::extension::Extension;
use super::fields::{self, is_reserved, write_field};
use super::headers::Headers;
use super::setup_error::SetupError;
use alloc::string::ToString;
use alloc::vec::Vec;
use bytes::BytesMut;
use core::fmt;

/// An HTTP response: what a server sends instead of an opening handshake, and what a client
/// received.
///
/// [`Request::answer`](crate::Request::answer) makes the one that accepts, for other software to send.
/// A server makes any other with [`new`](Self::new) and sends it with `Endpoint::respond`. The core adds
/// `Connection: close` and `Content-Length`, and for 426 the `Upgrade` and the supported version
/// (RFC 6455, section 4.4). There is no `Date`: the core has no clock. A client finds one in
/// [`Event::Opened`](crate::Event::Opened) and in
/// [`HandshakeError::Refused`](crate::HandshakeError::Refused).
///
/// ```
/// use sansocket::Response;
///
/// let response = Response::new(401)
///     .header("WWW-Authenticate", "Bearer")?
///     .body("sign in first\n");
/// assert_eq!(response.headers.get("www-authenticate"), Some("Bearer"));
/// # Ok::<(), sansocket::SetupError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The status code: 101, 200, 404 …
    pub status: u16,
    /// The header fields: `WWW-Authenticate`, `Retry-After`, `Set-Cookie` …
    pub headers: Headers,
    /// The body. A client keeps at most `Config::max_body_size` bytes of it.
    pub body: Vec<u8>,
    /// Whether the body is complete.
    pub is_complete: bool,
}

impl Response {
    /// Makes a response with this status, no fields and no body.
    ///
    /// A status that cannot be sent (1xx, or none of HTTP) becomes 500. To accept a handshake call
    /// `Endpoint::accept`.
    #[must_use]
    pub const fn new(status: u16) -> Self {
        Self {
            status: final_status(status),
            headers: Headers::new(),
            body: Vec::new(),
            is_complete: true,
        }
    }

    /// A response that opens a WebSocket.
    pub(crate) const fn opening(status: u16) -> Self {
        Self {
            status,
            headers: Headers::new(),
            body: Vec::new(),
            is_complete: true,
        }
    }

    /// Adds a header field, such as `WWW-Authenticate`, `Retry-After`, `Location` or
    /// `Content-Type`.
    ///
    /// # Errors
    ///
    /// [`SetupError::Name`], [`SetupError::Value`], or [`SetupError::Reserved`] for what the core
    /// writes itself.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, SetupError> {
        fields::add(&mut self.headers, name, value)?;
        Ok(self)
    }

    /// Sets the body; `text/plain` in UTF-8 unless there is a `Content-Type`.
    ///
    /// It is not sent with a status that has no content, 204, 205 and 304 (RFC 9110,
    /// section 6.4.1), nor in answer to a HEAD.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Returns the subprotocol that a response which opened has chosen (RFC 6455, section 4.1).
    ///
    /// ```
    /// use sansocket::{Event, HandshakeError};
    ///
    /// fn print(event: &Event) {
    ///     match event {
    ///         Event::Opened(response) => {
    ///             println!("open; {:?}", response.subprotocol());
    ///         }
    ///         Event::Refused(error) => match &**error {
    ///             HandshakeError::Refused(response) => println!("status {}", response.status),
    ///             error => println!("{error}"),
    ///         },
    ///         _ => {}
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        let mut values = self.headers.get_all("sec-websocket-protocol");
        let value = values.find(|value| !value.trim_ascii().is_empty())?;
        core::str::from_utf8(value.trim_ascii()).ok()
    }

    /// Returns the extensions that a response which opened has accepted (RFC 6455, section 9.1).
    ///
    /// A response which did not open was not checked: it has none if the field does not fit its
    /// grammar.
    pub fn extensions(&self) -> impl Iterator<Item = Extension> {
        let values = self.headers.get_all("sec-websocket-extensions");
        let extensions = Extension::parse_list(values);
        debug_assert!(self.status != 101 || extensions.is_ok(), "it was checked");
        extensions.into_iter().flatten()
    }

    /// Appends the response to `out`; `is_head`: in answer to a HEAD, without its content.
    ///
    /// Fields in `headers` that the core writes itself are left out.
    pub(crate) fn write(&self, is_head: bool, out: &mut BytesMut) {
        let status = final_status(self.status);
        let digits = status.to_string();
        for part in ["HTTP/1.1 ", &digits, " ", reason_phrase(status), "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        if status == 426 {
            write_field("Upgrade", b"websocket", out);
            write_field("Sec-WebSocket-Version", b"13", out);
            write_field("Connection", b"Upgrade, close", out);
        } else {
            write_field("Connection", b"close", out);
        }
        // RFC 9110, sections 6.4.1, 8.6 and 15.3.6: these have no content, and a 204 has no
        // `Content-Length`.
        let content: &[u8] = if matches!(status, 204 | 205 | 304) {
            &[]
        } else {
            &self.body
        };
        if !content.is_empty() && self.headers.get_all("content-type").next().is_none() {
            write_field("Content-Type", b"text/plain; charset=utf-8", out);
        }
        if !matches!(status, 204 | 304) {
            let len = content.len().to_string();
            write_field("Content-Length", len.as_bytes(), out);
        }
        for (name, value) in self.headers.iter() {
            // RFC 6455, section 4.4: a 400 may name the version, too.
            let is_version = name.eq_ignore_ascii_case("sec-websocket-version");
            if !is_reserved(name) || (is_version && status != 426) {
                write_field(name, value, out);
            }
        }
        out.extend_from_slice(b"\r\n");
        if !is_head {
            out.extend_from_slice(content);
        }
    }
}

impl fmt::Debug for Response {
    /// Hides the body, and the values of fields that may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("is_complete", &self.is_complete)
            .finish()
    }
}

/// RFC 9110, section 15: a response that ends an exchange has a status from 200 to 599.
const fn final_status(status: u16) -> u16 {
    match status {
        200..=599 => status,
        _ => 500,
    }
}

/// The usual words for a status (RFC 9110, section 15); none for other statuses.
const fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        414 => "URI Too Long",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn written(response: &Response, is_head: bool) -> String {
        let mut out = BytesMut::new();
        response.write(is_head, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn a_head_gets_the_length_and_no_content() {
        let response = Response::new(404).body("no\n");
        let head = "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\
            Content-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n\r\n";
        assert_eq!(written(&response, true), head);
        assert_eq!(written(&response, false), [head, "no\n"].concat());
    }

    #[test]
    fn fields_of_the_core_are_written_once() {
        let mut response = Response::new(426);
        for name in [
            "connection",
            "Upgrade",
            "content-length",
            "Sec-WebSocket-Version",
            "X",
        ] {
            response.headers.push(name, "x").unwrap();
        }
        assert_eq!(
            written(&response, false),
            "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Connection: Upgrade, close\r\nContent-Length: 0\r\nX: x\r\n\r\n"
        );
    }

    #[test]
    fn a_status_that_cannot_be_sent_becomes_500() {
        for status in [0, 100, 101, 199, 600, u16::MAX] {
            assert_eq!(Response::new(status).status, 500);
        }
        let mut response = Response::new(204).body("x");
        assert_eq!(
            written(&response, false),
            "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
        );
        response.status = 101;
        assert!(written(&response, false).starts_with("HTTP/1.1 500 "));
    }

    #[test]
    fn a_debug_print_shows_no_body() {
        let shown = alloc::format!("{:?}", Response::new(200).body("sesame"));
        assert!(shown.contains("6 bytes") && !shown.contains("sesame"));
    }
}
