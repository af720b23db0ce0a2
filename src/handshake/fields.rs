//! The fields that the handshake writes, and how it writes them.
//!
//! Invariant: what the application adds never changes what the handshake itself says.

use super::headers::{Headers, is_value};
use super::setup_error::SetupError;
use super::token::is_token;
use bytes::BytesMut;

/// Whether only the handshake itself may write a field of this name.
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

/// Appends all fields to `out`.
pub(super) fn write_fields(headers: &Headers, out: &mut BytesMut) {
    for (name, value) in headers.iter() {
        write_field(name, value, out);
    }
}
