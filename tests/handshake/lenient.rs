//! What honest peers send though no RFC asks them to: it is taken, and what is close to it is not.
//!
//! Invariant: each test names what is sent in the field, and its nearest neighbour that stays refused.

use crate::support::handshake::{Kind, handed_over};
use crate::support::*;
use bytes::BytesMut;
use sansocket::{
    Config, Endpoint, Event, FieldFault, HandshakeError, Input, LineFault, OriginPolicy,
    ProtocolError, Role,
};
use std::time::Duration;

// ---- requests ----

/// The request with this request line, in bytes of any kind.
fn with_target(target: &[u8]) -> Vec<u8> {
    let rest = REQUEST.strip_prefix("GET /chat").unwrap();
    [b"GET ", target, rest.as_bytes()].concat()
}

/// A target that is taken reaches the application as it was sent, in any cuts.
#[track_caller]
fn takes(target: &str) {
    for cuts in Cuts::ALL {
        let served = serve(&with_target(target.as_bytes()), cuts, &Config::default());
        assert_eq!(served.error(), None, "{target}");
        assert_eq!(served.request().target(), target);
    }
}

/// Current clients escape none of `%`, `|`, `"`, `<`, `>`, `[`, `]`, `{`, `}`, `^`, '`' and `\`. A target
/// may have each visible ASCII character but `#`.
#[test]
fn a_target_may_have_what_clients_do_not_escape() {
    for target in ["/chat?q=100%", "/a|b\"<>", "/a?%4", "/%4", "/%", "/%zz"] {
        takes(target);
    }
    let at = 2;
    for byte in 0..=u8::MAX {
        let target = [b"/a", &[byte][..], b"b"].concat();
        let malformed = |at, fault| HandshakeError::Malformed { line: 1, at, fault };
        let error = match byte {
            b'#' | b'\t' | 0x80.. => HandshakeError::Target { found: byte, at },
            b'!'..=b'~' => {
                takes(std::str::from_utf8(&target).unwrap());
                continue;
            }
            b' ' => malformed(8, LineFault::RequestLine),
            b'\r' => malformed(4 + at, LineFault::BareCr),
            b'\n' => malformed(4 + at, LineFault::BareLf),
            byte => malformed(4 + at, LineFault::Control(byte)),
        };
        let served = serve(&with_target(&target), Cuts::Bytes, &Config::default());
        assert_eq!(served.error(), Some(error), "{byte:#04x}");
    }
}

/// Browsers escape `ø`; some clients send it, in UTF-8 or in Latin-1.
#[test]
fn a_target_that_is_not_ascii_is_refused_with_its_byte() {
    for (target, found) in [(&b"/alban\xc3\xb8"[..], 0xc3), (b"/alban\xf8", 0xf8)] {
        let (kind, error, out) = handed_over(&with_target(target), &Config::default());
        let refused = HandshakeError::Target { found, at: 6 };
        assert_eq!((kind, error), (Kind::Refused, Some(refused)));
        assert!(out.starts_with(b"HTTP/1.1 400 "));
        let told = String::from_utf8(out.to_vec()).unwrap();
        assert!(
            told.contains(&format!("the byte {found:#04x} after 6 bytes")),
            "{told}"
        );
    }
}

/// Some clients and proxies write the scheme of the WebSocket into the request line.
#[test]
fn the_scheme_of_a_target_may_be_that_of_the_websocket() {
    for target in [
        "ws://real.test:81/chat?q",
        "wss://real.test:81/chat?q",
        "WS://real.test:81/chat?q",
        "http://real.test:81/chat?q",
        "https://real.test:81/chat?q",
    ] {
        let served = serve(
            &with_target(target.as_bytes()),
            Cuts::AtOnce,
            &Config::default(),
        );
        assert_eq!(served.error(), None, "{target}");
        let request = served.request();
        assert_eq!(
            (request.host(), request.target()),
            ("real.test:81", "/chat?q")
        );
    }
    for target in ["wsx://a/", "ftp://a/", "ws:/a", "://a/"] {
        let head = with_target(target.as_bytes());
        let error = serve(&head, Cuts::AtOnce, &Config::default()).error();
        assert!(
            matches!(error, Some(HandshakeError::Target { at: 0, .. })),
            "{target}: {error:?}"
        );
    }
}

/// Native clients name the scheme of the WebSocket as that of their origin.
#[test]
fn the_scheme_of_an_origin_may_be_that_of_the_websocket() {
    let same = OriginPolicy::same_origin();
    for (origin, host, allowed) in [
        ("wss://example.com", "example.com", true),
        ("ws://example.com", "example.com", true),
        ("wss://example.com", "example.com:443", true),
        ("ws://example.com:81", "example.com:81", true),
        ("wss://other.test", "example.com", false),
        ("wss://example.com:81", "example.com", false),
        ("ws://example.com", "example.com:443", false),
        ("wsx://example.com", "example.com", false),
    ] {
        assert_eq!(same.allows(Some(origin), host), allowed, "{origin}");
    }
}

/// A host that is none is not the host of any page, though both are the same bytes.
#[test]
fn an_origin_and_a_host_that_are_the_same_nonsense_are_not_the_same_origin() {
    for host in ["", "a b", "a<", "u@a", "[::1", "a:b", "a:99999", "\u{e9}"] {
        for scheme in ["http", "https", "ws", "wss"] {
            let origin = format!("{scheme}://{host}");
            let same = OriginPolicy::same_origin();
            assert!(!same.allows(Some(&origin), host), "{origin}");
        }
    }
}

/// Pages of files, and proxies that rewrite `Host` or strip its port: they stay refused, and the operator
/// sees origin, host and target.
#[test]
fn a_page_that_is_refused_is_told_to_the_operator() {
    for (host, origin) in [
        ("example.com", "file://"),
        ("example.com", "null"),
        ("backend:8080", "https://example.com"),
        ("example.com", "https://example.com:8443"),
    ] {
        let head = replaced(REQUEST, "Host: example.com", &format!("Host: {host}"));
        let head = with_line(&head, &format!("Origin: {origin}"));
        let mut server = Endpoint::server(&Config::default(), Duration::ZERO);
        let (mut head, mut out) = (head.into_bytes(), BytesMut::new());
        let event = server.receive(&mut Input(&mut head), Duration::ZERO, &mut out);
        let Some(Event::Http(request)) = event else {
            panic!("{event:?}");
        };
        let forbidden = HandshakeError::OriginForbidden {
            origin: origin.into(),
            host: host.into(),
        };
        assert_eq!(forbidden.status(), 403);
        let told = forbidden.to_string();
        assert!(told.contains(origin) && told.contains(host), "{told}");
        assert_eq!(request.error(), Some(&forbidden));
        assert_eq!(
            (request.origin(), request.host(), request.target()),
            (Some(origin), host, "/chat")
        );
    }
}

/// Deno sends an empty line for no subprotocols, others for no extensions, or with commas to spare.
#[test]
fn lists_with_nothing_in_them_are_as_if_they_were_not_there() {
    for line in [
        "Sec-WebSocket-Protocol:",
        "Sec-WebSocket-Protocol: ,",
        "Sec-WebSocket-Extensions:",
        "Sec-WebSocket-Extensions: , ,",
    ] {
        let served = serve(
            with_line(REQUEST, line).as_bytes(),
            Cuts::Bytes,
            &Config::default(),
        );
        assert_eq!(served.error(), None, "{line}");
        assert_eq!(served.request().subprotocols().count(), 0);
        assert_eq!(served.request().extensions().count(), 0);
    }
    let line = "Sec-WebSocket-Protocol: a,,b,\r\nSec-WebSocket-Extensions: ,x; y,";
    let served = serve(
        with_line(REQUEST, line).as_bytes(),
        Cuts::AtOnce,
        &Config::default(),
    );
    let request = served.request();
    assert!(request.subprotocols().eq(["a", "b"]));
    let extensions: Vec<_> = request.extensions().map(|e| e.to_string()).collect();
    assert_eq!(extensions, ["x; y"]);
    // A parameter that is missing is no element.
    let head = with_line(REQUEST, "Sec-WebSocket-Extensions: x;");
    let error = serve(head.as_bytes(), Cuts::AtOnce, &Config::default()).error();
    assert_eq!(error, Some(HandshakeError::Extensions(FieldFault::Cut)));
}

/// Old browsers offer it, and are answered without it.
#[test]
fn an_extension_that_nobody_knows_is_declined() {
    let line = "Sec-WebSocket-Extensions: x-webkit-deflate-frame";
    let mut served = serve(
        with_line(REQUEST, line).as_bytes(),
        Cuts::AtOnce,
        &Config::default(),
    );
    served.accept();
    let head = String::from_utf8(served.out.to_vec()).unwrap();
    assert!(
        head.starts_with("HTTP/1.1 101 ") && !head.contains("Extensions"),
        "{head}"
    );
}

/// Proxies and libraries double fields, add what is empty, and write what they like into values.
#[test]
fn requests_of_proxies_are_taken() {
    for (from, to) in [
        (
            "Upgrade: websocket",
            "Upgrade: websocket\r\nUpgrade: websocket\r\nContent-Length: 0",
        ),
        ("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
        ("Version: 13", "Version: 13\r\nX: caf\u{e9} \u{ff}"),
        ("/chat", "//host:81/chat"),
        ("/chat", "/user@host/chat?a@b"),
    ] {
        let head = replaced(REQUEST, from, to);
        for cuts in Cuts::ALL {
            let served = serve(head.as_bytes(), cuts, &Config::default());
            assert_eq!(served.error(), None, "{to}");
            assert_eq!(served.request().host(), "example.com");
        }
    }
    // In Latin-1, which is no UTF-8.
    let head = [&with_line(REQUEST, "X: ")[..REQUEST.len() + 1], "\r\n\r\n"].concat();
    let mut head = head.into_bytes();
    let at = head.len() - 4;
    head.splice(at..at, *b"\xe9\xff");
    let served = serve(&head, Cuts::Bytes, &Config::default());
    assert_eq!(served.error(), None);
    let values: Vec<_> = served.request().headers().iter().map(|(_, v)| v).collect();
    assert_eq!(*values.last().unwrap(), b"\xe9\xff");
}

// ---- responses ----

/// Some servers always send `Sec-WebSocket-Protocol`, empty if none was chosen.
#[test]
fn an_empty_subprotocol_of_a_server_is_none() {
    let response = with_line(RESPONSE, "Sec-WebSocket-Protocol: ");
    let request = client_request().subprotocol("chat").unwrap();
    let config = Config::default();
    for cuts in Cuts::ALL {
        for request in [&client_request(), &request] {
            let asked = ask(request, &response, b"", cuts, &config);
            assert_eq!(asked.opened().subprotocol(), None);
        }
        let chosen = with_line(&response, "Sec-WebSocket-Protocol: chat");
        let asked = ask(&request, &chosen, b"", cuts, &config);
        assert_eq!(asked.opened().subprotocol(), Some("chat"));
        // Who needs one does not get it in this way.
        let required = request.clone().require_subprotocol();
        let asked = ask(&required, &response, b"", cuts, &config);
        assert_eq!(asked.error(), Some(HandshakeError::SubprotocolMissing));
    }
}

/// The words after the status mean nothing: they may be missing, or in Latin-1.
#[test]
fn a_reason_phrase_may_be_anything() {
    let (rest, config) = (RESPONSE.split_once("\r\n").unwrap().1, Config::default());
    for line in [
        &b"HTTP/1.1 101"[..],
        b"HTTP/1.1 101 ",
        b"HTTP/1.1 101 \xdcbergang",
        b"HTTP/1.1 101 a b  c",
    ] {
        for cuts in Cuts::ALL {
            let (endpoint, key) = client_handshake(&client_request(), &config);
            let rest = rest.replace("ACCEPT", &accept_key(&key));
            let response = [line, b"\r\n", rest.as_bytes()].concat();
            let asked = receive_response(endpoint, &cuts.cut(&response));
            assert_eq!(asked.opened().status, 101, "{}", line.escape_ascii());
        }
    }
}

/// A 101 has no content, whatever its fields say: what follows is frames.
#[test]
fn what_a_101_says_of_its_content_means_nothing() {
    let early = frame(Role::Client, 0x81, b"early");
    for line in [
        "Transfer-Encoding: chunked",
        "Content-Length: 0",
        "Content-Length: 5",
        "X: caf\u{e9}",
    ] {
        let response = with_line(RESPONSE, line);
        let config = Config::default();
        for cuts in Cuts::ALL {
            let asked = ask(&client_request(), &response, &early, cuts, &config);
            assert_eq!((asked.opened().status, &asked.rest), (101, &early));
        }
    }
}

/// HTTP/1.0 has no 1xx, so what such a response says about what follows is not believed.
#[test]
fn an_interim_response_of_http_1_0_is_refused() {
    for status in [100, 101, 103, 199] {
        for minor in [0, 1] {
            let early = format!("HTTP/1.{minor} {status} x\r\n\r\n");
            let response = early + RESPONSE;
            let asked = ask(
                &client_request(),
                &response,
                b"",
                Cuts::Bytes,
                &Config::default(),
            );
            let wanted = match (minor, status) {
                (0, _) => Some(HandshakeError::HttpVersion { major: 1, minor: 0 }),
                (_, 101) => Some(HandshakeError::Upgrade(FieldFault::Missing)),
                _ => None,
            };
            assert_eq!(asked.error(), wanted, "HTTP/1.{minor} {status}");
        }
    }
}

/// The limit is that of one head: many interim responses may be longer together.
#[test]
fn each_interim_response_may_have_max_head_size() {
    const MAX: usize = 200;
    let config = config(|all| all.max_head_size = MAX);
    let head = |len: usize| {
        let frame = "HTTP/1.1 103 x\r\nX: \r\n\r\n";
        frame.replace("X: ", &format!("X: {}", "y".repeat(len - frame.len())))
    };
    for cuts in Cuts::ALL {
        let response = head(MAX).repeat(8) + RESPONSE;
        let asked = ask(&client_request(), &response, b"", cuts, &config);
        assert_eq!(asked.opened().status, 101);
        let response = head(MAX).repeat(7) + &head(MAX + 1) + RESPONSE;
        let asked = ask(&client_request(), &response, b"", cuts, &config);
        let error = HandshakeError::HeadTooLarge { max: MAX };
        assert_eq!(asked.error(), Some(error));
    }
}

// ---- after a refusal ----

/// Whatever comes after a refusal is taken and means nothing, in the same read or a later one.
#[test]
fn input_after_a_refusal_is_discarded() {
    let (config, now) = (Config::default(), Duration::ZERO);
    let frames = frame(Role::Server, 0x81, b"x");
    let endpoint = |role| match role {
        Role::Server => Endpoint::server(&config, now),
        Role::Client => client_handshake(&client_request(), &config).0,
    };
    for (role, head) in [
        (Role::Server, "GET\r\n\r\n"),
        (Role::Server, "PUT / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (Role::Client, "HTTP/1.1 101 x\r\n\r\n"),
        (Role::Client, "HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n"),
    ] {
        for after in [
            REQUEST.as_bytes(),
            RESPONSE.as_bytes(),
            &frames,
            b"\0",
            b"HTTP",
        ] {
            let (mut endpoint, mut out) = (endpoint(role), BytesMut::new());
            let mut bytes = [head.as_bytes(), after].concat();
            let mut input = Input(&mut bytes);
            let mut refusals = 0;
            while let Some(event) = endpoint.receive(&mut input, now, &mut out) {
                match event {
                    Event::Http(_) => {}
                    Event::Refused(_) => refusals += 1,
                    other => panic!("{other:?} after {head}"),
                }
            }
            assert_eq!((refusals, input.0.len()), (1, 0), "{head}");
            let written = out.clone();
            for _ in 0..3 {
                let mut bytes = after.to_vec();
                let mut input = Input(&mut bytes);
                assert_eq!(endpoint.receive(&mut input, now, &mut out), None, "{head}");
                assert!(input.0.is_empty() && out == written && !endpoint.is_open());
                assert!(endpoint.send("x", &mut out).is_err());
            }
        }
    }
    // The same where the application has refused.
    let mut served = serve(REQUEST.as_bytes(), Cuts::AtOnce, &config);
    served.respond(sansocket::Response::new(404));
    let written = served.out.clone();
    let mut bytes = [REQUEST.as_bytes(), &frames].concat();
    let mut input = Input(&mut bytes);
    let event = served.endpoint.receive(&mut input, now, &mut served.out);
    assert_eq!((event, input.0.len()), (None, 0));
    assert_eq!(served.out, written);
}

// ---- after the handshake ----

/// Middleware that writes an HTTP response or a page between the frames: every letter has a reserved
/// bit, so it fails at its first byte, and the text of the error says what it looks like.
#[test]
fn text_between_frames_fails_and_looks_like_text() {
    for text in [
        "HTTP/1.1 500 x\r\n\r\n",
        "<html>",
        "{\"a\":1}",
        "GET / HTTP/1.1",
    ] {
        for role in ROLES {
            let mut run = Run::new(role);
            run.feed(&frame(role, 0x81, b"good"));
            run.feed(text.as_bytes());
            let first = text.as_bytes()[0];
            let error = ProtocolError::ReservedBit { first };
            assert_eq!(run.events[1..], [Event::Failed(error)]);
            let told = error.to_string();
            let letter = &text[..1];
            assert!(
                told.contains(&format!("'{letter}'")) && told.contains("HTTP"),
                "{told}"
            );
        }
    }
    let told = ProtocolError::ReservedBit { first: 0xc1 }.to_string();
    assert!(told.contains("0xc1") && !told.contains("HTTP"), "{told}");
}
