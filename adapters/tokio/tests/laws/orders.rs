//! Handles that go in any order, and deadlines, over a wire that cuts and stalls.
//!
//! Invariant: what a send has returned for is heard, whoever is dropped and when; and a deadline judges
//! the peer, never the wire or the user.

use crate::peer::{Peer, Said, text};
use crate::schedule::*;
use crate::wire::{Random, Wire};
use futures_util::{SinkExt, StreamExt};
use sansocket::{CloseCode, End, Expired};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_sansocket::{ReadHalf, Sender, WriteHalf};

fn ms(n: usize) -> Duration {
    Duration::from_millis(n as u64)
}

/// Receives some messages, and lets go of its half.
async fn read_some(mut read: ReadHalf<Wire>, mut random: Random) {
    for _ in 0..random.below(10) {
        let _ = perhaps(&mut random, read.recv()).await;
    }
    sleep(ms(random.below(50))).await;
}

/// Sends some messages, and lets go of its half.
async fn write_some(write: WriteHalf<Wire>, most: usize, mut random: Random) -> usize {
    let n = random.below(15);
    let pause = ms(random.below(50));
    let sent = keep_sending(Sends::Half(write), 1, (n, most), random).await;
    sleep(pause).await;
    sent
}

/// Sends until nothing can be sent any more, and then finds the sender closed in every way.
async fn outlive(sender: Sender, who: usize, most: usize, mut random: Random) -> usize {
    let mut sent = keep_sending(
        Sends::Sender(sender.clone()),
        who,
        (20, most),
        random.fork(),
    )
    .await;
    while !sender.is_closed() {
        let data = numbered(who, sent, most, &mut random);
        if sender.try_send(data).unwrap_or(false) {
            sent += 1;
        }
        sleep(ms(1)).await;
    }
    assert!(is_closed(&sender.send("late").await.unwrap_err()));
    assert!(is_closed(&sender.try_send("late").unwrap_err()));
    assert!(
        sender.close(CloseCode::NORMAL, "").is_ok(),
        "there is nothing to close"
    );
    sent
}

/// Both halves and three senders, each a task that goes when it likes; the senders outlive the
/// connection. Nothing that was sent is lost, and the connection ends.
#[test]
fn halves_go_in_any_order_and_senders_outlive_them() {
    for_each_seed(async |mut random| {
        let (far, ws) = pair(&mut random);
        let most = far.most;
        let n = random.below(10);
        let peer = tokio::spawn(peer(far, n, random.fork(), false));
        let senders = [ws.sender(), ws.sender(), ws.sender()];
        let (read, write) = ws.split();
        let reader = read_some(read, random.fork());
        let writer = write_some(write, most, random.fork());
        let mut tasks: Vec<JoinHandle<usize>> = Vec::new();
        for (who, sender) in (2..).zip(senders) {
            tasks.push(tokio::spawn(outlive(sender, who, most, random.fork())));
        }
        tasks.insert(0, tokio::spawn(writer));
        // The reader is last, first, or between.
        if random.one_in(2) {
            drop(tokio::spawn(reader));
        } else {
            reader.await;
        }
        let heard = peer.await.unwrap();
        for (who, task) in (1..).zip(tasks) {
            let sent = task.await.unwrap();
            let of_him = heard.messages.get(&who).copied().unwrap_or(0);
            assert_eq!(of_him, sent, "of {who}");
        }
        assert_eq!(heard.close, None);
    });
}

/// `forward`, and the peer's Close comes behind messages while senders send: they hear of the end, and
/// the answers are complete.
#[test]
fn forward_and_senders_that_outlive_it() {
    for_each_seed(async |mut random| {
        let (far, ws) = pair(&mut random);
        let (most, n) = (far.most, random.below(25));
        let peer = tokio::spawn(peer(far, n, random.fork(), true));
        let senders = [ws.sender(), ws.sender()];
        let mut tasks = Vec::new();
        for (who, sender) in (2..).zip(senders) {
            tasks.push(tokio::spawn(outlive(sender, who, most, random.fork())));
        }
        let (read, mut write) = ws.split();
        let mut read = read.take(if random.one_in(3) { n } else { usize::MAX });
        // By `forward`, or by the same in two steps.
        if random.one_in(2) {
            read.forward(write).await.unwrap();
        } else {
            write.send_all(&mut read).await.unwrap();
            let _ = SinkExt::close(&mut write).await;
        }
        let heard = peer.await.unwrap();
        assert_eq!(heard.messages.get(&0).copied().unwrap_or(0), n, "echoed");
        for (who, task) in (2..).zip(tasks) {
            let sent = task.await.unwrap();
            let of_him = heard.messages.get(&who).copied().unwrap_or(0);
            assert_eq!(of_him, sent, "of {who}");
        }
    });
}

/// Answers Pings late and speaks now and then, for some time; then it does nothing but read, or not even
/// that, and says when that began.
async fn falls_silent(
    mut peer: Peer,
    still_reads: bool,
    mut random: Random,
    silent: watch::Sender<Option<Instant>>,
) {
    for _ in 0..20 + random.below(20) {
        let span = Duration::from_secs(random.below(40) as u64);
        match timeout(span, peer.hear()).await {
            Ok(Said::Ping) => {
                // The time for an answer is 20 s.
                sleep(Duration::from_secs(random.below(18) as u64)).await;
                peer.say(&[Said::Pong]).await;
            }
            Ok(Said::Text(_)) | Err(_) => {}
            Ok(other) => panic!("a peer that is alive was given up: {other:?}"),
        }
        if random.one_in(3) {
            peer.say(&[text("hello")]).await;
        }
    }
    silent.send_replace(Some(Instant::now()));
    if still_reads {
        while peer.hear().await != Said::Eof {}
    }
    silent.closed().await;
}

/// Whoever is polled, and however the wire cuts: a slow peer is kept, a silent one is given up in time.
#[test]
fn deadlines_judge_the_peer() {
    for_each_seed(async |mut random| {
        let (far, ws) = pair_over(Link::Wide, &mut random, |_| {});
        let still_reads = random.one_in(2);
        let (silent, is_silent) = watch::channel(None);
        let peer = falls_silent(far.peer, still_reads, random.fork(), silent);
        let peer = tokio::spawn(peer);
        let (mut read, mut write) = ws.split();
        let (sender, mut pauses) = (read.sender(), random.fork());
        let alive = is_silent.clone();
        // A peer that takes something is alive, so nothing is sent to a silent one.
        let writer = tokio::spawn(async move {
            while alive.borrow().is_none() {
                match pauses.one_in(2) {
                    true => write.send("tick").await.unwrap(),
                    false => sender.send("tock").await.unwrap(),
                }
                sleep(Duration::from_secs(1 + pauses.below(40) as u64)).await;
            }
            write
        });
        let error = loop {
            let patience = Duration::from_secs(random.below(60) as u64);
            match timeout(patience, read.recv()).await {
                Ok(Ok(Some(_))) | Err(_) => {}
                Ok(Ok(None)) => panic!("the peer did not close"),
                Ok(Err(error)) => break error,
            }
        };
        let since = is_silent
            .borrow()
            .expect("a peer that is alive was given up");
        let span = since.elapsed();
        drop(is_silent);
        peer.await.unwrap();
        writer.await.unwrap();
        // Its Ping has left, or it takes nothing more.
        match error.end() {
            Some(End::Expired(Expired::Pong)) => {}
            Some(End::Expired(Expired::Write)) if !still_reads => {}
            other => panic!("{other:?}"),
        }
        // Until a Ping, its answer, and the answer to a Close. A Ping that the wire takes after a stall shows that the
        // peer reads: then there is another one.
        assert!(span <= Duration::from_secs(8 * 30 + 20 + 5 + 2), "{span:?}");
    });
}
