//! Any future may be dropped at any await: nothing is lost, doubled or reordered.
//!
//! Invariant: what the peer hears is compared with what was sent, and what the user receives with what
//! the peer has said.

use crate::schedule::*;
use crate::wire::Random;
use futures_util::{SinkExt, StreamExt};
use sansocket::{CloseCode, End};
use std::time::Duration;
use tokio::task::yield_now;
use tokio_sansocket::{Message, WebSocket};

/// A reader, a writer and two senders, each a task; the peer closes.
#[test]
fn halves_and_senders() {
    for_each_seed(async |mut random| {
        let (far, ws) = pair(&mut random);
        let most = far.most;
        let n = random.below(25);
        let peer = tokio::spawn(peer(far, n, random.fork(), true));
        let senders = [ws.sender(), ws.sender()];
        let (read, write) = ws.split();
        let reader = tokio::spawn(keep_receiving(read, random.fork()));
        let mut tasks = vec![tokio::spawn(keep_sending(
            Sends::Half(write),
            1,
            (random.below(25), most),
            random.fork(),
        ))];
        for (i, sender) in senders.into_iter().enumerate() {
            let sends = Sends::Sender(sender);
            let task = keep_sending(sends, i + 2, (random.below(25), most), random.fork());
            tasks.push(tokio::spawn(task));
        }
        let (received, end) = reader.await.unwrap();
        let code = CloseCode(4000);
        assert_eq!(
            end,
            Some(End::Closed {
                code,
                by_peer: true
            })
        );
        let heard = peer.await.unwrap();
        assert_eq!(heard.close, Some(4000));
        let mut sent = Vec::new();
        for (i, task) in tasks.into_iter().enumerate() {
            sent.push((i + 1, task.await.unwrap()));
        }
        compare(&heard, &sent, &received, n);
    });
}

/// One handle in one task: an echo, with a sender beside it; the peer closes.
#[test]
fn an_echo_in_one_task() {
    for_each_seed(async |mut random| {
        let (far, mut ws) = pair(&mut random);
        let most = far.most;
        let n = random.below(25);
        let peer = tokio::spawn(peer(far, n, random.fork(), true));
        let with_sender = random.one_in(2);
        let m = if with_sender { random.below(25) } else { 0 };
        let sends = Sends::Sender(ws.sender());
        let sender = tokio::spawn(keep_sending(sends, 2, (m, most), random.fork()));
        let (mut held, mut received, mut echoed) = (None::<Vec<u8>>, Counts::new(), 0);
        loop {
            if let Some(data) = &held {
                let sent = match random.below(3) {
                    0 => perhaps(&mut random, ws.feed(Message::from(&data[..]))).await,
                    1 => {
                        perhaps(
                            &mut random,
                            SinkExt::send(&mut ws, Message::from(&data[..])),
                        )
                        .await
                    }
                    _ => perhaps(&mut random, ws.send(&data[..])).await,
                };
                match sent {
                    None => {}
                    Some(Ok(())) => (held, echoed) = (None, echoed + 1),
                    Some(Err(error)) => panic!("{error:?}"),
                }
                if random.one_in(10) {
                    let _ = perhaps(&mut random, WebSocket::flush(&mut ws)).await;
                }
                continue;
            }
            match perhaps(&mut random, ws.recv()).await {
                None => {}
                Some(Ok(Some(message))) => {
                    note(&mut received, message.as_bytes());
                    let (_, number) = number_of(message.as_bytes());
                    held = Some(numbered(1, number, most, &mut random));
                }
                Some(Ok(None)) => break,
                Some(Err(error)) => panic!("{error:?}"),
            }
        }
        assert_eq!(echoed, n);
        let heard = peer.await.unwrap();
        let sent = [(1, echoed), (2, sender.await.unwrap())];
        compare(&heard, &sent, &received, n);
    });
}

/// `forward`, with senders beside it that are given up: a Close behind messages loses none of them.
#[test]
fn forward() {
    for_each_seed(async |mut random| {
        let (far, ws) = pair(&mut random);
        let most = far.most;
        let n = random.below(25);
        let peer = tokio::spawn(peer(far, n, random.fork(), true));
        let sends = Sends::Sender(ws.sender());
        let sender = tokio::spawn(keep_sending(
            sends,
            2,
            (random.below(25), most),
            random.fork(),
        ));
        let (read, write) = ws.split();
        read.forward(write).await.unwrap();
        let heard = peer.await.unwrap();
        let sent = [(0, n), (2, sender.await.unwrap())];
        compare(&heard, &sent, &Counts::from([(0, n)]), n);
    });
}

/// We close while everybody speaks: what was sent before it is heard, and the peer's Close ends it.
#[test]
fn we_close() {
    for_each_seed(async |mut random| {
        let (far, ws) = pair(&mut random);
        let most = far.most;
        let n = random.below(15);
        let peer = tokio::spawn(peer(far, n, random.fork(), false));
        let sends = Sends::Sender(ws.sender());
        let sender = tokio::spawn(keep_sending(sends, 2, (100, most), random.fork()));
        let way = random.below(3);
        let pause = Duration::from_millis(random.below(100) as u64);
        let (mut read, mut write) = ws.split();
        let writer = async {
            tokio::time::sleep(pause).await;
            loop {
                match perhaps(&mut random, write.close(CloseCode(4001), "")).await {
                    None => {}
                    Some(Ok(end)) => return end,
                    Some(Err(error)) => panic!("{error:?}"),
                }
            }
        };
        let reader = async {
            let mut received = Counts::new();
            if way == 0 {
                drop(read); // what comes is thrown away
                return None;
            }
            while let Some(message) = read.recv().await.unwrap() {
                note(&mut received, message.as_bytes());
            }
            Some(received)
        };
        let (end, received) = futures_util::future::join(writer, reader).await;
        let code = CloseCode(4001);
        assert_eq!(
            end,
            End::Closed {
                code,
                by_peer: false
            }
        );
        let heard = peer.await.unwrap();
        assert_eq!(heard.close, Some(4001));
        let sent = [(2, sender.await.unwrap())];
        let received = received.unwrap_or_else(|| Counts::from([(0, n)]));
        let pongs = heard.pongs;
        compare(
            &Heard {
                pings: pongs,
                ..heard
            },
            &sent,
            &received,
            n,
        );
    });
}

/// Handles that are dropped at any time: what was sent before is heard.
#[test]
fn handles_are_dropped() {
    for_each_seed(async |mut random| {
        let (far, mut ws) = pair(&mut random);
        let most = far.most;
        let peer = tokio::spawn(peer(far, 0, random.fork(), true));
        let m = random.below(20);
        let mut sent = 0;
        while sent < m {
            let data = numbered(1, sent, most, &mut random);
            if let Some(result) = perhaps(&mut random, ws.send(&data[..])).await {
                match result {
                    Ok(()) => sent += 1,
                    Err(error) => {
                        assert!(is_closed(&error));
                        break;
                    }
                }
            }
        }
        match random.below(3) {
            0 => drop(ws),
            1 => drop(ws.split()),
            _ => {
                let (read, write) = ws.split();
                drop(write);
                yield_now().await;
                drop(read);
            }
        }
        let heard = peer.await.unwrap();
        assert_eq!(heard.messages.get(&1).copied().unwrap_or(0), sent);
    });
}

/// A message in pieces, each future of which is dropped now and then.
#[test]
fn pieces() {
    for_each_seed(async |mut random| {
        let (far, mut ws) = pair(&mut random);
        let most = far.most;
        let peer = tokio::spawn(peer(far, 0, random.fork(), false));
        for number in 0..random.below(10) {
            let data = numbered(1, number, most, &mut random);
            let mut rest = &data[..];
            loop {
                let (piece, after) = rest.split_at(random.below(rest.len() + 1).min(2000));
                let sent = ws.send_piece(piece, after.is_empty());
                if let Some(result) = perhaps(&mut random, sent).await {
                    result.unwrap();
                    rest = after;
                    if after.is_empty() {
                        break;
                    }
                }
            }
        }
        ws.close(CloseCode::NORMAL, "").await.unwrap();
        let heard = peer.await.unwrap();
        assert_eq!(heard.close, Some(1000));
    });
}

/// The same with tasks on several threads: halves, senders, helper and peer are truly at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn on_threads() {
    for seed in 1..=schedules() / 5 {
        let mut random = Random::new(seed);
        let (far, ws) = pair(&mut random);
        let (n, most) = (random.below(25), far.most);
        let peer = tokio::spawn(peer(far, n, random.fork(), true));
        let senders = [ws.sender(), ws.sender(), ws.sender()];
        let (read, write) = ws.split();
        let reader = tokio::spawn(keep_receiving(read, random.fork()));
        let all = [Sends::Half(write)].into_iter();
        let all = all.chain(senders.map(Sends::Sender));
        let tasks: Vec<_> = (1..)
            .zip(all)
            .map(|(who, sends)| {
                let sending = keep_sending(sends, who, (random.below(25), most), random.fork());
                (who, tokio::spawn(sending))
            })
            .collect();
        let (received, _) = reader.await.unwrap();
        let heard = peer.await.unwrap();
        let mut sent = Vec::new();
        for (who, task) in tasks {
            sent.push((who, task.await.unwrap()));
        }
        compare(&heard, &sent, &received, n);
    }
}
