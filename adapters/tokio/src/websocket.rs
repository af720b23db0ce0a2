//! A connection in one piece.
//!
//! Invariant: it owns nothing but a handle; what happens is in `shared` and `core`.

use crate::core::{Core, Outgoing};
use crate::error::Error;
use crate::halves::{self, ReadHalf, WriteHalf};
use crate::message::Message;
use crate::options::Options;
use crate::sender::Sender;
use crate::shared::Shared;
use crate::transport::Transport;
use bytes::BytesMut;
use futures_core::Stream;
use futures_sink::Sink;
use sansocket::{CloseCode, Connection, Data, End, Settings};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// A WebSocket over the transport `S`, open or closing.
///
/// It is made by [`accept`](crate::accept()), [`client`](crate::client()) and
/// [`from_upgraded`](crate::from_upgraded).
pub struct WebSocket<S: Transport>(Arc<Shared<S>>);

impl<S: Transport> WebSocket<S> {
    pub(crate) fn new(shared: Arc<Shared<S>>) -> Self {
        shared.own();
        Self(shared)
    }

    /// Receives the next message; `None` once the connection has ended by a closing handshake.
    ///
    /// While it waits, everything else is done: Pings are answered, deadlines kept, output written.
    /// The peer's Close is answered when all messages before it have been taken.
    ///
    /// # Cancel safety
    ///
    /// No message is lost if the future is dropped before it is ready.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`], once, if the connection ended in any other way, and only when all messages that
    /// were read before have been received. After it comes `None`.
    pub fn recv(&mut self) -> impl Future<Output = Result<Option<Message>, Error>> {
        poll_fn(|context| self.0.poll_recv(context))
    }

    /// Sends a message: it waits until less than [`Options::high_water`] waits to be written.
    ///
    /// When it returns, the message is written, or will be whatever you do next: what one wake-up of
    /// your task sends is written at once. [`flush`](Self::flush) waits for that.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing of the message was sent.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the message may not be sent: the connection is closing
    /// ([`SendError::Closed`](sansocket::SendError::Closed)), or a message in pieces is unfinished.
    /// [`Error::Ended`] if the connection has ended.
    pub fn send(&mut self, message: impl Into<Message>) -> impl Future<Output = Result<(), Error>> {
        self.0.sending(Outgoing::Message(message.into()))
    }

    /// Sends a part of a message, its last or not: for a message whose length is not known when it
    /// starts, and for uploads of any size (RFC 6455, section 5.4).
    ///
    /// A message starts if none is under way. All its parts are text or all are binary. To hand on
    /// what was received in pieces, send the [`Message::Piece`].
    ///
    /// ```
    /// use tokio::io::{AsyncRead, AsyncReadExt};
    /// use tokio_sansocket::{Error, Transport, WebSocket};
    ///
    /// async fn upload<S: Transport>(
    ///     ws: &mut WebSocket<S>,
    ///     mut file: impl AsyncRead + Unpin,
    /// ) -> Result<(), Error> {
    ///     let mut buffer = vec![0; 64 << 10];
    ///     loop {
    ///         let n = file.read(&mut buffer).await?;
    ///         ws.send_piece(&buffer[..n], n == 0).await?;
    ///         if n == 0 {
    ///             return Ok(());
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing of the part was sent.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::OtherType`](sansocket::SendError::OtherType) if a part is
    /// of another type than those before it.
    pub fn send_piece<'a>(
        &mut self,
        data: impl Into<Data<'a>>,
        is_last: bool,
    ) -> impl Future<Output = Result<(), Error>> {
        self.0.sending(Outgoing::Piece(data.into(), is_last))
    }

    /// Waits until all that was sent is written.
    ///
    /// # Cancel safety
    ///
    /// It may be dropped at any time; what was sent is written all the same.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] if the connection has ended, or [`Error::Send`] if writing has failed:
    /// receiving tells why.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|context| self.0.poll_flush(context)).await
    }

    /// Closes the connection and waits for the end of the closing handshake, at most
    /// [`Times::close`](sansocket::Times::close) (RFC 6455, section 7.1.2).
    ///
    /// Messages that the peer sent before it saw the Close are thrown away. To receive them, send a
    /// [`Message::Close`], and then receive until `None`.
    ///
    /// # Cancel safety
    ///
    /// Once it was polled the Close is sent. Call it again to wait for the end.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the code or the reason may not be sent, or a message in pieces is
    /// unfinished. [`Error::Ended`] if the peer did not complete the handshake.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<End, Error> {
        self.0.close(Some(code), reason)?;
        poll_fn(|context| self.poll_end(context)).await
    }

    fn poll_end(&self, context: &mut Context<'_>) -> Poll<Result<End, Error>> {
        while ready!(self.0.poll_recv(context))?.is_some() {}
        self.0.poll_end(context)
    }

    /// How the connection ended, once it has: by whom, and with which code.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.0.lock().core.end().cloned()
    }

    /// The round-trip time of the last Ping of the keepalive that was answered.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.0.lock().core.endpoint().latency()
    }

    /// Whether permessage-deflate was agreed on (RFC 7692).
    #[must_use]
    pub fn has_deflate(&self) -> bool {
        self.0.lock().core.endpoint().has_deflate()
    }

    /// The settings of this connection.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.0.lock().core.settings()
    }

    /// Changes the settings of this connection; they take effect with the next message that starts.
    pub fn set_settings(&mut self, settings: Settings) {
        self.0.lock().core.set_settings(settings);
    }

    /// Calls `f` with the transport; `None` once it is gone.
    ///
    /// For what one wants to know of it, such as the peer's address.
    pub fn with_transport<T>(&self, f: impl FnOnce(&S) -> T) -> Option<T> {
        self.0.lock().core.io().map(f)
    }

    /// A handle for other tasks to send with.
    #[must_use]
    pub fn sender(&self) -> Sender {
        Sender::new(self.0.clone())
    }

    /// Splits it into halves for two tasks. Each keeps both directions alive while it is polled: a Ping
    /// is answered and a Close is seen, whichever half waits.
    ///
    /// Use this one and not `StreamExt::split`, which holds a message back and so writes more often.
    /// `forward` comes from the crate `futures-util` with its feature `sink`.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use tokio_sansocket::{Error, Transport, WebSocket};
    ///
    /// async fn echo<S: Transport>(ws: WebSocket<S>) -> Result<(), Error> {
    ///     let (read, write) = ws.split();
    ///     read.forward(write).await // the answers to what came before a Close as well
    /// }
    /// ```
    #[must_use]
    pub fn split(self) -> (ReadHalf<S>, WriteHalf<S>) {
        halves::split(self.0.clone())
    }
}

impl<S: Transport> Drop for WebSocket<S> {
    fn drop(&mut self) {
        self.0.disown();
    }
}

/// Makes a WebSocket of a transport on which something else did the opening handshake, such as hyper
/// or axum: the docs have a page on them, `other_http`.
///
/// `leftover` is what was read after the handshake: empty for hyper and axum, whose stream yields it
/// itself. Of [`Options::config`] only the `times` matter: limits and delivery are the settings that
/// `connection` was made with.
///
/// # Panics
///
/// Outside of a tokio runtime.
///
/// ```
/// use bytes::BytesMut;
/// use tokio_sansocket::sansocket::{Connection, seed};
/// use tokio_sansocket::{Options, from_upgraded};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tokio_sansocket::Error> {
/// let options = Options::default();
/// let (near, far) = tokio::io::duplex(1024); // upgraded by somebody else
/// let connection = Connection::server(options.config.settings);
/// let mut server = from_upgraded(near, connection, &options, BytesMut::new());
/// let connection = Connection::client(options.config.settings, seed()?);
/// let mut client = from_upgraded(far, connection, &options, BytesMut::new());
///
/// client.send("hello").await?;
/// assert_eq!(server.recv().await?.unwrap().as_text(), Some("hello"));
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn from_upgraded<S: Transport>(
    stream: S,
    connection: Connection,
    options: &Options,
    leftover: BytesMut,
) -> WebSocket<S> {
    let core = Core::upgraded(stream, connection, options, leftover);
    WebSocket::new(Shared::new(core))
}

impl<S: Transport> Stream for WebSocket<S> {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(Result::transpose)
    }
}

/// [`Sink::poll_flush`] hands over: the bytes will be written, whatever happens next.
/// [`WebSocket::flush`] waits for that. [`Sink::poll_close`] closes with 1000, and waits for the end
/// of the closing handshake.
impl<S: Transport> Sink<Message> for WebSocket<S> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_room(context).map(Ok)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.0.push(message)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.hand_over();
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.close(Some(CloseCode::NORMAL), "")?;
        self.poll_end(context).map_ok(drop)
    }
}

impl<S: Transport> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_as("WebSocket", f)
    }
}
