//! The rules for the request of an opening handshake, over any version of HTTP (RFC 6455, section
//! 4.2.1; RFC 8441, section 5; RFC 9220).
//!
//! Invariant: a request that breaks none has passed every one, whoever read its head.

use super::config::{Config, Negotiator};
use super::error::HandshakeError;
use super::fault::FieldFault;
use super::headers::Place;
use super::negotiation::request::RequestFields;
use super::origin::OriginPolicy;
use super::request::{Request, Version};

/// What a server demands of requests.
#[derive(Debug)]
pub(super) struct Rules {
    origins: OriginPolicy,
    deflate: Negotiator,
}

impl Rules {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            origins: config.origins.clone(),
            deflate: config.negotiator(),
        }
    }

    /// What an opening handshake needs, of a request that is [well-formed](well_formed).
    pub(super) fn check(
        &self,
        request: &mut Request,
        fields: &mut RequestFields,
    ) -> Result<(), HandshakeError> {
        match request.version() {
            Version::Http1 { minor: 0 } => {
                return Err(HandshakeError::HttpVersion { major: 1, minor: 0 });
            }
            Version::Http1 { .. } if request.method() != "GET" => {
                return Err(HandshakeError::Method(request.method().into()));
            }
            Version::Multiplexed { protocol: None, .. } => {
                return Err(HandshakeError::NotExtendedConnect);
            }
            Version::Multiplexed {
                protocol: Some(protocol),
                ..
            } => {
                let name = request.headers().text_at(protocol);
                if !name.eq_ignore_ascii_case("websocket") {
                    return Err(HandshakeError::Protocol(name.into()));
                }
            }
            Version::Http1 { .. } => {}
        }
        fields.check_content()?;
        let is_upgrade = matches!(request.version(), Version::Http1 { .. });
        if is_upgrade {
            request.parts().key = Some(fields.take_key()?);
        }
        let (origin, subprotocols, extensions) = fields.take_offer(is_upgrade)?;
        if let Some(origin) = origin {
            let (origin, host) = (request.headers().text_at(&origin), request.host());
            if !self.origins.allows(Some(origin), host) {
                let (origin, host) = (origin.into(), host.into());
                return Err(HandshakeError::OriginForbidden { origin, host });
            }
        }
        let parts = request.parts();
        let element = self.deflate.accept(&extensions);
        parts.deflate = element.map(|element| (self.deflate.clone(), element));
        (parts.subprotocols, parts.extensions) = (subprotocols, extensions);
        Ok(())
    }
}

/// Reads the fields by which a request is routed and delimited (RFC 9112, sections 3.2 and 6). If
/// they are not right, two servers may see two different requests (RFC 9112, section 11.2).
///
/// `authority` is the host that the target names. If that is enough, `needs_host` is false.
pub(super) fn well_formed(
    request: &mut Request,
    fields: &mut RequestFields,
    authority: Option<Place>,
    needs_host: bool,
) -> Result<(), HandshakeError> {
    let host = fields.take_host()?;
    fields.check_framing()?;
    let is_multiplexed = request.scheme().is_some();
    let are_same = |a: &Place, b: &Place| {
        let (a, b) = (request.headers().text_at(a), request.headers().text_at(b));
        a.eq_ignore_ascii_case(b)
    };
    let host = match (authority, host) {
        (Some(authority), Some(host)) => {
            // RFC 9113, section 8.3.1: they are the same. In HTTP/1.1 the target counts (RFC 9112,
            // section 3.2.2).
            if is_multiplexed && !are_same(&authority, &host) {
                let host = request.headers().text_at(&host).as_bytes();
                return Err(HandshakeError::Host(FieldFault::value(host)));
            }
            Some(authority)
        }
        (None, Some(host)) => Some(host),
        // RFC 9112, section 3.2: a client of HTTP/1.0 need not name a host.
        (authority, None) if matches!(request.version(), Version::Http1 { minor: 0 }) => authority,
        (Some(authority), None) if !needs_host => Some(authority),
        (_, None) => return Err(HandshakeError::Host(FieldFault::Missing)),
    };
    request.parts().host = host;
    Ok(())
}
