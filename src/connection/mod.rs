//! An open or closing WebSocket. It joins the two halves and answers Ping and Close. Its law: no
//! other file changes the closing state (RFC 6455, section 7).

#[cfg(feature = "deflate")]
use crate::deflate::{Compression, Deflate, DeflateParams, Inflation};
use crate::frame::{
    CloseCode, CloseFrame, Input, MAX_CONTROL_LEN, MaskingKeys, Opcode, ProtocolError, Role,
};
use bytes::BytesMut;
use receive::{Receiver, Waiting};
use send::Sender;

mod config;
mod error;
mod event;
mod receive;
mod send;
mod sending;

pub use config::Config;
pub use error::SendError;
pub use event::Event;
pub use send::{Data, Prepared};

/// An open or closing WebSocket connection, in either role.
///
/// It does no I/O and holds no buffer for it. The caller reads, hands over what it has read,
/// drains the events, and writes what is in `out`:
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::{Config, Connection, Event, Input};
///
/// let mut ws = Connection::server(&Config::default());
/// let mut out = BytesMut::new(); // what is to be written
///
/// // What was read: a masked text frame.
/// let mut read = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
/// let mut input = Input::new(&mut read);
/// while let Some(event) = ws.receive(&mut input, &mut out) {
///     match event {
///         Event::Text(text) => ws.send_text(&text, &mut out)?,
///         Event::Binary(data) => ws.send_binary(&data, &mut out)?,
///         _ => {} // Pings and Closes are answered already
///     }
/// }
/// assert_eq!(&out[..], b"\x81\x05Hello");
/// # Ok::<(), sansocket::SendError>(())
/// ```
///
/// Write out what is in `out` before you read on: the connection's own answers to a read are at
/// most three times its size, and in the end one Close frame.
#[derive(Debug)]
pub struct Connection {
    receiver: Receiver,
    sender: Sender,
    role: Role,
    answer_pings: bool,
    /// Whether a Close frame of ours is in the output.
    close_sent: bool,
    /// The code of the first Close frame received; 1005 if it had none.
    close_received: Option<CloseCode>,
    /// What ended it first.
    end: Option<End>,
    /// The first rule that the peer broke.
    error: Option<ProtocolError>,
    transport_ended: bool,
}

/// How far a connection is (RFC 6455, sections 7.1.3 and 7.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_enums,
    reason = "the states of RFC 6455 after CONNECTING"
)]
pub enum State {
    /// Messages go both ways.
    Open,
    /// A Close frame was sent or received, and the transport has not ended yet.
    Closing,
    /// The transport has ended.
    Closed,
}

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a connection has two ends")]
pub enum ClosedBy {
    /// This endpoint: by [`close`](Connection::close), or because the peer broke a rule.
    Us,
    /// The peer: by its Close frame, or because its transport ended without one.
    Peer,
}

/// What ended a connection.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The application's [`close`](Connection::close).
    Close,
    /// This endpoint, since the peer broke a rule or took too long.
    Fault,
    Peer,
}

impl Connection {
    /// A server's end of a connection whose opening handshake is done.
    ///
    /// [`ServerHandshake`](crate::ServerHandshake) makes one for you. Call this yourself if
    /// somebody else did the handshake: an HTTP server, an HTTP/2 stream, a proxy. What that
    /// one has read behind the handshake is the first [`Input`]:
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use sansocket::{Config, Connection, Event, Input};
    /// # let mut already_read = [0x82, 0x80, 1, 2, 3, 4];
    /// let mut ws = Connection::server(&Config::default());
    /// let mut out = BytesMut::new();
    /// let mut input = Input::new(&mut already_read);
    /// while let Some(event) = ws.receive(&mut input, &mut out) {
    ///     assert!(matches!(event, Event::Binary(data) if data.is_empty()));
    /// }
    /// ```
    #[must_use]
    pub const fn server(config: &Config) -> Self {
        Self::new(Role::Server, None, config)
    }

    /// A client's end of a connection whose opening handshake is done, with masking keys out
    /// of `seed`.
    ///
    /// [`ClientHandshake`](crate::ClientHandshake) makes one for you; see
    /// [`server`](Self::server) for when to call this yourself. The seed must be fresh and
    /// unpredictable (RFC 6455, section 10.3): take it from the operating system or the
    /// device's source of entropy, and never use it twice.
    #[must_use]
    pub const fn client(config: &Config, seed: [u8; 32]) -> Self {
        Self::with_keys(config, MaskingKeys::new(seed))
    }

    pub(crate) const fn with_keys(config: &Config, keys: MaskingKeys) -> Self {
        Self::new(Role::Client, Some(keys), config)
    }

    const fn new(role: Role, keys: Option<MaskingKeys>, config: &Config) -> Self {
        Self {
            receiver: Receiver::new(config),
            sender: Sender::new(keys),
            role,
            answer_pings: config.answer_pings,
            close_sent: false,
            close_received: None,
            end: None,
            error: None,
            transport_ended: false,
        }
    }

    /// The same connection with permessage-deflate, which the opening handshake has agreed on
    /// (RFC 7692).
    ///
    /// The handshakes of this crate do it for you. Call it yourself, before anything is received
    /// or sent, where somebody else did the handshake: see
    /// [`Deflate::accept`] and [`Deflate::agree`] for the parameters.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, deflate: &Deflate, params: &DeflateParams) -> Self {
        let inflation = Inflation::new(deflate, params, self.role);
        self.receiver.set_inflation(inflation);
        let compression = Compression::new(deflate, params, self.role);
        self.sender.set_compression(compression);
        self
    }

    /// Takes what came from the peer and returns the next event, `None` when all of `input` is
    /// used up.
    ///
    /// Call it in a loop after each read, until it returns `None`. Pings and Closes are answered
    /// in `out` before you see their event. After [`Event::Close`] and [`Event::Failed`] nothing
    /// more comes, whatever the peer sends (RFC 6455, sections 1.4 and 7.1.7).
    ///
    /// How the octets are cut into reads never changes the events.
    #[inline]
    pub fn receive<'b>(&mut self, input: &mut Input<'b>, out: &mut BytesMut) -> Option<Event<'b>> {
        match self.receiver.whole_message(self.role, input) {
            Some(Ok(message)) => Some(message),
            Some(Err(error)) => Some(self.fail(error, out)),
            None if input.is_empty() => None,
            None => self.receive_other(input, out),
        }
    }

    /// As [`receive`](Self::receive), but a message that has not arrived as a whole is left in
    /// `input`, to be lent once it is there.
    ///
    /// Call it where each connection has a read buffer of its own that can grow: no message of one
    /// frame is copied then, however large it is. Keep what is left in `input` as it is, which may be
    /// unmasked in part, read more behind it, and call again with all of that;
    /// [`missing`](Self::missing) says how much more there is to read. Let the buffer grow with what
    /// has come (twice as large each time), not with what is announced.
    ///
    /// Fragments and compressed messages are gathered as ever, and each rule is judged at once but
    /// for one: text is checked when it is whole. The two methods may be called in turn.
    ///
    /// ```
    /// # use sansocket::{Config, Connection, Event, Input};
    /// # use bytes::BytesMut;
    /// # let (mut ws, mut out) = (Connection::server(&Config::default()), BytesMut::new());
    /// let mut buffer = vec![0x82, 0x83, 1, 2, 3, 4, b'a' ^ 1];
    /// let mut input = Input::new(&mut buffer);
    /// assert_eq!(ws.receive_whole(&mut input, &mut out), None);
    /// assert_eq!((input.len(), ws.missing(&input)), (7, Some(2)));
    ///
    /// buffer.extend([b'b' ^ 2, b'c' ^ 3]);
    /// let mut input = Input::new(&mut buffer);
    /// let event = ws.receive_whole(&mut input, &mut out);
    /// assert_eq!(event, Some(Event::Binary(b"abc".into())));
    /// ```
    #[inline]
    pub fn receive_whole<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut BytesMut,
    ) -> Option<Event<'b>> {
        match self.receiver.whole_message(self.role, input) {
            Some(Ok(message)) => Some(message),
            Some(Err(error)) => Some(self.fail(error, out)),
            None if input.is_empty() => None,
            None => self.receive_waiting(input, out),
        }
    }

    /// As [`receive`](Self::receive), but a message that has not arrived as a whole comes in the
    /// pieces in which it arrives, and nothing of it is kept: for relays, and for uploads of any size.
    ///
    /// [`Event::TextPiece`] and [`Event::BinaryPiece`] are followed by more of the same message; its
    /// last piece, or the whole of it, is an [`Event::Text`] or [`Event::Binary`]. Text is cut
    /// between characters and checked as it comes. A compressed message is inflated as it comes, no
    /// more than some 32 KiB at once, and its last 32 KiB are kept until it ends, as what follows may
    /// refer to them. Pings and Pongs may come in between.
    ///
    /// Call it in a loop until it returns `None`; also with an empty `input` it may have something
    /// left. How the octets are cut into reads decides on the pieces, and on how much of a message
    /// comes before a rule is broken in it; never on what the pieces are together.
    ///
    /// The three ways to receive may be called in turn: what has been gathered of a message is its
    /// next piece here, and what is left of one that was begun in pieces comes at once from there. All
    /// limits hold as ever: for messages of any size raise them, here at no cost in memory, or let
    /// [`set_limits`](Self::set_limits) do it for an upload.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use sansocket::{Connection, Event, Input, SendError};
    ///
    /// /// Hands on to `to` what came from the peer of `from`.
    /// fn relay(
    ///     from: &mut Connection,
    ///     read: &mut [u8],
    ///     to: &mut Connection,
    ///     [out, to_out]: [&mut BytesMut; 2],
    /// ) -> Result<(), SendError> {
    ///     let mut input = Input::new(read);
    ///     while let Some(event) = from.receive_pieces(&mut input, out) {
    ///         match event {
    ///             Event::TextPiece(text) => to.send_piece(&*text, false, to_out)?,
    ///             Event::BinaryPiece(data) => to.send_piece(&*data, false, to_out)?,
    ///             Event::Text(text) => to.send_piece(&*text, true, to_out)?,
    ///             Event::Binary(data) => to.send_piece(&*data, true, to_out)?,
    ///             _ => {} // Pings are answered already, and `from.close_code()` tells of a Close
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// # let config = sansocket::Config::default();
    /// # let (mut from, mut to) = (Connection::server(&config), Connection::server(&config));
    /// # let (mut out, mut to_out) = (BytesMut::new(), BytesMut::new());
    /// # for read in [&mut [0x81, 0x83, 0, 0, 0, 0, b'a', b'b'][..], &mut [b'c']] {
    /// #     relay(&mut from, read, &mut to, [&mut out, &mut to_out])?;
    /// # }
    /// # assert_eq!(&to_out[..], b"\x01\x02ab\x80\x01c");
    /// # Ok::<(), SendError>(())
    /// ```
    pub fn receive_pieces<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut BytesMut,
    ) -> Option<Event<'b>> {
        let received = self.receiver.receive_piece(self.role, input);
        self.received(received, out)
    }

    /// Sets the limits of `config` ([`max_message_size`](Config::max_message_size),
    /// [`max_frame_size`](Config::max_frame_size), [`max_fragments`](Config::max_fragments)) for all
    /// frames that begin from now on.
    ///
    /// Call it where a connection changes what it is good for: larger messages from a user who has
    /// logged in, or an upload [in pieces](Self::receive_pieces).
    pub const fn set_limits(&mut self, config: &Config) {
        self.receiver.set_limits(config);
    }

    /// A message that waits in the input, or has waited there.
    fn receive_waiting<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut BytesMut,
    ) -> Option<Event<'b>> {
        match self.receiver.waiting_message(self.role, input) {
            Waiting::Whole(Ok(message)) => Some(message),
            Waiting::Whole(Err(error)) => Some(self.fail(error, out)),
            Waiting::Message => None,
            Waiting::Nothing => self.receive_other(input, out),
        }
    }

    /// How many octets are still to come of the message that `input` begins with, at least; `None`
    /// if there is nothing to wait for.
    #[must_use]
    pub fn missing(&self, input: &Input<'_>) -> Option<usize> {
        self.receiver.missing(self.role, input)
    }

    /// What is no whole plain message.
    fn receive_other<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut BytesMut,
    ) -> Option<Event<'b>> {
        let received = self.receiver.receive(self.role, input);
        self.received(received, out)
    }

    /// What the receiver says, with the answer to it in the output.
    fn received<'b>(
        &mut self,
        received: Result<Option<Event<'b>>, ProtocolError>,
        out: &mut BytesMut,
    ) -> Option<Event<'b>> {
        match received {
            Ok(Some(event)) => {
                if matches!(event, Event::Ping(_) | Event::Close(_)) {
                    self.answer(&event, out);
                }
                Some(event)
            }
            Ok(None) => None,
            Err(error) => Some(self.fail(error, out)),
        }
    }

    /// The transport has ended: it was closed or reset, by either side.
    ///
    /// Call it when a read returns no octets, when reading or writing fails, and when you close
    /// the transport yourself. Afterwards [`state`](Self::state) is
    /// [`Closed`](State::Closed) and [`close_code`](Self::close_code) is known.
    ///
    /// # Errors
    ///
    /// The error that the connection failed with, or [`ProtocolError::TransportEnded`] if the
    /// closing handshake was not complete (RFC 6455, section 7.1.5).
    pub fn receive_eof(&mut self) -> Result<(), ProtocolError> {
        self.transport_ended = true;
        self.receiver.stop();
        self.sender.stop();
        self.end.get_or_insert(End::Peer);
        if self.close_handshake_done() {
            return Ok(());
        }
        Err(*self.error.get_or_insert(ProtocolError::TransportEnded))
    }

    /// Appends a Close frame to `out`: the closing handshake begins (RFC 6455, section 7.1.2).
    ///
    /// Go on reading: what the peer had sent before it saw the Close is still delivered, then
    /// [`Event::Close`] comes. `close(None, "", out)` sends a Close frame without a body.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`], [`SendError::CloseCode`], [`SendError::ReasonTooLong`] and
    /// [`SendError::ReasonWithoutCode`]; nothing was appended.
    pub fn close(
        &mut self,
        code: impl Into<Option<CloseCode>>,
        reason: &str,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.check_open()?;
        let code = code.into();
        match code {
            None if !reason.is_empty() => return Err(SendError::ReasonWithoutCode),
            // RFC 6455, section 7.4.1: a server does not send 1010.
            Some(code)
                if !code.is_on_wire()
                    || (code == CloseCode::MANDATORY_EXTENSION && self.role == Role::Server) =>
            {
                return Err(SendError::CloseCode(code));
            }
            _ if reason.len() > CloseFrame::MAX_REASON_LEN => {
                return Err(SendError::ReasonTooLong);
            }
            _ => self.send_close(End::Close, code, reason, out),
        }
        Ok(())
    }

    /// Appends a Close frame that is not the application's will: something took too long.
    pub(crate) fn give_up(&mut self, code: CloseCode, reason: &str, out: &mut BytesMut) {
        if self.state() == State::Open {
            self.send_close(End::Fault, Some(code), reason, out);
        }
    }

    /// How far the connection is (RFC 6455, sections 7.1.3 and 7.1.4).
    #[must_use]
    pub const fn state(&self) -> State {
        if self.transport_ended {
            State::Closed
        } else if self.close_sent || self.close_received.is_some() {
            State::Closing
        } else {
            State::Open
        }
    }

    /// Which side this endpoint is.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// "The WebSocket connection close code" (RFC 6455, section 7.1.5), once it is known.
    ///
    /// The code of the peer's Close frame, [1005](CloseCode::NO_STATUS) if that had none,
    /// [1006](CloseCode::ABNORMAL) if the transport ended with no Close frame received.
    #[must_use]
    pub const fn close_code(&self) -> Option<CloseCode> {
        match self.close_received {
            Some(code) => Some(code),
            None if self.transport_ended => Some(CloseCode::ABNORMAL),
            None => None,
        }
    }

    /// Who ended the connection; `None` while it is open.
    #[must_use]
    pub const fn closed_by(&self) -> Option<ClosedBy> {
        match self.end {
            None => None,
            Some(End::Close | End::Fault) => Some(ClosedBy::Us),
            Some(End::Peer) => Some(ClosedBy::Peer),
        }
    }

    /// Whether it was [`close`](Self::close) that ended the connection, whatever came after.
    pub(crate) const fn is_closed_at_will(&self) -> bool {
        matches!(self.end, Some(End::Close))
    }

    /// Whether the closing handshake was complete when the transport ended: "closed cleanly"
    /// (RFC 6455, section 7.1.4).
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.transport_ended && self.close_handshake_done()
    }

    /// The error that the connection failed with, as in [`Event::Failed`] or from
    /// [`receive_eof`](Self::receive_eof).
    #[must_use]
    pub const fn error(&self) -> Option<ProtocolError> {
        self.error
    }

    /// Whether the transport should end soon: a Close frame was sent (RFC 6455, section 7.1.1).
    ///
    /// Start the timer for the closing handshake when this becomes true (5 s in the examples),
    /// and close the transport when it runs out. Until then go on reading.
    #[must_use]
    pub const fn close_expected(&self) -> bool {
        matches!(self.state(), State::Closing)
    }

    /// Whether to close the transport now, once `out` has been written
    /// (RFC 6455, section 7.1.1).
    ///
    /// The server closes first, at once; a client waits for that, which
    /// [`close_expected`](Self::close_expected) puts a limit to. Close in steps, so that the
    /// last octets are not lost to a reset: shut down writing, read to the end, then close.
    #[must_use]
    pub const fn must_close_transport(&self) -> bool {
        match self.role {
            Role::Server => self.has_stopped_reading(),
            Role::Client => self.transport_ended,
        }
    }

    /// Nothing is received after a Close frame (RFC 6455, section 1.4), nor after a failure
    /// (RFC 6455, section 7.1.7), one of which there has been when the transport has ended.
    #[inline]
    const fn has_stopped_reading(&self) -> bool {
        self.close_received.is_some() || self.error.is_some()
    }

    const fn close_handshake_done(&self) -> bool {
        self.close_sent && self.close_received.is_some()
    }

    #[inline]
    const fn check_open(&self) -> Result<(), SendError> {
        match self.state() {
            State::Open => Ok(()),
            State::Closing | State::Closed => Err(SendError::NotOpen),
        }
    }

    /// RFC 6455, sections 5.5.1 and 5.5.2: what a control frame of the peer asks for.
    #[cold]
    fn answer(&mut self, event: &Event<'_>, out: &mut BytesMut) {
        match event {
            // Also after our own Close: section 5.5.2 excepts only what follows the peer's.
            Event::Ping(payload) if self.answer_pings => {
                // A Ping that was received has a payload which a Pong can have.
                let sent = self.sender.control(Opcode::Pong, payload, out);
                debug_assert_eq!(sent, Ok(()));
            }
            Event::Close(frame) => {
                // The answer is the same: no body if there was none (section 5.5.1).
                let (code, reason) = match frame {
                    Some(frame) => (Some(frame.code), &*frame.reason),
                    None => (None, ""),
                };
                self.close_received = Some(code.unwrap_or(CloseCode::NO_STATUS));
                self.receiver.stop();
                self.send_close(End::Peer, code, reason, out);
            }
            _ => {}
        }
    }

    /// RFC 6455, section 7.1.7: fail the connection.
    #[cold]
    fn fail(&mut self, error: ProtocolError, out: &mut BytesMut) -> Event<'static> {
        self.error = Some(error);
        self.receiver.stop();
        self.send_close(End::Fault, Some(error.close_code()), error.rule(), out);
        Event::Failed(error)
    }

    /// Appends a Close frame, the only one that is ever sent.
    fn send_close(&mut self, end: End, code: Option<CloseCode>, reason: &str, out: &mut BytesMut) {
        self.end.get_or_insert(end);
        if self.close_sent {
            return;
        }
        self.close_sent = true;
        let mut body = [0; MAX_CONTROL_LEN];
        let mut len = 0;
        let code = code.map(|code| code.0.to_be_bytes());
        for octet in code.iter().flatten().chain(reason.as_bytes()) {
            // Reasons were measured, or are our own words.
            if let Some(place) = body.get_mut(len) {
                *place = *octet;
                len += 1;
            }
        }
        let sent = self
            .sender
            .control(Opcode::Close, body.get(..len).unwrap_or_default(), out);
        debug_assert_eq!(sent, Ok(()));
        self.sender.stop();
    }
}
