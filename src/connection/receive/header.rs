//! The next frame: its header, put together and judged.
//!
//! Invariant: every rule about a frame's place and size is judged from its header, before any of its
//! payload is taken (RFC 6455, sections 5.4 and 10.4).

use super::arriving::Frame;
use super::complete::lend;
use super::control::Control;
use super::state::{Partial, Receiver};
use crate::connection::received::Received;
use crate::connection::settings::{Deliver, Settings};
use crate::frame::{Header, Input, Mask, Opcode, ProtocolError, Role};
use alloc::boxed::Box;
use arrayvec::ArrayVec;

/// What comes next in the input.
pub(super) enum Next<'b> {
    /// Nothing: all of it has been taken.
    Nothing,
    /// A complete message or control frame.
    Received(Received<'b>),
    /// A frame of a message whose payload, perhaps an empty one, is still to be taken.
    Frame(Frame),
}

impl Receiver {
    /// Reads the next frame. A control frame, or a message that can be lent from the input, is
    /// returned complete; of any other frame only the header is taken.
    pub(super) fn next_frame<'b>(
        &mut self,
        role: Role,
        settings: &Settings,
        input: &mut Input<'b>,
    ) -> Result<Next<'b>, ProtocolError> {
        match &mut self.partial {
            Partial::None | Partial::Header(_) | Partial::Waits { .. } => {}
            Partial::Payload(frame) => return Ok(Next::Frame(*frame)),
            Partial::Control(control) => {
                if !control.take(input) {
                    return Ok(Next::Nothing);
                }
                let received = control.received();
                self.partial = Partial::None;
                return received.map(Next::Received);
            }
            Partial::Stopped(_) => {
                input.take_rest();
                return Ok(Next::Nothing);
            }
        }
        let Some(header) = self.next_header(role, input)? else {
            return Ok(Next::Nothing);
        };
        let is_only = header.fin && !self.message.is_under_way();
        let frame = self.judge(&header, settings)?;
        let is_here = frame.remaining <= input.len() as u64;
        if header.opcode.is_control() {
            if is_here {
                let payload = input.take_up_to(frame.remaining);
                return lend(header.opcode, frame, payload).map(Next::Received);
            }
            let mut control = Control::new(header.opcode, frame);
            control.take(input);
            self.partial = Partial::Control(Box::new(control));
            return Ok(Next::Nothing);
        }
        if is_here && is_only && !header.rsv1 && self.deliver != Deliver::Pieces {
            self.message.drop_gathered();
            let payload = input.take_up_to(frame.remaining);
            return lend(header.opcode, frame, payload).map(Next::Received);
        }
        Ok(Next::Frame(frame))
    }

    /// Takes a header, complete from the input or put together from bytes kept before.
    fn next_header(
        &mut self,
        role: Role,
        input: &mut Input<'_>,
    ) -> Result<Option<Header>, ProtocolError> {
        // RFC 7692, section 6, is the only use of RSV1.
        let rsv1_allowed = self.message.inflates();
        let mut kept = match &self.partial {
            Partial::Header(kept) => kept.clone(),
            _ => {
                if let Some((header, len)) = Header::parse(input.0, role, rsv1_allowed)? {
                    input.take(len);
                    return Ok(Some(header));
                }
                ArrayVec::new()
            }
        };
        while let [byte] = *input.take(1) {
            let mut so_far = ArrayVec::<u8, { Header::MAX_LEN }>::new();
            so_far.extend(kept.iter().copied().chain([byte]));
            if let Some((header, _)) = Header::parse(&so_far, role, rsv1_allowed)? {
                self.partial = Partial::None;
                return Ok(Some(header));
            }
            // A header of `MAX_LEN` bytes is complete, so there is room.
            let is_kept = kept.try_push(byte);
            debug_assert_eq!(is_kept, Ok(()));
        }
        if !kept.is_empty() {
            self.partial = Partial::Header(kept);
        }
        Ok(None)
    }

    /// Checks the rules that depend on earlier frames, and the limits. A message that starts
    /// latches the settings.
    fn judge(&mut self, header: &Header, settings: &Settings) -> Result<Frame, ProtocolError> {
        let is_under_way = self.message.is_under_way();
        match header.opcode {
            Opcode::Continuation if !is_under_way => {
                return Err(ProtocolError::ContinuationUnexpected);
            }
            Opcode::Text | Opcode::Binary if is_under_way => {
                return Err(ProtocolError::ContinuationExpected);
            }
            Opcode::Text | Opcode::Binary => {
                self.deliver = settings.deliver;
                self.fragments_left = settings.max_fragments;
                let (is_text, max) = (header.opcode == Opcode::Text, settings.max_message_size);
                self.message.start(is_text, header.rsv1, max);
            }
            _ => {}
        }
        if !header.opcode.is_control() {
            self.message.admit(header.payload_len)?;
            if !header.fin || is_under_way {
                let Some(left) = self.fragments_left.checked_sub(1) else {
                    return Err(ProtocolError::TooManyFragments);
                };
                self.fragments_left = left;
            }
        }
        Ok(Frame {
            fin: header.fin,
            mask: header.masking_key.map(Mask::new),
            unmasked: 0,
            remaining: header.payload_len,
        })
    }
}
