//! Inflates messages (RFC 7692, section 7.2.2). Its law: at most one step of output is made
//! before the receiver has judged it, and the stream must be whole where the message ends.
//!
//! Between messages a connection keeps only its history: the window that later messages may
//! refer to. The inflater itself, with its tables and a window of its own, belongs to the pool.

use super::params::{DeflateParams, Terms, WindowBits};
use super::pool::Owner;
use super::{Deflate, Direction};
use crate::frame::{ProtocolError, Role};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;
use core::fmt;
use zlib_rs::{Inflate, InflateError, InflateFlush, Status};

/// Output is made in steps of at most this size, in octets: as long as the window, so that the
/// codec copies what it remembers but once.
///
/// A step goes into memory that the inflater keeps, and is moved to the message once it has been
/// checked. The message is then written once, at its right size; writing into it directly would
/// take a pass of zeroing instead, and a guess at the size.
const STEP: usize = 32 << 10;

/// The end of the empty block which comes last in every message, and an octet more.
const TAIL_AND_MORE: [u8; 5] = [0x00, 0x00, 0xff, 0xff, 0x00];

/// An empty block, and an octet more.
const EMPTY_BLOCK_AND_MORE: [u8; 6] = [0x00, 0x00, 0x00, 0xff, 0xff, 0x00];

/// Where inflated octets go: the message that is gathered.
pub(crate) trait Sink {
    /// Appends the next part, as far as the rules for messages let it.
    fn append(&mut self, part: &[u8]) -> Result<(), ProtocolError>;

    /// The message so far, in two parts.
    fn so_far(&self) -> [&[u8]; 2];
}

/// The inflating half of permessage-deflate on one connection.
#[derive(Debug)]
pub(crate) struct Inflation(Direction<Inflating>);

#[derive(Debug)]
struct Inflating {
    deflate: Deflate,
    terms: Terms,
    owner: Owner,
    /// The last octets of the messages before, as far as the window reaches; of what has been
    /// handed on of this one, as far as the format does: one rule, in pieces or not.
    history: VecDeque<u8>,
    /// Whether the message under way is compressed.
    is_under_way: bool,
    /// Of the message under way, once there are octets of it.
    inflater: Option<Box<Inflater>>,
    /// Octets of the message under way as they came in.
    compressed_len: usize,
    /// Whether the last step left something to be done without further octets.
    has_more: bool,
}

impl Inflation {
    pub(crate) const OFF: Self = Self(Direction::Off);

    /// For an endpoint in this role.
    pub(crate) fn new(deflate: &Deflate, params: &DeflateParams, role: Role) -> Self {
        Self(Direction::Agreed(
            deflate.clone(),
            params.terms(role.peer()),
        ))
    }

    #[inline]
    pub(crate) const fn is_agreed(&self) -> bool {
        self.0.is_agreed()
    }

    /// How many octets of the message under way have come in, if it is compressed.
    pub(crate) const fn compressed_len(&self) -> Option<usize> {
        match self.0.get() {
            Some(state) if state.is_under_way => Some(state.compressed_len),
            _ => None,
        }
    }

    /// A compressed message begins.
    pub(crate) fn begin_message(&mut self) {
        if let Some(state) = self.0.begin(Inflating::new) {
            (state.is_under_way, state.compressed_len) = (true, 0);
        }
    }

    /// Inflates a part of the payload into `message`.
    pub(crate) fn inflate(
        &mut self,
        part: &[u8],
        mut message: impl Sink,
    ) -> Result<(), ProtocolError> {
        match &mut self.0 {
            Direction::Begun(state) => state.inflate(part, &mut message),
            Direction::Off | Direction::Agreed(..) => Ok(()),
        }
    }

    /// As [`inflate`](Self::inflate), until there is at most one step of output. Returns how many of
    /// the octets have been taken.
    pub(crate) fn step(
        &mut self,
        part: &[u8],
        mut message: impl Sink,
    ) -> Result<usize, ProtocolError> {
        match &mut self.0 {
            Direction::Begun(state) => state.step(part, &mut message),
            Direction::Off | Direction::Agreed(..) => Ok(part.len()),
        }
    }

    /// Whether there is something to be inflated without further octets.
    pub(crate) const fn has_more(&self) -> bool {
        match self.0.get() {
            Some(state) => state.has_more,
            None => false,
        }
    }

    /// A part of the message has left the sink: it is to be remembered.
    pub(crate) fn handed_on(&mut self, part: &[u8]) {
        if let Direction::Begun(state) = &mut self.0
            && state.is_under_way
        {
            state.remember(part, WindowBits::MAX);
        }
    }

    /// The message has ended, compressed or not.
    pub(crate) fn end_message(&mut self, mut message: impl Sink) -> Result<(), ProtocolError> {
        match &mut self.0 {
            Direction::Begun(state) if state.is_under_way => state.end(&mut message),
            _ => Ok(()),
        }
    }
}

impl Inflating {
    fn new(deflate: Deflate, terms: Terms) -> Self {
        let owner = deflate.pool().new_owner();
        Self {
            deflate,
            terms,
            owner,
            history: VecDeque::new(),
            is_under_way: false,
            inflater: None,
            compressed_len: 0,
            has_more: false,
        }
    }

    fn inflate(&mut self, mut octets: &[u8], message: &mut impl Sink) -> Result<(), ProtocolError> {
        loop {
            let taken = self.step(octets, message)?;
            octets = octets.get(taken..).unwrap_or_default();
            if octets.is_empty() && !self.has_more {
                return Ok(());
            }
        }
    }

    /// Does what makes at most one step of output. Returns how many of the octets it has taken.
    fn step(&mut self, octets: &[u8], message: &mut impl Sink) -> Result<usize, ProtocolError> {
        let mut inflater = match self.inflater.take() {
            Some(inflater) => inflater,
            None => self.take_inflater()?,
        };
        let step = inflater.step(octets, InflateFlush::NoFlush);
        let taken = step.taken;
        self.compressed_len = self.compressed_len.saturating_add(taken);
        self.has_more = step.output.len() == STEP;
        // What was inflated before an error is judged first, as if it had come by itself.
        message.append(step.output)?;
        match step.result {
            Ok(Status::Ok) => {}
            // A final block ends the stream, not the context (RFC 7692, section 7.2.3.4).
            Ok(Status::StreamEnd) => {
                inflater.restart(&self.history, message.so_far())?;
                self.has_more = false;
            }
            Ok(Status::BufError) if octets.is_empty() => {}
            Ok(Status::BufError) | Err(_) => return Err(ProtocolError::CompressedDataInvalid),
        }
        self.inflater = Some(inflater);
        Ok(taken)
    }

    /// RFC 7692, section 7.2.2: with the tail, the data must end where a block does.
    fn end(&mut self, message: &mut impl Sink) -> Result<(), ProtocolError> {
        // What the last step left comes with the tail: it is less than a step.
        (self.is_under_way, self.has_more) = (false, false);
        // A compressed message without any octet is empty, and no DEFLATE stream.
        let Some(mut inflater) = self.inflater.take() else {
            return Ok(());
        };
        let Some(output) = inflater.end_block(&TAIL_AND_MORE) else {
            return Err(ProtocolError::CompressedDataCut);
        };
        // Nothing, unless a sender has left out the empty block that comes last.
        message.append(output)?;
        let ending = inflater.ending().ok_or(ProtocolError::CompressedDataCut)?;
        if self.terms.context_takeover {
            for part in message.so_far() {
                self.remember(part, self.terms.window);
            }
        } else {
            self.history = VecDeque::new();
        }
        if ending == Ending::Stream {
            inflater.restart(&self.history, [&[], &[]])?;
        }
        self.deflate.pool().give_inflater(self.owner, inflater);
        Ok(())
    }

    fn take_inflater(&self) -> Result<Box<Inflater>, ProtocolError> {
        let Some((mut inflater, is_own)) = self.deflate.pool().take_inflater(self.owner) else {
            let mut inflater = Inflater::new();
            inflater.remind(&self.history)?;
            return Ok(inflater);
        };
        // The same octets must give the same events, whichever inflater this is: it may go on as it
        // was if what it remembers is what the history has.
        let goes_on = is_own && self.terms.context_takeover && self.terms.window == WindowBits::MAX;
        if !goes_on {
            inflater.restart(&self.history, [&[], &[]])?;
        }
        Ok(inflater)
    }

    /// Adds a part of a message to the history, of which this window is kept.
    fn remember(&mut self, part: &[u8], window: WindowBits) {
        let window = window.octets();
        let part = part
            .get(part.len().saturating_sub(window)..)
            .unwrap_or_default();
        let len = self.history.len();
        let forgotten = (len + part.len()).saturating_sub(window);
        self.history.drain(..forgotten);
        self.history.shrink_to(window);
        // Exactly what is needed at first, never more than the window.
        let needed = len - forgotten + part.len();
        if needed > self.history.capacity() {
            let capacity = needed.next_power_of_two().min(window);
            self.history.reserve_exact(capacity - (len - forgotten));
        }
        self.history.extend(part);
    }
}

/// A DEFLATE decoder with the room for one step of output.
pub(super) struct Inflater {
    stream: Inflate,
    output: Box<[u8]>,
}

/// What has ended where a message does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Block,
    /// A final block, and so the codec's stream: what is left of its last octet is padding.
    Stream,
}

/// What one step has done.
struct Step<'a> {
    taken: usize,
    output: &'a [u8],
    result: Result<Status, InflateError>,
}

impl Inflater {
    fn new() -> Box<Self> {
        Box::new(Self {
            // The codec has one size of window: the longest.
            stream: Inflate::new(false, WindowBits::MAX.get()),
            output: vec![0; STEP].into_boxed_slice(),
        })
    }

    fn step(&mut self, octets: &[u8], flush: InflateFlush) -> Step<'_> {
        let (taken, made) = (self.stream.total_in(), self.stream.total_out());
        let result = self.stream.decompress(octets, &mut self.output, flush);
        let taken = (self.stream.total_in() - taken) as usize;
        let made = (self.stream.total_out() - made) as usize;
        Step {
            taken,
            output: self.output.get(..made).unwrap_or_default(),
            result,
        }
    }

    /// Takes octets that end a block, but for the last, before which it must stop; returns what
    /// they inflate to.
    fn end_block(&mut self, octets: &[u8]) -> Option<&[u8]> {
        let step = self.step(octets, InflateFlush::Block);
        let has_stopped = step.result == Ok(Status::Ok) && step.taken + 1 == octets.len();
        has_stopped.then_some(step.output)
    }

    /// What ended in front of an octet; `None` if nothing did.
    fn ending(&mut self) -> Option<Ending> {
        let step = self.step(&EMPTY_BLOCK_AND_MORE, InflateFlush::Block);
        if step.result == Ok(Status::StreamEnd) {
            return Some(Ending::Stream);
        }
        // Bits of the tail that are left, which are ones, begin another type of block, or a final
        // one, behind which there is no other.
        let has_stopped = step.result == Ok(Status::Ok)
            && (step.taken, step.output.len()) == (EMPTY_BLOCK_AND_MORE.len() - 1, 0);
        let stops_again = has_stopped && self.end_block(&EMPTY_BLOCK_AND_MORE) == Some(&[]);
        stops_again.then_some(Ending::Block)
    }

    /// Begins a new stream with this window: the history, and what has come behind it.
    fn restart(&mut self, history: &VecDeque<u8>, behind: [&[u8]; 2]) -> Result<(), ProtocolError> {
        self.stream.reset(false);
        self.remind(history)?;
        behind.iter().try_for_each(|part| self.extend_window(part))
    }

    fn remind(&mut self, history: &VecDeque<u8>) -> Result<(), ProtocolError> {
        let (older, newer) = history.as_slices();
        self.extend_window(older)?;
        self.extend_window(newer)
    }

    fn extend_window(&mut self, octets: &[u8]) -> Result<(), ProtocolError> {
        let start = octets.len().saturating_sub(WindowBits::MAX.octets());
        let octets = octets.get(start..).unwrap_or_default();
        // A raw stream takes a dictionary at any time.
        match self.stream.set_dictionary(octets) {
            Ok(_) => Ok(()),
            Err(_) => Err(ProtocolError::CompressedDataInvalid),
        }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inflater")
    }
}
