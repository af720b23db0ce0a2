//! What the laws take from the tests of the core: independent code that says what is right.
//!
//! Invariant: nothing here shares code with the crate.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

#[allow(dead_code, reason = "only its reader is needed here")]
#[path = "../../tests/support/deflate.rs"]
pub mod deflate;

/// XOR as RFC 6455, section 5.3, writes it.
pub fn xor(payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    let bytes = payload.iter().zip(key.iter().cycle());
    bytes.map(|(byte, key)| byte ^ key).collect()
}

/// The answer to a key, as RFC 6455, section 4.2.2, writes it.
pub fn accept_key(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(sha1_smol::Sha1::from(text).digest().bytes())
}

/// The key in a client's request.
pub fn key_in(request: &[u8]) -> String {
    let text = std::str::from_utf8(request).expect("a request in ASCII");
    let (_, after) = text.split_once("Sec-WebSocket-Key: ").expect("a key");
    after[..24].into()
}
