//! An extension and lists of them (RFC 6455, section 9.1).
//!
//! Invariant: names and values are tokens; a list that does not fit the grammar is rejected
//! completely, each of its bytes is looked at once, and what is kept of it is no longer than it was.

use super::fault::FieldFault;
use super::setup_error::SetupError;
use super::token::{is_token, is_token_byte};
use alloc::string::String;
use core::{fmt, iter};

/// An extension with its parameters, offered or accepted (RFC 6455, section 9.1).
///
/// Names are case-sensitive.
///
/// ```
/// use sansocket::Extension;
///
/// let offer = Extension::new("bbf-usp-protocol")?.param("eid", Some("x"))?;
/// assert_eq!(offer.to_string(), "bbf-usp-protocol; eid=x");
///
/// let mut list = Extension::parse_list(["permessage-deflate, bbf-usp-protocol; eid=\"x\""])?;
/// assert_eq!(list.next().expect("the first").name(), "permessage-deflate");
/// assert_eq!(list.next(), Some(offer.clone()));
/// assert_eq!(offer.params().next(), Some(("eid", Some("x"))));
/// # Ok::<(), sansocket::SetupError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Extension {
    /// `name;param;param=value`, as short as it can be: a peer's list of many elements takes no
    /// more memory than it had bytes.
    text: String,
}

impl Extension {
    /// Makes an extension without parameters.
    ///
    /// # Errors
    ///
    /// [`SetupError::Extension`] if the name is not a token.
    pub fn new(name: &str) -> Result<Self, SetupError> {
        check_token(name)?;
        Ok(Self::known(name))
    }

    /// Adds a parameter, which may have a value.
    ///
    /// # Errors
    ///
    /// [`SetupError::Extension`] if name or value is not a token.
    pub fn param(self, name: &str, value: Option<&str>) -> Result<Self, SetupError> {
        check_token(name)?;
        value.map_or(Ok(()), check_token)?;
        Ok(self.with(name, value))
    }

    /// An extension whose name is known to be a token.
    pub(crate) fn known(name: &str) -> Self {
        debug_assert!(is_token(name.as_bytes()));
        Self { text: name.into() }
    }

    /// The same with one more parameter, which is known to be made of tokens.
    pub(crate) fn with(mut self, name: &str, value: Option<&str>) -> Self {
        self.text.extend([";", name]);
        if let Some(value) = value {
            self.text.extend(["=", value]);
        }
        self
    }

    /// Returns the name, such as `permessage-deflate`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text
            .split_once(';')
            .map_or(&*self.text, |(name, _)| name)
    }

    /// Returns names and values of the parameters, in order. A name may occur more than once.
    pub fn params(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let params = self.text.split(';').skip(1);
        params.map(|param| match param.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (param, None),
        })
    }

    /// Reads the values of all `Sec-WebSocket-Extensions` fields of a head, which are one list.
    ///
    /// The list is empty if there is no field.
    ///
    /// # Errors
    ///
    /// [`SetupError::Extension`] if they do not fit the grammar. A server answers with 400,
    /// a client ends the handshake.
    pub fn parse_list(
        values: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<impl Iterator<Item = Self>, SetupError> {
        let mut reader = ExtensionReader::default();
        for value in values {
            reader.line(value.as_ref());
        }
        let list = reader.finish().map_err(|_| SetupError::Extension)?;
        let mut from = 0;
        Ok(iter::from_fn(move || list.next(&mut from)))
    }
}

impl fmt::Display for Extension {
    /// As in the header field, with tokens as values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.text.split(';').enumerate() {
            f.write_str(if index == 0 { "" } else { "; " })?;
            f.write_str(part)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Extension {
    /// Hides the parameters, which are the application's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, params) = (self.name(), self.params().count());
        write!(f, "Extension({name}, {params} parameters)")
    }
}

/// A list of extensions: one text, of which an element is made when it is asked for.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    /// The elements, separated by commas.
    text: String,
}

impl Extensions {
    pub(crate) const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Extension> {
        let mut from = 0;
        iter::from_fn(move || self.next(&mut from))
    }

    /// The element at this place, which moves to the next one.
    fn next(&self, from: &mut usize) -> Option<Extension> {
        let element = self.text.get(*from..)?.split(',').next()?;
        *from += element.len() + 1;
        (!element.is_empty()).then(|| Extension {
            text: element.into(),
        })
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Reads a list of extensions line by line.
#[derive(Default)]
pub(crate) struct ExtensionReader {
    text: String,
    fault: Option<FieldFault>,
}

impl ExtensionReader {
    /// Reads one line of the list.
    pub(crate) fn line(&mut self, value: &[u8]) {
        if self.fault.is_none() {
            self.text.reserve(value.len() + 1);
            let mut scanner = Scanner {
                rest: value,
                text: &mut self.text,
            };
            if scanner.list().is_none() {
                self.fault = Some(FieldFault::at_rest(value, scanner.rest));
            }
        }
    }

    /// Returns the list, which is empty if there was no element: some clients send an empty line for
    /// no extensions.
    pub(crate) fn finish(mut self) -> Result<Extensions, FieldFault> {
        self.text.shrink_to_fit();
        let list = Extensions { text: self.text };
        self.fault.map_or(Ok(list), Err)
    }
}

fn check_token(text: &str) -> Result<(), SetupError> {
    if is_token(text.as_bytes()) {
        Ok(())
    } else {
        Err(SetupError::Extension)
    }
}

/// Reads a field's value, and writes what it holds to a text without spaces and quotes. Where
/// something does not fit, that is what `rest` starts with.
struct Scanner<'a> {
    rest: &'a [u8],
    text: &'a mut String,
}

impl Scanner<'_> {
    /// Elements, up to the end.
    fn list(&mut self) -> Option<()> {
        loop {
            self.skip_space();
            // Empty elements are skipped (RFC 9110, section 5.6.1).
            if self.rest.first().is_some_and(|&byte| is_token_byte(byte)) {
                if !self.text.is_empty() {
                    self.text.push(',');
                }
                self.extension()?;
            }
            if !self.skip(b',') {
                return self.rest.is_empty().then_some(());
            }
        }
    }

    /// `name; name; name=value` …, up to a comma or the end.
    fn extension(&mut self) -> Option<()> {
        self.token()?;
        loop {
            self.skip_space();
            if !self.skip(b';') {
                return Some(());
            }
            self.skip_space();
            self.text.push(';');
            self.token()?;
            self.skip_space();
            if self.skip(b'=') {
                self.skip_space();
                self.text.push('=');
                if self.skip(b'"') {
                    self.quoted()?;
                } else {
                    self.token()?;
                }
            }
        }
    }

    fn skip(&mut self, byte: u8) -> bool {
        let rest = self.rest.strip_prefix(&[byte]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_space(&mut self) {
        while self.skip(b' ') || self.skip(b'\t') {}
    }

    fn token(&mut self) -> Option<()> {
        let end = self.rest.iter().position(|&byte| !is_token_byte(byte));
        let (token, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        self.text.push_str(core::str::from_utf8(token).ok()?);
        (!token.is_empty()).then_some(())
    }

    /// After the opening quote. What the quotes hold must be a token, too.
    fn quoted(&mut self) -> Option<()> {
        let start = self.text.len();
        loop {
            if self.text.len() > start && self.skip(b'"') {
                return Some(());
            }
            self.skip(b'\\');
            let (&byte, rest) = self.rest.split_first()?;
            if !is_token_byte(byte) {
                return None;
            }
            self.rest = rest;
            self.text.push(char::from(byte));
        }
    }
}
