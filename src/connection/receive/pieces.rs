//! Messages in the pieces in which they come in. Its law: no more than a piece is taken at a time,
//! and what is plain is lent where it lies.

use super::{Frame, Next, Partial, Receiver, STEP};
use crate::connection::Event;
use crate::frame::{Input, ProtocolError, Role};

impl Receiver {
    /// As [`receive`](Self::receive), but a message is handed on as it comes in.
    pub(crate) fn receive_piece<'b>(
        &mut self,
        role: Role,
        input: &mut Input<'b>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        // What was gathered while nobody asked for pieces goes first.
        if let Some(event) = self.message.drain() {
            return Ok(Some(event));
        }
        loop {
            let frame = match self.next(role, input)? {
                Next::Nothing => return Ok(None),
                Next::Event(event) => return Ok(Some(event)),
                Next::Frame(frame) => frame,
            };
            let event = self.take_piece(frame, input)?;
            if event.is_some() || matches!(self.partial, Partial::Payload(_)) && input.is_empty() {
                return Ok(event);
            }
        }
    }

    /// Takes what makes at most one piece of a message, and hands it on.
    fn take_piece<'b>(
        &mut self,
        mut frame: Frame,
        input: &mut Input<'b>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        let lends = self.message.lends();
        let mut lent: &[u8] = &[];
        if lends {
            let octets = input.take(frame.remaining);
            frame.remaining -= octets.len();
            if let Some(mask) = &mut frame.mask {
                mask.apply(octets);
            }
            lent = octets;
        } else {
            self.gather_step(&mut frame, input)?;
        }
        let is_over = frame.remaining == 0 && !self.message.has_more();
        let is_last = is_over && frame.fin;
        self.partial = if is_over {
            Partial::None
        } else {
            Partial::Payload(frame)
        };
        if is_last {
            self.fragments = 0;
        }
        match (lends, is_last) {
            (true, _) => self.message.lend(lent, is_last),
            (false, true) => self.message.finish(),
            (false, false) => Ok(self.message.drain()),
        }
    }

    /// Gathers what makes at most one piece: a step of what is compressed, or an octet of a
    /// character that was cut off.
    fn gather_step(
        &mut self,
        frame: &mut Frame,
        input: &mut Input<'_>,
    ) -> Result<(), ProtocolError> {
        let most = if self.message.is_compressed() {
            STEP
        } else {
            1
        };
        let len = frame.remaining.min(most).min(input.len());
        let part = input.remaining_mut().get_mut(..len).unwrap_or_default();
        if let Some(mut mask) = frame.mask {
            mask.apply(part);
        }
        let taken = self.message.append_step(part)?;
        // What has not been taken stays in the input as it came in.
        if let (Some(mask), Some(rest)) = (&mut frame.mask, part.get_mut(taken..)) {
            mask.skip(taken);
            mask.clone().apply(rest);
        }
        input.take(taken);
        frame.remaining -= taken;
        Ok(())
    }
}
