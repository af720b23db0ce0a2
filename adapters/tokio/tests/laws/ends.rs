//! However a connection ends, its transport is shut down, and what was read is received.
//!
//! Invariant: the stream of these tests says when it was shut down and when it was dropped.

use crate::peer::*;
use bytes::BytesMut;
use sansocket::{ClientRequest, CloseCode, Connection, End, Expired, ProtocolError, Response};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep};
use tokio_sansocket::{Error, Options, WebSocket, accept, client, from_upgraded};

const ROOM: usize = 1 << 16;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// What happened to a stream, and when.
#[derive(Clone)]
struct Log(Instant, Arc<Mutex<Vec<(Happened, u64)>>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happened {
    Asked,
    ShutDown,
    Dropped,
}
use Happened::*;

impl Log {
    fn new() -> Self {
        Self(Instant::now(), Arc::default())
    }

    fn note(&self, what: Happened) {
        let mut log = self.1.lock().unwrap();
        // It may be asked any number of times.
        if log.last().is_none_or(|(last, _)| *last != what) {
            log.push((what, self.0.elapsed().as_secs()));
        }
    }

    /// What has happened so far, and in which second.
    #[track_caller]
    fn is(&self, expected: &[(Happened, u64)]) {
        assert_eq!(*self.1.lock().unwrap(), expected);
    }
}

/// A stream whose shutting down takes time.
struct Told {
    inner: DuplexStream,
    takes: Duration,
    shutting_down: Option<Pin<Box<Sleep>>>,
    log: Log,
}

impl Told {
    fn new(inner: DuplexStream, takes: Duration, log: &Log) -> Self {
        let (log, shutting_down) = (log.clone(), None);
        Self {
            inner,
            takes,
            shutting_down,
            log,
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.log.note(Dropped);
    }
}

impl AsyncRead for Told {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buf)
    }
}

impl AsyncWrite for Told {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        assert!(self.shutting_down.is_none(), "it is shut down");
        Pin::new(&mut self.inner).poll_write(context, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.log.note(Asked);
        let takes = self.takes;
        let shutting_down = self
            .shutting_down
            .get_or_insert_with(|| Box::pin(sleep(takes)));
        ready!(shutting_down.as_mut().poll(context));
        self.log.note(ShutDown);
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

fn pair(takes: Duration) -> (Peer, WebSocket<Told>, Log) {
    let (options, log, (near, far)) = (Options::default(), Log::new(), duplex(ROOM));
    let connection = Connection::server(options.config.settings);
    let near = Told::new(near, takes, &log);
    let ws = from_upgraded(near, connection, &options, BytesMut::new());
    (Peer::client(far), ws, log)
}

/// Ends connections in every way but by a deadline, and says how each end was reported.
async fn every_end(takes: Duration) -> Vec<(&'static str, Log, Result<(), Error>)> {
    let mut ends = Vec::new();
    for way in [
        "the peer leaves",
        "the peer leaves in the middle of a frame",
        "the peer closes and leaves",
        "the peer breaks a rule and leaves",
        "the peer is gone, and writing fails",
    ] {
        let (mut peer, mut ws, log) = pair(takes);
        match way {
            "the peer leaves" => {}
            "the peer leaves in the middle of a frame" => {
                peer.writer.write_all(b"\x82\xff").await.unwrap();
            }
            "the peer closes and leaves" => peer.say(&[Said::Close(1000)]).await,
            "the peer breaks a rule and leaves" => {
                peer.writer.write_all(b"\x83\x80").await.unwrap()
            }
            _ => drop(ws.send("x".repeat(2 * ROOM)).await),
        }
        drop(peer);
        ends.push((
            way,
            log,
            ws.recv().await.map(|message| assert!(message.is_none())),
        ));
    }
    // Nobody is left.
    let (peer, ws, log) = pair(takes);
    drop(ws);
    ends.push(("the handle is dropped", log, Ok(())));
    let (mut read_peer, ws, log) = pair(takes);
    let long = "x".repeat(2 * ROOM);
    let (read, mut write) = ws.split();
    write.send(&*long).await.unwrap();
    drop(write);
    drop(read);
    assert_eq!(read_peer.hear().await, text(&*long));
    ends.push(("the halves are dropped", log, Ok(())));
    drop((peer, read_peer));
    // There never was a connection.
    let (near, far) = duplex(ROOM);
    let (server, request) = (Log::new(), ClientRequest::new("ws://localhost/").unwrap());
    let (near, other) = (Told::new(near, takes, &server), Log::new());
    let refusing = tokio::spawn(async move {
        let refuse = |_| Err(Response::new(404));
        accept(near, &Options::default(), refuse).await.map(drop)
    });
    let far = Told::new(far, takes, &other);
    let refused = client(far, &request, &Options::default()).await.map(drop);
    ends.push(("the client is refused", other, refused));
    ends.push(("the server refuses", server, refusing.await.unwrap()));
    ends
}

#[tokio::test(start_paused = true)]
async fn the_transport_is_shut_down_before_it_is_dropped() {
    for (way, log, _) in every_end(Duration::ZERO).await {
        let mut log = std::mem::take(&mut *log.1.lock().unwrap());
        log.retain(|(what, _)| *what != Asked);
        assert_eq!(log, [(ShutDown, 0), (Dropped, 0)], "{way}");
    }
}

/// The user hears of the end at once; the transport has as much time as the closing handshake.
#[tokio::test(start_paused = true)]
async fn shutting_down_may_take_time_and_not_for_ever() {
    for takes in [3, 4, 6, 3600] {
        let start = Instant::now();
        let ends = every_end(seconds(takes)).await;
        let of_handshakes = start.elapsed();
        sleep(seconds(20)).await;
        for (way, log, _) in ends {
            let log = log.1.lock().unwrap();
            let (asked, dropped) = (log[0], log[log.len() - 1]);
            assert_eq!((asked.0, dropped.0), (Asked, Dropped), "{way}");
            // A server that has refused waits for the client to leave first.
            let most = if way == "the server refuses" { 10 } else { 5 };
            let is_shut_down = log.contains(&(ShutDown, asked.1 + takes));
            assert_eq!(is_shut_down, takes < most, "{way}");
            assert_eq!(dropped.1 - asked.1, takes.min(most), "{way}");
        }
        assert!(of_handshakes <= seconds(11), "{of_handshakes:?}");
    }
}

/// A peer that took nothing in its time gets no more of it.
#[tokio::test(start_paused = true)]
async fn a_peer_that_was_given_up_is_not_waited_for() {
    let (peer, mut ws, log) = pair(seconds(3));
    ws.send("x".repeat(2 * ROOM)).await.unwrap();
    let error = ws.recv().await.unwrap_err();
    assert_eq!(error.end(), Some(&End::Expired(Expired::Write)));
    log.is(&[(Asked, 30), (Dropped, 30)]);
    drop(peer);
}

/// What was read before the peer was given up is received before the error, whole and split.
#[tokio::test(start_paused = true)]
async fn messages_outlive_the_connection() {
    for expired in [Expired::Write, Expired::Close] {
        for is_read_by_the_writer in [false, true] {
            let (mut peer, ws, _) = pair(Duration::ZERO);
            let messages: Vec<_> = (0..20).map(|i| text(i.to_string())).collect();
            peer.say(&messages).await;
            peer.say(&[Said::Ping, text("last"), Said::Close(1000)])
                .await;
            let (mut read, mut write) = ws.split();
            if !is_read_by_the_writer {
                assert_eq!(said(&read.recv().await.unwrap().unwrap()), messages[0]);
            }
            let error = match expired {
                Expired::Write => {
                    while write.send("x".repeat(2 * ROOM)).await.is_ok() {}
                    write.close(CloseCode::NORMAL, "").await.unwrap_err()
                }
                _ => write.close(CloseCode::NORMAL, "").await.unwrap_err(),
            };
            assert_eq!(error.end(), Some(&End::Expired(expired)));
            drop(write);
            let first = usize::from(!is_read_by_the_writer);
            for expected in messages.iter().skip(first).chain([&text("last")]) {
                assert_eq!(said(&read.recv().await.unwrap().unwrap()), *expected);
            }
            let error = read.recv().await.unwrap_err();
            assert_eq!(error.end(), Some(&End::Expired(expired)));
            assert!(read.recv().await.unwrap().is_none());
        }
    }
}

/// However the peer goes: first what it said, then how it ended.
#[tokio::test(start_paused = true)]
async fn messages_come_before_any_end() {
    for way in 0..4 {
        let (mut peer, ws, _) = pair(Duration::ZERO);
        let (mut read, write) = ws.split();
        let sender = write.sender();
        peer.say(&[text("one"), text("two")]).await;
        yield_now().await;
        let end = match way {
            0 => {
                drop(peer);
                End::Failed(ProtocolError::TransportEnded)
            }
            1 => {
                peer.writer.write_all(b"\x83\x80").await.unwrap();
                drop(peer);
                End::Failed(ProtocolError::ReservedOpcode(3))
            }
            2 => {
                drop(peer);
                let _ = sender.send("writing fails").await;
                let _ = sender.send("again").await;
                yield_now().await;
                End::Failed(ProtocolError::TransportEnded)
            }
            _ => {
                peer.say(&[Said::Close(4000)]).await;
                drop(peer);
                let _ = sender.send("writing fails").await;
                let (code, by_peer) = (CloseCode(4000), true);
                End::Closed { code, by_peer }
            }
        };
        for expected in ["one", "two"] {
            let message = read.recv().await.unwrap().unwrap();
            assert_eq!(message.as_text(), Some(expected), "{way}");
        }
        let last = read.recv().await;
        assert_eq!(last.is_ok(), end.is_clean(), "{way}");
        assert_eq!(read.end(), Some(end), "{way}");
    }
}
