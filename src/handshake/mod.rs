//! The opening handshake over HTTP/1.1 (RFC 6455, section 4): its heads, in and out. Its law: it
//! speaks HTTP and HTTP statuses, and ends in a connection or in an error with the answer.

mod body;
mod client;
mod config;
mod head;
mod rejection;
mod server;

#[cfg(feature = "entropy")]
pub use client::EntropyError;
pub use client::{ClientHandshake, ClientRequest, Opened};
pub use config::HandshakeConfig;
pub use rejection::Rejection;
pub use server::{Accept, Request, ServerHandshake};
