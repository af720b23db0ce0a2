//! Requests as hostile clients send them (RFC 6455, sections 4.2 and 10.2; RFC 9112).
//!
//! Invariant: each test says what went wrong elsewhere. Single errors have their tests in
//! `errors.rs`, limits in `tests/connection/limits.rs`.

use crate::support::handshake::{Driven, Kind, handed_over};
use crate::support::*;
use bytes::{Buf, BytesMut};
use sansocket::{
    Config, Deliver, Endpoint, Event, FieldFault, HandshakeError, Input, LineFault, OriginPolicy,
    ProtocolError, Response, Role, SendError,
};
use std::iter::repeat_n;
use std::time::Duration;

// ---- requests (RFC 6455, section 4.2.1; RFC 9112) ----

/// A request that comes in one read.
#[track_caller]
pub(crate) fn served(head: &str) -> Served {
    serve(head.as_bytes(), Cuts::AtOnce, &Config::default())
}

/// Why a server refuses this head; the same in any cuts.
fn request_error(head: &[u8]) -> Option<HandshakeError> {
    let mut all = Cuts::ALL.map(|cuts| {
        let served = serve(head, cuts, &Config::default());
        assert!(served.result.is_some(), "{}", head.escape_ascii());
        served.error()
    });
    let first = all[0].take();
    assert!(all[1..].iter().all(|error| *error == first));
    first
}

#[test]
fn requests_that_two_parsers_read_differently_are_refused() {
    // Request smuggling: elsewhere a proxy saw another request than the server.
    use LineFault::SpaceBeforeColon as Space;
    use LineFault::{BareCr, BareLf, Control, Folded, Name, NoColon, RequestLine};
    for (from, to, line, at, fault) in [
        ("Host: ", "Host : ", 2, 4, Space),
        ("Host: ", "Host\t: ", 2, 4, Space),
        ("Host: ", "Host \t : ", 2, 4, Space),
        ("Host: ", " Host: ", 2, 0, Folded),
        ("Host: example.com", "Host: a\r\n folded", 3, 0, Folded),
        ("Host: example.com", "Host: a\r\n\tfolded", 3, 0, Folded),
        ("Host: example.com", "Host: a\r\n \r\nX: b", 3, 0, Folded),
        ("Host: example.com\r\n", "Host: a\n", 2, 7, BareLf),
        ("Host: example.com\r\n", "Host: a\r", 2, 7, BareCr),
        ("Host: example.com\r\n", "Host: a\r\r\n", 2, 7, BareCr),
        (
            "Host: example.com",
            "Host: exam\0ple.com",
            2,
            10,
            Control(0),
        ),
        ("Host: example.com", "Host: a\r\nX: a\nY: b", 3, 4, BareLf),
        ("Host: example.com", "Host: a\r\nX: a\rb", 3, 4, BareCr),
        (
            "Host: example.com",
            "Host: a\r\nX: a\x0bb",
            3,
            4,
            Control(11),
        ),
        (
            "Host: example.com",
            "Host: a\r\nX: a\x7fb",
            3,
            4,
            Control(127),
        ),
        ("Host: example.com", "Host: a\r\ncolon", 3, 5, NoColon),
        ("Host: example.com", "Host: a\r\nno colon", 3, 2, Name(b' ')),
        (
            "Host: example.com",
            "Host: a\r\n: no name",
            3,
            0,
            Name(b':'),
        ),
        ("Host: example.com", "Host: a\r\nX(: a", 3, 1, Name(b'(')),
        ("Host: example.com", "Host: a\r\nX Y: a", 3, 1, Name(b' ')),
        (
            "Host: example.com",
            "Host: a\r\n\u{e9}: a",
            3,
            0,
            Name(0xc3),
        ),
        ("HTTP/1.1\r\n", "HTTP/1.1\n", 1, 18, BareLf),
        ("HTTP/1.1\r\n", "HTTP/1.1 \r\n", 1, 18, RequestLine),
        ("HTTP/1.1\r\n", "HTTP/1.1\r\n \r\n", 2, 0, Folded),
        ("GET /chat", "GET  /chat", 1, 10, RequestLine),
        ("GET /chat", "GET\t/chat", 1, 18, RequestLine),
        ("GET /chat", " GET /chat", 1, 10, RequestLine),
        ("/chat HTTP", "/chat  HTTP", 1, 10, RequestLine),
        ("HTTP/1.1", "HTTP/1.1x", 1, 10, RequestLine),
        ("HTTP/1.1", "http/1.1", 1, 10, RequestLine),
        ("HTTP/1.1", "HTTP/01.1", 1, 10, RequestLine),
        ("\r\n\r\n", "\n\n", 6, 25, BareLf),
        ("\r\n\r\n", "\r\n\n", 7, 0, BareLf),
    ] {
        let head = replaced(REQUEST, from, to);
        assert_eq!(
            request_error(head.as_bytes()),
            Some(HandshakeError::Malformed { line, at, fault }),
            "{head:?}"
        );
        // The application never sees it: it would read it in one of two ways.
        let (kind, ..) = handed_over(head.as_bytes(), &Config::default());
        assert_eq!(kind, Kind::Refused, "{head:?}");
    }
    use HandshakeError as E;
    const TWICE: FieldFault = FieldFault::Repeated(2);
    let value = |value: &str| FieldFault::Value(value.into());
    for (line, error) in [
        ("Host: example.com", E::Host(TWICE)),
        ("HOST: other.test", E::Host(TWICE)),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", E::Key(TWICE)),
        ("Sec-WebSocket-Version: 13", E::VersionMalformed(TWICE)),
        ("Content-Length: 5", E::ContentLength(value("5"))),
        ("Content-Length: +0", E::ContentLength(value("+0"))),
        ("Content-Length: 0x0", E::ContentLength(value("0x0"))),
        (
            "Content-Length: 0\r\nContent-Length: 5",
            E::ContentLength(TWICE),
        ),
        (
            "Transfer-Encoding: chunked",
            E::TransferEncoding(value("chunked")),
        ),
        (
            "transfer-encoding: xchunked",
            E::TransferEncoding(value("xchunked")),
        ),
        (
            "Content-Length: 0\r\nTransfer-Encoding: chunked",
            E::TransferEncoding(value("chunked")),
        ),
    ] {
        let head = with_line(REQUEST, line);
        assert_eq!(request_error(head.as_bytes()), Some(error), "{head:?}");
    }
}

#[test]
fn honest_variations_of_a_request_are_accepted() {
    // Elsewhere valid but unusual spellings were refused.
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
    let served = served(&head);
    let request = served.request();
    assert_eq!((request.host(), request.target()), ("real.test:81", "/?q"));
}

#[test]
fn connection_is_a_list_of_tokens() {
    // Elsewhere any value that contained "upgrade" was accepted, or only exactly "Upgrade".
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
            Some(HandshakeError::NotUpgrade {
                upgrade: true,
                connection: false
            }),
            "{value}"
        );
    }
    for value in ["websockets", "web", "xwebsocket", "websocket/13"] {
        let head = replaced(REQUEST, "Upgrade: websocket", &format!("Upgrade: {value}"));
        assert_eq!(
            request_error(head.as_bytes()),
            Some(HandshakeError::NotUpgrade {
                upgrade: false,
                connection: true
            }),
            "{value}"
        );
    }
}

#[test]
fn a_key_is_sixteen_bytes_in_base64() {
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
            Some(HandshakeError::Key(FieldFault::Length(key.len()))),
            "{key}"
        );
    }
}

#[test]
fn a_version_is_the_text_13() {
    // Elsewhere it was read as any number that equals 13.
    for version in [
        "013", "0xd", "+13", "13, 13", "13,8", "13.0", "1e1", "", "-1", "256", "１３",
    ] {
        let head = replaced(REQUEST, "Version: 13", &format!("Version: {version}"));
        let fault = FieldFault::Value(version.into());
        let error = Some(HandshakeError::VersionMalformed(fault));
        assert_eq!(request_error(head.as_bytes()), error, "{version}");
    }
}

#[test]
fn a_head_may_arrive_byte_by_byte() {
    // Elsewhere the head was parsed again after each read, or such peers were refused.
    for filler in [" ", "a", ",", ";", "\"", "\\", "=", "\t"] {
        let line = format!("X: {}", filler.repeat(15 << 10));
        let served = serve(
            with_line(REQUEST, &line).as_bytes(),
            Cuts::Bytes,
            &Config::default(),
        );
        assert_eq!(served.error(), None);
        let response = with_line(RESPONSE, &line);
        let asked = ask(
            &client_request(),
            &response,
            b"",
            Cuts::Bytes,
            &Config::default(),
        );
        assert!(asked.error().is_none());
    }
}

#[test]
fn long_lists_take_linear_time() {
    // Elsewhere regular expressions took minutes for such lists.
    let bits = [
        ",", ";", "\"", "\\", " ", "\t", "a,", "a;", "a;b=\"", "\\\"", "a;b=\"\\", ", ", "=", "a; ",
    ];
    for field in ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"] {
        for start in ["", "a", "a;b=\"", "a; b"] {
            for bit in bits {
                let list = start.to_owned() + &bit.repeat((15 << 10) / bit.len());
                let head = with_line(REQUEST, &format!("{field}: {list}"));
                let all = Cuts::ALL.map(|cuts| {
                    let served = serve(head.as_bytes(), cuts, &Config::default());
                    assert!(served.result.is_some(), "{field}: {start}{bit}…");
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
    let served = serve(head.as_bytes(), Cuts::AtOnce, &Config::default());
    assert!(served.request().subprotocols().eq(names));
}

#[test]
fn bytes_after_a_request_belong_to_the_connection() {
    // Elsewhere early frames were lost or refused.
    let early = frames(Role::Server, &[(0x81, b"early"), (0x89, b"bird")]);
    let wire = [REQUEST.as_bytes(), &early].concat();
    let wanted = [text("early"), ping(b"bird")];
    let new = || Driven::new(Endpoint::server(&Config::default(), Duration::ZERO));
    // The request is accepted at once.
    for cut in 0..=wire.len() {
        let (one, two) = wire.split_at(cut);
        assert_eq!(new().feed(one).feed(two).events, wanted);
    }
    // It is accepted when everything has arrived.
    for cuts in Cuts::ALL {
        let mut served = serve(&wire, cuts, &Config::default());
        served.accept();
        assert!(served.out.ends_with(b"\r\n\r\n"), "no answer to a Ping");
        let mut driven = Driven::new(served.endpoint);
        driven.feed(&served.rest);
        assert_eq!(driven.events, wanted);
        assert_eq!(driven.sent()[0].payload, b"bird");
    }
}

#[test]
fn no_byte_is_lost_while_the_application_decides() {
    // Elsewhere frames that arrived before the answer were lost or delivered twice.
    let early = frames(
        Role::Server,
        &[
            (0x01, "gr".as_bytes()),
            (0x89, b"between"),
            (0x80, "üße".as_bytes()),
            (0x82, &[7; 300]),
            (0x81, b""),
            (0x88, b"\x03\xe8bye"),
        ],
    );
    let wire = [REQUEST.as_bytes(), &early].concat();
    let wanted = || {
        [
            ping(b"between"),
            text("grüße"),
            binary(&[7; 300]),
            text(""),
            close(1000, "bye"),
        ]
    };
    let now = Duration::ZERO;
    for deliver in [Deliver::Complete, Deliver::InPlace, Deliver::Pieces] {
        let config = config(|all| all.settings.deliver = deliver);
        for (cuts, owned) in Cuts::ALL.map(|cuts| [(cuts, false), (cuts, true)]).concat() {
            let parts = cuts.cut(&wire);
            // The answer comes this many reads after the request.
            for delay in [0, 1, 2, 5, 20, parts.len()] {
                let mut endpoint = Endpoint::server(&config, now);
                let (mut events, mut joining) = (Vec::new(), Joining::default());
                let (mut buffer, mut out) = (BytesMut::new(), BytesMut::new());
                let (mut waits, mut request) = (delay, None);
                let nothing = repeat_n(&b""[..], delay + 1);
                for part in parts.iter().map(|part| &part[..]).chain(nothing) {
                    buffer.extend_from_slice(part);
                    loop {
                        let event = if owned {
                            endpoint.receive_owned(&mut buffer, now, &mut out)
                        } else {
                            let mut input = Input(&mut buffer);
                            let event = endpoint.receive(&mut input, now, &mut out);
                            let event = event.map(Event::into_owned);
                            let left = input.0.len();
                            buffer.advance(buffer.len() - left);
                            event
                        };
                        match event {
                            Some(Event::Request(new)) => request = Some(new),
                            Some(event) => events.extend(joining.push(event)),
                            None if waits > 0 => break,
                            None => match request.take() {
                                Some(request) => endpoint.accept(request, &mut out).unwrap(),
                                None => break,
                            },
                        }
                    }
                    if request.is_some() {
                        waits = waits.saturating_sub(1);
                    }
                }
                assert_eq!(events, wanted(), "{deliver:?} {cuts:?} {delay}");
                assert!(buffer.is_empty() && joining.unfinished().is_none());
                let end = out.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
                let sent = sent_frames(&out[end..], Role::Server);
                assert_eq!((sent.len(), &sent[0].payload[..]), (2, &b"between"[..]));
            }
        }
    }
}

#[test]
fn bytes_before_the_answer_have_a_limit() {
    // Elsewhere a client could fill the memory while the application decided.
    let now = Duration::ZERO;
    for max in [REQUEST.len(), 1_000] {
        let config = config(|all| all.max_head_size = max);
        for one in [1, 7, max] {
            let mut served = serve(REQUEST.as_bytes(), Cuts::AtOnce, &config);
            let mut sent = 0;
            let mut send = |endpoint: &mut Endpoint, len: usize, out: &mut BytesMut| {
                sent += len;
                let mut bytes = vec![0; len];
                let mut input = Input(&mut bytes);
                let event = endpoint
                    .receive(&mut input, now, out)
                    .map(Event::into_owned);
                assert!(input.0.is_empty(), "every byte is taken");
                (event, sent)
            };
            for _ in 0..max / one {
                let (event, _) = send(&mut served.endpoint, one, &mut served.out);
                assert_eq!(event, None);
            }
            let (event, sent) = send(&mut served.endpoint, max % one, &mut served.out);
            assert_eq!((event, sent), (None, max));
            assert!(served.out.is_empty());
            let (event, _) = send(&mut served.endpoint, 1, &mut served.out);
            let error = HandshakeError::HeadTooLarge { max };
            assert_eq!(event, Some(Event::Refused(error.clone().into())));
            assert!(served.out.starts_with(b"HTTP/1.1 431 "));
            // It is too late to accept it.
            let out = served.out.clone();
            let request = served.result.take().unwrap().unwrap();
            let accepted = served.endpoint.accept(request, &mut served.out);
            assert_eq!(accepted, Err(SendError::Closed));
            assert_eq!(served.out, out);
            assert_eq!(refused_at_eof(&mut served.endpoint), error);
        }
    }
}

#[test]
fn a_request_is_answered_once() {
    // Elsewhere a handler that answered twice wrote a response between the frames.
    let config = Config::default();
    let asked = || {
        let mut served = serve(REQUEST.as_bytes(), Cuts::AtOnce, &config);
        let request = served.result.take().unwrap().unwrap();
        (served.endpoint, request)
    };
    let mut out = BytesMut::new();
    let (mut accepted, request) = asked();
    accepted.accept(request, &mut out).unwrap();
    let (mut responded, request) = asked();
    responded.respond(Response::new(404), &mut out).unwrap();
    let (mut early, _) = asked();
    let mut full = Endpoint::server(&config, Duration::ZERO);
    full.respond(Response::new(503), &mut out).unwrap();
    early.receive_eof();
    let before = out.clone();
    for mut endpoint in [accepted, responded, early, full] {
        let (_, request) = asked();
        assert_eq!(endpoint.accept(request, &mut out), Err(SendError::Closed));
        let response = endpoint.respond(Response::new(404), &mut out);
        assert_eq!(response, Err(SendError::Closed));
        assert_eq!(out, before);
    }
    drop(request);
    // Nor can it be answered before it has come.
    let mut endpoint = Endpoint::server(&config, Duration::ZERO);
    let (_, request) = asked();
    let result = endpoint.accept(request, &mut out);
    assert_eq!(result, Err(SendError::NotYetOpen));
    assert_eq!(out, before);
}

/// The number of responses in `out`; no body has a status line.
fn status_lines(out: &[u8]) -> usize {
    let is_status_line = |line: &&[u8]| line.starts_with(b"HTTP/1.1 ");
    out.split(|byte| *byte == b'\n')
        .filter(is_status_line)
        .count()
}

#[test]
fn bytes_after_a_refused_request_are_not_another_request() {
    // Elsewhere a second request, hidden in the body of the first, was answered.
    for bad in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
        "\0",
    ] {
        let wire = [bad, REQUEST].concat();
        for cuts in Cuts::ALL {
            let served = serve(wire.as_bytes(), cuts, &Config::default());
            assert!(served.error().is_some() && served.rest.is_empty());
            assert_eq!(status_lines(&served.out), 1);
        }
    }
}

#[test]
fn bytes_after_an_answered_request_are_not_another_request() {
    // The same if the application has answered it.
    for (head, kind) in [
        (REQUEST, Kind::Request),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
            Kind::Http,
        ),
    ] {
        assert_eq!(handed_over(head.as_bytes(), &Config::default()).0, kind);
        let wire = [head, REQUEST, REQUEST].concat();
        for cuts in Cuts::ALL {
            let mut endpoint = Endpoint::server(&Config::default(), Duration::ZERO);
            let (mut out, mut left, mut answers) = (BytesMut::new(), Vec::new(), 0);
            for part in cuts.cut(wire.as_bytes()) {
                left.extend(part);
                let mut input = Input(&mut left);
                while let Some(event) = endpoint.receive(&mut input, Duration::ZERO, &mut out) {
                    assert!(
                        matches!(event, Event::Request(_) | Event::Http(_)),
                        "{event:?}"
                    );
                    endpoint.respond(Response::new(404), &mut out).unwrap();
                    answers += 1;
                }
                let len = input.0.len();
                left.drain(..left.len() - len);
            }
            assert!(answers == 1 && left.is_empty(), "all of it is dropped");
            assert_eq!(status_lines(&out), 1);
            let again = endpoint.respond(Response::new(404), &mut out);
            assert_eq!(again, Err(SendError::Closed));
        }
    }
}

#[test]
fn permessage_deflate_is_declined() {
    // An offer is optional: without an answer both sides send uncompressed messages.
    let line = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-other";
    let mut served = served(&with_line(REQUEST, line));
    served.accept();
    let head = String::from_utf8(served.out.to_vec()).unwrap();
    assert!(
        !head
            .to_ascii_lowercase()
            .contains("sec-websocket-extensions"),
        "{head}"
    );
    // And RSV1 stays reserved.
    let mut driven = Driven::new(served.endpoint);
    driven.feed(&frame(Role::Server, 0xc1, b"\xf2\x48\xcd\xc9\xc9\x07\x00"));
    assert_eq!(
        driven.events,
        [Event::Failed(ProtocolError::ReservedBit { first: 0xc1 })]
    );
}

// ---- origins (RFC 6455, section 10.2) ----

#[test]
fn pages_of_other_sites_are_refused() {
    // Elsewhere any page on the web could use the server in the name of its users.
    for (host, origin, allowed) in [
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
        let forbidden = HandshakeError::OriginForbidden {
            origin: origin.into(),
            host: host.into(),
        };
        let wanted = (!allowed).then_some(forbidden);
        assert_eq!(request_error(head.as_bytes()), wanted, "{origin} at {host}");
    }
    // Not a browser, so no user's cookies are at risk.
    assert_eq!(request_error(REQUEST.as_bytes()), None);
}

#[test]
fn origins_of_a_list_are_compared_completely() {
    let list = OriginPolicy::list(["https://app.example", "null"]);
    for (origin, allowed) in [
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
        assert_eq!(list.allows(origin, "api.example"), allowed, "{origin:?}");
    }
    let nobody = OriginPolicy::list([""; 0]);
    assert!(!nobody.allows(Some("https://api.example"), "api.example"));
    assert!(OriginPolicy::any().allows(Some("https://evil.test"), "api.example"));
}

/// A name of the attacker's may lead to any address (DNS rebinding): no policy that knows no names can tell.
#[test]
fn a_foreign_name_for_this_address_needs_a_list() {
    let head = replaced(REQUEST, "Host: example.com", "Host: evil.test:9001");
    let head = with_line(&head, "Origin: http://evil.test:9001");
    let asked = |origins| {
        let config = config(|c| c.origins = origins);
        serve(head.as_bytes(), Cuts::AtOnce, &config).error()
    };
    assert_eq!(asked(OriginPolicy::same_origin()), None);
    let (origin, host) = ("http://evil.test:9001".into(), "evil.test:9001".into());
    let forbidden = HandshakeError::OriginForbidden { origin, host };
    let list = OriginPolicy::list(["http://localhost:9001"]);
    assert_eq!(asked(list), Some(forbidden));
}

#[test]
fn pages_without_tls_may_be_shut_out() {
    // Elsewhere an attacker who could change a page on its way used the server in the name of its users.
    let origins = ["https://app.example", "http://app.example", "null"];
    for (policy, allowed) in [
        (OriginPolicy::any(), [true, false, false]),
        (OriginPolicy::list(origins), [true, false, false]),
        (OriginPolicy::same_origin(), [true, false, false]),
        (OriginPolicy::list([""; 0]), [false, false, false]),
    ] {
        let policy = policy.https_only();
        for (origin, allowed) in origins.into_iter().zip(allowed) {
            assert_eq!(
                policy.allows(Some(origin), "app.example"),
                allowed,
                "{origin}"
            );
        }
        assert!(policy.allows(None, "app.example"), "no browser");
    }
}
