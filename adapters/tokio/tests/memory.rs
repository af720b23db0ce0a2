//! What connections hold that are idle, or have received a part of a frame and wait for its rest.
//!
//! Invariant: memory is counted by an allocator, and every test is one thread.

#[path = "../../../tests/support/allocator.rs"]
mod allocator;

use bytes::BytesMut;
use futures_util::FutureExt;
use sansocket::{Connection, Settings};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_sansocket::{Error, Options, WebSocket, accept, from_upgraded};

/// A stream with some bytes to be read, and no more.
struct Part(Vec<u8>);

impl AsyncRead for Part {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return Poll::Pending;
        }
        let n = self.0.len().min(buf.remaining());
        buf.put_slice(&self.0[..n]);
        self.0.drain(..n);
        if self.0.is_empty() {
            self.0 = Vec::new(); // what is counted is the connection's
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Part {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The first `len` bytes of a client's message of 4 MiB.
fn part(len: usize) -> Vec<u8> {
    let (mut peer, mut out) = (
        Connection::client(Settings::default(), [7; 32]),
        BytesMut::new(),
    );
    peer.send(&vec![0; 4 << 20], &mut out).unwrap();
    out.truncate(len);
    out.to_vec()
}

fn connections(read: &[u8], n: usize) -> Vec<WebSocket<Part>> {
    let options = Options::default();
    let connect = |_| {
        let connection = Connection::server(options.config.settings);
        from_upgraded(Part(read.to_vec()), connection, &options, BytesMut::new())
    };
    (0..n).map(connect).collect()
}

/// What each of so many connections holds once it has read this, and waits; without what one holds that
/// has read nothing, and waits.
fn held(read: &[u8], n: usize) -> usize {
    let wait = |read: &[u8]| {
        let mut all = connections(read, n);
        let before = allocator::live();
        for ws in &mut all {
            assert!(ws.recv().now_or_never().is_none());
        }
        allocator::live() - before
    };
    wait(read); // the buffer that all of them share is there from now on
    let (nothing, something) = (wait(b""), wait(read));
    let payload = isize::try_from(read.len() * n).unwrap();
    usize::try_from(something + payload - nothing).unwrap() / n
}

/// Its state, who waits for it, and its timer.
#[tokio::test(start_paused = true)]
async fn an_idle_connection_holds_little() {
    connections(b"", 1); // what the runtime keeps
    let before = allocator::live();
    let mut all = connections(b"", 1000);
    for ws in &mut all {
        assert!(ws.recv().now_or_never().is_none());
    }
    let held = usize::try_from(allocator::live() - before).unwrap() / 1000;
    assert!(held <= 880, "{held} bytes");
}

/// What the opening handshake needs is not in the task for ever.
#[tokio::test(start_paused = true)]
async fn the_task_of_a_connection_is_small() {
    async fn echo(stream: Part, options: &Options) -> Result<(), Error> {
        let mut ws = accept(stream, options, Ok).await?;
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
        }
        Ok(())
    }
    let options = Options::default();
    let task = echo(Part(Vec::new()), &options);
    // Its stream, and the message that it sends.
    assert!(size_of_val(&task) <= 192, "{} bytes", size_of_val(&task));
}

/// A half-received frame holds what has arrived of it, and nothing of the buffer that it was read into.
#[tokio::test(start_paused = true)]
async fn a_part_of_a_frame_holds_its_own_bytes() {
    for len in [1, 2, 13, 14, 15, 100, 200, 300, 1000, 4000, 16_000] {
        let held = held(&part(len), 1000);
        assert!(held <= len + 50, "{held} bytes for {len}");
    }
}

/// From 16 KiB on it stays where it was read: in a buffer that has room for four times as much, or for
/// 256 KiB.
#[tokio::test(start_paused = true)]
async fn a_long_part_stays_in_its_buffer() {
    for len in [16_400, 60_000, 99_000, 500_000] {
        let held = held(&part(len), 20);
        assert!(
            held <= len + (4 * len).max(256 << 10),
            "{held} bytes for {len}"
        );
    }
}
