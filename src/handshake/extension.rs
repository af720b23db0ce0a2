//! An extension and lists of them (RFC 6455, section 9.1).
//!
//! Invariant: names and values are tokens; a list that does not fit the grammar is rejected
//! completely, and each of its bytes is looked at once.

use super::fault::FieldFault;
use super::setup_error::SetupError;
use super::token::{is_token, is_token_byte};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

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
/// let list = Extension::parse_list(["permessage-deflate, bbf-usp-protocol; eid=x"])?;
/// assert_eq!(list[1], offer);
/// assert_eq!(list[0].name(), "permessage-deflate");
/// assert_eq!(list[1].params().next(), Some(("eid", Some("x"))));
/// # Ok::<(), sansocket::SetupError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    name: String,
    params: Vec<(String, Option<String>)>,
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
        Ok(self.with(name, value.map(String::from)))
    }

    /// An extension whose name is known to be a token.
    pub(crate) fn known(name: &str) -> Self {
        debug_assert!(is_token(name.as_bytes()));
        Self {
            name: name.into(),
            params: Vec::new(),
        }
    }

    /// The same with one more parameter, which is known to be made of tokens.
    pub(crate) fn with(mut self, name: &str, value: Option<String>) -> Self {
        self.params.push((name.into(), value));
        self
    }

    /// Returns the name, such as `permessage-deflate`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns names and values of the parameters, in order. A name may occur more than once.
    pub fn params(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.params
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// Reads the values of all `Sec-WebSocket-Extensions` fields of a head, which are one list.
    ///
    /// Returns an empty list if there is no field.
    ///
    /// # Errors
    ///
    /// [`SetupError::Extension`] if they do not fit the grammar. A server answers with 400,
    /// a client ends the handshake.
    pub fn parse_list(
        values: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Vec<Self>, SetupError> {
        let mut list = ExtensionList::default();
        for value in values {
            list.line(value.as_ref());
        }
        list.finish().map_err(|_| SetupError::Extension)
    }
}

/// A list of extensions that is read line by line.
#[derive(Default)]
pub(crate) struct ExtensionList {
    list: Vec<Extension>,
    fault: Option<FieldFault>,
}

impl ExtensionList {
    /// Reads one line of the list.
    pub(crate) fn line(&mut self, value: &[u8]) {
        let mut scanner = Scanner { rest: value };
        if self.fault.is_none() && scanner.list(&mut self.list).is_none() {
            self.fault = Some(FieldFault::at_rest(value, scanner.rest));
        }
    }

    /// Returns the list, which is empty if there was no element: some clients send an empty line for
    /// no extensions.
    pub(crate) fn finish(self) -> Result<Vec<Extension>, FieldFault> {
        self.fault.map_or(Ok(self.list), Err)
    }
}

impl fmt::Display for Extension {
    /// As in the header field, with tokens as values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (name, value) in &self.params {
            write!(f, "; {name}")?;
            if let Some(value) = value {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

fn check_token(text: &str) -> Result<(), SetupError> {
    if is_token(text.as_bytes()) {
        Ok(())
    } else {
        Err(SetupError::Extension)
    }
}

/// What is left of a field's value. Where something does not fit, that is what `rest` starts with.
struct Scanner<'a> {
    rest: &'a [u8],
}

impl Scanner<'_> {
    /// Elements, up to the end.
    fn list(&mut self, list: &mut Vec<Extension>) -> Option<()> {
        loop {
            self.skip_space();
            if let Some(name) = self.token() {
                list.push(self.extension(name)?);
            }
            // Empty elements are skipped (RFC 9110, section 5.6.1).
            if !self.skip(b',') {
                return self.rest.is_empty().then_some(());
            }
        }
    }

    /// `; name`, `; name=value` …, up to a comma or the end.
    fn extension(&mut self, name: String) -> Option<Extension> {
        let mut params = Vec::new();
        loop {
            self.skip_space();
            if !self.skip(b';') {
                return Some(Extension { name, params });
            }
            self.skip_space();
            let param = self.token()?;
            self.skip_space();
            let value = if self.skip(b'=') {
                self.skip_space();
                Some(if self.skip(b'"') {
                    self.quoted()?
                } else {
                    self.token()?
                })
            } else {
                None
            };
            params.push((param, value));
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

    fn token(&mut self) -> Option<String> {
        let end = self.rest.iter().position(|&byte| !is_token_byte(byte));
        let (token, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        let token = core::str::from_utf8(token).ok()?;
        (!token.is_empty()).then(|| token.into())
    }

    /// After the opening quote. What the quotes hold must be a token, too.
    fn quoted(&mut self) -> Option<String> {
        let mut value = String::new();
        loop {
            if !value.is_empty() && self.skip(b'"') {
                return Some(value);
            }
            self.skip(b'\\');
            let (&byte, rest) = self.rest.split_first()?;
            if !is_token_byte(byte) {
                return None;
            }
            self.rest = rest;
            value.push(char::from(byte));
        }
    }
}
