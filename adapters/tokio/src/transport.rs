//! What a WebSocket runs over.
//!
//! Invariant: a name for bounds; nothing of its own.

use tokio::io::{AsyncRead, AsyncWrite};

/// What a WebSocket runs over: a `TcpStream`, a TLS stream, a `DuplexStream`, an upgraded HTTP
/// connection. Every type with these bounds has it.
///
/// hyper's `Upgraded` gets them from `hyper_util::rt::TokioIo::new(upgraded)`, a stream with the traits of
/// `futures-io` from `tokio_util::compat`.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for S {}
