//! Every limit, exactly at it and one above (RFC 6455, section 10.4).
//!
//! Invariant: a peer may use a limit completely, is rejected at the header that exceeds it, and no
//! value of a limit overflows.

use crate::support::*;
use sansocket::{
    CloseCode, Config, Connection, Deliver, End, Endpoint, Event, HandshakeError, ProtocolError,
    Role, Settings,
};

/// Changes one setting.
type Change = fn(&mut Settings);

/// Both roles, and every way of delivery: `Run` chooses between complete and in pieces.
fn deliveries(settings: Settings) -> impl Iterator<Item = (Role, Settings)> {
    let mut in_place = settings;
    in_place.deliver = Deliver::InPlace;
    let ways = [settings, in_place];
    ROLES
        .into_iter()
        .flat_map(move |role| ways.map(|way| (role, way)))
}

/// The frames come through as one message of this length, in any cuts.
fn works(settings: Settings, frames: &[(u8, &[u8])], len: usize) {
    for (role, settings) in deliveries(settings) {
        for cuts in Cuts::ALL {
            let mut run = Run::with_settings(role, settings);
            run.feed_cut(&crate::support::frames(role, frames), cuts);
            let lens: Vec<_> = run.events.iter().map(message_len).collect();
            assert_eq!(lens, [Some(len)], "{cuts:?} {:?}", run.events);
            assert!(run.ws.is_open());
        }
    }
}

/// The last frame fails the connection: its header alone, and the frame complete in a read, too.
fn fails(settings: Settings, frames: &[(u8, &[u8])], error: ProtocolError, code: CloseCode) {
    let (last, before) = frames.split_last().unwrap();
    for (role, settings) in deliveries(settings) {
        for cuts in Cuts::ALL {
            let mut run = Run::with_settings(role, settings);
            run.feed_cut(&crate::support::frames(role, before), cuts);
            assert_eq!(run.events, [], "not before the frame that goes over");
            run.feed_cut(&frame_header(role, last.0, last.1.len() as u64), cuts);
            assert_eq!(run.events, [Event::Failed(error)]);
            assert_eq!(run.sent()[0].close_code(), Some(code.0));

            let mut run = Run::with_settings(role, settings);
            run.feed_cut(&crate::support::frames(role, frames), cuts);
            assert_eq!(run.events, [Event::Failed(error)], "{cuts:?}");
        }
    }
}

/// The same for a message that is too big.
fn too_big(settings: Settings, frames: &[(u8, &[u8])]) {
    let len = frames.iter().map(|(_, payload)| payload.len() as u64).sum();
    let max = settings.max_message_size;
    let error = ProtocolError::MessageTooBig { len, max };
    fails(settings, frames, error, CloseCode::MESSAGE_TOO_BIG);
}

/// The same for a message with too many fragments.
fn too_many(settings: Settings, frames: &[(u8, &[u8])]) {
    let error = ProtocolError::TooManyFragments;
    fails(settings, frames, error, CloseCode::POLICY_VIOLATION);
}

fn message_len(event: &Event<'_>) -> Option<usize> {
    match event {
        Event::Text(text) => Some(text.len()),
        Event::Binary(data) => Some(data.len()),
        _ => None,
    }
}

// ---- Settings ----

#[test]
fn a_message_of_one_frame_may_have_max_message_size() {
    each_delivery(|| {
        for max in [0, 1, 125, 126, 200, 65_536] {
            let settings = settings(|s| s.max_message_size = max as u64);
            for first in [0x81, 0x82] {
                works(settings, &[(first, &vec![b'x'; max])], max);
                too_big(settings, &[(first, &vec![b'x'; max + 1])]);
            }
        }
    });
}

#[test]
fn a_message_of_fragments_may_have_max_message_size() {
    each_delivery(|| {
        // Elsewhere the limit applied to single frames only, so messages grew without bound.
        let settings = settings(|s| s.max_message_size = 10);
        for first in [1, 2] {
            works(
                settings,
                &[(first, b"1234"), (0, b"5678"), (0x80, b"90")],
                10,
            );
            works(settings, &[(first, b"1234567890"), (0x80, b"")], 10);
            works(
                settings,
                &[(first, b""), (0, b"1234567890"), (0, b""), (0x80, b"")],
                10,
            );
            too_big(settings, &[(first, b"1234"), (0, b"5678"), (0x80, b"901")]);
            too_big(settings, &[(first, b"1234567890"), (0, b"1")]);
            too_big(settings, &[(first, b"12345678901")]);
        }
    });
}

#[test]
fn bytes_of_a_cut_character_count() {
    each_delivery(|| {
        // They are kept apart from the text, but belong to the message.
        let settings = settings(|s| s.max_message_size = 4);
        works(settings, &[(1, b"a\xe2\x82"), (0x80, b"\xac")], 4);
        too_big(settings, &[(1, b"a\xe2\x82"), (0x80, b"\xacb")]);
    });
}

#[test]
fn each_message_may_use_a_limit_completely() {
    each_delivery(|| {
        let settings = settings(|s| {
            s.max_message_size = 4;
            s.max_fragments = 2;
        });
        for role in ROLES {
            let mut run = Run::with_settings(role, settings);
            for _ in 0..100 {
                run.feed(&frames(role, &[(1, b"12"), (0x80, b"34"), (0x82, b"1234")]));
            }
            assert_eq!(run.events.len(), 200);
            assert!(run.ws.is_open());
        }
    });
}

#[test]
fn a_message_may_have_max_fragments() {
    each_delivery(|| {
        let settings = settings(|s| s.max_fragments = 3);
        for first in [1, 2] {
            works(settings, &[(first, b"a"), (0, b"b"), (0x80, b"c")], 3);
            too_many(
                settings,
                &[(first, b"a"), (0, b"b"), (0, b"c"), (0x80, b"d")],
            );
            too_many(settings, &[(first, b""), (0, b""), (0, b""), (0, b"")]);
        }
    });
}

#[test]
fn a_fragment_limit_of_none_takes_messages_of_one_frame() {
    each_delivery(|| {
        let settings = settings(|s| s.max_fragments = 0);
        works(settings, &[(0x81, b"whole")], 5);
        too_many(settings, &[(0x01, b"a")]);
    });
}

#[test]
fn the_first_limit_that_a_header_exceeds_decides() {
    each_delivery(|| {
        // The same header breaks both.
        let settings = settings(|s| {
            s.max_message_size = 3;
            s.max_fragments = 1;
        });
        works(settings, &[(0x82, b"123")], 3);
        let mut errors = Vec::new();
        for role in ROLES {
            for cuts in Cuts::ALL {
                let mut run = Run::with_settings(role, settings);
                run.feed_cut(&frames(role, &[(2, b"12"), (0, b"34")]), cuts);
                errors.append(&mut run.events);
            }
        }
        let [first, others @ ..] = &errors[..] else {
            unreachable!("at least one")
        };
        assert!(matches!(
            first,
            Event::Failed(
                ProtocolError::MessageTooBig { len: 4, max: 3 } | ProtocolError::TooManyFragments
            )
        ));
        assert!(others.iter().all(|other| other == first), "{errors:?}");
    });
}

/// The events of these bytes, if the settings change after the first `at` of them.
fn with_change_at(
    (role, settings): (Role, Settings),
    change: Change,
    at: usize,
    wire: &[u8],
) -> Vec<Event<'static>> {
    let mut run = Run::with_settings(role, settings);
    run.feed(&wire[..at]);
    change(run.ws.settings());
    run.feed(&wire[at..]);
    run.events
}

#[test]
fn a_limit_holds_from_the_header_that_starts_a_message_to_its_end() {
    each_delivery(|| {
        let loose = settings(|s| {
            s.max_message_size = 10;
            s.max_fragments = 3;
        });
        let limits: [(Change, Change, ProtocolError); 2] = [
            (
                |s| s.max_message_size = 9,
                |s| s.max_message_size = 10,
                ProtocolError::MessageTooBig { len: 10, max: 9 },
            ),
            (
                |s| s.max_fragments = 2,
                |s| s.max_fragments = 3,
                ProtocolError::TooManyFragments,
            ),
        ];
        let message: [(u8, &[u8]); 4] = [(2, b"1234"), (0x89, b""), (0, b"5678"), (0x80, b"90")];
        let delivered = [ping(b""), binary(b"1234567890")];
        for (tighten, loosen, error) in limits {
            let mut tight = loose;
            tighten(&mut tight);
            let failed = [ping(b""), Event::Failed(error)];
            for role in ROLES {
                let wire = frames(role, &message);
                for at in 0..=wire.len() {
                    let is_before = at < frame_header(role, 2, 4).len();
                    let (tightened, loosened) = match is_before {
                        true => (&failed, &delivered),
                        false => (&delivered, &failed),
                    };
                    let events = with_change_at((role, loose), tighten, at, &wire);
                    assert_eq!(events, tightened[..], "after {at} bytes");
                    let events = with_change_at((role, tight), loosen, at, &wire);
                    assert_eq!(events, loosened[..], "after {at} bytes");

                    // The change applies to the next message.
                    if !is_before {
                        let both = [&wire[..], &wire].concat();
                        let events = with_change_at((role, loose), tighten, at, &both);
                        assert_eq!(events[..2], delivered, "after {at} bytes");
                        assert_eq!(events[2..], failed, "after {at} bytes");
                    }
                }
            }
        }
    });
}

#[test]
fn control_frames_have_no_limit_but_their_own() {
    each_delivery(|| {
        let settings = settings(|s| {
            s.max_message_size = 0;
            s.max_fragments = 2;
        });
        for role in ROLES {
            for cuts in Cuts::ALL {
                let mut run = Run::with_settings(role, settings);
                // Nor do they count as fragments of the message around them.
                let all: [(u8, &[u8]); 6] = [
                    (0x01, b""),
                    (0x89, &[1; 125]),
                    (0x8a, &[2; 125]),
                    (0x89, b""),
                    (0x80, b""),
                    (0x88, b"\x03\xe8bye"),
                ];
                run.feed_cut(&frames(role, &all), cuts);
                assert_eq!(run.events.len(), 5, "{:?}", run.events);
                let closed = End::Closed {
                    code: CloseCode::NORMAL,
                    by_peer: true,
                };
                assert_eq!(run.eof(), closed);
            }
        }
    });
}

#[test]
fn huge_claims_are_refused() {
    each_delivery(|| {
        // Elsewhere a signed or wrapped length bypassed the limit.
        for claim in [1 << 31, 1 << 32, 1 << 62, (1 << 63) - 1] {
            for role in ROLES {
                for (before, first) in [(&[][..], 0x82), (&[(1, &b"text"[..])][..], 0x80)] {
                    let mut run = Run::new(role);
                    run.feed(&frames(role, before));
                    run.feed(&frame_header(role, first, claim));
                    let len = claim
                        + before
                            .iter()
                            .map(|(_, data)| data.len() as u64)
                            .sum::<u64>();
                    let max = Settings::default().max_message_size;
                    let error = ProtocolError::MessageTooBig { len, max };
                    assert_eq!(run.events, [Event::Failed(error)]);
                    assert_eq!(run.sent()[0].close_code(), Some(1009));
                }
            }
        }
    });
}

#[test]
fn limits_of_the_highest_value_do_not_overflow() {
    each_delivery(|| {
        let settings = settings(|s| {
            s.max_message_size = u64::MAX;
            s.max_fragments = u32::MAX;
        });
        works(settings, &[(1, b"a"), (0, b""), (0x80, b"b")], 2);
        for role in ROLES {
            for cuts in Cuts::ALL {
                // Nothing can reach this limit, so the frame never ends.
                let mut run = Run::with_settings(role, settings);
                let unfinished = frame(role, 0x02, b"0123456789");
                let claim = frame_header(role, 0x80, (1 << 63) - 1);
                run.feed_cut(&[unfinished, claim, vec![b'x'; 1_000]].concat(), cuts);
                assert!(run.events.is_empty(), "{:?}", run.events);
            }
        }
    });
}

/// Where `usize` has 32 bits, such a length must not lose its upper ones: the frame would end after five bytes.
#[test]
fn a_length_beyond_32_bits_keeps_its_upper_bits() {
    let settings = |deliver| {
        settings(|s| {
            s.max_message_size = u64::MAX;
            s.deliver = deliver;
        })
    };
    for claim in [(1 << 32) + 5, (1 << 33) + 5, (1 << 62) + 5] {
        for role in ROLES {
            for first in [0x82, 0x02] {
                for deliver in [Deliver::Complete, Deliver::InPlace, Deliver::Pieces] {
                    let mut run = Run::with_settings(role, settings(deliver));
                    run.feed(&frame_header(role, first, claim));
                    run.feed(b"01234");
                    // A Ping, if the frame had ended here.
                    run.feed(&frame(role, 0x89, b""));
                    assert!(run.events.is_empty(), "{deliver:?}: {:?}", run.events);
                    assert!(run.out.is_empty());
                }
            }
        }
    }
}

#[test]
fn a_million_empty_fragments_are_one_message() {
    each_delivery(|| {
        let settings = settings(|s| s.max_fragments = 1_000_002);
        for (role, thousands) in [(Role::Server, 1_000), (Role::Client, 100)] {
            let mut run = Run::with_settings(role, settings);
            let thousand = frames(role, &[(0, &b""[..]); 1_000]);
            run.feed(&frame(role, 1, b"a"));
            for _ in 0..thousands {
                run.feed(&thousand);
            }
            run.feed(&frame(role, 0x80, b"b"));
            assert_eq!(run.events, [text("ab")]);
        }
        // The default limit stops such a peer.
        let mut run = Run::new(Role::Server);
        run.feed(&frame(Role::Server, 1, b""));
        let thousand = frames(Role::Server, &[(0, &b""[..]); 1_000]);
        for _ in 0..262 {
            run.feed(&thousand);
        }
        assert_eq!(run.events, []);
        run.feed(&thousand);

        let error = ProtocolError::TooManyFragments;
        assert_eq!(run.events, [Event::Failed(error)]);
    });
}

// ---- Config ----

#[test]
fn a_request_may_have_max_head_size() {
    for cuts in Cuts::ALL {
        let exact = config(|c| c.max_head_size = REQUEST.len());
        assert_eq!(
            serve(REQUEST.as_bytes(), cuts, &exact).request().path(),
            "/chat"
        );
        let max = REQUEST.len() - 1;
        let over = config(|c| c.max_head_size = max);
        let served = serve(REQUEST.as_bytes(), cuts, &over);
        assert_eq!(served.error(), Some(HandshakeError::HeadTooLarge { max }));

        // Bytes after the head do not count.
        let bytes = [REQUEST.as_bytes(), &[0; 1_000]].concat();
        assert_eq!(serve(&bytes, cuts, &exact).rest.len(), 1_000);
    }
}

#[test]
fn the_default_head_limit_is_16_kib() {
    let config = Config::default();
    let line = |len: usize| with_line(REQUEST, &format!("X: {}", "a".repeat(len)));
    let fixed = line(0).len();
    for cuts in [Cuts::AtOnce, Cuts::Bytes] {
        let served = serve(line((16 << 10) - fixed).as_bytes(), cuts, &config);
        assert!(served.error().is_none());
        let served = serve(line((16 << 10) - fixed + 1).as_bytes(), cuts, &config);
        let max = 16 << 10;
        assert_eq!(served.error(), Some(HandshakeError::HeadTooLarge { max }));
    }
}

#[test]
fn a_request_line_may_be_as_long_as_the_head() {
    let line = "GET / HTTP/1.1\r\n";
    for cuts in Cuts::ALL {
        // The line ends exactly at the limit, so it is the head that is too large.
        let exact = config(|c| c.max_head_size = line.len());
        let served = serve(line.as_bytes(), cuts, &exact);
        assert!(served.result.is_none());
        let served = serve([line, "H"].concat().as_bytes(), cuts, &exact);
        let max = line.len();
        assert_eq!(served.error(), Some(HandshakeError::HeadTooLarge { max }));
        let max = line.len() - 1;
        let over = config(|c| c.max_head_size = max);
        let served = serve(line.as_bytes(), cuts, &over);
        assert_eq!(served.error(), Some(HandshakeError::TargetTooLong { max }));
    }
}

#[test]
fn a_request_may_have_max_headers() {
    for cuts in Cuts::ALL {
        let exact = config(|c| c.max_headers = 5);
        assert_eq!(
            serve(REQUEST.as_bytes(), cuts, &exact)
                .request()
                .headers()
                .iter()
                .count(),
            5
        );
        let over = config(|c| c.max_headers = 4);
        let served = serve(REQUEST.as_bytes(), cuts, &over);
        let max = 4;
        assert_eq!(served.error(), Some(HandshakeError::TooManyHeaders { max }));
    }
    // Elsewhere fields above the limit were dropped, the key among them, and the server crashed.
    for (more, wanted) in [
        (123, None),
        (124, Some(HandshakeError::TooManyHeaders { max: 128 })),
    ] {
        let head = replaced(REQUEST, "Host:", &("X: y\r\n".repeat(more) + "Host:"));
        let served = serve(head.as_bytes(), Cuts::AtOnce, &Config::default());
        assert_eq!(served.error(), wanted);
    }
}

#[test]
fn a_response_may_have_max_head_size() {
    let len = RESPONSE.len() - "ACCEPT".len() + 28;
    for cuts in Cuts::ALL {
        let exact = config(|c| c.max_head_size = len);
        assert!(
            ask(&client_request(), RESPONSE, &[0; 99], cuts, &exact)
                .error()
                .is_none()
        );
        let max = len - 1;
        let over = config(|c| c.max_head_size = max);
        let asked = ask(&client_request(), RESPONSE, b"", cuts, &over);
        assert_eq!(asked.error(), Some(HandshakeError::HeadTooLarge { max }));
    }
}

#[test]
fn a_response_may_have_max_headers() {
    for cuts in Cuts::ALL {
        let exact = config(|c| c.max_headers = 3);
        let asked = ask(&client_request(), RESPONSE, b"", cuts, &exact);
        assert_eq!(asked.opened().headers.iter().count(), 3);
        let over = config(|c| c.max_headers = 2);
        let asked = ask(&client_request(), RESPONSE, b"", cuts, &over);
        let max = 2;
        assert_eq!(asked.error(), Some(HandshakeError::TooManyHeaders { max }));
    }
}

#[test]
fn a_server_may_send_max_interim_responses() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    for max in [0, 1, 8, u8::MAX] {
        let config = config(|c| c.max_interim_responses = max);
        for cuts in [Cuts::AtOnce, Cuts::Bytes, Cuts::Random(1)] {
            let exact = interim.repeat(usize::from(max)) + RESPONSE;
            let asked = ask(&client_request(), &exact, b"early", cuts, &config);
            assert!(asked.opened().headers.get("link").is_none());
            assert_eq!(asked.rest, b"early");
            let over = interim.to_owned() + &exact;
            let asked = ask(&client_request(), &over, b"", cuts, &config);
            assert_eq!(
                asked.error(),
                Some(HandshakeError::TooManyInterimResponses { max })
            );
        }
    }
}

#[test]
fn a_refusal_may_have_max_body_size() {
    for max in [0, 1, 10] {
        let config = config(|c| c.max_body_size = max);
        for len in [max, max + 1] {
            let body = "0123456789a".get(..len).unwrap();
            let chunks: String = body.chars().map(|c| format!("1\r\n{c}\r\n")).collect();
            for (framing, body) in [
                (format!("Content-Length: {len}"), body.to_owned()),
                ("Transfer-Encoding: chunked".into(), chunks + "0\r\n\r\n"),
                ("X: to the end".into(), body.to_owned()),
            ] {
                let response = format!("HTTP/1.1 503 x\r\n{framing}\r\n\r\n{body}");
                for cuts in Cuts::ALL {
                    let mut asked = ask(&client_request(), &response, b"", cuts, &config);
                    let error = asked.eof();
                    let HandshakeError::Refused(refusal) = error else {
                        panic!("{error:?}");
                    };
                    assert_eq!(refusal.body, b"0123456789a"[..max], "{response}");
                    assert_eq!(refusal.is_complete, len == max, "{response} {cuts:?}");
                }
            }
        }
    }
}

#[test]
fn a_body_that_reaches_its_limit_is_not_waited_for() {
    let config = config(|c| c.max_body_size = 4);
    let response = format!(
        "HTTP/1.1 503 x\r\nContent-Length: {}\r\n\r\n12345",
        u64::MAX
    );
    for cuts in Cuts::ALL {
        let asked = ask(&client_request(), &response, b"", cuts, &config);
        assert!(matches!(asked.error(), Some(HandshakeError::Refused(r)) if r.body == b"1234"));
    }
}

#[test]
fn handshake_limits_of_the_highest_value_do_not_overflow() {
    let config = config(|c| {
        c.max_head_size = usize::MAX;
        c.max_headers = usize::MAX;
        c.max_interim_responses = u8::MAX;
        c.max_body_size = usize::MAX;
    });
    assert!(
        serve(REQUEST.as_bytes(), Cuts::Bytes, &config)
            .error()
            .is_none()
    );
    let asked = ask(&client_request(), RESPONSE, b"", Cuts::Bytes, &config);
    assert!(asked.error().is_none());
    for framing in [
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
        "\r\nx",
    ] {
        let response = format!("HTTP/1.1 503 x\r\n{framing}");
        let mut asked = ask(&client_request(), &response, b"", Cuts::Bytes, &config);
        let error = asked.eof();
        assert!(
            matches!(error, HandshakeError::Refused(r) if r.body == b"x"),
            "{framing}"
        );
    }
}

// ---- sizes ----

#[test]
fn the_state_of_a_connection_is_small() {
    let mut is_small = true;
    for (name, size, max) in [
        ("Connection", size_of::<Connection>(), 208),
        ("Endpoint", size_of::<Endpoint>(), 344),
        ("Event", size_of::<Event<'_>>(), 32),
        ("Option<Event>", size_of::<Option<Event<'_>>>(), 32),
    ] {
        println!("{name} has {size} bytes, of at most {max}");
        is_small &= size <= max;
    }
    assert!(is_small);
}
