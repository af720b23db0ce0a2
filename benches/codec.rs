//! The time of each hot path, and of one message to many receivers; always the time of one message.
//!
//! Invariant: making a prepared message is part of the time of sending it.
//!
//!     cargo bench -p sansocket-benches --bench codec -- NAME --save-baseline before

mod paths;
#[path = "paths/shared.rs"]
mod shared;

use bytes::{Buf, Bytes, BytesMut};
use criterion::{Criterion, criterion_group, criterion_main};
use sansocket::{Connection, Deflate, Event, Input, Prepared, Settings};
use shared::BATCH;
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

const PATHS: &[(&str, &[usize])] = &[
    ("receive-server", &[16, 125, 1 << 10, 16 << 10]),
    ("receive-server-text", &[16, 125, 1 << 10, 16 << 10]),
    ("receive-client", &[125, 16 << 10]),
    ("echo-server", &[16, 125, 1 << 10, 16 << 10]),
    ("send-server", &[16, 125, 1 << 10, 16 << 10]),
    ("send-client", &[16, 125, 1 << 10, 16 << 10]),
    ("deflate-receive", &[1 << 10, 16 << 10]),
    ("deflate-send", &[1 << 10, 16 << 10]),
    ("send-prepared", &[125, 1 << 10]),
    ("share-prepared", &[125, 1 << 10]),
];

const RECEIVERS: usize = 10_000;

/// The time of `rounds` rounds, divided by the number of messages in each.
fn time(rounds: u64, messages: usize, mut round: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..rounds {
        round();
    }
    start.elapsed() / messages as u32
}

fn hot_paths(criterion: &mut Criterion) {
    for (path, sizes) in PATHS {
        for size in *sizes {
            criterion.bench_function(&format!("{path}/{size}"), |bencher| {
                let mut round = paths::round(path, *size);
                bencher.iter_custom(|rounds| time(rounds, BATCH, &mut round));
            });
        }
    }
}

fn server(deflate: Option<&Deflate>) -> Connection {
    let ws = Connection::server(Settings::default());
    match deflate {
        Some(deflate) => paths::with_deflate(ws, deflate, &["server_no_context_takeover"]),
        None => ws,
    }
}

/// One message to each of [`RECEIVERS`] connections, in each way that there is.
fn broadcast(criterion: &mut Criterion) {
    for (kind, deflate) in [("plain", None), ("deflate", Some(Deflate::default()))] {
        for size in [128, 1 << 10, 16 << 10] {
            let text = paths::json(size);
            let mut room: Vec<_> = (0..RECEIVERS).map(|_| server(deflate.as_ref())).collect();
            let mut out = BytesMut::with_capacity(2 * size + 64);
            let mut frames: Vec<Bytes> = Vec::with_capacity(RECEIVERS);
            for way in ["send", "send_prepared", "share"] {
                let mut round = || {
                    let prepared = Prepared::new(&text);
                    for ws in &mut room {
                        let sent = match way {
                            "send" => ws.send(&text, &mut out),
                            "send_prepared" => ws.send(&prepared, &mut out),
                            _ => ws.share(&prepared).map(|frame| frames.push(frame)),
                        };
                        sent.expect("it is open");
                        // As if it were written: the next one finds the same warm buffer.
                        black_box(&mut out).clear();
                    }
                    black_box(&mut frames).clear();
                };
                criterion.bench_function(&format!("broadcast-{kind}/{size}/{way}"), |bencher| {
                    bencher.iter_custom(|rounds| time(rounds, RECEIVERS, &mut round));
                });
            }
        }
    }
}

/// A binary message as a server sends it.
fn sent(size: usize) -> BytesMut {
    let mut out = BytesMut::new();
    let sent = server(None).send(&vec![b'x'; size], &mut out);
    sent.expect("it is open");
    out
}

/// A binary message that the application keeps: copied out of the read buffer, or a view of it. Each
/// round reads a frame into the buffer, as a transport does; four messages are kept at a time, so the
/// buffer of a view cannot be used again at once.
fn owned(criterion: &mut Criterion) {
    for size in [125, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10] {
        let frame = sent(size);
        for way in ["copy", "view"] {
            let mut ws = Connection::client(Settings::default(), [7; 32]);
            let (mut read, mut out) = (BytesMut::new(), BytesMut::new());
            let mut kept = VecDeque::new();
            let mut round = || {
                read.reserve(frame.len().max(64 << 10));
                read.extend_from_slice(black_box(&frame));
                let payload = if way == "copy" {
                    let mut input = Input(&mut read);
                    let Some(Event::Binary(data)) = ws.receive(&mut input, &mut out) else {
                        panic!("it is a message");
                    };
                    let payload = Bytes::copy_from_slice(&data);
                    read.clear();
                    payload
                } else {
                    let header_len = frame.len() - size;
                    read.advance(header_len);
                    read.split_to(size).freeze()
                };
                kept.push_back(payload);
                if kept.len() > 4 {
                    kept.pop_front();
                }
            };
            criterion.bench_function(&format!("owned/{size}/{way}"), |bencher| {
                bencher.iter_custom(|rounds| time(rounds, 1, &mut round));
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = hot_paths, broadcast, owned
}
criterion_main!(benches);
