//! Subprotocols (RFC 6455, section 1.9).
//!
//! Invariant: names are case-sensitive (RFC 7936, section 2), and the client's order counts.

use super::list::elements;
use crate::handshake::token::is_token;
use alloc::string::String;
use alloc::vec::Vec;

/// The subprotocols that a client offers, read line by line: tokens, all different (RFC 6455,
/// section 4.1).
#[derive(Default)]
pub(super) struct SubprotocolList {
    list: Vec<String>,
    has_lines: bool,
    is_broken: bool,
}

impl SubprotocolList {
    /// Reads one line of the list.
    pub(super) fn line(&mut self, value: &[u8]) {
        self.has_lines = true;
        for element in elements(value) {
            match core::str::from_utf8(element) {
                Ok(name) if is_token(element) => self.list.push(name.into()),
                _ => self.is_broken = true,
            }
        }
    }

    /// Returns the list, which is empty if there was no line; `None` if it breaks a rule.
    pub(super) fn finish(self) -> Option<Vec<String>> {
        // A line without any element does not fit the grammar (RFC 6455, section 4.3).
        if self.is_broken || (self.has_lines && self.list.is_empty()) {
            return None;
        }
        // Sorted, so that a long list costs no quadratic time.
        let mut sorted: Vec<&str> = self.list.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair.first() == pair.last()) {
            return None;
        }
        Some(self.list)
    }
}
