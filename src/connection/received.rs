//! What a connection receives: frames and messages, nothing of HTTP.
//!
//! Invariant: it borrows from the caller's input or owns what it carries, never from the connection.

use super::payload::{Binary, Piece, Text};
use crate::frame::{CloseCode, ProtocolError};

/// What came from the peer on an open connection. `Event` is its public form.
#[derive(Debug)]
pub(crate) enum Received<'b> {
    Text(Text<'b>),
    Binary(Binary<'b>),
    Piece(Piece<'b>),
    Ping(Binary<'b>),
    Pong(Binary<'b>),
    Close { code: CloseCode, reason: Text<'b> },
    Failed(ProtocolError),
}

impl Received<'_> {
    #[inline]
    pub(crate) fn into_owned(self) -> Received<'static> {
        match self {
            Self::Text(text) => Received::Text(text.into_owned()),
            Self::Binary(data) => Received::Binary(data.into_owned()),
            Self::Piece(piece) => Received::Piece(piece.into_owned()),
            Self::Ping(payload) => Received::Ping(payload.into_owned()),
            Self::Pong(payload) => Received::Pong(payload.into_owned()),
            Self::Close { code, reason } => Received::Close {
                code,
                reason: reason.into_owned(),
            },
            Self::Failed(error) => Received::Failed(error),
        }
    }
}
