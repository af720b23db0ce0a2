//! The first line of a response (RFC 9112, section 4).
//!
//! Invariant: a status has three digits, and 101 has a version that can upgrade.

use super::version::http_version;
use crate::handshake::error::HandshakeError;

/// Reads version and status; the words after them mean nothing.
pub(in crate::handshake) fn status_line(line: &str) -> Result<u16, HandshakeError> {
    const MALFORMED: HandshakeError = HandshakeError::Malformed { line: 1 };
    let (version, rest) = line.split_once(' ').ok_or(MALFORMED)?;
    let (status, _) = rest.split_once(' ').unwrap_or((rest, ""));
    let (major, minor) = http_version(version).ok_or(MALFORMED)?;
    let [
        hundreds @ b'1'..=b'9',
        tens @ b'0'..=b'9',
        ones @ b'0'..=b'9',
    ] = *status.as_bytes()
    else {
        return Err(MALFORMED);
    };
    let status = [hundreds, tens, ones]
        .iter()
        .fold(0, |number, digit| 10 * number + u16::from(digit - b'0'));
    match (major, minor, status) {
        (1, 1.., _) => Ok(status),
        // There is no 101 in HTTP/1.0 (RFC 9110, section 15.2).
        (1, 0, 200..) => Ok(status),
        _ => Err(HandshakeError::HttpVersion { major, minor }),
    }
}
