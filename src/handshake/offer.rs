//! A client's opening handshake over another HTTP implementation.
//!
//! Invariant: each offer has a key and masking keys of its own, and opens one connection.

use super::asked::Asked;
use super::client_request::ClientRequest;
use super::config::Config;
use super::error::HandshakeError;
use super::header_list::{HeaderList, Kind, Limits};
use super::headers::Headers;
use super::response::Response;
use crate::connection::{Connection, Session, Settings};
use crate::frame::MaskingKeys;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

/// A client's opening handshake where other software speaks HTTP: the headers to send, and the
/// checks of the response.
///
/// ```
/// use sansocket::{ClientRequest, Config, Endpoint, HandshakeError, Offer};
/// use std::time::Duration;
///
/// /// Over HTTP/2 or HTTP/3; `send` returns status and headers of the response.
/// fn open(
///     request: &ClientRequest,
///     seed: [u8; 32], // `seed()`
///     send: impl Fn(&[(String, Vec<u8>)]) -> (u16, Vec<(String, Vec<u8>)>),
/// ) -> Result<Endpoint, HandshakeError> {
///     let config = Config::default();
///     let offer = Offer::extended_connect(request, &config, seed);
///     let list: Vec<_> = offer.headers().iter().map(|(n, v)| (n.into(), v.into())).collect();
///     let (status, headers) = send(&list);
///     let (_response, connection) = offer.check(status, headers)?;
///     Ok(Endpoint::open(connection, &config, Duration::ZERO))
/// }
/// # let request = ClientRequest::new("wss://example.com/chat").unwrap();
/// # let endpoint = open(&request, [7; 32], |list| {
/// #     assert_eq!(list[0], (":method".into(), b"CONNECT".to_vec()));
/// #     let request = sansocket::Request::read(list.iter().cloned(), &Config::default());
/// #     let (response, _) = request.answer().unwrap();
/// #     (response.status, vec![])
/// # })?;
/// # assert!(endpoint.is_open());
/// # Ok::<(), HandshakeError>(())
/// ```
pub struct Offer {
    asked: Asked,
    headers: Headers,
    keys: MaskingKeys,
    settings: Settings,
    limits: Limits,
}

impl Offer {
    /// Makes an offer over HTTP/1.1: a GET with `Upgrade` (RFC 6455, section 4.1).
    ///
    /// The key of the handshake and all masking keys are derived from `seed`. It must be fresh and
    /// unpredictable (RFC 6455, section 10.3): take it from the operating system (`seed()`) or from
    /// the device's source of entropy, and never use it twice.
    #[must_use]
    pub fn upgrade(request: &ClientRequest, config: &Config, seed: [u8; 32]) -> Self {
        let mut keys = MaskingKeys::new(seed);
        let asked = Asked::new(request, config, Some(keys.nonce()));
        let mut headers = Headers::new();
        headers.push_checked(":method", b"GET");
        headers.push_checked(":path", request.resource_name().as_bytes());
        headers.push_checked("host", request.authority().as_bytes());
        Self::new(asked, headers, request, config, keys)
    }

    /// Makes an offer over HTTP/2 or HTTP/3: an extended CONNECT (RFC 8441, section 5; RFC 9220).
    ///
    /// Send it only if the server's settings have `SETTINGS_ENABLE_CONNECT_PROTOCOL` (RFC 8441,
    /// section 3). `seed` is as for [`upgrade`](Self::upgrade).
    #[must_use]
    pub fn extended_connect(request: &ClientRequest, config: &Config, seed: [u8; 32]) -> Self {
        let asked = Asked::new(request, config, None);
        let scheme: &[u8] = if request.is_secure() {
            b"https"
        } else {
            b"http"
        };
        let mut headers = Headers::new();
        headers.push_checked(":method", b"CONNECT");
        headers.push_checked(":protocol", b"websocket");
        headers.push_checked(":scheme", scheme);
        headers.push_checked(":authority", request.authority().as_bytes());
        headers.push_checked(":path", request.resource_name().as_bytes());
        Self::new(asked, headers, request, config, MaskingKeys::new(seed))
    }

    fn new(
        asked: Asked,
        mut headers: Headers,
        request: &ClientRequest,
        config: &Config,
        keys: MaskingKeys,
    ) -> Self {
        asked.each_field(request, |name, value| headers.push_lower_case(name, value));
        Self {
            asked,
            headers,
            keys,
            settings: config.settings,
            limits: Limits::new(config),
        }
    }

    /// Returns what to send: pseudo-headers, then fields, with names in lower case.
    ///
    /// Over HTTP/1.1 `:method` and `:path` are for the request line.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Checks the final response, and returns it with the open connection.
    ///
    /// `headers` may start with `:status`. [`Config::max_head_size`] and [`Config::max_headers`] limit
    /// what is kept of them. [`Endpoint::open`](crate::Endpoint::open) gives the connection deadlines.
    /// What was read after the head of the response is the first [`Input`](crate::Input).
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Refused`] with status and headers, if the server does not open a WebSocket;
    /// [`Backoff`](crate::Backoff) reads its `Retry-After`. Its body is with the caller. Any other
    /// error is the rule that the response breaks.
    pub fn check(
        self,
        status: u16,
        headers: impl IntoIterator<Item = (impl AsRef<[u8]>, impl AsRef<[u8]>)>,
    ) -> Result<(Response, Connection), HandshakeError> {
        let kind = Kind::Response {
            is_multiplexed: !self.asked.is_upgrade(),
        };
        let (list, result) = HeaderList::read(headers, kind, self.limits);
        result?;
        let mut response = Response {
            status,
            headers: list.headers,
            body: Vec::new(),
            is_complete: true,
        };
        if !self.asked.is_opening(status) {
            response.is_complete = false;
            return Err(HandshakeError::Refused(Box::new(response)));
        }
        let mut agreed = self.asked.check(&response.headers)?;
        if let Some(name) = agreed.missing.pop() {
            return Err(HandshakeError::ExtensionMissing(name.into()));
        }
        let mut session = Session::client(self.settings, self.keys, true);
        self.asked.apply(&agreed, &mut session);
        Ok((response, Connection(session)))
    }
}

impl fmt::Debug for Offer {
    /// Hides keys and the query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer")
            .field("is_upgrade", &self.asked.is_upgrade())
            .finish_non_exhaustive()
    }
}
