//! What has gone wrong in other implementations must not happen here. Each test says what went
//! wrong there; the laws are those of RFC 6455, sections 4, 5, 7, 8.1 and 10, and of RFC 9112,
//! section 11. Single errors have their tests in `errors.rs`, limits in `limits.rs`.

mod support;

use bytes::BytesMut;
use sansocket::negotiation::{Extension, OriginPolicy};
use sansocket::{
    ClientHandshake, CloseCode, ClosedBy, Config, Connection, Event, FieldError, HandshakeConfig,
    Input, ProtocolError, Rejection, RequestError, Response, ResponseError, Role, SendError,
    ServerHandshake, State, Uri,
};
use std::collections::BTreeSet;
use support::*;

const ROLES: [Role; 2] = [Role::Server, Role::Client];

fn frames(role: Role, frames: &[(u8, &[u8])]) -> Vec<u8> {
    let frames = frames
        .iter()
        .map(|&(first, payload)| frame(role, first, payload));
    frames.collect::<Vec<_>>().concat()
}

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

fn text(text: &str) -> Event<'static> {
    Event::Text(text.to_owned().into())
}

// ---- output and floods (section 5.5) ----

#[test]
fn a_flood_of_pings_makes_at_most_three_times_as_much_output() {
    // Queues of pongs elsewhere grew without bound and by far more than the pings.
    for role in ROLES {
        for len in [0, 1, 125] {
            let wire = frame(role, 0x89, &vec![1; len]).repeat(1_000);
            let mut run = Run::new(role);
            run.feed(&wire);
            assert_eq!(run.events.len(), 1_000);
            assert!(run.out.len() <= 3 * wire.len(), "{} octets", run.out.len());
            assert!(
                run.sent()
                    .iter()
                    .all(|pong| pong.opcode == 10 && pong.payload.len() == len)
            );
        }
    }
}

#[test]
fn a_flood_of_pongs_makes_no_output() {
    // Elsewhere a buffer leaked for each pong that nobody asked for.
    for role in ROLES {
        let mut run = Run::new(role);
        run.feed(&frame(role, 0x8a, b"unsolicited").repeat(1_000));
        assert_eq!((run.events.len(), run.out.len()), (1_000, 0));
    }
}

#[test]
fn pings_are_left_alone_where_the_application_answers() {
    let mut config = Config::default();
    config.answer_pings = false;
    for role in ROLES {
        let mut run = Run::with_config(role, &config);
        run.feed(&frame(role, 0x89, b"x"));
        assert_eq!((run.events.len(), run.out.len()), (1, 0));
    }
}

#[test]
fn an_oversized_close_is_not_echoed() {
    // Elsewhere a Close of 126 and more octets was echoed, or broke the framing.
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
}

#[test]
fn a_longest_close_is_answered_with_itself() {
    // Off by one elsewhere: bodies of 124 and 125 octets were taken for length marks.
    for role in ROLES {
        for len in [121, 122, 123] {
            let body = [&b"\x0f\xa1"[..], &vec![b'x'; len]].concat();
            let mut run = Run::new(role);
            run.feed(&frame(role, 0x88, &body));
            assert_eq!(run.sent()[0].payload, body);
        }
    }
}

// ---- frames and state (sections 5.1 to 5.5) ----

#[test]
fn a_bad_header_fails_with_its_first_bad_octet() {
    // Elsewhere the payload of a frame was waited for that was wrong already.
    for role in ROLES {
        let mask = if role == Role::Server { 0x80 } else { 0 };
        for (octets, error) in [
            (&[0xc1][..], ProtocolError::ReservedBit),
            (&[0x83], ProtocolError::ReservedOpcode),
            (&[0x09], ProtocolError::ControlFrameFragmented),
            (&[0x89, mask | 126], ProtocolError::ControlFrameTooLong),
            (&[0x82, mask | 126, 0, 9], ProtocolError::LengthNotMinimal),
            (&[0x82, mask | 127, 0x80], ProtocolError::LengthTopBit),
        ] {
            assert_eq!(events(role, octets), [Event::Failed(error)]);
            assert_eq!(events(role, &octets[..octets.len() - 1]), []);
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
}

#[test]
fn a_frame_of_the_wrong_masking_is_never_delivered() {
    // Elsewhere the unmasked message was handed over before the connection was closed.
    for role in ROLES {
        let wire = frame(other(role), 0x81, b"Hello");
        let events = events(role, &wire);
        assert!(matches!(events[..], [Event::Failed(_)]), "{events:?}");
    }
}

#[test]
fn each_fragment_is_unmasked_with_its_own_key_from_its_start() {
    // Elsewhere the offset in the key went on from one fragment to the next.
    let mut wire = frame(Role::Server, 1, b"abc");
    for (first, payload, key) in [(0x00, &b"defgh"[..], [1, 2, 3, 4]), (0x80, b"i", [0; 4])] {
        wire.extend([first, 0x80 | payload.len() as u8]);
        wire.extend(key);
        wire.extend(xor(payload, key));
    }
    assert_eq!(events(Role::Server, &wire), [text("abcdefghi")]);
}

#[test]
fn many_tiny_fragments_are_one_message() {
    // Elsewhere each fragment cost an object, and a megabyte of them all memory.
    for role in ROLES {
        let mut wire = frame(role, 1, b"a");
        wire.extend(frame(role, 0, b"b").repeat(5_000));
        wire.extend(frame(role, 0x80, b"c"));
        assert_eq!(
            events(role, &wire),
            [text(&format!("a{}c", "b".repeat(5_000)))]
        );
    }
}

#[test]
fn control_frames_between_fragments_leave_the_message_alone() {
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
        let wanted = [
            Event::Ping(b"1".into()),
            Event::Pong(b"2".into()),
            Event::Ping(b"".into()),
            text("abc"),
        ];
        assert_eq!(events(role, &wire), wanted);
    }
}

#[test]
fn a_close_between_fragments_drops_the_message() {
    // Elsewhere the unfinished message was delivered as if it were whole.
    for role in ROLES {
        let wire = frames(role, &[(1, b"a"), (0x88, b""), (0x80, b"b")]);
        assert_eq!(events(role, &wire), [Event::Close(None)]);
    }
}

#[test]
fn an_empty_first_fragment_begins_a_message() {
    // "Has a buffer" stood for "has a message" elsewhere, so the next message slipped in.
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
}

#[test]
fn a_message_inside_a_message_does_not_replace_it() {
    // Elsewhere the second first fragment overwrote what had been gathered.
    for role in ROLES {
        let wire = frames(role, &[(1, b"first"), (1, b"second"), (0x80, b"")]);
        assert_eq!(
            events(role, &wire),
            [Event::Failed(ProtocolError::ContinuationExpected)]
        );
    }
}

#[test]
fn the_state_of_a_message_does_not_reach_the_next_one() {
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
            Event::Binary(b"\xff\xe2".into()),
            text("text"),
            text("€"),
            Event::Binary(b"\x82".into()),
        ];
        assert_eq!(events(role, &wire), wanted);
    }
}

#[test]
fn a_fragment_in_two_reads_does_not_stop_the_next_one() {
    // Elsewhere no progress was made any more after such a fragment.
    for role in ROLES {
        let wire = frames(role, &[(1, b"abcdef"), (0x80, b"ghi"), (0x81, b"next")]);
        for cut in 0..=wire.len() {
            let mut run = Run::new(role);
            run.feed(&wire[..cut]).feed(&wire[cut..]);
            assert_eq!(run.events, [text("abcdefghi"), text("next")]);
        }
    }
}

#[test]
fn an_empty_read_changes_nothing() {
    // An end of the input is told by `receive_eof`, never by an empty slice.
    for role in ROLES {
        let mut run = Run::new(role);
        for octet in frame(role, 0x81, b"abc") {
            run.feed(&[]).feed(&[octet]).feed(&[]);
        }
        assert_eq!(run.events, [text("abc")]);
    }
}

// ---- text (section 8.1) ----

#[test]
fn text_cut_off_at_the_end_of_its_last_fragment_is_not_delivered() {
    // Elsewhere the octets that began a character were dropped in silence.
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
}

#[test]
fn text_in_two_reads_is_checked_as_in_one() {
    // Elsewhere it went unchecked into a `str`, which is undefined behaviour.
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
}

#[test]
fn wrong_text_fails_inside_a_frame_that_is_not_there_yet() {
    // Elsewhere the end of the message was waited for, however far it was.
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
            for (index, octet) in xor(bad, key).into_iter().enumerate() {
                run.feed(&[octet]);
                assert_eq!(run.events.len(), usize::from(index + 1 == at));
            }
        }
    }
}

#[test]
fn binary_is_not_taken_for_text() {
    for role in ROLES {
        let wire = frames(role, &[(2, b"\xff"), (0x80, b"\xfe"), (0x82, b"\xff")]);
        let wanted = [
            Event::Binary(b"\xff\xfe".into()),
            Event::Binary(b"\xff".into()),
        ];
        assert_eq!(events(role, &wire), wanted);
    }
}

// ---- closing (sections 5.5.1 and 7) ----

#[test]
fn nothing_is_received_after_a_close() {
    // Elsewhere pings behind a Close were answered, and data was given to the next user.
    for role in ROLES {
        let close = frame(role, 0x88, b"\x03\xe8");
        for behind in [
            frame(role, 0x89, b"ping"),
            frame(role, 0x81, b"text"),
            frame(role, 0x88, b"\x03\xe9"),
            vec![0xff; 100],
            frame_header(role, 0x82, (1 << 63) - 1),
        ] {
            let mut run = Run::new(role);
            run.feed(&close);
            let out = run.out.clone();
            run.feed(&behind);
            assert_eq!((run.events.len(), run.out.len()), (1, out.len()));
            assert_eq!(events(role, &[&close[..], &behind].concat()).len(), 1);
            assert_eq!(run.ws.close_code(), Some(CloseCode::NORMAL));
            assert_eq!(run.ws.error(), None);
        }
    }
}

#[test]
fn a_close_frame_is_sent_once() {
    // Elsewhere the peer's answer was answered again.
    for role in ROLES {
        let mut run = Run::new(role);
        run.ws
            .close(CloseCode::GOING_AWAY, "bye", &mut run.out)
            .unwrap();
        assert_eq!(
            run.ws.close(None, "", &mut run.out),
            Err(SendError::NotOpen)
        );
        run.feed(&frame(role, 0x88, b"\x03\xe9bye"));
        assert_eq!(run.sent().len(), 1);
        assert_eq!(run.ws.closed_by(), Some(ClosedBy::Us));
        assert_eq!(run.ws.receive_eof(), Ok(()));
        assert!(run.ws.is_clean());
    }
}

#[test]
fn the_code_of_a_close_without_a_body_is_never_sent_back() {
    // Elsewhere 1005 went out on the wire.
    for role in ROLES {
        let mut run = Run::new(role);
        run.feed(&frame(role, 0x88, b""));
        assert_eq!(run.events, [Event::Close(None)]);
        assert_eq!(run.sent()[0].payload, b"");
        assert_eq!(run.ws.close_code(), Some(CloseCode::NO_STATUS));
    }
}

#[test]
fn every_code_of_the_registry_is_taken() {
    // 1012 to 1014 were refused elsewhere, 1006, 5000 and 65535 taken.
    for role in ROLES {
        for code in 0..=u16::MAX {
            let mut run = Run::new(role);
            run.feed(&frame(role, 0x88, &code.to_be_bytes()));
            let valid = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            assert_eq!(
                matches!(run.events[..], [Event::Close(Some(_))]),
                valid,
                "{code}"
            );
            let wanted = if valid { code } else { 1002 };
            assert_eq!(run.sent()[0].close_code(), Some(wanted));
        }
    }
}

#[test]
fn an_end_of_the_transport_has_a_result_in_every_state() {
    // Elsewhere an end at the wrong time panicked, or closed twice.
    for role in ROLES {
        let abnormal = Err(ProtocolError::TransportEnded);
        let failed = Err(ProtocolError::ReservedOpcode);
        let close = frame(role, 0x88, b"");
        for (wire, we_close, wanted) in [
            (vec![], false, abnormal),
            (vec![0x81], false, abnormal),
            (frame_header(role, 0x81, 9), false, abnormal),
            (frame(role, 0x01, b"begun"), false, abnormal),
            (frame_header(role, 0x89, 9), false, abnormal),
            (vec![], true, abnormal),
            (frame(role, 0x01, b"begun"), true, abnormal),
            (close.clone(), false, Ok(())),
            (close, true, Ok(())),
            (vec![0x83], false, failed),
            (vec![0x83], true, failed),
        ] {
            let mut run = Run::new(role);
            if we_close {
                run.ws.close(CloseCode::NORMAL, "", &mut run.out).unwrap();
            }
            run.feed(&wire);
            let out = run.out.clone();
            for _ in 0..3 {
                assert_eq!(run.ws.receive_eof(), wanted);
                assert_eq!(run.ws.state(), State::Closed);
                assert_eq!(run.ws.is_clean(), wanted.is_ok());
                assert!(run.ws.close_code().is_some() && run.ws.closed_by().is_some());
                assert!(run.ws.must_close_transport());
            }
            assert_eq!(run.out, out, "nothing is sent");
            assert_eq!(run.ws.send_text("", &mut run.out), Err(SendError::NotOpen));
            assert_eq!(
                run.ws.close(None, "", &mut run.out),
                Err(SendError::NotOpen)
            );
            let before = run.events.len();
            run.feed(&frame(role, 0x89, b""));
            assert_eq!((run.events.len(), run.out.len()), (before, out.len()));
        }
    }
}

#[test]
fn a_bad_peer_gets_a_close_with_the_right_code() {
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
}

// ---- masking keys (sections 5.3 and 10.3) ----

fn keys(ws: &mut Connection, frames: usize, payload: &[u8]) -> Vec<[u8; 4]> {
    let keys = (0..frames).map(|_| {
        let mut out = BytesMut::new();
        ws.send_binary(payload, &mut out).unwrap();
        let key = out[2..6].try_into().unwrap();
        assert_eq!(out[6..], xor(payload, key)[..]);
        key
    });
    keys.collect()
}

#[test]
fn masking_keys_do_not_repeat() {
    // Elsewhere one key served a whole connection, so data could pose as HTTP to a proxy.
    let keys = keys(
        &mut Connection::client(&Config::default(), [7; 32]),
        10_000,
        b"x",
    );
    let distinct: BTreeSet<_> = keys.iter().collect();
    // By chance 0.01 of 10,000 keys would collide; with this seed none does.
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
    let new = || Connection::client(&Config::default(), [7; 32]);
    assert_eq!(
        keys(&mut new(), 50, b"one"),
        keys(&mut new(), 50, b"another")
    );
    let mut ws = new();
    let (mut one, mut two) = (BytesMut::new(), BytesMut::new());
    ws.send_text("the same", &mut one).unwrap();
    ws.send_text("the same", &mut two).unwrap();
    assert_ne!(one, two);
}

#[test]
fn every_frame_of_a_client_has_its_own_key() {
    let mut run = Run::new(Role::Client);
    run.ws.send_first_fragment("a", &mut run.out).unwrap();
    run.ws.send_next_fragment("a", &mut run.out).unwrap();
    run.ws.send_last_fragment("a", &mut run.out).unwrap();
    run.ws.send_ping(b"a", &mut run.out).unwrap();
    run.feed(&frame(Role::Client, 0x89, b"a"));
    let keys: BTreeSet<_> = run.out.chunks(7).map(|frame| &frame[2..6]).collect();
    assert_eq!(keys.len(), 5);
}

#[test]
fn seeds_make_different_keys() {
    let with = |seed| keys(&mut Connection::client(&Config::default(), seed), 100, b"x");
    let mut seed = [7; 32];
    let one: BTreeSet<_> = with(seed).into_iter().collect();
    seed[31] ^= 1;
    assert!(with(seed).iter().all(|key| !one.contains(key)));
}

#[test]
fn each_handshake_has_a_fresh_key() {
    // Elsewhere a retry or a redirect used the key again.
    let key = |handshake: &dyn Fn(&mut BytesMut) -> ClientHandshake| {
        let mut out = BytesMut::new();
        handshake(&mut out);
        let head = String::from_utf8(out.to_vec()).unwrap();
        let line = head
            .lines()
            .find(|line| line.starts_with("Sec-WebSocket-Key: "));
        line.unwrap().to_owned()
    };
    let (request, config) = (client_request(), HandshakeConfig::default());
    let keys: BTreeSet<_> = (0..100)
        .map(|_| key(&|out| ClientHandshake::new(&request, &config, out).unwrap()))
        .collect();
    assert_eq!(keys.len(), 100);
    let seeded = |seed| key(&|out| ClientHandshake::with_seed(&request, &config, [seed; 32], out));
    assert_ne!(seeded(1), seeded(2));
}

#[test]
fn the_key_of_the_handshake_is_no_masking_key() {
    // The request is public: what masks the frames must not follow from it.
    let mut asked = ask(
        &client_request(),
        RESPONSE,
        b"",
        Cuts::Whole,
        &HandshakeConfig::default(),
    );
    let fresh = keys(
        &mut Connection::client(&Config::default(), [9; 32]),
        100,
        b"x",
    );
    let used = keys(&mut asked.opened().connection, 96, b"x");
    // The stream goes on behind the 16 octets of the nonce.
    assert_eq!(used, fresh[4..]);
}

#[test]
fn nothing_prints_the_secrets() {
    let mut ws = Connection::client(&Config::default(), [0xab; 32]);
    let key = keys(&mut ws, 1, b"x")[0];
    let printed = format!("{ws:?}");
    for secret in ["171, 171".to_owned(), format!("{key:?}"), hex(&key)] {
        assert!(!printed.contains(&secret), "{printed}");
    }
}

// ---- requests (section 4.2.1; RFC 9112) ----

fn server_config() -> HandshakeConfig {
    HandshakeConfig::default()
}

/// What a server makes of this head; cuts change nothing.
fn request_error(head: &[u8]) -> Option<RequestError> {
    let all = Cuts::ALL.map(|cuts| {
        let served = serve(head, cuts, &server_config());
        assert!(served.result.is_some(), "{}", head.escape_ascii());
        served.error()
    });
    assert!(all.iter().all(|error| *error == all[0]));
    all[0]
}

#[test]
fn requests_that_two_parsers_read_differently_are_refused() {
    // Request smuggling: a proxy in front saw another request than the server.
    for (from, to) in [
        ("Host: ", "Host : "),
        ("Host: ", "Host\t: "),
        ("Host: ", " Host: "),
        ("Host: example.com", "Host: example.com\r\n folded"),
        ("Host: example.com", "Host: example.com\r\n\tfolded"),
        ("Host: example.com\r\n", "Host: example.com\n"),
        ("Host: example.com\r\n", "Host: example.com\r"),
        ("Host: example.com\r\n", "Host: example.com\r\r\n"),
        ("Host: example.com", "Host: exam\0ple.com"),
        ("Host: example.com", "Host: example.com\r\nX: a\nY: b"),
        ("Host: example.com", "Host: example.com\r\nX: a\rb"),
        ("Host: example.com", "Host: example.com\r\nX: a\x0bb"),
        ("Host: example.com", "Host: example.com\r\nX: a\x7fb"),
        ("Host: example.com", "Host: example.com\r\nno colon"),
        ("Host: example.com", "Host: example.com\r\n: no name"),
        ("Host: example.com", "Host: example.com\r\nX(: a"),
        ("Host: example.com", "Host: example.com\r\nX Y: a"),
        ("HTTP/1.1\r\n", "HTTP/1.1\n"),
        ("HTTP/1.1\r\n", "HTTP/1.1 \r\n"),
        ("HTTP/1.1\r\n", "HTTP/1.1\r\n \r\n"),
        ("GET /chat", "GET  /chat"),
        ("GET /chat", "GET\t/chat"),
        ("GET /chat", " GET /chat"),
        ("/chat HTTP", "/chat  HTTP"),
        ("HTTP/1.1", "HTTP/1.1x"),
        ("HTTP/1.1", "http/1.1"),
        ("HTTP/1.1", "HTTP/01.1"),
        ("\r\n\r\n", "\n\n"),
        ("\r\n\r\n", "\r\n\n"),
    ] {
        let head = replaced(REQUEST, from, to);
        assert_eq!(
            request_error(head.as_bytes()),
            Some(RequestError::Malformed),
            "{head:?}"
        );
    }
    for (line, error) in [
        ("Host: example.com", RequestError::Host),
        ("HOST: other.test", RequestError::Host),
        (
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            RequestError::Key,
        ),
        ("Sec-WebSocket-Version: 13", RequestError::VersionMalformed),
        ("Content-Length: 5", RequestError::Content),
        ("Content-Length: +0", RequestError::Content),
        ("Content-Length: 0x0", RequestError::Content),
        (
            "Content-Length: 0\r\nContent-Length: 5",
            RequestError::Content,
        ),
        ("Transfer-Encoding: chunked", RequestError::Content),
        ("transfer-encoding: xchunked", RequestError::Content),
        (
            "Content-Length: 0\r\nTransfer-Encoding: chunked",
            RequestError::Content,
        ),
    ] {
        let head = with_line(REQUEST, line);
        assert_eq!(request_error(head.as_bytes()), Some(error), "{head:?}");
    }
}

#[test]
fn honest_variations_of_a_request_are_taken() {
    // Elsewhere strictness hit those who only write differently.
    for (from, to) in [
        ("GET", "\r\nGET"),
        ("Host: ", "hOST:"),
        ("Host: example.com", "Host: \t example.com \t "),
        ("Host: example.com", "Host: example.com:8080"),
        ("Host: example.com", "Host: [::1]:8080"),
        ("Upgrade: websocket", "Upgrade: WebSocket"),
        ("Upgrade: websocket", "Upgrade: h2c, websocket"),
        ("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
        (
            "Connection: Upgrade",
            "Connection: keep-alive\r\nConnection: upgrade",
        ),
        ("Connection: Upgrade", "Connection: ,UPGRADE,"),
        ("Version: 13", "Version: 13\r\nContent-Length: 0"),
        ("Version: 13", "Version: 13\r\nX: caf\u{e9}"),
        ("Version: 13", "Version: 13\r\nX:"),
        ("/chat", "http://example.com/chat"),
        ("/chat", "/chat?a=b&c[]={d}|e"),
        ("/chat", "//chat%20/.."),
        ("HTTP/1.1", "HTTP/1.2"),
    ] {
        let head = replaced(REQUEST, from, to);
        assert_eq!(request_error(head.as_bytes()), None, "{head:?}");
    }
}

#[test]
fn the_authority_of_an_absolute_target_is_the_host() {
    // RFC 9112, section 3.2.2: elsewhere the two were mixed up and caches poisoned.
    let head = replaced(REQUEST, "/chat", "http://real.test:81?q");
    let served = serve(head.as_bytes(), Cuts::Whole, &server_config());
    let request = served.request();
    assert_eq!((request.host(), request.target()), ("real.test:81", "/?q"));
}

#[test]
fn connection_is_a_list_of_tokens() {
    // Elsewhere any value that contained "upgrade" was taken, or only exactly "Upgrade".
    for value in [
        "NotUpgrade",
        "Upgraded",
        "keep-alive",
        "Up grade",
        "\"Upgrade\"",
        "close;Upgrade",
    ] {
        let head = replaced(
            REQUEST,
            "Connection: Upgrade",
            &format!("Connection: {value}"),
        );
        assert_eq!(
            request_error(head.as_bytes()),
            Some(RequestError::NotUpgrade),
            "{value}"
        );
    }
    for value in ["websockets", "web", "xwebsocket", "websocket/13"] {
        let head = replaced(REQUEST, "Upgrade: websocket", &format!("Upgrade: {value}"));
        assert_eq!(
            request_error(head.as_bytes()),
            Some(RequestError::NotUpgrade),
            "{value}"
        );
    }
}

#[test]
fn a_key_is_sixteen_octets_in_base64() {
    // Elsewhere any key would do, or none.
    for key in [
        "",
        "x",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZSE=",
        "dGhlIHNhbXBsZSBub25jZSEh",
        "dGhlIHNhbXBsZSBub25jZSEhIQ==",
        "dGhlIHNhbXBsZSBub25jZ!==",
        "dGhlIHNhbXBsZSBub25j_-==",
        "dGhlIHNhbXBs ZSBub25jZQ==",
        "====================dGhl",
    ] {
        let head = replaced(REQUEST, "dGhlIHNhbXBsZSBub25jZQ==", key);
        assert_eq!(
            request_error(head.as_bytes()),
            Some(RequestError::Key),
            "{key}"
        );
    }
}

#[test]
fn a_version_is_the_octets_13() {
    // Elsewhere it was read as any number that equals 13.
    for version in [
        "013", "0xd", "+13", "13, 13", "13,8", "13.0", "1e1", "", "-1", "256", "１３",
    ] {
        let head = replaced(REQUEST, "Version: 13", &format!("Version: {version}"));
        let error = Some(RequestError::VersionMalformed);
        assert_eq!(request_error(head.as_bytes()), error, "{version}");
    }
}

#[test]
fn honest_peers_may_send_octet_by_octet() {
    // Elsewhere the head was parsed anew with each read, or such peers were thrown out.
    for filler in [" ", "a", ",", ";", "\"", "\\", "=", "\t"] {
        let line = format!("X: {}", filler.repeat(15 << 10));
        let served = serve(
            with_line(REQUEST, &line).as_bytes(),
            Cuts::Octets,
            &server_config(),
        );
        assert_eq!(served.error(), None);
        let response = with_line(RESPONSE, &line);
        let asked = ask(
            &client_request(),
            &response,
            b"",
            Cuts::Octets,
            &server_config(),
        );
        assert!(asked.error().is_none());
    }
}

#[test]
fn long_lists_are_read_in_one_go() {
    // Elsewhere regular expressions took minutes for these.
    let bits = [
        ",", ";", "\"", "\\", " ", "\t", "a,", "a;", "a;b=\"", "\\\"", "a;b=\"\\", ", ", "=", "a; ",
    ];
    for field in ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"] {
        for begin in ["", "a", "a;b=\"", "a; b"] {
            for bit in bits {
                let list = begin.to_owned() + &bit.repeat((15 << 10) / bit.len());
                let head = with_line(REQUEST, &format!("{field}: {list}"));
                let all = Cuts::ALL.map(|cuts| {
                    let served = serve(head.as_bytes(), cuts, &server_config());
                    assert!(served.result.is_some(), "{field}: {begin}{bit}…");
                    served.error()
                });
                assert!(all.iter().all(|error| *error == all[0]));
            }
        }
    }
    // All different, so that nothing ends the comparison early.
    let names: Vec<String> = (0..3_000).map(|n| format!("p{n:x}")).collect();
    let head = with_line(
        REQUEST,
        &format!("Sec-WebSocket-Protocol: {}", names.join(",")),
    );
    let served = serve(head.as_bytes(), Cuts::Whole, &server_config());
    assert_eq!(served.request().subprotocols(), names);
}

#[test]
fn what_comes_behind_a_request_belongs_to_the_connection() {
    // Elsewhere early frames were lost or refused.
    let early = frames(Role::Server, &[(0x81, b"early"), (0x89, b"bird")]);
    let wire = [REQUEST.as_bytes(), &early].concat();
    for cut in 0..=wire.len() {
        let (one, two) = wire.split_at(cut);
        let (mut handshake, mut out) = (ServerHandshake::new(&server_config()), BytesMut::new());
        let mut run: Option<Run> = None;
        for piece in [one, two] {
            let mut piece = piece.to_vec();
            let mut input = Input::new(&mut piece);
            if run.is_none() {
                let request = handshake.receive(&mut input, &mut out).unwrap();
                run = request.map(|request| Run::of(request.accept().send(&mut out)));
            }
            if let Some(run) = &mut run {
                run.feed(input.take_rest());
            }
        }
        let run = run.unwrap();
        assert_eq!(run.events, [text("early"), Event::Ping(b"bird".into())]);
    }
    for cuts in Cuts::ALL {
        assert_eq!(serve(&wire, cuts, &server_config()).rest, early);
    }
}

#[test]
fn what_comes_behind_a_refused_request_is_no_request() {
    // Elsewhere a second request, hidden in the body of the first, was answered.
    for bad in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
        "\0",
    ] {
        let wire = [bad, REQUEST].concat();
        for cuts in Cuts::ALL {
            let served = serve(wire.as_bytes(), cuts, &server_config());
            assert!(served.error().is_some() && served.rest.is_empty());
            let responses = served
                .out
                .windows(9)
                .filter(|part| part == b"HTTP/1.1 ")
                .count();
            assert_eq!(responses, 1);
        }
    }
}

#[test]
fn permessage_deflate_is_declined() {
    // An offer is no demand: without an answer both sides go on uncompressed.
    let line = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-other";
    let served = serve(
        with_line(REQUEST, line).as_bytes(),
        Cuts::Whole,
        &server_config(),
    );
    let mut out = BytesMut::new();
    let mut run = Run::of(served.request().accept().send(&mut out));
    let head = String::from_utf8(out.to_vec()).unwrap();
    assert!(
        !head
            .to_ascii_lowercase()
            .contains("sec-websocket-extensions"),
        "{head}"
    );
    // And RSV1 stays reserved.
    run.feed(&frame(Role::Server, 0xc1, b"\xf2\x48\xcd\xc9\xc9\x07\x00"));
    assert_eq!(run.events, [Event::Failed(ProtocolError::ReservedBit)]);
}

// ---- origins (section 10.2) ----

#[test]
fn pages_of_other_sites_are_refused() {
    // Elsewhere every page on the web could use the server in the name of its users.
    for (host, origin, taken) in [
        ("example.com", "http://example.com", true),
        ("example.com", "https://example.com", true),
        ("example.com", "https://EXAMPLE.com", true),
        ("example.com:8080", "http://example.com:8080", true),
        ("example.com:80", "http://example.com", true),
        ("example.com:443", "https://example.com", true),
        ("example.com", "https://example.com:443", true),
        ("[::1]:8080", "http://[::1]:8080", true),
        ("127.0.0.1", "http://127.0.0.1", true),
        ("example.com", "null", false),
        ("example.com", "", false),
        ("example.com", "example.com", false),
        ("example.com", "file://", false),
        ("example.com", "ftp://example.com", false),
        ("example.com", "http://example.com.evil.test", false),
        ("example.com", "http://evilexample.com", false),
        ("example.com", "http://sub.example.com", false),
        ("example.com", "http://example.com@evil.test", false),
        ("example.com", "http://evil.test/example.com", false),
        ("example.com", "http://example.com:8080", false),
        ("example.com:8080", "http://example.com", false),
        ("example.com:443", "http://example.com", false),
        ("example.com", "http://example.com/", false),
        ("example.com", "http://example.com http://evil.test", false),
        ("example.com", "http://example.com, http://evil.test", false),
        ("[::1]", "http://[::2]", false),
        ("[::1]", "http://::1", false),
    ] {
        let head = replaced(REQUEST, "Host: example.com", &format!("Host: {host}"));
        let head = with_line(&head, &format!("Origin: {origin}"));
        let wanted = if taken {
            None
        } else {
            Some(RequestError::OriginForbidden)
        };
        assert_eq!(request_error(head.as_bytes()), wanted, "{origin} at {host}");
    }
    // No browser: nothing to protect.
    assert_eq!(request_error(REQUEST.as_bytes()), None);
}

#[test]
fn a_list_of_origins_is_compared_as_a_whole() {
    let list = OriginPolicy::list(["https://app.example", "null"]);
    for (origin, taken) in [
        (Some("https://app.example"), true),
        (Some("https://APP.example"), true),
        (Some("null"), true),
        (None, true),
        (Some("http://app.example"), false),
        (Some("https://app.example:444"), false),
        (Some("https://app.example.evil.test"), false),
        (Some("https://xapp.example"), false),
        (Some("https://api.example"), false),
        (Some(""), false),
    ] {
        assert_eq!(list.allows(origin, "api.example"), taken, "{origin:?}");
    }
    let nobody = OriginPolicy::list([""; 0]);
    assert!(!nobody.allows(Some("https://api.example"), "api.example"));
    assert!(OriginPolicy::Any.allows(Some("https://evil.test"), "api.example"));
}

// ---- what the application writes (RFC 9112, section 11.1) ----

/// Each would begin a line of its own, or end one early for somebody.
const BREAKS: [&str; 6] = ["a\r\nX: y", "a\n", "a\r", "a\0", "\r\n\r\n", "\x0b"];

#[test]
fn the_application_cannot_split_a_request() {
    // Elsewhere a host, path, header or subprotocol with a line break in it became a header.
    for bad in BREAKS {
        assert_eq!(
            client_request().header(bad, "x").unwrap_err(),
            FieldError::Name
        );
        assert_eq!(
            client_request().header("X", bad).unwrap_err(),
            FieldError::Value
        );
        assert_eq!(client_request().origin(bad).unwrap_err(), FieldError::Value);
        assert_eq!(
            client_request().subprotocol(bad).unwrap_err(),
            FieldError::Subprotocol
        );
        assert_eq!(Extension::new(bad).unwrap_err(), FieldError::Extension);
        let extension = Extension::new("x").unwrap();
        assert!(extension.clone().param(bad, None).is_err());
        assert!(extension.param("p", Some(bad)).is_err());
        for uri in [
            "ws://a{}/",
            "ws://{}",
            "ws://a/{}",
            "ws://a/?{}",
            "ws://{}@a/",
            "ws://a:{}/",
        ] {
            assert!(
                uri.replace("{}", bad).parse::<Uri>().is_err(),
                "{uri} {bad:?}"
            );
        }
    }
}

#[test]
fn the_application_cannot_split_a_response() {
    // Elsewhere a user's name in a cookie or a rejection wrote headers, or a second response.
    let head = with_line(
        REQUEST,
        "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Extensions: a",
    );
    let served = serve(head.as_bytes(), Cuts::Whole, &server_config());
    let accept = || served.request().accept();
    let reject = || Rejection::new(403).unwrap();
    for bad in BREAKS {
        assert_eq!(accept().header(bad, "x").unwrap_err(), FieldError::Name);
        assert_eq!(accept().header("X", bad).unwrap_err(), FieldError::Value);
        assert_eq!(
            accept().subprotocol(bad).unwrap_err(),
            FieldError::SubprotocolNotOffered
        );
        assert_eq!(
            accept().subprotocol_among(&[bad]).chosen_subprotocol(),
            None
        );
        assert_eq!(reject().header(bad, "x").unwrap_err(), FieldError::Name);
        assert_eq!(reject().header("X", bad).unwrap_err(), FieldError::Value);
    }
    // A body is measured, so it may hold anything.
    let mut out = BytesMut::new();
    reject().body("\r\n\r\nHTTP/1.1 200 OK\r\n").send(&mut out);
    let response = String::from_utf8(out.to_vec()).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains(&format!("Content-Length: {}", body.len())),
        "{head}"
    );
}

#[test]
fn the_fields_of_the_protocol_cannot_be_written_by_hand() {
    // Elsewhere a second Content-Length or Upgrade could be slipped in.
    let served = serve(REQUEST.as_bytes(), Cuts::Whole, &server_config());
    for name in [
        "Connection",
        "Content-Length",
        "Host",
        "Sec-WebSocket-Accept",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Version",
        "Transfer-Encoding",
        "Upgrade",
        "uPGRADE",
    ] {
        let reserved = FieldError::Reserved;
        assert_eq!(
            client_request().header(name, "x").unwrap_err(),
            reserved,
            "{name}"
        );
        assert_eq!(
            served.request().accept().header(name, "x").unwrap_err(),
            reserved,
            "{name}"
        );
        let rejection = Rejection::new(403).unwrap();
        assert_eq!(rejection.header(name, "x").unwrap_err(), reserved, "{name}");
    }
}

#[test]
fn a_server_chooses_only_what_was_offered() {
    let head = with_line(
        REQUEST,
        "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x-a",
    );
    let served = serve(head.as_bytes(), Cuts::Whole, &server_config());
    let accept = || served.request().accept();
    for name in ["CHAT", "chat2", ""] {
        assert_eq!(
            accept().subprotocol(name).unwrap_err(),
            FieldError::SubprotocolNotOffered
        );
        assert_eq!(
            accept().subprotocol_among(&[name]).chosen_subprotocol(),
            None
        );
    }
    let extension = |name| Extension::new(name).unwrap();
    for name in ["X-A", "x-b"] {
        let error = accept().extension(extension(name)).unwrap_err();
        assert_eq!(error, FieldError::ExtensionNotOffered);
    }
    let mut out = BytesMut::new();
    let chosen = accept()
        .subprotocol("chat")
        .unwrap()
        .extension(extension("x-a"))
        .unwrap();
    let _ = chosen.send(&mut out);
    let head = String::from_utf8(out.to_vec()).unwrap();
    assert!(
        head.contains("\r\nSec-WebSocket-Protocol: chat\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\nSec-WebSocket-Extensions: x-a\r\n"),
        "{head}"
    );
}

// ---- responses (section 4.1) ----

fn offering() -> sansocket::ClientRequest {
    let request = client_request()
        .subprotocol("chat")
        .unwrap()
        .subprotocol("super")
        .unwrap();
    request.extension(Extension::new("x-a").unwrap())
}

/// What a client that offers `chat`, `super` and `x-a` makes of the response.
fn response_error(response: &str) -> Option<ResponseError> {
    let mut all = Cuts::ALL.map(|cuts| {
        let asked = ask(&offering(), response, b"", cuts, &server_config());
        assert!(asked.result.is_some(), "{response}");
        asked.error().cloned()
    });
    let first = all[0].take();
    assert!(all[1..].iter().all(|error| *error == first));
    first
}

#[test]
fn a_bad_101_opens_nothing() {
    // Elsewhere the client checked the status only, or not all of these.
    for (from, to, error) in [
        ("ACCEPT", "ACCEPTx", ResponseError::Accept),
        ("ACCEPT", "", ResponseError::Accept),
        ("ACCEPT", "ACCEPT, ACCEPT", ResponseError::Accept),
        (
            "ACCEPT",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            ResponseError::Accept,
        ),
        (
            "Accept: ACCEPT",
            "Accept: ACCEPT\r\nSec-WebSocket-Accept: ACCEPT",
            ResponseError::Accept,
        ),
        (
            "Accept: ACCEPT",
            "Accept: ACCEPT\r\nsec-websocket-accept: x",
            ResponseError::Accept,
        ),
        (
            "Sec-WebSocket-Accept: ACCEPT\r\n",
            "",
            ResponseError::Accept,
        ),
        ("Upgrade: websocket\r\n", "", ResponseError::Upgrade),
        ("Upgrade: websocket", "Upgrade: h2c", ResponseError::Upgrade),
        (
            "Upgrade: websocket",
            "Upgrade: websocket, h2c",
            ResponseError::Upgrade,
        ),
        (
            "Upgrade: websocket",
            "Upgrade: websocket\r\nUpgrade: h2c",
            ResponseError::Upgrade,
        ),
        ("Connection: Upgrade\r\n", "", ResponseError::Connection),
        (
            "Connection: Upgrade",
            "Connection: NotUpgrade",
            ResponseError::Connection,
        ),
        (
            "Connection: Upgrade",
            "Connection: keep-alive",
            ResponseError::Connection,
        ),
        ("HTTP/1.1", "HTTP/1.0", ResponseError::HttpVersion),
        ("\r\nUpgrade", "\r\n Upgrade", ResponseError::Malformed),
        ("Upgrade:", "Upgrade :", ResponseError::Malformed),
        ("\r\nUpgrade", "\nUpgrade", ResponseError::Malformed),
        ("websocket", "web\0socket", ResponseError::Malformed),
    ] {
        assert_eq!(
            response_error(&replaced(RESPONSE, from, to)),
            Some(error),
            "{to}"
        );
    }
    for (line, error) in [
        ("Sec-WebSocket-Protocol: other", ResponseError::Subprotocol),
        ("Sec-WebSocket-Protocol: Chat", ResponseError::Subprotocol),
        ("Sec-WebSocket-Protocol:", ResponseError::Subprotocol),
        (
            "Sec-WebSocket-Protocol: chat, super",
            ResponseError::Subprotocol,
        ),
        (
            "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat",
            ResponseError::Subprotocol,
        ),
        ("Sec-WebSocket-Extensions: x-b", ResponseError::Extensions),
        (
            "Sec-WebSocket-Extensions: x-a, x-a",
            ResponseError::Extensions,
        ),
        (
            "Sec-WebSocket-Extensions: x-a\r\nSec-WebSocket-Extensions: x-a",
            ResponseError::Extensions,
        ),
        (
            "Sec-WebSocket-Extensions: permessage-deflate",
            ResponseError::Extensions,
        ),
        ("Sec-WebSocket-Extensions: x-a;", ResponseError::Extensions),
        ("Sec-WebSocket-Extensions:", ResponseError::Extensions),
    ] {
        assert_eq!(
            response_error(&with_line(RESPONSE, line)),
            Some(error),
            "{line}"
        );
    }
}

#[test]
fn honest_variations_of_a_response_are_taken() {
    // Elsewhere `Connection` had to be "Upgrade" exactly.
    for (from, to) in [
        ("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
        ("Connection: Upgrade", "connection:upgrade"),
        ("Upgrade: websocket", "Upgrade: WebSocket"),
        ("101 Switching Protocols", "101"),
        ("101 Switching Protocols", "101 "),
        (
            "101 Switching Protocols",
            "101 Web Socket Protocol Handshake",
        ),
        ("ACCEPT", "ACCEPT\r\nSec-WebSocket-Protocol: super"),
        ("ACCEPT", "ACCEPT\r\nSec-WebSocket-Extensions: x-a; p=1"),
        ("ACCEPT", "ACCEPT\r\nContent-Length: 0"),
        ("HTTP/1.1 101", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101"),
    ] {
        assert_eq!(response_error(&replaced(RESPONSE, from, to)), None, "{to}");
    }
}

#[test]
fn a_needed_subprotocol_or_extension_is_insisted_on() {
    let config = server_config();
    let request = offering().needs_subprotocol();
    let asked = ask(&request, RESPONSE, b"", Cuts::Whole, &config);
    assert_eq!(asked.error(), Some(&ResponseError::Subprotocol));

    let long = "x".repeat(200);
    for name in ["x-b", &long] {
        let request = offering().needed_extension(Extension::new(name).unwrap());
        let mut asked = ask(&request, RESPONSE, b"", Cuts::Whole, &config);
        assert_eq!(asked.opened().connection.state(), State::Closing);
        let sent = sent_frames(&asked.out, Role::Client);
        assert_eq!((sent.len(), sent[0].close_code()), (1, Some(1010)));
        let reason = if name == "x-b" { name } else { "" };
        assert_eq!(
            &sent[0].payload[2..],
            reason.as_bytes(),
            "whole or not at all"
        );
    }
}

#[test]
fn what_comes_behind_a_101_belongs_to_the_connection() {
    // Elsewhere a message in the same read as the response was lost.
    let early = frames(Role::Client, &[(0x81, b"early"), (0x89, b"bird")]);
    for cuts in Cuts::ALL {
        let mut asked = ask(&client_request(), RESPONSE, &early, cuts, &server_config());
        assert_eq!(asked.rest, early);
        let ws = std::mem::replace(
            &mut asked.opened().connection,
            connection(Role::Client, &Config::default()),
        );
        let mut run = Run::of(ws);
        run.feed(&asked.rest);
        assert_eq!(run.events, [text("early"), Event::Ping(b"bird".into())]);
    }
}

#[test]
fn a_masked_frame_right_behind_the_101_fails() {
    let masked = frame(Role::Server, 0x81, b"x");
    let mut asked = ask(
        &client_request(),
        RESPONSE,
        &masked,
        Cuts::Whole,
        &server_config(),
    );
    let (rest, mut out) = (&mut asked.rest.clone(), BytesMut::new());
    let event = asked
        .opened()
        .connection
        .receive(&mut Input::new(rest), &mut out);
    assert_eq!(event, Some(Event::Failed(ProtocolError::FrameMasked)));
}

fn refusal(response: &str) -> Response {
    let mut all = Cuts::ALL.map(|cuts| {
        let mut asked = ask(&client_request(), response, b"", cuts, &server_config());
        let error = asked.handshake.receive_eof();
        assert!(asked.out.is_empty(), "nothing is sent");
        match error {
            ResponseError::Refused(refusal) => Some(*refusal),
            other => panic!("{other} for {response}"),
        }
    });
    let first = all[0].take();
    assert!(all[1..].iter().all(|refusal| *refusal == first));
    first.unwrap()
}

#[test]
fn a_redirect_is_told_and_not_followed() {
    // Elsewhere it was followed, with the credentials, to whatever host it named.
    for status in [301, 302, 303, 307, 308] {
        let response = format!(
            "HTTP/1.1 {status} x\r\nLocation: ws://evil.test/\r\nContent-Length: 0\r\n\r\n"
        );
        let refusal = refusal(&response);
        assert_eq!(
            (refusal.status, refusal.location()),
            (status, Some("ws://evil.test/"))
        );
    }
    let no_redirect = refusal("HTTP/1.1 401 x\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(no_redirect.location(), None);
    // Whoever logs the error logs no terminal commands.
    let evil = "HTTP/1.1 302 x\r\nLocation: a\u{9b}2J\r\nContent-Length: 0\r\n\r\n";
    let mut asked = ask(&client_request(), evil, b"", Cuts::Whole, &server_config());
    assert!(!asked.handshake.receive_eof().to_string().contains('\u{9b}'));
}

#[test]
fn the_body_of_a_refusal_is_read_to_its_end() {
    // Elsewhere it was what happened to have arrived with the head.
    for (response, body, is_complete) in [
        ("Content-Length: 5\r\n\r\nHello", "Hello", true),
        ("Content-Length: 5\r\n\r\nHello World", "Hello", true),
        ("Content-Length: 5\r\n\r\nHel", "Hel", false),
        ("Content-Length: 0\r\n\r\nx", "", true),
        (
            "Transfer-Encoding: chunked\r\n\r\n3\r\nHel\r\n2\r\nlo\r\n0\r\n\r\n",
            "Hello",
            true,
        ),
        (
            "Transfer-Encoding: Chunked\r\n\r\n5;ext=1\r\nHello\r\n0\r\nX: y\r\n\r\nmore",
            "Hello",
            true,
        ),
        (
            "Transfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n",
            "Hello",
            false,
        ),
        (
            "Transfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n0\r",
            "Hello",
            false,
        ),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nHel", "Hel", false),
        ("Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "", false),
        (
            "Transfer-Encoding: chunked\r\n\r\n3\r\nHelXX2\r\nlo\r\n",
            "Hel",
            false,
        ),
        (
            "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\nx",
            "",
            false,
        ),
        ("X: y\r\n\r\nto the end", "to the end", true),
        ("X: y\r\n\r\n", "", true),
        (
            "Content-Length: 5\r\nContent-Length: 6\r\n\r\nHello",
            "",
            false,
        ),
        ("Content-Length: +5\r\n\r\nHello", "", false),
        (
            "Content-Length: 99999999999999999999\r\n\r\nHello",
            "",
            false,
        ),
    ] {
        let refusal = refusal(&format!("HTTP/1.1 503 x\r\n{response}"));
        assert_eq!(refusal.body, body.as_bytes(), "{response}");
        assert_eq!(refusal.is_complete, is_complete, "{response}");
    }
    for status in [204, 304] {
        let none = refusal(&format!("HTTP/1.1 {status} x\r\nContent-Length: 5\r\n\r\n"));
        assert!(
            none.body.is_empty() && none.is_complete,
            "{status} has no body"
        );
    }
}

#[test]
fn a_refusal_is_known_once_its_body_is_there() {
    // The server may keep the transport open: nobody waits for its end.
    for response in [
        "HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 404 x\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 404 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
        "HTTP/1.1 204 x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 404 x\r\nContent-Length: 0\r\n\r\n",
    ] {
        for cuts in Cuts::ALL {
            let asked = ask(&client_request(), response, b"", cuts, &server_config());
            let error = asked.error();
            assert!(
                matches!(error, Some(ResponseError::Refused(r)) if r.is_complete),
                "{response}"
            );
        }
    }
}

#[test]
fn an_endless_chunk_line_ends() {
    // Elsewhere what is between the chunks was not measured.
    for endless in [format!("5;{}", "x".repeat(100_000)), "0".repeat(100_000)] {
        let response = format!("HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n{endless}");
        for cuts in [Cuts::Whole, Cuts::Octets] {
            let asked = ask(&client_request(), &response, b"", cuts, &server_config());
            assert!(matches!(asked.error(), Some(ResponseError::Refused(r)) if !r.is_complete));
        }
    }
}

#[test]
fn trailer_fields_are_not_waited_for() {
    // Each line is short, but there could always be one more.
    let response = "HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n".to_owned()
        + &"X: y\r\n".repeat(50_000);
    let (request, config) = (client_request(), server_config());
    let asked = ask(&request, &response, b"", Cuts::Whole, &config);
    assert!(matches!(asked.error(), Some(ResponseError::Refused(r)) if r.is_complete));
}
