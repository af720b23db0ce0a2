//! Compresses messages (RFC 7692, section 7.2.1). Its law: what the compressor has taken in is
//! sent compressed, or the compressor forgets it; the peer's window is never out of step.

use super::classes::Class;
use super::params::{DeflateParams, Terms};
use super::{Deflate, Direction};
use crate::frame::Role;
use alloc::boxed::Box;
use bytes::BytesMut;
use core::fmt;
use zlib_rs::{DeflateConfig as StreamConfig, DeflateFlush, Method, Status, Strategy};

/// What every sync flush ends with, and is not sent (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Room in the output is made in steps of at most this size, in octets.
const STEP: usize = 16 << 10;

/// No step is smaller than this: an empty block and its tail must fit at once.
const MIN_STEP: usize = 64;

/// The compressing half of permessage-deflate on one connection.
#[derive(Debug)]
pub(crate) struct Compression(Direction<Compressing>);

#[derive(Debug)]
struct Compressing {
    deflate: Deflate,
    terms: Terms,
    /// Whether a fragmented message that is being sent is compressed.
    is_under_way: bool,
    /// With context takeover kept for ever, otherwise while a message is under way.
    compressor: Option<Box<Compressor>>,
}

impl Compression {
    pub(crate) const OFF: Self = Self(Direction::Off);

    /// For an endpoint in this role.
    pub(crate) fn new(deflate: &Deflate, params: &DeflateParams, role: Role) -> Self {
        let mut terms = params.terms(role);
        if role == Role::Client
            && let Some(hint) = deflate.config().client_max_window_bits
        {
            // RFC 7692, section 7.1.2.2: what the client has announced it may keep to, even if
            // the server would let it use more.
            terms.window = terms.window.min(hint);
        }
        Self(Direction::Agreed(deflate.clone(), terms))
    }

    #[inline]
    pub(crate) const fn is_agreed(&self) -> bool {
        self.0.is_agreed()
    }

    /// Whether a message of this length is compressed, where the application leaves it open.
    pub(crate) fn is_worth(&self, len: usize) -> bool {
        match &self.0 {
            Direction::Off => false,
            Direction::Agreed(deflate, _) => len >= deflate.config().min_size,
            Direction::Begun(state) => len >= state.deflate.config().min_size,
        }
    }

    /// Whether the fragmented message under way is compressed.
    pub(crate) fn is_under_way(&self) -> bool {
        self.0.get().is_some_and(|state| state.is_under_way)
    }

    /// Appends a part of a message to `out`, compressed; with `fin` its last, or the whole.
    pub(crate) fn compress(&mut self, part: &[u8], fin: bool, out: &mut BytesMut) {
        if let Some(state) = self.0.begin(Compressing::new) {
            state.is_under_way = !fin;
            state.compress(part, fin, out);
        }
    }

    /// Whether the window is empty again after each message, so that nothing is lost when a
    /// compressed one is not sent.
    pub(crate) fn forgets(&self) -> bool {
        match &self.0 {
            Direction::Off => true,
            Direction::Agreed(_, terms) => !terms.context_takeover,
            Direction::Begun(state) => !state.terms.context_takeover,
        }
    }

    /// Which others make the same octets of a message; `None` with context takeover, where they
    /// depend on the messages before it.
    pub(crate) fn class(&self) -> Option<Class> {
        let (deflate, terms) = self.agreed()?;
        let class = Class::new(deflate.config(), terms.window);
        (!terms.context_takeover).then_some(class)
    }

    /// Appends a whole message to `out`, compressed by itself, outside of the row of messages.
    pub(crate) fn compress_alone(&self, message: &[u8], out: &mut BytesMut) {
        if let Some((deflate, mut terms)) = self.agreed() {
            terms.context_takeover = false;
            Compressing::new(deflate.clone(), terms).compress(message, true, out);
        }
    }

    const fn agreed(&self) -> Option<(&Deflate, Terms)> {
        match &self.0 {
            Direction::Off => None,
            Direction::Agreed(deflate, terms) => Some((deflate, *terms)),
            Direction::Begun(state) => Some((&state.deflate, state.terms)),
        }
    }
}

impl Compressing {
    const fn new(deflate: Deflate, terms: Terms) -> Self {
        Self {
            deflate,
            terms,
            is_under_way: false,
            compressor: None,
        }
    }

    fn compress(&mut self, part: &[u8], fin: bool, out: &mut BytesMut) {
        if !part.is_empty() {
            let (deflate, window) = (&self.deflate, self.terms.window);
            let compressor = self.compressor.get_or_insert_with(|| {
                let pooled = deflate.pool().take_compressor(window);
                pooled.unwrap_or_else(|| Compressor::new(Class::new(deflate.config(), window)))
            });
            let start = out.len();
            compressor.flush(part, out);
            if fin && out.get(start..).is_some_and(|made| made.ends_with(&TAIL)) {
                out.truncate(out.len() - TAIL.len());
            }
        } else if fin {
            // RFC 7692, section 7.2.3.6: the header of an empty block, behind a boundary; the
            // compressor, which may have nothing to flush, is left alone.
            out.extend_from_slice(&[0x00]);
        }
        if fin
            && !self.terms.context_takeover
            && let Some(mut compressor) = self.compressor.take()
        {
            compressor.stream.reset();
            let pool = self.deflate.pool();
            pool.give_compressor(self.terms.window, compressor);
        }
    }
}

/// A DEFLATE encoder.
pub(super) struct Compressor {
    stream: zlib_rs::Deflate,
}

impl Compressor {
    /// Nothing but the class goes in: a setting that changes what comes out belongs to it.
    fn new(class: Class) -> Box<Self> {
        let stream = zlib_rs::Deflate::new_with_config(StreamConfig {
            level: i32::from(class.level),
            method: Method::Deflated,
            window_bits: -i32::from(class.window_bits),
            mem_level: i32::from(class.mem_level),
            strategy: Strategy::Default,
        });
        Box::new(Self { stream })
    }

    /// Appends all of `part` in compressed form to `out`, up to the tail of a sync flush.
    fn flush(&mut self, mut part: &[u8], out: &mut BytesMut) {
        loop {
            // Most data shrinks; what does not takes one step more.
            let room = (part.len() / 2).clamp(MIN_STEP, STEP);
            let (start, taken, made) = (out.len(), self.stream.total_in(), self.stream.total_out());
            out.resize(start + room, 0);
            let space = out.get_mut(start..).unwrap_or_default();
            let result = self.stream.compress(part, space, DeflateFlush::SyncFlush);
            debug_assert!(matches!(result, Ok(Status::Ok | Status::BufError)));
            let taken = (self.stream.total_in() - taken) as usize;
            let made = (self.stream.total_out() - made) as usize;
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

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compressor")
    }
}
