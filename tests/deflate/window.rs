//! The window that was agreed on, matches before its start, and final blocks (RFC 7692, section 7).
//!
//! Invariant: the windows of both sides never get out of step. Each test says what went wrong
//! elsewhere.

use crate::runs::*;
use crate::support::deflate::*;
use crate::support::*;
use sansocket::{Deflate, Event, ProtocolError, Role, Settings};

// ---- the window that was agreed on (RFC 7692, section 7.1.2) ----

/// What these settings compress inflates with a window of `bits` bits.
fn keeps_to_its_window(bits: u8, level: u8, mem_level: u8) {
    let window = 1 << bits;
    let mut messages = vec![words(3_000, 1), vec![b'='; 2_000]];
    // Bytes that repeat at the distance of the window, and at the distance that zlib uses.
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
        // The test could have failed: the compressor uses the window.
        let largest = oracle.largest_distance();
        assert!(largest > window as usize / 3, "{largest} of {bits} bits");
    }
}

#[test]
fn compressed_messages_fit_a_window_of_8_bits() {
    // zlib turns 8 bits into 9, so elsewhere a peer with 256 bytes could not inflate.
    for level in 1..=9 {
        for mem_level in [1, 8, 9] {
            keeps_to_its_window(8, level, mem_level);
        }
    }
}

#[test]
fn compressed_messages_fit_the_agreed_window() {
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
fn each_direction_keeps_to_its_own_terms() {
    each_delivery(|| {
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
            // Received messages keep to the terms of the other direction.
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
    });
}

#[test]
fn a_client_keeps_to_the_window_that_it_has_announced() {
    each_delivery(|| {
        // A server that knows the hint may have made room for no more.
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
    });
}

// ---- matches before the start of the window (RFC 1951, section 3.2.3) ----

/// A pool with an inflater that another connection has filled with its data.
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
    each_delivery(|| {
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
                        for block in [Block::Fixed(tokens.clone()), Block::Dynamic(tokens.clone())]
                        {
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
    });
}

#[test]
fn a_match_before_a_message_without_takeover_is_an_error() {
    each_delivery(|| {
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
    });
}

#[test]
fn a_match_before_the_agreed_history_is_an_error() {
    each_delivery(|| {
        // A longer distance inside the message refers to existing bytes; but of the
        // messages before only the agreed window is kept, whichever inflater is used next.
        for bits in 8..=15 {
            let window: usize = 1 << bits;
            let params = Params::both_ways(bits, false);
            let before = noise(2 * window + 17, bits.into());
            for so_far in [0, 1, 100, window - 1, window + 5] {
                let now = noise(so_far, 99);
                for (distance, is_there) in [(window + so_far, true), (window + so_far + 1, false)]
                {
                    if distance > 32_768 {
                        continue;
                    }
                    let match_back = vec![back(distance as u16)];
                    let bytes = write_message(&[
                        (Block::Stored(now.clone()), false),
                        (Block::Fixed(match_back.clone()), false),
                    ]);
                    for (role, max_pooled) in
                        [(Role::Server, 0), (Role::Server, 1), (Role::Client, 16)]
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
    });
}

#[test]
fn connections_that_share_inflaters_see_nothing_of_each_other() {
    each_delivery(|| {
        // Each message refers to everything that its own connection has sent, and would differ if the window
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
                    // In the middle of the message another connection inflates.
                    let (unfinished, rest) = wire.split_at(wire.len() / 2);
                    receiver.feed(unfinished);
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
    });
}

#[test]
fn a_failed_connection_leaves_the_others_alone() {
    each_delivery(|| {
        // What was inflated halfway, or has failed, must not reach another connection.
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
    });
}

// ---- final blocks (RFC 7692, section 7.2.3.4) ----

#[test]
fn a_final_block_ends_neither_the_message_nor_the_window() {
    each_delivery(|| {
        // Elsewhere everything after a final block was empty, an error, or an endless loop.
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
    });
}

#[test]
fn a_final_block_without_takeover_ends_neither() {
    each_delivery(|| {
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
    });
}

#[test]
fn a_final_block_may_be_the_last_byte_of_a_fragment() {
    each_delivery(|| {
        // The example of section 7.2.3.4, cut after its block: one byte follows.
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
    });
}

/// An empty final block, two bytes, that made a receiver copy its window.
const FINAL: &str = "0300";

#[test]
fn a_connection_takes_a_number_of_final_blocks_at_once() {
    each_delivery(|| {
        // 64 in advance, and two more for the bytes of these.
        for (finals, is_taken) in [(66, true), (67, false)] {
            let mut bytes = unhex(FINAL).repeat(finals);
            bytes.push(0);
            for role in ROLES {
                for len in [1, 3, 1_000] {
                    let mut run = plain(role);
                    let wire = fragmented(role, 0xc1, &bytes, len, true);
                    run.feed_cut(&wire, Cuts::Random(len as u64));
                    match is_taken {
                        true => assert_eq!(run.events, [text("")]),
                        false => has_failed(&mut run, ProtocolError::TooManyFinalBlocks, 1008),
                    }
                }
            }
        }
    });
}

#[test]
fn final_blocks_for_each_message_and_each_64_bytes_go_on_for_ever() {
    each_delivery(|| {
        let filled = |len: usize| {
            let mut bytes = write_message(&[(Block::Fixed(literals(b"abc")), true)]);
            bytes.pop(); // what ends a message
            while bytes.len() < len {
                bytes.extend(unhex("000000ffff"));
            }
            bytes
        };
        for role in ROLES {
            // Every message has one, as from a sender that ends its stream with each.
            let mut run = plain(role);
            let one = [filled(0), vec![0]].concat();
            run.feed(&frame(role, 0xc1, &one).repeat(1_000));
            assert_eq!(run.events, times(1_000, || text("abc")));
            // Every fragment has one.
            let mut run = plain(role);
            run.feed(&frame(role, 0x41, b""));
            run.feed(&frame(role, 0, &filled(64)).repeat(1_000));
            run.feed(&frame(role, 0x80, b"\0"));
            assert_eq!(run.events, [text(&"abc".repeat(1_000))]);
            // Less than that has an end.
            let mut run = plain(role);
            run.feed(&frame(role, 0x41, b""));
            run.feed(&frame(role, 0, &filled(50)).repeat(1_000));
            has_failed(&mut run, ProtocolError::TooManyFinalBlocks, 1008);
        }
    });
}
