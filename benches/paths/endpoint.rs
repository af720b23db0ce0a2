//! The hot paths of an endpoint, each as a round of messages.
//!
//! Invariant: a round leaves everything as it found it, so that the next one is the same.

use crate::frame::frame;
use crate::shared::{BATCH, Round};
use bytes::BytesMut;
use sansocket::{Config, Endpoint, Event, Input, Role, Tick};
use std::hint::black_box;
use std::time::Duration;

const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
    Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
    Upgrade: websocket\r\nOrigin: http://example.com\r\nSec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The path of this name, with messages of `size` bytes.
pub(crate) fn round(path: &str, size: usize) -> Round {
    match path {
        "handshake" => handshake(),
        "endpoint-echo-server" => echo(size, BATCH),
        "endpoint-turn-server" => echo(size, 1),
        "tick" => tick(),
        _ => panic!("no path has the name {path}"),
    }
}

/// What an echo server does with what it has read.
#[inline(never)]
fn receive(ws: &mut Endpoint, read: &mut [u8], now: Duration, out: &mut BytesMut) {
    let mut input = Input(read);
    while let Some(event) = ws.receive(&mut input, now, out) {
        let sent = match event {
            Event::Request(request) => ws.accept(request, out),
            Event::Text(text) => ws.send(&text, out),
            Event::Binary(data) => ws.send(&data, out),
            event => panic!("{event:?}"),
        };
        sent.expect("it is open");
    }
}

/// Nothing is due.
fn wait(tick: Tick) {
    assert!(matches!(black_box(tick), Tick::Wait(_)));
}

/// The response stays in `out`.
fn opened(config: &Config, now: Duration, out: &mut BytesMut) -> Endpoint {
    let mut ws = Endpoint::server(config, now);
    receive(&mut ws, &mut REQUEST.to_vec(), now, out);
    assert!(ws.is_open());
    ws
}

fn handshake() -> Round {
    let config = Config::default();
    let mut out = BytesMut::with_capacity(1 << 10);
    Box::new(move || {
        for _ in 0..BATCH {
            black_box(opened(&config, Duration::ZERO, &mut out));
            black_box(&mut out).clear();
        }
    })
}

/// The response is written.
fn endpoint(now: Duration) -> Endpoint {
    let mut out = BytesMut::new();
    let mut ws = opened(&Config::default(), now, &mut out);
    wait(ws.tick(now, &mut out));
    ws.wrote(out.len(), now, &mut out);
    ws
}

/// An adapter's turns: read `per_read` messages, echo each, tick, write all of the output.
fn echo(size: usize, per_read: usize) -> Round {
    let mut now = Duration::from_secs(1);
    let mut ws = endpoint(now);
    let mut read = frame(Role::Server, 0x82, size).repeat(per_read);
    let mut out = BytesMut::with_capacity(read.len());
    Box::new(move || {
        for _ in 0..BATCH / per_read {
            now += Duration::from_micros(100);
            receive(&mut ws, black_box(&mut read), now, &mut out);
            wait(ws.tick(now, &mut out));
            ws.wrote(black_box(out.len()), now, &mut out);
        }
    })
}

/// One after another, with nothing due.
fn tick() -> Round {
    let mut now = Duration::from_secs(1);
    let mut ws = endpoint(now);
    let mut out = BytesMut::new();
    Box::new(move || {
        for _ in 0..BATCH {
            now += Duration::from_micros(1);
            wait(ws.tick(black_box(now), &mut out));
        }
    })
}
