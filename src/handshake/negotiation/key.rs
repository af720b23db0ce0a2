//! The key of the opening handshake and its answer (RFC 6455, sections 4.1 and 4.2.2).
//!
//! Invariant: the answer is made from the text of the key, not from what the text decodes to.

use crate::handshake::fault::FieldFault;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1_smol::Sha1;

/// Appended to the key before it is hashed (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The length of a `Sec-WebSocket-Key`: 16 bytes in base64.
pub(in crate::handshake) const KEY_LEN: usize = 24;

/// The length of a `Sec-WebSocket-Accept`: a SHA-1 hash in base64.
pub(in crate::handshake) const ACCEPT_LEN: usize = 28;

/// The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (RFC 6455, section 4.2.2).
pub(in crate::handshake) fn accept_of(key: &[u8]) -> [u8; ACCEPT_LEN] {
    let mut sha1 = Sha1::new();
    sha1.update(key);
    sha1.update(GUID);
    encode(&sha1.digest().bytes())
}

/// The key that this value is: 16 bytes in base64 (RFC 6455, section 4.2.1). A wrong one is not
/// shown, only its length.
///
/// Base64 with padding (RFC 4648, section 4) has 22 digits for them. The four bits that are left
/// over may be set: RFC 6455 itself once printed such a key (erratum 3150).
pub(super) fn valid_key(value: &[u8]) -> Result<[u8; KEY_LEN], FieldFault> {
    let is_digit = |b: &u8| b.is_ascii_alphanumeric() || *b == b'+' || *b == b'/';
    let value = value.trim_ascii();
    let digits = value.strip_suffix(b"==").unwrap_or_default();
    let key = value.try_into().ok();
    let key = key.filter(|_| digits.len() == 22 && digits.iter().all(is_digit));
    key.ok_or(FieldFault::Length(value.len()))
}

/// The `Sec-WebSocket-Key` for a nonce (RFC 6455, section 4.1).
pub(in crate::handshake) fn key_of(nonce: &[u8; 16]) -> [u8; KEY_LEN] {
    encode(nonce)
}

/// Base64 of bytes whose encoding is `LEN` bytes long.
fn encode<const LEN: usize>(bytes: &[u8]) -> [u8; LEN] {
    let mut text = [0; LEN];
    let len = STANDARD.encode_slice(bytes, &mut text);
    debug_assert_eq!(len, Ok(LEN));
    text
}
