//! The hot paths, each as a round of messages, to be counted or timed. Its law: a round leaves all as
//! it was, so that the next one is the same.

use bytes::BytesMut;
use sansocket::{
    Config, Connection, Deflate, DeflateParams, Event, HandshakeConfig, Input, Prepared, Role,
    ServerHandshake,
};
use std::fmt::Write;
use std::hint::black_box;

/// A round has so many messages: they lie in one read.
pub(crate) const BATCH: usize = 32;

/// One round.
pub(crate) type Round = Box<dyn FnMut()>;

const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
    Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
    Upgrade: websocket\r\nOrigin: http://example.com\r\nSec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The path of this name, with messages of `size` octets.
pub(crate) fn round(path: &str, size: usize) -> Round {
    match path {
        "receive-server" => receive(Role::Server, 0x82, size, false),
        "receive-server-text" => receive(Role::Server, 0x81, size, false),
        "receive-client" => receive(Role::Client, 0x82, size, false),
        "echo-server" => receive(Role::Server, 0x82, size, true),
        "send-server" => send(Role::Server, size),
        "send-client" => send(Role::Client, size),
        "handshake" => handshake(),
        "deflate-receive" => deflate_receive(size),
        "deflate-send" => deflate_send(size),
        "send-prepared" => send_prepared(size),
        "share-prepared" => share_prepared(size),
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

fn receive(role: Role, first: u8, size: usize, echo: bool) -> Round {
    // The masking key is zero, so that it can be read again.
    drain(
        connection(role),
        frame(role, first, size).repeat(BATCH),
        echo,
    )
}

/// Receives what lies in `read`.
fn drain(mut ws: Connection, mut read: Vec<u8>, echo: bool) -> Round {
    let mut out = BytesMut::with_capacity(read.len());
    Box::new(move || {
        let mut input = Input::new(black_box(&mut read));
        while let Some(event) = ws.receive(&mut input, &mut out) {
            match event {
                Event::Binary(data) if echo => ws.send_binary(&data, &mut out).expect("it is open"),
                event => drop(black_box(event)),
            }
        }
        black_box(&mut out).clear();
    })
}

fn send(role: Role, size: usize) -> Round {
    let mut ws = connection(role);
    let data = vec![b'x'; size];
    let mut out = BytesMut::with_capacity(size + 14);
    Box::new(move || {
        for _ in 0..BATCH {
            let sent = ws.send_binary(black_box(&data), &mut out);
            sent.expect("it is open");
            black_box(&mut out).clear();
        }
    })
}

fn handshake() -> Round {
    let config = HandshakeConfig::default();
    let mut out = BytesMut::with_capacity(1 << 10);
    Box::new(move || {
        for _ in 0..BATCH {
            let mut read = REQUEST.to_vec();
            let mut handshake = ServerHandshake::new(&config);
            let request = handshake.receive(&mut Input::new(&mut read), &mut out);
            let request = request.expect("it is good").expect("it is whole");
            black_box(request.accept().send(&mut out));
            black_box(&mut out).clear();
        }
    })
}

/// Text that compresses as what applications send does.
pub(crate) fn json(size: usize) -> String {
    let mut text = String::from("[");
    let mut number = 1_u32;
    while text.len() < size {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let _ = write!(text, r#"{{"id":{number},"price":{}}},"#, number >> 20);
    }
    text.truncate(size);
    text
}

fn deflated(role: Role) -> Connection {
    connection(role).with_deflate(&Deflate::default(), &DeflateParams::default())
}

/// As a client: what comes in is not masked, and can be read again.
fn deflate_receive(size: usize) -> Round {
    let (mut peer, mut read) = (deflated(Role::Server), BytesMut::new());
    for _ in 0..BATCH {
        let sent = peer.send_text(&json(size), &mut read);
        sent.expect("it is open");
    }
    drain(deflated(Role::Client), read.to_vec(), false)
}

fn deflate_send(size: usize) -> Round {
    let (mut ws, text) = (deflated(Role::Server), json(size));
    let mut out = BytesMut::with_capacity(size);
    Box::new(move || {
        for _ in 0..BATCH {
            let sent = ws.send_text(black_box(&text), &mut out);
            sent.expect("it is open");
            black_box(&mut out).clear();
        }
    })
}

fn send_prepared(size: usize) -> Round {
    let (mut ws, prepared) = (connection(Role::Server), Prepared::text(&json(size)));
    let mut out = BytesMut::with_capacity(size + 14);
    Box::new(move || {
        for _ in 0..BATCH {
            let sent = ws.send_prepared(black_box(&prepared), &mut out);
            sent.expect("it is open");
            black_box(&mut out).clear();
        }
    })
}

fn share_prepared(size: usize) -> Round {
    let (mut ws, prepared) = (connection(Role::Server), Prepared::text(&json(size)));
    Box::new(move || {
        for _ in 0..BATCH {
            black_box(ws.share_prepared(black_box(&prepared))).expect("it is open");
        }
    })
}
