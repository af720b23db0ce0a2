//! Messages that the connection gathers ([`Deliver::Complete`](crate::Deliver::Complete)).
//!
//! Invariant: memory follows the bytes received, never the length announced.

use super::arriving::Frame;
use super::state::{Partial, Receiver};
use crate::connection::received::Received;
use crate::frame::{Input, ProtocolError};

/// A payload is unmasked, checked and gathered in steps of this size, in bytes, so that it is
/// still in the fastest cache when it is touched again.
const STEP: usize = 16 << 10;

impl Receiver {
    /// Takes what has arrived of the payload; returns the message if that was its end.
    pub(super) fn take_payload<'b>(
        &mut self,
        mut frame: Frame,
        input: &mut Input<'_>,
    ) -> Result<Option<Received<'b>>, ProtocolError> {
        self.message.make_room(frame.remaining, input.len());
        let here = input.take_up_to(frame.remaining);
        frame.remaining -= here.len() as u64;
        for part in here.chunks_mut(STEP) {
            self.message.append(part, frame.mask.as_mut())?;
        }
        if frame.remaining > 0 {
            self.partial = Partial::Payload(frame);
            return Ok(None);
        }
        self.partial = Partial::None;
        if frame.fin {
            self.message.finish().map(Some)
        } else {
            Ok(None)
        }
    }
}
