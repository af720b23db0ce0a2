//! Subprotocols (RFC 6455, section 1.9). Its law: names are compared letter by letter
//! (RFC 7936, section 2), and the client's order counts.

use super::list::{elements, values};
use crate::handshake::error::RequestError;
use crate::handshake::headers::is_token;
use alloc::string::String;
use alloc::vec::Vec;

/// The first subprotocol in the client's order which the server supports.
///
/// With none in common the handshake goes on without (RFC 6455, section 4.2.2); browsers fail by
/// themselves then.
///
/// ```
/// use sansocket::negotiation::select_subprotocol;
///
/// let offered = ["superchat", "chat"];
/// assert_eq!(select_subprotocol(&offered, &["chat", "superchat"]), Some("superchat"));
/// assert_eq!(select_subprotocol(&offered, &["Chat"]), None);
/// ```
#[must_use]
pub fn select_subprotocol<'o>(
    offered: &'o [impl AsRef<str>],
    supported: &[impl AsRef<str>],
) -> Option<&'o str> {
    offered
        .iter()
        .map(AsRef::as_ref)
        .find(|name| supported.iter().any(|other| other.as_ref() == *name))
}

/// The subprotocols that a client offers: tokens, all different (RFC 6455, section 4.1).
pub(super) fn read_offered<'a, N: AsRef<[u8]>>(
    headers: impl Iterator<Item = (N, &'a [u8])> + Clone,
) -> Result<Vec<String>, RequestError> {
    const NAME: &str = "sec-websocket-protocol";
    let mut offered = Vec::new();
    for element in elements(headers.clone(), NAME) {
        let name = core::str::from_utf8(element).map_err(|_| RequestError::Subprotocol)?;
        if !is_token(element) {
            return Err(RequestError::Subprotocol);
        }
        offered.push(String::from(name));
    }
    // A field without any element does not fit the grammar (RFC 6455, section 4.3).
    if offered.is_empty() && values(headers, NAME).next().is_some() {
        return Err(RequestError::Subprotocol);
    }
    // Sorted, so that a long list costs no quadratic time.
    let mut sorted: Vec<&str> = offered.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(RequestError::Subprotocol);
    }
    Ok(offered)
}
