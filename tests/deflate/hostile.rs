//! permessage-deflate (RFC 7692) in use and under attack.
//!
//! Invariant: what a peer's bytes inflate to is bounded and judged while it comes in, a stream
//! that is not complete is never delivered, and neither side ever loses step with the other's
//! window.
//!
//! Each test says what went wrong elsewhere. Streams are written and read by hand, see
//! `support/deflate.rs`; what memory it takes is in `deflate_memory.rs`.

use crate::support::deflate::*;
use crate::support::*;
use bytes::BytesMut;
use sansocket::{
    CloseCode, Config, Deflate, End, Endpoint, Event, Extension, HandshakeError, OriginPolicy,
    Prepared, ProtocolError, Role, SendError, Settings, SetupError,
};
use std::time::Duration;

// ---- what the tests are made of ----

/// Settings with this limit.
fn at_most(max_message_size: usize) -> Settings {
    settings(|s| s.max_message_size = max_message_size as u64)
}

/// A connection that has agreed on this.
fn agreed(role: Role, settings: Settings, deflate: &Deflate, params: &Params) -> Run {
    Run::of(params.agreed(connection(role, settings), deflate))
}

/// One with the defaults.
fn plain(role: Role) -> Run {
    limited(role, Settings::default())
}

fn limited(role: Role, settings: Settings) -> Run {
    Run::of(with_deflate(connection(role, settings)))
}

/// Takes what a connection has written.
fn taken(run: &mut Run) -> Vec<(u8, Vec<u8>)> {
    let bytes = run.out.split();
    raw_frames(&bytes, run.ws.role())
}

/// The code of the Close frame that a connection has written, its only one and its last frame.
fn close_code(run: &Run) -> Option<u16> {
    let frames = raw_frames(&run.out, run.ws.role());
    let closes: Vec<_> = frames.iter().filter(|(first, _)| *first == 0x88).collect();
    assert_eq!((closes.len(), closes[0]), (1, frames.last().unwrap()));
    let code = closes[0].1.first_chunk()?;
    Some(u16::from_be_bytes(*code))
}

/// A message of such a type that inflates to these bytes.
fn message(first: u8, bytes: &[u8]) -> Event<'static> {
    match first & 0x0f {
        1 => text(str::from_utf8(bytes).unwrap()),
        _ => binary(bytes),
    }
}

fn failed(error: ProtocolError) -> [Event<'static>; 1] {
    [Event::Failed(error)]
}

/// Asserts that the failure is the last that came out of it, with the Close frame for it.
fn has_failed(run: &mut Run, error: ProtocolError, code: u16) {
    assert_eq!(run.events.last(), Some(&Event::Failed(error)));
    assert_eq!(close_code(run), Some(code));
    assert!(!run.ws.is_open());
    assert!(!run.ws.has_deflate());
    assert_eq!(run.eof(), End::Failed(error));
}

/// The failure of a message of more than `max` bytes, which is said to have at most `len`.
fn too_big(run: &Run, max: usize, len: usize) -> ProtocolError {
    let Some(Event::Failed(error)) = run.events.last() else {
        panic!("{:?} is no failure", run.events.last());
    };
    let ProtocolError::MessageTooBig {
        len: said,
        max: limit,
    } = *error
    else {
        panic!("{error:?} instead of a message that is too big");
    };
    assert_eq!(limit, max as u64);
    let possible = limit + 1..=len as u64;
    assert!(possible.contains(&said), "{said} is not in {possible:?}");
    *error
}

/// Asserts that nothing came out of it but that failure.
fn is_too_big(run: &mut Run, max: usize, len: usize) {
    let error = too_big(run, max, len);
    assert_eq!(run.events.len(), 1);
    has_failed(run, error, 1009);
}

/// The event, so many times.
fn times(count: usize, event: impl Fn() -> Event<'static>) -> Vec<Event<'static>> {
    (0..count).map(|_| event()).collect()
}

fn literals(bytes: &[u8]) -> Vec<Token> {
    bytes.iter().map(|&byte| Token::Literal(byte)).collect()
}

const fn back(distance: u16) -> Token {
    Token::Match {
        length: 3,
        distance,
    }
}

/// The payload of one block.
fn payload(block: Block) -> Vec<u8> {
    write_message(&[(block, false)])
}

fn fixed(tokens: &[Token]) -> Vec<u8> {
    payload(Block::Fixed(tokens.to_vec()))
}

/// `len` times the letter x in as few bytes as can be: each 258 of them take 2 bits.
fn bomb_tokens(len: usize) -> Vec<Token> {
    let x = Token::Literal(b'x');
    let Some(rest) = len.checked_sub(1) else {
        return Vec::new();
    };
    let long = Token::Match {
        length: 258,
        distance: 1,
    };
    let mut tokens = vec![x];
    tokens.extend(vec![long; rest / 258]);
    match rest % 258 {
        few @ 0..3 => tokens.extend(vec![x; few]),
        length => tokens.push(Token::Match {
            length: length as u16,
            distance: 1,
        }),
    }
    tokens
}

fn bomb(len: usize) -> Vec<u8> {
    payload(Block::Dynamic(bomb_tokens(len)))
}

/// The payload in fragments of `len` bytes, the last one with FIN if `fin`.
fn fragmented(role: Role, first: u8, payload: &[u8], len: usize, fin: bool) -> Vec<u8> {
    let pieces: Vec<_> = payload.chunks(len).collect();
    let mut wire = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let last = fin && index + 1 == pieces.len();
        let opcode = if index == 0 { first & 0x7f } else { 0 };
        wire.extend(frame(role, opcode | u8::from(last) << 7, piece));
    }
    wire
}

/// Bytes that do not shrink.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    (0..len).map(|_| random.below(256) as u8).collect()
}

/// Bytes as applications send them: words that come again, near and far.
fn words(len: usize, seed: u64) -> Vec<u8> {
    const WORDS: [&str; 6] = [
        "\"user\":",
        "null",
        "{\"position\":[",
        "]},",
        "message",
        "€ ",
    ];
    let mut random = Random(seed);
    let mut bytes = Vec::new();
    while bytes.len() < len {
        match random.below(8) {
            0 => bytes.extend(random.below(1 << 20).to_string().bytes()),
            1 => bytes.extend(vec![b'='; random.below(300)]),
            n => bytes.extend(WORDS[n - 2].bytes()),
        }
    }
    bytes.truncate(len);
    bytes
}

// ---- bombs and limits (RFC 6455, section 10.4) ----

#[test]
fn a_bomb_fails_at_the_limit_and_no_later() {
    // Elsewhere the limit was one of compressed bytes, or was looked at when all was inflated.
    let limit = 1 << 20;
    let settings = at_most(limit);
    let bomb = bomb(16 << 20);
    assert!((16 << 20) / bomb.len() > 1_000);
    let enough = limit / 1_000 + 100;
    for role in ROLES {
        for first in [0xc1, 0xc2] {
            let mut wires = vec![frame(role, first, &bomb)];
            for len in [1, 100, 1_000, 5_000] {
                wires.push(fragmented(role, first, &bomb, len, true));
            }
            for wire in wires {
                let said = [Cuts::Whole, Cuts::Random(1), Cuts::Random(2)].map(|cuts| {
                    let mut run = limited(role, settings);
                    run.feed_cut(&wire, cuts);
                    is_too_big(&mut run, limit, 16 << 20);
                    run.events
                });
                assert!(
                    said.iter().all(|events| *events == said[0]),
                    "whatever the cuts"
                );
            }
            // Its end is not waited for: neither that of the frame nor that of the message.
            let begun = frame(role, first, &bomb);
            let header = begun.len() - bomb.len();
            for wire in [
                begun[..header + enough].to_vec(),
                fragmented(role, first, &bomb[..enough], 7, false),
                fragmented(role, first, &bomb[..enough], 1, false),
            ] {
                for cuts in [Cuts::Whole, Cuts::Bytes, Cuts::Random(2)] {
                    let mut run = limited(role, settings);
                    run.feed_cut(&wire, cuts);
                    is_too_big(&mut run, limit, 16 << 20);
                }
            }
        }
    }
}

#[test]
fn a_bomb_in_one_fragment_after_an_honest_one_fails() {
    // Elsewhere each fragment had all of the limit.
    let settings = at_most(1_000);
    for role in ROLES {
        let honest = payload(Block::Stored(vec![b'x'; 900]));
        let wire = frames(
            role,
            &[
                (0x42, &honest[..]),
                (0, &TAIL),
                (0, &bomb(100)),
                (0, &TAIL),
                (0, &bomb(1)),
            ],
        );
        for cuts in Cuts::ALL {
            let mut run = limited(role, settings);
            run.feed_cut(&wire, cuts);
            is_too_big(&mut run, 1_000, 1_001);
        }
    }
}

/// What a payload ends with that goes on: it is left out of the last one only.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Payloads that inflate to `len` times the letter x, of each kind of block.
fn of_each_kind(len: usize) -> Vec<Vec<u8>> {
    let x = vec![b'x'; len];
    let (half, rest) = x.split_at(len / 2);
    vec![
        payload(Block::Stored(x.clone())),
        fixed(&literals(&x)),
        fixed(&bomb_tokens(len)),
        bomb(len),
        write_message(&[
            (Block::Fixed(bomb_tokens(half.len())), true),
            (Block::Dynamic(Vec::new()), true),
            (Block::Stored(rest.to_vec()), true),
        ]),
    ]
}

#[test]
fn a_message_may_inflate_to_max_message_size() {
    // The inflater works in steps: the limit may be met in one, at the end of one, or after it.
    let steps = [16_383, 16_384, 16_385, 32_767, 32_768, 32_769, 65_536];
    for limit in [0, 1, 5, 125, 126]
        .into_iter()
        .chain(steps)
        .chain([1 << 20])
    {
        let settings = at_most(limit);
        let exact = of_each_kind(limit);
        let over = [of_each_kind(limit + 1), of_each_kind(limit + 200)].concat();
        let kinds = exact.len();
        for (index, payload) in exact.iter().chain(&over).enumerate() {
            let len = limit + [0, 1, 200][index / kinds];
            for (role, first) in [
                (Role::Server, 0xc1),
                (Role::Client, 0xc2),
                (Role::Client, 0xc1),
            ] {
                let few = payload.len() / 3 + 1;
                for wire in [
                    frame(role, first, payload),
                    fragmented(role, first, payload, few, true),
                    fragmented(role, first, payload, 1_000, true),
                ] {
                    let mut run = limited(role, settings);
                    run.feed_cut(&wire, Cuts::Random(limit as u64));
                    if len == limit {
                        assert_eq!(run.events, [message(first, &vec![b'x'; limit])]);
                        assert!(run.ws.is_open());
                    } else {
                        // Judged by what it inflates to, or by its compressed form alone.
                        is_too_big(&mut run, limit, len.max(payload.len()));
                    }
                }
            }
        }
    }
}

#[test]
fn bytes_of_a_cut_character_count_when_inflated() {
    // They are kept apart from the text, but they are bytes of the message.
    let settings = at_most(4);
    for role in ROLES {
        for (text, is_taken) in [("a€", true), ("€a", true), ("a€b", false), ("aé€", false)]
        {
            for bytes in [
                payload(Block::Stored(text.bytes().collect())),
                fixed(&literals(text.as_bytes())),
            ] {
                for len in 1..=bytes.len() {
                    let mut run = limited(role, settings);
                    run.feed(&fragmented(role, 0xc1, &bytes, len, true));
                    match is_taken {
                        true => assert_eq!(run.events, [message(1, text.as_bytes())]),
                        false => is_too_big(&mut run, 4, text.len()),
                    }
                }
            }
        }
    }
}

#[test]
fn each_compressed_message_has_all_of_the_limit() {
    let settings = at_most(1_000);
    for role in ROLES {
        let mut run = limited(role, settings);
        let payloads = of_each_kind(1_000);
        for _ in 0..20 {
            for bytes in &payloads {
                run.feed(&frame(role, 0xc2, bytes));
                run.feed(&frame(role, 0x82, &[1; 1_000]));
            }
        }
        assert_eq!((run.events.len(), run.ws.is_open()), (200, true));
    }
}

#[test]
fn blocks_without_data_have_an_end() {
    // They inflate to nothing, so that elsewhere a message of them went on for ever.
    let empty_stored = unhex("000000ffff");
    let empty_fixed = [fixed(&[]), TAIL.to_vec()].concat();
    let empty_dynamic = [payload(Block::Dynamic(Vec::new())), TAIL.to_vec()].concat();
    let final_stored = unhex("010000ffff");
    let final_fixed = unhex("0300");
    for block in [
        empty_stored,
        empty_fixed,
        empty_dynamic,
        final_stored,
        final_fixed,
    ] {
        for max in [0, 7, 8, 1_000, 100_000] {
            let settings = settings(|s| {
                s.max_message_size = max as u64;
                s.max_fragments = 500;
            });
            let most = max + max / 8 + 64;
            for (role, len) in [
                (Role::Server, 1),
                (Role::Client, 16),
                (Role::Server, 17),
                (Role::Client, 40),
                (Role::Server, most / 2 + 17),
                (Role::Client, most),
            ] {
                let (mut run, mut received) = (limited(role, settings), 0);
                run.feed(&frame(role, 0x41, b""));
                let mut fragments = 1;
                loop {
                    // The header alone says that it is too much. A flush of each is taken for
                    // honest; then it is the number of fragments that has an end.
                    let is_over = received + len > most + 16 * fragments;
                    if is_over || fragments == 500 {
                        run.feed(&frame_header(role, 0, len as u64));
                        match is_over {
                            true => is_too_big(&mut run, max, received + len),
                            false => {
                                let error = ProtocolError::TooManyFragments;
                                has_failed(&mut run, error, 1008);
                            }
                        }
                        break;
                    }
                    let bytes = (received..received + len).map(|at| block[at % block.len()]);
                    run.feed(&frame(role, 0, &bytes.collect::<Vec<_>>()));
                    assert_eq!(run.events, []);
                    received += len;
                    fragments += 1;
                }
            }
            for role in ROLES {
                for (claim, is_taken) in [(most, true), (most + 1, false)] {
                    for first in [0x41, 0xc2] {
                        let mut run = limited(role, settings);
                        run.feed(&frame_header(role, first, claim as u64));
                        match is_taken {
                            true => assert_eq!(run.events, []),
                            false => is_too_big(&mut run, max, claim),
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn the_highest_limit_does_not_overflow_when_inflating() {
    let settings = settings(|s| s.max_message_size = u64::MAX);
    for role in ROLES {
        let mut run = limited(role, settings);
        for bytes in of_each_kind(40_000) {
            run.feed(&fragmented(role, 0xc2, &bytes, 777, true));
        }
        assert_eq!(run.events, times(5, || binary(&[b'x'; 40_000])));
    }
}

#[test]
fn data_that_does_not_shrink_may_have_max_message_size() {
    // Compressed, it is longer than the limit, by the headers of its blocks.
    for (level, mem_level) in [
        (1, 1),
        (1, 8),
        (2, 2),
        (2, 9),
        (4, 1),
        (6, 8),
        (9, 1),
        (9, 9),
    ] {
        let deflate = deflate(|c| {
            c.level = level;
            c.mem_level = mem_level;
            c.min_size = 0;
        });
        for max in [1, 100, 507, 4_096, 70_000] {
            let settings = at_most(max);
            for role in ROLES {
                for (len, is_taken) in [(max, true), (max + 1, false)] {
                    let data = noise(len, 3);
                    let params = Params::default();
                    let mut sender = agreed(other(role), Settings::default(), &deflate, &params);
                    sender.ws.send(&data, &mut sender.out).unwrap();
                    let frames = raw_frames(&sender.out, other(role));
                    assert_eq!(frames[0].0, 0xc2);
                    assert!(frames[0].1.len() > len, "it does not shrink");
                    let mut run = agreed(role, settings, &deflate, &params);
                    run.feed(&sender.out);
                    match is_taken {
                        true => assert_eq!(run.events, [binary(&data)]),
                        false => is_too_big(&mut run, max, len),
                    }
                }
            }
        }
    }
}

#[test]
fn data_that_does_not_shrink_may_have_the_default_limit() {
    // 16 MiB as a peer sends them that must not forget what it has compressed: in one frame, in
    // stored blocks. The limit is 16 MiB, but the payload of the frame is longer by headers.
    let max = Settings::default().max_message_size;
    assert_eq!(max, 16 << 20);
    let len = max + 5 * max.div_ceil(0xffff) + 1;
    for role in ROLES {
        let mut run = plain(role);
        run.feed(&frame_header(role, 0xc2, len));
        assert_eq!(run.events, []);
    }
}

#[test]
fn a_message_in_small_fragments_may_have_max_message_size() {
    // Each fragment is flushed, and a short one is longer compressed than not: that is no attack,
    // but what comes from an application that sends its text while it is written.
    for (max, len) in [
        (100, 1),
        (1_000, 1),
        (1_000, 5),
        (10_000, 20),
        (100_000, 50),
    ] {
        let settings = at_most(max);
        let bytes = words(max, 1);
        for role in ROLES {
            let mut sender = plain(other(role));
            let (before, last) = bytes.split_at(max - len);
            sender.ws.send_piece(b"", false, &mut sender.out).unwrap();
            for part in before.chunks(len) {
                sender.ws.send_piece(part, false, &mut sender.out).unwrap();
            }
            sender.ws.send_piece(last, true, &mut sender.out).unwrap();
            let mut run = limited(role, settings);
            run.feed(&sender.out);
            assert!(
                run.events == [binary(&bytes)],
                "{max} in {len}: {:?}",
                run.events
            );
        }
    }
}

// ---- the window that was agreed on (RFC 7692, section 7.1.2) ----

/// Reads a message from its frames as a peer does.
fn read(oracle: &mut Oracle, frames: &[(u8, Vec<u8>)], takeover: bool) -> Vec<u8> {
    let (first, rest) = frames.split_first().unwrap();
    assert!(rest.iter().all(|(first, _)| first & 0x7f == 0));
    assert!(
        frames
            .iter()
            .rev()
            .map(|f| f.0 & 0x80)
            .eq([vec![0x80], vec![0; rest.len()]].concat())
    );
    let payload: Vec<u8> = frames.iter().flat_map(|(_, part)| part.clone()).collect();
    match first.0 & 0x40 {
        0 => payload,
        _ => oracle.message(&payload, takeover).unwrap(),
    }
}

/// What is compressed with these settings inflates with a window of that many bits.
fn keeps_to_its_window(bits: u8, level: u8, mem_level: u8) {
    let window = 1 << bits;
    let mut messages = vec![words(3_000, 1), vec![b'='; 2_000]];
    // Bytes that come again after as much as the window, and after as far as zlib goes back.
    for period in [
        window / 2 - 20,
        window - 263,
        window - 262,
        window,
        window + 1,
    ] {
        let period = usize::try_from(period).unwrap_or(5);
        let once = [words(period / 2, 2), noise(period - period / 2, 3)].concat();
        messages.push(once.repeat((700 / period).max(2)));
    }
    messages.push(words(1_500, 4));
    let deflate = deflate(|c| {
        c.level = level;
        c.mem_level = mem_level;
    });
    for (role, no_takeover) in [(Role::Server, false), (Role::Client, bits > 9)] {
        let params = Params::both_ways(bits, no_takeover);
        let mut run = agreed(role, Settings::default(), &deflate, &params);
        let mut oracle = Oracle::new(1 << bits);
        for bytes in &messages {
            run.ws.send(bytes, &mut run.out).unwrap();
            let frames = taken(&mut run);
            assert!(read(&mut oracle, &frames, !no_takeover) == *bytes);
            if bytes.len() < 10_000 {
                let (a, b) = bytes.split_at(bytes.len() / 3);
                run.ws.send_piece(a, false, &mut run.out).unwrap();
                run.ws.send_piece(b, true, &mut run.out).unwrap();
                let frames = taken(&mut run);
                assert!(read(&mut oracle, &frames, !no_takeover) == *bytes);
            }
        }
        // It could have gone wrong: the window is made use of.
        let largest = oracle.largest_distance();
        assert!(largest > window as usize / 3, "{largest} of {bits} bits");
    }
}

#[test]
fn what_is_sent_fits_a_window_of_8_bits() {
    // zlib takes 8 bits for 9, so that elsewhere a peer with 256 bytes could not follow.
    for level in 1..=9 {
        for mem_level in [1, 8, 9] {
            keeps_to_its_window(8, level, mem_level);
        }
    }
}

#[test]
fn what_is_sent_fits_the_window_that_was_agreed_on() {
    for bits in 9..=15 {
        let levels: &[u8] = match bits {
            ..12 => &[1, 2, 4, 6, 9],
            _ => &[1, 2, 9],
        };
        for &level in levels {
            keeps_to_its_window(bits, level, 8);
        }
    }
}

#[test]
fn each_direction_keeps_to_terms_of_its_own() {
    // Elsewhere the two were mixed up, or one of them was ignored.
    let params = Params {
        server_no_context_takeover: true,
        client_no_context_takeover: false,
        server_max_window_bits: Some(9),
        client_max_window_bits: Some(11),
    };
    let far = [noise(1_000, 1), noise(1_000, 1)].concat();
    for (role, window, takeover) in [(Role::Server, 512, false), (Role::Client, 2_048, true)] {
        let mut run = agreed(role, Settings::default(), &Deflate::default(), &params);
        let mut oracle = Oracle::new(window);
        let mut lens = Vec::new();
        for _ in 0..2 {
            run.ws.send(&far, &mut run.out).unwrap();
            let frames = taken(&mut run);
            assert_eq!(read(&mut oracle, &frames, takeover), far);
            lens.push(frames[0].1.len());
        }
        match role {
            Role::Server => assert_eq!(lens, [2_000, 2_000], "not compressed at all"),
            Role::Client => assert!(lens[0] < 1_100 && lens[1] < 500, "{lens:?}"),
        }
        // What comes in keeps to the other direction's terms.
        let mut run = agreed(
            other(role),
            Settings::default(),
            &Deflate::default(),
            &params,
        );
        let again = fixed(&[back(1_000)]);
        run.feed(&frame(
            other(role),
            0xc2,
            &payload(Block::Stored(far.clone())),
        ));
        run.feed(&frame(other(role), 0xc2, &again));
        match role {
            Role::Server => has_failed(&mut run, ProtocolError::CompressedDataInvalid, 1007),
            Role::Client => assert_eq!(run.events[1], binary(&far[1_000..1_003])),
        }
    }
}

#[test]
fn a_client_keeps_to_the_window_that_it_has_announced() {
    // A server that knows of the hint may have made room for no more.
    let hinted = deflate(|c| c.client_max_window_bits = Some(9));
    for agreed_on in [None, Some(15), Some(8)] {
        let params = Params {
            client_max_window_bits: agreed_on,
            ..Params::default()
        };
        let mut run = agreed(Role::Client, Settings::default(), &hinted, &params);
        let mut oracle = Oracle::new(window_of(agreed_on).min(512));
        for period in [100, 200, 300, 500, 600] {
            let bytes = noise(period, 5).repeat(5);
            run.ws.send(&bytes, &mut run.out).unwrap();
            let frames = taken(&mut run);
            assert_eq!(read(&mut oracle, &frames, true), bytes);
        }
    }
}

// ---- matches before the start of the window (RFC 1951, section 3.2.3) ----

/// A pool in which an inflater lies that another connection has filled with its data.
fn used_pool(role: Role, max_pooled: usize) -> Deflate {
    let deflate = deflate(|c| c.max_pooled = max_pooled);
    let mut other = agreed(role, Settings::default(), &deflate, &Params::default());
    let secret = b"secret ".repeat(5_000);
    other.feed(&frame(role, 0xc2, &payload(Block::Stored(secret.clone()))));
    assert_eq!(other.events, [binary(&secret)]);
    deflate
}

#[test]
fn a_match_before_the_first_byte_is_an_error() {
    // Elsewhere it gave zeros, or what another connection had left in the window.
    for role in ROLES {
        for max_pooled in [0, 1, 16] {
            for made in [0, 1, 2, 100, 255, 256, 4_095, 4_096, 16_384, 32_766, 32_767] {
                let data = noise(made, 1);
                let stored = (Block::Stored(data.clone()), false);
                for (distance, is_there) in [(made, true), (made + 1, false), (32_768, false)] {
                    if distance == 0 {
                        continue;
                    }
                    let tokens = vec![back(distance as u16)];
                    for block in [Block::Fixed(tokens.clone()), Block::Dynamic(tokens.clone())] {
                        let bytes = write_message(&[stored.clone(), (block, false)]);
                        let deflate = used_pool(role, max_pooled);
                        let params = Params::default();
                        let mut run = agreed(role, Settings::default(), &deflate, &params);
                        run.feed(&frame(role, 0xc2, &bytes));
                        if is_there {
                            let end = expand(&data, &tokens);
                            assert_eq!(run.events, [binary(&[&data[..], &end].concat())]);
                        } else {
                            assert_eq!(run.events.len(), 1);
                            has_failed(&mut run, ProtocolError::CompressedDataInvalid, 1007);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_match_before_a_message_without_takeover_is_an_error() {
    for role in ROLES {
        for bits in 8..=15 {
            for max_pooled in [0, 1, 16] {
                let deflate = used_pool(role, max_pooled);
                let params = Params::both_ways(bits, true);
                for (before, distance) in [(1, 1), (5, 3), (70_000, 1), (70_000, 32_768)] {
                    let mut run = agreed(role, Settings::default(), &deflate, &params);
                    let stored = payload(Block::Stored(noise(before, 1)));
                    run.feed(&frame(role, 0xc2, &stored).repeat(2));
                    assert_eq!(run.events.len(), 2);
                    run.feed(&frame(role, 0xc2, &fixed(&[back(distance)])));
                    has_failed(&mut run, ProtocolError::CompressedDataInvalid, 1007);
                }
            }
        }
    }
}

#[test]
fn a_match_before_the_agreed_history_is_an_error() {
    // A longer distance inside the message asks for nothing that is not there; but of the
    // messages before only as much is kept as was agreed on, whichever inflater comes next.
    for bits in 8..=15 {
        let window: usize = 1 << bits;
        let params = Params::both_ways(bits, false);
        let before = noise(2 * window + 17, bits.into());
        for so_far in [0, 1, 100, window - 1, window + 5] {
            let now = noise(so_far, 99);
            for (distance, is_there) in [(window + so_far, true), (window + so_far + 1, false)] {
                if distance > 32_768 {
                    continue;
                }
                let match_back = vec![back(distance as u16)];
                let bytes = write_message(&[
                    (Block::Stored(now.clone()), false),
                    (Block::Fixed(match_back.clone()), false),
                ]);
                for (role, max_pooled) in [(Role::Server, 0), (Role::Server, 1), (Role::Client, 16)]
                {
                    let deflate = used_pool(role, max_pooled);
                    let mut run = agreed(role, Settings::default(), &deflate, &params);
                    for part in before.chunks(window / 2 + 1) {
                        run.feed(&frame(role, 0xc2, &payload(Block::Stored(part.to_vec()))));
                    }
                    run.events.clear();
                    run.feed(&frame(role, 0xc2, &bytes));
                    if is_there {
                        let end = expand(&[&before[..], &now].concat(), &match_back);
                        assert_eq!(run.events, [binary(&[&now[..], &end].concat())]);
                    } else {
                        assert_eq!(run.events.len(), 1);
                        has_failed(&mut run, ProtocolError::CompressedDataInvalid, 1007);
                    }
                }
            }
        }
    }
}

#[test]
fn connections_that_share_inflaters_see_nothing_of_each_other() {
    // Each message refers to all that its own connection has sent, and would show if the window
    // were another one's.
    for (bits, no_takeover) in [(15, false), (15, true), (8, false), (11, false)] {
        for max_pooled in [0, 1, 2, 16] {
            let deflate = deflate(|c| {
                c.max_pooled = max_pooled;
                c.min_size = 0;
            });
            let params = Params::both_ways(bits, no_takeover);
            let new = |role| agreed(role, Settings::default(), &deflate, &params);
            let mut pairs: Vec<_> = (0..5)
                .map(|_| (new(Role::Client), new(Role::Server)))
                .collect();
            let mut random = Random(bits.into());
            for round in 0..60 {
                let index = random.below(5);
                let mut bytes = words(random.below(600), index as u64);
                bytes.extend(round.to_string().bytes());
                let (sender, receiver) = &mut pairs[index];
                sender.ws.send(&bytes, &mut sender.out).unwrap();
                let wire = sender.out.split();
                // In the middle of the message another connection has its turn.
                let (begun, rest) = wire.split_at(wire.len() / 2);
                receiver.feed(begun);
                let (sender, receiver) = &mut pairs[(index + 1) % 5];
                let between = words(round, 77);
                sender.ws.send(&between, &mut sender.out).unwrap();
                receiver.feed(&sender.out.split());
                assert_eq!(receiver.events.pop(), Some(binary(&between)));
                let (_, receiver) = &mut pairs[index];
                receiver.feed(rest);
                assert_eq!(receiver.events.pop(), Some(binary(&bytes)));
                assert!(receiver.events.is_empty());
            }
        }
    }
}

#[test]
fn a_failed_connection_leaves_the_others_alone() {
    // What was being inflated, or has just failed, must not come back to somebody else.
    for role in ROLES {
        let deflate = deflate(|c| c.max_pooled = 1);
        let params = Params::default();
        let mut good = agreed(role, Settings::default(), &deflate, &params);
        let data = noise(40_000, 1);
        good.feed(&frame(role, 0xc2, &payload(Block::Stored(data.clone()))));
        for damage in ["f200110000", "06", "00", "f248cd", ""] {
            let mut bad = agreed(role, Settings::default(), &deflate, &params);
            bad.feed(&frame(
                role,
                0x42,
                &payload(Block::Stored(b"begun".to_vec())),
            ));
            bad.feed(&frame(role, 0x00, &TAIL));
            match damage {
                "" => drop(bad),
                _ => {
                    bad.feed(&frame(role, 0x80, &unhex(damage)));
                }
            }
            let distance = 32_768;
            good.feed(&frame(role, 0xc2, &fixed(&[back(distance)])));
            assert!(
                matches!(good.events.last(), Some(Event::Binary(_))),
                "{damage}"
            );
        }
        let mut wanted = vec![binary(&data)];
        let mut history = data;
        for _ in 0..5 {
            let bytes = expand(&history, &[back(32_768)]);
            history.extend(&bytes);
            wanted.push(binary(&bytes));
        }
        assert_eq!(good.events, wanted);
    }
}

// ---- final blocks (RFC 7692, section 7.2.3.4) ----

#[test]
fn a_final_block_ends_neither_the_message_nor_the_window() {
    // Elsewhere all that came after a final block was empty, or an error, or never ended.
    let word = |letters: &[u8]| literals(letters);
    let blocks: [Vec<(Block, bool)>; 6] = [
        vec![(Block::Stored(b"abcdef".to_vec()), true)],
        vec![(Block::Fixed(vec![back(6)]), true)],
        vec![
            (Block::Dynamic([word(b"xyz"), vec![back(9)]].concat()), true),
            (Block::Fixed(vec![back(12)]), false),
        ],
        vec![
            (Block::Fixed(word(b"1")), true),
            (Block::Stored(b"2".to_vec()), true),
            (Block::Dynamic(vec![back(2), Token::Literal(b'3')]), true),
            (Block::Fixed(Vec::new()), true),
            (Block::Stored(Vec::new()), true),
            (Block::Dynamic(Vec::new()), true),
            (Block::Fixed(vec![back(4), back(20)]), true),
            (Block::Stored(b"4".to_vec()), false),
        ],
        vec![(Block::Fixed(Vec::new()), true)],
        vec![(
            Block::Dynamic(vec![back(24), back(1), Token::Literal(b'.')]),
            false,
        )],
    ];
    let (mut history, mut payloads, mut messages) = (Vec::new(), Vec::new(), Vec::new());
    let mut oracle = Oracle::new(32_768);
    for blocks in &blocks {
        let start = history.len();
        for (block, _) in blocks {
            let bytes = match block {
                Block::Stored(bytes) => bytes.clone(),
                Block::Fixed(tokens) | Block::Dynamic(tokens) => expand(&history, tokens),
            };
            history.extend(bytes);
        }
        messages.push(history[start..].to_vec());
        payloads.push(write_message(blocks));
        let read = oracle.message(payloads.last().unwrap(), true);
        assert_eq!(
            read.as_ref(),
            Ok(messages.last().unwrap()),
            "the tests agree"
        );
    }
    for role in ROLES {
        for (bits, max_pooled) in [(15, 16), (15, 0), (8, 16), (8, 0)] {
            let deflate = deflate(|c| c.max_pooled = max_pooled);
            for len in (1..=30).chain([1_000]) {
                let mut run = agreed(
                    role,
                    Settings::default(),
                    &deflate,
                    &Params::both_ways(bits, false),
                );
                for payload in &payloads {
                    let wire = fragmented(role, 0xc1, payload, len, true);
                    run.feed_cut(&wire, Cuts::Random(len as u64));
                }
                let wanted: Vec<_> = messages.iter().map(|bytes| message(1, bytes)).collect();
                assert_eq!(run.events, wanted);
            }
        }
    }
}

#[test]
fn a_final_block_without_takeover_ends_neither() {
    let bytes = write_message(&[
        (Block::Fixed(literals(b"abc")), true),
        (Block::Dynamic(vec![back(3), back(6)]), true),
        (Block::Stored(b"d".to_vec()), true),
        (Block::Fixed(vec![back(4)]), true),
    ]);
    let beyond = write_message(&[
        (Block::Fixed(literals(b"abc")), true),
        (Block::Fixed(vec![back(4)]), true),
    ]);
    for role in ROLES {
        let mut run = agreed(
            role,
            Settings::default(),
            &Deflate::default(),
            &Params::both_ways(15, true),
        );
        run.feed(&frame(role, 0xc1, &bytes).repeat(3));
        run.feed(&frame(role, 0xc1, &beyond));
        let end = Event::Failed(ProtocolError::CompressedDataInvalid);
        assert_eq!(run.events.pop(), Some(end));
        assert_eq!(run.events, times(3, || text("abcabcabcdabc")));
        assert_eq!(close_code(&run), Some(1007));
    }
}

#[test]
fn a_final_block_may_be_the_last_byte_of_a_fragment() {
    // The example of section 7.2.3.4, cut after its block: what follows is one byte.
    for role in ROLES {
        let wire = frames(
            role,
            &[
                (0x41, b"\xf3\x48\xcd\xc9\xc9\x07\x00"),
                (0x00, b""),
                (0x89, b""),
                (0x80, b"\x00"),
                (0xc1, b"\x03\x00\x03\x00\x00"),
                // "Hello" again, from the window.
                (0xc1, b"\xf2\x00\x11\x00\x00"),
            ],
        );
        for cuts in Cuts::ALL {
            let mut run = plain(role);
            run.feed_cut(&wire, cuts);
            let wanted = [text("Hello"), text(""), text("Hello")];
            assert_eq!(run.events[1..], wanted, "after the Ping");
        }
        // Without that byte the last block is cut.
        let mut run = plain(role);
        run.feed(&frame(role, 0xc1, b"\xf3\x48\xcd\xc9\xc9\x07\x00"));
        assert_eq!(run.events, failed(ProtocolError::CompressedDataCut));
    }
}

#[test]
fn any_number_of_final_blocks_is_one_message() {
    let mut bytes = write_message(&[(Block::Fixed(literals(b"abc")), true)]);
    bytes.pop(); // what ends a message
    bytes.extend(unhex("0300").repeat(10_000));
    bytes.extend(unhex("010000ffff").repeat(1_000));
    bytes.extend(fixed(&[back(3)]));
    for role in ROLES {
        let mut run = plain(role);
        run.feed(&frame(role, 0xc1, &bytes));
        run.feed(&fragmented(role, 0xc1, &bytes, 3, true));
        assert_eq!(run.events, [text("abcabc"), text("abcabc")]);
    }
}

// ---- cut and damaged streams (RFC 7692, section 7.2.2) ----

/// Payloads of legal messages, of every kind of block.
fn legal() -> Vec<Vec<u8>> {
    let tokens = vec![Token::Literal(b'h'), back(1), Token::Literal(0xf0), back(5)];
    let block = || Block::Dynamic([literals(b"The quick brown fox "), tokens.clone()].concat());
    vec![
        payload(Block::Stored(b"stored bytes".to_vec())),
        fixed(&tokens),
        payload(block()),
        bomb(20_000),
        write_message(&[
            (Block::Fixed(tokens.clone()), false),
            (Block::Stored(b"and".to_vec()), true),
            (block(), true),
            (Block::Stored(Vec::new()), false),
            (block(), false),
        ]),
    ]
}

/// A message with this payload is what the reader by hand says that it is: delivered, or refused
/// with 1007. Returns whether it was delivered.
fn judged_alike(bytes: &[u8]) -> bool {
    let wanted = Oracle::new(32_768).message(bytes, true);
    for role in ROLES {
        for wire in [
            frame(role, 0xc2, bytes),
            fragmented(role, 0xc2, bytes, bytes.len() / 2 + 1, true),
        ] {
            let mut run = plain(role);
            run.feed(&wire);
            match &wanted {
                Ok(message) => assert_eq!(run.events, [binary(message)], "{}", hex(bytes)),
                Err(_) => {
                    let [Event::Failed(error)] = run.events[..] else {
                        panic!("{} is {wanted:?}: {:?}", hex(bytes), run.events);
                    };
                    let cut = ProtocolError::CompressedDataCut;
                    assert!(error == cut || error == ProtocolError::CompressedDataInvalid);
                    has_failed(&mut run, error, 1007);
                }
            }
        }
    }
    wanted.is_ok()
}

#[test]
fn a_stream_that_is_cut_anywhere_is_not_delivered() {
    // Elsewhere what had come out of it so far was delivered as if it were complete.
    // Without a checksum a few cuts leave a message by the letter of the RFC: after the header
    // of a stored block, which the tail then makes empty; and 4 bytes before its end, for which
    // the tail then stands.
    let left_by_cuts: [&[usize]; 5] = [&[1, 13], &[], &[], &[], &[7, 54]];
    for (bytes, wanted) in legal().iter().zip(left_by_cuts) {
        let lens = (1..bytes.len()).filter(|&len| judged_alike(&bytes[..len]));
        assert_eq!(lens.collect::<Vec<_>>(), wanted);
        assert!(judged_alike(bytes));
    }
}

#[test]
fn a_stream_with_a_flipped_bit_is_judged_as_by_hand() {
    for bytes in legal() {
        let mut delivered = 0;
        for bit in 0..8 * bytes.len() {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            delivered += usize::from(judged_alike(&damaged));
        }
        // There is no checksum: a changed literal is another message.
        assert!(delivered > 0 && delivered < 8 * bytes.len());
    }
}

#[test]
fn a_block_that_ends_inside_the_tail_is_judged_as_by_hand() {
    // The tail that is put back has 16 zeros, each a literal here, and 16 ones, of which some
    // end the block: unless all of them do, the rest starts a block that is none.
    for end_len in 1..=15 {
        let mut lengths = [0; END_OF_BLOCK + 1];
        for length in 1..=end_len {
            lengths[usize::from(length)] = length;
        }
        lengths[END_OF_BLOCK] = end_len;
        for more in 0..16 {
            let mut writer = BitWriter::default();
            writer.bits(4, 3);
            writer.dynamic_header(&lengths, &[0]);
            writer.bits(0, more);
            judged_alike(&writer.bytes());
        }
    }
    // A stored block that ends with the tail: by the letter of section 7.2.2 it is complete.
    for begin in ["000400fbff", "000600f9ff6162", "010400fbff"] {
        assert!(judged_alike(&unhex(begin)));
    }
}

/// Payloads that are no DEFLATE data, each with what is wrong with it.
fn damaged() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = Vec::new();
    let mut add = |name, write: &dyn Fn(&mut BitWriter)| {
        let mut writer = BitWriter::default();
        write(&mut writer);
        all.push((name, [writer.message(), vec![0; 60]].concat()));
    };
    let fixed = codes(&fixed_literals());
    let five = codes(&FIXED_DISTANCES);
    add("the reserved type of block", &|w| w.bits(6, 3));
    add("the lengths of a stored block differ", &|w| {
        w.bits(0, 8);
        w.bits(5, 16);
        w.bits(0xfffb, 16);
    });
    for (name, symbol) in [("length symbol 286", 286), ("length symbol 287", 287)] {
        add(name, &|w| {
            w.bits(2, 3);
            w.code(fixed[usize::from(b'x')]);
            w.code(fixed[symbol]);
        });
    }
    for (name, symbol) in [("distance symbol 30", 30), ("distance symbol 31", 31)] {
        add(name, &|w| {
            w.bits(2, 3);
            w.code(fixed[usize::from(b'x')]);
            w.code(fixed[257]);
            w.code(five[symbol]);
        });
    }

    // Dynamic blocks: the lengths of all codes, and which of them are too many or too few.
    let mut dynamic = |name, literals: &[(usize, u8)], literal_count, distances: &[u8]| {
        let mut lengths = vec![0; literal_count];
        for &(symbol, length) in literals {
            lengths[symbol] = length;
        }
        let codes = codes(&lengths);
        add(name, &|w| {
            w.bits(4, 3);
            w.dynamic_header(&lengths, distances);
            // A literal, a match, and the end, as far as they have codes.
            for symbol in [usize::from(b'x'), 257] {
                if codes[symbol].1 != 0 {
                    w.code(codes[symbol]);
                }
            }
            w.bits(0, 20);
        });
    };
    let (x, end, three) = (usize::from(b'x'), END_OF_BLOCK, 257);
    dynamic(
        "no code for the end of the block",
        &[(x, 1), (three, 1)],
        258,
        &[1],
    );
    dynamic(
        "too many codes for literals",
        &[(x, 1), (end, 1), (three, 1)],
        258,
        &[1],
    );
    dynamic(
        "too few codes for literals",
        &[(x, 2), (end, 2), (three, 2)],
        258,
        &[1],
    );
    dynamic(
        "too many codes for distances",
        &[(x, 1), (end, 2), (three, 2)],
        258,
        &[1, 1, 1],
    );
    dynamic(
        "too few codes for distances",
        &[(x, 1), (end, 2), (three, 2)],
        258,
        &[2, 2],
    );
    dynamic(
        "a match without any distance",
        &[(x, 1), (end, 2), (three, 2)],
        258,
        &[0],
    );
    dynamic(
        "287 codes for literals",
        &[(x, 1), (end, 2), (three, 2)],
        287,
        &[1],
    );
    dynamic(
        "288 codes for literals",
        &[(x, 1), (end, 2), (three, 2)],
        288,
        &[1],
    );
    dynamic(
        "31 codes for distances",
        &[(x, 1), (end, 2), (three, 2)],
        258,
        &[1; 31],
    );
    dynamic(
        "32 codes for distances",
        &[(x, 1), (end, 2), (three, 2)],
        258,
        &[0; 32],
    );

    // The code of the code lengths: 4 of them, for the symbols 16, 17, 18 and 0.
    for (name, lengths) in [
        ("no code for code lengths", [0, 0, 0, 0]),
        ("too few codes for code lengths", [2, 2, 2, 0]),
        ("too many codes for code lengths", [1, 1, 1, 0]),
        ("one code for code lengths", [0, 0, 1, 0]),
    ] {
        add(name, &|w| {
            w.bits(4, 3);
            w.bits(0, 14);
            lengths.iter().for_each(|&length| w.bits(length, 3));
            w.bits(0, 20);
        });
    }
    add("a repeat of nothing", &|w| {
        w.bits(4, 3);
        w.bits(0, 14);
        // 16 has the code 0.
        [1, 0, 1, 0].iter().for_each(|&length| w.bits(length, 3));
        w.bits(0, 20);
    });
    add("a repeat past the end", &|w| {
        w.bits(4, 3);
        w.bits(0, 14);
        // 18 has the code 1 and repeats 138 zeros.
        [1, 0, 1, 0].iter().for_each(|&length| w.bits(length, 3));
        w.bits(u32::MAX, 24);
    });
    all
}

#[test]
fn a_damaged_stream_is_answered_with_1007() {
    // Elsewhere with 1000, with 1002, or with nothing but the end of the transport.
    for (name, bytes) in damaged() {
        assert!(Oracle::new(32_768).message(&bytes, true).is_err(), "{name}");
        for role in ROLES {
            for first in [0xc1, 0xc2] {
                for len in [1, 3, 1_000] {
                    let mut wire = fragmented(role, first, &bytes, len, true);
                    wire.extend(frames(role, &[(0x81, b"behind"), (0x89, b"behind")]));
                    for cuts in Cuts::ALL {
                        let mut run = plain(role);
                        run.feed_cut(&wire, cuts);
                        assert_eq!(run.events.len(), 1, "{name}: {:?}", run.events);
                        has_failed(&mut run, ProtocolError::CompressedDataInvalid, 1007);
                        assert_eq!(run.sent().len(), 1, "{name}");
                    }
                }
            }
        }
    }
}

#[test]
fn damage_is_found_while_the_message_comes_in() {
    for (name, bytes) in damaged() {
        for role in ROLES {
            let mut run = plain(role);
            run.feed(&fragmented(role, 0xc2, &bytes, 5, false));
            assert_eq!(run.events.len(), 1, "{name}");
            has_failed(&mut run, ProtocolError::CompressedDataInvalid, 1007);
        }
    }
}

// ---- text (RFC 6455, section 8.1; RFC 7692, section 6.2) ----

#[test]
fn compressed_text_fails_at_its_first_wrong_byte() {
    // Elsewhere the end of the message was waited for, or compressed text was not checked.
    for role in ROLES {
        for (bad, at) in [
            (&b"ab\xc0"[..], 3),
            (b"\xed\xa0", 2),
            (b"\xf4\x90", 2),
            (b"\xe2(", 2),
            (b"ab\xff", 3),
        ] {
            // In a stored block each byte stands for itself.
            let bytes = payload(Block::Stored([bad, b"behind"].concat()));
            let header = 5;
            for len in [1, bytes.len()] {
                let wire = fragmented(role, 0x41, &bytes, len, false);
                let mut run = plain(role);
                let frame_header = frame(role, 0, b"").len();
                for (index, byte) in wire.iter().enumerate() {
                    run.feed(&[*byte]);
                    let received = match len {
                        1 => (index + 1) / (frame_header + 1),
                        _ => (index + 1).saturating_sub(frame_header),
                    };
                    let is_wrong = received >= header + at;
                    assert_eq!(run.events.len(), usize::from(is_wrong), "{index}");
                }
                has_failed(&mut run, ProtocolError::TextNotUtf8, 1007);
            }
        }
    }
}

#[test]
fn wrong_text_deep_in_a_bomb_is_found_on_the_way() {
    // At a step of the inflater, before and after it; the limit comes later.
    for len in [
        0, 1, 16_383, 16_384, 32_767, 32_768, 32_769, 65_535, 100_000,
    ] {
        for (end, is_text) in [
            ("€", true),
            ("\u{1f600}", true),
            ("é", true),
            ("", true),
            ("", false),
        ] {
            let mut bytes = vec![b'x'; len];
            bytes.extend(end.bytes());
            let mut tokens = bomb_tokens(len);
            tokens.extend(literals(end.as_bytes()));
            if !is_text {
                tokens.extend(literals(b"\xe2\x82("));
            }
            for (role, kind) in [(Role::Server, 0), (Role::Client, 1)] {
                let block = match kind {
                    0 => Block::Fixed(tokens.clone()),
                    _ => Block::Dynamic(tokens.clone()),
                };
                let flushed = [payload(block), TAIL.to_vec()].concat();
                let mut run = plain(role);
                run.feed(&fragmented(role, 0x41, &flushed, 100, false));
                if is_text {
                    run.feed(&frame(role, 0x80, b"\x00"));
                    assert_eq!(run.events, [message(1, &bytes)]);
                } else {
                    assert_eq!(run.events.len(), 1);
                    has_failed(&mut run, ProtocolError::TextNotUtf8, 1007);
                }
            }
        }
    }
}

#[test]
fn a_character_may_be_cut_between_compressed_fragments() {
    let words = "aé€\u{1f600}z";
    for role in ROLES {
        for bytes in [
            payload(Block::Stored(words.bytes().collect())),
            fixed(&literals(words.as_bytes())),
            payload(Block::Dynamic(literals(words.as_bytes()))),
        ] {
            for len in 1..=bytes.len() {
                let mut run = plain(role);
                run.feed_cut(&fragmented(role, 0xc1, &bytes, len, true), Cuts::Bytes);
                assert_eq!(run.events, [text(words)]);
            }
        }
        // Flushed inside of each character, with other frames between.
        let mut wire = frame(role, 0x41, b"");
        for byte in words.bytes() {
            wire.extend(frame(
                role,
                0,
                &[fixed(&literals(&[byte])), TAIL.to_vec()].concat(),
            ));
            wire.extend(frames(role, &[(0, b""), (0x8a, b"between")]));
        }
        let mut run = plain(role);
        run.feed(&wire).feed(&frame(role, 0x80, b"\x00"));
        assert_eq!(run.events.last(), Some(&text(words)));
    }
}

#[test]
fn compressed_text_that_ends_inside_a_character_is_not_delivered() {
    for role in ROLES {
        for cut in [&b"\xc3"[..], b"abc\xe2\x82", b"\xf0\x9f\x98"] {
            for bytes in [payload(Block::Stored(cut.to_vec())), fixed(&literals(cut))] {
                for len in 1..=bytes.len() {
                    let mut run = plain(role);
                    run.feed(&fragmented(role, 0xc1, &bytes, len, true));
                    assert_eq!(run.events.len(), 1);
                    has_failed(&mut run, ProtocolError::TextNotUtf8, 1007);
                }
                // The bytes are none of the next message.
                let mut run = plain(role);
                run.feed(&frame(role, 0xc2, &bytes));
                run.feed(&frame(role, 0xc1, &fixed(&literals(b"abc"))));
                assert_eq!(run.events, [binary(cut), text("abc")]);
            }
        }
    }
}

#[test]
fn what_is_wrong_first_is_the_error() {
    let damage = unhex("06");
    let wrong_text = payload(Block::Stored(b"\xff".to_vec()));
    let good_text = payload(Block::Stored(b"good".to_vec()));
    for role in ROLES {
        for (before, error) in [
            (&wrong_text, ProtocolError::TextNotUtf8),
            (&good_text, ProtocolError::CompressedDataInvalid),
        ] {
            let bytes = [&before[..], &TAIL, &damage].concat();
            for cuts in Cuts::ALL {
                let mut run = plain(role);
                run.feed_cut(&frame(role, 0xc1, &bytes), cuts);
                assert_eq!(run.events, failed(error));
            }
        }
        // The limit is met before the text after it is looked at.
        let settings = at_most(4);
        let bytes = payload(Block::Stored(b"good\xff".to_vec()));
        let mut run = limited(role, settings);
        run.feed(&frame(role, 0xc1, &bytes));
        is_too_big(&mut run, 4, 5);
    }
}

// ---- RSV1 (RFC 7692, sections 5.1, 6.1 and 6.2) ----

#[test]
fn rsv1_on_anything_but_the_first_frame_of_a_message_is_an_error() {
    // Elsewhere control frames with it were taken, or continuations.
    for role in ROLES {
        let bytes = payload(Block::Stored(b"x".to_vec()));
        let compressed = frame(role, 0x42, &bytes);
        let uncompressed = frame(role, 0x02, b"x");
        let none = Vec::new();
        for (before, firsts) in [
            (&none, &[0xc8, 0xc9, 0xca, 0x48, 0x49, 0x40, 0xc0][..]),
            (&compressed, &[0x40, 0xc0, 0xc8, 0xc9, 0xca]),
            (&uncompressed, &[0x40, 0xc0, 0xc8, 0xc9, 0xca]),
            // The other two bits mean nothing, with it or without.
            (&none, &[0xa1, 0x91, 0xe1, 0xd1, 0xf2, 0xb2, 0xa9, 0x99]),
        ] {
            for &first in firsts {
                for cuts in Cuts::ALL {
                    let mut run = plain(role);
                    run.feed_cut(before, cuts);
                    run.feed(&[first]);
                    assert_eq!(run.events.len(), 1, "{first:x}: from its first byte");
                    has_failed(&mut run, ProtocolError::ReservedBit, 1002);
                }
            }
        }
    }
}

#[test]
fn rsv1_without_the_extension_is_an_error() {
    for role in ROLES {
        for first in [0xc1, 0xc2, 0x41, 0x42] {
            let mut run = Run::new(role);
            assert!(!run.ws.has_deflate());
            run.feed(&[first]);
            has_failed(&mut run, ProtocolError::ReservedBit, 1002);
        }
    }
}

#[test]
fn a_compressed_message_without_any_byte_is_empty() {
    // Elsewhere it was an error, or the inflater was fed with the tail alone and kept it.
    for role in ROLES {
        for no_takeover in [false, true] {
            for max_pooled in [0, 16] {
                let deflate = deflate(|c| c.max_pooled = max_pooled);
                let params = Params::both_ways(15, no_takeover);
                let mut run = agreed(role, at_most(6), &deflate, &params);
                run.feed(&frame(role, 0xc1, b""));
                run.feed(&frame(role, 0xc1, &fixed(&literals(b"abcdef"))));
                for (first, last) in [
                    (0xc1, None),
                    (0xc2, None),
                    (0x41, Some(0x80)),
                    (0x42, Some(0x80)),
                ] {
                    run.feed(&frame(role, first, b""));
                    if let Some(last) = last {
                        run.feed(&frame(role, 0, b"").repeat(3));
                        run.feed(&frame(role, 0x89, b"between"));
                        run.feed(&frame(role, last, b""));
                    }
                }
                let ping = || ping(b"between");
                let wanted = [text(""), text("abcdef"), text(""), binary(b"")];
                assert_eq!(run.events[..4], wanted);
                assert_eq!(run.events[4..], [ping(), text(""), ping(), binary(b"")]);
                // The window is what it was.
                run.feed(&frame(role, 0xc1, &fixed(&[back(6)])));
                match no_takeover {
                    false => assert_eq!(run.events.last(), Some(&text("abc"))),
                    true => has_failed(&mut run, ProtocolError::CompressedDataInvalid, 1007),
                }
            }
        }
    }
}

#[test]
fn empty_fragments_between_change_nothing() {
    let bytes = write_message(&[
        (Block::Fixed(literals(b"abc")), true),
        (Block::Dynamic(vec![back(3)]), false),
    ]);
    for role in ROLES {
        let mut wire = frame(role, 0x41, b"");
        for byte in &bytes {
            wire.extend(frames(role, &[(0, b""), (0, &[*byte]), (0, b"")]));
        }
        wire.extend(frame(role, 0x80, b""));
        let mut run = plain(role);
        run.feed(&wire).feed(&wire);
        assert_eq!(run.events, [text("abcabc"), text("abcabc")]);
    }
}

#[test]
fn a_message_inside_a_compressed_message_does_not_replace_it() {
    for role in ROLES {
        let bytes = fixed(&literals(b"first"));
        for inner in [0xc1, 0x81, 0x41, 0x01] {
            let mut run = plain(role);
            run.feed(&frames(role, &[(0x41, &bytes), (inner, &bytes)]));
            assert_eq!(run.events, failed(ProtocolError::ContinuationExpected));
        }
        let mut run = plain(role);
        run.feed(&frames(role, &[(0xc1, &bytes), (0x80, &bytes)]));
        assert_eq!(
            run.events[1..],
            failed(ProtocolError::ContinuationUnexpected)
        );
    }
}

#[test]
fn a_compressed_message_may_have_max_fragments() {
    let settings = settings(|s| s.max_fragments = 3);
    for role in ROLES {
        let bytes = fixed(&literals(b"abc"));
        let mut run = limited(role, settings);
        run.feed(&fragmented(
            role,
            0xc1,
            &bytes,
            bytes.len().div_ceil(3),
            true,
        ));
        run.feed(&frame(role, 0xc1, b""));
        assert_eq!(run.events, [text("abc"), text("")]);
        run.feed(&frames(role, &[(0x41, b""), (0, b""), (0, b""), (0, b"")]));
        has_failed(&mut run, ProtocolError::TooManyFragments, 1008);
    }
}

#[test]
fn limits_set_inside_a_compressed_message_hold_from_the_next_one() {
    let bytes = of_each_kind(1_000);
    for role in ROLES {
        for payload in &bytes {
            let wire = fragmented(role, 0xc2, payload, payload.len() / 3 + 1, true);
            let (begun, rest) = wire.split_at(frame_header(role, 0x42, payload.len() as u64).len());
            for (first, then) in [(1_000, 10), (999, 100_000)] {
                let mut run = limited(role, at_most(first));
                run.feed(begun);
                run.ws.settings().max_message_size = then as u64;
                run.ws.settings().max_fragments = 1;
                run.feed(rest);
                if first < 1_000 {
                    is_too_big(&mut run, first, 1_000);
                    continue;
                }
                assert_eq!(run.events, [binary(&[b'x'; 1_000])]);
                run.events.clear();
                run.feed(&frame(role, 0xc2, payload));
                is_too_big(&mut run, then, payload.len().max(1_000));
            }
        }
        let mut run = limited(role, Settings::default());
        run.feed(&frame(role, 0x41, b""));
        run.ws.settings().max_fragments = 1;
        run.feed(&frames(role, &[(0x00, b""), (0x80, b""), (0x41, b"")]));
        assert_eq!(run.events, [text("")]);
        run.events.clear();
        run.feed(&frame(role, 0x80, b""));
        has_failed(&mut run, ProtocolError::TooManyFragments, 1008);
    }
}

#[test]
fn a_compressed_message_has_a_limit_of_bytes_on_the_wire() {
    // With room for what data that does not shrink needs, and for the flush at the end of each
    // fragment; and only where it is compressed.
    let (max, most) = (80, 80 + 80 / 8 + 64);
    for role in ROLES {
        for (before, first, may_claim, received) in [
            (&[][..], 0xc1, most, 0),
            (&[], 0x42, most, 0),
            (&[(0x41, &b""[..])], 0x80, most + 16, 0),
            (&[(0x41, b""), (0x89, b"")], 0x00, most + 16, 0),
            (&[(0x42, b"\x00"), (0x00, b"")], 0x80, most + 32 - 1, 1),
            (&[], 0x81, max, 0),
            (&[], 0x02, max, 0),
            (&[(0x02, b"")], 0x80, max, 0),
            (&[(0x02, b"abc")], 0x80, max - 3, 3),
            (&[(0xc1, b"")], 0x81, max, 0),
            (&[(0xc1, b""), (0x01, b"")], 0x00, max, 0),
        ] {
            for (len, is_taken) in [(may_claim, true), (may_claim + 1, false)] {
                let mut run = limited(role, at_most(max));
                run.feed(&frames(role, before));
                run.events.clear();
                run.feed(&frame_header(role, first, len as u64));
                match is_taken {
                    true => assert_eq!(run.events, []),
                    false => is_too_big(&mut run, max, received + len),
                }
            }
        }
    }
}

// ---- compressed messages beside others ----

#[test]
fn uncompressed_messages_received_between_leave_the_window_alone() {
    for role in ROLES {
        for (bits, max_pooled) in [(15, 16), (15, 0), (8, 16)] {
            let deflate = deflate(|c| c.max_pooled = max_pooled);
            let mut run = agreed(
                role,
                Settings::default(),
                &deflate,
                &Params::both_ways(bits, false),
            );
            let wire = frames(
                role,
                &[
                    (0xc1, &fixed(&literals(b"abcdef"))),
                    (0x81, b"whole"),
                    (0x01, b"in "),
                    (0x00, b"frag"),
                    (0x89, b"ping"),
                    (0x80, b"ments"),
                    (0x82, &vec![b'-'; 40_000]),
                    (0xc1, &fixed(&[back(6)])),
                    (0x82, b""),
                    (0xc1, &fixed(&[back(9), back(3)])),
                ],
            );
            for piece in [wire.len(), 1_000, 7] {
                run.events.clear();
                for bytes in wire.chunks(piece) {
                    run.feed(bytes);
                }
                let wanted = [
                    text("abcdef"),
                    text("whole"),
                    ping(b"ping"),
                    text("in fragments"),
                    binary(&[b'-'; 40_000]),
                    text("abc"),
                    binary(b""),
                    text("abcabc"),
                ];
                assert_eq!(run.events, wanted);
            }
        }
    }
}

#[test]
fn uncompressed_messages_sent_between_leave_the_window_alone() {
    for role in ROLES {
        let (mut run, mut oracle) = (plain(role), Oracle::new(32_768));
        let long = words(2_000, 1);
        run.ws.send(&long, &mut run.out).unwrap();
        assert_eq!(read(&mut oracle, &taken(&mut run), true), long);
        for round in 0..3 {
            // Too short, compression off, off in fragments, control frames.
            let other = noise(3_000, round);
            run.ws.send("short", &mut run.out).unwrap();
            run.ws.settings().compress = false;
            run.ws.send(&other, &mut run.out).unwrap();
            run.ws.send_piece(&other[..], false, &mut run.out).unwrap();
            run.ws.send_ping(&other[..100], &mut run.out).unwrap();
            run.ws.send_piece(&other[..], true, &mut run.out).unwrap();
            run.ws.settings().compress = true;
            let frames = taken(&mut run);
            let firsts: Vec<_> = frames.iter().map(|(first, _)| *first).collect();
            assert_eq!(
                firsts,
                [0x81, 0x82, 0x02, 0x89, 0x80],
                "nothing is compressed"
            );
            assert_eq!(frames[1].1, other);

            run.ws.send(&long, &mut run.out).unwrap();
            let frames = taken(&mut run);
            assert!(frames[0].1.len() < 100, "the window is still there");
            assert_eq!(read(&mut oracle, &frames, true), long);
        }
    }
}

#[test]
fn a_close_stops_inflating() {
    for role in ROLES {
        let bytes = payload(Block::Stored(b"x".to_vec()));
        // The peer's Close, between fragments and between messages: nothing comes after it.
        for before in [&[(0x41, &bytes[..])][..], &[(0xc1, &bytes)], &[]] {
            let mut run = plain(role);
            run.feed(&frames(role, before));
            run.feed(&frames(
                role,
                &[(0x88, b"\x03\xe8"), (0x80, b"\x00"), (0xc1, b"\x06")],
            ));
            assert_eq!(run.events.last(), Some(&close(1000, "")));
            assert_eq!(close_code(&run), Some(1000));
            let (code, by_peer) = (CloseCode::NORMAL, true);
            assert_eq!(run.eof(), End::Closed { code, by_peer });
        }
        // Our own Close: what the peer had sent before it saw it is still delivered.
        let mut run = plain(role);
        run.feed(&frame(role, 0xc1, &fixed(&literals(b"abc"))));
        run.ws.close(CloseCode::NORMAL, "", &mut run.out).unwrap();
        run.feed(&frame(role, 0xc1, &fixed(&[back(3)])));
        run.feed(&frame(role, 0xc1, b"\x06"));
        let error = ProtocolError::CompressedDataInvalid;
        assert_eq!(run.events, [text("abc"), text("abc"), Event::Failed(error)]);
        assert_eq!(close_code(&run), Some(1000), "one Close is sent");
    }
}

// ---- sending (RFC 7692, section 7.2.1) ----

#[test]
fn messages_from_min_size_on_are_compressed() {
    for role in ROLES {
        let default = Deflate::default().min_size;
        for min_size in [0, 1, 2, 100, default, 5_000] {
            let deflate = deflate(|c| c.min_size = min_size);
            let mut run = agreed(role, Settings::default(), &deflate, &Params::default());
            let mut oracle = Oracle::new(32_768);
            for len in [min_size.saturating_sub(1), min_size, min_size + 1] {
                let words = "x".repeat(len);
                run.ws.send(&words, &mut run.out).unwrap();
                run.ws.send(words.as_bytes(), &mut run.out).unwrap();
                // The only piece of a message is the message.
                run.ws.send_piece(&words, true, &mut run.out).unwrap();
                let frames = taken(&mut run);
                let rsv1 = if len < min_size { 0 } else { 0x40 };
                let firsts: Vec<_> = frames.iter().map(|(first, _)| first & !rsv1).collect();
                assert_eq!(firsts, [0x81, 0x82, 0x81], "{len} of {min_size}");
                assert!(frames.iter().all(|(first, _)| first & 0x40 == rsv1));
                for frame in frames {
                    assert_eq!(read(&mut oracle, &[frame], true), words.as_bytes());
                }
            }
        }
        let deflate = deflate(|c| c.min_size = usize::MAX);
        let mut run = agreed(role, Settings::default(), &deflate, &Params::default());
        run.ws.send(&[0; 10_000], &mut run.out).unwrap();
        // Fragments are compressed whatever their size: that of the message is not known.
        run.ws.send_piece("", false, &mut run.out).unwrap();
        run.ws.send_piece("", true, &mut run.out).unwrap();
        let frames = taken(&mut run);
        assert_eq!(frames[0], (0x82, vec![0; 10_000]));
        assert_eq!(frames[1..], [(0x41, vec![]), (0x80, vec![0])]);
    }
}

#[test]
fn an_empty_message_is_one_byte() {
    for role in ROLES {
        for (no_takeover, frame) in [(false, (0xc1, vec![0])), (true, (0x81, vec![]))] {
            // Where nothing is lost by it, what does not shrink is sent as it is.
            let deflate = deflate(|c| c.min_size = 0);
            let params = Params::both_ways(15, no_takeover);
            let mut run = agreed(role, Settings::default(), &deflate, &params);
            let mut oracle = Oracle::new(32_768);
            run.ws.send("", &mut run.out).unwrap();
            run.ws.send("", &mut run.out).unwrap();
            assert_eq!(taken(&mut run), vec![frame; 2]);
            let messages = [
                &["", ""][..],
                &["", "", ""],
                &["a", "", "b", ""],
                &["", "ab"],
            ];
            for parts in messages {
                let (last, before) = parts.split_last().unwrap();
                run.ws.send_piece(before[0], false, &mut run.out).unwrap();
                for part in &before[1..] {
                    run.ws.send_piece(*part, false, &mut run.out).unwrap();
                }
                run.ws.send_piece(*last, true, &mut run.out).unwrap();
                let frames = taken(&mut run);
                assert_eq!(frames.len(), parts.len());
                for ((_, payload), part) in frames.iter().zip(before) {
                    assert_eq!(payload.is_empty(), part.is_empty());
                }
                if last.is_empty() {
                    assert_eq!(frames.last(), Some(&(0x80, vec![0])));
                }
                let bytes = read(&mut oracle, &frames, !no_takeover);
                assert_eq!(bytes, parts.concat().as_bytes());
            }
        }
    }
}

#[test]
fn each_fragment_brings_the_peer_all_that_was_sent() {
    // Elsewhere the bytes of a fragment waited in the compressor for the next one.
    for role in ROLES {
        for (no_takeover, level) in [(false, 1), (false, 2), (true, 6), (true, 9)] {
            let deflate = deflate(|c| c.level = level);
            let params = Params::both_ways(15, no_takeover);
            let mut run = agreed(role, Settings::default(), &deflate, &params);
            let mut oracle = Oracle::new(32_768);
            for round in 0..3 {
                let bytes = words(9_000, round);
                let lens = [1, 0, 5, 100, 0, 3_000, 5_000];
                let (mut rest, mut payload, mut so_far) = (&bytes[..], Vec::new(), Vec::new());
                for (index, len) in lens.into_iter().enumerate() {
                    let (part, after) = rest.split_at(len);
                    rest = after;
                    so_far.extend_from_slice(part);
                    run.ws.send_piece(part, false, &mut run.out).unwrap();
                    run.ws.send_ping(b"between", &mut run.out).unwrap();
                    let frames = taken(&mut run);
                    let first = if index == 0 { 0x42 } else { 0 };
                    assert_eq!((frames.len(), frames[0].0), (2, first));
                    assert_eq!(frames[1], (0x89, b"between".to_vec()), "as it is");
                    payload.extend_from_slice(&frames[0].1);
                    // With the last tail taken off, it is the payload of a message.
                    let whole = payload.strip_suffix(&TAIL).unwrap();
                    let so_far_read = oracle.clone().message(whole, !no_takeover);
                    assert_eq!(so_far_read, Ok(so_far.clone()));
                }
                run.ws.send_piece(rest, true, &mut run.out).unwrap();
                let frames = taken(&mut run);
                assert_eq!((frames.len(), frames[0].0), (1, 0x80));
                payload.extend_from_slice(&frames[0].1);
                assert_eq!(oracle.message(&payload, !no_takeover), Ok(bytes));
            }
        }
    }
}

#[test]
fn the_setting_is_for_messages_that_start() {
    for role in ROLES {
        let (mut run, mut oracle) = (plain(role), Oracle::new(32_768));
        let bytes = words(500, 1);
        for starts_on in [true, false, true] {
            run.ws.settings().compress = starts_on;
            run.ws.send_piece(&bytes[..], false, &mut run.out).unwrap();
            run.ws.settings().compress = !starts_on;
            run.ws.send_piece(&bytes[..], false, &mut run.out).unwrap();
            run.ws.settings().compress = starts_on;
            run.ws.settings().compress = !starts_on;
            run.ws.send_piece(&bytes[..], true, &mut run.out).unwrap();
            let frames = taken(&mut run);
            let firsts: Vec<_> = frames.iter().map(|(first, _)| *first).collect();
            let rsv1 = if starts_on { 0x40 } else { 0 };
            assert_eq!(firsts, [0x02 | rsv1, 0x00, 0x80]);
            assert_eq!(read(&mut oracle, &frames, true), bytes.repeat(3));
            // Now it holds.
            run.ws.send(&bytes, &mut run.out).unwrap();
            let frames = taken(&mut run);
            assert_eq!(frames[0].0, if starts_on { 0x82 } else { 0xc2 });
            assert_eq!(read(&mut oracle, &frames, true), bytes);
        }
        // Without the extension it changes nothing.
        let mut run = Run::new(role);
        run.ws.settings().compress = true;
        run.ws.send(&bytes, &mut run.out).unwrap();
        assert_eq!(taken(&mut run), [(0x82, bytes)]);
    }
}

#[test]
fn what_does_not_shrink_is_sent_as_it_is_where_nothing_is_lost_by_it() {
    for role in ROLES {
        for no_takeover in [true, false] {
            let params = Params::both_ways(15, no_takeover);
            let mut run = agreed(role, Settings::default(), &Deflate::default(), &params);
            let mut oracle = Oracle::new(32_768);
            for round in 0..4 {
                for len in [300, 3_000, 70_000] {
                    let bytes = noise(len, round);
                    run.ws.send(&bytes, &mut run.out).unwrap();
                    let frames = taken(&mut run);
                    let rsv1 = if no_takeover { 0 } else { 0x40 };
                    assert_eq!((frames.len(), frames[0].0), (1, 0x82 | rsv1));
                    // The peer's window must have it, if the compressor has.
                    assert_eq!(read(&mut oracle, &frames, !no_takeover), bytes);
                }
                let bytes = words(1_000, round);
                run.ws.send(&bytes, &mut run.out).unwrap();
                let frames = taken(&mut run);
                assert_eq!(frames[0].0, 0xc2, "others are compressed");
                assert_eq!(read(&mut oracle, &frames, !no_takeover), bytes);
            }
        }
    }
}

#[test]
fn without_takeover_equal_messages_are_equal_on_the_wire() {
    // Elsewhere a compressor that was used again had something of the message before.
    let bytes = words(2_000, 1);
    for max_pooled in [0, 1, 16] {
        for bits in [8, 15] {
            let deflate = deflate(|c| c.max_pooled = max_pooled);
            let params = Params::both_ways(bits, true);
            let mut payloads = Vec::new();
            for role in [Role::Server, Role::Client, Role::Server, Role::Client] {
                let mut run = agreed(role, Settings::default(), &deflate, &params);
                for _ in 0..3 {
                    run.ws.send(&bytes, &mut run.out).unwrap();
                    run.ws.send_piece("other", false, &mut run.out).unwrap();
                    run.ws.send_piece("message", true, &mut run.out).unwrap();
                    payloads.push(taken(&mut run));
                }
            }
            assert!(payloads.iter().all(|payload| *payload == payloads[0]));
            let wanted = Oracle::new(1 << bits).message(&payloads[0][0].1, false);
            assert_eq!(wanted, Ok(bytes.clone()));
        }
    }
}

#[test]
fn nothing_is_sent_or_compressed_when_a_connection_is_over() {
    let words = "x".repeat(1_000);
    for role in ROLES {
        for end in ["close", "peer", "failure", "transport"] {
            let mut run = plain(role);
            run.ws.send(&words, &mut run.out).unwrap();
            run.ws.send_piece(&words[..], false, &mut run.out).unwrap();
            assert!(run.ws.has_deflate());
            match end {
                "close" => run.ws.close(CloseCode::NORMAL, "", &mut run.out).unwrap(),
                "peer" => assert!(!run.feed(&frame(role, 0x88, b"")).ws.is_open()),
                "failure" => assert!(!run.feed(&[0xff]).ws.is_open()),
                _ => assert_eq!(run.eof(), End::Failed(ProtocolError::TransportEnded)),
            }
            assert!(!run.ws.has_deflate(), "{end}");
            let out = run.out.clone();
            for compress in [true, false, true] {
                run.ws.settings().compress = compress;
                let sent = [
                    run.ws.send(&words, &mut run.out),
                    run.ws.send_piece(&words, true, &mut run.out),
                    run.ws.send_piece(&words, false, &mut run.out),
                ];
                assert_eq!(sent, [Err(SendError::Closed); 3]);
            }
            assert_eq!((run.out, run.ws.has_deflate()), (out, false));
        }
    }
}

#[test]
fn what_is_refused_changes_nothing() {
    // An error of the application must not leave something in the compressor.
    for role in ROLES {
        let (mut run, mut oracle) = (plain(role), Oracle::new(32_768));
        let bytes = words(1_000, 1);
        let data = &bytes[..];
        run.ws.send_piece(data, false, &mut run.out).unwrap();
        let out = run.out.clone();
        let lost = "lost".repeat(100);
        let unfinished = Err(SendError::MessageUnfinished);
        let prepared = Prepared::new(&lost);
        assert_eq!(run.ws.send(&lost, &mut run.out), unfinished);
        assert_eq!(run.ws.send(&prepared, &mut run.out), unfinished);
        let apart = run.ws.send_apart(&lost, &mut run.out).map(drop);
        assert_eq!(apart, unfinished);
        assert_eq!(run.ws.share(&prepared).map(drop), unfinished);
        for is_last in [false, true] {
            let sent = run.ws.send_piece(&lost, is_last, &mut run.out);
            assert_eq!(sent, Err(SendError::OtherType));
        }
        assert_eq!(run.out, out);
        run.ws.send_piece(data, true, &mut run.out).unwrap();
        assert_eq!(read(&mut oracle, &taken(&mut run), true), bytes.repeat(2));
        run.ws.send(data, &mut run.out).unwrap();
        assert_eq!(read(&mut oracle, &taken(&mut run), true), bytes);
    }
}

#[test]
fn settings_out_of_range_count_as_the_nearest() {
    let bytes = words(3_000, 1);
    for (level, mem_level, same) in [
        (0, 0, (1, 1)),
        (0, 8, (1, 8)),
        (10, 255, (9, 9)),
        (255, 9, (9, 9)),
    ] {
        let [a, b] = [(level, mem_level), same].map(|(level, mem_level)| {
            let deflate = deflate(|c| {
                c.level = level;
                c.mem_level = mem_level;
            });
            let mut run = agreed(
                Role::Server,
                Settings::default(),
                &deflate,
                &Params::default(),
            );
            run.ws.send(&bytes, &mut run.out).unwrap();
            taken(&mut run)
        });
        assert_eq!(a, b);
        assert_eq!(read(&mut Oracle::new(32_768), &a, true), bytes);
    }
}

#[test]
fn window_bits_out_of_range_count_as_the_nearest() {
    for (bits, same) in [(0, 8), (7, 8), (8, 8), (15, 15), (16, 15), (255, 15)] {
        let deflate = deflate(|c| {
            c.server_max_window_bits = Some(bits);
            c.client_max_window_bits = Some(bits);
            c.min_window_bits = bits;
        });
        let agreed = Params {
            server_max_window_bits: Some(same),
            client_max_window_bits: Some(same),
            ..Params::default()
        };
        let offer = deflate.offer();
        assert_eq!(offer, agreed.extension());
        let offered = [Extension::new(NAME).unwrap(), offer];
        let answer = deflate.accept(&offered);
        let without_hint = Params {
            client_max_window_bits: None,
            ..agreed
        };
        assert_eq!(answer, Some(without_hint.extension()));
        for (window, is_taken) in [(same - 1, false), (same, true)] {
            let params = Params {
                client_max_window_bits: Some(window),
                ..agreed
            };
            // A window of 7 bits does not exist; others are too small for `min_window_bits`.
            let answer = params.extension();
            let taken = deflate.agree(&offered, std::slice::from_ref(&answer));
            match is_taken {
                true => assert_eq!(taken, Ok(Some(answer))),
                false => assert_eq!(taken, Err(HandshakeError::Extensions)),
            }
        }
        // What is sent keeps to it.
        let mut run = agreed_run(Role::Client, &deflate);
        let bytes = noise(200, 5).repeat(500);
        run.ws.send(&bytes, &mut run.out).unwrap();
        let mut oracle = Oracle::new(window_of(Some(same)));
        assert_eq!(read(&mut oracle, &taken(&mut run), true), bytes);
    }
}

/// A connection that has agreed on it, without parameters.
fn agreed_run(role: Role, deflate: &Deflate) -> Run {
    agreed(role, Settings::default(), deflate, &Params::default())
}

#[test]
fn clones_with_other_settings_share_nothing_but_the_pool() {
    // A clone is a value of its own: its settings are not those of the original, and what waits
    // in the pool is only for those who would have made the same.
    let bytes = words(3_000, 1);
    let kinds = [(2, 8, 15), (9, 8, 15), (2, 1, 15), (2, 8, 9), (9, 8, 12)];
    for max_pooled in [0, 1, 16] {
        let original = deflate(|c| c.max_pooled = max_pooled);
        let clones = kinds.map(|(level, mem_level, _)| {
            let mut clone = original.clone();
            (clone.level, clone.mem_level) = (level, mem_level);
            clone
        });
        assert_eq!((original.level, original.mem_level), (2, 8));
        let send = |run: &mut Run| {
            run.ws.send(&bytes, &mut run.out).unwrap();
            taken(run)
        };
        for no_takeover in [true, false] {
            let mut alone = Vec::new();
            let mut runs = Vec::new();
            for ((level, mem_level, bits), clone) in kinds.into_iter().zip(&clones) {
                let params = Params::both_ways(bits, no_takeover);
                let own = deflate(|c| (c.level, c.mem_level) = (level, mem_level));
                let run = |deflate| agreed(Role::Server, Settings::default(), deflate, &params);
                alone.push(send(&mut run(&own)));
                runs.push(run(clone));
            }
            assert!(
                (1..kinds.len()).all(|kind| alone[kind] != alone[0]),
                "they differ"
            );
            let mut order = Random(1);
            let mut has_sent = [false; 5];
            for _ in 0..60 {
                let kind = order.below(kinds.len());
                let sent = send(&mut runs[kind]);
                // With context takeover only the first one is a message on its own.
                if no_takeover || !has_sent[kind] {
                    assert_eq!(sent, alone[kind], "{:?}", kinds[kind]);
                }
                has_sent[kind] = true;
            }
            assert_eq!(has_sent, [true; 5]);
        }
    }
}

#[test]
fn clones_are_equal_and_twins_are_not() {
    let one = Deflate::default();
    let mut clone = one.clone();
    assert_eq!(one, clone);
    assert_ne!(one, Deflate::default(), "another pool");
    clone.level = 9;
    assert_ne!(one, clone, "other settings");
    clone.level = one.level;
    assert_eq!(one, clone);
}

#[test]
fn what_one_end_sends_comes_out_at_the_other() {
    // All sizes around the steps of both sides, in any cuts.
    let lens = [
        0, 1, 63, 64, 65, 127, 128, 129, 16_383, 16_384, 16_385, 32_768, 70_000,
    ];
    for (no_takeover, bits) in [(false, 15), (true, 15), (false, 8), (true, 10)] {
        let deflate = deflate(|c| c.min_size = 0);
        let params = Params::both_ways(bits, no_takeover);
        let mut sender = agreed(Role::Client, Settings::default(), &deflate, &params);
        let mut receiver = agreed(Role::Server, Settings::default(), &deflate, &params);
        for seed in 0..2 {
            for len in lens {
                for bytes in [words(len, seed), noise(len, seed), vec![0; len]] {
                    sender.ws.send(&bytes, &mut sender.out).unwrap();
                    for part in bytes.chunks(bytes.len() / 3 + 1) {
                        sender.ws.send_piece(part, false, &mut sender.out).unwrap();
                    }
                    if !bytes.is_empty() {
                        sender.ws.send_piece(b"", true, &mut sender.out).unwrap();
                    }
                    receiver.feed_cut(&sender.out.split(), Cuts::Random(len as u64));
                    let messages = if bytes.is_empty() { 1 } else { 2 };
                    assert!(
                        receiver.events == times(messages, || binary(&bytes)),
                        "{len}"
                    );
                    receiver.events.clear();
                }
            }
        }
    }
}

// ---- the opening handshake (RFC 7692, sections 5 and 7) ----

fn with(deflate: Option<Deflate>) -> Config {
    config(|c| {
        c.deflate = deflate;
        c.origins = OriginPolicy::any();
    })
}

/// The extensions in a head, `None` if there is no such line.
fn extensions(head: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(head).unwrap();
    let lines = head
        .lines()
        .filter_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    let lines: Vec<_> = lines.collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// The head with these lines of extensions.
fn with_extensions(head: &str, lines: &[&str]) -> String {
    lines.iter().fold(head.to_owned(), |head, line| {
        with_line(&head, &format!("Sec-WebSocket-Extensions: {line}"))
    })
}

/// The connection of an endpoint whose handshake is done.
fn connection_of(endpoint: Endpoint) -> Run {
    Run::of(endpoint.into_connection().expect("it is open"))
}

/// A server's end after a request with these lines, and what it has answered.
fn served(config: &Config, lines: &[&str]) -> (Run, Option<String>) {
    let head = with_extensions(REQUEST, lines);
    let mut served = serve(head.as_bytes(), Cuts::Random(1), config);
    served.accept();
    let run = connection_of(served.endpoint);
    let answer = extensions(&served.out);
    assert_eq!(answer.is_some(), run.ws.has_deflate());
    (run, answer)
}

/// What a client makes of a response with these lines.
fn asked(config: &Config, lines: &[&str]) -> Asked {
    let head = with_extensions(RESPONSE, lines);
    ask(&client_request(), &head, b"", Cuts::Random(1), config)
}

/// Whether the connection that has opened has it.
fn has_deflate(asked: &Asked) -> bool {
    assert!(asked.endpoint.is_open());
    asked.endpoint.has_deflate()
}

/// Both ends of a connection, after a complete handshake, and what they have agreed on.
fn opened(client: Option<Deflate>, server: Option<Deflate>) -> (Run, Run, Vec<Extension>) {
    let mut request = BytesMut::new();
    let (client_config, now) = (with(client), Duration::ZERO);
    let client = Endpoint::client(
        &client_request(),
        &client_config,
        [5; 32],
        now,
        &mut request,
    );
    let mut served = serve(&request, Cuts::Bytes, &with(server));
    served.accept();
    let asked = receive_response(client, &[served.out.to_vec()]);
    let extensions = asked.opened().extensions();
    let (client, server) = (
        connection_of(asked.endpoint),
        connection_of(served.endpoint),
    );
    (client, server, extensions)
}

#[test]
fn a_whole_handshake_agrees_on_it_if_both_ends_want() {
    let long = words(2_000, 1);
    for (client, server) in [(true, true), (true, false), (false, true), (false, false)] {
        let [client_wants, server_wants] =
            [client, server].map(|wants| wants.then(Deflate::default));
        let (mut client_end, mut server_end, extensions) = opened(client_wants, server_wants);
        let is_agreed = client && server;
        assert_eq!(client_end.ws.has_deflate(), is_agreed);
        assert_eq!(server_end.ws.has_deflate(), is_agreed);
        let names: Vec<_> = extensions.iter().map(Extension::name).collect();
        assert_eq!(names, [NAME; 1][..usize::from(is_agreed)]);
        for _ in 0..3 {
            client_end.ws.send(&long, &mut client_end.out).unwrap();
            server_end.feed(&client_end.out);
            server_end.ws.send(&long, &mut server_end.out).unwrap();
            client_end.feed(&server_end.out);
            for end in [&mut client_end, &mut server_end] {
                assert_eq!(end.events.pop(), Some(binary(&long)));
                let frames = taken(end);
                let first = if is_agreed { 0xc2 } else { 0x82 };
                assert_eq!((frames[0].0, frames[0].1.len() < 1_000), (first, is_agreed));
            }
        }
    }
}

#[test]
fn each_setting_reaches_both_ends() {
    let settings: [fn(&mut Deflate); 6] = [
        |_| {},
        |c| c.server_no_context_takeover = true,
        |c| c.client_no_context_takeover = true,
        |c| c.server_max_window_bits = Some(8),
        |c| c.client_max_window_bits = Some(9),
        |c| {
            c.server_no_context_takeover = true;
            c.client_no_context_takeover = true;
            c.server_max_window_bits = Some(10);
            c.client_max_window_bits = Some(11);
        },
    ];
    for client in settings {
        for server in settings {
            let both = [client, server].map(deflate);
            let [of_client, of_server] = &both;
            let open = || opened(Some(of_client.clone()), Some(of_server.clone()));
            let (client, server, extensions) = open();
            // Whoever asks for less gets it, in either direction.
            let least = |a: Option<u8>, b: Option<u8>| match (a, b) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            let agreed_on = Params {
                server_no_context_takeover: both.iter().any(|c| c.server_no_context_takeover),
                client_no_context_takeover: both.iter().any(|c| c.client_no_context_takeover),
                server_max_window_bits: least(
                    of_client.server_max_window_bits,
                    of_server.server_max_window_bits,
                ),
                // The client's is a hint, which the server need not answer.
                client_max_window_bits: of_server
                    .client_max_window_bits
                    .and_then(|bits| least(Some(bits), of_client.client_max_window_bits)),
            };
            assert_eq!(extensions, [agreed_on.extension()]);

            // What each end sends, the other one can read; and it is as small as was asked for.
            for (mut from, mut to, takeover, window) in [
                (
                    server,
                    client,
                    !agreed_on.server_no_context_takeover,
                    window_of(agreed_on.server_max_window_bits),
                ),
                {
                    let (client, server, _) = open();
                    let hint = window_of(of_client.client_max_window_bits);
                    let window = window_of(agreed_on.client_max_window_bits).min(hint);
                    let takeover = !agreed_on.client_no_context_takeover;
                    (client, server, takeover, window)
                },
            ] {
                let mut oracle = Oracle::new(window);
                for seed in [1, 1, 2] {
                    let bytes = [words(1_000, seed), noise(600, 1), noise(600, 1)].concat();
                    from.ws.send(&bytes, &mut from.out).unwrap();
                    to.feed(&from.out);
                    assert_eq!(to.events.pop(), Some(binary(&bytes)));
                    assert_eq!(read(&mut oracle, &taken(&mut from), takeover), bytes);
                }
            }
        }
    }
}

#[test]
fn a_server_takes_the_first_offer_that_it_can() {
    let plain = "permessage-deflate";
    // What browsers send, and what has been misread elsewhere.
    for (lines, answer) in [
        (
            &["permessage-deflate; client_max_window_bits"][..],
            Some(plain),
        ),
        (&["permessage-deflate"], Some(plain)),
        (&["x-webkit-deflate-frame, permessage-deflate"], Some(plain)),
        (
            &["permessage-bzip2, permessage-deflate; client_max_window_bits=10"],
            Some(plain),
        ),
        // Several lines are one list.
        (&["x-other", "permessage-deflate"], Some(plain)),
        (
            &[
                "permessage-deflate; x",
                "permessage-deflate; server_max_window_bits=9",
            ],
            Some("permessage-deflate; server_max_window_bits=9"),
        ),
        // Elsewhere only the first offer was read, and unknown parameters were skipped.
        (
            &["permessage-deflate; unknown, permessage-deflate"],
            Some(plain),
        ),
        (&["permessage-deflate; unknown"], None),
        (
            &["permessage-deflate; unknown=1, permessage-deflate; unknown"],
            None,
        ),
        // Elsewhere a server's window that was asked for was ignored.
        (
            &["permessage-deflate; server_max_window_bits=8"],
            Some("permessage-deflate; server_max_window_bits=8"),
        ),
        (
            &["permessage-deflate; server_max_window_bits=\"15\""],
            Some("permessage-deflate; server_max_window_bits=15"),
        ),
        (
            &["permessage-deflate; client_no_context_takeover; server_no_context_takeover"],
            Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
        ),
        // Twice is an error, whatever the value.
        (
            &["permessage-deflate; server_no_context_takeover; server_no_context_takeover"],
            None,
        ),
        (
            &["permessage-deflate; client_no_context_takeover; client_no_context_takeover"],
            None,
        ),
        (
            &["permessage-deflate; server_max_window_bits=9; server_max_window_bits=9"],
            None,
        ),
        (
            &["permessage-deflate; client_max_window_bits; client_max_window_bits=9"],
            None,
        ),
        (
            &["permessage-deflate; client_max_window_bits=9; client_max_window_bits"],
            None,
        ),
        // A value that is missing, or one too many.
        (&["permessage-deflate; server_max_window_bits"], None),
        (
            &["permessage-deflate; server_no_context_takeover=true"],
            None,
        ),
        (&["permessage-deflate; client_no_context_takeover=1"], None),
        // Elsewhere the beginning of a name was enough.
        (&["permessage-deflate-2"], None),
        (&["permessage-deflat"], None),
        (&["x-permessage-deflate"], None),
        (&["perframe-deflate"], None),
        (&["Permessage-Deflate"], None),
        (&["permessage-deflate; Server_No_Context_Takeover"], None),
        (&[], None),
    ] {
        let config = with(Some(Deflate::default()));
        let (mut run, answered) = served(&config, lines);
        assert_eq!(answered.as_deref(), answer, "{lines:?}");
        run.feed(&frame(Role::Server, 0xc1, &fixed(&literals(b"abc"))));
        match answer {
            Some(_) => assert_eq!(run.events, [text("abc")]),
            None => has_failed(&mut run, ProtocolError::ReservedBit, 1002),
        }
        // A server that does not want it says nothing.
        assert_eq!(served(&with(None), lines).1, None);
    }
}

/// What is no window size, though it was taken for one elsewhere.
const NO_WINDOW_BITS: [&str; 21] = [
    "7",
    "16",
    "0",
    "1",
    "99",
    "08",
    "+9",
    "-9",
    "1e1",
    "0x9",
    "15.0",
    "9.",
    "264",
    "65544",
    "4294967304",
    "18446744073709551624",
    "8-15",
    "nine",
    "٩",
    "\"\"",
    "\" 9\"",
];

#[test]
fn a_window_size_is_one_of_eight_words() {
    // Elsewhere `parseInt` was used, and a client crashed on what it gave.
    let (server, client) = (
        with(Some(Deflate::default())),
        with(Some(Deflate::default())),
    );
    for bits in NO_WINDOW_BITS {
        for name in ["server_max_window_bits", "client_max_window_bits"] {
            let element = format!("permessage-deflate; {name}={bits}");
            let asked = asked(&client, &[&element]);
            assert_eq!(asked.error(), Some(HandshakeError::Extensions), "{element}");
            assert!(asked.out.is_empty());
            // Not a token at all, and so an error of the whole field.
            if matches!(bits, "٩" | "\"\"" | "\" 9\"") {
                continue;
            }
            assert_eq!(served(&server, &[&element]).1, None, "{element}");
            let (_, answer) = served(&server, &[&element, "permessage-deflate"]);
            assert_eq!(answer.as_deref(), Some("permessage-deflate"));
        }
    }
    for bits in 8..=15 {
        for value in [bits.to_string(), format!("\"{bits}\"")] {
            let element = format!("permessage-deflate; server_max_window_bits={value}");
            let answer = format!("permessage-deflate; server_max_window_bits={bits}");
            assert_eq!(served(&server, &[&element]).1, Some(answer));
            for name in ["server", "client"] {
                let element = format!("permessage-deflate; {name}_max_window_bits={value}");
                assert!(has_deflate(&asked(&client, &[&element])));
            }
        }
    }
}

#[test]
fn a_server_asks_a_client_for_a_window_only_if_it_knows_how() {
    // Elsewhere the answer had a parameter that the client had not offered.
    let config = with(Some(deflate(|c| c.client_max_window_bits = Some(10))));
    for (offer, answer) in [
        ("permessage-deflate", "permessage-deflate"),
        (
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=10",
        ),
        (
            "permessage-deflate; client_max_window_bits=9",
            "permessage-deflate; client_max_window_bits=9",
        ),
        (
            "permessage-deflate; client_max_window_bits=15",
            "permessage-deflate; client_max_window_bits=10",
        ),
    ] {
        let (mut run, answered) = served(&config, &[offer]);
        assert_eq!(answered.as_deref(), Some(answer));
        // It then goes by what was agreed on, not by what it wanted.
        let data = noise(3_000, 1);
        run.feed(&frame(Role::Server, 0xc2, &payload(Block::Stored(data))));
        run.feed(&frame(Role::Server, 0xc2, &fixed(&[back(2_000)])));
        match answer {
            "permessage-deflate" => assert_eq!(run.events.len(), 2),
            _ => has_failed(&mut run, ProtocolError::CompressedDataInvalid, 1007),
        }
    }
}

#[test]
fn windows_that_are_too_small_are_not_agreed_on() {
    let ten = Some(deflate(|c| c.min_window_bits = 10));
    let config = with(ten);
    for bits in 8..=15 {
        let is_taken = bits >= 10;
        let offer = format!("permessage-deflate; server_max_window_bits={bits}");
        assert_eq!(served(&config, &[&offer]).1.is_some(), is_taken);
        let both = [&*offer, "permessage-deflate"];
        let answer = served(&config, &both).1.unwrap();
        assert_eq!(
            answer,
            if is_taken {
                &*offer
            } else {
                "permessage-deflate"
            }
        );
        // It is what oneself compresses with that counts.
        let element = format!("permessage-deflate; client_max_window_bits={bits}");
        assert!(served(&config, &[&element]).1.is_some());
        assert_eq!(asked(&config, &[&element]).error().is_none(), is_taken);
        assert!(asked(&config, &[&offer]).error().is_none());
    }
}

#[test]
fn an_answer_that_breaks_a_rule_ends_the_handshake() {
    let asks_for_ten = deflate(|c| {
        c.server_max_window_bits = Some(10);
        c.server_no_context_takeover = true;
        c.client_no_context_takeover = true;
    });
    let ten = "permessage-deflate; server_no_context_takeover; server_max_window_bits";
    let [nine, exactly, eleven] = [9, 10, 11].map(|bits| format!("{ten}={bits}"));
    let plain = Deflate::default();
    for (deflate, lines, is_taken) in [
        (&plain, &["permessage-deflate"][..], true),
        (
            &plain,
            &["permessage-deflate; server_no_context_takeover"],
            true,
        ),
        (
            &plain,
            &["permessage-deflate; client_no_context_takeover; server_max_window_bits=9"],
            true,
        ),
        (
            &plain,
            &["permessage-deflate; client_max_window_bits=8"],
            true,
        ),
        (
            &plain,
            &["permessage-deflate; client_max_window_bits=\"12\""],
            true,
        ),
        (&plain, &[], true),
        // Two answers.
        (&plain, &["permessage-deflate, permessage-deflate"], false),
        (&plain, &["permessage-deflate", "permessage-deflate"], false),
        (
            &plain,
            &["permessage-deflate; server_max_window_bits=9, permessage-deflate"],
            false,
        ),
        // Parameters: unknown, twice, without their value, with one.
        (&plain, &["permessage-deflate; unknown"], false),
        (
            &plain,
            &["permessage-deflate; server_no_context_takeover=1"],
            false,
        ),
        (
            &plain,
            &["permessage-deflate; server_no_context_takeover; server_no_context_takeover"],
            false,
        ),
        (
            &plain,
            &["permessage-deflate; server_max_window_bits"],
            false,
        ),
        (
            &plain,
            &["permessage-deflate; client_max_window_bits"],
            false,
        ),
        (
            &plain,
            &["permessage-deflate; client_max_window_bits=9; client_max_window_bits=9"],
            false,
        ),
        // Less than what was asked for.
        (&asks_for_ten, &[&*exactly], true),
        (&asks_for_ten, &[&*nine], true),
        (&asks_for_ten, &[&*eleven], false),
        (
            &asks_for_ten,
            &["permessage-deflate; server_max_window_bits=10"],
            false,
        ),
        (
            &asks_for_ten,
            &["permessage-deflate; server_no_context_takeover"],
            false,
        ),
        (&asks_for_ten, &["permessage-deflate"], false),
        (&asks_for_ten, &[], true),
    ] {
        let asked = asked(&with(Some(deflate.clone())), lines);
        if is_taken {
            assert_eq!(has_deflate(&asked), !lines.is_empty());
            assert_eq!(asked.opened().extensions().len(), lines.len());
        } else {
            assert_eq!(asked.error(), Some(HandshakeError::Extensions), "{lines:?}");
        }
        assert!(asked.out.is_empty(), "nothing is sent in either case");
    }
    // Names that were not offered.
    for (deflate, lines, found) in [
        (
            Some(plain.clone()),
            &["permessage-deflate-2"][..],
            "permessage-deflate-2",
        ),
        (
            Some(plain.clone()),
            &["Permessage-Deflate"],
            "Permessage-Deflate",
        ),
        (
            Some(plain.clone()),
            &["x-webkit-deflate-frame"],
            "x-webkit-deflate-frame",
        ),
        (
            Some(plain.clone()),
            &["permessage-deflate, x-other"],
            "x-other",
        ),
        (
            Some(plain.clone()),
            &["permessage-deflate", "x-other"],
            "x-other",
        ),
        (None, &["permessage-deflate"], NAME),
    ] {
        let asked = asked(&with(deflate), lines);
        let error = HandshakeError::ExtensionNotOffered(found.into());
        assert_eq!(asked.error(), Some(error), "{lines:?}");
        assert!(asked.out.is_empty(), "nothing is sent");
    }
    // Offered without `client_max_window_bits`.
    let list = |list: &str| Extension::parse_list([list]).unwrap();
    let (offer, answer) = (
        list("permessage-deflate"),
        list("permessage-deflate; client_max_window_bits=10"),
    );
    let refused = Err(HandshakeError::Extensions);
    assert_eq!(plain.agree(&offer, &answer), refused);
    let agreed = Params::default().extension();
    assert_eq!(plain.agree(&offer, &offer), Ok(Some(agreed)));
    assert_eq!(plain.agree(&offer, &[]), Ok(None));
    let twice = [&offer[..], &offer].concat();
    assert_eq!(plain.agree(&offer, &twice), refused);
}

/// What no handshake agrees on.
#[test]
fn a_connection_is_not_made_of_an_element_that_breaks_a_rule() {
    let none = Extension::new("permessage-bzip2").unwrap();
    let mut elements = vec![none, Extension::new("Permessage-Deflate").unwrap()];
    for (params, is_twice) in [
        (&[("mode", None)][..], false),
        (&[("server_max_window_bits", None)], false),
        (&[("client_max_window_bits", None)], false),
        (&[("server_max_window_bits", Some("7"))], false),
        (&[("client_max_window_bits", Some("16"))], false),
        (&[("client_max_window_bits", Some("08"))], false),
        (&[("server_no_context_takeover", Some("1"))], false),
        (&[("client_no_context_takeover", Some("15"))], false),
        (&[("server_no_context_takeover", None)], true),
        (&[("client_no_context_takeover", None)], true),
        (&[("server_max_window_bits", Some("9"))], true),
        (&[("client_max_window_bits", Some("9"))], true),
    ] {
        let mut element = Extension::new(NAME).unwrap();
        for _ in 0..=u8::from(is_twice) {
            for (name, value) in params {
                element = element.param(name, *value).unwrap();
            }
        }
        elements.push(element);
    }
    for role in ROLES {
        for element in &elements {
            let ws = connection(role, Settings::default());
            let result = ws.with_deflate(&Deflate::default(), element);
            let error = result.map(|ws| ws.has_deflate()).unwrap_err();
            assert_eq!(error, SetupError::Extension, "{element}");
        }
        for bits in 8..=15 {
            for no_takeover in [false, true] {
                let params = Params::both_ways(bits, no_takeover);
                let ws = connection(role, Settings::default());
                assert!(params.agreed(ws, &Deflate::default()).has_deflate());
            }
        }
    }
}

#[test]
fn a_request_may_be_accepted_without_it() {
    let config = with(Some(Deflate::default()));
    let head = with_extensions(REQUEST, &["permessage-deflate, x-other"]);
    let served = || serve(head.as_bytes(), Cuts::Whole, &config);
    let mut declined = served();
    declined.request_mut().decline_deflate();
    declined.accept();
    assert_eq!(extensions(&declined.out), None);
    let mut run = connection_of(declined.endpoint);
    assert!(!run.ws.has_deflate());
    run.ws.send(&"x".repeat(1_000), &mut run.out).unwrap();
    assert_eq!(taken(&mut run)[0].0, 0x81);
    run.feed(&frame(Role::Server, 0xc1, b""));
    has_failed(&mut run, ProtocolError::ReservedBit, 1002);

    // Beside extensions of the application; but what the crate does it does not do itself.
    let own = |name: &str| Extension::new(name).unwrap();
    let mut beside = served();
    let request = beside.request_mut();
    let twice = request.select_extension(own(NAME));
    assert_eq!(twice, Err(SetupError::NotOffered));
    request.select_extension(own("x-other")).unwrap();
    beside.accept();
    assert_eq!(
        extensions(&beside.out).as_deref(),
        Some("permessage-deflate, x-other")
    );
    assert!(beside.endpoint.has_deflate());
    let mut instead = served();
    instead.request_mut().decline_deflate();
    instead.request_mut().select_extension(own(NAME)).unwrap();
    instead.accept();
    assert_eq!(
        extensions(&instead.out).as_deref(),
        Some("permessage-deflate")
    );
    assert!(!instead.endpoint.has_deflate());
}

#[test]
fn a_client_that_needs_it_closes_without_it() {
    let config = with(Some(Deflate::default()));
    let needs = client_request().extension(Extension::new(NAME).unwrap(), true);
    let accepted = with_extensions(RESPONSE, &["permessage-deflate"]);
    let with_it = ask(&needs, &accepted, b"", Cuts::Whole, &config);
    assert!(has_deflate(&with_it));
    assert!(with_it.out.is_empty());
    let without = ask(&needs, RESPONSE, b"", Cuts::Whole, &config);
    assert_eq!(without.opened().extensions(), []);
    assert!(!without.endpoint.is_open(), "it is closing");
    let frames = raw_frames(&without.out, Role::Client);
    assert_eq!((frames.len(), frames[0].0), (1, 0x88));
    assert_eq!(frames[0].1[..2], 1010_u16.to_be_bytes());
}

#[test]
fn what_comes_with_the_handshake_is_inflated() {
    // Elsewhere bytes after the head got lost, and with them the first of the window.
    let config = with(Some(Deflate::default()));
    let response = with_extensions(RESPONSE, &["permessage-deflate"]);
    let after = frames(
        Role::Client,
        &[
            (0xc1, &fixed(&literals(b"abcdef"))),
            (0xc1, &fixed(&[back(6)])),
        ],
    );
    for cuts in Cuts::ALL {
        let asked = ask(&client_request(), &response, &after, cuts, &config);
        asked.opened();
        let rest = asked.rest;
        let mut run = connection_of(asked.endpoint);
        run.feed(&rest);
        assert_eq!(run.events, [text("abcdef"), text("abc")]);
    }
}
