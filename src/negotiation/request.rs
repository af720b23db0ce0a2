//! What a server reads from the header fields of a request (RFC 6455, section 4.2.1). Its law: a
//! field that does not fit its grammar refuses the request, even where nothing depends on it.

use super::extension::Extension;
use super::key::is_valid_key;
use super::list::{Repeated, has_token, only, values};
use super::subprotocol;
use crate::error::RequestError;
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
        check_version(only(headers.clone(), "sec-websocket-version"))?;
        let origin = match only(headers.clone(), "origin") {
            Ok(None) => None,
            Ok(Some(origin)) => {
                Some(core::str::from_utf8(origin).map_err(|_| RequestError::Origin)?)
            }
            Err(Repeated) => return Err(RequestError::Origin),
        };
        let extensions = values(headers.clone(), "sec-websocket-extensions");
        Ok(Self {
            subprotocols: subprotocol::read_offered(headers)?,
            extensions: Extension::parse_list(extensions).map_err(|_| RequestError::Extensions)?,
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
    headers: impl Iterator<Item = (N, &'a [u8])> + Clone,
) -> Result<&'a str, RequestError> {
    if !has_token(headers.clone(), "upgrade", "websocket")
        || !has_token(headers.clone(), "connection", "upgrade")
    {
        return Err(RequestError::NotUpgrade);
    }
    let Ok(Some(key)) = only(headers, "sec-websocket-key") else {
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
