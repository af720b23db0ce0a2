//! Attacks where features meet: settings at their ends, floods, and handles that go in any order.
//!
//! Invariant: everything ends, and in bounded time; the clock is tokio's paused one.

use crate::peer::*;
use bytes::BytesMut;
use sansocket::{CloseCode, Connection, End, Expired, Settings};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, advance, timeout};
use tokio_sansocket::{Options, WebSocket, accept, from_upgraded};

const ROOM: usize = 1 << 16;
const DAY: Duration = Duration::from_secs(86_400);

/// Every mix of times that are nothing, the shortest and endless, and of sizes: a connection talks and
/// closes or is given up, and never spins.
#[tokio::test(start_paused = true)]
async fn settings_at_their_ends() {
    let ends = [Duration::ZERO, Duration::from_nanos(1), Duration::MAX];
    let sizes = [0, 1, usize::MAX];
    let (mut closed, mut expired) = (0, 0);
    for number in 0..3_usize.pow(7) {
        let digit = |at: u32| number / 3_usize.pow(at) % 3;
        let mut options = Options::default();
        let times = &mut options.config.times;
        times.keepalive = [None, Some(ends[0]), Some(ends[2])][digit(0)];
        times.idle = [None, Some(ends[1]), Some(ends[2])][digit(1)];
        times.pong = ends[digit(2)];
        times.close = ends[digit(3)];
        times.write = ends[digit(4)];
        times.min_rate = [0, u32::MAX, 64][digit(4)];
        options.high_water = sizes[digit(5)];
        options.max_read = sizes[digit(6)];
        let (mut peer, mut ws) = pair(ROOM, &options);
        let server = tokio::spawn(async move {
            while let Ok(Some(message)) = ws.recv().await {
                if ws.send(message).await.is_err() {
                    break;
                }
            }
            let _ = ws.close(CloseCode::NORMAL, "").await;
            ws.end()
        });
        let out = peer.frames(&[text("hello"), text("x".repeat(1000)), Said::Close(1000)]);
        let _ = peer.writer.write_all(&out).await;
        let heard = timeout(DAY, async { while peer.hear().await != Said::Eof {} });
        heard.await.expect("it ends");
        drop(peer);
        match timeout(DAY, server).await.expect("it ends").unwrap() {
            Some(End::Closed { .. }) => closed += 1,
            Some(_) => expired += 1,
            None => panic!("no end"),
        }
    }
    assert!(closed > 100 && expired > 100, "{closed} {expired}");
}

/// The halves and a sender, with output that the peer does not take: whichever goes first, and whatever is
/// under way, the last owner is the end.
#[tokio::test(start_paused = true)]
async fn handles_go_in_any_order() {
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        for is_read in [true, false] {
            let (mut peer, ws) = pair(64, &Options::default());
            let sender = ws.sender();
            let (read, write) = ws.split();
            sender.send(&*"x".repeat(70_000)).await.unwrap();
            let waiting = tokio::spawn({
                let sender = sender.clone();
                async move { sender.send("late").await }
            });
            tokio::task::yield_now().await;
            let (mut read, mut write, mut own) = (Some(read), Some(write), Some(sender));
            for which in order {
                match which {
                    0 => drop(read.take()),
                    1 => drop(write.take()),
                    _ => drop(own.take()),
                }
                tokio::task::yield_now().await;
            }
            let mut heard = Vec::new();
            if is_read {
                loop {
                    match peer.hear().await {
                        Said::Eof => break,
                        said => heard.push(said),
                    }
                }
            }
            let late = timeout(DAY, waiting).await.expect("it ends").unwrap();
            if is_read {
                assert_eq!(heard[0], text("x".repeat(70_000)));
            }
            // What was sent is written, and only that.
            assert_eq!(heard.contains(&text("late")), late.is_ok(), "{order:?}");
        }
    }
}

/// Nobody receives, and the writer closes: a message in the way must not hold up the end for ever.
#[tokio::test(start_paused = true)]
async fn a_writer_that_closes_ends_although_nobody_receives() {
    let (mut peer, ws) = pair(ROOM, &Options::default());
    let (read, mut write) = ws.split();
    peer.say(&[text("nobody takes me"), text("nor me")]).await;
    let start = Instant::now();
    let closed = timeout(DAY, write.close(CloseCode::NORMAL, "")).await;
    let error = closed.expect("it ends").unwrap_err();
    assert_eq!(error.end(), Some(&End::Expired(Expired::Close)));
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
    drop(read);
}

/// A peer with no end of messages, over a transport that always has more and knows nothing of tokio's
/// budget. Each read takes 3 ms.
struct Flood {
    frames: Vec<u8>,
    /// The number of reads that may still come.
    left: usize,
}

impl AsyncRead for Flood {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Whatever `max_read` says.
        assert!(buf.remaining() <= 16 << 20, "{}", buf.remaining());
        self.left = self.left.checked_sub(1).expect("something ends it");
        let n = self.frames.len().min(buf.remaining());
        buf.put_slice(&self.frames[..n]);
        self.frames.rotate_left(n);
        let _ = pin!(advance(Duration::from_millis(3))).poll(context);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Reads as much as it may, and waits for less than a second.
fn hasty() -> Options {
    let mut options = Options::default();
    options.max_read = usize::MAX;
    options.config.times.close = Duration::from_millis(500);
    options.config.times.idle = Some(Duration::from_millis(700));
    options
}

impl Flood {
    /// The frames that a client appends, again and again.
    fn new(append: impl Fn(&mut Connection, &mut BytesMut)) -> Self {
        let mut frames = BytesMut::new();
        let mut client = Connection::client(Settings::default(), [7; 32]);
        while frames.len() < 4_000 {
            append(&mut client, &mut frames);
        }
        Self {
            frames: frames.to_vec(),
            left: 500, // 1.5 s
        }
    }

    fn of(payload: &str) -> Self {
        Self::new(|client, out| client.send(payload, out).unwrap())
    }

    fn of_pongs() -> Self {
        Self::new(|client, out| client.send_pong(b"", out).unwrap())
    }

    fn open(self) -> WebSocket<Self> {
        let options = hasty();
        let connection = Connection::server(options.config.settings);
        from_upgraded(self, connection, &options, BytesMut::new())
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_does_not_outlast_the_time_for_closing() {
    for payload in ["", &*"x".repeat(100_000)] {
        let mut ws = Flood::of(payload).open();
        ws.recv().await.unwrap().unwrap();
        let error = ws.close(CloseCode::NORMAL, "").await.unwrap_err();
        assert_eq!(error.end(), Some(&End::Expired(Expired::Close)));

        let (read, mut write) = Flood::of(payload).open().split();
        drop(read);
        let error = write.close(CloseCode::NORMAL, "").await.unwrap_err();
        assert_eq!(error.end(), Some(&End::Expired(Expired::Close)));

        drop(Flood::of(payload).open()); // and it is gone
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_that_carries_nothing_does_not_outlast_the_time_for_a_message() {
    let error = Flood::of_pongs().open().recv().await.unwrap_err();
    assert_eq!(error.end(), Some(&End::Expired(Expired::Idle)));
}

#[tokio::test(start_paused = true)]
async fn a_flood_after_a_refused_request_does_not_outlast_its_response() {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    let flood = Flood {
        frames: request.repeat(1000),
        left: 500,
    };
    let error = accept(flood, &hasty(), Ok).await.unwrap_err();
    assert!(error.end().is_some(), "{error}");
}
