//! The fields that the handshake writes, and how it writes them.
//!
//! Invariant: what the application adds never changes what the handshake itself says.

use super::headers::{Headers, is_value};
use super::setup_error::SetupError;
use super::token::is_token;
use bytes::BytesMut;

/// Whether only the handshake itself may write a field of this name.
pub(super) fn is_reserved(name: &str) -> bool {
    const RESERVED: [&str; 13] = [
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-connection",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
        "te",
        "transfer-encoding",
        "upgrade",
    ];
    RESERVED
        .iter()
        .any(|other| other.eq_ignore_ascii_case(name))
}

/// Whether a field concerns one connection, by its name in lower case: only HTTP/1.1 has such
/// (RFC 9113, section 8.2.2).
pub(super) fn is_of_connection(name: &str, value: &[u8]) -> bool {
    match name {
        "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade" => true,
        "te" => !value.eq_ignore_ascii_case(b"trailers"),
        _ => false,
    }
}

/// Adds a field of the application's to `headers`.
pub(super) fn add(headers: &mut Headers, name: &str, value: &str) -> Result<(), SetupError> {
    if is_reserved(name) {
        return Err(SetupError::Reserved);
    }
    headers.push(name, value)
}

/// Appends one field to `out`. Whoever made it has checked it.
pub(super) fn write_field(name: &str, value: &[u8], out: &mut BytesMut) {
    debug_assert!(is_token(name.as_bytes()) && is_value(value), "{name}");
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}
