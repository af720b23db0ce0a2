//! What an endpoint reports.
//!
//! Invariant: an event borrows from the caller's input or owns what it carries, never from the
//! endpoint.

use crate::connection::{Binary, Connection, Piece, Received, Text};
use crate::frame::{CloseCode, Input, ProtocolError};
use crate::handshake::{HandshakeError, Request, Response};
use alloc::boxed::Box;
use bytes::BytesMut;

/// What came from the peer.
///
/// A payload that is complete in the bytes just read is lent from them; one that was cut by reads or
/// frames was gathered and is handed over. In both cases you may send while you hold it.
///
/// A bare [`Connection`] never yields the first four.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'b> {
    /// Server: an opening handshake that has passed every check (RFC 6455, section 4.2.1). Answer
    /// it with [`accept`](crate::Endpoint::accept) or [`respond`](crate::Endpoint::respond), now or
    /// later; read nothing until then. The core does not know which paths the server has: check
    /// [`Request::path`].
    Request(Request),
    /// Server: another HTTP request, for a page or a health check, or an opening handshake that
    /// fails a check; [`Request::error`] says why it opens no WebSocket. Answer it at once by
    /// [`respond`](crate::Endpoint::respond), which has an example, or the next `receive` sends the
    /// default answer: the status of that error with its text.
    Http(Request),
    /// Client: the connection is open, and this is the response that opened it.
    Opened(Box<Response>),
    /// There will be no connection. Server: the request breaks a rule, and the response is in the
    /// output. Client: the response breaks a rule, or is a refusal, which
    /// [`HandshakeError::Refused`] holds.
    Refused(Box<HandshakeError>),
    /// A complete text message (RFC 6455, section 5.6).
    Text(Text<'b>),
    /// A complete binary message (RFC 6455, section 5.6).
    Binary(Binary<'b>),
    /// A part of a message; with [`Deliver::Pieces`](crate::Deliver::Pieces) every message arrives
    /// in this form.
    Piece(Piece<'b>),
    /// A Ping with its payload of at most 125 bytes (RFC 6455, section 5.5.2). The Pong is in the
    /// output already, unless [`Settings::answer_pings`](crate::Settings::answer_pings) is off.
    Ping(Binary<'b>),
    /// A Pong with its payload of at most 125 bytes, asked for or not (RFC 6455, section 5.5.3).
    Pong(Binary<'b>),
    /// The peer's Close frame (RFC 6455, section 5.5.1). The answer is in the output already, unless
    /// our Close was sent before, or [`Settings::answer_close`](crate::Settings::answer_close) is
    /// off. Nothing comes after it.
    Close {
        /// Why the peer closes; [1005](CloseCode::NO_STATUS) if it gave no code, which cannot be
        /// sent. To pass the Close on: `close(code.is_on_wire().then_some(code), &reason, out)`.
        code: CloseCode,
        /// At most 123 bytes, not meant for end users. It comes from the peer: escape it before you
        /// log it.
        reason: Text<'b>,
    },
    /// The peer broke a rule (RFC 6455, section 7.1.7). The Close frame is in the output already,
    /// unless one was sent before. Nothing comes after it.
    Failed(ProtocolError),
}

impl Event<'_> {
    /// Returns the same event with everything owned: to keep it, or to hand it to another thread.
    ///
    /// ```
    /// # use sansocket::Event;
    /// # use std::sync::mpsc::Sender;
    /// fn hand_over(event: Event, to: &Sender<Event<'static>>) -> bool {
    ///     to.send(event.into_owned()).is_ok()
    /// }
    /// ```
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Self::Request(request) => Event::Request(request),
            Self::Http(request) => Event::Http(request),
            Self::Opened(response) => Event::Opened(response),
            Self::Refused(error) => Event::Refused(error),
            Self::Text(text) => Event::Text(text.into_owned()),
            Self::Binary(data) => Event::Binary(data.into_owned()),
            Self::Piece(piece) => Event::Piece(piece.into_owned()),
            Self::Ping(payload) => Event::Ping(payload.into_owned()),
            Self::Pong(payload) => Event::Pong(payload.into_owned()),
            Self::Close { code, reason } => Event::Close {
                code,
                reason: reason.into_owned(),
            },
            Self::Failed(error) => Event::Failed(error),
        }
    }
}

impl<'b> From<Received<'b>> for Event<'b> {
    #[inline]
    fn from(received: Received<'b>) -> Self {
        match received {
            Received::Text(text) => Self::Text(text),
            Received::Binary(data) => Self::Binary(data),
            Received::Piece(piece) => Self::Piece(piece),
            Received::Ping(payload) => Self::Ping(payload),
            Received::Pong(payload) => Self::Pong(payload),
            Received::Close { code, reason } => Self::Close { code, reason },
            Received::Failed(error) => Self::Failed(error),
        }
    }
}

/// Defined here because `connection` does not know the events of a handshake.
impl Connection {
    /// Takes what came from the peer and returns the next event; `None` when `input` holds no
    /// further one.
    ///
    /// Call it in a loop after each read, until it returns `None`. Pings and Closes are answered
    /// in `out` before you see their event. After [`Event::Close`] and [`Event::Failed`] nothing
    /// more comes, whatever the peer sends (RFC 6455, sections 1.4 and 7.1.7).
    ///
    /// All answers so far are at most three times as long as all that has arrived, beside the Close
    /// of a failure, which has at most 131 bytes. The answers to one read may have 131 bytes more: its
    /// first byte may complete a Ping, most of which came before.
    #[inline]
    pub fn receive<'b>(&mut self, input: &mut Input<'b>, out: &mut BytesMut) -> Option<Event<'b>> {
        self.0.receive(input, out)
    }

    /// As [`receive`](Self::receive), from a buffer that the caller gives up: the events own their
    /// payloads.
    ///
    /// Large binary messages (from 16 KiB on) leave as views of `input`, without a copy; everything
    /// else is copied once, as a small view would keep a large buffer alive. `input` is advanced
    /// past what was taken. Let large messages wait in it ([`Deliver::InPlace`]).
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use sansocket::{Connection, Event, Settings};
    ///
    /// let mut ws = Connection::client(Settings::default(), [7; 32]); // `seed()`
    /// let mut read = BytesMut::from(&b"\x81\x05Hello\x82\x01\x00"[..]);
    /// let mut events = Vec::new();
    /// while let Some(event) = ws.receive_owned(&mut read, &mut BytesMut::new()) {
    ///     events.push(event);
    /// }
    /// assert!(matches!(&events[..], [Event::Text(_), Event::Binary(_)]) && read.is_empty());
    /// ```
    ///
    /// [`Deliver::InPlace`]: crate::Deliver::InPlace
    pub fn receive_owned(
        &mut self,
        input: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Option<Event<'static>> {
        self.0.receive_owned(input, out).map(Event::from)
    }
}
