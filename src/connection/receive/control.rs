//! Control frames (RFC 6455, section 5.5).
//!
//! Invariant: a control frame is handed on only when it is complete.

use super::arriving::Frame;
use super::utf8;
use crate::connection::payload::{Binary, Text};
use crate::connection::received::Received;
use crate::frame::{CloseCode, Input, MAX_CONTROL_LEN, Opcode, ProtocolError};
use arrayvec::ArrayVec;

/// A control frame and what has arrived of its payload.
pub(super) struct Control {
    opcode: Opcode,
    frame: Frame,
    payload: ArrayVec<u8, MAX_CONTROL_LEN>,
}

impl Control {
    pub(super) const fn new(opcode: Opcode, frame: Frame) -> Self {
        Self {
            opcode,
            frame,
            payload: ArrayVec::new_const(),
        }
    }

    /// Takes what has arrived of the payload; returns whether that was its end.
    pub(super) fn take(&mut self, input: &mut Input<'_>) -> bool {
        let part = input.take_up_to(self.frame.remaining);
        self.frame.remaining -= part.len() as u64;
        if let Some(mask) = &mut self.frame.mask {
            mask.apply(part);
        }
        // The header was judged: a control frame has at most `MAX_CONTROL_LEN` bytes.
        let is_kept = self.payload.try_extend_from_slice(part);
        debug_assert_eq!(is_kept, Ok(()));
        self.frame.remaining == 0
    }

    pub(super) fn received<'b>(&self) -> Result<Received<'b>, ProtocolError> {
        control_received(self.opcode, &self.payload).map(Received::into_owned)
    }
}

#[cold]
pub(super) fn control_received(
    opcode: Opcode,
    payload: &[u8],
) -> Result<Received<'_>, ProtocolError> {
    match opcode {
        Opcode::Ping => Ok(Received::Ping(Binary::from(payload))),
        Opcode::Pong => Ok(Received::Pong(Binary::from(payload))),
        _ => close(payload),
    }
}

/// The body of a Close frame (RFC 6455, section 5.5.1).
fn close(body: &[u8]) -> Result<Received<'_>, ProtocolError> {
    let (code, reason) = match body.split_first_chunk() {
        Some((code, reason)) => (CloseCode(u16::from_be_bytes(*code)), reason),
        None if body.is_empty() => (CloseCode::NO_STATUS, body),
        None => return Err(ProtocolError::CloseBodyTooShort),
    };
    if !body.is_empty() && !code.is_on_wire() {
        return Err(ProtocolError::CloseCodeInvalid(code));
    }
    let reason = utf8::check(reason).map_err(|_| ProtocolError::CloseReasonNotUtf8)?;
    Ok(Received::Close {
        code,
        reason: Text::from(reason),
    })
}
