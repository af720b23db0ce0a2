//! Faults of other implementations, which must not happen here.
//!
//! Invariant: each test says what went wrong elsewhere; the rules are those of RFC 6455, sections 5, 7,
//! 8.1 and 10. Opening handshakes are in `tests/handshake`, single errors in `errors.rs`,
//! limits in `limits.rs`.

use crate::support::*;
use bytes::BytesMut;
use sansocket::{
    CloseCode, Config, Connection, End, Endpoint, Event, ProtocolError, Role, SendError, Session,
    Settings, seed,
};
use std::collections::BTreeSet;
use std::time::Duration;

/// What a connection makes of these frames, the same in any cuts.
fn events(role: Role, wire: &[u8]) -> Vec<Event<'static>> {
    let mut all = Cuts::ALL.map(|cuts| {
        let mut run = Run::new(role);
        run.feed_cut(wire, cuts);
        (run.events, run.out)
    });
    let first = std::mem::take(&mut all[0]);
    assert!(all[1..].iter().all(|other| *other == first));
    first.0
}

// ---- output and floods (section 5.5) ----

#[test]
fn a_flood_of_pings_makes_at_most_three_times_as_much_output() {
    each_delivery(|| {
        // Elsewhere queues of Pongs grew without bound, far faster than the Pings.
        for role in ROLES {
            for len in [0, 1, 125] {
                let wire = frame(role, 0x89, &vec![1; len]).repeat(1_000);
                let mut run = Run::new(role);
                run.feed(&wire);
                assert_eq!(run.events.len(), 1_000);
                assert!(run.out.len() <= 3 * wire.len(), "{} bytes", run.out.len());
                assert!(
                    run.sent()
                        .iter()
                        .all(|pong| pong.opcode == 10 && pong.payload.len() == len)
                );
            }
        }
    });
}

#[test]
fn a_flood_of_pongs_makes_no_output() {
    each_delivery(|| {
        // Elsewhere a buffer leaked for each unsolicited Pong.
        for role in ROLES {
            let mut run = Run::new(role);
            run.feed(&frame(role, 0x8a, b"unsolicited").repeat(1_000));
            assert_eq!((run.events.len(), run.out.len()), (1_000, 0));
        }
    });
}

#[test]
fn pings_are_not_answered_if_the_application_does_it() {
    each_delivery(|| {
        let settings = settings(|all| all.answer_pings = false);
        for role in ROLES {
            let mut run = Run::with_settings(role, settings);
            run.feed(&frame(role, 0x89, b"x"));
            assert_eq!((run.events.len(), run.out.len()), (1, 0));
        }
    });
}

#[test]
fn an_oversized_close_is_not_echoed() {
    each_delivery(|| {
        // Elsewhere a Close of 126 bytes or more was echoed, or broke the framing.
        for role in ROLES {
            for len in [124, 1_000] {
                let body = [&b"\x03\xe8"[..], &vec![b'x'; len]].concat();
                let mut run = Run::new(role);
                run.feed(&frame(role, 0x88, &body));
                assert_eq!(
                    run.events,
                    [Event::Failed(ProtocolError::ControlFrameTooLong)]
                );
                let sent = run.sent();
                assert_eq!((sent.len(), sent[0].close_code()), (1, Some(1002)));
                assert!(sent[0].payload.len() <= 125);
            }
        }
    });
}

#[test]
fn the_longest_close_is_echoed() {
    each_delivery(|| {
        // Elsewhere, off by one: lengths of 124 and 125 were read as the marks of longer forms.
        for role in ROLES {
            for len in [121, 122, 123] {
                let body = [&b"\x0f\xa1"[..], &vec![b'x'; len]].concat();
                let mut run = Run::new(role);
                run.feed(&frame(role, 0x88, &body));
                assert_eq!(run.sent()[0].payload, body);
            }
        }
    });
}

// ---- frames and state (sections 5.1 to 5.5) ----

#[test]
fn a_bad_header_fails_with_its_first_bad_byte() {
    each_delivery(|| {
        // Elsewhere the payload was awaited before a bad header was rejected.
        for role in ROLES {
            let mask = if role == Role::Server { 0x80 } else { 0 };
            for (bytes, error) in [
                (&[0xc1][..], ProtocolError::ReservedBit { first: 0xc1 }),
                (&[0x83], ProtocolError::ReservedOpcode(3)),
                (&[0x09], ProtocolError::ControlFrameFragmented),
                (&[0x89, mask | 126], ProtocolError::ControlFrameTooLong),
                (&[0x82, mask | 126, 0, 9], ProtocolError::LengthNotMinimal),
                (&[0x82, mask | 127, 0x80], ProtocolError::LengthTopBit),
            ] {
                assert_eq!(events(role, bytes), [Event::Failed(error)]);
                assert_eq!(events(role, &bytes[..bytes.len() - 1]), []);
            }
            let (wrong_mask, error) = match role {
                Role::Server => (0, ProtocolError::FrameNotMasked),
                Role::Client => (0x80, ProtocolError::FrameMasked),
            };
            assert_eq!(
                events(role, &[0x81, wrong_mask | 5]),
                [Event::Failed(error)]
            );
        }
    });
}

#[test]
fn a_frame_that_is_masked_wrongly_is_never_delivered() {
    each_delivery(|| {
        // Elsewhere the unmasked message was handed over before the connection was closed.
        for role in ROLES {
            let wire = frame(other(role), 0x81, b"Hello");
            let events = events(role, &wire);
            assert!(matches!(events[..], [Event::Failed(_)]), "{events:?}");
        }
    });
}

#[test]
fn each_fragment_is_unmasked_with_its_own_key_from_its_start() {
    each_delivery(|| {
        // Elsewhere the place in the key was carried over to the next fragment.
        let mut wire = frame(Role::Server, 1, b"abc");
        for (first, payload, key) in [(0x00, &b"defgh"[..], [1, 2, 3, 4]), (0x80, b"i", [0; 4])] {
            wire.extend([first, 0x80 | payload.len() as u8]);
            wire.extend(key);
            wire.extend(xor(payload, key));
        }
        assert_eq!(events(Role::Server, &wire), [text("abcdefghi")]);
    });
}

#[test]
fn many_tiny_fragments_are_one_message() {
    each_delivery(|| {
        // Elsewhere each fragment cost an object, so a megabyte of them used up all memory.
        for role in ROLES {
            let mut wire = frame(role, 1, b"a");
            wire.extend(frame(role, 0, b"b").repeat(5_000));
            wire.extend(frame(role, 0x80, b"c"));
            assert_eq!(
                events(role, &wire),
                [text(&format!("a{}c", "b".repeat(5_000)))]
            );
        }
    });
}

#[test]
fn control_frames_between_fragments_leave_the_message_alone() {
    each_delivery(|| {
        // Elsewhere control frames shared a buffer with the message.
        for role in ROLES {
            let wire = frames(
                role,
                &[
                    (1, b"a"),
                    (0x89, b"1"),
                    (0, b"b"),
                    (0x8a, b"2"),
                    (0x89, b""),
                    (0x80, b"c"),
                ],
            );
            let wanted = [ping(b"1"), pong(b"2"), ping(b""), text("abc")];
            assert_eq!(events(role, &wire), wanted);
        }
    });
}

#[test]
fn a_close_between_fragments_drops_the_message() {
    each_delivery(|| {
        // Elsewhere the unfinished message was delivered as if it were complete.
        for role in ROLES {
            let wire = frames(role, &[(1, b"a"), (0x88, b""), (0x80, b"b")]);
            assert_eq!(events(role, &wire), [close(1005, "")]);
        }
    });
}

#[test]
fn an_empty_first_fragment_starts_a_message() {
    each_delivery(|| {
        // Elsewhere an empty buffer meant "no message", so another message could start in the middle.
        for role in ROLES {
            for first in [1, 2] {
                let new = frames(role, &[(first, b""), (0x81, b"x")]);
                let failed = Event::Failed(ProtocolError::ContinuationExpected);
                assert_eq!(events(role, &new), [failed]);
            }
            assert_eq!(
                events(role, &frames(role, &[(1, b""), (0x80, b"x")])),
                [text("x")]
            );
            let empty = frames(role, &[(1, b""), (0, b""), (0x80, b"")]);
            assert_eq!(events(role, &empty), [text("")]);
        }
    });
}

#[test]
fn a_message_inside_a_message_does_not_replace_it() {
    each_delivery(|| {
        // Elsewhere the second first fragment overwrote what had been gathered.
        for role in ROLES {
            let wire = frames(role, &[(1, b"first"), (1, b"second"), (0x80, b"")]);
            assert_eq!(
                events(role, &wire),
                [Event::Failed(ProtocolError::ContinuationExpected)]
            );
        }
    });
}

#[test]
fn the_state_of_a_message_does_not_reach_the_next_one() {
    each_delivery(|| {
        // Elsewhere the decoder or the type of the last message was kept.
        for role in ROLES {
            let wire = frames(
                role,
                &[
                    (2, b"\xff"),
                    (0x80, b"\xe2"),
                    (0x81, b"text"),
                    (1, b"\xe2\x82"),
                    (0x80, b"\xac"),
                    (0x82, b"\x82"),
                ],
            );
            let wanted = [
                binary(b"\xff\xe2"),
                text("text"),
                text("€"),
                binary(b"\x82"),
            ];
            assert_eq!(events(role, &wire), wanted);
        }
    });
}

#[test]
fn a_fragment_in_two_reads_does_not_stop_the_next_one() {
    each_delivery(|| {
        // Elsewhere the connection hung after such a fragment.
        for role in ROLES {
            let wire = frames(role, &[(1, b"abcdef"), (0x80, b"ghi"), (0x81, b"next")]);
            for cut in 0..=wire.len() {
                let mut run = Run::new(role);
                run.feed(&wire[..cut]).feed(&wire[cut..]);
                assert_eq!(run.events, [text("abcdefghi"), text("next")]);
            }
        }
    });
}

#[test]
fn an_empty_read_changes_nothing() {
    each_delivery(|| {
        // Only `receive_eof` says that the transport has ended, never an empty slice.
        for role in ROLES {
            let mut run = Run::new(role);
            for byte in frame(role, 0x81, b"abc") {
                run.feed(&[]).feed(&[byte]).feed(&[]);
            }
            assert_eq!(run.events, [text("abc")]);
        }
    });
}

// ---- text (section 8.1) ----

#[test]
fn text_cut_off_at_the_end_of_its_last_fragment_is_not_delivered() {
    each_delivery(|| {
        // Elsewhere the first bytes of an unfinished character were dropped silently.
        for role in ROLES {
            for cut_off in [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9f\x98"] {
                for wire in [
                    frames(role, &[(0x81, cut_off)]),
                    frames(role, &[(1, b"abc"), (0x80, cut_off)]),
                    frames(role, &[(1, cut_off), (0x80, b"")]),
                    frames(role, &[(1, b""), (0, cut_off), (0, b""), (0x80, b"")]),
                ] {
                    assert_eq!(
                        events(role, &wire),
                        [Event::Failed(ProtocolError::TextNotUtf8)]
                    );
                }
            }
        }
    });
}

#[test]
fn text_in_two_reads_is_checked_as_in_one() {
    in_deliveries(&Delivery::AS_IT_ARRIVES, || {
        // Elsewhere it became a `str` unchecked, which is undefined behaviour.
        for role in ROLES {
            let payload = [0xff; 100];
            let header = frame_header(role, 0x81, 100);
            let payload = match role {
                Role::Server => xor(&payload, KEY),
                Role::Client => payload.to_vec(),
            };
            let mut run = Run::new(role);
            run.feed(&header).feed(&payload[..50]);
            assert_eq!(
                run.events,
                [Event::Failed(ProtocolError::TextNotUtf8)],
                "at once"
            );
            run.feed(&payload[50..]);
            assert_eq!(run.events.len(), 1);
        }
    });
}

#[test]
fn invalid_text_fails_before_its_frame_is_complete() {
    in_deliveries(&Delivery::AS_IT_ARRIVES, || {
        // Elsewhere text was checked only at the end of the message, however far away that was.
        for role in ROLES {
            for (bad, at) in [
                (&b"ab\xc0"[..], 3),
                (b"\xed\xa0", 2),
                (b"\xf4\x90", 2),
                (b"\xe2(", 2),
            ] {
                let mut run = Run::new(role);
                run.feed(&frame_header(role, 0x81, 1 << 20));
                let key = if role == Role::Server { KEY } else { [0; 4] };
                for (index, byte) in xor(bad, key).into_iter().enumerate() {
                    run.feed(&[byte]);
                    assert_eq!(run.events.len(), usize::from(index + 1 == at));
                }
            }
        }
    });
}

#[test]
fn binary_is_not_taken_for_text() {
    each_delivery(|| {
        for role in ROLES {
            let wire = frames(role, &[(2, b"\xff"), (0x80, b"\xfe"), (0x82, b"\xff")]);
            let wanted = [binary(b"\xff\xfe"), binary(b"\xff")];
            assert_eq!(events(role, &wire), wanted);
        }
    });
}

// ---- closing (sections 5.5.1 and 7) ----

#[test]
fn nothing_is_received_after_a_close() {
    each_delivery(|| {
        // Elsewhere Pings after a Close were answered, and data went to the next user of the transport.
        for role in ROLES {
            let close = frame(role, 0x88, b"\x03\xe8");
            for after in [
                frame(role, 0x89, b"ping"),
                frame(role, 0x81, b"text"),
                frame(role, 0x88, b"\x03\xe9"),
                vec![0xff; 100],
                frame_header(role, 0x82, (1 << 63) - 1),
            ] {
                let mut run = Run::new(role);
                run.feed(&close);
                let out = run.out.clone();
                run.feed(&after);
                assert_eq!((run.events.len(), run.out.len()), (1, out.len()));
                assert_eq!(events(role, &[&close[..], &after].concat()).len(), 1);
                let (code, by_peer) = (CloseCode::NORMAL, true);
                assert_eq!(run.eof(), End::Closed { code, by_peer });
            }
        }
    });
}

#[test]
fn a_close_frame_is_sent_once() {
    each_delivery(|| {
        // Elsewhere the peer's answer was answered again.
        for role in ROLES {
            let mut run = Run::new(role);
            run.ws
                .close(CloseCode::GOING_AWAY, "bye", &mut run.out)
                .unwrap();
            assert_eq!(run.ws.close(None, "", &mut run.out), Err(SendError::Closed));
            run.feed(&frame(role, 0x88, b"\x03\xe9bye"));
            assert_eq!(run.sent().len(), 1);
            let end = run.eof();
            let (code, by_peer) = (CloseCode::GOING_AWAY, false);
            assert_eq!(end, End::Closed { code, by_peer });
            assert!(end.is_clean());
        }
    });
}

#[test]
fn the_code_of_a_close_without_a_body_is_never_sent_back() {
    each_delivery(|| {
        // Elsewhere 1005 was sent.
        for role in ROLES {
            let mut run = Run::new(role);
            run.feed(&frame(role, 0x88, b""));
            assert_eq!(run.events, [close(1005, "")]);
            assert_eq!(run.sent()[0].payload, b"");
            let (code, by_peer) = (CloseCode::NO_STATUS, true);
            assert_eq!(run.eof(), End::Closed { code, by_peer });
        }
    });
}

#[test]
fn every_code_of_the_registry_is_accepted() {
    // 1012 to 1014 were rejected elsewhere, 1006, 5000 and 65535 accepted.
    for role in ROLES {
        for code in 0..=u16::MAX {
            let mut run = Run::new(role);
            run.feed(&frame(role, 0x88, &code.to_be_bytes()));
            let valid = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            assert_eq!(run.events == [close(code, "")], valid, "{code}");
            let wanted = if valid { code } else { 1002 };
            assert_eq!(run.sent()[0].close_code(), Some(wanted));
        }
    }
}

#[test]
fn the_end_of_the_transport_has_a_result_in_every_state() {
    each_delivery(|| {
        // Elsewhere an end at the wrong time panicked, or closed twice.
        for role in ROLES {
            let abnormal = End::Failed(ProtocolError::TransportEnded);
            let failed = End::Failed(ProtocolError::ReservedOpcode(3));
            let closed = |code, by_peer| End::Closed { code, by_peer };
            let unanswered = closed(CloseCode::ABNORMAL, false);
            let close = frame(role, 0x88, b"");
            for (wire, we_close, wanted) in [
                (vec![], false, &abnormal),
                (vec![0x81], false, &abnormal),
                (frame_header(role, 0x81, 9), false, &abnormal),
                (frame(role, 0x01, b"begun"), false, &abnormal),
                (frame_header(role, 0x89, 9), false, &abnormal),
                (vec![], true, &unanswered),
                (frame(role, 0x01, b"begun"), true, &unanswered),
                (frame_header(role, 0x88, 2), true, &unanswered),
                (close.clone(), false, &closed(CloseCode::NO_STATUS, true)),
                (close, true, &closed(CloseCode::NO_STATUS, false)),
                (vec![0x83], false, &failed),
                (vec![0x83], true, &unanswered), // our Close came first
            ] {
                let mut run = Run::new(role);
                if we_close {
                    run.ws.close(CloseCode::NORMAL, "", &mut run.out).unwrap();
                }
                run.feed(&wire);
                assert_eq!(run.ws.end(), None, "the transport is there");
                let out = run.out.clone();
                let is_clean = matches!(wanted, End::Closed { code, .. } if code.0 == 1005);
                for _ in 0..3 {
                    assert_eq!(run.eof(), *wanted);
                    assert!(!run.ws.is_open());
                    assert_eq!(wanted.is_clean(), is_clean);
                    assert_eq!(wanted.close_code().0, if is_clean { 1005 } else { 1006 });
                    assert!(run.ws.must_close_transport());
                }
                assert_eq!(run.out, out, "nothing is sent");
                assert_eq!(run.ws.send("", &mut run.out), Err(SendError::Closed));
                assert_eq!(run.ws.close(None, "", &mut run.out), Err(SendError::Closed));
                let before = run.events.len();
                run.feed(&frame(role, 0x89, b""));
                assert_eq!((run.events.len(), run.out.len()), (before, out.len()));
            }
        }
    });
}

#[test]
fn a_bad_peer_gets_a_close_with_the_right_code() {
    each_delivery(|| {
        // Elsewhere the transport was just dropped, or every error was 1000.
        for role in ROLES {
            for (wire, code) in [
                (frame(role, 0x83, b""), 1002),
                (frame(role, 0x81, b"\xff"), 1007),
                (frame_header(role, 0x82, 1 << 40), 1009),
            ] {
                let mut run = Run::new(role);
                run.feed(&wire);
                assert_eq!(run.sent()[0].close_code(), Some(code));
            }
        }
    });
}

// ---- masking keys (sections 5.3 and 10.3) ----

fn keys(ws: &mut Session, frames: usize, payload: &[u8]) -> Vec<[u8; 4]> {
    let keys = (0..frames).map(|_| {
        let mut out = BytesMut::new();
        ws.send(payload, &mut out).unwrap();
        let key = out[2..6].try_into().unwrap();
        assert_eq!(out[6..], xor(payload, key)[..]);
        key
    });
    keys.collect()
}

#[test]
fn masking_keys_do_not_repeat() {
    // Elsewhere one key masked an entire connection, so a page could make bytes that a proxy takes for HTTP.
    let mut ws = Connection::client(Settings::default(), [7; 32]);
    let keys = keys(&mut ws, 10_000, b"x");
    let distinct: BTreeSet<_> = keys.iter().collect();
    // Among 10,000 keys the chance of a collision is about 1 %; with this seed there is none.
    assert_eq!(distinct.len(), keys.len());
    assert!(!distinct.contains(&[0; 4]));
    // Each bit is set in about half of the keys: 5,000, and 300 are 6 standard deviations.
    for bit in 0..32 {
        let set = keys
            .iter()
            .filter(|key| u32::from_be_bytes(**key) >> bit & 1 == 1)
            .count();
        assert!((4_700..5_300).contains(&set), "bit {bit}: {set}");
    }
}

#[test]
fn masking_keys_do_not_depend_on_the_data() {
    let new = || Connection::client(Settings::default(), [7; 32]);
    assert_eq!(
        keys(&mut new(), 50, b"one"),
        keys(&mut new(), 50, b"another")
    );
    let mut ws = new();
    let (mut one, mut two) = (BytesMut::new(), BytesMut::new());
    ws.send("the same", &mut one).unwrap();
    ws.send("the same", &mut two).unwrap();
    assert_ne!(one, two);
}

#[test]
fn every_frame_of_a_client_has_its_own_key() {
    each_delivery(|| {
        let mut run = Run::new(Role::Client);
        for is_last in [false, false, true] {
            run.ws.send_piece("a", is_last, &mut run.out).unwrap();
        }
        run.ws.send_ping(b"a", &mut run.out).unwrap();
        run.feed(&frame(Role::Client, 0x89, b"a"));
        let keys: BTreeSet<_> = run.out.chunks(7).map(|frame| &frame[2..6]).collect();
        assert_eq!(keys.len(), 5);
    });
}

#[test]
fn seeds_make_different_keys() {
    let with = |seed| {
        let mut ws = Connection::client(Settings::default(), seed);
        keys(&mut ws, 100, b"x")
    };
    let mut seed = [7; 32];
    let one: BTreeSet<_> = with(seed).into_iter().collect();
    seed[31] ^= 1;
    assert!(with(seed).iter().all(|key| !one.contains(key)));
}

#[test]
fn each_handshake_has_a_fresh_key() {
    // Elsewhere a retry or a redirect reused the key.
    let (request, config) = (client_request(), Config::default());
    let key = |seed| {
        let mut out = BytesMut::new();
        let _ = Endpoint::client(&request, &config, seed, Duration::ZERO, &mut out);
        key_in(&out)
    };
    let keys: BTreeSet<_> = (0..100).map(|_| key(seed().unwrap())).collect();
    assert_eq!(keys.len(), 100);
    assert_ne!(key([1; 32]), key([2; 32]));
}

#[test]
fn the_key_of_the_handshake_is_no_masking_key() {
    // The request is public, so no masking key may follow from it.
    let config = Config::default();
    let mut asked = ask(&client_request(), RESPONSE, b"", Cuts::AtOnce, &config);
    assert!(asked.opened().status == 101);
    let mut ws = Connection::client(Settings::default(), [9; 32]);
    let fresh = keys(&mut ws, 100, b"x");
    let used = keys(&mut asked.endpoint, 96, b"x");
    // The key stream continues after the 16 bytes of the nonce.
    assert_eq!(used, fresh[4..]);
}

#[test]
fn nothing_prints_the_secrets() {
    let (request, config) = (client_request(), Config::default());
    let (mut out, secret) = (BytesMut::new(), [0xab; 32]);
    let mut ws = Connection::client(Settings::default(), secret);
    let asking = Endpoint::client(&request, &config, secret, Duration::ZERO, &mut out);
    let key = keys(&mut ws, 1, b"x")[0];
    for printed in [format!("{ws:?}"), format!("{asking:?}")] {
        for secret in ["171, 171".to_owned(), format!("{key:?}"), hex(&key)] {
            assert!(!printed.contains(&secret), "{printed}");
        }
    }
}
