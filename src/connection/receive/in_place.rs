//! Messages that wait in the caller's own buffer until they are complete
//! ([`Deliver::InPlace`](crate::Deliver::InPlace)).
//!
//! Invariant: nothing is taken of a message before it is complete, and each byte is unmasked once.

use super::complete::{BINARY, TEXT, message};
use super::state::{Partial, Receiver};
use crate::connection::received::Received;
use crate::connection::settings::{Deliver, Settings};
use crate::frame::{Header, Input, Mask, Opcode, ProtocolError, Role};

/// The start of a message that may wait in the input.
enum Ahead {
    /// A part of its header.
    CutHeader,
    /// Its header, the length of that, and the length of its payload.
    Payload(Header, usize, usize),
}

/// What there is in the input.
pub(super) enum Outcome<'b> {
    /// Nothing that waits there.
    NotThere,
    /// A message that is not complete.
    Waits,
    /// A message that is complete, and has been taken.
    Complete(Received<'b>),
}

impl Receiver {
    /// What `input` starts with, if that is, as far as can be seen, an uncompressed message in one
    /// frame.
    #[inline(never)] // inlined, it makes the slow path of other deliveries 3 % longer
    fn ahead(&self, role: Role, settings: &Settings, input: &[u8]) -> Option<Ahead> {
        let has_started = matches!(self.partial, Partial::Waits { .. });
        let may_start = settings.deliver == Deliver::InPlace
            && matches!(self.partial, Partial::None)
            && !self.message.is_under_way();
        if !(has_started || may_start) || !matches!(input, [TEXT | BINARY, ..]) {
            return None;
        }
        let Some((header, header_len)) = Header::parse(input, role, false).ok()? else {
            return Some(Ahead::CutHeader);
        };
        // The limit was judged where the message started.
        let fits = has_started || header.payload_len <= settings.max_message_size;
        let len = usize::try_from(header.payload_len).ok()?;
        fits.then_some(Ahead::Payload(header, header_len, len))
    }

    /// How many bytes are still to come, at least, of a message that may wait in the input.
    pub(crate) fn missing(
        &self,
        role: Role,
        settings: &Settings,
        input: &Input<'_>,
    ) -> Option<usize> {
        match self.ahead(role, settings, input.0)? {
            Ahead::CutHeader => Some(1),
            Ahead::Payload(_, header_len, len) => {
                let missing = header_len.saturating_add(len).checked_sub(input.len())?;
                (missing > 0).then_some(missing)
            }
        }
    }

    /// Lends a message that is complete in the input, or lets one wait there.
    pub(super) fn receive_in_place<'b>(
        &mut self,
        role: Role,
        settings: &Settings,
        input: &mut Input<'b>,
    ) -> Result<Outcome<'b>, ProtocolError> {
        let from = match self.partial {
            Partial::Waits { unmasked } => unmasked,
            _ => 0,
        };
        let (header, header_len, len) = match self.ahead(role, settings, input.0) {
            Some(Ahead::Payload(header, header_len, len)) => (header, header_len, len),
            Some(Ahead::CutHeader) => return Ok(Outcome::Waits),
            // The bytes that wait are not in this input, so nothing can be said about them.
            None if matches!(self.partial, Partial::Waits { .. }) => return Ok(Outcome::Waits),
            None => return Ok(Outcome::NotThere),
        };
        let here = len.min(input.len() - header_len);
        let is_complete = here == len;
        // What has just arrived is in the fastest cache, so it is unmasked now.
        let to = if is_complete { len } else { here - here % 4 };
        let payload = input.0.get_mut(header_len..);
        let fresh = payload.and_then(|payload| payload.get_mut(from..to));
        if let (Some(key), Some(fresh)) = (header.masking_key, fresh) {
            Mask::new(key).apply(fresh);
        }
        if !is_complete {
            self.partial = Partial::Waits {
                unmasked: to.max(from),
            };
            return Ok(Outcome::Waits);
        }
        self.partial = Partial::None;
        input.take(header_len);
        let payload = input.take(len);
        message(header.opcode == Opcode::Text, payload).map(Outcome::Complete)
    }
}
