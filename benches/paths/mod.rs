//! The hot paths of a connection, each as a round of messages, to be counted or timed.
//!
//! Invariant: a round leaves everything as it found it, so that the next one is the same.

use crate::frame::frame;
use crate::shared::{BATCH, Round};
use crate::text::json;
use bytes::BytesMut;
use sansocket::{Connection, Deflate, Event, Extension, Input, Prepared, Role, Settings};
use std::hint::black_box;

/// The path of this name, with messages of `size` bytes.
pub(crate) fn round(path: &str, size: usize) -> Round {
    match path {
        "receive-server" => receive(Role::Server, 0x82, size, false),
        "receive-server-text" => receive(Role::Server, 0x81, size, false),
        "receive-client" => receive(Role::Client, 0x82, size, false),
        "echo-server" => receive(Role::Server, 0x82, size, true),
        "send-server" => send(Role::Server, size),
        "send-client" => send(Role::Client, size),
        "deflate-receive" => deflate_receive(size),
        "deflate-send" => deflate_send(size),
        "send-prepared" => send_prepared(size),
        "share-prepared" => share_prepared(size),
        _ => panic!("no path has the name {path}"),
    }
}

fn connection(role: Role) -> Connection {
    match role {
        Role::Server => Connection::server(Settings::default()),
        Role::Client => Connection::client(Settings::default(), [7; 32]),
    }
}

fn receive(role: Role, first: u8, size: usize, echo: bool) -> Round {
    let read = frame(role, first, size).repeat(BATCH);
    drain(connection(role), read, echo)
}

/// Receives what one read has brought.
fn drain(mut ws: Connection, mut read: Vec<u8>, echo: bool) -> Round {
    let mut out = BytesMut::with_capacity(read.len());
    Box::new(move || {
        let mut input = Input(black_box(&mut read));
        while let Some(event) = ws.receive(&mut input, &mut out) {
            match event {
                Event::Binary(data) if echo => ws.send(&data, &mut out).expect("it is open"),
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
            let sent = ws.send(black_box(&data), &mut out);
            sent.expect("it is open");
            black_box(&mut out).clear();
        }
    })
}

fn deflated(role: Role) -> Connection {
    let agreed = Extension::new("permessage-deflate").expect("a token");
    connection(role)
        .with_deflate(&Deflate::default(), &agreed)
        .expect("a response may say that")
}

/// As a client: what comes in is not masked, and can be read again.
fn deflate_receive(size: usize) -> Round {
    let (mut peer, mut read) = (deflated(Role::Server), BytesMut::new());
    for _ in 0..BATCH {
        let sent = peer.send(&json(size), &mut read);
        sent.expect("it is open");
    }
    drain(deflated(Role::Client), read.to_vec(), false)
}

fn deflate_send(size: usize) -> Round {
    let (mut ws, text) = (deflated(Role::Server), json(size));
    let mut out = BytesMut::with_capacity(size);
    Box::new(move || {
        for _ in 0..BATCH {
            let sent = ws.send(black_box(&text), &mut out);
            sent.expect("it is open");
            black_box(&mut out).clear();
        }
    })
}

fn send_prepared(size: usize) -> Round {
    let (mut ws, prepared) = (connection(Role::Server), Prepared::new(&json(size)));
    let mut out = BytesMut::with_capacity(size + 14);
    Box::new(move || {
        for _ in 0..BATCH {
            let sent = ws.send(black_box(&prepared), &mut out);
            sent.expect("it is open");
            black_box(&mut out).clear();
        }
    })
}

fn share_prepared(size: usize) -> Round {
    let (mut ws, prepared) = (connection(Role::Server), Prepared::new(&json(size)));
    Box::new(move || {
        for _ in 0..BATCH {
            black_box(ws.share(black_box(&prepared))).expect("it is open");
        }
    })
}
