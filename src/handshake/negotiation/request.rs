//! What a server reads in the header fields of a request (RFC 6455, section 4.2.1).
//!
//! Invariant: the fields are read in one pass, and one that does not fit its grammar refuses the
//! request, even where nothing depends on it.

use super::key::{KEY_LEN, valid_key};
use super::list::{Once, has_token};
use super::subprotocol::{SubprotocolReader, Subprotocols};
use crate::handshake::error::HandshakeError;
use crate::handshake::extension::{ExtensionReader, Extensions};
use crate::handshake::fault::FieldFault;
use crate::handshake::headers::{Headers, Place};
use crate::handshake::http1::body::decimal;
use crate::handshake::uri::Authority;
use alloc::borrow::Cow;
use core::mem;

/// What the header fields of a request say.
#[derive(Default)]
pub(in crate::handshake) struct RequestFields {
    host: Once<Result<Place, FieldFault>>,
    length: Once<Length>,
    /// What `Transfer-Encoding` says.
    coding: Option<FieldFault>,
    /// What says that content follows the head.
    content: Option<HandshakeError>,
    names_websocket: bool,
    names_upgrade: bool,
    key: Once<Result<[u8; KEY_LEN], FieldFault>>,
    version: Once<Result<u8, FieldFault>>,
    origin: Once<Result<Place, FieldFault>>,
    subprotocols: SubprotocolReader,
    extensions: ExtensionReader,
}

/// What a `Content-Length` says.
enum Length {
    Zero,
    Content(FieldFault),
    Wrong(FieldFault),
}

impl RequestFields {
    pub(in crate::handshake) fn read(headers: &Headers) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers.raw() {
            let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
            if is("host") {
                let host = value.get().trim_ascii();
                fields.host.found(host_place(host, headers));
            } else if is("upgrade") {
                fields.names_websocket |= has_token(value.get(), "websocket");
            } else if is("connection") {
                fields.names_upgrade |= has_token(value.get(), "upgrade");
            } else if is("sec-websocket-key") {
                fields.key.found(valid_key(value.get()));
            } else if is("sec-websocket-version") {
                let value = value.get().trim_ascii();
                let number = version_number(value);
                fields
                    .version
                    .found(number.ok_or_else(|| FieldFault::value(value)));
            } else if is("sec-websocket-protocol") {
                fields.subprotocols.line(value.get());
            } else if is("sec-websocket-extensions") {
                fields.extensions.line(value.get());
            } else if is("origin") {
                let origin = value.get().trim_ascii();
                fields.origin.found(text_place(origin, headers));
            } else if is("content-length") {
                fields.length.found(length(value.get().trim_ascii()));
            } else if is("transfer-encoding") {
                fields.coding = Some(FieldFault::value(value.get().trim_ascii()));
            }
        }
        fields
    }

    /// The value of `Host`, if there is one (RFC 9112, section 3.2).
    pub(in crate::handshake) fn take_host(&mut self) -> Result<Option<Place>, HandshakeError> {
        let host = mem::take(&mut self.host).at_most_once();
        let host = host.and_then(Option::transpose);
        host.map_err(HandshakeError::Host)
    }

    /// If it is not clear whether content follows the head, two servers may see two different
    /// requests (RFC 9112, section 11.2).
    pub(in crate::handshake) fn check_framing(&mut self) -> Result<(), HandshakeError> {
        let length = mem::take(&mut self.length).at_most_once();
        let length = length.map_err(HandshakeError::ContentLength)?;
        let coding = self.coding.take().map(HandshakeError::TransferEncoding);
        self.content = match (length, coding) {
            (None, coding) => coding,
            (Some(Length::Zero), None) => None,
            (Some(Length::Content(fault)), None) => Some(HandshakeError::ContentLength(fault)),
            // RFC 9112, section 6.3: a wrong length, or two ways to say it.
            (Some(Length::Wrong(fault)), None) => return Err(HandshakeError::ContentLength(fault)),
            (Some(_), Some(coding)) => return Err(coding),
        };
        Ok(())
    }

    /// RFC 9110, section 9.3.1: no content follows the head of an opening handshake.
    pub(in crate::handshake) fn check_content(&mut self) -> Result<(), HandshakeError> {
        self.content.take().map_or(Ok(()), Err)
    }

    /// The key of a request that asks for an upgrade of HTTP/1.1.
    pub(in crate::handshake) fn take_key(&mut self) -> Result<[u8; KEY_LEN], HandshakeError> {
        let (upgrade, connection) = (self.names_websocket, self.names_upgrade);
        if !upgrade || !connection {
            return Err(HandshakeError::NotUpgrade {
                upgrade,
                connection,
            });
        }
        let key = mem::take(&mut self.key).once();
        key.and_then(|key| key).map_err(HandshakeError::Key)
    }

    /// What all versions of HTTP have alike: the origin, and the subprotocols and extensions that are
    /// offered. `is_upgrade` is for an error.
    pub(in crate::handshake) fn take_offer(
        &mut self,
        is_upgrade: bool,
    ) -> Result<(Option<Place>, Subprotocols, Extensions), HandshakeError> {
        match mem::take(&mut self.version)
            .once()
            .and_then(|version| version)
        {
            Ok(13) => {}
            Ok(found) => return Err(HandshakeError::VersionUnsupported { found, is_upgrade }),
            Err(fault) => return Err(HandshakeError::VersionMalformed(fault)),
        }
        let origin = mem::take(&mut self.origin)
            .at_most_once()
            .and_then(Option::transpose);
        let origin = origin.map_err(HandshakeError::Origin)?;
        let subprotocols = mem::take(&mut self.subprotocols).finish();
        let subprotocols = subprotocols.map_err(HandshakeError::Subprotocol)?;
        let extensions = mem::take(&mut self.extensions).finish();
        let extensions = extensions.map_err(HandshakeError::Extensions)?;
        Ok((origin, subprotocols, extensions))
    }
}

fn host_place(value: &[u8], headers: &Headers) -> Result<Place, FieldFault> {
    let host = core::str::from_utf8(value).ok();
    let host = host.filter(|host| Authority::parse(host).is_ok());
    let place = host.map(|host| headers.place_of(Cow::Borrowed(host)));
    place.ok_or_else(|| FieldFault::value(value))
}

fn length(value: &[u8]) -> Length {
    match decimal(value) {
        // Some read a number after a zero as octal, so this is no number.
        Some(0) if value == b"0" => Length::Zero,
        Some(1..) if !value.starts_with(b"0") => Length::Content(FieldFault::value(value)),
        _ => Length::Wrong(FieldFault::value(value)),
    }
}

/// The place of a value that is UTF-8.
fn text_place(value: &[u8], headers: &Headers) -> Result<Place, FieldFault> {
    match core::str::from_utf8(value) {
        Ok(text) => Ok(headers.place_of(Cow::Borrowed(text))),
        Err(error) => {
            let (_, rest) = value.split_at(error.valid_up_to());
            Err(FieldFault::at_rest(value, rest))
        }
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
