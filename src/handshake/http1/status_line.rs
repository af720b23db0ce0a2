//! The first line of a response (RFC 9112, section 4).
//!
//! Invariant: a status has three digits, and 101 has a version that can upgrade.

use super::version::http_version;
use crate::handshake::error::HandshakeError;
use crate::handshake::fault::LineFault;

/// Reads version and status; the words after them, in any encoding, mean nothing.
pub(in crate::handshake) fn status_line(line: &[u8]) -> Result<u16, HandshakeError> {
    let malformed = |at| HandshakeError::Malformed {
        line: 1,
        at,
        fault: LineFault::StatusLine,
    };
    let mut words = line.split(|&byte| byte == b' ');
    let version = words.next().unwrap_or_default();
    let (major, minor) = http_version(version).ok_or_else(|| malformed(0))?;
    let Some(
        &[
            hundreds @ b'1'..=b'9',
            tens @ b'0'..=b'9',
            ones @ b'0'..=b'9',
        ],
    ) = words.next()
    else {
        return Err(malformed(line.len().min(version.len() + 1)));
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
