//! The key of the opening handshake and its answer (RFC 6455, sections 4.1 and 4.2.2). Its law:
//! the answer is made from the text of the key, not from what the text decodes to.

use alloc::string::String;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};

/// Appended to the key before it is hashed (RFC 6455, section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Base64 with padding (RFC 4648, section 4). Bits that are left over may be set: RFC 6455
/// itself once printed such a key (erratum 3150).
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (RFC 6455, section 4.2.2).
///
/// ```
/// use sansocket::negotiation::accept_key;
///
/// assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[must_use]
pub fn accept_key(key: &str) -> String {
    let mut sha1 = sha1_smol::Sha1::new();
    sha1.update(key.as_bytes());
    sha1.update(GUID.as_bytes());
    encode::<28>(&sha1.digest().bytes())
}

/// Whether this is a `Sec-WebSocket-Key`: 16 octets in base64 (RFC 6455, section 4.2.1).
#[must_use]
pub fn is_valid_key(key: &str) -> bool {
    let mut nonce = [0; 18];
    key.len() == 24 && BASE64.decode_slice(key, &mut nonce) == Ok(16)
}

/// The `Sec-WebSocket-Key` for a nonce (RFC 6455, section 4.1).
pub(crate) fn key(nonce: &[u8; 16]) -> String {
    encode::<24>(nonce)
}

/// Base64 of octets whose encoding is `LEN` octets long.
fn encode<const LEN: usize>(octets: &[u8]) -> String {
    let mut text = [0; LEN];
    let len = BASE64.encode_slice(octets, &mut text);
    debug_assert_eq!(len, Ok(LEN));
    text.iter().copied().map(char::from).collect()
}
