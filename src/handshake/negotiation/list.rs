//! Header fields that are lists, and those that are not (RFC 9110, section 5).
//!
//! Invariant: several lines of a list are one list, and several lines of anything else are an
//! error.

use crate::handshake::fault::FieldFault;

/// A field that may occur once, as far as a pass over the fields has found it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Once<T> {
    #[default]
    Absent,
    Found(T),
    /// It occurs this many times.
    Repeated(usize),
}

impl<T> Once<T> {
    pub(crate) fn found(&mut self, value: T) {
        *self = match self {
            Self::Absent => Self::Found(value),
            Self::Found(_) => Self::Repeated(2),
            Self::Repeated(times) => Self::Repeated(*times + 1),
        };
    }

    /// The value of a field that must be there once.
    pub(crate) fn once(self) -> Result<T, FieldFault> {
        self.at_most_once()?.ok_or(FieldFault::Missing)
    }

    pub(crate) fn at_most_once(self) -> Result<Option<T>, FieldFault> {
        match self {
            Self::Absent => Ok(None),
            Self::Found(value) => Ok(Some(value)),
            Self::Repeated(times) => Err(FieldFault::Repeated(times)),
        }
    }
}

/// The elements of one line of a list. Empty ones are skipped (RFC 9110, section 5.6.1).
pub(crate) fn elements(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// Whether a line of a list has this token, without regard to case.
pub(crate) fn has_token(line: &[u8], token: &str) -> bool {
    elements(line).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}
