//! One endpoint from the first octet of its transport to the last (RFC 6455, sections 4 and 7). The
//! law of this file: time is a number here; nothing waits and nothing has a clock. Who drives it,
//! and the same by hand, is in `support/endpoint.rs`.

mod support;

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sansocket::negotiation::{Extension, accept_key};
use sansocket::{
    ClientHandshake, ClientRequest, CloseCode, Config, DeadlinesConfig, Endpoint, Expired,
    HandshakeConfig, Input, ProtocolError, Rejection, RequestError, ResponseError, Role,
    ServerHandshake, State,
};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use support::endpoint::*;
use support::*;

/// A server's endpoint whose transport is there at time zero.
fn server(times: DeadlinesConfig) -> End<ServerHandshake> {
    Endpoint::server(&HandshakeConfig::default(), times, Duration::ZERO).into()
}

/// A server that has got its request at time zero, and what followed that.
fn asked(behind: &[u8]) -> (End<ServerHandshake>, Vec<u8>) {
    let mut server = server(DeadlinesConfig::default());
    let mut octets = [REQUEST.as_bytes(), behind].concat();
    assert_eq!(server.read(&mut octets, Duration::ZERO), ["a request"]);
    assert_eq!(octets, behind);
    (server, octets)
}

/// A client's endpoint whose transport is there at time zero, and the response that opens it.
fn client(times: DeadlinesConfig, request: &ClientRequest) -> (End<ClientHandshake>, String) {
    let (handshake, key) = client_handshake(request, &HandshakeConfig::default());
    let response = RESPONSE.replace("ACCEPT", &accept_key(&key));
    let endpoint = Endpoint::client(handshake, times, Duration::ZERO);
    (endpoint.into(), response)
}

/// An end that somebody else has opened at time zero.
fn open(role: Role, times: DeadlinesConfig) -> End<Infallible> {
    let ws = connection(role, &Config::default());
    let mut end = End::from(Endpoint::open(ws, times, Duration::ZERO));
    end.check(Duration::ZERO).unwrap();
    end
}

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

// ---- a server that opens ----

#[test]
fn a_dribbled_request_gets_408_at_its_time_and_then_the_closing_time() {
    let mut server = server(DeadlinesConfig::default());
    for time in (0..10_000).step_by(100).map(ms) {
        assert_eq!(server.feed(&REQUEST.as_bytes()[..1], time), [""; 0]);
        assert_eq!(server.check(time), Ok(Some(seconds(10))));
    }
    assert_eq!(server.check(seconds(10) - NANO), Ok(Some(seconds(10))));
    assert_eq!((server.out.len(), server.said()), (0, (None, None, false)));
    assert_eq!(server.check(seconds(10)), Ok(Some(seconds(15))));
    assert_eq!(status(&server.out.split()), 408);
    assert_eq!(server.said(), (Some(Expired::Handshake), None, true));
    // What it sends now does not prolong that.
    for time in (10_000..15_000).step_by(100).map(ms) {
        assert_eq!(server.feed(REQUEST.as_bytes(), time), [""; 0]);
        assert_eq!(server.check(time), Ok(Some(seconds(15))));
    }
    server.expires(seconds(15), Expired::Close);
    assert_eq!(server.endpoint.expired(), Some(Expired::Handshake), "first");
    assert_eq!(server.endpoint.failure(), None, "it broke no rule");
    assert!(server.out.is_empty());
}

#[test]
fn a_request_that_breaks_a_rule_is_refused_and_what_follows_is_dropped() {
    let bad = replaced(REQUEST, "GET", "PUT");
    let mut server = server(DeadlinesConfig::default());
    assert_eq!(server.endpoint.failure(), None);
    assert_eq!(server.feed(bad.as_bytes(), seconds(3)), [""; 0]);
    assert_eq!(status(&server.out.split()), 405);
    for octets in ["", REQUEST, &bad, "x"] {
        assert_eq!(server.endpoint.failure(), Some(&RequestError::Method));
        assert_eq!(server.said(), (None, None, true));
        assert_eq!(server.feed(octets.as_bytes(), seconds(5)), [""; 0]);
    }
    server.expires(seconds(8), Expired::Close);
    assert_eq!(server.endpoint.expired(), Some(Expired::Close));
    assert_eq!(server.receive_eof(), Ok(()), "there was no connection");
    assert_eq!(server.check(seconds(99)), Ok(None), "all is over");
    assert_eq!(server.endpoint.failure(), Some(&RequestError::Method));
    assert!(server.out.is_empty());
}

#[test]
fn a_client_that_is_rejected_has_the_closing_time() {
    let mut begun = server(DeadlinesConfig::default());
    begun.feed(b"GET /", Duration::ZERO);
    for mut server in [asked(b"frames").0, begun] {
        let busy = Rejection::new(503).unwrap();
        server.endpoint.reject(busy, seconds(9), &mut server.out);
        assert_eq!(status(&server.out.split()), 503);
        assert_eq!(server.said(), (None, None, true));
        assert_eq!(server.endpoint.failure(), None, "it broke no rule");
        assert_eq!(server.feed(b"frames", seconds(10)), [""; 0]);
        server.expires(seconds(14), Expired::Close);
        assert!(server.out.is_empty());
    }
}

#[test]
fn a_request_is_answered_once() {
    let late = seconds(11);
    for (status, checked) in [
        ("101", Ok(Some(seconds(31)))),
        ("404", Err(Expired::Close)),
        ("408", Ok(Some(seconds(15)))),
        ("none", Ok(None)),
    ] {
        for second in [true, false] {
            let (mut server, _) = asked(b"");
            match status {
                "101" | "404" => _ = server.answer(status == "101", seconds(1)),
                "408" => _ = server.check(seconds(10)),
                _ => _ = server.receive_eof(),
            }
            let out = server.out.split();
            assert_eq!(out.get(9..12).unwrap_or(b"none"), status.as_bytes());
            assert_eq!(server.answer(second, late), None);
            assert_eq!(server.endpoint.connection().is_some(), status == "101");
            assert_eq!(server.endpoint.must_close_transport(), status != "101");
            assert_eq!(server.check(late), checked, "{status}");
            assert!(server.out.is_empty());
        }
    }
}

#[test]
fn nothing_is_written_after_the_end_of_the_transport() {
    for octets in ["", "GET /", REQUEST] {
        let mut server = server(DeadlinesConfig::default());
        server.feed(octets.as_bytes(), seconds(1));
        assert!(!server.endpoint.must_close_transport());
        assert_eq!(server.receive_eof(), Ok(()));
        for time in [2, 10, 99].map(seconds) {
            assert_eq!(server.check(time), Ok(None), "all is over");
            assert_eq!(server.feed(REQUEST.as_bytes(), time), [""; 0]);
            server.answer(true, time);
            assert_eq!((server.failure(), server.said().2), (None, true));
            assert!(server.out.is_empty() && server.endpoint.connection().is_none());
        }
    }
}

#[test]
fn what_follows_a_request_is_taken_when_that_is_accepted() {
    let frames = frames(Role::Server, &[(0x81, b"one"), (0x81, b"two")]);
    let (mut server, mut behind) = asked(&frames);
    assert_eq!(server.read(&mut behind, seconds(1)), [""; 0]);
    assert_eq!(behind, frames, "nothing is taken without a connection");
    assert!(!server.endpoint.must_close_transport());
    assert_eq!(server.answer(true, seconds(9)).unwrap(), "Open");
    let events = ["one", "two"].map(|said| format!("{:?}", text(said)));
    assert_eq!(server.feed(&behind, seconds(9)), events);
    assert_eq!(server.check(seconds(9)), Ok(Some(seconds(39))));
}

#[test]
fn a_server_closes_the_transport_first_after_the_peers_close() {
    let (mut server, _) = asked(b"");
    server.answer(true, seconds(0));
    assert!(!server.endpoint.must_close_transport(), "open");
    server.feed(&frame(Role::Server, 0x88, b"\x03\xe8"), seconds(1));
    assert!(server.endpoint.must_close_transport());
    assert_eq!(server.check(seconds(1)), Ok(Some(seconds(6))));
    assert_eq!(server.receive_eof(), Ok(()));
}

// ---- an open connection ----

/// The frames in the output since the last call: the opcode, and the code of a Close.
fn sent(end: &mut End<Infallible>) -> Vec<(u8, Option<u16>)> {
    let role = end.endpoint.connection().unwrap().role();
    let frames = sent_frames(&end.out.split(), role);
    let code = |sent: &Sent| (sent.opcode == 8).then(|| sent.close_code().unwrap());
    let sent = frames.iter().map(|sent| (sent.opcode, code(sent)));
    sent.collect()
}

#[test]
fn silence_gets_a_ping_then_1011_and_then_the_transport_is_dropped() {
    for role in ROLES {
        let mut end = open(role, DeadlinesConfig::default());
        assert_eq!(end.feed(b"", seconds(29)), [""; 0]); // no octet is no sign of life
        assert_eq!(end.check(seconds(30) - NANO), Ok(Some(seconds(30))));
        assert_eq!(sent(&mut end), []);
        assert_eq!(end.check(seconds(30)), Ok(Some(seconds(50))));
        assert_eq!(sent(&mut end), [(9, None)]);
        assert_eq!(end.endpoint.expired(), None);
        assert_eq!(end.check(seconds(50)), Ok(Some(seconds(55))));
        assert_eq!(sent(&mut end), [(8, Some(1011))]);
        assert_eq!(end.endpoint.expired(), Some(Expired::Pong));
        end.expires(seconds(55), Expired::Close);
        assert_eq!(end.endpoint.expired(), Some(Expired::Pong), "first");
        assert_eq!(sent(&mut end), []);
        assert_eq!(end.receive_eof(), Err(ProtocolError::TransportEnded));
    }
}

#[test]
fn who_says_no_message_gets_1001_and_may_still_end_well() {
    let mut times = DeadlinesConfig::default();
    times.idle = Some(seconds(60));
    for role in ROLES {
        let mut end = open(role, times);
        end.feed(&frame(role, 0x82, b"a message"), seconds(7));
        for time in (8..67).map(seconds) {
            end.feed(&frame(role, 0x8a, b""), time);
            end.check(time).unwrap();
        }
        assert_eq!(sent(&mut end), []);
        assert_eq!(end.check(seconds(67)), Ok(Some(seconds(72))));
        assert_eq!(sent(&mut end), [(8, Some(1001))]);
        end.feed(&frame(role, 0x88, b"\x03\xe9"), seconds(68));
        assert_eq!(end.receive_eof(), Ok(()));
        assert_eq!(end.endpoint.expired(), Some(Expired::Idle), "nevertheless");
    }
}

#[test]
fn a_peer_that_takes_nothing_is_dropped_in_each_phase() {
    let mut times = DeadlinesConfig::default();
    (times.write, times.idle) = (seconds(4), Some(seconds(99)));
    let mut open = open(Role::Server, times);
    let mut closing = self::open(Role::Server, times);
    let (ws, out) = Driver::connection(&mut closing).unwrap();
    ws.close(None, "", out).unwrap();
    let (mut opening, mut asking) = (server(times), client(times, &client_request()).0);
    let ends: [&mut dyn Driver; 4] = [&mut open, &mut closing, &mut opening, &mut asking];
    for end in ends {
        end.wrote(1, 2, seconds(1));
        end.wrote(0, 2, seconds(2));
        assert!(end.check(seconds(2)).is_ok());
        end.expires(seconds(5), Expired::Write);
        assert_eq!(end.said().0, Some(Expired::Write));
    }
}

#[test]
fn our_close_is_answered_in_its_time() {
    for role in ROLES {
        let mut end = open(role, DeadlinesConfig::default());
        let (ws, out) = Driver::connection(&mut end).unwrap();
        ws.close(CloseCode::NORMAL, "", out).unwrap();
        assert_eq!(end.check(seconds(1)), Ok(Some(seconds(6))));
        assert!(!end.endpoint.must_close_transport());
        end.feed(&frame(role, 0x81, b"still said"), seconds(5));
        end.expires(seconds(6), Expired::Close);
        assert_eq!(end.endpoint.expired(), Some(Expired::Close));
        assert_eq!(sent(&mut end), [(8, Some(1000))]);
    }
}

#[test]
fn latency_is_that_of_a_pong_for_the_last_ping_only() {
    for role in ROLES {
        let mut end = open(role, DeadlinesConfig::default());
        let ping = |end: &mut End<Infallible>, time| {
            end.check(time).unwrap();
            let [ping] = &sent_frames(&end.out.split(), role)[..] else {
                panic!("a Ping is due");
            };
            frame(role, 0x8a, &ping.payload)
        };
        let latency = |end: &mut End<Infallible>, octets: &[u8], now| {
            end.feed(octets, now);
            end.endpoint.latency()
        };
        let first = ping(&mut end, seconds(30));
        assert_eq!(latency(&mut end, &first, ms(31_500)), Some(ms(1_500)));
        let message = frame(role, 0x81, b"");
        assert_eq!(latency(&mut end, &message, seconds(32)), Some(ms(1_500)));
        let unasked = frame(role, 0x8a, b"");
        assert_eq!(latency(&mut end, &unasked, seconds(33)), None);
        let second = ping(&mut end, seconds(63));
        assert_eq!(latency(&mut end, &first, seconds(64)), None, "late");
        assert_eq!(latency(&mut end, &second, seconds(65)), Some(seconds(2)));
        assert_eq!(latency(&mut end, &second, seconds(66)), None, "twice");
    }
}

#[test]
fn the_times_of_an_end_that_is_handed_over_begin_then() {
    let mut times = DeadlinesConfig::default();
    let (then, later) = (seconds(100), seconds(103));
    for role in ROLES {
        let mut ours = connection(role, &Config::default());
        ours.close(None, "", &mut BytesMut::new()).unwrap();
        let mut peers = Run::new(role);
        peers.feed(&frame(role, 0x88, b""));
        for ws in [ours, peers.ws] {
            let mut end = End::from(Endpoint::open(ws, times, then));
            assert_eq!(end.check(later), Ok(Some(seconds(105))));
            end.expires(seconds(105), Expired::Close);
        }
    }
    for (idle, wake) in [(None, 130), (Some(seconds(25)), 125)] {
        times.idle = idle;
        let ws = connection(Role::Client, &Config::default());
        let mut end = End::from(Endpoint::open(ws, times, then));
        assert_eq!(end.check(later), Ok(Some(seconds(wake))));
        let event = end.feed(&frame(Role::Client, 0x81, b"hello"), seconds(104));
        assert_eq!(event, [format!("{:?}", text("hello"))]);
        assert_eq!(end.check(seconds(104)), Ok(Some(seconds(wake + 4))));
        assert_eq!(end.receive_eof(), Err(ProtocolError::TransportEnded));
        assert_eq!((end.failure(), end.said()), (None, (None, None, true)));
    }
}

// ---- a client that opens ----

#[test]
fn a_client_is_told_once_what_was_agreed_on() {
    let extension = Extension::new("x-own").unwrap();
    let request = client_request().extension(extension.clone());
    let request = request.subprotocol("chat").unwrap();
    let (mut client, response) = client(DeadlinesConfig::default(), &request);
    let response = with_line(&response, "Sec-WebSocket-Protocol: chat");
    let response = with_line(&response, "Sec-WebSocket-Extensions: x-own");
    let response = with_line(&response, "Set-Cookie: a=b");
    let hello = frame(Role::Client, 0x81, b"hello");
    let mut octets = [response.as_bytes(), &hello].concat();
    let (mut input, now) = (Input::new(&mut octets), seconds(9));
    assert!(client.endpoint.connection().is_none());
    let opened = client.endpoint.opened(&mut input, now, &mut client.out);
    let (agreement, headers) = opened.unwrap();
    assert_eq!(agreement.subprotocol.as_deref(), Some("chat"));
    assert_eq!(agreement.extensions, [extension]);
    assert_eq!(headers.get_str("set-cookie"), Some("a=b"));
    assert_eq!(input.remaining(), hello, "for the connection");
    let opened = client.endpoint.opened(&mut input, now, &mut client.out);
    assert!(opened.is_none(), "once");
    let ws = client.endpoint.connection().unwrap();
    assert_eq!((ws.state(), ws.role()), (State::Open, Role::Client));
    assert_eq!(client.receive(&mut input, now), Some(text("hello")));
    assert_eq!(client.endpoint.failure(), None);
    assert_eq!(client.check(now), Ok(Some(now + seconds(30))));
    assert!(client.out.is_empty());
}

#[test]
fn a_response_that_does_not_open_is_a_failure_for_good() {
    let bad = RESPONSE.replace("ACCEPT", "x");
    let refusal = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone";
    for (response, begin) in [
        (&*bad, "Accept"),
        (refusal, "Refused(Response { status: 404"),
    ] {
        let (mut client, good) = client(DeadlinesConfig::default(), &client_request());
        assert_eq!(client.feed(response.as_bytes(), seconds(1)), [""; 0]);
        let failure = client.failure().unwrap();
        assert!(failure.starts_with(begin), "{failure}");
        assert_eq!(client.said(), (None, None, true));
        assert_eq!(client.check(seconds(2)), Ok(Some(seconds(6))));
        stays_refused(&mut client, &good);
        assert_eq!(client.endpoint.expired(), Some(Expired::Close));
    }
}

/// Whatever happens after 10 s, the client does not open and says what it has said.
#[track_caller]
fn stays_refused(client: &mut End<ClientHandshake>, response: &str) {
    let failure = client.failure();
    for time in [10, 11, 99].map(seconds) {
        assert_eq!(client.feed(response.as_bytes(), time), [""; 0]);
        let is_due = matches!(client.check(time), Ok(Some(_)));
        assert!(!is_due || time < seconds(99), "it is over in time");
        assert!(client.endpoint.must_close_transport() && client.endpoint.connection().is_none());
        assert_eq!(client.failure(), failure);
        assert!(client.out.is_empty());
    }
    assert_eq!(client.receive_eof(), Ok(()), "there was no connection");
    assert_eq!(client.check(seconds(99)), Ok(None), "all is over");
    assert_eq!(client.failure(), failure);
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

/// Whether the refusal that the client tells of is complete.
#[track_caller]
fn is_complete(client: &End<ClientHandshake>) -> Option<bool> {
    let Some(ResponseError::Refused(response)) = client.endpoint.failure() else {
        return None;
    };
    assert_eq!((response.status, &*response.body), (503, &b"busy"[..]));
    Some(response.is_complete)
}

#[test]
fn a_client_whose_transport_ends_is_refused_with_what_was_there() {
    for (part, complete) in PARTS {
        let (mut client, good) = client(DeadlinesConfig::default(), &client_request());
        assert_eq!(client.feed(part.as_bytes(), seconds(9)), [""; 0]);
        assert_eq!((client.failure(), client.said().2), (None, false));
        assert_eq!(client.receive_eof(), Ok(()), "there was no connection");
        assert_eq!(client.said(), (None, None, true));
        assert_eq!(is_complete(&client), complete, "{part}");
        let ended = client.endpoint.failure() == Some(&ResponseError::TransportEnded);
        assert_eq!(ended, complete.is_none(), "{part}");
        stays_refused(&mut client, &good);
    }
}

#[test]
fn a_client_whose_time_is_over_is_refused_and_a_refusal_is_not_complete() {
    for (part, complete) in PARTS {
        let (mut client, good) = client(DeadlinesConfig::default(), &client_request());
        assert_eq!(client.feed(part.as_bytes(), seconds(9)), [""; 0]);
        assert_eq!(client.check(seconds(10) - NANO), Ok(Some(seconds(10))));
        for time in [10, 15, 99].map(seconds) {
            assert_eq!(client.check(time), Err(Expired::Handshake), "it stays so");
        }
        assert_eq!(client.said(), (Some(Expired::Handshake), None, true));
        assert_eq!(is_complete(&client), complete.map(|_| false), "{part}");
        assert_eq!(client.endpoint.failure().is_some(), complete.is_some());
        stays_refused(&mut client, &good);
        assert_eq!(client.endpoint.expired(), Some(Expired::Handshake), "first");
    }
}

#[test]
fn a_client_without_what_it_needs_opens_to_close() {
    let request = client_request().needed_extension(Extension::new("needed").unwrap());
    let (mut client, response) = client(DeadlinesConfig::default(), &request);
    assert_eq!(client.feed(response.as_bytes(), seconds(4)).len(), 1);
    let state = client.endpoint.connection().unwrap().state();
    assert_eq!(state, State::Closing);
    let sent = sent_frames(&client.out.split(), Role::Client);
    assert_eq!((sent.len(), sent[0].close_code()), (1, Some(1010)));
    client.check(seconds(4)).unwrap();
    client.expires(seconds(9), Expired::Close);
}

#[test]
fn an_endpoint_is_small() {
    let size = size_of::<Endpoint<ServerHandshake>>();
    assert!(size <= 350, "an Endpoint has {size} octets");
    assert_eq!(size, size_of::<Endpoint<Infallible>>(), "opening is boxed");
}

// ---- any calls at any times ----

fn config(cases: u32) -> ProptestConfig {
    proptest_config(cases, "proptest-regressions/endpoint.txt")
}

#[derive(Clone, Debug)]
enum Step {
    Octets(Vec<u8>),
    Answer(bool),
    /// A message of ours, or our Close.
    Say(bool),
    Wrote(usize, usize),
    Eof,
    /// Nothing but the time that goes by.
    Check,
}

/// How a peer begins: well, mostly.
fn head(role: Role) -> impl Strategy<Value = Vec<u8>> {
    let key = client_handshake(&client_request(), &HandshakeConfig::default()).1;
    let [good, bad, worse] = match role {
        Role::Server => [REQUEST, "PUT / HTTP/1.1\r\n\r\n", "GET\n\n"],
        Role::Client => [
            RESPONSE,
            RESPONSE,
            "HTTP/1.1 103 \r\n\r\nHTTP/1.1 503 \r\n\r\nx",
        ],
    };
    let good = good.replace("ACCEPT", &accept_key(&key));
    let bad = [bad, worse].map(String::from);
    prop_oneof![4 => Just(good), 1 => select(bad.to_vec())].prop_map(String::into_bytes)
}

/// What it sends: of use, of none, whole and in part.
fn octets(role: Role) -> impl Strategy<Value = Vec<u8>> {
    let firsts = select(vec![0x81, 0x82, 0x89, 0x8a]);
    let data = (firsts, vec(0x20..0x7f_u8, 0..9));
    let whole = prop_oneof![
        3 => head(role),
        9 => data.prop_map(move |(first, payload)| frame(role, first, &payload)),
        9 => (1..4_u32).prop_map(move |number| frame(role, 0x8a, &number.to_be_bytes())),
        1 => Just(frame(role, 0x88, b"\x03\xe8bye")),
        1 => Just(frame(role, 0x83, b"")),
        1 => vec(any::<u8>(), 0..40),
    ];
    (whole, 0.0..10.0).prop_map(|(mut octets, part)| {
        octets.truncate((octets.len() as f64 * part) as usize);
        octets
    })
}

/// What happens, and how many milliseconds after what was before. Mostly it begins well.
fn steps(role: Role) -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        12 => octets(role).prop_map(Step::Octets),
        1 => any::<bool>().prop_map(Step::Answer),
        3 => prop::bool::weighted(0.3).prop_map(Step::Say),
        4 => (0..3_usize, 0..2_usize).prop_map(|(written, left)| Step::Wrote(written, left)),
        1 => Just(Step::Eof),
        20 => Just(Step::Check),
    ];
    let gap = prop_oneof![2 => Just(0), 8 => 0..20_u64, 1 => 0..150_u64];
    let answered = if role == Role::Server { 3 } else { 1_usize };
    let begin = prop_oneof![1 => 0..=answered, 3 => Just(answered)];
    (head(role), begin, vec((gap, step), 0..40)).prop_map(|(head, begin, steps)| {
        let opening = [Step::Octets(head), Step::Answer(true), Step::Check];
        let begin = opening.into_iter().map(|step| (1, step)).take(begin);
        begin.chain(steps).collect()
    })
}

/// Times of up to this many milliseconds.
fn times(most: u64) -> impl Strategy<Value = DeadlinesConfig> {
    let some = || prop::option::weighted(0.3, 1..=most);
    (vec(0..=most, 4), 1..=most / 4, some()).prop_map(|(times, keepalive, idle)| {
        let mut config = DeadlinesConfig::default();
        (config.handshake, config.pong) = (ms(times[0]), ms(times[1]));
        (config.close, config.write) = (ms(times[2]), ms(times[3]));
        (config.keepalive, config.idle) = (Some(ms(keepalive)), idle.map(ms));
        config
    })
}

/// All that a driver has said, and when it ended.
#[derive(Debug, Default, PartialEq)]
struct Log {
    now: Duration,
    seen: Vec<String>,
    checks: Vec<(Checked, Said, Option<String>)>,
    out: Vec<u8>,
}

fn run(driver: &mut dyn Driver, steps: &[(u64, Step)]) -> Log {
    let (mut log, mut unread, mut len) = (Log::default(), Vec::new(), None);
    for (gap, step) in steps {
        log.now += ms(*gap);
        match step {
            Step::Octets(octets) => unread.extend_from_slice(octets),
            Step::Answer(accept) => log.seen.extend(driver.answer(*accept, log.now)),
            Step::Wrote(written, left) => driver.wrote(*written, *left, log.now),
            Step::Eof => {
                log.seen.push(format!("{:?}", driver.receive_eof()));
                len.get_or_insert_with(|| driver.out().len());
            }
            Step::Say(closes) => {
                if let Some((ws, out)) = driver.connection() {
                    let said = match closes {
                        true => ws.close(None, "", out),
                        false => ws.send_text("hi", out),
                    };
                    log.seen.push(format!("{said:?}"));
                }
            }
            Step::Check => {
                let checked = driver.check(log.now);
                let wake = checked.ok().flatten();
                assert!(wake.is_none_or(|wake| wake > log.now), "{wake:?}");
                let (said, failure) = (driver.said(), driver.failure());
                if let Some((_, (expired, _, closes), why)) = log.checks.last() {
                    assert!(expired.is_none() || *expired == said.0, "what was first");
                    assert!(!closes || said.2, "the last output is the last");
                    assert!(why.is_none() || *why == failure, "it fails once");
                }
                assert!(failure.is_none() || said.2 && driver.connection().is_none());
                log.checks.push((checked, said, failure));
            }
        }
        log.seen.extend(driver.read(&mut unread, log.now));
    }
    log.out = driver.out().split().to_vec();
    let len = len.unwrap_or(log.out.len());
    assert_eq!(log.out.len(), len, "nothing after the transport");
    log
}

/// Its peer is silent from now on: it neither sends nor takes anything. Returns when that is over.
fn silence(driver: &mut dyn Driver, mut now: Duration, answers: bool, writes: bool) -> Duration {
    // Each time at most once: a Ping, its Pong, the handshake or the closing, and a write.
    for _ in 0..9 {
        let Ok(Some(wake)) = driver.check(now) else {
            return now;
        };
        now = wake;
        if answers {
            driver.answer(true, now);
        }
        if writes {
            driver.wrote(0, 1, now);
        }
    }
    panic!("it does not end");
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn an_endpoint_does_what_its_parts_do(times in times(100), steps in steps(Role::Server)) {
        let log = run(&mut server(times), &steps);
        prop_assert_eq!(log, run(&mut ByHand::new(times), &steps));
    }

    #[test]
    fn whatever_a_server_does_a_client_stands(times in times(100), steps in steps(Role::Client)) {
        let mut client = client(times, &client_request()).0;
        let log = run(&mut client, &steps);
        prop_assert!(log.seen.iter().filter(|seen| seen.starts_with("(Agreement")).count() <= 1);
    }

    #[test]
    fn an_endpoint_whose_peer_falls_silent_is_over_in_time(
        times in times(100),
        (role, steps) in select(&ROLES[..]).prop_flat_map(|role| (Just(role), steps(role))),
        answers in any::<bool>(),
        writes in any::<bool>(),
    ) {
        let mut server = server(times);
        let mut client = client(times, &client_request()).0;
        let driver: &mut dyn Driver = if role == Role::Server { &mut server } else { &mut client };
        let now = run(driver, &steps).now;
        let end = silence(driver, now, answers, writes);
        let keepalive = times.keepalive.unwrap();
        let most = times.handshake + keepalive + times.pong + times.close + times.write;
        prop_assert!(end <= now + most, "{end:?} is after {now:?} + {most:?}");
    }

    #[test]
    fn cuts_do_not_change_what_comes_out(
        (role, head, frames) in select(&ROLES[..])
            .prop_flat_map(|role| (Just(role), head(role), vec(octets(role), 0..9))),
        seed in any::<u64>(),
    ) {
        let cut = |cuts: Cuts| {
            let times = DeadlinesConfig::default();
            let mut server = server(times);
            let mut client = client(times, &client_request()).0;
            let (driver, answer): (&mut dyn Driver, _) = match role {
                Role::Server => (&mut server, Step::Answer(true)),
                Role::Client => (&mut client, Step::Check),
            };
            let pieces = cuts.cut(&[head.clone(), frames.concat()].concat());
            let steps = pieces.into_iter().flat_map(|piece| [Step::Octets(piece), answer.clone()]);
            let log = run(driver, &steps.map(|step| (0, step)).collect::<Vec<_>>());
            let (said, ended) = (driver.said(), driver.receive_eof());
            (log.seen, log.out, said, ended, driver.failure())
        };
        let whole = cut(Cuts::Whole);
        prop_assert_eq!(&cut(Cuts::Octets), &whole);
        prop_assert_eq!(&cut(Cuts::Random(seed)), &whole);
    }
}

// ---- two ends ----

/// An end with its side of a link.
struct Side {
    end: Box<dyn Driver>,
    /// What is on its way to it and when it is there; `None` is the end of the transport.
    coming: VecDeque<(Duration, Option<Vec<u8>>)>,
    delay: Duration,
    wake: Option<Duration>,
    seen: Vec<String>,
    has_shut_down: bool,
    verdict: Option<Result<(), ProtocolError>>,
}

impl Side {
    fn new(end: impl Driver + 'static, delay: u64) -> Self {
        Self {
            end: Box::new(end),
            coming: VecDeque::new(),
            delay: ms(delay),
            wake: Some(Duration::ZERO),
            seen: Vec::new(),
            has_shut_down: false,
            verdict: None,
        }
    }

    /// When it is to be looked at again.
    fn next(&self) -> Option<Duration> {
        let arrival = self.coming.front().map(|(time, _)| *time);
        let wake = self.wake.filter(|_| self.verdict.is_none());
        arrival.into_iter().chain(wake).min()
    }

    /// An adapter's turn. Returns what goes out.
    fn turn(&mut self, now: Duration) -> Vec<Option<Vec<u8>>> {
        while self.coming.front().is_some_and(|(time, _)| *time <= now) {
            match self.coming.pop_front().unwrap().1 {
                Some(octets) => {
                    self.seen.extend(self.end.feed(&octets, now));
                    self.end.answer(true, now);
                }
                None => self.verdict = Some(self.end.receive_eof()),
            }
        }
        self.wake = self.end.check(now).expect("nothing takes too long");
        let octets = self.end.out().split();
        self.end.wrote(octets.len(), 0, now);
        let mut out = Vec::from_iter((!octets.is_empty()).then(|| Some(octets.to_vec())));
        if self.end.said().2 && !self.has_shut_down {
            self.has_shut_down = true;
            out.push(None);
        }
        out
    }
}

/// Runs both until this time, or until nothing is due.
fn run_both(sides: &mut [Side; 2], until: Duration) {
    while let Some(now) = sides.iter().filter_map(Side::next).min()
        && now <= until
    {
        for index in [0, 1] {
            let there = now + sides[index].delay;
            for octets in sides[index].turn(now) {
                sides[1 - index].coming.push_back((there, octets));
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
        let config = HandshakeConfig::default();
        let mut out = BytesMut::new();
        let handshake = ClientHandshake::with_seed(&client_request(), &config, [9; 32], &mut out);
        let times = DeadlinesConfig::default();
        let mut client = End::from(Endpoint::client(handshake, times, Duration::ZERO));
        client.out = out;
        let server = server(times);
        let mut sides = [Side::new(client, delays[0]), Side::new(server, delays[1])];
        let mut now = ms(delays[0] + delays[1]);
        run_both(&mut sides, now);
        let mut said = [0, 0];
        for (gap, who) in says {
            let (ws, out) = sides[who].end.connection().unwrap();
            ws.send_text("hello", out).unwrap();
            sides[who].wake = Some(now);
            said[1 - who] += 1;
            now += ms(gap);
            run_both(&mut sides, now);
        }
        let (ws, out) = sides[closes].end.connection().unwrap();
        ws.close(code.map(CloseCode), "", out).unwrap();
        sides[closes].wake = Some(now);
        run_both(&mut sides, Duration::MAX);
        for (side, said) in sides.iter_mut().zip(said) {
            prop_assert_eq!(side.verdict, Some(Ok(())));
            prop_assert!(side.has_shut_down);
            prop_assert_eq!(side.end.said().0, None);
            let heard = side.seen.iter().filter(|seen| seen.contains("hello"));
            prop_assert_eq!(heard.count(), said);
            let (ws, _) = side.end.connection().unwrap();
            prop_assert!(ws.is_clean());
            let code = code.map_or(CloseCode::NO_STATUS, CloseCode);
            prop_assert_eq!(ws.close_code(), Some(code));
        }
    }
}
