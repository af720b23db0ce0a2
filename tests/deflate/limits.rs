//! Bombs and limits (RFC 6455, section 10.4).
//!
//! Invariant: what a message inflates to is limited while it comes in, not at its end. Each test says
//! what went wrong elsewhere.

use crate::runs::*;
use crate::support::deflate::*;
use crate::support::*;
use sansocket::{ProtocolError, Role, Settings};

// ---- bombs and limits (RFC 6455, section 10.4) ----

#[test]
fn a_bomb_fails_at_the_limit_and_no_later() {
    each_delivery(|| {
        // Elsewhere the limit counted compressed bytes, or was checked after everything was inflated.
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
                    let said = [Cuts::AtOnce, Cuts::Random(1), Cuts::Random(2)].map(|cuts| {
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
                // It does not wait for the end of the frame or of the message.
                let unfinished = frame(role, first, &bomb);
                let header = unfinished.len() - bomb.len();
                for wire in [
                    unfinished[..header + enough].to_vec(),
                    fragmented(role, first, &bomb[..enough], 7, false),
                    fragmented(role, first, &bomb[..enough], 1, false),
                ] {
                    for cuts in [Cuts::AtOnce, Cuts::Bytes, Cuts::Random(2)] {
                        let mut run = limited(role, settings);
                        run.feed_cut(&wire, cuts);
                        is_too_big(&mut run, limit, 16 << 20);
                    }
                }
            }
        }
    });
}

#[test]
fn a_bomb_in_one_fragment_after_an_honest_one_fails() {
    each_delivery(|| {
        // Elsewhere each fragment could use the limit completely.
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
    });
}

#[test]
fn a_message_may_inflate_to_max_message_size() {
    // The inflater works in steps: the limit may lie inside a step, at its end, or after it.
    let steps = [16_383, 16_384, 16_385, 32_767, 32_768, 32_769, 65_536];
    for limit in [0, 1, 5, 125, 126]
        .into_iter()
        .chain(steps)
        .chain([1 << 17])
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
                    each_delivery(|| {
                        let mut run = limited(role, settings);
                        run.feed_cut(&wire, Cuts::Random(limit as u64));
                        if len == limit {
                            assert_eq!(run.events, [message(first, &vec![b'x'; limit])]);
                            assert!(run.ws.is_open());
                        } else {
                            // It fails by what it inflates to, or by the length of its compressed form alone.
                            is_too_big(&mut run, limit, len.max(payload.len()));
                        }
                    });
                }
            }
        }
    }
}

#[test]
fn bytes_of_a_cut_character_count_when_inflated() {
    each_delivery(|| {
        // They are kept apart from the text, but belong to the message.
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
    });
}

#[test]
fn each_compressed_message_may_use_the_limit_completely() {
    each_delivery(|| {
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
    });
}

#[test]
fn blocks_without_data_cannot_go_on_for_ever() {
    each_delivery(|| {
        // They inflate to nothing, so elsewhere a message of them never ended.
        let empty_stored = unhex("000000ffff");
        let empty_fixed = [fixed(&[]), TAIL.to_vec()].concat();
        let empty_dynamic = [payload(Block::Dynamic(Vec::new())), TAIL.to_vec()].concat();
        for block in [empty_stored, empty_fixed, empty_dynamic] {
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
                        // The header alone says that it is too much. A flush in each fragment is
                        // allowed; then the number of fragments is limited.
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
    });
}

#[test]
fn the_highest_limit_does_not_overflow_when_inflating() {
    each_delivery(|| {
        let settings = settings(|s| s.max_message_size = u64::MAX);
        for role in ROLES {
            let mut run = limited(role, settings);
            for bytes in of_each_kind(40_000) {
                run.feed(&fragmented(role, 0xc2, &bytes, 777, true));
            }
            assert_eq!(run.events, times(5, || binary(&[b'x'; 40_000])));
        }
    });
}

#[test]
fn data_that_does_not_shrink_may_have_max_message_size() {
    each_delivery(|| {
        // The headers of its blocks make its compressed form longer than the limit.
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
                        let mut sender =
                            agreed(other(role), Settings::default(), &deflate, &params);
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
    });
}

#[test]
fn data_that_does_not_shrink_may_have_the_default_limit() {
    each_delivery(|| {
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
    });
}

#[test]
fn a_message_in_small_fragments_may_have_max_message_size() {
    each_delivery(|| {
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
    });
}
