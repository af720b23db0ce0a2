//! The two halves of a connection, for two tasks.
//!
//! Invariant: each half keeps both directions alive while it is polled; the connection ends with the
//! second of them.

use crate::core::Outgoing;
use crate::error::Error;
use crate::message::Message;
use crate::sender::Sender;
use crate::shared::Shared;
use crate::transport::Transport;
use futures_core::Stream;
use futures_sink::Sink;
use sansocket::{CloseCode, Data, End, Settings};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The half that receives ([`WebSocket::split`](crate::WebSocket::split)).
///
/// While it is polled, Pings are answered, deadlines kept, and what other tasks send is written. Once
/// it is dropped, messages that still come are thrown away.
pub struct ReadHalf<S: Transport>(Arc<Shared<S>>);

/// The half that sends ([`WebSocket::split`](crate::WebSocket::split)).
///
/// Whenever it is polled, Pings are answered and a Close is seen, up to the first message that nobody
/// has received.
pub struct WriteHalf<S: Transport>(Arc<Shared<S>>);

/// Takes over the handle of a WebSocket.
pub(crate) fn split<S: Transport>(shared: Arc<Shared<S>>) -> (ReadHalf<S>, WriteHalf<S>) {
    shared.defer();
    shared.own();
    shared.own();
    (ReadHalf(shared.clone()), WriteHalf(shared))
}

impl<S: Transport> ReadHalf<S> {
    /// Receives the next message; `None` once the connection has ended by a closing handshake. See
    /// [`WebSocket::recv`](crate::WebSocket::recv).
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

    /// A sender for other tasks.
    #[must_use]
    pub fn sender(&self) -> Sender {
        Sender::new(self.0.clone())
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

    /// The settings of this connection.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.0.lock().core.settings()
    }

    /// Changes the settings of this connection; they take effect with the next message that starts.
    pub fn set_settings(&mut self, settings: Settings) {
        self.0.lock().core.set_settings(settings);
    }
}

impl<S: Transport> WriteHalf<S> {
    /// Sends a message: it waits until less than
    /// [`Options::high_water`](crate::Options::high_water) waits to be written. See
    /// [`WebSocket::send`](crate::WebSocket::send).
    ///
    /// When it returns, the message will be written whatever you do next: what one wake-up of your task
    /// sends is one write.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing of the message was sent.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`](crate::WebSocket::send).
    pub fn send(&mut self, message: impl Into<Message>) -> impl Future<Output = Result<(), Error>> {
        self.0.sending(Outgoing::Message(message.into()))
    }

    /// Sends a part of a message. See [`WebSocket::send_piece`](crate::WebSocket::send_piece).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing of the part was sent.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send_piece`](crate::WebSocket::send_piece).
    pub fn send_piece<'a>(
        &mut self,
        data: impl Into<Data<'a>>,
        is_last: bool,
    ) -> impl Future<Output = Result<(), Error>> {
        self.0.sending(Outgoing::Piece(data.into(), is_last))
    }

    /// Waits until all that was sent is written. See [`WebSocket::flush`](crate::WebSocket::flush).
    ///
    /// # Errors
    ///
    /// As [`WebSocket::flush`](crate::WebSocket::flush).
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|context| self.0.poll_flush(context)).await
    }

    /// Closes the connection and waits for the end of the closing handshake, at most
    /// [`Times::close`](sansocket::Times::close).
    ///
    /// What the peer sent before it saw the Close is the [`ReadHalf`]'s to receive; while that holds
    /// messages back, the peer's answer is not seen.
    ///
    /// # Cancel safety
    ///
    /// Once it was polled the Close is sent. Call it again to wait for the end.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::close`](crate::WebSocket::close).
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<End, Error> {
        self.0.close(Some(code), reason)?;
        poll_fn(|context| self.0.poll_end(context)).await
    }

    /// A sender for other tasks.
    #[must_use]
    pub fn sender(&self) -> Sender {
        Sender::new(self.0.clone())
    }

    /// How the connection ended, once it has: by whom, and with which code.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.0.lock().core.end().cloned()
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
}

impl<S: Transport> Drop for ReadHalf<S> {
    fn drop(&mut self) {
        self.0.discard_messages();
        self.0.disown();
    }
}

impl<S: Transport> Drop for WriteHalf<S> {
    fn drop(&mut self) {
        self.0.disown();
    }
}

impl<S: Transport> Stream for ReadHalf<S> {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(Result::transpose)
    }
}

/// As the [`Sink`] of a [`WebSocket`](crate::WebSocket): flushing hands over, closing waits for the
/// end.
impl<S: Transport> Sink<Message> for WriteHalf<S> {
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
        self.0.poll_end(context).map_ok(drop)
    }
}

impl<S: Transport> fmt::Debug for ReadHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_as("ReadHalf", f)
    }
}

impl<S: Transport> fmt::Debug for WriteHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_as("WriteHalf", f)
    }
}
