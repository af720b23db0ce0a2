//! Receiving, sending and closing over one handle.
//!
//! Invariant: the clock stands still unless all tasks wait.

use crate::peer::*;
#[cfg(feature = "deflate")]
use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use sansocket::{CloseCode, Deliver, End, Expired, Prepared, ProtocolError, SendError};
#[cfg(feature = "deflate")]
use sansocket::{Connection, Deflate};
use std::future::pending;
use std::time::Duration;
#[cfg(feature = "deflate")]
use tokio::io::{DuplexStream, duplex};
use tokio::time::timeout;
use tokio_sansocket::{Error, Message, Options};
#[cfg(feature = "deflate")]
use tokio_sansocket::{WebSocket, from_upgraded};

const ROOM: usize = 1 << 16;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Messages of every size at which something changes, in both directions.
#[tokio::test(start_paused = true)]
async fn an_echo_of_every_size() {
    const SIZES: [usize; 16] = [
        0,
        1,
        125,
        126,
        4096,
        16383,
        16384,
        16385,
        65535,
        65536,
        65537,
        100_000,
        262_144,
        300_000,
        1 << 20,
        3 << 20,
    ];
    for room in [100, 5000, 1 << 22] {
        let (mut peer, mut ws) = pair(room, &Options::default());
        tokio::spawn(async move {
            while let Some(message) = ws.recv().await.unwrap() {
                ws.send(message).await.unwrap();
            }
        });
        for size in SIZES
            .into_iter()
            .filter(|size| room > 100 || *size <= 70_000)
        {
            let letters: String = (0..size)
                .map(|i| char::from(b'a' + (i % 26) as u8))
                .collect();
            let both = [Said::Binary(letters.clone().into_bytes()), text(letters)];
            for one in both {
                let heard = peer.exchange(std::slice::from_ref(&one)).await;
                assert!(heard == one, "{size} bytes, {room} on the way");
            }
        }
        peer.say(&[Said::Close(1000)]).await;
        peer.hears(&[Said::Close(1000), Said::Eof]).await;
    }
}

/// A request and its answer, with nothing more read: the answer is written when `send` returns.
#[tokio::test(start_paused = true)]
async fn an_answer_is_written_at_once() {
    let (mut peer, mut ws) = pair(ROOM, &Options::default());
    peer.say(&[text("question")]).await;
    ws.recv().await.unwrap();
    ws.send("answer").await.unwrap();
    assert_eq!(peer.hear().await, text("answer"));
    assert_eq!(peer.reads, 1);
}

/// Sixteen messages in one read: sixteen answers in one write, by every way of sending.
#[tokio::test(start_paused = true)]
async fn one_read_makes_one_write() {
    for way in 0..2 {
        let (mut peer, mut ws) = pair(ROOM, &Options::default());
        let said: Vec<Said> = (0..16).map(|i| text(i.to_string())).collect();
        peer.say(&said).await;
        tokio::spawn(async move {
            match way {
                0 => {
                    while let Some(message) = ws.recv().await.unwrap() {
                        ws.send(message).await.unwrap();
                    }
                }
                _ => {
                    while let Some(message) = ws.next().await {
                        SinkExt::send(&mut ws, message.unwrap()).await.unwrap();
                    }
                }
            }
        });
        peer.hears(&said).await;
        assert_eq!(peer.reads, 1);
    }
}

/// Two messages in one read; the user answers the first and polls nothing from then on.
#[tokio::test(start_paused = true)]
async fn nothing_stays_unwritten() {
    let (mut peer, mut ws) = pair(ROOM, &Options::default());
    peer.say(&[text("one"), text("two")]).await;
    tokio::spawn(async move {
        ws.recv().await.unwrap();
        ws.send("answer").await.unwrap();
        pending::<()>().await;
        drop(ws);
    });
    assert_eq!(peer.hear().await, text("answer"));
}

/// The transport takes 64 bytes at once; the user sends a long message and polls nothing from then on.
#[tokio::test(start_paused = true)]
async fn what_the_transport_does_not_take_is_written() {
    for len in [1000, 100_000] {
        let (mut peer, mut ws) = pair(64, &Options::default());
        let long = "long ".repeat(len);
        ws.send(&*long).await.unwrap();
        assert_eq!(peer.hear().await, text(&*long));
        // Even if the handle is dropped.
        ws.send(&*long).await.unwrap();
        drop(ws);
        assert_eq!(peer.hear().await, text(&*long));
        assert_eq!(peer.hear().await, Said::Eof);
    }
}

/// A Close behind messages: their answers still go out, before the answer to the Close.
#[tokio::test(start_paused = true)]
async fn a_close_behind_messages_waits() {
    let (mut peer, mut ws) = pair(ROOM, &Options::default());
    peer.say(&[text("one"), text("two"), Said::Close(4000)])
        .await;
    let server = tokio::spawn(async move {
        while let Some(message) = ws.recv().await.unwrap() {
            ws.send(message).await.unwrap();
        }
        ws.end()
    });
    peer.hears(&[text("one"), text("two"), Said::Close(4000), Said::Eof])
        .await;
    drop(peer);
    let code = CloseCode(4000);
    assert_eq!(
        server.await.unwrap(),
        Some(End::Closed {
            code,
            by_peer: true
        })
    );
}

#[tokio::test(start_paused = true)]
async fn close_waits_for_the_end() {
    let (mut peer, mut ws) = pair(ROOM, &Options::default());
    peer.say(&[text("thrown away")]).await;
    let server = tokio::spawn(async move { ws.close(CloseCode(4001), "bye").await });
    assert_eq!(peer.hear().await, Said::Close(4001));
    peer.say(&[text("thrown away as well"), Said::Close(4002)])
        .await;
    assert_eq!(peer.hear().await, Said::Eof);
    drop(peer);
    let code = CloseCode(4002);
    assert_eq!(
        server.await.unwrap().unwrap(),
        End::Closed {
            code,
            by_peer: false
        }
    );
}

#[tokio::test(start_paused = true)]
async fn close_gives_a_silent_peer_up() {
    let (peer, mut ws) = pair(ROOM, &Options::default());
    let start = tokio::time::Instant::now();
    let error = ws.close(CloseCode::NORMAL, "").await.unwrap_err();
    assert_eq!(start.elapsed(), seconds(5));
    assert_eq!(error.end(), Some(&End::Expired(Expired::Close)));
    assert_eq!((ws.end().as_ref(), error.is_clean()), (error.end(), false));
    drop(peer);
}

/// A close that was given up goes on: the Close is sent once.
#[tokio::test(start_paused = true)]
async fn close_can_be_dropped_and_called_again() {
    let (mut peer, mut ws) = pair(ROOM, &Options::default());
    assert!(
        timeout(seconds(1), ws.close(CloseCode::NORMAL, ""))
            .await
            .is_err()
    );
    let server = tokio::spawn(async move { ws.close(CloseCode(4000), "").await });
    assert_eq!(peer.hear().await, Said::Close(1000));
    peer.say(&[Said::Close(1000)]).await;
    assert_eq!(peer.hear().await, Said::Eof);
    drop(peer);
    assert!(server.await.unwrap().unwrap().is_clean());
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_sent_changes_nothing() {
    let (mut peer, mut ws) = pair(ROOM, &Options::default());
    let is = |result: Result<(), Error>, expected| match result {
        Err(Error::Send(error)) => assert_eq!(error, expected),
        other => panic!("{other:?}"),
    };
    let code = CloseCode(1005);
    is(
        ws.close(code, "").await.map(drop),
        SendError::CloseCode(code),
    );
    let long = "x".repeat(124);
    let too_long = SendError::TooLong { len: 124, max: 123 };
    is(ws.close(CloseCode::NORMAL, &long).await.map(drop), too_long);
    let too_long = SendError::TooLong { len: 126, max: 125 };
    is(ws.send(Message::Ping(vec![0; 126].into())).await, too_long);
    ws.send("still open").await.unwrap();
    assert_eq!(peer.hear().await, text("still open"));
    peer.say(&[Said::Close(1000)]).await;
    assert!(
        timeout(seconds(1), ws.recv()).await.is_err(),
        "the peer has not left"
    );
    is(ws.send("late").await, SendError::Closed);
    drop(peer);
    assert!(ws.recv().await.unwrap().is_none() && ws.recv().await.unwrap().is_none());
    let error = ws.send("too late").await.unwrap_err();
    assert_eq!(error.close_code(), Some(CloseCode::NORMAL));
}

/// A peer that vanishes, at every point of a frame: an error once, then the end.
#[tokio::test(start_paused = true)]
async fn a_peer_that_vanishes_is_an_error_once() {
    for cut in 0..10 {
        let (mut peer, mut ws) = pair(ROOM, &Options::default());
        let frames = peer.frames(&[text("four")]);
        tokio::io::AsyncWriteExt::write_all(&mut peer.writer, &frames[..cut])
            .await
            .unwrap();
        drop(peer);
        if cut == 10 {
            assert!(ws.recv().await.unwrap().is_some());
        }
        let error = ws.recv().await.unwrap_err();
        assert_eq!(
            error.end(),
            Some(&End::Failed(ProtocolError::TransportEnded))
        );
        assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL));
        assert!(ws.recv().await.unwrap().is_none());
        assert!(ws.send("x").await.is_err());
    }
}

/// Messages that had arrived before writing failed are received, the Close as well.
#[tokio::test(start_paused = true)]
async fn a_failed_write_hides_nothing_that_was_read() {
    let (mut peer, mut ws) = pair(ROOM, &Options::default());
    peer.say(&[text("one"), text("two"), Said::Close(1000)])
        .await;
    assert_eq!(said(&ws.recv().await.unwrap().unwrap()), text("one"));
    drop(peer);
    assert!(ws.flush().await.is_ok(), "there was nothing to write");
    let _ = ws.send("three").await;
    assert!(ws.flush().await.is_err());
    assert_eq!(said(&ws.recv().await.unwrap().unwrap()), text("two"));
    assert!(ws.recv().await.unwrap().is_none());
    let code = CloseCode::NORMAL;
    assert_eq!(
        ws.end(),
        Some(End::Closed {
            code,
            by_peer: true
        })
    );
}

#[tokio::test(start_paused = true)]
async fn control_frames_are_shown_if_wanted() {
    for shows in [false, true] {
        let mut options = Options::default();
        options.show_control = shows;
        let (mut peer, mut ws) = pair(ROOM, &options);
        peer.say(&[Said::Ping, Said::Pong, text("x"), Said::Close(4000)])
            .await;
        let server = tokio::spawn(async move {
            let mut seen = Vec::new();
            while let Some(message) = ws.recv().await.unwrap() {
                seen.push(match message {
                    Message::Ping(data) => format!("ping {data:?}"),
                    Message::Pong(_) => "pong".into(),
                    Message::Text(text) => text.to_string(),
                    Message::Close { code, .. } => code.to_string(),
                    other => panic!("{other:?}"),
                });
            }
            seen
        });
        peer.hears(&[Said::Pong, Said::Close(4000), Said::Eof])
            .await;
        drop(peer);
        let expected: &[&str] = match shows {
            true => &["ping b\"p\"", "pong", "x", "4000"],
            false => &["x"],
        };
        assert_eq!(server.await.unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn prepared_messages_of_every_size() {
    let (mut peer, mut ws) = pair(1 << 22, &Options::default());
    for size in [0, 1, 1000, 16383, 16384, 100_000] {
        let prepared = Prepared::new(&vec![7; size]);
        ws.send("before").await.unwrap();
        ws.send(&prepared).await.unwrap();
        ws.send(prepared.clone()).await.unwrap();
        let prepared = data_said(prepared.data());
        peer.hears(&[text("before"), prepared.clone(), prepared])
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn pieces_are_handed_on() {
    let mut options = Options::default();
    options.config.settings.deliver = Deliver::Pieces;
    let (mut peer, mut ws) = pair(100, &options);
    let (mut far, mut other) = pair(1 << 20, &options);
    tokio::spawn(async move {
        while let Some(piece) = ws.recv().await.unwrap() {
            assert!(matches!(piece, Message::Piece(_)));
            other.send(piece).await.unwrap();
        }
    });
    let long = Said::Binary((0..100_000).map(|i| i as u8).collect());
    peer.say(&[text("short"), long.clone(), text("")]).await;
    assert_eq!(far.hear().await, text("short"));
    assert!(far.hear().await == long);
    assert_eq!(far.hear().await, text(""));
}

#[cfg(feature = "deflate")]
fn set_deliver(ws: &mut WebSocket<DuplexStream>, deliver: Deliver) {
    let mut settings = ws.settings();
    settings.deliver = deliver;
    ws.set_settings(settings);
}

/// The rest of a message comes in pieces although the next one shall not, and inflating may have more
/// although nothing is left to be read.
#[cfg(feature = "deflate")]
#[tokio::test(start_paused = true)]
async fn pieces_go_on_when_the_setting_changes() {
    for deliver in [Deliver::Pieces, Deliver::Complete, Deliver::InPlace] {
        let mut options = Options::default();
        options.config.settings.deliver = Deliver::Pieces;
        let deflate = Deflate::default();
        let agreed = deflate.accept([deflate.offer()]).unwrap();
        let (near, io) = duplex(ROOM);
        let server = Connection::server(options.config.settings);
        let server = server.with_deflate(&deflate, &agreed).unwrap();
        let mut ws = from_upgraded(near, server, &options, BytesMut::new());
        let mut peer = Peer::client(io);
        peer.ws = peer.ws.with_deflate(&deflate, &agreed).unwrap();

        // Some of these lengths end just where a step of inflating does.
        for len in 65_530..65_550 {
            let long = vec![7; len];
            peer.say(&[Said::Binary(long.clone())]).await;
            set_deliver(&mut ws, Deliver::Pieces);
            let (mut received, mut is_last) = (Vec::new(), false);
            while !is_last {
                let message = timeout(seconds(1), ws.recv()).await;
                match message.expect("the rest is there").unwrap() {
                    Some(Message::Piece(piece)) => {
                        received.extend_from_slice(piece.as_bytes());
                        is_last = piece.is_last();
                    }
                    other => panic!("{other:?}"),
                }
                set_deliver(&mut ws, deliver);
            }
            assert!(received == long, "{deliver:?}");
        }
    }
}

/// Room for no byte is room for one message at a time.
#[tokio::test(start_paused = true)]
async fn without_a_queue_one_message_is_written_at_a_time() {
    let mut options = Options::default();
    options.high_water = 0;
    let (mut peer, mut ws) = pair(100, &options);
    let server = tokio::spawn(async move {
        while let Some(message) = ws.recv().await.unwrap() {
            ws.send(message).await.unwrap();
        }
    });
    for said in [text("short"), text("long ".repeat(1000)), text("")] {
        assert_eq!(peer.exchange(&[Said::Ping, said.clone()]).await, Said::Pong);
        assert_eq!(peer.hear().await, said);
    }
    peer.say(&[Said::Close(1000)]).await;
    assert_eq!(peer.hear().await, Said::Close(1000));
    server.await.unwrap();
}

/// An attack: Pings without end, and nothing is read. What we hold for it is bounded.
#[tokio::test(start_paused = true)]
async fn pongs_that_nobody_reads_are_bounded() {
    let (mut peer, mut ws) = pair(100, &Options::default());
    let server = tokio::spawn(async move { ws.recv().await.unwrap_err().end().cloned() });
    let pings = peer.frames(&[const { Said::Ping }; 1000]);
    let mut said = 0;
    let mut writer = peer.writer;
    while let Ok(Ok(())) = timeout(
        seconds(20),
        tokio::io::AsyncWriteExt::write_all(&mut writer, &pings),
    )
    .await
    {
        said += pings.len();
        assert!(said < 1 << 20, "nobody stops it");
    }
    assert!(said > 60_000, "honest Pings are read: {said}");
    drop(writer);
    assert_eq!(server.await.unwrap(), Some(End::Expired(Expired::Write)));
}
