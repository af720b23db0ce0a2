//! A stream of HTTP/3 as the transport of a WebSocket (RFC 9220, section 3).
//!
//! Invariant: no byte is taken before the last frame has left, and room is given back for what was read only.
//!
//! | of the WebSocket | of the stream |
//! |---|---|
//! | writing | DATA frames, as the windows of stream and connection have room; where they are cut means nothing |
//! | reading | a byte that was read gives the peer room for another |
//! | shutting down writing | FIN, or RESET_STREAM with H3_REQUEST_CANCELLED after an error of reading |
//! | dropping before that | FIN if the peer has sent it, else RESET_STREAM with H3_REQUEST_CANCELLED |
//! | dropping at all | STOP_SENDING with H3_REQUEST_CANCELLED, if more could come |
//! | the end of reading | FIN between two frames |
//! | an error of reading or writing | RESET_STREAM, STOP_SENDING, or the end of the HTTP connection |
//!
//! So a peer that reads nothing makes writing wait, and the core's deadline for writes judges it. Each stream has its own
//! window, and the connection has room for all of them: one that is not read stops no other.

use crate::http3::{Frames, Kind, Lingering, PATIENCE, code, put_head};
use bytes::{Buf, Bytes, BytesMut};
use quinn::SendStream;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

/// The largest payload of a frame: what is copied, and held until it has left.
const FRAME: usize = 64 << 10;

pub(crate) struct Stream {
    send: SendStream,
    frames: Frames,
    /// What has not left of the last frame.
    out: BytesMut,
    is_shut_down: bool,
    /// Whether reading has failed.
    is_broken: bool,
    lingering: Lingering,
}

impl Stream {
    /// The head of the response has gone that way, and what follows is the WebSocket.
    pub(crate) fn new(send: SendStream, frames: Frames, lingering: Lingering) -> Self {
        Self {
            send,
            frames,
            out: BytesMut::new(),
            is_shut_down: false,
            is_broken: false,
            lingering,
        }
    }
}

impl Stream {
    /// Sends what is left of the last frame.
    fn poll_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let sent = Pin::new(&mut self.send).poll_write(context, &self.out);
            self.out.advance(ready!(sent)?);
        }
        Poll::Ready(Ok(()))
    }

    /// The next bytes of DATA frames, at most `max`, which is above 0. `None` at the end of the stream.
    fn poll_data(
        &mut self,
        context: &mut Context<'_>,
        max: usize,
    ) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            if let Some(bytes) = ready!(self.frames.poll_payload(context, max as u64))? {
                return Poll::Ready(Ok(Some(bytes)));
            }
            match ready!(self.frames.poll_next(context))? {
                Some((Kind::Data, _)) => {}
                // RFC 9114, section 4.4: nothing else follows a CONNECT.
                Some(_) => return Poll::Ready(Err(self.frames.unexpected())),
                None => return Poll::Ready(Ok(None)),
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let max = buffer.remaining();
        if max == 0 {
            return Poll::Ready(Ok(()));
        }
        let read = ready!(self.poll_data(context, max));
        self.is_broken = read.is_err();
        if let Some(bytes) = read? {
            buffer.put_slice(&bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_out(context))?;
        let n = bytes.len().min(FRAME);
        if n > 0 {
            put_head(Kind::Data, n, &mut self.out);
            self.out.extend_from_slice(&bytes[..n]);
            // What does not leave now leaves before the next frame, or when the caller flushes.
            if let Poll::Ready(sent) = self.poll_out(context) {
                sent?;
            }
        }
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_out(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_broken {
            return Poll::Ready(Ok(())); // dropping tells the peer
        }
        ready!(self.poll_out(context))?;
        if !std::mem::replace(&mut self.is_shut_down, true) {
            self.send.finish().map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(()))
    }
}

/// What a socket does: an end for an end, and a reset if more could come.
impl Drop for Stream {
    fn drop(&mut self) {
        if !self.is_shut_down && self.frames.is_at_end() && self.out.is_empty() {
            self.is_shut_down = self.send.finish().is_ok();
        }
        if self.is_shut_down {
            // The peer may not have all of it yet, and this may be the last stream of the connection.
            let (sent, lingering) = (self.send.stopped(), self.lingering.clone());
            tokio::spawn(async move {
                let _ = timeout(PATIENCE, sent).await;
                drop(lingering);
            });
        } else {
            let _ = self.send.reset(code::REQUEST_CANCELLED); // an error if it was reset before
        }
        self.frames.stop(code::REQUEST_CANCELLED);
    }
}
