//! permessage-deflate as a handshake sees it.
//!
//! Invariant: a session compresses only by what both sides agreed on.

use super::deflate::params_of;
use crate::connection::Session;
use crate::deflate::Deflate;
use crate::handshake::error::HandshakeError;
use crate::handshake::extension::{Extension, Extensions};

/// The settings with which a handshake negotiates permessage-deflate, if it does.
#[derive(Clone, Debug, Default)]
pub(in crate::handshake) struct Negotiator {
    deflate: Option<Deflate>,
}

impl Negotiator {
    pub(super) const fn new(deflate: Option<Deflate>) -> Self {
        Self { deflate }
    }

    /// What a client offers.
    pub(in crate::handshake) fn offer(&self) -> Option<Extension> {
        self.deflate.as_ref().map(Deflate::offer)
    }

    /// What a server answers to this offer.
    pub(in crate::handshake) fn accept(&self, offered: &Extensions) -> Option<Extension> {
        self.deflate.as_ref()?.accept(offered.iter())
    }

    /// What a client reads in this answer to its offer.
    pub(in crate::handshake) fn agree(
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
    pub(in crate::handshake) fn apply(&self, agreed: &Extension, session: &mut Session) {
        let params = params_of(agreed);
        debug_assert!(params.is_some(), "it was agreed on");
        if let (Some(deflate), Some(params)) = (&self.deflate, params) {
            session.set_deflate(deflate, &params);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Settings;
    use crate::frame::Input;
    use crate::handshake::client::ClientHandshake;
    use crate::handshake::client_request::ClientRequest;
    use crate::handshake::config::Config;
    use crate::handshake::server::ServerHandshake;
    use bytes::BytesMut;

    /// Whether client and server have permessage-deflate after a handshake with each other.
    fn negotiate(client: &Config, server: &Config, declines: bool) -> [bool; 2] {
        let (mut out, mut back) = (BytesMut::new(), BytesMut::new());
        let request = ClientRequest::new("ws://a").unwrap();
        let mut asks = ClientHandshake::new(&request, client, [0; 16], &mut out);
        let mut answers = ServerHandshake::new(server);
        let request = answers.receive(&mut Input(&mut out), &Settings::default());
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
        let response = response.unwrap().unwrap();
        assert_eq!(response.extensions().count() == 1, a.has_deflate());
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
