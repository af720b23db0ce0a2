//! One endpoint of a WebSocket, whole: opening handshake, connection and deadlines as one. Its law:
//! at any time it says what the transport is to do next, and after a bounded time that it is over.

use crate::connection::{Connection, Event};
use crate::frame::{Input, ProtocolError};
use crate::handshake::negotiation::Agreement;
use crate::handshake::{
    Accept, ClientHandshake, HandshakeConfig, Rejection, Request, ServerHandshake,
};
use crate::handshake::{Headers, RequestError, ResponseError};
use crate::time::{Deadlines, DeadlinesConfig, Expired};
use alloc::boxed::Box;
use alloc::sync::Arc;
use bytes::BytesMut;
use core::convert::Infallible;
use core::fmt;
use core::time::Duration;

/// One endpoint of a WebSocket over one transport, from its first octet to its last.
///
/// It is what an adapter drives: the opening handshake, then the [`Connection`], with the
/// [`Deadlines`] of both. `H` is how it opens: a [`ServerHandshake`], a [`ClientHandshake`], or
/// [`Infallible`] if somebody else did that. There is no I/O in it and no clock: `now` is the time
/// since any origin that does not change, and it must not go back.
///
/// The adapter's turn, over and over:
///
/// 1. [`check`](Self::check): do what is due. An error: drop the transport. Else a timer.
/// 2. Write what is in `out`, and say how far it came: [`wrote`](Self::wrote).
/// 3. If nothing is left and [`must_close_transport`](Self::must_close_transport): shut writing down.
/// 4. Read. What comes is for [`request`](Endpoint::request), then for [`receive`](Self::receive).
///    The end is for [`receive_eof`](Self::receive_eof), and with it all is over.
///
/// ```
/// use bytes::{Buf, BytesMut};
/// use sansocket::{DeadlinesConfig, Endpoint, Event, HandshakeConfig, Input};
/// use std::error::Error;
/// use std::io::{Read, Write};
/// use std::time::{Duration, Instant};
///
/// /// Serves one client. A read or write that waits for too long is to be interrupted: see
/// /// `examples/echo_server.rs`.
/// fn serve(mut stream: impl Read + Write) -> Result<(), Box<dyn Error>> {
///     let start = Instant::now();
///     let times = DeadlinesConfig::default();
///     let mut endpoint = Endpoint::server(&HandshakeConfig::default(), times, Duration::ZERO);
///     let (mut buffer, mut out) = (vec![0; 16 << 10], BytesMut::new());
///     loop {
///         let _timer = endpoint.check(start.elapsed(), &mut out)?;
///         while !out.is_empty() {
///             let n = stream.write(&out)?;
///             out.advance(n);
///             endpoint.wrote(n, out.len(), start.elapsed());
///         }
///         let n = stream.read(&mut buffer)?;
///         if n == 0 {
///             return Ok(endpoint.receive_eof()?);
///         }
///         let (mut input, now) = (Input::new(&mut buffer[..n]), start.elapsed());
///         if let Some(request) = endpoint.request(&mut input, now, &mut out) {
///             endpoint.accept(request.accept(), now, &mut out);
///         }
///         while let Some((event, ws)) = endpoint.receive(&mut input, now, &mut out) {
///             // Sending fails only when the connection is closing: nothing is left to be said.
///             let _ = match event {
///                 Event::Text(text) => ws.send_text(&text, &mut out),
///                 Event::Binary(data) => ws.send_binary(&data, &mut out),
///                 _ => Ok(()), // Pings and Closes are answered already
///             };
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Endpoint<H: Handshake> {
    phase: Phase<H>,
    deadlines: Deadlines,
    expired: Option<Expired>,
    latency: Option<Duration>,
    transport_ended: bool,
}

#[derive(Debug)]
enum Phase<H: Handshake> {
    Handshake(Box<H>),
    /// There is a connection, open or not.
    Connection(Connection),
    /// There will be none, and why if the peer's part of the handshake is why.
    Refused(Option<H::Failure>),
}

/// How an [`Endpoint`] opens. The crate's own types alone are this.
pub trait Handshake: sealed::Sealed {
    /// A rule that the peer's part of the handshake breaks, or its refusal.
    type Failure: fmt::Debug;

    /// Whether there is an answer for the peer if it takes too long.
    #[doc(hidden)]
    const HAS_TIMEOUT: bool;

    /// It is over before it was done. Returns what is known of why.
    #[doc(hidden)]
    fn give_up(&mut self) -> Option<Self::Failure>;

    /// The transport has ended before it was done.
    #[doc(hidden)]
    fn transport_ended(&mut self) -> Option<Self::Failure>;
}

mod sealed {
    #[allow(unnameable_types, reason = "that seals it")]
    pub trait Sealed {}

    impl Sealed for super::ServerHandshake {}
    impl Sealed for super::ClientHandshake {}
    impl Sealed for super::Infallible {}
}

impl Handshake for ServerHandshake {
    type Failure = RequestError;

    const HAS_TIMEOUT: bool = true;

    fn give_up(&mut self) -> Option<RequestError> {
        None
    }

    fn transport_ended(&mut self) -> Option<RequestError> {
        None
    }
}

impl Handshake for ClientHandshake {
    type Failure = ResponseError;

    const HAS_TIMEOUT: bool = false;

    fn give_up(&mut self) -> Option<ResponseError> {
        self.give_up()
    }

    fn transport_ended(&mut self) -> Option<ResponseError> {
        Some(self.receive_eof())
    }
}

impl Handshake for Infallible {
    type Failure = Self;

    const HAS_TIMEOUT: bool = false;

    fn give_up(&mut self) -> Option<Self> {
        match *self {}
    }

    fn transport_ended(&mut self) -> Option<Self> {
        match *self {}
    }
}

impl Endpoint<ServerHandshake> {
    /// A server's endpoint, whose transport is there now.
    ///
    /// Give all endpoints one `Arc` of the times, and each holds only a pointer to it.
    #[must_use]
    pub fn server(
        config: &HandshakeConfig,
        times: impl Into<Arc<DeadlinesConfig>>,
        now: Duration,
    ) -> Self {
        let handshake = Box::new(ServerHandshake::new(config));
        Self::new(Phase::Handshake(handshake), Deadlines::new(times, now))
    }

    /// Takes what came from the client and returns its request, once: to be answered by
    /// [`accept`](Self::accept) or [`reject`](Self::reject). At any other time it is `None`.
    ///
    /// Call it after each read, before [`receive`](Self::receive). The answer may come later; what
    /// is left in `input` until then is to be kept for after it, so best read nothing meanwhile.
    ///
    /// A request that breaks a rule is refused: the response is in `out`, and
    /// [`failure`](Self::failure) says which.
    #[inline]
    pub fn request(
        &mut self,
        input: &mut Input<'_>,
        now: Duration,
        out: &mut BytesMut,
    ) -> Option<Request> {
        match self.phase {
            Phase::Connection(_) => None,
            _ => self.request_of_handshake(input, now, out),
        }
    }

    #[cold]
    fn request_of_handshake(
        &mut self,
        input: &mut Input<'_>,
        now: Duration,
        out: &mut BytesMut,
    ) -> Option<Request> {
        let handshake = self.handshake(input)?;
        match handshake.receive(input, out) {
            Ok(request) => request,
            Err(error) => {
                self.refuse(Some(error), now);
                None
            }
        }
    }

    /// Accepts the request: the response is in `out`, and the connection is open.
    ///
    /// `None`, and nothing in `out`, if there is no request to accept any more: it was answered, or
    /// the time for the handshake was over before.
    pub fn accept(
        &mut self,
        accept: Accept<'_>,
        now: Duration,
        out: &mut BytesMut,
    ) -> Option<&mut Connection> {
        let Phase::Handshake(_) = self.phase else {
            return None;
        };
        self.connect(accept.send(out), now);
        self.connection()
    }

    /// Rejects the request: the response is in `out`, and the client has the time of a closing
    /// handshake to take it and to end the transport.
    ///
    /// It may come before there is a request, from a server that is full (503), say. Nothing happens
    /// once the handshake is over, as with [`accept`](Self::accept).
    pub fn reject(&mut self, rejection: Rejection, now: Duration, out: &mut BytesMut) {
        if let Phase::Handshake(_) = self.phase {
            rejection.send(out);
            self.refuse(None, now);
        }
    }
}

impl Endpoint<ClientHandshake> {
    /// A client's endpoint, whose transport is there now. The request is in the output that
    /// `handshake` was made with.
    #[must_use]
    pub fn client(
        handshake: ClientHandshake,
        times: impl Into<Arc<DeadlinesConfig>>,
        now: Duration,
    ) -> Self {
        let deadlines = Deadlines::new(times, now);
        Self::new(Phase::Handshake(Box::new(handshake)), deadlines)
    }

    /// Takes what came from the server and returns what it has agreed to and all header fields of
    /// its response, once: from then on there is a connection. At any other time it is `None`.
    ///
    /// Call it after each read, before [`receive`](Self::receive). If the handshake fails,
    /// [`must_close_transport`](Self::must_close_transport) and [`failure`](Self::failure) say so.
    pub fn opened(
        &mut self,
        input: &mut Input<'_>,
        now: Duration,
        out: &mut BytesMut,
    ) -> Option<(Agreement, Headers)> {
        let handshake = self.handshake(input)?;
        match handshake.receive(input, out) {
            Ok(opened) => {
                let opened = opened?;
                let agreement = Agreement {
                    subprotocol: opened.subprotocol,
                    extensions: opened.extensions,
                };
                self.connect(opened.connection, now);
                Some((agreement, opened.headers))
            }
            Err(error) => {
                self.refuse(Some(error), now);
                None
            }
        }
    }
}

impl Endpoint<Infallible> {
    /// An endpoint of a connection for which somebody else did the handshake.
    #[must_use]
    pub fn open(
        connection: Connection,
        times: impl Into<Arc<DeadlinesConfig>>,
        now: Duration,
    ) -> Self {
        let mut deadlines = Deadlines::new(times, now);
        deadlines.advance(Some(&connection), now);
        Self::new(Phase::Connection(connection), deadlines)
    }
}

impl<H: Handshake> Endpoint<H> {
    const fn new(phase: Phase<H>, deadlines: Deadlines) -> Self {
        Self {
            phase,
            deadlines,
            expired: None,
            latency: None,
            transport_ended: false,
        }
    }

    /// The handshake, if it is not over. Nothing behind a refusal is for anybody.
    fn handshake(&mut self, input: &mut Input<'_>) -> Option<&mut H> {
        match &mut self.phase {
            Phase::Handshake(handshake) => Some(handshake),
            Phase::Connection(_) => None,
            Phase::Refused(_) => {
                input.take_rest();
                None
            }
        }
    }

    /// Takes what came from the peer and returns the next event, and the connection to answer it
    /// with; `None` when all of `input` is used up, and as long as there is no connection.
    ///
    /// Call it in a loop after each read. See [`Connection::receive`].
    #[inline]
    pub fn receive<'b>(
        &mut self,
        input: &mut Input<'b>,
        now: Duration,
        out: &mut BytesMut,
    ) -> Option<(Event<'b>, &mut Connection)> {
        self.receive_by(Connection::receive, input, now, out)
    }

    /// As [`receive`](Self::receive), but a message that has not arrived as a whole is left in
    /// `input`. See [`Connection::receive_whole`]. Call it after a read only: octets in `input` are
    /// a sign of life.
    #[inline]
    pub fn receive_whole<'b>(
        &mut self,
        input: &mut Input<'b>,
        now: Duration,
        out: &mut BytesMut,
    ) -> Option<(Event<'b>, &mut Connection)> {
        self.receive_by(Connection::receive_whole, input, now, out)
    }

    /// As [`receive`](Self::receive), but a message that has not arrived as a whole comes in pieces.
    /// See [`Connection::receive_pieces`].
    pub fn receive_pieces<'b>(
        &mut self,
        input: &mut Input<'b>,
        now: Duration,
        out: &mut BytesMut,
    ) -> Option<(Event<'b>, &mut Connection)> {
        self.receive_by(Connection::receive_pieces, input, now, out)
    }

    #[inline]
    fn receive_by<'b>(
        &mut self,
        receive: impl FnOnce(&mut Connection, &mut Input<'b>, &mut BytesMut) -> Option<Event<'b>>,
        input: &mut Input<'b>,
        now: Duration,
        out: &mut BytesMut,
    ) -> Option<(Event<'b>, &mut Connection)> {
        let ws = match &mut self.phase {
            Phase::Connection(ws) => ws,
            Phase::Handshake(_) => return None,
            Phase::Refused(_) => {
                input.take_rest();
                return None;
            }
        };
        if !input.is_empty() {
            self.deadlines.received(now);
        }
        let event = receive(ws, input, out)?;
        let latency = self.deadlines.event(&event, now);
        if let Event::Pong(_) = event {
            self.latency = latency;
        }
        Some((event, ws))
    }

    /// The transport has ended: it was closed or reset, by either side. All is over.
    ///
    /// Call it when a read returns no octets, when reading or writing fails, and when you drop the
    /// transport yourself. Afterwards [`connection`](Self::connection) and
    /// [`failure`](Self::failure) say how it went.
    ///
    /// # Errors
    ///
    /// See [`Connection::receive_eof`]. Where there was no connection, there is no error.
    pub fn receive_eof(&mut self) -> Result<(), ProtocolError> {
        self.transport_ended = true;
        match &mut self.phase {
            Phase::Handshake(handshake) => self.phase = Phase::Refused(handshake.transport_ended()),
            Phase::Connection(ws) => return ws.receive_eof(),
            Phase::Refused(_) => {}
        }
        Ok(())
    }

    /// Why there is no connection, if what the peer sent is why: the rule that a client's request
    /// breaks; the rule that a server's response breaks, or the response that refuses.
    ///
    /// `None` as well after a [`reject`](Endpoint::reject), and if no refusal had begun when the time
    /// was over.
    #[must_use]
    pub const fn failure(&self) -> Option<&H::Failure> {
        match &self.phase {
            Phase::Refused(failure) => failure.as_ref(),
            Phase::Handshake(_) | Phase::Connection(_) => None,
        }
    }

    /// The connection, to send or to close, once there is one.
    ///
    /// [`check`](Self::check) after it: the begin of a closing handshake has a deadline.
    #[inline]
    pub const fn connection(&mut self) -> Option<&mut Connection> {
        match &mut self.phase {
            Phase::Connection(ws) => Some(ws),
            Phase::Handshake(_) | Phase::Refused(_) => None,
        }
    }

    /// A write was tried, or is about to wait for room: see [`Deadlines::wrote`].
    pub fn wrote(&mut self, written: usize, left: usize, now: Duration) {
        self.deadlines.wrote(written, left, now);
    }

    /// Does what is due and returns when to call again at the latest; `None` if nothing will be
    /// due.
    ///
    /// Call it after each read and write, and when the time that it returned has come; nothing is due
    /// any more after [`receive_eof`](Self::receive_eof). It appends
    /// to `out` a Ping, a Close frame with which it gives the peer up, or a server's answer to a
    /// handshake that took too long (408): so look at `out` after it.
    ///
    /// A timer which is set earlier may be left so when only octets have come in; see
    /// [`Deadlines::check`].
    ///
    /// # Errors
    ///
    /// What took too long, and nothing is left to be done: drop the transport.
    /// [`expired`](Self::expired) says what was too long first.
    pub fn check(
        &mut self,
        now: Duration,
        out: &mut BytesMut,
    ) -> Result<Option<Duration>, Expired> {
        if self.transport_ended {
            return Ok(None);
        }
        loop {
            let ws = match &mut self.phase {
                Phase::Connection(ws) => Some(ws),
                Phase::Handshake(_) | Phase::Refused(_) => None,
            };
            let expired = match self.deadlines.check(ws, now, out) {
                Ok(wake) => return Ok(wake),
                Err(expired) => expired,
            };
            self.expired.get_or_insert(expired);
            match (expired, &mut self.phase) {
                (Expired::Pong | Expired::Idle, _) => {} // the closing handshake has begun
                (Expired::Handshake, Phase::Handshake(_)) if H::HAS_TIMEOUT => {
                    Rejection::timeout().send(out);
                    self.refuse(None, now);
                }
                (_, Phase::Handshake(handshake)) => {
                    self.phase = Phase::Refused(handshake.give_up());
                    return Err(expired);
                }
                _ => return Err(expired),
            }
        }
    }

    /// What took too long first, if something did: a peer that was given up for it may still end
    /// well, or not.
    #[must_use]
    pub const fn expired(&self) -> Option<Expired> {
        self.expired
    }

    /// How long the peer took for its Pong, if the last one that came answers a Ping of
    /// [`check`](Self::check).
    ///
    /// Ask when there is an [`Event::Pong`].
    #[must_use]
    pub const fn latency(&self) -> Option<Duration> {
        self.latency
    }

    /// Whether the output is the last (RFC 6455, section 7.1.1): after a refusal, and when
    /// [`Connection::must_close_transport`].
    ///
    /// Once all of `out` is written, shut down writing and read on to the end: a socket that is
    /// closed while something is left to be read resets the connection, which can destroy the last
    /// octets. [`check`](Self::check) limits the time for it.
    #[must_use]
    pub const fn must_close_transport(&self) -> bool {
        match &self.phase {
            Phase::Connection(ws) => ws.must_close_transport(),
            Phase::Handshake(_) => false,
            Phase::Refused(_) => true,
        }
    }

    /// The handshake is done.
    fn connect(&mut self, connection: Connection, now: Duration) {
        self.deadlines.advance(Some(&connection), now);
        self.phase = Phase::Connection(connection);
    }

    /// There will be no connection, and the transport has the time of a closing handshake to end.
    fn refuse(&mut self, failure: Option<H::Failure>, now: Duration) {
        self.phase = Phase::Refused(failure);
        self.deadlines.refused(now);
    }
}
