//! The opening handshake over HTTP/1.1 (RFC 6455, section 4): its heads, in and out. Its law: it
//! speaks HTTP and HTTP statuses, and ends in a connection or in an error with the answer.

mod client;
mod config;
mod error;
mod headers;
mod http1;
pub mod negotiation;
mod rejection;
mod response;
mod server;
mod uri;

#[cfg(feature = "entropy")]
pub use client::EntropyError;
pub use client::{ClientHandshake, ClientRequest, Opened};
pub use config::HandshakeConfig;
pub use error::{RequestError, ResponseError};
pub use headers::{FieldError, Headers};
pub use rejection::Rejection;
pub use response::Response;
pub use server::{Accept, Request, ServerHandshake};
pub use uri::{Uri, UriError};
