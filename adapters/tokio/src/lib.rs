//! WebSockets for tokio.
//!
//! Invariant: any future may be dropped at any await; nothing is lost, doubled or reordered.
#![forbid(unsafe_code)]

mod accept;
mod client;
#[cfg(feature = "connect")]
mod connect;
mod core;
mod error;
mod halves;
mod hub;
mod message;
mod options;
mod pool;
mod sender;
mod shared;
mod transport;
mod websocket;

pub use accept::{accept, accept_async};
pub use client::client;
#[cfg(feature = "connect")]
pub use connect::{MaybeTls, connect};
pub use error::Error;
pub use halves::{ReadHalf, WriteHalf};
pub use message::{Message, Utf8};
pub use options::Options;
pub use sender::Sender;
pub use transport::Transport;
pub use websocket::{WebSocket, from_upgraded};

/// The protocol itself: configuration, requests, responses, close codes, prepared messages.
pub use sansocket;
/// TLS, for [`Options::tls`] and for servers.
#[cfg(feature = "rustls")]
pub use tokio_rustls;
