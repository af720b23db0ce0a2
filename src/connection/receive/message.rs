//! The message under way: its fragments, put together (RFC 6455, section 5.4) and inflated
//! (RFC 7692, section 6.2), or handed on piece by piece. Its law: what is kept is valid so far and
//! within the limit, and memory follows octets received, never lengths announced.

use crate::connection::Event;
use crate::connection::receive::utf8::PartialChar;
#[cfg(feature = "deflate")]
use crate::deflate::{Inflation, Sink};
use crate::frame::{Mask, Opcode, ProtocolError};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

/// A message that comes in, if there is one.
#[derive(Debug)]
pub(crate) struct Message {
    gathered: Gathered,
    /// How much of the message has been handed on, in octets.
    delivered: usize,
    max_size: usize,
    #[cfg(feature = "deflate")]
    inflation: Inflation,
}

#[derive(Debug)]
enum Gathered {
    /// No message is under way.
    None,
    Text(String, PartialChar),
    Binary(Vec<u8>),
}

/// Room may be made for so many octets more than have been received, but for no more than 8
/// times as many.
const AHEAD: usize = 64 << 10;

/// How long what may be this long may be when it is compressed.
///
/// Data that does not shrink grows by a part in thousands. Far beyond that are blocks without
/// data, of which there could be no end.
pub(crate) const fn max_compressed(max: usize) -> usize {
    max.saturating_add(max / 8).saturating_add(64)
}

impl Message {
    pub(crate) const fn new(max_size: usize) -> Self {
        Self {
            gathered: Gathered::None,
            delivered: 0,
            max_size,
            #[cfg(feature = "deflate")]
            inflation: Inflation::OFF,
        }
    }

    /// The longest that a message may be.
    #[inline]
    pub(crate) const fn max_size(&self) -> usize {
        self.max_size
    }

    /// From now on a message may be so long.
    pub(crate) const fn set_max_size(&mut self, max_size: usize) {
        self.max_size = max_size;
    }

    /// From now on messages may come compressed.
    #[cfg(feature = "deflate")]
    pub(crate) fn set_inflation(&mut self, inflation: Inflation) {
        self.inflation = inflation;
    }

    /// Whether messages may come compressed.
    #[inline]
    pub(crate) const fn inflates(&self) -> bool {
        #[cfg(feature = "deflate")]
        return self.inflation.is_agreed();
        #[cfg(not(feature = "deflate"))]
        return false;
    }

    #[inline]
    pub(crate) const fn is_under_way(&self) -> bool {
        !matches!(self.gathered, Gathered::None)
    }

    /// Whether the message under way is compressed.
    #[inline]
    pub(crate) fn is_compressed(&self) -> bool {
        self.is_under_way() && self.compressed_len().is_some()
    }

    /// How many octets more may come in: of the message under way, of which there are so many
    /// fragments, or of one that begins.
    #[inline]
    pub(crate) fn room(&self, begins_compressed: bool, fragments: u32) -> usize {
        if begins_compressed {
            max_compressed(self.max_size)
        } else if self.is_under_way() {
            self.room_left(fragments)
        } else {
            self.max_size
        }
    }

    fn room_left(&self, fragments: u32) -> usize {
        match self.compressed_len() {
            None => self.max_gathered().saturating_sub(self.gathered.len()),
            Some(len) => {
                // A flush at the end of each fragment takes about 5 octets.
                let flushes = usize::try_from(fragments).unwrap_or(usize::MAX);
                max_compressed(self.max_size)
                    .saturating_add(flushes.saturating_mul(16))
                    .saturating_sub(len)
            }
        }
    }

    /// How much may be kept of the message.
    const fn max_gathered(&self) -> usize {
        self.max_size.saturating_sub(self.delivered)
    }

    /// How many octets have come in of the message under way, if it is compressed.
    fn compressed_len(&self) -> Option<usize> {
        #[cfg(feature = "deflate")]
        return self.inflation.compressed_len();
        #[cfg(not(feature = "deflate"))]
        return None;
    }

    /// A message begins, if it is with this opcode that one does.
    pub(crate) fn begin(&mut self, opcode: Opcode, compressed: bool) {
        self.gathered = match opcode {
            Opcode::Text => Gathered::Text(String::new(), PartialChar::default()),
            Opcode::Binary => Gathered::Binary(Vec::new()),
            _ => return,
        };
        #[cfg(feature = "deflate")]
        if compressed {
            self.inflation.begin_message();
        }
        #[cfg(not(feature = "deflate"))]
        debug_assert!(!compressed);
    }

    /// Makes room for a payload of which `here` octets have arrived and `remaining` are to come
    /// with them: at once for a short one, twice as much each time for a long one.
    pub(crate) fn make_room(&mut self, remaining: usize, here: usize) {
        // What compressed octets need shows when they are inflated.
        if self.gathered.free() >= remaining.min(here) || self.is_compressed() {
            return;
        }
        let received = self.gathered.len().saturating_add(here);
        let ahead = received.max(AHEAD.min(received.saturating_mul(8)));
        self.gathered.reserve(remaining.min(ahead));
    }

    /// Adds a part of a payload as it came in: with this mask.
    #[inline]
    pub(crate) fn append(
        &mut self,
        part: &mut [u8],
        mask: Option<&mut Mask>,
    ) -> Result<(), ProtocolError> {
        let is_plain = self.compressed_len().is_none();
        match (mask, &mut self.gathered) {
            // There is nothing to be checked: unmasking and copying are one.
            (Some(mask), Gathered::Binary(data)) if is_plain => {
                mask.append(part, data);
                mask.skip(part.len());
                return Ok(());
            }
            (Some(mask), _) => mask.apply(part),
            (None, _) => {}
        }
        self.append_unmasked(part)
    }

    /// Adds a part of a payload that has been unmasked.
    pub(crate) fn append_unmasked(&mut self, part: &[u8]) -> Result<(), ProtocolError> {
        #[cfg(feature = "deflate")]
        if self.inflation.compressed_len().is_some() {
            let max = self.max_gathered();
            return (self.inflation).inflate(part, Inflated(&mut self.gathered, max));
        }
        self.gathered.append(part)
    }

    /// Adds what makes at most one step of output, if it is compressed, else all. Returns how much
    /// of the part that was.
    pub(crate) fn append_step(&mut self, part: &[u8]) -> Result<usize, ProtocolError> {
        #[cfg(feature = "deflate")]
        if self.inflation.compressed_len().is_some() {
            if part.is_empty() && !self.has_more() {
                return Ok(0);
            }
            let max = self.max_gathered();
            return (self.inflation).step(part, Inflated(&mut self.gathered, max));
        }
        self.gathered.append(part)?;
        Ok(part.len())
    }

    /// Whether another step needs no further octets.
    pub(crate) const fn has_more(&self) -> bool {
        #[cfg(feature = "deflate")]
        return self.inflation.has_more();
        #[cfg(not(feature = "deflate"))]
        return false;
    }

    /// The message has ended: what there is of it that was not handed on.
    pub(crate) fn finish<'b>(&mut self) -> Result<Option<Event<'b>>, ProtocolError> {
        #[cfg(feature = "deflate")]
        {
            let max = self.max_gathered();
            (self.inflation).end_message(Inflated(&mut self.gathered, max))?;
        }
        self.delivered = 0;
        Ok(match mem::replace(&mut self.gathered, Gathered::None) {
            Gathered::Text(text, partial) => {
                partial.finish().map_err(|_| ProtocolError::TextNotUtf8)?;
                Some(Event::Text(Cow::Owned(text)))
            }
            Gathered::Binary(data) => Some(Event::Binary(Cow::Owned(data))),
            Gathered::None => None,
        })
    }

    /// Whether a part of a payload is to be handed on where it lies: it is not compressed, and
    /// nothing that came before it is kept.
    pub(crate) fn lends(&self) -> bool {
        self.gathered.len() == 0 && !self.is_compressed()
    }

    /// Hands on a part of the payload, the last of the message or not. A character that it cuts off
    /// is kept.
    pub(crate) fn lend<'b>(
        &mut self,
        part: &'b [u8],
        is_last: bool,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        let (event, len) = match &mut self.gathered {
            Gathered::Text(_, partial) => {
                let text = partial.cut(part);
                let text = text.map_err(|_| ProtocolError::TextNotUtf8)?;
                let event = if is_last {
                    Event::Text
                } else {
                    Event::TextPiece
                };
                (event(Cow::Borrowed(text)), text.len())
            }
            Gathered::Binary(_) => {
                let event = if is_last {
                    Event::Binary
                } else {
                    Event::BinaryPiece
                };
                (event(Cow::Borrowed(part)), part.len())
            }
            Gathered::None => return Ok(None),
        };
        self.delivered = self.delivered.saturating_add(len);
        if is_last {
            self.finish()?;
            return Ok(Some(event));
        }
        Ok((len > 0).then_some(event))
    }

    /// Hands on what has been gathered, but for a part of a character.
    pub(crate) fn drain<'b>(&mut self) -> Option<Event<'b>> {
        let [octets, _] = self.gathered.octets();
        if octets.is_empty() {
            return None;
        }
        self.delivered = self.delivered.saturating_add(octets.len());
        #[cfg(feature = "deflate")]
        self.inflation.handed_on(octets);
        Some(match &mut self.gathered {
            Gathered::Text(text, _) => Event::TextPiece(Cow::Owned(mem::take(text))),
            Gathered::Binary(data) => Event::BinaryPiece(Cow::Owned(mem::take(data))),
            Gathered::None => return None,
        })
    }

    /// Drops all that is kept.
    pub(crate) fn stop(&mut self) {
        *self = Self::new(self.max_size);
    }
}

impl Gathered {
    const fn len(&self) -> usize {
        match self {
            Self::Text(text, partial) => text.len() + partial.len(),
            Self::Binary(data) => data.len(),
            Self::None => 0,
        }
    }

    /// How many octets more have room without an allocation.
    const fn free(&self) -> usize {
        match self {
            Self::Text(text, _) => text.capacity().saturating_sub(self.len()),
            Self::Binary(data) => data.capacity() - data.len(),
            Self::None => 0,
        }
    }

    /// Makes room, and more than that rather than often.
    fn reserve(&mut self, room: usize) {
        match self {
            Self::Text(text, _) => text.reserve(room),
            Self::Binary(data) => data.reserve(room),
            Self::None => {}
        }
    }

    #[cfg(feature = "deflate")]
    fn reserve_exact(&mut self, room: usize) {
        match self {
            Self::Text(text, partial) => text.reserve_exact(partial.len() + room),
            Self::Binary(data) => data.reserve_exact(room),
            Self::None => {}
        }
    }

    /// Text is checked.
    fn append(&mut self, part: &[u8]) -> Result<(), ProtocolError> {
        match self {
            Self::Text(text, partial) => {
                let checked = partial.append(part, text);
                checked.map_err(|_| ProtocolError::TextNotUtf8)?;
            }
            Self::Binary(data) => data.extend_from_slice(part),
            Self::None => {}
        }
        Ok(())
    }

    /// All octets, in two parts.
    fn octets(&self) -> [&[u8]; 2] {
        match self {
            Self::Text(text, partial) => [text.as_bytes(), partial.octets()],
            Self::Binary(data) => [data, &[]],
            Self::None => [&[], &[]],
        }
    }
}

/// The message under way as what inflated octets go to, and the longest that it may be.
#[cfg(feature = "deflate")]
struct Inflated<'m>(&'m mut Gathered, usize);

#[cfg(feature = "deflate")]
impl Sink for Inflated<'_> {
    /// Appends what the limit lets it; more is an error.
    fn append(&mut self, part: &[u8]) -> Result<(), ProtocolError> {
        let Self(gathered, max_size) = self;
        let room = max_size.saturating_sub(gathered.len());
        let (fits, rest) = part.split_at(part.len().min(room));
        if gathered.free() < fits.len() {
            // Just the first part, which is the whole of most messages; from then on twice as
            // much each time, up to the limit.
            let ahead = fits.len().max(gathered.len());
            gathered.reserve_exact(ahead.min(room));
        }
        gathered.append(fits)?;
        if rest.is_empty() {
            Ok(())
        } else {
            Err(ProtocolError::MessageTooBig)
        }
    }

    fn so_far(&self) -> [&[u8]; 2] {
        self.0.octets()
    }
}
