//! What a server reads in the header fields of a request (RFC 6455, section 4.2.1).
//!
//! Invariant: the fields are read in one pass, and one that does not fit its grammar refuses the
//! request, even where nothing depends on it.

use super::key::{KEY_LEN, valid_key};
use super::list::{Once, has_token};
use super::subprotocol::{SubprotocolReader, Subprotocols};
use crate::handshake::error::HandshakeError;
use crate::handshake::extension::{ExtensionReader, Extensions};
use crate::handshake::fields::is_of_connection;
use crate::handshake::headers::{Headers, Place};
use crate::handshake::http1::body::decimal;
use crate::handshake::uri::Authority;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;

/// What the header fields of a request say.
#[derive(Default)]
pub(in crate::handshake) struct RequestFields {
    /// `None` in it: the value is no host.
    host: Once<Option<Place>>,
    /// `None` in it: the value is no length.
    length: Once<Option<u64>>,
    has_transfer_encoding: bool,
    /// The first field that only HTTP/1.1 may have.
    of_connection: Option<Box<str>>,
    names_websocket: bool,
    names_upgrade: bool,
    key: Once<Option<[u8; KEY_LEN]>>,
    version: Once<Option<u8>>,
    /// Whether it is text.
    origin: Once<bool>,
    subprotocols: SubprotocolReader,
    extensions: ExtensionReader,
}

impl RequestFields {
    pub(in crate::handshake) fn read(headers: &Headers) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers.raw() {
            let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
            if is("host") {
                let host = core::str::from_utf8(value.get().trim_ascii()).ok();
                let host = host.filter(|host| Authority::parse(host).is_ok());
                let place = host.map(|host| headers.place_of(Cow::Borrowed(host)));
                fields.host.found(place);
            } else if is("upgrade") {
                fields.names_websocket |= has_token(value.get(), "websocket");
                fields.only_in_http1(name);
            } else if is("connection") {
                fields.names_upgrade |= has_token(value.get(), "upgrade");
                fields.only_in_http1(name);
            } else if is("sec-websocket-key") {
                fields.key.found(valid_key(value.get()));
            } else if is("sec-websocket-version") {
                let number = version_number(value.get().trim_ascii());
                fields.version.found(number);
            } else if is("sec-websocket-protocol") {
                fields.subprotocols.line(value.get());
            } else if is("sec-websocket-extensions") {
                fields.extensions.line(value.get());
            } else if is("origin") {
                let is_text = core::str::from_utf8(value.get()).is_ok();
                fields.origin.found(is_text);
            } else if is("content-length") {
                let value = value.get().trim_ascii();
                // Some read a number after a zero as octal, so this is no number.
                let is_plain = value == b"0" || !value.starts_with(b"0");
                let length = decimal(value).filter(|_| is_plain);
                fields.length.found(length);
            } else if is("transfer-encoding") {
                fields.has_transfer_encoding = true;
                fields.only_in_http1(name);
            } else if is_of_connection(name, value.get()) {
                fields.only_in_http1(name);
            }
        }
        fields
    }

    fn only_in_http1(&mut self, name: &[u8]) {
        let name = || String::from_utf8_lossy(name).into();
        self.of_connection.get_or_insert_with(name);
    }

    /// The value of `Host`, if there is one (RFC 9112, section 3.2).
    pub(in crate::handshake) fn take_host(&mut self) -> Result<Option<Place>, HandshakeError> {
        match core::mem::take(&mut self.host) {
            Once::Absent => Ok(None),
            Once::Found(Some(host)) => Ok(Some(host)),
            Once::Found(None) | Once::Repeated => Err(HandshakeError::Host),
        }
    }

    /// Whether content follows the head. If that is not clear, two servers may see two different
    /// requests (RFC 9112, section 11.2).
    pub(in crate::handshake) fn has_content(&self) -> Result<bool, HandshakeError> {
        match (self.length, self.has_transfer_encoding) {
            (Once::Absent, coded) => Ok(coded),
            (Once::Found(Some(length)), false) => Ok(length > 0),
            // RFC 9112, section 6.3: a wrong length, or two ways to say it.
            _ => Err(HandshakeError::Content),
        }
    }

    /// The key of a request that asks for an upgrade of HTTP/1.1.
    pub(in crate::handshake) fn upgrade_key(&self) -> Result<[u8; KEY_LEN], HandshakeError> {
        match self.key {
            _ if !self.names_websocket || !self.names_upgrade => Err(HandshakeError::NotUpgrade),
            Once::Found(Some(key)) => Ok(key),
            _ => Err(HandshakeError::Key),
        }
    }

    /// RFC 9113, section 8.2.2: HTTP/2 and HTTP/3 have no fields that concern one connection.
    pub(in crate::handshake) fn check_multiplexed(&mut self) -> Result<(), HandshakeError> {
        let name = self.of_connection.take();
        name.map_or(Ok(()), |name| Err(HandshakeError::Field(name)))
    }

    /// What all versions of HTTP have alike: the subprotocols and extensions that are offered.
    pub(in crate::handshake) fn offered(
        self,
    ) -> Result<(Subprotocols, Extensions), HandshakeError> {
        match self.version {
            Once::Found(Some(13)) => {}
            Once::Found(Some(other)) => return Err(HandshakeError::VersionUnsupported(other)),
            _ => return Err(HandshakeError::VersionMalformed),
        }
        if !matches!(self.origin, Once::Absent | Once::Found(true)) {
            return Err(HandshakeError::Origin);
        }
        let subprotocols = self.subprotocols.finish();
        let subprotocols = subprotocols.ok_or(HandshakeError::Subprotocol)?;
        let extensions = self.extensions.finish();
        let extensions = extensions.map_err(|_| HandshakeError::Extensions)?;
        Ok((subprotocols, extensions))
    }
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
