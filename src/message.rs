//! The message under way: its fragments, put together (RFC 6455, section 5.4) and inflated
//! (RFC 7692, section 6.2). Its law: what is kept is valid so far and within the limit, and memory
//! follows octets received, never lengths announced.

#[cfg(feature = "deflate")]
use crate::deflate::{Inflation, Sink};
use crate::error::ProtocolError;
use crate::event::Event;
use crate::frame::Opcode;
use crate::utf8::PartialChar;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

/// A message that comes in, if there is one.
#[derive(Debug)]
pub(crate) struct Message {
    gathered: Gathered,
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
            None => self.max_size.saturating_sub(self.gathered.len()),
            Some(len) => {
                // A flush at the end of each fragment takes about 5 octets.
                let flushes = usize::try_from(fragments).unwrap_or(usize::MAX);
                max_compressed(self.max_size)
                    .saturating_add(flushes.saturating_mul(16))
                    .saturating_sub(len)
            }
        }
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

    /// Adds a part of a payload, as it came in but unmasked.
    #[inline]
    pub(crate) fn append(&mut self, part: &[u8]) -> Result<(), ProtocolError> {
        #[cfg(feature = "deflate")]
        if self.inflation.compressed_len().is_some() {
            let inflated = Inflated(&mut self.gathered, self.max_size);
            return self.inflation.inflate(part, inflated);
        }
        self.gathered.append(part)
    }

    /// The message has ended.
    pub(crate) fn finish<'b>(&mut self) -> Result<Option<Event<'b>>, ProtocolError> {
        #[cfg(feature = "deflate")]
        self.inflation
            .end_message(Inflated(&mut self.gathered, self.max_size))?;
        Ok(match mem::replace(&mut self.gathered, Gathered::None) {
            Gathered::Text(text, partial) => {
                partial.finish().map_err(|_| ProtocolError::TextNotUtf8)?;
                Some(Event::Text(Cow::Owned(text)))
            }
            Gathered::Binary(data) => Some(Event::Binary(Cow::Owned(data))),
            Gathered::None => None,
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
    #[cfg(feature = "deflate")]
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
