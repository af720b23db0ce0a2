//! An endpoint that opens, as a server and as a client (RFC 6455, section 4).
//!
//! Invariant: time is a number here; nothing waits and nothing has a clock.

use crate::support::endpoint::*;
use crate::support::*;
use sansocket::{
    End, Endpoint, Event, Expired, Extension, HandshakeError, Input, Response, Role, SendError,
    Tick, Times,
};
use std::time::Duration;

/// The status of a response that is complete and followed by nothing.
#[track_caller]
pub(crate) fn status(response: &[u8]) -> u16 {
    let response = std::str::from_utf8(response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let fields: Vec<&str> = head.split("\r\n").collect();
    assert!(fields.contains(&"Connection: close"));
    assert!(fields.contains(&&*format!("Content-Length: {}", body.len())));
    let status = fields[0].strip_prefix("HTTP/1.1 ").unwrap();
    status[..3].parse().unwrap()
}

/// Whatever happens from now on, there is no event and no output.
#[track_caller]
pub(crate) fn stays_over(side: &mut Side, now: Duration, bytes: &[u8]) {
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
fn a_request_that_arrives_too_slowly_gets_408_and_then_the_closing_time() {
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
    // Sending more does not prolong that.
    for time in (10_000..15_000).step_by(100).map(ms) {
        stays_over(&mut server, time, REQUEST.as_bytes());
        assert_eq!(server.tick(time), shut_down);
    }
    server.expires(seconds(15), Expired::Handshake);
    stays_over(&mut server, seconds(16), REQUEST.as_bytes());
}

#[test]
fn a_client_that_leaves_after_its_408_changes_nothing() {
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
fn a_rejected_client_has_the_closing_time() {
    let mut unfinished = Side::server(Times::default());
    unfinished.feed(b"GET /", Duration::ZERO);
    let new = Side::server(Times::default());
    for mut server in [Side::asked(Times::default()), unfinished, new] {
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
            // Only the request of another connection is left to be accepted.
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
                ("none", Tick::Done(End::Refused(HandshakeError::TransportEnded { .. }))) => {}
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
            let received = bytes.len();
            let ended = End::Refused(HandshakeError::TransportEnded { received });
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
fn bytes_after_a_request_are_taken_once_it_is_accepted() {
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
fn a_request_may_be_accepted_while_bytes_after_it_are_read() {
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

// ---- a client that opens ----

#[test]
fn a_client_gets_one_event_with_what_was_agreed_on() {
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
    assert!(opened.extensions().eq([extension]));
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
        // Nothing is left to write or read.
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

/// Parts of responses, and whether each is a refusal that the end of the transport
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
fn a_client_whose_transport_ends_is_refused_with_what_has_arrived() {
    for (part, complete) in PARTS {
        let (mut client, good) = Side::client(Times::default());
        client.write_all(Duration::ZERO);
        assert_eq!(client.feed(part.as_bytes(), seconds(9)), []);
        client.waits(seconds(9), seconds(10));
        let end = client.done_after_eof(seconds(9));
        assert_eq!(is_complete(&end), complete, "{part}");
        let ended = matches!(end, End::Refused(HandshakeError::TransportEnded { .. }));
        assert_eq!(ended, complete.is_none(), "{part}");
        stays_refused(&mut client, &good, &end);
    }
}

#[test]
fn a_client_whose_time_is_over_gets_an_incomplete_refusal() {
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
fn a_client_without_a_required_extension_opens_and_closes_at_once() {
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
