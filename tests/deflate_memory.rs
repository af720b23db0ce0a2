//! What permessage-deflate allocates and holds (RFC 7692, section 7; RFC 6455, section 10.4). The
//! law: nothing before the first compressed message, only the window between messages, what has
//! come in and no more while one is under way, and nothing at all behind the end.
//! Each test counts the allocations of its own thread; what it counts is printed.

#[path = "support/allocator.rs"]
mod allocator;
mod support;

use allocator::{allocations, held, live, peak};
use bytes::BytesMut;
use sansocket::{
    ClientHandshake, CloseCode, Config, Connection, Deflate, DeflateConfig, DeflateParams, Event,
    HandshakeConfig, Input, ProtocolError, Role, WindowBits,
};
use support::deflate::*;
use support::*;

/// What an inflater holds, with its window, its tables and the room for one step of output.
const INFLATER: isize = 80 << 10;

/// What a connection holds for each direction that has been used, beside codec and window.
const STATE: isize = 128;

/// What a `Deflate` holds, without the states that wait in it.
const SHARED: isize = 256;

/// What a compressor holds: what zlib says of its own, and the table of hashes.
const fn compressor(window_bits: u8, mem_level: u8) -> isize {
    (1 << (window_bits + 2)) + (1 << (mem_level + 9)) + (136 << 10)
}

const fn window(window_bits: u8) -> isize {
    1 << window_bits
}

fn deflate(change: impl FnOnce(&mut DeflateConfig)) -> Deflate {
    let mut config = DeflateConfig::default();
    change(&mut config);
    Deflate::new(config)
}

fn pooling(max_pooled: usize) -> Deflate {
    deflate(|c| c.max_pooled = max_pooled)
}

/// The same for both directions.
fn both_ways(window_bits: u8, no_context_takeover: bool) -> DeflateParams {
    DeflateParams {
        server_no_context_takeover: no_context_takeover,
        client_no_context_takeover: no_context_takeover,
        server_max_window_bits: WindowBits::new(window_bits),
        client_max_window_bits: WindowBits::new(window_bits),
    }
}

/// All terms that make a difference.
const TERMS: [(u8, bool); 6] = [
    (8, false),
    (8, true),
    (12, false),
    (12, true),
    (15, false),
    (15, true),
];

/// Feeds octets, hands each event to `take`, and returns how many there were.
fn feed_to(
    ws: &mut Connection,
    octets: &mut [u8],
    out: &mut BytesMut,
    mut take: impl FnMut(Event<'_>),
) -> usize {
    let (mut input, mut events) = (Input::new(octets), 0);
    while let Some(event) = ws.receive(&mut input, out) {
        take(event);
        events += 1;
    }
    events
}

/// Feeds octets which nothing is wrong with, and drops the events.
fn feed(ws: &mut Connection, octets: &[u8], out: &mut BytesMut) -> usize {
    let not_failed = |event: Event<'_>| assert!(!matches!(event, Event::Failed(_)), "{event:?}");
    feed_to(ws, &mut octets.to_vec(), out, not_failed)
}

/// An output that has been used before.
fn warm() -> BytesMut {
    BytesMut::with_capacity(4 << 20)
}

/// The payload of a message of so many times the letter x, in as few octets as can be.
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

/// The payload of a message of octets that do not shrink.
fn stored(len: usize) -> Vec<u8> {
    write_message(&[(Block::Stored(noise(len)), false)])
}

fn noise(len: usize) -> Vec<u8> {
    let mut random = Random(len as u64);
    (0..len).map(|_| random.below(256) as u8).collect()
}

/// Text that shrinks as JSON does.
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

/// Both ends of a connection, after a whole handshake.
fn opened(deflate: &Deflate) -> [Connection; 2] {
    let mut config = HandshakeConfig::default();
    config.deflate = Some(deflate.clone());
    let mut out = BytesMut::new();
    let mut client = ClientHandshake::with_seed(&client_request(), &config, [5; 32], &mut out);
    let served = serve(&out.split(), Cuts::Whole, &config);
    let server = served.request().accept().send(&mut out);
    let mut octets = out.split();
    let opened = client.receive(&mut Input::new(&mut octets), &mut out);
    let client = opened.unwrap().unwrap().connection;
    assert!(client.has_deflate() && server.has_deflate());
    [client, server]
}

// ---- nothing before it is needed ----

#[test]
fn a_connection_that_has_not_compressed_yet_holds_nothing() {
    // Elsewhere each connection has two windows and the tables from its beginning.
    let (deflate, octets) = held(Deflate::default);
    assert!((0..=SHARED).contains(&octets), "{octets} octets shared");
    println!("a Deflate: {octets} octets");
    for mut ws in opened(&deflate) {
        let role = ws.role();
        let (result, octets) = held(|| {
            let mut out = warm();
            let large = vec![b'x'; 100_000];
            for wire in [
                frame(role, 0x81, b"whole"),
                frame(role, 0x82, &large),
                frames(role, &[(1, b"a"), (0x89, b"ping"), (0x80, b"b")]),
                frame(role, 0x8a, b"pong"),
                // Of a compressed message the header, or a part of it.
                frame_header(role, 0xc2, 16_000_000)[..1].to_vec(),
            ] {
                for octet in wire.chunks(5_000) {
                    feed(&mut ws, octet, &mut out);
                }
            }
            ws.send_text("short", &mut out)?;
            ws.send_ping(b"ping", &mut out)?;
            ws.set_compression(false);
            ws.send_binary(&large, &mut out)?;
            ws.send_first_fragment("a", &mut out)?;
            ws.send_last_fragment("b", &mut out)
        });
        assert_eq!((result, octets), (Ok(()), 0), "{role:?}");
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
            let params = both_ways(bits, no_takeover);
            let new = || connection(role, &Config::default()).with_deflate(&deflate, &params);
            let (ws, count) = allocations(new);
            assert_eq!(count, 0);
            assert_eq!(allocations(|| drop(ws)).1, 0);
        }
    }
}

#[test]
fn a_compressed_message_without_data_holds_no_inflater() {
    for role in ROLES {
        let (deflate, mut out) = (Deflate::default(), warm());
        let params = DeflateParams::default();
        let mut ws = connection(role, &Config::default()).with_deflate(&deflate, &params);
        let claim = frame_header(role, 0xc2, 16 << 20);
        let ((), octets) = held(|| {
            feed(&mut ws, &frame(role, 0xc2, b""), &mut out);
            feed(&mut ws, &frame(role, 0x42, b""), &mut out);
            feed(&mut ws, &frame(role, 0x00, b"").repeat(100), &mut out);
            feed(&mut ws, &frame(role, 0x80, b""), &mut out);
            // A claim is no data: elsewhere the room for it was made at once.
            feed(&mut ws, &claim, &mut out);
        });
        assert!((0..=STATE).contains(&octets), "{octets} octets");
    }
}

// ---- what is held between messages ----

/// What one end holds by itself: what it gives back when it goes.
fn held_by(ws: Connection) -> isize {
    -held(|| drop(ws)).1
}

#[test]
fn between_messages_a_receiver_holds_its_window_and_no_more() {
    for role in ROLES {
        for (bits, no_takeover) in TERMS {
            for max_pooled in [0, 1, 16] {
                let (deflate, mut out) = (pooling(max_pooled), warm());
                let params = both_ways(bits, no_takeover);
                let new = || connection(role, &Config::default()).with_deflate(&deflate, &params);
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
                    let octets = held_by(ws);
                    assert!(
                        (1..=max).contains(&octets),
                        "{octets} of {max}: {bits} {lens:?}"
                    );
                    if role == Role::Server && max_pooled == 16 && lens.len() == 1_000 {
                        println!("{bits} bits, takeover {}: {octets}", !no_takeover);
                    }
                }
                // What is shared stays, as many as may wait.
                let octets = -held(|| drop(deflate)).1;
                let pooled = max_pooled.min(1) as isize;
                assert!(
                    octets <= SHARED + pooled * (INFLATER + 256),
                    "{octets} octets"
                );
                assert!(octets >= pooled * (INFLATER / 2), "{octets} octets");
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
                let params = both_ways(bits, no_takeover);
                let mut ws = connection(role, &Config::default()).with_deflate(&deflate, &params);
                let text = text_of(100_000);
                ws.send_text(&text, &mut out).unwrap();
                ws.send_first_fragment(&text[..], &mut out).unwrap();
                ws.send_last_fragment("", &mut out).unwrap();
                ws.send_binary(&noise(1_000), &mut out).unwrap();
                let octets = held_by(ws);
                let codec = compressor(bits.max(9), mem_level);
                match no_takeover {
                    true => assert!((1..=STATE).contains(&octets), "{octets} octets"),
                    false => assert!(octets <= codec + STATE, "{octets} of {codec} octets"),
                }
                if role == Role::Server {
                    println!(
                        "{bits} bits, {mem_level}, takeover {}: {octets}",
                        !no_takeover
                    );
                }
                let octets = -held(|| drop(deflate)).1;
                let pooled = if no_takeover { codec + 256 } else { 0 };
                assert!(octets <= SHARED + pooled, "{octets} octets");
            }
        }
    }
}

// ---- nothing behind the end ----

#[test]
fn a_connection_that_is_over_holds_nothing() {
    // Elsewhere the codec stayed until the garbage collector came, or for ever.
    let text = text_of(50_000);
    for role in ROLES {
        for (bits, no_takeover) in TERMS {
            for begun in [false, true] {
                for end in [
                    "close",
                    "peer",
                    "protocol",
                    "data",
                    "too big",
                    "transport",
                    "drop",
                ] {
                    let mut config = Config::default();
                    config.max_message_size = 100_000;
                    let before = live();
                    let (deflate, mut out) = (Deflate::default(), warm());
                    let ends_before = live();
                    let params = both_ways(bits, no_takeover);
                    let mut ws = connection(role, &config).with_deflate(&deflate, &params);
                    // Used in both directions, and perhaps in the middle of a message.
                    feed(&mut ws, &frame(role, 0xc2, &stored(50_000)), &mut out);
                    ws.send_text(&text, &mut out).unwrap();
                    if begun {
                        let octets = stored(50_000);
                        feed(&mut ws, &frame(role, 0x42, &octets[..40_000]), &mut out);
                        ws.send_first_fragment(&text[..], &mut out).unwrap();
                    }
                    let first = if begun { 0x80 } else { 0xc2 };
                    let fails = |octets: &[u8], ws: &mut Connection, out: &mut BytesMut| {
                        let mut octets = octets.to_vec();
                        let mut input = Input::new(&mut octets);
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
                        "transport" => assert!(ws.receive_eof().is_err()),
                        _ => {}
                    }
                    let octets = held_by(ws);
                    if end != "drop" {
                        assert_eq!(octets, 0, "{end} {bits} {no_takeover} {begun}");
                    }
                    // At most one of each kind is left, and waits for others.
                    let waits = live() - ends_before;
                    let codec = compressor(bits.max(9), 8);
                    assert!(waits <= INFLATER + codec + 512, "{waits} octets");
                    drop((deflate, out));
                    assert_eq!(live(), before, "{end} {bits} {no_takeover} {begun}");
                }
            }
        }
    }
}

// ---- the pool ----

#[test]
fn the_pool_keeps_no_more_inflaters_than_it_may() {
    let octets = stored(100);
    for role in ROLES {
        for (bits, no_takeover) in TERMS {
            for max_pooled in [0, 1, 16] {
                let start = live();
                let (deflate, mut out) = (pooling(max_pooled), warm());
                let params = both_ways(bits, no_takeover);
                let mut connections = Vec::with_capacity(100);
                let before = live();
                for _ in 0..100 {
                    let ws = connection(role, &Config::default());
                    let mut ws = ws.with_deflate(&deflate, &params);
                    feed(&mut ws, &frame(role, 0x42, &octets[..50]), &mut out);
                    connections.push(ws);
                }
                let under_way = live() - before;
                let max = 100 * (INFLATER + STATE + 128);
                assert!(under_way <= max, "{under_way} of {max} octets");
                assert!(under_way >= max / 2, "each has one");
                for ws in &mut connections {
                    assert_eq!(feed(ws, &frame(role, 0x80, &octets[50..]), &mut out), 1);
                }
                let waiting = max_pooled as isize * (INFLATER + 64);
                let over = live() - before;
                let max = waiting + 100 * (STATE + 128);
                assert!(over <= max, "{over} of {max} octets");
                connections.clear();
                let left = live() - before;
                assert!((waiting / 2..=waiting).contains(&left), "{left} octets");
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
                let params = both_ways(bits, no_takeover);
                let codec = compressor(bits.max(9), 8);
                let mut connections = Vec::with_capacity(100);
                let before = live();
                for _ in 0..100 {
                    let ws = connection(role, &Config::default());
                    let mut ws = ws.with_deflate(&deflate, &params);
                    ws.send_first_fragment(&text[..], &mut out).unwrap();
                    connections.push(ws);
                }
                let under_way = live() - before;
                assert!(under_way <= 100 * (codec + STATE), "{under_way} octets");
                for ws in &mut connections {
                    ws.send_last_fragment(&text[..], &mut out).unwrap();
                }
                let over = live() - before;
                let waiting = match no_takeover {
                    true => max_pooled as isize * (codec + 64),
                    false => 0,
                };
                if no_takeover {
                    let max = waiting + 100 * STATE;
                    assert!(over <= max, "{over} of {max} octets");
                } else {
                    assert_eq!(over, under_way, "each goes on with its own");
                }
                connections.clear();
                let left = live() - before;
                assert!((waiting / 2..=waiting).contains(&left), "{left} octets");
                drop((connections, deflate, out));
                assert_eq!(live(), start);
            }
        }
    }
}

#[test]
fn without_takeover_many_connections_share_one_of_each() {
    // One after the other: what one has given back the next one takes.
    let (deflate, mut out) = (Deflate::default(), warm());
    let params = both_ways(15, true);
    let text = text_of(2_000);
    let mut connections = Vec::with_capacity(1_000);
    let ((), octets) = held(|| {
        for _ in 0..1_000 {
            let mut ws = Connection::server(&Config::default()).with_deflate(&deflate, &params);
            feed(
                &mut ws,
                &frame(Role::Server, 0xc2, &stored(2_000)),
                &mut out,
            );
            out.clear();
            ws.send_text(&text, &mut out).unwrap();
            connections.push(ws);
        }
    });
    let max = INFLATER + compressor(15, 8) + 512 + 1_000 * 2 * STATE;
    println!("1,000 connections without takeover: {octets} octets");
    assert!(octets <= max, "{octets} of {max} octets");
}

// ---- a steady stream ----

#[test]
fn a_received_message_is_one_allocation_of_its_own_size() {
    for role in ROLES {
        for (bits, no_takeover) in TERMS {
            let (deflate, mut out) = (Deflate::default(), warm());
            let params = both_ways(bits, no_takeover);
            let mut ws = connection(role, &Config::default()).with_deflate(&deflate, &params);
            // The window is full, and the inflater is there.
            feed(&mut ws, &frame(role, 0xc2, &stored(40_000)), &mut out);
            for len in [0, 1, 100, 125, 1_000, 4_096, 16_000, 16_383, 16_384] {
                for (first, payload) in [(0xc1, bomb(len)), (0xc2, bomb(len)), (0xc2, stored(len))]
                {
                    if payload.len() > 16 << 10 {
                        continue; // it is unmasked, and then inflated, in two steps
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
        let params = both_ways(bits, no_takeover);
        let mut ws = Connection::server(&Config::default()).with_deflate(&deflate, &params);
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
                    count <= 20,
                    "{count} allocations for {len}: twice as much each time"
                );
                assert!(
                    most <= 2 * len as isize + INFLATER,
                    "{most} octets for {len}"
                );
                assert_eq!(live(), before);
            }
        }
    }
}

#[test]
fn sending_into_a_warm_output_allocates_nothing() {
    let (text, data) = (text_of(40_000), noise(40_000));
    for role in ROLES {
        for (bits, no_takeover) in TERMS {
            let (deflate, mut out) = (deflate(|c| c.min_size = 0), warm());
            let params = both_ways(bits, no_takeover);
            let mut ws = connection(role, &Config::default()).with_deflate(&deflate, &params);
            ws.send_text(&text, &mut out).unwrap(); // the compressor is there
            for len in [0, 1, 100, 1_000, 16_384, 40_000] {
                let (result, count) = allocations(|| {
                    for _ in 0..2 {
                        out.clear();
                        ws.send_text(&text[..len], &mut out)?;
                        ws.send_binary(&data[..len], &mut out)?;
                        ws.send_first_fragment(&text[..len], &mut out)?;
                        ws.send_ping(&data[..100], &mut out)?;
                        ws.send_next_fragment(&text[..len], &mut out)?;
                        ws.send_last_fragment("", &mut out)?;
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
    let mut config = Config::default();
    config.max_fragments = u32::MAX;
    for role in ROLES {
        let (deflate, mut out) = (Deflate::default(), warm());
        let params = DeflateParams::default();
        let mut ws = connection(role, &config).with_deflate(&deflate, &params);
        feed(&mut ws, &frame(role, 0xc2, &stored(40_000)), &mut out);
        feed(&mut ws, &frame(role, 0x42, &unhex("000000ffff")), &mut out);
        let thousand = frames(
            role,
            &[
                (0, &unhex("000000ffff")),
                (0, b""),
                (0, &unhex("0300")),
                (0, &unhex("02000000ffff")),
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
    // Elsewhere all was inflated first, and then looked at.
    let bomb = bomb(64 << 20);
    assert!((64 << 20) / bomb.len() > 1_000);
    let (mut most_fresh, mut most_used) = (0, 0);
    for limit in [0, 1, 1_000, 16_384, 65_536, 100_000, 1 << 20] {
        let mut config = Config::default();
        config.max_message_size = limit;
        for max_pooled in [0, 16] {
            for (role, first) in [(Role::Server, 0xc1), (Role::Client, 0xc2)] {
                for is_used in [false, true] {
                    if is_used && limit < 40_000 {
                        continue; // as much as fills the window is too much
                    }
                    // One frame, fragments, dribbled; as much of it as there is room for.
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
                        let params = DeflateParams::default();
                        let mut wire = wire.clone();
                        let ws = connection(role, &config);
                        let mut ws = ws.with_deflate(&deflate, &params);
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
                        let too_big = Event::Failed(ProtocolError::MessageTooBig);
                        assert_eq!(failed, Some(too_big), "{limit} {}", wire.len());
                        // The window of the messages before is held besides.
                        let history = if is_used { window(15) } else { 0 };
                        let constant = INFLATER + 2 * STATE + history;
                        let over = between + peak - limit as isize;
                        assert!(over <= constant, "{over} octets above {limit}");
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
    println!("above the limit: {most_fresh} octets, {most_used} with a window");
}

#[test]
fn a_message_of_the_limit_never_holds_more_than_it_and_a_constant() {
    let mut most = 0;
    for limit in [1_000, 16_384, 65_536, 100_000, 1 << 20] {
        let mut config = Config::default();
        config.max_message_size = limit;
        for (bits, no_takeover) in TERMS {
            for (role, first, payload) in [
                (Role::Server, 0xc1, bomb(limit)),
                (Role::Client, 0xc2, bomb(limit)),
                (Role::Server, 0xc2, stored(limit)),
            ] {
                for read_len in [usize::MAX, 100] {
                    let mut wire = frame(role, first, &payload);
                    let (deflate, mut out) = (Deflate::default(), warm());
                    let params = both_ways(bits, no_takeover);
                    let mut ws = connection(role, &config).with_deflate(&deflate, &params);
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
                        "{over} octets above {limit}"
                    );
                    most = over.max(most);
                }
            }
        }
    }
    println!("above the message: {most} octets");
}

#[test]
fn a_few_octets_hold_an_inflater_and_what_they_inflate_to() {
    // What a peer can make a server hold with one small frame.
    for role in ROLES {
        let (deflate, mut out) = (pooling(0), warm());
        let params = DeflateParams::default();
        let mut connections = Vec::with_capacity(100);
        for payload in [&unhex("00")[..], &bomb(100)[..10], &stored(1_000)[..100]] {
            let wire = frame(role, 0x42, payload);
            let ((), octets) = held(|| {
                for _ in 0..100 {
                    let mut ws =
                        connection(role, &Config::default()).with_deflate(&deflate, &params);
                    feed(&mut ws, &wire, &mut out);
                    connections.push(ws);
                }
            });
            assert!(octets <= 100 * (INFLATER + STATE + 128), "{octets} octets");
            println!("a message begun: {} octets", octets / 100);
            connections.clear();
        }
    }
}
