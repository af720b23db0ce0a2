//! Control frames (RFC 6455, section 5.5). Its law: one is handed on when it is there as a whole.

use super::Frame;
use crate::connection::Event;
use crate::connection::receive::utf8;
use crate::frame::{CloseCode, CloseFrame, Input, MAX_CONTROL_LEN, Opcode, ProtocolError};
use alloc::borrow::Cow;

/// A control frame and what has come in of its payload.
#[derive(Debug)]
pub(super) struct Control {
    frame: Frame,
    octets: [u8; MAX_CONTROL_LEN],
    len: u8,
}

impl Control {
    pub(super) const fn new(frame: Frame) -> Self {
        Self {
            frame,
            octets: [0; MAX_CONTROL_LEN],
            len: 0,
        }
    }

    /// Takes what has arrived of the payload, which fits; returns whether that was its end.
    pub(super) fn take(&mut self, input: &mut Input<'_>) -> bool {
        let part = input.take(self.frame.remaining);
        self.frame.remaining -= part.len();
        if let Some(mask) = &mut self.frame.mask {
            mask.apply(part);
        }
        for (place, octet) in self.octets.iter_mut().skip(usize::from(self.len)).zip(part) {
            *place = *octet;
            self.len += 1;
        }
        self.frame.remaining == 0
    }

    pub(super) const fn opcode(&self) -> Opcode {
        self.frame.opcode
    }

    pub(super) fn octets(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }
}

#[cold]
pub(super) fn control_event(
    opcode: Opcode,
    payload: Cow<'_, [u8]>,
) -> Result<Event<'_>, ProtocolError> {
    Ok(match opcode {
        Opcode::Ping => Event::Ping(payload),
        Opcode::Pong => Event::Pong(payload),
        _ => Event::Close(close_frame(payload)?),
    })
}

/// The body of a Close frame (RFC 6455, section 5.5.1).
fn close_frame(body: Cow<'_, [u8]>) -> Result<Option<CloseFrame<'_>>, ProtocolError> {
    let code = match (body.first_chunk(), body.len()) {
        (Some(code), _) => CloseCode(u16::from_be_bytes(*code)),
        (None, 0) => return Ok(None),
        (None, _) => return Err(ProtocolError::CloseBodyTooShort),
    };
    if !code.is_on_wire() {
        return Err(ProtocolError::CloseCodeInvalid(code));
    }
    let reason = match body {
        Cow::Borrowed(body) => utf8::check(body.get(2..).unwrap_or_default()).map(Cow::Borrowed),
        Cow::Owned(body) => {
            utf8::check(body.get(2..).unwrap_or_default()).map(|text| Cow::Owned(text.into()))
        }
    };
    let reason = reason.map_err(|_| ProtocolError::CloseReasonNotUtf8)?;
    Ok(Some(CloseFrame { code, reason }))
}
