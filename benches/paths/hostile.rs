//! Compressed input, ordinary and hostile, each as a round of as many bytes.
//!
//! Invariant: a round has 128 bytes of input for each message that it counts as, with a deviation of
//! 2 % at most, so the figures of all paths are for the same number of bytes.

use crate::bits::Bits;
use crate::frame::frame;
use crate::shared::{BATCH, Round};
use crate::text::json;
use bytes::BytesMut;
use sansocket::{Connection, Deflate, Event, Extension, Input, Role, Settings};
use std::hint::black_box;

/// The input of a round, in bytes.
const ROUND: usize = 128 * BATCH;

/// The size of a frame's header: as a server sends it, without a mask, so that most of the input is
/// compressed data.
const HEADER: usize = 2;

/// The path of this name. `size` is that of an ordinary block or message before it is compressed, or
/// the window in bits; 0 for none of them.
pub(crate) fn round(path: &str, size: usize) -> Round {
    let wire = match path {
        "ordinary-blocks" => framed(0xc2, &ordinary_blocks(size, ROUND - 4)),
        "ordinary-messages" => ordinary_messages(size),
        "fragments-of-a-byte" => fragments(&ordinary_blocks(128, ROUND / (HEADER + 1))),
        "empty-fragments" => fragments(&[0; 1]),
        "stored-blocks" => message(Bits::stored),
        "fixed-blocks" => message(|bits| bits.fixed(false, |_| {})),
        "dynamic-blocks" => message(Bits::dynamic),
        "literals" => message(|bits| bits.fixed(false, Bits::literal)),
        "matches" => message(|bits| {
            bits.fixed(false, |bits| (0..10).for_each(|_| bits.far_match(true)));
        }),
        // As many as are accepted: one for each 64 bytes.
        "final-blocks" => message(|bits| {
            bits.fixed(true, |bits| bits.far_match(false));
            (0..12).for_each(|_| bits.stored());
        }),
        // Not compressed: the smallest frames, and those that are answered.
        "plain-messages" => repeated(&framed(0x82, &[])),
        "plain-fragments" => plain_fragments(),
        "pings" => repeated(&framed(0x89, &[])),
        "empty-messages" => repeated(&framed(0xc2, &[])),
        "messages" => repeated(&framed(0xc2, &[0])),
        "final-messages" => repeated(&framed(0xc2, &[3, 0, 0])),
        _ => panic!("no path has the name {path}"),
    };
    let deviation = wire.len().abs_diff(ROUND);
    assert!(deviation <= ROUND / 50, "{} bytes", wire.len());
    let window = (8..15).contains(&size).then_some(size);
    drain(opened(window), wire)
}

/// A client whose history is full.
fn opened(window: Option<usize>) -> Connection {
    let mut extension = extension();
    if let Some(bits) = window {
        let agreed = extension.param("server_max_window_bits", Some(&bits.to_string()));
        extension = agreed.expect("a token");
    }
    let ws = Connection::client(Settings::default(), [7; 32]);
    let agreed = ws.with_deflate(&Deflate::default(), &extension);
    let mut ws = agreed.expect("a response may say that");
    // A message of 64 KiB that all windows have forgotten the start of.
    let mut wire = BytesMut::new();
    peer().send(&json(64 << 10), &mut wire).expect("it is open");
    receive(&mut ws, &mut wire, &mut BytesMut::new());
    ws
}

#[inline(never)]
fn receive(ws: &mut Connection, read: &mut [u8], out: &mut BytesMut) {
    let mut input = Input(read);
    while let Some(event) = ws.receive(&mut input, out) {
        assert!(!matches!(event, Event::Failed(_)), "{event:?}");
        drop(black_box(event));
    }
}

fn drain(mut ws: Connection, mut read: Vec<u8>) -> Round {
    let mut out = BytesMut::new();
    Box::new(move || {
        receive(&mut ws, black_box(&mut read), &mut out);
        out.clear();
    })
}

fn extension() -> Extension {
    Extension::new("permessage-deflate").expect("a token")
}

/// The server that ordinary input comes from.
fn peer() -> Connection {
    let ws = Connection::server(Settings::default());
    let agreed = ws.with_deflate(&Deflate::default(), &extension());
    agreed.expect("a response may say that")
}

/// A frame with this payload.
fn framed(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = match payload.len() {
        len @ ..126 => vec![first, len as u8],
        len => vec![first, 126, (len >> 8) as u8, len as u8],
    };
    frame.extend(payload);
    frame
}

/// A message of fragments without data.
fn plain_fragments() -> Vec<u8> {
    let mut wire = framed(0x02, &[]);
    wire.extend(framed(0, &[]).repeat(ROUND / HEADER - 2));
    wire.extend(framed(0x80, &[]));
    wire
}

/// The same frame again and again.
fn repeated(frame: &[u8]) -> Vec<u8> {
    frame.repeat(ROUND / frame.len())
}

/// A message of the same blocks again and again, in one frame.
fn message(block: impl Fn(&mut Bits)) -> Vec<u8> {
    let mut bits = Bits::default();
    while bits.bytes.len() < ROUND - 64 {
        block(&mut bits);
    }
    bits.stored();
    // The last block is empty, and its end is left out.
    bits.bytes.truncate(bits.bytes.len() - 4);
    framed(0xc2, &bits.bytes)
}

/// A message in frames of a byte each, then empty ones for the rest of the round.
fn fragments(payload: &[u8]) -> Vec<u8> {
    let (last, others) = payload.split_last().expect("not empty");
    let mut wire = framed(0x42, &[]);
    for byte in others {
        wire.extend(framed(0, &[*byte]));
    }
    while wire.len() < ROUND - 4 {
        wire.extend(framed(0, &[]));
    }
    wire.extend(framed(0x80, &[*last]));
    wire
}

/// JSON, `size` bytes in a block, as an ordinary peer compresses it: `room` bytes of it.
fn ordinary_blocks(size: usize, room: usize) -> Vec<u8> {
    let (mut peer, text, mut payload) = (peer(), json(64 << 10), Vec::new());
    for part in text.as_bytes().chunks(size) {
        let (mut wire, part) = (BytesMut::new(), str::from_utf8(part).expect("ASCII"));
        peer.send_piece(part, false, &mut wire).expect("it is open");
        assert!(wire.len() < HEADER + 126, "a short header");
        payload.extend(&wire[HEADER..]);
        if payload.len() + 128 > room {
            break;
        }
    }
    payload.push(0);
    payload
}

/// As many ordinary messages of this size as there is room for. The rest is not compressed.
fn ordinary_messages(size: usize) -> Vec<u8> {
    let (mut peer, text, mut wire) = (peer(), json(64 << 10), BytesMut::new());
    for part in text.as_bytes().chunks(size) {
        if wire.len() + 128 > ROUND {
            break;
        }
        let part = str::from_utf8(part).expect("ASCII");
        peer.send(part, &mut wire).expect("it is open");
    }
    let rest = ROUND - HEADER - wire.len();
    [wire.to_vec(), frame(Role::Client, 0x82, rest)].concat()
}
