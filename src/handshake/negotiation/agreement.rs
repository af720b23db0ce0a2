//! What a client reads in the header fields of a response (RFC 6455, section 4.1).
//!
//! Invariant: nothing that was not offered is agreed on.

use super::key::accept_of;
use super::list::{Once, has_token};
use crate::handshake::error::HandshakeError;
use crate::handshake::extension::{Extension, ExtensionReader};
use crate::handshake::shown::Hidden;
use crate::handshake::token::is_token;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What client and server agreed on, over any version of HTTP.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Agreement {
    /// The subprotocol, one of those offered (RFC 6455, section 1.9).
    pub subprotocol: Option<String>,
    /// The extensions, among those offered (RFC 6455, section 9.1).
    pub extensions: Vec<Extension>,
}

impl Agreement {
    /// Reads a server's answer to what was offered.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Subprotocol`] and [`HandshakeError::Extensions`] if the answer does not
    /// fit its grammar, [`HandshakeError::SubprotocolNotOffered`] and
    /// [`HandshakeError::ExtensionNotOffered`] if it names what was not offered.
    pub fn read(
        headers: impl IntoIterator<Item = (impl AsRef<[u8]>, impl AsRef<[u8]>)>,
        subprotocols: &[impl AsRef<str>],
        extensions: &[Extension],
    ) -> Result<Self, HandshakeError> {
        let mut chosen = Once::Absent;
        let mut agreed = ExtensionReader::default();
        for (name, value) in headers {
            let value = value.as_ref();
            match name.as_ref() {
                n if n.eq_ignore_ascii_case(b"sec-websocket-protocol") => {
                    chosen.found(among(subprotocols, value.trim_ascii()));
                }
                n if n.eq_ignore_ascii_case(b"sec-websocket-extensions") => agreed.line(value),
                _ => {}
            }
        }
        let subprotocol = match chosen {
            Once::Absent => None,
            Once::Found(name) => Some(name?),
            Once::Repeated => return Err(HandshakeError::Subprotocol),
        };
        let agreed = agreed.finish();
        let agreed = agreed.map_err(|_| HandshakeError::Extensions)?;
        for (index, extension) in agreed.iter().enumerate() {
            let is_same = |other: &Extension| other.name() == extension.name();
            if !extensions.iter().any(is_same) {
                return Err(HandshakeError::ExtensionNotOffered(extension.name().into()));
            }
            if agreed.iter().take(index).any(|other| is_same(&other)) {
                return Err(HandshakeError::Extensions);
            }
        }
        Ok(Self {
            subprotocol,
            // No more than were offered.
            extensions: agreed.iter().collect(),
        })
    }
}

impl fmt::Debug for Agreement {
    /// Hides the subprotocol, where browsers put tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agreement")
            .field("subprotocol", &self.subprotocol.as_deref().map(Hidden))
            .field("extensions", &self.extensions)
            .finish()
    }
}

/// The one that was offered and has this name.
fn among(offered: &[impl AsRef<str>], name: &[u8]) -> Result<String, HandshakeError> {
    let mut offered = offered.iter().map(AsRef::as_ref);
    match offered.find(|offered: &&str| offered.as_bytes() == name) {
        Some(offered) => Ok(offered.into()),
        None if is_token(name) => {
            let name = String::from_utf8_lossy(name).into();
            Err(HandshakeError::SubprotocolNotOffered(name))
        }
        None => Err(HandshakeError::Subprotocol),
    }
}

/// Checks the fields of the upgrade mechanism of HTTP/1.1 in a response with status 101, to a
/// request that had this key.
///
/// # Errors
///
/// [`HandshakeError::Upgrade`], [`HandshakeError::Connection`] and [`HandshakeError::Accept`].
pub fn check_upgrade(
    headers: impl IntoIterator<Item = (impl AsRef<[u8]>, impl AsRef<[u8]>)>,
    key: impl AsRef<[u8]>,
) -> Result<(), HandshakeError> {
    let expected = accept_of(key.as_ref());
    let (mut upgrade, mut connection, mut accept) = (Once::Absent, false, Once::Absent);
    for (name, value) in headers {
        let value = value.as_ref();
        match name.as_ref() {
            n if n.eq_ignore_ascii_case(b"upgrade") => {
                upgrade.found(value.trim_ascii().eq_ignore_ascii_case(b"websocket"));
            }
            n if n.eq_ignore_ascii_case(b"connection") => connection |= has_token(value, "upgrade"),
            n if n.eq_ignore_ascii_case(b"sec-websocket-accept") => {
                accept.found(*value.trim_ascii() == expected);
            }
            _ => {}
        }
    }
    if upgrade != Once::Found(true) {
        Err(HandshakeError::Upgrade)
    } else if !connection {
        Err(HandshakeError::Connection)
    } else if accept != Once::Found(true) {
        Err(HandshakeError::Accept)
    } else {
        Ok(())
    }
}
