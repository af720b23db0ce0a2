//! What goes to the peer.
//!
//! Invariant: appending waits for nothing, so a message is in the output completely or not at all.

use super::{Core, Outgoing};
use crate::error::Error;
use crate::message::Message;
use crate::transport::Transport;
use bytes::Bytes;
use sansocket::{CloseCode, Data, End, SendError};
use std::task::{Context, Poll};

/// From here on a payload is written from where it lies: below, a copy costs less than a part more
/// in a write.
const APART: usize = 64 << 10;
/// From here on the frame of a prepared message is shared and not copied.
const SHARED: usize = 16 << 10;

/// Sends.
impl<S: Transport> Core<S> {
    /// Appends what is to be sent, or nothing.
    #[inline(always)]
    pub(crate) fn push(&mut self, outgoing: &Outgoing<'_>) -> Result<(), Error> {
        if self.io.is_none() || self.output.is_broken || self.is_left() {
            return Err(self.ended());
        }
        self.disturb();
        let data = match outgoing {
            Outgoing::Message(Message::Text(text)) if text.len() < APART => Data::Text(text),
            Outgoing::Message(Message::Binary(data)) if data.len() < APART => Data::Binary(data),
            Outgoing::Message(Message::Prepared(prepared)) if prepared.len() < SHARED => {
                Data::Prepared(prepared)
            }
            Outgoing::Message(message) => return self.push_other(message),
            Outgoing::Piece(data, is_last) => {
                let out = self.output.buffer();
                return Ok(self.endpoint.send_piece(*data, *is_last, out)?);
            }
        };
        Ok(self.endpoint.send(data, self.output.buffer())?)
    }

    /// What is not simply copied.
    #[cold]
    fn push_other(&mut self, message: &Message) -> Result<(), Error> {
        let (endpoint, out) = (&mut self.endpoint, self.output.buffer());
        match message {
            Message::Text(text) => {
                if !endpoint.send_apart(&**text, out)?.is_empty() {
                    self.follow(text.clone().into());
                }
            }
            Message::Binary(data) => {
                if !endpoint.send_apart(data, out)?.is_empty() {
                    self.follow(data.clone());
                }
            }
            Message::Prepared(prepared) => {
                let frame = endpoint.share(prepared)?;
                self.follow(frame);
            }
            Message::Piece(piece) => endpoint.send_piece(piece, piece.is_last(), out)?,
            Message::Ping(data) => endpoint.send_ping(data, out)?,
            Message::Pong(data) => endpoint.send_pong(data, out)?,
            Message::Close { code, reason } => {
                endpoint.close(code.is_on_wire().then_some(*code), reason, out)?;
            }
        }
        Ok(())
    }

    pub(super) fn follow(&mut self, payload: Bytes) {
        self.output.follow(payload, &mut self.endpoint, self.now);
    }

    /// Starts the closing handshake, or answers the peer's Close. Nothing happens if a Close was sent
    /// before.
    pub(crate) fn close(&mut self, code: Option<CloseCode>, reason: &str) -> Result<(), Error> {
        if self.is_left() {
            return Ok(());
        }
        self.disturb();
        match self.endpoint.close(code, reason, self.output.buffer()) {
            Ok(()) | Err(SendError::Closed) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Why nothing can be sent any more. The first who asks gets what the transport reported.
    pub(super) fn ended(&mut self) -> Error {
        match &self.end {
            Some(end) => Error::Ended {
                end: end.clone(),
                transport: self.failure.take(),
            },
            None => SendError::Closed.into(), // writing has failed and reading tells how it ends, or nobody reads
        }
    }

    /// Waits for room.
    pub(crate) fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.drive(context);
        self.awaited(self.has_room())
    }

    /// Waits until all is written.
    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.drive(context);
        if self.output.is_broken {
            return Poll::Ready(Err(self.ended()));
        }
        self.awaited(self.end.is_some() || self.output.is_settled())
            .map(Ok)
    }

    /// Waits for the end.
    pub(crate) fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Result<End, Error>> {
        self.drive(context);
        match &self.end {
            None => {
                self.is_awaited = true;
                Poll::Pending
            }
            Some(end) if end.is_clean() => Poll::Ready(Ok(End::clone(end))),
            Some(_) => Poll::Ready(Err(self.ended())),
        }
    }

    pub(super) const fn awaited(&mut self, is_done: bool) -> Poll<()> {
        self.is_awaited |= !is_done;
        match is_done {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}
