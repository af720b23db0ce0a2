//! What is compressed and what is not (RFC 7692, section 7.2.1).

use crate::runs::*;
use crate::support::deflate::*;
use crate::support::*;
use sansocket::{
    CloseCode, Deflate, End, Extension, HandshakeError, Prepared, ProtocolError, Role, SendError,
    Settings,
};

// ---- sending (RFC 7692, section 7.2.1) ----

#[test]
fn messages_from_min_size_on_are_compressed() {
    each_delivery(|| {
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
            // Fragments are compressed whatever their size: the size of the message is not known.
            run.ws.send_piece("", false, &mut run.out).unwrap();
            run.ws.send_piece("", true, &mut run.out).unwrap();
            let frames = taken(&mut run);
            assert_eq!(frames[0], (0x82, vec![0; 10_000]));
            assert_eq!(frames[1..], [(0x41, vec![]), (0x80, vec![0])]);
        }
    });
}

#[test]
fn an_empty_message_is_one_byte() {
    each_delivery(|| {
        for role in ROLES {
            for (no_takeover, frame) in [(false, (0xc1, vec![0])), (true, (0x81, vec![]))] {
                // Without context takeover, data that does not shrink is sent uncompressed.
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
    });
}

#[test]
fn each_fragment_brings_everything_sent_so_far() {
    each_delivery(|| {
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
                        // Without the last tail it is the payload of a message.
                        let full = payload.strip_suffix(&TAIL).unwrap();
                        let so_far_read = oracle.clone().message(full, !no_takeover);
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
    });
}

#[test]
fn the_setting_is_for_messages_that_start() {
    each_delivery(|| {
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
                // Now the setting takes effect.
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
    });
}

#[test]
fn data_that_does_not_shrink_is_sent_uncompressed_without_context_takeover() {
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
                    // With context takeover the peer's window must hold what the compressor's holds.
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
    each_delivery(|| {
        // Elsewhere a reused compressor held a part of the message before.
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
    });
}

#[test]
fn nothing_is_sent_or_compressed_when_a_connection_is_over() {
    each_delivery(|| {
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
    });
}

#[test]
fn a_refused_send_changes_nothing() {
    each_delivery(|| {
        // An error of the application must leave nothing in the compressor.
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
    });
}

#[test]
fn settings_out_of_range_count_as_the_nearest() {
    each_delivery(|| {
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
    });
}

#[test]
fn window_bits_out_of_range_count_as_the_nearest() {
    each_delivery(|| {
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
                    false => assert!(
                        matches!(taken, Err(HandshakeError::Extensions(_))),
                        "{taken:?}"
                    ),
                }
            }
            // What is sent keeps to that window.
            let mut run = agreed_run(Role::Client, &deflate);
            let bytes = noise(200, 5).repeat(500);
            run.ws.send(&bytes, &mut run.out).unwrap();
            let mut oracle = Oracle::new(window_of(Some(same)));
            assert_eq!(read(&mut oracle, &taken(&mut run), true), bytes);
        }
    });
}

/// A connection with permessage-deflate without parameters.
fn agreed_run(role: Role, deflate: &Deflate) -> Run {
    agreed(role, Settings::default(), deflate, &Params::default())
}

#[test]
fn clones_with_other_settings_share_nothing_but_the_pool() {
    each_delivery(|| {
        // A clone is a value of its own: its settings are not those of the original, and what waits
        // in the pool is only for clones that would have made the same.
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
                    // With context takeover only the first message is compressed on its own.
                    if no_takeover || !has_sent[kind] {
                        assert_eq!(sent, alone[kind], "{:?}", kinds[kind]);
                    }
                    has_sent[kind] = true;
                }
                assert_eq!(has_sent, [true; 5]);
            }
        }
    });
}

#[test]
fn clones_are_equal_and_two_defaults_are_not() {
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
fn one_end_receives_what_the_other_end_sends() {
    each_delivery(|| {
        // Sizes around the steps of both sides, in any cuts.
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
    });
}
