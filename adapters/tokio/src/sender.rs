//! A handle to send with, for any number of other tasks.
//!
//! Invariant: it keeps no transport open, and what it queues is bounded by the connection's high-water
//! mark.

use crate::core::Outgoing;
use crate::error::Error;
use crate::hub::Ticket;
use crate::message::Message;
use crate::shared::Shared;
use crate::transport::Transport;
use sansocket::CloseCode;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Sends on a connection that other tasks own. A clone costs a reference count.
///
/// What it sends goes to the output of the connection, without a channel or a task between: the bound
/// is [`Options::high_water`](crate::Options::high_water), shared by all that send. A slow peer holds up
/// only those who send to it.
///
/// It does not keep the connection open: when the [`WebSocket`](crate::WebSocket) or both halves are
/// dropped, what was sent is still written, and sending fails from then on.
///
/// ```
/// use tokio_sansocket::sansocket::Prepared;
/// use tokio_sansocket::Sender;
///
/// /// The same to everybody, framed and compressed once. Whoever is too slow misses it.
/// fn broadcast(room: &mut Vec<Sender>, news: &str) {
///     let news = Prepared::new(news);
///     room.retain(|sender| sender.try_send(&news).is_ok());
/// }
/// ```
#[derive(Clone)]
pub struct Sender(Arc<dyn Target>);

impl Sender {
    pub(crate) fn new<S: Transport>(shared: Arc<Shared<S>>) -> Self {
        shared.defer();
        Self(shared)
    }

    /// Sends a message: it waits until less than
    /// [`Options::high_water`](crate::Options::high_water) waits to be written. See
    /// [`WriteHalf::send`](crate::WriteHalf::send).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing of the message was sent.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`](crate::WebSocket::send).
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.send_any(Outgoing::Message(message.into())).await
    }

    /// Sends a part of a message. See [`WebSocket::send_piece`](crate::WebSocket::send_piece).
    ///
    /// Until the last part is sent, others get
    /// [`SendError::MessageUnfinished`](sansocket::SendError::MessageUnfinished): only one of those
    /// that send may send in pieces, and the others have to wait for it.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing of the part was sent.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send_piece`](crate::WebSocket::send_piece).
    pub async fn send_piece<'a>(
        &self,
        data: impl Into<sansocket::Data<'a>>,
        is_last: bool,
    ) -> Result<(), Error> {
        self.send_any(Outgoing::Piece(data.into(), is_last)).await
    }

    async fn send_any(&self, outgoing: Outgoing<'_>) -> Result<(), Error> {
        let mut place = Place {
            target: &*self.0,
            ticket: None,
        };
        poll_fn(|context| place.poll_send(context, &outgoing)).await
    }

    /// Sends a message if there is room; `false` if there is none, and nothing was sent.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`](crate::WebSocket::send).
    pub fn try_send(&self, message: impl Into<Message>) -> Result<bool, Error> {
        self.0.try_send(&Outgoing::Message(message.into()))
    }

    /// Starts the closing handshake. Whoever receives drives it to its end; nothing happens if it has
    /// started before.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the code or the reason may not be sent, or a message in pieces is
    /// unfinished.
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.0.close(code, reason)
    }

    /// Whether nothing can be sent any more: the connection is closing, or has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// The place of a future among those that wait. It is left when the future is dropped.
struct Place<'a> {
    target: &'a dyn Target,
    ticket: Option<Ticket>,
}

impl Place<'_> {
    fn poll_send(
        &mut self,
        context: &Context<'_>,
        outgoing: &Outgoing<'_>,
    ) -> Poll<Result<(), Error>> {
        let ticket = match self.ticket {
            Some(ticket) => ticket,
            None if self.target.try_send(outgoing)? => return Poll::Ready(Ok(())),
            None => *self.ticket.insert(self.target.ticket()),
        };
        let sent = self.target.poll_send_in_turn(ticket, context, outgoing);
        if sent.is_ready() {
            self.ticket = None; // its place is left
        }
        sent
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.target.leave(ticket);
        }
    }
}

/// A connection over any transport.
trait Target: Send + Sync {
    fn try_send(&self, outgoing: &Outgoing<'_>) -> Result<bool, Error>;
    fn poll_send_in_turn(
        &self,
        ticket: Ticket,
        context: &Context<'_>,
        outgoing: &Outgoing<'_>,
    ) -> Poll<Result<(), Error>>;
    fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error>;
    fn is_closed(&self) -> bool;
    fn ticket(&self) -> Ticket;
    fn leave(&self, ticket: Ticket);
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl<S: Transport> Target for Shared<S> {
    fn try_send(&self, outgoing: &Outgoing<'_>) -> Result<bool, Error> {
        self.try_send(outgoing)
    }

    fn poll_send_in_turn(
        &self,
        ticket: Ticket,
        context: &Context<'_>,
        outgoing: &Outgoing<'_>,
    ) -> Poll<Result<(), Error>> {
        self.poll_send_in_turn(ticket, context, outgoing)
    }

    fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.close(Some(code), reason)
    }

    fn is_closed(&self) -> bool {
        self.lock().core.is_closed()
    }

    fn ticket(&self) -> Ticket {
        self.ticket()
    }

    fn leave(&self, ticket: Ticket) {
        self.leave(ticket);
    }

    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as("Sender", f)
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
