//! An HTTP response that refuses a handshake (RFC 6455, section 4.2.2). Its law: it says that
//! the connection closes, so that nothing behind the request is taken for another one.

use crate::handshake::error::RequestError;
use crate::handshake::headers::{FieldError, Headers};
use alloc::string::ToString;
use alloc::vec::Vec;
use bytes::BytesMut;

/// An HTTP response that refuses the opening handshake, to be filled in and sent.
///
/// `Connection: close` and `Content-Length` are added, and for 426 the `Upgrade` and the
/// supported version (RFC 6455, section 4.4). There is no `Date`: the core has no clock. After
/// sending, write the output and close the transport.
///
/// ```
/// # use bytes::BytesMut;
/// use sansocket::Rejection;
///
/// # let mut out = BytesMut::new();
/// Rejection::new(401)?
///     .header("WWW-Authenticate", "Bearer")?
///     .body("sign in first\n")
///     .send(&mut out);
/// assert!(out.starts_with(b"HTTP/1.1 401 Unauthorized\r\n"));
/// # Ok::<(), sansocket::FieldError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a rejection is written by `send`"]
pub struct Rejection {
    status: u16,
    headers: Headers,
    body: Vec<u8>,
}

impl Rejection {
    /// A response with this status, no body and no fields of the application's.
    ///
    /// # Errors
    ///
    /// [`FieldError::Status`] if the status is not from 200 to 599.
    pub fn new(status: u16) -> Result<Self, FieldError> {
        match status {
            200..=599 => Ok(Self::with_status(status)),
            _ => Err(FieldError::Status),
        }
    }

    /// For an opening handshake that took too long (RFC 9110, section 15.5.9).
    pub(crate) const fn timeout() -> Self {
        Self::with_status(408)
    }

    const fn with_status(status: u16) -> Self {
        Self {
            status,
            headers: Headers::new(),
            body: Vec::new(),
        }
    }

    /// The same with one more header field, such as `WWW-Authenticate`, `Retry-After`,
    /// `Location` or `Content-Type`.
    ///
    /// # Errors
    ///
    /// [`FieldError::Name`], [`FieldError::Value`], or [`FieldError::Reserved`] for what this
    /// type writes itself.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, FieldError> {
        if is_reserved(name) {
            return Err(FieldError::Reserved);
        }
        self.headers.push(name, value)?;
        Ok(self)
    }

    /// The same with this body; `text/plain` in UTF-8 unless a `Content-Type` was given. A 204 or
    /// 304 has none (RFC 9110, section 6.4.1).
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Appends the response to `out`.
    pub fn send(self, out: &mut BytesMut) {
        let status = self.status.to_string();
        for part in [
            "HTTP/1.1 ",
            &status,
            " ",
            reason_phrase(self.status),
            "\r\n",
        ] {
            out.extend_from_slice(part.as_bytes());
        }
        if self.status == 426 {
            write_field("Upgrade", b"websocket", out);
            write_field("Sec-WebSocket-Version", b"13", out);
            write_field("Connection", b"Upgrade, close", out);
        } else {
            write_field("Connection", b"close", out);
        }
        // RFC 9110, sections 6.4.1 and 8.6: these have no content, and 204 no length of it.
        let has_content = !matches!(self.status, 204 | 304);
        if has_content {
            if !self.body.is_empty() && self.headers.get("content-type").is_none() {
                write_field("Content-Type", b"text/plain; charset=utf-8", out);
            }
            let len = self.body.len().to_string();
            write_field("Content-Length", len.as_bytes(), out);
        }
        write_fields(&self.headers, out);
        out.extend_from_slice(b"\r\n");
        if has_content {
            out.extend_from_slice(&self.body);
        }
    }
}

impl From<RequestError> for Rejection {
    /// The response that a [`ServerHandshake`](crate::ServerHandshake) gives to a bad request.
    fn from(error: RequestError) -> Self {
        let mut rejection = Self::with_status(error.status());
        let headers = &mut rejection.headers;
        match error {
            // RFC 9110, section 15.5.6: the methods that would do.
            RequestError::Method => headers.push_checked("Allow", b"GET"),
            // RFC 6455, section 4.4: the versions that would do.
            RequestError::VersionMalformed => headers.push_checked("Sec-WebSocket-Version", b"13"),
            _ => {}
        }
        let mut body = error.to_string();
        body.push('\n');
        rejection.body(body)
    }
}

/// Appends one field.
pub(super) fn write_field(name: &str, value: &[u8], out: &mut BytesMut) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

pub(super) fn write_fields(headers: &Headers, out: &mut BytesMut) {
    for (name, value) in headers.iter() {
        write_field(name, value, out);
    }
}

/// Fields that only the handshake itself may write.
pub(super) fn is_reserved(name: &str) -> bool {
    const RESERVED: [&str; 10] = [
        "connection",
        "content-length",
        "host",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
        "transfer-encoding",
        "upgrade",
    ];
    RESERVED
        .iter()
        .any(|other| other.eq_ignore_ascii_case(name))
}

/// The usual words for a status (RFC 9110, section 15); none where they tell nothing.
const fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
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
