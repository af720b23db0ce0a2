//! What the two sides agree on in an opening handshake, as pure functions over lists of header
//! fields.
//!
//! Invariant: the same fields give the same answer; nothing is kept between calls.
//!
//! An `Endpoint` uses them for HTTP/1.1. Use them yourself where another HTTP implementation reads
//! and writes the heads. Headers are anything that yields names and values as bytes, so that
//! nothing is copied into a type of this crate.
//!
//! A server behind a foreign HTTP/1.1 implementation, which has checked that the method is GET and
//! the version 1.1, with the headers in an `http::HeaderMap`:
//!
//! ```
//! use http::{HeaderMap, HeaderValue, header};
//! use sansocket::negotiation::{self, Offer, select_subprotocol};
//! use sansocket::{Connection, HandshakeError, OriginPolicy, Settings};
//!
//! /// Returns the fields of the response with status 101, and the open connection.
//! fn accept(request: &HeaderMap, host: &str) -> Result<(HeaderMap, Connection), HandshakeError> {
//!     let key = negotiation::read_upgrade(request)?;
//!     let offer = Offer::read(request)?;
//!     if let Some(origin) = &offer.origin
//!         && !OriginPolicy::same_origin().allows(Some(origin), host)
//!     {
//!         let (origin, host) = (origin.as_str().into(), host.into());
//!         return Err(HandshakeError::OriginForbidden { origin, host });
//!     }
//!     let accept = negotiation::accept_key(key);
//!     let mut response = HeaderMap::new();
//!     response.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
//!     response.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
//!     response.insert(header::SEC_WEBSOCKET_ACCEPT, accept.parse().expect("base64"));
//!     if let Some(name) = select_subprotocol(offer.subprotocols(), &["chat"]) {
//!         response.insert(header::SEC_WEBSOCKET_PROTOCOL, name.parse().expect("a token"));
//!     }
//!     Ok((response, Connection::server(Settings::default())))
//! }
//! # let mut request = HeaderMap::new();
//! # for (name, value) in [
//! #     ("host", "example.com"), ("upgrade", "websocket"), ("connection", "Upgrade"),
//! #     ("sec-websocket-version", "13"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
//! #     ("origin", "http://example.com"), ("sec-websocket-protocol", "x, chat"),
//! # ] {
//! #     request.insert(name, HeaderValue::from_static(value));
//! # }
//! # let (response, _) = accept(&request, "example.com")?;
//! # assert_eq!(response["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
//! # assert_eq!(response["sec-websocket-protocol"], "chat");
//! # assert_eq!(accept(&request, "example.org").map(drop).unwrap_err().status(), 403);
//! # Ok::<(), HandshakeError>(())
//! ```
//!
//! Write the response, then give the connection to [`Endpoint::open`](crate::Endpoint::open), and
//! what was read after the head of the request to its `receive`. An error is answered with
//! [`Response::from(&error)`](crate::Response), or with its
//! [`status`](crate::HandshakeError::status) alone: that response has the fields that the status
//! needs (426: `Upgrade` and `Sec-WebSocket-Version`) and a body; `Connection: close` and
//! `Content-Length` are left to the HTTP implementation.
//!
//! permessage-deflate on top of that, with the feature `deflate`:
//!
//! ```
//! # #[cfg(feature = "deflate")] {
//! use sansocket::{Connection, Deflate, Settings, negotiation::Offer};
//!
//! # fn add_header(_name: &str, _value: &str) {}
//! # let request = [
//! #     ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Extensions", "permessage-deflate"),
//! # ];
//! # let offer = Offer::read(request).unwrap();
//! let deflate = Deflate::default(); // one for all connections of a thread
//! let mut ws = Connection::server(Settings::default());
//! if let Some(agreed) = deflate.accept(offer.extensions()) {
//!     add_header("Sec-WebSocket-Extensions", &agreed.to_string());
//!     ws = ws.with_deflate(&deflate, &agreed)?;
//! }
//! # assert!(ws.has_deflate());
//! # }
//! # Ok::<(), sansocket::SetupError>(())
//! ```
//!
//! A client, which has sent `key`, 16 random bytes in base64, with the subprotocol `chat` and what
//! `Deflate::offer` returns, reads a response with status 101:
//!
//! ```
//! # #[cfg(feature = "deflate")] {
//! use http::HeaderMap;
//! use sansocket::negotiation::{self, Agreement};
//! use sansocket::{Connection, Deflate, HandshakeError, Settings};
//!
//! fn open(
//!     response: &HeaderMap,
//!     key: &str,
//!     deflate: &Deflate,
//!     seed: [u8; 32],
//! ) -> Result<Connection, HandshakeError> {
//!     negotiation::check_upgrade(response, key)?;
//!     let offered = [deflate.offer()];
//!     let agreed = Agreement::read(response, &["chat"], &offered)?;
//!     let ws = Connection::client(Settings::default(), seed);
//!     match deflate.agree(&offered, &agreed.extensions)? {
//!         Some(element) => Ok(ws.with_deflate(deflate, &element).expect("it was checked")),
//!         None => Ok(ws),
//!     }
//! }
//! # let mut response = HeaderMap::new();
//! # for (name, value) in [
//! #     ("upgrade", "websocket"), ("connection", "Upgrade"),
//! #     ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
//! #     ("sec-websocket-extensions", "permessage-deflate"),
//! # ] {
//! #     response.insert(name, http::HeaderValue::from_static(value));
//! # }
//! # let key = "dGhlIHNhbXBsZSBub25jZQ==";
//! # assert!(open(&response, key, &Deflate::default(), [7; 32]).unwrap().has_deflate());
//! # }
//! ```

pub(in crate::handshake) mod agreement;
pub(in crate::handshake) mod key;
pub(in crate::handshake) mod list;
pub(in crate::handshake) mod offer;
mod subprotocol;

pub use agreement::{Agreement, check_upgrade};
pub use key::{accept_key, is_valid_key};
pub use offer::{Offer, read_upgrade};
pub use subprotocol::select_subprotocol;
