//! Messages that wait in the caller's own buffer until they are there as a whole. Its law: nothing
//! is taken of one before, and each octet is unmasked once.

use super::whole::{BINARY, TEXT, message};
use super::{Partial, Receiver};
use crate::connection::Event;
use crate::frame::{Header, Input, Mask, Opcode, ProtocolError, Role};

/// What the input begins with, where that is a message which may wait there.
enum Ahead {
    /// A part of its header.
    CutHeader,
    /// Its header, how long that is, and how long its payload is.
    Payload(Header, usize, usize),
}

/// Whether something waits in the input.
pub(crate) enum Waiting<'b> {
    /// Nothing that could: the input is for [`Receiver::receive`].
    Nothing,
    /// A message that is not there as a whole.
    Message,
    /// It is there, and has been taken.
    Whole(Result<Event<'b>, ProtocolError>),
}

impl Receiver {
    /// What the input begins with, if it is a whole and plain message as far as can be seen.
    fn ahead(&self, role: Role, octets: &[u8]) -> Option<Ahead> {
        let begins = matches!(octets, [TEXT | BINARY, ..])
            && matches!(self.partial, Partial::None | Partial::Waits { .. })
            && !self.message.is_under_way();
        if !begins {
            return None;
        }
        let Some((header, header_len)) = Header::parse(octets, role, false).ok()? else {
            return Some(Ahead::CutHeader);
        };
        let len = usize::try_from(header.payload_len).ok()?;
        let fits = len <= self.max_frame_size && len <= self.message.max_size();
        fits.then_some(Ahead::Payload(header, header_len, len))
    }

    /// How many octets are still to come, at least, of a message that may wait in the input.
    pub(crate) fn missing(&self, role: Role, input: &Input<'_>) -> Option<usize> {
        match self.ahead(role, input.remaining())? {
            Ahead::CutHeader => Some(1),
            Ahead::Payload(_, header_len, len) => {
                let missing = header_len.saturating_add(len).checked_sub(input.len())?;
                (missing > 0).then_some(missing)
            }
        }
    }

    /// Lends a message that has waited in the input, or lets one wait there.
    pub(crate) fn waiting_message<'b>(&mut self, role: Role, input: &mut Input<'b>) -> Waiting<'b> {
        let (header, header_len, len) = match self.ahead(role, input.remaining()) {
            None => return Waiting::Nothing,
            Some(Ahead::CutHeader) => return Waiting::Message,
            Some(Ahead::Payload(header, header_len, len)) => (header, header_len, len),
        };
        let from = match self.partial {
            Partial::Waits { unmasked } => unmasked,
            _ => 0,
        };
        let there = len.min(input.len() - header_len);
        let is_whole = there == len;
        // What came in is in the fastest cache: now is the time to unmask it.
        let to = if is_whole { len } else { there - there % 4 };
        let payload = input.remaining_mut().get_mut(header_len..);
        let fresh = payload.and_then(|payload| payload.get_mut(from..to));
        if let (Some(key), Some(fresh)) = (header.masking_key, fresh) {
            Mask::new(key).apply(fresh);
        }
        if !is_whole {
            self.partial = Partial::Waits { unmasked: to };
            return Waiting::Message;
        }
        self.partial = Partial::None;
        input.take(header_len);
        let payload = input.take(len);
        Waiting::Whole(message(header.opcode == Opcode::Text, payload))
    }
}
