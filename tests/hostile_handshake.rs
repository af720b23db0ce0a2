//! What has gone wrong in other opening handshakes must not happen here. Each test says what went
//! wrong there; the laws are those of RFC 6455, sections 4 and 10, and of RFC 9112, section 11.
//! Single errors have their tests in `errors.rs`, limits in `limits.rs`.

mod support;

use bytes::BytesMut;
use sansocket::negotiation::{Extension, OriginPolicy};
use sansocket::{
    Config, Event, FieldError, HandshakeConfig, Input, ProtocolError, Rejection, RequestError,
    Response, ResponseError, Role, ServerHandshake, State, Uri,
};
use support::*;

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
            Some(RequestError::Key),
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
        let error = Some(RequestError::VersionMalformed);
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
fn a_refusal_has_any_final_status_and_a_length_that_is_right() {
    // Content where none may be is taken for the next response.
    for status in 200..=599 {
        let mut out = BytesMut::new();
        Rejection::new(status).unwrap().body("words").send(&mut out);
        let response = String::from_utf8(out.to_vec()).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")));
        match status {
            204 | 304 => assert!(body.is_empty() && !head.contains("Content-")),
            _ => assert!(body == "words" && head.contains("Content-Length: 5")),
        }
        let refusal = refusal(&response);
        assert_eq!((refusal.status, &*refusal.body), (status, body.as_bytes()));
        assert!(refusal.is_complete);
    }
}

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
