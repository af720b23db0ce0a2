//! What permessage-deflate allocates and holds (RFC 7692, section 7; RFC 6455, section 10.4).
//!
//! Invariant: nothing is held before the first compressed message, only the window between
//! messages, no more than what has arrived during a message, and nothing after the end.
//!
//! Each test counts the allocations of its own thread; what it counts is printed.

use crate::allocations::warm;
use crate::allocator::{allocations, held, live, peak};
use crate::support::deflate::*;
use crate::support::*;
use bytes::BytesMut;
use sansocket::{
    CloseCode, Connection, Deflate, Endpoint, Event, Input, ProtocolError, Role, Settings,
};
use std::time::Duration;

/// What an inflater holds, with its window, its tables and the room for one step of output.
const INFLATER: isize = 80 << 10;

/// What a connection holds for each direction that has been used, beside codec and window.
const STATE: isize = 128;

/// What a `Deflate` holds, without its idle states.
const SHARED: isize = 256;

/// What a compressor holds: the formula in zlib's manual, and the hash table.
const fn compressor(window_bits: u8, mem_level: u8) -> isize {
    (1 << (window_bits + 2)) + (1 << (mem_level + 9)) + (136 << 10)
}

/// The size of a window of this many bits, in bytes.
const fn window(window_bits: u8) -> isize {
    1 << window_bits
}

fn pooling(max_pooled: usize) -> Deflate {
    deflate(|c| c.max_pooled = max_pooled)
}

/// All terms that change the memory held.
const TERMS: [(u8, bool); 6] = [
    (8, false),
    (8, true),
    (12, false),
    (12, true),
    (15, false),
    (15, true),
];

/// Feeds bytes, hands each event to `take`, and returns their number.
fn feed_to(
    ws: &mut Connection,
    bytes: &mut [u8],
    out: &mut BytesMut,
    mut take: impl FnMut(Event<'_>),
) -> usize {
    let (mut input, mut events) = (Input(bytes), 0);
    while let Some(event) = ws.receive(&mut input, out) {
        take(event);
        events += 1;
    }
    events
}

/// Feeds valid bytes, drops the events, and returns their number.
fn feed(ws: &mut Connection, bytes: &[u8], out: &mut BytesMut) -> usize {
    let not_failed = |event: Event<'_>| assert!(!matches!(event, Event::Failed(_)), "{event:?}");
    feed_to(ws, &mut bytes.to_vec(), out, not_failed)
}

/// The payload of a message of `len` times the letter x, in the fewest bytes.
fn bomb(len: usize) -> Vec<u8> {
    let x = Token::Literal(b'x');
    let mut tokens = vec![x; len.min(1)];
    let mut rest = len.saturating_sub(1);
    while rest > 2 {
        let length = rest.min(258);
        let distance = 1;
        tokens.push(Token::Match {
            length: length as u16,
            distance,
        });
        rest -= length;
    }
    tokens.extend(vec![x; rest]);
    write_message(&[(Block::Dynamic(tokens), false)])
}

/// The payload of a message of bytes that do not shrink.
fn stored(len: usize) -> Vec<u8> {
    write_message(&[(Block::Stored(noise(len, len as u64)), false)])
}

/// Text that compresses like JSON.
fn text_of(len: usize) -> String {
    let mut random = Random(1);
    let mut text = String::new();
    while text.len() < len {
        text += ["\"id\":", "null,", "{\"value\":", "}]"][random.below(4)];
        text += &random.below(1_000).to_string();
    }
    text.truncate(len);
    text
}

/// Both ends of a connection, after a complete handshake.
fn opened(deflate: &Deflate) -> [Connection; 2] {
    let config = config(|c| c.deflate = Some(deflate.clone()));
    let (mut out, now) = (BytesMut::new(), Duration::ZERO);
    let client = Endpoint::client(&client_request(), &config, [5; 32], now, &mut out);
    let mut served = serve(&out, Cuts::AtOnce, &config);
    served.accept();
    let client = receive_response(client, &[served.out.to_vec()]);
    let both = [client.endpoint, served.endpoint].map(|end| end.into_connection().unwrap());
    assert!(both.iter().all(|ws| ws.has_deflate()));
    both
}

// ---- nothing before it is needed ----

#[test]
fn a_connection_that_has_not_compressed_yet_holds_nothing() {
    // Elsewhere each connection allocates two windows and their tables at its start.
    let (deflate, bytes) = held(Deflate::default);
    assert!((0..=SHARED).contains(&bytes), "{bytes} bytes shared");
    println!("a Deflate: {bytes} bytes");
    for mut ws in opened(&deflate) {
        let role = ws.role();
        let (result, bytes) = held(|| {
            let mut out = warm();
            let large = vec![b'x'; 100_000];
            for wire in [
                frame(role, 0x81, b"whole"),
                frame(role, 0x82, &large),
                frames(role, &[(1, b"a"), (0x89, b"ping"), (0x80, b"b")]),
                frame(role, 0x8a, b"pong"),
                // The header of a compressed message, or a part of it.
                frame_header(role, 0xc2, 16_000_000)[..1].to_vec(),
            ] {
                for byte in wire.chunks(5_000) {
                    feed(&mut ws, byte, &mut out);
                }
            }
            ws.send("short", &mut out)?;
            ws.send_ping(b"ping", &mut out)?;
            ws.settings().compress = false;
            ws.send(&large, &mut out)?;
            ws.send_piece("a", false, &mut out)?;
            ws.send_piece("b", true, &mut out)
        });
        assert_eq!((result, bytes), (Ok(()), 0), "{role:?}");
        assert_eq!(held(|| drop(ws)).1, 0, "{role:?}");
    }
    assert!(
        held(|| drop(deflate)).1 >= -SHARED,
        "nothing is in the pool"
    );
}

#[test]
fn agreeing_on_it_allocates_nothing() {
    let deflate = Deflate::default();
    for role in ROLES {
        for (bits, no_takeover) in TERMS {
            let agreed = Params::both_ways(bits, no_takeover).extension();
            let ws = connection(role, Settings::default());
            let (ws, count) = allocations(|| ws.with_deflate(&deflate, &agreed).unwrap());
            assert_eq!(count, 0);
            assert_eq!(allocations(|| drop(ws)).1, 0);
        }
    }
}

#[test]
fn a_compressed_message_without_data_holds_no_inflater() {
    for role in ROLES {
        let (deflate, mut out) = (Deflate::default(), warm());
        let params = Params::default();
        let mut ws = params.agreed(connection(role, Settings::default()), &deflate);
        let claim = frame_header(role, 0xc2, 16 << 20);
        let ((), bytes) = held(|| {
            feed(&mut ws, &frame(role, 0xc2, b""), &mut out);
            feed(&mut ws, &frame(role, 0x42, b""), &mut out);
            feed(&mut ws, &frame(role, 0x00, b"").repeat(100), &mut out);
            feed(&mut ws, &frame(role, 0x80, b""), &mut out);
            // An announced length is not data: elsewhere it was allocated at once.
            feed(&mut ws, &claim, &mut out);
        });
        assert!((0..=STATE).contains(&bytes), "{bytes} bytes");
    }
}

// ---- what is held between messages ----

/// What one end holds alone: what is freed when it is dropped.
fn held_by(ws: Connection) -> isize {
    -held(|| drop(ws)).1
}

#[test]
fn between_messages_a_receiver_holds_only_its_window() {
    for role in ROLES {
        for (bits, no_takeover) in TERMS {
            for max_pooled in [0, 1, 16] {
                let (deflate, mut out) = (pooling(max_pooled), warm());
                let params = Params::both_ways(bits, no_takeover);
                let new = || params.agreed(connection(role, Settings::default()), &deflate);
                for (lens, max) in [
                    (&[1][..], 1),
                    (&[100], 128),
                    (&[100, 0, 28], 128),
                    (&[5_000], 8_192),
                    (&[100; 1_000], isize::MAX),
                    (&[40_000, 1], isize::MAX),
                    (&[1 << 20], isize::MAX),
                ] {
                    let mut ws = new();
                    for &len in lens {
                        feed(&mut ws, &frame(role, 0xc2, &stored(len)), &mut out);
                        feed(&mut ws, &frame(role, 0x82, b"beside"), &mut out);
                    }
                    let max = match no_takeover {
                        true => STATE,
                        false => STATE + max.min(window(bits)),
                    };
                    let bytes = held_by(ws);
                    assert!(
                        (1..=max).contains(&bytes),
                        "{bytes} of {max}: {bits} {lens:?}"
                    );
                    if role == Role::Server && max_pooled == 16 && lens.len() == 1_000 {
                        println!("{bits} bits, takeover {}: {bytes}", !no_takeover);
                    }
                }
                // The shared states stay, at most `max_pooled`.
                let bytes = -held(|| drop(deflate)).1;
                let pooled = max_pooled.min(1) as isize;
                assert!(bytes <= SHARED + pooled * (INFLATER + 256), "{bytes} bytes");
                assert!(bytes >= pooled * (INFLATER / 2), "{bytes} bytes");
            }
        }
    }
}

#[test]
fn between_messages_a_sender_holds_a_compressor_or_nothing() {
    for role in ROLES {
        for (bits, no_takeover) in TERMS {
            for mem_level in [1, 8, 9] {
                let (deflate, mut out) = (deflate(|c| c.mem_level = mem_level), warm());
                let params = Params::both_ways(bits, no_takeover);
                let mut ws = params.agreed(connection(role, Settings::default()), &deflate);
                let text = text_of(100_000);
                ws.send(&text, &mut out).unwrap();
                ws.send_piece(&text[..], false, &mut out).unwrap();
                ws.send_piece("", true, &mut out).unwrap();
                ws.send(&noise(1_000, 1_000), &mut out).unwrap();
                let bytes = held_by(ws);
                let codec = compressor(bits.max(9), mem_level);
                match no_takeover {
                    true => assert!((1..=STATE).contains(&bytes), "{bytes} bytes"),
                    false => assert!(bytes <= codec + STATE, "{bytes} of {codec} bytes"),
                }
                if role == Role::Server {
                    println!(
                        "{bits} bits, {mem_level}, takeover {}: {bytes}",
                        !no_takeover
                    );
                }
                let bytes = -held(|| drop(deflate)).1;
                let pooled = if no_takeover { codec + 256 } else { 0 };
                assert!(bytes <= SHARED + pooled, "{bytes} bytes");
            }
        }
    }
}

// ---- nothing after the end ----

/// What a connection without permessage-deflate holds when it is over: how it ended.
fn ending() -> isize {
    let (mut ws, mut out) = (connection(Role::Server, Settings::default()), warm());
    ws.close(CloseCode::NORMAL, "", &mut out).unwrap();
    let bytes = held_by(ws);
    assert!((0..=64).contains(&bytes), "{bytes} bytes");
    bytes
}

#[test]
fn a_connection_that_is_over_holds_nothing_for_it() {
    // Elsewhere the codec stayed until a garbage collection, or for ever.
    let ending = ending();
    let text = text_of(50_000);
    for role in ROLES {
        for (bits, no_takeover) in TERMS {
            for unfinished in [false, true] {
                for end in [
                    "close",
                    "peer",
                    "protocol",
                    "data",
                    "too big",
                    "transport",
                    "drop",
                ] {
                    let settings = settings(|s| s.max_message_size = 100_000);
                    let before = live();
                    let (deflate, mut out) = (Deflate::default(), warm());
                    let ends_before = live();
                    let params = Params::both_ways(bits, no_takeover);
                    let mut ws = params.agreed(connection(role, settings), &deflate);
                    // Used in both directions, and perhaps in the middle of a message.
                    feed(&mut ws, &frame(role, 0xc2, &stored(50_000)), &mut out);
                    ws.send(&text, &mut out).unwrap();
                    if unfinished {
                        let bytes = stored(50_000);
                        feed(&mut ws, &frame(role, 0x42, &bytes[..40_000]), &mut out);
                        ws.send_piece(&text[..], false, &mut out).unwrap();
                    }
                    let first = if unfinished { 0x80 } else { 0xc2 };
                    let fails = |bytes: &[u8], ws: &mut Connection, out: &mut BytesMut| {
                        let mut bytes = bytes.to_vec();
                        let mut input = Input(&mut bytes);
                        let event = ws.receive(&mut input, out);
                        assert!(matches!(event, Some(Event::Failed(_))), "{event:?}");
                    };
                    match end {
                        "close" => {
                            ws.close(CloseCode::NORMAL, "", &mut out).unwrap();
                            feed(&mut ws, &frame(role, 0x88, b""), &mut out);
                        }
                        "peer" => {
                            feed(&mut ws, &frame(role, 0x88, b""), &mut out);
                        }
                        "protocol" => fails(&[0xff], &mut ws, &mut out),
                        "data" => {
                            fails(&frame(role, first, &stored(60_000)[1..]), &mut ws, &mut out)
                        }
                        "too big" => fails(&frame_header(role, first, 1 << 20), &mut ws, &mut out),
                        "transport" => ws.receive_eof(),
                        _ => {}
                    }
                    let bytes = held_by(ws);
                    if end != "drop" {
                        assert_eq!(bytes, ending, "{end} {bits} {no_takeover} {unfinished}");
                    }
                    // At most one of each kind is left in the pool.
                    let waits = live() - ends_before;
                    let codec = compressor(bits.max(9), 8);
                    assert!(waits <= INFLATER + codec + 512, "{waits} bytes");
                    drop((deflate, out));
                    assert_eq!(live(), before, "{end} {bits} {no_takeover} {unfinished}");
                }
            }
        }
    }
}

// ---- the pool ----

#[test]
fn the_pool_keeps_no_more_inflaters_than_it_may() {
    let bytes = stored(100);
    for role in ROLES {
        for (bits, no_takeover) in TERMS {
            for max_pooled in [0, 1, 16] {
                let start = live();
                let (deflate, mut out) = (pooling(max_pooled), warm());
                let params = Params::both_ways(bits, no_takeover);
                let mut connections = Vec::with_capacity(100);
                let before = live();
                for _ in 0..100 {
                    let ws = connection(role, Settings::default());
                    let mut ws = params.agreed(ws, &deflate);
                    feed(&mut ws, &frame(role, 0x42, &bytes[..50]), &mut out);
                    connections.push(ws);
                }
                let under_way = live() - before;
                let max = 100 * (INFLATER + STATE + 128);
                assert!(under_way <= max, "{under_way} of {max} bytes");
                assert!(under_way >= max / 2, "each has one");
                for ws in &mut connections {
                    assert_eq!(feed(ws, &frame(role, 0x80, &bytes[50..]), &mut out), 1);
                }
                let waiting = max_pooled as isize * (INFLATER + 64);
                let over = live() - before;
                let max = waiting + 100 * (STATE + 128);
                assert!(over <= max, "{over} of {max} bytes");
                connections.clear();
                let left = live() - before;
                assert!((waiting / 2..=waiting).contains(&left), "{left} bytes");
                drop((connections, deflate, out));
                assert_eq!(live(), start);
            }
        }
    }
}

#[test]
fn the_pool_keeps_no_more_compressors_than_it_may() {
    let text = text_of(1_000);
    for role in ROLES {
        for (bits, no_takeover) in [(8, true), (15, true), (15, false)] {
            for max_pooled in [0, 1, 16] {
                let start = live();
                let (deflate, mut out) = (pooling(max_pooled), warm());
                let params = Params::both_ways(bits, no_takeover);
                let codec = compressor(bits.max(9), 8);
                let mut connections = Vec::with_capacity(100);
                let before = live();
                for _ in 0..100 {
                    let ws = connection(role, Settings::default());
                    let mut ws = params.agreed(ws, &deflate);
                    ws.send_piece(&text[..], false, &mut out).unwrap();
                    connections.push(ws);
                }
                let under_way = live() - before;
                assert!(under_way <= 100 * (codec + STATE), "{under_way} bytes");
                for ws in &mut connections {
                    ws.send_piece(&text[..], true, &mut out).unwrap();
                }
                let over = live() - before;
                let waiting = match no_takeover {
                    true => max_pooled as isize * (codec + 64),
                    false => 0,
                };
                if no_takeover {
                    let max = waiting + 100 * STATE;
                    assert!(over <= max, "{over} of {max} bytes");
                } else {
                    assert_eq!(over, under_way, "each goes on with its own");
                }
                connections.clear();
                let left = live() - before;
                assert!((waiting / 2..=waiting).contains(&left), "{left} bytes");
                drop((connections, deflate, out));
                assert_eq!(live(), start);
            }
        }
    }
}

#[test]
fn the_connection_that_gives_back_decides_how_many_may_wait() {
    // Clones share the pool, but each has settings of its own.
    let (text, bytes) = (text_of(1_000), stored(100));
    let params = Params::both_ways(15, true);
    let (original, mut out) = (pooling(0), warm());
    let one = INFLATER + 64 + compressor(15, 8) + 64;
    let before = live();
    for (max_pooled, waiting) in [(0, 0), (1, 1), (0, 0), (3, 3), (2, 2), (16, 10), (1, 1)] {
        let mut deflate = original.clone();
        deflate.max_pooled = max_pooled;
        let mut connections: Vec<_> = (0..10)
            .map(|_| params.agreed(Connection::server(Settings::default()), &deflate))
            .collect();
        for ws in &mut connections {
            feed(ws, &frame(Role::Server, 0x42, &bytes[..50]), &mut out);
            ws.send_piece(&text, false, &mut out).unwrap();
        }
        for ws in &mut connections {
            assert_eq!(
                feed(ws, &frame(Role::Server, 0x80, &bytes[50..]), &mut out),
                1
            );
            ws.send_piece(&text, true, &mut out).unwrap();
        }
        out.clear();
        drop((connections, deflate));
        let left = live() - before;
        let possible = waiting * one / 2..=waiting * one + SHARED;
        assert!(possible.contains(&left), "{left} bytes: {max_pooled}");
    }
}

#[test]
fn without_takeover_many_connections_share_one_of_each() {
    // One connection after the other uses the state that the last one gave back.
    let (deflate, mut out) = (Deflate::default(), warm());
    let params = Params::both_ways(15, true);
    let text = text_of(2_000);
    let mut connections = Vec::with_capacity(1_000);
    let ((), bytes) = held(|| {
        for _ in 0..1_000 {
            let mut ws = params.agreed(Connection::server(Settings::default()), &deflate);
            feed(
                &mut ws,
                &frame(Role::Server, 0xc2, &stored(2_000)),
                &mut out,
            );
            out.clear();
            ws.send(&text, &mut out).unwrap();
            connections.push(ws);
        }
    });
    let max = INFLATER + compressor(15, 8) + 512 + 1_000 * 2 * STATE;
    println!("1,000 connections without takeover: {bytes} bytes");
    assert!(bytes <= max, "{bytes} of {max} bytes");
}

// ---- a steady stream ----

#[test]
fn a_received_message_is_one_allocation_of_its_own_size() {
    for role in ROLES {
        for (bits, no_takeover) in TERMS {
            let (deflate, mut out) = (Deflate::default(), warm());
            let params = Params::both_ways(bits, no_takeover);
            let mut ws = params.agreed(connection(role, Settings::default()), &deflate);
            // The window is full, and the inflater exists.
            feed(&mut ws, &frame(role, 0xc2, &stored(40_000)), &mut out);
            for len in [0, 1, 100, 125, 1_000, 4_096, 16_000, 16_383, 16_384] {
                for (first, payload) in [(0xc1, bomb(len)), (0xc2, bomb(len)), (0xc2, stored(len))]
                {
                    if payload.len() > 16 << 10 {
                        continue; // it is unmasked and inflated in two steps
                    }
                    let mut wire = frame(role, first, &payload);
                    let mut kept = None;
                    let before = live();
                    let (events, count) = allocations(|| {
                        feed_to(&mut ws, &mut wire, &mut out, |event| {
                            kept = Some(event.into_owned())
                        })
                    });
                    assert_eq!((events, count), (1, usize::from(len > 0)), "{len} {bits}");
                    assert_eq!(live() - before, len as isize, "exactly the message");
                    let size = match kept {
                        Some(Event::Text(text)) => text.len(),
                        Some(Event::Binary(data)) => data.len(),
                        other => panic!("{other:?}"),
                    };
                    assert_eq!(size, len);
                    assert_eq!(live(), before);
                }
            }
        }
    }
}

#[test]
fn a_large_received_message_is_a_few_allocations() {
    for (bits, no_takeover) in TERMS {
        let (deflate, mut out) = (Deflate::default(), warm());
        let params = Params::both_ways(bits, no_takeover);
        let mut ws = params.agreed(Connection::server(Settings::default()), &deflate);
        feed(
            &mut ws,
            &frame(Role::Server, 0xc2, &stored(40_000)),
            &mut out,
        );
        for len in [40_000, 100_000, 1 << 20] {
            for (payload, read_len) in [(bomb(len), 100), (stored(len), 1_000), (stored(len), 7)] {
                let mut wire = frame(Role::Server, 0xc2, &payload);
                let before = live();
                let ((events, most), count) = allocations(|| {
                    let (mut events, mut most) = (0, 0);
                    for read in wire.chunks_mut(read_len) {
                        events += feed_to(&mut ws, read, &mut out, |_| {});
                        most = most.max(live() - before);
                    }
                    (events, most)
                });
                assert_eq!(events, 1);
                assert!(
                    count <= 21,
                    "{count} allocations for {len}: twice as much each time, and the rest given back"
                );
                assert!(
                    most <= 2 * len as isize + INFLATER,
                    "{most} bytes for {len}"
                );
                assert_eq!(live(), before);
            }
        }
    }
}

#[test]
fn sending_into_a_warm_output_allocates_nothing() {
    let (text, data) = (text_of(40_000), noise(40_000, 40_000));
    for role in ROLES {
        for (bits, no_takeover) in TERMS {
            let (deflate, mut out) = (deflate(|c| c.min_size = 0), warm());
            let params = Params::both_ways(bits, no_takeover);
            let mut ws = params.agreed(connection(role, Settings::default()), &deflate);
            ws.send(&text, &mut out).unwrap(); // makes the compressor
            for len in [0, 1, 100, 1_000, 16_384, 40_000] {
                let (result, count) = allocations(|| {
                    for _ in 0..2 {
                        out.clear();
                        ws.send(&text[..len], &mut out)?;
                        ws.send(&data[..len], &mut out)?;
                        ws.send_piece(&text[..len], false, &mut out)?;
                        ws.send_ping(&data[..100], &mut out)?;
                        ws.send_piece(&text[..len], false, &mut out)?;
                        ws.send_piece("", true, &mut out)?;
                    }
                    Ok::<(), sansocket::SendError>(())
                });
                assert_eq!((result, count), (Ok(()), 0), "{len} {bits} {no_takeover}");
            }
        }
    }
}

#[test]
fn blocks_and_fragments_without_data_cost_nothing() {
    let settings = settings(|s| s.max_fragments = u32::MAX);
    for role in ROLES {
        let (deflate, mut out) = (Deflate::default(), warm());
        let params = Params::default();
        let mut ws = params.agreed(connection(role, settings), &deflate);
        feed(&mut ws, &frame(role, 0xc2, &stored(40_000)), &mut out);
        feed(&mut ws, &frame(role, 0x42, &unhex("000000ffff")), &mut out);
        // A final block for each 64 bytes is accepted.
        let empty = unhex("000000ffff").repeat(13);
        let thousand = frames(
            role,
            &[
                (0, &empty),
                (0, b""),
                (0, &unhex("0300")),
                (0, &unhex("02000000ffff")),
                (0, &empty),
                (0, &unhex("010000ffff")),
            ],
        );
        let thousand = thousand.repeat(1_000);
        let mut read = thousand.clone();
        let ((), count) = allocations(|| {
            for _ in 0..3 {
                read.copy_from_slice(&thousand);
                assert_eq!(feed_to(&mut ws, &mut read, &mut out, |_| {}), 0);
            }
        });
        assert_eq!(count, 0);
    }
}

// ---- bombs ----

#[test]
fn a_bomb_never_holds_more_than_the_limit_and_a_constant() {
    // Elsewhere everything was inflated before it was checked.
    let bomb = bomb(64 << 20);
    assert!((64 << 20) / bomb.len() > 1_000);
    let (mut most_fresh, mut most_used) = (0, 0);
    for limit in [0, 1, 1_000, 16_384, 65_536, 100_000, 1 << 20] {
        let settings = settings(|s| s.max_message_size = limit as u64);
        for max_pooled in [0, 16] {
            for (role, first) in [(Role::Server, 0xc1), (Role::Client, 0xc2)] {
                for is_used in [false, true] {
                    if is_used && limit < 40_000 {
                        continue; // filling the window exceeds the limit
                    }
                    // In one frame, in fragments, byte by byte; as much of it as the limit allows.
                    let enough = &bomb[..bomb.len().min(limit + limit / 8 + 64)];
                    let one = frame(role, first, enough);
                    let few = (0..enough.len()).step_by(1_000).flat_map(|at| {
                        let part = &enough[at..enough.len().min(at + 1_000)];
                        frame(role, if at == 0 { first & 0x7f } else { 0 }, part)
                    });
                    let few: Vec<u8> = few.collect();
                    for (wire, read_len) in [
                        (&one, usize::MAX),
                        (&one, 1),
                        (&few, usize::MAX),
                        (&few, 100),
                    ] {
                        let (deflate, mut out) = (pooling(max_pooled), warm());
                        let params = Params::default();
                        let mut wire = wire.clone();
                        let ws = connection(role, settings);
                        let mut ws = params.agreed(ws, &deflate);
                        let before = live();
                        if is_used {
                            feed(&mut ws, &frame(role, 0xc2, &stored(40_000)), &mut out);
                        }
                        let between = live() - before;
                        let mut failed = None;
                        let ((), peak) = peak(|| {
                            for read in wire.chunks_mut(read_len) {
                                feed_to(&mut ws, read, &mut out, |event| {
                                    failed = Some(event.into_owned());
                                });
                                if failed.is_some() {
                                    break;
                                }
                            }
                        });
                        let Some(Event::Failed(ProtocolError::MessageTooBig { len, max })) = failed
                        else {
                            panic!("{failed:?} at {limit} of {}", wire.len());
                        };
                        assert_eq!(max, limit as u64);
                        assert!((max + 1..=64 << 20).contains(&len), "{len} of {limit}");
                        // The window of the messages before is held as well.
                        let history = if is_used { window(15) } else { 0 };
                        let constant = INFLATER + 2 * STATE + history;
                        let over = between + peak - limit as isize;
                        assert!(over <= constant, "{over} bytes above {limit}");
                        let most = if is_used {
                            &mut most_used
                        } else {
                            &mut most_fresh
                        };
                        *most = over.max(*most);
                    }
                }
            }
        }
    }
    println!("above the limit: {most_fresh} bytes, {most_used} with a window");
}

#[test]
fn a_message_of_the_limit_never_holds_more_than_it_and_a_constant() {
    let mut most = 0;
    for limit in [1_000, 16_384, 65_536, 100_000, 1 << 20] {
        let settings = settings(|s| s.max_message_size = limit as u64);
        for (bits, no_takeover) in TERMS {
            for (role, first, payload) in [
                (Role::Server, 0xc1, bomb(limit)),
                (Role::Client, 0xc2, bomb(limit)),
                (Role::Server, 0xc2, stored(limit)),
            ] {
                for read_len in [usize::MAX, 100] {
                    let mut wire = frame(role, first, &payload);
                    let (deflate, mut out) = (Deflate::default(), warm());
                    let params = Params::both_ways(bits, no_takeover);
                    let mut ws = params.agreed(connection(role, settings), &deflate);
                    let (events, peak) = peak(|| {
                        let reads = wire.chunks_mut(read_len);
                        reads
                            .map(|read| feed_to(&mut ws, read, &mut out, |_| {}))
                            .sum::<usize>()
                    });
                    assert_eq!(events, 1);
                    let history = if no_takeover { 0 } else { window(bits) };
                    let over = peak - limit as isize;
                    assert!(
                        over <= INFLATER + 256 + history,
                        "{over} bytes above {limit}"
                    );
                    most = over.max(most);
                }
            }
        }
    }
    println!("above the message: {most} bytes");
}

#[test]
fn a_few_bytes_hold_an_inflater_and_what_they_inflate_to() {
    // What a peer can make a server hold with one small frame.
    for role in ROLES {
        let (deflate, mut out) = (pooling(0), warm());
        let params = Params::default();
        let mut connections = Vec::with_capacity(100);
        for payload in [&unhex("00")[..], &bomb(100)[..10], &stored(1_000)[..100]] {
            let wire = frame(role, 0x42, payload);
            let ((), bytes) = held(|| {
                for _ in 0..100 {
                    let mut ws = params.agreed(connection(role, Settings::default()), &deflate);
                    feed(&mut ws, &wire, &mut out);
                    connections.push(ws);
                }
            });
            assert!(bytes <= 100 * (INFLATER + STATE + 128), "{bytes} bytes");
            println!("a message begun: {} bytes", bytes / 100);
            connections.clear();
        }
    }
}
