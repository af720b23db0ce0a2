//! Subprotocols (RFC 6455, section 1.9).
//!
//! Invariant: names are case-sensitive (RFC 7936, section 2), and the client's order counts.

use super::list::elements;
use crate::handshake::token::is_token;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Returns the first subprotocol in the client's order that the server supports.
///
/// With none in common the WebSocket opens without one (RFC 6455, section 4.2.2); browsers fail
/// then.
///
/// ```
/// use sansocket::negotiation::select_subprotocol;
///
/// let offered = ["superchat", "chat"];
/// assert_eq!(select_subprotocol(offered, &["chat", "superchat"]), Some("superchat"));
/// assert_eq!(select_subprotocol(offered, &["Chat"]), None);
/// ```
#[must_use]
pub fn select_subprotocol<'o>(
    offered: impl IntoIterator<Item = &'o str>,
    supported: &[impl AsRef<str>],
) -> Option<&'o str> {
    let is_supported = |name: &&str| supported.iter().any(|other| other.as_ref() == *name);
    offered.into_iter().find(is_supported)
}

/// The subprotocols that a client offers: one text, as long as the client sent it at most.
#[derive(Clone, Default, PartialEq, Eq)]
pub(in crate::handshake) struct Subprotocols {
    /// The names, separated by commas.
    text: String,
}

impl Subprotocols {
    pub(in crate::handshake) fn iter(&self) -> impl Iterator<Item = &str> {
        // Without any there is one empty name.
        self.text.split(',').filter(|name| !name.is_empty())
    }

    /// Whether no two names are the same.
    fn are_different(&self) -> bool {
        // Places, sorted by what stands there: in a long list of short names they take a quarter of
        // the memory of the names, and no quadratic time. The text is shorter than 4 GiB.
        if !self.text.contains(',') {
            return true;
        }
        let name_at = |place: u32| self.text.get(place as usize..)?.split(',').next();
        let starts = self
            .text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b',');
        let mut places = Vec::with_capacity(1 + self.text.bytes().filter(|&b| b == b',').count());
        places.push(0);
        places.extend(starts.map(|(comma, _)| comma as u32 + 1));
        places.sort_unstable_by_key(|place| name_at(*place));
        let is_same = |pair: &[u32]| match pair {
            [a, b] => name_at(*a) == name_at(*b),
            _ => false,
        };
        !places.windows(2).any(is_same)
    }
}

impl fmt::Debug for Subprotocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Reads the subprotocols that a client offers line by line: tokens, all different (RFC 6455,
/// section 4.1).
#[derive(Default)]
pub(super) struct SubprotocolReader {
    list: Subprotocols,
    has_lines: bool,
    is_broken: bool,
}

impl SubprotocolReader {
    /// Reads one line of the list.
    pub(super) fn line(&mut self, value: &[u8]) {
        self.has_lines = true;
        let text = &mut self.list.text;
        text.reserve(value.len() + 1);
        for element in elements(value) {
            match core::str::from_utf8(element) {
                Ok(name) if is_token(element) => {
                    text.push_str(if text.is_empty() { "" } else { "," });
                    text.push_str(name);
                }
                _ => self.is_broken = true,
            }
        }
    }

    /// Returns the list, which is empty if there was no line; `None` if it breaks a rule.
    pub(super) fn finish(mut self) -> Option<Subprotocols> {
        // A line without any element does not fit the grammar (RFC 6455, section 4.3).
        let is_broken = self.is_broken || (self.has_lines && self.list.text.is_empty());
        self.list.text.shrink_to_fit();
        (!is_broken && self.list.are_different()).then_some(self.list)
    }
}
