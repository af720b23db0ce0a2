//! The opening handshake over HTTP/1.1 (RFC 6455, section 4), and over HTTP that others speak.
//!
//! Invariant: this room speaks HTTP and statuses, and ends in an open session or in an error.

mod asked;
mod client;
mod client_request;
mod config;
mod credentials;
mod error;
mod extension;
mod fault;
mod fields;
mod header_list;
mod headers;
mod http1;
#[cfg(feature = "http")]
mod http_types;
mod negotiation;
mod offer;
mod origin;
mod read;
mod redirect;
mod request;
mod response;
mod retry_after;
mod rules;
#[cfg(feature = "entropy")]
mod seed;
mod server;
mod setup_error;
mod shown;
mod token;
mod tunnel;
mod uri;

pub use client_request::ClientRequest;
pub use config::Config;
pub use error::HandshakeError;
pub use extension::Extension;
pub use fault::{FieldFault, LineFault, ParamFault};
pub use headers::Headers;
pub use offer::Offer;
pub use origin::OriginPolicy;
pub use request::Request;
pub use response::Response;
#[cfg(feature = "entropy")]
pub use seed::seed;
pub use setup_error::SetupError;
pub use tunnel::Tunnel;

pub(crate) use client::ClientHandshake;
pub(crate) use server::ServerHandshake;
