//! What sends have left is written although nobody polls, however many connections there are, and whatever
//! becomes of the others.
//!
//! Invariant: each connection has a message that waits, so that the answer to another one is left to a helper.

use crate::peer::{Peer, pair, text};
use bytes::BytesMut;
use sansocket::{Connection, Settings};
use std::future::poll_fn;
use std::io;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::runtime::Builder;
use tokio::task::yield_now;
use tokio_sansocket::{Options, WebSocket, from_upgraded};

/// A connection that has received one of two messages.
async fn with_a_message_left(room: usize) -> (Peer, WebSocket<DuplexStream>) {
    let (mut peer, mut ws) = pair(room, &Options::default());
    peer.say(&[text("first"), text("second")]).await;
    assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("first"));
    (peer, ws)
}

#[tokio::test(start_paused = true)]
async fn one_task_writes_for_all() {
    let mut connections = Vec::new();
    for number in 0..100 {
        // Some transports take only a part at once.
        let room = if number % 3 == 0 { 64 } else { 4096 };
        connections.push(with_a_message_left(room).await);
    }
    for (_, ws) in &mut connections {
        ws.send("answer".repeat(100)).await.unwrap();
    }
    for (peer, _) in &mut connections {
        assert_eq!(peer.hear().await, text("answer".repeat(100)));
    }
}

#[test]
fn the_task_is_of_the_connections_own_runtime() {
    let runtimes = [(); 2].map(|()| {
        let mut runtime = Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().unwrap()
    });
    // Each sends, and runs no other task; only then does the second run on.
    let [_first, mut second] = runtimes.each_ref().map(|runtime| {
        runtime.block_on(async {
            let (peer, mut ws) = with_a_message_left(4096).await;
            ws.send("answer").await.unwrap();
            (peer, ws)
        })
    });
    runtimes[1].block_on(async { assert_eq!(second.0.hear().await, text("answer")) });
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_panics_harms_only_its_own_connection() {
    let mut frames = BytesMut::new();
    let mut client = Connection::client(Settings::default(), [7; 32]);
    for message in ["first", "second"] {
        client.send(message, &mut frames).unwrap();
    }
    let options = Options::default();
    let server = Connection::server(Settings::default());
    // It is not dropped: it would panic once more.
    let mut bad = ManuallyDrop::new(from_upgraded(Panics, server, &options, frames));
    assert!(bad.recv().await.unwrap().is_some());
    let (mut peer, mut ws) = with_a_message_left(4096).await;

    bad.send("answer").await.unwrap();
    ws.send("answer").await.unwrap();
    yield_now().await;
    assert_eq!(peer.hear().await, text("answer"));
}

#[tokio::test(start_paused = true)]
async fn a_wake_is_not_missed_after_a_calm_turn() {
    let (mut peer, mut ws) = pair(4096, &Options::default());
    for round in 0..3 {
        // A direct answer: all is done that can be done.
        peer.say(&[text("question")]).await;
        assert!(ws.recv().await.unwrap().is_some());
        ws.send("answer").await.unwrap();
        if round == 1 {
            // It comes before anybody waits.
            peer.say(&[text("early")]).await;
            assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("early"));
        }
        peer.hears(&[text("answer")]).await;
        let mut waiting = std::pin::pin!(ws.recv());
        let poll = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await;
        assert!(poll.is_pending());
        peer.say(&[text("late")]).await;
        assert_eq!(waiting.await.unwrap().unwrap().as_text(), Some("late"));
    }
}

/// Has nothing to be read, and must not be written to.
struct Panics;

impl AsyncRead for Panics {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Panics {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        panic!("written to")
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
