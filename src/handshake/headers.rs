//! Header fields of an opening handshake. Its law: a field that could break out of its line
//! (RFC 9112, section 11.1) cannot be made.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

/// A list of header fields, in order, with names compared without regard to case
/// (RFC 9110, section 5.1).
///
/// Values are octets: HTTP does not say that they are text.
#[derive(Clone, Default)]
pub struct Headers {
    /// Names and values: the head as it came, or one behind the other.
    octets: Vec<u8>,
    /// Where in them each field stands.
    fields: Vec<Field>,
}

/// Where a field stands.
#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) name: Range<usize>,
    pub(crate) value: Range<usize>,
}

impl Headers {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            octets: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// The fields of a head, which the parser has checked.
    pub(crate) const fn of_head(octets: Vec<u8>, fields: Vec<Field>) -> Self {
        Self { octets, fields }
    }

    /// Appends a field.
    ///
    /// # Errors
    ///
    /// [`FieldError`] if the name is not a token (RFC 9110, section 5.6.2) or the value has a
    /// control character other than a tab, such as CR, LF or NUL (RFC 9110, section 5.5).
    pub fn push(&mut self, name: &str, value: &str) -> Result<(), FieldError> {
        if !is_token(name.as_bytes()) {
            return Err(FieldError::Name);
        }
        if value.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
            return Err(FieldError::Value);
        }
        self.push_checked(name, value.as_bytes());
        Ok(())
    }

    /// Appends a field which the code has checked.
    pub(crate) fn push_checked(&mut self, name: &str, value: &[u8]) {
        let start = self.octets.len();
        self.octets.extend_from_slice(name.as_bytes());
        let middle = self.octets.len();
        self.octets.extend_from_slice(value);
        self.fields.push(Field {
            name: start..middle,
            value: middle..self.octets.len(),
        });
    }

    /// The value of the first field of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// The value of the first field of this name, if it is text.
    #[must_use]
    pub fn get_str(&self, name: &str) -> Option<&str> {
        core::str::from_utf8(self.get(name)?).ok()
    }

    /// The values of all fields of this name, in order.
    pub fn get_all<'h>(&'h self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        self.raw()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// All fields as name and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> + Clone {
        let text = |name| core::str::from_utf8(name).unwrap_or_default();
        self.raw().map(move |(name, value)| (text(name), value))
    }

    /// As [`iter`](Self::iter), with names as octets: they are made text only where that is
    /// asked for.
    pub(crate) fn raw(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.fields
            .iter()
            .map(|field| (self.octets_at(&field.name), self.octets_at(&field.value)))
    }

    /// A part of the head that they came in; nothing if that is not text.
    pub(crate) fn text_at(&self, part: &Range<usize>) -> &str {
        core::str::from_utf8(self.octets_at(part)).unwrap_or_default()
    }

    fn octets_at(&self, part: &Range<usize>) -> &[u8] {
        self.octets.get(part.clone()).unwrap_or_default()
    }

    /// The number of fields.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no field.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

/// The same names and values in the same order.
impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.raw().eq(other.raw())
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    /// Without the values of fields that hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECRET: [&str; 4] = [
            "authorization",
            "cookie",
            "proxy-authorization",
            "set-cookie",
        ];
        let shown = self.iter().map(|(name, value)| {
            let is_secret = SECRET
                .iter()
                .any(|secret| secret.eq_ignore_ascii_case(name));
            let value = if is_secret { b"(secret)" } else { value };
            (name, value.escape_ascii().to_string())
        });
        f.debug_map().entries(shown).finish()
    }
}

/// A token: one or more of letters, digits and some signs (RFC 9110, section 5.6.2).
pub(crate) fn is_token(octets: &[u8]) -> bool {
    !octets.is_empty() && octets.iter().all(|&b| is_token_octet(b))
}

/// An octet that may be in a token.
#[inline]
pub(crate) fn is_token_octet(octet: u8) -> bool {
    #[allow(clippy::indexing_slicing, reason = "a panic would be the compiler's")]
    const TOKEN_OCTETS: [bool; 256] = {
        let (mut table, mut octet) = ([false; 256], u8::MAX);
        while octet > 0 {
            octet -= 1;
            table[octet as usize] = octet.is_ascii_alphanumeric()
                || matches!(
                    octet,
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
    TOKEN_OCTETS.get(usize::from(octet)) == Some(&true)
}

/// What the application asked for cannot be in an opening handshake. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldError {
    /// RFC 9110, section 5.6.2: the name of a field is a token.
    Name,
    /// RFC 9110, section 5.5: a value has no control characters, so neither CR, LF nor NUL.
    Value,
    /// RFC 6455, section 4: the handshake writes this field itself.
    Reserved,
    /// RFC 6455, section 4.1: a subprotocol is a token and is offered once.
    Subprotocol,
    /// RFC 6455, section 4.2.2: a server chooses among the subprotocols that were offered.
    SubprotocolNotOffered,
    /// RFC 6455, section 9.1: names and values of an extension are tokens.
    Extension,
    /// RFC 6455, section 4.2.2: a server chooses among the extensions that were offered.
    ExtensionNotOffered,
    /// RFC 9110, section 15: a refusal has a final status, from 200 to 599.
    Status,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "a header name must be a token: letters, digits, '-' (RFC 9110, section 5.6.2)",
            Self::Value => "a header value must have no control characters, CR and LF among them (RFC 9110, section 5.5)",
            Self::Reserved => "the handshake writes this header itself; use its own method (RFC 6455, section 4)",
            Self::Subprotocol => "a subprotocol must be a token, offered once (RFC 6455, section 4.1)",
            Self::SubprotocolNotOffered => "the client did not offer this subprotocol (RFC 6455, section 4.2.2)",
            Self::Extension => "names and values of an extension must be tokens (RFC 6455, section 9.1)",
            Self::ExtensionNotOffered => "the client did not offer this extension (RFC 6455, section 4.2.2)",
            Self::Status => "a refusal needs a final status, from 200 to 599 (RFC 9110, section 15)",
        })
    }
}

impl core::error::Error for FieldError {}
