//! What a connection reports. Its law: an event borrows from the caller's octets or owns what
//! it carries, never from the connection.

use crate::frame::{CloseFrame, ProtocolError};
use alloc::borrow::Cow;

/// What came from the peer.
///
/// A payload that lies whole in the octets just read is lent from them; one that was cut by
/// reads or frames was gathered and is handed over owned. Either way the connection is free to
/// send while you hold it.
///
/// A message is one event, unless you ask for it [in pieces](crate::Connection::receive_pieces):
/// then it is any number of [`TextPiece`](Self::TextPiece)s and a [`Text`](Self::Text) that ends it,
/// or of [`BinaryPiece`](Self::BinaryPiece)s and a [`Binary`](Self::Binary).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'b> {
    /// A whole text message (RFC 6455, section 5.6); in pieces, its last one, which may be empty.
    Text(Cow<'b, str>),
    /// A whole binary message (RFC 6455, section 5.6); in pieces, its last one, which may be empty.
    Binary(Cow<'b, [u8]>),
    /// A piece of a text message that goes on behind it: whole characters, and never none.
    TextPiece(Cow<'b, str>),
    /// A piece of a binary message that goes on behind it, and never an empty one.
    BinaryPiece(Cow<'b, [u8]>),
    /// A Ping with its payload of at most 125 octets (RFC 6455, section 5.5.2). The Pong is
    /// already in the output, unless
    /// [`Config::answer_pings`](crate::Config::answer_pings) is off.
    Ping(Cow<'b, [u8]>),
    /// A Pong with its payload of at most 125 octets, asked for or not (RFC 6455, section 5.5.3).
    Pong(Cow<'b, [u8]>),
    /// The peer's Close frame, with its body if it had one (RFC 6455, section 5.5.1). The
    /// answer is already in the output, unless our Close had gone out before. Nothing follows
    /// it.
    Close(Option<CloseFrame<'b>>),
    /// The peer broke a rule (RFC 6455, section 7.1.7). The Close frame is already in the
    /// output, unless one had gone out before. Nothing follows it.
    Failed(ProtocolError),
}

impl Event<'_> {
    /// The same, borrowing nothing: to keep it, or to hand it to another thread.
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Self::Text(text) => Event::Text(Cow::Owned(text.into_owned())),
            Self::Binary(data) => Event::Binary(Cow::Owned(data.into_owned())),
            Self::TextPiece(text) => Event::TextPiece(Cow::Owned(text.into_owned())),
            Self::BinaryPiece(data) => Event::BinaryPiece(Cow::Owned(data.into_owned())),
            Self::Ping(payload) => Event::Ping(Cow::Owned(payload.into_owned())),
            Self::Pong(payload) => Event::Pong(Cow::Owned(payload.into_owned())),
            Self::Close(frame) => Event::Close(frame.map(CloseFrame::into_owned)),
            Self::Failed(error) => Event::Failed(error),
        }
    }
}
