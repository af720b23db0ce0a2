//! Halves and senders: both directions live whoever is polled, nobody's waker is stolen, and what is
//! queued is bounded.
//!
//! Invariant: each test polls only those whom it names.

use crate::peer::*;
use futures_util::{SinkExt, StreamExt};
use sansocket::{CloseCode, End, Prepared, SendError};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};
use tokio_sansocket::{Error, Message, Options};

const ROOM: usize = 1 << 16;
const MS: Duration = Duration::from_millis(1);

fn is_closed(result: Result<(), Error>) -> bool {
    match result {
        Ok(()) => false,
        Err(Error::Send(SendError::Closed) | Error::Ended { .. }) => true,
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_reader_is_polled() {
    let (mut peer, ws) = pair(ROOM, &Options::default());
    let (mut read, write) = ws.split();
    let reader = tokio::spawn(async move { (read.recv().await, read.end()) });
    peer.say(&[Said::Ping]).await;
    assert_eq!(peer.hear().await, Said::Pong);
    peer.say(&[Said::Close(4000)]).await;
    peer.hears(&[Said::Close(4000), Said::Eof]).await;
    drop(peer);
    let (last, end) = reader.await.unwrap();
    assert!(last.unwrap().is_none());
    let code = CloseCode(4000);
    assert_eq!(
        (&end, write.end()),
        (
            &Some(End::Closed {
                code,
                by_peer: true
            }),
            end.clone()
        )
    );
}

#[tokio::test(start_paused = true)]
async fn only_the_writer_is_polled() {
    let (mut peer, ws) = pair(ROOM, &Options::default());
    let (read, mut write) = ws.split();
    peer.say(&[Said::Ping]).await;
    write.send("news").await.unwrap();
    peer.hears(&[text("news"), Said::Pong]).await;
    peer.say(&[Said::Close(1000)]).await;
    let mut n = 0;
    while !is_closed(write.send("news").await) {
        n += 1;
        yield_now().await;
        assert!(n < 10, "the Close was not seen");
    }
    drop(read);
}

/// The writer waits for room, and the peer speaks meanwhile.
#[tokio::test(start_paused = true)]
async fn a_writer_that_waits_answers_pings() {
    let (mut peer, ws) = pair(ROOM, &Options::default());
    let (read, mut write) = ws.split();
    let long = "x".repeat(100_000);
    let writer = tokio::spawn({
        let long = long.clone();
        async move {
            for _ in 0..5 {
                write.send(&*long).await.unwrap();
            }
            write.flush().await.unwrap();
            write
        }
    });
    sleep(MS).await;
    assert!(!writer.is_finished());
    peer.say(&[Said::Ping]).await;
    sleep(MS).await;
    let mut heard = Vec::new();
    for _ in 0..6 {
        heard.push(peer.hear().await);
    }
    assert!(
        heard[..5].contains(&Said::Pong),
        "before the last of the messages"
    );
    assert_eq!(
        heard.iter().filter(|said| **said == text(&*long)).count(),
        5
    );
    writer.await.unwrap();
    drop(read);
}

/// A message that nobody receives comes first: what came after it waits, and nothing is lost.
#[tokio::test(start_paused = true)]
async fn messages_wait_for_the_reader() {
    let (mut peer, ws) = pair(ROOM, &Options::default());
    let (mut read, mut write) = ws.split();
    peer.say(&[text("one"), Said::Ping, text("two"), Said::Close(1000)])
        .await;
    for _ in 0..3 {
        write.send("news").await.unwrap();
        yield_now().await;
    }
    assert_eq!(said(&read.recv().await.unwrap().unwrap()), text("one"));
    assert_eq!(said(&read.recv().await.unwrap().unwrap()), text("two"));
    write.send("before the answer to the Close").await.unwrap();
    let reader = tokio::spawn(async move { read.recv().await.unwrap().is_none() });
    for _ in 0..3 {
        assert_eq!(peer.hear().await, text("news"));
    }
    let last = text("before the answer to the Close");
    peer.hears(&[Said::Pong, last, Said::Close(1000), Said::Eof])
        .await;
    drop(peer);
    assert!(reader.await.unwrap());
}

/// What comes behind a message that was taken is no message that waits: the writer alone answers the Ping
/// and sees the Close.
#[tokio::test(start_paused = true)]
async fn what_comes_behind_the_last_message_is_seen() {
    let (mut peer, ws) = pair(ROOM, &Options::default());
    let (mut read, mut write) = ws.split();
    peer.say(&[text("one"), Said::Ping]).await;
    assert_eq!(said(&read.recv().await.unwrap().unwrap()), text("one"));
    write.send("news").await.unwrap();
    peer.hears(&[text("news"), Said::Pong]).await;
    peer.say(&[text("last"), Said::Close(4000)]).await;
    assert_eq!(said(&read.recv().await.unwrap().unwrap()), text("last"));
    let writer = tokio::spawn(async move { write.close(CloseCode::NORMAL, "").await });
    peer.hears(&[Said::Close(1000), Said::Eof]).await;
    drop(peer);
    let end = End::Closed {
        code: CloseCode(4000),
        by_peer: false,
    };
    assert_eq!(writer.await.unwrap().unwrap(), end);
    assert!(read.recv().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn forward_loses_nothing() {
    for n in [0, 1, 2, 16, 1000] {
        let (mut peer, ws) = pair(ROOM, &Options::default());
        let mut all: Vec<Said> = (0..n).map(|i| text(i.to_string())).collect();
        all.push(Said::Close(4000));
        peer.say(&all).await;
        let server = tokio::spawn(async move {
            let (read, write) = ws.split();
            read.forward(write).await
        });
        peer.hears(&all).await;
        assert_eq!(peer.hear().await, Said::Eof);
        drop(peer);
        server.await.unwrap().unwrap();
    }
}

/// What one wake-up of a task sends is one write, from halves and senders alike.
#[tokio::test(start_paused = true)]
async fn one_wake_up_makes_one_write() {
    let (mut peer, ws) = pair(ROOM, &Options::default());
    let sender = ws.sender();
    let (_read, mut write) = ws.split();
    let expected: Vec<Said> = (0..32).map(|i| text(i.to_string())).collect();
    tokio::spawn(async move {
        for i in 0..32 {
            match i % 3 {
                0 => write.send(i.to_string()).await.unwrap(),
                1 => sender.send(i.to_string()).await.unwrap(),
                _ => SinkExt::send(&mut write, i.to_string().into())
                    .await
                    .unwrap(),
            }
        }
        sleep(MS).await;
        drop(write);
    });
    peer.hears(&expected).await;
    assert_eq!(peer.reads, 1);
}

/// A send that was given up while it waited for room leaves a stale waker: others are woken all the same.
#[tokio::test(start_paused = true)]
async fn a_stale_waker_is_not_the_only_one() {
    let (mut peer, ws) = pair(64, &Options::default());
    let (mut read, mut write) = ws.split();
    let sender = read.sender();
    let reader = tokio::spawn(async move { read.recv().await });
    let big = "x".repeat(10_000);
    for _ in 0..7 {
        write.send(&*big).await.unwrap();
    }
    let given_up = timeout(5 * MS, write.send("lost")).await;
    assert!(given_up.is_err(), "there was room");
    assert!(!sender.try_send("no room").unwrap());
    let other = tokio::spawn(async move { sender.send("last").await });
    for _ in 0..7 {
        assert_eq!(peer.hear().await, text(&*big));
    }
    assert_eq!(peer.hear().await, text("last"));
    other.await.unwrap().unwrap();
    reader.abort();
}

/// A peer that reads nothing: each of a hundred senders waits, and what is queued is bounded.
#[tokio::test(start_paused = true)]
async fn what_senders_queue_is_bounded() {
    let (mut peer, ws) = pair(64, &Options::default());
    let mut tasks = Vec::new();
    for i in 0..100 {
        let sender = ws.sender();
        tasks.push(tokio::spawn(async move {
            sender
                .send(format!("{i} {}", "x".repeat(10_000)))
                .await
                .unwrap();
        }));
    }
    sleep(MS).await;
    let done = tasks.iter().filter(|task| task.is_finished()).count();
    assert_eq!(done, 7, "64 KiB are full");
    let mut heard: Vec<usize> = Vec::new();
    for _ in 0..100 {
        let Said::Text(text) = peer.hear().await else {
            panic!()
        };
        heard.push(text.split(' ').next().unwrap().parse().unwrap());
    }
    heard.sort();
    assert_eq!(heard, (0..100).collect::<Vec<_>>());
    for task in tasks {
        task.await.unwrap();
    }
    drop(ws);
}

#[tokio::test(start_paused = true)]
async fn senders_do_not_keep_it_open() {
    let (mut peer, ws) = pair(ROOM, &Options::default());
    let sender = ws.sender();
    sender.send(&Prepared::new("news")).await.unwrap();
    drop(ws); // what was sent is written
    assert_eq!(peer.hear().await, text("news"));
    assert_eq!(peer.hear().await, Said::Eof);
    assert!(is_closed(sender.send("late").await) && sender.is_closed());
    assert!(sender.try_send("late").is_err());
}

/// Senders that wait when the connection ends hear of it.
#[tokio::test(start_paused = true)]
async fn senders_that_wait_hear_of_the_end() {
    for way in 0..3 {
        let (peer, ws) = pair(1, &Options::default());
        let (mut read, write) = ws.split();
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let sender = write.sender();
                tokio::spawn(async move { is_closed(sender.send("x".repeat(10_000)).await) })
            })
            .collect();
        sleep(MS).await;
        let reader = tokio::spawn(async move { read.recv().await.is_err() });
        match way {
            0 => drop(peer),
            1 => {
                drop(write);
                reader.abort(); // both halves are gone, with 64 KiB that nobody reads
            }
            _ => sleep(Duration::from_secs(40)).await, // stalled writes are given up
        }
        for (i, waiting) in waiting.into_iter().enumerate() {
            let hour = Duration::from_secs(3600);
            let is_closed = timeout(hour, waiting)
                .await
                .expect("it waits for ever")
                .unwrap();
            assert_eq!(is_closed, i >= 7, "{way}: {i}");
        }
    }
}

/// A reader that is dropped: messages are thrown away, and a Close behind them is seen.
#[tokio::test(start_paused = true)]
async fn without_a_reader_messages_are_thrown_away() {
    let (mut peer, ws) = pair(ROOM, &Options::default());
    let (read, mut write) = ws.split();
    drop(read);
    for _ in 0..10 {
        peer.say(&[text("x".repeat(1000)), text("y"), Said::Ping])
            .await;
        write.send("news").await.unwrap();
        peer.hears(&[text("news"), Said::Pong]).await;
    }
    peer.say(&[text("z"), Said::Close(1000)]).await;
    let server = tokio::spawn(async move { write.close(CloseCode::NORMAL, "").await });
    peer.hears(&[Said::Close(1000), Said::Eof]).await;
    drop(peer);
    assert!(server.await.unwrap().unwrap().is_clean());
}

#[tokio::test(start_paused = true)]
async fn the_writer_closes_and_the_reader_ends() {
    let (mut peer, ws) = pair(ROOM, &Options::default());
    let (mut read, mut write) = ws.split();
    let writer = tokio::spawn(async move { write.close(CloseCode(4001), "").await });
    assert_eq!(peer.hear().await, Said::Close(4001));
    peer.say(&[text("on its way"), Said::Close(4002)]).await;
    assert_eq!(
        said(&read.recv().await.unwrap().unwrap()),
        text("on its way")
    );
    let reader = tokio::spawn(async move { read.recv().await.unwrap().is_none() });
    assert_eq!(peer.hear().await, Said::Eof);
    drop(peer);
    let end = End::Closed {
        code: CloseCode(4002),
        by_peer: false,
    };
    assert_eq!(writer.await.unwrap().unwrap(), end);
    assert!(reader.await.unwrap());
}

/// Close from a sender; whoever receives drives it to the end.
#[tokio::test(start_paused = true)]
async fn a_sender_closes() {
    let (mut peer, mut ws) = pair(ROOM, &Options::default());
    let sender = ws.sender();
    let server = tokio::spawn(async move { ws.recv().await.unwrap().is_none() });
    sleep(MS).await;
    sender.close(CloseCode(4001), "out").unwrap();
    assert_eq!(peer.hear().await, Said::Close(4001));
    sender.close(CloseCode(4002), "again does nothing").unwrap();
    peer.say(&[Said::Close(4001)]).await;
    assert_eq!(peer.hear().await, Said::Eof);
    drop(peer);
    assert!(server.await.unwrap());
}

/// Only one may send in pieces; the others hear that a message is unfinished.
#[tokio::test(start_paused = true)]
async fn pieces_and_messages_do_not_mix() {
    let (mut peer, mut ws) = pair(ROOM, &Options::default());
    let sender = ws.sender();
    ws.send_piece("one, ", false).await.unwrap();
    match sender.send("x").await {
        Err(Error::Send(SendError::MessageUnfinished)) => {}
        other => panic!("{other:?}"),
    }
    ws.send(Message::Ping(b"p"[..].to_vec().into()))
        .await
        .unwrap();
    ws.send_piece("two", true).await.unwrap();
    sender.send("x").await.unwrap();
    peer.hears(&[Said::Ping, text("one, two"), text("x")]).await;
}

/// Many senders, a reader and a writer on several threads; each sender's messages come in its order.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn senders_on_threads() {
    for room in [64, 4096, 1 << 17] {
        let (mut peer, ws) = pair(room, &Options::default());
        let (mut read, write) = ws.split();
        for sender in 0..4 {
            let to = read.sender();
            tokio::spawn(async move {
                for n in 0..500 {
                    let message = format!("{sender} {n} {}", "x".repeat(n % 300));
                    to.send(message).await.unwrap();
                }
            });
        }
        drop(write);
        let reader = tokio::spawn(async move { read.recv().await });
        let mut next = [0; 4];
        for _ in 0..2000 {
            let Said::Text(heard) = peer.hear().await else {
                panic!()
            };
            let mut parts = heard.split(' ');
            let sender: usize = parts.next().unwrap().parse().unwrap();
            assert_eq!(parts.next().unwrap().parse(), Ok(next[sender]));
            next[sender] += 1;
        }
        reader.abort();
    }
}

/// The user holds a message when the Close comes: he has time to answer it, though not for ever.
#[tokio::test(start_paused = true)]
async fn a_close_waits_for_the_answer_to_a_message() {
    for is_patient in [true, false] {
        let (mut peer, ws) = pair(ROOM, &Options::default());
        let (mut read, mut write) = ws.split();
        peer.say(&[text("question")]).await;
        assert_eq!(said(&read.recv().await.unwrap().unwrap()), text("question"));
        peer.say(&[Said::Ping, Said::Close(4000)]).await;
        write.send("wait").await.unwrap(); // this reads on
        peer.hears(&[text("wait"), Said::Pong]).await;
        let start = Instant::now();
        if is_patient {
            sleep(Duration::from_secs(2)).await;
            write.send("answer").await.unwrap();
            let reader = tokio::spawn(async move { read.recv().await.unwrap().is_none() });
            peer.hears(&[text("answer"), Said::Close(4000), Said::Eof])
                .await;
            drop(peer);
            assert!(reader.await.unwrap());
        } else {
            assert_eq!(peer.hear().await, Said::Close(4000)); // nobody is polled
            assert!(start.elapsed() < Duration::from_secs(3));
            assert!(is_closed(write.send("late").await));
        }
    }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Two senders wait, there is room, and the one who was woken gives up: it is the other's turn.
#[tokio::test(start_paused = true)]
async fn who_gives_up_passes_his_turn_on() {
    let (mut peer, ws) = pair(64, &Options::default());
    let sender = ws.sender();
    let long = "x".repeat(70_000);
    sender.send(&*long).await.unwrap();
    let counts = [(); 2].map(|()| Arc::new(Count::default()));
    let [mut first, mut second] = [(); 2].map(|()| Box::pin(sender.send("short")));
    let wakers = counts.each_ref().map(|count| Waker::from(count.clone()));
    let is_pending = [
        first
            .as_mut()
            .poll(&mut Context::from_waker(&wakers[0]))
            .is_pending(),
        second
            .as_mut()
            .poll(&mut Context::from_waker(&wakers[1]))
            .is_pending(),
    ];
    assert_eq!(is_pending, [true, true]);
    assert_eq!(peer.hear().await, text(&*long));
    let woken = || {
        counts
            .each_ref()
            .map(|count| count.0.load(Ordering::SeqCst))
    };
    assert_eq!(woken(), [1, 0], "one after the other");
    drop(first);
    assert_eq!(woken(), [1, 1]);
    assert!(
        second
            .as_mut()
            .poll(&mut Context::from_waker(&wakers[1]))
            .is_ready()
    );
    assert_eq!(peer.hear().await, text("short"));
}
