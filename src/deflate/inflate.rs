//! Inflates messages (RFC 7692, section 7.2.2).
//!
//! Invariant: at most one step of output is made before the receiver has judged it, and the stream
//! must be complete where the message ends.
//!
//! Between messages a connection keeps only its history: the window that later messages may
//! refer to. The inflater itself, with its tables and a window of its own, belongs to the pool.

use super::direction::Direction;
use super::history::History;
use super::inflater::{Ending, Inflater, STEP};
use super::params::{Params, Terms, Window};
use super::pool::{Owner, Pool};
use super::settings::Deflate;
use super::sink::Sink;
use crate::frame::{ProtocolError, Role};
use alloc::boxed::Box;
use zlib_rs::Status;

/// The inflating half of permessage-deflate on one connection.
#[derive(Debug)]
pub(crate) struct Inflation(Direction<Plan, Inflating>);

// Every connection has one, compressed or not.
const _: () = assert!(size_of::<Inflation>() <= 16);

/// What a connection must know in order to inflate.
struct Plan {
    pool: Pool,
    /// How many inflaters the pool may keep when it gets one back.
    max_pooled: u16,
    terms: Terms,
}

struct Inflating {
    pool: Pool,
    owner: Owner,
    /// The last bytes of earlier messages, as far as the window reaches, and of this message what
    /// was handed on, as far as the format can refer back: the same rule in pieces or not.
    history: History,
    /// The inflater of the message under way, once a byte of it has arrived.
    inflater: Option<Box<Inflater>>,
    /// How long the rest of the message under way may be in compressed form, before the allowance
    /// for its next frame.
    room: u64,
    /// What the peer may spend on final blocks, in compressed bytes.
    credit: u16,
    max_pooled: u16,
    terms: Terms,
    /// Whether the last step left something to be done without further input.
    has_more: bool,
}

/// The allowance for each frame: a flush at the end of a fragment takes about 5 bytes.
const PER_FRAME: u64 = 16;

/// The price of a final block, in compressed bytes. Each message brings it for one.
///
/// A final block ends the codec's stream, and a new stream must be given the window again: up to 32
/// KiB to copy, for two bytes of input. At this price it takes no more time for each byte than other
/// small blocks. Known senders end a message with one, which is always taken (RFC 7692, section 7.2.3.4).
const FINAL_BLOCK: u16 = 64;

/// The most that can be saved, which is there in advance.
const MAX_CREDIT: u16 = 64 * FINAL_BLOCK;

/// The longest compressed form accepted for a message of at most `max` bytes in one frame.
///
/// Data that does not shrink grows by a part in thousands. Only blocks without data go far beyond
/// that, and they could go on for ever.
const fn max_compressed(max: u64) -> u64 {
    max.saturating_add(max / 8).saturating_add(64)
}

impl Inflation {
    pub(crate) const OFF: Self = Self(Direction::Off);

    /// For an endpoint in this role.
    pub(crate) fn new(deflate: &Deflate, params: &Params, role: Role) -> Self {
        Self(Direction::Agreed(Plan {
            pool: deflate.pool().clone(),
            max_pooled: deflate.max_pooled(),
            terms: params.received_by(role),
        }))
    }

    #[inline]
    pub(crate) const fn is_agreed(&self) -> bool {
        self.0.is_agreed()
    }

    /// Whether the message under way is compressed.
    #[inline]
    pub(crate) const fn is_under_way(&self) -> bool {
        self.0.is_under_way()
    }

    /// A compressed message starts, of at most `max` bytes when inflated.
    ///
    /// Call it only if the extension was agreed on, when the header of the first frame has arrived;
    /// then ask [`takes`](Self::takes) about that frame.
    pub(crate) fn begin_message(&mut self, max: u64) {
        debug_assert!(self.is_agreed() && !self.is_under_way());
        if let Some(state) = self.0.enter(true, Inflating::new) {
            // `takes` adds the allowance for every frame, and there is none for the first.
            state.room = max_compressed(max) - PER_FRAME;
            state.earn(usize::from(FINAL_BLOCK));
        }
    }

    /// Whether a frame with this payload length fits into what the message under way may still
    /// take in compressed form.
    ///
    /// Call it once for each frame of a compressed message, when its header has arrived. It counts
    /// the frame.
    pub(crate) fn takes(&mut self, len: u64) -> bool {
        debug_assert!(self.is_under_way());
        let Some(state) = self.0.under_way() else {
            return false;
        };
        let room = state.room.saturating_add(PER_FRAME);
        state.room = room.saturating_sub(len);
        len <= room
    }

    /// Inflates a part of the payload into `message`.
    pub(crate) fn inflate(
        &mut self,
        part: &[u8],
        mut message: impl Sink,
    ) -> Result<(), ProtocolError> {
        debug_assert!(self.is_under_way());
        match self.0.under_way() {
            Some(state) => state.inflate(part, &mut message),
            None => Ok(()),
        }
    }

    /// As [`inflate`](Self::inflate), but at most one step of output. Returns how many bytes of
    /// `part` it has taken: 0 of an empty part, and perhaps 0 while there is
    /// [more](Self::has_more).
    pub(crate) fn step(
        &mut self,
        part: &[u8],
        mut message: impl Sink,
    ) -> Result<usize, ProtocolError> {
        debug_assert!(self.is_under_way());
        match self.0.under_way() {
            Some(state) => state.step(part, &mut message),
            None => Ok(part.len()),
        }
    }

    /// Whether another step needs no further input.
    pub(crate) const fn has_more(&self) -> bool {
        match &self.0 {
            Direction::Within(state) => state.has_more,
            Direction::Off | Direction::Agreed(_) | Direction::Between(_) => false,
        }
    }

    /// A part of the message has left the sink; it is remembered if the message is compressed.
    pub(crate) fn handed_on(&mut self, part: &[u8]) {
        if let Some(state) = self.0.under_way() {
            state.history.append(part, Window::MAX);
        }
    }

    /// The message has ended, compressed or not.
    pub(crate) fn end_message(&mut self, mut message: impl Sink) -> Result<(), ProtocolError> {
        let Some(state) = self.0.under_way() else {
            return Ok(());
        };
        let result = state.end(&mut message);
        self.0.leave();
        result
    }
}

impl Inflating {
    fn new(plan: Plan) -> Self {
        let Plan {
            pool,
            max_pooled,
            terms,
        } = plan;
        Self {
            owner: pool.new_owner(),
            pool,
            history: History::default(),
            inflater: None,
            room: 0,
            credit: MAX_CREDIT,
            max_pooled,
            terms,
            has_more: false,
        }
    }

    fn inflate(&mut self, mut part: &[u8], message: &mut impl Sink) -> Result<(), ProtocolError> {
        while !part.is_empty() || self.has_more {
            let taken = self.step(part, message)?;
            debug_assert!(taken <= part.len());
            part = part.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Takes what makes at most one step of output. Returns how many bytes that was.
    fn step(&mut self, part: &[u8], message: &mut impl Sink) -> Result<usize, ProtocolError> {
        if part.is_empty() && !self.has_more {
            return Ok(0);
        }
        let mut inflater = match self.inflater.take() {
            Some(inflater) => inflater,
            None => self.take_inflater()?,
        };
        let step = inflater.step(part);
        let taken = step.taken;
        self.has_more = step.output.len() == STEP;
        self.earn(taken);
        // What was inflated before an error is judged first, as if it had come by itself.
        message.append(step.output)?;
        match step.result {
            Ok(Status::Ok) => {}
            // A final block ends the stream, not the context (RFC 7692, section 7.2.3.4).
            Ok(Status::StreamEnd) => {
                self.pay_for_a_final_block()?;
                inflater.restart(&[self.history.parts(), message.so_far()])?;
                self.has_more = false;
            }
            Ok(Status::BufError) if part.is_empty() => {}
            Ok(Status::BufError) | Err(_) => return Err(ProtocolError::CompressedDataInvalid),
        }
        self.inflater = Some(inflater);
        Ok(taken)
    }

    /// RFC 7692, section 7.2.2: with the tail, the data must end where a block does.
    fn end(&mut self, message: &mut impl Sink) -> Result<(), ProtocolError> {
        // What the last step left comes with the tail: it is less than a step.
        self.has_more = false;
        // A compressed message without any byte is empty, and no DEFLATE stream.
        let Some(mut inflater) = self.inflater.take() else {
            return Ok(());
        };
        let Some(output) = inflater.end_last_block() else {
            return Err(ProtocolError::CompressedDataCut);
        };
        // Nothing, unless a sender has left out the empty block that comes last.
        message.append(output)?;
        let ending = inflater.ending().ok_or(ProtocolError::CompressedDataCut)?;
        if self.terms.context_takeover {
            for part in message.so_far() {
                self.history.append(part, self.terms.window);
            }
        } else {
            self.history.clear();
        }
        if ending == Ending::Stream {
            self.pay_for_a_final_block()?;
            inflater.restart(&[self.history.parts()])?;
        }
        self.pool
            .give_inflater(self.owner, inflater, self.max_pooled);
        Ok(())
    }

    fn earn(&mut self, compressed: usize) {
        let earned = u16::try_from(compressed).unwrap_or(MAX_CREDIT);
        self.credit = self.credit.saturating_add(earned).min(MAX_CREDIT);
    }

    fn pay_for_a_final_block(&mut self) -> Result<(), ProtocolError> {
        let credit = self.credit.checked_sub(FINAL_BLOCK);
        self.credit = credit.ok_or(ProtocolError::TooManyFinalBlocks)?;
        Ok(())
    }

    fn take_inflater(&self) -> Result<Box<Inflater>, ProtocolError> {
        let (mut inflater, is_own) = match self.pool.take_inflater(self.owner) {
            Some(pooled) => pooled,
            None => (Inflater::new(), false),
        };
        // The same bytes must give the same events, whichever inflater this is: it may go on as it
        // was if what it remembers is what the history has.
        let goes_on = is_own && self.terms.context_takeover && self.terms.window == Window::MAX;
        if !goes_on {
            inflater.restart(&[self.history.parts()])?;
        }
        Ok(inflater)
    }
}
