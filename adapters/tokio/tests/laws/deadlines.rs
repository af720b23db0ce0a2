//! Deadlines run by themselves, with one timer, and never judge a peer for what the user does.
//!
//! Invariant: the clock is tokio's paused one, which jumps to the next timer when all tasks wait.

use crate::peer::*;
use sansocket::{CloseCode, End, Expired};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, timeout};
use tokio_sansocket::Options;

const ROOM: usize = 1 << 16;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Tokio's timers go by milliseconds.
fn is_about(span: Duration, n: u64) -> bool {
    let is = span >= seconds(n) && span < seconds(n) + Duration::from_millis(5);
    assert!(is, "{span:?} and not {n} s");
    is
}

/// A Ping at 30 s, a Close at 50 s, the end at 55 s; whole and split, with only `recv` polled.
#[tokio::test(start_paused = true)]
async fn keepalive() {
    for is_split in [false, true] {
        let (mut peer, mut ws) = pair(ROOM, &Options::default());
        let server = tokio::spawn(async move {
            if is_split {
                let (mut read, write) = ws.split();
                let error = read.recv().await.unwrap_err();
                drop(write);
                return error;
            }
            ws.recv().await.unwrap_err()
        });
        let start = Instant::now();
        assert_eq!(peer.hear().await, Said::Ping);
        assert!(is_about(start.elapsed(), 30));
        assert_eq!(peer.hear().await, Said::Close(1011));
        assert!(is_about(start.elapsed(), 50));
        let error = server.await.unwrap();
        assert!(is_about(start.elapsed(), 55));
        assert_eq!(error.end(), Some(&End::Expired(Expired::Pong)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_lives_and_its_latency_is_known() {
    let (mut peer, mut ws) = pair(ROOM, &Options::default());
    assert_eq!(ws.latency(), None);
    let server = tokio::spawn(async move {
        let message = ws.recv().await.unwrap();
        (said(&message.unwrap()), ws.latency())
    });
    for number in 1..=20_u32 {
        assert_eq!(peer.hear().await, Said::Ping);
        sleep(seconds(7)).await;
        let mut pong = bytes::BytesMut::new();
        peer.ws.send_pong(&number.to_be_bytes(), &mut pong).unwrap();
        peer.writer.write_all(&pong).await.unwrap();
    }
    peer.say(&[text("still here")]).await;
    let (message, latency) = server.await.unwrap();
    assert_eq!(message, text("still here"));
    assert!(is_about(latency.unwrap(), 7));
}

#[tokio::test(start_paused = true)]
async fn idle() {
    let mut options = Options::default();
    options.config.times.idle = Some(seconds(100));
    let (mut peer, mut ws) = pair(ROOM, &options);
    let server = tokio::spawn(async move { ws.recv().await.unwrap_err().end().cloned() });
    let start = Instant::now();
    for _ in 0..3 {
        assert_eq!(peer.hear().await, Said::Ping);
        peer.say(&[Said::Pong]).await; // alive, and no message
    }
    assert_eq!(peer.hear().await, Said::Close(1001));
    assert!(is_about(start.elapsed(), 100));
    peer.say(&[Said::Close(1001)]).await;
    assert_eq!(peer.hear().await, Said::Eof);
    drop(peer);
    assert_eq!(server.await.unwrap(), Some(End::Expired(Expired::Idle)));
}

/// A peer that reads nothing is given up, whoever waits: the reader, the writer, nobody but the helper.
#[tokio::test(start_paused = true)]
async fn stalled_writes() {
    for way in 0..4 {
        let (peer, ws) = pair(64, &Options::default());
        let sender = ws.sender();
        let (mut read, mut write) = ws.split();
        let start = Instant::now();
        let expired = Some(End::Expired(Expired::Write));
        let long = "x".repeat(1000);
        match way {
            0 => {
                write.send(&*long).await.unwrap();
                let error = read.recv().await.unwrap_err();
                assert_eq!(error.end().cloned(), expired);
            }
            1 => {
                let sending = async { while write.send(&*long).await.is_ok() {} };
                sending.await;
            }
            2 => while sender.send(&*long).await.is_ok() {},
            _ => {
                write.send(&*long).await.unwrap();
                sleep(seconds(31)).await; // nobody is polled
            }
        }
        assert!(way == 3 || is_about(start.elapsed(), 30));
        assert_eq!(write.end(), expired, "{way}");
        drop(peer);
    }
}

/// A peer that speaks, and a user who does not listen for two minutes: its Pongs lie behind a message
/// that nobody takes. It is healthy, so it is not given up, and nothing is lost.
#[tokio::test(start_paused = true)]
async fn a_slow_user_never_ends_a_healthy_peer() {
    for is_split in [true, false] {
        let (mut peer, mut ws) = pair(1 << 20, &Options::default());
        let sender = ws.sender();
        let messages: Vec<Said> = (0..5).map(|i| text(i.to_string())).collect();
        peer.say(&messages).await;
        let ticks = tokio::spawn(async move {
            for _ in 0..150 {
                sender.send("tick").await.unwrap();
                sleep(seconds(1)).await;
            }
        });
        let peer = tokio::spawn(async move {
            let mut ticks = 0;
            loop {
                match peer.hear().await {
                    Said::Text(_) => ticks += 1,
                    Said::Ping => peer.say(&[Said::Pong]).await,
                    Said::Close(code) => {
                        peer.say(&[Said::Close(code)]).await;
                        return (ticks, code);
                    }
                    other => panic!("{other:?}"),
                }
            }
        });
        if is_split {
            let (mut read, mut write) = ws.split();
            for expected in &messages {
                for _ in 0..12 {
                    sleep(seconds(10)).await;
                    write.send("and another").await.unwrap();
                }
                assert_eq!(said(&read.recv().await.unwrap().unwrap()), *expected);
            }
            drop(read);
            write.close(CloseCode::NORMAL, "").await.unwrap();
        } else {
            for expected in &messages {
                sleep(seconds(120)).await;
                assert_eq!(said(&ws.recv().await.unwrap().unwrap()), *expected);
            }
            ws.close(CloseCode::NORMAL, "").await.unwrap();
        }
        ticks.await.unwrap();
        let (heard, code) = peer.await.unwrap();
        assert_eq!((heard, code), (if is_split { 210 } else { 150 }, 1000));
    }
}

/// An attack: a peer that makes the user hold back, and then reads nothing.
#[tokio::test(start_paused = true)]
async fn a_message_in_front_does_not_protect_a_peer_that_reads_nothing() {
    let (mut peer, ws) = pair(64, &Options::default());
    let (read, mut write) = ws.split();
    peer.say(&[text("hold back")]).await;
    let start = Instant::now();
    while write.send("x".repeat(1000)).await.is_ok() {}
    assert!(is_about(start.elapsed(), 30));
    assert_eq!(read.end(), Some(End::Expired(Expired::Write)));
}

/// Nobody polls for an hour. The connection is as it was, and the peer gets its time when it is judged
/// again.
#[tokio::test(start_paused = true)]
async fn nobody_polls() {
    let (mut peer, mut ws) = pair(ROOM, &Options::default());
    assert!(timeout(seconds(1), ws.recv()).await.is_err());
    sleep(seconds(3600)).await;
    assert!(
        peer.hears_nothing(seconds(1)).await,
        "a Ping needs somebody who polls"
    );
    peer.say(&[text("still here")]).await;
    assert_eq!(said(&ws.recv().await.unwrap().unwrap()), text("still here"));
    ws.send("so am I").await.unwrap();
    assert_eq!(peer.hear().await, text("so am I"));
}

/// A task that has used up its budget sets its timer all the same.
#[tokio::test(start_paused = true)]
async fn a_task_without_budget_has_its_timer() {
    let (mut peer, mut ws) = pair(ROOM, &Options::default());
    let server = tokio::spawn(async move {
        let budget = async {
            while tokio::task::coop::has_budget_remaining() {
                tokio::task::consume_budget().await
            }
        };
        futures_util::future::join(budget, ws.recv()).await.1
    });
    assert_eq!(peer.hear().await, Said::Ping);
    peer.say(&[Said::Close(1000)]).await;
    peer.hears(&[Said::Close(1000), Said::Eof]).await;
    drop(peer);
    assert!(server.await.unwrap().unwrap().is_none());
}

/// Elsewhere a time that no clock reaches was added to the clock.
#[tokio::test(start_paused = true)]
async fn times_without_end_never_come() {
    for time in [Duration::MAX, seconds(u64::MAX), seconds(u64::MAX / 2)] {
        let mut options = Options::default();
        let times = &mut options.config.times;
        (times.handshake, times.pong, times.close, times.write) = (time, time, time, time);
        (times.keepalive, times.idle) = (Some(time), Some(time));
        let (mut peer, ws) = pair(ROOM, &options);
        let (mut read, mut write) = ws.split();
        peer.say(&[text("question")]).await;
        assert_eq!(said(&read.recv().await.unwrap().unwrap()), text("question"));
        peer.say(&[Said::Ping, Said::Close(4000)]).await;
        write.send("wait").await.unwrap(); // this reads on, and the Close waits for an answer
        write.flush().await.unwrap(); // in this task: a panic of another one would not be seen
        peer.hears(&[text("wait"), Said::Pong]).await;
        sleep(seconds(1_000_000)).await;
        write.send("answer").await.unwrap();
        let reader = tokio::spawn(async move { read.recv().await });
        peer.hears(&[text("answer"), Said::Close(4000), Said::Eof])
            .await;
        drop(peer);
        assert!(reader.await.unwrap().unwrap().is_none());
    }
}
