//! Subprotocols (RFC 6455, section 1.9).
//!
//! Invariant: names are case-sensitive (RFC 7936, section 2), and the client's order counts.

use super::list::elements;
use crate::handshake::fault::FieldFault;
use crate::handshake::shown::Hidden;
use crate::handshake::token::is_token_byte;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

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
    /// Shows only lengths: browsers put tokens there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(Hidden)).finish()
    }
}

/// Reads the subprotocols that a client offers line by line: tokens, all different (RFC 6455,
/// section 4.1).
#[derive(Default)]
pub(super) struct SubprotocolReader {
    list: Subprotocols,
    fault: Option<FieldFault>,
}

impl SubprotocolReader {
    /// Reads one line of the list.
    pub(super) fn line(&mut self, value: &[u8]) {
        let text = &mut self.list.text;
        text.reserve(value.len() + 1);
        for element in elements(value) {
            match token(element, value) {
                Ok(name) => {
                    text.push_str(if text.is_empty() { "" } else { "," });
                    text.push_str(name);
                }
                Err(fault) => {
                    self.fault.get_or_insert(fault);
                }
            }
        }
    }

    /// Returns the list, which is empty if there was no element: some clients send an empty line for
    /// no subprotocols.
    pub(super) fn finish(mut self) -> Result<Subprotocols, FieldFault> {
        self.list.text.shrink_to_fit();
        match self.fault {
            Some(fault) => Err(fault),
            None if self.list.are_different() => Ok(self.list),
            None => Err(FieldFault::Duplicate),
        }
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
