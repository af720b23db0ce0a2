//! What has gone wrong in other opening handshakes must not happen here.
//!
//! Invariant: each test says what went wrong there; the rules are those of RFC 6455, sections 4 and
//! 10, and of RFC 9112, section 11. Single errors have their tests in `errors.rs`, limits in
//! `limits.rs`.

use crate::support::handshake::{Driven, Kind, handed_over};
use crate::support::*;
use bytes::{Buf, BytesMut};
use sansocket::{
    ClientRequest, Config, Deliver, Endpoint, Event, Extension, HandshakeError, Headers, Input,
    OriginPolicy, ProtocolError, Response, Role, SendError, SetupError,
};
use std::iter::repeat_n;
use std::time::Duration;

// ---- requests (section 4.2.1; RFC 9112) ----

/// A request that comes in one read.
#[track_caller]
fn served(head: &str) -> Served {
    serve(head.as_bytes(), Cuts::Whole, &Config::default())
}

/// What a server makes of this head; cuts change nothing.
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
    // Request smuggling: a proxy in front saw another request than the server.
    for (from, to, line) in [
        ("Host: ", "Host : ", 2),
        ("Host: ", "Host\t: ", 2),
        ("Host: ", " Host: ", 2),
        ("Host: example.com", "Host: example.com\r\n folded", 3),
        ("Host: example.com", "Host: example.com\r\n\tfolded", 3),
        ("Host: example.com\r\n", "Host: example.com\n", 2),
        ("Host: example.com\r\n", "Host: example.com\r", 2),
        ("Host: example.com\r\n", "Host: example.com\r\r\n", 2),
        ("Host: example.com", "Host: exam\0ple.com", 2),
        ("Host: example.com", "Host: example.com\r\nX: a\nY: b", 3),
        ("Host: example.com", "Host: example.com\r\nX: a\rb", 3),
        ("Host: example.com", "Host: example.com\r\nX: a\x0bb", 3),
        ("Host: example.com", "Host: example.com\r\nX: a\x7fb", 3),
        ("Host: example.com", "Host: example.com\r\nno colon", 3),
        ("Host: example.com", "Host: example.com\r\n: no name", 3),
        ("Host: example.com", "Host: example.com\r\nX(: a", 3),
        ("Host: example.com", "Host: example.com\r\nX Y: a", 3),
        ("HTTP/1.1\r\n", "HTTP/1.1\n", 1),
        ("HTTP/1.1\r\n", "HTTP/1.1 \r\n", 1),
        ("HTTP/1.1\r\n", "HTTP/1.1\r\n \r\n", 2),
        ("GET /chat", "GET  /chat", 1),
        ("GET /chat", "GET\t/chat", 1),
        ("GET /chat", " GET /chat", 1),
        ("/chat HTTP", "/chat  HTTP", 1),
        ("HTTP/1.1", "HTTP/1.1x", 1),
        ("HTTP/1.1", "http/1.1", 1),
        ("HTTP/1.1", "HTTP/01.1", 1),
        ("\r\n\r\n", "\n\n", 6),
        ("\r\n\r\n", "\r\n\n", 7),
    ] {
        let head = replaced(REQUEST, from, to);
        assert_eq!(
            request_error(head.as_bytes()),
            Some(HandshakeError::Malformed { line }),
            "{head:?}"
        );
        // It is not handed over: the application would read it in one of these ways.
        let (kind, ..) = handed_over(head.as_bytes(), &Config::default());
        assert_eq!(kind, Kind::Refused, "{head:?}");
    }
    for (line, error) in [
        ("Host: example.com", HandshakeError::Host),
        ("HOST: other.test", HandshakeError::Host),
        (
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            HandshakeError::Key,
        ),
        (
            "Sec-WebSocket-Version: 13",
            HandshakeError::VersionMalformed,
        ),
        ("Content-Length: 5", HandshakeError::Content),
        ("Content-Length: +0", HandshakeError::Content),
        ("Content-Length: 0x0", HandshakeError::Content),
        (
            "Content-Length: 0\r\nContent-Length: 5",
            HandshakeError::Content,
        ),
        ("Transfer-Encoding: chunked", HandshakeError::Content),
        ("transfer-encoding: xchunked", HandshakeError::Content),
        (
            "Content-Length: 0\r\nTransfer-Encoding: chunked",
            HandshakeError::Content,
        ),
    ] {
        let head = with_line(REQUEST, line);
        assert_eq!(request_error(head.as_bytes()), Some(error), "{head:?}");
    }
}

#[test]
fn honest_variations_of_a_request_are_accepted() {
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
            Some(HandshakeError::NotUpgrade),
            "{value}"
        );
    }
    for value in ["websockets", "web", "xwebsocket", "websocket/13"] {
        let head = replaced(REQUEST, "Upgrade: websocket", &format!("Upgrade: {value}"));
        assert_eq!(
            request_error(head.as_bytes()),
            Some(HandshakeError::NotUpgrade),
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
            Some(HandshakeError::Key),
            "{key}"
        );
    }
}

#[test]
fn a_version_is_the_bytes_13() {
    // Elsewhere it was read as any number that equals 13.
    for version in [
        "013", "0xd", "+13", "13, 13", "13,8", "13.0", "1e1", "", "-1", "256", "１３",
    ] {
        let head = replaced(REQUEST, "Version: 13", &format!("Version: {version}"));
        let error = Some(HandshakeError::VersionMalformed);
        assert_eq!(request_error(head.as_bytes()), error, "{version}");
    }
}

#[test]
fn honest_peers_may_send_byte_by_byte() {
    // Elsewhere the head was parsed anew with each read, or such peers were thrown out.
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
fn long_lists_are_read_in_one_go() {
    // Elsewhere regular expressions took minutes for these.
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
    let served = serve(head.as_bytes(), Cuts::Whole, &Config::default());
    assert_eq!(served.request().subprotocols(), names);
}

#[test]
fn what_comes_after_a_request_belongs_to_the_connection() {
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
    // It is accepted when all has come.
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
    // Elsewhere frames that came before the answer were lost, or came twice.
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
            // The answer comes so many reads after the request.
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
                assert!(buffer.is_empty() && joining.begun().is_none());
                let end = out.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
                let sent = sent_frames(&out[end..], Role::Server);
                assert_eq!((sent.len(), &sent[0].payload[..]), (2, &b"between"[..]));
            }
        }
    }
}

#[test]
fn what_comes_before_the_answer_has_a_limit() {
    // Elsewhere a client could send for as long as the application took to decide.
    let now = Duration::ZERO;
    for max in [REQUEST.len(), 1_000] {
        let config = config(|all| all.max_head_size = max);
        for one in [1, 7, max] {
            let mut served = serve(REQUEST.as_bytes(), Cuts::Whole, &config);
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
            // It comes too late to be accepted.
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
    // Elsewhere a handler that answered twice wrote a response among the frames.
    let config = Config::default();
    let asked = || {
        let mut served = serve(REQUEST.as_bytes(), Cuts::Whole, &config);
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
    // And not before it has come.
    let mut endpoint = Endpoint::server(&config, Duration::ZERO);
    let (_, request) = asked();
    let result = endpoint.accept(request, &mut out);
    assert_eq!(result, Err(SendError::NotYetOpen));
    assert_eq!(out, before);
}

/// The number of responses, whose bodies are text without status lines.
fn status_lines(out: &[u8]) -> usize {
    let is_status_line = |line: &&[u8]| line.starts_with(b"HTTP/1.1 ");
    out.split(|byte| *byte == b'\n')
        .filter(is_status_line)
        .count()
}

#[test]
fn what_comes_after_a_refused_request_is_no_request() {
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
fn what_comes_after_a_request_that_was_answered_is_no_request() {
    // The same where the application has answered it.
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
    // An offer is no demand: without an answer both sides go on uncompressed.
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
    assert_eq!(driven.events, [Event::Failed(ProtocolError::ReservedBit)]);
}

// ---- origins (section 10.2) ----

#[test]
fn pages_of_other_sites_are_refused() {
    // Elsewhere every page on the web could use the server in the name of its users.
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
    // No browser: nothing to protect.
    assert_eq!(request_error(REQUEST.as_bytes()), None);
}

#[test]
fn a_list_of_origins_is_compared_as_a_whole() {
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

#[test]
fn pages_that_did_not_come_over_tls_may_be_shut_out() {
    // Elsewhere whoever could change a page on its way used the server in the name of its users.
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

// ---- what the application writes (RFC 9112, section 11.1) ----

/// Each would start a line of its own, or end one early for somebody.
const BREAKS: [&str; 6] = ["a\r\nX: y", "a\n", "a\r", "a\0", "\r\n\r\n", "\x0b"];

/// What a server writes that answers this request so.
#[track_caller]
fn response_to(head: &str, response: Response) -> String {
    let mut endpoint = Endpoint::server(&Config::default(), Duration::ZERO);
    let (mut bytes, mut out) = (head.as_bytes().to_vec(), BytesMut::new());
    let mut input = Input(&mut bytes);
    let event = endpoint.receive(&mut input, Duration::ZERO, &mut out);
    assert!(
        matches!(event, Some(Event::Request(_) | Event::Http(_))),
        "{event:?}"
    );
    assert!(out.is_empty(), "nothing is written before");
    endpoint.respond(response, &mut out).unwrap();
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn a_refusal_has_any_final_status_and_a_length_that_is_right() {
    // Content where none may be is read as the next response.
    for status in 200..=599 {
        let response = response_to(REQUEST, Response::new(status).body("words"));
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")));
        match status {
            204 | 304 => assert!(body.is_empty() && !head.contains("Content-")),
            205 => assert!(body.is_empty() && head.contains("Content-Length: 0")),
            _ => assert!(body == "words" && head.contains("Content-Length: 5")),
        }
        let refusal = refusal(&response);
        assert_eq!((refusal.status, &*refusal.body), (status, body.as_bytes()));
        assert!(refusal.is_complete);
    }
}

#[test]
fn a_status_that_is_no_answer_is_500() {
    // Elsewhere the client waited for more after a 1xx, or took a 101 for an opening.
    for status in [0, 100, 101, 199, 600, 1000, u16::MAX] {
        assert_eq!(Response::new(status).status, 500);
        let mut response = Response::new(200);
        response.status = status;
        let written = response_to(REQUEST, response);
        assert!(written.starts_with("HTTP/1.1 500 "), "{written}");
    }
}

#[test]
fn an_answer_to_head_has_no_content() {
    // RFC 9110, section 9.3.2: elsewhere the content was read as the next response.
    for status in 200..=599 {
        let get = response_to(REQUEST, Response::new(status).body("words"));
        let head = replaced(REQUEST, "GET ", "HEAD ");
        let head = response_to(&head, Response::new(status).body("words"));
        let end = get.find("\r\n\r\n").unwrap() + 4;
        assert_eq!(head, get[..end], "the same head, and nothing after it");
    }
    let served = served(&replaced(REQUEST, "GET ", "HEAD "));
    assert_eq!(served.error(), Some(HandshakeError::Method("HEAD".into())));
    assert!(served.out.ends_with(b"\r\n\r\n"), "the default answer");
}

#[test]
fn the_application_cannot_split_a_request() {
    // Elsewhere a host, path, header or subprotocol with a line break in it became a header.
    for bad in BREAKS {
        assert_eq!(
            client_request().header(bad, "x").unwrap_err(),
            SetupError::Name
        );
        assert_eq!(
            client_request().header("X", bad).unwrap_err(),
            SetupError::Value
        );
        assert_eq!(client_request().origin(bad).unwrap_err(), SetupError::Value);
        assert_eq!(
            client_request().subprotocol(bad).unwrap_err(),
            SetupError::Subprotocol
        );
        assert_eq!(Extension::new(bad).unwrap_err(), SetupError::Extension);
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
            let uri = uri.replace("{}", bad);
            assert!(ClientRequest::new(&uri).is_err(), "{uri:?}");
            assert!(uri.parse::<ClientRequest>().is_err(), "{uri:?}");
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
    let mut served = served(&head);
    let request = served.request_mut();
    let reject = || Response::new(403);
    for bad in BREAKS {
        assert_eq!(request.add_header(bad, "x"), Err(SetupError::Name));
        assert_eq!(request.add_header("X", bad), Err(SetupError::Value));
        assert_eq!(request.select_subprotocol(&[bad]), None);
        assert_eq!(reject().header(bad, "x").unwrap_err(), SetupError::Name);
        assert_eq!(reject().header("X", bad).unwrap_err(), SetupError::Value);
        let mut headers = Headers::new();
        assert_eq!(headers.push(bad, "x"), Err(SetupError::Name));
        assert_eq!(headers.push("X", bad), Err(SetupError::Value));
        assert_eq!(headers, Headers::new());
    }
    // What was refused has left nothing behind.
    served.accept();
    let head = String::from_utf8(served.out.to_vec()).unwrap();
    assert!(
        !head.contains("\r\nX") && !head.contains("-Protocol"),
        "{head}"
    );
    // A body is measured, so it may hold anything.
    let body = "\r\n\r\nHTTP/1.1 200 OK\r\n";
    let response = response_to(REQUEST, reject().body(body));
    let (head, written) = response.split_once("\r\n\r\n").unwrap();
    assert_eq!(written, body);
    assert!(
        head.contains(&format!("Content-Length: {}", body.len())),
        "{head}"
    );
}

/// The fields that the handshake writes itself.
const RESERVED: [&str; 11] = [
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
];

#[test]
fn the_fields_of_the_protocol_cannot_be_written_by_hand() {
    // Elsewhere a second Content-Length or Upgrade could be slipped in.
    let mut served = served(REQUEST);
    let reserved = SetupError::Reserved;
    for name in RESERVED {
        let error = client_request().header(name, "x").unwrap_err();
        assert_eq!(error, reserved, "{name}");
        let error = served.request_mut().add_header(name, "x");
        assert_eq!(error, Err(reserved), "{name}");
        let error = Response::new(403).header(name, "x").unwrap_err();
        assert_eq!(error, reserved, "{name}");
    }
    // One that was received may have them all, and is sent on without them.
    for status in [200, 403, 426] {
        let plain = Response::new(status).header("X", "y").unwrap();
        let mut received = Response::new(status);
        for name in RESERVED {
            // RFC 6455, section 4.4: a status other than 426 may tell the version, too.
            if status == 426 || name != "Sec-WebSocket-Version" {
                received.headers.push(name, "999").unwrap();
            }
        }
        received.headers.push("X", "y").unwrap();
        let written = response_to(REQUEST, received.body("words"));
        assert_eq!(written, response_to(REQUEST, plain.body("words")));
        assert!(!written.contains("999"), "{written}");
    }
}

#[test]
fn a_server_chooses_only_what_was_offered() {
    let head = with_line(
        REQUEST,
        "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x-a",
    );
    let mut served = served(&head);
    let request = served.request_mut();
    for name in ["CHAT", "Chat", "chat2", "superchat", "chat\r\n", ""] {
        assert_eq!(request.select_subprotocol(&[name]), None);
    }
    assert_eq!(request.select_subprotocol(&[""; 0]), None);
    let extension = |name| Extension::new(name).unwrap();
    for name in ["X-A", "x-b"] {
        let error = request.select_extension(extension(name)).unwrap_err();
        assert_eq!(error, SetupError::NotOffered);
    }
    assert_eq!(request.select_subprotocol(&["other", "chat"]), Some("chat"));
    request.select_extension(extension("x-a")).unwrap();
    served.accept();
    let head = String::from_utf8(served.out.to_vec()).unwrap();
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

fn offering() -> ClientRequest {
    let request = client_request()
        .subprotocol("chat")
        .unwrap()
        .subprotocol("super")
        .unwrap();
    request.extension(Extension::new("x-a").unwrap(), false)
}

/// What a client that offers `chat`, `super` and `x-a` makes of the response.
fn response_error(response: &str) -> Option<HandshakeError> {
    let mut all = Cuts::ALL.map(|cuts| {
        let asked = ask(&offering(), response, b"", cuts, &Config::default());
        assert!(asked.result.is_some(), "{response}");
        asked.error()
    });
    let first = all[0].take();
    assert!(all[1..].iter().all(|error| *error == first));
    first
}

#[test]
fn a_bad_101_opens_nothing() {
    // Elsewhere the client checked the status only, or not all of these.
    use HandshakeError as E;
    for (from, to, error) in [
        ("ACCEPT", "ACCEPTx", E::Accept),
        ("ACCEPT", "", E::Accept),
        ("ACCEPT", "ACCEPT, ACCEPT", E::Accept),
        ("ACCEPT", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", E::Accept),
        (
            "Accept: ACCEPT",
            "Accept: ACCEPT\r\nSec-WebSocket-Accept: ACCEPT",
            E::Accept,
        ),
        (
            "Accept: ACCEPT",
            "Accept: ACCEPT\r\nsec-websocket-accept: x",
            E::Accept,
        ),
        ("Sec-WebSocket-Accept: ACCEPT\r\n", "", E::Accept),
        ("Upgrade: websocket\r\n", "", E::Upgrade),
        ("Upgrade: websocket", "Upgrade: h2c", E::Upgrade),
        ("Upgrade: websocket", "Upgrade: websocket, h2c", E::Upgrade),
        (
            "Upgrade: websocket",
            "Upgrade: websocket\r\nUpgrade: h2c",
            E::Upgrade,
        ),
        ("Connection: Upgrade\r\n", "", E::Connection),
        (
            "Connection: Upgrade",
            "Connection: NotUpgrade",
            E::Connection,
        ),
        (
            "Connection: Upgrade",
            "Connection: keep-alive",
            E::Connection,
        ),
        (
            "HTTP/1.1",
            "HTTP/1.0",
            E::HttpVersion { major: 1, minor: 0 },
        ),
        ("\r\nUpgrade", "\r\n Upgrade", E::Malformed { line: 2 }),
        ("Upgrade:", "Upgrade :", E::Malformed { line: 2 }),
        ("\r\nUpgrade", "\nUpgrade", E::Malformed { line: 1 }),
        ("websocket", "web\0socket", E::Malformed { line: 2 }),
    ] {
        assert_eq!(
            response_error(&replaced(RESPONSE, from, to)),
            Some(error),
            "{to}"
        );
    }
    let not_offered = |name: &str| E::SubprotocolNotOffered(name.into());
    for (value, error) in [
        ("other", not_offered("other")),
        ("Chat", not_offered("Chat")),
        ("", E::Subprotocol),
        ("chat, super", E::Subprotocol),
        ("chat\r\nSec-WebSocket-Protocol: chat", E::Subprotocol),
    ] {
        let line = format!("Sec-WebSocket-Protocol: {value}");
        let response = with_line(RESPONSE, &line);
        assert_eq!(response_error(&response), Some(error), "{line}");
    }
    let not_offered = |name: &str| E::ExtensionNotOffered(name.into());
    for (value, error) in [
        ("x-b", not_offered("x-b")),
        ("x-a, x-a", E::Extensions),
        ("x-a\r\nSec-WebSocket-Extensions: x-a", E::Extensions),
        ("permessage-deflate", not_offered("permessage-deflate")),
        ("x-a;", E::Extensions),
        ("", E::Extensions),
    ] {
        let line = format!("Sec-WebSocket-Extensions: {value}");
        let response = with_line(RESPONSE, &line);
        assert_eq!(response_error(&response), Some(error), "{line}");
    }
}

#[test]
fn honest_variations_of_a_response_are_accepted() {
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
fn a_required_subprotocol_or_extension_is_insisted_on() {
    let config = Config::default();
    let request = offering().require_subprotocol();
    let asked = ask(&request, RESPONSE, b"", Cuts::Whole, &config);
    assert_eq!(asked.error(), Some(HandshakeError::SubprotocolMissing));

    let long = "x".repeat(200);
    for name in ["x-b", &long] {
        let request = offering().extension(Extension::new(name).unwrap(), true);
        let asked = ask(&request, RESPONSE, b"", Cuts::Whole, &config);
        assert_eq!(asked.opened().status, 101);
        assert!(!asked.endpoint.is_open());
        let sent = sent_frames(&asked.out, Role::Client);
        assert_eq!((sent.len(), sent[0].close_code()), (1, Some(1010)));
        let reason = if name == "x-b" { name } else { "" };
        assert_eq!(
            &sent[0].payload[2..],
            reason.as_bytes(),
            "complete or not at all"
        );
    }
}

#[test]
fn what_comes_after_a_101_belongs_to_the_connection() {
    // Elsewhere a message in the same read as the response was lost.
    let early = frames(Role::Client, &[(0x81, b"early"), (0x89, b"bird")]);
    for cuts in Cuts::ALL {
        let asked = ask(
            &client_request(),
            RESPONSE,
            &early,
            cuts,
            &Config::default(),
        );
        assert_eq!(asked.rest, early);
        let mut driven = Driven::new(asked.endpoint);
        driven.feed(&asked.rest);
        assert_eq!(driven.events, [text("early"), ping(b"bird")]);
    }
}

#[test]
fn a_masked_frame_right_after_the_101_fails() {
    let (masked, config) = (frame(Role::Server, 0x81, b"x"), Config::default());
    let asked = ask(&client_request(), RESPONSE, &masked, Cuts::Whole, &config);
    let mut driven = Driven::new(asked.endpoint);
    driven.feed(&asked.rest);
    assert_eq!(driven.events, [Event::Failed(ProtocolError::FrameMasked)]);
}

fn refusal(response: &str) -> Response {
    let mut all = Cuts::ALL.map(|cuts| {
        let mut asked = ask(&client_request(), response, b"", cuts, &Config::default());
        let error = asked.eof();
        assert!(asked.out.is_empty(), "nothing is sent");
        match error {
            HandshakeError::Refused(refusal) => Some(*refusal),
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
        let location = refusal.headers.get("location");
        assert_eq!(
            (refusal.status, location),
            (status, Some("ws://evil.test/"))
        );
        let told = HandshakeError::Refused(refusal.into()).to_string();
        assert!(told.contains("redirect to ws://evil.test/"), "{told}");
    }
    let no_redirect = refusal("HTTP/1.1 401 x\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n");
    let told = HandshakeError::Refused(no_redirect.into()).to_string();
    assert!(!told.contains("/x"), "{told}");
    // Whoever logs the error logs no terminal commands.
    let evil = "HTTP/1.1 302 x\r\nLocation: a\u{9b}2J\r\nContent-Length: 0\r\n\r\n";
    let mut asked = ask(
        &client_request(),
        evil,
        b"",
        Cuts::Whole,
        &Config::default(),
    );
    assert!(!asked.eof().to_string().contains('\u{9b}'));
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
            let asked = ask(&client_request(), response, b"", cuts, &Config::default());
            let error = asked.error();
            assert!(
                matches!(error, Some(HandshakeError::Refused(r)) if r.is_complete),
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
        for cuts in [Cuts::Whole, Cuts::Bytes] {
            let asked = ask(&client_request(), &response, b"", cuts, &Config::default());
            assert!(matches!(asked.error(), Some(HandshakeError::Refused(r)) if !r.is_complete));
        }
    }
}

#[test]
fn trailer_fields_are_not_waited_for() {
    // Each line is short, but there could always be one more.
    let response = "HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n".to_owned()
        + &"X: y\r\n".repeat(50_000);
    let (request, config) = (client_request(), Config::default());
    let asked = ask(&request, &response, b"", Cuts::Whole, &config);
    assert!(matches!(asked.error(), Some(HandshakeError::Refused(r)) if r.is_complete));
}

// ---- what is printed ----

#[test]
fn nothing_prints_the_secrets() {
    // Elsewhere tokens were in everybody's logs.
    let secrets = [
        ("Authorization", "Bearer t0ken"),
        ("Proxy-Authorization", "Basic cr3dent1als"),
        ("Cookie", "session=s3cr3t"),
    ];
    let (mut head, mut request) = (REQUEST.to_owned(), client_request());
    for (name, value) in secrets {
        head = with_line(&head, &format!("{name}: {value}"));
        request = request.header(name, value).unwrap();
    }
    let mut served = served(&head);
    let mut printed = vec![
        format!("{request:?}"),
        format!("{:?}", served.request()),
        format!("{:?}", served.request().headers()),
        format!("{:?}", served.endpoint),
    ];
    let line = "Set-Cookie: session=s3cr3t\r\nContent-Length: 9";
    let response = format!("HTTP/1.1 401 x\r\n{line}\r\n\r\nswordfish");
    let (config, after) = (Config::default(), frame(Role::Client, 0x81, b"swordfish"));
    let mut refused = ask(&request, &response, b"", Cuts::Whole, &config);
    printed.push(format!("{:?}", refused.endpoint));
    printed.push(format!("{:?} {}", refused.error(), refused.eof()));
    let opening = with_line(RESPONSE, "Set-Cookie: session=s3cr3t");
    let opened = ask(&request, &opening, &after, Cuts::Whole, &config);
    printed.push(format!("{:?} {:?}", opened.opened(), opened.endpoint));
    served.respond(
        Response::new(200)
            .header("Set-Cookie", "session=s3cr3t")
            .unwrap()
            .body("swordfish"),
    );
    printed.push(format!("{:?}", served.endpoint));
    let with_query = ClientRequest::new("ws://us3r:pa55@example.com/?key=qu3ry").unwrap();
    printed.push(format!("{with_query:?}"));
    for printed in printed {
        for secret in [
            "t0ken",
            "cr3dent1als",
            "s3cr3t",
            "swordfish",
            "qu3ry",
            "pa55",
        ] {
            assert!(!printed.contains(secret), "{secret} is in {printed}");
        }
    }
}
