//! What was read and not taken yet.
//!
//! Invariant: it holds memory for what has arrived, not for what was announced, and none while it is
//! empty: then its buffer serves other connections.

use crate::pool;
use bytes::BytesMut;
use std::io;
use std::ops::RangeInclusive;
use std::pin::pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt};

/// So much is read at once while little comes.
const READ: usize = 64 << 10;
/// The least and the most of [`Options::max_read`](crate::Options::max_read): no system gives room for a
/// `usize::MAX` that says "no limit".
const MAX_READ: RangeInclusive<usize> = 1 << 10..=16 << 20;
/// So long a part of a message costs less to copy than it would pin.
const SMALL: usize = 16 << 10;

pub(super) struct Input {
    pub(super) bytes: BytesMut,
    /// Whether only a read helps: nothing is there, or a part of a message.
    pub(super) is_hungry: bool,
    /// How many reads in a row had something.
    pub(super) reads: u8,
    /// Whether the last read filled its buffer.
    was_filled: bool,
    /// How many bytes the message under way asks for.
    wanted: u32,
    /// The most that is read at once.
    max_read: u32,
}

impl Input {
    /// Starts with bytes that were read already.
    pub(super) fn new(bytes: BytesMut, max_read: usize) -> Self {
        Self {
            is_hungry: bytes.is_empty(),
            bytes,
            reads: 0,
            was_filled: false,
            wanted: 1,
            max_read: max_read.clamp(*MAX_READ.start(), *MAX_READ.end()) as u32,
        }
    }

    /// What is left is a part of a message, of which `missing` bytes at least are still to come.
    #[cold]
    pub(super) fn wait_for(&mut self, missing: usize) {
        self.is_hungry = true;
        let most = 4 * self.bytes.len().max(READ);
        self.wanted = u32::try_from(missing.min(most)).unwrap_or(u32::MAX);
    }

    /// Everything was taken.
    #[inline]
    pub(super) fn empty(&mut self) {
        (self.is_hungry, self.wanted) = (true, 1);
        pool::give_read(&mut self.bytes);
    }

    /// Throws away what there is.
    pub(super) fn discard(&mut self) {
        self.bytes.clear();
        if self.bytes.capacity() < READ {
            self.bytes = BytesMut::new(); // others wait for a longer one
        }
        self.empty();
    }

    /// Reads; 0 bytes are the end.
    pub(super) fn read<S: AsyncRead + Unpin>(
        &mut self,
        io: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.make_room();
        let room = self.bytes.capacity() - self.bytes.len();
        let poll = pin!(io.read_buf(&mut self.bytes)).poll(context);
        self.reads = match poll {
            Poll::Ready(_) => self.reads.saturating_add(1),
            Poll::Pending => 0,
        };
        match poll {
            Poll::Ready(Ok(n @ 1..)) => {
                self.is_hungry = false;
                self.was_filled = n >= READ.min(room) && (n == room || self.was_filled);
            }
            _ => self.shrink(),
        }
        poll
    }

    fn make_room(&mut self) {
        let max = self.max_read as usize;
        let room = if self.was_filled { max } else { max.min(READ) };
        let (len, wanted) = (self.bytes.len(), self.wanted as usize);
        if len == 0 {
            self.bytes = pool::take_read(room);
        } else if self.bytes.capacity() - len >= wanted.min(READ) {
            // There is enough room.
        } else if len < SMALL {
            let mut bytes = pool::take_read(len + wanted.max(room));
            bytes.extend_from_slice(&self.bytes);
            self.bytes = bytes;
        } else {
            self.bytes.reserve(wanted);
        }
    }

    /// A short part that waits for its rest must not pin a long buffer.
    fn shrink(&mut self) {
        let len = self.bytes.len();
        if len == 0 {
            pool::give_read(&mut self.bytes);
        } else if len < SMALL && self.bytes.capacity() > 4 * len.max(256) {
            let part = BytesMut::from(&self.bytes[..]);
            pool::give_read(&mut self.bytes);
            self.bytes = part;
        }
    }
}
