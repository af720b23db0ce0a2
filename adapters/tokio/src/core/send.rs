//! What goes to the peer.
//!
//! Invariant: appending waits for nothing, so a message is in the output completely or not at all.

use super::{Core, Outgoing};
use crate::error::Error;
use crate::message::Message;
use crate::transport::Transport;
use bytes::Bytes;
use sansocket::{CloseCode, End, SendError};
use std::task::{Context, Poll};

/// From here on a payload is written from where it lies: below, a copy costs less than a part more
/// in a write.
const APART: usize = 64 << 10;
/// From here on the frame of a prepared message is shared and not copied.
const SHARED: usize = 16 << 10;

/// Sends.
impl<S: Transport> Core<S> {
    /// Appends what is to be sent, or nothing.
    pub(crate) fn push(&mut self, outgoing: Outgoing<'_>) -> Result<(), Error> {
        if self.io.is_none() || self.output.is_broken || self.is_left {
            return Err(self.ended());
        }
        let (endpoint, out) = (&mut self.endpoint, self.output.buffer());
        let message = match outgoing {
            Outgoing::Message(message) => message,
            Outgoing::Piece(data, is_last) => {
                return Ok(endpoint.send_piece(data, is_last, out)?);
            }
        };
        match message {
            Message::Text(text) if text.len() >= APART => {
                if !endpoint.send_apart(&*text, out)?.is_empty() {
                    self.follow(text.into());
                }
            }
            Message::Text(text) => endpoint.send(&*text, out)?,
            Message::Binary(data) if data.len() >= APART => {
                if !endpoint.send_apart(&data, out)?.is_empty() {
                    self.follow(data);
                }
            }
            Message::Binary(data) => endpoint.send(&data, out)?,
            Message::Prepared(prepared) if prepared.len() >= SHARED => {
                let frame = endpoint.share(&prepared)?;
                self.follow(frame);
            }
            Message::Prepared(prepared) => endpoint.send(&prepared, out)?,
            Message::Piece(piece) => endpoint.send_piece(&piece, piece.is_last(), out)?,
            Message::Ping(data) => endpoint.send_ping(&data, out)?,
            Message::Pong(data) => endpoint.send_pong(&data, out)?,
            Message::Close { code, reason } => {
                endpoint.close(code.is_on_wire().then_some(code), &reason, out)?;
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
        if self.is_left {
            return Ok(());
        }
        match self.endpoint.close(code, reason, self.output.buffer()) {
            Ok(()) | Err(SendError::Closed) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Why nothing can be sent any more. The first who asks gets what the transport reported.
    pub(super) fn ended(&mut self) -> Error {
        match &self.end {
            Some(end) => Error::Ended {
                end: Box::new(end.clone()),
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
        self.awaited(self.end.is_some() || self.is_settled())
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
            Some(end) if end.is_clean() => Poll::Ready(Ok(end.clone())),
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
