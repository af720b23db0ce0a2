//! Compresses messages (RFC 7692, section 7.2.1).
//!
//! Invariant: what the compressor has taken in is sent compressed, or the compressor forgets it, so
//! the peer's window is never out of step.

use super::class::Class;
use super::compressor::Compressor;
use super::direction::Direction;
use super::params::{Params, Window};
use super::pool::Pool;
use super::settings::Deflate;
use crate::frame::Role;
use alloc::boxed::Box;
use bytes::BytesMut;
use core::num::NonZeroU16;

/// The end of every sync flush, which is not sent (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The compressing half of permessage-deflate on one connection.
#[derive(Debug)]
pub(crate) struct Compression(Direction<Plan, Compressing>);

// Every connection has one, compressed or not.
const _: () = assert!(size_of::<Compression>() <= 16);

/// What a connection must know in order to compress, in 16 bytes with room for the tag.
#[derive(Clone)]
struct Plan {
    pool: Pool,
    min_size: u32,
    /// `None` with context takeover: the connection keeps its compressor. Otherwise how many the
    /// pool may keep when it gets this one back, plus one.
    max_pooled: Option<NonZeroU16>,
    class: Class,
}

struct Compressing {
    plan: Plan,
    /// Kept always with context takeover, otherwise only while a message is under way.
    compressor: Option<Box<Compressor>>,
}

impl Compression {
    pub(crate) const OFF: Self = Self(Direction::Off);

    /// For an endpoint in this role.
    pub(crate) fn new(deflate: &Deflate, params: &Params, role: Role) -> Self {
        let mut terms = params.sent_by(role);
        if role == Role::Client
            && let Some(hint) = deflate.client_max_window_bits
        {
            // RFC 7692, section 7.1.2.2: a client may keep to what it has announced, even if the
            // server would let it use more.
            terms.window = terms.window.min(Window::nearest(hint));
        }
        Self(Direction::Agreed(Plan {
            pool: deflate.pool().clone(),
            min_size: u32::try_from(deflate.min_size).unwrap_or(u32::MAX),
            max_pooled: if terms.context_takeover {
                None
            } else {
                Some(NonZeroU16::MIN.saturating_add(deflate.max_pooled()))
            },
            class: Class::new(terms.window, deflate.level, deflate.mem_level),
        }))
    }

    #[inline]
    pub(crate) const fn is_agreed(&self) -> bool {
        self.0.is_agreed()
    }

    /// Whether a complete message of this length is long enough to be compressed.
    pub(crate) fn is_worth(&self, len: usize) -> bool {
        self.plan()
            .is_some_and(|plan| len as u64 >= u64::from(plan.min_size))
    }

    /// Whether the fragmented message under way is compressed.
    #[inline]
    pub(crate) const fn is_under_way(&self) -> bool {
        self.0.is_under_way()
    }

    /// Appends a part of a message to `out`, compressed; with `fin` its last or only part.
    ///
    /// Call it only if the extension was agreed on.
    pub(crate) fn compress(&mut self, part: &[u8], fin: bool, out: &mut BytesMut) {
        debug_assert!(self.is_agreed());
        if let Some(state) = self.0.enter(!fin, Compressing::new) {
            state.compress(part, fin, out);
        }
    }

    /// Whether the window is empty again after each message, so that nothing is lost when a
    /// compressed one is not sent.
    pub(crate) fn forgets(&self) -> bool {
        self.plan().is_none_or(Plan::forgets)
    }

    /// Which other connections make the same bytes of a message; `None` with context takeover, as
    /// they depend on the messages before it.
    pub(super) fn class(&self) -> Option<Class> {
        let plan = self.plan()?;
        plan.forgets().then_some(plan.class)
    }

    /// Appends a complete message to `out`, compressed on its own, outside of the sequence of
    /// messages. Call it only if this connection has a [`class`](Self::class).
    pub(super) fn compress_alone(&self, message: &[u8], out: &mut BytesMut) {
        debug_assert!(self.class().is_some());
        if let Some(plan) = self.plan() {
            Compressing::new(plan.clone()).compress(message, true, out);
        }
    }

    const fn plan(&self) -> Option<&Plan> {
        match &self.0 {
            Direction::Off => None,
            Direction::Agreed(plan) => Some(plan),
            Direction::Between(state) | Direction::Within(state) => Some(&state.plan),
        }
    }
}

impl Plan {
    const fn forgets(&self) -> bool {
        self.max_pooled.is_some()
    }
}

impl Compressing {
    const fn new(plan: Plan) -> Self {
        Self {
            plan,
            compressor: None,
        }
    }

    fn compress(&mut self, part: &[u8], fin: bool, out: &mut BytesMut) {
        let Plan { pool, class, .. } = &self.plan;
        if !part.is_empty() {
            let compressor = self.compressor.get_or_insert_with(|| {
                let pooled = pool.take_compressor(*class);
                pooled.unwrap_or_else(|| Compressor::new(*class))
            });
            let start = out.len();
            compressor.flush(part, out);
            if fin && out.get(start..).is_some_and(|made| made.ends_with(&TAIL)) {
                out.truncate(out.len() - TAIL.len());
            }
        } else if fin {
            // RFC 7692, section 7.2.3.6: the header of an empty block, at a boundary; the
            // compressor, which may have nothing to flush, is left alone.
            out.extend_from_slice(&[0x00]);
        }
        if fin
            && let Some(max_pooled) = self.plan.max_pooled
            && let Some(compressor) = self.compressor.take()
        {
            pool.give_compressor(*class, compressor, max_pooled.get() - 1);
        }
    }
}
