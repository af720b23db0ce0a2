//! RSV1, and compressed messages between others.

use crate::runs::*;
use crate::support::deflate::*;
use crate::support::*;
use bytes::BytesMut;
use sansocket::{CloseCode, End, Event, Input, ProtocolError, Settings};

// ---- RSV1 (RFC 7692, sections 5.1, 6.1 and 6.2) ----

#[test]
fn rsv1_on_anything_but_the_first_frame_of_a_message_is_an_error() {
    each_delivery(|| {
        // Elsewhere control frames or continuations with it were accepted.
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
                        has_failed(&mut run, ProtocolError::ReservedBit { first }, 1002);
                    }
                }
            }
        }
    });
}

#[test]
fn rsv1_without_the_extension_is_an_error() {
    each_delivery(|| {
        for role in ROLES {
            for first in [0xc1, 0xc2, 0x41, 0x42] {
                let mut run = Run::new(role);
                assert!(!run.ws.has_deflate());
                run.feed(&[first]);
                has_failed(&mut run, ProtocolError::ReservedBit { first }, 1002);
            }
        }
    });
}

#[test]
fn a_compressed_message_without_any_byte_is_empty() {
    each_delivery(|| {
        // Elsewhere it was an error, or the inflater got the tail alone and kept it.
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
                    // The window is unchanged.
                    run.feed(&frame(role, 0xc1, &fixed(&[back(6)])));
                    match no_takeover {
                        false => assert_eq!(run.events.last(), Some(&text("abc"))),
                        true => has_failed(&mut run, ProtocolError::CompressedDataInvalid, 1007),
                    }
                }
            }
        }
    });
}

#[test]
fn empty_fragments_in_between_change_nothing() {
    each_delivery(|| {
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
    });
}

#[test]
fn a_message_inside_a_compressed_message_does_not_replace_it() {
    each_delivery(|| {
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
    });
}

#[test]
fn a_compressed_message_may_have_max_fragments() {
    each_delivery(|| {
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
    });
}

#[test]
fn limits_set_inside_a_compressed_message_hold_from_the_next_one() {
    each_delivery(|| {
        let bytes = of_each_kind(1_000);
        for role in ROLES {
            for payload in &bytes {
                let wire = fragmented(role, 0xc2, payload, payload.len() / 3 + 1, true);
                let (unfinished, rest) =
                    wire.split_at(frame_header(role, 0x42, payload.len() as u64).len());
                for (first, then) in [(1_000, 10), (999, 100_000)] {
                    let mut run = limited(role, at_most(first));
                    run.feed(unfinished);
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
    });
}

#[test]
fn a_compressed_message_has_a_limit_of_bytes_on_the_wire() {
    each_delivery(|| {
        // It leaves room for data that does not shrink, and for the flush at the end of each
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
    });
}

// ---- compressed messages between others ----

#[test]
fn uncompressed_messages_received_in_between_leave_the_window_alone() {
    each_delivery(|| {
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
    });
}

#[test]
fn uncompressed_messages_sent_in_between_leave_the_window_alone() {
    each_delivery(|| {
        for role in ROLES {
            let (mut run, mut oracle) = (plain(role), Oracle::new(32_768));
            let long = words(2_000, 1);
            run.ws.send(&long, &mut run.out).unwrap();
            assert_eq!(read(&mut oracle, &taken(&mut run), true), long);
            for round in 0..3 {
                // Too short, compression off, off for fragments, control frames.
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
    });
}

/// Noise, such as pictures, with text in between: elsewhere the windows of both sides got out of step.
#[test]
fn many_messages_that_do_not_shrink_keep_the_windows_in_step() {
    for sender in ROLES {
        let [mut from, mut to] =
            [sender, other(sender)].map(|role| with_deflate(connection(role, Settings::default())));
        let (mut out, mut answers) = (BytesMut::new(), BytesMut::new());
        for number in 0..600 {
            let payload = match number % 10 {
                9 => b"the same words ".repeat(100),
                _ => noise(1_000 + number as usize, number),
            };
            from.send(&payload, &mut out).unwrap();
            let event = to.receive(&mut Input(&mut out), &mut answers);
            assert_eq!(event, Some(binary(&payload)), "{number}");
            out.clear();
        }
    }
}

#[test]
fn a_close_stops_inflating() {
    each_delivery(|| {
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
            // Our own Close: what the peer sent before it saw that is still delivered.
            let mut run = plain(role);
            run.feed(&frame(role, 0xc1, &fixed(&literals(b"abc"))));
            run.ws.close(CloseCode::NORMAL, "", &mut run.out).unwrap();
            run.feed(&frame(role, 0xc1, &fixed(&[back(3)])));
            run.feed(&frame(role, 0xc1, b"\x06"));
            let error = ProtocolError::CompressedDataInvalid;
            assert_eq!(run.events, [text("abc"), text("abc"), Event::Failed(error)]);
            assert_eq!(close_code(&run), Some(1000), "one Close is sent");
        }
    });
}
