//! The engine of a connection: it joins the two halves, answers Pings and Closes, and is what the
//! application sends with.
//!
//! Invariant: this file knows neither HTTP nor time; what cannot be sent leaves nothing in the
//! output.

use super::closing::{Cause, Closing, ClosingState, Outcome};
use super::error::SendError;
use super::receive::Receiver;
use super::received::Received;
use super::send::{Data, Prepared, Sender};
use super::settings::{Deliver, Settings};
use crate::deflate::{Compression, Deflate, Inflation, Params};
use crate::frame::{
    CloseCode, Input, MAX_CONTROL_LEN, MAX_REASON_LEN, MaskingKeys, Opcode, ProtocolError, Role,
};
use arrayvec::ArrayVec;
use bytes::{Buf, Bytes, BytesMut};

/// What the application does with a WebSocket: send, close, change settings.
///
/// [`Endpoint`](crate::Endpoint) and [`Connection`](crate::Connection) deref to it. It does not
/// receive, so a helper that takes a `&mut Session` cannot bypass the deadlines of an `Endpoint`.
/// Before the opening handshake is complete every send is [`SendError::NotYetOpen`].
///
/// Everything is appended to `out`, the bytes to be written; when a method returns an error, nothing
/// was appended and nothing has changed.
#[derive(Debug)]
pub struct Session {
    receiver: Receiver,
    sender: Sender,
    closing: Closing,
    settings: Settings,
}

/// A binary message that is received owned is a view of the caller's buffer from this size on, in
/// bytes: below, a copy costs less than the buffer that a view pins.
const MIN_VIEW: usize = 16 << 10;

/// Methods for this crate only.
impl Session {
    pub(crate) const fn server(settings: Settings, is_open: bool) -> Self {
        Self::new(None, settings, is_open)
    }

    pub(crate) const fn client(settings: Settings, keys: MaskingKeys, is_open: bool) -> Self {
        Self::new(Some(keys), settings, is_open)
    }

    const fn new(keys: Option<MaskingKeys>, settings: Settings, is_open: bool) -> Self {
        Self {
            receiver: Receiver::new(),
            sender: Sender::new(keys, is_open),
            closing: Closing::NEW,
            settings,
        }
    }

    /// The opening handshake is complete.
    pub(crate) const fn open(&mut self) {
        self.sender.open();
    }

    /// Turns on permessage-deflate, which was agreed on (RFC 7692).
    #[allow(
        dead_code,
        reason = "without the feature `deflate` nobody agrees on it"
    )]
    pub(crate) fn set_deflate(&mut self, deflate: &Deflate, params: &Params) {
        self.receiver
            .set_inflation(Inflation::new(deflate, params, self.role()));
        self.sender
            .set_compression(Compression::new(deflate, params, self.role()));
    }

    /// The next event from the peer, built where it is found, so that the fast path builds no value
    /// twice.
    #[inline]
    pub(crate) fn receive<'b, E: From<Received<'b>>>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut BytesMut,
    ) -> Option<E> {
        let complete = self
            .receiver
            .complete_message(self.role(), &self.settings, input);
        match complete {
            Some(Ok(message)) => Some(message.into()),
            Some(Err(error)) => Some(self.fail(error, out).into()),
            None if input.is_empty() && !self.receiver.may_have_more() => None,
            None => self.receive_any(input, out),
        }
    }

    /// The slow path, which all callers share; inlined, it would keep the fast one from being
    /// inlined.
    #[cold]
    #[inline(never)]
    fn receive_any<'b, E: From<Received<'b>>>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut BytesMut,
    ) -> Option<E> {
        let settings = self.settings;
        self.receive_other(&settings, input, out).map(E::from)
    }

    /// As [`receive`](Self::receive) for bytes that cannot wait in the input.
    pub(crate) fn receive_gathered(
        &mut self,
        input: &mut Input<'_>,
        out: &mut BytesMut,
    ) -> Option<Received<'static>> {
        let mut settings = self.settings;
        if settings.deliver == Deliver::InPlace {
            settings.deliver = Deliver::Complete;
        }
        self.receive_other(&settings, input, out)
            .map(Received::into_owned)
    }

    /// As [`receive`](Self::receive), from a buffer that the caller gives up.
    #[inline]
    pub(crate) fn receive_owned(
        &mut self,
        input: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Option<Received<'static>> {
        let before = input.len();
        let mut cursor = Input(input);
        let received = self.receive::<Received<'_>>(&mut cursor, out);
        let taken = before - cursor.len();
        let view = match &received {
            Some(Received::Binary(data)) => data.lent_len().filter(|len| *len >= MIN_VIEW),
            _ => None,
        };
        let Some(len) = view else {
            let received = received.map(Received::into_owned);
            input.advance(taken);
            return received;
        };
        // What is lent is the end of what was taken.
        input.advance(taken - len);
        Some(Received::Binary(input.split_to(len).freeze().into()))
    }

    /// Everything except a complete, uncompressed message.
    fn receive_other<'b>(
        &mut self,
        settings: &Settings,
        input: &mut Input<'b>,
        out: &mut BytesMut,
    ) -> Option<Received<'b>> {
        match self.receiver.receive(self.role(), settings, input) {
            Ok(Some(received)) => {
                if matches!(received, Received::Ping(_) | Received::Close { .. }) {
                    self.answer(&received, out);
                }
                Some(received)
            }
            Ok(None) => None,
            Err(error) => Some(self.fail(error, out)),
        }
    }

    /// RFC 6455, sections 5.5.1 and 5.5.2: what a control frame of the peer asks for.
    #[cold]
    fn answer(&mut self, received: &Received<'_>, out: &mut BytesMut) {
        match received {
            // Also after our own Close: section 5.5.2 excepts only what follows the peer's.
            Received::Ping(payload)
                if self.settings.answer_pings && !self.closing.transport_has_ended() =>
            {
                self.sender.control(Opcode::Pong, payload, out);
            }
            Received::Close { code, reason } => {
                self.closing.receive(*code);
                self.receiver.stop();
                if self.settings.answer_close {
                    // The answer is the same: no body if there was none (section 5.5.1).
                    let code = (*code != CloseCode::NO_STATUS).then_some(*code);
                    self.send_close(Cause::Peer, code, reason, out);
                }
            }
            _ => {}
        }
    }

    /// RFC 6455, section 7.1.7: fail the connection.
    #[cold]
    fn fail(&mut self, error: ProtocolError, out: &mut BytesMut) -> Received<'static> {
        self.closing.fail();
        self.receiver.fail(error);
        self.send_close(Cause::Fault, Some(error.close_code()), error.rule(), out);
        Received::Failed(error)
    }

    /// Appends a Close frame because something took too long.
    pub(crate) fn give_up(&mut self, code: CloseCode, reason: &str, out: &mut BytesMut) {
        self.send_close(Cause::Fault, Some(code), reason, out);
    }

    /// Appends a Close frame, the only one that is ever sent.
    fn send_close(
        &mut self,
        cause: Cause,
        code: Option<CloseCode>,
        reason: &str,
        out: &mut BytesMut,
    ) {
        if self.closing.is_sent() || self.closing.transport_has_ended() {
            return;
        }
        self.closing.send(cause);
        let mut body = ArrayVec::<u8, MAX_CONTROL_LEN>::new();
        let code = code.map(|code| code.0.to_be_bytes());
        // The length of a reason was checked, or it came in a Close frame, or is our own text.
        let is_complete = body
            .try_extend_from_slice(code.as_ref().map_or(&[], |code| &code[..]))
            .and_then(|()| body.try_extend_from_slice(reason.as_bytes()));
        debug_assert_eq!(is_complete, Ok(()));
        self.sender.control(Opcode::Close, &body, out);
        self.sender.stop();
    }

    /// The transport has ended: nothing is received or sent any more.
    pub(crate) fn receive_eof(&mut self) {
        self.end_transport();
        self.receiver.stop();
    }

    /// The transport has ended: nothing is sent any more, and what was read before can still be
    /// received.
    pub(crate) fn end_transport(&mut self) {
        self.closing.end_transport();
        self.sender.stop();
    }

    /// Stops both halves: the opening handshake has failed, or was answered without a connection.
    pub(crate) fn never_open(&mut self) {
        self.receiver.stop();
        self.sender.stop();
    }

    /// Whether anything has happened that ends the connection.
    #[inline]
    pub(crate) const fn is_ending(&self) -> bool {
        self.closing.has_started()
    }

    pub(crate) fn closing_state(&self) -> ClosingState {
        self.closing.state()
    }

    pub(crate) fn is_closing_complete(&self) -> bool {
        self.closing.is_complete()
    }

    pub(crate) fn transport_has_ended(&self) -> bool {
        self.closing.transport_has_ended()
    }

    pub(crate) fn must_close_transport(&self) -> bool {
        self.closing.must_close_transport(self.role())
    }

    /// How it ended, if the transport ends now.
    pub(crate) fn outcome(&self) -> Outcome {
        self.closing.outcome(self.receiver.error())
    }
}

/// Methods for the application.
impl Session {
    /// Appends a message to `out`: text, binary, or prepared (RFC 6455, section 5.6).
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use sansocket::{Connection, Prepared, SendError, Settings};
    /// # let (mut ws, mut out) = (Connection::server(Settings::default()), BytesMut::new());
    /// ws.send("text", &mut out)?;
    /// ws.send(b"binary", &mut out)?;
    /// ws.send(&Prepared::new("the same for many"), &mut out)?;
    /// # Ok::<(), SendError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SendError::NotYetOpen`], [`SendError::Closed`] and [`SendError::MessageUnfinished`]; nothing
    /// was appended.
    #[inline(always)]
    pub fn send<'a>(
        &mut self,
        data: impl Into<Data<'a>>,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.sender
            .message(data.into(), self.settings.compress, out)
    }

    /// Appends a message to `out` except its payload, which you write right after `out`: a large
    /// payload need not be copied (RFC 6455, section 5.6).
    ///
    /// Write both at once (a vectored write), and append nothing to `out` in between.
    /// [`Endpoint::wrote`](crate::Endpoint::wrote) tells how much of the payload was written; append
    /// the rest, which the transport does not take now, to `out` before the next
    /// [`tick`](crate::Endpoint::tick), or say by [`flushed`](crate::Endpoint::flushed) that you hold
    /// it. Below about 2 KiB [`send`](Self::send) is as fast. What is returned is empty if the
    /// payload cannot go as it is: a client's, which is masked, and a compressed one are in `out`.
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use sansocket::Connection;
    /// # use std::io::{IoSlice, Write};
    /// # fn send(ws: &mut Connection, image: &[u8], mut stream: impl Write) -> std::io::Result<()> {
    /// let mut out = BytesMut::new();
    /// let payload = ws.send_apart(image, &mut out).map_err(std::io::Error::other)?;
    /// let written = stream.write_vectored(&[IoSlice::new(&out), IoSlice::new(payload)])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); nothing was appended.
    #[inline]
    pub fn send_apart<'a>(
        &mut self,
        data: impl Into<Data<'a>>,
        out: &mut BytesMut,
    ) -> Result<&'a [u8], SendError> {
        let data = data.into();
        if !self.sender.apart(data, self.settings.compress, out)? {
            return Ok(&[]);
        }
        let (_, payload) = data.parts();
        Ok(payload)
    }

    /// Sends a prepared message as the frame that connections share, without a copy: for adapters
    /// that write from a queue.
    ///
    /// The message counts as sent. **Write what comes back after all that is in `out`, and before
    /// all that will be**: a frame left out, or out of order, breaks the connection. One way is a
    /// queue of pieces, into which `out` goes first. Tell an [`Endpoint`](crate::Endpoint) by
    /// [`flushed`](crate::Endpoint::flushed) what was written of the queue.
    ///
    /// ```
    /// use bytes::{Bytes, BytesMut};
    /// use sansocket::{Prepared, SendError, Session};
    ///
    /// fn send(
    ///     ws: &mut Session,
    ///     news: &Prepared,
    ///     out: &mut BytesMut,
    ///     queue: &mut Vec<Bytes>, // for `Write::write_vectored`
    /// ) -> Result<(), SendError> {
    ///     let frame = ws.share(news)?;
    ///     if !out.is_empty() {
    ///         queue.push(out.split().freeze());
    ///     }
    ///     queue.push(frame);
    ///     Ok(())
    /// }
    /// # let mut ws = sansocket::Connection::server(sansocket::Settings::default());
    /// # let (mut out, mut queue) = (BytesMut::new(), Vec::new());
    /// # ws.send_ping(b"", &mut out)?;
    /// # send(&mut ws, &Prepared::new("2:1"), &mut out, &mut queue)?;
    /// # assert_eq!(queue.concat(), b"\x89\0\x81\x032:1");
    /// # Ok::<(), SendError>(())
    /// ```
    ///
    /// Where the connection needs a frame of its own (see [`Prepared`]), that frame is returned, in
    /// memory which is not shared. Below about 1 KiB [`send`](Self::send) is cheaper: so short a
    /// copy takes less time than counting references to the frame.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); nothing was sent.
    #[inline]
    pub fn share(&mut self, message: &Prepared) -> Result<Bytes, SendError> {
        self.sender.share(message, self.settings.compress)
    }

    /// Appends a piece of a message to `out`, its last or not, as a fragment; or as the message
    /// if it is the only one (RFC 6455, section 5.4).
    ///
    /// For a message whose length is not known when it starts, and for relays (see
    /// [`Deliver::Pieces`]). A message starts if none is under way. Control frames may be sent in
    /// between.
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use sansocket::{Connection, SendError, Settings};
    /// # let (mut ws, mut out) = (Connection::server(Settings::default()), BytesMut::new());
    /// ws.send_piece("Hel", false, &mut out)?;
    /// ws.send_piece("lo", true, &mut out)?;
    /// assert_eq!(&out[..], b"\x01\x03Hel\x80\x02lo");
    /// # Ok::<(), SendError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SendError::NotYetOpen`], [`SendError::Closed`] and [`SendError::OtherType`]; nothing was
    /// appended.
    pub fn send_piece<'a>(
        &mut self,
        data: impl Into<Data<'a>>,
        is_last: bool,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.sender
            .piece(data.into(), is_last, self.settings.compress, out)
    }

    /// Appends a Ping to `out`, with at most 125 bytes of payload, which come back in the
    /// Pong (RFC 6455, section 5.5.2).
    ///
    /// An [`Endpoint`](crate::Endpoint) sends Pings of its own when the peer is silent
    /// ([`Times::keepalive`](crate::Times::keepalive)).
    ///
    /// # Errors
    ///
    /// [`SendError::NotYetOpen`], [`SendError::Closed`] and [`SendError::TooLong`]; nothing was
    /// appended.
    pub fn send_ping(&mut self, payload: &[u8], out: &mut BytesMut) -> Result<(), SendError> {
        self.send_control(Opcode::Ping, payload, out)
    }

    /// Appends an unsolicited Pong to `out`, with at most 125 bytes of payload (RFC 6455, section
    /// 5.5.3).
    ///
    /// Pings are answered without it, unless [`Settings::answer_pings`] is off.
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use sansocket::{Connection, Settings};
    /// # let (mut ws, mut out) = (Connection::server(Settings::default()), BytesMut::new());
    /// ws.send_pong(b"alive", &mut out)?;
    /// assert_eq!(&out[..], b"\x8a\x05alive");
    /// # Ok::<(), sansocket::SendError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`send_ping`](Self::send_ping); nothing was appended.
    pub fn send_pong(&mut self, payload: &[u8], out: &mut BytesMut) -> Result<(), SendError> {
        self.send_control(Opcode::Pong, payload, out)
    }

    fn send_control(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.sender.check_open()?;
        check_len(payload.len(), MAX_CONTROL_LEN)?;
        self.sender.control(opcode, payload, out);
        Ok(())
    }

    /// Appends a Close frame to `out`: starts the closing handshake, or answers the peer's Close
    /// where [`Settings::answer_close`] is off (RFC 6455, section 7.1.2).
    ///
    /// Keep running the loop until [`Tick::Done`](crate::Tick::Done): what the peer had sent before
    /// it saw the Close is still delivered, then `Event::Close` comes. `close(None, "", out)` sends a
    /// Close frame without a body. [`CloseCode::cut_reason`] cuts a reason to the length that fits.
    ///
    /// # Errors
    ///
    /// [`SendError::NotYetOpen`], [`SendError::Closed`], [`SendError::CloseCode`],
    /// [`SendError::TooLong`] (a reason has at most 123 bytes) and [`SendError::ReasonWithoutCode`];
    /// nothing was appended.
    pub fn close(
        &mut self,
        code: impl Into<Option<CloseCode>>,
        reason: &str,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.sender.check_open()?;
        let code = code.into();
        match code {
            None if !reason.is_empty() => return Err(SendError::ReasonWithoutCode),
            // RFC 6455, section 7.4.1: a server does not send 1010.
            Some(code)
                if !code.is_on_wire()
                    || (code == CloseCode::MANDATORY_EXTENSION && self.role() == Role::Server) =>
            {
                return Err(SendError::CloseCode(code));
            }
            _ => check_len(reason.len(), MAX_REASON_LEN)?,
        }
        self.send_close(Cause::Application, code, reason, out);
        Ok(())
    }

    /// The settings, to read and to change; a change takes effect with the next message that
    /// starts.
    #[inline]
    pub const fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Whether messages may be sent: the opening handshake is complete, and no Close was sent.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.sender.check_open().is_ok()
    }

    /// Whether permessage-deflate was agreed on (RFC 7692, section 5); `false` once a Close was
    /// sent.
    #[must_use]
    pub const fn has_deflate(&self) -> bool {
        self.sender.compresses()
    }

    /// Which side we are.
    ///
    /// ```
    /// # use sansocket::{Connection, Role, Settings};
    /// let ws = Connection::server(Settings::default());
    /// assert_eq!(ws.role(), Role::Server);
    /// ```
    #[must_use]
    pub const fn role(&self) -> Role {
        self.sender.role()
    }

    /// The least number of bytes that are still to come of the message that waits in `input`
    /// ([`Deliver::InPlace`]); `None` if there is nothing to wait for.
    #[must_use]
    pub fn missing(&self, input: &Input<'_>) -> Option<usize> {
        self.receiver.missing(self.role(), &self.settings, input)
    }
}

const fn check_len(len: usize, max: usize) -> Result<(), SendError> {
    if len <= max {
        Ok(())
    } else {
        Err(SendError::TooLong { len, max })
    }
}
