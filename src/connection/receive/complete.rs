//! Fast paths for frames that are complete in the input, the common case.
//!
//! Invariant: a fast path takes only what all rules allow, and leaves everything else untouched.

use super::arriving::Frame;
use super::control::control_received;
use super::state::{Partial, Receiver};
use super::utf8;
use crate::connection::payload::{Binary, Text};
use crate::connection::received::Received;
use crate::connection::settings::{Deliver, Settings};
use crate::frame::{CompleteFrame, Input, Opcode, ProtocolError, Role};

/// The first byte of a frame that is a complete message, not compressed.
pub(super) const TEXT: u8 = 0x80 | Opcode::Text as u8;
pub(super) const BINARY: u8 = 0x80 | Opcode::Binary as u8;
/// The first byte of a further fragment that is not the last.
const NEXT_FRAGMENT: u8 = Opcode::Continuation as u8;

impl Receiver {
    /// The next message, if it is complete and uncompressed in the input, and is delivered
    /// complete; otherwise nothing is taken.
    #[inline]
    pub(crate) fn complete_message<'b>(
        &self,
        role: Role,
        settings: &Settings,
        input: &mut Input<'b>,
    ) -> Option<Result<Received<'b>, ProtocolError>> {
        let frame = CompleteFrame::peek(role, input.0)?;
        if !matches!(frame.first, TEXT | BINARY)
            || !matches!(self.partial, Partial::None)
            || self.message.is_under_way()
            || frame.len as u64 > settings.max_message_size
            || matches!(settings.deliver, Deliver::Pieces)
        {
            return None;
        }
        let (payload, mask) = frame.take(role, input);
        if let Some(mut mask) = mask {
            mask.apply(payload);
        }
        Some(message(frame.first == TEXT, payload))
    }

    /// Gathers the fragments of an uncompressed message that are complete in the input, except the
    /// last.
    pub(super) fn gather_fragments(
        &mut self,
        role: Role,
        input: &mut Input<'_>,
    ) -> Result<(), ProtocolError> {
        if !matches!(self.partial, Partial::None)
            || !self.message.is_gathered_uncompressed()
            || self.deliver == Deliver::Pieces
        {
            return Ok(());
        }
        while let Some(frame) = CompleteFrame::peek(role, input.0)
            && frame.first == NEXT_FRAGMENT
            && frame.len as u64 <= self.message.room()
            && let Some(left) = self.fragments_left.checked_sub(1)
        {
            self.fragments_left = left;
            let (payload, mut mask) = frame.take(role, input);
            self.message.make_room(payload.len() as u64, payload.len());
            self.message.append(payload, mask.as_mut())?;
        }
        Ok(())
    }
}

/// A message or control frame that is complete in the caller's bytes.
#[inline]
pub(super) fn lend(
    opcode: Opcode,
    frame: Frame,
    payload: &mut [u8],
) -> Result<Received<'_>, ProtocolError> {
    if let Some(mut mask) = frame.mask {
        mask.apply(payload);
    }
    if opcode.is_control() {
        return control_received(opcode, payload);
    }
    message(opcode == Opcode::Text, payload)
}

/// A message whose payload is complete and unmasked in the caller's bytes.
#[inline]
pub(super) fn message(is_text: bool, payload: &[u8]) -> Result<Received<'_>, ProtocolError> {
    if !is_text {
        return Ok(Received::Binary(Binary::from(payload)));
    }
    match utf8::check(payload) {
        Ok(text) => Ok(Received::Text(Text::from(text))),
        Err(_) => Err(ProtocolError::TextNotUtf8),
    }
}
