//! Lists of extensions (RFC 6455, section 9.1). Its law: what does not fit the grammar is an
//! error as a whole, and every octet is looked at once.

use crate::handshake::headers::{FieldError, is_token, is_token_octet};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// An extension with its parameters, offered or accepted (RFC 6455, section 9.1).
///
/// Names are compared letter by letter.
///
/// ```
/// use sansocket::negotiation::Extension;
///
/// let offer = Extension::new("bbf-usp-protocol")?.param("eid", Some("x"))?;
/// assert_eq!(offer.to_string(), "bbf-usp-protocol; eid=x");
/// # Ok::<(), sansocket::FieldError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    name: String,
    params: Vec<(String, Option<String>)>,
}

impl Extension {
    /// An extension without parameters.
    ///
    /// # Errors
    ///
    /// [`FieldError::Extension`] if the name is not a token.
    pub fn new(name: &str) -> Result<Self, FieldError> {
        Ok(Self {
            name: token(name)?,
            params: Vec::new(),
        })
    }

    /// The same with one more parameter, which may have a value.
    ///
    /// # Errors
    ///
    /// [`FieldError::Extension`] if name or value is not a token.
    pub fn param(mut self, name: &str, value: Option<&str>) -> Result<Self, FieldError> {
        self.params
            .push((token(name)?, value.map(token).transpose()?));
        Ok(self)
    }

    /// An extension with a name that is known to be a token.
    #[cfg(feature = "deflate")]
    pub(super) fn known(name: &str) -> Self {
        Self {
            name: name.into(),
            params: Vec::new(),
        }
    }

    /// The same with one more parameter, which is known to be made of tokens.
    #[cfg(feature = "deflate")]
    pub(super) fn with(mut self, name: &str, value: Option<String>) -> Self {
        self.params.push((name.into(), value));
        self
    }

    /// The name, as `permessage-deflate`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Names and values of the parameters, in order; a name may be there more than once.
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
    /// [`FieldError::Extension`] if they do not fit the grammar. A server answers with 400,
    /// a client ends the handshake.
    pub fn parse_list<'a>(values: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Self>, FieldError> {
        let (mut list, mut any_field) = (Vec::new(), false);
        for value in values {
            any_field = true;
            let mut rest = Scanner { rest: value };
            loop {
                rest.skip_space();
                if let Some(name) = rest.token() {
                    list.push(rest.extension(name)?);
                }
                // Empty elements are skipped (RFC 9110, section 5.6.1).
                match rest.next() {
                    Some(b',') => {}
                    None => break,
                    Some(_) => return Err(FieldError::Extension),
                }
            }
        }
        if any_field && list.is_empty() {
            return Err(FieldError::Extension);
        }
        Ok(list)
    }
}

impl fmt::Display for Extension {
    /// As in the header field, with tokens for values.
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

fn token(text: &str) -> Result<String, FieldError> {
    if is_token(text.as_bytes()) {
        Ok(text.into())
    } else {
        Err(FieldError::Extension)
    }
}

/// What is left of a field's value.
struct Scanner<'a> {
    rest: &'a [u8],
}

impl Scanner<'_> {
    /// `; name`, `; name=value` …, up to a comma or the end.
    fn extension(&mut self, name: String) -> Result<Extension, FieldError> {
        let mut params = Vec::new();
        loop {
            self.skip_space();
            if !self.skip(b';') {
                return Ok(Extension { name, params });
            }
            self.skip_space();
            let param = self.token().ok_or(FieldError::Extension)?;
            self.skip_space();
            let value = if self.skip(b'=') {
                self.skip_space();
                let value = if self.skip(b'"') {
                    self.quoted()
                } else {
                    self.token()
                };
                Some(value.ok_or(FieldError::Extension)?)
            } else {
                None
            };
            params.push((param, value));
        }
    }

    fn next(&mut self) -> Option<u8> {
        let (&octet, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(octet)
    }

    fn skip(&mut self, octet: u8) -> bool {
        let is_there = self.rest.first() == Some(&octet);
        if is_there {
            self.next();
        }
        is_there
    }

    fn skip_space(&mut self) {
        while self.skip(b' ') || self.skip(b'\t') {}
    }

    fn token(&mut self) -> Option<String> {
        let end = self.rest.iter().position(|&octet| !is_token_octet(octet));
        let (token, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        let token = core::str::from_utf8(token).ok()?;
        (!token.is_empty()).then(|| token.into())
    }

    /// Behind the opening quote. What the quotes hold must be a token, too.
    fn quoted(&mut self) -> Option<String> {
        let mut value = String::new();
        loop {
            let octet = match self.next()? {
                b'"' => return (!value.is_empty()).then_some(value),
                b'\\' => self.next()?,
                octet => octet,
            };
            if !is_token_octet(octet) {
                return None;
            }
            value.push(char::from(octet));
        }
    }
}
