//! Tokens, the words of HTTP (RFC 9110, section 5.6.2).
//!
//! Invariant: a token is ASCII, and cannot break out of its line.

/// Whether this is a token: one or more letters, digits and certain signs.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

/// Whether a token may contain this byte.
#[inline]
pub(crate) fn is_token_byte(byte: u8) -> bool {
    #[allow(clippy::indexing_slicing, reason = "evaluated at compile time")]
    const TOKEN_BYTES: [bool; 256] = {
        let (mut table, mut byte) = ([false; 256], u8::MAX);
        while byte > 0 {
            byte -= 1;
            table[byte as usize] = byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'!' | b'#'
                        | b'$'
                        | b'%'
                        | b'&'
                        | b'\''
                        | b'*'
                        | b'+'
                        | b'-'
                        | b'.'
                        | b'^'
                        | b'_'
                        | b'`'
                        | b'|'
                        | b'~'
                );
        }
        table
    };
    TOKEN_BYTES.get(usize::from(byte)) == Some(&true)
}
