//! The short ways, for what lies whole in the input, as nearly all does. Their law: they see only
//! what all rules allow, and leave everything else to the long way as it was.

use super::control::control_event;
use super::{Frame, Partial, Receiver};
use crate::connection::Event;
use crate::connection::receive::utf8;
use crate::frame::{Input, Mask, Opcode, ProtocolError, Role};
use alloc::borrow::Cow;

/// The first octet of a frame that is a whole message, not compressed.
pub(super) const TEXT: u8 = 0x80 | Opcode::Text as u8;
pub(super) const BINARY: u8 = 0x80 | Opcode::Binary as u8;
/// The first octet of a further fragment which is not the last.
const NEXT_FRAGMENT: u8 = Opcode::Continuation as u8;

/// A frame that lies whole in the input behind a header of at most 8 octets, as nearly all do.
#[derive(Clone, Copy)]
struct Whole {
    /// The first octet of its header.
    first: u8,
    header_len: usize,
    len: usize,
}

impl Whole {
    /// What the input begins with, if it is one, and masked as it must be.
    #[inline]
    fn ahead(role: Role, input: &Input<'_>) -> Option<Self> {
        let [first, second, a, b, ..] = *input.remaining() else {
            return None;
        };
        let (len, header_len) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes([a, b])), 4),
            127.. => return None,
            len => (usize::from(len), 2),
        };
        let is_minimal = header_len == 2 || len >= 126;
        let is_masked = role == Role::Server;
        let header_len = header_len + if is_masked { 4 } else { 0 };
        let is_one =
            is_masked == (second & 0x80 != 0) && is_minimal && input.len() >= header_len + len;
        is_one.then_some(Self {
            first,
            header_len,
            len,
        })
    }

    /// Takes it, and returns its payload as it came in, with its mask.
    #[inline]
    fn take<'b>(self, role: Role, input: &mut Input<'b>) -> (&'b mut [u8], Option<Mask>) {
        let header = input.take(self.header_len);
        let payload = input.take(self.len);
        let key = match role {
            Role::Server => header.last_chunk(),
            Role::Client => None,
        };
        (payload, key.map(|key| Mask::new(*key)))
    }
}

impl Receiver {
    /// The next message, if it lies whole and plain in the input; else nothing has been taken.
    ///
    /// It is the short way of [`receive`](Self::receive): it sees only what all rules allow.
    #[inline]
    pub(crate) fn whole_message<'b>(
        &self,
        role: Role,
        input: &mut Input<'b>,
    ) -> Option<Result<Event<'b>, ProtocolError>> {
        let frame = Whole::ahead(role, input)?;
        if !matches!(frame.first, TEXT | BINARY)
            || !matches!(self.partial, Partial::None)
            || self.message.is_under_way()
            || frame.len > self.max_frame_size
            || frame.len > self.message.max_size()
        {
            return None;
        }
        let (payload, mask) = frame.take(role, input);
        if let Some(mut mask) = mask {
            mask.apply(payload);
        }
        Some(message(frame.first == TEXT, payload))
    }

    /// Gathers the fragments of a plain message that lie whole in the input, but for the last: the
    /// short way, as [`whole_message`](Self::whole_message).
    pub(super) fn gather_fragments(
        &mut self,
        role: Role,
        input: &mut Input<'_>,
    ) -> Result<(), ProtocolError> {
        if !matches!(self.partial, Partial::None)
            || !self.message.is_under_way()
            || self.message.is_compressed()
        {
            return Ok(());
        }
        while let Some(frame) = Whole::ahead(role, input) {
            if frame.first != NEXT_FRAGMENT
                || frame.len > self.max_frame_size
                || frame.len > self.message.room(false, 0)
                || self.fragments >= self.max_fragments
            {
                break;
            }
            self.fragments += 1;
            let (payload, mut mask) = frame.take(role, input);
            self.message.append(payload, mask.as_mut())?;
        }
        Ok(())
    }
}

/// A message or control frame that lies whole in the caller's octets.
#[inline]
pub(super) fn lend(frame: Frame, payload: &mut [u8]) -> Result<Event<'_>, ProtocolError> {
    if let Some(mut mask) = frame.mask {
        mask.apply(payload);
    }
    if frame.opcode.is_control() {
        return control_event(frame.opcode, Cow::Borrowed(payload));
    }
    message(frame.opcode == Opcode::Text, payload)
}

/// A message whose payload lies whole and unmasked in the caller's octets.
#[inline]
pub(super) fn message(is_text: bool, payload: &[u8]) -> Result<Event<'_>, ProtocolError> {
    if !is_text {
        return Ok(Event::Binary(Cow::Borrowed(payload)));
    }
    match utf8::check(payload) {
        Ok(text) => Ok(Event::Text(Cow::Borrowed(text))),
        Err(_) => Err(ProtocolError::TextNotUtf8),
    }
}
