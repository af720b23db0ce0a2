//! What a client reads in the header fields of a response (RFC 6455, section 4.1).
//!
//! Invariant: nothing that was not offered is agreed on.

use super::key::accept_of;
use super::list::{Once, has_token};
use super::subprotocol::token;
use crate::handshake::error::HandshakeError;
use crate::handshake::extension::{Extension, ExtensionReader};
use crate::handshake::fault::FieldFault;
use crate::handshake::shown::Hidden;
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
        let mut has_extensions = false;
        for (name, value) in headers {
            let value = value.as_ref();
            match name.as_ref() {
                // An empty one chooses nothing: some servers always send the field.
                n if n.eq_ignore_ascii_case(b"sec-websocket-protocol")
                    && !value.trim_ascii().is_empty() =>
                {
                    chosen.found(among(subprotocols, value));
                }
                n if n.eq_ignore_ascii_case(b"sec-websocket-extensions") => {
                    has_extensions = true;
                    agreed.line(value);
                }
                _ => {}
            }
        }
        let chosen = chosen.at_most_once().map_err(HandshakeError::Subprotocol)?;
        let subprotocol = chosen.transpose()?;
        let agreed = agreed.finish().map_err(HandshakeError::Extensions)?;
        if has_extensions && agreed.is_empty() {
            return Err(HandshakeError::Extensions(FieldFault::Empty));
        }
        for (index, extension) in agreed.iter().enumerate() {
            let is_same = |other: &Extension| other.name() == extension.name();
            if !extensions.iter().any(is_same) {
                return Err(HandshakeError::ExtensionNotOffered(extension.name().into()));
            }
            if agreed.iter().take(index).any(|other| is_same(&other)) {
                return Err(HandshakeError::Extensions(FieldFault::Duplicate));
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

/// The one that was offered and has the name that this value is.
fn among(offered: &[impl AsRef<str>], value: &[u8]) -> Result<String, HandshakeError> {
    let name = token(value.trim_ascii(), value).map_err(HandshakeError::Subprotocol)?;
    if offered.iter().any(|offered| offered.as_ref() == name) {
        Ok(name.into())
    } else {
        Err(HandshakeError::SubprotocolNotOffered(name.into()))
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
    let (mut upgrade, mut accept) = (Once::Absent, Once::Absent);
    let mut connection = Err(FieldFault::Missing);
    for (name, value) in headers {
        let value = value.as_ref();
        match name.as_ref() {
            n if n.eq_ignore_ascii_case(b"upgrade") => {
                let value = value.trim_ascii();
                let is_right = value.eq_ignore_ascii_case(b"websocket");
                upgrade.found(only_if(is_right, value));
            }
            n if n.eq_ignore_ascii_case(b"connection") && connection.is_err() => {
                connection = only_if(has_token(value, "upgrade"), value);
            }
            n if n.eq_ignore_ascii_case(b"sec-websocket-accept") => {
                let value = value.trim_ascii();
                accept.found(only_if(*value == expected, value));
            }
            _ => {}
        }
    }
    let upgrade = upgrade.once().and_then(|upgrade| upgrade);
    upgrade.map_err(HandshakeError::Upgrade)?;
    connection.map_err(HandshakeError::Connection)?;
    let accept = accept.once().and_then(|accept| accept);
    accept.map_err(HandshakeError::Accept)
}

/// A value that is right, or the fault that shows it.
fn only_if(is_right: bool, value: &[u8]) -> Result<(), FieldFault> {
    is_right
        .then_some(())
        .ok_or_else(|| FieldFault::value(value))
}
