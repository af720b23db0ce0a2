//! A list of header fields that another HTTP implementation has read.
//!
//! Invariant: what is kept is bounded before it is kept. Pseudo-headers come first and once, and no
//! field can break out of its line.

use super::config::Config;
use super::error::HandshakeError;
use super::fields::is_of_connection;
use super::headers::{Headers, is_value};
use super::token::is_token;
use alloc::boxed::Box;
use alloc::string::String;

/// How much of a list is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    max_size: usize,
    max_headers: usize,
}

impl Limits {
    pub(super) const fn new(config: &Config) -> Self {
        Self {
            max_size: config.max_head_size,
            max_headers: config.max_headers,
        }
    }
}

/// Whose pseudo-headers a list may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    /// Of an upgrade of HTTP/1.1, or of HTTP/2 and HTTP/3.
    Response {
        is_multiplexed: bool,
    },
}

/// The fields of a list, and the values of its pseudo-headers.
#[derive(Default)]
pub(super) struct HeaderList {
    pub(super) headers: Headers,
    pub(super) method: Option<Box<str>>,
    pub(super) scheme: Option<Box<str>>,
    pub(super) authority: Option<Box<str>>,
    pub(super) path: Option<Box<str>>,
    pub(super) protocol: Option<Box<str>>,
    status: Option<Box<str>>,
    size: usize,
    count: usize,
}

impl HeaderList {
    /// Reads a list up to the first field that is wrong; the error says what is.
    pub(super) fn read(
        list: impl IntoIterator<Item = (impl AsRef<[u8]>, impl AsRef<[u8]>)>,
        kind: Kind,
        limits: Limits,
    ) -> (Self, Result<(), HandshakeError>) {
        let mut all = Self::default();
        let mut list = list.into_iter();
        let result = list.try_for_each(|(name, value)| {
            let (name, value) = (name.as_ref(), value.as_ref());
            all.check_size(name.len().saturating_add(value.len()), limits)?;
            if name.starts_with(b":") {
                all.pseudo_header(name, value, kind)
            } else {
                let is_multiplexed = match kind {
                    Kind::Request => all.scheme.is_some(),
                    Kind::Response { is_multiplexed } => is_multiplexed,
                };
                all.field(name, value.trim_ascii(), is_multiplexed, limits)
            }
        });
        (all, result)
    }

    fn check_size(&mut self, len: usize, limits: Limits) -> Result<(), HandshakeError> {
        // With the four bytes that a line of HTTP/1.1 has besides.
        self.size = self.size.saturating_add(len).saturating_add(4);
        let max = limits.max_size;
        if self.size > max {
            return Err(HandshakeError::HeadTooLarge { max });
        }
        Ok(())
    }

    fn field(
        &mut self,
        name: &[u8],
        value: &[u8],
        is_multiplexed: bool,
        limits: Limits,
    ) -> Result<(), HandshakeError> {
        self.count += 1;
        let max = limits.max_headers;
        if self.count > max {
            return Err(HandshakeError::TooManyHeaders { max });
        }
        // HTTP/2 and HTTP/3 have names in lower case, and none that concern one connection (RFC 9113,
        // sections 8.2.1 and 8.2.2).
        let is_good = |name: &str| {
            let is_lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
            !is_multiplexed || (is_lower && !is_of_connection(name, value))
        };
        match core::str::from_utf8(name) {
            Ok(name) if is_token(name.as_bytes()) && is_value(value) && is_good(name) => {
                self.headers.push_checked(name, value);
                Ok(())
            }
            _ => Err(HandshakeError::Field(lossy(name))),
        }
    }

    /// RFC 9113, section 8.3: known, once, and before all fields.
    fn pseudo_header(
        &mut self,
        name: &[u8],
        value: &[u8],
        kind: Kind,
    ) -> Result<(), HandshakeError> {
        let error = || HandshakeError::PseudoHeader(lossy(name));
        let place = match (kind, name) {
            (Kind::Request, b":method") => &mut self.method,
            (Kind::Request, b":scheme") => &mut self.scheme,
            (Kind::Request, b":authority") => &mut self.authority,
            (Kind::Request, b":path") => &mut self.path,
            (Kind::Request, b":protocol") => &mut self.protocol,
            (Kind::Response { .. }, b":status") => &mut self.status,
            _ => return Err(error()),
        };
        let value = core::str::from_utf8(value).map_err(|_| error())?;
        let is_bad = value.is_empty() || !is_value(value.as_bytes());
        if self.count > 0 || place.is_some() || is_bad {
            return Err(error());
        }
        *place = Some(value.into());
        Ok(())
    }
}

fn lossy(name: &[u8]) -> Box<str> {
    String::from_utf8_lossy(name).into()
}
