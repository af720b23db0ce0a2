//! A DEFLATE decoder (RFC 1951), step by step.
//!
//! Invariant: one call makes at most one step of output, in memory of its own, and what the decoder
//! remembers after a restart is the window that it was given.

use super::params::Window;
use crate::frame::ProtocolError;
use alloc::boxed::Box;
use alloc::vec;
use core::fmt;
use zlib_rs::{Inflate, InflateError, InflateFlush, Status};

/// The most output of one step, in bytes: the size of the window, so that the codec copies its
/// window only once.
///
/// A step goes into memory that the inflater keeps, and moves to the message once it has been
/// checked. The message is then written once, at its right size; writing into it directly would
/// take a pass of zeroing instead, and a guess at the size.
pub(super) const STEP: usize = 32 << 10;

/// The end of the empty block that comes last in every message, and one byte more.
const TAIL_AND_MORE: [u8; 5] = [0x00, 0x00, 0xff, 0xff, 0x00];

/// An empty block, and one byte more.
const EMPTY_BLOCK_AND_MORE: [u8; 6] = [0x00, 0x00, 0x00, 0xff, 0xff, 0x00];

/// The codec's stream, with memory for one step of output.
pub(super) struct Inflater {
    stream: Inflate,
    output: Box<[u8]>,
}

/// What ended where a message does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Block,
    /// A final block, and with it the codec's stream: the rest of its last byte is padding.
    Stream,
}

/// What one step has done.
pub(super) struct Step<'a> {
    /// How many bytes it has taken.
    pub(super) taken: usize,
    pub(super) output: &'a [u8],
    pub(super) result: Result<Status, InflateError>,
}

impl Inflater {
    pub(super) fn new() -> Box<Self> {
        Box::new(Self {
            // The codec has one size of window: the longest.
            stream: Inflate::new(false, Window::MAX.bits()),
            output: vec![0; STEP].into_boxed_slice(),
        })
    }

    /// Inflates the start of `part`, as far as its output is at most one step.
    pub(super) fn step(&mut self, part: &[u8]) -> Step<'_> {
        self.run(part, InflateFlush::NoFlush)
    }

    /// Ends the last block of a message with the bytes that every sender leaves out (RFC 7692,
    /// section 7.2.2); returns what they inflate to, and `None` if no block ends with them.
    pub(super) fn end_last_block(&mut self) -> Option<&[u8]> {
        self.end_block(&TAIL_AND_MORE)
    }

    /// What ended before the next byte; `None` if nothing did.
    pub(super) fn ending(&mut self) -> Option<Ending> {
        let step = self.run(&EMPTY_BLOCK_AND_MORE, InflateFlush::Block);
        if step.result == Ok(Status::StreamEnd) {
            return Some(Ending::Stream);
        }
        // Bits of the tail that are left, which are ones, start another type of block, or a final
        // one, after which there is no other.
        let has_stopped = step.result == Ok(Status::Ok)
            && (step.taken, step.output.len()) == (EMPTY_BLOCK_AND_MORE.len() - 1, 0);
        let stops_again = has_stopped && self.end_block(&EMPTY_BLOCK_AND_MORE) == Some(&[]);
        stops_again.then_some(Ending::Block)
    }

    /// Starts a new stream whose window is the end of these parts, the oldest first.
    pub(super) fn restart(&mut self, window: &[[&[u8]; 2]]) -> Result<(), ProtocolError> {
        self.stream.reset(false);
        let parts = window.as_flattened();
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let mut forgotten = len.saturating_sub(Window::MAX.size());
        parts.iter().try_for_each(|part| {
            let (before, part) = part.split_at(forgotten.min(part.len()));
            forgotten -= before.len();
            self.extend_window(part)
        })
    }

    fn run(&mut self, part: &[u8], flush: InflateFlush) -> Step<'_> {
        let (taken, made) = (self.stream.total_in(), self.stream.total_out());
        let result = self.stream.decompress(part, &mut self.output, flush);
        let taken = (self.stream.total_in() - taken) as usize;
        let made = (self.stream.total_out() - made) as usize;
        debug_assert!(taken <= part.len() && made <= self.output.len());
        Step {
            taken,
            output: self.output.get(..made).unwrap_or_default(),
            result,
        }
    }

    /// Takes bytes that end a block, except the last one, before which it must stop; returns what
    /// they inflate to.
    fn end_block(&mut self, bytes: &[u8]) -> Option<&[u8]> {
        let step = self.run(bytes, InflateFlush::Block);
        let has_stopped = step.result == Ok(Status::Ok) && step.taken + 1 == bytes.len();
        has_stopped.then_some(step.output)
    }

    fn extend_window(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        // A raw stream takes a dictionary at any time.
        let result = self.stream.set_dictionary(bytes);
        debug_assert!(result.is_ok());
        match result {
            Ok(_) => Ok(()),
            Err(_) => Err(ProtocolError::CompressedDataInvalid),
        }
    }
}

/// Hides the output and the window, which hold payloads.
impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inflater")
    }
}
