//! Header fields of an opening handshake.
//!
//! Invariant: names are tokens, or pseudo-headers that this crate makes, and a field that could
//! break out of its line (RFC 9112, section 11.1) cannot be made.

use super::setup_error::SetupError;
use super::shown;
use super::token::{is_token, is_token_byte};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

/// A list of header fields, in order. Names are case-insensitive (RFC 9110, section 5.1).
///
/// Values are bytes: HTTP does not say that they are text.
///
/// ```
/// use sansocket::Headers;
///
/// let mut headers = Headers::new();
/// headers.push("Retry-After", "120")?;
/// assert_eq!(headers.get("retry-after"), Some("120"));
/// assert_eq!(headers.iter().count(), 1);
/// for (name, value) in &headers {
///     assert_eq!((name, value), ("Retry-After", &b"120"[..]));
/// }
/// # Ok::<(), sansocket::SetupError>(())
/// ```
#[derive(Clone, Default)]
pub struct Headers {
    /// Names and values: the head as it arrived, or one field after the other.
    bytes: Vec<u8>,
    /// The place of each field in them.
    fields: Vec<Field>,
}

/// The place of a field: small, because a field may have as few as four bytes.
#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) name: Range<u32>,
    pub(crate) value: Range<u32>,
}

/// A value, looked up when it is asked for: most of those that a pass over the fields meets are not.
pub(crate) struct Value<'h> {
    headers: &'h Headers,
    place: &'h Range<u32>,
}

impl<'h> Value<'h> {
    pub(crate) fn get(&self) -> &'h [u8] {
        self.headers.field_part(self.place)
    }
}

impl AsRef<[u8]> for Value<'_> {
    fn as_ref(&self) -> &[u8] {
        self.get()
    }
}

/// The place of a text in the head.
#[derive(Clone)]
pub(crate) enum Place {
    Head(Range<usize>),
    /// The text is not from the head.
    Own(Box<str>),
}

impl Default for Place {
    /// An empty text.
    fn default() -> Self {
        Self::Head(0..0)
    }
}

impl Headers {
    /// Makes an empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// The fields of a head, which the parser has checked.
    pub(crate) const fn of_head(bytes: Vec<u8>, fields: Vec<Field>) -> Self {
        Self { bytes, fields }
    }

    /// Appends a field.
    ///
    /// # Errors
    ///
    /// [`SetupError::Name`] if the name is not a token (RFC 9110, section 5.6.2), and
    /// [`SetupError::Value`] if the value has a control character other than a tab, such as CR,
    /// LF or NUL (RFC 9110, section 5.5).
    pub fn push(&mut self, name: &str, value: &str) -> Result<(), SetupError> {
        if !is_token(name.as_bytes()) {
            let at = name.bytes().position(|byte| !is_token_byte(byte));
            return Err(SetupError::Name {
                at: at.unwrap_or(0),
            });
        }
        check_value(value)?;
        self.push_checked(name, value.as_bytes());
        Ok(())
    }

    /// Appends a field that is known to be valid; its name may be that of a pseudo-header.
    pub(crate) fn push_checked(&mut self, name: &str, value: &[u8]) {
        let token = name.strip_prefix(':').unwrap_or(name);
        debug_assert!(is_token(token.as_bytes()));
        let mut append = |bytes: &[u8]| {
            let start = self.bytes.len() as u32;
            self.bytes.extend_from_slice(bytes);
            start..self.bytes.len() as u32
        };
        let name = append(name.as_bytes());
        let value = append(value);
        self.fields.push(Field { name, value });
    }

    /// As [`push_checked`](Self::push_checked), with the name in lower case, as HTTP/2 and HTTP/3
    /// ask for (RFC 9113, section 8.2.1).
    pub(crate) fn push_lower_case(&mut self, name: &str, value: &[u8]) {
        self.push_checked(&name.to_ascii_lowercase(), value);
    }

    /// The same fields without those of this name.
    pub(crate) fn without(&self, name: &str) -> Self {
        let mut others = Self::new();
        for (other, value) in self.iter().filter(|(n, _)| !n.eq_ignore_ascii_case(name)) {
            others.push_checked(other, value);
        }
        others
    }

    /// Keeps a text beside the fields.
    pub(crate) fn keep(&mut self, text: &str) -> Place {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text.as_bytes());
        Place::Head(start..self.bytes.len())
    }

    /// Returns the value of the first field of this name, if it is text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        core::str::from_utf8(self.get_all(name).next()?).ok()
    }

    /// Returns the values of all fields of this name, in order.
    pub(crate) fn get_all<'h>(&'h self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        self.raw()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.get())
    }

    /// Returns all fields as name and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> + Clone {
        self.raw().map(|(name, value)| {
            let text = core::str::from_utf8(name);
            debug_assert!(text.is_ok(), "a name is a token");
            (text.unwrap_or_default(), value.get())
        })
    }

    /// As [`iter`](Self::iter), with names as bytes: checking that they are text costs time.
    pub(crate) fn raw(&self) -> impl Iterator<Item = (&[u8], Value<'_>)> + Clone {
        self.fields.iter().map(|field| {
            let value = Value {
                headers: self,
                place: &field.value,
            };
            (self.field_part(&field.name), value)
        })
    }

    /// The place of this text in the head that holds the fields; a copy, if it is not from there.
    pub(crate) fn place_of(&self, text: Cow<'_, str>) -> Place {
        let start = text
            .as_ptr()
            .addr()
            .wrapping_sub(self.bytes.as_ptr().addr());
        let place = start..start.wrapping_add(text.len());
        match text {
            Cow::Borrowed(text) if self.bytes.get(place.clone()) == Some(text.as_bytes()) => {
                Place::Head(place)
            }
            text => Place::Own(text.into()),
        }
    }

    /// The text at this place.
    pub(crate) fn text_at<'h>(&'h self, place: &'h Place) -> &'h str {
        match place {
            Place::Head(place) => {
                let text = core::str::from_utf8(self.part(place));
                debug_assert!(text.is_ok(), "it was text");
                text.unwrap_or_default()
            }
            Place::Own(text) => text,
        }
    }

    fn bytes_of_fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.raw().map(|(name, value)| (name, value.get()))
    }

    fn field_part(&self, place: &Range<u32>) -> &[u8] {
        self.part(&(place.start as usize..place.end as usize))
    }

    /// A part of the head that holds the fields.
    pub(crate) fn part(&self, place: &Range<usize>) -> &[u8] {
        let part = self.bytes.get(place.clone());
        debug_assert!(part.is_some(), "fields stand in `bytes`, which only grows");
        part.unwrap_or_default()
    }

    /// The number of fields.
    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.fields.len()
    }
}

impl<'h> IntoIterator for &'h Headers {
    type Item = (&'h str, &'h [u8]);
    type IntoIter = Box<dyn Iterator<Item = Self::Item> + 'h>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

/// The same names and values in the same order.
impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.bytes_of_fields().eq(other.bytes_of_fields())
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    /// Shows the values only of fields that are known to hold no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self
            .iter()
            .map(|(name, value)| (name, shown::Value(name, value)));
        f.debug_map().entries(shown).finish()
    }
}

/// RFC 9110, section 5.5: a value has no control characters except tabs.
pub(crate) fn check_value(value: &str) -> Result<(), SetupError> {
    let mut bytes = value.bytes().enumerate();
    match bytes.find(|(_, byte)| !is_value_byte(*byte)) {
        Some((at, found)) => Err(SetupError::Value { found, at }),
        None => Ok(()),
    }
}

pub(crate) fn is_value(value: &[u8]) -> bool {
    value.iter().all(|&byte| is_value_byte(byte))
}

const fn is_value_byte(byte: u8) -> bool {
    !byte.is_ascii_control() || byte == b'\t'
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn the_first_of_a_name_counts_and_all_are_kept() {
        let mut headers = Headers::new();
        headers.push("A", "1").unwrap();
        headers.push("b", "").unwrap();
        headers.push("a", "2").unwrap();
        assert_eq!(headers.len(), 3);
        assert_eq!(headers.get("a"), Some("1"));
        assert_eq!(headers.get("B"), Some(""));
        assert_eq!(headers.get("c"), None);
        let all: Vec<_> = headers.get_all("A").collect();
        assert_eq!(all, [b"1", b"2"]);
        assert!((&headers).into_iter().eq(headers.iter()));
        assert_eq!(headers.push("a b", ""), Err(SetupError::Name { at: 1 }));
        let value = SetupError::Value {
            found: b'\n',
            at: 1,
        };
        assert_eq!(headers.push("a", "x\n"), Err(value));
        assert_eq!(headers.len(), 3);
    }

    #[test]
    fn a_debug_print_shows_no_secret() {
        let mut headers = Headers::new();
        headers.push("COOKIE", "sesame").unwrap();
        headers.push("Upgrade", "websocket").unwrap();
        assert_eq!(
            format!("{headers:?}"),
            "{\"COOKIE\": (6 bytes), \"Upgrade\": \"websocket\"}"
        );
    }
}
