//! The transport that every peer is driven over: a stream in memory.
//!
//! Invariant: it never blocks, and it copies input and output once, as the kernel does, for
//! every peer alike.

use bytes::Bytes;
use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A read brings at most this many bytes, as a socket's does.
const READ: usize = 32 << 10;

/// The bytes copied at once. The processor may do a longer copy with one instruction, which is several times
/// slower if two buffers are badly aligned to each other, and that is chance.
const COPY: usize = 2 << 10;

/// Serves the bytes of `stream` over and over.
pub struct Transport {
    stream: Bytes,
    at: usize,
}

/// The last bytes that all transports of the thread have written.
struct Written {
    ring: Vec<u8>,
    at: usize,
}

thread_local! {
    static WRITTEN: RefCell<Written> = const { RefCell::new(Written { ring: Vec::new(), at: 0 }) };
}

/// From now on keeps the last bytes written, at most `room`.
pub fn keep(room: usize) {
    let ring = vec![0; room];
    WRITTEN.set(Written { ring, at: 0 });
}

/// What was written since [`keep`], which must have had room for all of it.
pub fn kept() -> Vec<u8> {
    WRITTEN.with_borrow(|written| written.ring[..written.at].to_vec())
}

impl Transport {
    pub fn new(stream: Bytes) -> Self {
        Self { stream, at: 0 }
    }

    #[inline]
    fn next(&mut self, most: usize) -> &[u8] {
        if self.at == self.stream.len() {
            self.at = 0;
        }
        let from = self.at;
        self.at = self.stream.len().min(from + most.min(READ));
        &self.stream[from..self.at]
    }

    /// One write of these pieces.
    #[inline]
    pub fn put(&mut self, pieces: &[IoSlice<'_>]) -> usize {
        WRITTEN.with_borrow_mut(|Written { ring, at }| {
            for mut piece in pieces.iter().flat_map(|piece| piece.chunks(COPY)) {
                while !piece.is_empty() {
                    if *at == ring.len() {
                        *at = 0;
                    }
                    let (now, later) = piece.split_at(piece.len().min(ring.len() - *at));
                    ring[*at..*at + now.len()].copy_from_slice(now);
                    *at += now.len();
                    piece = later;
                }
            }
        });
        pieces.iter().map(|piece| piece.len()).sum()
    }
}

impl Read for Transport {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.next(buffer.len());
        for (to, from) in buffer.chunks_mut(COPY).zip(bytes.chunks(COPY)) {
            to[..from.len()].copy_from_slice(from);
        }
        Ok(bytes.len())
    }
}

impl Write for Transport {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.put(&[IoSlice::new(bytes)]))
    }

    #[inline]
    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(self.put(pieces))
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Transport {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        for part in self.next(buffer.remaining()).chunks(COPY) {
            buffer.put_slice(part);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(bytes))
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write_vectored(pieces))
    }

    #[inline]
    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Drives a future that never has to wait, without a runtime.
#[inline]
pub fn ready<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        // Some peers yield now and then, to be polled again.
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}
