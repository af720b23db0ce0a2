//! Ways to echo with `tokio-sansocket`, and the peer.
//!
//! Invariant: the peer counts what comes back: all of it must have been written at the end.

use crate::frame::frame;
use crate::raw;
use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use sansocket::{Connection, Role, Settings};
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_sansocket::{Error, Options, WebSocket, from_upgraded};

/// What a task and its socket know of each other.
#[derive(Default)]
struct Link {
    /// How often the task was polled.
    turn: AtomicUsize,
    /// Who waits for the peer.
    waiting: Mutex<Option<Waker>>,
}

impl Link {
    fn turn(&self) -> usize {
        self.turn.load(Ordering::Relaxed)
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waiting.lock().expect("nobody panics")
    }
}

/// A peer that sends a batch of frames, and the next one when the task has slept.
pub(crate) struct Peer {
    link: Arc<Link>,
    batch: Vec<u8>,
    /// What is read of the batch.
    at: usize,
    /// How many are to come.
    batches: usize,
    /// What must be written.
    owed: usize,
    /// The turn in which the socket was found empty.
    empty_in: usize,
}

impl Peer {
    pub(crate) fn new(count: usize, messages: usize, size: usize) -> Self {
        let batch = frame(Role::Server, 0x82, size).repeat(messages);
        let answer = frame(Role::Client, 0x82, size).len();
        Self {
            link: Arc::default(),
            batch,
            at: 0,
            batches: count / messages,
            owed: answer * count,
            empty_in: 0,
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        assert_eq!(self.owed, 0, "not all was written");
    }
}

impl AsyncRead for Peer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.at == this.batch.len() {
            (this.at, this.empty_in) = (0, this.link.turn());
            this.batches -= 1;
        }
        if this.empty_in == this.link.turn() {
            let mut waiting = this.link.waiting();
            if !matches!(&*waiting, Some(waker) if waker.will_wake(context.waker())) {
                *waiting = Some(context.waker().clone());
            }
            return Poll::Pending;
        }
        if this.batches > 0 {
            let part = &this.batch[this.at..];
            let part = &part[..part.len().min(buffer.remaining())];
            buffer.put_slice(part);
            this.at += part.len();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.owed -= bytes.len();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let n = parts.iter().map(|part| part.len()).sum();
        self.owed -= n;
        Poll::Ready(Ok(n))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Echoes until the peer ends. After each turn of the task the peer has sent more.
pub(crate) async fn echo(way: String, peer: Peer) {
    let link = peer.link.clone();
    let mut echo = pin!(echo_to(&way, peer));
    poll_fn(|context| {
        link.turn.fetch_add(1, Ordering::Relaxed);
        let poll = echo.as_mut().poll(context);
        if poll.is_pending() {
            // It stays, as in a socket.
            let waiting = link.waiting();
            let waker = waiting.clone().expect("it waits for the peer");
            drop(waiting);
            waker.wake();
        }
        poll
    })
    .await;
}

async fn echo_to(way: &str, peer: Peer) {
    if way == "raw" {
        return raw::echo(peer).await;
    }
    let connection = Connection::server(Settings::default());
    let ws = from_upgraded(peer, connection, &Options::default(), BytesMut::new());
    let ended = match way {
        "recv-send" => recv_send(ws).await,
        "stream-sink" => stream_sink(ws).await,
        "forward" => forward(ws).await,
        "sender" => sender(ws).await,
        _ => panic!("there is no way {way}"),
    };
    ended.expect_err("the peer sends no Close");
}

async fn recv_send(mut ws: WebSocket<Peer>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

async fn stream_sink(mut ws: WebSocket<Peer>) -> Result<(), Error> {
    while let Some(message) = ws.next().await {
        SinkExt::send(&mut ws, message?).await?;
    }
    Ok(())
}

async fn forward(ws: WebSocket<Peer>) -> Result<(), Error> {
    let (read, write) = ws.split();
    read.forward(write).await
}

async fn sender(mut ws: WebSocket<Peer>) -> Result<(), Error> {
    let sender = ws.sender();
    while let Some(message) = ws.recv().await? {
        sender.send(message).await?;
    }
    Ok(())
}
