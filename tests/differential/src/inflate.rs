//! Compressed messages beside zlib in C.
//!
//! Invariant: the same messages, or both refuse one; then the connection is over.

use crate::sessions::mutate;
use crate::zlib::{Deflater, Inflater, TooBig};
use bytes::BytesMut;
use fastrand::Rng;
use sansocket::{Connection, Deflate, Event, Extension, Input, ProtocolError, Settings};

const MAX: usize = 1 << 20;

/// One connection with some messages. Returns how many were the same, and whether one was refused.
pub fn run(seed: u64, deflate: &Deflate) -> (usize, bool) {
    let mut random = Rng::with_seed(seed);
    let mut settings = Settings::default();
    settings.max_message_size = MAX as u64;
    let breaks = random.bool();
    // A smaller window forbids longer distances, which only a broken payload has.
    let window = if breaks { 15 } else { random.i32(9..=15) };
    let forgets = random.u8(0..4) == 0;
    let mut agreed = Extension::new(Deflate::NAME).expect("a token");
    for (name, value, is_there) in [
        (
            "server_max_window_bits",
            Some(window.to_string()),
            window < 15,
        ),
        ("server_no_context_takeover", None, forgets),
    ] {
        if is_there {
            agreed = agreed.param(name, value.as_deref()).expect("a token");
        }
    }
    let ws = Connection::client(settings, [7; 32]);
    let mut ws = ws.with_deflate(deflate, &agreed).expect("an answer");
    let mut sender = Deflater::new(random.i32(1..=9), window, random.bool());
    let mut zlib = Inflater::new();
    let mut same = 0;
    for _ in 0..random.u8(1..6) {
        let (len, most) = (1 << random.u8(0..13), [255, 20, 1][random.usize(0..3)]);
        let data: Vec<u8> = (0..random.usize(0..=len))
            .map(|_| random.u8(0..=most))
            .collect();
        if forgets {
            sender.forget();
            zlib.forget();
        }
        let mut payload = sender.message(&data, &mut random);
        if breaks && random.bool() {
            mutate(&mut random, &mut payload);
        } else if breaks && random.u8(0..8) == 0 {
            // Nothing that a sender made.
            payload = (0..random.u8(0..40)).map(|_| random.u8(..)).collect();
        }
        let mut wire = vec![0xc2, 127];
        wire.extend((payload.len() as u64).to_be_bytes());
        if payload.len() < 0x1_0000 {
            let start = wire.len() - 2;
            wire[1] = 126;
            wire.drain(2..start);
        }
        if payload.len() < 126 {
            wire = vec![0xc2, payload.len() as u8];
        }
        wire.extend(&payload);
        let expected = zlib.message(&payload, MAX);
        let (mut out, mut event) = (BytesMut::new(), None);
        let longest = if random.bool() { wire.len() } else { 40 };
        for piece in wire.chunks_mut(longest.max(1)) {
            let mut input = Input(piece);
            while let Some(next) = ws.receive(&mut input, &mut out) {
                assert!(event.is_none(), "one event");
                event = Some(next.into_owned());
            }
        }
        match (event, expected) {
            (Some(Event::Binary(message)), Some(Ok(expected))) if *message == *expected => {
                same += 1
            }
            (Some(Event::Failed(error)), expected) => {
                use ProtocolError as E;
                let is_same = match (error, &expected) {
                    (E::MessageTooBig { .. }, Some(Err(TooBig))) => true,
                    // Before the error there was more than a message may have.
                    (E::MessageTooBig { .. }, None) => true,
                    (E::CompressedDataInvalid | E::CompressedDataCut, None) => true,
                    _ => false,
                };
                assert!(
                    is_same,
                    "seed {seed}: {error:?}, but {expected:?} of {payload:02x?}"
                );
                return (same, true);
            }
            (event, expected) => {
                panic!("seed {seed}: {event:?}, but {expected:?} of {payload:02x?}")
            }
        }
    }
    (same, false)
}
