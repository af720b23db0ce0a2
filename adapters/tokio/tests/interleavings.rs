//! What several tasks share, in any order of their steps: [shuttle](https://docs.rs/shuttle) chooses, at every lock.
//!
//!     RUSTFLAGS="--cfg shuttle" cargo test -p tokio-sansocket --test interleavings --target-dir target/shuttle
//!
//! Invariant: whoever waits for ever is an error, which shuttle reports with its schedule. Time stands still.
#![cfg(shuttle)]

use bytes::{Buf, BytesMut};
use futures_util::SinkExt;
use sansocket::{CloseCode, Connection, Event, Input, Settings};
use shuttle::future::{block_on, spawn};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::Mutex;
use shuttle::{Config, MaxSteps, Runner, thread};
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_sansocket::{Error, Message, Options, ReadHalf, Sender, WriteHalf, from_upgraded};

/// Runs it in so many orders: a half at random, a half with few switches at any place.
fn in_any_order(run: fn()) {
    let runs = std::env::var("INTERLEAVINGS").map_or(1500, |n| n.parse().expect("a number"));
    // Timers are set and never come.
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    let _inside = runtime.enter();
    let mut config = Config::new();
    config.max_steps = MaxSteps::FailAfter(100_000);
    Runner::new(RandomScheduler::new(runs), config.clone()).run(run);
    Runner::new(PctScheduler::new(4, runs), config).run(run);
}

// ---- a transport ----

/// Both directions of a stream. Each wakes only whoever has asked last.
#[derive(Default)]
struct Pipes {
    to_us: Pipe,
    to_peer: Pipe,
}

#[derive(Default)]
struct Pipe {
    bytes: BytesMut,
    is_over: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// So many bytes are on their way at most.
const ROOM: usize = 8;

impl Pipe {
    fn poll_read(&mut self, context: &Context<'_>, most: usize) -> Poll<BytesMut> {
        if self.bytes.is_empty() && !self.is_over {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        self.writer.take().into_iter().for_each(Waker::wake);
        Poll::Ready(self.bytes.split_to(most.min(self.bytes.len())))
    }

    fn poll_write(&mut self, context: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_over {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let n = bytes.len().min(ROOM - self.bytes.len());
        if n == 0 {
            self.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        self.bytes.extend_from_slice(&bytes[..n]);
        self.reader.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(n))
    }

    fn end(&mut self) {
        self.is_over = true;
        let waiting = [self.reader.take(), self.writer.take()];
        waiting.into_iter().flatten().for_each(Waker::wake);
    }
}

#[derive(Clone, Default)]
struct Stream(Arc<Mutex<Pipes>>);

/// Our end; the transport ends with it.
struct Near(Stream);

impl AsyncRead for Near {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut pipes = self.0.0.lock().unwrap();
        buf.put_slice(&ready!(pipes.to_us.poll_read(context, buf.remaining())));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Near {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.0.lock().unwrap().to_peer.poll_write(context, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.0.lock().unwrap().to_peer.end();
        Poll::Ready(Ok(()))
    }
}

impl Stream {
    fn end(&self) {
        let mut pipes = self.0.lock().unwrap();
        pipes.to_us.end();
        pipes.to_peer.end();
    }
}

impl Drop for Near {
    fn drop(&mut self) {
        self.0.end();
    }
}

// ---- the peer ----

/// A client by hand, in a task of its own.
struct Peer {
    stream: Stream,
    ws: Connection,
    read: BytesMut,
}

impl Peer {
    async fn say(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = poll_fn(|context| {
                let mut pipes = self.stream.0.lock().unwrap();
                pipes.to_us.poll_write(context, rest)
            });
            match written.await {
                Ok(n) => rest = &rest[n..],
                Err(_) => return,
            }
        }
    }

    async fn send(&mut self, text: &str) {
        let mut out = BytesMut::new();
        self.ws.send(text, &mut out).unwrap();
        self.say(&out).await;
    }

    /// The next text; `None` at the end. A Close is answered.
    async fn hear(&mut self) -> Option<String> {
        loop {
            let (mut input, mut out) = (Input(&mut self.read), BytesMut::new());
            let event = self.ws.receive(&mut input, &mut out).map(Event::into_owned);
            let left = input.0.len();
            self.read.advance(self.read.len() - left);
            self.say(&out).await;
            match event {
                Some(Event::Text(text)) => return Some(text.into_string()),
                Some(_) => continue,
                None => {}
            }
            let bytes = poll_fn(|context| {
                let mut pipes = self.stream.0.lock().unwrap();
                pipes.to_peer.poll_read(context, ROOM)
            });
            let bytes = bytes.await;
            if bytes.is_empty() {
                return None;
            }
            self.read.extend_from_slice(&bytes);
        }
    }

    async fn hear_all(mut self) -> Vec<String> {
        let mut heard = Vec::new();
        while let Some(text) = self.hear().await {
            heard.push(text);
        }
        heard.sort();
        heard
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stream.end();
    }
}

/// Halves with room for one message, and the peer.
fn halves() -> (Peer, ReadHalf<Near>, WriteHalf<Near>) {
    let mut options = Options::default();
    options.high_water = 1;
    let stream = Stream::default();
    let connection = Connection::server(options.config.settings);
    let ws = from_upgraded(Near(stream.clone()), connection, &options, BytesMut::new());
    let (read, write) = ws.split();
    let ws = Connection::client(Settings::default(), [7; 32]);
    let read_buffer = BytesMut::new();
    (
        Peer {
            stream,
            ws,
            read: read_buffer,
        },
        read,
        write,
    )
}

fn text(message: Option<Message>) -> String {
    message.unwrap().as_text().unwrap().to_owned()
}

/// Polls it twice, and drops it. Whether it was done.
async fn give_up(sending: impl Future<Output = Result<(), Error>>) -> bool {
    let mut sending = pin!(sending);
    for _ in 0..2 {
        let polled = poll_fn(|context| Poll::Ready(sending.as_mut().poll(context))).await;
        if polled.is_ready() {
            return true;
        }
        thread::yield_now();
    }
    false
}

// ---- the laws ----

/// A reader that waits gets its message, whoever else is polled and finds it in the transport.
#[test]
fn a_reader_that_waits_is_woken() {
    in_any_order(|| {
        let (mut peer, mut read, mut write) = halves();
        let reader = spawn(async move {
            for expected in ["one", "two"] {
                assert_eq!(text(read.recv().await.unwrap()), expected);
            }
            read
        });
        let writer = spawn(async move {
            write.send("news").await.unwrap();
            write.flush().await.unwrap();
            write
        });
        block_on(async {
            peer.send("one").await;
            peer.send("two").await;
            assert_eq!(peer.hear().await.as_deref(), Some("news"));
            let halves = (reader.await.unwrap(), writer.await.unwrap());
            drop(halves);
            assert_eq!(peer.hear().await, None);
        });
    });
}

/// Everybody who waits for room gets it, one after the other, although nobody else is polled.
#[test]
fn senders_that_wait_are_woken() {
    in_any_order(|| {
        let (peer, read, mut write) = halves();
        let senders = [write.sender(), write.sender()];
        let send = |(name, sender): (&'static str, Sender)| {
            spawn(async move {
                for _ in 0..2 {
                    sender.send(name).await.unwrap();
                }
            })
        };
        let tasks: Vec<_> = ["a", "b"].into_iter().zip(senders).map(send).collect();
        let writer = spawn(async move {
            write.send("c").await.unwrap();
            write
        });
        let peer = spawn(async move {
            let mut peer = peer;
            let mut heard = Vec::new();
            for _ in 0..5 {
                heard.push(peer.hear().await.unwrap());
            }
            heard.sort();
            heard
        });
        block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(peer.await.unwrap(), ["a", "a", "b", "b", "c"]);
            drop((read, writer.await));
        });
    });
}

/// Whoever gives up while he waits passes his turn on, and what he did not send is not heard.
#[test]
fn who_gives_up_keeps_nobody_waiting() {
    in_any_order(|| {
        let (peer, read, write) = halves();
        let [first, second, third] = [write.sender(), write.sender(), write.sender()];
        block_on(async { first.send("a long message").await.unwrap() });
        let tasks = [
            spawn(async move { give_up(second.send("b")).await }),
            spawn(async move { third.send("c").await.is_ok() }),
        ];
        let peer = spawn(peer.hear_all());
        block_on(async {
            let mut sent = vec!["a long message"];
            for (name, task) in ["b", "c"].into_iter().zip(tasks) {
                if task.await.unwrap() {
                    sent.push(name);
                }
            }
            assert!(sent.contains(&"c"));
            drop((read, write));
            assert_eq!(peer.await.unwrap(), sent);
        });
    });
}

/// A sender that waits behind what was only fed has it written.
#[test]
fn what_was_fed_keeps_nobody_waiting() {
    in_any_order(|| {
        let (peer, read, mut write) = halves();
        let sender = write.sender();
        let peer = spawn(peer.hear_all());
        let other = spawn(async move { sender.send("b").await.is_ok() });
        block_on(async {
            write.feed(Message::from("a long message")).await.unwrap();
            assert!(other.await.unwrap());
            drop((read, write));
            assert_eq!(peer.await.unwrap(), ["a long message", "b"]);
        });
    });
}

/// When a send has returned, its message is written, although nobody polls anything any more: whatever
/// is dropped, in any order.
#[test]
fn what_was_sent_is_written() {
    in_any_order(|| {
        let (peer, read, mut write) = halves();
        let sender = write.sender();
        let peer = spawn(peer.hear_all());
        let other = spawn(async move { sender.send("from another task").await.is_ok() });
        let reader = spawn(async move { drop(read) });
        block_on(async {
            write
                .send("a long message, more than is on its way")
                .await
                .unwrap();
            drop(write);
            let mut expected = vec!["a long message, more than is on its way"];
            if other.await.unwrap() {
                expected.push("from another task");
            }
            reader.await.unwrap();
            assert_eq!(peer.await.unwrap(), expected);
        });
    });
}

/// Senders that wait when the connection ends hear of it.
#[test]
fn senders_that_wait_hear_of_the_end() {
    in_any_order(|| {
        let (peer, mut read, mut write) = halves();
        let senders = [write.sender(), write.sender()];
        let tasks =
            senders.map(|sender| spawn(async move { while sender.send("more").await.is_ok() {} }));
        let reader = spawn(async move { while let Ok(Some(_)) = read.recv().await {} });
        let writer = spawn(async move { while write.send("more").await.is_ok() {} });
        block_on(async {
            let mut peer = peer;
            peer.hear().await;
            drop(peer);
            for task in tasks {
                task.await.unwrap();
            }
            reader.await.unwrap();
            writer.await.unwrap();
        });
    });
}

/// The writer closes and waits, the reader receives, a sender sends: both hear of the end, and the peer
/// hears nothing after the Close.
#[test]
fn a_close_comes_to_its_end() {
    in_any_order(|| {
        let (peer, mut read, mut write) = halves();
        let sender = write.sender();
        let peer = spawn(peer.hear_all());
        let other = spawn(async move { sender.send("perhaps").await.is_ok() });
        let writer = spawn(async move { write.close(CloseCode::NORMAL, "").await });
        block_on(async {
            assert!(read.recv().await.unwrap().is_none());
            assert!(writer.await.unwrap().unwrap().is_clean());
            let sent = usize::from(other.await.unwrap());
            assert_eq!(peer.await.unwrap().len(), sent);
        });
    });
}
