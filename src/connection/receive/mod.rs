//! Bytes to messages (RFC 6455, sections 5 and 6.2).
//!
//! Invariant: how the bytes are cut never changes what is received, and nothing is written here.
//!
//! Most messages take the fast path of [`complete`]. Everything else goes through
//! [`Receiver::receive`]: frame by frame, each judged ([`header`]) before its payload is
//! [gathered](gather), handed on in [`pieces`], or left in the input ([`in_place`]).

mod arriving;
mod complete;
mod control;
mod gather;
mod header;
mod in_place;
mod message;
mod pieces;
mod state;
mod utf8;

pub(crate) use state::Receiver;

use super::received::Received;
use super::settings::{Deliver, Settings};
use crate::frame::{Input, ProtocolError, Role};
use state::Partial;

impl Receiver {
    /// The next message or control frame for an endpoint in this role; `None` when all of `input`
    /// has been taken, or the rest waits in it.
    pub(crate) fn receive<'b>(
        &mut self,
        role: Role,
        settings: &Settings,
        input: &mut Input<'b>,
    ) -> Result<Option<Received<'b>>, ProtocolError> {
        if matches!(self.partial, Partial::Waits { .. }) || settings.deliver == Deliver::InPlace {
            match self.receive_in_place(role, settings, input)? {
                in_place::Outcome::Complete(message) => return Ok(Some(message)),
                in_place::Outcome::Waits => return Ok(None),
                in_place::Outcome::NotThere => {}
            }
        }
        loop {
            self.gather_fragments(role, input)?;
            let frame = match self.next_frame(role, settings, input)? {
                header::Next::Nothing => return Ok(None),
                header::Next::Received(received) => return Ok(Some(received)),
                header::Next::Frame(frame) => frame,
            };
            let received = match self.deliver {
                Deliver::Pieces => self.take_piece(frame, input)?,
                Deliver::Complete | Deliver::InPlace => self.take_payload(frame, input)?,
            };
            if received.is_some() {
                return Ok(received);
            }
            if input.is_empty() && matches!(self.partial, Partial::Payload(_)) {
                return Ok(None);
            }
        }
    }
}
