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

pub(crate) use key::key;
pub(crate) use list::{Repeated, only};
