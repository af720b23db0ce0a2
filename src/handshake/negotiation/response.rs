//! What a client reads in the header fields of a response (RFC 6455, section 4.1).
//!
//! Invariant: the fields are read in one pass, and nothing that was not offered is agreed on.

use super::key::ACCEPT_LEN;
use super::list::{Once, has_token};
use crate::handshake::error::HandshakeError;
use crate::handshake::extension::{Extension, ExtensionReader};
use crate::handshake::fields::is_of_connection;
use crate::handshake::headers::Headers;
use crate::handshake::token::is_token;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// What the header fields of a response say.
#[derive(Default)]
pub(in crate::handshake) struct ResponseFields<'h> {
    /// The first field that only HTTP/1.1 may have.
    of_connection: Option<&'h [u8]>,
    /// Whether it is `websocket`.
    upgrade: Once<bool>,
    names_upgrade: bool,
    accept: Once<&'h [u8]>,
    subprotocol: Once<&'h [u8]>,
    extensions: ExtensionReader,
}

impl<'h> ResponseFields<'h> {
    pub(in crate::handshake) fn read(headers: &'h Headers) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers.raw() {
            let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
            if is("upgrade") {
                let value = value.get().trim_ascii();
                fields
                    .upgrade
                    .found(value.eq_ignore_ascii_case(b"websocket"));
                fields.of_connection.get_or_insert(name);
            } else if is("connection") {
                fields.names_upgrade |= has_token(value.get(), "upgrade");
                fields.of_connection.get_or_insert(name);
            } else if is("sec-websocket-accept") {
                fields.accept.found(value.get().trim_ascii());
            } else if is("sec-websocket-protocol") {
                fields.subprotocol.found(value.get().trim_ascii());
            } else if is("sec-websocket-extensions") {
                fields.extensions.line(value.get());
            } else if is_of_connection(name, value.get()) {
                fields.of_connection.get_or_insert(name);
            }
        }
        fields
    }

    /// What a response with status 101 must have.
    pub(in crate::handshake) fn check_upgrade(
        &self,
        accept: [u8; ACCEPT_LEN],
    ) -> Result<(), HandshakeError> {
        if self.upgrade != Once::Found(true) {
            Err(HandshakeError::Upgrade)
        } else if !self.names_upgrade {
            Err(HandshakeError::Connection)
        } else if self.accept != Once::Found(&accept) {
            Err(HandshakeError::Accept)
        } else {
            Ok(())
        }
    }

    /// RFC 9113, section 8.2.2: HTTP/2 and HTTP/3 have no fields that concern one connection.
    pub(in crate::handshake) fn check_multiplexed(&self) -> Result<(), HandshakeError> {
        match self.of_connection {
            Some(name) => Err(HandshakeError::Field(String::from_utf8_lossy(name).into())),
            None => Ok(()),
        }
    }

    /// The extensions that the server accepted, after the check that it chose a subprotocol and
    /// extensions among those offered. Also whether it chose a subprotocol.
    pub(in crate::handshake) fn agreed(
        self,
        subprotocols: &[String],
        extensions: &[Extension],
    ) -> Result<(bool, Vec<Extension>), HandshakeError> {
        let has_subprotocol = match self.subprotocol {
            Once::Absent => false,
            Once::Found(name) if subprotocols.iter().any(|o| o.as_bytes() == name) => true,
            Once::Found(name) if is_token(name) => {
                let name: Box<str> = String::from_utf8_lossy(name).into();
                return Err(HandshakeError::SubprotocolNotOffered(name));
            }
            Once::Found(_) | Once::Repeated => return Err(HandshakeError::Subprotocol),
        };
        let agreed = self.extensions.finish();
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
        // No more than were offered.
        Ok((has_subprotocol, agreed.iter().collect()))
    }
}
