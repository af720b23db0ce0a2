//! Settings that all endpoints of a listener or of a client share.
//!
//! Invariant: every limit is finite by default, and its reason stands beside it.

use super::error::HandshakeError;
use super::extension::Extension;
use super::origin::OriginPolicy;
use crate::connection::{Session, Settings};
#[cfg(feature = "deflate")]
use crate::deflate::Deflate;
use crate::time::Times;

/// Everything that endpoints share: make one per listener and lend it to each.
///
/// ```
/// use sansocket::{Config, OriginPolicy};
///
/// let mut config = Config::default();
/// config.origins = OriginPolicy::list(["https://app.example"]);
/// config.settings.max_message_size = 64 * 1024;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How each connection starts: delivery, limits, answers.
    pub settings: Settings,
    /// How long things may take.
    pub times: Times,
    /// Which web pages a server accepts; those of its own host (RFC 6455, section 10.2).
    pub origins: OriginPolicy,
    /// permessage-deflate, which a server accepts and a client offers (RFC 7692); off.
    ///
    /// Compression takes time and memory, and must not mix secrets with text that others choose:
    /// see [`Deflate`]. Endpoints that use the same one share its states.
    #[cfg(feature = "deflate")]
    pub deflate: Option<Deflate>,
    /// The longest head of a request or response, in bytes; 16 KiB.
    ///
    /// Cookies and tokens make heads of a few KiB; HTTP asks for request lines of 8,000 bytes
    /// (RFC 9112, section 3). A longer head is answered with 431, a longer line with 414.
    pub max_head_size: usize,
    /// The most header fields of a request or response; 128.
    ///
    /// Browsers and proxies send about 30. More are answered with 431.
    pub max_headers: usize,
    /// The most interim responses (100, 103) that a client skips; 8 (RFC 9110, section 15.2).
    pub max_interim_responses: u8,
    /// The most bytes of a refusal's body that a client keeps; 64 KiB. The rest is cut off.
    ///
    /// Error pages are shorter, and nobody reads a longer one.
    pub max_body_size: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            times: Times::default(),
            origins: OriginPolicy::default(),
            #[cfg(feature = "deflate")]
            deflate: None,
            max_head_size: 16 << 10,
            max_headers: 128,
            max_interim_responses: 8,
            max_body_size: 64 << 10,
        }
    }
}

impl Config {
    /// The part of these settings that negotiates permessage-deflate.
    pub(super) fn negotiator(&self) -> Negotiator {
        Negotiator {
            #[cfg(feature = "deflate")]
            deflate: self.deflate.clone(),
        }
    }
}

/// permessage-deflate as a handshake sees it. Without the feature it is of no size, and declines.
#[derive(Clone, Debug, Default)]
pub(super) struct Negotiator {
    #[cfg(feature = "deflate")]
    deflate: Option<Deflate>,
}

#[cfg(feature = "deflate")]
impl Negotiator {
    /// What a client offers.
    pub(super) fn offer(&self) -> Option<Extension> {
        self.deflate.as_ref().map(Deflate::offer)
    }

    /// What a server answers to this offer.
    pub(super) fn accept(&self, offered: &[Extension]) -> Option<Extension> {
        self.deflate.as_ref()?.accept(offered)
    }

    /// What a client reads in this answer to its offer.
    pub(super) fn agree(
        &self,
        offered: &[Extension],
        accepted: &[Extension],
    ) -> Result<Option<Extension>, HandshakeError> {
        let Some(deflate) = &self.deflate else {
            return Ok(None);
        };
        deflate.agree(offered, accepted)
    }

    /// Turns on in `session` what was agreed on.
    pub(super) fn apply(&self, agreed: &Extension, session: &mut Session) {
        let params = super::negotiation::deflate::params_of(agreed);
        debug_assert!(params.is_some(), "it was agreed on");
        if let (Some(deflate), Some(params)) = (&self.deflate, params) {
            session.set_deflate(deflate, &params);
        }
    }
}

#[cfg(not(feature = "deflate"))]
impl Negotiator {
    pub(super) const fn offer(&self) -> Option<Extension> {
        None
    }

    pub(super) const fn accept(&self, _: &[Extension]) -> Option<Extension> {
        None
    }

    #[allow(clippy::unnecessary_wraps, reason = "the shape of the one above")]
    pub(super) const fn agree(
        &self,
        _: &[Extension],
        _: &[Extension],
    ) -> Result<Option<Extension>, HandshakeError> {
        Ok(None)
    }

    pub(super) const fn apply(&self, _: &Extension, _: &Session) {}
}

#[cfg(all(test, feature = "deflate"))]
mod tests {
    use super::*;
    use crate::frame::Input;
    use crate::handshake::client::ClientHandshake;
    use crate::handshake::client_request::ClientRequest;
    use crate::handshake::server::ServerHandshake;
    use bytes::BytesMut;

    /// Whether client and server have permessage-deflate after a handshake with each other.
    fn negotiate(client: &Config, server: &Config, declines: bool) -> [bool; 2] {
        let (mut out, mut back) = (BytesMut::new(), BytesMut::new());
        let request = ClientRequest::new("ws://a").unwrap();
        let mut asks = ClientHandshake::new(&request, client, [0; 16], &mut out);
        let mut answers = ServerHandshake::new(server);
        let request = answers.receive(&mut Input(&mut out));
        let mut request = request.unwrap().unwrap();
        if declines {
            request.decline_deflate();
        }
        let [mut a, mut b] = [
            Session::server(Settings::default(), false),
            Session::server(Settings::default(), false),
        ];
        request.open(&mut b, &mut back);
        let response = asks.receive(&mut Input(&mut back), &mut a, &mut out);
        let extensions = response.unwrap().unwrap().extensions();
        assert_eq!(!extensions.is_empty(), a.has_deflate());
        [a.has_deflate(), b.has_deflate()]
    }

    #[test]
    fn deflate_is_on_where_both_want_it() {
        let (off, mut on) = (Config::default(), Config::default());
        on.deflate = Some(Deflate::default());
        assert_eq!(negotiate(&on, &on, false), [true, true]);
        assert_eq!(negotiate(&on, &on, true), [false, false]);
        assert_eq!(negotiate(&on, &off, false), [false, false]);
        assert_eq!(negotiate(&off, &on, false), [false, false]);
    }
}
