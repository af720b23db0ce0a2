//! The version of HTTP (RFC 9112, section 2.3).
//!
//! Invariant: the form is one for requests and responses.

/// Reads `HTTP/` digit `.` digit.
pub(super) fn http_version(text: &[u8]) -> Option<(u8, u8)> {
    match *text.strip_prefix(b"HTTP/")? {
        [major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9'] => Some((major - b'0', minor - b'0')),
        _ => None,
    }
}
