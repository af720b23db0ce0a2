//! The key of the opening handshake and its answer (RFC 6455, sections 4.1 and 4.2.2). Its law:
//! the answer is made from the text of the key, not from what the text decodes to.

use alloc::string::String;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// Appended to the key before it is hashed (RFC 6455, section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (RFC 6455, section 4.2.2).
///
/// ```
/// use sansocket::negotiation::accept_key;
///
/// assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[must_use]
pub fn accept_key(key: &str) -> String {
    text(&accept_octets(key.as_bytes()))
}

/// [`accept_key`] without a heap.
pub(crate) fn accept_octets(key: &[u8]) -> [u8; 28] {
    let sha1 = Sha1::new().chain_update(key).chain_update(GUID);
    encode(&sha1.finalize())
}

/// Whether this is a `Sec-WebSocket-Key`: 16 octets in base64 (RFC 6455, section 4.2.1).
///
/// Base64 with padding (RFC 4648, section 4) has 22 digits for them. The four bits that are left
/// over may be set: RFC 6455 itself once printed such a key (erratum 3150).
#[must_use]
pub fn is_valid_key(key: &str) -> bool {
    let is_digit = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    let digits = key.strip_suffix("==");
    digits.is_some_and(|digits| digits.len() == 22 && digits.bytes().all(is_digit))
}

/// The `Sec-WebSocket-Key` for a nonce (RFC 6455, section 4.1).
pub(crate) fn key(nonce: &[u8; 16]) -> String {
    text(&encode::<24>(nonce))
}

/// Base64 of octets whose encoding is `LEN` octets long.
fn encode<const LEN: usize>(octets: &[u8]) -> [u8; LEN] {
    let mut text = [0; LEN];
    let len = STANDARD.encode_slice(octets, &mut text);
    debug_assert_eq!(len, Ok(LEN));
    text
}

fn text(ascii: &[u8]) -> String {
    ascii.iter().copied().map(char::from).collect()
}
