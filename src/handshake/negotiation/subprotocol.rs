//! Subprotocols (RFC 6455, section 1.9).
//!
//! Invariant: names are case-sensitive (RFC 7936, section 2), and the client's order counts.

use super::list::elements;
use crate::handshake::fault::FieldFault;
use crate::handshake::token::is_token_byte;
use alloc::string::String;
use alloc::vec::Vec;

/// Returns the first subprotocol in the client's order that the server supports.
///
/// With none in common the WebSocket opens without one (RFC 6455, section 4.2.2); browsers fail
/// then.
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

/// The subprotocols that a client offers, read line by line: tokens, all different (RFC 6455,
/// section 4.1).
#[derive(Default)]
pub(super) struct SubprotocolList {
    list: Vec<String>,
    fault: Option<FieldFault>,
}

impl SubprotocolList {
    /// Reads one line of the list.
    pub(super) fn line(&mut self, value: &[u8]) {
        for element in elements(value) {
            match token(element, value) {
                Ok(name) => self.list.push(name.into()),
                Err(fault) => {
                    self.fault.get_or_insert(fault);
                }
            }
        }
    }

    /// Returns the list, which is empty if there was no element: some clients send an empty line for
    /// no subprotocols.
    pub(super) fn finish(self) -> Result<Vec<String>, FieldFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        // Sorted, so that a long list costs no quadratic time.
        let mut sorted: Vec<&str> = self.list.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(FieldFault::Duplicate);
        }
        Ok(self.list)
    }
}

/// The token that this element of a field's value is, which is not empty.
pub(super) fn token<'v>(element: &'v [u8], value: &[u8]) -> Result<&'v str, FieldFault> {
    let bad = element.iter().position(|&byte| !is_token_byte(byte));
    match (bad, core::str::from_utf8(element)) {
        (None, Ok(name)) => Ok(name),
        (bad, _) => {
            let start = element.as_ptr().addr() - value.as_ptr().addr();
            let rest = value.get(start + bad.unwrap_or(0)..).unwrap_or_default();
            Err(FieldFault::at_rest(value, rest))
        }
    }
}
