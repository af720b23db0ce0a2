//! What a WebSocket runs over.
//!
//! Invariant: a name for bounds; nothing of its own.

use tokio::io::{AsyncRead, AsyncWrite};

/// What a WebSocket runs over: a `TcpStream`, a TLS stream, a `DuplexStream`, an upgraded HTTP
/// connection. Every type with these bounds has it.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for S {}
