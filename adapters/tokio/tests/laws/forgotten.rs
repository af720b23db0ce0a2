//! A stream owes a wake only to the last who found it not ready. Whoever finds it ready in between tells
//! the others.
//!
//! Invariant: the stream of these tests never wakes anybody.

use crate::peer::said;
use crate::peer::text;
use bytes::BytesMut;
use sansocket::{Connection, Settings};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::yield_now;
use tokio::time::timeout;
use tokio_sansocket::{Options, ReadHalf, WriteHalf, from_upgraded};

#[derive(Clone, Default)]
struct Silent(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    to_read: BytesMut,
    takes_writes: bool,
}

impl AsyncRead for Silent {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let to_read = &mut self.0.lock().unwrap().to_read;
        if to_read.is_empty() {
            return Poll::Pending;
        }
        buf.put_slice(&to_read.split());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Silent {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.0.lock().unwrap().takes_writes {
            true => Poll::Ready(Ok(buf.len())),
            false => Poll::Pending,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn halves() -> (Silent, ReadHalf<Silent>, WriteHalf<Silent>) {
    let (stream, options) = (Silent::default(), Options::default());
    let connection = Connection::server(options.config.settings);
    let ws = from_upgraded(stream.clone(), connection, &options, BytesMut::new());
    let (read, write) = ws.split();
    (stream, read, write)
}

#[tokio::test(start_paused = true)]
async fn the_writer_finds_a_message_for_the_reader() {
    let (stream, mut read, mut write) = halves();
    stream.0.lock().unwrap().takes_writes = true;
    let reader = tokio::spawn(async move { read.recv().await.unwrap().unwrap() });
    yield_now().await;
    let mut peer = Connection::client(Settings::default(), [7; 32]);
    let sent = peer.send("message", &mut stream.0.lock().unwrap().to_read);
    assert_eq!(sent, Ok(()));
    write.send("news").await.unwrap();
    let second = Duration::from_secs(1);
    let message = timeout(second, reader).await.expect("forgotten").unwrap();
    assert_eq!(said(&message), text("message"));
}

#[tokio::test(start_paused = true)]
async fn the_reader_writes_what_the_writer_waits_for() {
    let (stream, mut read, mut write) = halves();
    write.send("x".repeat(70_000)).await.unwrap();
    let sender = write.sender();
    let tasks = [
        tokio::spawn(async move { write.flush().await.is_ok() }),
        tokio::spawn(async move { sender.send("more").await.is_ok() }),
    ];
    yield_now().await;
    stream.0.lock().unwrap().takes_writes = true;
    let second = Duration::from_secs(1);
    let nothing = timeout(Duration::ZERO, read.recv()).await;
    assert!(nothing.is_err());
    for task in tasks {
        assert!(timeout(second, task).await.expect("forgotten").unwrap());
    }
}
