//! The message under way: its fragments, put together (RFC 6455, section 5.4) and inflated
//! (RFC 7692, section 6.2), or handed on piece by piece.
//!
//! Invariant: what is kept is valid so far and within the limit, and memory follows the bytes
//! received, never the length announced.

use super::utf8::PartialChar;
use crate::connection::payload::{Binary, Piece, Text};
use crate::connection::received::Received;
use crate::deflate::{Inflation, Sink};
use crate::frame::{Mask, ProtocolError};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::mem;

/// The message that is arriving, if there is one.
#[derive(Debug)]
pub(super) struct Message {
    gathered: Gathered,
    /// How much of the message has been handed on, in bytes.
    delivered: u64,
    /// The limit on its length, in bytes, latched where it started.
    max: u64,
    inflation: Inflation,
}

enum Gathered {
    /// No message is under way.
    None,
    Text(String, PartialChar),
    Binary(Vec<u8>),
}

/// What was gathered of a message that has ended.
enum Finished {
    Text(String),
    Binary(Vec<u8>),
}

/// Reserve at most this far ahead of what has arrived, in bytes, and at most 8 times as much.
const AHEAD: usize = 64 << 10;

impl Message {
    /// No message, and no compression.
    pub(super) const NONE: Self = Self {
        gathered: Gathered::None,
        delivered: 0,
        max: 0,
        inflation: Inflation::OFF,
    };

    /// Lets messages arrive compressed from now on.
    pub(super) fn set_inflation(&mut self, inflation: Inflation) {
        self.inflation = inflation;
    }

    /// Whether messages may arrive compressed.
    pub(super) const fn inflates(&self) -> bool {
        self.inflation.is_agreed()
    }

    #[inline]
    pub(super) const fn is_under_way(&self) -> bool {
        !matches!(self.gathered, Gathered::None)
    }

    /// Whether the message under way is compressed.
    pub(super) fn is_compressed(&self) -> bool {
        self.inflation.is_under_way()
    }

    pub(super) fn is_gathered_uncompressed(&self) -> bool {
        self.is_under_way() && !self.is_compressed()
    }

    /// A message starts, with this limit.
    pub(super) fn start(&mut self, is_text: bool, is_compressed: bool, max: u64) {
        self.gathered = if is_text {
            Gathered::Text(String::new(), PartialChar::default())
        } else {
            Gathered::Binary(Vec::new())
        };
        (self.delivered, self.max) = (0, max);
        if is_compressed {
            self.inflation.begin_message(max);
        }
    }

    /// How many more bytes the message under way may have, if it is not compressed.
    pub(super) const fn room(&self) -> u64 {
        let so_far = self.delivered.saturating_add(self.gathered.len() as u64);
        self.max.saturating_sub(so_far)
    }

    /// Judges the length of a frame's payload before any of it is taken: the only rule on sizes.
    pub(super) fn admit(&mut self, len: u64) -> Result<(), ProtocolError> {
        let fits = if self.is_compressed() {
            self.inflation.takes(len)
        } else {
            len <= self.room()
        };
        if fits {
            return Ok(());
        }
        let len = if self.is_compressed() {
            // No message within the limit has a compressed form of this length.
            len.max(self.max.saturating_add(1))
        } else {
            let so_far = self.delivered.saturating_add(self.gathered.len() as u64);
            so_far.saturating_add(len)
        };
        Err(ProtocolError::MessageTooBig { len, max: self.max })
    }

    /// Makes room for the `remaining` bytes of a payload, of which `here` have arrived: all at once
    /// for a short one, twice as much each time for a long one and for short ones of one message,
    /// and never more than the message may have.
    pub(super) fn make_room(&mut self, remaining: u64, here: usize) {
        let remaining = usize::try_from(remaining).unwrap_or(usize::MAX);
        // How much room compressed data needs is known only when it is inflated.
        if self.gathered.free() < remaining.min(here) && !self.is_compressed() {
            self.grow(remaining, here);
        }
    }

    #[cold]
    fn grow(&mut self, remaining: usize, here: usize) {
        let received = self.gathered.len().saturating_add(here);
        let ahead = received.max(AHEAD.min(received.saturating_mul(8)));
        let room = usize::try_from(self.room()).unwrap_or(usize::MAX);
        let wanted = remaining.min(ahead).max(self.gathered.len());
        self.gathered.reserve_exact(wanted.min(room));
    }

    /// Appends a part of a payload as it arrived, with the mask that is still to be applied.
    #[inline]
    pub(super) fn append(
        &mut self,
        part: &mut [u8],
        mask: Option<&mut Mask>,
    ) -> Result<(), ProtocolError> {
        let is_compressed = self.is_compressed();
        match (mask, &mut self.gathered) {
            // Nothing has to be checked, so unmask while copying.
            (Some(mask), Gathered::Binary(data)) if !is_compressed => {
                mask.append(part, data);
                mask.skip(part.len());
                return Ok(());
            }
            (Some(mask), _) => mask.apply(part),
            (None, _) => {}
        }
        if is_compressed {
            let room = self.max.saturating_sub(self.delivered);
            return (self.inflation)
                .inflate(part, Inflated::new(&mut self.gathered, room, self.max));
        }
        self.gathered.append(part)
    }

    /// Appends what makes at most one step of output if the message is compressed, otherwise all of
    /// `part`, which is unmasked. Returns how many bytes it took.
    pub(super) fn append_step(&mut self, part: &[u8]) -> Result<usize, ProtocolError> {
        if self.is_compressed() {
            if part.is_empty() && !self.has_more() {
                return Ok(0);
            }
            let room = self.max.saturating_sub(self.delivered);
            return (self.inflation).step(part, Inflated::new(&mut self.gathered, room, self.max));
        }
        self.gathered.append(part)?;
        Ok(part.len())
    }

    /// Whether another step needs no further bytes.
    pub(super) const fn has_more(&self) -> bool {
        self.inflation.has_more()
    }

    /// Ends the message, and delivers it complete.
    pub(super) fn finish<'b>(&mut self) -> Result<Received<'b>, ProtocolError> {
        Ok(match self.take_finished()? {
            Finished::Text(text) => Received::Text(Text::from(text)),
            Finished::Binary(data) => Received::Binary(Binary::from(data)),
        })
    }

    fn take_finished(&mut self) -> Result<Finished, ProtocolError> {
        self.end()?;
        match mem::replace(&mut self.gathered, Gathered::None) {
            Gathered::Text(text, partial) => match partial.finish() {
                Ok(()) => Ok(Finished::Text(text)),
                Err(_) => Err(ProtocolError::TextNotUtf8),
            },
            Gathered::Binary(data) => Ok(Finished::Binary(data)),
            Gathered::None => {
                debug_assert!(false, "a message that ends is under way");
                Ok(Finished::Binary(Vec::new()))
            }
        }
    }

    /// Ends the message; its last piece is what was not handed on yet.
    pub(super) fn finish_pieces<'b>(&mut self) -> Result<Received<'b>, ProtocolError> {
        let is_first = self.delivered == 0;
        Ok(Received::Piece(match self.take_finished()? {
            Finished::Text(text) => Piece::text(text, is_first, true),
            Finished::Binary(data) => Piece::binary(data, is_first, true),
        }))
    }

    fn end(&mut self) -> Result<(), ProtocolError> {
        let room = self.max.saturating_sub(self.delivered);
        (self.inflation).end_message(Inflated::new(&mut self.gathered, room, self.max))
    }

    /// Drops what was prepared for gathering: the message that has started is delivered from where
    /// it lies.
    pub(super) fn drop_gathered(&mut self) {
        self.gathered = Gathered::None;
    }

    /// Whether a part of a payload is handed on where it lies: it is not compressed, and nothing
    /// that came before it is kept.
    pub(super) fn lends(&self) -> bool {
        self.gathered.len() == 0 && !self.is_compressed()
    }

    /// Hands on a part of an uncompressed payload, the last of the message or not. A character that
    /// it cuts is kept.
    pub(super) fn lend<'b>(
        &mut self,
        part: &'b [u8],
        is_last: bool,
    ) -> Result<Option<Received<'b>>, ProtocolError> {
        let is_first = self.delivered == 0;
        let (piece, len) = match &mut self.gathered {
            Gathered::Text(_, partial) => {
                let text = partial.cut(part);
                let text = text.map_err(|_| ProtocolError::TextNotUtf8)?;
                let is_complete = !is_last || partial.is_empty();
                if !is_complete {
                    return Err(ProtocolError::TextNotUtf8);
                }
                (Piece::lent_text(text, is_first, is_last), text.len())
            }
            Gathered::Binary(_) => (Piece::lent_binary(part, is_first, is_last), part.len()),
            Gathered::None => {
                debug_assert!(false, "a message that is handed on is under way");
                return Ok(None);
            }
        };
        self.delivered = self.delivered.saturating_add(len as u64);
        if is_last {
            self.end()?;
            self.gathered = Gathered::None;
        }
        Ok((len > 0 || is_last).then_some(Received::Piece(piece)))
    }

    /// Hands on what has been gathered, except a part of a character.
    pub(super) fn drain<'b>(&mut self) -> Option<Received<'b>> {
        let [bytes, _] = self.gathered.bytes();
        if bytes.is_empty() {
            return None;
        }
        let is_first = self.delivered == 0;
        self.delivered = self.delivered.saturating_add(bytes.len() as u64);
        self.inflation.handed_on(bytes);
        Some(Received::Piece(match &mut self.gathered {
            Gathered::Text(text, _) => Piece::text(mem::take(text), is_first, false),
            Gathered::Binary(data) => Piece::binary(mem::take(data), is_first, false),
            Gathered::None => return None,
        }))
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

    /// How many more bytes fit without an allocation.
    const fn free(&self) -> usize {
        match self {
            Self::Text(text, _) => text.capacity().saturating_sub(self.len()),
            Self::Binary(data) => data.capacity() - data.len(),
            Self::None => 0,
        }
    }

    fn reserve_exact(&mut self, room: usize) {
        match self {
            Self::Text(text, partial) => text.reserve_exact(partial.len() + room),
            Self::Binary(data) => data.reserve_exact(room),
            Self::None => {}
        }
    }

    /// Appends a part; text is checked.
    fn append(&mut self, part: &[u8]) -> Result<(), ProtocolError> {
        match self {
            Self::Text(text, partial) => {
                let checked = partial.append(part, text);
                checked.map_err(|_| ProtocolError::TextNotUtf8)?;
            }
            Self::Binary(data) => data.extend_from_slice(part),
            Self::None => debug_assert!(part.is_empty(), "a payload belongs to a message"),
        }
        Ok(())
    }

    /// All bytes, in two parts.
    fn bytes(&self) -> [&[u8]; 2] {
        match self {
            Self::Text(text, partial) => [text.as_bytes(), partial.bytes()],
            Self::Binary(data) => [data, &[]],
            Self::None => [&[], &[]],
        }
    }
}

/// Shows the length, not the bytes.
impl fmt::Debug for Gathered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::None => return f.write_str("None"),
            Self::Text(..) => "Text",
            Self::Binary(_) => "Binary",
        };
        write!(f, "{kind}({} bytes)", self.len())
    }
}

/// The message under way, as the sink for inflated bytes.
struct Inflated<'m> {
    gathered: &'m mut Gathered,
    /// How much may be kept of it, in bytes.
    room: u64,
    max: u64,
}

impl<'m> Inflated<'m> {
    const fn new(gathered: &'m mut Gathered, room: u64, max: u64) -> Self {
        Self {
            gathered,
            room,
            max,
        }
    }
}

impl Sink for Inflated<'_> {
    /// Appends as much as the limit allows; more is an error.
    fn append(&mut self, part: &[u8]) -> Result<(), ProtocolError> {
        let len = self.gathered.len() as u64;
        let room = usize::try_from(self.room.saturating_sub(len)).unwrap_or(usize::MAX);
        let (fits, rest) = part.split_at(part.len().min(room));
        if self.gathered.free() < fits.len() {
            // At first exactly the first part, which is all of most messages; then twice as much
            // each time, up to the limit.
            let ahead = fits.len().max(self.gathered.len());
            self.gathered.reserve_exact(ahead.min(room));
        }
        self.gathered.append(fits)?;
        if rest.is_empty() {
            return Ok(());
        }
        // How much more has been inflated depends on how the input is cut.
        Err(ProtocolError::MessageTooBig {
            len: self.max.saturating_add(1),
            max: self.max,
        })
    }

    fn so_far(&self) -> [&[u8]; 2] {
        self.gathered.bytes()
    }
}
