//! What the two sides agree on in an opening handshake, as pure functions over lists of header
//! fields.
//!
//! Invariant: the same fields give the same answer; nothing is kept between calls.
//!
//! An `Endpoint` uses them for HTTP/1.1. Use them yourself where another HTTP implementation reads
//! and writes the heads. Headers are anything that yields names and values as bytes, so that
//! nothing is copied into a type of this crate.
//!
//! A server behind a foreign HTTP/1.1 implementation, which has checked the method, with the
//! headers in an `http::HeaderMap`:
//!
//! ```
//! use http::{HeaderMap, HeaderValue, header};
//! use sansocket::negotiation::{self, Offer};
//! use sansocket::{Connection, HandshakeError, OriginPolicy, Settings};
//!
//! /// Returns the fields of the response with status 101, and the open connection.
//! fn accept(request: &HeaderMap, host: &str) -> Result<(HeaderMap, Connection), HandshakeError> {
//!     let key = negotiation::read_upgrade(request)?;
//!     let offer = Offer::read(request)?;
//!     if let Some(origin) = offer.origin
//!         && !OriginPolicy::same_origin().allows(Some(&origin), host)
//!     {
//!         let (origin, host) = (origin.into(), host.into());
//!         return Err(HandshakeError::OriginForbidden { origin, host });
//!     }
//!     let accept = negotiation::accept_key(key);
//!     let mut response = HeaderMap::new();
//!     response.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
//!     response.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
//!     response.insert(header::SEC_WEBSOCKET_ACCEPT, accept.parse().expect("base64"));
//!     Ok((response, Connection::server(Settings::default())))
//! }
//! # let mut request = HeaderMap::new();
//! # for (name, value) in [
//! #     ("host", "example.com"), ("upgrade", "websocket"), ("connection", "Upgrade"),
//! #     ("sec-websocket-version", "13"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
//! #     ("origin", "http://example.com"),
//! # ] {
//! #     request.insert(name, HeaderValue::from_static(value));
//! # }
//! # let (response, _) = accept(&request, "example.com")?;
//! # assert_eq!(response["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
//! # assert_eq!(accept(&request, "example.org").map(drop).unwrap_err().status(), 403);
//! # Ok::<(), HandshakeError>(())
//! ```
//!
//! An error is answered with [`Response::from(&error)`](crate::Response), or with its
//! [`status`](crate::HandshakeError::status) alone.
//!
//! permessage-deflate on top of that, with the feature `deflate`; a client has `Deflate::offer` and
//! `Deflate::agree` for it:
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
//! if let Some(agreed) = deflate.accept(&offer.extensions) {
//!     add_header("Sec-WebSocket-Extensions", &agreed.to_string());
//!     ws = ws.with_deflate(&deflate, &agreed)?;
//! }
//! # assert!(ws.has_deflate());
//! # }
//! # Ok::<(), sansocket::SetupError>(())
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
