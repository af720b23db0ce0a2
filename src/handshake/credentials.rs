//! Credentials for `Authorization` and `Proxy-Authorization`.
//!
//! Invariant: whatever they are made of, they are one valid value of a field.

use super::setup_error::SetupError;
use alloc::format;
use alloc::string::String;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// RFC 7617, section 2, in UTF-8.
pub(super) fn basic(user: &str, password: &str) -> Result<String, SetupError> {
    let is_control = |text: &str| text.bytes().any(|byte| byte.is_ascii_control());
    if user.contains(':') || is_control(user) || is_control(password) {
        return Err(SetupError::Credentials);
    }
    let both = STANDARD.encode(format!("{user}:{password}"));
    Ok(format!("Basic {both}"))
}

/// RFC 6750, section 2.1.
pub(super) fn bearer(token: &str) -> Result<String, SetupError> {
    let is_digit =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    let digits = token.trim_end_matches('=');
    if digits.is_empty() || !digits.bytes().all(is_digit) {
        return Err(SetupError::Credentials);
    }
    Ok(format!("Bearer {token}"))
}
