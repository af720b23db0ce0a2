//! A DEFLATE encoder (RFC 1951).
//!
//! Invariant: after each call the output has everything that was taken in, up to the end of a sync
//! flush.

use super::class::Class;
use alloc::boxed::Box;
use bytes::BytesMut;
use core::fmt;
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Method, Status, Strategy};

/// The output buffer grows in steps of at most this size, in bytes.
const STEP: usize = 16 << 10;

/// No step is smaller than this: an empty block and its tail must fit at once.
const MIN_STEP: usize = 64;

/// The codec's stream, with the window of what it has taken in.
pub(super) struct Compressor {
    stream: Deflate,
}

impl Compressor {
    /// Takes nothing but the class: every setting that changes the output belongs to it.
    pub(super) fn new(class: Class) -> Box<Self> {
        let stream = Deflate::new_with_config(DeflateConfig {
            level: i32::from(class.level()),
            method: Method::Deflated,
            window_bits: -i32::from(class.window_bits()),
            mem_level: i32::from(class.mem_level()),
            strategy: Strategy::Default,
        });
        Box::new(Self { stream })
    }

    /// Empties the window.
    pub(super) fn reset(&mut self) {
        self.stream.reset();
    }

    /// Appends all of `part` in compressed form to `out`, up to the tail of a sync flush.
    pub(super) fn flush(&mut self, mut part: &[u8], out: &mut BytesMut) {
        loop {
            // Most data shrinks; data that does not takes one step more.
            let room = (part.len() / 2).clamp(MIN_STEP, STEP);
            let (start, taken, made) = (out.len(), self.stream.total_in(), self.stream.total_out());
            out.resize(start + room, 0);
            let space = out.get_mut(start..).unwrap_or_default();
            debug_assert_eq!(space.len(), room);
            let result = self.stream.compress(part, space, DeflateFlush::SyncFlush);
            debug_assert!(matches!(result, Ok(Status::Ok | Status::BufError)));
            let taken = (self.stream.total_in() - taken) as usize;
            let made = (self.stream.total_out() - made) as usize;
            debug_assert!(taken <= part.len() && made <= room);
            out.truncate(start + made);
            part = part.get(taken..).unwrap_or_default();
            if made < room {
                // It stops before the end of the room only when it has flushed all.
                debug_assert!(part.is_empty());
                return;
            }
        }
    }
}

/// Hides the window, which holds payloads.
impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compressor")
    }
}
