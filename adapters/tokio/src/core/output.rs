//! What is to be written, in order: large payloads from where they lie, all else from one buffer.
//!
//! Invariant: what is taken of it was written, or can never be written any more. The endpoint hears of
//! every byte that leaves, and memory is held only while bytes wait.

use crate::pool;
use bytes::{Buf, Bytes, BytesMut};
use sansocket::Endpoint;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncWrite;

/// The most parts of one vectored write.
const PARTS: usize = 16;

pub(super) struct Output {
    /// To be written first: large payloads, and what comes before them. Boxed, as most connections have none.
    queue: Option<Box<Queue>>,
    /// To be written then.
    buffer: BytesMut,
    /// Whether the transport, which may be TLS, holds nothing back.
    is_flushed: bool,
    /// Whether writing has failed: what follows is thrown away.
    pub(super) is_broken: bool,
}

#[derive(Default)]
struct Queue {
    parts: VecDeque<Bytes>,
    /// The number of bytes in them.
    len: usize,
}

impl Output {
    /// Starts with the bytes that the endpoint appended to `buffer`.
    pub(super) fn new(buffer: BytesMut) -> Self {
        Self {
            queue: None,
            buffer,
            is_flushed: true,
            is_broken: false,
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        let queued = self.queue.as_ref().map_or(0, |queue| queue.len);
        queued + self.buffer.len()
    }

    /// Whether all is written, and nothing is held back.
    #[inline]
    pub(super) fn is_settled(&self) -> bool {
        self.len() == 0 && self.is_flushed
    }

    /// The buffer to append to.
    #[inline]
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() == 0 {
            self.buffer = pool::take_out();
        }
        &mut self.buffer
    }

    /// The buffer as it is, for what is rarely appended.
    #[inline]
    pub(super) const fn out(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Appends a payload that is written from where it lies.
    pub(super) fn follow(&mut self, payload: Bytes, endpoint: &mut Endpoint, now: Duration) {
        let before = self.buffer.split().freeze();
        let n = before.len();
        let queue = self.queue.get_or_insert_default();
        queue.len += n + payload.len();
        queue.parts.extend([before, payload]);
        // They have left the endpoint's output, and wait in a layer below it.
        endpoint.flushed(0, true, now);
        endpoint.wrote(n, now, &mut self.buffer);
    }

    /// Writes what the transport takes; what is left has the waker. Returns whether anything moved.
    pub(super) fn write<S: AsyncWrite>(
        &mut self,
        io: Pin<&mut S>,
        context: &mut Context<'_>,
        endpoint: &mut Endpoint,
        now: Duration,
    ) -> io::Result<bool> {
        if self.is_settled() {
            if self.buffer.capacity() > 0 {
                pool::give_out(&mut self.buffer);
            }
            return Ok(false);
        }
        if self.is_broken {
            self.discard(endpoint, now);
            return Ok(true);
        }
        let result = self.write_some(io, context, endpoint, now);
        match result {
            Ok(written) => {
                endpoint.flushed(written, self.queue.is_some() || !self.is_flushed, now);
                if self.buffer.is_empty() {
                    pool::give_out(&mut self.buffer);
                }
                Ok(written > 0 || self.is_flushed)
            }
            Err(error) => {
                self.is_broken = true;
                self.discard(endpoint, now);
                Err(error)
            }
        }
    }

    fn write_some<S: AsyncWrite>(
        &mut self,
        mut io: Pin<&mut S>,
        context: &mut Context<'_>,
        endpoint: &mut Endpoint,
        now: Duration,
    ) -> io::Result<usize> {
        let mut written = 0;
        while self.len() > 0 {
            self.is_flushed = false;
            let poll = match &self.queue {
                None => io.as_mut().poll_write(context, &self.buffer),
                Some(queue) => {
                    let parts = queue.parts.iter().map(|part| &**part);
                    let mut slices = [IoSlice::new(&[]); PARTS];
                    let mut n = 0;
                    for (slice, part) in slices.iter_mut().zip(parts.chain([&*self.buffer])) {
                        *slice = IoSlice::new(part);
                        n += 1;
                    }
                    io.as_mut()
                        .poll_write_vectored(context, slices.get(..n).unwrap_or(&[]))
                }
            };
            match poll? {
                Poll::Ready(0) => return Err(ErrorKind::WriteZero.into()),
                Poll::Ready(n) => {
                    self.wrote(n, endpoint, now);
                    written += n;
                }
                Poll::Pending => return Ok(written),
            }
        }
        self.is_flushed = io.poll_flush(context)?.is_ready();
        Ok(written)
    }

    /// Takes off what was written.
    #[inline]
    fn wrote(&mut self, mut n: usize, endpoint: &mut Endpoint, now: Duration) {
        if let Some(queue) = &mut self.queue {
            n = queue.wrote(n);
            if !queue.parts.is_empty() {
                return;
            }
            self.queue = None;
        }
        endpoint.wrote(n, now, &mut self.buffer);
    }

    /// Nothing can be written any more.
    pub(super) fn discard(&mut self, endpoint: &mut Endpoint, now: Duration) {
        self.queue = None;
        endpoint.wrote(self.buffer.len(), now, &mut self.buffer);
        endpoint.flushed(0, false, now);
        if self.buffer.capacity() > 0 {
            pool::give_out(&mut self.buffer);
        }
        self.is_flushed = true;
    }
}

impl Queue {
    /// Takes off what was written; returns how much of it came behind.
    fn wrote(&mut self, mut n: usize) -> usize {
        while let Some(first) = self.parts.front_mut() {
            let of_first = n.min(first.len());
            first.advance(of_first);
            n -= of_first;
            self.len -= of_first;
            if !first.is_empty() {
                break;
            }
            self.parts.pop_front();
        }
        n
    }
}
