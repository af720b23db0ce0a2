//! The frames of a stream (RFC 9114, section 7).
//!
//! Invariant: nothing is kept but the head of a frame, unless the caller says how much; a rule that the peer breaks closes
//! the connection with its code.

use super::code;
use bytes::{Bytes, BytesMut};
use quinn::{Connection, RecvStream, VarInt};
use quinn_proto::coding::Codec;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};
use tokio::task::coop::poll_proceed;

/// The types of frames that mean something here; all others are skipped (RFC 9114, section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Data = 0x00,
    Headers = 0x01,
    CancelPush = 0x03,
    Settings = 0x04,
    PushPromise = 0x05,
    GoAway = 0x07,
    MaxPushId = 0x0d,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Data,
        Self::Headers,
        Self::CancelPush,
        Self::Settings,
        Self::PushPromise,
        Self::GoAway,
        Self::MaxPushId,
    ];
    /// Frames of HTTP/2 that HTTP/3 does not have (RFC 9114, section 7.2.8).
    const OF_HTTP2: [u64; 4] = [0x02, 0x06, 0x08, 0x09];
}

/// Appends the head of a frame.
pub(crate) fn put_head(kind: Kind, len: usize, out: &mut BytesMut) {
    VarInt::from_u32(kind as u32).encode(out);
    VarInt::try_from(len as u64)
        .expect("nobody has so many bytes")
        .encode(out);
}

pub(crate) struct Frames {
    stream: RecvStream,
    connection: Connection,
    /// The head of the next frame, as far as it has come.
    head: [u8; 16],
    head_len: usize,
    /// How much of the payload of the last frame is not read yet.
    left: u64,
    is_skipping: bool,
    /// Whether any frame was skipped.
    has_skipped: bool,
    is_at_end: bool,
}

impl Frames {
    pub(crate) const fn new(stream: RecvStream, connection: Connection) -> Self {
        Self {
            stream,
            connection,
            head: [0; 16],
            head_len: 0,
            left: 0,
            is_skipping: false,
            has_skipped: false,
            is_at_end: false,
        }
    }

    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether the peer has ended the stream, and all of it is read.
    pub(crate) const fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Whether there was a frame of a type that is not known here.
    pub(crate) const fn has_skipped(&self) -> bool {
        self.has_skipped
    }

    /// Tells the peer that nothing more is read, unless it has ended the stream.
    pub(crate) fn stop(&mut self, code: VarInt) {
        if !self.is_at_end {
            let _ = self.stream.stop(code); // an error if it was reset
        }
    }

    /// The peer has broken a rule: ends the connection.
    pub(crate) fn broken(&self, code: VarInt, why: &'static str) -> io::Error {
        self.connection.close(code, why.as_bytes());
        io::Error::new(io::ErrorKind::InvalidData, why)
    }

    /// A frame that may not come here.
    pub(crate) fn unexpected(&self) -> io::Error {
        self.broken(code::FRAME_UNEXPECTED, "a frame that may not come here")
    }

    /// The next bytes of the stream, at most `max`, which is above 0. `None` at its end.
    fn poll_bytes(
        &mut self,
        context: &mut Context<'_>,
        max: u64,
    ) -> Poll<io::Result<Option<Bytes>>> {
        // Many small frames leave room for other tasks.
        let budget = ready!(poll_proceed(context));
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let read = ready!(pin!(self.stream.read_chunk(max, true)).poll(context));
        budget.made_progress();
        Poll::Ready(match read {
            Ok(chunk) => {
                self.is_at_end = chunk.is_none();
                Ok(chunk.map(|chunk| chunk.bytes))
            }
            Err(error) => Err(error.into()),
        })
    }

    /// The varint that a stream starts with. `None` if the stream ends first.
    pub(crate) async fn varint(&mut self) -> io::Result<Option<u64>> {
        debug_assert_eq!(self.head_len, 0, "it is no part of a frame");
        let wanted = |head: &[u8]| varint_len(head, 0);
        let is_there = poll_fn(|context| self.poll_head(context, wanted)).await?;
        Ok(is_there.then(|| self.take_head()[0]))
    }

    /// The next frame: its type, and the length of its payload, which is to be read then. `None` at the end of the stream.
    pub(crate) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Option<(Kind, u64)>>> {
        loop {
            if self.is_skipping {
                while ready!(self.poll_left(context, u64::MAX))?.is_some() {}
                self.is_skipping = false;
            }
            let wanted = |head: &[u8]| {
                let of_type = varint_len(head, 0);
                of_type + varint_len(head, of_type)
            };
            if !ready!(self.poll_head(context, wanted))? {
                return Poll::Ready(match self.head_len {
                    0 => Ok(None),
                    _ => Err(self.cut()),
                });
            }
            let [kind, len] = self.take_head();
            self.left = len;
            if Kind::OF_HTTP2.contains(&kind) {
                return Poll::Ready(Err(self.unexpected()));
            }
            match Kind::ALL.into_iter().find(|known| *known as u64 == kind) {
                Some(kind) => return Poll::Ready(Ok(Some((kind, len)))),
                None => (self.is_skipping, self.has_skipped) = (true, true),
            }
        }
    }

    /// The same as a future.
    pub(crate) async fn next(&mut self) -> io::Result<Option<(Kind, u64)>> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// More of the payload of the last frame, at most `max`, which is above 0. `None` at its end.
    pub(crate) fn poll_payload(
        &mut self,
        context: &mut Context<'_>,
        max: u64,
    ) -> Poll<io::Result<Option<Bytes>>> {
        // It may be under way through a frame that the caller never sees.
        match self.is_skipping {
            true => Poll::Ready(Ok(None)),
            false => self.poll_left(context, max),
        }
    }

    fn poll_left(
        &mut self,
        context: &mut Context<'_>,
        max: u64,
    ) -> Poll<io::Result<Option<Bytes>>> {
        if self.left == 0 {
            return Poll::Ready(Ok(None));
        }
        match ready!(self.poll_bytes(context, self.left.min(max)))? {
            Some(bytes) => {
                self.left -= bytes.len() as u64;
                Poll::Ready(Ok(Some(bytes)))
            }
            None => Poll::Ready(Err(self.cut())),
        }
    }

    /// All of the payload of the last frame. `None` if it is longer than `max`.
    pub(crate) async fn payload(&mut self, max: usize) -> io::Result<Option<BytesMut>> {
        if self.left > max as u64 {
            return Ok(None);
        }
        let mut payload = BytesMut::new();
        while let Some(bytes) = poll_fn(|context| self.poll_payload(context, u64::MAX)).await? {
            payload.extend_from_slice(&bytes);
        }
        Ok(Some(payload))
    }

    /// More of a stream that has no frames. `None` at its end.
    pub(crate) async fn raw(&mut self) -> io::Result<Option<Bytes>> {
        poll_fn(|context| self.poll_bytes(context, u64::MAX)).await
    }

    /// Reads as many bytes into `head` as it tells that it needs. False if the stream ends first.
    fn poll_head(
        &mut self,
        context: &mut Context<'_>,
        wanted: impl Fn(&[u8]) -> usize,
    ) -> Poll<io::Result<bool>> {
        loop {
            let wanted = wanted(&self.head[..self.head_len]);
            if self.head_len == wanted {
                return Poll::Ready(Ok(true));
            }
            match ready!(self.poll_bytes(context, (wanted - self.head_len) as u64))? {
                Some(bytes) => {
                    let end = self.head_len + bytes.len();
                    self.head[self.head_len..end].copy_from_slice(&bytes);
                    self.head_len = end;
                }
                None => return Poll::Ready(Ok(false)),
            }
        }
    }

    /// The varints of the head; 0 for what is not there.
    fn take_head(&mut self) -> [u64; 2] {
        let mut head = &self.head[..std::mem::take(&mut self.head_len)];
        [(); 2].map(|()| VarInt::decode(&mut head).map_or(0, VarInt::into_inner))
    }

    /// RFC 9114, section 7.1: the last frame of a stream is complete.
    fn cut(&self) -> io::Error {
        self.broken(code::FRAME_ERROR, "the stream ends inside a frame")
    }
}

/// How long the varint at this place is, as far as its first byte tells (RFC 9000, section 16).
fn varint_len(head: &[u8], at: usize) -> usize {
    head.get(at).map_or(1, |first| 1 << (first >> 6))
}
