//! One endpoint from the first byte of its transport to the last (RFC 6455, sections 4 and 7).
//!
//! Invariant: time is a number here; nothing waits and nothing has a clock.

use crate::support::endpoint::*;
use crate::support::*;
use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sansocket::{
    ClientRequest, CloseCode, Connection, Deliver, End, Endpoint, Event, Expired, Extension,
    HandshakeError, Input, ProtocolError, Response, Role, SendError, Settings, Tick, Times,
};
use std::collections::VecDeque;
use std::time::Duration;

/// The status of a response, of which all is there and nothing else.
#[track_caller]
fn status(response: &[u8]) -> u16 {
    let response = std::str::from_utf8(response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let fields: Vec<&str> = head.split("\r\n").collect();
    assert!(fields.contains(&"Connection: close"));
    assert!(fields.contains(&&*format!("Content-Length: {}", body.len())));
    let status = fields[0].strip_prefix("HTTP/1.1 ").unwrap();
    status[..3].parse().unwrap()
}

/// Whatever happens from here on, nothing is yielded and nothing is written.
#[track_caller]
fn stays_over(side: &mut Side, now: Duration, bytes: &[u8]) {
    assert!(side.out.is_empty());
    for piece in [b"", bytes, b"x"] {
        assert_eq!(side.feed(piece, now), []);
        assert!(side.request.is_none() && side.out.is_empty());
        let sent = side.endpoint.send("", &mut side.out);
        assert_eq!(sent, Err(SendError::Closed));
        let responded = side.endpoint.respond(Response::new(500), &mut side.out);
        assert_eq!(responded, Err(SendError::Closed));
        assert!(!side.endpoint.is_open() && side.out.is_empty());
    }
}

// ---- a server that opens ----

#[test]
fn a_dribbled_request_gets_408_at_its_time_and_then_the_closing_time() {
    let mut server = Side::server(Times::default());
    for time in (0..10_000).step_by(100).map(ms) {
        assert_eq!(server.feed(&REQUEST.as_bytes()[..1], time), []);
        server.waits(time, seconds(10));
    }
    server.waits(seconds(10) - NANO, seconds(10));
    assert_eq!((server.out.len(), server.endpoint.end()), (0, None));
    assert!(matches!(server.tick(seconds(10)), Tick::Wait(_)));
    assert_eq!(status(&server.write_all(seconds(10))), 408);
    let shut_down = Tick::ShutDown(Some(seconds(15)));
    assert_eq!(server.tick(seconds(10)), shut_down);
    // What it sends now does not prolong that.
    for time in (10_000..15_000).step_by(100).map(ms) {
        stays_over(&mut server, time, REQUEST.as_bytes());
        assert_eq!(server.tick(time), shut_down);
    }
    server.expires(seconds(15), Expired::Handshake);
    stays_over(&mut server, seconds(16), REQUEST.as_bytes());
}

#[test]
fn a_client_that_goes_after_its_408_changes_nothing() {
    let mut server = Side::server(Times::default());
    server.waits(Duration::ZERO, seconds(10));
    assert!(matches!(server.tick(seconds(10)), Tick::Wait(_)));
    server.write_all(seconds(10));
    let expired = End::Expired(Expired::Handshake);
    assert_eq!(server.done_after_eof(seconds(11)), expired);
}

#[test]
fn a_request_that_breaks_a_rule_is_refused_and_what_follows_is_dropped() {
    let put = replaced(REQUEST, "GET", "PUT");
    for (request, status, is_http) in [(&*put, 405, true), ("GET\n\n", 400, false)] {
        let mut server = Side::server(Times::default());
        let mut events = server.feed(request.as_bytes(), seconds(3));
        let Some(Event::Refused(error)) = events.pop() else {
            panic!("{events:?}");
        };
        match events.pop() {
            Some(Event::Http(request)) if is_http => {
                assert_eq!(request.error(), Some(&*error));
            }
            event => assert!(event.is_none() && !is_http, "{event:?}"),
        }
        assert_eq!(self::status(&server.out), status);
        assert!(matches!(server.tick(seconds(3)), Tick::Wait(_)));
        server.write_all(seconds(3));
        assert_eq!(server.tick(seconds(3)), Tick::ShutDown(Some(seconds(8))));
        stays_over(&mut server, seconds(5), REQUEST.as_bytes());
        let refused = End::Refused(*error);
        server.ends(seconds(8), &refused);
        assert_eq!(server.done_after_eof(seconds(18)), refused);
        stays_over(&mut server, seconds(18), REQUEST.as_bytes());
    }
}

#[test]
fn a_request_that_is_no_handshake_may_get_a_page() {
    let page = replaced(REQUEST, "Upgrade: websocket\r\n", "");
    let mut server = Side::server(Times::default());
    let (mut bytes, now) = (page.into_bytes(), seconds(1));
    let mut input = Input(&mut bytes);
    let event = server.endpoint.receive(&mut input, now, &mut server.out);
    let Some(Event::Http(request)) = event else {
        panic!("{event:?}");
    };
    assert_eq!(request.path(), "/chat");
    // It is not answered yet, and no time runs.
    server.waits(now, None);
    server.waits(seconds(1_000), None);
    let response = Response::new(200).body("hello");
    assert_eq!(server.endpoint.respond(response, &mut server.out), Ok(()));
    let now = seconds(1_000);
    assert_eq!(server.feed(b"", now), [], "no refusal");
    assert!(matches!(server.tick(now), Tick::Wait(_)));
    let page = server.write_all(now);
    assert_eq!(status(&page), 200);
    assert!(page.ends_with(b"\r\n\r\nhello"));
    assert_eq!(server.tick(now), Tick::ShutDown(Some(now + seconds(5))));
    stays_over(&mut server, now, REQUEST.as_bytes());
    assert_eq!(server.done_after_eof(now), End::Responded);
}

#[test]
fn a_request_that_is_no_handshake_is_refused_when_it_is_accepted() {
    let put = replaced(REQUEST, "GET", "PUT");
    let mut server = Side::server(Times::default());
    let (mut bytes, now) = (put.into_bytes(), seconds(1));
    let mut input = Input(&mut bytes);
    let event = server.endpoint.receive(&mut input, now, &mut server.out);
    let Some(Event::Http(request)) = event else {
        panic!("{event:?}");
    };
    let error = request.error().unwrap().clone();
    assert_eq!(server.endpoint.accept(request, &mut server.out), Ok(()));
    assert!(!server.endpoint.is_open());
    assert_eq!(status(&server.write_all(now)), 405);
    stays_over(&mut server, now, REQUEST.as_bytes());
    assert_eq!(server.done_after_eof(now), End::Refused(error));
}

#[test]
fn a_client_that_is_rejected_has_the_closing_time() {
    let mut begun = Side::server(Times::default());
    begun.feed(b"GET /", Duration::ZERO);
    let new = Side::server(Times::default());
    for mut server in [Side::asked(Times::default()), begun, new] {
        let busy = Response::new(503);
        assert_eq!(server.endpoint.respond(busy, &mut server.out), Ok(()));
        assert!(matches!(server.tick(seconds(9)), Tick::Wait(_)));
        assert_eq!(status(&server.write_all(seconds(9))), 503);
        assert_eq!(server.tick(seconds(9)), Tick::ShutDown(Some(seconds(14))));
        server.request = None;
        stays_over(&mut server, seconds(10), b"frames");
        server.ends(seconds(14), &End::Responded);
        stays_over(&mut server, seconds(15), b"frames");
    }
}

#[test]
fn a_request_is_answered_once() {
    let late = seconds(11);
    for status in ["101", "404", "none"] {
        for second in ["accept", "respond"] {
            // A request of another connection is the only one that is left to be accepted.
            let mut other = Side::asked(Times::default());
            let mut server = Side::asked(Times::default());
            match status {
                "101" => server.accept(),
                "404" => {
                    let response = Response::new(404);
                    assert_eq!(server.endpoint.respond(response, &mut server.out), Ok(()));
                }
                _ => server.endpoint.receive_eof(),
            }
            let out = server.write_all(seconds(1));
            assert_eq!(out.get(9..12).unwrap_or(b"none"), status.as_bytes());
            let request = other.request.take().unwrap();
            let answered = match (second, server.request.take()) {
                ("accept", own) => {
                    let request = own.unwrap_or(request);
                    server.endpoint.accept(request, &mut server.out)
                }
                _ => {
                    let response = Response::new(500);
                    server.endpoint.respond(response, &mut server.out)
                }
            };
            assert_eq!(answered, Err(SendError::Closed), "{second} after {status}");
            assert!(server.out.is_empty(), "{second} after {status}");
            assert_eq!(server.endpoint.is_open(), status == "101");
            match (status, server.tick(late)) {
                ("101", Tick::Wait(wake)) => assert!(wake.is_some()),
                ("404", Tick::ShutDown(wake)) => assert!(wake.is_some()),
                ("none", Tick::Done(End::Refused(HandshakeError::TransportEnded))) => {}
                tick => panic!("{tick:?}"),
            }
        }
    }
}

#[test]
fn nothing_is_written_after_the_end_of_the_transport() {
    for bytes in ["", "GET /", REQUEST] {
        let mut server = Side::server(Times::default());
        server.feed(bytes.as_bytes(), seconds(1));
        assert!(matches!(server.tick(seconds(1)), Tick::Wait(_)));
        server.endpoint.receive_eof();
        for time in [2, 10, 99].map(seconds) {
            let ended = End::Refused(HandshakeError::TransportEnded);
            assert_eq!(server.tick(time), Tick::Done(ended), "all is over");
            if let Some(request) = server.request.take() {
                let accepted = server.endpoint.accept(request, &mut server.out);
                assert_eq!(accepted, Err(SendError::Closed));
            }
            stays_over(&mut server, time, REQUEST.as_bytes());
        }
    }
}

#[test]
fn what_follows_a_request_is_taken_when_that_is_accepted() {
    let frames = frames(Role::Server, &[(0x81, b"one"), (0x81, b"two")]);
    let mut server = Side::server(Times::default());
    let mut rest = [REQUEST.as_bytes(), &frames].concat();
    assert_eq!(server.read(&mut rest, Duration::ZERO), []);
    assert_eq!(server.read(&mut rest, seconds(1)), [], "not yet");
    assert!(matches!(server.tick(seconds(1)), Tick::Wait(None)));
    let sent = server.endpoint.send("", &mut server.out);
    assert_eq!((sent, server.out.len()), (Err(SendError::NotYetOpen), 0));
    server.accept();
    assert_eq!(server.read(&mut rest, seconds(9)), ["one", "two"].map(text));
    assert!(rest.is_empty(), "every byte is taken");
    server.write_all(seconds(9));
    server.waits(seconds(9), seconds(39));
}

#[test]
fn a_request_may_be_accepted_while_what_follows_it_is_read() {
    let mut server = Side::server(Times::default());
    let hello = frame(Role::Server, 0x81, b"hello");
    let mut bytes = [REQUEST.as_bytes(), &hello].concat();
    let (mut input, now, mut seen) = (Input(&mut bytes), seconds(2), Vec::new());
    while let Some(event) = server.endpoint.receive(&mut input, now, &mut server.out) {
        match event {
            Event::Request(request) => {
                let accepted = server.endpoint.accept(request, &mut server.out);
                assert_eq!(accepted, Ok(()));
            }
            event => seen.push(event.into_owned()),
        }
    }
    assert_eq!(seen, [text("hello")]);
    assert!(server.out.starts_with(b"HTTP/1.1 101 "));
}

#[test]
fn a_server_closes_the_transport_first_after_the_peers_close() {
    let mut server = Side::asked(Times::default());
    server.accept();
    server.write_all(seconds(0));
    server.waits(seconds(0), seconds(30));
    let events = server.frame(0x88, b"\x03\xe8", seconds(1));
    assert_eq!(events, [close(1000, "")]);
    // Not before the answer is written.
    assert!(matches!(server.tick(seconds(1)), Tick::Wait(_)));
    let sent = server.sent(seconds(2));
    assert_eq!((sent.len(), sent[0].close_code()), (1, Some(1000)));
    assert_eq!(server.tick(seconds(2)), Tick::ShutDown(Some(seconds(7))));
    assert_eq!(server.tick(seconds(3)), Tick::ShutDown(Some(seconds(7))));
    assert_eq!(server.done_after_eof(seconds(4)), closed(1000, true));
}

// ---- an open connection ----

#[test]
fn silence_gets_a_ping_then_1011_and_then_the_transport_is_dropped() {
    for role in ROLES {
        for ends in [true, false] {
            let mut side = Side::open(role, Times::default());
            side.waits(Duration::ZERO, seconds(30));
            assert_eq!(side.feed(b"", seconds(29)), []); // no byte is no sign of life
            side.pings(seconds(30));
            side.waits(seconds(30), seconds(50));
            assert_eq!(side.endpoint.end(), None);
            side.gives_up(seconds(50), CloseCode::INTERNAL_ERROR);
            side.waits(seconds(50), seconds(55));
            let expired = End::Expired(Expired::Pong);
            if ends {
                assert_eq!(side.done_after_eof(seconds(51)), expired);
            } else {
                side.ends(seconds(55), &expired);
            }
            stays_over(&mut side, seconds(60), &frame(role, 0x81, b"late"));
        }
    }
}

#[test]
fn a_peer_without_a_message_gets_1001_and_the_cause_stays() {
    let times = times(|times| times.idle = Some(seconds(60)));
    for role in ROLES {
        let mut side = Side::open(role, times);
        side.frame(0x82, b"a message", seconds(7));
        for time in (8..67).map(seconds) {
            side.frame(0x8a, b"", time);
            side.waits(time, seconds(67).min(time + seconds(30)));
        }
        side.gives_up(seconds(67), CloseCode::GOING_AWAY);
        let events = side.frame(0x88, b"\x03\xe9", seconds(68));
        assert_eq!(events, [close(1001, "")]);
        let end = side.done_after_eof(seconds(68));
        assert_eq!(end, End::Expired(Expired::Idle), "nevertheless");
    }
}

#[test]
fn a_peer_that_takes_nothing_is_dropped_in_each_phase() {
    let times = times(|times| {
        times.write = seconds(4);
        times.idle = Some(seconds(99));
    });
    let mut open = Side::open(Role::Server, times);
    open.send(100);
    let mut closing = Side::open(Role::Server, times);
    closing.send(100);
    closing.close(None);
    let mut accepted = Side::asked(times);
    accepted.accept();
    let asking = Side::client(times).0;
    for mut side in [open, closing, accepted, asking] {
        side.waits(Duration::ZERO, seconds(4));
        side.wrote(1, seconds(1));
        side.waits(seconds(2), seconds(5));
        side.expires(seconds(5), Expired::Write);
        assert_eq!(
            side.done_after_eof(seconds(99)),
            End::Expired(Expired::Write)
        );
    }
}

#[test]
fn our_close_is_answered_in_its_time() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        side.close(CloseCode::NORMAL);
        assert!(!side.endpoint.is_open());
        assert!(matches!(side.tick(seconds(1)), Tick::Wait(_)));
        let sent = side.sent(seconds(1));
        assert_eq!((sent.len(), sent[0].close_code()), (1, Some(1000)));
        side.waits(seconds(1), seconds(6));
        let events = side.frame(0x81, b"still said", seconds(5));
        assert_eq!(events, [text("still said")]);
        side.expires(seconds(6), Expired::Close);
        stays_over(&mut side, seconds(7), &frame(role, 0x81, b"late"));
    }
}

#[test]
fn latency_is_that_of_the_last_ping_that_was_answered() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        let latency = |side: &mut Side, payload: &[u8], now| {
            side.frame(0x8a, payload, now);
            side.endpoint.latency()
        };
        assert_eq!(side.endpoint.latency(), None);
        let first = side.pings(seconds(30));
        assert_eq!(side.endpoint.latency(), None);
        assert_eq!(latency(&mut side, &first, ms(31_500)), Some(ms(1_500)));
        side.frame(0x81, b"", seconds(32));
        assert_eq!(side.endpoint.latency(), Some(ms(1_500)));
        let unasked = latency(&mut side, b"", seconds(33));
        assert_eq!(unasked, Some(ms(1_500)), "it answers nothing");
        let second = side.pings(seconds(63));
        assert_eq!(
            latency(&mut side, &first, seconds(64)),
            Some(ms(1_500)),
            "late"
        );
        assert_eq!(latency(&mut side, &second, seconds(65)), Some(seconds(2)));
        assert_eq!(
            latency(&mut side, &second, seconds(66)),
            Some(seconds(2)),
            "twice"
        );
    }
}

#[test]
fn the_times_of_an_end_that_is_handed_over_begin_then() {
    let (then, later) = (seconds(100), seconds(103));
    for role in ROLES {
        let config = config_of(Times::default());
        let mut ours = connection(role, Settings::default());
        ours.close(None, "", &mut BytesMut::new()).unwrap();
        let mut peers = Run::new(role);
        peers.feed(&frame(role, 0x88, b""));
        for (ws, end) in [
            (ours, End::Expired(Expired::Close)),
            (peers.ws, closed(1005, true)),
        ] {
            let endpoint = Endpoint::open(ws, &config, then);
            let mut side = Side::of(endpoint, role, BytesMut::new());
            for now in [then, later] {
                let wake = match side.tick(now) {
                    Tick::Wait(wake) | Tick::ShutDown(wake) => wake,
                    Tick::Done(end) => panic!("{end:?}"),
                };
                assert_eq!(wake, Some(seconds(105)));
            }
            side.ends(seconds(105), &end);
        }
    }
    for (idle, wake) in [(None, 130), (Some(seconds(25)), 125)] {
        let times = times(|times| times.idle = idle);
        let mut side = Side::open_with(Role::Client, times, Settings::default(), then);
        side.waits(later, seconds(wake));
        let events = side.frame(0x81, b"hello", seconds(104));
        assert_eq!(events, [text("hello")]);
        side.waits(seconds(104), seconds(wake + 4));
        let end = side.done_after_eof(seconds(104));
        assert_eq!(end, failed(ProtocolError::TransportEnded));
    }
}

#[test]
fn a_payload_apart_is_counted_beyond_the_output() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        let payload = [7; 300];
        let apart = side.endpoint.send_apart(&payload, &mut side.out).unwrap();
        // A client masks, so its payload is in the output.
        let (head, apart) = (side.out.len(), apart.len());
        assert_eq!(head + apart, if role == Role::Server { 304 } else { 308 });
        assert_eq!(side.endpoint.wrote(1, seconds(1), &mut side.out), 0);
        assert_eq!(side.out.len(), head - 1);
        let rest = head - 1 + apart;
        assert_eq!(side.endpoint.wrote(rest, seconds(1), &mut side.out), apart);
        assert_eq!(side.out.len(), 0);
        assert_eq!(side.endpoint.wrote(0, seconds(1), &mut side.out), 0);
    }
}

#[test]
fn the_connection_can_be_taken_out_once_it_is_open() {
    let mut server = Side::server(Times::default());
    server.feed(b"GET", Duration::ZERO);
    let (client, _) = Side::client(Times::default());
    for side in [server, client, Side::asked(Times::default())] {
        assert!(side.endpoint.into_connection().is_none());
    }
    let mut accepted = Side::asked(Times::default());
    accepted.accept();
    let (mut opened, response) = Side::client(Times::default());
    opened.feed(response.as_bytes(), Duration::ZERO);
    for side in [accepted, opened, Side::open(Role::Server, Times::default())] {
        let role = side.role;
        let mut ws = side.endpoint.into_connection().unwrap();
        assert!(ws.is_open() && ws.role() == role);
        let mut bytes = frame(role, 0x81, b"hello");
        let event = ws.receive(&mut Input(&mut bytes), &mut BytesMut::new());
        assert_eq!(event, Some(text("hello")));
    }
}

// ---- how it ends ----

/// What is done with an open end at zero seconds, and how it ends when its transport ends then.
type Ending = (&'static str, fn(&mut Side), fn(Role) -> End);

const ENDS: [Ending; 9] = [
    ("nothing", |_| {}, |_| failed(ProtocolError::TransportEnded)),
    (
        "a part of a message",
        |side| _ = side.frame(0x01, b"a", Duration::ZERO),
        |_| failed(ProtocolError::TransportEnded),
    ),
    (
        "our Close",
        |side| side.close(CloseCode::NORMAL),
        |_| closed(1006, false),
    ),
    (
        "our Close, answered",
        |side| {
            side.close(CloseCode::GOING_AWAY);
            side.write_all(Duration::ZERO);
            side.frame(0x88, b"\x0f\xa0", Duration::ZERO);
        },
        |_| closed(4000, false),
    ),
    (
        "our Close, answered without a code",
        |side| {
            side.close(CloseCode::NORMAL);
            side.write_all(Duration::ZERO);
            side.frame(0x88, b"", Duration::ZERO);
        },
        |_| closed(1005, false),
    ),
    (
        "the peer's Close",
        |side| _ = side.frame(0x88, b"\x03\xe9", Duration::ZERO),
        |_| closed(1001, true),
    ),
    (
        "the peer's Close without a code",
        |side| _ = side.frame(0x88, b"", Duration::ZERO),
        |_| closed(1005, true),
    ),
    (
        "a frame that breaks a rule",
        |side| _ = side.frame(0x83, b"", Duration::ZERO),
        |_| failed(ProtocolError::ReservedOpcode),
    ),
    (
        "a frame that breaks a rule, after the peer's Close",
        |side| {
            side.frame(0x88, b"\x03\xe9", Duration::ZERO);
            side.frame(0x83, b"", Duration::ZERO);
        },
        |_| closed(1001, true),
    ),
];

#[test]
fn an_end_says_who_closed_with_which_code() {
    for (how, act, end) in ENDS {
        for role in ROLES {
            for written in [true, false] {
                let mut side = Side::open(role, Times::default());
                act(&mut side);
                assert_eq!(side.endpoint.end(), None, "{how}: not yet");
                if written {
                    side.write_all(Duration::ZERO);
                }
                let end = end(role);
                assert_eq!(side.done_after_eof(Duration::ZERO), end, "{how}");
                let code = match end {
                    End::Closed { code, .. } => code,
                    _ => CloseCode::ABNORMAL,
                };
                assert_eq!(end.close_code(), code, "{how}");
                let is_clean = matches!(end, End::Closed { code, .. } if code.0 != 1006);
                assert_eq!(end.is_clean(), is_clean, "{how}");
                assert!(!end.to_string().is_empty());
            }
        }
    }
}

#[test]
fn ends_without_a_connection_have_no_code() {
    let expired = [
        Expired::Handshake,
        Expired::Pong,
        Expired::Idle,
        Expired::Close,
        Expired::Write,
    ];
    for (end, is_clean) in [
        (End::Responded, true),
        (End::Refused(HandshakeError::TransportEnded), false),
    ]
    .into_iter()
    .chain(expired.map(|expired| (End::Expired(expired), false)))
    {
        assert_eq!(end.is_clean(), is_clean, "{end:?}");
        assert_eq!(end.close_code(), CloseCode::ABNORMAL, "{end:?}");
    }
}

#[test]
fn a_closing_handshake_that_was_complete_is_no_failure_when_the_transport_stays() {
    for role in ROLES {
        for by_peer in [true, false] {
            let mut side = Side::open(role, Times::default());
            if !by_peer {
                side.close(CloseCode::NORMAL);
                side.sent(seconds(1));
                side.waits(seconds(1), seconds(6));
            }
            side.frame(0x88, b"\x03\xe8", seconds(2));
            side.write_all(seconds(2));
            // Our Close has left at 1 s, or our answer at 2 s.
            let last = seconds(if by_peer { 7 } else { 6 });
            let wait = match role {
                Role::Server => Tick::ShutDown(Some(last)),
                Role::Client => Tick::Wait(Some(last)),
            };
            assert_eq!(side.tick(seconds(2)), wait, "a server closes first");
            side.ends(last, &closed(1000, by_peer));
        }
    }
}

#[test]
fn an_answer_to_a_close_is_still_written_after_the_end_of_what_the_peer_sends() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        side.send(1_000);
        side.frame(0x88, b"\x03\xe8", seconds(1));
        side.endpoint.receive_eof();
        side.waits_at_most(seconds(1), seconds(31));
        side.wrote(1_000, seconds(2));
        side.waits_at_most(seconds(2), seconds(32));
        let sent = side.sent(seconds(3));
        assert_eq!(sent[0].close_code(), Some(1000));
        assert_eq!(side.tick(seconds(3)), Tick::Done(closed(1000, true)));
    }
}

#[test]
fn our_close_is_still_written_after_the_end_of_what_the_peer_sends() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        side.send(1_000);
        side.close(CloseCode::NORMAL);
        side.endpoint.receive_eof();
        side.waits_at_most(seconds(1), seconds(31));
        side.write_all(seconds(2));
        assert_eq!(side.tick(seconds(2)), Tick::Done(closed(1006, false)));
    }
}

#[test]
fn messages_are_lost_with_the_transport() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        side.send(1_000);
        side.waits_at_most(seconds(1), seconds(31));
        side.endpoint.receive_eof();
        let end = failed(ProtocolError::TransportEnded);
        assert_eq!(side.tick(seconds(1)), Tick::Done(end));
    }
}

#[test]
fn a_transport_that_breaks_is_over_at_once() {
    for (how, act, end) in ENDS {
        for role in ROLES {
            let mut side = Side::open(role, Times::default());
            act(&mut side);
            side.out.clear();
            side.endpoint.receive_eof();
            assert_eq!(side.tick(Duration::ZERO), Tick::Done(end(role)), "{how}");
        }
    }
}

#[test]
fn a_close_may_wait_for_the_application_up_to_the_closing_time() {
    let settings = settings(|settings| settings.answer_close = false);
    for role in ROLES {
        for answers in [true, false] {
            let now = Duration::ZERO;
            let mut side = Side::open_with(role, Times::default(), settings, now);
            let events = side.frame(0x88, b"\x03\xe9bye", seconds(1));
            assert_eq!(events, [close(1001, "bye")]);
            assert!(side.out.is_empty());
            side.waits(seconds(1), seconds(6));
            if answers {
                // What the application still has to say comes first.
                side.send(1_000);
                side.write_all(seconds(5));
                side.close(CloseCode::GOING_AWAY);
                assert!(matches!(side.tick(seconds(5)), Tick::Wait(_)));
                side.sent(seconds(5));
            }
            let end = side.done_in(seconds(5), seconds(10));
            match answers {
                true => assert_eq!(end, closed(1001, true)),
                false => assert_eq!(end, End::Expired(Expired::Close)),
            }
        }
    }
}

// ---- a client that opens ----

#[test]
fn a_client_is_told_once_what_was_agreed_on() {
    let extension = Extension::new("x-own").unwrap();
    let request = client_request().extension(extension.clone(), false);
    let request = request.subprotocol("chat").unwrap();
    let (mut client, response) = Side::client_for(&request, Times::default());
    client.write_all(Duration::ZERO);
    let response = with_line(&response, "Sec-WebSocket-Protocol: chat");
    let response = with_line(&response, "Sec-WebSocket-Extensions: x-own");
    let response = with_line(&response, "Set-Cookie: a=b");
    let hello = frame(Role::Client, 0x81, b"hello");
    let mut bytes = [response.as_bytes(), &hello].concat();
    assert!(!client.endpoint.is_open());
    let sent = client.endpoint.send("", &mut client.out);
    assert_eq!((sent, client.out.len()), (Err(SendError::NotYetOpen), 0));
    let mut events = client.read(&mut bytes, seconds(9));
    assert!(bytes.is_empty(), "every byte is taken");
    assert_eq!(events.pop(), Some(text("hello")));
    let Some(Event::Opened(opened)) = events.pop() else {
        panic!("it opens first");
    };
    assert!(events.is_empty(), "once");
    assert_eq!((opened.status, opened.subprotocol()), (101, Some("chat")));
    assert_eq!(opened.extensions(), [extension]);
    assert_eq!(opened.headers.get("set-cookie"), Some("a=b"));
    assert!(client.endpoint.is_open() && client.out.is_empty());
    client.waits(seconds(9), seconds(39));
}

#[test]
fn a_response_that_does_not_open_is_a_failure_for_good() {
    let bad = RESPONSE.replace("ACCEPT", "x");
    let refusal = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone";
    for response in [&*bad, refusal] {
        let (mut client, good) = Side::client(Times::default());
        client.write_all(Duration::ZERO);
        let events = client.feed(response.as_bytes(), seconds(1));
        let [Event::Refused(error)] = &events[..] else {
            panic!("{events:?}");
        };
        match &**error {
            HandshakeError::Refused(response) => {
                assert_eq!((response.status, &*response.body), (404, &b"none"[..]));
                assert!(response.is_complete);
            }
            error => assert!(response == bad, "{error}"),
        }
        // Nothing is left to be written or read.
        let refused = End::Refused((**error).clone());
        assert_eq!(client.tick(seconds(2)), Tick::Done(refused.clone()));
        stays_refused(&mut client, &good, &refused);
    }
}

/// Whatever happens after 10 s, the client does not open and ends as it does.
#[track_caller]
fn stays_refused(client: &mut Side, response: &str, end: &End) {
    for time in [10, 11, 99].map(seconds) {
        stays_over(client, time, response.as_bytes());
        assert_eq!(client.tick(time), Tick::Done(end.clone()));
    }
    assert_eq!(&client.done_after_eof(seconds(99)), end);
    stays_over(client, seconds(99), response.as_bytes());
    assert_eq!(client.tick(seconds(99)), Tick::Done(end.clone()));
}

/// What may be there of a response, and whether it is a refusal that the end of the transport
/// completes.
const PARTS: [(&str, Option<bool>); 5] = [
    ("", None),
    ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: web", None),
    ("HTTP/1.1 103 Early Hints\r\n\r\n", None),
    ("HTTP/1.1 503 \r\n\r\nbusy", Some(true)),
    (
        "HTTP/1.1 503 \r\nContent-Length: 9\r\n\r\nbusy",
        Some(false),
    ),
];

/// Whether the refusal with which it ended is complete.
#[track_caller]
fn is_complete(end: &End) -> Option<bool> {
    let End::Refused(HandshakeError::Refused(response)) = end else {
        return None;
    };
    assert_eq!((response.status, &*response.body), (503, &b"busy"[..]));
    Some(response.is_complete)
}

#[test]
fn a_client_whose_transport_ends_is_refused_with_what_was_there() {
    for (part, complete) in PARTS {
        let (mut client, good) = Side::client(Times::default());
        client.write_all(Duration::ZERO);
        assert_eq!(client.feed(part.as_bytes(), seconds(9)), []);
        client.waits(seconds(9), seconds(10));
        let end = client.done_after_eof(seconds(9));
        assert_eq!(is_complete(&end), complete, "{part}");
        let ended = end == End::Refused(HandshakeError::TransportEnded);
        assert_eq!(ended, complete.is_none(), "{part}");
        stays_refused(&mut client, &good, &end);
    }
}

#[test]
fn a_client_whose_time_is_over_is_refused_and_a_refusal_is_not_complete() {
    for (part, complete) in PARTS {
        let (mut client, good) = Side::client(Times::default());
        client.write_all(Duration::ZERO);
        assert_eq!(client.feed(part.as_bytes(), seconds(9)), []);
        client.waits(seconds(10) - NANO, seconds(10));
        let Tick::Done(end) = client.tick(seconds(10)) else {
            panic!("its time is over");
        };
        assert_eq!(is_complete(&end), complete.map(|_| false), "{part}");
        let expired = end == End::Expired(Expired::Handshake);
        assert_eq!(expired, complete.is_none(), "{part}");
        stays_refused(&mut client, &good, &end);
    }
}

#[test]
fn a_client_without_what_it_needs_opens_to_close() {
    let request = client_request().extension(Extension::new("needed").unwrap(), true);
    let (mut client, response) = Side::client_for(&request, Times::default());
    client.write_all(Duration::ZERO);
    let events = client.feed(response.as_bytes(), seconds(4));
    assert!(matches!(&events[..], [Event::Opened(_)]), "{events:?}");
    assert!(!client.endpoint.is_open());
    let sent = client.sent(seconds(4));
    assert_eq!((sent.len(), sent[0].close_code()), (1, Some(1010)));
    client.waits(seconds(4), seconds(9));
    client.expires(seconds(9), Expired::Close);
}

#[test]
fn an_endpoint_is_small() {
    let size = size_of::<Endpoint>();
    assert!(size <= 350, "an Endpoint has {size} bytes");
}

// ---- any calls at any times ----

fn config(cases: u32) -> ProptestConfig {
    proptest_config(cases, "proptest-regressions/endpoint.txt")
}

#[derive(Clone, Debug)]
enum Step {
    Bytes(Vec<u8>),
    Answer(bool),
    /// A message of ours, or our Close.
    Say(bool),
    /// This part of the output is written.
    Wrote(f64),
    /// A layer below has written this much and holds more, or not.
    Flushed(usize, bool),
    Eof,
    /// Nothing but the time that goes by.
    Tick,
}

/// How a peer begins: well, mostly.
fn head(role: Role) -> impl Strategy<Value = Vec<u8>> {
    let good = match role {
        Role::Server => REQUEST.to_owned(),
        Role::Client => Side::client(Times::default()).1,
    };
    let bad = match role {
        Role::Server => ["PUT / HTTP/1.1\r\n\r\n", "GET\n\n"],
        Role::Client => [RESPONSE, "HTTP/1.1 103 \r\n\r\nHTTP/1.1 503 \r\n\r\nx"],
    };
    let bad = bad.map(String::from).to_vec();
    prop_oneof![4 => Just(good), 1 => select(bad)].prop_map(String::into_bytes)
}

/// What it sends: of use, of none, complete and in part.
fn bytes(role: Role) -> impl Strategy<Value = Vec<u8>> {
    let firsts = select(vec![0x81, 0x82, 0x89, 0x8a]);
    let data = (firsts, vec(0x20..0x7f_u8, 0..9));
    let complete = prop_oneof![
        3 => head(role),
        9 => data.prop_map(move |(first, payload)| frame(role, first, &payload)),
        9 => (1..4_u32).prop_map(move |number| frame(role, 0x8a, &number.to_be_bytes())),
        1 => Just(frame(role, 0x88, b"\x03\xe8bye")),
        1 => Just(frame(role, 0x83, b"")),
        1 => vec(any::<u8>(), 0..40),
    ];
    (complete, 0.0..10.0).prop_map(|(mut bytes, part)| {
        bytes.truncate((bytes.len() as f64 * part) as usize);
        bytes
    })
}

/// What happens, and how many milliseconds after what was before. Mostly it begins well.
fn steps(role: Role) -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        12 => bytes(role).prop_map(Step::Bytes),
        1 => any::<bool>().prop_map(Step::Answer),
        3 => prop::bool::weighted(0.3).prop_map(Step::Say),
        8 => prop_oneof![3 => Just(1.0), 1 => 0.0..1.0].prop_map(Step::Wrote),
        1 => (0..3_usize, any::<bool>()).prop_map(|(n, more)| Step::Flushed(n, more)),
        1 => Just(Step::Eof),
        20 => Just(Step::Tick),
    ];
    let gap = prop_oneof![2 => Just(0), 8 => 0..20_u64, 1 => 0..150_u64];
    let answered = if role == Role::Server { 4 } else { 2_usize };
    let begin = prop_oneof![1 => 0..=answered, 3 => Just(answered)];
    (head(role), begin, vec((gap, step), 0..40)).prop_map(move |(head, begin, steps)| {
        let (head, written) = (Step::Bytes(head), Step::Wrote(1.0));
        let opening = match role {
            Role::Server => vec![head, Step::Answer(true), written, Step::Tick],
            Role::Client => vec![written, head],
        };
        let begin = opening.into_iter().map(|step| (1, step)).take(begin);
        begin.chain(steps).collect()
    })
}

/// Times of up to this many milliseconds.
fn short_times(most: u64) -> impl Strategy<Value = Times> {
    let some = || prop::option::weighted(0.3, 1..=most);
    (vec(0..=most, 4), 1..=most / 4, some()).prop_map(|(limits, keepalive, idle)| {
        times(|times| {
            (times.handshake, times.pong) = (ms(limits[0]), ms(limits[1]));
            (times.close, times.write) = (ms(limits[2]), ms(limits[3]));
            (times.keepalive, times.idle) = (Some(ms(keepalive)), idle.map(ms));
        })
    })
}

/// All that an endpoint has said, and when it ended.
#[derive(Debug, Default, PartialEq)]
struct Log {
    now: Duration,
    requests: usize,
    seen: Vec<Event<'static>>,
    sent: Vec<Result<(), SendError>>,
    ticks: Vec<Tick>,
    out: Vec<u8>,
}

/// Does the steps. `ticks` is off where only what is received and sent matters.
fn run(side: &mut Side, steps: &[(u64, Step)], ticks: bool) -> Log {
    let (mut log, mut unread, mut has_ended) = (Log::default(), Vec::new(), false);
    // Whether a layer below has said, since the last tick, that it holds what was written.
    let mut is_held = false;
    for (gap, step) in steps {
        log.now += ms(*gap);
        let len = side.out.len();
        let was_over = matches!(log.ticks.last(), Some(Tick::ShutDown(_) | Tick::Done(_)));
        match step {
            Step::Bytes(bytes) => unread.extend_from_slice(bytes),
            Step::Answer(accept) => {
                let out = &mut side.out;
                if let Some(request) = side.request.take() {
                    log.requests += 1;
                    log.sent.push(match accept {
                        true => side.endpoint.accept(request, out),
                        false => side.endpoint.respond(Response::new(404), out),
                    });
                }
            }
            Step::Wrote(part) => {
                let n = (side.out.len() as f64 * part) as usize;
                log.out.extend_from_slice(&side.out[..n]);
                if n > 0 {
                    side.wrote(n, log.now);
                }
            }
            Step::Flushed(n, more) => {
                side.endpoint.flushed(*n, *more, log.now);
                is_held = *more;
            }
            Step::Eof => {
                side.endpoint.receive_eof();
                has_ended = true;
            }
            Step::Say(closes) => log.sent.push(match closes {
                true => side.endpoint.close(None, "", &mut side.out),
                false => side.endpoint.send("hi", &mut side.out),
            }),
            Step::Tick if ticks => {
                let tick = side.tick(log.now);
                match log.ticks.last() {
                    Some(Tick::Done(_)) => assert_eq!(log.ticks.last(), Some(&tick), "it is over"),
                    Some(Tick::ShutDown(_)) if !is_held => {
                        assert!(
                            !matches!(tick, Tick::Wait(_)),
                            "the last output is the last"
                        );
                    }
                    _ => {}
                }
                is_held = false;
                let over = matches!(tick, Tick::ShutDown(_) | Tick::Done(_));
                assert!(!over || !side.endpoint.is_open());
                log.ticks.push(tick);
            }
            Step::Tick => {}
        }
        log.seen.extend(side.read(&mut unread, log.now));
        let grows = side.out.len() > len;
        assert!(!grows || !has_ended, "nothing after the transport");
        assert!(!grows || !was_over, "nothing after the last");
    }
    log.out.extend_from_slice(&side.out);
    log
}

/// Its peer is silent from now on: it sends nothing, and takes everything or nothing. Returns when
/// that is over; `None` if it waits for the application.
fn silence(side: &mut Side, mut now: Duration, answers: bool, takes: bool) -> Option<Duration> {
    // Each time at most once: a Ping, its Pong, the handshake or the closing, and a write; and each
    // once more if the first tick is late. While something waits to leave, a tick asks for the next
    // one after the time that runs from then on, which may be a millisecond.
    for _ in 0..1_000 {
        if answers && side.request.is_some() {
            let request = side.request.take().unwrap();
            let _ = side.endpoint.accept(request, &mut side.out);
        }
        let wake = match side.tick(now) {
            Tick::Done(_) => return Some(now),
            Tick::Wait(wake) | Tick::ShutDown(wake) => wake,
        };
        if takes && !side.out.is_empty() {
            side.write_all(now);
            continue;
        }
        let Some(wake) = wake else {
            assert!(side.request.is_some(), "it does not end");
            return None;
        };
        now = wake;
    }
    panic!("it does not end");
}

proptest! {
    #![proptest_config(config(500))]

    /// An endpoint whose times are never over is its connection, byte for byte.
    #[test]
    fn an_endpoint_does_what_its_connection_does(
        (role, steps) in select(&ROLES[..]).prop_flat_map(|role| (Just(role), steps(role))),
    ) {
        let log = run(&mut Side::open(role, nothing()), &steps, true);
        let mut ws: Connection = connection(role, Settings::default());
        let (mut out, mut unread) = (BytesMut::new(), Vec::new());
        let (mut seen, mut sent) = (Vec::new(), Vec::new());
        for (_, step) in &steps {
            match step {
                Step::Bytes(bytes) => unread.extend_from_slice(bytes),
                Step::Say(true) => sent.push(ws.close(None, "", &mut out)),
                Step::Say(false) => sent.push(ws.send("hi", &mut out)),
                Step::Eof => ws.receive_eof(),
                _ => {}
            }
            let mut input = Input(&mut unread);
            while let Some(event) = ws.receive(&mut input, &mut out) {
                seen.push(event.into_owned());
            }
            prop_assert!(input.0.is_empty());
            unread.clear();
        }
        prop_assert_eq!(log.seen, seen);
        prop_assert_eq!(log.sent, sent);
        prop_assert_eq!(&log.out, &out[..]);
    }

    #[test]
    fn whatever_a_server_does_a_client_stands(
        times in short_times(100),
        steps in steps(Role::Client),
    ) {
        let mut client = Side::client(times).0;
        let log = run(&mut client, &steps, true);
        let opened = log.seen.iter().filter(|seen| matches!(seen, Event::Opened(_)));
        let refused = log.seen.iter().filter(|seen| matches!(seen, Event::Refused(_)));
        prop_assert!(opened.count() + refused.count() <= 1);
    }

    #[test]
    fn whatever_a_client_does_a_server_stands(
        times in short_times(100),
        steps in steps(Role::Server),
    ) {
        let mut server = Side::server(times);
        let log = run(&mut server, &steps, true);
        let refused = log.seen.iter().filter(|seen| matches!(seen, Event::Refused(_)));
        prop_assert!(log.requests + refused.count() <= 1);
    }

    #[test]
    fn an_endpoint_whose_peer_falls_silent_is_over_in_time(
        times in short_times(100),
        (role, steps) in select(&ROLES[..]).prop_flat_map(|role| (Just(role), steps(role))),
        answers in any::<bool>(),
        takes in any::<bool>(),
    ) {
        let mut side = match role {
            Role::Server => Side::server(times),
            Role::Client => Side::client(times).0,
        };
        let now = run(&mut side, &steps, true).now;
        if let Some(end) = silence(&mut side, now, answers, takes) {
            let keepalive = times.keepalive.unwrap();
            let most = times.handshake + keepalive + times.pong + times.close + 2 * times.write;
            // The first tick may be late.
            prop_assert!(end <= now + 2 * most, "{end:?} is after {now:?} + 2 * {most:?}");
        } else {
            prop_assert!(!answers);
        }
    }

    #[test]
    fn cuts_do_not_change_what_comes_out(
        (role, head, frames) in select(&ROLES[..])
            .prop_flat_map(|role| (Just(role), head(role), vec(bytes(role), 0..9))),
        seed in any::<u64>(),
    ) {
        let cut = |cuts: Cuts| {
            let mut side = match role {
                Role::Server => Side::server(Times::default()),
                Role::Client => Side::client(Times::default()).0,
            };
            let pieces = cuts.cut(&[head.clone(), frames.concat()].concat());
            let steps = pieces.into_iter();
            let steps = steps.flat_map(|piece| [Step::Bytes(piece), Step::Answer(true), Step::Tick]);
            let steps = steps.map(|step| (0, step)).collect::<Vec<_>>();
            let log = run(&mut side, &steps, false);
            (log.seen, log.requests, log.out, side.done_after_eof(Duration::ZERO))
        };
        let complete = cut(Cuts::Whole);
        prop_assert_eq!(&cut(Cuts::Bytes), &complete);
        prop_assert_eq!(&cut(Cuts::Random(seed)), &complete);
    }
}

/// The strategies reach what they are for: otherwise the laws above would hold for nothing.
#[test]
fn the_steps_reach_every_end() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut reached = std::collections::BTreeSet::new();
    for case in 0..4_000 {
        let role = ROLES[case % 2];
        let strategy = (short_times(100), steps(role));
        let (times, steps) = strategy.new_tree(&mut runner).unwrap().current();
        let mut side = match role {
            Role::Server => Side::server(times),
            Role::Client => Side::client(times).0,
        };
        let log = run(&mut side, &steps, true);
        let _ = silence(&mut side, log.now, true, case % 3 == 0);
        reached.insert(match side.endpoint.end() {
            None => "none".to_owned(),
            Some(End::Closed { code, by_peer }) => format!("Closed {} {by_peer}", code.0),
            Some(End::Refused(HandshakeError::TransportEnded)) => "TransportEnded".into(),
            Some(End::Refused(_)) => "Refused".into(),
            Some(End::Failed(ProtocolError::TransportEnded)) => "Failed at the end".into(),
            Some(End::Failed(_)) => "Failed".into(),
            Some(end) => format!("{end:?}"),
        });
    }
    for end in [
        "Closed 1000 false",
        "Closed 1000 true",
        "Closed 1006 false",
        "Expired(Close)",
        "Expired(Handshake)",
        "Expired(Idle)",
        "Expired(Pong)",
        "Expired(Write)",
        "Failed",
        "Failed at the end",
        "Refused",
        "Responded",
        "TransportEnded",
    ] {
        assert!(reached.contains(end), "{end} is not in {reached:?}");
    }
}

// ---- two ends ----

/// An end with its side of a link.
struct Linked {
    side: Side,
    /// What is on its way to it and when it is there; `None` is the end of the transport.
    coming: VecDeque<(Duration, Option<Vec<u8>>)>,
    delay: Duration,
    wake: Option<Duration>,
    seen: Vec<Event<'static>>,
    has_shut_down: bool,
    end: Option<End>,
}

impl Linked {
    fn new(side: Side, delay: u64) -> Self {
        Self {
            side,
            coming: VecDeque::new(),
            delay: ms(delay),
            wake: Some(Duration::ZERO),
            seen: Vec::new(),
            has_shut_down: false,
            end: None,
        }
    }

    /// When it is to be looked at again.
    fn next(&self) -> Option<Duration> {
        let arrival = self.coming.front().map(|(time, _)| *time);
        let wake = self.wake.filter(|_| self.end.is_none());
        arrival.into_iter().chain(wake).min()
    }

    /// An adapter's turn. Returns what goes out.
    fn turn(&mut self, now: Duration) -> Vec<Option<Vec<u8>>> {
        while self.coming.front().is_some_and(|(time, _)| *time <= now) {
            match self.coming.pop_front().unwrap().1 {
                Some(bytes) => {
                    self.seen.extend(self.side.feed(&bytes, now));
                    if self.side.request.is_some() {
                        self.side.accept();
                    }
                }
                None => self.side.endpoint.receive_eof(),
            }
        }
        let mut out = Vec::new();
        loop {
            let (wake, is_last) = match self.side.tick(now) {
                Tick::Wait(wake) => (wake, false),
                Tick::ShutDown(wake) => (wake, true),
                Tick::Done(end) => {
                    // The transport is dropped.
                    out.extend((!self.has_shut_down).then_some(None));
                    self.has_shut_down = true;
                    self.end = Some(end);
                    return out;
                }
            };
            self.wake = wake;
            if !self.side.out.is_empty() {
                out.push(Some(self.side.write_all(now)));
                continue;
            }
            if is_last && !self.has_shut_down {
                self.has_shut_down = true;
                out.push(None);
            }
            return out;
        }
    }
}

/// Runs both until this time, or until nothing is due.
fn run_both(sides: &mut [Linked; 2], until: Duration) {
    while let Some(now) = sides.iter().filter_map(Linked::next).min()
        && now <= until
    {
        for index in [0, 1] {
            let there = now + sides[index].delay;
            for bytes in sides[index].turn(now) {
                sides[1 - index].coming.push_back((there, bytes));
            }
        }
    }
}

proptest! {
    #![proptest_config(config(300))]

    /// The closing handshake and both ends of the transport take up to four delays: 5 s here.
    #[test]
    fn two_ends_end_well_with_the_code_of_who_closes(
        delays in [1..1_250_u64, 1..1_250_u64],
        says in vec((0..50_000_u64, 0..2_usize), 0..9),
        closes in 0..2_usize,
        code in select(vec![None, Some(1000), Some(1001), Some(4000)]),
    ) {
        let client = Side::client(Times::default()).0;
        let server = Side::server(Times::default());
        let mut sides = [Linked::new(client, delays[0]), Linked::new(server, delays[1])];
        let mut now = ms(delays[0] + delays[1]);
        run_both(&mut sides, now);
        let mut said = [0, 0];
        for (gap, who) in says {
            let side = &mut sides[who].side;
            side.endpoint.send("hello", &mut side.out).unwrap();
            sides[who].wake = Some(now);
            said[1 - who] += 1;
            now += ms(gap);
            run_both(&mut sides, now);
        }
        sides[closes].side.close(code.map(CloseCode));
        sides[closes].wake = Some(now);
        run_both(&mut sides, Duration::MAX);
        for (index, (linked, said)) in sides.iter_mut().zip(said).enumerate() {
            prop_assert_eq!(linked.end.clone(), Some(closed(code.unwrap_or(1005), index != closes)));
            prop_assert!(linked.has_shut_down);
            let heard = linked.seen.iter().filter(|seen| **seen == text("hello"));
            prop_assert_eq!(heard.count(), said);
        }
    }
}

#[test]
fn pieces_are_cut_off_by_nothing_but_the_transport() {
    // Delivery is the connection's; that it goes through an endpoint is shown once.
    let settings = settings(|settings| settings.deliver = Deliver::Pieces);
    for role in ROLES {
        let mut side = Side::open_with(role, Times::default(), settings, Duration::ZERO);
        let mut joining = Joining::default();
        let mut whole = Vec::new();
        for piece in frame(role, 0x81, b"in pieces").chunks(3) {
            for event in side.feed(piece, Duration::ZERO) {
                whole.extend(joining.push(event));
            }
        }
        assert_eq!(whole, [text("in pieces")]);
    }
}

#[test]
fn a_client_request_can_be_used_again() {
    let request: ClientRequest = client_request();
    for _ in 0..2 {
        let (mut client, response) = Side::client_for(&request, Times::default());
        let events = client.feed(response.as_bytes(), Duration::ZERO);
        assert!(matches!(&events[..], [Event::Opened(_)]), "{events:?}");
    }
}
