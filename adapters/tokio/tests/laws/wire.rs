//! A stream that cuts anywhere and stalls at any time, and keeps to the letter of what a stream has to
//! do: it wakes only the last waker of each direction, and none after it was ready.
//!
//! Invariant: the same seed gives the same run.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Xorshift: reproducible, and good enough for schedules.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        random.below(2);
        random
    }

    /// Another sequence, for another task.
    pub(crate) fn fork(&mut self) -> Self {
        Self::new(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() >> 11) as usize % n
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

#[derive(Debug)]
pub(crate) struct Wire {
    inner: DuplexStream,
    random: Random,
    reading: Direction,
    writing: Direction,
    /// At most so many bytes at once.
    most: usize,
}

#[derive(Debug, Default)]
struct Direction(Option<Pin<Box<Sleep>>>);

impl Direction {
    /// Stalls now and then, for some milliseconds.
    fn poll(&mut self, random: &mut Random, context: &mut Context<'_>) -> Poll<()> {
        if self.0.is_none() && random.one_in(3) {
            let time = Duration::from_millis(random.below(4) as u64);
            self.0 = Some(Box::pin(sleep(time)));
        }
        if let Some(stall) = &mut self.0 {
            ready!(stall.as_mut().poll(context));
            self.0 = None;
        }
        Poll::Ready(())
    }
}

impl Wire {
    pub(crate) fn new(inner: DuplexStream, most: usize, random: Random) -> Self {
        Self {
            inner,
            random,
            reading: Direction::default(),
            writing: Direction::default(),
            most,
        }
    }

    fn cut(&mut self, len: usize) -> usize {
        len.min(1 + self.random.below(self.most))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.reading.poll(&mut this.random, context));
        let n = this.cut(buf.remaining());
        let mut part = vec![0; n];
        let mut part = ReadBuf::new(&mut part);
        ready!(Pin::new(&mut this.inner).poll_read(context, &mut part))?;
        buf.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.writing.poll(&mut this.random, context));
        let n = this.cut(buf.len());
        Pin::new(&mut this.inner).poll_write(context, &buf[..n])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.writing.poll(&mut this.random, context));
        let mut left = this.cut(bufs.iter().map(|part| part.len()).sum());
        let cut = bufs.iter().map(|part| {
            let len = part.len().min(left);
            left -= len;
            IoSlice::new(&part[..len])
        });
        let cut: Vec<_> = cut.collect();
        Pin::new(&mut this.inner).poll_write_vectored(context, &cut)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.writing.poll(&mut this.random, context));
        Pin::new(&mut this.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.writing.poll(&mut this.random, context));
        Pin::new(&mut this.inner).poll_shutdown(context)
    }
}
