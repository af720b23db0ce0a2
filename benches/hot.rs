//! The hot paths, one at a time and so often: what `benches/instructions` counts.
//!
//!     cargo bench --bench hot -- NAME COUNT

use bytes::BytesMut;
use sansocket::{Config, Connection, Event, HandshakeConfig, Input, Role, ServerHandshake};
use std::hint::black_box;

/// So many messages lie in a read, and are answered by one write.
const BATCH: usize = 32;

const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
    Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
    Upgrade: websocket\r\nOrigin: http://example.com\r\nSec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, count, ..] = &words[..] else {
        return println!("hot: which path, and how often? benches/instructions knows them");
    };
    let count: usize = count.parse().expect("COUNT is a number");
    let (path, size) = name.rsplit_once('/').expect("NAME is PATH/SIZE");
    let size: usize = size.parse().expect("SIZE is a number");
    match path {
        "receive-server" => receive(Role::Server, 0x82, size, count, false),
        "receive-server-text" => receive(Role::Server, 0x81, size, count, false),
        "receive-client" => receive(Role::Client, 0x82, size, count, false),
        "echo-server" => receive(Role::Server, 0x82, size, count, true),
        "send-server" => send(Role::Server, size, count),
        "send-client" => send(Role::Client, size, count),
        "handshake" => handshake(count),
        _ => panic!("no path has the name {path}"),
    }
}

fn connection(role: Role) -> Connection {
    match role {
        Role::Server => Connection::server(&Config::default()),
        Role::Client => Connection::client(&Config::default(), [7; 32]),
    }
}

/// What the peer of this role sends.
fn frame(role: Role, first: u8, size: usize) -> Vec<u8> {
    let masked = if role == Role::Server { 0x80 } else { 0 };
    let mut frame = vec![first];
    match size {
        0..126 => frame.push(masked | size as u8),
        _ => frame.extend([masked | 126, (size >> 8) as u8, size as u8]),
    }
    if masked > 0 {
        frame.extend([0; 4]);
    }
    frame.resize(frame.len() + size, b'x');
    frame
}

fn receive(role: Role, first: u8, size: usize, count: usize, echo: bool) {
    let mut ws = connection(role);
    // The masking key is zero, so that it can be read again.
    let mut read = frame(role, first, size).repeat(BATCH);
    let mut out = BytesMut::with_capacity((size + 14) * BATCH);
    for _ in 0..count / BATCH {
        let mut input = Input::new(black_box(&mut read));
        while let Some(event) = ws.receive(&mut input, &mut out) {
            match event {
                Event::Binary(data) if echo => ws.send_binary(&data, &mut out).expect("it is open"),
                event => drop(black_box(event)),
            }
        }
        black_box(&mut out).clear();
    }
}

fn send(role: Role, size: usize, count: usize) {
    let mut ws = connection(role);
    let data = vec![b'x'; size];
    let mut out = BytesMut::with_capacity(size + 14);
    for _ in 0..count {
        let sent = ws.send_binary(black_box(&data), &mut out);
        sent.expect("it is open");
        black_box(&mut out).clear();
    }
}

fn handshake(count: usize) {
    let config = HandshakeConfig::default();
    let mut out = BytesMut::with_capacity(1 << 10);
    for _ in 0..count {
        let mut read = REQUEST.to_vec();
        let mut handshake = ServerHandshake::new(&config);
        let request = handshake.receive(&mut Input::new(&mut read), &mut out);
        let request = request.expect("it is good").expect("it is whole");
        black_box(request.accept().send(&mut out));
        black_box(&mut out).clear();
    }
}
