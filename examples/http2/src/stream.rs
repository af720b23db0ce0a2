//! A stream of HTTP/2 as the transport of a WebSocket.
//!
//! Invariant: no byte is taken for which flow control has no room, and room is given back for what was read only.
//!
//! | of the WebSocket | of the stream |
//! |---|---|
//! | writing | as many bytes as the windows of stream and connection have room for; DATA frames mean nothing |
//! | reading | a byte that was read gives the peer room for another |
//! | shutting down writing | END_STREAM |
//! | dropping | END_STREAM if the peer has sent it, else RST_STREAM with CANCEL (h2 does this); nothing if both are at an end |
//! | the end of reading | END_STREAM |
//! | an error of reading or writing | RST_STREAM, GOAWAY, or the end of the HTTP connection |
//!
//! So a peer that reads nothing makes writing wait, and the core's deadline for writes judges it. Each stream has its own
//! window, and the connection has room for all of them: one that is not read stops no other.

use bytes::{Buf, Bytes};
use h2::{RecvStream, SendStream};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The number of streams that a peer may have open.
pub(crate) const STREAMS: u32 = 100;
/// How much may be under way on each, unread.
pub(crate) const WINDOW: u32 = 256 << 10;
/// How much each holds that is not written yet.
pub(crate) const SEND_BUFFER: usize = 64 << 10;

pub(crate) struct Stream {
    send: SendStream<Bytes>,
    receive: RecvStream,
    /// Received, and not read yet.
    chunk: Bytes,
    is_shut_down: bool,
}

impl Stream {
    pub(crate) fn new(send: SendStream<Bytes>, receive: RecvStream) -> Self {
        Self {
            send,
            receive,
            chunk: Bytes::new(),
            is_shut_down: false,
        }
    }
}

/// What a socket does: an end for an end, and a reset if more could come.
impl Drop for Stream {
    fn drop(&mut self) {
        if !self.is_shut_down && self.receive.is_end_stream() {
            let _ = self.send.send_data(Bytes::new(), true); // it may have been reset
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.chunk.is_empty() {
            match ready!(self.receive.poll_data(context)) {
                Some(chunk) => self.chunk = chunk.map_err(io::Error::other)?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let n = self.chunk.len().min(buffer.remaining());
        buffer.put_slice(&self.chunk[..n]);
        self.chunk.advance(n);
        let given_back = self.receive.flow_control().release_capacity(n);
        Poll::Ready(given_back.map_err(io::Error::other))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.send.reserve_capacity(bytes.len().min(SEND_BUFFER));
        while self.send.capacity() == 0 {
            match ready!(self.send.poll_capacity(context)) {
                Some(room) => room.map_err(io::Error::other)?,
                None => return Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
            };
        }
        let n = bytes.len().min(self.send.capacity());
        let sent = self
            .send
            .send_data(Bytes::copy_from_slice(&bytes[..n]), false);
        Poll::Ready(sent.map(|()| n).map_err(io::Error::other))
    }

    /// The task of the HTTP connection writes.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::replace(&mut self.is_shut_down, true) {
            return Poll::Ready(Ok(()));
        }
        let sent = self.send.send_data(Bytes::new(), true);
        Poll::Ready(sent.map_err(io::Error::other))
    }
}
