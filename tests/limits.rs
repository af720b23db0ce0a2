//! Every limit exactly at it and one over (RFC 6455, section 10.4): a peer may use all of a
//! limit, is refused from the header that goes over it, and no value of a limit overflows.

mod support;

use sansocket::{
    CloseCode, Config, Event, HandshakeConfig, ProtocolError, RequestError, ResponseError, Role,
    State,
};
use support::*;

fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

fn handshake_config(change: impl FnOnce(&mut HandshakeConfig)) -> HandshakeConfig {
    let mut config = HandshakeConfig::default();
    change(&mut config);
    config
}

/// The frames come through as one message of that many octets, in any cuts.
fn works(config: &Config, frames: &[(u8, &[u8])], len: usize) {
    for role in ROLES {
        for cuts in Cuts::ALL {
            let mut run = Run::with_config(role, config);
            run.feed_cut(&octets(role, frames), cuts);
            let lens: Vec<_> = run.events.iter().map(message_len).collect();
            assert_eq!(lens, [Some(len)], "{cuts:?} {:?}", run.events);
            assert_eq!(run.ws.state(), State::Open);
        }
    }
}

/// The last frame's header alone fails the connection.
fn fails(config: &Config, frames: &[(u8, &[u8])], error: ProtocolError, code: CloseCode) {
    let (last, before) = frames.split_last().unwrap();
    for role in ROLES {
        for cuts in Cuts::ALL {
            let mut run = Run::with_config(role, config);
            run.feed_cut(&octets(role, before), cuts);
            assert_eq!(run.events, [], "not before the frame that goes over");
            run.feed_cut(&frame_header(role, last.0, last.1.len() as u64), cuts);
            assert_eq!(run.events, [Event::Failed(error)]);
            assert_eq!(run.sent()[0].close_code(), Some(code.0));
        }
    }
}

fn octets(role: Role, frames: &[(u8, &[u8])]) -> Vec<u8> {
    let frames = frames
        .iter()
        .map(|&(first, payload)| frame(role, first, payload));
    frames.collect::<Vec<_>>().concat()
}

fn message_len(event: &Event<'_>) -> Option<usize> {
    match event {
        Event::Text(text) => Some(text.len()),
        Event::Binary(data) => Some(data.len()),
        _ => None,
    }
}

// ---- Config ----

#[test]
fn a_message_of_one_frame_may_have_max_message_size() {
    for max in [0, 1, 125, 126, 200, 65_535, 65_536] {
        let config = config(|c| c.max_message_size = max);
        for first in [0x81, 0x82] {
            works(&config, &[(first, &vec![b'x'; max])], max);
            let over = vec![b'x'; max + 1];
            let error = ProtocolError::MessageTooBig;
            fails(
                &config,
                &[(first, &over)],
                error,
                CloseCode::MESSAGE_TOO_BIG,
            );
        }
    }
}

#[test]
fn a_message_of_fragments_may_have_max_message_size() {
    // Elsewhere the limit held for each frame only, and messages grew without end.
    let config = config(|c| c.max_message_size = 10);
    for first in [1, 2] {
        works(
            &config,
            &[(first, b"1234"), (0, b"5678"), (0x80, b"90")],
            10,
        );
        works(&config, &[(first, b"1234567890"), (0x80, b"")], 10);
        works(
            &config,
            &[(first, b""), (0, b"1234567890"), (0, b""), (0x80, b"")],
            10,
        );
        let error = (ProtocolError::MessageTooBig, CloseCode::MESSAGE_TOO_BIG);
        fails(
            &config,
            &[(first, b"1234"), (0, b"5678"), (0x80, b"901")],
            error.0,
            error.1,
        );
        fails(
            &config,
            &[(first, b"1234567890"), (0, b"1")],
            error.0,
            error.1,
        );
        fails(&config, &[(first, b"12345678901")], error.0, error.1);
    }
}

#[test]
fn octets_of_a_cut_character_count() {
    // They are kept apart from the text, but they are octets of the message.
    let config = config(|c| c.max_message_size = 4);
    works(&config, &[(1, b"a\xe2\x82"), (0x80, b"\xac")], 4);
    let over: [(u8, &[u8]); 2] = [(1, b"a\xe2\x82"), (0x80, b"\xacb")];
    fails(
        &config,
        &over,
        ProtocolError::MessageTooBig,
        CloseCode::MESSAGE_TOO_BIG,
    );
}

#[test]
fn each_message_has_the_whole_limit() {
    let config = config(|c| {
        c.max_message_size = 4;
        c.max_fragments = 2;
    });
    for role in ROLES {
        let mut run = Run::with_config(role, &config);
        for _ in 0..100 {
            run.feed(&octets(role, &[(1, b"12"), (0x80, b"34"), (0x82, b"1234")]));
        }
        assert_eq!(run.events.len(), 200);
        assert_eq!(run.ws.state(), State::Open);
    }
}

#[test]
fn a_frame_may_have_max_frame_size() {
    let config = config(|c| c.max_frame_size = 5);
    let error = (ProtocolError::FrameTooBig, CloseCode::MESSAGE_TOO_BIG);
    for (whole, first) in [(0x81, 1), (0x82, 2)] {
        works(&config, &[(whole, b"12345")], 5);
        works(
            &config,
            &[(first, b"12345"), (0, b"67890"), (0x80, b"12345")],
            15,
        );
        fails(&config, &[(whole, b"123456")], error.0, error.1);
        fails(
            &config,
            &[(first, b"1"), (0x80, b"234567")],
            error.0,
            error.1,
        );
    }
}

#[test]
fn the_smaller_of_the_two_limits_decides() {
    let error = CloseCode::MESSAGE_TOO_BIG;
    let small_message = config(|c| c.max_message_size = 3);
    fails(
        &small_message,
        &[(0x82, b"1234")],
        ProtocolError::MessageTooBig,
        error,
    );
    let small_frame = config(|c| c.max_frame_size = 3);
    fails(
        &small_frame,
        &[(0x82, b"1234")],
        ProtocolError::FrameTooBig,
        error,
    );
}

#[test]
fn a_message_may_have_max_fragments() {
    let config = config(|c| c.max_fragments = 3);
    let error = (ProtocolError::TooManyFragments, CloseCode::POLICY_VIOLATION);
    for first in [1, 2] {
        works(&config, &[(first, b"a"), (0, b"b"), (0x80, b"c")], 3);
        fails(
            &config,
            &[(first, b"a"), (0, b"b"), (0, b"c"), (0x80, b"d")],
            error.0,
            error.1,
        );
        fails(
            &config,
            &[(first, b""), (0, b""), (0, b""), (0, b"")],
            error.0,
            error.1,
        );
    }
}

#[test]
fn a_fragment_limit_of_none_takes_whole_messages() {
    let config = config(|c| c.max_fragments = 0);
    works(&config, &[(0x81, b"whole")], 5);
    let error = ProtocolError::TooManyFragments;
    fails(&config, &[(0x01, b"a")], error, CloseCode::POLICY_VIOLATION);
}

#[test]
fn control_frames_have_no_limit_but_their_own() {
    let config = config(|c| {
        c.max_message_size = 0;
        c.max_frame_size = 0;
        c.max_fragments = 2;
    });
    for role in ROLES {
        for cuts in Cuts::ALL {
            let mut run = Run::with_config(role, &config);
            // Neither do they count as fragments of the message they stand in.
            let frames: [(u8, &[u8]); 6] = [
                (0x01, b""),
                (0x89, &[1; 125]),
                (0x8a, &[2; 125]),
                (0x89, b""),
                (0x80, b""),
                (0x88, b"\x03\xe8bye"),
            ];
            run.feed_cut(&octets(role, &frames), cuts);
            assert_eq!(run.events.len(), 5, "{:?}", run.events);
            assert_eq!(run.ws.close_code(), Some(CloseCode::NORMAL));
        }
    }
}

#[test]
fn huge_claims_are_refused() {
    // Elsewhere a signed or wrapped length made the limit void.
    for claim in [1 << 31, 1 << 32, 1 << 62, (1 << 63) - 1] {
        for role in ROLES {
            for (before, first) in [(&[][..], 0x82), (&[(1, &b"text"[..])][..], 0x80)] {
                let mut run = Run::new(role);
                run.feed(&octets(role, before));
                run.feed(&frame_header(role, first, claim));
                assert_eq!(run.events, [Event::Failed(ProtocolError::FrameTooBig)]);
                assert_eq!(run.sent()[0].close_code(), Some(1009));
            }
        }
    }
}

#[test]
fn limits_of_the_highest_value_do_not_overflow() {
    let config = config(|c| {
        c.max_message_size = usize::MAX;
        c.max_frame_size = usize::MAX;
        c.max_fragments = u32::MAX;
    });
    works(&config, &[(1, b"a"), (0, b""), (0x80, b"b")], 2);
    for role in ROLES {
        for cuts in Cuts::ALL {
            // Whoever says "unlimited" gets it: the frame goes on for ever.
            let mut run = Run::with_config(role, &config);
            let begun = frame(role, 0x02, b"0123456789");
            let claim = frame_header(role, 0x80, (1 << 63) - 1);
            run.feed_cut(&[begun, claim, vec![b'x'; 1_000]].concat(), cuts);
            let wanted = if usize::BITS == 64 { 0 } else { 1 };
            assert_eq!(run.events.len(), wanted, "{:?}", run.events);
        }
    }
}

#[test]
fn a_million_empty_fragments_are_one_message() {
    let config = config(|c| c.max_fragments = 1_000_002);
    for role in ROLES {
        let mut run = Run::with_config(role, &config);
        let thousand = octets(role, &[(0, &b""[..]); 1_000]);
        run.feed(&frame(role, 1, b"a"));
        for _ in 0..1_000 {
            run.feed(&thousand);
        }
        run.feed(&frame(role, 0x80, b"b"));
        assert_eq!(run.events, [Event::Text("ab".into())]);
    }
    // By default a peer cannot go on like this.
    let mut run = Run::new(Role::Server);
    run.feed(&frame(Role::Server, 1, b""));
    let thousand = octets(Role::Server, &[(0, &b""[..]); 1_000]);
    for _ in 0..262 {
        run.feed(&thousand);
    }
    assert_eq!(run.events, []);
    run.feed(&thousand);
    assert_eq!(run.events, [Event::Failed(ProtocolError::TooManyFragments)]);
}

// ---- HandshakeConfig ----

#[test]
fn a_request_may_have_max_head_size() {
    for cuts in Cuts::ALL {
        let exact = handshake_config(|c| c.max_head_size = REQUEST.len());
        assert_eq!(
            serve(REQUEST.as_bytes(), cuts, &exact).request().path(),
            "/chat"
        );
        let over = handshake_config(|c| c.max_head_size = REQUEST.len() - 1);
        let served = serve(REQUEST.as_bytes(), cuts, &over);
        assert_eq!(served.error(), Some(RequestError::HeadTooLarge));

        // The octets behind the head are none of it.
        let octets = [REQUEST.as_bytes(), &[0; 1_000]].concat();
        assert_eq!(serve(&octets, cuts, &exact).rest.len(), 1_000);
    }
}

#[test]
fn the_default_head_limit_is_16_kib() {
    let config = HandshakeConfig::default();
    let line = |len: usize| with_line(REQUEST, &format!("X: {}", "a".repeat(len)));
    let fixed = line(0).len();
    for cuts in [Cuts::Whole, Cuts::Octets] {
        let served = serve(line((16 << 10) - fixed).as_bytes(), cuts, &config);
        assert!(served.error().is_none());
        let served = serve(line((16 << 10) - fixed + 1).as_bytes(), cuts, &config);
        assert_eq!(served.error(), Some(RequestError::HeadTooLarge));
    }
}

#[test]
fn a_request_line_may_be_as_long_as_the_head() {
    let line = "GET / HTTP/1.1\r\n";
    for cuts in Cuts::ALL {
        // The limit is met by the last octet of the line: what is too large is the head then.
        let exact = handshake_config(|c| c.max_head_size = line.len());
        let served = serve(line.as_bytes(), cuts, &exact);
        assert!(served.result.is_none());
        let served = serve([line, "H"].concat().as_bytes(), cuts, &exact);
        assert_eq!(served.error(), Some(RequestError::HeadTooLarge));
        let over = handshake_config(|c| c.max_head_size = line.len() - 1);
        let served = serve(line.as_bytes(), cuts, &over);
        assert_eq!(served.error(), Some(RequestError::TargetTooLong));
    }
}

#[test]
fn a_request_may_have_max_headers() {
    for cuts in Cuts::ALL {
        let exact = handshake_config(|c| c.max_headers = 5);
        assert_eq!(
            serve(REQUEST.as_bytes(), cuts, &exact)
                .request()
                .headers()
                .len(),
            5
        );
        let over = handshake_config(|c| c.max_headers = 4);
        let served = serve(REQUEST.as_bytes(), cuts, &over);
        assert_eq!(served.error(), Some(RequestError::TooManyHeaders));
    }
    // No field is dropped to fit: elsewhere the key went missing so, and the server crashed.
    for (more, wanted) in [(123, None), (124, Some(RequestError::TooManyHeaders))] {
        let head = replaced(REQUEST, "Host:", &("X: y\r\n".repeat(more) + "Host:"));
        let served = serve(head.as_bytes(), Cuts::Whole, &HandshakeConfig::default());
        assert_eq!(served.error(), wanted);
    }
}

#[test]
fn a_response_may_have_max_head_size() {
    let len = RESPONSE.len() - "ACCEPT".len() + 28;
    for cuts in Cuts::ALL {
        let exact = handshake_config(|c| c.max_head_size = len);
        assert!(
            ask(&client_request(), RESPONSE, &[0; 99], cuts, &exact)
                .error()
                .is_none()
        );
        let over = handshake_config(|c| c.max_head_size = len - 1);
        let asked = ask(&client_request(), RESPONSE, b"", cuts, &over);
        assert_eq!(asked.error(), Some(&ResponseError::HeadTooLarge));
    }
}

#[test]
fn a_response_may_have_max_headers() {
    for cuts in Cuts::ALL {
        let exact = handshake_config(|c| c.max_headers = 3);
        let mut asked = ask(&client_request(), RESPONSE, b"", cuts, &exact);
        assert_eq!(asked.opened().headers.len(), 3);
        let over = handshake_config(|c| c.max_headers = 2);
        let asked = ask(&client_request(), RESPONSE, b"", cuts, &over);
        assert_eq!(asked.error(), Some(&ResponseError::TooManyHeaders));
    }
}

#[test]
fn a_server_may_send_max_interim_responses() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    for max in [0, 1, 8, u8::MAX] {
        let config = handshake_config(|c| c.max_interim_responses = max);
        for cuts in [Cuts::Whole, Cuts::Octets, Cuts::Random(1)] {
            let exact = interim.repeat(usize::from(max)) + RESPONSE;
            let mut asked = ask(&client_request(), &exact, b"early", cuts, &config);
            assert!(asked.opened().headers.get("link").is_none());
            assert_eq!(asked.rest, b"early");
            let over = interim.to_owned() + &exact;
            let asked = ask(&client_request(), &over, b"", cuts, &config);
            assert_eq!(asked.error(), Some(&ResponseError::TooManyInterimResponses));
        }
    }
}

#[test]
fn a_refusal_may_have_max_body_size() {
    for max in [0, 1, 10] {
        let config = handshake_config(|c| c.max_body_size = max);
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
                    let error = asked.handshake.receive_eof();
                    let ResponseError::Refused(refusal) = error else {
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
    let config = handshake_config(|c| c.max_body_size = 4);
    let response = format!(
        "HTTP/1.1 503 x\r\nContent-Length: {}\r\n\r\n12345",
        u64::MAX
    );
    for cuts in Cuts::ALL {
        let asked = ask(&client_request(), &response, b"", cuts, &config);
        assert!(matches!(asked.error(), Some(ResponseError::Refused(r)) if r.body == b"1234"));
    }
}

#[test]
fn handshake_limits_of_the_highest_value_do_not_overflow() {
    let config = handshake_config(|c| {
        c.max_head_size = usize::MAX;
        c.max_headers = usize::MAX;
        c.max_interim_responses = u8::MAX;
        c.max_body_size = usize::MAX;
    });
    assert!(
        serve(REQUEST.as_bytes(), Cuts::Octets, &config)
            .error()
            .is_none()
    );
    let asked = ask(&client_request(), RESPONSE, b"", Cuts::Octets, &config);
    assert!(asked.error().is_none());
    for framing in [
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
        "\r\nx",
    ] {
        let response = format!("HTTP/1.1 503 x\r\n{framing}");
        let mut asked = ask(&client_request(), &response, b"", Cuts::Octets, &config);
        let error = asked.handshake.receive_eof();
        assert!(
            matches!(error, ResponseError::Refused(r) if r.body == b"x"),
            "{framing}"
        );
    }
}
