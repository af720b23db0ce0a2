//! The server's opening handshake over HTTP/1.1 (RFC 6455, section 4.2).
//!
//! Invariant: a request without an error has passed every rule.

use super::config::{Config, Negotiator};
use super::error::HandshakeError;
use super::headers::Headers;
use super::http1::body::decimal;
use super::http1::head::{Head, HeadReader};
use super::http1::request_line::RequestLine;
use super::negotiation::list::Once;
use super::negotiation::offer::{Offer, read_upgrade};
use super::origin::OriginPolicy;
use super::request::Request;
use super::uri::Authority;
use crate::frame::Input;

/// The server's side of an opening handshake, which waits for a request.
#[derive(Debug)]
pub(crate) struct ServerHandshake {
    reader: HeadReader,
    origins: OriginPolicy,
    deflate: Negotiator,
}

impl ServerHandshake {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            reader: HeadReader::new(config.max_head_size, config.max_headers),
            origins: config.origins.clone(),
            deflate: config.negotiator(),
        }
    }

    /// Takes what came from the client, and returns its request once the head is complete; `None`
    /// until then. It takes no byte after the head.
    ///
    /// It is an error if the head is not well-formed HTTP/1.x or exceeds a limit: nobody can say
    /// then what the client wants. Any other request is returned, with [`Request::error`] set if it
    /// is no opening handshake. Afterwards this is of no use.
    pub(crate) fn receive(
        &mut self,
        input: &mut Input<'_>,
    ) -> Option<Result<Request, HandshakeError>> {
        match self.reader.receive(input) {
            Ok(None) => None,
            Ok(Some(head)) => Some(self.read(head)),
            Err(error) => Some(Err(error)),
        }
    }

    fn read(&self, head: Head) -> Result<Request, HandshakeError> {
        let mut line = RequestLine::parse(head.first_line()?)?;
        let routing = Routing::read(&head.headers)?;
        let host = match (line.authority.take(), routing.host) {
            // RFC 9112, section 3.2.2: the authority of the target counts.
            (Some(authority), Some(_)) => authority,
            (authority, None) if line.version == (1, 0) => authority.unwrap_or_default(),
            (None, Some(host)) => host.into(),
            (_, None) => return Err(HandshakeError::Host),
        };
        let has_content = routing.has_content;
        let (major, minor) = line.version;
        let is_get = line.method == "GET";
        let mut request = Request::new(line, host, head.headers);
        let checked = if (major, minor) == (1, 0) {
            Err(HandshakeError::HttpVersion { major, minor })
        } else if !is_get {
            Err(HandshakeError::Method(request.method().into()))
        } else if has_content {
            Err(HandshakeError::Content)
        } else {
            self.check(&mut request)
        };
        request.parts().error = checked.err();
        Ok(request)
    }

    /// RFC 6455, section 4.2.1: what the fields of an opening handshake say.
    fn check(&self, request: &mut Request) -> Result<(), HandshakeError> {
        let parts = request.parts();
        parts.key = read_upgrade(parts.headers.raw())?;
        let offer = Offer::read(parts.headers.raw())?;
        parts.subprotocols = offer.subprotocols;
        parts.extensions = offer.extensions;
        if !self.origins.allows(offer.origin.as_deref(), request.host()) {
            return Err(HandshakeError::OriginForbidden {
                origin: offer.origin.unwrap_or_default().into(),
                host: request.host().into(),
            });
        }
        let parts = request.parts();
        let element = self.deflate.accept(&parts.extensions);
        parts.deflate = element.map(|element| (self.deflate.clone(), element));
        Ok(())
    }
}

/// The fields by which a request is routed and delimited (RFC 9112, sections 3.2 and 6). If they
/// are not right, two servers may see two different requests (RFC 9112, section 11.2).
struct Routing<'h> {
    host: Option<&'h str>,
    has_content: bool,
}

impl<'h> Routing<'h> {
    fn read(headers: &'h Headers) -> Result<Self, HandshakeError> {
        let (mut host, mut length) = (Once::Absent, Once::Absent);
        let mut has_transfer_encoding = false;
        for (name, value) in headers.raw() {
            match name {
                n if n.eq_ignore_ascii_case(b"host") => host.found(value.trim_ascii()),
                n if n.eq_ignore_ascii_case(b"content-length") => {
                    length.found(decimal(value.trim_ascii()));
                }
                n if n.eq_ignore_ascii_case(b"transfer-encoding") => has_transfer_encoding = true,
                _ => {}
            }
        }
        let host = match host {
            Once::Absent => None,
            Once::Repeated => return Err(HandshakeError::Host),
            Once::Found(host) => {
                Some(core::str::from_utf8(host).map_err(|_| HandshakeError::Host)?)
            }
        };
        if let Some(host) = host {
            Authority::parse(host).map_err(|_| HandshakeError::Host)?;
        }
        let has_content = match (length, has_transfer_encoding) {
            (Once::Absent, coded) => coded,
            (Once::Found(Some(len)), false) => len > 0,
            // RFC 9112, section 6.3: a wrong length, or two ways to say it.
            _ => return Err(HandshakeError::Content),
        };
        Ok(Self { host, has_content })
    }
}
