//! What the two sides agree on in an opening handshake, as pure functions over lists of header
//! fields.
//!
//! [`ServerHandshake`](crate::ServerHandshake) and [`ClientHandshake`](crate::ClientHandshake)
//! use them for HTTP/1.1. Use them yourself where another HTTP implementation reads and writes
//! the heads. Headers are any iterator of names and values, so nothing has to be copied into a
//! type of this crate; from an `http::HeaderMap`, say, it is
//! `map.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))`.
//!
//! A server behind a foreign HTTP/1.1 implementation, which has checked the method:
//!
//! ```
//! use sansocket::negotiation::{self, Offer, OriginPolicy};
//! use sansocket::{Config, Connection};
//!
//! # fn respond(_status: u16, _headers: &[(&str, &str)]) {}
//! # let request = [
//! #     ("Host", "example.com"), ("Upgrade", "websocket"), ("Connection", "Upgrade"),
//! #     ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
//! # ];
//! # let headers = request.iter().map(|(name, value)| (*name, value.as_bytes()));
//! let key = negotiation::read_upgrade(headers.clone())?;
//! let offer = Offer::read(headers)?;
//! let policy = OriginPolicy::SameOrigin;
//! if policy.allows(offer.origin.as_deref(), "example.com") {
//!     respond(101, &[
//!         ("Upgrade", "websocket"),
//!         ("Connection", "Upgrade"),
//!         ("Sec-WebSocket-Accept", &negotiation::accept_key(key)),
//!     ]);
//!     let ws = Connection::server(&Config::default());
//! }
//! # Ok::<(), sansocket::RequestError>(())
//! ```
//!
//! permessage-deflate on top of that, with the feature `deflate`; a client has `Deflate::offer` and
//! `Deflate::agree` for it:
//!
//! ```
//! # #[cfg(feature = "deflate")] {
//! use sansocket::{Config, Connection, Deflate, negotiation::Offer};
//!
//! # fn add_header(_name: &str, _value: &str) {}
//! # let request = [
//! #     ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Extensions", "permessage-deflate"),
//! # ];
//! # let offer = Offer::read(request.iter().map(|(n, v)| (*n, v.as_bytes()))).unwrap();
//! let deflate = Deflate::default(); // one for all connections of a thread
//! let mut ws = Connection::server(&Config::default());
//! if let Some(params) = deflate.accept(&offer.extensions) {
//!     add_header("Sec-WebSocket-Extensions", &params.to_extension().to_string());
//!     ws = ws.with_deflate(&deflate, &params);
//! }
//! # assert!(ws.has_deflate());
//! # }
//! ```

#[cfg(feature = "deflate")]
mod deflate;
mod extension;
mod key;
mod list;
mod origin;
mod request;
mod response;
mod subprotocol;

pub use extension::Extension;
pub use key::{accept_key, is_valid_key};
pub use origin::OriginPolicy;
pub use request::{Offer, read_upgrade};
pub use response::{Agreement, check_upgrade};
pub use subprotocol::select_subprotocol;

pub(crate) use key::{accept_octets, key};
pub(crate) use list::{Once, only};
pub(crate) use request::{Offered, upgrade_key};
