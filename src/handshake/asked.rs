//! What a client asks for in one opening handshake, and what a response must say to it.
//!
//! Invariant: the rules are the same over every version of HTTP, but for the fields of the upgrade.

use super::client_request::ClientRequest;
use super::config::{Config, Negotiator};
use super::error::HandshakeError;
use super::extension::Extension;
use super::headers::Headers;
use super::negotiation::key::{KEY_LEN, accept_of, key_of};
use super::negotiation::response::ResponseFields;
use crate::connection::Session;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What a client asks for.
pub(super) struct Asked {
    /// Of an upgrade: HTTP/2 and HTTP/3 have none (RFC 8441, section 5).
    key: Option<[u8; KEY_LEN]>,
    subprotocols: Vec<String>,
    requires_subprotocol: bool,
    /// All extensions that are offered, permessage-deflate among them.
    extensions: Vec<Extension>,
    required_extensions: Vec<String>,
    deflate: Negotiator,
}

/// What both sides agreed on.
pub(super) struct Agreed {
    deflate: Option<Extension>,
    /// Extensions that the client requires and the server did not accept.
    pub(super) missing: Vec<String>,
}

impl Asked {
    /// `nonce` is that of an upgrade. It must be fresh and unpredictable (RFC 6455, section 4.1).
    pub(super) fn new(request: &ClientRequest, config: &Config, nonce: Option<[u8; 16]>) -> Self {
        let deflate = config.negotiator();
        let own = deflate.offer();
        let offered = own.into_iter().chain(request.extensions().iter().cloned());
        Self {
            key: nonce.map(|nonce| key_of(&nonce)),
            subprotocols: request.subprotocols().to_vec(),
            requires_subprotocol: request.requires_subprotocol(),
            extensions: offered.collect(),
            required_extensions: request.required_extensions().to_vec(),
            deflate,
        }
    }

    /// Whether it asks for an upgrade of HTTP/1.1.
    pub(super) const fn is_upgrade(&self) -> bool {
        self.key.is_some()
    }

    /// The status of a response that opens.
    pub(super) const fn is_opening(&self, status: u16) -> bool {
        match self.is_upgrade() {
            true => status == 101,
            // RFC 8441, section 5: any 2xx.
            false => status / 100 == 2,
        }
    }

    /// The fields of the request, but for the host.
    pub(super) fn each_field(&self, request: &ClientRequest, mut field: impl FnMut(&str, &[u8])) {
        if let Some(key) = &self.key {
            field("Upgrade", b"websocket");
            field("Connection", b"Upgrade");
            field("Sec-WebSocket-Key", key);
        }
        field("Sec-WebSocket-Version", b"13");
        if let Some(origin) = request.site() {
            field("Origin", origin.as_bytes());
        }
        if !self.subprotocols.is_empty() {
            let list = self.subprotocols.join(", ");
            field("Sec-WebSocket-Protocol", list.as_bytes());
        }
        if !self.extensions.is_empty() {
            let list: Vec<_> = self.extensions.iter().map(ToString::to_string).collect();
            field("Sec-WebSocket-Extensions", list.join(", ").as_bytes());
        }
        for (name, value) in request.headers().iter() {
            field(name, value);
        }
    }

    /// RFC 6455, section 4.1: what a response that opens must say.
    pub(super) fn check(&self, headers: &Headers) -> Result<Agreed, HandshakeError> {
        let fields = ResponseFields::read(headers);
        if let Some(key) = &self.key {
            fields.check_upgrade(&accept_of(key))?;
        }
        let (has_subprotocol, extensions) = fields.agreed(&self.subprotocols, &self.extensions)?;
        if self.requires_subprotocol && !has_subprotocol {
            return Err(HandshakeError::SubprotocolMissing);
        }
        let deflate = self.deflate.agree(&self.extensions, &extensions)?;
        let is_missing = |name: &&String| !extensions.iter().any(|e| e.name() == **name);
        let missing = self.required_extensions.iter().filter(is_missing);
        Ok(Agreed {
            deflate,
            missing: missing.cloned().collect(),
        })
    }

    /// Turns on in `session` what was agreed on.
    pub(super) fn apply(&self, agreed: &Agreed, session: &mut Session) {
        if let Some(deflate) = &agreed.deflate {
            self.deflate.apply(deflate, session);
        }
    }
}
