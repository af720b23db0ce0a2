//! What a client reads in the header fields of a response (RFC 6455, section 4.1).
//!
//! Invariant: the fields are read in one pass, and nothing that was not offered is agreed on.

use super::key::ACCEPT_LEN;
use super::list::{Once, has_token};
use super::subprotocol::token;
use crate::handshake::error::HandshakeError;
use crate::handshake::extension::{Extension, ExtensionReader};
use crate::handshake::fault::FieldFault;
use crate::handshake::headers::Headers;
use alloc::string::String;
use alloc::vec::Vec;

/// What the header fields of a response say.
#[derive(Default)]
pub(in crate::handshake) struct ResponseFields<'h> {
    upgrade: Once<&'h [u8]>,
    /// The last `Connection`, if none names `Upgrade`.
    connection: Option<&'h [u8]>,
    names_upgrade: bool,
    accept: Once<&'h [u8]>,
    subprotocol: Once<&'h [u8]>,
    has_extensions: bool,
    extensions: ExtensionReader,
}

impl<'h> ResponseFields<'h> {
    pub(in crate::handshake) fn read(headers: &'h Headers) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers.raw() {
            let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
            if is("upgrade") {
                fields.upgrade.found(value.get().trim_ascii());
            } else if is("connection") {
                fields.names_upgrade |= has_token(value.get(), "upgrade");
                fields.connection = Some(value.get());
            } else if is("sec-websocket-accept") {
                fields.accept.found(value.get().trim_ascii());
            } else if is("sec-websocket-protocol") {
                // An empty one chooses nothing: some servers always send the field.
                if !value.get().trim_ascii().is_empty() {
                    fields.subprotocol.found(value.get());
                }
            } else if is("sec-websocket-extensions") {
                fields.has_extensions = true;
                fields.extensions.line(value.get());
            }
        }
        fields
    }

    /// What a response with status 101 must have.
    pub(in crate::handshake) fn check_upgrade(
        &self,
        accept: &[u8; ACCEPT_LEN],
    ) -> Result<(), HandshakeError> {
        let upgrade = self.upgrade.once();
        let upgrade = upgrade.and_then(|v| only_if(v.eq_ignore_ascii_case(b"websocket"), v));
        upgrade.map_err(HandshakeError::Upgrade)?;
        let connection = self.connection.ok_or(FieldFault::Missing);
        let connection = connection.and_then(|value| only_if(self.names_upgrade, value));
        connection.map_err(HandshakeError::Connection)?;
        let found = self.accept.once();
        let found = found.and_then(|value| only_if(value == accept, value));
        found.map_err(HandshakeError::Accept)
    }

    /// The extensions that the server accepted, after the check that it chose a subprotocol and
    /// extensions among those offered. Also whether it chose a subprotocol.
    pub(in crate::handshake) fn agreed(
        self,
        subprotocols: &[String],
        extensions: &[Extension],
    ) -> Result<(bool, Vec<Extension>), HandshakeError> {
        let chosen = self.subprotocol.at_most_once();
        let chosen = chosen.map_err(HandshakeError::Subprotocol)?;
        if let Some(value) = chosen {
            let name = token(value.trim_ascii(), value).map_err(HandshakeError::Subprotocol)?;
            if !subprotocols.iter().any(|offered| offered == name) {
                return Err(HandshakeError::SubprotocolNotOffered(name.into()));
            }
        }
        let agreed = self
            .extensions
            .finish()
            .map_err(HandshakeError::Extensions)?;
        if self.has_extensions && agreed.is_empty() {
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
        // No more than were offered.
        Ok((chosen.is_some(), agreed.iter().collect()))
    }
}

/// A value that is right, or the fault that shows it.
fn only_if(is_right: bool, value: &[u8]) -> Result<(), FieldFault> {
    let right = is_right.then_some(());
    right.ok_or_else(|| FieldFault::value(value))
}
