//! Messages in the pieces in which they arrive ([`Deliver::Pieces`](crate::Deliver::Pieces)).
//!
//! Invariant: at most one piece is taken at a time, uncompressed data is lent where it lies, and each
//! byte is unmasked once.

use super::arriving::Frame;
use super::state::{Partial, Receiver};
use crate::connection::received::Received;
use crate::frame::{Input, ProtocolError};

/// At most this much of a compressed payload is unmasked before it is inflated, in bytes.
const STEP: u16 = 16 << 10;

impl Receiver {
    /// Takes what makes at most one piece of a message, and hands it on.
    pub(super) fn take_piece<'b>(
        &mut self,
        mut frame: Frame,
        input: &mut Input<'b>,
    ) -> Result<Option<Received<'b>>, ProtocolError> {
        let lends = self.message.lends();
        let mut lent: &[u8] = &[];
        if lends {
            let bytes = input.take_up_to(frame.remaining);
            frame.remaining -= bytes.len() as u64;
            if let Some(mask) = &mut frame.mask {
                mask.apply(bytes);
            }
            lent = bytes;
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
        if lends {
            return self.message.lend(lent, is_last);
        }
        if is_last {
            return self.message.finish_pieces().map(Some);
        }
        Ok(self.message.drain())
    }

    /// Gathers what makes at most one piece: a step of compressed data, or a byte of a character
    /// that was cut.
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
        let len = usize::from(most)
            .min(usize::try_from(frame.remaining).unwrap_or(usize::MAX))
            .min(input.len());
        let Some(part) = input.0.get_mut(..len) else {
            return Ok(());
        };
        // What the last step left in the input is unmasked already.
        let unmasked = usize::from(frame.unmasked).min(len);
        if let (Some(mask), Some(fresh)) = (&mut frame.mask, part.get_mut(unmasked..)) {
            mask.apply(fresh);
        }
        let taken = self.message.append_step(part)?;
        input.take(taken);
        frame.remaining -= taken as u64;
        frame.unmasked = (len - taken) as u16; // at most `STEP`
        Ok(())
    }
}
