//! What a server reads in the header fields of a request (RFC 6455, section 4.2.1).
//!
//! Invariant: a field that does not fit its grammar refuses the request, even where nothing
//! depends on it.

use super::key::{KEY_LEN, is_valid_key};
use super::list::{Once, has_token};
use super::subprotocol::{SubprotocolReader, Subprotocols};
use crate::handshake::error::HandshakeError;
use crate::handshake::extension::{Extension, ExtensionReader, Extensions};
use crate::handshake::fault::FieldFault;
use crate::handshake::shown::without_secrets;
use alloc::string::String;
use core::fmt;

/// What a client offers, over any version of HTTP.
///
/// Lists are kept as text, as long as the client sent it at most.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offer {
    pub(in crate::handshake) subprotocols: Subprotocols,
    pub(in crate::handshake) extensions: Extensions,
    /// The site that the page came from, if a browser sent the request (RFC 6455, section 10.2).
    pub origin: Option<String>,
}

impl Offer {
    /// Reads the fields that all versions of HTTP have: version, subprotocols, extensions,
    /// origin.
    ///
    /// Ask an [`OriginPolicy`](crate::OriginPolicy) whether the origin is allowed.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::VersionMalformed`], [`HandshakeError::VersionUnsupported`],
    /// [`HandshakeError::Origin`], [`HandshakeError::Subprotocol`],
    /// [`HandshakeError::Extensions`].
    pub fn read(
        headers: impl IntoIterator<Item = (impl AsRef<[u8]>, impl AsRef<[u8]>)>,
    ) -> Result<Self, HandshakeError> {
        let (mut version, mut origin) = (Once::Absent, Once::Absent);
        let mut subprotocols = SubprotocolReader::default();
        let mut extensions = ExtensionReader::default();
        for (name, value) in headers {
            match name.as_ref() {
                n if n.eq_ignore_ascii_case(b"sec-websocket-version") => {
                    let value = value.as_ref().trim_ascii();
                    version.found(version_number(value).ok_or_else(|| FieldFault::value(value)));
                }
                n if n.eq_ignore_ascii_case(b"origin") => {
                    let value = value.as_ref().trim_ascii();
                    origin.found(text(value).map(String::from));
                }
                n if n.eq_ignore_ascii_case(b"sec-websocket-protocol") => {
                    subprotocols.line(value.as_ref());
                }
                n if n.eq_ignore_ascii_case(b"sec-websocket-extensions") => {
                    extensions.line(value.as_ref());
                }
                _ => {}
            }
        }
        match version.once().and_then(|version| version) {
            Ok(13) => {}
            Ok(other) => return Err(HandshakeError::VersionUnsupported(other)),
            Err(fault) => return Err(HandshakeError::VersionMalformed(fault)),
        }
        let origin = origin.at_most_once().and_then(Option::transpose);
        let origin = origin.map_err(HandshakeError::Origin)?;
        let subprotocols = subprotocols.finish();
        let subprotocols = subprotocols.map_err(HandshakeError::Subprotocol)?;
        let extensions = extensions.finish().map_err(HandshakeError::Extensions)?;
        Ok(Self {
            subprotocols,
            extensions,
            origin,
        })
    }

    /// Returns the subprotocols in the client's order, all different (RFC 6455, section 1.9).
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.subprotocols.iter()
    }

    /// Returns the extensions in the client's order (RFC 6455, section 9.1).
    pub fn extensions(&self) -> impl Iterator<Item = Extension> {
        self.extensions.iter()
    }
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer")
            .field("subprotocols", &self.subprotocols)
            .field("extensions", &self.extensions)
            .field("origin", &self.origin.as_deref().map(without_secrets))
            .finish()
    }
}

/// Reads the fields of the upgrade mechanism of HTTP/1.1, and returns the key that
/// [`accept_key`](super::accept_key) answers.
///
/// # Errors
///
/// [`HandshakeError::NotUpgrade`] if the request asks for no upgrade to WebSocket, and
/// [`HandshakeError::Key`].
pub fn read_upgrade(
    headers: impl IntoIterator<Item = (impl AsRef<[u8]>, impl AsRef<[u8]>)>,
) -> Result<[u8; 24], HandshakeError> {
    let (mut upgrade, mut connection, mut key) = (false, false, Once::Absent);
    for (name, value) in headers {
        match name.as_ref() {
            n if n.eq_ignore_ascii_case(b"upgrade") => {
                upgrade |= has_token(value.as_ref(), "websocket");
            }
            n if n.eq_ignore_ascii_case(b"connection") => {
                connection |= has_token(value.as_ref(), "upgrade");
            }
            n if n.eq_ignore_ascii_case(b"sec-websocket-key") => {
                key.found(valid_key(value.as_ref()));
            }
            _ => {}
        }
    }
    if !upgrade || !connection {
        return Err(HandshakeError::NotUpgrade {
            upgrade,
            connection,
        });
    }
    let key = key.once().and_then(|key| key);
    key.map_err(HandshakeError::Key)
}

/// A key is not shown: only its length.
fn valid_key(value: &[u8]) -> Result<[u8; KEY_LEN], FieldFault> {
    let key = value.trim_ascii();
    let valid = key.try_into().ok().filter(|_| is_valid_key(key));
    valid.ok_or(FieldFault::Length(key.len()))
}

/// A value that is UTF-8.
fn text(value: &[u8]) -> Result<&str, FieldFault> {
    core::str::from_utf8(value).map_err(|error| {
        let (_, rest) = value.split_at(error.valid_up_to());
        FieldFault::at_rest(value, rest)
    })
}

/// RFC 6455, section 4.3: a version is a number from 0 to 255 without leading zeros.
fn version_number(value: &[u8]) -> Option<u8> {
    if value.is_empty() || (value.starts_with(b"0") && value != b"0") {
        return None;
    }
    value.iter().try_fold(0_u8, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
        number.checked_mul(10)?.checked_add(digit)
    })
}
