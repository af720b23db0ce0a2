//! A socket, with TLS or without, as one type.
//!
//! Invariant: it passes on every call, and does nothing of its own.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP connection, with TLS or without: the transport of [`connect`](crate::connect()). Servers that
/// have both may use it as well.
///
/// ```no_run
/// use tokio_sansocket::{Error, MaybeTls, Options, connect};
///
/// # async fn peer() -> Result<(), Error> {
/// let (ws, _) = connect("ws://localhost:9001/", &Options::default()).await?;
/// let address = ws.with_transport(|stream: &MaybeTls| stream.tcp().peer_addr());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum MaybeTls {
    /// Without TLS.
    Plain(TcpStream),
    /// With TLS, of a client or a server. Boxed: a connection without TLS is small.
    #[cfg(feature = "rustls")]
    Tls(Box<tokio_rustls::TlsStream<TcpStream>>),
}

impl MaybeTls {
    /// The TCP connection, for addresses and options of the socket.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl From<TcpStream> for MaybeTls {
    fn from(tcp: TcpStream) -> Self {
        Self::Plain(tcp)
    }
}

#[cfg(feature = "rustls")]
impl From<tokio_rustls::TlsStream<TcpStream>> for MaybeTls {
    fn from(tls: tokio_rustls::TlsStream<TcpStream>) -> Self {
        Self::Tls(Box::new(tls))
    }
}

/// Calls a method of the stream that is there.
macro_rules! pass_on {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match $self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).$method($($argument),*),
            #[cfg(feature = "rustls")]
            Self::Tls(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for MaybeTls {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        pass_on!(self.poll_read(context, buffer))
    }
}

impl AsyncWrite for MaybeTls {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        pass_on!(self.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        pass_on!(self.poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            #[cfg(feature = "rustls")]
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        pass_on!(self.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        pass_on!(self.poll_shutdown(context))
    }
}
