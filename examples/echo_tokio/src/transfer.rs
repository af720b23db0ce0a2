//! How a client reads and answers, and how it writes.
//!
//! Invariant: a large payload is written from where it was read; only what the stream does not take is copied.

use crate::client::Client;
use crate::inbox::{self, count};
use sansocket::{Event, Input};
use std::cell::RefCell;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{self, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most that is read at once: nearly every message is complete in it, and so is lent.
pub(crate) const MAX_READ: usize = 256 << 10;
/// The same after a large message: two of 1 MiB, and their headers.
const MAX_LARGE_READ: usize = (2 << 20) + 64;
/// A payload from this size on is written from where it lies; shorter ones are written together.
const LARGE: usize = 64 << 10;

thread_local! {
    /// What all connections of this thread read into.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; MAX_LARGE_READ]);
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Reads once and handles what came. Returns whether anything did.
    pub(crate) fn read(&mut self, context: &mut task::Context<'_>, now: Duration) -> bool {
        BUFFER.with_borrow_mut(|buffer| {
            let stream = Pin::new(&mut self.stream);
            let mut bytes = ReadBuf::new(&mut buffer[..self.max_read]);
            // A reset is an end as well.
            if stream.poll_read(context, &mut bytes).is_pending() {
                return false;
            }
            let bytes = bytes.filled_mut();
            if bytes.is_empty() {
                self.ws.receive_eof();
                return false;
            }
            let mut input = Input(bytes);
            while let Some(event) = self.ws.receive(&mut input, now, &mut self.out) {
                let payload = match event {
                    Event::Text(ref text) => self.ws.send_apart(text, &mut self.out),
                    Event::Binary(ref data) => self.ws.send_apart(data, &mut self.out),
                    Event::Request(request) => {
                        if request.path() == "/count" {
                            let (sender, inbox) = inbox::open();
                            self.inbox = Some(inbox);
                            tokio::spawn(count(sender));
                        }
                        self.ws.accept(request, &mut self.out).map(|()| &[][..])
                    }
                    _ => continue, // Pings, Closes and errors are answered already
                };
                // Sending fails only when the connection is closing: nothing is left to say.
                let payload = payload.unwrap_or_default();
                if payload.len() < LARGE {
                    self.out.extend_from_slice(payload);
                    self.max_read = MAX_READ;
                } else {
                    self.write(context, payload, now);
                    self.max_read = MAX_LARGE_READ;
                }
            }
            true
        })
    }

    /// Writes what the stream takes of `out` and the payload after it; the rest is in `out` then.
    /// What the stream holds back is flushed once nothing is left. Returns whether bytes moved.
    pub(crate) fn write(
        &mut self,
        context: &mut task::Context<'_>,
        mut payload: &[u8],
        now: Duration,
    ) -> bool {
        let (mut stream, mut written) = (Pin::new(&mut self.stream), 0);
        while !self.out.is_empty() || !payload.is_empty() {
            let parts = [IoSlice::new(&self.out), IoSlice::new(payload)];
            let result = match payload {
                [] => stream.as_mut().poll_write(context, &self.out),
                _ => stream.as_mut().poll_write_vectored(context, &parts),
            };
            match result {
                Poll::Ready(Ok(n @ 1..)) => {
                    payload = &payload[self.ws.wrote(n, now, &mut self.out)..];
                    written += n;
                }
                Poll::Ready(_) => {
                    self.out.clear();
                    self.is_flushed = true;
                    self.ws.flushed(0, false, now);
                    self.ws.receive_eof();
                    return true;
                }
                Poll::Pending => break,
            }
        }
        self.out.extend_from_slice(payload);
        if written == 0 && self.is_flushed {
            return false;
        }
        self.is_flushed = self.out.is_empty() && stream.poll_flush(context).is_ready();
        self.ws.flushed(written, !self.is_flushed, now);
        written > 0 || self.is_flushed
    }
}
