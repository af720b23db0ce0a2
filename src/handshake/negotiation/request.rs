//! What a server reads from the header fields of a request (RFC 6455, section 4.2.1). Its law: a
//! field that does not fit its grammar refuses the request, even where nothing depends on it.
//!
//! One pass finds the fields; only lists that are there cost another one.

use super::extension::Extension;
use super::key::is_valid_key;
use super::list::{Once, Repeated, line_has_token, values};
use super::subprotocol;
use crate::handshake::error::RequestError;
use alloc::string::String;
use alloc::vec::Vec;

/// What a client offers, over any version of HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offer {
    /// Subprotocols in the client's order, all different (RFC 6455, section 1.9).
    pub subprotocols: Vec<String>,
    /// Extensions in the client's order (RFC 6455, section 9.1).
    pub extensions: Vec<Extension>,
    /// Which site the page came from, if a browser sent the request (RFC 6455, section 10.2).
    pub origin: Option<String>,
}

impl Offer {
    /// Reads the fields that all versions of HTTP have: version, subprotocols, extensions,
    /// origin. Whether the origin is taken is for an
    /// [`OriginPolicy`](super::OriginPolicy) to say.
    ///
    /// # Errors
    ///
    /// [`RequestError::VersionMalformed`], [`RequestError::VersionUnsupported`],
    /// [`RequestError::Subprotocol`], [`RequestError::Extensions`], [`RequestError::Origin`].
    pub fn read<'a>(
        headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    ) -> Result<Self, RequestError> {
        let Offered {
            subprotocols,
            extensions,
            origin,
        } = Offered::read(headers)?;
        Ok(Self {
            subprotocols,
            extensions,
            origin: origin.map(String::from),
        })
    }
}

/// An [`Offer`] before the origin is copied.
pub(crate) struct Offered<'a> {
    pub(crate) subprotocols: Vec<String>,
    pub(crate) extensions: Vec<Extension>,
    pub(crate) origin: Option<&'a str>,
}

impl<'a> Offered<'a> {
    pub(crate) fn read<N: AsRef<[u8]>>(
        headers: impl Iterator<Item = (N, &'a [u8])> + Clone,
    ) -> Result<Self, RequestError> {
        let (mut version, mut origin) = (Once::ABSENT, Once::ABSENT);
        let (mut has_subprotocols, mut has_extensions) = (false, false);
        for (name, value) in headers.clone() {
            match name.as_ref() {
                n if n.eq_ignore_ascii_case(b"sec-websocket-version") => version.found(value),
                n if n.eq_ignore_ascii_case(b"origin") => origin.found(value),
                n if n.eq_ignore_ascii_case(b"sec-websocket-protocol") => has_subprotocols = true,
                n if n.eq_ignore_ascii_case(b"sec-websocket-extensions") => has_extensions = true,
                _ => {}
            }
        }
        check_version(version.0)?;
        let origin = match origin.0 {
            Ok(None) => None,
            Ok(Some(origin)) => {
                Some(core::str::from_utf8(origin).map_err(|_| RequestError::Origin)?)
            }
            Err(Repeated) => return Err(RequestError::Origin),
        };
        let (mut subprotocols, mut extensions) = (Vec::new(), Vec::new());
        if has_subprotocols {
            subprotocols = subprotocol::read_offered(headers.clone())?;
        }
        if has_extensions {
            let lines = values(headers, "sec-websocket-extensions");
            extensions = Extension::parse_list(lines).map_err(|_| RequestError::Extensions)?;
        }
        Ok(Self {
            subprotocols,
            extensions,
            origin,
        })
    }
}

/// Reads the fields of the upgrade mechanism of HTTP/1.1, and returns the key which
/// [`accept_key`](super::accept_key) answers.
///
/// # Errors
///
/// [`RequestError::NotUpgrade`] if the request asks for no upgrade to WebSocket, and
/// [`RequestError::Key`].
pub fn read_upgrade<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
) -> Result<&'a str, RequestError> {
    upgrade_key(headers)
}

/// [`read_upgrade`] for names of any kind.
pub(crate) fn upgrade_key<'a, N: AsRef<[u8]>>(
    headers: impl Iterator<Item = (N, &'a [u8])>,
) -> Result<&'a str, RequestError> {
    let (mut upgrade, mut connection, mut key) = (false, false, Once::ABSENT);
    for (name, value) in headers {
        match name.as_ref() {
            n if n.eq_ignore_ascii_case(b"upgrade") => {
                upgrade |= line_has_token(value, "websocket");
            }
            n if n.eq_ignore_ascii_case(b"connection") => {
                connection |= line_has_token(value, "upgrade");
            }
            n if n.eq_ignore_ascii_case(b"sec-websocket-key") => key.found(value),
            _ => {}
        }
    }
    if !upgrade || !connection {
        return Err(RequestError::NotUpgrade);
    }
    let Ok(Some(key)) = key.0 else {
        return Err(RequestError::Key);
    };
    match core::str::from_utf8(key) {
        Ok(key) if is_valid_key(key) => Ok(key),
        _ => Err(RequestError::Key),
    }
}

/// RFC 6455, section 4.3: a version is a number from 0 to 255 without leading zeros.
fn check_version(version: Result<Option<&[u8]>, Repeated>) -> Result<(), RequestError> {
    let digits = match version {
        Ok(Some(b"13")) => return Ok(()),
        Ok(Some(digits)) => digits,
        Ok(None) | Err(Repeated) => return Err(RequestError::VersionMalformed),
    };
    let is_number =
        digits.iter().all(u8::is_ascii_digit) && (digits == b"0" || !digits.starts_with(b"0"));
    let number = core::str::from_utf8(digits)
        .ok()
        .and_then(|d| d.parse::<u8>().ok());
    Err(match number {
        Some(_) if is_number => RequestError::VersionUnsupported,
        _ => RequestError::VersionMalformed,
    })
}
